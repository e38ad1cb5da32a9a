/*
 * worker.h - claiming jobs and running a program for each
 *
 * One thread, one poll().  The files:
 *   loop.c     what may wake the worker and what is due; signals; stopping
 *   db.c       every call to the database: all answers arrive in callbacks
 *   run.c      one attempt at a job: start, output, control lines, end
 *   command.c  which program a job means, its arguments and environment
 *
 * Invariants:
 *   - a run is in exactly one state, and in runs[] until the database has
 *     answered for it (or it was superseded);
 *   - nothing is started after fence_at, and at fence_at what runs is killed:
 *     the lease counts from when it was asked for, so the server's copy ends later;
 *   - a claim that was not answered is said again with the same token before
 *     any other.
 */
#ifndef JOBCTL_WORKER_H
#define JOBCTL_WORKER_H

#include <jansson.h>
#include <poll.h>

#include "cmd.h"
#include "pipe.h"
#include "proc.h"
#include "spool.h"
#include "uuid.h"

struct worker_config {
	struct common common;
	struct strlist queues;		/* as given: comma lists */
	bool all_queues;
	int64_t slots;
	const char *handlers;		/* directory */
	bool exec;
	struct strlist allow;		/* fnmatch patterns for --exec */
	struct strlist kinds;		/* comma lists */
	struct strlist env;		/* names that --exec commands may see */
	bool drain, once;
	int64_t max_jobs;		/* 0: no limit */
	int64_t max_time, idle_exit;	/* NEVER: no limit */
	int64_t poll_ms, lease_ms, grace_ms, drain_timeout;
	const char *stop_after;		/* "fail=N" or "fail=N%" */
	const char *permanent;		/* exit codes, comma list */
	bool fail_on_failure;
	char *const *command;		/* NULL-terminated; NULL with --handlers or --exec */
};

enum run_state {
	RUN_CLAIMED,		/* ours, not started */
	RUN_STARTED,
	RUN_ENDED,		/* outcome known, to be written */
	RUN_WRITING,		/* the call is on its way */
};

enum run_stop {			/* why we stop a command; a later one of more weight replaces */
	STOP_NONE, STOP_TIMEOUT, STOP_CANCEL, STOP_INTERRUPT, STOP_FENCED, STOP_SUPERSEDED
};

struct run {
	struct uuid id, token;
	char *project, *queue, *kind, *args, *checkpoint;
	int attempt, max_attempts;
	int64_t timeout_ms;		/* 0: none */
	enum run_state state;
	enum run_stop stop;
	struct proc proc;
	struct proc_end end;
	int out, err, control;		/* our ends of the pipes, or -1 */
	struct spool spool;
	struct str line;		/* of the control channel, up to its newline */
	int64_t started, expires;	/* expires: the timeout */
	int64_t ran_ms;
	int64_t flush_at;		/* when output and report may be sent next */
	int64_t retry_at;		/* when an unwritten end may be said again */
	bool reported;			/* something of the following is new */
	bool has_progress;
	int64_t done, total;
	char *message, *stats, *mark, *result;	/* mark: the new checkpoint */
	const char *outcome;		/* NULL: give it back */
	char *error;
	bool alone;			/* its finish failed in company: say it by itself */
};

struct worker {
	struct worker_config cfg;
	const struct cmd *cmd;
	struct uuid id;
	char **queues;			/* NULL-terminated; NULL: every queue */
	char **kinds;			/* NULL-terminated; NULL: every kind */
	char **env, **exec_env;		/* of children */
	struct run **runs;
	size_t nruns, nstarted, nclaimed;

	struct pipe pipe;
	struct pg_connector *connector;
	int64_t connect_at;		/* when to try again */
	int64_t backoff_ms;
	bool online;			/* pipe was opened and its end not dealt with yet */
	bool ever_connected, greeting, registered, leaving;
	int64_t beat_at, fence_at, maintain_at;
	int64_t asked_at;		/* when the beat on its way was sent */
	bool beating, maintaining;

	bool claiming, finishing;
	struct uuid claim_token;
	int64_t claim_want;		/* of the claim on its way, or lost; 0: none */
	bool hungry;			/* a claim may find something */
	bool tell_idle;			/* the last claim came short: ask to be woken */
	int64_t poll_at, next_due;	/* when to look again; when a scheduled job falls due */
	double mean_ms;			/* how long jobs take, smoothed; 0: not known */

	int signals;			/* TERM and INT received */
	bool draining;			/* claim no more */
	const char *why_draining;
	int64_t drain_until, end_at, idle_since;
	int64_t taken, completed, failed;
	int status;			/* exit status */
	bool over;
	struct err fatal;
};

/* loop.c */
int worker_run(struct worker *w);	/* until it is over; the exit status */
void worker_drain(struct worker *w, const char *why);
void worker_fatal(struct worker *w, const struct err *e);	/* stop everything with its exit status */

/* db.c */
void db_turn(struct worker *w);		/* everything that is due; called once a turn */
int db_fd(struct worker *w, short *events, int64_t *deadline);
void db_ready(struct worker *w, bool ready);
int64_t db_due(const struct worker *w);	/* when db_turn() has something to do */
void db_unregister(struct worker *w);

/* run.c */
struct run *run_new(struct worker *w);
void run_start(struct worker *w, struct run *r);
void run_stop(struct worker *w, struct run *r, enum run_stop why);
void run_read(struct run *r, int stream, int *fd);	/* stream 1 or 2 has something */
bool run_control(struct run *r);	/* the control channel has; false if it had nothing */
void run_exited(struct worker *w, struct run *r);
void run_forget(struct worker *w, struct run *r);	/* out of runs[], freed */

/* command.c */
struct command {
	char **argv, **envp;		/* NULL-terminated, yours */
	const char *cwd;		/* borrowed from args */
	json_t *args;
	bool null_stdin;
};
int command_init(struct worker *w, struct err *e) MUSTCHECK;	/* kinds and environments */
/* What to run for a job; ERR_DATA if its args do not fit. */
int command_make(struct worker *w, const struct run *r, struct command *c, struct err *e) MUSTCHECK;
void command_free(struct command *c);
bool command_is_permanent(const struct worker *w, int exit_code);

#endif
