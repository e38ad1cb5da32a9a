/*
 * maintain.c - what every worker does for all: dead workers' jobs given back
 *
 * The database finds those whose lease has ended: now and then, and when one will
 * have, should it not be renewed.  Workers of our own host we look at ourselves, and
 * see their death at once: through a pidfd of some of them.  That only makes us look
 * again; dead is who neighbour_look() says.
 *
 * The workers of a host are a ring, ordered by their ids, in which each watches those
 * behind it.  Whoever dies is seen by as many, however many there are; whoever looks,
 * looks at all; so that of any that died together the first is seen, and then the rest.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "log.h"
#include "neighbour.h"
#include "worker.h"

enum {
	MAINTAIN_MS = 15000,
	LATE_MS = 100,		/* a lease that has just ended may be renewed in this moment */
	SETTLE_MS = 200,	/* many start together, and each start is told to all */
	BEHIND_MS = 250,	/* ends to be counted; a little at a time, claims come between */
	AGAIN_MS = 250,		/* the dead one's last statement may still have a job locked */
	ENDING_MS = 50,
};

void
maintain_init(struct worker *w)
{
	w->again_ms = AGAIN_MS;
	w->watch_fd = epoll_create1(EPOLL_CLOEXEC);	/* without it there is MAINTAIN_MS */
}

void
maintain_free(struct worker *w)
{
	for (size_t i = 0; i < w->nwatched; i++)
		close_p(&w->watched[i].fd);
	close_p(&w->watch_fd);
}

/* res: of a call that counts what it gave back. */
static bool
gave_back(const PGresult *res)
{
	if (!res || pg_get_i64(res, 0, 0) == 0)
		return false;
	log_line(LOG_LEVEL_WARNING, "gave back jobs of dead workers", "jobs",
		 PQgetvalue(res, 0, 0), NULL);
	return true;
}

static void
maintained(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	if (e)
		db_complain(w, "maintenance failed", e);
	(void)gave_back(res);		/* the claim behind this finds it */
	if (res && pg_get_bool(res, 0, 2))
		w->maintain_at = deadline_in(BEHIND_MS);
	if (res && !PQgetisnull(res, 0, 1))
		w->maintain_at = earliest(w->maintain_at,
					  deadline_in(pg_get_i64(res, 0, 1) + db_jitter(LATE_MS)));
}

/* Who leaves when there is nothing has not believed a claim that came meanwhile. */
static void
maintenance_is_over(struct worker *w, const PGresult *res)
{
	bool may_leave = w->cfg.drain || w->cfg.once || w->cfg.idle_exit != NEVER;

	w->maintaining = false;
	if ((gave_back(res) || may_leave) && !w->claim_want)
		w->look_at = 0;
}

static void
reaped_neighbours(void *ctx, const PGresult *res, const struct err *e)
{
	if (e)
		db_complain(ctx, "cannot give back jobs of dead workers", e);
	maintenance_is_over(ctx, res);
}

/*
 * The descriptor is opened before the process is looked at: if that is the worker
 * still, so is what the descriptor stands for.
 */
static struct watched
watch(struct worker *w, const struct neighbour *n)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct watched x = { .id = n->id, .fd = -1 };

	for (size_t i = 0; i < w->nwatched; i++)
		if (uuid_equal(&w->watched[i].id, &n->id)) {
			x = w->watched[i];
			w->watched[i].fd = -1;
			return x;
		}
	x.fd = pidfd_open(n->pid, 0);
	ev.data.fd = x.fd;
	if (x.fd >= 0 && epoll_ctl(w->watch_fd, EPOLL_CTL_ADD, x.fd, &ev))
		close_p(&x.fd);
	return x;
}

/* Watch those that are first in the ring; dead gets the ids of all that are. */
static void
look_at(struct worker *w, const PGresult *res, struct pg_array *dead)
{
	struct watched now[WATCHED];
	size_t n = 0;

	for (int i = 0; i < PQntuples(res); i++) {
		struct neighbour other = neighbour_read(res, i);
		enum neighbour_state state;

		if (!other.ours)
			continue;
		if (n < WATCHED)
			now[n] = watch(w, &other);
		state = neighbour_look(&other);
		if (state == NEIGHBOUR_LIVES) {
			n += n < WATCHED;
			continue;
		}
		if (n < WATCHED)
			close_p(&now[n].fd);
		if (state == NEIGHBOUR_DEAD)
			pg_array_add(dead, pg_uuid(&other.id));
		else
			w->neighbours_at = deadline_in(ENDING_MS);
	}
	for (size_t i = 0; i < w->nwatched; i++)
		close_p(&w->watched[i].fd);
	for (size_t i = 0; i < n; i++)
		w->watched[i] = now[i];
	w->nwatched = n;
}

/* Less and less often: what is locked, or does not die, keeps its worker. */
static void
look_again(struct worker *w)
{
	w->neighbours_at = earliest(w->neighbours_at, deadline_in(db_jitter(w->again_ms)));
	w->again_ms = earliest(w->again_ms * 2, MAINTAIN_MS);
}

static void
reap(struct worker *w, struct pg_array *dead)
{
	pipe_call(&w->first.pipe, db_deadline(w), "SELECT count(*) FROM jobctl.reap($1, $2)",
		  PG_ARGS(pg_array(dead, pg_uuid(&w->id)), pg_text(NEIGHBOUR_GONE)),
		  reaped_neighbours, w);
}

static void
found_neighbours(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;
	struct pg_array dead = PG_ARRAY_INIT;

	if (e)
		db_complain(w, "cannot look for dead workers", e);
	else
		look_at(w, res, &dead);
	if (dead.n)
		look_again(w);
	else
		w->again_ms = AGAIN_MS;
	/* first what they had started dies */
	if (dead.n && !cgroup_abandoned(w->delegated, WORKER_GROUP))
		reap(w, &dead);
	else
		maintenance_is_over(w, NULL);
	pg_array_free(&dead);
}

static void
find_neighbours(struct worker *w)
{
	w->neighbours_at = NEVER;
	pipe_call(&w->first.pipe, db_deadline(w), neighbour_sql,
		  PG_ARGS(pg_text(w->self.host), pg_text(w->self.boot_id), pg_uuid(&w->id)),
		  found_neighbours, w);
}

void
maintain_turn(struct worker *w)
{
	int64_t now = now_ms();

	if (now < maintain_due(w))
		return;
	w->maintaining = true;
	if (now >= w->maintain_at) {
		w->maintain_at = deadline_in(db_jitter(MAINTAIN_MS));
		pipe_call(&w->first.pipe, db_deadline(w), "SELECT reaped, lease_ms, behind FROM jobctl.maintain()",
			  PG_NOARGS, maintained, w);
	}
	find_neighbours(w);
}

int64_t
maintain_due(const struct worker *w)
{
	return w->maintaining ? NEVER : earliest(w->maintain_at, w->neighbours_at);
}

void
maintain_told(struct worker *w)
{
	w->neighbours_at = earliest(w->neighbours_at, deadline_in(db_jitter(SETTLE_MS)));
}

/* What has told all it can must not keep us awake: it may be long until we can look. */
void
maintain_ready(struct worker *w)
{
	struct epoll_event ev[WATCHED];
	int n = epoll_wait(w->watch_fd, ev, WATCHED, 0);

	for (int k = 0; k < n; k++)
		for (size_t i = 0; i < w->nwatched; i++)
			if (w->watched[i].fd == ev[k].data.fd)
				close_p(&w->watched[i].fd);
	w->neighbours_at = 0;
}
