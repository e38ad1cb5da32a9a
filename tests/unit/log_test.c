/*
 * log_test - logfmt lines: quoting, priorities, and readers that do not read
 */
#include "log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "str.h"
#include "tap.h"

static int reader = -1;

/* Standard error becomes a pipe that the test reads. */
static void
open_pipe(void)
{
	int fds[2];

	if (pipe(fds) || dup2(fds[1], STDERR_FILENO) < 0)
		tap_bail("pipe");
	close(fds[1]);
	if (reader >= 0)
		close(reader);
	reader = fds[0];
	fcntl(reader, F_SETFL, O_NONBLOCK);
}

static const char *
said(void)
{
	static char buf[200000];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof buf - 1 && (n = read(reader, buf + len, sizeof buf - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	return buf;
}

/* The line without its time, whose form is checked. */
static const char *
line(void)
{
	const char *p = said(), *space = strchr(p, ' ');
	struct tm tm;

	if (strncmp(p, "time=", 5) != 0 || strptime(p + 5, "%Y-%m-%dT%H:%M:%SZ", &tm) != space)
		return "(no time)";
	return space + 1;
}

static void
value(const char *v, const char *want, const char *what)
{
	AUTOFREE char *all = xasprintf("level=info msg=m key=%s\n", want);

	log_line(LOG_LEVEL_INFO, "m", "key", v, NULL);
	is_str(line(), all, "%s", what);
}

static void
values(void)
{
	value("plain", "plain", "a plain value");
	value("", "\"\"", "an empty value is quoted");
	value("two words", "\"two words\"", "so is one with a blank");
	value("a=b", "\"a=b\"", "or =");
	value("say \"x\" \\", "\"say \\\"x\\\" \\\\\"", "quotes and backslashes are escaped");
	value("a\nlevel=error b", "\"a\\nlevel=error b\"", "a value cannot begin a line");
	value("\x1b[31m", "\\x1b[31m", "a terminal's escape is shown");
	value("x \x1b[31m", "\"x \\u001b[31m\"", "in quotes too");
	value("x \xc2\x9b" "31m", "\"x \\u009b31m\"", "so is the one-character form");
	value((char[]){ 'x', ' ', (char)0xe2, (char)0x80, (char)0xae, 'y', 0 }, "\"x \\u202ey\"",
	      "and what turns text around");
	value("bad\xff", "\"bad\xef\xbf\xbd\"", "what is not UTF-8 becomes U+FFFD");
	value("\xe2\x82\xac", "\xe2\x82\xac", "other text is itself");
	log_line(LOG_LEVEL_INFO, "two words", "a", "1", "none", NULL, "b", "2", NULL);
	is_str(line(), "level=info msg=\"two words\" a=1 b=2\n",
	       "a pair without a value is left out");
}

static void
levels(void)
{
	log_line(LOG_LEVEL_DEBUG, "d", NULL);
	is_str(said(), "", "debug is not shown by default");
	log_threshold(LOG_LEVEL_DEBUG);
	log_line(LOG_LEVEL_DEBUG, "d", NULL);
	is_str(line(), "level=debug msg=d\n", "it is if asked for");
	log_threshold(LOG_LEVEL_ERROR);
	log_line(LOG_LEVEL_WARNING, "w", NULL);
	is_str(said(), "", "a quiet program shows no warning");
	log_line(LOG_LEVEL_ERROR, "e", NULL);
	is_str(line(), "level=error msg=e\n", "but errors");
	log_threshold(LOG_LEVEL_INFO);
}

static void
long_lines(void)
{
	AUTOFREE char *v = xmalloc(100001);
	const char *p;

	memset(v, 'v', 100000);
	v[100000] = '\0';
	log_line(LOG_LEVEL_INFO, "m", "key", v, "more", v, NULL);
	p = said();
	is_int(strlen(p), 4096, "a line has a limit");
	ok(p[4095] == '\n' && strchr(p, '\n') == p + 4095, "and ends with a newline");
}

static size_t
lines_in(const char *p)
{
	size_t n = 0;

	for (; *p; p++)
		n += *p == '\n';
	return n;
}

static void
no_reader(void)
{
	int64_t begin = now_ms();
	size_t got = 0, dropped = 0;
	const char *p;

	for (int i = 0; i < 5000; i++)
		log_line(LOG_LEVEL_INFO, "a line that nobody reads for now", NULL);
	ok(now_ms() - begin < 60000, "a full pipe does not hold us up (%d ms)",
	   (int)(now_ms() - begin));
	got = lines_in(said());
	ok(got > 100 && got < 5000, "what fits is there: %zu lines", got);
	log_line(LOG_LEVEL_INFO, "and on", NULL);
	p = strstr(said(), "lines=");
	if (p)
		dropped = (size_t)strtol(p + 6, NULL, 10);
	is_int(got + dropped, 5000, "the rest is counted");
	log_line(LOG_LEVEL_INFO, "and on", NULL);
	is_str(line(), "level=info msg=\"and on\"\n", "once");
	close(reader);
	reader = -1;
	signal(SIGPIPE, SIG_IGN);
	log_line(LOG_LEVEL_INFO, "m", NULL);
	close(STDERR_FILENO);
	log_line(LOG_LEVEL_INFO, "m", NULL);
	ok(true, "a reader that is gone, no stderr at all: nothing happens");
}

/* Whether stderr is the journal is found out once: in a process of its own. */
static void
journal(bool ours)
{
	AUTOFREE char *stream = NULL;
	struct stat st;
	pid_t pid;

	open_pipe();
	if (fstat(STDERR_FILENO, &st))
		tap_bail("fstat");
	stream = xasprintf("%llu:%llu", (unsigned long long)st.st_dev,
			   (unsigned long long)st.st_ino + !ours);
	setenv("JOURNAL_STREAM", stream, 1);
	pid = fork();
	if (pid == 0) {
		log_line(LOG_LEVEL_WARNING, "m", NULL);
		log_line(LOG_LEVEL_ERROR, "m", NULL);
		log_line(LOG_LEVEL_INFO, "m", NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	if (ours)
		is_str(said(),
		       "<4>level=warning msg=m\n<3>level=error msg=m\n<6>level=info msg=m\n",
		       "the journal gets priorities and no times");
	else
		ok(!strncmp(said(), "time=", 5), "a stderr that is not the journal does not");
	unsetenv("JOURNAL_STREAM");
}

int
main(void)
{
	journal(true);
	journal(false);
	open_pipe();
	values();
	levels();
	long_lines();
	no_reader();
	return tap_done();
}
