/*
 * search.c - asking for candidates, looking at them, keeping the best
 *
 * Words: the database names the chunks of the files that can match, and they are
 * matched here, by the rules by which they were indexed.  A regex is matched by
 * the database, whose language it is.
 */
#include "catalog/search.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/query.h"
#include "catalog/regex.h"

enum { MAX_FILES = 2000, MAX_CHUNKS = 20000, LINE_BYTES = 2000 };

#define RANK_DEFINITION 10.0	/* the line on which what is looked for is defined */

static char *
copy(const char *z)
{
	return z ? xstrdup(z) : NULL;
}

static void
free_line(struct search_line *l)
{
	free(l->project);
	free(l->repo);
	free(l->repo_path);
	free(l->path);
	free(l->language);
	free(l->symbol);
	free(l->text);
}

void
search_result_free(struct search_result *r)
{
	for (size_t i = 0; i < r->n; i++)
		free_line(&r->v[i]);
	free(r->v);
	*r = (struct search_result){ .n = 0 };
}

static int
by_rank(const void *va, const void *vb)
{
	const struct search_line *a = va, *b = vb;
	int c;

	if (a->rank != b->rank)
		return a->rank > b->rank ? -1 : 1;
	c = strcmp(a->repo_path, b->repo_path);
	if (!c)
		c = strcmp(a->path, b->path);
	if (!c)
		c = (a->line > b->line) - (a->line < b->line);
	return c;
}

/* Sort, and let go of what is past the wanted number. */
static void
keep_best(struct search_result *r, int64_t max)
{
	if (r->n)
		qsort(r->v, r->n, sizeof *r->v, by_rank);
	while (max && r->n > (size_t)max)
		free_line(&r->v[--r->n]);
}

static struct search_line *
new_line(struct search_result *r, int64_t max)
{
	if (max && r->n >= 2 * (size_t)max + 1000)
		keep_best(r, max);
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->v = xreallocarray(r->v, r->cap, sizeof *r->v);
	}
	return &r->v[r->n++];
}

/* The columns that both functions return, in this order. */
enum { PROJECT, REPO, REPO_PATH, PATH, LANGUAGE, CHUNK_START, CHUNK_END, SYMBOL, COMMON };

static void
read_common(struct search_line *l, const PGresult *res, int row)
{
	*l = (struct search_line){
		.project = xstrdup(pg_get(res, row, PROJECT)),
		.repo = xstrdup(pg_get(res, row, REPO)),
		.repo_path = xstrdup(pg_get(res, row, REPO_PATH)),
		.path = xstrdup(pg_get(res, row, PATH)),
		.language = copy(pg_get_or_null(res, row, LANGUAGE)),
		.symbol = copy(pg_get_or_null(res, row, SYMBOL)),
		.chunk_start = pg_get_i64(res, row, CHUNK_START),
		.chunk_end = pg_get_i64(res, row, CHUNK_END),
	};
}

/* The line without its carriage return, and no longer than anyone would read. */
static char *
line_text(const char *p, size_t n)
{
	if (n && p[n - 1] == '\r')
		n--;
	if (n > LINE_BYTES) {
		n = LINE_BYTES;
		while (n && ((unsigned char)p[n] & 0xc0) == 0x80)
			n--;
	}
	return xstrndup(p, n);
}

/* Whether the query asks for a symbol by its whole name. */
static bool
asks_for(const struct query *q, const char *symbol)
{
	struct ident id;
	size_t pos = 0;

	if (!symbol || !ident_next(symbol, strlen(symbol), &pos, &id))
		return false;
	for (int i = 0; i < q->nitems; i++) {
		const struct query_item *it = &q->item[i];

		if (!it->not && it->nwords == 1 &&
		    ident_matches(&id, it->word[0].id.z, it->word[0].id.len, 0) == 2)
			return true;
	}
	return false;
}

static void
match_chunk(const struct query *q, const PGresult *res, int row, struct query_hits *hits,
	    struct search_result *r, int64_t max)
{
	const char *content = pg_get(res, row, COMMON);
	const char *symbol = pg_get_or_null(res, row, SYMBOL);
	size_t n = query_match(q, content, (size_t)PQgetlength(res, row, COMMON), hits);
	bool defines = n && asks_for(q, symbol);

	for (size_t i = 0; i < n; i++) {
		const struct query_hit *h = &hits->v[i];
		struct search_line *l = new_line(r, max);

		read_common(l, res, row);
		l->line = l->chunk_start + h->line;
		l->text = line_text(content + h->off, h->len);
		l->rank = h->score;
		if (defines && memmem(content + h->off, h->len, symbol, strlen(symbol))) {
			l->rank += RANK_DEFINITION;
			defines = false;	/* its first line, not what calls it again */
		}
	}
}

/* What a definition of a query's words would be called: each as it was typed. */
static void
put_symbols(const struct query *q, struct pg_array *a)
{
	for (int i = 0; i < q->nitems; i++)
		if (!q->item[i].not && q->item[i].nwords == 1 && *q->item[i].typed)
			pg_array_add(a, pg_text(q->item[i].typed));
}

static int
search_words(struct pg *db, const struct search *s, const struct query *q, const char *tsquery,
	     struct search_result *r, struct err *e)
{
	static const char sql[] =
		"SELECT project_id, repo_name, repo_path, path, language, chunk_start, chunk_end,"
		" symbol, content"
		" FROM catalog.search_words($1::text::tsquery, $2, $3, $4, $5, $6, $7)";
	struct pg_array symbols = PG_ARRAY_INIT;
	struct query_hits hits = { .n = 0 };
	PG_RES res = NULL;
	int rows;

	put_symbols(q, &symbols);
	rows = pg_call(db, &res, sql,
		       PG_ARGS(pg_text(tsquery), pg_array(&symbols, pg_text("")),
			       pg_text(s->project), pg_text(s->repo), pg_text(s->lang),
			       pg_i64(MAX_FILES), pg_i64(MAX_CHUNKS)), e);
	pg_array_free(&symbols);
	if (rows < 0)
		return -1;
	r->partial = rows == MAX_CHUNKS;
	for (int i = 0; i < rows; i++)
		match_chunk(q, res, i, &hits, r, s->max);
	free(hits.v);
	return 0;
}

static int
search_lines(struct pg *db, const struct search *s, const char *tsquery,
	     struct search_result *r, struct err *e)
{
	static const char sql[] =
		"SELECT project_id, repo_name, repo_path, path, language, chunk_start, chunk_end,"
		" symbol, line, content, rank"
		" FROM catalog.search_lines($1, $2, $3, $4, $5::text::tsquery, $6, $7, $8, $9)";
	struct regex_needs needs;
	struct pg_array clauses = PG_ARRAY_INIT;
	PG_RES res = NULL;
	struct pg_val max = pg_i64(s->max);
	int rows;

	if (!s->max)
		max.len = -1;
	regex_needs(s->regex, &needs);
	for (int i = 0; i < needs.nclauses; i++) {
		const struct clause *c = &needs.clause[i];
		AUTOSTR any = STR(STR_ANY);

		for (int k = 0; k < c->n; k++)
			str_putf(&any, "%s%s", k ? "|" : "", c->v[k]);
		pg_array_add(&clauses, pg_text(any.buf));
	}
	rows = pg_call(db, &res, sql,
		       PG_ARGS(pg_text(s->regex), pg_bool(s->any_case),
			       pg_text(*needs.literal && !s->any_case ? needs.literal : NULL),
			       pg_array(&clauses, pg_text("")), pg_text(tsquery),
			       pg_text(s->project), pg_text(s->repo), pg_text(s->lang), max), e);
	pg_array_free(&clauses);
	for (int i = 0; i < rows; i++) {
		struct search_line *l = new_line(r, 0);

		read_common(l, res, i);
		l->line = pg_get_i64(res, i, COMMON);
		l->text = xstrdup(pg_get(res, i, COMMON + 1));
		l->rank = pg_get_double(res, i, COMMON + 2);
	}
	return rows < 0 ? -1 : 0;
}

static int
check_regex(const struct search *s, struct err *e)
{
	if (!*s->regex)
		return err_set(e, ERR_USAGE, "the regular expression is empty");
	if (strlen(s->regex) > SEARCH_REGEX_BYTES)
		return err_set(e, ERR_USAGE, "the regular expression is longer than %d bytes",
			       SEARCH_REGEX_BYTES);
	if (!utf8_valid(s->regex, strlen(s->regex)))
		return err_set(e, ERR_USAGE, "the regular expression is not UTF-8");
	return 0;
}

/* Also the first word to the server: is the schema there, does what is named exist? */
static int
count_repositories(struct pg *db, const struct search *s, struct search_result *r,
		   struct err *e)
{
	static const char sql[] = "SELECT count(*) FROM catalog.search_scope($1, $2)";
	static const char limits[] = "BEGIN READ ONLY; SET LOCAL statement_timeout = '60s'";
	PG_RES res = NULL;

	if (pg_first_call(db, &res, sql, PG_ARGS(pg_text(s->project), pg_text(s->repo)), e) < 0)
		return -1;
	r->repositories = pg_get_i64(res, 0, 0);
	return pg_exec(db, limits, e);
}

int
search_run(struct pg *db, const struct search *s, struct search_result *r, struct err *e)
{
	struct query q = { .nitems = 0 };
	AUTOSTR tsquery = STR(STR_ANY);
	int rc;

	*r = (struct search_result){ .n = 0 };
	if (s->regex && check_regex(s, e))
		return -1;
	if (!s->regex || *s->words) {
		if (query_parse(&q, s->words, e))
			return -1;
		query_tsquery(&q, &tsquery);
	}
	rc = count_repositories(db, s, r, e);
	if (rc == 0 && s->regex)
		rc = search_lines(db, s, tsquery.len ? tsquery.buf : NULL, r, e);
	else if (rc == 0)
		rc = search_words(db, s, &q, tsquery.buf, r, e);
	keep_best(r, s->max);
	query_free(&q);
	if (rc && !strcmp(e->sqlstate, "57014"))
		err_hint(e, "narrow the search: -p, --repo, --lang, longer words");
	return rc;
}
