/*
 * retry.c - waiting between attempts
 */
#include "retry.h"

#include <poll.h>
#include <sys/random.h>

enum { FIRST_MS = 100, LONGEST_MS = 5000 };

static int64_t
jittered(int64_t ms)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof r, GRND_NONBLOCK) < 0)
		return ms;
	return ms - ms / 4 + r % (ms / 2);
}

bool
retry_wait(struct retry *r)
{
	int64_t until;

	if (now_ms() >= r->deadline)
		return false;
	r->delay = r->delay ? earliest(r->delay * 2, LONGEST_MS) : FIRST_MS;
	until = earliest(deadline_in(jittered(r->delay)), r->deadline);
	while (now_ms() < until)
		(void)poll(NULL, 0, poll_timeout(until));
	return true;
}
