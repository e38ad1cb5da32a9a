/*
 * migrate_print.c - a plan as text
 */
#include "migrate_plan.h"

#include <stdlib.h>
#include <string.h>

char *
mig_chunk_sql(const struct mig_chunk *c)
{
	return c->kind == MIG_SCRIPT ? xstrndup(c->file->text + c->span.start, c->span.len)
				     : xstrdup(c->sql.buf);
}

bool
mig_lacks_semicolon(const char *sql)
{
	struct err e;
	struct mig_stmts st;
	bool lacks;

	if (mig_scan(sql, strlen(sql), &st, &e))
		return true;
	lacks = st.n && sql[st.v[st.n - 1].end - 1] != ';';
	free(st.v);
	return lacks;
}

void
mig_plan_print(const struct mig_plan *plan, struct str *s)
{
	for (size_t b = 0; b < plan->n; b++) {
		const struct mig_batch *batch = &plan->v[b];

		if (batch->transaction)
			str_add(s, plan->begin.buf, plan->begin.len);
		for (size_t i = 0; i < batch->n; i++) {
			const struct mig_chunk *c = &batch->v[i];
			AUTOFREE char *sql = NULL;

			if (c->kind == MIG_CHECK)
				continue;
			sql = mig_chunk_sql(c);
			if (c->step)
				str_putf(s, "\n-- %s, step %zu of %zu\n", c->file->path, c->step,
					 c->nsteps);
			else if (c->kind == MIG_SCRIPT)
				str_putf(s, "\n-- %s\n", c->file->path);
			str_puts(s, sql);
			if (c->kind == MIG_SCRIPT)
				str_puts(s, mig_lacks_semicolon(sql) ? ";\n\n" : "\n");
		}
		str_puts(s, batch->transaction ? "COMMIT;\n\n" : "\n");
	}
}
