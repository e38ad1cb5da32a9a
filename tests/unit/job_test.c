/*
 * job_test - fields, filters and sort orders, without a database
 */
#include "job.h"

#include "tap.h"

/* The vocabulary that users rely on, in its order. */
static const char vocabulary[] =
	"id project queue kind status reason reasons priority attempt max_attempts crashes run_at "
	"created_at started_at completed_at age_s wait_s run_s worker worker_host worker_pid "
	"heartbeat_age_s outcome exit_code signal error_message message progress_done "
	"progress_total eta_s stats result max_rss_bytes cpu_s unique_key created_by args";

static void
fields(void)
{
	AUTOSTR names = STR(2000);

	for (int i = 0; i < JOB_NFIELDS; i++) {
		str_putf(&names, "%s%s", i ? " " : "", job_cols[i].name);
		ok(job_cols[i].title && job_field_key(i) && job_field_sql(i, OUT_TABLE) &&
		   job_field_sql(i, OUT_TSV) && job_field_sql(i, OUT_JSONL), "%s is complete",
		   job_cols[i].name);
	}
	is_str(names.buf, vocabulary, "the fields are the vocabulary, in its order");
}

static void
sorts(void)
{
	static const char *const bad[] = { "", "-", "nothing", "--id", "id,status", "ID", "-id,", " id" };
	enum job_field f = JOB_NFIELDS;
	struct err e = ERR_INIT;
	bool down = true;

	is_int(job_sort_read("age_s", &f, &down, &e), 0, "a field");
	ok(f == JOB_AGE_S && !down, "ascending");
	is_int(job_sort_read("-priority", &f, &down, &e), 0, "a field with a minus");
	ok(f == JOB_PRIORITY && down, "descending");
	for (size_t i = 0; i < NELEM(bad); i++) {
		is_int(job_sort_read(bad[i], &f, &down, &e), -1, "\"%s\" is refused", bad[i]);
		is_int(e.kind, ERR_USAGE, "as a usage error");
	}
	ok(f == JOB_PRIORITY && down, "what is refused changes nothing");
}

/* Read a filter with one option set, compare its WHERE, free it. */
static void
filter_is(struct job_filter *f, const char *want, const char *name)
{
	AUTOSTR sql = STR(2000);
	struct err e = ERR_INIT;

	is_int(job_filter_read(f, &e), 0, "%s is read", name);
	job_filter_where(f, &sql);
	is_str(sql.buf, want, "%s", name);
	job_filter_free(f);
}

static void
filters(void)
{
	static const struct uuid id = { { 1 } };
	struct job_ids ids = { .n = 0 };
	struct job_filter f = { .all = false };

	filter_is(&f, " WHERE live", "no option");
	f = (struct job_filter){ .all = true };
	filter_is(&f, "", "all");
	f = (struct job_filter){ .all = true };
	strlist_add(&f.status, "held");
	filter_is(&f, " WHERE status = ANY ($2) AND live", "a live status outranks all");
	f = (struct job_filter){ .all = false };
	strlist_add(&f.status, "FAILED,completed");
	filter_is(&f, " WHERE status = ANY ($2) AND NOT live", "finished statuses");
	f = (struct job_filter){ .all = false };
	strlist_add(&f.status, "failed");
	strlist_add(&f.status, "running");
	filter_is(&f, " WHERE status = ANY ($2)", "statuses of both kinds");
	f = (struct job_filter){ .since = "2h", .older_than = "2026-01-31T00:00:00Z" };
	filter_is(&f, " WHERE at >= now() - $11 AND at < $12 AND live", "times");

	f = (struct job_filter){ .all = true };
	job_ids_add(&ids, &id);
	struct err e = ERR_INIT;
	is_int(job_filter_read(&f, &e), 0, "a filter to be narrowed");
	job_filter_ids(&f, &ids);
	job_filter_ids(&f, &ids);
	is_int(f.nwhere, 1, "narrowed twice is narrowed once");
	is_int(f.args[0].len, 20 + 20, "by one id");
	job_ids_free(&ids);
	job_filter_free(&f);
}

static void
bad_filters(void)
{
	static const struct {
		const char *status, *queue, *reason, *since;
	} bad[] = {
		{ .status = "" }, { .status = "pending," }, { .status = ",pending" },
		{ .status = "pending,,held" }, { .status = "done" }, { .status = "pending " },
		{ .queue = "" }, { .queue = "a,,b" }, { .reason = "Bored" }, { .reason = "" },
		{ .since = "" }, { .since = "5" }, { .since = "-5m" }, { .since = "yesterday" },
		{ .since = "2026-13-01" }, { .since = "2h " },
	};

	for (size_t i = 0; i < NELEM(bad); i++) {
		struct job_filter f = { .since = bad[i].since };
		struct err e = ERR_INIT;

		if (bad[i].status)
			strlist_add(&f.status, bad[i].status);
		if (bad[i].queue)
			strlist_add(&f.queue, bad[i].queue);
		if (bad[i].reason)
			strlist_add(&f.reason, bad[i].reason);
		ok(job_filter_given(&f), "filter %zu is given", i);
		is_int(job_filter_read(&f, &e), -1, "and refused");
		ok(e.kind == ERR_USAGE && !strncmp(e.msg, "--", 2), "naming the option");
		job_filter_free(&f);
	}
}

static void
statuses(void)
{
	ok(job_status_live("pending") && job_status_live("running") && job_status_live("held"),
	   "live statuses");
	ok(!job_status_live("completed") && !job_status_live("failed") &&
	   !job_status_live("cancelled") && !job_status_live(""), "and others");
}

int
main(void)
{
	fields();
	sorts();
	filters();
	bad_filters();
	statuses();
	return tap_done();
}
