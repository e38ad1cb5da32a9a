/*
 * interrupt.c - being told to stop
 *
 * PQcancel() is made for signal handlers; what it needs is made before.
 */
#include "interrupt.h"

#include <errno.h>
#include <signal.h>

enum { TWICE_MS = 500 };	/* timeout(1) signals its child and then the child's group */

static volatile sig_atomic_t came;
static volatile int64_t came_at;
static PGcancel *volatile cancel;

static void
handle(int signo)
{
	int saved = errno;
	char why[256];

	if (came) {
		if (now_ms() - came_at > TWICE_MS) {
			signal(signo, SIG_DFL);
			raise(signo);
		}
		return;
	}
	came_at = now_ms();
	came = signo;
	if (cancel)
		(void)PQcancel(cancel, why, sizeof why);
	errno = saved;
}

void
interrupt_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < NELEM(signals); i++) {
		struct sigaction sa = { .sa_handler = handle, .sa_flags = SA_NODEFER };
		struct sigaction old;

		sigemptyset(&sa.sa_mask);
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &sa, NULL);
	}
}

void
interrupt_cancels(PGconn *conn)
{
	PGcancel *old = cancel, *new = conn ? PQgetCancel(conn) : NULL;

	cancel = new;
	PQfreeCancel(old);
}

int
interrupted(void)
{
	return came;
}
