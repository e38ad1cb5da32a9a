/*
 * migrate_sql.c - finding statements, lines and headers in SQL text
 */
#include "migrate_sql.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

void
mig_sha256(const void *p, size_t n, char hex[65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(p, n, md, NULL, EVP_sha256(), NULL))
		abort();	/* only for want of memory or of SHA-256 itself */
	for (int i = 0; i < 32; i++) {
		hex[2 * i] = digits[md[i] >> 4];
		hex[2 * i + 1] = digits[md[i] & 15];
	}
	hex[64] = '\0';
}

int
mig_line_of_byte(const char *text, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

int
mig_line_of_char(const char *text, size_t len, int64_t n)
{
	size_t at = 0;

	for (; at < len && n > 0; at++)
		if (((unsigned char)text[at] & 0xc0) != 0x80)	/* begins a character */
			n--;
	return mig_line_of_byte(text, at ? at - 1 : 0);
}

static int
check_utf8(const char *p, size_t n, struct err *e)
{
	for (size_t i = 0; i < n;) {
		int len = p[i] ? utf8_len(p + i, n - i, NULL) : 0;

		if (!p[i])
			return err_set(e, ERR_DATA, "line %d has a NUL byte: this is no SQL text",
				       mig_line_of_byte(p, i));
		if (!len)
			return err_set(e, ERR_DATA, "line %d is not valid UTF-8",
				       mig_line_of_byte(p, i));
		i += (size_t)len;
	}
	return 0;
}

int
mig_text(const char *raw, size_t n, char **text, size_t *len, struct err *e)
{
	size_t out = 0;
	char *t;

	if (n >= 3 && !memcmp(raw, "\xef\xbb\xbf", 3)) {
		raw += 3;
		n -= 3;
	}
	if (check_utf8(raw, n, e))
		return -1;
	t = xmalloc(n + 2);
	for (size_t i = 0; i < n; i++)
		if (raw[i] != '\r' || i + 1 == n || raw[i + 1] != '\n')
			t[out++] = raw[i];
	while (out && strchr(" \t\r\n\f\v", t[out - 1]))
		out--;
	if (out)
		t[out++] = '\n';
	t[out] = '\0';
	*text = t;
	*len = out;
	return 0;
}

struct scan {
	const char *p;
	size_t n, at;
};

static bool
looking_at(const struct scan *s, const char *z)
{
	size_t n = strlen(z);

	return s->n - s->at >= n && !memcmp(s->p + s->at, z, n);
}

static bool
word_start(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool
word_char(char c)
{
	return word_start(c) || isdigit((unsigned char)c) || c == '$';
}

static int
unclosed(const struct scan *s, size_t from, const char *what, struct err *e)
{
	return err_set(e, ERR_DATA, "the %s that begins on line %d is not closed", what,
		       mig_line_of_byte(s->p, from));
}

static int
skip_comment(struct scan *s, struct err *e)
{
	size_t from = s->at;
	int depth = 0;

	do {
		if (looking_at(s, "/*")) {
			depth++;
			s->at += 2;
		} else if (looking_at(s, "*/")) {
			depth--;
			s->at += 2;
		} else if (s->at++ >= s->n) {
			return unclosed(s, from, "comment", e);
		}
	} while (depth);
	return 0;
}

/* A doubled quote needs no care: it ends one string and begins the next. */
static int
skip_quoted(struct scan *s, bool escapes, struct err *e)
{
	size_t from = s->at;
	char quote = s->p[s->at++];

	for (; s->at < s->n; s->at++) {
		if (escapes && s->p[s->at] == '\\') {
			s->at++;
		} else if (s->p[s->at] == quote) {
			s->at++;
			if (!escapes || s->at == s->n || s->p[s->at] != quote)
				return 0;
		}
	}
	s->at = s->n;
	return unclosed(s, from, quote == '"' ? "quoted name" : "string", e);
}

/* At a "$" that begins no word: a dollar-quoted string, or just a character. */
static int
skip_dollar(struct scan *s, struct err *e)
{
	size_t from = s->at, tag = s->at + 1;
	const char *end;

	if (tag < s->n && word_start(s->p[tag]))
		while (tag < s->n && word_char(s->p[tag]) && s->p[tag] != '$')
			tag++;
	if (tag >= s->n || s->p[tag] != '$') {
		s->at++;
		return 0;
	}
	tag += 1 - from;		/* its length, with both "$" */
	end = memmem(s->p + from + tag, s->n - from - tag, s->p + from, tag);
	if (!end)
		return unclosed(s, from, "dollar-quoted string", e);
	s->at = (size_t)(end - s->p) + tag;
	return 0;
}

/* A statement while it is read. */
struct open_stmt {
	struct mig_stmt stmt;
	bool begun;
	int words;
	char last[16];		/* the last word */
	int body;		/* BEGIN ATOMIC and CASE not yet closed by END */
	int parens;
	bool copy_in;		/* COPY ... FROM STDIN: what follows is no SQL */
};

static void
take_word(struct scan *s, struct open_stmt *o)
{
	char w[16] = "";
	size_t n = 0;

	for (; s->at < s->n && word_char(s->p[s->at]); s->at++)
		if (n < sizeof w - 1)
			w[n++] = (char)toupper((unsigned char)s->p[s->at]);
	if (o->words < 3)
		memcpy(o->stmt.word[o->words++], w, sizeof w);
	if (!strcmp(o->stmt.word[0], "CREATE") && !o->parens) {
		if (!strcmp(w, "ATOMIC") && !strcmp(o->last, "BEGIN"))
			o->body = 1;
		else if (o->body && !strcmp(w, "CASE"))
			o->body++;
		else if (o->body && !strcmp(w, "END"))
			o->body--;
	}
	if (!strcmp(o->stmt.word[0], "COPY") && !strcmp(w, "STDIN") && !strcmp(o->last, "FROM"))
		o->copy_in = true;
	memcpy(o->last, w, sizeof w);
}

/* Outside of strings and comments no SQL has a backslash. */
static int
no_psql(const struct scan *s, struct err *e)
{
	size_t n = 1;

	while (s->at + n < s->n && n < 40 && isgraph((unsigned char)s->p[s->at + n]))
		n++;
	(void)err_set(e, ERR_DATA, "line %d: %.*s is a command of psql, not SQL",
		      mig_line_of_byte(s->p, s->at), (int)n, s->p + s->at);
	err_hint(e, "take the line out (\\restrict and \\unrestrict of pg_dump do nothing here)");
	return -1;
}

/* One token that is neither space nor comment. */
static int
take_token(struct scan *s, struct open_stmt *o, struct err *e)
{
	char c = s->p[s->at];

	if (!o->begun) {
		o->begun = true;
		o->stmt.start = s->at;
	}
	if ((c == 'e' || c == 'E') && s->at + 1 < s->n && s->p[s->at + 1] == '\'') {
		s->at++;
		return skip_quoted(s, true, e);
	}
	if (word_start(c)) {
		take_word(s, o);
		return 0;
	}
	if (isdigit((unsigned char)c)) {	/* "1$" and "1e" are no quotes */
		while (s->at < s->n && word_char(s->p[s->at]))
			s->at++;
		return 0;
	}
	if (c == '\'' || c == '"')
		return skip_quoted(s, false, e);
	if (c == '$')
		return skip_dollar(s, e);
	if (c == '\\')
		return no_psql(s, e);
	o->parens += c == '(';
	o->parens -= c == ')' && o->parens;
	s->at++;
	return 0;
}

static void
end_stmt(struct mig_stmts *out, struct open_stmt *o, size_t end)
{
	if (o->begun) {
		o->stmt.end = end;
		out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
		out->v[out->n++] = o->stmt;
	}
	*o = (struct open_stmt){ .begun = false };
}

static int
no_copy(const struct scan *s, const struct open_stmt *o, struct err *e)
{
	(void)err_set(e, ERR_DATA, "line %d: COPY FROM STDIN cannot be part of a migration",
		      mig_line_of_byte(s->p, o->stmt.start));
	err_hint(e, "write the rows as INSERT (pg_dump --inserts does)");
	return -1;
}

int
mig_scan(const char *text, size_t len, struct mig_stmts *ret, struct err *e)
{
	struct scan s = { .p = text, .n = len };
	struct mig_stmts out = { .n = 0 };
	struct open_stmt o = { .begun = false };
	int rc = 0;

	while (s.at < s.n && !rc) {
		char c = s.p[s.at];

		if (looking_at(&s, "--")) {
			while (s.at < s.n && s.p[s.at] != '\n')
				s.at++;
		} else if (looking_at(&s, "/*")) {
			rc = skip_comment(&s, e);
		} else if (strchr(" \t\r\n\f\v", c)) {
			s.at++;
		} else if (c == ';' && !o.parens && !o.body) {
			s.at++;
			end_stmt(&out, &o, s.at);
		} else {
			rc = take_token(&s, &o, e);
			if (!rc && o.copy_in)
				rc = no_copy(&s, &o, e);
		}
	}
	if (rc) {
		free(out.v);
		return -1;
	}
	end_stmt(&out, &o, s.n);
	*ret = out;
	return 0;
}

bool
mig_is_transaction_control(const struct mig_stmt *s)
{
	static const char *const ends[] = { "BEGIN", "COMMIT", "END", "ABORT", "ROLLBACK" };

	if (!strcmp(s->word[0], "ROLLBACK") &&
	    (!strcmp(s->word[1], "TO") || !strcmp(s->word[2], "TO")))
		return false;
	if (!strcmp(s->word[1], "TRANSACTION") &&
	    (!strcmp(s->word[0], "START") || !strcmp(s->word[0], "PREPARE")))
		return true;
	for (size_t i = 0; i < NELEM(ends); i++)
		if (!strcmp(s->word[0], ends[i]))
			return true;
	return false;
}

static const char *
line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl ? nl : end;
}

int
mig_headers(const char *text, size_t len,
	    int (*fn)(void *ctx, const char *key, size_t nkey, const char *value, size_t nvalue),
	    void *ctx)
{
	const char *end = text + len, *eol;

	for (const char *p = text; p < end; p = eol + (eol < end)) {
		const char *colon, *v, *stop;
		int rc;

		eol = line_end(p, end);
		p += strspn(p, " \t");
		if (p >= eol)
			continue;
		if (strncmp(p, "--", 2) != 0)
			break;
		p += 2;
		p += strspn(p, "- \t");
		colon = p < eol ? memchr(p, ':', (size_t)(eol - p)) : NULL;
		if (!colon)
			continue;
		for (v = colon + 1; v < eol && isspace((unsigned char)*v); v++)
			;
		for (stop = eol; stop > v && isspace((unsigned char)stop[-1]); stop--)
			;
		rc = fn(ctx, p, (size_t)(colon - p), v, (size_t)(stop - v));
		if (rc)
			return rc;
	}
	return 0;
}

/* What follows "-- jobctl:" on the line from p to eol, NULL if the line is another. */
static const char *
directive(const char *p, const char *eol, size_t *n)
{
	static const char *const parts[] = { "--", "jobctl:" };

	for (size_t i = 0; i <= NELEM(parts); i++) {
		size_t len = i < NELEM(parts) ? strlen(parts[i]) : 0;

		while (p < eol && (*p == ' ' || *p == '\t'))
			p++;
		if (!len)
			break;
		if ((size_t)(eol - p) < len || memcmp(p, parts[i], len) != 0)
			return NULL;
		p += len;
	}
	while (eol > p && (eol[-1] == ' ' || eol[-1] == '\t'))
		eol--;
	*n = (size_t)(eol - p);
	return p;
}

static bool
is_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !memcmp(p, word, n);
}

/* The rule of "allow RULE reason", NULL if it is none of that form. */
static const char *
allowed_rule(const char *d, size_t n, size_t *nrule)
{
	const char *end = d + n, *rule, *p;

	if (n < 6 || memcmp(d, "allow", 5) != 0 || !strchr(" \t", d[5]))
		return NULL;
	rule = d + 5 + strspn(d + 5, " \t");
	for (p = rule; p < end && (isalnum((unsigned char)*p) || *p == '-'); p++)
		;
	*nrule = (size_t)(p - rule);
	/* n counts no blanks at the end, so that what follows a blank is a reason */
	return *nrule && p < end && strchr(" \t", *p) ? rule : NULL;
}

static int
check_other(const char *d, size_t n, int line, struct err *e)
{
	size_t nrule;

	if (allowed_rule(d, n, &nrule))
		return 0;
	if (n >= 5 && !memcmp(d, "allow", 5) && (n == 5 || strchr(" \t", d[5])))
		return err_set(e, ERR_DATA, "line %d: what is allowed needs a reason: \"-- jobctl: "
			       "allow RULE reason\"", line);
	return err_set(e, ERR_DATA, "line %d: unknown directive \"-- jobctl: %.*s\"", line,
		       n > 60 ? 60 : (int)n, d);
}

void
mig_allows(const char *text, size_t len,
	   void (*fn)(void *ctx, size_t at, const char *rule, size_t n), void *ctx)
{
	const char *end = text + len, *eol;

	for (const char *p = text; p < end; p = eol + (eol < end)) {
		const char *d, *rule = NULL;
		size_t n, nrule;

		eol = line_end(p, end);
		d = directive(p, eol, &n);
		if (d)
			rule = allowed_rule(d, n, &nrule);
		if (rule)
			fn(ctx, (size_t)(p - text), rule, nrule);
	}
}

int
mig_directives(const char *text, size_t len, bool *no_transaction, struct err *e)
{
	const char *end = text + len, *eol, *d;
	bool head = true, none = false;
	int line = 0;
	size_t n;

	for (const char *p = text; p < end; p = eol + (eol < end)) {
		line++;
		eol = line_end(p, end);
		p += strspn(p, " \t");
		d = directive(p, eol, &n);
		if (d && is_word(d, n, "no-transaction") && head)
			none = true;
		else if (d && is_word(d, n, "no-transaction"))
			return err_set(e, ERR_DATA, "line %d: \"-- jobctl: no-transaction\" "
				       "belongs in the comment the file begins with", line);
		else if (d && is_word(d, n, "step") && !none)
			return err_set(e, ERR_DATA, "line %d: only a file that begins with "
				       "\"-- jobctl: no-transaction\" has steps", line);
		else if (d && !is_word(d, n, "step") && check_other(d, n, line, e))
			return -1;
		if (p < eol && strncmp(p, "--", 2) != 0)
			head = false;
	}
	*no_transaction = none;
	return 0;
}

/* Add the piece if it has a statement; more than one, or none where one must be, is an error. */
static int
add_step(const char *text, size_t start, size_t end, struct mig_span **v, size_t *n,
	 bool may_be_empty, struct err *e)
{
	struct mig_stmts st;
	int rc = 0;

	if (mig_scan(text + start, end - start, &st, e))
		return err_ctx(e, "in the step that begins on line %d",
			       mig_line_of_byte(text, start));
	if (st.n > 1) {
		rc = err_set(e, ERR_DATA, "line %d: a second statement in one step",
			     mig_line_of_byte(text, start + st.v[1].start));
		err_hint(e, "put a line \"-- jobctl: step\" before it");
	} else if (!st.n && !may_be_empty) {
		rc = err_set(e, ERR_DATA, "line %d: a step without a statement",
			     mig_line_of_byte(text, start));
	} else if (st.n && mig_is_transaction_control(&st.v[0])) {
		rc = err_set(e, ERR_DATA, "line %d: a step cannot be %s",
			     mig_line_of_byte(text, start + st.v[0].start), st.v[0].word[0]);
	} else if (st.n) {
		*v = xreallocarray(*v, *n + 1, sizeof **v);
		(*v)[(*n)++] = (struct mig_span){ .start = start, .len = end - start };
	}
	free(st.v);
	return rc;
}

int
mig_steps(const char *text, size_t len, struct mig_span **ret, size_t *n, struct err *e)
{
	const char *end = text + len, *eol;
	AUTOFREE struct mig_span *v = NULL;
	size_t start = 0, count = 0;
	bool first = true;

	for (const char *p = text; p < end; p = eol + (eol < end)) {
		const char *d;
		size_t nd;

		eol = line_end(p, end);
		d = directive(p, eol, &nd);
		if (!d || !is_word(d, nd, "step"))
			continue;
		if (add_step(text, start, (size_t)(p - text), &v, &count, first, e))
			return -1;
		first = false;
		start = (size_t)(p - text);
	}
	if (add_step(text, start, len, &v, &count, false, e))
		return -1;
	*ret = v;
	v = NULL;
	*n = count;
	return 0;
}

int
mig_version_cmp(const char *a, const char *b)
{
	while (isdigit((unsigned char)*a) || isdigit((unsigned char)*b)) {
		char *ea, *eb;
		unsigned long x = strtoul(a, &ea, 10), y = strtoul(b, &eb, 10);

		if (x != y)
			return x < y ? -1 : 1;
		a = ea + (*ea == '.');
		b = eb + (*eb == '.');
	}
	return 0;
}
