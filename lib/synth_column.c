/*
 * synth_column.c - an expression for a column's values
 *
 * Nothing is understood of a CHECK but the constants in it.  A number of expressions are
 * tried on the server, and the one most of whose values pass is taken.
 */
#include "synth.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"
#include "synth_regex.h"

struct tries {
	struct pg *db;
	struct synth_column *c;
	char distinct[80], spread[200];	/* a number from the row's: each once; about 100 times */
	double best;
	char *expr;		/* the best so far */
};

/*
 * Whether the values pass, of a few rows: their share.  The expression may not even
 * work for the type, which is no error of ours.
 */
static int
share(struct tries *t, const char *expr, double *passed, struct err *e)
{
	const struct synth_column *c = t->c;
	bool both = *c->checks && strcmp(c->name, "value") != 0;
	AUTOSTR sql = STR(STR_ANY);
	PG_RES res = NULL;

	str_putf(&sql, "SELECT pg_catalog.count(*) FILTER (WHERE (%s) IS NOT FALSE), pg_catalog.count(*) "
		 "FROM (SELECT v AS %s%s FROM (SELECT (%s)::%s AS v "
		 "FROM (SELECT pg_catalog.generate_series(1, 200) AS i) AS g) AS w) AS t",
		 *c->checks ? c->checks : "true", c->name, both ? ", v AS value" : "", expr, c->type);
	if (pg_exec(t->db, "SAVEPOINT jobctl_try", e) || pg_ask(t->db, &res, sql.buf, e) ||
	    pg_exec(t->db, "ROLLBACK TO jobctl_try; RELEASE jobctl_try", e))
		return -1;
	*passed = PQresultStatus(res) == PGRES_TUPLES_OK
			  ? pg_get_double(res, 0, 0) / pg_get_double(res, 0, 1) : 0;
	return 0;
}

static int PRINTF(3, 4)
try(struct tries *t, struct err *e, const char *fmt, ...)
{
	AUTOSTR expr = STR(STR_ANY);
	double passed;
	va_list ap;
	char *text;

	if (t->best >= 1)
		return 0;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();	/* for want of memory */
	va_end(ap);
	str_puts(&expr, text);
	free(text);
	if (share(t, expr.buf, &passed, e))
		return -1;
	if (passed > t->best) {
		t->best = passed;
		free(t->expr);
		t->expr = str_take(&expr);
	}
	return 0;
}

/* Past a constant in quotes; *value is what it says.  NULL at the end. */
static const char *
next_constant(const char *p, struct str *value)
{
	str_reset(value);
	p = strchr(p, '\'');
	if (!p)
		return NULL;
	for (p++; *p && (*p != '\'' || p[1] == '\''); p++) {
		p += *p == '\'';
		str_putc(value, *p);
	}
	return *p ? p + 1 : p;
}

static void
put_literal(struct str *s, const char *z)
{
	str_puts(s, strchr(z, '\\') ? "E'" : "'");
	for (; *z; z++) {
		if (*z == '\'' || *z == '\\')
			str_putc(s, *z);
		str_putc(s, *z);
	}
	str_putc(s, '\'');
}

/* One of these, equally often. */
static int
try_list(struct tries *t, const struct str *list, int n, struct err *e)
{
	if (!n)
		return 0;
	return try(t, e, "(ARRAY[%s])[1 + (%s) %% %d]", list->buf, t->spread, n);
}

/* The constants in the checks, as a list; how many. */
static int
put_constants(const struct tries *t, const char *checks, struct str *list)
{
	AUTOSTR value = STR(STR_ANY);
	int n = 0;

	for (const char *p = checks; (p = next_constant(p, &value));) {
		str_puts(list, n++ ? ", " : "");
		put_literal(list, value.buf);
		str_putf(list, "::%s", t->c->type);
	}
	return n;
}

static int
try_constants(struct tries *t, struct err *e)
{
	AUTOSTR list = STR(STR_ANY);
	int n = put_constants(t, t->c->checks, &list);

	return try_list(t, &list, n, e);
}

/* What is compared with other columns may have to be one of a few values: half of them are. */
static int
mix_hints(struct tries *t, struct err *e)
{
	AUTOSTR list = STR(STR_ANY);
	int n = put_constants(t, t->c->hints, &list);
	double passed;
	char *mixed;

	if (!n || !t->expr || *t->c->checks || t->c->distinct)
		return 0;
	mixed = xasprintf("CASE WHEN pg_catalog.hashint4((g.i * 64 + %d)::int4) %% 2 = 0 "
			  "THEN (ARRAY[%s])[1 + (%s) %% %d] ELSE %s END",
			  t->c->num + 16, list.buf, t->spread, n, t->expr);
	if (share(t, mixed, &passed, e)) {
		free(mixed);
		return -1;
	}
	if (passed > 0) {
		free(t->expr);
		t->expr = mixed;
	} else {
		free(mixed);
	}
	return 0;
}

/* Every constant after a "~" may be an expression that values must match. */
static int
try_regexes(struct tries *t, struct err *e)
{
	AUTOSTR value = STR(STR_ANY);

	for (const char *p = t->c->checks; (p = next_constant(p, &value));) {
		AUTOSTR list = STR(STR_ANY);
		int n = 0;

		for (uint32_t seed = 0; seed < 300; seed++) {
			AUTOSTR one = STR(4000);

			if (!synth_regex(&one, value.buf, seed))
				break;
			str_puts(&list, n++ ? ", " : "");
			put_literal(&list, one.buf);
		}
		if (try_list(t, &list, n, e))
			return -1;
	}
	return 0;
}

/* The numbers in the checks, and those beside them. */
static int
try_numbers(struct tries *t, struct err *e)
{
	AUTOSTR list = STR(100000);
	int n = 0;

	for (const char *p = t->c->checks; *p;) {
		if (isdigit((unsigned char)*p) && (p == t->c->checks || !isalnum((unsigned char)p[-1]))) {
			char *end;
			double v = strtod(p, &end);

			for (int d = -1; d <= 1; d++)
				str_putf(&list, "%s%.15g, -(%.15g)", n++ ? ", " : "", v + d, v + d);
			p = end;
		} else {
			p++;
		}
	}
	return n ? try(t, e, "(ARRAY[%s]::numeric[])[1 + (%s) %% %d]", list.buf, t->spread, 2 * n) : 0;
}

static int
try_text(struct tries *t, struct err *e)
{
	const struct synth_column *c = t->c;
	const char *v = c->distinct ? t->distinct : t->spread;
	AUTOSTR name = STR(200);
	static const int hex[] = { 32, 40, 64 };

	for (const char *p = c->name; *p; p++)		/* the column's name, as far as it is plain */
		if (isalnum((unsigned char)*p) || *p == '_')
			str_putc(&name, *p);
	if (!c->distinct && (try_constants(t, e) || try_regexes(t, e)))
		return -1;
	if (!c->max_len || c->max_len > (int)name.len + 10)
		if (try(t, e, "'%s-' || (%s)", name.buf, v) || try(t, e, "'/%s-' || (%s)", name.buf, v))
			return -1;
	for (size_t i = 0; i < NELEM(hex); i++)
		if ((!c->max_len || c->max_len >= hex[i]) &&
		    try(t, e, "pg_catalog.left(pg_catalog.md5((%s)::text) || pg_catalog.md5((-(%s))::text), %d)",
			v, v, hex[i]))
			return -1;
	if (try(t, e, "pg_catalog.right((%s)::text, %d)", v, c->max_len ? c->max_len : 20))
		return -1;
	return c->distinct ? (try_constants(t, e) || try_regexes(t, e) ? -1 : 0) : 0;
}

static int
try_number(struct tries *t, struct err *e)
{
	const char *v = t->c->distinct ? t->distinct : t->spread;

	if (try(t, e, "%s", v) || try(t, e, "(%s) %% 30000", v))
		return -1;
	if (t->c->distinct)
		return try(t, e, "-(%s)", v);
	if (try_numbers(t, e))
		return -1;
	return try(t, e, "(%s) %% 100", v) || try(t, e, "(%s) %% 2", v) || try(t, e, "0") ? -1 : 0;
}

/* What has no category of its own: by the type's name. */
static int
try_named(struct tries *t, struct err *e)
{
	const char *base = t->c->base, *v = t->c->distinct ? t->distinct : t->spread;

	if (!strcmp(base, "uuid"))
		return try(t, e, "pg_catalog.md5('%s ' || (%s))::uuid", t->c->distinct ? "" : "a", v);
	if (!strcmp(base, "bytea"))
		return try(t, e, "pg_catalog.decode(pg_catalog.md5((%s)::text), 'hex')", v);
	if (!strcmp(base, "json") || !strcmp(base, "jsonb"))
		return try(t, e, "pg_catalog.jsonb_build_object('n', (%s))", v) ||
		       try(t, e, "pg_catalog.jsonb_build_array((%s))", v) ||
		       try(t, e, "pg_catalog.to_jsonb((%s)::text)", v) ? -1 : 0;
	if (!strcmp(base, "tsvector"))
		return try(t, e, "pg_catalog.to_tsvector('simple'::regconfig, 'word' || (%s))", v);
	return 0;
}

static int
try_category(struct tries *t, struct err *e)
{
	const char *v = t->c->distinct ? t->distinct : t->spread;

	switch (t->c->category) {
	case 'B':
		return try(t, e, "(%s) %% 2 = 0", t->spread) || try(t, e, "true") ||
		       try(t, e, "false") ? -1 : 0;
	case 'S':
		return try_text(t, e) || mix_hints(t, e) ? -1 : 0;
	case 'N':
		return try_number(t, e);
	case 'E':
		return try(t, e, "(%s::%s[])[1 + (%s) %% pg_catalog.cardinality(%s::text[])]",
			   t->c->labels, t->c->type, t->spread, t->c->labels);
	case 'D':
		if (!strncmp(t->c->base, "date", 4))
			return try(t, e, "current_date - (%s)::int", v);
		if (!strncmp(t->c->base, "time", 4) && strncmp(t->c->base, "timestamp", 9) != 0)
			return try(t, e, "time '00:00' + (%s) * interval '1 second'", v);
		return try(t, e, "pg_catalog.now() - (g.i) * interval '1 second'") ||
		       try(t, e, "pg_catalog.now() + (g.i) * interval '1 second'") ? -1 : 0;
	case 'T':
		return try(t, e, "(%s) * interval '1 second'", v) ||
		       try(t, e, "(1 + (%s) %% 3600) * interval '1 second'", v) ||
		       try_constants(t, e) ? -1 : 0;
	case 'I':
		return try(t, e, "'10.0.0.0'::inet + (%s) %% 16777216", v);
	default:
		return try_named(t, e);
	}
}

/* An array of one element. */
static int
wrap_array(struct tries *t, struct err *e)
{
	AUTOFREE char *one = t->expr;
	int rc;

	t->expr = NULL;
	t->best = 0;
	if (!one)
		return 0;
	rc = try(t, e, "ARRAY[%s]", one);
	return rc ? rc : try(t, e, "'{}'");
}

static int
find(struct tries *t, struct err *e)
{
	struct synth_column *c = t->c;

	if (c->array) {
		const char *type = c->type, *checks = c->checks;
		AUTOFREE char *elem = xstrndup(type, strcspn(type, "["));
		int rc;

		c->type = elem;
		c->checks = "";
		rc = try_category(t, e);
		c->type = type;
		c->checks = checks;
		return rc ? rc : wrap_array(t, e);
	}
	return try_category(t, e);
}

int
synth_column_find(struct pg *db, struct synth_column *c, int64_t rows, char **why, struct err *e)
{
	struct tries t = { .db = db, .c = c };

	/* Numbered so that columns do not go together; a hash, so that order says nothing. */
	snprintf(t.distinct, sizeof t.distinct, "g.i");
	snprintf(t.spread, sizeof t.spread,
		 "1 + (pg_catalog.hashint4((g.i * 64 + %d)::int4) & 2147483647) %% "
		 "%" PRId64, c->num,
		 rows > 200 ? rows / 100 : 2);
	if (find(&t, e)) {
		free(t.expr);
		return -1;
	}
	if (!t.expr && (c->nullable || c->has_default))
		return 0;
	if (!t.expr) {
		*why = xasprintf("no value of type %s was found that column %s allows", c->type, c->name);
		return 1;
	}
	if (!c->distinct && (c->constant || (c->nullable && !c->has_default)))
		c->expr = xasprintf("CASE WHEN pg_catalog.hashint4((g.i * 64 + %d)::int4) %% 2 = 0 THEN %s ELSE %s END",
				    c->num + 32, t.expr, c->constant ? c->constant : "NULL");
	else
		c->expr = xstrdup(t.expr);
	free(t.expr);
	return 0;
}
