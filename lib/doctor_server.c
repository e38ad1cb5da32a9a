/*
 * doctor_server.c - checks of what the server does with our tables: VACUUM, who keeps it
 * from its work, partitions, workers
 */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "parse.h"
#include "str.h"

/* A holder whose age nobody knows counts from so many transactions on. */
#define OLD_TRANSACTIONS 100000
/* Dead rows are many if they are so many, and more than twice the live ones. */
#define MANY_DEAD_ROWS 10000

enum { HOUR_S = 3600, WEEK_S = 7 * 24 * HOUR_S };

static int
settings(struct doctor *d, struct err *e)
{
	PG_RES res = NULL;
	int n = pg_call(
		d->db, &res,
		"SELECT name FROM pg_settings WHERE name IN ('autovacuum', 'track_counts')"
		" AND setting = 'off' ORDER BY name",
		PG_NOARGS, e);

	for (int i = 0; i < n; i++) {
		const char *name = pg_get(res, i, 0);
		AUTOFREE char *set = doctor_psql(d, "ALTER SYSTEM SET %s = on", name);
		AUTOFREE char *reload = doctor_psql(d, "SELECT pg_reload_conf()");

		doctor_found(d, DOCTOR_CRITICAL, "autovacuum",
			     xasprintf("%s is off: dead rows stay, and every claim gets slower",
				       name),
			     xasprintf("%s = off", name), xasprintf("%s && %s", set, reload));
	}
	if (n == 0)
		doctor_found(d, DOCTOR_OK, "autovacuum", xstrdup("autovacuum is on"), NULL,
			     NULL);
	return n < 0 ? -1 : 0;
}

static const char tables_sql[] =
	"SELECT \"table\","
	" CASE WHEN \"table\" LIKE '%.%' THEN \"table\" ELSE 'jobctl.' || \"table\" END,"
	" coalesce(live_rows, 0), coalesce(dead_rows, 0), never_vacuumed,"
	" jobctl.rfc3339(last_vacuum), jobctl.rfc3339(last_autovacuum), bytes"
	" FROM jobctl.table_state ORDER BY dead_rows DESC NULLS LAST, \"table\"";

int
doctor_vacuum(struct doctor *d, struct err *e)
{
	PG_RES res = NULL;
	int64_t dead = 0;
	int n;

	if (settings(d, e))
		return -1;
	n = pg_call(d->db, &res, tables_sql, PG_NOARGS, e);
	for (int i = 0; i < n; i++) {
		const char *name = pg_get(res, i, 1), *autovacuum = pg_get_or_null(res, i, 6);
		int64_t here = pg_get_i64(res, i, 3), live = pg_get_i64(res, i, 2);
		const char *vacuum = pg_get_or_null(res, i, 5);

		dead += here;
		if (pg_get_bool(res, i, 4))
			doctor_found(d, DOCTOR_WARNING, "autovacuum",
				     xasprintf("autovacuum leaves %s alone", name),
				     xstrdup("autovacuum_enabled=false"),
				     doctor_psql(d, "ALTER TABLE %s RESET (autovacuum_enabled)",
						 name));
		if (here < MANY_DEAD_ROWS || here <= 2 * live)
			continue;
		doctor_found(d, DOCTOR_WARNING, "dead-rows",
			     xasprintf("%s has %lld dead rows for %lld live ones", name,
				       (long long)here, (long long)live),
			     xasprintf("last autovacuum %s, last VACUUM %s",
				       autovacuum ? autovacuum : "never",
				       vacuum ? vacuum : "never"),
			     doctor_psql(d, "VACUUM (ANALYZE) %s", name));
	}
	doctor_found(d, DOCTOR_OK, "dead-rows",
		     xasprintf("%lld dead rows in all tables", (long long)dead), NULL, NULL);
	return n < 0 ? -1 : 0;
}

enum holder_col {
	H_HOLDER, H_PID, H_NAME, H_ROLE, H_APP, H_CLIENT, H_STATE, H_AGE, H_XACTS, H_QUERY
};

static char *
holder_evidence(const PGresult *res, int row)
{
	static const struct {
		enum holder_col col;
		const char *label;
	} parts[] = {
		{ H_PID, "pid " },	   { H_NAME, "name " },	    { H_ROLE, "user " },
		{ H_APP, "application " }, { H_CLIENT, "client " }, { H_STATE, "" },
	};
	AUTOSTR s = STR(STR_ANY);

	for (size_t i = 0; i < NELEM(parts); i++) {
		const char *v = pg_get(res, row, parts[i].col);

		if (*v)
			str_putf(&s, "%s%s%s", s.len ? ", " : "", parts[i].label, v);
	}
	str_putf(&s, "%s%s transactions ago", s.len ? ", " : "", pg_get(res, row, H_XACTS));
	if (*pg_get(res, row, H_QUERY))
		str_putf(&s, ": %s", pg_get(res, row, H_QUERY));
	return str_take(&s);
}

static char *
holder_fix(struct doctor *d, const PGresult *res, int row)
{
	const char *holder = pg_get(res, row, H_HOLDER), *name = pg_get(res, row, H_NAME);
	AUTOFREE char *quoted = PQescapeLiteral(d->db->conn, name, strlen(name));

	if (!strcmp(holder, "session"))
		return doctor_psql(d, "SELECT pg_terminate_backend(%s)",
				   pg_get(res, row, H_PID));
	if (!strcmp(holder, "prepared"))
		return doctor_psql(d, "ROLLBACK PREPARED %s", quoted ? quoted : "");
	if (!strcmp(holder, "slot") && PQgetisnull(res, row, H_PID))
		return doctor_psql(d, "SELECT pg_drop_replication_slot(%s)",
				   quoted ? quoted : "");
	/* what a standby holds is given up there, by ending its long queries */
	return xasprintf(
		"psql -h %s -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
		"WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()'",
		*pg_get(res, row, H_CLIENT) ? pg_get(res, row, H_CLIENT) : "STANDBY");
}

/* One whose age nobody knows is old if it is left behind, or by what went on meanwhile. */
static bool
is_old(const struct doctor *d, const PGresult *res, int row)
{
	if (!PQgetisnull(res, row, H_AGE))
		return pg_get_double(res, row, H_AGE) * 1000 >= (double)d->held_ms;
	return !strcmp(pg_get(res, row, H_STATE), "inactive") ||
	       pg_get_i64(res, row, H_XACTS) >= OLD_TRANSACTIONS;
}

int
doctor_xmin(struct doctor *d, struct err *e)
{
	static const char *const nouns[][2] = {
		{ "session", "an open transaction" },
		{ "prepared", "a prepared transaction" },
		{ "slot", "a replication slot" },
		{ "standby", "a standby's feedback" },
	};
	PG_RES res = NULL;
	size_t before = d->n;
	int n = pg_call(d->db, &res, "SELECT * FROM jobctl.xmin_holders()", PG_NOARGS, e);

	for (int i = 0; i < n; i++) {
		double age = PQgetisnull(res, i, H_AGE) ? -1 : pg_get_double(res, i, H_AGE);
		const char *noun = "somebody";
		char text[32] = "long";

		if (!is_old(d, res, i))
			continue;
		for (size_t k = 0; k < NELEM(nouns); k++)
			if (!strcmp(nouns[k][0], pg_get(res, i, H_HOLDER)))
				noun = nouns[k][1];
		if (age >= 0)
			duration_text(age, text);
		doctor_found(d, age >= 24 * HOUR_S ? DOCTOR_CRITICAL : DOCTOR_WARNING, "xmin",
			     xasprintf("%s has kept VACUUM from removing dead rows for %s",
				       noun, text),
			     holder_evidence(res, i), holder_fix(d, res, i));
	}
	if (n >= 0 && d->n == before)
		doctor_found(d, DOCTOR_OK, "xmin",
			     xstrdup("nobody keeps VACUUM from removing dead rows"), NULL,
			     NULL);
	return n < 0 ? -1 : 0;
}

int
doctor_history(struct doctor *d, struct err *e)
{
	static const char sql[] =
		"SELECT \"table\", coalesce(jobctl.rfc3339(until), ''), stray_rows,"
		" coalesce(extract(epoch FROM until - now()), 1e9) FROM jobctl.history_state()";
	size_t before = d->n;
	PG_RES res = NULL;
	int n = pg_call(d->db, &res, sql, PG_NOARGS, e);

	for (int i = 0; i < n; i++) {
		const char *table = pg_get(res, i, 0);
		double left = pg_get_double(res, i, 3);

		if (left < WEEK_S)
			doctor_found(d, left <= 0 ? DOCTOR_CRITICAL : DOCTOR_WARNING,
				     "partitions",
				     xasprintf("jobctl.%s has no partition for %s", table,
					       left <= 0 ? "this week" : "next week"),
				     xasprintf("the first week without one begins %s",
					       pg_get(res, i, 1)),
				     doctor_psql(d, "SELECT jobctl.ensure_partitions()"));
		if (pg_get_i64(res, i, 2) > 0)
			doctor_found(
				d, DOCTOR_WARNING, "partitions",
				xasprintf(
					"jobctl.%s_default is not empty: retention never reaches it",
					table),
				xasprintf("%s rows", pg_get(res, i, 2)),
				doctor_psql(d, "SELECT jobctl.ensure_partitions()"));
	}
	if (n >= 0 && d->n == before)
		doctor_found(d, DOCTOR_OK, "partitions",
			     xstrdup("there are partitions for the weeks ahead"), NULL, NULL);
	return n < 0 ? -1 : 0;
}

static const char versions_sql[] =
	"SELECT version, host, count(*), string_agg(pid::text, ' ' ORDER BY pid)"
	" FROM jobctl.workers WHERE lease_until > now() AND version <> $1 AND pid > 0"
	" GROUP BY version, host ORDER BY version, host";

static int
versions(struct doctor *d, struct err *e)
{
	struct host_process self;
	PG_RES res = NULL;
	int n;

	host_self(&self);
	n = pg_call(d->db, &res, versions_sql, PG_ARGS(pg_text(JOBCTL_VERSION)), e);
	for (int i = 0; i < n; i++) {
		const char *host = pg_get(res, i, 1);
		AUTOSTR fix = STR(STR_ANY);

		if (strcmp(host, self.host) != 0) {
			str_puts(&fix, "ssh -- ");
			str_put_shell(&fix, host);
			str_putc(&fix, ' ');
		}
		str_putf(&fix, "kill -TERM %s", pg_get(res, i, 3));
		doctor_found(d, DOCTOR_WARNING, "workers",
			     xasprintf("%s worker%s on %s %s of version %s, not of %s",
				       pg_get(res, i, 2), pg_get_i64(res, i, 2) == 1 ? "" : "s",
				       host, pg_get_i64(res, i, 2) == 1 ? "is" : "are",
				       pg_get(res, i, 0), JOBCTL_VERSION),
			     xasprintf("pid %s", pg_get(res, i, 3)), str_take(&fix));
	}
	return n < 0 ? -1 : 0;
}

int
doctor_workers(struct doctor *d, struct err *e)
{
	static const char sql[] =
		"SELECT count(*) FILTER (WHERE lease_until > now()),"
		" count(*) FILTER (WHERE lease_until < now() - lease),"
		" min(host) FILTER (WHERE lease_until < now() - lease) FROM jobctl.workers"
		" WHERE pid > 0";	/* 0: somebody runs a job by hand */
	PG_RES res = NULL;

	if (versions(d, e) || pg_call(d->db, &res, sql, PG_NOARGS, e) < 0)
		return -1;
	if (pg_get_i64(res, 0, 1) > 0) /* workers that live would have seen to it */
		doctor_found(
			d, DOCTOR_WARNING, "workers",
			xasprintf("%s dead worker%s still registered, and what they ran waits",
				  pg_get(res, 0, 1),
				  pg_get_i64(res, 0, 1) == 1 ? " is" : "s are"),
			xasprintf("lease over for longer than it was, on %s",
				  pg_get(res, 0, 2)),
			doctor_jobctl(d, "jobctl-reap", ""));
	doctor_found(d, DOCTOR_OK, "workers",
		     xasprintf("%s worker%s alive", pg_get(res, 0, 0),
			       pg_get_i64(res, 0, 0) == 1 ? " is" : "s are"), NULL, NULL);
	return 0;
}
