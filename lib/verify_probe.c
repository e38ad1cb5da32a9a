/*
 * verify_probe.c - statements whose outcome is stated beforehand
 *
 * Each runs in a savepoint that is rolled back, whatever came of it.  Constraints that
 * wait for the end of a transaction are made to look at once.
 */
#include "verify_checks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "str.h"

char *
verify_one_line(const char *sql)
{
	AUTOSTR s = STR(400);
	bool space = false;

	for (; *sql; sql++) {
		if (isspace((unsigned char)*sql)) {
			space = true;
			continue;
		}
		if (space && s.len)
			str_putc(&s, ' ');
		space = false;
		str_putc(&s, *sql);
	}
	while (s.cut && s.len && !utf8_valid(s.buf, s.len))	/* not within a character */
		str_truncate(&s, s.len - 1);
	return xasprintf("%s%s", s.buf, s.cut ? "..." : "");
}

char *
verify_refusal(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *msg = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	return xasprintf("%s (SQLSTATE %s)", msg ? msg : "refused", state ? state : "unknown");
}

/* What is named by an error: the constraint, or the column that may not be null. */
static const char *
named(const PGresult *res)
{
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);

	return constraint ? constraint : PQresultErrorField(res, PG_DIAG_COLUMN_NAME);
}

static bool
failed(const PGresult *res)
{
	return PQresultStatus(res) == PGRES_FATAL_ERROR;
}

static int64_t
rows_of(PGresult *res)
{
	return PQresultStatus(res) == PGRES_TUPLES_OK ? PQntuples(res)
						      : strtoll(PQcmdTuples(res), NULL, 10);
}

static bool
holds(const struct verify_stmt *s, PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE), *value;

	if (s->expect == EXPECT_SQLSTATE)
		return failed(res) && state && !strcmp(state, s->sqlstate) &&
		       (!s->text || (named(res) && !strcmp(named(res), s->text)));
	if (failed(res))
		return false;
	if (s->expect == EXPECT_ROWS)
		return rows_of(res) == s->rows;
	if (s->expect == EXPECT_OK)
		return true;
	if (PQntuples(res) != 1 || !PQnfields(res))
		return false;
	value = pg_get_or_null(res, 0, 0);
	return value && s->text ? !strcmp(value, s->text) : !value && !s->text;
}

static char *
outcome(const struct verify_stmt *s, PGresult *res)
{
	const char *name = named(res), *value;

	if (failed(res))
		return xasprintf("%s%s%s", PQresultErrorField(res, PG_DIAG_SQLSTATE), name ? " " : "",
				 name ? name : "");
	if (s->expect == EXPECT_VALUE && PQntuples(res) == 1 && PQnfields(res)) {
		value = pg_get_or_null(res, 0, 0);
		return xasprintf("value %s", value ? value : "NULL");
	}
	if (s->expect == EXPECT_OK)
		return xstrdup("ok");
	return xasprintf("rows %lld", (long long)rows_of(res));
}

/* Run it; *res is its result, or that of a constraint that refuses it at the end. */
static int
run_probe(struct verify *v, const struct verify_stmt *s, PGresult **ret, struct err *e)
{
	PG_RES res = NULL;
	PG_RES checked = NULL;

	if (pg_exec(v->db, "SAVEPOINT jobctl_probe", e) || pg_ask(v->db, &res, s->sql, e))
		return -1;
	if (!failed(res)) {
		/* a savepoint of its own: what it sets must not last if the probe's work does */
		if (pg_exec(v->db, "SAVEPOINT jobctl_constraints", e) ||
		    pg_ask(v->db, &checked, "SET CONSTRAINTS ALL IMMEDIATE", e) ||
		    pg_exec(v->db, "ROLLBACK TO jobctl_constraints", e))
			return -1;
	}
	if (checked && failed(checked)) {
		*ret = checked;
		checked = NULL;
	} else {
		*ret = res;
		res = NULL;
	}
	return 0;
}

static int
probe(struct verify *v, const struct verify_file *f, const struct verify_stmt *s, struct err *e)
{
	AUTOFREE char *where = xasprintf("%s:%d", f->path, s->line);
	AUTOFREE char *refusal = NULL;
	PG_RES res = NULL;
	bool good;

	if (run_probe(v, s, &res, e))
		return -1;
	good = holds(s, res);
	refusal = failed(res) ? verify_refusal(res) : NULL;
	report_check(v->report, good ? PASS : FAIL, "probes", verify_id(v, "probe.%s", s->name),
		     verify_one_line(s->sql), verify_expectation(s), outcome(s, res),
		     refusal ? xasprintf("%s: %s", where, refusal) : xstrdup(where));
	if (s->keeps && !failed(res))
		return pg_exec(v->db, "RELEASE jobctl_probe", e);
	return pg_exec(v->db, "ROLLBACK TO jobctl_probe; RELEASE jobctl_probe", e);
}

int
verify_probes(struct verify *v, const struct verify_file *f, struct err *e)
{
	if (verify_begin_try(v, e))
		return -1;
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].kind == VERIFY_PROBE && probe(v, f, &f->v[i], e))
			return -1;
		if (interrupted())
			return err_set(e, ERR_TEMPFAIL, "interrupted");
	}
	return verify_end_try(v, e);
}
