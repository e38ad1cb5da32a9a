/*
 * proc_test - starting, stopping and collecting processes: true, sleep and sh
 *
 * The test is the subreaper of all it starts, so that it sees what becomes of a
 * process whose parent has gone, without waiting for a time.
 */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "str.h"
#include "tap.h"

enum { LONG_MS = 60000 };

extern char **environ;

static char dir[] = "/tmp/proc_test.XXXXXX";

struct started {
	struct proc p;
	int out, control;	/* our ends */
};

/* Start argv with its output and its descriptor 3 in pipes; cwd may be NULL. */
static int
start(struct started *s, char *const *argv, const char *cwd, struct err *e)
{
	AUTOFD in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out[2], control[2], rc;
	struct proc_spec spec;

	if (pipe2(out, O_CLOEXEC) || pipe2(control, O_CLOEXEC))
		tap_bail("pipe");
	spec = (struct proc_spec){.argv = argv,
				  .envp = environ,
				  .path = getenv("PATH"),
				  .cwd = cwd,
				  .in = in,
				  .out = out[1],
				  .err = out[1],
				  .control = control[1],
				  .group = -1};
	s->p = (struct proc)PROC_INIT;
	s->out = out[0];
	s->control = control[0];
	rc = proc_spawn(&s->p, &spec, e);
	close(out[1]);
	close(control[1]);
	return rc;
}

static void
start_sh(struct started *s, const char *script)
{
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, xstrdup(script), NULL };
	struct err e;

	if (start(s, argv, NULL, &e))
		tap_bail(e.msg);
	free(argv[2]);
}

static bool
ended_within(struct started *s, int ms)
{
	struct pollfd p = { .fd = s->p.fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Wait for the end; what it wrote is in *said if that is not NULL. */
static struct proc_end
finish(struct started *s, struct str *said)
{
	struct proc_end end = { .exit_code = -2 };
	struct err e = ERR_INIT;
	char buf[4096];
	ssize_t n;

	if (!ended_within(s, LONG_MS))
		tap_bail("a process does not end");
	if (proc_collect(&s->p, &end, &e))
		tap_bail(e.msg);
	fcntl(s->out, F_SETFL, O_NONBLOCK);
	while ((n = read(s->out, buf, sizeof buf)) > 0)
		if (said)
			str_add(said, buf, (size_t)n);
	close(s->out);
	close(s->control);
	return end;
}

/* Read from the process up to a newline: it is where the test wants it to be. */
static char *
read_line(struct started *s)
{
	AUTOSTR line = STR(STR_ANY);
	char c;

	while (read(s->out, &c, 1) == 1 && c != '\n')
		str_putc(&line, c);
	return str_take(&line);
}

static void
exits(void)
{
	struct started s;
	struct proc_end end;

	start_sh(&s, "exit 7");
	end = finish(&s, NULL);
	ok(end.exit_code == 7 && end.signal == 0, "an exit code");
	ok(s.p.pid == 0 && s.p.fd == -1, "what was collected is gone");
	start_sh(&s, "kill -SEGV $$");
	end = finish(&s, NULL);
	ok(end.exit_code == -1 && end.signal == SIGSEGV, "a signal");
	start_sh(&s, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
	end = finish(&s, NULL);
	ok(end.usage.ru_utime.tv_sec + end.usage.ru_utime.tv_usec > 0, "CPU time");
	ok(end.usage.ru_maxrss > 0, "memory");
	proc_stop(&s.p, 0);
	proc_tick(&s.p);
	ok(true, "stopping what is not there does nothing");
}

/* What /proc/PID/status says of a signal set. */
static const char *
status_line(const struct str *status, const char *name)
{
	static char value[64];
	const char *p = strstr(status->buf, name);

	if (!p || sscanf(p + strlen(name), " %63s", value) != 1)
		return "?";
	return value;
}

static void
clean(void)
{
	char *const argv[] = { (char[]){ "cat" }, (char[]){ "/proc/self/status" }, NULL };
	AUTOSTR status = STR(STR_ANY), fds = STR(STR_ANY), ids = STR(STR_ANY),
		limit = STR(STR_ANY);
	int leak = open("/dev/null", O_RDONLY);	/* not close-on-exec */
	struct started s;
	struct err e;
	AUTOFREE char *same = NULL;
	pid_t pid;

	if (start(&s, argv, NULL, &e))
		tap_bail(e.msg);
	finish(&s, &status);
	is_str(status_line(&status, "SigBlk:"), "0000000000000000", "no signal is blocked");
	is_str(status_line(&status, "SigIgn:"), "0000000000000000", "no signal is ignored");
	is_str(status_line(&status, "SigCgt:"), "0000000000000000", "no signal is caught");
	start_sh(&s, "ls /proc/$$/fd; :");
	finish(&s, &fds);
	is_str(fds.buf, "0\n1\n2\n3\n", "descriptors 0 to 3 and no other");
	start_sh(&s, "cut -d' ' -f1,5,6 /proc/$$/stat");
	pid = s.p.pid;
	finish(&s, &ids);
	same = xasprintf("%d %d %d\n", (int)pid, (int)pid, (int)pid);
	is_str(ids.buf, same, "a session and a group of its own");
	start_sh(&s, "ulimit -Sn");
	finish(&s, &limit);
	is_str(limit.buf, "256\n",
	       "the limit on open files is what it was before we raised it");
	close(leak);
}

static void
descriptors(void)
{
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"},
			      (char[]){"cat; echo out; echo err >&2; echo control >&3"}, NULL};
	int in[2], out[2], err[2], control[2], at[4];
	struct proc_spec spec = { .argv = argv, .envp = environ, .path = getenv("PATH"), .group = -1 };
	struct proc p = PROC_INIT;
	struct proc_end end;
	struct err e;
	char buf[100] = "";
	pid_t pid = fork();
	int status;

	if (pid == 0) {		/* here 0 to 3 are the very pipes, in the worst order */
		if (pipe(in) || pipe(out) || pipe(err) || pipe(control) ||
		    write(in[1], "in ", 3) != 3)
			_exit(10);
		close(in[1]);
		at[0] = fcntl(in[0], F_DUPFD, 20);
		at[1] = fcntl(out[1], F_DUPFD, 20);
		at[2] = fcntl(err[1], F_DUPFD, 20);
		at[3] = fcntl(control[1], F_DUPFD, 20);
		dup2(at[0], 3);
		dup2(at[1], 2);
		dup2(at[2], 0);
		dup2(at[3], 1);
		spec.in = 3, spec.out = 2, spec.err = 0, spec.control = 1;
		if (proc_spawn(&p, &spec, &e) ||
		    poll(&(struct pollfd){p.fd, POLLIN, 0}, 1, LONG_MS) != 1 ||
		    proc_collect(&p, &end, &e) || end.exit_code)
			_exit(11);
		if (read(out[0], buf, sizeof buf) != 7 || memcmp(buf, "in out\n", 7) != 0)
			_exit(12);
		if (read(err[0], buf, sizeof buf) != 4 || memcmp(buf, "err\n", 4) != 0)
			_exit(13);
		if (read(control[0], buf, sizeof buf) != 8 || memcmp(buf, "control\n", 8) != 0)
			_exit(14);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "descriptors are placed even if they stand in each other's way");
}

static void
make_file(const char *name, const char *text, mode_t mode)
{
	AUTOFREE char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    fchmod(fd, mode) || close(fd))
		tap_bail("cannot make a file");
}

/* Start argv and wait until it has failed to: what start() would be if it waited. */
static int
fail(struct started *s, char *const *argv, const char *cwd, struct err *e)
{
	struct proc_end end;

	if (start(s, argv, cwd, e))
		tap_bail(e->msg);
	if (!ended_within(s, LONG_MS))
		tap_bail("a process does not end");
	close(s->out);
	close(s->control);
	return proc_collect(&s->p, &end, e);
}

static void
cannot_run(const char *program, const char *cwd, int sys, const char *message)
{
	AUTOFREE char *name = strchr(program, '/') || cwd ? xstrdup(program)
							  : xasprintf("%s/%s", dir, program);
	char *const argv[] = { name, NULL };
	struct started s;
	struct err e = ERR_INIT;
	int open_before = open("/dev/null", O_RDONLY), open_after;

	close(open_before);
	is_int(fail(&s, argv, cwd, &e), -1, "%s does not run", program);
	is_int(e.sys, sys, "the reason is %s", strerror(sys));
	ok(strstr(e.msg, message), "the message says \"%s\": %s", message, e.msg);
	ok(s.p.pid == 0 && waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD,
	   "no process is left");
	open_after = open("/dev/null", O_RDONLY);
	close(open_after);
	is_int(open_after, open_before, "no descriptor is left");
}

static void
failures(void)
{
	AUTOFREE char *big = xmalloc(200001), *script = xasprintf("%s/plain", dir);
	char *const too_big[] = { (char[]){ "true" }, big, NULL };
	char *const plain[] = { script, (char[]){ "a b" }, NULL };
	AUTOSTR said = STR(STR_ANY);
	struct started s;
	struct proc_end end;
	struct err e;

	make_file("data", "no program", 0600);
	make_file("gone", "#!/no/such/interpreter\n", 0700);
	make_file("garbage", "\177ELF but not really", 0700);
	make_file("plain", "echo \"plain: $1 $#\"\n", 0700);
	cannot_run("missing", NULL, ENOENT, "No such file");
	cannot_run("/", NULL, EACCES, "Permission denied");
	cannot_run("data", NULL, EACCES, "Permission denied");
	cannot_run("data/x", NULL, ENOENT, "No such file");
	cannot_run("gone", NULL, ENOEXEC, "interpreter");
	cannot_run("no-such-program-anywhere", "/", ENOENT, "No such file");
	cannot_run("true", "/no/such/directory", ENOENT, "cannot enter /no/such/directory");
	cannot_run("", "/", ENOENT, "No such file");
	memset(big, 'x', 200000);
	big[200000] = '\0';
	is_int(fail(&s, too_big, NULL, &e), -1, "a word of 200 kB is too long");
	is_int(e.sys, E2BIG, "and that is the reason");
	if (start(&s, plain, NULL, &e))
		tap_bail(e.msg);
	finish(&s, &said);
	is_str(said.buf, "plain: a b 1\n", "a script without #! is run by the shell");
	cannot_run(script, "/no/such/directory", ENOENT, "cannot enter");
	{
		AUTOFREE char *garbage = xasprintf("%s/garbage", dir);
		char *const argv[] = { garbage, NULL };

		if (start(&s, argv, NULL, &e))
			tap_bail(e.msg);
		end = finish(&s, NULL);
		ok(end.exit_code != 0, "so is garbage, and fails (%d)", end.exit_code);
	}
}

static void
finding(void)
{
	AUTOFREE char *path = xasprintf("relative:%s::/usr/bin:/bin", dir);
	AUTOFREE char *name = xasprintf("%s/plain", dir);
	struct err e;

	ok(proc_find("true", path, &e) == 0, "a program in the path is found");
	ok(proc_find("plain", path, &e) == 0, "so is one in another directory of it");
	ok(proc_find(name, "", &e) == 0, "so is one by its path");
	ok(proc_find("true", NULL, &e) == 0, "without a path the usual places are searched");
	is_int(proc_find("data", path, &e), -1, "a file that is not executable is none");
	is_int(e.sys, EACCES, "for that reason");
	is_int(proc_find("/", path, &e), -1, "a directory is none");
	is_int(proc_find("nonesuch", path, &e), -1, "nor is what is not there");
	is_int(e.kind, ERR_NOINPUT, "which is a missing input");
	if (chdir(dir))
		tap_bail("chdir");
	is_int(proc_find("plain", ":.:", &e), -1, "the working directory is not searched");
	if (chdir("/"))
		tap_bail("chdir");
}

static void
stopping(void)
{
	struct started s;
	struct proc_end end;
	int64_t before;

	start_sh(&s, "trap 'exit 3' TERM; echo ready; while :; do sleep 1000 & wait; done");
	free(read_line(&s));
	proc_stop(&s.p, LONG_MS);
	end = finish(&s, NULL);
	is_int(end.exit_code, 3, "TERM comes first");

	start_sh(&s, "trap '' TERM; echo ready; exec sleep 1000");
	free(read_line(&s));
	before = now_ms();
	proc_stop(&s.p, 200);
	ok(s.p.kill_at >= before + 200 && s.p.kill_at < before + LONG_MS, "KILL has a time");
	ok(!ended_within(&s, 0), "a process may ignore TERM");
	proc_stop(&s.p, LONG_MS);
	ok(s.p.kill_at < before + LONG_MS, "said again, the time does not move");
	while (now_ms() < s.p.kill_at)
		(void)poll(NULL, 0, poll_timeout(s.p.kill_at));
	proc_tick(&s.p);
	end = finish(&s, NULL);
	is_int(end.signal, SIGKILL, "then KILL");

	start_sh(&s, "trap 'exit 4' TERM; echo ready; kill -STOP $$; exit 5");
	free(read_line(&s));
	waitid(P_PID, (id_t)s.p.pid, &(siginfo_t){ 0 }, WSTOPPED | WNOWAIT);
	proc_stop(&s.p, LONG_MS);
	end = finish(&s, NULL);
	is_int(end.exit_code, 4, "a stopped process is continued for its TERM");

	start_sh(&s, "trap '' TERM; echo ready; exec sleep 1000");
	free(read_line(&s));
	proc_stop(&s.p, LONG_MS);
	proc_stop(&s.p, 0);
	end = finish(&s, NULL);
	is_int(end.signal, SIGKILL, "a grace can be cut short");
}

/* Whoever is told to stop right after its birth leads no group yet, or runs no program. */
static void
stopping_newborns(void)
{
	struct started s;
	int stopped = 0;

	for (int i = 0; i < 200; i++) {
		start_sh(&s, "exec sleep 1000");
		for (volatile int spin = i * 500; spin > 0; spin--)
			;
		proc_stop(&s.p, LONG_MS);
		stopped += finish(&s, NULL).signal == SIGTERM;
	}
	is_int(stopped, 200, "a process gets its TERM however young it is");
}

/* The test is the subreaper: what became of an orphan. */
static int
fate_of(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
groups(void)
{
	AUTOFREE char *line = NULL;
	struct started s;
	pid_t orphan, pid;
	int fds[2];

	start_sh(&s, "sleep 1000 & echo $!");
	line = read_line(&s);
	finish(&s, NULL);
	is_int(fate_of((pid_t)strtol(line, NULL, 10)), SIGKILL,
	       "what the leader leaves in its group is killed");

	if (pipe(fds))
		tap_bail("pipe");
	pid = fork();
	if (pid == 0) {
		start_sh(&s, "echo ready; exec sleep 1000");
		free(read_line(&s));
		if (write(fds[1], &s.p.pid, sizeof s.p.pid) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	if (read(fds[0], &orphan, sizeof orphan) != (ssize_t)sizeof orphan)
		tap_bail("read");
	is_int(fate_of(orphan), SIGKILL, "when we die, our children do");
	close(fds[0]);
	close(fds[1]);
}

/* In a process of its own, since it changes what proc_init() may be called for once. */
static void
initial(int (*body)(void), const char *what)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(body());
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s (%x)", what, status);
}

static int
no_standard_descriptors(void)
{
	struct err e;
	struct stat st;

	close(0);
	close(1);
	close(2);
	if (proc_init(10, &e))
		return 1;
	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) || !S_ISCHR(st.st_mode))
			return 2;
	return open("/dev/null", O_RDONLY) > 2 ? 0 : 3;
}

static int
few_descriptors(void)
{
	struct rlimit few = { 100, 100 };
	struct err e = ERR_INIT;

	if (setrlimit(RLIMIT_NOFILE, &few) || proc_init(100, &e))
		return 1;
	if (proc_init(101, &e) != -1 || e.kind != ERR_CONFIG)
		return 2;
	return e.hint[0] && strstr(e.msg, "100") ? 0 : 3;
}

static int
ignored_children(void)
{
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "exit 9" }, NULL };
	struct started s;
	struct proc_end end;
	struct err e;

	signal(SIGCHLD, SIG_IGN);
	if (proc_init(10, &e) || start(&s, argv, NULL, &e))
		return 1;
	if (!ended_within(&s, LONG_MS) || proc_collect(&s.p, &end, &e))
		return 2;
	return end.exit_code == 9 ? 0 : 3;
}

/* All the signals that can be ignored are, two of them as posix_spawn leaves them. */
static void
inherit_trouble(void)
{
	struct rlimit limit;
	sigset_t all;

	for (int s = 1; s <= 64; s++) {
		unsigned long ignore[4] = { 1 };

		if (s != SIGKILL && s != SIGSTOP && s != SIGCHLD)
			syscall(SYS_rt_sigaction, s, ignore, NULL, 8);
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (getrlimit(RLIMIT_NOFILE, &limit))
		tap_bail("getrlimit");
	limit.rlim_cur = 256;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		tap_bail("setrlimit");
}

int
main(void)
{
	struct err e = ERR_INIT;
	AUTOFREE char *rm = NULL;

	if (pidfd_open(getpid(), 0) < 0) {
		puts("1..0 # SKIP no pidfds here: an old kernel, or valgrind");
		return 0;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!mkdtemp(dir))
		tap_bail("mkdtemp");
	initial(no_standard_descriptors, "closed standard descriptors are opened");
	initial(few_descriptors, "too low a limit is told before anything runs");
	initial(ignored_children, "children can be waited for though SIGCHLD was ignored");
	inherit_trouble();
	if (proc_init(300, &e))
		tap_bail(e.msg);
	exits();
	clean();
	descriptors();
	failures();
	finding();
	stopping();
	stopping_newborns();
	groups();
	rm = xasprintf("rm -rf %s", dir);
	return system(rm) ? 1 : tap_done();
}
