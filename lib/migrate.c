/*
 * migrate.c - reading the bookkeeping and comparing it with the files
 */
#include "migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "migrate_book.h"
#include "str.h"

const char *const mig_status_names[] = {
	[MIG_APPLIED] = "applied",	     [MIG_PENDING] = "pending",
	[MIG_OUTDATED] = "outdated",	     [MIG_INTERRUPTED] = "interrupted",
	[MIG_OUT_OF_ORDER] = "out-of-order", [MIG_EDITED] = "edited",
	[MIG_MISSING] = "missing",	     [MIG_NEWER] = "newer",
};

static const char look_sql[] =
	"SELECT pg_catalog.to_regclass('jobctl.schema_migrations') IS NOT NULL,"
	" pg_catalog.to_regnamespace('jobctl') IS NOT NULL,"
	" CASE WHEN current_user = 'jobctl' THEN pg_catalog.regexp_replace("
	"  pg_catalog.current_setting('search_path'), '\"?[$]user\"?\\s*(,\\s*|$)', '') END";

#define RFC3339(t) \
	"pg_catalog.to_char(" t " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

static const char rows_sql[] =
	"SELECT set, version, m.name, m.sha256, m.tool_version, m.role, m.drops,"
	" " RFC3339("m.applied_at") ","
	" pg_catalog.round(m.duration_ms / 1000.0, 3), m.origin,"
	" s.direction = 'down', s.shas, s.open, " RFC3339("s.began") ", s.error"
	" FROM jobctl.schema_migrations m"
	" FULL JOIN (SELECT set, version, pg_catalog.min(direction) AS direction,"
	"  pg_catalog.string_agg(sha256, ' ' ORDER BY step) FILTER (WHERE finished_at IS NOT NULL)"
	"   AS shas,"
	"  pg_catalog.bool_or(finished_at IS NULL) AS open,"
	"  pg_catalog.max(started_at) FILTER (WHERE finished_at IS NULL) AS began,"
	"  pg_catalog.max(error) FILTER (WHERE finished_at IS NULL) AS error"
	"  FROM jobctl.schema_migration_steps GROUP BY set, version) s USING (set, version)"
	" ORDER BY set, version";
enum {
	ROW_SET, ROW_VERSION, ROW_NAME, ROW_SHA256, ROW_TOOL, ROW_ROLE, ROW_DROPS, ROW_AT,
	ROW_DURATION, ROW_ORIGIN, ROW_DOWN, ROW_STEPS, ROW_OPEN, ROW_BEGAN, ROW_ERROR
};

static const char events_sql[] =
	"SELECT set, version, pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"  'at', " RFC3339("at") ", 'event', event, 'name', name, 'old_sha256', old_sha256,"
	"  'new_sha256', new_sha256, 'role', role, 'application', application,"
	"  'tool_version', tool_version) ORDER BY id)"
	" FROM jobctl.schema_migration_events GROUP BY set, version";

/* Those that are invalid, and those that are there since an open step began. */
#define INDEXES(set, version, steps) \
	"SELECT " set ", " version ", c.relname," \
	" pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)," \
	" i.indisvalid, n.nspname, t.relname, pg_catalog.pg_table_is_visible(t.oid)" \
	" FROM pg_catalog.pg_index i" \
	" JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'" \
	" JOIN pg_catalog.pg_class t ON t.oid = i.indrelid" \
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" steps \
	" WHERE i.indexrelid >= 16384 AND (NOT i.indisvalid OR " set " IS NOT NULL)" \
	" AND " MIG_NOT_BEING_BUILT " ORDER BY 4, 1, 2"
static const char indexes_sql[] = INDEXES("s.set", "s.version",
	" LEFT JOIN jobctl.schema_migration_steps s ON s.finished_at IS NULL"
	"  AND i.indexrelid <> ALL (s.invalid_before) AND i.indexrelid <> ALL (s.valid_before)");
static const char bare_indexes_sql[] = INDEXES("NULL::text", "NULL::bigint", "");

void
mig_state_free(struct mig_state *st)
{
	PQclear(st->rows);
	PQclear(st->events);
	PQclear(st->indexes);
	free(st->search_path);
	free(st->v);
	*st = (struct mig_state)MIG_STATE_INIT;
}

void
mig_put_books(struct str *s, const struct mig_state *st)
{
	if (st->exists)
		return;
	if (!st->schema_exists)
		str_puts(s, "CREATE SCHEMA IF NOT EXISTS jobctl;\n");
	str_puts(s, mig_book_create_sql);
}

bool
mig_is_applied(const struct mig_item *it)
{
	return it->sha256 != NULL;
}

bool
mig_is_due(const struct mig_item *it)
{
	return it->status == MIG_PENDING || it->status == MIG_OUTDATED ||
	       it->status == MIG_OUT_OF_ORDER || it->status == MIG_INTERRUPTED;
}

void
mig_put_label(struct str *s, const struct mig_item *it)
{
	if (it->version)
		str_putf(s, "%s %04" PRId64 "_%s", it->set->name, it->version, it->name);
	else
		str_putf(s, "%s api", it->set->name);
}

/* Whether the steps that are done are still what the file says. */
static bool
steps_agree(const struct mig_file *f, const char *shas, size_t *done)
{
	bool agree = true;
	size_t n = 0;

	for (; *shas; n++) {
		size_t len = strcspn(shas, " ");
		char sha[65] = "";

		if (n < f->nsteps)
			mig_sha256(f->text + f->steps[n].start, f->steps[n].len, sha);
		agree = agree && len == 64 && !memcmp(shas, sha, 64);
		shas += len;
		shas += strspn(shas, " ");
	}
	*done = n;
	return agree;
}

static void
set_status(struct mig_item *it, const PGresult *rows, int row, int64_t last_applied)
{
	const char *steps = row < 0 ? "" : pg_get(rows, row, ROW_STEPS);

	if (row < 0) {
		it->status = it->version < last_applied ? MIG_OUT_OF_ORDER : MIG_PENDING;
	} else if (!it->files) {
		it->status = it->version > mig_set_head(it->set) ? MIG_NEWER : MIG_MISSING;
	} else if (pg_get_or_null(rows, row, ROW_DOWN)) {
		it->reverting = pg_get_bool(rows, row, ROW_DOWN);
		it->step_open = pg_get_bool(rows, row, ROW_OPEN);
		it->step_began = pg_get_or_null(rows, row, ROW_BEGAN);
		it->step_error = pg_get_or_null(rows, row, ROW_ERROR);
		it->status = steps_agree(it->reverting ? &it->files->down : &it->files->up, steps,
					 &it->steps_done)
				     ? MIG_INTERRUPTED
				     : MIG_EDITED;
	} else if (strcmp(it->sha256, it->files->up.sha256) != 0) {
		it->status = MIG_EDITED;
	} else {
		it->status = MIG_APPLIED;
	}
}

static void
fill_row(struct mig_item *it, const PGresult *rows, int row)
{
	it->sha256 = pg_get_or_null(rows, row, ROW_SHA256);
	it->applied_at = pg_get_or_null(rows, row, ROW_AT);
	it->duration_s = pg_get_or_null(rows, row, ROW_DURATION);
	it->tool_version = pg_get_or_null(rows, row, ROW_TOOL);
	it->role = pg_get_or_null(rows, row, ROW_ROLE);
	it->origin = pg_get_or_null(rows, row, ROW_ORIGIN);
	it->drops = pg_get_or_null(rows, row, ROW_DROPS);
}

static const char *
events_of(const PGresult *res, const char *set, int64_t version)
{
	for (int i = 0; i < PQntuples(res); i++)
		if (!strcmp(pg_get(res, i, 0), set) && pg_get_i64(res, i, 1) == version)
			return pg_get(res, i, 2);
	return NULL;
}

static struct mig_item *
new_item(struct mig_state *st, const struct mig_set *set, int64_t version, const char *name)
{
	st->v = xreallocarray(st->v, st->n + 1, sizeof *st->v);
	st->v[st->n] = (struct mig_item){
		.set = set, .version = version, .name = name,
		.events = events_of(st->events, set->name, version),
	};
	return &st->v[st->n++];
}

static void
compare_api(struct mig_state *st, const struct mig_set *set, int row)
{
	struct mig_item *it;

	if (row < 0 && !set->napi)
		return;
	it = new_item(st, set, 0, "api");
	if (row < 0) {
		it->status = MIG_PENDING;
		return;
	}
	fill_row(it, st->rows, row);
	if (!strcmp(it->sha256, set->api_sha256))
		it->status = MIG_APPLIED;
	else if (set->builtin && mig_version_cmp(it->tool_version, JOBCTL_VERSION) > 0)
		it->status = MIG_NEWER;
	else
		it->status = MIG_OUTDATED;
}

/* Merge the files and the rows of one set; both are in order of version. */
static void
compare(struct mig_state *st, const struct mig_set *set)
{
	int row = 0, api_row = -1, nrows = PQntuples(st->rows);
	int64_t last_applied = 0;
	size_t file = 0;

	while (row < nrows && strcmp(pg_get(st->rows, row, ROW_SET), set->name) != 0)
		row++;
	for (int i = row; i < nrows && !strcmp(pg_get(st->rows, i, ROW_SET), set->name); i++)
		if (!PQgetisnull(st->rows, i, ROW_SHA256))
			last_applied = pg_get_i64(st->rows, i, ROW_VERSION);
	for (;;) {
		bool more = row < nrows && !strcmp(pg_get(st->rows, row, ROW_SET), set->name);
		int64_t v = more ? pg_get_i64(st->rows, row, ROW_VERSION) : INT64_MAX;
		const struct mig_version *f = file < set->n ? &set->v[file] : NULL;
		struct mig_item *it;

		if (more && !v) {
			api_row = row++;
			continue;
		}
		if (!more && !f)
			break;
		if (f && f->version > v)
			f = NULL;
		it = new_item(st, set, f ? f->version : v,
			      f ? f->name : pg_get(st->rows, row, ROW_NAME));
		it->files = f;
		more = more && it->version == v;
		if (more)
			fill_row(it, st->rows, row);
		set_status(it, st->rows, more ? row : -1, last_applied);
		row += more;
		file += f != NULL;
	}
	compare_api(st, set, api_row);
}

static bool
asked_for(const struct mig_set *sets, size_t nsets, const char *name)
{
	for (size_t i = 0; i < nsets; i++)
		if (!strcmp(sets[i].name, name))
			return true;
	return false;
}

static int
read_rows(struct pg *db, struct mig_state *st, struct err *e)
{
	PG_RES look = NULL;

	if (pg_call(db, &look, look_sql, PG_NOARGS, e) < 0)
		return -1;
	st->exists = pg_get_bool(look, 0, 0);
	st->schema_exists = pg_get_bool(look, 0, 1);
	/*
	 * For a role named jobctl "$user" is our schema, from when we make it: names
	 * without a schema must not begin to mean another one then.
	 */
	if (pg_get_or_null(look, 0, 2))
		st->search_path = xstrdup(pg_get(look, 0, 2));
	if (!st->exists) {
		st->rows = PQmakeEmptyPGresult(db->conn, PGRES_TUPLES_OK);
		st->events = PQmakeEmptyPGresult(db->conn, PGRES_TUPLES_OK);
	} else if (pg_call(db, &st->rows, rows_sql, PG_NOARGS, e) < 0 ||
		   pg_call(db, &st->events, events_sql, PG_NOARGS, e) < 0) {
		return -1;
	}
	return pg_call(db, &st->indexes, st->exists ? indexes_sql : bare_indexes_sql, PG_NOARGS,
		       e) < 0 ? -1 : 0;
}

int
mig_state_read(struct pg *db, const struct mig_set *sets, size_t nsets, struct mig_state *ret,
	       struct err *e)
{
	struct mig_state st = MIG_STATE_INIT;

	if (read_rows(db, &st, e)) {
		mig_state_free(&st);
		if (e->kind == ERR_SCHEMA)
			err_hint(e, "jobctl.schema_migrations is not what jobctl-migrate makes");
		return err_ctx(e, "cannot read what is applied");
	}
	for (int i = 0; i < PQntuples(st.rows); i++)
		st.others = st.others || !asked_for(sets, nsets, pg_get(st.rows, i, ROW_SET));
	for (size_t i = 0; i < nsets; i++)
		compare(&st, &sets[i]);
	*ret = st;
	return 0;
}

static void
describe(const struct mig_item *it, struct err *e)
{
	AUTOSTR label = STR(200);

	mig_put_label(&label, it);
	switch (it->status) {
	case MIG_NEWER:
		(void)err_set(e, ERR_SCHEMA, "%s was applied by jobctl %s; this is %s", label.buf,
			      it->tool_version ? it->tool_version : "of another version",
			      it->set->builtin ? "an older one, " JOBCTL_VERSION
					       : "not in the directory");
		err_hint(e, "use the program, or the files, that know it");
		break;
	case MIG_MISSING:
		(void)err_set(e, ERR_DATA, "%s is applied and its file is missing", label.buf);
		err_hint(e, "put the file back, or see what jobctl-migrate repair offers");
		break;
	case MIG_EDITED:
		if (it->reverting || !it->sha256)
			(void)err_set(e, ERR_DATA, "%s is half done and the steps that are done "
				      "were edited since", label.buf);
		else
			(void)err_set(e, ERR_DATA, "%s was edited since it was applied "
				      "(SHA-256 was %.12s, is %.12s)",
				      label.buf, it->sha256, it->files->up.sha256);
		err_hint(e, "put the file back, and write a new migration for the change; or see "
			    "what jobctl-migrate repair offers");
		break;
	case MIG_OUT_OF_ORDER:
		(void)err_set(e, ERR_DATA, "%s is not applied, though a later one is", label.buf);
		err_hint(e, "give it a number after the last, or use --allow-out-of-order");
		break;
	case MIG_INTERRUPTED:
		(void)err_set(e, ERR_DATA, "%s is half reverted", label.buf);
		err_hint(e, "run down again to finish that first");
		break;
	case MIG_APPLIED:
	case MIG_PENDING:
	case MIG_OUTDATED:
		break;
	}
}

size_t
mig_state_problems(const struct mig_state *st, bool allow_out_of_order, struct mig_problems *p)
{
	size_t before = p->n;

	for (size_t i = 0; i < st->n; i++) {
		const struct mig_item *it = &st->v[i];

		if (it->status == MIG_NEWER || it->status == MIG_MISSING ||
		    it->status == MIG_EDITED ||
		    (it->status == MIG_OUT_OF_ORDER && !allow_out_of_order) ||
		    (it->status == MIG_INTERRUPTED && it->reverting))
			describe(it, mig_problem(p));
	}
	return p->n - before;
}

enum err_kind
mig_state_verdict(const struct mig_state *st)
{
	enum err_kind worst = ERR_NONE;

	for (size_t i = 0; i < st->n; i++) {
		const struct mig_item *it = &st->v[i];
		enum err_kind k = it->status == MIG_NEWER ? ERR_SCHEMA
				  : it->status == MIG_EDITED || it->status == MIG_MISSING ? ERR_DATA
				  : mig_is_due(it) ? ERR_NO
						   : ERR_NONE;

		if (k > worst)
			worst = k;
	}
	return worst;
}
