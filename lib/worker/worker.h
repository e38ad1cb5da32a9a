/*
 * worker.h - claiming jobs and running a program for each
 *
 * One thread, one poll().  The files:
 *   guard.c    the process above the worker, which outlives it
 *   loop.c     what may wake the worker and what is due; signals; stopping
 *   link.c     a connection, from the first attempt until it is lost
 *   db.c       being alive in the database's eyes, what is said when
 *   second.c   a second connection, for ends while there are many
 *   maintain.c dead workers and their jobs
 *   claim.c    taking jobs
 *   ends.c     writing down what jobs said and how they ended
 *   run.c      one attempt at a job: start, output, end
 *   handler.c  --pipe: handlers that stay, and are given job after job
 *   child.c    the processes for both
 *   tree.c     what that leaves behind, and the control groups it cannot leave
 *   control.c  what a job says on its control descriptor
 *   command.c  which program a job means, its arguments and environment
 *
 * Invariants:
 *   - a run is in exactly one state, and in the list of those in that state until
 *     the database has answered for it (or it was superseded);
 *   - nothing is started after fence_at, and at fence_at what runs is killed:
 *     the lease counts from when it was asked for, so the server's copy ends later;
 *   - an end is written, and a job given back, only after none of its processes
 *     was found alive: until then the run names its child;
 *   - a claim that was not answered is said again with the same token before
 *     any other;
 *   - everything written names (id, token), so that all of it can be said again
 *     when the connection is lost and it is not known whether it took effect.
 */
#ifndef JOBCTL_WORKER_H
#define JOBCTL_WORKER_H

#include <poll.h>
#include <signal.h>
#include <sys/queue.h>

#include "cgroup.h"
#include "cmd.h"
#include "host.h"
#include "jsonscan.h"
#include "pipe.h"
#include "proc.h"
#include "spool.h"
#include "uuid.h"

struct worker_config {
	struct common common;
	struct strlist queues;		/* as given: comma lists */
	bool all_queues;
	int64_t slots;			/* processes at once */
	const char *handlers;		/* directory */
	bool exec;
	bool pipe;			/* the command is a handler that stays */
	int64_t window;			/* jobs that one may hold */
	struct strlist allow;		/* fnmatch patterns for --exec */
	struct strlist kinds;		/* comma lists */
	struct strlist env;		/* names that --exec commands may see */
	bool drain, once;
	int64_t max_jobs;		/* 0: no limit */
	int64_t max_time, idle_exit;	/* NEVER: no limit */
	int64_t poll_ms, lease_ms, grace_ms, drain_timeout;
	const char *stop_after;		/* "fail=N" or "fail=N%" */
	const char *permanent;		/* exit codes, comma list, or "none" */
	bool fail_on_failure;
	char *const *command;		/* NULL-terminated; or NULL: --handlers, --exec */
};

enum run_state {
	RUN_CLAIMED,		/* ours, not started */
	RUN_STARTED,
	RUN_ENDED,		/* outcome known, to be written */
	RUN_WRITING,		/* the call is on its way */
	RUN_STATES
};

/* Why we stop a command; one further down outweighs. */
enum run_stop {
	STOP_NONE, STOP_TIMEOUT, STOP_CANCEL, STOP_INTERRUPT, STOP_FENCED, STOP_SUPERSEDED
};

/* What a job said of itself, the latest of each; texts are JSON but for the message. */
struct run_report {
	int64_t done, total;		/* -1: not said */
	char *message, *stats, *checkpoint, *result;
	bool fresh;			/* some of it was not sent yet */
	int64_t call;			/* that carries the rest; 0: it is stored */
};
#define RUN_REPORT_INIT { .done = -1, .total = -1 }

#define WORKER_GROUP "jobctl-"	/* names of control groups begin so; a worker's id follows */

/* A control group for one child after the other. */
struct job_group {
	struct cgroup cgroup;
	bool taken;
};

enum child_state { CHILD_RUNS, CHILD_ENDED, CHILD_STATES };

/* What tells whose a process is: in its environment, unless it has thrown that away. */
struct mark {
	struct uuid id;			/* the job's, or a handler's */
	struct uuid token;		/* of the job's run */
};

/* A process that we started, until nothing of what it started was found alive. */
struct child {
	TAILQ_ENTRY(child) link;	/* the list of its state */
	struct proc proc;
	pid_t leader;			/* its pid, also when it has gone */
	struct mark mark;
	struct job_group *group;	/* what it started is in; NULL: none */
	struct proc_end end;
	int64_t started, ended;
	int64_t sweep_at;	/* when to look again for what it left behind; 0: not looked yet */
	bool left, stuck;		/* there was something; it does not die */
};

/* What one claim brought. */
struct taken {
	size_t runs;			/* of it that there are still */
	size_t writing;			/* those of them in RUN_WRITING: */
	struct link *by;		/* their ends are on their way by this connection */
};

struct run {
	struct uuid id, token;
	struct taken *taken;		/* with others that have this token */
	struct pg_tid row;		/* where it is in the table, if it was taken ahead */
	char *project, *queue, *kind, *args, *checkpoint;
	int attempt, max_attempts;
	int64_t timeout_ms;		/* 0: none */
	enum run_state state;
	TAILQ_ENTRY(run) link;	/* the list of that state */
	enum run_stop stop;
	struct child *child;		/* NULL: there is none, or nothing of it any more */
	struct handler *handler;	/* that has it in its hands; or NULL */
	int64_t line_at;		/* where its line begins in what that is given */
	int place;			/* in the guardian's table of what was started, or -1 */
	int out, err, control;		/* our ends of the pipes, or -1 */
	struct spool spool;
	size_t held;			/* bytes of output and result, as run_weigh() found */
	struct str line;		/* of the control channel, up to its newline */
	int64_t bad_lines;
	struct run_report report;
	int64_t hold_until;		/* if it cannot be started by then, it goes back */
	int64_t mark_at;		/* taken ahead: its row is to say that it runs; or NEVER */
	int64_t started, expires, ended;	/* expires: the timeout */
	int64_t ran_ms;
	int64_t flush_at;		/* when output and report may be sent next */
	int64_t end_call;		/* that carries the end, while that is on its way */
	int64_t retry_at;		/* when an unwritten end may be said again */
	int refused;			/* how often the end could not be written */
	bool alone;			/* it was refused in company: say it by itself */
	bool apart;			/* so it was alone: say its output before it, not with it */
	const char *outcome;		/* NULL: give it back */
	int exit_code, signal;		/* -1, 0: none */
	double cpu_s;			/* -1: not known */
	int64_t rss_bytes;		/* -1: not known */
	char *error;
};

/* What to start. */
struct command {
	char **argv, **envp;		/* NULL-terminated, yours */
	size_t inherited;		/* so many of envp are borrowed, the first ones */
	char *cwd;			/* NULL: ours */
	bool null_stdin;
};

struct guarded;

/* A connection; or, while there is a connector, what is to become one. */
struct link {
	struct pg_connector *connector;
	struct pipe pipe;
	bool online;			/* pipe was opened and its end not dealt with yet */
	int64_t end_calls, end_answered;	/* that say how jobs ended */
	int64_t answered_at;		/* the last of them */
};

struct second {
	struct link link;
	bool greeted, ready;		/* it was said hello to; ends may go by it */
	int64_t ask_at, connect_at;	/* not before */
	int64_t until;			/* no longer than */
};

enum { WATCHED = 8 };		/* at most; far less than loop.c has descriptors to spare */

/* Another worker of our host. */
struct watched {
	struct uuid id;
	int fd;			/* pidfd; -1: it has exited, or cannot be watched */
};

struct worker {
	struct worker_config cfg;
	const struct cmd *cmd;
	struct uuid id;
	struct host_process self;	/* who we are to others: our guardian */
	struct guarded *guarded;	/* what it is told */
	int delegated;			/* the control group we are in, if we may divide it; or -1 */
	struct cgroup group;		/* below it: all that our jobs start, and nothing else */
	struct job_group **groups;	/* below that */
	size_t ngroups;
	int guardian;			/* pidfd: readable when it has died */
	char **queues;			/* NULL-terminated; NULL: every queue */
	char **kinds;			/* NULL-terminated; NULL: every kind */
	char **env, **exec_env;		/* of children */
	TAILQ_HEAD(run_list, run) runs[RUN_STATES];	/* in the order they came to be in that state */
	size_t nruns, in_state[RUN_STATES];
	size_t held;			/* bytes, by all of them */
	int64_t slots;			/* of them that can run at once */
	TAILQ_HEAD(child_list, child) children[CHILD_STATES];	/* in the order they came to be so */
	size_t nchildren;
	struct handler *handlers;	/* --pipe */
	size_t nhandlers;
	size_t guard_next;		/* where there may be room in the guardian's table */
	int64_t oom_kills;		/* as cgroup_oom_kills() last said */
	int64_t start_at;		/* no process could be started: not before this */
	int64_t walked_at;		/* when all processes were last looked at */
	struct pollfd *table;
	size_t table_cap;

	struct link first;
	struct second second;
	struct link *ends;		/* which of them output and reports go by, and most ends */
	int64_t connect_at;		/* when to try again */
	int64_t backoff_ms;
	int64_t lost_at;		/* when the connection was; NEVER while there is one */
	bool ever_registered, greeting, registered, leaving;
	bool pooled;			/* through a pooler: nobody can wake us */
	int64_t beat_ms, beat_at, fence_at, maintain_at;
	int64_t asked_at;		/* when the beat on its way was sent */
	bool beating, maintaining;
	int64_t neighbours_at;		/* when to look at the workers of our host */
	int64_t again_ms;		/* how long after one was dead */
	struct watched watched[WATCHED];
	size_t nwatched;
	int watch_fd;			/* epoll: readable when one of them exits */
	int64_t watchdog_ms, watchdog_at;
	int64_t output_calls, output_answered;
	int64_t report_calls, report_answered;
	bool pressed;			/* more output is held than should be */

	bool claiming;
	struct uuid claim_token;
	int64_t claim_want;		/* of the claim on its way or lost; 0: none */
	bool claim_ahead;		/* that claim alone says whose its jobs are, not their rows */
	int64_t mark_at;		/* the first of what was taken ahead */
	int64_t look_at, looked_at;	/* when to claim next; the last time */
	bool look_again;		/* the claim on its way may not see all there is */
	bool tell_idle;			/* the last claim came short: ask to be woken before the next */
	bool listed;			/* as idle, so that we are woken */
	int64_t next_due;		/* when a scheduled job falls due, as the last asking told */
	double mean_ms;			/* how long jobs take, smoothed; 0: not known */
	double mean_args;		/* bytes of args, smoothed */

	int64_t signalled_at[2];	/* by others, by the guardian */
	int signals;			/* HUP, INT and TERM received */
	bool draining;			/* claim no more */
	int64_t extend_at;		/* when to ask systemd for more time to stop */
	int64_t drain_until, end_at, idle_since;
	int64_t taken, completed, failed;
	int status;			/* exit status */
	bool over;
	struct err fatal;
};

/* guard.c */
/*
 * Make this process the guardian, which takes these signals and never returns, and
 * return in a new one as the worker.
 */
int guard_begin(struct worker *w, const sigset_t *signals, struct err *e) MUSTCHECK;
void guard_renewed(struct worker *w);	/* the lease that was asked for at asked_at */
void guard_started(struct worker *w, struct run *r);
void guard_settled(struct worker *w, struct run *r);
void guard_died(struct worker *w);	/* do its work; does not return */
void guard_left(struct worker *w);	/* what was ours is written or given back */
void guard_rest(struct worker *w);	/* nothing runs below us that it would have to end */

/* loop.c */
int worker_run(struct worker *w);	/* until it is over; the exit status */
void worker_drain(struct worker *w, const char *why);
/* Stop everything; the error's kind is the exit status. */
void worker_fatal(struct worker *w, const struct err *e);
void worker_give_up(struct worker *w, const struct err *e);	/* the same, when what runs is done */

/* db.c */
void db_turn(struct worker *w);		/* everything that is due; called once a turn */
void db_ready(struct worker *w, bool ready);
int64_t db_due(const struct worker *w);	/* when db_turn() has something to do */
void db_unregister(struct worker *w);
int64_t db_deadline(const struct worker *w);	/* for a call made now */
int64_t db_jitter(int64_t ms);		/* give or take a tenth */
/* A call failed: those that end the worker do; the rest is logged, to be said again. */
void db_complain(struct worker *w, const char *what, const struct err *e);
struct run *db_find(struct worker *w, const char *id, const char *token);

struct pg_connector *db_connector(struct worker *w, struct err *e) MUSTCHECK;
/* Of the answer to a statement whose last column is pg_backend_pid(). */
bool db_is_pooled(const struct pipe *p, const PGresult *res);
/* There is no pooler: what the session prepares will be there, and it is to look for us. */
void db_own(struct worker *w, struct pipe *p, pipe_answer *then);

/* link.c */
/* As pipe_fd(). */
int link_fd(const struct link *l, short *events, int64_t *deadline);
int link_ready(struct link *l, bool ready, struct err *e) MUSTCHECK;	/* -1: it cannot be had */
void link_close(struct link *l, const struct err *why);

/* second.c */
void second_claimed(struct worker *w, int64_t jobs);	/* a claim got all it asked for */
void second_close(struct worker *w, const struct err *why);
void second_ready(struct worker *w, bool ready);
void second_turn(struct worker *w);
int64_t second_due(const struct worker *w);

/* maintain.c */
void maintain_init(struct worker *w);
void maintain_free(struct worker *w);
int64_t maintain_due(const struct worker *w);
void maintain_turn(struct worker *w);
void maintain_told(struct worker *w);	/* a worker has come to our host */
void maintain_ready(struct worker *w);	/* watch_fd is readable */

/* claim.c */
int64_t claim_due(const struct worker *w);
void claim(struct worker *w);
void claim_again(struct worker *w);
void claim_hold(struct run *r);		/* for a moment, in which it may start */
/* Gives back what has been held too long; has the server told of what takes longer than expected. */
void claim_tick(struct worker *w);
int64_t claim_tick_due(const struct worker *w);
/* A list of words as text[]; NULL is SQL NULL. */
struct pg_val claim_words(struct pg_array *a, char *const *words);

/* ends.c */
int64_t ends_due(const struct worker *w);
void ends_turn(struct worker *w);
/* What has ended then need not be written before this, for the sake of a larger batch. */
int64_t ends_linger_until(const struct worker *w, int64_t ended);
bool ends_are_answered(const struct worker *w);
/* The connection is lost: what is unanswered is to be said again. */
void ends_lost(struct worker *w);

/* run.c */
/* All that are in a state; the run itself may go to another meanwhile. */
#define RUNS_IN(w, state, r, next)                                       \
	for (struct run *r = TAILQ_FIRST(&(w)->runs[state]), *next;      \
	     r && (next = TAILQ_NEXT(r, link), true); r = next)
void runs_init(struct worker *w);
struct run *run_new(struct worker *w, struct taken *taken);
/* To a later state, or back to an earlier one, where it goes before all others. */
void run_become(struct worker *w, struct run *r, enum run_state state);
void run_weigh(struct worker *w, struct run *r);	/* what it holds has changed */
size_t runs_over(const struct worker *w);		/* so many wait to be written */
void run_start(struct worker *w, struct run *r);
void run_stop(struct worker *w, struct run *r, enum run_stop why);
/* Stream 1 or 2 has something; false if it had nothing. */
bool run_read(struct worker *w, struct run *r, int stream, int *fd);
void run_wrote(struct worker *w, struct run *r, int stream, const char *p, size_t n);
size_t run_room(const struct worker *w);		/* so many may be started now */
void run_started(struct worker *w, struct run *r);
void run_unstarted(struct worker *w, struct run *r);	/* it was not after all */
/* When its time limit ends, if it is started now. */
void run_deadline(const struct run *r, char when[40]);
void run_exited(struct worker *w, struct run *r);	/* its program has */
/* It ended so, unless we stopped it: then that is what is said.  NULL gives it back. */
void run_over(struct worker *w, struct run *r, const char *outcome, const char *error);
/* The process that worked on it ended so; outcome NULL: what that means by convention. */
void run_died(struct worker *w, struct run *r, const struct proc_end *end, const char *outcome,
	      const char *error);
/* That in words, with the last that it said; yours. */
char *run_end_text(struct worker *w, const struct proc_end *end, const char *said, bool stopped);
void run_swept(struct worker *w, struct run *r);	/* nothing of its child is left */
void run_forget(struct worker *w, struct run *r);	/* out of its list, freed */
void runs_free(struct worker *w);	/* at the end: the guardian gives back what there is */
void run_flush_soon(struct run *r);

/* child.c */
/* All that are in a state; the child itself may go meanwhile. */
#define CHILDREN_IN(w, state, c, next)                                          \
	for (struct child *c = TAILQ_FIRST(&(w)->children[state]), *next;       \
	     c && (next = TAILQ_NEXT(c, link), true); c = next)
void children_init(struct worker *w);
/*
 * Start a program; mark is in its environment.  The descriptors are as in proc_spec, and
 * stay yours.  NULL as proc_spawn() says.
 */
struct child *child_start(struct worker *w, const struct command *c, const int fds[4],
			  const struct mark *mark, struct err *e) MUSTCHECK;
/*
 * The leader has exited: its end is known, and what it left is looked for.  -1 as
 * proc_collect() says: its program never ran, it can be forgotten.
 */
int child_exited(struct worker *w, struct child *c, struct err *e) MUSTCHECK;
void child_forget(struct worker *w, struct child *c);	/* it has ended, nothing of it is there */
void children_kill(struct worker *w);			/* at once */
void children_free(struct worker *w);
/* Pipes of which a child has one end; ours does not block. */
int child_pipe_from(int *ours, int *theirs, struct err *e) MUSTCHECK;
int child_pipe_to(int *theirs, int *ours, struct err *e) MUSTCHECK;

/* handler.c */
void handlers_init(struct worker *w);
void handlers_free(struct worker *w);
size_t handlers_room(const struct worker *w);	/* jobs that they can be given now */
void handlers_take(struct worker *w, struct run *r);	/* there is room */
void handlers_send(struct worker *w);		/* what they have taken */
void handler_stop(struct handler *h, int64_t grace_ms);	/* for the sake of one job */
void handlers_stop(struct worker *w, int64_t grace_ms);
bool handlers_run(const struct worker *w);	/* one at least, and was not told to end */
/* PER_HANDLER entries at most for each; hold: leave what they write in its pipes. */
enum { PER_HANDLER = 4 };
size_t handlers_poll(const struct worker *w, struct pollfd *table, bool hold);
void handlers_ready(struct worker *w, const struct pollfd *table);
void handlers_tick(struct worker *w);
int64_t handlers_due(const struct worker *w);

/* tree.c */
/* A group for what is about to be started, where there are any: *entry is cgroup_entry()'s. */
int tree_enter(struct worker *w, struct job_group **group, int *entry, struct err *e) MUSTCHECK;
void tree_turn(struct worker *w, bool woken);
/* What tells that there is something to look for: at most one entry for each child. */
size_t tree_poll(const struct worker *w, struct pollfd *table);
int64_t tree_due(const struct worker *w);
/* With one slot the next job waits until nothing is left of the last. */
bool tree_is_in_the_way(const struct worker *w);
void tree_free(struct worker *w);

/* control.c */
/* The channel has something; false if it had nothing. */
bool control_read(struct run *r);
void control_end(struct run *r);	/* what is in it now is all there will be */
/* Members of a line that reports; false, and nothing is changed, if one is not understood. */
bool run_report_take(struct run_report *p, const struct json_scan *line);
void run_report_free(struct run_report *p);

/* command.c */
int command_init(struct worker *w, struct err *e) MUSTCHECK;	/* kinds and environments */
/* What to run for a job; ERR_DATA if its args do not fit. */
int command_make(struct worker *w, const struct run *r, struct command *c,
		 struct err *e) MUSTCHECK;
void command_handler(struct worker *w, const struct uuid *id, struct command *c);
void command_free(struct command *c);
bool command_is_permanent(const struct worker *w, int exit_code);

#endif
