/*
 * migrate_index.c - statements that build and drop indexes concurrently
 *
 * Only of these is it known, after an interruption, whether they have happened.
 */
#include "migrate_sql.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "str.h"

/* Whether the word is next; then it moves past it. */
static bool
eat(const char **p, const char *word)
{
	const char *q = *p + strspn(*p, " \t\r\n");
	size_t n = strlen(word);

	if (strncasecmp(q, word, n) != 0 || isalnum((unsigned char)q[n]) || q[n] == '_')
		return false;
	*p = q + n;
	return true;
}

/* The next name, NULL if there is none; what stands before its last dot is the schema. */
static char *
name(const char **p, char **schema)
{
	AUTOSTR s = STR(200);
	const char *q = *p + strspn(*p, " \t\r\n");

	for (;; q++) {
		str_reset(&s);
		if (*q == '"') {
			for (q++; *q && (*q != '"' || q[1] == '"'); q++) {
				q += *q == '"';
				str_putc(&s, *q);
			}
			q += *q == '"';
		} else {
			for (; isalnum((unsigned char)*q) || *q == '_' || *q == '$' ||
			       (unsigned char)*q >= 0x80; q++)
				str_putc(&s, (char)tolower((unsigned char)*q));
		}
		if (*q != '.')
			break;
		free(*schema);
		*schema = xstrdup(s.buf);
	}
	*p = q;
	return s.len ? str_take(&s) : NULL;
}

static bool
read_create(const char *p, struct mig_index *i)
{
	AUTOFREE char *none = NULL;

	(void)eat(&p, "UNIQUE");
	if (!eat(&p, "INDEX") || !eat(&p, "CONCURRENTLY"))
		return false;
	if (eat(&p, "IF"))
		(void)(eat(&p, "NOT") && eat(&p, "EXISTS"));
	if (!eat(&p, "ON")) {
		i->name = name(&p, &none);
		if (!i->name || !eat(&p, "ON"))
			return false;
	}
	(void)eat(&p, "ONLY");
	i->table = name(&p, &i->schema);
	return i->table != NULL;
}

static bool
read_drop(const char *sql, const char *p, struct mig_index *i)
{
	if (!eat(&p, "INDEX") || !eat(&p, "CONCURRENTLY"))
		return false;
	i->if_exists = (size_t)(p - sql);
	if (eat(&p, "IF"))
		i->if_exists = 0;
	return true;
}

/* REINDEX [(option, ...)] KIND CONCURRENTLY, or with CONCURRENTLY among the options. */
static bool
read_reindex(const char *p, struct mig_index *i)
{
	static const char *const kinds[] = { "INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM" };
	const char *end = p + strspn(p, " \t\r\n");

	if (*end == '(') {
		for (p = end + 1; !i->rebuilds && *p && *p != ')'; p++)
			i->rebuilds = eat(&p, "CONCURRENTLY");
		return i->rebuilds;
	}
	for (size_t k = 0; k < NELEM(kinds) && !eat(&p, kinds[k]); k++)
		;
	i->rebuilds = eat(&p, "CONCURRENTLY");
	return i->rebuilds;
}

size_t
mig_transient(const char *index)
{
	size_t n = strlen(index);

	while (n && isdigit((unsigned char)index[n - 1]))
		n--;
	return n > 6 && (!memcmp(index + n - 6, "_ccnew", 6) || !memcmp(index + n - 6, "_ccold", 6))
		       ? n - 6 : 0;
}

bool
mig_index(const char *sql, size_t len, struct mig_index *ret)
{
	struct mig_index i = { .name = NULL };
	struct mig_stmts st;
	const char *p;
	struct err e;
	bool is;

	if (mig_scan(sql, len, &st, &e))
		return false;
	p = st.n == 1 ? sql + st.v[0].start : "";
	free(st.v);
	is = eat(&p, "CREATE")	  ? read_create(p, &i)
	     : eat(&p, "REINDEX") ? read_reindex(p, &i)
				  : eat(&p, "DROP") && read_drop(sql, p, &i);
	if (is)
		*ret = i;
	else
		mig_index_free(&i);
	return is;
}

void
mig_index_free(struct mig_index *i)
{
	free(i->name);
	free(i->schema);
	free(i->table);
	*i = (struct mig_index){ .name = NULL };
}
