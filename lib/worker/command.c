/*
 * command.c - which program a job means
 *
 * The worker's own command line decides what can run; the job only fills in.
 * With --exec the job brings its argv, and then it gets an environment without
 * anything of ours in it: whoever may submit is not to learn our passwords.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "parse.h"
#include "template.h"
#include "worker.h"

extern char **environ;

/* Never for a child: secrets, and what concerns the worker's own process. */
static const char *const withheld[] = {
	"PGPASSWORD", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID",
	"LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "INVOCATION_ID",
};

/* All that an --exec command sees of our environment, besides --env. */
static const char *const plain[] = {
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
};

static void
push(char ***v, size_t *n, char *z)
{
	*v = xreallocarray(*v, *n + 2, sizeof **v);
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

	push(&w->env, &n, NULL);
	push(&w->exec_env, &nexec, NULL);
	n = nexec = 0;
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
		return err_sys(e, ERR_NOINPUT, "cannot read the handlers directory %s", w->cfg.handlers);
	while ((f = readdir(d))) {
		struct stat st;

		if (f->d_name[0] != '.' && fstatat(dirfd(d), f->d_name, &st, 0) == 0 &&
		    S_ISREG(st.st_mode) && faccessat(dirfd(d), f->d_name, X_OK, 0) == 0)
			push(&w->kinds, &n, xstrdup(f->d_name));
	}
	closedir(d);
	if (!n)
		return err_set(e, ERR_NOINPUT, "the handlers directory %s holds no executable file",
			       w->cfg.handlers);
	return 0;
}

int
command_init(struct worker *w, struct err *e)
{
	make_environments(w);
	if (w->cfg.handlers && !w->kinds)
		return read_handlers(w, e);
	return 0;
}

bool
command_is_permanent(const struct worker *w, int code)
{
	for (const char *p = w->cfg.permanent; *p; p += strcspn(p, ","), p += *p == ',')
		if (atoi(p) == code)
			return true;
	return false;
}

static int
from_template(struct worker *w, struct command *c, size_t *n, struct err *e)
{
	for (char *const *a = w->cfg.command; *a; a++) {
		AUTOSTR s = STR(STR_ANY);

		if (template_fill(&s, *a, c->args, e))
			return -1;
		push(&c->argv, n, str_take(&s));
	}
	return 0;
}

static bool
allowed(const struct worker *w, const char *program)
{
	for (size_t i = 0; i < w->cfg.allow.n; i++)
		if (fnmatch(w->cfg.allow.v[i], program, FNM_PATHNAME) == 0)
			return true;
	return w->cfg.allow.n == 0;
}

static int
from_job(struct worker *w, struct command *c, size_t *n, struct err *e)
{
	const json_t *argv = json_object_get(c->args, "argv"), *item;
	const json_t *cwd = json_object_get(c->args, "cwd");
	size_t i;

	if (!json_is_array(argv) || !json_array_size(argv))
		return err_set(e, ERR_DATA, "args.argv is not a list of words");
	json_array_foreach(argv, i, item) {
		if (!json_is_string(item))
			return err_set(e, ERR_DATA, "args.argv is not a list of words");
		push(&c->argv, n, xstrdup(json_string_value(item)));
	}
	if (!allowed(w, c->argv[0]))
		return err_set(e, ERR_DATA, "%s is not among the commands this worker allows", c->argv[0]);
	if (cwd && !json_is_string(cwd))
		return err_set(e, ERR_DATA, "args.cwd is not a text");
	c->cwd = cwd ? json_string_value(cwd) : "/";
	c->null_stdin = true;
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
		struct timespec now;
		char when[40];

		clock_gettime(CLOCK_REALTIME, &now);
		time_rfc3339((int64_t)now.tv_sec * 1000000 + r->timeout_ms * 1000, when);
		push(v, n, xasprintf("JOBCTL_DEADLINE=%s", when));
	}
	if (r->checkpoint)
		push(v, n, xasprintf("JOBCTL_CHECKPOINT=%s", r->checkpoint));
}

/* The job's own env: an object of texts, for --exec. */
static int
push_args_environment(const struct command *c, char ***v, size_t *n, struct err *e)
{
	json_t *env = json_object_get(c->args, "env"), *value;
	const char *name;

	if (env && !json_is_object(env))
		return err_set(e, ERR_DATA, "args.env is not an object");
	json_object_foreach(env, name, value) {
		if (!json_is_string(value) || !*name || strchr(name, '='))
			return err_set(e, ERR_DATA, "args.env: \"%.60s\" is not a name with a text", name);
		push(v, n, xasprintf("%s=%s", name, json_string_value(value)));
	}
	return 0;
}

int
command_make(struct worker *w, const struct run *r, struct command *c, struct err *e)
{
	char **inherited = w->cfg.exec ? w->exec_env : w->env;
	size_t nargs = 0, nenv = 0;
	json_error_t why;
	int rc = 0;

	*c = (struct command){ .argv = NULL };
	c->args = json_loads(r->args, JSON_DECODE_ANY, &why);
	if (!c->args && (w->cfg.command || w->cfg.exec))
		return err_set(e, ERR_DATA, "cannot read the job's args: %s", why.text);
	if (w->cfg.command)
		rc = from_template(w, c, &nargs, e);
	else if (w->cfg.exec)
		rc = from_job(w, c, &nargs, e);
	else
		push(&c->argv, &nargs, xasprintf("%s/%s", w->cfg.handlers, r->kind));
	for (char **v = inherited; !rc && *v; v++)
		push(&c->envp, &nenv, xstrdup(*v));
	if (!rc && w->cfg.exec)
		rc = push_args_environment(c, &c->envp, &nenv, e);
	if (!rc)
		push_job_environment(r, &c->envp, &nenv);
	if (rc)
		command_free(c);
	return rc;
}

static void
free_words(char **v)
{
	for (char **p = v; p && *p; p++)
		free(*p);
	free(v);
}

void
command_free(struct command *c)
{
	free_words(c->argv);
	free_words(c->envp);
	json_decref(c->args);
	*c = (struct command){ .argv = NULL };
}
