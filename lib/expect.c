/*
 * expect.c - what a database must have, read off the files of a set
 */
#include "expect.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "str.h"

static struct expected *
add(struct expectations *x, const struct mig_set *set, enum expect_kind kind,
    const char *object, const char *statement)
{
	x->v = xreallocarray(x->v, x->n + 1, sizeof *x->v);
	x->v[x->n] = (struct expected){
		.kind = kind,
		.set = set->name,
		.object = xstrdup(object),
		.statement = xstrdup(statement),
	};
	return &x->v[x->n++];
}

void
expect_free(struct expectations *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->v[i].object);
		free(x->v[i].type);
		free(x->v[i].role);
		free(x->v[i].statement);
	}
	free(x->v);
	*x = (struct expectations){ .n = 0 };
}

/* A statement on one line, without its semicolon. */
static char *
one_line(const char *text, const struct mig_stmt *st)
{
	AUTOSTR s = STR(STR_ANY);

	for (size_t i = st->start; i < st->end; i++) {
		bool blank = isspace((unsigned char)text[i]);

		if (!blank)
			str_putc(&s, text[i]);
		else if (s.len && s.buf[s.len - 1] != ' ')
			str_putc(&s, ' ');
	}
	while (s.len && (s.buf[s.len - 1] == ';' || s.buf[s.len - 1] == ' '))
		str_truncate(&s, s.len - 1);
	return str_take(&s);
}

/* Whether *p begins with the words; then it moves past them and the space behind. */
static bool
skip(const char **p, const char *words)
{
	size_t n = strlen(words);

	if (strncasecmp(*p, words, n) != 0 || ((*p)[n] != ' ' && (*p)[n]))
		return false;
	*p += n + ((*p)[n] == ' ');
	return true;
}

/* How long the name is: perhaps with a schema, perhaps quoted. */
static size_t
name_len(const char *z)
{
	bool quoted = false;
	size_t n = 0;

	for (; z[n] && (quoted || !strchr(" (;", z[n])); n++)
		quoted = quoted != (z[n] == '"');
	return n;
}

/* The schema of such a name, with its dot; 0 if it has none. */
static size_t
schema_len(const char *z)
{
	size_t n = name_len(z), dot = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		quoted = quoted != (z[i] == '"');
		if (z[i] == '.' && !quoted)
			dot = i + 1;
	}
	return dot;
}

static void
add_created(struct expectations *x, const struct mig_set *set, const char *z)
{
	const char *p = z, *on;
	bool index;

	if (!skip(&p, "CREATE"))
		return;
	(void)skip(&p, "UNIQUE");
	index = skip(&p, "INDEX");
	if (!index && !skip(&p, "TABLE"))
		return;
	(void)skip(&p, "CONCURRENTLY");
	(void)skip(&p, "IF NOT EXISTS");
	if (!index) {
		AUTOFREE char *name = xstrndup(p, name_len(p));

		(void)add(x, set, EXPECT_RELATION, name, z);
		return;
	}
	on = strcasestr(p, " ON ");
	if (on) { /* an index is in the schema of its table */
		const char *table = on + 4;
		AUTOFREE char *name = NULL;

		(void)skip(&table, "ONLY");
		name = xasprintf("%.*s%.*s", (int)schema_len(table), table, (int)name_len(p), p);

		(void)add(x, set, EXPECT_INDEX, name, z);
	}
}

/* The next item of a list, commas in parentheses aside; yours.  *p moves on. */
static char *
item(const char **p, const char *end)
{
	const char *from = *p, *q = from;
	int depth = 0;

	for (; q < end && (depth || *q != ','); q++)
		depth += (*q == '(') - (*q == ')');
	*p = q < end ? q + 1 + (q[1] == ' ') : end;
	return xstrndup(from, (size_t)(q - from));
}

static void
add_grants(struct expectations *x, const struct mig_set *set, const char *z)
{
	const char *on = strstr(z, " ON "), *p = on ? on + 4 : z;
	bool revoke = *z == 'R';
	const char *to = strstr(p, revoke ? " FROM " : " TO ");
	const char *type = skip(&p, "FUNCTION") ? "FUNCTION"
			   : skip(&p, "SCHEMA") ? "SCHEMA"
						: "TABLE";

	if (!on || !to || (revoke && strcmp(type, "FUNCTION") != 0))
		return;
	while (p < to) {
		AUTOFREE char *object = item(&p, to);
		const char *r = to + (revoke ? 6 : 4), *end = r + strlen(r);

		while (r < end) {
			struct expected *g = add(x, set, revoke ? EXPECT_REVOKE : EXPECT_GRANT,
						 object, z);

			g->type = xstrdup(type);
			g->role = item(&r, end);
			if (!strcmp(g->role, "PUBLIC"))
				memcpy(g->role, "public", 6); /* as has_*_privilege() has it */
		}
	}
}

static int
read_file(struct expectations *x, const struct mig_set *set, const struct mig_file *f,
	  struct err *e)
{
	struct mig_stmts st = { .n = 0 };

	if (mig_scan(f->text, f->len, &st, e))
		return err_ctx(e, "%s", f->path);
	for (size_t i = 0; i < st.n; i++) {
		const char *word = st.v[i].word[0];

		if (strcmp(word, "CREATE") != 0 && strcmp(word, "GRANT") != 0 &&
		    strcmp(word, "REVOKE") != 0)
			continue;
		AUTOFREE char *z = one_line(f->text, &st.v[i]);

		if (*word == 'C')
			add_created(x, set, z);
		else
			add_grants(x, set, z);
	}
	free(st.v);
	return 0;
}

int
expect_read(struct expectations *x, const struct mig_set *set, struct err *e)
{
	for (size_t i = 0; i < set->n; i++)
		if (read_file(x, set, &set->v[i].up, e))
			return -1;
	for (size_t i = 0; i < set->napi; i++) {
		const struct mig_api *api = &set->api[i];

		for (size_t d = 0; d < api->ndrops; d++)
			(void)add(x, set, EXPECT_API, api->drops[d], api->drops[d]);
		if (read_file(x, set, &api->file, e))
			return -1;
	}
	return 0;
}

/* The numbers of what does not hold.  The catalogs and to_reg*() are open to everybody. */
static const char check_sql[] =
	"SELECT x.n FROM unnest($1, $2, $3, $4) WITH ORDINALITY x(kind, object, type, role, n)"
	" WHERE CASE"
	" WHEN x.kind IN ('relation', 'index', 'VIEW', 'TABLE', 'MATERIALIZED VIEW')"
	"  THEN to_regclass(x.object) IS NULL"
	" WHEN x.kind IN ('FUNCTION', 'PROCEDURE') THEN to_regprocedure(x.object) IS NULL"
	" WHEN x.kind = 'revoke'"
	"  THEN has_function_privilege('public', to_regprocedure(x.object), 'EXECUTE')"
	" WHEN x.kind <> 'grant' THEN false"
	" WHEN x.role <> 'public' AND to_regrole(x.role) IS NULL THEN false"
	" WHEN x.type = 'FUNCTION'"
	"  THEN NOT has_function_privilege(x.role, to_regprocedure(x.object), 'EXECUTE')"
	" WHEN x.type = 'SCHEMA'"
	"  THEN NOT has_schema_privilege(x.role, to_regnamespace(x.object), 'USAGE')"
	" ELSE NOT has_table_privilege(x.role, to_regclass(x.object), 'SELECT') END"
	" ORDER BY x.n";

/* An api's object is "TYPE name": the type is its kind for the statement above. */
static void
put_arrays(const struct expected *x, struct pg_array a[4])
{
	static const char *const kinds[] = {
		[EXPECT_RELATION] = "relation", [EXPECT_INDEX] = "index",   [EXPECT_API] = "",
		[EXPECT_GRANT] = "grant",	[EXPECT_REVOKE] = "revoke",
	};
	const char *name = x->kind == EXPECT_API ? strpbrk(x->object, " ") : NULL;
	AUTOFREE char *type = name ? xstrndup(x->object, (size_t)(name - x->object)) : NULL;

	pg_array_add(&a[0], pg_text(name ? type : kinds[x->kind]));
	pg_array_add(&a[1], pg_text(name ? name + 1 : x->object));
	pg_array_add(&a[2], pg_text(x->type ? x->type : ""));
	pg_array_add(&a[3], pg_text(x->role ? x->role : ""));
}

int
expect_check(struct pg *db, const struct expectations *x, size_t **missing, size_t *n,
	     struct err *e)
{
	struct pg_array a[4] = { PG_ARRAY_INIT, PG_ARRAY_INIT, PG_ARRAY_INIT, PG_ARRAY_INIT };
	PG_RES res = NULL;
	int rows;

	for (size_t i = 0; i < x->n; i++)
		put_arrays(&x->v[i], a);
	rows = pg_call(db, &res, check_sql,
		       PG_ARGS(pg_array(&a[0], pg_text("")), pg_array(&a[1], pg_text("")),
			       pg_array(&a[2], pg_text("")), pg_array(&a[3], pg_text(""))),
		       e);
	for (size_t i = 0; i < NELEM(a); i++)
		pg_array_free(&a[i]);
	if (rows < 0)
		return -1;
	*n = (size_t)rows;
	*missing = xcalloc(*n + 1, sizeof **missing);
	for (int r = 0; r < rows; r++)
		(*missing)[r] = (size_t)pg_get_i64(res, r, 0) - 1;
	return 0;
}
