/*
 * explain.c - what is the matter, and what to type
 *
 * The screen is in explain_show.c.
 */
#include "explain.h"

#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "host.h"
#include "neighbour.h"
#include "processes.h"

/* postgresql://user:secret@host, or password=secret */
static bool
has_password(const char *conninfo)
{
	const char *user = strstr(conninfo, "://"), *at = user ? strchr(user, '@') : NULL;

	return strstr(conninfo, "password") || (at && memchr(user + 3, ':', (size_t)(at - user - 3)));
}

static void
put_word(struct str *s, const char *word)
{
	str_put_shell(s, word);
	str_putc(s, ' ');
}

/*
 * SQL is given to psql, with the connection that was used here.  A conninfo that has a
 * password in it is not repeated.
 */
static void
put_command(struct str *s, const char *command, const char *dbname)
{
	const char *env = getenv("JOBCTL_DATABASE");
	size_t word = strcspn(command, " ");

	if (s->len)
		str_putc(s, '\n');
	if (*command >= 'A' && *command <= 'Z') {
		AUTOFREE char *conninfo = pg_conninfo(NULL);

		str_puts(s, "psql ");
		if (!dbname && env && *env)
			str_puts(s, "\"$JOBCTL_DATABASE\" ");
		else if (!dbname && *conninfo)
			put_word(s, conninfo);
		else if (dbname && !has_password(dbname))
			put_word(s, dbname);
		str_puts(s, "-c ");
		str_put_shell(s, command);
		return;
	}
	str_add(s, command, word);
	if (dbname && !strncmp(command, "jobctl-", 7) && !has_password(dbname)) {
		str_puts(s, " -d ");
		str_put_shell(s, dbname);
	}
	str_puts(s, command + word);
}

static struct finding *
add(struct explain *x, const char *reason, bool healthy, const char *why)
{
	struct finding *f;

	x->v = xreallocarray(x->v, x->n + 1, sizeof *x->v);
	f = &x->v[x->n++];
	*f = (struct finding){ .reason = xstrdup(reason), .healthy = healthy,
			       .why = xstrdup(why), .next = xstrdup("") };
	x->healthy = x->healthy && healthy;
	return f;
}

static void
set_next(struct finding *f, const char *commands, const char *dbname)
{
	AUTOSTR s = STR(STR_ANY);

	while (*commands) {
		AUTOFREE char *one = xstrndup(commands, strcspn(commands, "\n"));

		put_command(&s, one, dbname);
		commands += strlen(one);
		commands += *commands == '\n';
	}
	free(f->next);
	f->next = str_take(&s);
}

static void
more(struct finding *f, const char *text)
{
	char *why = xasprintf("%s; %s", f->why, text);

	free(f->why);
	f->why = why;
}

static struct finding *
find(struct explain *x, const char *reason)
{
	for (size_t i = 0; i < x->n; i++)
		if (!strcmp(x->v[i].reason, reason))
			return &x->v[i];
	return NULL;
}

/* Put in front: it is the cause of those that follow. */
static void
to_front(struct explain *x)
{
	struct finding last = x->v[x->n - 1];

	memmove(x->v + 1, x->v, (x->n - 1) * sizeof *x->v);
	x->v[0] = last;
}

/* The process, or one below it, that is stopped: 0 if none is. */
static pid_t
stopped(pid_t pid)
{
	struct processes t = PROCESSES_NONE;
	pid_t found = 0;

	processes_read(&t);
	for (size_t i = 0; i < t.n && !found; i++)
		if ((t.v[i].pid == pid || t.v[i].parent == pid) &&
		    (t.v[i].state == 'T' || t.v[i].state == 't'))
			found = t.v[i].pid;
	processes_free(&t);
	return found;
}

static void
look_at_process(struct explain *x, const struct neighbour *w, const char *dbname)
{
	enum neighbour_state state = neighbour_look(w);
	AUTOFREE char *why = NULL;
	struct finding *late = find(x, "HeartbeatLate");
	pid_t t;

	if (state == NEIGHBOUR_LIVES)
		x->service = cgroup_service(w->pid);
	if (state == NEIGHBOUR_DEAD) {
		why = xasprintf("its worker ran on this host, and pid %d is gone", w->pid);
		set_next(add(x, "WorkerGone", false, why), "jobctl-reap", dbname);
		to_front(x);
		return;
	}
	if (!late)
		late = find(x, "LeaseExpired");
	if (!late)
		return;
	t = stopped(w->pid);
	if (t) {
		AUTOFREE char *command = xasprintf("kill -CONT %d", (int)t);

		why = xasprintf("on this host pid %d of it is stopped", (int)t);
		more(late, why);
		set_next(late, command, dbname);
	} else {
		AUTOFREE char *command = xasprintf("systemctl -n 20 status %d", w->pid);

		more(late, "its process is there, on this host: it cannot reach the database");
		set_next(late, command, dbname);
	}
}

/* What a worker elsewhere has logged; its host, which is what it says it is, is quoted. */
static void
point_to_host(struct explain *x, const char *host, int pid, const char *dbname)
{
	struct finding *late = find(x, "HeartbeatLate");
	AUTOSTR command = STR(STR_ANY);

	if (!late || strchr(host, '\n'))
		return;
	str_puts(&command, "ssh -- ");
	str_put_shell(&command, host);
	str_putf(&command, " systemctl -n 20 status %d", pid);
	set_next(late, command.buf, dbname);
}

/* Whether this host can tell more about the job's worker. */
static int
ask_host(struct pg *db, const char *dbname, struct explain *x, struct err *e)
{
	static const char sql[] =
		"SELECT worker_id, pid, pid_start, true, host = $1 AND boot_id = $2, host"
		" FROM jobctl.workers WHERE pid > 0 AND worker_id ="
		" (SELECT worker FROM jobctl.job WHERE id = $3 AND live LIMIT 1)";
	struct host_process self;
	PG_RES res = NULL;
	int n;

	host_self(&self);
	n = pg_call(db, &res, sql,
		    PG_ARGS(pg_text(self.host), pg_text(self.boot_id), pg_uuid(&x->id)), e);
	if (n == 1) {
		struct neighbour w = neighbour_read(res, 0);

		if (pg_get_bool(res, 0, 4))
			look_at_process(x, &w, dbname);
		else
			point_to_host(x, pg_get(res, 0, 5), w.pid, dbname);
	}
	return n < 0 ? -1 : 0;
}

static int
ask(struct pg *db, const char *dbname, const char *sql, struct pg_val what, struct explain *x,
    struct err *e)
{
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql, PG_ARGS(what), e);

	x->healthy = true;
	for (int r = 0; r < n; r++)
		set_next(add(x, pg_get(res, r, 0), pg_get_bool(res, r, 1), pg_get(res, r, 2)),
			 pg_get(res, r, 3), dbname);
	return n;
}

int
explain_job(struct pg *db, const char *dbname, const struct uuid *id, struct explain *x,
	    struct err *e)
{
	static const char sql_job[] =
		"SELECT queue, status FROM jobctl.job WHERE id = $1 LIMIT 1";
	static const char sql_why[] = "SELECT reason, healthy, why,"
				      " array_to_string(next, E'\\n') FROM jobctl.why($1)";
	PG_RES res = NULL;
	int n;

	*x = (struct explain){ .id = *id };
	n = pg_call(db, &res, sql_job, PG_ARGS(pg_uuid(id)), e);
	if (n <= 0)
		return n;
	x->queue = xstrdup(pg_get(res, 0, 0));
	x->status = xstrdup(pg_get(res, 0, 1));
	n = ask(db, dbname, sql_why, pg_uuid(id), x, e);
	if (n > 0 && !strcmp(x->status, "running") && ask_host(db, dbname, x, e))
		return -1;
	return n > 0 ? 1 : n;
}

int
explain_queue(struct pg *db, const char *dbname, const char *queue, struct explain *x,
	      struct err *e)
{
	static const char sql[] = "SELECT reason, healthy, why,"
				  " array_to_string(next, E'\\n') FROM jobctl.why_queue($1)";
	int n;

	*x = (struct explain){ .is_queue = true, .queue = xstrdup(queue) };
	n = ask(db, dbname, sql, pg_text(queue), x, e);
	return n > 0 ? 1 : n;
}

void
explain_free(struct explain *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->v[i].reason);
		free(x->v[i].why);
		free(x->v[i].next);
	}
	free(x->v);
	free(x->queue);
	free(x->status);
	free(x->service);
	*x = (struct explain){ .n = 0 };
}

/* The reasons that are not as they should be. */
static void
put_troubles(const struct explain *x, struct str *s)
{
	const char *between = "";

	for (size_t i = 0; i < x->n; i++)
		if (!x->v[i].healthy) {
			str_putf(s, "%s%s", between, x->v[i].reason);
			between = ", ";
		}
}

void
explain_verdict(const struct explain *x, struct str *s)
{
	const char *status = x->status ? x->status : "";
	bool runs = !strcmp(status, "running");
	bool live = x->is_queue || runs || !strcmp(status, "pending") || !strcmp(status, "held");

	if (x->healthy) {
		str_puts(s, !live ? "it has ended, nothing is to be done"
			    : x->is_queue ? "it goes as it should"
			    : runs ? "it runs as it should"
				   : "it waits as it should");
		return;
	}
	if (!strcmp(x->v[0].reason, "Failed")) {
		str_puts(s, "it failed, and is not tried again by itself");
		return;
	}
	if (x->n == 1 && !strcmp(x->v[0].reason, "Backoff")) {
		str_puts(s, "it failed, and is tried again by itself");
		return;
	}
	str_puts(s, x->is_queue ? "not as it should be: "
		    : runs ? "it runs, but: "
			   : "it does not run until this is mended: ");
	put_troubles(x, s);
}
