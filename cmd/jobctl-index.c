/*
 * jobctl-index - index a repository for searching
 *
 * The same work in two clothes.  By hand it takes a directory, shows how far it
 * is, and prints what it did.  As the handler of a job it takes its arguments from
 * standard input and tells the worker, in lines of JSON on the control descriptor;
 * what it did is the job's stats and result.
 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog/chunk.h"
#include "catalog/index.h"
#include "cmd.h"
#include "out.h"
#include "parse.h"
#include "proc.h"

enum { INPUT_MAX = 1 << 20, REPORT_MS = 200, WAIT_MS = 3000 };

struct config {
	struct common common;
	const char *project;
	const char *fields;
	int64_t chunk_lines;
	int64_t max_size;
	bool force;
	bool no_header;
};

static const struct opt opts[] = {
	OPT_ROW_STR('p', "project", "PROJECT", struct config, project, "project",
		    "index into PROJECT (default: JOBCTL_PROJECT, else default)"),
	OPT_ROW_FLAG(0, "force", struct config, force,
		     "index every file again, changed or not"),
	OPT_ROW_INT(0, "chunk-lines", "N", struct config, chunk_lines, CHUNK_LINES_MIN,
		    CHUNK_LINES_MAX,
		    "cut text without structure into blocks of about N lines (default: 60)"),
	OPT_ROW_INT(0, "max-file-size", "BYTES", struct config, max_size, 1, INT64_C(67108864),
		    "skip larger files (default: 1048576)"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "print no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-index ~/src/linux",
	  "index a directory, or what changed in it since the last time" },
	{ "jobctl-search -e 'kmalloc\\(.*GFP_ATOMIC'", "then search it" },
	{ "jobctl-submit -q index index repo_path=/srv/git/app", "index in the background:" },
	{ "jobctl-worker -q index -- jobctl-index", "what does it" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-index",
	.brief = "index a repository for searching",
	.synopsis = (const char *const[]){ "[-p PROJECT] [options] [PATH]", NULL },
	.examples = examples,
	.opts = opts,
	.role = "jobctl_worker",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
	.max_operands = 1,
	.complete_operand = "dir",
};

static const struct out_col columns[] = {
	{ "repo_path", "PATH", OUT_TEXT },
	{ "message", "MESSAGE", OUT_TEXT },
	{ "files", "FILES", OUT_NUM },
	{ "files_indexed", "INDEXED", OUT_NUM },
	{ "chunks_created", "CHUNKS", OUT_NUM },
	{ "files_deleted", "DELETED", OUT_NUM },
	{ "files_skipped", "SKIPPED", OUT_NUM },
	{ "files_unreadable", "UNREADABLE", OUT_NUM },
	{ "duration_s", "TOOK", OUT_SECONDS },
	/* not in the table */
	{ "project", "PROJECT", OUT_TEXT },
	{ "repo", "REPO", OUT_TEXT },
	{ "repository_id", "REPOSITORY", OUT_ID },
	{ "commit_sha", "COMMIT", OUT_TEXT },
	{ "skipped_binary", "BINARY", OUT_NUM },
	{ "skipped_large", "LARGE", OUT_NUM },
	{ "skipped_other", "OTHER", OUT_NUM },
	{ "unreadable", "UNREADABLE FILES", OUT_JSON },
};
enum { TABLE_COLUMNS = 9 };

/* Who is told while it runs: the worker, or the terminal. */
struct watch {
	const struct config *cfg;
	int control;		/* or -1 */
	int64_t next;		/* not before */
	struct str line;
};

/* A reader that is gone is no reason to stop: what is stored counts. */
static void
send_line(struct watch *w)
{
	const char *p = w->line.buf;
	size_t left = w->line.len;

	while (left && w->control >= 0) {
		ssize_t n = write(w->control, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		p += n;
		left -= (size_t)n;
	}
	str_reset(&w->line);
}

static int64_t
skipped(const struct index_stats *st)
{
	return st->binary + st->large + st->other;
}

static void
put_stats(struct str *s, const struct index_stats *st)
{
	str_putf(s, "{\"files\":%lld,\"files_indexed\":%lld,\"chunks_created\":%lld,"
		    "\"files_deleted\":%lld,\"files_skipped\":%lld,\"files_unreadable\":%lld}",
		 (long long)st->files, (long long)st->indexed, (long long)st->chunks,
		 (long long)st->deleted, (long long)skipped(st),
		 (long long)st->unreadable);
}

static void
on_progress(void *ctx, int64_t done, int64_t total, const struct index_stats *st)
{
	struct watch *w = ctx;

	if (done < total && now_ms() < w->next)
		return;
	w->next = deadline_in(REPORT_MS);
	if (w->control < 0) {
		status_show(!w->cfg->common.quiet, "indexing: %lld of %lld files, %lld chunks",
			    (long long)done, (long long)total, (long long)st->chunks);
		return;
	}
	str_putf(&w->line, "{\"progress\":[%lld,%lld],\"stats\":", (long long)done,
		 (long long)total);
	put_stats(&w->line, st);
	str_puts(&w->line, "}\n");
	send_line(w);
}

static void
on_message(void *ctx, const char *text)
{
	struct watch *w = ctx;

	if (w->control < 0)
		return;
	str_puts(&w->line, "{\"message\":");
	str_put_json(&w->line, text, strlen(text));
	str_puts(&w->line, "}\n");
	send_line(w);
}

/* The names of unreadable files as a JSON array, and null for those that did not fit. */
static void
put_names(struct str *s, const struct str *names, int64_t count)
{
	str_putc(s, '[');
	for (const char *z = names->buf; *z && count; count--) {
		size_t n = strcspn(z, "\n");

		if (names->cut && !z[n])
			break;		/* only the beginning of one */
		str_putc(s, s->buf[s->len - 1] == '[' ? ' ' : ',');
		str_put_json(s, z, n);
		z += n + (z[n] == '\n');
	}
	str_puts(s, count && names->cut ? ",null]" : "]");
}

static void
put_row(struct out *o, const struct out_col *const *picked, int n, const struct index_job *job,
	double seconds)
{
	const struct index_stats *st = &job->stats;
	AUTOSTR names = STR(STR_ANY);
	struct uuid_text id = uuid_str(&job->repository);
	const struct {
		const char *name;
		int64_t v;
	} numbers[] = {
		{ "files", st->files },
		{ "files_indexed", st->indexed },
		{ "chunks_created", st->chunks },
		{ "files_deleted", st->deleted },
		{ "files_skipped", skipped(st) },
		{ "files_unreadable", st->unreadable },
		{ "skipped_binary", st->binary },
		{ "skipped_large", st->large },
		{ "skipped_other", st->other },
	};
	const struct {
		const char *name, *v;
	} texts[] = {
		{ "repo_path", job->repo_path },
		{ "message", job->said },
		{ "project", job->project },
		{ "repo", job->repo_name },
		{ "repository_id", id.z },
		{ "commit_sha", *job->commit ? job->commit : NULL },
		{ "unreadable", names.buf },
	};

	put_names(&names, &job->unreadable, st->unreadable);
	for (int i = 0; i < n; i++) {
		const char *name = picked[i]->name;
		char buf[32] = "";

		if (!strcmp(name, "duration_s"))
			snprintf(buf, sizeof buf, "%.3f", seconds);
		for (size_t k = 0; k < NELEM(numbers); k++)
			if (!strcmp(name, numbers[k].name))
				snprintf(buf, sizeof buf, "%lld", (long long)numbers[k].v);
		if (*buf) {
			out_cell(o, buf);
			continue;
		}
		for (size_t k = 0; k < NELEM(texts); k++)
			if (!strcmp(name, texts[k].name))
				out_cell(o, k == NELEM(texts) - 1 ? names.buf : texts[k].v);
	}
}

static int
print_result(const struct config *cfg, const struct index_job *job, double seconds,
	     struct err *e)
{
	const struct out_col **picked = NULL;
	int n = cfg->common.json ? (int)NELEM(columns) : TABLE_COLUMNS;
	const struct out_col *all[NELEM(columns)];
	const struct out_col *const *use = all;
	struct out o;

	for (size_t i = 0; i < NELEM(columns); i++)
		all[i] = &columns[i];
	if (cfg->fields) {
		if (out_pick(columns, NELEM(columns), cfg->fields, &picked, &n, e))
			return -1;
		use = picked;
	}
	out_begin(&o, cfg->common.json ? OUT_JSONL : cfg->fields ? OUT_TSV : OUT_TABLE,
		  !cfg->no_header, use, n);
	put_row(&o, use, n, job, seconds);
	out_end(&o);
	free(picked);
	return 0;
}

/* What the message and the stats, which were sent as it went on, do not say. */
static void
send_result(struct watch *w, const struct index_job *job)
{
	struct uuid_text id = uuid_str(&job->repository);

	str_puts(&w->line, "{\"result\":{\"repository_id\":");
	str_put_json(&w->line, id.z, strlen(id.z));
	str_puts(&w->line, ",\"commit_sha\":");
	if (*job->commit)
		str_put_json(&w->line, job->commit, strlen(job->commit));
	else
		str_puts(&w->line, "null");
	str_putf(&w->line, ",\"skipped\":{\"binary\":%lld,\"large\":%lld,\"other\":%lld},",
		 (long long)job->stats.binary, (long long)job->stats.large,
		 (long long)job->stats.other);
	str_puts(&w->line, "\"unreadable\":");
	put_names(&w->line, &job->unreadable, job->stats.unreadable);
	str_puts(&w->line, "}}\n");
	send_line(w);
}

/* The job's arguments: {"repo_path": "/...", "force": false}.  *path is yours. */
static int
read_arguments(char **path, bool *force, struct err *e)
{
	AUTOSTR in = STR(INPUT_MAX);
	char buf[4096];
	json_error_t why;
	json_t *args, *v;
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof buf)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, ERR_IO, "cannot read the job's arguments");
		str_add(&in, buf, (size_t)n);
	}
	if (in.cut)
		return err_set(e, ERR_DATA, "the job's arguments are longer than %d bytes",
			       INPUT_MAX);
	args = json_loadb(in.buf, in.len, JSON_REJECT_DUPLICATES, &why);
	if (!args)
		return err_set(e, ERR_DATA, "the job's arguments are no JSON: %s", why.text);
	v = json_object_get(args, "repo_path");
	if (!v && json_is_string(json_object_get(args, "repository_id"))) {
		/* no hint: the last line is what the job is said to have failed of */
		(void)err_set(e, ERR_DATA, "the job names repository %.60s and no path: who submits it "
			      "looks that up, as jobctl.create_index_job() does",
			      json_string_value(json_object_get(args, "repository_id")));
		json_decref(args);
		return -1;
	}
	if (!json_is_string(v) || *json_string_value(v) != '/') {
		json_decref(args);
		return err_set(e, ERR_DATA,
			       "the job's arguments need \"repo_path\", an absolute path");
	}
	*path = xstrdup(json_string_value(v));
	v = json_object_get(args, "force");
	if (json_is_true(v))
		*force = true;
	if (v && !json_is_boolean(v) && !json_is_null(v)) {
		json_decref(args);
		return err_set(e, ERR_DATA, "the job's argument \"force\" must be true or false");
	}
	json_decref(args);
	return 0;
}

/* The descriptor the worker reads, or -1 without a worker. */
static int
control_fd(void)
{
	const char *z = getenv("JOBCTL_CONTROL_FD");
	int64_t fd = 3;
	struct err ignored;

	if (!getenv("JOBCTL_JOB_ID") || (z && parse_int(z, 3, 1023, &fd, &ignored)))
		return -1;
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC))	/* git has no business with it */
		return -1;
	return (int)fd;
}

static void
note_unreadable(const struct index_job *job)
{
	AUTOSTR name = STR(300);

	if (!job->stats.unreadable)
		return;
	str_put_safe(&name, job->unreadable.buf, strcspn(job->unreadable.buf, "\n"));
	cmd_note(&cmd, "%lld could not be read: %s%s", (long long)job->stats.unreadable, name.buf,
		 job->stats.unreadable > 1 ? ", ..." : "");
}

static int
run(struct config *cfg, const char *operand, struct err *e)
{
	struct watch watch = { .cfg = cfg, .control = control_fd(), .line = STR(STR_ANY) };
	int64_t began = now_ms();
	AUTOFREE char *path = NULL;
	const char *project = cfg->project ? cfg->project : getenv("JOBCTL_PROJECT");
	struct index_job job = {
		.app = cmd.name, .dbname = cfg->common.dbname,
		.project = project && *project ? project : "default",
		.chunk_lines = cfg->chunk_lines, .max_size = cfg->max_size, .wait_ms = WAIT_MS,
		.progress = on_progress, .message = on_message, .ctx = &watch,
	};
	int rc;

	if (operand)
		path = xstrdup(operand);
	else if (!getenv("JOBCTL_JOB_ID"))
		path = xstrdup(".");
	else if (read_arguments(&path, &cfg->force, e))
		return -1;
	job.path = path;
	job.force = cfg->force;
	rc = index_tree(&job, e);
	/* A path that a job names is its data: wrong, and no better the next time. */
	if (rc && !operand && e->kind == ERR_NOINPUT)
		e->kind = ERR_DATA;
	status_clear();
	if (rc == 0 && watch.control >= 0)
		send_result(&watch, &job);
	else if (rc == 0 && !getenv("JOBCTL_JOB_ID") && !cfg->common.quiet)
		rc = print_result(cfg, &job, (double)(now_ms() - began) / 1000, e);
	if (rc == 0)
		note_unreadable(&job);
	index_job_free(&job);
	str_free(&watch.line);
	return rc;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .chunk_lines = CHUNK_LINES, .max_size = 1 << 20 };
	struct err err = ERR_INIT;
	int status = 0;

	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	if (proc_init(64, &err) || run(&cfg, *argv, &err))
		status = cmd_fail(&cmd, &err);
	return cmd_done(&cmd, status);
}
