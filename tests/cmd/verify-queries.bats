#!/usr/bin/env bats
# jobctl-verify: whether queries use their indexes, on rows that it makes; what indexes
# are for; and what a migration locks.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	empty_database "of its own"
}

setup() {
	D=$BATS_TEST_TMPDIR/mine
	mkdir "$D"
}

up() {		# 'SQL' [NNNN_name]
	printf '%s\n' "$1" >"$D/${2:-0001_one}.up.sql"
	echo 'SELECT 1;' >"$D/${2:-0001_one}.down.sql"
}

claims() {	# the text of the file on stdin
	cat >"$D/0001_one.verify.sql"
}

verify() {	# [OPTION...]
	jobctl-verify --dir "$D" --json --rows 5000 --runs 3 "$@" >"$BATS_TEST_TMPDIR/report" || [ $? = 1 ]
}

# VERDICT ID of a section's checks, without what they all begin with.
checks() {	# SECTION [OPTION...]
	local section=$1

	shift
	verify "$@"
	jq -r --arg s "$section" 'select(.section == $s) | .verdict + " " + (.id | sub("^mine[.]((0001_one|head)[.])?"; ""))' \
		"$BATS_TEST_TMPDIR/report" | sort
}

# The checks of locks.  How long one was held is by the clock: no verdict if it keeps writers out.
locks() {
	checks locks | sed -E 's/^(PASS|WARN) (.*[.]lock[.])/\2/'
}

field() {	# FIELD ID
	jq -r --arg id "mine.$2" "select(.id == \$id) | .$1" "$BATS_TEST_TMPDIR/report"
}

items='CREATE TABLE item (id int PRIMARY KEY, owner int NOT NULL, state text NOT NULL
	CHECK (state IN (%s)), at timestamptz NOT NULL);
	CREATE INDEX item_open ON item (owner) WHERE state = %s;
	CREATE INDEX item_at ON item (at);'

# shellcheck disable=SC2059 # it is a format
items() {	# [SED-EXPRESSION]: the table, perhaps changed
	up "$(printf "$items" "'open', 'done'" "'open'" | sed "${1:-}")"
	claims <<-'END'
		-- query: open uses item_open
		SELECT id FROM item WHERE owner = 7 AND state = 'open';
		-- query: latest uses item_at within 10s
		SELECT owner FROM item ORDER BY at DESC LIMIT 5;
		-- query: done not uses item_open
		SELECT id FROM item WHERE owner = 7 AND state = 'done';
	END
}

@test "an index can serve, is chosen at N rows, and is timed" {
	items
	run -0 checks queries
	diff -u - <(echo "$output") <<-'END'
		PASS query.done.control
		PASS query.latest.can_serve
		PASS query.latest.is_chosen
		PASS query.latest.within
		PASS query.open.can_serve
		PASS query.open.is_chosen
	END
	[ "$(field expected 0001_one.query.open.is_chosen)" = 'item_open is chosen at 5000 rows' ]
	[[ $(field evidence 0001_one.query.open.is_chosen) =~ ^"$D/0001_one.verify.sql:2: "'Bitmap Heap Scan on item > Bitmap Index Scan using item_open; p50 '[0-9.]+' ms, p95 '[0-9.]+' ms of 3 runs at 5000 rows'$ ]]
	[[ $(field evidence 0001_one.query.open.can_serve) == *'enable_seqscan=off: '* ]]
}

@test "an index that is gone, or serves other queries now, turns exactly its queries red" {
	items '/item_open/d'
	run -0 checks queries
	[ "$(grep -v ^PASS <<<"$output")" = $'FAIL query.done.control\nFAIL query.open.can_serve' ]
	[ "$(field actual 0001_one.query.open.can_serve)" = 'no such index' ]
	items "s/(owner) WHERE state = 'open'/(owner) WHERE state = 'done'/"
	run -0 checks queries
	[ "$(grep -v ^PASS <<<"$output")" = $'FAIL query.done.control\nFAIL query.open.can_serve\nFAIL query.open.is_chosen' ]
	[[ $(field evidence 0001_one.query.open.can_serve) == *'Seq Scan on item' ]]
	items 's/item_at ON item (at)/item_at ON item (id, at)/'
	run -0 checks queries
	[ "$(grep -v ^PASS <<<"$output")" = $'FAIL query.latest.can_serve\nFAIL query.latest.is_chosen' ]
}

@test "what an index can serve and what is chosen are two things" {
	up 'CREATE TABLE flag (id int PRIMARY KEY, yes boolean NOT NULL);
		CREATE INDEX flag_yes ON flag (yes);
		CREATE INDEX flag_id ON flag (id) INCLUDE (yes);'
	claims <<-'END'
		-- query: half uses flag_yes
		SELECT count(id) FROM flag WHERE yes;
		-- query: by-id uses flag_pkey
		SELECT yes FROM flag WHERE id = 7;
	END
	run -0 checks queries
	grep -qx 'PASS query.half.can_serve' <<<"$output"
	grep -qx 'FAIL query.half.is_chosen' <<<"$output"
	[[ $(field evidence 0001_one.query.half.is_chosen) == *'Seq Scan on flag'* ]]
	grep -qx 'PASS query.by-id.can_serve' <<<"$output"
}

@test "an index behind another one can serve still, and a control is not fooled by it" {
	up 'CREATE TABLE t (a int NOT NULL, b int NOT NULL, c text);
		CREATE INDEX t_a ON t (a);
		CREATE UNIQUE INDEX t_ab ON t (a, b);'
	claims <<-'END'
		-- query: both uses t_a
		SELECT c FROM t WHERE a = 1 AND b = 2;
		-- query: control not uses t_a
		SELECT c FROM t WHERE a = 1 AND b = 2;
	END
	run -0 checks queries
	[ "$output" = $'FAIL query.both.is_chosen\nFAIL query.control.control\nPASS query.both.can_serve' ]
	[[ $(field evidence 0001_one.query.both.can_serve) == *'enable_seqscan=off, without t_ab: '*'using t_a'* ]]
}

@test "an index that others depend on is passed over, too, and what the server says of that is not ours" {
	up 'CREATE TABLE p (id int PRIMARY KEY, a int NOT NULL, x text);
		CREATE INDEX p_a ON p (a);
		CREATE TABLE c (id int NOT NULL REFERENCES p);
		CREATE INDEX c_id ON c (id);'
	claims <<<'-- query: both uses p_a
		SELECT x FROM p WHERE id = 1 AND a = 2;'
	run -0 checks queries
	[ "$output" = $'FAIL query.both.is_chosen\nPASS query.both.can_serve' ]
	[[ $(field evidence 0001_one.query.both.can_serve) == *'enable_seqscan=off, without p_pkey: '*'using p_a'* ]]
}

@test "a query that takes too long, or is wrong, fails" {
	items
	claims <<-'END'
		-- query: slow uses item_at within 1ms
		SELECT id, pg_sleep(0.002) FROM item ORDER BY at DESC LIMIT 1;
		-- query: wrong uses item_at
		SELECT nothing FROM item;
		-- query: nowhere uses other.item_at
		SELECT id FROM item;
		-- query: stops uses item_at
		SELECT id / 0 FROM item ORDER BY at LIMIT 1;
	END
	run -0 checks queries
	[ "$(grep ^FAIL <<<"$output")" = $'FAIL query.nowhere.can_serve\nFAIL query.slow.within\nFAIL query.stops.is_chosen\nFAIL query.wrong.can_serve\nFAIL query.wrong.is_chosen' ]
	[[ $(field actual 0001_one.query.wrong.can_serve) == 'column "nothing" does not exist (SQLSTATE 42703)' ]]
	[[ $(field actual 0001_one.query.stops.is_chosen) == 'division by zero (SQLSTATE 22012)' ]]
	[[ $(field actual 0001_one.query.slow.within) =~ ^'p95 '[0-9.]+' ms'$ ]]
}

@test "a statement that changes rows is a query, and each run finds them as they were" {
	items
	claims <<-'END'
		-- query: take uses item_open
		DELETE FROM item WHERE owner = (SELECT min(owner) FROM item WHERE state = 'open') AND state = 'open';
		-- query: still-there uses item_at
		SELECT id FROM item ORDER BY at LIMIT 1;
	END
	run -0 checks queries --runs 5
	[[ $output != *FAIL* && $output != *SKIP* ]]
	[[ $(field evidence 0001_one.query.still-there.is_chosen) == *'at 5000 rows' ]]
}

@test "a partition's index counts as the parent's" {
	up "CREATE TABLE log (id int NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (at);
		CREATE TABLE log_default PARTITION OF log DEFAULT;
		CREATE INDEX log_id ON log (id);"
	claims <<-'END'
		-- query: by-id uses log_id
		SELECT at FROM log WHERE id = 7;
	END
	run -0 checks queries
	[ "$output" = $'PASS query.by-id.can_serve\nPASS query.by-id.is_chosen' ]
	[[ $(field evidence 0001_one.query.by-id.is_chosen) == *'using log_default_id_idx'* ]]
}

@test "rows are made of what the catalog says: types, checks, domains, keys, partitions" {
	up "CREATE DOMAIN short AS text CHECK (length(VALUE) <= 8) CHECK (VALUE ~ '^[A-Z]{2}-[0-9]+\$');
		CREATE TYPE mood AS ENUM ('good', 'it''s bad');
		CREATE TABLE owner (name varchar(4) PRIMARY KEY, born date NOT NULL);
		CREATE TABLE thing (
			id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			key uuid NOT NULL UNIQUE, owner varchar(4) NOT NULL REFERENCES owner,
			code short NOT NULL, mood mood NOT NULL, sha text NOT NULL CHECK (sha ~ '^([0-9a-f]{40}|[0-9a-f]{64})\$'),
			quarter char(7) CHECK (quarter ~ '^[0-9]{4}-Q[1-4]\$'), n int NOT NULL CHECK (n BETWEEN 990 AND 992),
			price numeric(6, 2) NOT NULL CHECK (price > 0), tags text[] NOT NULL, doc jsonb NOT NULL
				CHECK (jsonb_typeof(doc) = 'object'),
			raw bytea NOT NULL, addr inet, wait interval NOT NULL CHECK (wait < '1 day'), took time,
			state text NOT NULL DEFAULT 'new', began timestamptz, ended timestamptz, \"odd \"\"name\" text,
			doubled int GENERATED ALWAYS AS (n * 2) STORED,
			CONSTRAINT ck_life CHECK (state = 'new' AND began IS NULL OR state IN ('busy', 'over') AND began IS NOT NULL),
			CONSTRAINT ck_end CHECK ((state = 'over') = (ended IS NOT NULL)));
		CREATE TABLE link (a bigint NOT NULL REFERENCES thing, b bigint NOT NULL REFERENCES thing,
			PRIMARY KEY (a, b), CHECK (a <> b));
		CREATE INDEX link_b ON link (b);"
	claims <<-'END'
		-- query: counts uses thing_pkey
		SELECT 1 / (count(*) = 5000 AND count(DISTINCT code) > 20 AND count(DISTINCT owner) > 100
			AND count(DISTINCT state) = 3 AND count(DISTINCT mood) = 2 AND count(DISTINCT n) = 3)::int
		FROM thing WHERE id >= 0;
		-- query: links uses link_b
		SELECT 1 / (SELECT (count(*) = 5000)::int FROM link) FROM link WHERE b = 7;
	END
	run -0 checks queries
	[[ $output != *SKIP* ]]
	grep -qx 'PASS query.links.is_chosen' <<<"$output"
	# it would divide by zero, and be no run
	[[ $(field evidence 0001_one.query.counts.is_chosen) == *'of 3 runs at 5000 rows' ]]
	[[ $(field evidence 0001_one.query.links.is_chosen) == *'of 3 runs at 5000 rows' ]]
}

@test "where no rows can be made, the second grade is skipped and says what to write" {
	up "CREATE TABLE odd (id int PRIMARY KEY, t text NOT NULL CHECK (md5(t) = repeat('0', 32)));"
	claims <<-'END'
		-- query: by-id uses odd_pkey within 1s
		SELECT t FROM odd WHERE id = 7;
	END
	run -0 checks queries
	[ "$output" = $'PASS query.by-id.can_serve\nSKIP query.by-id.is_chosen\nSKIP query.by-id.within' ]
	[[ $(field actual 0001_one.query.by-id.is_chosen) == *'-- rows: TABLE'* ]]
	[[ $(field evidence 0001_one.query.by-id.is_chosen) == *'no value of type text was found that column t allows' ]]
	up "CREATE TABLE odd (id int PRIMARY KEY, t text NOT NULL CHECK (md5(t) = md5('odd')));"
	claims <<-'END'
		-- rows: odd
		INSERT INTO odd SELECT n, 'odd' FROM generate_series(1, current_setting('jobctl.rows')::int) n;
		-- query: by-id uses odd_pkey rows 3000
		SELECT t FROM odd WHERE id = 7;
	END
	run -0 checks queries
	[ "$output" = $'PASS query.by-id.can_serve\nPASS query.by-id.is_chosen' ]
	[[ $(field evidence 0001_one.query.by-id.is_chosen) == *'at 3000 rows' ]]
	sed -i 's/INSERT INTO odd/INSERT INTO even/' "$D/0001_one.verify.sql"
	run -0 checks queries
	[ "$output" = $'FAIL query.by-id.is_chosen\nPASS query.by-id.can_serve' ]
	[[ $(field evidence 0001_one.query.by-id.is_chosen) == *'relation "even" does not exist' ]]
}

@test "a statement for the rows of a table that is not there fails, and is no remark" {
	items
	claims <<-'END'
		-- rows: itme
		INSERT INTO item SELECT n, n, 'open', now() FROM generate_series(1, 10) n;
		-- rows: a.b.c.d
		INSERT INTO item SELECT n, n, 'open', now() FROM generate_series(1, 10) n;
		-- query: latest uses item_at
		SELECT owner FROM item ORDER BY at DESC LIMIT 5;
	END
	run -0 checks queries
	[ "$output" = $'FAIL rows.a.b.c.d\nFAIL rows.itme\nPASS query.latest.can_serve\nPASS query.latest.is_chosen' ]
	[ "$(field actual 0001_one.rows.itme)" = 'no such table' ]
}

@test "triggers that refuse rows are passed over, and that is said" {
	up "CREATE TABLE t (id int PRIMARY KEY, x text);
		CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
		CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no();"
	claims <<<'-- query: by-id uses t_pkey
		SELECT x FROM t WHERE id = 7;'
	run -0 checks queries
	[ "$output" = $'PASS query.by-id.can_serve\nPASS query.by-id.is_chosen' ]
	[[ $(field evidence 0001_one.query.by-id.is_chosen) == *'; rows made without triggers' ]]
}

@test "nothing of all that stays: no rows, and no index is dropped" {
	items
	printf '%s\n' '-- expect: rows 0' 'SELECT FROM item;' '-- expect: rows 3' \
		"SELECT FROM pg_indexes WHERE tablename = 'item';" >"$D/0002_two.verify.sql"
	up 'SELECT 1;' 0002_two
	verify
	[ "$(field verdict 0002_two.probe.line2)" = PASS ]
	[ "$(field verdict 0002_two.probe.line4)" = PASS ]
}

@test "indexes that repeat others, the same ones, those for nothing; foreign keys without one" {
	up 'CREATE TABLE p (id int PRIMARY KEY);
		CREATE TABLE t (a int REFERENCES p, b int, c int REFERENCES p, d int, PRIMARY KEY (a, b));
		CREATE INDEX t_a ON t (a);
		CREATE INDEX t_b ON t (b) INCLUDE (d);
		CREATE INDEX t_b_desc ON t (b DESC);
		CREATE INDEX t_b_some ON t (b) WHERE d > 0;
		CREATE INDEX t_d ON t (d);
		CREATE INDEX t_d_same ON t (d);
		CREATE INDEX t_d_hash ON t USING hash (d);
		CREATE INDEX t_db ON t (d, b DESC);
		CREATE UNIQUE INDEX t_d_unique ON t (d);'
	claims <<<'-- query: b uses t_b
		SELECT d FROM t WHERE b = 1;'
	run -0 checks indexes
	diff -u - <(grep -v ^PASS <<<"$output") <<-'END'
		FAIL index-redundant.public.t_d_same
		WARN foreign-key-index.public.t.t_c_fkey
		WARN index-redundant.public.t_a
		WARN index-redundant.public.t_b_desc
		WARN index-redundant.public.t_d
		WARN index-used.public.t_b_desc
		WARN index-used.public.t_b_some
		WARN index-used.public.t_d
		WARN index-used.public.t_d_hash
		WARN index-used.public.t_d_same
		WARN index-used.public.t_db
	END
	[ "$(field actual head.index-redundant.public.t_a)" = 'repeats what t_pkey begins with' ]
	[ "$(field actual head.index-redundant.public.t_d_same)" = 'the same as t_d' ]
	[ "$(field fix head.index-redundant.public.t_d_same)" = 'DROP INDEX public.t_d_same' ]
	[ "$(field fix head.foreign-key-index.public.t.t_c_fkey)" = 'CREATE INDEX ON t (c)' ]
	[ "$(field actual head.index-used.public.t_b)" = 'query b' ]
}

@test "of two indexes that are the same the constraint's stays" {
	up 'CREATE TABLE t (a int); CREATE UNIQUE INDEX t_first ON t (a); ALTER TABLE t ADD CONSTRAINT t_kept UNIQUE (a);
		CREATE TABLE u (a int UNIQUE); ALTER TABLE u ADD CONSTRAINT u_again UNIQUE (a);'
	run -0 checks indexes
	[ "$(grep ^FAIL <<<"$output")" = $'FAIL index-redundant.public.t_first\nFAIL index-redundant.public.u_again' ]
	[ "$(field fix head.index-redundant.public.t_first)" = 'DROP INDEX public.t_first' ]
	[ "$(field fix head.index-redundant.public.u_again)" = 'ALTER TABLE u DROP CONSTRAINT u_again' ]
}

@test "without a declared query no index is called unused" {
	up 'CREATE TABLE t (a int); CREATE INDEX t_a ON t (a);'
	run -0 checks indexes
	[ "$(grep -v 'PASS index[.]' <<<"$output")" = $'PASS index-redundant.public.t_a\nSKIP index-used' ]
}

@test "locks: the strongest on each relation that was there, the line, and how long with rows" {
	up 'CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (a int PRIMARY KEY); CREATE TABLE v (a int);'
	up $'CREATE TABLE w (a int REFERENCES u);\nINSERT INTO v VALUES (1);\n\nALTER TABLE t\n  ADD b int;\nSELECT a FROM t;' 0002_two
	run -0 locks
	diff -u - <(sort <<<"$output") <<-'END'
		0002_two.lock.public.t
		0002_two.lock.public.u
		0002_two.lock.public.v
		PASS lock
	END
	[[ $(field actual 0002_two.lock.public.t) =~ ^'ACCESS EXCLUSIVE, held for '[0-9]+' ms at 5000 rows'$ ]]
	[ "$(field evidence 0002_two.lock.public.t)" = "from $D/0002_two.up.sql:4: ALTER TABLE t ADD b int;" ]
	[[ $(field actual 0002_two.lock.public.u) == 'SHARE ROW EXCLUSIVE, held for '* ]]
	[ "$(field verdict 0002_two.lock.public.v)" = PASS ]
	[[ $(field actual 0002_two.lock.public.v) =~ ^'ROW EXCLUSIVE, held for '[0-9]+' ms'$ ]]
}

@test "an index that is locked itself is told, and not each one that a statement reads" {
	up 'CREATE TABLE t (a int PRIMARY KEY); CREATE INDEX t_a ON t (a);'
	up 'SELECT FROM t WHERE a = 1; REINDEX INDEX t_a;' 0002_two
	run -0 locks
	[ "$(sort <<<"$output")" = $'0002_two.lock.public.t\n0002_two.lock.public.t_a\nPASS lock' ]
	[[ $(field actual 0002_two.lock.public.t_a) == 'ACCESS EXCLUSIVE, held for '* ]]
}

@test "a lock that keeps writers out for long is a warning" {
	up 'CREATE TABLE t (a int PRIMARY KEY);'
	up 'LOCK TABLE t IN SHARE MODE; SELECT pg_sleep(1.1);' 0002_two
	run -0 checks locks
	grep -qx 'WARN 0002_two.lock.public.t' <<<"$output"
}
