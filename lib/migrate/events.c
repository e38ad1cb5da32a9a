/*
 * migrate/events.c - what is said while migrations run, and signals
 */
#include "migrate/verbs.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "str.h"

static void
stopping(struct mig_work *w)
{
	struct signalfd_siginfo si;
	sigset_t all;

	/* From here on a second signal ends us at once: the server undoes what we leave. */
	if (read(w->run.stop_fd, &si, sizeof si) == sizeof si)
		w->signo = (int)si.ssi_signo;
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
}

static void
begun(struct mig_work *w, const struct mig_event *ev)
{
	AUTOSTR label = STR(200);

	mig_put_label(&label, ev->item);
	if (ev->step)
		status_show(!w->opt->common.quiet, "%s: step %zu of %zu", label.buf, ev->step,
			    ev->nsteps);
	else
		status_show(!w->opt->common.quiet, "%s (%zu of %zu)", label.buf, w->done + 1,
			    w->plan.migrations);
}

static void
done(struct mig_work *w, const struct mig_item *it, int64_t ms)
{
	bool reverted = mig_plan_reverts(&w->plan, it);
	AUTOSTR label = STR(200);
	char seconds[24];

	mig_put_label(&label, it);
	w->done += it->version != 0;
	snprintf(seconds, sizeof seconds, "%.3f", (double)ms / 1000);
	if (w->opt->common.json)
		mig_put_item(&w->out, mig_all_cols, MIG_NCOLS, it,
			     mig_status_names[reverted ? MIG_PENDING : MIG_APPLIED], seconds);
	cmd_note(w->cmd, "%s %s in %ss", reverted ? "reverted" : "applied", label.buf, seconds);
}

static void
waiting(struct mig_work *w, const char *text)
{
	size_t pid = strcspn(text, "(");

	status_show(!w->opt->common.quiet, "waiting for %s", text);
	if (strncmp(w->waited_for, text, pid) != 0)
		cmd_note(w->cmd, "waiting for %s", text);
	snprintf(w->waited_for, sizeof w->waited_for, "%s", text);
}

static void
event(void *ctx, const struct mig_event *ev)
{
	struct mig_work *w = ctx;

	switch (ev->kind) {
	case MIG_EV_BEGIN:
		begun(w, ev);
		break;
	case MIG_EV_DONE:
		done(w, ev->item, ev->ms);
		break;
	case MIG_EV_WAITING:
		waiting(w, ev->text);
		break;
	case MIG_EV_INVALID:
		cmd_note(w->cmd, "dropping index %s, which a failed build left invalid", ev->text);
		break;
	case MIG_EV_RETRY:
		cmd_note(w->cmd, "trying again: %s", ev->text);
		break;
	case MIG_EV_NOTICE:
		cmd_verbose(w->cmd, "%s", ev->text);
		break;
	case MIG_EV_STOPPING:
		stopping(w);
		break;
	}
}

void
mig_listen(struct mig_work *w)
{
	w->run.event = event;
	w->run.ctx = w;
}

/* A signal that is ignored (a shell's background job) stays ignored. */
void
mig_catch_signals(struct mig_work *w)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < NELEM(signals); i++) {
		struct sigaction sa;

		if (!sigaction(signals[i], NULL, &sa) && sa.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->run.stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
