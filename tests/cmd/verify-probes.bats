#!/usr/bin/env bats
# jobctl-verify: what .verify.sql files claim of statements, and each way it can be false.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	empty_database "of its own"
}

setup() {
	D=$BATS_TEST_TMPDIR/mine
	mkdir "$D"
	up "CREATE TABLE parent (id int PRIMARY KEY);
		CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent (id) ON DELETE CASCADE,
			status text NOT NULL DEFAULT 'new' CONSTRAINT ck_status CHECK (status IN ('new', 'done')));
		CREATE INDEX ON child (parent_id);"
}

up() {		# 'SQL'
	printf '%s\n' "$1" >"$D/0001_one.up.sql"
	echo 'DROP TABLE child; DROP TABLE parent;' >"$D/0001_one.down.sql"
}

claims() {	# the text of the file on stdin
	cat >"$D/0001_one.verify.sql"
}

# VERDICT NAME ACTUAL of each probe.
probes() {
	jobctl-verify --dir "$D" --json --rows 100 >"$BATS_TEST_TMPDIR/report" || [ $? = 1 ]
	jq -r 'select(.section == "probes") | [.verdict, (.id | sub(".*[.]probe[.]"; "")), .actual] | join(" ")' \
		"$BATS_TEST_TMPDIR/report"
}

evidence() {	# NAME
	jq -r --arg id "mine.0001_one.probe.$1" 'select(.id == $id) | .evidence' "$BATS_TEST_TMPDIR/report"
}

@test "every expectation is met, or is not, and says what came instead" {
	claims <<-'END'
		INSERT INTO parent VALUES (1);

		-- probe: ok-fails
		INSERT INTO parent VALUES (NULL);
		-- probe: rows
		-- expect: rows 3
		INSERT INTO parent SELECT generate_series(1, 3);
		-- probe: rows-selected
		-- expect: rows 0
		SELECT FROM parent;
		-- probe: rows-fails
		-- expect: rows 2
		SELECT generate_series(1, 3);
		-- probe: value
		-- expect: value a b
		SELECT 'a b', 'not looked at';
		-- probe: value-null
		-- expect: value NULL
		SELECT NULL;
		-- probe: value-fails
		-- expect: value a
		SELECT 'A';
		-- probe: value-of-two-rows
		-- expect: value 1
		SELECT 1 FROM generate_series(1, 2);
		-- probe: state
		-- expect: 22012
		SELECT 1/0;
		-- probe: state-fails
		-- expect: 22012
		SELECT 1/1;
		-- probe: state-another
		-- expect: 22012
		SELECT 'a'::int;
		-- probe: constraint
		-- expect: 23514 ck_status
		INSERT INTO child VALUES (1, 1, 'old');
		-- probe: constraint-another
		-- expect: 23514 ck_other
		INSERT INTO child VALUES (1, 1, 'old');
		-- probe: column
		-- expect: 23502 status
		INSERT INTO child VALUES (1, 1, NULL);
	END
	run -0 probes
	diff -u - <(echo "$output") <<-'END'
		PASS line1 ok
		FAIL ok-fails 23502 id
		PASS rows rows 3
		PASS rows-selected rows 0
		FAIL rows-fails rows 3
		PASS value value a b
		PASS value-null value NULL
		FAIL value-fails value A
		FAIL value-of-two-rows rows 2
		PASS state 22012
		FAIL state-fails rows 1
		FAIL state-another 22P02
		PASS constraint 23514 ck_status
		FAIL constraint-another 23514 ck_status
		PASS column 23502 status
	END
	[[ $(evidence ok-fails) == "$D/0001_one.verify.sql:4: null value in column \"id\""*"(SQLSTATE 23502)" ]]
	run -1 jobctl-verify --dir "$D" -Q --rows 100
}

@test "what a probe does is undone, its settings too, unless it keeps it" {
	claims <<-'END'
		INSERT INTO parent VALUES (1);
		-- probe: gone
		-- expect: rows 0
		SELECT FROM parent;
		SET LOCAL ROLE pg_monitor;
		-- probe: myself
		-- expect: value true
		SELECT (current_user = session_user)::text;
		-- probe: kept keeps
		INSERT INTO parent VALUES (2);
		-- probe: there
		-- expect: value 2
		SELECT id FROM parent;
		-- probe: role keeps
		SET LOCAL ROLE pg_monitor;
		-- probe: somebody
		-- expect: value pg_monitor
		SELECT current_user;
		-- probe: not-kept-if-it-fails keeps
		-- expect: 42501
		DELETE FROM parent;
	END
	run -0 probes
	[ "$(grep -c ^PASS <<<"$output")" = 9 ]
	[[ $output != *FAIL* ]]
}

@test "nothing of a file is there for the next one" {
	claims <<<'-- probe: kept keeps
		INSERT INTO parent VALUES (1);'
	echo 'CREATE TABLE other ();' >"$D/0002_two.up.sql"
	echo 'DROP TABLE other;' >"$D/0002_two.down.sql"
	printf '%s\n' '-- expect: rows 0' 'SELECT FROM parent;' >"$D/0002_two.verify.sql"
	run -0 probes
	[ "$output" = $'PASS kept ok\nPASS line2 rows 0' ]
}

@test "a constraint that waits for the end is asked at the end of each statement" {
	up "CREATE TABLE parent (id int PRIMARY KEY);
		CREATE TABLE child (parent_id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);"
	claims <<-'END'
		-- probe: orphan
		-- expect: 23503 child_parent_id_fkey
		INSERT INTO child VALUES (1);
		-- probe: kept keeps
		WITH c AS (INSERT INTO child VALUES (1)) INSERT INTO parent VALUES (1);
		-- probe: still-deferred
		-- expect: 23503 child_parent_id_fkey
		DELETE FROM parent;
	END
	run -0 probes
	[ "$(grep -c ^PASS <<<"$output")" = 3 ]
}

@test "mistakes of all files are told at once, with their lines, before anything is run" {
	claims <<-'END'
		-- expcet: ok
		SELECT 1;
		COMMIT;
		-- expect: rows many
		SELECT 2;
	END
	run -65 --separate-stderr jobctl-verify --dir "$D"
	[ "$output" = "" ]
	[[ $stderr == *"0001_one.verify.sql:1: \"-- expcet:\" is unknown: did you mean \"-- expect:\"?"* ]]
	[[ $stderr == *"0001_one.verify.sql:3: COMMIT: "* ]]
	[[ $stderr == *"0001_one.verify.sql:4: a number of rows is wanted"* ]]
}

@test "what a statement says is escaped on its way to a terminal" {
	printf '%s\n' '-- expect: value x' "SELECT E'\\x1b[31m' || 'red';" | claims
	run -1 jobctl-verify --dir "$D" --rows 100
	[[ $output != *$'\e'* ]]
	[[ $output == *'\x1b[31mred'* || $output == *'\e[31mred'* || $output == *'\033[31mred'* || $output == *'u001b'* ]]
}

# Mutations: the migration is changed and its claims are not.

mutate() {	# SED-EXPRESSION: what is not PASS, one to a line
	local before

	before=$(cat "$D/0001_one.up.sql")
	sed -i "$1" "$D/0001_one.up.sql"
	[ "$(cat "$D/0001_one.up.sql")" != "$before" ]
	probes | grep -v ^PASS
	printf '%s\n' "$before" >"$D/0001_one.up.sql"
}

@test "a widened CHECK, a lost key action, a lost default and a lost key turn their probes red" {
	claims <<-'END'
		-- probe: status-old
		-- expect: 23514 ck_status
		INSERT INTO child VALUES (1, 1, 'old');
		-- probe: parent keeps
		INSERT INTO parent VALUES (1);
		-- probe: twice
		-- expect: 23505 parent_pkey
		INSERT INTO parent VALUES (1);
		-- probe: child keeps
		INSERT INTO child (id, parent_id) VALUES (1, 1);
		-- probe: default
		-- expect: value new
		SELECT status FROM child;
		-- probe: parent-goes keeps
		-- expect: rows 1
		DELETE FROM parent;
		-- probe: child-went
		-- expect: rows 0
		SELECT FROM child;
	END
	run -0 probes
	[[ $output != *FAIL* ]]
	run mutate "s/IN ('new', 'done')/IN ('new', 'done', 'old')/"
	[ "$output" = 'FAIL status-old 23503 child_parent_id_fkey' ]
	run mutate "s/CONSTRAINT ck_status //"
	[ "$output" = 'FAIL status-old 23514 child_status_check' ]
	run mutate 's/ ON DELETE CASCADE//'
	[ "$output" = $'FAIL parent-goes 23503 child_parent_id_fkey\nFAIL child-went rows 1' ]
	run mutate "s/DEFAULT 'new'/DEFAULT 'done'/"
	[ "$output" = 'FAIL default value done' ]
	run mutate 's/parent (id int PRIMARY KEY)/parent (id int UNIQUE)/'
	[ "$output" = 'FAIL twice 23505 parent_id_key' ]
}

@test "so does a promise of the queue that is no longer kept" {
	cp -r "$SUITE_ROOT/sql/jobctl/." "$D"
	sed -i "s/attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0)/attempt integer NOT NULL DEFAULT 0/;
		s/FOR EACH ROW WHEN (NEW.status = 'running' OR/FOR EACH ROW WHEN (NEW.status = 'never' OR/" "$D/0002_queue.up.sql"
	rm "$D"/0001_one.*
	sed -i '/^-- rows:/,$d' "$D"/*.verify.sql
	jobctl-verify --dir "$D" --set jobctl --json --rows 100 >"$BATS_TEST_TMPDIR/report" || [ $? = 1 ]
	run -0 jq -r 'select(.section == "probes" and .verdict != "PASS") | .id' "$BATS_TEST_TMPDIR/report"
	[ "$output" = $'jobctl.0002_queue.probe.begin-running\njobctl.0002_queue.probe.attempt' ]
}
