/*
 * drift.c - which state of the migrations to compare a live database with
 */
#include "drift.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "str.h"
#include "verify_steps.h"

static const char live_sql[] =
	"SELECT 'PostgreSQL ' || current_setting('server_version'), current_database(),"
	" current_user, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
	" current_setting('server_version_num')::integer / 10000, owner, quote_ident(owner)"
	" FROM (SELECT max(pg_get_userbyid(c.relowner)) AS owner FROM pg_class c"
	"  JOIN pg_namespace n ON n.oid = c.relnamespace"
	"  WHERE n.nspname = 'jobctl' AND c.relname = 'schema_migrations') o";

static int
open_live(struct drift *d, struct err *e)
{
	struct verify *v = d->verify;

	if (pg_connect(&d->live, v->app, v->dbname, e))
		return -1;
	interrupt_cancels(d->live.conn);
	return pg_exec(&d->live, "SET default_transaction_read_only = on", e);
}

/* Whether who is in the books as having applied it did: a baseline says nothing of that. */
static bool
books_tell(const struct mig_state *books)
{
	for (size_t i = 0; i < books->n; i++)
		if (books->v[i].origin && strcmp(books->v[i].origin, "up") != 0)
			return false;
	return true;
}

/* Definitions are in the words of the server: those of another version may differ. */
static int
facts(struct drift *d, struct err *e)
{
	struct verify *v = d->verify;
	PG_RES live = NULL;
	PG_RES scratch = NULL;

	if (pg_call(&d->live, &live, live_sql, PG_NOARGS, e) < 0 ||
	    pg_call(v->db, &scratch, live_sql, PG_NOARGS, e) < 0)
		return -1;
	report_fact(v->report, "database", xstrdup(pg_get(live, 0, 1)));
	report_fact(v->report, "server", xstrdup(pg_get(live, 0, 0)));
	report_fact(v->report, "role", xstrdup(pg_get(live, 0, 2)));
	report_fact(v->report, "tool", xstrdup("jobctl-verify " JOBCTL_VERSION));
	report_fact(v->report, "scratch database",
		    xasprintf("%s, %s", pg_get(scratch, 0, 1), pg_get(scratch, 0, 0)));
	report_fact(v->report, "started", xstrdup(pg_get(live, 0, 3)));
	if (pg_get_or_null(live, 0, 5) && books_tell(&d->books)) {
		d->owner = xstrdup(pg_get(live, 0, 5));
		d->owner_sql = xstrdup(pg_get(live, 0, 6));
	}
	if (strcmp(pg_get(live, 0, 4), pg_get(scratch, 0, 4)) != 0)
		report_check(v->report, WARN, "summary", xstrdup("drift.server"),
			     xstrdup("the scratch database is on a server of another version: "
				     "the same thing may be worded differently"),
			     xstrdup(pg_get(live, 0, 0)), xstrdup(pg_get(scratch, 0, 0)), NULL);
	return 0;
}

/* What the books say of one migration, or of the api. */
static void
tell_item(struct drift *d, const struct mig_item *it)
{
	struct report *r = d->verify->report;
	AUTOSTR label = STR(200);
	enum verdict verdict = it->status == MIG_APPLIED ? PASS : mig_is_due(it) ? WARN : FAIL;
	char *id;

	mig_put_label(&label, it);
	id = xasprintf("drift.migration.%s", label.buf);
	*strchr(id, ' ') = '.';		/* the set's name has none */
	report_check(r, verdict, "summary", id,
		     xasprintf("migration %s is %s", label.buf, mig_status_names[it->status]),
		     verdict == PASS ? NULL : xstrdup("applied"),
		     xstrdup(mig_status_names[it->status]),
		     it->applied_at ? xasprintf("%s by jobctl %s as %s", it->applied_at,
						it->tool_version, it->role)
				    : NULL);
}

/* The set as far as it is applied: up to the last version that is, and all of its api. */
static struct mig_set
applied_part(const struct mig_state *st, const struct mig_set *set)
{
	struct mig_set part = *set;
	size_t last = 0;
	bool api = false;

	for (size_t i = 0; i < st->n; i++) {
		const struct mig_item *it = &st->v[i];

		if (it->set != set || !mig_is_applied(it))
			continue;
		api = api || !it->version;
		for (size_t k = 0; k < set->n; k++)
			if (it->version == set->v[k].version)
				last = k + 1;
	}
	part.n = last;
	if (!api)
		part.napi = 0;
	return part;
}

/* A database without books was made by hand: then all of it should be there. */
static int
read_books(struct drift *d, struct err *e)
{
	const struct verify *v = d->verify;
	const struct mig_state *st = &d->books;

	if (mig_state_read(&d->live, v->sets, v->nsets, &d->books, e))
		return -1;
	d->parts = xcalloc(v->nsets, sizeof *d->parts);
	for (size_t i = 0; i < v->nsets; i++)
		d->parts[i] = st->exists ? applied_part(st, &v->sets[i]) : v->sets[i];
	if (!st->exists)
		report_check(v->report, WARN, "summary", xstrdup("drift.migrations"),
			     xstrdup("nothing is on record: compared with all migrations"),
			     NULL, NULL, NULL);
	for (size_t i = 0; st->exists && i < st->n; i++)
		for (size_t k = 0; k < v->nsets; k++)
			if (st->v[i].set == &v->sets[k] && v->asked[k])
				tell_item(d, &st->v[i]);
	return 0;
}

/* In the scratch database, what should be there. */
static int
make(struct drift *d, struct err *e)
{
	struct verify *v = d->verify;

	v->head = true;
	for (size_t i = 0; i < v->nsets; i++) {
		AUTOFREE char *what = xasprintf("making %s", d->parts[i].name);

		if (interrupted())
			return err_set(e, ERR_TEMPFAIL, "interrupted");
		v->progress(v->ctx, what);
		/* What a set that was not asked for makes is taken for granted. */
		if (v->asked[i] && !d->none.res && inventory_read(v->db, false, &d->none, e))
			return -1;
		v->set = &d->parts[i];
		if (verify_up(v, e))
			return err_ctx(e, "cannot make what should be there");
	}
	return 0;
}

/*
 * Make everything that differs again from the server's own words, in a transaction that is
 * rolled back, and see how it words it now.  What cannot be made so stays as it was.
 */
static int
reread(struct drift *d, struct err *e)
{
	struct pg *db = d->verify->db;
	struct err ignored;

	if (pg_exec(db, "BEGIN", e))
		return -1;
	for (size_t i = 0; i < d->want.n; i++) {
		const struct inv_row *r = &d->want.v[i];
		const struct inv_row *have = inventory_find(&d->have, r->kind, r->name);

		if (!have || !r->alter || !strcmp(have->def, r->def))
			continue;
		if (pg_exec(db, "SAVEPOINT jobctl_reread; SET LOCAL search_path = pg_catalog", e))
			return -1;
		if (pg_exec(db, r->alter, &ignored) &&
		    pg_exec(db, "ROLLBACK TO SAVEPOINT jobctl_reread", e))
			return -1;
	}
	return inventory_read(db, false, &d->reread, e) || pg_exec(db, "ROLLBACK", e) ? -1 : 0;
}

int
drift_run(struct drift *d, struct err *e)
{
	struct verify *v = d->verify;

	if (open_live(d, e) || read_books(d, e) || verify_open(v, e) || facts(d, e) ||
	    make(d, e) || inventory_read(v->db, false, &d->want, e))
		return -1;
	v->progress(v->ctx, "reading the database");
	interrupt_cancels(d->live.conn);
	if (inventory_read(&d->live, false, &d->have, e))
		return -1;
	interrupt_cancels(v->db->conn);
	if (reread(d, e))
		return -1;
	drift_compare(d);
	return verify_finish(v, e);
}

void
drift_free(struct drift *d)
{
	inventory_free(&d->none);
	inventory_free(&d->want);
	inventory_free(&d->have);
	inventory_free(&d->reread);
	mig_state_free(&d->books);
	free(d->owner);
	free(d->owner_sql);
	free(d->parts);
	pg_close(&d->live);
	d->parts = NULL;
}
