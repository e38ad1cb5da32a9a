/*
 * link.c - a connection, from the first attempt until it is lost
 */
#include "worker.h"

int
link_fd(const struct link *l, short *events, int64_t *deadline)
{
	int fd;

	if (!l->connector)
		return pipe_fd(&l->pipe, events, deadline);
	fd = pg_connector_fd(l->connector, events, deadline);
	if (fd < 0)
		*deadline = 0;		/* refused already: nothing to wait for */
	return fd;
}

static int
connecting(struct link *l, bool ready, struct err *e)
{
	struct pg db = PG_INIT;
	int rc = pg_connector_step(l->connector, ready, &db, e);

	if (rc == 0)
		return 0;
	pg_connector_free(l->connector);
	l->connector = NULL;
	if (rc < 0 || pipe_open(&l->pipe, &db, e))
		return -1;
	l->online = true;
	return 0;
}

int
link_ready(struct link *l, bool ready, struct err *e)
{
	if (l->connector)
		return connecting(l, ready, e);
	pipe_run(&l->pipe, ready);
	return 0;
}

void
link_close(struct link *l, const struct err *why)
{
	pg_connector_free(l->connector);
	l->connector = NULL;
	l->online = false;
	pipe_close(&l->pipe, why);
}
