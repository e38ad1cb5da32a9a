/*
 * migrate/holder.c - lock-holder: who keeps others from migrating
 */
#include "migrate/verbs.h"

enum { NTABLE = 8 };

/* As the columns of mig_lock_holders(). */
static const struct out_col cols[MIG_HOLDER_NCOLS] = {
	{ "pid", "PID", OUT_NUM },
	{ "role", "ROLE", OUT_TEXT },
	{ "application", "APPLICATION", OUT_TEXT },
	{ "client", "CLIENT", OUT_TEXT },
	{ "connected_at", "CONNECTED", OUT_TIME },
	{ "transaction_at", "TRANSACTION", OUT_TIME },
	{ "state", "STATE", OUT_TEXT },
	{ "query", "QUERY", OUT_TEXT },
	{ "query_at", "BEGAN", OUT_TIME },
	{ "next", "NEXT", OUT_TEXT },
};

static void
print(const struct mig_work *w, const struct out_col *const *picked, int n, const PGresult *res)
{
	const struct out_col *all[MIG_HOLDER_NCOLS];
	bool json = w->opt->common.json;
	struct out o;

	for (int i = 0; i < MIG_HOLDER_NCOLS; i++)
		all[i] = &cols[i];
	if (picked)
		out_begin(&o, json ? OUT_JSONL : OUT_TSV, !w->opt->no_header, picked, n);
	else
		out_begin(&o, json ? OUT_JSONL : OUT_TABLE, !w->opt->no_header, all,
			  n = json ? MIG_HOLDER_NCOLS : NTABLE);
	for (int r = 0; r < PQntuples(res); r++)
		for (int i = 0; i < n; i++)
			out_cell(&o, pg_get_or_null(res, r,
						    (int)((picked ? picked[i] : all[i]) - cols)));
	out_end(&o);
}

int
mig_holder(struct mig_work *w, char **operands)
{
	AUTOFREE const struct out_col **picked = NULL;
	struct err e = ERR_INIT;
	PG_RES res = NULL;
	int n = 0;

	(void)operands;
	if (w->opt->fields &&
	    out_pick(cols, MIG_HOLDER_NCOLS, w->opt->fields, &picked, &n, &e))
		return cmd_fail(w->cmd, &e);
	if (mig_connect(w, &e) || mig_lock_holders(&w->db, &res, &e))
		return cmd_fail(w->cmd, &e);
	if (!PQntuples(res)) {
		cmd_note(w->cmd, "nobody holds the lock: no migration is running");
		return ERR_NO;
	}
	if (!w->opt->common.quiet)
		print(w, picked, n, res);
	for (int r = 0; r < PQntuples(res) && !picked && !w->opt->common.json; r++)
		cmd_note(w->cmd, "to end it: %s", pg_get(res, r, MIG_HOLDER_NCOLS - 1));
	return 0;
}
