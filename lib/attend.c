/*
 * attend.c - output while it comes, then the end
 */
#include "attend.h"

#include <stdlib.h>
#include <string.h>

static char *
copy(const char *z)
{
	return z ? xstrdup(z) : NULL;
}

/* Only noted: the last of its output is shown before its end is told. */
static void
ended(void *ctx, const struct wait_end *end)
{
	struct attend *a = ctx;

	/* cancelled by us, or by somebody at the same moment */
	if (!a->too_late || strcmp(end->status, "cancelled") != 0)
		a->code = wait_code(end);
	for (size_t i = 0; i < NELEM(a->texts); i++)
		free(a->texts[i]);
	a->end = *end;
	a->end.status = a->texts[0] = copy(end->status);
	a->end.outcome = a->texts[1] = copy(end->outcome);
	a->end.error_message = a->texts[2] = copy(end->error_message);
}

/* After the status was asked for: what was written before the end is there by now. */
static int
looked(void *ctx, struct err *e)
{
	struct attend *a = ctx;

	if (a->piece && job_output_read(&a->wait.db, &a->output, a->piece, a->ctx, e) < 0)
		return -1;
	if (a->end.status && a->ended)
		a->ended(a->ctx, &a->end);
	return 0;
}

static void
note(void *ctx, const char *text)
{
	struct attend *a = ctx;

	if (a->note)
		a->note(a->ctx, text);
}

static int
cancel(struct attend *a, struct err *e)
{
	static const char sql[] = "SELECT jobctl.cancel($1, $2)";
	struct pg_array ids = PG_ARRAY_INIT;
	int rc;

	if (!a->wait.db.conn && pg_connect(&a->wait.db, a->wait.app, a->wait.dbname, e))
		return -1;
	a->wait.db.call_ms = 0;		/* its end matters more than the time, which is over */
	pg_array_add(&ids, pg_uuid(&a->id));
	rc = pg_call(&a->wait.db, NULL, sql,
		     PG_ARGS(pg_array(&ids, pg_uuid(&a->id)), pg_text("nobody waits for it any longer")), e);
	pg_array_free(&ids);
	return rc < 0 ? -1 : 0;
}

int
attend(struct attend *a, struct err *e)
{
	struct job_ids one = { .v = &a->id, .n = 1 };
	int rc;

	a->wait.ended = ended;
	a->wait.looked = looked;
	a->wait.note = note;
	a->wait.ctx = a;
	a->too_late = false;
	a->code = WRAP_TIMED_OUT;
	a->end = (struct wait_end){ .status = NULL };
	job_output_begin(&a->output, &a->id);
	wait_begin(&a->wait, &one);
	rc = wait_run(&a->wait, 1, false, e);
	if (rc == 0 && a->ours) {
		a->too_late = true;
		rc = cancel(a, e) ? -1 : wait_run(&a->wait, 1, false, e);
	}
	a->goes_on = rc == 0;
	wait_free(&a->wait);
	for (size_t i = 0; i < NELEM(a->texts); i++)
		free_p(&a->texts[i]);
	return rc < 0 ? -1 : a->code;
}
