/*
 * doctor.c - findings, their fixes, and the checks of the connection and the clock
 */
#include "doctor.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parse.h"
#include "str.h"

const char *const doctor_severities[] = { "ok", "warning", "critical" };

enum { CLOCK_SAMPLES = 5, CLOCK_WARN_S = 1, CLOCK_CRITICAL_S = 300 };

void
doctor_found(struct doctor *d, enum doctor_severity severity, const char *check, char *what,
	     char *evidence, char *fix)
{
	d->v = xreallocarray(d->v, d->n + 1, sizeof *d->v);
	d->v[d->n++] = (struct finding){ severity, check, what, evidence, fix };
}

void
doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].what);
		free(d->v[i].evidence);
		free(d->v[i].fix);
	}
	free(d->v);
	d->v = NULL;
	d->n = 0;
}

/* One keyword of a connection string. */
static void
put_keyword(struct str *s, const char *key, const char *value)
{
	str_putf(s, "%s%s=", s->len ? " " : "", key);
	if (*value && !strpbrk(value, " '\\\t\n")) {
		str_puts(s, value);
		return;
	}
	str_putc(s, '\'');
	for (; *value; value++)
		str_putf(s, *value == '\'' || *value == '\\' ? "\\%c" : "%c", *value);
	str_putc(s, '\'');
}

/* What -d said, without its secrets. */
static char *
public_conninfo(const char *dbname)
{
	PQconninfoOption *all = PQconninfoParse(dbname, NULL);
	AUTOSTR s = STR(STR_ANY);

	for (PQconninfoOption *o = all; o && o->keyword; o++)
		if (o->val && *o->dispchar != '*')
			put_keyword(&s, o->keyword, o->val);
	PQconninfoFree(all);
	return str_take(&s);
}

/*
 * A word of a shell command.  Double quotes serve what has single ones: a backslash
 * would be doubled on its way to the terminal.
 */
static void
put_word(struct str *s, const char *z)
{
	if (strchr(z, '\'') && !strpbrk(z, "\"$`\\!"))
		str_putf(s, "\"%s\"", z);
	else
		str_put_shell(s, z);
}

char *
doctor_psql(const struct doctor *d, const char *fmt, ...)
{
	const char *env = getenv("JOBCTL_DATABASE");
	AUTOFREE char *sql = NULL;
	AUTOSTR s = STR(STR_ANY);
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&sql, fmt, ap) < 0)
		sql = NULL;
	va_end(ap);
	str_puts(&s, "psql ");
	if (d->dbname) {
		AUTOFREE char *conninfo = public_conninfo(d->dbname);

		put_word(&s, conninfo);
		str_putc(&s, ' ');
	} else if (env && *env) {
		str_puts(&s, "\"$JOBCTL_DATABASE\" ");
	} else {
		AUTOFREE char *conninfo = pg_conninfo(NULL);

		/* libpq's own settings are psql's, too; else it is the private cluster */
		str_puts(&s, *conninfo ? "\"$(jobctl-db url)\" " : "");
	}
	str_puts(&s, "-c ");
	put_word(&s, sql ? sql : "");
	return str_take(&s);
}

char *
doctor_jobctl(const struct doctor *d, const char *program, const char *words)
{
	AUTOSTR s = STR(STR_ANY);

	str_puts(&s, program);
	if (d->dbname) {
		AUTOFREE char *conninfo = public_conninfo(d->dbname);

		str_puts(&s, " -d ");
		put_word(&s, conninfo);
	}
	str_putf(&s, "%s%s", *words ? " " : "", words);
	return str_take(&s);
}

/* The server behind a pooler, as a connection string; NULL if we may not know. */
static char *
server_itself(struct doctor *d)
{
	static const char sql[] =
		"SELECT coalesce(host(inet_server_addr()),"
		" (SELECT split_part(setting, ',', 1) FROM pg_settings"
		"  WHERE name = 'unix_socket_directories')), current_setting('port')";
	AUTOSTR s = STR(STR_ANY);
	PG_RES res = NULL;
	struct err e;

	if (pg_call(d->db, &res, sql, PG_NOARGS, &e) < 0 || PQgetisnull(res, 0, 0))
		return NULL;
	put_keyword(&s, "host", pg_get(res, 0, 0));
	put_keyword(&s, "port", pg_get(res, 0, 1));
	put_keyword(&s, "dbname", PQdb(d->db->conn));
	put_keyword(&s, "user", PQuser(d->db->conn));
	return str_take(&s);
}

static int
backend_pid(struct pg *db, int64_t *pid, struct err *e)
{
	PG_RES res = NULL;

	if (pg_call(db, &res, "SELECT pg_backend_pid()", PG_NOARGS, e) < 0)
		return -1;
	*pid = pg_get_i64(res, 0, 0);
	return 0;
}

/*
 * Behind a pooler, whether two sessions of ours are served by one of the server's, or one
 * of ours by several: 1 if so, 0 if each has its own.  The other holds a transaction open
 * meanwhile.  -1 if there is no other to be had: all the pooler has is ours, and not shared.
 */
static int
is_shared(struct doctor *d, int64_t mine)
{
	struct err e;
	struct pg other = { .conn = NULL, .call_ms = 3000 };
	int64_t theirs = mine, now;
	int rc;

	if (backend_pid(d->db, &now, &e))
		return -1;
	if (now != mine)
		return 1;
	if (pg_connect(&other, d->app, d->dbname, &e))
		return -1;
	rc = pg_exec(&other, "BEGIN", &e) || backend_pid(&other, &theirs, &e) ? -1 : 0;
	pg_close(&other);
	return rc ? rc : theirs == mine;
}

int
doctor_connection(struct doctor *d, struct err *e)
{
	AUTOFREE char *server = NULL;
	AUTOSTR fix = STR(STR_ANY);
	int64_t told = PQbackendPID(d->db->conn), pid;
	int shared;

	if (backend_pid(d->db, &pid, e))
		return -1;
	if (pid == told) {
		doctor_found(d, DOCTOR_OK, "pooler",
			     xstrdup("the connection leads to the server itself"),
			     xasprintf("backend %lld", (long long)pid), NULL);
		return 0;
	}
	shared = is_shared(d, pid);
	if (shared <= 0) {
		doctor_found(
			d, DOCTOR_OK, "pooler",
			xstrdup("the connection goes through a pooler that gives each session "
				"a server's session of its own"),
			xasprintf("backend %lld, which the pooler calls %lld", (long long)pid,
				  (long long)told),
			NULL);
		return 0;
	}
	server = server_itself(d);
	if (server) {
		str_puts(&fix, "export JOBCTL_DATABASE=");
		put_word(&fix, server);
	}
	doctor_found(
		d, DOCTOR_WARNING, "pooler",
		xstrdup("the connection goes through a pooler in transaction mode: workers "
			"behind it learn of new jobs by polling only, and jobctl-migrate refuses it"),
		xasprintf("two sessions shared backend %lld, which the pooler calls %lld",
			  (long long)pid, (long long)told),
		server ? str_take(&fix) : NULL);
	return 0;
}

static double
wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The server's clock was read between two readings of ours: that bounds the error. */
int
doctor_clock(struct doctor *d, struct err *e)
{
	double ahead = 0, bound = INFINITY, sure;
	char apart[32];

	for (int i = 0; i < CLOCK_SAMPLES; i++) {
		PG_RES res = NULL;
		double before = wall_clock(), after;

		if (pg_call(d->db, &res, "SELECT extract(epoch FROM clock_timestamp())",
			    PG_NOARGS, e) < 0)
			return -1;
		after = wall_clock();
		if (after - before >= 0 && (after - before) / 2 < bound) {
			bound = (after - before) / 2;
			ahead = pg_get_double(res, 0, 0) - (before + after) / 2;
		}
	}
	sure = fabs(ahead) - bound;
	duration_text(fabs(ahead), apart);
	doctor_found(
		d,
		sure >= CLOCK_CRITICAL_S ? DOCTOR_CRITICAL
		: sure >= CLOCK_WARN_S	 ? DOCTOR_WARNING
					 : DOCTOR_OK,
		"clock",
		sure < CLOCK_WARN_S
			? xstrdup("the clocks of this host and of the server agree")
			: xasprintf("the clock of this host is %s %s the server's: times given "
				    "here mean others there",
				    apart, ahead > 0 ? "behind" : "ahead of"),
		xasprintf("difference %.3f s, known to %.3f s", ahead, bound),
		sure < CLOCK_WARN_S ? NULL : xstrdup("timedatectl set-ntp true"));
	return 0;
}
