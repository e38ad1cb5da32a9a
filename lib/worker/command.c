/*
 * command.c - which program a job means
 *
 * The worker's own command line decides what can run; the job only fills in.
 * With --exec the job brings its argv, and then it gets an environment without
 * anything of ours in it: whoever may submit is not to learn our passwords.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parse.h"
#include "template.h"
#include "worker.h"

extern char **environ;

/* Never for a child: secrets, and what concerns the worker's own process. */
static const char *const withheld[] = {
	"PGPASSWORD", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS",
	"LISTEN_PID", "LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM",
	"INVOCATION_ID",
};

/* All that an --exec command sees of our environment, besides --env. */
static const char *const plain[] = {
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
};

static void
push(char ***v, size_t *n, char *z)
{
	if ((*n & (*n + 1)) == 0)	/* full: it has room for 1, 3, 7 ... and the NULL */
		*v = xreallocarray(*v, *n * 2 + 2, sizeof(char *));
	(*v)[(*n)++] = z;
	(*v)[*n] = NULL;
}

static bool
named(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(entry, name, n) && entry[n] == '=';
}

static bool
listed(const char *entry, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (named(entry, names[i]))
			return true;
	return false;
}

static void
make_environments(struct worker *w)
{
	size_t n = 0, nexec = 0;

	w->env = xcalloc(1, sizeof *w->env);
	w->exec_env = xcalloc(1, sizeof *w->exec_env);
	for (char **e = environ; *e; e++) {
		if (!strncmp(*e, "JOBCTL_", 7) && !named(*e, "JOBCTL_DATABASE") &&
		    !named(*e, "JOBCTL_DB_DIR"))
			continue;	/* of a job that runs this worker */
		if (named(*e, "JOBCTL_DATABASE") && w->cfg.common.dbname)
			continue;
		if (!listed(*e, withheld, NELEM(withheld)))
			push(&w->env, &n, *e);
		if (listed(*e, plain, NELEM(plain)) || !strncmp(*e, "LC_", 3) ||
		    listed(*e, w->cfg.env.v, w->cfg.env.n))
			push(&w->exec_env, &nexec, *e);
	}
	if (w->cfg.common.dbname)
		push(&w->env, &n, xasprintf("JOBCTL_DATABASE=%s", w->cfg.common.dbname));
}

static int
read_handlers(struct worker *w, struct err *e)
{
	DIR *d = opendir(w->cfg.handlers);
	struct dirent *f;
	size_t n = 0;

	if (!d)
		return err_sys(e, ERR_NOINPUT, "cannot read the handlers directory %s",
			       w->cfg.handlers);
	while ((f = readdir(d))) {
		struct stat st;

		if (f->d_name[0] != '.' && fstatat(dirfd(d), f->d_name, &st, 0) == 0 &&
		    S_ISREG(st.st_mode) && faccessat(dirfd(d), f->d_name, X_OK, 0) == 0)
			push(&w->kinds, &n, xstrdup(f->d_name));
	}
	closedir(d);
	if (!n)
		return err_set(e, ERR_NOINPUT,
			       "the handlers directory %s holds no executable file",
			       w->cfg.handlers);
	return 0;
}

int
command_init(struct worker *w, struct err *e)
{
	make_environments(w);
	if (w->cfg.exec)	/* or the commands could read our environment in /proc */
		prctl(PR_SET_DUMPABLE, 0);
	if (w->cfg.handlers)
		return read_handlers(w, e);
	return w->cfg.command ? proc_find(w->cfg.command[0], getenv("PATH"), e) : 0;
}

bool
command_is_permanent(const struct worker *w, int code)
{
	if (!strcmp(w->cfg.permanent, "none"))
		return false;
	for (const char *p = w->cfg.permanent; *p; p += strcspn(p, ","), p += *p == ',')
		if (strtol(p, NULL, 10) == code)
			return true;
	return false;
}

/* The args, read into a scan that is good until the next job. */
static int
read_args(const struct run *r, struct json_scan *args, struct err *e)
{
	if (json_scan_object(args, r->args, strlen(r->args), e))
		return err_ctx(e, "the job's args");
	return 0;
}

static int
from_template(const struct worker *w, const struct run *r, struct command *c, struct err *e)
{
	static struct json_scan args;
	size_t n = 0;
	bool read = false;

	for (char *const *a = w->cfg.command; *a; a++) {
		AUTOSTR s = STR(STR_ANY);

		if (!template_has_name(*a)) {
			push(&c->argv, &n, xstrdup(*a));
			continue;
		}
		if (!read && read_args(r, &args, e))
			return -1;
		read = true;
		if (template_fill(&s, *a, &args, e))
			return -1;
		push(&c->argv, &n, str_take(&s));
	}
	return 0;
}

/* Only what the worker lists, by itself: the kind comes from the job. */
static int
from_handlers(const struct worker *w, const struct run *r, struct command *c, struct err *e)
{
	size_t n = 0;

	for (char **k = w->kinds; *k; k++) {
		if (!strcmp(*k, r->kind)) {
			push(&c->argv, &n, xasprintf("%s/%s", w->cfg.handlers, *k));
			return 0;
		}
	}
	return err_set(e, ERR_DATA, "there is no handler for kind %s", r->kind);
}

static bool
allowed(const struct worker *w, const char *program)
{
	for (size_t i = 0; i < w->cfg.allow.n; i++)
		if (fnmatch(w->cfg.allow.v[i], program, FNM_PATHNAME | FNM_PERIOD) == 0)
			return true;
	return w->cfg.allow.n == 0;
}

static int
read_argv(const struct json_scan *args, struct command *c, struct err *e)
{
	const struct json_member *m = json_scan_find(args, "argv");
	struct json_text rest, word;
	size_t n = 0;

	if (!m || m->type != '[')
		return err_set(e, ERR_DATA, "args.argv is not a list of words");
	for (rest = json_scan_elements(m->value); json_scan_element(&rest, &word);) {
		AUTOSTR s = STR(STR_ANY);

		if (*word.p != '"')
			return err_set(e, ERR_DATA, "args.argv is not a list of words");
		json_scan_string(&s, word);
		push(&c->argv, &n, str_take(&s));
	}
	if (!n || !*c->argv[0])
		return err_set(e, ERR_DATA, "args.argv names no command");
	return 0;
}

static int
read_cwd(const struct json_scan *args, struct command *c, struct err *e)
{
	const struct json_member *m = json_scan_find(args, "cwd");
	AUTOSTR s = STR(STR_ANY);

	if (!m) {
		c->cwd = xstrdup("/");
		return 0;
	}
	if (m->type == '"')
		json_scan_string(&s, m->value);
	if (s.buf[0] != '/')
		return err_set(e, ERR_DATA, "args.cwd is not an absolute path");
	c->cwd = str_take(&s);
	return 0;
}

/*
 * One variable of the job's own.  Where --allow says which commands may run, a
 * variable could make them run others (LD_PRELOAD): then --env says which.
 */
static int
read_variable(const struct worker *w, const struct json_member *m, char **out, struct err *e)
{
	AUTOSTR s = STR(STR_ANY);

	if (m->escaped || !m->key.n || memchr(m->key.p, '=', m->key.n) || m->type != '"')
		return err_set(e, ERR_DATA, "args.env: \"%.*s\" is not a name with a text",
			       m->key.n > 60 ? 60 : (int)m->key.n, m->key.p);
	str_add(&s, m->key.p, m->key.n);
	str_putc(&s, '=');
	if (!strncmp(s.buf, "JOBCTL_", 7) ||
	    (w->cfg.allow.n && !listed(s.buf, w->cfg.env.v, w->cfg.env.n)))
		return err_set(e, ERR_DATA, "args.env: %.*s is not for a job to set",
			       m->key.n > 60 ? 60 : (int)m->key.n, m->key.p);
	json_scan_string(&s, m->value);
	*out = str_take(&s);
	return 0;
}

/* Our environment but for what the job sets. */
static void
inherit(char **ours, const struct json_scan *env, struct command *c, size_t *n)
{
	for (; *ours; ours++) {
		AUTOFREE char *name = xstrndup(*ours, strcspn(*ours, "="));

		if (!env || !json_scan_find(env, name))
			push(&c->envp, n, *ours);
	}
	c->inherited = *n;
}

static int
from_job(const struct worker *w, const struct run *r, struct command *c, size_t *nenv,
	 struct err *e)
{
	static struct json_scan args, env;
	const struct json_member *m;

	if (read_args(r, &args, e) || read_argv(&args, c, e) || read_cwd(&args, c, e))
		return -1;
	if (!allowed(w, c->argv[0]))
		return err_set(e, ERR_DATA,
			       "%.200s is not among the commands this worker allows",
			       c->argv[0]);
	c->null_stdin = true;
	m = json_scan_find(&args, "env");
	env.count = 0;
	if (m && json_scan_object(&env, m->value.p, m->value.n, e))
		return err_ctx(e, "args.env");
	inherit(w->exec_env, &env, c, nenv);
	for (size_t i = 0; i < env.count; i++) {
		char *entry;

		if (read_variable(w, &env.members[i], &entry, e))
			return -1;
		push(&c->envp, nenv, entry);
	}
	return 0;
}

static void
push_job_environment(const struct run *r, char ***v, size_t *n)
{
	push(v, n, xasprintf("JOBCTL_JOB_ID=%s", uuid_str(&r->id).z));
	push(v, n, xasprintf("JOBCTL_TOKEN=%s", uuid_str(&r->token).z));
	push(v, n, xasprintf("JOBCTL_QUEUE=%s", r->queue));
	push(v, n, xasprintf("JOBCTL_KIND=%s", r->kind));
	push(v, n, xasprintf("JOBCTL_PROJECT=%s", r->project));
	push(v, n, xasprintf("JOBCTL_ATTEMPT=%d", r->attempt));
	push(v, n, xasprintf("JOBCTL_MAX_ATTEMPTS=%d", r->max_attempts));
	push(v, n, xstrdup("JOBCTL_CONTROL_FD=3"));
	if (r->timeout_ms) {
		char when[40];

		run_deadline(r, when);
		push(v, n, xasprintf("JOBCTL_DEADLINE=%s", when));
	}
	if (r->checkpoint && strcmp(r->checkpoint, "null") != 0)
		push(v, n, xasprintf("JOBCTL_CHECKPOINT=%s", r->checkpoint));
}

int
command_make(struct worker *w, const struct run *r, struct command *c, struct err *e)
{
	size_t nenv = 0;
	int rc;

	*c = (struct command){ .argv = NULL };
	if (w->cfg.exec) {
		rc = from_job(w, r, c, &nenv, e);
	} else {
		inherit(w->env, NULL, c, &nenv);
		rc = w->cfg.command ? from_template(w, r, c, e) : from_handlers(w, r, c, e);
	}
	if (rc)
		command_free(c);
	else
		push_job_environment(r, &c->envp, &nenv);
	return rc;
}

void
command_handler(struct worker *w, const struct uuid *id, struct command *c)
{
	size_t n = 0, nenv = 0;

	*c = (struct command){ .argv = NULL };
	for (char *const *a = w->cfg.command; *a; a++)
		push(&c->argv, &n, xstrdup(*a));
	inherit(w->env, NULL, c, &nenv);
	push(&c->envp, &nenv, xasprintf("JOBCTL_HANDLER=%s", uuid_str(id).z));
}

void
command_free(struct command *c)
{
	for (char **p = c->argv; p && *p; p++)
		free(*p);
	free(c->argv);
	for (char **p = c->envp ? c->envp + c->inherited : NULL; p && *p; p++)
		free(*p);
	free(c->envp);
	free(c->cwd);
	*c = (struct command){ .argv = NULL };
}
