/*
 * verify_file.c - reading .verify.sql files
 *
 * What is claimed stands in comments, so a misspelt claim would pass as a remark and
 * prove nothing: whatever resembles one and is none is a mistake.
 */
#include "verify_file.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "parse.h"
#include "str.h"

enum said { SAID_EXPECT = 1, SAID_PROBE = 2, SAID_QUERY = 4, SAID_ROWS = 8 };

static const struct directive {
	const char *key;
	enum said said;
} directives[] = {
	{ "expect", SAID_EXPECT },
	{ "probe", SAID_PROBE },
	{ "query", SAID_QUERY },
	{ "rows", SAID_ROWS },
};

struct reader {
	const struct mig_file *src;
	struct mig_problems *p;
	struct verify_file *f;
	struct verify_stmt next;	/* what was said of the statement that comes */
	int said;
	int said_at;			/* the line of the first of it */
};

static void PRINTF(3, 4)
wrong(struct reader *r, int line, const char *fmt, ...)
{
	char what[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	(void)err_set(mig_problem(r->p), ERR_DATA, "%s:%d: %s", r->src->path, line, what);
}

static void
stmt_free(struct verify_stmt *s)
{
	free(s->name);
	free(s->sql);
	free(s->text);
	free(s->index);
	*s = (struct verify_stmt){ .kind = VERIFY_PROBE };
}

/* The next word, or NULL at the end; what is in double quotes may have spaces.  Yours. */
static char *
take_word(const char **p)
{
	const char *from = *p + strspn(*p, " \t"), *at = from;
	bool quoted = false;

	for (; *at && (quoted || !strchr(" \t", *at)); at++)
		quoted ^= *at == '"';
	*p = at;
	return at > from ? xstrndup(from, (size_t)(at - from)) : NULL;
}

static bool
is_name(const char *z)
{
	for (; isalnum((unsigned char)*z) || *z == '_' || *z == '-'; z++)
		;
	return !*z;
}

static bool
is_sqlstate(const char *z)
{
	size_t n = strspn(z, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return n == 5 && !z[n] && strpbrk(z, "0123456789") && strcmp(z, "00000") != 0;
}

static void
read_name(struct reader *r, int line, const char **p, const char *of)
{
	free(r->next.name);
	r->next.name = take_word(p);
	if (!r->next.name)
		wrong(r, line, "\"-- %s:\" without a name", of);
	else if (!is_name(r->next.name))
		wrong(r, line, "\"%s\" cannot name a %s: letters, digits, \"_\" and \"-\" can",
		      r->next.name, of);
}

static void
no_more(struct reader *r, int line, const char **p)
{
	AUTOFREE char *word = take_word(p);

	if (word)
		wrong(r, line, "\"%s\" is not understood here", word);
}

static int64_t
read_rows(struct reader *r, int line, const char *word, int64_t min)
{
	struct err e;
	int64_t n;

	if (word && !parse_int(word, min, 1000000000, &n, &e))
		return n;
	wrong(r, line, "a number of rows is wanted, from %" PRId64 ", not \"%s\"", min,
	      word ? word : "");
	return 0;
}

static void
read_expect(struct reader *r, int line, const char *p)
{
	AUTOFREE char *word = take_word(&p);
	struct verify_stmt *s = &r->next;

	p += strspn(p, " \t");
	if (word && !strcmp(word, "ok")) {
		s->expect = EXPECT_OK;
		no_more(r, line, &p);
	} else if (word && !strcmp(word, "rows")) {
		AUTOFREE char *n = take_word(&p);

		s->expect = EXPECT_ROWS;
		s->rows = read_rows(r, line, n, 0);
		no_more(r, line, &p);
	} else if (word && !strcmp(word, "value")) {
		s->expect = EXPECT_VALUE;
		s->text = strcmp(p, "NULL") ? xstrdup(p) : NULL;
	} else if (word && is_sqlstate(word)) {
		s->expect = EXPECT_SQLSTATE;
		memcpy(s->sqlstate, word, sizeof s->sqlstate);
		s->text = *p ? xstrdup(p) : NULL;
	} else {
		wrong(r, line, "what is expected is \"ok\", \"rows N\", \"value X\" or an SQLSTATE, "
			       "perhaps with a constraint, not \"%s\"", word ? word : "");
	}
}

static void
read_probe(struct reader *r, int line, const char *p)
{
	AUTOFREE char *word = NULL;

	read_name(r, line, &p, "probe");
	word = take_word(&p);
	r->next.keeps = word && !strcmp(word, "keeps");
	if (r->next.name && !strcmp(r->next.name, "keeps"))
		wrong(r, line, "a probe that keeps what it does needs a name before \"keeps\"");
	if (word && !r->next.keeps)
		wrong(r, line, "after a probe's name only \"keeps\" can stand, not \"%s\"", word);
	no_more(r, line, &p);
}

static void
read_within(struct reader *r, int line, const char *word)
{
	struct err e = ERR_INIT;

	if (!word)
		wrong(r, line, "\"within\" wants a duration: 100ms, 2s");
	else if (parse_duration(word, 1, 3600000, &r->next.within_ms, &e))
		wrong(r, line, "within: %s", e.msg);
}

static void
read_query(struct reader *r, int line, const char *p)
{
	AUTOFREE char *uses = NULL;
	char *word;

	r->next.kind = VERIFY_QUERY;
	read_name(r, line, &p, "query");
	uses = take_word(&p);
	if (uses && !strcmp(uses, "not")) {
		r->next.negative = true;
		free(uses);
		uses = take_word(&p);
	}
	if (!uses || strcmp(uses, "uses") != 0 || !(r->next.index = take_word(&p))) {
		wrong(r, line, "a query is declared as: -- query: NAME uses INDEX, or not uses INDEX");
		return;
	}
	while ((word = take_word(&p))) {
		AUTOFREE char *key = word, *value = take_word(&p);

		if (!strcmp(key, "rows"))
			r->next.rows = read_rows(r, line, value, 1);
		else if (!strcmp(key, "within") && !r->next.negative)
			read_within(r, line, value);
		else
			wrong(r, line, "after the index \"rows N\"%s can stand, not \"%s\"",
			      r->next.negative ? "" : " and \"within D\"", key);
	}
}

static void
read_table(struct reader *r, int line, const char *p)
{
	AUTOFREE char *n = NULL;

	r->next.kind = VERIFY_ROWS;
	free(r->next.name);
	r->next.name = take_word(&p);
	if (!r->next.name) {
		wrong(r, line, "rows are declared as: -- rows: TABLE, or TABLE and how many");
		return;
	}
	n = take_word(&p);
	if (n)
		r->next.rows = read_rows(r, line, n, 1);
	no_more(r, line, &p);
}

static bool
resembles(const char *key, const char *known)
{
	return !strcasecmp(key, known) ||
	       cmd_distance(key, known) <= (strlen(known) > 4 ? 2 : 1);
}

/* The directive that a key is; a near miss is a mistake, anything else a remark. */
static const struct directive *
which(struct reader *r, int line, const char *key)
{
	for (size_t i = 0; i < NELEM(directives); i++)
		if (!strcmp(key, directives[i].key))
			return &directives[i];
	for (size_t i = 0; i < NELEM(directives); i++)
		if (resembles(key, directives[i].key))
			wrong(r, line, "\"-- %s:\" is unknown: did you mean \"-- %s:\"?", key,
			      directives[i].key);
	return NULL;
}

/* The key of "-- key: value", or NULL; *value is what follows.  Yours. */
static char *
comment_key(const char *comment, const char **value)
{
	const char *key = comment + strspn(comment, "- \t");
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	const char *colon = key + n + strspn(key + n, " \t");

	if (!n || *colon != ':')
		return NULL;
	*value = colon + 1;
	return xstrndup(key, n);
}

/* One comment, without what ends its line. */
static void
read_comment(struct reader *r, int line, const char *comment, bool own_line)
{
	const char *value;
	AUTOFREE char *key = comment_key(comment, &value);
	const struct directive *d = key ? which(r, line, key) : NULL;

	if (!d)
		return;
	if (!own_line) {
		wrong(r, line, "\"-- %s:\" belongs on a line of its own, before its statement", key);
		return;
	}
	if (r->said & d->said) {
		wrong(r, line, "a second \"-- %s:\" for one statement", key);
		return;
	}
	if (!r->said)
		r->said_at = line;
	r->said |= d->said;
	value += strspn(value, " \t");
	if (d->said == SAID_EXPECT)
		read_expect(r, line, value);
	else if (d->said == SAID_PROBE)
		read_probe(r, line, value);
	else if (d->said == SAID_QUERY)
		read_query(r, line, value);
	else
		read_table(r, line, value);
}

/* Past a comment of the other kind; they nest. */
static size_t
skip_block(const char *t, size_t at, size_t end)
{
	int depth = 0;

	do {
		if (!strncmp(t + at, "/*", 2) || !strncmp(t + at, "*/", 2)) {
			depth += t[at] == '/' ? 1 : -1;
			at += 2;
		} else {
			at++;
		}
	} while (depth && at < end);
	return at;
}

/* What stands between two statements: space, comments, lone semicolons. */
static void
read_gap(struct reader *r, size_t from, size_t end)
{
	const char *t = r->src->text;
	bool own_line = !from || t[from - 1] == '\n';

	for (size_t at = from; at < end;) {
		if (!strncmp(t + at, "--", 2)) {
			size_t n = strcspn(t + at, "\n");
			AUTOFREE char *comment = NULL;

			while (n && isspace((unsigned char)t[at + n - 1]))
				n--;
			comment = xstrndup(t + at, n);
			read_comment(r, mig_line_of_byte(t, at), comment, own_line);
			at += strcspn(t + at, "\n");
		} else if (!strncmp(t + at, "/*", 2)) {
			at = skip_block(t, at, end);
		} else {
			own_line |= t[at++] == '\n';
		}
	}
}

/* A directive within a statement would be read by nobody. */
static void
check_inside(struct reader *r, const struct mig_stmt *st)
{
	const char *t = r->src->text;

	for (size_t at = st->start; at < st->end;) {
		size_t n = strcspn(t + at, "\n");
		AUTOFREE char *text = xstrndup(t + at, n);
		const char *from = text + strspn(text, " \t"), *value;

		if (at > st->start && !strncmp(from, "--", 2)) {
			AUTOFREE char *key = comment_key(from, &value);

			for (size_t i = 0; key && i < NELEM(directives); i++)
				if (!strcmp(key, directives[i].key))
					wrong(r, mig_line_of_byte(t, at), "\"-- %s:\" stands inside a "
					      "statement: does the one before it end?", key);
		}
		at += n + 1;
	}
}

static void
check_stmt(struct reader *r, const struct mig_stmt *st, int line)
{
	static const char *const refused[] = { "SAVEPOINT", "RELEASE", "ROLLBACK" };

	if (mig_is_transaction_control(st)) {
		wrong(r, line, "%s: everything in this file is one transaction, which is rolled back",
		      st->word[0]);
		return;
	}
	for (size_t i = 0; i < NELEM(refused); i++)
		if (!strcmp(st->word[0], refused[i]))
			wrong(r, line, "%s: each statement has a savepoint of its own", refused[i]);
	if (!strcmp(st->word[0], "COPY"))
		wrong(r, line, "COPY cannot be verified: write the rows as INSERT");
}

static void
check_claims(struct reader *r)
{
	const int kinds = r->said & (SAID_PROBE | SAID_QUERY | SAID_ROWS);

	if (kinds & (kinds - 1))
		wrong(r, r->said_at, "one statement is a probe, a query or makes rows, not two of these");
	else if ((r->said & SAID_EXPECT) && (kinds & (SAID_QUERY | SAID_ROWS)))
		wrong(r, r->said_at, "\"-- expect:\" is for probes");
}

static void
check_unique(struct reader *r, const struct verify_stmt *s)
{
	for (size_t i = 0; i < r->f->n; i++)
		if (r->f->v[i].kind == s->kind && !strcmp(r->f->v[i].name, s->name))
			wrong(r, s->line, "%s %s is on line %d already",
			      s->kind == VERIFY_PROBE ? "a probe" : s->kind == VERIFY_QUERY ?
			      "a query" : "how rows are made for", s->name, r->f->v[i].line);
}

static void
end_stmt(struct reader *r, const struct mig_stmt *st)
{
	struct verify_stmt *s = &r->next;
	size_t end = st->end;

	s->line = mig_line_of_byte(r->src->text, st->start);
	check_inside(r, st);
	check_stmt(r, st, s->line);
	check_claims(r);
	if (r->src->text[end - 1] == ';')
		end--;
	s->sql = xstrndup(r->src->text + st->start, end - st->start);
	if (!s->name)
		s->name = xasprintf("line%d", s->line);
	check_unique(r, s);
	r->f->v = xreallocarray(r->f->v, r->f->n + 1, sizeof *r->f->v);
	r->f->v[r->f->n++] = *s;
	r->next = (struct verify_stmt){ .kind = VERIFY_PROBE };
	r->said = 0;
}

int
verify_file_read(struct verify_file *f, const struct mig_file *src, struct mig_problems *p)
{
	struct reader r = { .src = src, .p = p, .f = f };
	size_t before = p->n, at = 0;
	struct mig_stmts st;
	struct err e = ERR_INIT;

	*f = (struct verify_file){ .path = src->path };
	if (mig_scan(src->text, src->len, &st, &e)) {
		(void)err_set(mig_problem(p), ERR_DATA, "%s: %s", src->path, e.msg);
		return -1;
	}
	for (size_t i = 0; i < st.n; i++) {
		read_gap(&r, at, st.v[i].start);
		end_stmt(&r, &st.v[i]);
		at = st.v[i].end;
	}
	read_gap(&r, at, src->len);
	if (r.said)
		wrong(&r, r.said_at, "no statement follows");
	stmt_free(&r.next);
	free(st.v);
	return p->n > before ? -1 : 0;
}

void
verify_file_free(struct verify_file *f)
{
	for (size_t i = 0; i < f->n; i++)
		stmt_free(&f->v[i]);
	free(f->v);
	*f = (struct verify_file){ .n = 0 };
}

char *
verify_expectation(const struct verify_stmt *s)
{
	switch (s->expect) {
	case EXPECT_ROWS:
		return xasprintf("rows %" PRId64, s->rows);
	case EXPECT_VALUE:
		return xasprintf("value %s", s->text ? s->text : "NULL");
	case EXPECT_SQLSTATE:
		return xasprintf("%s%s%s", s->sqlstate, s->text ? " " : "", s->text ? s->text : "");
	case EXPECT_OK:
		break;
	}
	return xstrdup("ok");
}
