/*
 * watch.c - pauses and reconnecting
 */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static bool
sleep_until(int64_t deadline)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	for (;;) {
		int n = poll(&out, 1, poll_timeout(deadline));

		if (n > 0 && out.revents & (POLLERR | POLLHUP | POLLNVAL))
			return false;
		if (now_ms() >= deadline)
			return true;
	}
}

bool
watch_pause(struct watch *w, bool news)
{
	w->pause_ms = news || !w->pause_ms ? w->min_ms : w->pause_ms * 3 / 2 + 1;
	if (w->pause_ms > w->max_ms)
		w->pause_ms = w->max_ms;
	return sleep_until(deadline_in(w->pause_ms));
}

int
watch_reconnect(struct pg *db, const char *app, const char *dbname, struct err *e)
{
	struct watch w = { .min_ms = 100, .max_ms = 5000 };

	while (e->kind == ERR_UNAVAILABLE || (!db->conn && e->kind == ERR_TEMPFAIL)) {
		pg_close(db);
		if (!watch_pause(&w, false))
			return err_set(e, ERR_IO, "the reader of the output has gone");
		if (pg_open(db, app, dbname, e) == 0)
			return 0;
	}
	return -1;
}
