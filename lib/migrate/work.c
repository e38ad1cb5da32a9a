/*
 * migrate/work.c - what the verbs share
 */
#include "migrate/verbs.h"

#include <poll.h>

int
mig_say_problems(struct mig_work *w, struct mig_problems *p)
{
	int status = 0;

	for (size_t i = 0; i < p->n; i++) {
		int s = cmd_fail(w->cmd, &p->v[i]);

		if (s > status)
			status = s;
	}
	mig_problems_free(p);
	return status;
}

int
mig_connect(struct mig_work *w, struct err *e)
{
	int64_t deadline = deadline_in(w->opt->wait_db);
	int64_t pause = 100;

	while (pg_connect(&w->db, w->cmd->name, w->opt->common.dbname, e)) {
		if (e->kind != ERR_UNAVAILABLE || now_ms() >= deadline)
			return -1;
		if (pause == 100)
			cmd_note(w->cmd, "waiting for the database: %s", e->msg);
		poll(NULL, 0, poll_timeout(earliest(deadline, deadline_in(pause))));
		pause = pause < 2000 ? pause * 2 : pause;
	}
	/* For our own short statements; those of migrations take as long as they take. */
	w->db.call_ms = 60000;
	w->run.db = &w->db;
	return 0;
}

int
mig_look(struct mig_work *w, struct err *e)
{
	mig_state_free(&w->state);
	return mig_state_read(&w->db, w->sets.v, w->sets.n, &w->state, e);
}

int
mig_say_unfit(struct mig_work *w, bool allow_out_of_order)
{
	struct mig_problems p = { .n = 0 };

	mig_state_problems(&w->state, allow_out_of_order, &p);
	return mig_say_problems(w, &p);
}

int
mig_plan(struct mig_work *w, struct err *e)
{
	struct mig_goal goal = {
		.down = w->down, .again = w->again, .to_given = w->opt->to >= 0, .to = w->opt->to,
		.lock_timeout = w->opt->lock_timeout,
	};

	mig_plan_free(&w->plan);
	return mig_plan_make(&w->plan, &w->state, w->sets.v, w->sets.n, &goal, e);
}

void
mig_work_free(struct mig_work *w)
{
	mig_run_free(&w->run);
	mig_plan_free(&w->plan);
	mig_state_free(&w->state);
	pg_close(&w->db);
	mig_sets_free(&w->sets);
}
