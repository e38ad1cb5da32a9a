/*
 * emit.c - --help, the manual's OPTIONS section and the completions, from the table
 *
 * The completions are data for the small engines in completions/: one line per
 * verb, operand or option, so that no shell code is made by C code.
 */
#include "emit.h"

#include <stdio.h>
#include <string.h>

#include "str.h"

enum { WIDTH = 120 };		/* of --help */

static const struct opt help_opts[] = {
	{ .letter = 'h', .name = "help", .type = OPT_FLAG, .help = "show this help and exit" },
	{ .letter = 'V', .name = "version", .type = OPT_FLAG,
	  .help = "show the versions of program, libpq and schema and exit" },
};

/* All options as --help lists them. */
static const struct opt *
option_at(const struct cmd *cmd, int i)
{
	const struct opt *o;
	int n = 0;

	for (; (o = cmd_opt(cmd, n)); n++)
		if (n == i)
			return o;
	return i - n < (int)NELEM(help_opts) ? &help_opts[i - n] : NULL;
}

static void
option_words(const struct opt *o, char *buf, size_t n)
{
	char letter[6] = "    ";

	if (o->letter)
		snprintf(letter, sizeof letter, "-%c, ", o->letter);
	if (!o->arg)
		snprintf(buf, n, "%s--%s", letter, o->name);
	else if (cmd_opt_optional(o))
		snprintf(buf, n, "%s--%s[=%.*s]", letter, o->name, (int)strlen(o->arg) - 2,
			 o->arg + 1);
	else
		snprintf(buf, n, "%s--%s %s", letter, o->name, o->arg);
}

/* Its help, after the verbs that it is for: "up, down: ..." or "all but plan: ...". */
static void
put_text(const struct cmd *cmd, const struct opt *o, struct str *s)
{
	const char *verbs = cmd_opt_verbs(cmd, o), *before;
	size_t n = 0, taking = 0;
	bool others;

	for (const struct verb *v = cmd->verbs; verbs && v->name; v++, n++)
		taking += cmd_takes(verbs, v->name);
	others = 2 * taking > n;
	before = others ? "all but " : "";
	for (const struct verb *v = cmd->verbs; verbs && v->name; v++) {
		if (cmd_takes(verbs, v->name) == others)
			continue;
		str_putf(s, "%s%s", before, v->name);
		before = ", ";
	}
	str_putf(s, "%s%s", s->len ? ": " : "", o->help);
}

/* The text and a newline; what does not fit goes on below, so many columns in. */
static void
put_wrapped(const char *z, int column)
{
	size_t room = (size_t)(WIDTH - column);

	while (strlen(z) > room) {
		size_t n = room;

		while (n && z[n] != ' ')
			n--;
		if (!n)
			break;
		printf("%.*s\n%*s", (int)n, z, column, "");
		z += n + 1;
	}
	puts(z);
}

void
emit_help(const struct cmd *cmd)
{
	const struct opt *o;

	printf("%s - %s\n", cmd->name, cmd->brief);
	for (int i = 0; cmd->synopsis && cmd->synopsis[i]; i++)
		printf("%s %s %s\n", i ? "      " : "\nUsage:", cmd->name, cmd->synopsis[i]);
	if (cmd->examples)
		puts("\nExamples:");
	for (const struct example *x = cmd->examples; x && x->command; x++) {
		if (x->help)
			printf("  # %s\n", x->help);
		printf("  %s\n", x->command);
	}
	if (cmd->verbs)
		puts("\nCommands:");
	for (const struct verb *v = cmd->verbs; v && v->name; v++) {
		char words[80];

		snprintf(words, sizeof words, "%s %s", v->name, v->operands);
		printf("  %-24s %s\n", words, v->help);
	}
	puts("\nOptions:");
	for (int i = 0; (o = option_at(cmd, i)); i++) {
		AUTOSTR text = STR(1000);
		char words[80];

		option_words(o, words, sizeof words);
		put_text(cmd, o, &text);
		if (strlen(words) > 28)
			printf("  %s\n  %-28s ", words, "");
		else
			printf("  %-28s ", words);
		put_wrapped(text.buf, 31);
	}
	printf("\nThe manual: man %s\n", cmd->name);
}

/* Help text with mdoc's special characters made plain. */
static void
put_mdoc(const char *z)
{
	for (; *z; z++) {
		if (*z == '\\')
			fputs("\\e", stdout);
		else if (*z == '-')
			fputs("\\-", stdout);
		else
			putchar(*z);
	}
	putchar('\n');
}

static void
emit_man(const struct cmd *cmd)
{
	const struct opt *o;

	puts(".Bl -tag -width Ds");
	for (int i = 0; (o = option_at(cmd, i)); i++) {
		AUTOSTR text = STR(1000);

		fputs(".It ", stdout);
		if (o->letter)
			printf("Fl %c , ", o->letter);
		printf("Fl \\-%s", o->name);
		if (o->arg && cmd_opt_optional(o))
			printf(" Ns Oo = Ns Ar %.*s Oc", (int)strlen(o->arg) - 2, o->arg + 1);
		else if (o->arg)
			printf(" Ar %s", o->arg);
		putchar('\n');
		put_text(cmd, o, &text);
		put_mdoc(text.buf);
	}
	puts(".El");
}

/*
 * One line each, tab-separated:
 *   verb    NAME  HELP
 *   operand WHAT
 *   option  -x    --name  0|1|? (argument: none, needed, optional)  WHAT  VERBS  HELP
 * WHAT is file, dir, queue, kind, project, job, a list of words "a|b|c", or "-"; VERBS
 * the verbs that the option is for, separated by blanks, or "-" for all.
 */
static void
emit_words(const struct cmd *cmd)
{
	const struct opt *o;

	for (const struct verb *v = cmd->verbs; v && v->name; v++)
		printf("verb\t%s\t%s\n", v->name, v->help);
	printf("operand\t%s\n", cmd->complete_operand ? cmd->complete_operand : "-");
	for (int i = 0; (o = option_at(cmd, i)); i++) {
		const char *verbs = cmd_opt_verbs(cmd, o);

		printf("option\t");
		if (o->letter)
			printf("-%c", o->letter);
		printf("\t--%s\t%s\t", o->name,
		       !o->arg ? "0" : cmd_opt_optional(o) ? "?" : "1");
		if (o->choices) {
			for (int c = 0; o->choices[c]; c++)
				printf("%s%s", c ? "|" : "", o->choices[c]);
		} else {
			fputs(o->complete ? o->complete : "-", stdout);
		}
		printf("\t%s\t%s\n", verbs ? verbs : "-", o->help);
	}
}

int
emit(const struct cmd *cmd, const char *format)
{
	if (!strcmp(format, "man"))
		emit_man(cmd);
	else if (!strcmp(format, "words"))
		emit_words(cmd);
	else
		return -1;
	return 0;
}
