/*
 * verify.c - from migration to migration through a scratch database
 *
 * The runner is jobctl-migrate's own; a migration is applied alone by showing it a set
 * that ends there.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "str.h"
#include "verify_checks.h"
#include "verify_steps.h"

char *
verify_label(const struct verify *v)
{
	if (v->version)
		return xasprintf("%s %04" PRId64 "_%s", v->set->name, v->version->version,
				 v->version->name);
	return xasprintf("%s %s", v->set->name, v->head ? "head" : "api");
}

char *
verify_id(const struct verify *v, const char *fmt, ...)
{
	AUTOFREE char *label = verify_label(v), *rest = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&rest, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	*strrchr(label, ' ') = '.';
	return report_id("%s.%s", label, rest);
}

bool
verify_broken(const struct verify *v, const struct err *e)
{
	return interrupted() || e->kind == ERR_UNAVAILABLE || !v->db->conn ||
	       PQstatus(v->db->conn) != CONNECTION_OK;
}

/* What the runner has to say, its errors say again. */
static void
event(void *ctx, const struct mig_event *ev)
{
	(void)ctx;
	(void)ev;
}

/* Take a set up to where it ends, or down to a version. */
static int
run(struct verify *v, const struct mig_set *set, bool down, int64_t to, struct err *e)
{
	struct mig_state state = MIG_STATE_INIT;
	struct mig_plan plan = { .begin = STR(STR_ANY) };
	struct mig_goal goal = { .down = down, .to_given = down, .to = to };
	struct mig_run m = MIG_RUN_INIT;
	int64_t from = now_ms();
	int rc = -1;

	m.db = v->db;
	m.app = v->app;
	m.dbname = v->conninfo;
	m.event = event;
	if (mig_state_read(v->db, set, 1, &state, e) == 0 &&
	    mig_plan_make(&plan, &state, set, 1, &goal, e) == 0)
		rc = mig_run(&m, &plan, e);
	v->ms = now_ms() - from;
	mig_run_free(&m);
	mig_plan_free(&plan);
	mig_state_free(&state);
	return rc;
}

/* The set as it was when the migration at hand was its last; borrows from it. */
static struct mig_set
part(const struct verify *v)
{
	struct mig_set s = *v->set;

	if (v->version) {
		s.n = (size_t)(v->version - v->set->v) + 1;
		s.napi = 0;
	}
	return s;
}

int
verify_up(struct verify *v, struct err *e)
{
	struct mig_set set = part(v);

	return v->in_schema ? verify_schema_up(v, e) : run(v, &set, false, 0, e);
}

int
verify_down(struct verify *v, struct err *e)
{
	struct mig_set set = part(v);

	if (v->in_schema)
		return verify_schema_down(v, e);
	if (v->head)
		return run(v, &set, true, 0, e);
	if (v->version)
		return run(v, &set, true, set.n > 1 ? set.v[set.n - 2].version : 0, e);
	set.napi = 0;		/* which an api that is there has to go for */
	return run(v, &set, false, 0, e);
}

static bool
is_ours(void *ctx, const struct inv_row *r)
{
	const struct verify *v = ctx;
	const char *role = inventory_role(r);

	if (role)
		return scratch_names(&v->scratch, role);
	return !v->in_schema || verify_schema_has(r);
}

int
verify_look(struct verify *v, struct inventory *inv, struct err *e)
{
	inventory_free(inv);
	if (inventory_read(v->db, !v->in_schema, inv, e))
		return -1;
	inventory_keep(inv, is_ours, v);
	return 0;
}

int
verify_begin_try(struct verify *v, struct err *e)
{
	return pg_exec(v->db, v->in_schema ? "SAVEPOINT jobctl_attempt" : "BEGIN", e);
}

int
verify_end_try(struct verify *v, struct err *e)
{
	return pg_exec(v->db, v->in_schema ? "ROLLBACK TO SAVEPOINT jobctl_attempt;"
					     "RELEASE SAVEPOINT jobctl_attempt"
					   : "ROLLBACK", e);
}

void
verify_timing(struct verify *v, const char *what)
{
	AUTOFREE char *label = verify_label(v);

	report_check(v->report, PASS, "timings", verify_id(v, "%s", what),
		     xasprintf("%s %s", label, what), NULL,
		     xasprintf("%.3f s", (double)v->ms / 1000), NULL);
}

static const char *
checksum(const struct verify *v)
{
	return v->version ? v->version->up.sha256 : v->set->api_sha256;
}

/* It could not be applied: that is the verdict, unless nothing can be applied any more. */
static int
failed(struct verify *v, struct err *e)
{
	if (verify_broken(v, e))
		return -1;
	report_check(v->report, FAIL, "summary", verify_id(v, "applied"),
		     xstrdup("cannot be applied"), xstrdup("applied"), xstrdup(e->msg),
		     xasprintf("SHA-256 %s", checksum(v)));
	return 0;
}

static void
skipped(struct verify *v)
{
	report_check(v->report, SKIP, "summary", verify_id(v, "applied"),
		     xstrdup("not tried: what comes before it failed"), NULL, NULL,
		     xasprintf("SHA-256 %s", checksum(v)));
}

/* What it has made, and what of it goes down and up again. */
static int
examine(struct verify *v, bool *good, struct err *e)
{
	struct inventory before = v->now;
	int rc = 0;

	v->now = (struct inventory)INVENTORY_INIT;
	if (verify_look(v, &v->now, e)) {
		rc = -1;
	} else {
		verify_structure(v, &before, &v->now);
		if (v->round_trip)
			rc = verify_round_trip(v, &before, &v->now, good, e);
	}
	inventory_free(&before);
	return rc;
}

/* The migration at hand, or the api; *good becomes false if it cannot be applied. */
static int
step(struct verify *v, bool asked, bool *good, struct err *e)
{
	AUTOFREE char *label = verify_label(v);

	if (interrupted())
		return err_set(e, ERR_TEMPFAIL, "interrupted");
	v->progress(v->ctx, label);
	if (asked && v->version && !v->in_schema && verify_locks(v, e))
		return -1;
	if (verify_up(v, e)) {
		*good = false;
		return failed(v, e);
	}
	if (!asked)
		return 0;
	report_check(v->report, PASS, "summary", verify_id(v, "applied"),
		     xasprintf("%s is applied", label), NULL, NULL,
		     xasprintf("SHA-256 %s", checksum(v)));
	verify_timing(v, "up");
	v->sum_ms += v->ms;
	return examine(v, good, e);
}

/* Who has made a table in the same transaction holds every lock on it already. */
static void
skip_locks(struct verify *v)
{
	for (size_t i = 0; i < v->set->n; i++) {
		v->version = &v->set->v[i];
		report_check(v->report, SKIP, "locks", verify_id(v, "lock"),
			     xstrdup("not looked at: that takes a scratch database"), NULL, NULL,
			     NULL);
	}
	v->version = NULL;
}

/* The set as a whole, once all of it is there. */
static int
at_head(struct verify *v, bool *good, struct err *e)
{
	int rc;

	v->version = NULL;
	if (v->in_schema)
		skip_locks(v);
	if (verify_claims(v, e))
		return -1;
	v->head = true;
	v->ms = v->sum_ms;
	verify_timing(v, "up");
	rc = verify_faults(v, &v->before, &v->now, e);
	if (!rc && v->round_trip)
		rc = verify_round_trip(v, &v->before, &v->now, good, e);
	v->head = false;
	return rc;
}

static int
run_set(struct verify *v, bool asked, bool *good, struct err *e)
{
	v->sum_ms = 0;
	if (asked && *good && (verify_look(v, &v->before, e) || verify_look(v, &v->now, e) ||
			       verify_begin(v, e)))
		return -1;
	for (size_t i = 0; i <= v->set->n; i++) {
		v->version = i < v->set->n ? &v->set->v[i] : NULL;
		if (!v->version && !v->set->napi)
			continue;
		if (!*good)
			skipped(v);
		else if (step(v, asked, good, e))
			return -1;
	}
	if (asked && *good)
		return at_head(v, good, e);
	if (asked)
		report_check(v->report, SKIP, "summary", report_id("%s.head", v->set->name),
			     xstrdup("not looked at as a whole: not all of it is there"), NULL, NULL,
			     NULL);
	return 0;
}

/* Of what is on trial, how it reads. */
static void
tell_checksums(struct verify *v)
{
	for (size_t i = 0; i < v->nsets; i++) {
		v->set = &v->sets[i];
		for (size_t k = 0; v->asked[i] && k <= v->set->n; k++) {
			AUTOFREE char *label = NULL;

			v->version = k < v->set->n ? &v->set->v[k] : NULL;
			if (!v->version && !v->set->napi)
				continue;
			label = verify_label(v);
			report_fact(v->report, label, xasprintf("SHA-256 %s", checksum(v)));
		}
	}
}

/* What the report is about. */
static int
facts(struct verify *v, struct err *e)
{
	static const char sql[] =
		"SELECT 'PostgreSQL ' || pg_catalog.current_setting('server_version'),"
		" current_user, pg_catalog.current_database(),"
		" pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC',"
		"  'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
	AUTOSTR sets = STR(STR_ANY);
	PG_RES res = NULL;

	if (pg_call(v->db, &res, sql, PG_NOARGS, e) < 0)
		return -1;
	for (size_t i = 0; i < v->nsets; i++)
		if (v->asked[i])
			str_putf(&sets, "%s%s", sets.len ? ", " : "", v->sets[i].name);
	report_fact(v->report, "sets", str_take(&sets));
	report_fact(v->report, "tool", xstrdup("jobctl-verify " JOBCTL_VERSION));
	report_fact(v->report, "server", xstrdup(pg_get(res, 0, 0)));
	report_fact(v->report, "role", xstrdup(pg_get(res, 0, 1)));
	report_fact(v->report, v->in_schema ? "scratch schema in" : "scratch database",
		    xstrdup(pg_get(res, 0, 2)));
	report_fact(v->report, "started", xstrdup(pg_get(res, 0, 3)));
	tell_checksums(v);
	return 0;
}

int
verify_finish(struct verify *v, struct err *e)
{
	static const char sql[] =
		"SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC',"
		" 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
	PG_RES res = NULL;

	if (pg_call(v->db, &res, sql, PG_NOARGS, e) < 0)
		return -1;
	report_fact(v->report, "finished", xstrdup(pg_get(res, 0, 0)));
	return 0;
}

int
verify_open(struct verify *v, struct err *e)
{
	v->scratch.sets = v->sets;
	v->scratch.nsets = v->nsets;
	v->scratch.guard = v->round_trip;
	v->progress(v->ctx, "making a scratch database");
	v->db = &v->scratch.db;
	if (scratch_open(&v->scratch, v->app,
			 v->scratch_server ? v->scratch_server : v->dbname, e))
		return -1;
	v->conninfo = v->scratch.conninfo;
	return 0;
}

int
verify_begin_trip(struct verify *v, struct err *e)
{
	return v->in_schema ? pg_exec(v->db, "SAVEPOINT jobctl_trip", e) : 0;
}

/* The sets before the one at hand, and of that as much as there was. */
static int
up_to_here(struct verify *v, struct err *e)
{
	const struct mig_set *set = v->set, here = part(v);

	for (const struct mig_set *s = v->sets; s < set; s++)
		if (run(v, s, false, 0, e))
			return -1;
	return verify_begin(v, e) || run(v, &here, false, 0, e) ? -1 : 0;
}

int
verify_start_over(struct verify *v, bool *good, struct err *e)
{
	if (v->in_schema)
		return pg_exec(v->db, "ROLLBACK TO SAVEPOINT jobctl_trip", e);
	if (scratch_close(&v->scratch, e) || verify_open(v, e))
		return -1;
	*good = up_to_here(v, e) == 0;
	return *good || !verify_broken(v, e) ? 0 : -1;
}

int
verify_run(struct verify *v, struct err *e)
{
	bool good = true;

	if (verify_open(v, e) && (e->kind != ERR_NOPERM || verify_schema_open(v, e)))
		return -1;
	if (facts(v, e))
		return -1;
	for (size_t i = 0; i < v->nsets; i++) {
		v->set = &v->sets[i];
		if (run_set(v, v->asked[i], &good, e))
			return -1;
	}
	return verify_finish(v, e);
}

int
verify_close(struct verify *v, struct err *e)
{
	inventory_free(&v->before);
	inventory_free(&v->now);
	free(v->known);
	v->known = NULL;
	return scratch_close(&v->scratch, e);
}
