/*
 * cmd.c - parsing a program's options from its table, and speaking for it
 *
 * What --help, the completions and the manual say of the table is in emit.c.
 */
#include "cmd.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "emit.h"
#include "out.h"
#include "parse.h"
#include "pg.h"
#include "str.h"

enum { OPTION_EMIT = 1000, OPTION_LONG = 2000 };

static const char *const color_choices[] = { "auto", "always", "never", NULL };

static const struct opt common_opts[] = {
	OPT_ROW_STR('d', "dbname", "CONNINFO", struct common, dbname, NULL,
		    "connect with CONNINFO instead of JOBCTL_DATABASE"),
	OPT_ROW_FLAG(0, "json", struct common, json, "print JSON Lines"),
	OPT_ROW_FLAG('Q', "quiet", struct common, quiet, "print nothing but errors"),
	OPT_ROW_FLAG('v', "verbose", struct common, verbose, "say more on standard error"),
	OPT_ROW_CHOICE(0, "color", "WHEN", struct common, color, color_choices,
		       "colour the output: auto, always or never"),
	OPT_ROW_END
};
static const int common_bits[] = {
	COMMON_DB, COMMON_JSON, COMMON_QUIET, COMMON_VERBOSE, COMMON_COLOR
};

static struct common none;
static const struct common *common = &none;
static char **volatile operands;	/* what cmd_parse() returned: for the program's life */
static uint64_t given;			/* options that were: bit i for cmd_opt(cmd, i) */

const struct common *
cmd_common(void)
{
	return common;
}

void
strlist_add(struct strlist *l, const char *z)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
	l->v[l->n++] = z;
}

void
strlist_free(struct strlist *l)
{
	free(l->v);
	*l = (struct strlist){ .n = 0 };
}

bool
cmd_color(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (common->color != COLOR_AUTO)
		return common->color == COLOR_ALWAYS;
	return isatty(fd) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static void
say_error(const struct cmd *cmd, const struct err *e)
{
	AUTOSTR s = STR(16384);

	status_clear();
	if (common->json) {
		str_puts(&s, "{\"v\":1,\"error\":");
		str_put_json(&s, e->msg, strlen(e->msg));
		str_puts(&s, ",\"hint\":");
		if (e->hint[0])
			str_put_json(&s, e->hint, strlen(e->hint));
		else
			str_puts(&s, "null");
		str_puts(&s, ",\"sqlstate\":");
		if (e->sqlstate[0])
			str_put_json(&s, e->sqlstate, strlen(e->sqlstate));
		else
			str_puts(&s, "null");
		str_putf(&s, ",\"program\":\"%s\",\"exit\":%d}\n", cmd->name, (int)e->kind);
	} else {
		str_putf(&s, "%s: ", cmd->name);
		str_put_safe_text(&s, e->msg, strlen(e->msg));
		if (e->kind == ERR_SOFTWARE && e->sqlstate[0])
			str_putf(&s, " (SQLSTATE %s)", e->sqlstate);
		str_putc(&s, '\n');
		if (e->hint[0]) {
			str_putf(&s, "%s: hint: ", cmd->name);
			str_put_safe_text(&s, e->hint, strlen(e->hint));
			str_putc(&s, '\n');
		}
	}
	fwrite(s.buf, 1, s.len, stderr);
}

int
cmd_fail(const struct cmd *cmd, const struct err *e)
{
	struct err copy = *e;

	if (!strcmp(e->sqlstate, "42501") && !e->hint[0] && cmd->role)
		err_hint(&copy, "connect as a member of %s", cmd->role);
	say_error(cmd, &copy);
	if (cmd->failed)
		cmd->failed(&copy);
	return e->kind ? (int)e->kind : EX_SOFTWARE;
}

void
cmd_usage(const struct cmd *cmd, const char *fmt, ...)
{
	struct err e = { .kind = ERR_USAGE };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.msg, sizeof e.msg, fmt, ap);
	va_end(ap);
	err_hint(&e, "try '%s --help'", cmd->name);
	exit(cmd_fail(cmd, &e));
}

static void PRINTF(2, 0)
note(const struct cmd *cmd, const char *fmt, va_list ap)
{
	char text[2000];
	AUTOSTR s = STR(16384);

	status_clear();
	vsnprintf(text, sizeof text, fmt, ap);
	str_put_safe_text(&s, text, strlen(text));
	fprintf(stderr, "%s: %s\n", cmd->name, s.buf);
}

void
cmd_note(const struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	if (common->quiet)
		return;
	va_start(ap, fmt);
	note(cmd, fmt, ap);
	va_end(ap);
}

void
cmd_verbose(const struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	if (!common->verbose)
		return;
	va_start(ap, fmt);
	note(cmd, fmt, ap);
	va_end(ap);
}

int
cmd_done(const struct cmd *cmd, int status)
{
	struct pollfd p = { .fd = STDOUT_FILENO };
	struct err e;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (!errno)			/* it was an earlier write that failed */
		errno = poll(&p, 1, 0) > 0 && p.revents & POLLERR ? EPIPE : EIO;
	if (errno == EPIPE)		/* the reader had enough: head(1) */
		return status ? status : 128 + SIGPIPE;
	err_sys_(&e, ERR_IO, "cannot write the output");
	return cmd_fail(cmd, &e);
}

int
cmd_distance(const char *a, const char *b)
{
	enum { MAX = 40 };
	int row[MAX + 1], n = (int)strnlen(b, MAX);

	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 0; a[i] && i < MAX; i++) {
		int diagonal = row[0];

		row[0] = i + 1;
		for (int j = 1; j <= n; j++) {
			int change = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			row[j] = row[j - 1] < row[j] ? row[j - 1] + 1 : row[j] + 1;
			if (change < row[j])
				row[j] = change;
		}
	}
	return row[n];
}

const char *
cmd_opt_verbs(const struct cmd *cmd, const struct opt *o)
{
	if (!cmd->verbs)
		return NULL;
	for (size_t c = 0; c < NELEM(common_bits); c++) {
		const struct common_of *of = cmd->common_of;

		if (o != &common_opts[c])
			continue;
		for (; of && of->common; of++)
			if (of->common == common_bits[c])
				return of->verbs;
	}
	return o->verbs;
}

bool
cmd_takes(const char *verbs, const char *verb)
{
	size_t n = strlen(verb);

	for (const char *p = verbs; (p = strstr(p, verb)); p += n)
		if ((p == verbs || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

/* An option that would do nothing is a mistake, or a wish that we do not grant. */
static void
check_given(const struct cmd *cmd, const struct verb *verb)
{
	const struct opt *o;

	for (int i = 0; (o = cmd_opt(cmd, i)); i++) {
		const char *verbs = cmd_opt_verbs(cmd, o);
		AUTOSTR list = STR(500);

		if (!(given & UINT64_C(1) << i) || !verbs || cmd_takes(verbs, verb->name))
			continue;
		for (const struct verb *v = cmd->verbs; v->name; v++)
			if (cmd_takes(verbs, v->name))
				str_putf(&list, "%s%s", list.len ? ", " : "", v->name);
		cmd_usage(cmd, "--%s means nothing to %s, only to: %s", o->name, verb->name,
			  list.buf);
	}
}

const struct verb *
cmd_verb(const struct cmd *cmd, const char *name)
{
	const struct verb *near = NULL;
	int best = 3;
	AUTOSTR safe = STR(200);

	for (const struct verb *v = cmd->verbs; v->name; v++) {
		int d = cmd_distance(name, v->name);

		if (!d && !strcmp(name, v->name)) {
			check_given(cmd, v);
			return v;
		}
		if (d < best) {
			best = d;
			near = v;
		}
	}
	str_put_safe(&safe, name, strlen(name));
	if (near)
		cmd_usage(cmd, "no such command \"%s\"; did you mean \"%s\"?", safe.buf, near->name);
	cmd_usage(cmd, "no such command \"%s\"", safe.buf);
}

/* The i-th option of a program, its own first, then the common ones it has. */
const struct opt *
cmd_opt(const struct cmd *cmd, int i)
{
	const struct opt *o = cmd->opts;

	for (; o && o->type != OPT_END; o++)
		if (i-- == 0)
			return o;
	for (size_t c = 0; c < NELEM(common_bits); c++)
		if (cmd->common & common_bits[c] && i-- == 0)
			return &common_opts[c];
	return NULL;
}

bool
cmd_opt_optional(const struct opt *o)
{
	return o->arg && o->arg[0] == '[';
}

static void
bad_value(const struct cmd *cmd, const struct opt *o, const struct err *e)
{
	AUTOSTR s = STR(1000);

	str_put_safe_text(&s, e->msg, strlen(e->msg));
	cmd_usage(cmd, "--%s: %s", o->name, s.buf);
}

static int
choice(const struct opt *o, const char *z, int *out, struct err *e)
{
	AUTOSTR all = STR(500);

	for (int i = 0; o->choices[i]; i++) {
		if (!strcmp(z, o->choices[i])) {
			*out = i;
			return 0;
		}
		str_putf(&all, "%s%s", i ? ", " : "", o->choices[i]);
	}
	return err_set(e, ERR_USAGE, "\"%.60s\" is none of: %s", z, all.buf);
}

static void
store(const struct cmd *cmd, const struct opt *o, void *cfg, const char *z)
{
	void *field = (char *)cfg + o->offset;
	struct err e = ERR_INIT;
	int rc = 0;

	if (z && o->type != OPT_FLAG && !utf8_valid(z, strlen(z)))
		cmd_usage(cmd, "--%s: the value is not valid UTF-8", o->name);
	if (z && !*z && o->min > 0 && (o->type == OPT_STR || o->type == OPT_LIST))
		cmd_usage(cmd, "--%s: the value is empty", o->name);
	switch (o->type) {
	case OPT_FLAG:
		*(bool *)field = true;
		break;
	case OPT_STR:
		*(const char **)field = z ? z : "";
		break;
	case OPT_LIST:
		strlist_add(field, z);
		break;
	case OPT_INT:
		if (z)
			rc = parse_int(z, o->min, o->max, field, &e);
		else
			*(int64_t *)field = o->min;
		break;
	case OPT_MS:
		if (z)
			rc = parse_duration(z, o->min, o->max, field, &e);
		else
			*(int64_t *)field = o->min;
		break;
	case OPT_TIME:
		rc = parse_time(z, field, &e);
		break;
	case OPT_CHOICE:
		rc = choice(o, z ? z : "", field, &e);
		break;
	case OPT_END:
		break;
	}
	if (rc)
		bad_value(cmd, o, &e);
}

static void
version(const struct cmd *cmd)
{
	int v = PQlibVersion();

	printf("%s (jobctl) %s\n", cmd->name, JOBCTL_VERSION);
	printf("libpq %d.%d, schema %d to %d\n", v / 10000, v % 10000, PG_SCHEMA_MIN,
	       PG_SCHEMA_MAX);
	exit(cmd_done(cmd, 0));
}

/*
 * glibc takes any unique beginning of a long option.  Scripts outlive us, so
 * only the whole name counts.
 */
static void
refuse_abbreviation(const struct cmd *cmd, const char *word, const char *name)
{
	size_t n = strcspn(word + 2, "=");

	if (strncmp(word, "--", 2) == 0 && (n != strlen(name) || strncmp(word + 2, name, n) != 0))
		cmd_usage(cmd, "unknown option \"--%.*s\"; did you mean \"--%s\"?", (int)n,
			  word + 2, name);
}

static void
unknown_option(const struct cmd *cmd, const char *word, const struct option *longs, int c)
{
	const char *near = NULL;
	int best = 3;
	AUTOSTR safe = STR(200);

	if (strncmp(word, "--", 2) != 0) {	/* optopt, as word may be a cluster */
		str_put_safe(&safe, (char[]){ (char)optopt }, 1);
		cmd_usage(cmd, c == ':' ? "option \"-%s\" needs a value" : "unknown option \"-%s\"",
			  safe.buf);
	}
	if (c == ':') {
		str_put_safe(&safe, word, strlen(word));
		cmd_usage(cmd, "option \"%s\" needs a value", safe.buf);
	}
	str_put_safe(&safe, word, strcspn(word, "="));
	for (; longs->name; longs++) {
		int d = cmd_distance(safe.buf + 2, longs->name);

		if (!strncmp(word + 2, longs->name, strlen(longs->name)) &&
		    word[2 + strlen(longs->name)] == '=')
			cmd_usage(cmd, "option \"%s\" takes no value", safe.buf);
		if (longs->val != OPTION_EMIT && d < best && 2 * (size_t)d <= strlen(longs->name)) {
			near = longs->name;
			best = d;
		}
	}
	if (near)
		cmd_usage(cmd, "unknown option \"%s\"; did you mean \"--%s\"?", safe.buf, near);
	cmd_usage(cmd, "unknown option \"%s\"", safe.buf);
}

struct tables {
	struct option *longs;
	struct str shorts;
};

static void
build_tables(const struct cmd *cmd, struct tables *t)
{
	const struct opt *o;
	int n = 0;

	while (cmd_opt(cmd, n))
		n++;
	t->longs = xcalloc((size_t)n + 4, sizeof *t->longs);
	str_puts(&t->shorts, "-:hV");
	for (int i = 0; (o = cmd_opt(cmd, i)); i++) {
		bool takes = o->type != OPT_FLAG;

		t->longs[i] = (struct option){
			.name = o->name,
			.has_arg = !takes		  ? no_argument
				   : cmd_opt_optional(o) ? optional_argument
							  : required_argument,
			.val = OPTION_LONG + i,
		};
		if (o->letter)
			str_putf(&t->shorts, "%c%s", o->letter,
				 !takes ? "" : cmd_opt_optional(o) ? "::" : ":");
	}
	t->longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
	t->longs[n + 1] = (struct option){ "version", no_argument, NULL, 'V' };
	t->longs[n + 2] = (struct option){ "emit", required_argument, NULL, OPTION_EMIT };
}

static const struct opt *
opt_by_code(const struct cmd *cmd, int c)
{
	const struct opt *o;
	int i = c >= OPTION_LONG ? c - OPTION_LONG : 0;

	while ((o = cmd_opt(cmd, i)) && c < OPTION_LONG && o->letter != c)
		i++;
	if (o)
		given |= UINT64_C(1) << i;
	return o;
}

/*
 * The operands are collected one by one ("-" in front of the short options), so
 * that nothing is permuted and it is known how many stood before a "--".
 */
struct operands {
	char **v;
	int n;
	int dashes;		/* operands before "--", or -1 */
};

static void
add_operand(struct operands *ops, char *z)
{
	ops->v = xreallocarray(ops->v, (size_t)ops->n + 2, sizeof *ops->v);
	ops->v[ops->n++] = z;
	ops->v[ops->n] = NULL;
}

static void
option(const struct cmd *cmd, void *cfg, const struct tables *t, int c, int index, const char *word)
{
	const struct opt *o;

	if (c == '?' || c == ':')
		unknown_option(cmd, word, t->longs, c);
	if (!strncmp(word, "--", 2))
		refuse_abbreviation(cmd, word, t->longs[index].name);
	if (c == 'h') {
		emit_help(cmd);
		exit(cmd_done(cmd, 0));
	}
	if (c == 'V')
		version(cmd);
	if (c == OPTION_EMIT) {
		if (emit(cmd, optarg))
			cmd_usage(cmd, "--emit takes man or words");
		exit(cmd_done(cmd, 0));
	}
	o = opt_by_code(cmd, c);
	if (o)
		store(cmd, o, cfg, optarg);
}

static struct operands
parse_options(const struct cmd *cmd, void *cfg, int argc, char **argv)
{
	struct operands ops = { .v = xcalloc(1, sizeof *ops.v), .dashes = -1 };
	struct tables t = { .shorts = STR(500) };
	int c, index = 0, at = optind;

	build_tables(cmd, &t);
	opterr = 0;
	while ((c = getopt_long(argc, argv, t.shorts.buf, t.longs, &index)) != -1) {
		if (c != 1)
			option(cmd, cfg, &t, c, index, argv[at]);
		else
			add_operand(&ops, optarg);
		at = optind;
		if (c == 1 && cmd->stop_at_operand)
			break;
	}
	if (c == -1 && at < argc && !strcmp(argv[at], "--"))
		ops.dashes = ops.n;
	for (; optind < argc; optind++) {
		if (cmd->stop_at_operand && ops.dashes < 0 && !strcmp(argv[optind], "--"))
			ops.dashes = ops.n;
		else
			add_operand(&ops, argv[optind]);
	}
	free(t.longs);
	str_free(&t.shorts);
	return ops;
}

static const struct cmd *program;

static void
say_meanwhile(const char *text)
{
	cmd_note(program, "%s", text);
}

char **
cmd_parse(const struct cmd *cmd, void *cfg, int argc, char **argv, int *dashes)
{
	struct operands ops;
	int limit = cmd->max_operands;

	signal(SIGPIPE, SIG_IGN);
	setlocale(LC_CTYPE, "");
	common = cfg;
	program = cmd;
	err_meanwhile = say_meanwhile;
	ops = parse_options(cmd, cfg, argc, argv);
	if (ops.n < cmd->min_operands)
		cmd_usage(cmd, ops.n ? "too few arguments" : "missing arguments");
	if (limit >= 0 && ops.n > limit) {
		AUTOSTR safe = STR(200);

		str_put_safe(&safe, ops.v[limit], strlen(ops.v[limit]));
		cmd_usage(cmd, "unexpected argument \"%s\"", safe.buf);
	}
	if (dashes)
		*dashes = ops.dashes;
	operands = ops.v;
	return operands;
}
