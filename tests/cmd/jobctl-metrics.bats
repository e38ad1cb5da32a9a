#!/usr/bin/env bats
# jobctl-metrics: well-formed, true, whole, and there even if the database is not; and
# what is made of it in contrib/ names what there is

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
	sql 'TRUNCATE jobctl.job_counts'
}

# Well-formed, by our own reading and by Prometheus'.
well_formed() {	# FILE
	"$SUITE_ROOT/tests/exposition" "$1"
	promtool check metrics <"$1"
}

scrape() {	# into METRICS
	METRICS=$BATS_TEST_TMPDIR/metrics
	jobctl-metrics >"$METRICS"
	well_formed "$METRICS"
}

# The sample of the last scrape, by its name and labels as they are printed.
value() {	# SAMPLE
	SAMPLE="$1 " awk 'index($0, ENVIRON["SAMPLE"]) == 1 { print $NF; n++ } END { exit n != 1 }' "$METRICS"
}

has() {	# SAMPLE VALUE
	local got

	got=$(value "$1") || { echo "no $1"; return 1; }
	[ "$got" = "$2" ] || { echo "$1 is $got"; return 1; }
}

# Greater than the one and less than the other.
between() {	# LOW SAMPLE HIGH
	awk -v v="$(value "$2")" -v lo="$1" -v hi="$3" 'BEGIN { exit !(v > lo && v < hi) }'
}

@test "the reader of these tests is strict" {
	local head=$'# HELP a_total x\n# TYPE a_total counter\n' hist=$'# HELP h x\n# TYPE h histogram\n' text
	for text in '' 'a 1' "${head}b 1" "${head}a_total{x=\"1\"} 1"$'\n'"a_total{x=\"1\"} 2" "${head}a_total{x=\"\"\"} 1" "${head}a_total x" \
			"$head$head" $'# HELP a x\n# TYPE a counter\na 1' $'# TYPE a gauge\na 1' "${head}a_total{x=\"1\",} 1" "${head}a_total -1" \
			"${hist}h_bucket{le=\"1\"} 2"$'\n''h_bucket{le="2"} 1' "${hist}h_bucket{le=\"+Inf\"} 2"$'\n''h_count 1' \
			"${hist}h_count 1" "$head${hist}h_count 0"$'\n''a_total 1'; do
		printf '%s\n' "$text" >"$BATS_TEST_TMPDIR/bad"
		echo "$text"
		run -1 "$SUITE_ROOT/tests/exposition" "$BATS_TEST_TMPDIR/bad"
	done
}

@test "an empty database has all that does not depend on queues" {
	scrape
	has jobctl_up 1
	has jobctl_schema_version "$(sql "SELECT max(version) FROM jobctl.schema_migrations WHERE set = 'jobctl'")"
	has jobctl_workers 0
	has jobctl_expired_leases 0
	has 'jobctl_xmin_age_seconds{holder="slot"}' 0
	has 'jobctl_table_live_rows{table="catalog.code_files"}' 0
	grep -q "^jobctl_info{version=\"$(jobctl --version | sed -n '1s/.* //p')\",server_version=\"1" "$METRICS"
	between 0 'jobctl_table_bytes{table="finished_jobs"}' 1e7
	between -1 jobctl_scrape_duration_seconds 30
}

@test "depth, ages, workers and limits of each queue" {
	local id
	worker w host 1 q
	submit k "queue => 'q'" >/dev/null
	submit k "queue => 'q'" >/dev/null
	claim q
	report "$(head -n 1 <<<"$CLAIMED")" 1 2 x
	sql "UPDATE jobctl.jobs SET started_at = now() - interval '2 h'; UPDATE jobctl.job_progress SET updated_at = now() - interval '1 h'"
	id=$(submit k "queue => 'q'")
	sql "UPDATE jobctl.jobs SET run_at = now() - interval '30 min' WHERE id = '$id'"
	submit k "queue => 'q'" "run_in => '1 h'" >/dev/null
	submit k "queue => 'q'" "after => '{$id}'" >/dev/null
	submit k "queue => 'q'" "hold => true" >/dev/null
	submit k "queue => 'other'" >/dev/null
	sql "SELECT jobctl.limit_queue('q', 7), jobctl.pause_queue('other')"
	scrape
	has 'jobctl_jobs{queue="q",status="ready"}' 1
	has 'jobctl_jobs{queue="q",status="scheduled"}' 1
	has 'jobctl_jobs{queue="q",status="blocked"}' 1
	has 'jobctl_jobs{queue="q",status="held"}' 1
	has 'jobctl_jobs{queue="q",status="running"}' 2
	between 1790 'jobctl_oldest_ready_seconds{queue="q"}' 1900
	between 7190 'jobctl_oldest_running_seconds{queue="q"}' 7300
	between 7190 'jobctl_longest_without_progress_seconds{queue="q"}' 7300
	has 'jobctl_queue_workers{queue="q"}' 1
	has 'jobctl_queue_slots{queue="q"}' 100
	has 'jobctl_queue_limit{queue="q"}' 7
	has 'jobctl_queue_paused{queue="q"}' 0
	has 'jobctl_queue_paused{queue="other"}' 1
	has 'jobctl_longest_without_progress_seconds{queue="other"}' 0
	run -1 value 'jobctl_queue_limit{queue="other"}'
	has jobctl_workers 1
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	scrape
	has jobctl_workers 0
	has jobctl_expired_leases 1
}

@test "what ended: counted once, by status and outcome, and never less" {
	local id before
	worker w
	id=$(submit k "queue => 'q'" "max_attempts => 2" "backoff => 'constant:0s'")
	claim q one
	finish "$id" exit
	submit k "queue => 'q'" >/dev/null
	claim q two
	for id in $CLAIMED; do finish "$id" ok; done
	sql "SELECT jobctl.cancel('{$(submit k "queue => 'q'")}')"
	scrape
	has 'jobctl_job_ends_total{queue="q",kind="k",status="completed",outcome="ok"}' 2
	has 'jobctl_job_ends_total{queue="q",kind="k",status="retried",outcome="exit"}' 1
	has 'jobctl_job_ends_total{queue="q",kind="k",status="cancelled",outcome="cancelled"}' 1
	has 'jobctl_job_duration_seconds_count{queue="q",kind="k",status="completed"}' 2
	run -1 value 'jobctl_job_duration_seconds_count{queue="q",kind="k",status="cancelled"}'
	before=$(grep '^jobctl_job_ends_total' "$METRICS")
	sql 'SELECT jobctl.maintain()' >/dev/null
	scrape
	[ "$(grep '^jobctl_job_ends_total' "$METRICS")" = "$before" ]
}

@test "the histogram counts exactly, at and around the powers of two" {
	local c='{queue="q",kind="k",status="completed"'
	sql "INSERT INTO jobctl.job_counts (at, project_id, queue, kind, status, outcome, bucket, n, run_s)
		SELECT date_trunc('minute', now()), 'default', 'q', 'k', 'completed', 'ok', jobctl.run_bucket(now() - s * interval '1 s', now()), 1, s
		FROM unnest('{0.001,0.0078125,0.5,0.51,1,1.01,2,7.9,8,8.1,131072,131073,1000000}'::float8[]) s
		ON CONFLICT DO NOTHING"
	scrape
	has "jobctl_job_duration_seconds_bucket$c,le=\"0.0078125\"}" 2
	has "jobctl_job_duration_seconds_bucket$c,le=\"0.5\"}" 3
	has "jobctl_job_duration_seconds_bucket$c,le=\"1\"}" 5
	has "jobctl_job_duration_seconds_bucket$c,le=\"2\"}" 7
	has "jobctl_job_duration_seconds_bucket$c,le=\"4\"}" 7
	has "jobctl_job_duration_seconds_bucket$c,le=\"131072\"}" 11
	has "jobctl_job_duration_seconds_bucket$c,le=\"+Inf\"}" 13
	has "jobctl_job_duration_seconds_count$c}" 13
	between 1262174 "jobctl_job_duration_seconds_sum$c}" 1262175
}

@test "a label may hold anything" {
	sql "CREATE TABLE jobctl.\"a\"\"b\\c
d\" ()"
	scrape
	sql "DROP TABLE jobctl.\"a\"\"b\\c
d\""
	has 'jobctl_table_bytes{table="a\"b\\c\nd"}' 0
}

@test "who keeps VACUUM back is in it" {
	sql "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'metrics'" >/dev/null
	only_prepared() {
		scrape && between 0 'jobctl_xmin_age_seconds{holder="prepared"}' 60 && has 'jobctl_xmin_age_seconds{holder="session"}' 0
	}
	# an ANALYZE by autovacuum is a session, while it is at work
	run eventually 10 only_prepared
	sql "ROLLBACK PREPARED 'metrics'"
	echo "$output"
	[ "$status" = 0 ]
}

@test "a dead database is jobctl_up 0, and so is one without the schema" {
	local db=$PGDATABASE file=$BATS_TEST_TMPDIR/jobctl.prom
	run -69 --separate-stderr jobctl-metrics -d "host=$BATS_TEST_TMPDIR"
	[ "$(grep -v '^#' <<<"$output")" = 'jobctl_up 0' ]
	[[ "$stderr" == 'jobctl-metrics: cannot connect to '* ]]
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/down"
	well_formed "$BATS_TEST_TMPDIR/down"
	jobctl-metrics -o "$file"
	grep -qx 'jobctl_up 1' "$file"
	run -69 --separate-stderr jobctl-metrics -o "$file" -d "host=$BATS_TEST_TMPDIR"
	[ -z "$output" ]
	[ "$(grep -v '^#' "$file")" = 'jobctl_up 0' ]
	empty_database empty
	run -76 --separate-stderr jobctl-metrics
	[ "$(grep -v '^#' <<<"$output")" = 'jobctl_up 0' ]
	drop_database empty
	use_database "$db"
}

@test "a database that does not answer is dead when its time is over" {
	start env PGOPTIONS='-c client_connection_check_interval=100ms' psql -Xq -c 'BEGIN' \
		-c 'LOCK jobctl.workers IN ACCESS EXCLUSIVE MODE' -c 'SELECT pg_sleep(600)'
	# the number of a relation is the same in every copy of the template
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
		AND relation = 'jobctl.workers'::regclass
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	run -69 --separate-stderr jobctl-metrics -t $((3 * SUITE_SLOW))s	# which connecting needs too
	[ "$(grep -v '^#' <<<"$output")" = 'jobctl_up 0' ]
	[[ "$stderr" == *'stopped answering'* ]]
}

@test "-o replaces the file at once: mode 644, nothing left beside it, never half of it" {
	local dir=$BATS_TEST_TMPDIR/textfile file inode reader i
	mkdir "$dir"
	file=$dir/jobctl.prom
	(umask 077 && jobctl-metrics -o "$file")
	[ "$(stat -c %a "$file")" = 644 ]
	well_formed "$file"
	inode=$(stat -c %i "$file")
	# Held open: the number of an inode that is gone is given to the next file.
	exec 4<"$file"
	(
		until [ -e "$dir/stop" ]; do
			tail -n 1 "$file"
		done | grep -v '^jobctl_scrape_duration_seconds ' >"$BATS_TEST_TMPDIR/halves"
	) 3>&- 4<&- &
	reader=$!
	for i in {1..10}; do
		echo "$i"
		jobctl-metrics -o "$file" || { touch "$dir/stop"; false; }	# the reader ends with us
	done
	touch "$dir/stop"
	wait "$reader" || true
	[ ! -s "$BATS_TEST_TMPDIR/halves" ]
	[ "$(stat -c %i "$file")" != "$inode" ]
	exec 4<&-
	[ "$(ls "$dir")" = $'jobctl.prom\nstop' ]
}

@test "a file that cannot be written is 73, and the old one is as it was" {
	local dir=$BATS_TEST_TMPDIR/full
	run -73 --separate-stderr jobctl-metrics -o "$BATS_TEST_TMPDIR/nowhere/x.prom"
	[[ "$stderr" == *'cannot make a file beside '*'No such file or directory'* ]]
	mkdir -p "$dir/x.prom/y"
	run -73 --separate-stderr jobctl-metrics -o "$dir/x.prom"
	[[ "$stderr" == *'cannot replace '* ]]
	[ "$(ls "$dir")" = x.prom ]
	run -74 --separate-stderr bash -c 'jobctl-metrics >/dev/full'
}

@test "a reader has the numbers of its own projects, who sees all has all" {
	role_login metrics_one jobctl_reader
	role_login metrics_all jobctl_reader jobctl_all_projects
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('metrics', '$PGUSER')"
	submit k "queue => 'q'" "project => 'metrics'" >/dev/null
	METRICS=$BATS_TEST_TMPDIR/metrics
	as_role metrics_one jobctl-metrics >"$METRICS"
	run -1 grep -q 'status="ready"} 1' "$METRICS"
	as_role metrics_all jobctl-metrics >"$METRICS"
	has 'jobctl_jobs{queue="q",status="ready"}' 1
}

@test "what the rules and the dashboard ask for is exported" {
	local name names
	worker w
	submit k "queue => 'q'" "max_attempts => 1" >/dev/null
	claim q
	finish "$CLAIMED" exit
	submit k "queue => 'q'" >/dev/null
	sql "SELECT jobctl.limit_queue('q', 7)"
	scrape
	jq -e '.templating.list[0].type == "datasource"' "$SUITE_ROOT/contrib/grafana/jobctl.json" >/dev/null
	jq -e '[.panels[].id] | length > 10 and length == (unique | length)' "$SUITE_ROOT/contrib/grafana/jobctl.json" >/dev/null
	jq -e '[.. | .datasource? // empty | select(type == "object").uid] | unique == ["${datasource}"]' \
		"$SUITE_ROOT/contrib/grafana/jobctl.json" >/dev/null
	names=$({
		jq -r '.panels[].targets[].expr, (.templating.list[].definition? // empty)' "$SUITE_ROOT/contrib/grafana/jobctl.json"
		grep -v '^ *#\|summary:\|description:' "$SUITE_ROOT/contrib/prometheus/jobctl.rules.yml"
	} | grep -oE '\bjobctl_[a-z_]+' | sort -u)
	[ "$(wc -l <<<"$names")" -gt 12 ]
	for name in $names; do
		echo "$name"
		grep -q "^${name}[ {]" "$METRICS"
	done
	# and the manual knows all there is
	while read -r name; do
		echo "$name"
		grep -qw "Cm $name" "$SUITE_ROOT/man/jobctl-metrics.1"
	done < <(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$METRICS")
}

@test "the rules alert" {
	cd "$BATS_TEST_TMPDIR"
	promtool check rules "$SUITE_ROOT/contrib/prometheus/jobctl.rules.yml"
	cat >test.yml <<-END
		rule_files: [ $SUITE_ROOT/contrib/prometheus/jobctl.rules.yml ]
		evaluation_interval: 1m
		tests:
		  - interval: 1m
		    input_series:
		      - { series: 'jobctl_up', values: '1x90 0x30' }
		      - { series: 'jobctl_job_ends_total{queue="bad",kind="k",status="failed",outcome="exit"}', values: '0+2x120' }
		      - { series: 'jobctl_job_ends_total{queue="bad",kind="k",status="completed",outcome="ok"}', values: '0+8x120' }
		      - { series: 'jobctl_job_ends_total{queue="good",kind="k",status="failed",outcome="exit"}', values: '0+1x120' }
		      - { series: 'jobctl_job_ends_total{queue="good",kind="k",status="completed",outcome="ok"}', values: '0+99x120' }
		      - { series: 'jobctl_longest_without_progress_seconds{queue="q"}', values: '0+60x120' }
		      - { series: 'jobctl_table_bytes{table="jobs"}', values: '2e8x120' }
		      - { series: 'jobctl_table_bytes{table="finished_jobs"}', values: '2e12x120' }
		      - { series: 'jobctl_oldest_ready_seconds{queue="paused"}', values: '9999x120' }
		      - { series: 'jobctl_queue_paused{queue="paused"}', values: '1x120' }
		      - { series: 'jobctl_jobs{queue="lonely",status="ready"}', values: '3x120' }
		      - { series: 'jobctl_queue_workers{queue="lonely"}', values: '0x120' }
		      - { series: 'jobctl_queue_paused{queue="lonely"}', values: '0x120' }
		    promql_expr_test:
		      - expr: 'count by (alertname, queue, table) (ALERTS{alertstate="firing"})'
		        eval_time: 85m
		        exp_samples:
		          - { labels: '{alertname="JobctlFailureRate", queue="bad"}', value: 1 }
		          - { labels: '{alertname="JobctlStuck", queue="q"}', value: 1 }
		          - { labels: '{alertname="JobctlTableLarge", table="jobs"}', value: 1 }
		          - { labels: '{alertname="JobctlNoWorker", queue="lonely"}', value: 1 }
		      - expr: 'count(ALERTS{alertstate="firing", alertname="JobctlDown"})'
		        eval_time: 100m
		        exp_samples: [ { labels: '{}', value: 1 } ]
	END
	promtool test rules test.yml
}

# How many rows of the tables that grow were read from end to end, as the server counts it.
whole_reads() {
	sql "SELECT sum(s.seq_tup_read) FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
		WHERE s.schemaname = 'jobctl' AND (c.oid = 'jobctl.jobs'::regclass OR c.relispartition AND s.relname !~ '_default\$')"
}

@test "with many jobs none of monitoring's questions reads all of them, whatever the server believes" {
	local before known mode
	worker w
	sql "INSERT INTO jobctl.jobs (id, kind, queue) SELECT jobctl.new_id(), 'k', 'q' FROM generate_series(1, 20000);
		INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts, crashes,
			status, outcome, project_id, queue, kind, created_by, args)
		SELECT jobctl.new_id(), now() - n * interval '1 s', now(), now(), now() - n * interval '1 s', 0, 1, 1, 0, 'completed', 'ok', 'default',
			'q', 'k', 'me', '{}' FROM generate_series(7200, 27200) n"
	claim q
	sql "SELECT jobctl.maintain()" >/dev/null
	for known in nothing all; do
		[ "$known" = nothing ] || sql 'VACUUM ANALYZE'
		sql 'SELECT pg_stat_force_next_flush()' >/dev/null
		before=$(whole_reads)
		scrape
		for mode in failure-rate stuck oldest-ready workers table-size xmin; do
			jobctl-check "$mode" || true
		done
		jobctl-doctor || true
		sql 'SELECT pg_stat_force_next_flush()' >/dev/null
		has 'jobctl_jobs{queue="q",status="ready"}' 19900
		[ "$(whole_reads)" = "$before" ]
	done
}
