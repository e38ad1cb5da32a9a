/*
 * migrate/items.c - a migration as a row
 */
#include "migrate/verbs.h"

#include <inttypes.h>

enum col {
	C_SET, C_VERSION, C_NAME, C_KIND, C_STATE, C_APPLIED_AT, C_DURATION, C_TOOL, C_ROLE,
	C_SHA256, C_FILE_SHA256, C_TRANSACTION, C_STEPS_DONE, C_STEPS, C_HAS_DOWN, C_ORIGIN,
	C_EVENTS
};

const struct out_col mig_cols[MIG_NCOLS] = {
	[C_SET] = { "set", "SET", OUT_TEXT },
	[C_VERSION] = { "version", "VERSION", OUT_NUM },
	[C_NAME] = { "name", "NAME", OUT_TEXT },
	[C_KIND] = { "kind", "KIND", OUT_TEXT },
	[C_STATE] = { "state", "STATE", OUT_TEXT },
	[C_APPLIED_AT] = { "applied_at", "APPLIED", OUT_TIME },
	[C_DURATION] = { "duration_s", "TOOK", OUT_SECONDS },
	[C_TOOL] = { "tool_version", "BY", OUT_TEXT },
	[C_ROLE] = { "role", "ROLE", OUT_TEXT },
	[C_SHA256] = { "sha256", "SHA256", OUT_TEXT },
	[C_FILE_SHA256] = { "file_sha256", "FILE SHA256", OUT_TEXT },
	[C_TRANSACTION] = { "transaction", "TRANSACTION", OUT_BOOL },
	[C_STEPS_DONE] = { "steps_done", "DONE", OUT_NUM },
	[C_STEPS] = { "steps", "STEPS", OUT_NUM },
	[C_HAS_DOWN] = { "has_down", "DOWN", OUT_BOOL },
	[C_ORIGIN] = { "origin", "ORIGIN", OUT_TEXT },
	[C_EVENTS] = { "events", "EVENTS", OUT_JSON },
};

#define COL(c) &mig_cols[c]
const struct out_col *const mig_all_cols[MIG_NCOLS] = {
	COL(0), COL(1), COL(2), COL(3), COL(4), COL(5), COL(6),
	COL(7), COL(8), COL(9), COL(10), COL(11), COL(12), COL(13), COL(14), COL(15), COL(16),
};
const struct out_col *const mig_table_cols[MIG_NTABLE] = {
	COL(C_SET), COL(C_VERSION), COL(C_NAME), COL(C_STATE), COL(C_APPLIED_AT),
	COL(C_DURATION), COL(C_TOOL), COL(C_ROLE), COL(C_ORIGIN),
};

void
mig_put_item(struct out *o, const struct out_col *const *picked, int n, const struct mig_item *it,
	     const char *state, const char *duration)
{
	const struct mig_file *f = !it->files	   ? NULL
				   : it->reverting ? &it->files->down
						   : &it->files->up;
	char version[24], done[24], steps[24];
	const char *cell[MIG_NCOLS] = {
		[C_SET] = it->set->name, [C_NAME] = it->name,
		[C_KIND] = it->version ? "tables" : "api",
		[C_STATE] = state, [C_APPLIED_AT] = it->applied_at,
		[C_DURATION] = duration, [C_TOOL] = it->tool_version, [C_ROLE] = it->role,
		[C_SHA256] = it->sha256,
		[C_FILE_SHA256] = it->files ? it->files->up.sha256 : NULL,
		[C_ORIGIN] = it->origin, [C_EVENTS] = it->events,
		[C_TRANSACTION] = f && f->no_transaction ? "f" : f || !it->version ? "t" : NULL,
	};

	if (!it->version && it->set->napi)
		cell[C_FILE_SHA256] = it->set->api_sha256;
	if (it->files)
		cell[C_HAS_DOWN] = it->files->down.empty ? "f" : "t";
	if (it->version) {
		snprintf(version, sizeof version, "%" PRId64, it->version);
		cell[C_VERSION] = version;
	}
	if (f && f->no_transaction) {
		snprintf(steps, sizeof steps, "%zu", f->nsteps);
		snprintf(done, sizeof done, "%zu",
			 it->status == MIG_APPLIED ? f->nsteps : it->steps_done);
		cell[C_STEPS] = steps;
		cell[C_STEPS_DONE] = done;
	}
	for (int i = 0; i < n; i++)
		out_cell(o, cell[picked[i] - mig_cols]);
}
