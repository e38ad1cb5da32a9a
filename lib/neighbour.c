/*
 * neighbour.c - which workers share our host, and which of them are dead
 */
#include "neighbour.h"

#include <stdlib.h>

#include "host.h"

const char neighbour_sql[] =
	"SELECT worker_id, pid, pid_start, role_name = jobctl.caller()"
	" OR pg_has_role(jobctl.caller(), 'jobctl_all_projects', 'USAGE')"
	" FROM jobctl.workers WHERE host = $1 AND boot_id = $2 AND worker_id IS DISTINCT FROM $3"
	" ORDER BY worker_id < $3, worker_id";

struct neighbour
neighbour_read(const PGresult *res, int row)
{
	struct neighbour n = {
		.pid = (int)pg_get_i64(res, row, 1), .start = pg_get_i64(res, row, 2),
		.ours = pg_get_bool(res, row, 3),
	};
	struct err e;

	if (uuid_parse(pg_get(res, row, 0), &n.id, &e))
		abort();	/* the server's own uuid type */
	return n;
}

enum neighbour_state
neighbour_look(const struct neighbour *n)
{
	if (!host_process_is_dead(n->pid, n->start))
		return NEIGHBOUR_LIVES;
	return host_is_marked(&n->id) ? NEIGHBOUR_ENDS : NEIGHBOUR_DEAD;
}
