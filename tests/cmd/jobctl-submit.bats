#!/usr/bin/env bats
# jobctl-submit: what was asked for is what is in the queue, once, or nothing is
# and the mistake is named.

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate
load ../lose

setup_file() {
	new_database
	build_lose
}

setup() {
	clear_jobs
	cd "$BATS_TEST_TMPDIR" || return 1
}

field() {	# ID EXPRESSION
	sql "SELECT $2 FROM jobctl.job WHERE id = '$1'"
}

count() {
	sql 'SELECT count(*) FROM jobctl.job'
}

# Ids as printed name exactly the jobs of the queue, in the order of their argument n.
ids_match() {	# FILE
	[ "$(sql "SELECT string_agg(id::text, ' ' ORDER BY (args->>'n')::int) FROM jobctl.job")" = \
		"$(paste -sd ' ' "$1")" ]
}

refused() {	# STATUS MESSAGE ARG...; with $input on stdin
	local status=$1 message=$2 before

	shift 2
	before=$(count)
	run "-$status" --separate-stderr jobctl-submit "$@" <<<"${input-}"
	[ -z "$output" ] || return 1
	[[ "${stderr_lines[0]}" == "jobctl-submit: $message"* ]] || {
		echo "$stderr"
		return 1
	}
	[ "${#stderr_lines[@]}" -le 2 ] || return 1
	[ "$(count)" = "$before" ]
}

@test "a job of a kind: its id on stdout, nothing else" {
	run -0 --separate-stderr jobctl-submit mail to=ann@example.org 'subject=a "b" \c'
	[[ "$output" =~ ^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	[ -z "$stderr" ]
	[ "$(field "$output" "concat_ws(' ', status, project, queue, kind, priority, max_attempts)")" = \
		"pending default default mail 0 3" ]
	[ "$(field "$output" "args->>'to'")" = ann@example.org ]
	[ "$(field "$output" "args->>'subject'")" = 'a "b" \c' ]
}

@test "NAME:=JSON goes in as it is, every digit of it" {
	run -0 jobctl-submit k a:=12345678901234567890.000000000000000000001 b:='[true,null,{"x":1e300}]' \
		c:='"é"' d= e=:=
	[ "$(field "$output" "args->>'a'")" = 12345678901234567890.000000000000000000001 ]
	[ "$(field "$output" "args->'b'->1")" = null ]
	[ "$(field "$output" "args->>'c'")" = é ]
	[ "$(field "$output" "args->>'d'")" = '' ]
	[ "$(field "$output" "args->>'e'")" = ':=' ]
}

@test "a command: its words, where we are, one attempt" {
	mkdir 'a b'
	cd 'a b'
	run -0 jobctl-submit -- printf '%s\n' 'x  y' '' '*' "it's"
	[ "$(field "$output" "kind || max_attempts")" = exec1 ]
	[ "$(field "$output" "args->'argv'")" = '["printf", "%s\\n", "x  y", "", "*", "it'\''s"]' ]
	[ "$(field "$output" "args->>'cwd'")" = "$PWD" ]
}

@test "a command's directory and environment can be said" {
	HERE='x y' run -0 jobctl-submit --cwd /tmp --env HERE --env A=b=c --env EMPTY= -- true
	[ "$(field "$output" "args->>'cwd'")" = /tmp ]
	[ "$(field "$output" "args->'env'")" = '{"A": "b=c", "HERE": "x y", "EMPTY": ""}' ]
	run -0 jobctl-submit --cwd . -- true
	[ "$(field "$output" "args->>'cwd'")" = "$PWD" ]
	run -66 --separate-stderr jobctl-submit --cwd nowhere -- true
	[[ "${stderr_lines[0]}" == "jobctl-submit: cannot tell the path of nowhere: "* ]]
	refused 64 '--env: there is no variable "NOT_SET" here' --env NOT_SET -- true
}

@test "options may stand anywhere, and reach the job" {
	run -0 jobctl-submit k -q mail x=1 -p default --priority -5 --max-attempts 7 --timeout 90s --hold \
		--unique u --in 1h --backoff linear:30s:10m
	[ "$(sql "SELECT concat_ws(' ', queue, priority, max_attempts, timeout, status, unique_key, backoff,
		backoff_base, backoff_max, run_at - created_at) FROM jobctl.jobs WHERE id = '$output'")" = \
		"mail -5 7 00:01:30 held u linear 00:00:30 00:10:00 01:00:00" ]
	run -0 jobctl-submit k --at 2101-02-03T04:05:06Z
	[ "$(field "$output" run_at)" = '2101-02-03 04:05:06+00' ]
	run -0 jobctl-submit k --backoff constant
	[ "$(sql "SELECT concat(backoff, backoff_base) FROM jobctl.jobs WHERE id = '$output'")" = constant ]
}

@test "--json: an object per job" {
	run -0 jobctl-submit --json k
	[ "$(jq -r '"\(.v) \(.id | length) \(keys | length)"' <<<"$output")" = '1 36 2' ]
	run -0 jobctl-submit --json --lines k <<<$'a\nb'
	[ "$(jq -s 'length' <<<"$output")" = 2 ]
}

@test "-Q prints nothing" {
	run -0 jobctl-submit -Q k
	[ -z "$output" ]
	run -0 jobctl-submit -Q --lines k <<<$'a\nb'
	[ -z "$output" ]
	[ "$(count)" = 3 ]
}

@test "a unique key: one live job has it" {
	local a b
	a=$(jobctl-submit --unique u k n=1)
	b=$(jobctl-submit --unique u k n=2)
	[ "$a" = "$b" ]
	[ "$(field "$a" "args->>'n'")" = 1 ]
	[ "$(jobctl-submit --unique u --on-conflict replace --priority 3 k n=3)" = "$a" ]
	[ "$(field "$a" "args->>'n' || priority")" = 33 ]
	run -1 --separate-stderr jobctl-submit --unique u --on-conflict fail k
	[ -z "$output" ]
	[ "${stderr_lines[0]}" = "jobctl-submit: job $a with unique key \"u\" is pending" ]
	[ "$(count)" = 1 ]
	worker w
	claim default
	run -75 --separate-stderr jobctl-submit --unique u --on-conflict replace k
	[[ "${stderr_lines[0]}" == *" is running" ]]
	finish "$a" ok
	[ "$(jobctl-submit --unique u k)" != "$a" ]
}

@test "--unique-for: one that completed lately counts too" {
	local a
	a=$(jobctl-submit --unique u k)
	worker w
	claim default
	finish "$a" ok
	[ "$(jobctl-submit --unique u --unique-for 1h k)" = "$a" ]
	run -1 jobctl-submit --unique u --unique-for 1h --on-conflict fail k
	[ "$(jobctl-submit --unique u --unique-for 0 k)" != "$a" ]
	[ "$(count)" = 2 ]
}

@test "twenty at once with one key are one job" {
	local i pids=()
	for i in {1..20}; do
		jobctl-submit --unique u k >"ids.$i" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[ "$(sort -u ids.* | wc -l)" = 1 ]
	[ "$(cat ids.* | wc -l)" = 20 ]
	[ "$(count)" = 1 ]
}

@test "one after another" {
	local a b c
	a=$(jobctl-submit k)
	b=$(jobctl-submit --after "$a" k)
	c=$(jobctl-submit --after-ok "$a" --after-ok "$b" k)
	[ "$(field "$b" 'reasons[1]')" = Dependency ]
	[ "$(sql "SELECT string_agg(needs_ok::text, '' ORDER BY job_id) FROM jobctl.job_dependencies")" = \
		falsetruetrue ]
	[ "$(sql "SELECT blockers FROM jobctl.jobs WHERE id = '$c'")" = 2 ]
}

@test "ids to wait for may be cut short, if that is clear" {
	local a b
	a=$(jobctl-submit k)
	sql "SELECT jobctl.submit('k', id => '01234567-0000-7000-8000-000000000001'),
		jobctl.submit('k', id => '01234567-0000-7000-8000-000000000002')"
	b=$(jobctl-submit --after "${a:0:30}" k)
	[ "$(sql "SELECT needs_id FROM jobctl.job_dependencies WHERE job_id = '$b'")" = "$a" ]
	run -64 --separate-stderr jobctl-submit --after-ok 01234567 k
	[[ "$stderr" == *"01234567-0000-7000-8000-000000000001 01234567-0000-7000-8000-000000000002"* ]]
	run -66 --separate-stderr jobctl-submit --after 77777777 k
	run -66 --separate-stderr jobctl-submit --after 77777777-0000-7000-8000-000000000001 k
	[[ "$stderr" == *"no such job 77777777-0000-7000-8000-000000000001"* ]]
	run -64 jobctl-submit --after zebra k
	[ "$(count)" = 4 ]
}

@test "--args: JSON, a file, standard input" {
	local a
	a=$(jobctl-submit k --args '{"n": 1.10}')
	[ "$(field "$a" "args->>'n'")" = 1.10 ]
	printf '{\n "n":\n 2 }' >args.json
	a=$(jobctl-submit k --args @args.json)
	[ "$(field "$a" "args->>'n'")" = 2 ]
	a=$(jobctl-submit k --args - <args.json)
	[ "$(field "$a" "args->>'n'")" = 2 ]
}

@test "--args that are none" {
	printf '{\n "n":\n x }' >bad.json
	refused 65 '--args: column 1: the text ends where a value should be' k --args ''
	refused 65 '--args: not an object: it begins with "["' k --args '[]'
	refused 65 'bad.json: line 3, column 2: "x" where a value should be' k --args @bad.json
	refused 66 'cannot read none.json: No such file or directory' k --args @none.json
	refused 74 'cannot read .: Is a directory' k --args @.
	head -c 5000000 /dev/zero | tr '\0' ' ' >big.json
	refused 65 'big.json is longer than 4 MiB' k --args @big.json
	refused 64 '--args and NAME=... cannot go together' k --args '{}' a=1
}

@test "--dry-run prints the job and asks no database; --jsonl reads it back" {
	local a=01234567-0000-7000-8000-000000000001
	JOBCTL_DATABASE=host=/nonexistent run -0 --separate-stderr jobctl-submit --dry-run -q q --priority 3 \
		--in 90s --unique u --on-conflict replace --unique-for 1h --after $a --max-attempts 2 \
		--backoff linear:1s --timeout 1500ms --hold k x:=1e3 'y=a"b'
	[ -z "$stderr" ]
	[ "$output" = '{"v":1,"kind":"k","args":{"x":1e3,"y":"a\"b"},"queue":"q","project":"default","priority":3,"at":null,"in":90,"unique":"u","on_conflict":"replace","unique_for":3600,"after":["'$a'"],"after_ok":null,"max_attempts":2,"backoff":"linear:1000ms","timeout":1.500,"hold":true}' ]
	[ "$(jobctl-submit --dry-run --jsonl <<<"$output")" = "$output" ]
	[ "$(jobctl-submit --dry-run --at 2101-02-03T04:05:06.5Z k | jq -r .at)" = 2101-02-03T04:05:06.500000Z ]
	printf '{ "a" :\n 1}' >args.json
	[ "$(jobctl-submit --dry-run k --args @args.json | wc -l)" = 1 ]
	refused 64 '--dry-run asks no database' --dry-run --after 01234567 k
	[ "$(jobctl-submit --dry-run --lines k <<<$'a\nb' | jq -r .args.line | paste -sd ' ')" = 'a b' ]
}

@test "what is wrong with options and words is said in a line, exit 64" {
	refused 64 'missing arguments'
	refused 64 'the command after -- is missing' --
	refused 64 'the command is empty' -- ''
	refused 64 'a KIND and a command' k -- true
	refused 64 '"to" is neither NAME=TEXT nor NAME:=JSON' k to
	refused 64 '"=x" is neither' k =x
	refused 64 '":=1" is neither' k :=1
	refused 64 'the argument "a" is given twice' k a=1 a:=2
	refused 64 'the kind is empty' ''
	refused 64 'the kind "a b": a name has' 'a b'
	refused 64 'the queue "-x"' -q -x k
	refused 64 '--queue: the value is empty' -q '' k
	refused 64 '--dbname: the value is empty' -d '' k
	refused 64 "the project is longer than 255" -p "$(printf 'x%.0s' {1..256})" k
	refused 64 '--unique: the value is empty' --unique '' k
	refused 64 'the unique key is longer than 1000 bytes' --unique "$(printf 'x%.0s' {1..1001})" k
	refused 64 'the unique key is longer than 1000 bytes' --unique "$(printf 'é%.0s' {1..501})" k
	refused 64 '--priority: ' --priority 2147483648 k
	refused 64 '--max-attempts: 0 is out of range' --max-attempts 0 k
	refused 64 '--timeout: 0 is out of range' --timeout 0 k
	refused 64 '--in: "5" is not a duration' --in 5 k
	refused 64 '--at: "tomorrow" is not a time' --at tomorrow k
	refused 64 '--at and --in' --at 10:00 --in 5m k
	refused 64 '"often" is not exponential' --backoff often k
	refused 64 '"x" is not a duration' --backoff linear:x k
	refused 64 '"linear:1s:2s:3s" has more' --backoff linear:1s:2s:3s k
	refused 64 '"" is not a duration' --backoff linear: k
	refused 64 '--on-conflict: "maybe" is none of' --on-conflict maybe k
	refused 64 '--wait is for one job' --wait --jsonl
	refused 64 '--batch is for' --batch 3 k
	refused 64 '--null is for --lines' -0 k
	refused 64 '--lines and --jsonl' --lines --jsonl k
	refused 64 '--jsonl takes no arguments but a KIND' --jsonl k a=1
	refused 64 '--jsonl takes no command' --jsonl -- true
	refused 64 '--cwd and --env are for' --cwd / k
	refused 64 '--wait and --dry-run' --wait --dry-run k
	refused 64 'the command has no {}' --lines -- true
	refused 64 '--unique needs {}' --lines --unique u k
	refused 64 'no argument has {}' --lines k line=1
}

@test "what is wrong with the data is said in a line, exit 65" {
	refused 65 'the argument "a": column 1: "x" where a value should be' k a:=x
	refused 65 'the argument "a": column 2: \u0000' k a:='"\u0000"'
	refused 65 'the argument "a='$'\\xff''" is not valid UTF-8' k a=$'\xff'
	refused 65 'the argument "'$'\\xff''" is not valid UTF-8' -- true $'\xff'
	refused 65 'a job of kind index needs the argument repo_path, or repository_id' index
	refused 65 'repository_id "7" is not a UUID in lower case' index repository_id=7
	refused 65 'repo_path is not a text' index repo_path:=1
	refused 65 'repo_path "a/b" is not absolute' index repo_path=a/b
	refused 65 'repo_path "" is not absolute' index repo_path=
	refused 65 'repo_path "/a/../b" has the component ".."' index repo_path=/a/../b
	refused 65 'repo_path "/a/.." has the component ".."' index repo_path=/a/..
	refused 65 'args take more than 1 MiB' k --args "@$(printf '{"x":"%01100000d"}' 0 >big; echo big)"
}

@test "a path with dots that is no way up is accepted, and one that does not exist" {
	run -0 jobctl-submit index repo_path=/a/foo..bar/..x/x../...
	run -0 jobctl-submit index repo_path=/
}

@test "a repository is named by its path or its id, and has one live job by either" {
	local id=6f1e4c1c-3f0f-4a39-9d34-0d7b3d2f9a11 job

	job=$(jobctl-submit index repository_id=$id)
	[ "$(jobctl-submit index repository_id=$id)" = "$job" ]
	[ "$(jobctl-submit --lines index 'repository_id={}' <<<$id)" = "$job" ]
	[ "$(sql "SELECT jobctl.create_index_job('$id')")" = "$job" ]
}

@test "--lines with a command: {} everywhere, whatever the name" {
	local names
	mkdir in
	(cd in && touch 'a b.wav' "q'\"\\.wav" $'new\nline.wav' 'é.wav' -- '-n.wav' '{}.wav')
	run -0 bash -c "find . -name '*.wav' -print0 | sort -z | jobctl-submit -q enc -0 --lines -- ffmpeg -i {} {}.mp3"
	[ "${#lines[@]}" = 6 ]
	names=$(sql "SELECT json_agg(args->'argv' ORDER BY (args->'argv'->>2) COLLATE \"C\") FROM jobctl.job WHERE queue = 'enc'")
	[ "$(jq -c 'map(.[2])' <<<"$names")" = \
		'["./in/-n.wav","./in/a b.wav","./in/new\nline.wav","./in/q'\''\"\\.wav","./in/{}.wav","./in/é.wav"]' ]
	[ "$(jq '[.[] | .[3] == .[2] + ".mp3" and .[0] == "ffmpeg" and length == 4] | all' <<<"$names")" = true ]
}

@test "--lines with a kind: NAME=TEXT with {}, or the line as the argument line" {
	run -0 jobctl-submit --lines k 'n={}' 'to=<{}@{}>' fix=1 'json:={"a":{}}' <<<$'1\n2'
	[ "$(field "${lines[1]}" args)" = '{"n": "2", "to": "<2@2>", "fix": "1", "json": {"a": {}}}' ]
	run -0 jobctl-submit --lines k fix=1 <<<$'1\n2'
	[ "$(field "${lines[0]}" args)" = '{"fix": "1", "line": "1"}' ]
	run -0 jobctl-submit --lines k < <(printf 'x\ny')
	[ "$(field "${lines[1]}" args)" = '{"line": "y"}' ]
}

@test "--lines: blank in them stays, empty ones are passed over" {
	run -0 jobctl-submit --lines k < <(printf '\n a \n\n\t\nb\r\n\n')
	[ "$(sql "SELECT json_agg(args->'line' ORDER BY id) FROM jobctl.job")" = '[" a ", "\t", "b\r"]' ]
	run -0 jobctl-submit --lines k </dev/null
	[ -z "$output" ]
}

@test "--lines: {} in --unique makes one job of equal lines" {
	run -0 jobctl-submit --lines --unique 'k-{}' k 'n={}' <<<$'1\n2\n1\n2\n3'
	[ "${lines[0]}" = "${lines[2]}" ]
	[ "${lines[1]}" = "${lines[3]}" ]
	[ "${#lines[@]}" = 5 ]
	[ "$(count)" = 3 ]
	[ "$(field "${lines[4]}" unique_key)" = k-3 ]
	[ "$(jobctl-submit --lines --unique 'k-{}' k 'n={}' <<<3)" = "${lines[4]}" ]
	run -1 --separate-stderr jobctl-submit --lines --unique 'k-{}' --on-conflict fail k <<<$'9\n\n3'
	[ "${stderr_lines[0]}" = "jobctl-submit: line 3: job ${lines[4]-$(sql "SELECT id FROM jobctl.job WHERE unique_key = 'k-3'")} with unique key \"k-3\" is pending" ]
	[ "$(count)" = 3 ]
}

@test "--lines that are no text" {
	input=x
	run -65 --separate-stderr jobctl-submit --lines k < <(printf 'a\nb\0c\n')
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 2: a NUL byte' ]
	[ "${stderr_lines[1]}" = 'jobctl-submit: hint: nothing was submitted' ]
	run -65 --separate-stderr jobctl-submit --lines k < <(printf 'a\n\nb\xff\n')
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 3: not valid UTF-8' ]
	run -65 --separate-stderr jobctl-submit --lines k < <(echo a; head -c 5000000 /dev/zero | tr '\0' x)
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 2: longer than 4 MiB' ]
	run -65 --separate-stderr jobctl-submit --lines index 'repo_path={}' <<<$'/a\nb'
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 2: repo_path "b" is not absolute' ]
	[ "$(count)" = 0 ]
}

@test "--jsonl: every key" {
	local a
	a=$(jobctl-submit k)
	cat >in <<-END
		{"kind":"one","args":{"n":1,"big":12345678901234567890},"queue":"q","project":"default","priority":-2}
		{"kind":"two","in":"1h","unique":"u","on_conflict":"skip","unique_for":"1d","args":{"n":2}}
		{"kind":"three","after":"$a","after_ok":["$a"],"max_attempts":9,"backoff":"constant:1s","args":{"n":3}}
		{"kind":"four","timeout":1.5,"hold":true,"at":"2101-02-03T04:05:06Z","args":{"n":4},"v":1}
		 { "argv" : [ "echo", "\u00e9\n" ] , "priority" : null }
	END
	run -0 --separate-stderr jobctl-submit --jsonl <in
	[ "${#lines[@]}" = 5 ]
	[ "$(field "${lines[0]}" "concat_ws(' ', kind, queue, priority, args->>'big')")" = 'one q -2 12345678901234567890' ]
	[ "$(field "${lines[1]}" "concat_ws(' ', kind, run_at - created_at, unique_key)")" = 'two 01:00:00 u' ]
	[ "$(sql "SELECT concat_ws(' ', kind, max_attempts, backoff, backoff_base, blockers) FROM jobctl.jobs
		WHERE id = '${lines[2]}'")" = 'three 9 constant 00:00:01 1' ]
	[ "$(field "${lines[3]}" "concat_ws(' ', kind, timeout, status, run_at)")" = 'four 00:00:01.5 held 2101-02-03 04:05:06+00' ]
	[ "$(field "${lines[4]}" "kind || args || max_attempts")" = 'exec{"argv": ["echo", "é\n"]}1' ]
}

@test "--jsonl: options and KIND are the defaults" {
	run -0 jobctl-submit --jsonl -q q --priority 7 --in 1h --args '{"d":1}' --max-attempts 4 k <<-END
		{}
		{"kind":"other","queue":"r","priority":0,"at":"2101-01-01T00:00:00Z","args":{}}
		{"argv":["true"],"queue":null}
	END
	[ "$(field "${lines[0]}" "concat_ws(' ', kind, queue, priority, args, max_attempts, run_at - created_at)")" = \
		'k q 7 {"d": 1} 4 01:00:00' ]
	[ "$(field "${lines[1]}" "concat_ws(' ', kind, queue, priority, args, run_at)")" = \
		'other r 0 {} 2101-01-01 00:00:00+00' ]
	[ "$(field "${lines[2]}" "concat_ws(' ', kind, queue)")" = 'exec q' ]
}

@test "--jsonl: blank lines, carriage returns, no newline at the end" {
	run -0 jobctl-submit --jsonl < <(printf '\n{"kind":"a"}\r\n  \r\n\t{"kind":"b"}')
	[ "${#lines[@]}" = 2 ]
	run -0 jobctl-submit --jsonl </dev/null
	[ -z "$output" ]
}

# Each after two good lines, so that what is refused is the whole input.
bad_line() {	# MESSAGE LINE
	run -65 --separate-stderr jobctl-submit --jsonl < <(printf '{"kind":"a"}\n\n{"kind":"b"}\n%s\n{"kind":"c"}\n' "$2")
	[ -z "$output" ] || return 1
	[[ "${stderr_lines[0]}" == "jobctl-submit: line 4: $1"* ]] || {
		echo "$stderr"
		return 1
	}
	[ "$(count)" = 0 ]
}

@test "--jsonl: a bad line is named, with the place, and nothing is submitted" {
	bad_line 'there is no kind' '{}'
	bad_line 'not an object: it begins with "["' '[]'
	bad_line 'column 9: the text ends where a value should be' '{"kind":'
	bad_line 'column 13: something follows' '{"kind":"a"}{"kind":"b"}'
	bad_line 'column 13: the key "kind" is there twice' '{"kind":"a","kind":"b"}'
	bad_line 'column 27: the key "x" is there twice' '{"kind":"a","args":{"x":1,"x":2}}'
	bad_line 'column 26: \u0000' '{"kind":"a","args":{"x":"\u0000"}}'
	bad_line 'there is no key "knd"' '{"knd":"a"}'
	bad_line 'there is no key "to"' '{"kind":"a","to":"x"}'
	bad_line 'kind: not a text' '{"kind":1}'
	bad_line 'kind: the kind "a b"' '{"kind":"a b"}'
	bad_line 'queue: the queue is empty' '{"kind":"a","queue":""}'
	bad_line 'args: not an object' '{"kind":"a","args":[]}'
	bad_line 'priority: 2147483648 is out of range' '{"kind":"a","priority":2147483648}'
	bad_line 'priority: "1.5" is not a whole number' '{"kind":"a","priority":1.5}'
	bad_line 'priority: not a number' '{"kind":"a","priority":"high"}'
	bad_line 'at: "now" is not a time' '{"kind":"a","at":"now"}'
	bad_line 'in: "-1s" is not a duration' '{"kind":"a","in":-1}'
	bad_line 'both at and in' '{"kind":"a","in":1,"at":"10:00"}'
	bad_line 'unique: the unique key is empty' '{"kind":"a","unique":""}'
	bad_line 'on_conflict: "no" is not skip, fail or replace' '{"kind":"a","on_conflict":"no"}'
	bad_line 'unique_for without a unique key' '{"kind":"a","unique_for":"1d"}'
	bad_line 'on_conflict without a unique key' '{"kind":"a","on_conflict":"fail"}'
	bad_line 'after: "1" is not a UUID' '{"kind":"a","after":"1"}'
	bad_line 'after_ok: a list with something else than ids' '{"kind":"a","after_ok":[1]}'
	bad_line 'max_attempts: 0 is out of range' '{"kind":"a","max_attempts":0}'
	bad_line 'backoff: "never" is not' '{"kind":"a","backoff":"never"}'
	bad_line 'timeout: 0s is out of range' '{"kind":"a","timeout":0}'
	bad_line 'hold: neither true nor false' '{"kind":"a","hold":"yes"}'
	bad_line 'argv: the list is empty' '{"argv":[]}'
	bad_line 'argv: the command is empty' '{"argv":[""]}'
	bad_line 'argv: a list with something else than texts' '{"argv":["a",1]}'
	bad_line 'both args and argv' '{"argv":["a"],"args":{}}'
	bad_line 'argv, but the kind is "a"' '{"argv":["a"],"kind":"a"}'
	bad_line 'v: 2 is out of range' '{"kind":"a","v":2}'
	bad_line 'repo_path "x" is not absolute' '{"kind":"index","args":{"repo_path":"x"}}'
	bad_line 'repo_path "/../x" has' '{"kind":"index","args":{"repo_path":"/\u002e./x"}}'
	bad_line 'args take more than 1 MiB' "{\"kind\":\"a\",\"args\":{\"x\":\"$(printf '%01100000d' 0)\"}}"
}

@test "--jsonl: NUL bytes, what is not UTF-8, what is nested too deep, too long" {
	run -65 --separate-stderr jobctl-submit --jsonl < <(printf '{"kind":"a"}\n{"kind":"a\0"}\n')
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 2: column 11: byte 0x00 in a string, which must be escaped' ]
	run -65 --separate-stderr jobctl-submit --jsonl < <(printf '{"kind":"\xc3\xa9\xff"}\n')
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 1: column 11: byte 0xff, which is not valid UTF-8' ]
	run -65 --separate-stderr jobctl-submit --jsonl < <(printf '{"kind":"a","args":{"x":'; printf '[%.0s' {1..600})
	[[ "${stderr_lines[0]}" == 'jobctl-submit: line 1: column '*': nested more than 500 deep' ]]
	run -65 --separate-stderr jobctl-submit --jsonl < <(head -c 5000000 /dev/zero)
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 1: longer than 4 MiB' ]
	[ "$(count)" = 0 ]
}

@test "what only the database can tell is named by its line, too" {
	# many small numbers take more room in the database than as text
	local numbers
	numbers=$(seq -s, 100000 250000)
	run -65 --separate-stderr jobctl-submit --jsonl < <(
		seq 100 | sed 's/.*/{"kind":"a","args":{"n":&}}/'
		echo "{\"kind\":\"b\",\"args\":{\"n\":[$numbers]}}"
		seq 100 | sed 's/.*/{"kind":"a"}/')
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 101: args take more than 1 MiB' ]
	[ "${stderr_lines[1]}" = 'jobctl-submit: hint: nothing was submitted' ]
	run -65 --separate-stderr jobctl-submit k --args "@$(echo "{\"n\":[$numbers]}" >big; echo big)"
	[ "${stderr_lines[0]}" = 'jobctl-submit: args take more than 1 MiB' ]
	run -65 --separate-stderr jobctl-submit --jsonl <<<$'{"kind":"a"}\n{"kind":"b\u2003"}'
	[[ "${stderr_lines[0]}" == 'jobctl-submit: line 2: the name of a project, queue or kind has'* ]]
	run -66 --separate-stderr jobctl-submit --jsonl <<<$'{"kind":"a"}\n{"kind":"b","after":"01234567-0000-7000-8000-000000000001"}'
	[[ "${stderr_lines[0]}" == 'jobctl-submit: line 2: no such job 01234567-'* ]]
	[ "$(count)" = 0 ]
}

@test "the largest args pass, whichever way, and only those" {
	local n
	for n in 1048000 1048500; do
		printf '{"x":"%0*d"}' "$n" 0 >args
		run -0 jobctl-submit k --args @args
		run -0 jobctl-submit --jsonl < <(printf '{"kind":"k","args":%s}' "$(<args)")
	done
	printf '{"x":"%01048570d"}' 0 >args
	run -65 jobctl-submit k --args @args
	run -65 jobctl-submit --jsonl < <(printf '{"kind":"k","args":%s}' "$(<args)")
	[ "$(count)" = 4 ]
}

@test "ids are printed in the order of the input, and are those of the jobs" {
	seq 5000 | sed 's/.*/{"kind":"k","args":{"n":&}}/' | jobctl-submit --jsonl >ids
	[ "$(wc -l <ids)" = 5000 ]
	sort -c ids
	ids_match ids
}

@test "--batch: what came before a bad line is there, and it is said how far" {
	run -65 --separate-stderr jobctl-submit --jsonl --batch 3 < <(
		seq 8 | sed 's/.*/{"kind":"k","args":{"n":&}}/'
		echo '{"kind":'
		echo '{"kind":"k"}')
	[ "${#lines[@]}" = 6 ]
	printf '%s\n' "${lines[@]}" >ids
	ids_match ids
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 9: column 9: the text ends where a value should be' ]
	[ "${stderr_lines[1]}" = 'jobctl-submit: hint: the 6 jobs of lines 1 to 6 are submitted, those after it are not' ]
	run -0 jobctl-submit --lines --batch 2 k 'n={}' < <(seq 101 107)
	[ "${#lines[@]}" = 7 ]
}

@test "--batch 1 prints an id as soon as its line is there" {
	mkfifo in
	jobctl-submit --lines --batch 1 k <in >ids 3>&- &
	local pid=$!
	exec 7>in
	echo a >&7
	eventually 10 test -s ids
	echo b >&7
	exec 7>&-
	wait "$pid"
	[ "$(wc -l <ids)" = 2 ]
}

@test "a connection that breaks makes no job twice and loses none: one job" {
	local when
	for when in before after; do
		clear_jobs
		run -0 --separate-stderr losing "$when:jobctl.submit" jobctl-submit k
		[ -z "$stderr" ]
		[ "$(sql 'SELECT string_agg(id::text, $$ $$) FROM jobctl.job')" = "$output" ]
		clear_jobs
		run -0 losing "$when:jobctl.submit" jobctl-submit --unique u --on-conflict fail k
		[ "$(sql 'SELECT string_agg(id::text, $$ $$) FROM jobctl.job')" = "$output" ]
	done
}

@test "a job that ended before its submit was said again is not submitted again" {
	sql "CREATE FUNCTION public.end_at_once() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM jobctl.cancel(ARRAY[NEW.id]); RETURN NULL; END'"
	sql "CREATE CONSTRAINT TRIGGER zz AFTER INSERT ON jobctl.jobs DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION public.end_at_once()"
	run losing after:jobctl.submit jobctl-submit k
	sql 'DROP TRIGGER zz ON jobctl.jobs; DROP FUNCTION public.end_at_once()'
	[ "$status" = 0 ]
	[ "$(count)" = 1 ]
	[ "$(field "$output" status)" = cancelled ]
}

@test "a connection that breaks makes no job twice and loses none: many" {
	local when at from
	seq 2000 | sed 's/.*/{"kind":"k","args":{"n":&}}/' >in
	for from in file pipe; do
		for when in before after; do
			for at in copy_begin 'COPY pg_temp' copy_end COMMIT; do
				clear_jobs
				if [ "$from" = file ]; then
					losing "$when:$at" jobctl-submit --jsonl <in >ids
				else
					losing "$when:$at" jobctl-submit --jsonl >ids < <(cat in)
				fi
				echo "$from $when $at"
				[ "$(wc -l <ids)" = 2000 ]
				ids_match ids
			done
		done
	done
}

@test "a connection that breaks in a later batch" {
	seq 2000 | sed 's/.*/{"kind":"k","unique":"u&","args":{"n":&}}/' >in
	losing after:copy_end jobctl-submit --jsonl --batch 300 <in >ids
	ids_match ids
	# every job is another's now: there is none that could prove that the batch is there
	losing after:COMMIT jobctl-submit --jsonl --batch 300 <in >again
	cmp ids again
	ids_match ids
}

@test "a pipe that cannot be read again: what was not submitted is said" {
	run -69 --separate-stderr losing before:COMMIT jobctl-submit --jsonl --batch 300000 < <(
		seq 300000 | sed 's/.*/{"kind":"k","args":{"n":&,"text":"as long as it takes to fill 8 MiB"}}/')
	[ -z "$output" ]
	[[ "${stderr_lines[1]}" == *'nothing after line 0 was submitted'* ]]
	[ "$(count)" = 0 ]
	# but if the batch turns out to be there, nothing needs to be read again
	losing after:COMMIT jobctl-submit --jsonl >ids < <(
		seq 300000 | sed 's/.*/{"kind":"k","args":{"n":&,"text":"as long as it takes to fill 8 MiB"}}/')
	[ "$(wc -l <ids)" = 300000 ]
	[ "$(count)" = 300000 ]
}

@test "interrupted in the middle of a batch: nothing of it is there" {
	mkfifo in
	env --default-signal=INT jobctl-submit --jsonl <in >ids 3>&- &
	local pid=$! status=0
	exec 7>in
	seq 20000 | sed 's/.*/{"kind":"k","args":{"n":&}}/' >&7
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY pg_temp%'
		AND datname = current_database()"
	kill -INT "$pid"
	exec 7>&-
	wait "$pid" || status=$?
	[ "$status" = 130 ]
	[ ! -s ids ]
	eventually 10 prints 0 sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY pg_temp%'
		AND datname = current_database()"
	[ "$(count)" = 0 ]
}

@test "many lines need little memory" {
	[ "$SUITE_SLOW" = 1 ] || skip "a sanitizer needs its own"
	(
		ulimit -v 120000
		seq 300000 | sed 's/.*/{"kind":"k","args":{"n":&,"text":"some text to make the line longer"}}/' |
			jobctl-submit --jsonl >ids
	)
	[ "$(wc -l <ids)" = 300000 ]
	[ "$(count)" = 300000 ]
}

@test "an output that cannot be written is exit 74, and a reader who left is none of ours" {
	run -74 --separate-stderr bash -c 'jobctl-submit k >/dev/full'
	run -74 bash -c 'seq 1000 | jobctl-submit --lines k >/dev/full'
	run -0 bash -c 'seq 100000 | jobctl-submit --lines k 2>&1 >&7 | cat' 7> >(:)
	[ -z "$output" ]
}

@test "a project that has submitted enough for this hour: exit 75, and when to come again" {
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('tier', 'public'); SELECT jobctl.limit_submissions('tier', 2)"
	jobctl-submit -Q -p tier k
	jobctl-submit -Q -p tier k
	run -75 --separate-stderr jobctl-submit -p tier k
	[ "${stderr_lines[0]}" = 'jobctl-submit: project "tier" may submit 2 jobs an hour, and has submitted 2' ]
	# by the minute in which the first was counted, and that may be over
	local at
	at=$(sql "SELECT jobctl.rfc3339(minutes[1] + interval '61 min') FROM jobctl.submissions WHERE project_id = 'tier'")
	[[ ${stderr_lines[1]} =~ "try again at $at, in "(59m[0-9]{2}s|60m[0-9]{2}s|1h0[01]m)$ ]]
	[ -z "$output" ]
	run -75 --separate-stderr jobctl-submit --lines -p tier k <<<a
	[[ ${stderr_lines[0]} == 'jobctl-submit: line 1: project "tier" may submit 2 jobs an hour'* ]]
	[ "$(sql "SELECT count(*) FROM jobctl.jobs WHERE project_id = 'tier'")" = 2 ]
}

@test "who may submit, and for which project" {
	role_login submit_s jobctl_submitter
	role_login submit_r jobctl_reader
	role_login submit_o jobctl_submitter
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('theirs', 'submit_o') ON CONFLICT DO NOTHING"
	run -0 as_role submit_s jobctl-submit k
	[ "$(field "$output" created_by)" = submit_s ]
	run -0 as_role submit_s jobctl-submit --lines k <<<$'a\nb'
	[ "$(field "${lines[1]}" created_by)" = submit_s ]
	run -77 --separate-stderr as_role submit_r jobctl-submit k
	run -77 as_role submit_r jobctl-submit --lines k <<<a
	run -66 --separate-stderr as_role submit_s jobctl-submit -p theirs k
	[ "${stderr_lines[0]}" = 'jobctl-submit: no such project "theirs"' ]
	run -66 --separate-stderr as_role submit_s jobctl-submit --jsonl <<<$'{"kind":"a"}\n{"kind":"b","project":"theirs"}'
	[ "${stderr_lines[0]}" = 'jobctl-submit: line 2: no such project "theirs"' ]
	run -0 as_role submit_o jobctl-submit -p theirs k
	run -66 as_role submit_s jobctl-submit --after "$output" k
	[ "$(count)" = 4 ]
}

@test "--wait: the job's output and its exit status" {
	start_worker --exec -q ci -j 4
	# without it there would be a note that nobody serves the queue
	eventually 10 prints 1 sql 'SELECT count(*) FROM jobctl.workers'
	run -0 --separate-stderr jobctl-submit --wait -q ci -- printf 'a\nb'
	[ "$output" = $'a\nb' ]
	[ -z "$stderr" ]
	run -3 --separate-stderr jobctl-submit --wait -q ci -- sh -c 'echo out; echo err >&2; exit 3'
	[ "$output" = out ]
	[ "${stderr_lines[0]}" = err ]
	[[ "${stderr_lines[1]}" =~ ^jobctl-submit:\ job\ [0-9a-f-]{36}\ failed: ]]
	run -127 jobctl-submit --wait -Q -q ci -- no-such-command
	[ -z "$output" ]
	run -126 jobctl-submit --wait -Q -q ci -- /etc/passwd
	run -137 jobctl-submit --wait -Q -q ci -- sh -c 'kill -KILL $$'
	jobctl-submit --wait -q ci -- sh -c 'printf "\000\377\033[1m"' >out
	[ "$(od -An -tx1 out | tr -d ' ')" = 00ff1b5b316d ]
	run -4 --separate-stderr jobctl-submit --wait --json -q ci -- sh -c 'echo out; exit 4'
	[ "$(jq -r '"\(.v) \(.status) \(.outcome) \(.exit_code) \(.signal)"' <<<"$output")" = '1 failed exit 4 null' ]
}

@test "--wait: much output, as it comes" {
	start_worker --exec -q ci
	jobctl-submit --wait -q ci -- sh -c 'echo first; until [ -e go ]; do sleep 0.05; done; seq 20000' >out 3>&- &
	local pid=$!
	eventually 10 grep -qx first out
	touch go
	wait "$pid"
	[ "$(cat out)" = "$(echo first; seq 20000)" ]
}

@test "--wait on a terminal: what could act on it is shown instead" {
	start_worker --exec -q ci
	printf 'jobctl-submit --wait -q ci -- printf "\\033[31mé\\r\\n"' >run.sh
	script -qefc 'bash run.sh' /dev/null >out </dev/null
	grep -qF '\x1b[31mé\r' out
}

@test "--wait --timeout: 124, and the job does not go on without us" {
	local id
	run -124 --separate-stderr jobctl-submit --wait --timeout 300ms -q nobody k
	[ -z "$output" ]
	id=$(sql 'SELECT id FROM jobctl.job')
	# after what it may have to say of the wait, if that is long
	[ "${stderr_lines[-1]}" = "jobctl-submit: the time is over; job $id was cancelled" ]
	[ "$(field "$id" status)" = cancelled ]
	id=$(jobctl-submit --unique u -q nobody k)
	run -124 --separate-stderr jobctl-submit --wait --timeout 300ms --unique u -q nobody k
	[ "${stderr_lines[-1]}" = "jobctl-submit: the time is over; job $id goes on" ]
	[ "$(field "$id" status)" = pending ]
	# one that runs as soon as it is there
	worker w '' '' ci
	sql "CREATE FUNCTION public.claim_at_once() RETURNS trigger LANGUAGE plpgsql AS
		\$\$ BEGIN PERFORM jobctl.claim(worker => '$SIM_WORKER', token => '$(sim_uuid ci)', queues => '{ci}', slots => 1);
		RETURN NULL; END \$\$"
	sql "CREATE CONSTRAINT TRIGGER zz AFTER INSERT ON jobctl.jobs DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION public.claim_at_once()"
	run --separate-stderr jobctl-submit --wait --timeout 300ms -q ci k
	sql 'DROP TRIGGER zz ON jobctl.jobs; DROP FUNCTION public.claim_at_once()'
	[ "$status" = 124 ]
	id=$(sql "SELECT id FROM jobctl.jobs WHERE queue = 'ci'")
	[ "${stderr_lines[-1]}" = "jobctl-submit: the time is over; job $id was told to stop" ]
	[ "$(field "$id" "status || ' ' || (cancel_requested_at IS NOT NULL)")" = 'running true' ]
}

@test "--wait --timeout: an answer that does not come in time keeps no job from being cancelled" {
	local pid id status=0
	jobctl-submit --wait --timeout $((6 * SUITE_SLOW))s k 2>err 3>&- &
	pid=$!
	eventually 10 prints 1 count
	id=$(sql 'SELECT id FROM jobctl.job')
	start psql -Xq -c BEGIN -c 'LOCK TABLE jobctl.jobs' -c 'SELECT pg_sleep(600)'
	# that of the question, which is given up, and that of the cancelling
	eventually $((6 * SUITE_SLOW + 20)) prints 2 sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-submit %:$pid'"
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
	wait "$pid" || status=$?
	cat err
	[ "$status" = 124 ]
	[ "$(tail -n 1 err)" = "jobctl-submit: the time is over; job $id was cancelled" ]
	run ! grep 'lost the connection' err
	[ "$(field "$id" status)" = cancelled ]
}

@test "--wait says that there is nobody to do it" {
	local id status=0
	jobctl-submit --wait -q nobody k 2>err 3>&- &
	local pid=$!
	eventually 10 grep -q 'no worker serves queue "nobody"$' err
	id=$(sql 'SELECT id FROM jobctl.job')
	sql "SELECT jobctl.cancel('{$id}', 'in vain')"
	wait "$pid" || status=$?
	[ "$status" = 1 ]
	[ "$(cat err)" = "jobctl-submit: job $id waits: no worker serves queue \"nobody\"
jobctl-submit: job $id was cancelled: in vain" ]
}

@test "--wait, interrupted: the job goes on, and which it is is said" {
	env --default-signal=INT jobctl-submit --wait -q nobody k 2>err 3>&- &
	local pid=$! id status=0
	eventually 10 prints 1 count
	id=$(sql 'SELECT id FROM jobctl.job')
	# it asks for the job and at once for its output
	eventually 10 prints idle sql "SELECT state FROM pg_stat_activity
		WHERE application_name LIKE 'jobctl-submit %:$pid' AND query LIKE '%FROM jobctl.job%'"
	kill -INT "$pid"
	wait "$pid" || status=$?
	[ "$status" = 130 ]
	[ "$(tail -n 1 err)" = "jobctl-submit: the job goes on: jobctl-wait $id" ]
	[ "$(field "$id" status)" = pending ]
}

@test "--wait: what goes wrong with jobctl itself is 125" {
	JOBCTL_DATABASE=host=/nonexistent run -125 jobctl-submit --wait k
	run -125 --separate-stderr jobctl-submit --wait index repo_path=x
	jobctl-submit --unique u k
	run -125 jobctl-submit --wait --unique u --on-conflict fail k
	run -64 jobctl-submit --wait
}

@test "--wait: cancelled is 1, and a lost connection is made again" {
	local id status=0
	jobctl-submit --wait -q nobody k 2>err 3>&- &
	local pid=$!
	eventually 10 prints 1 count
	id=$(sql 'SELECT id FROM jobctl.job')
	eventually 10 prints t sql "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name LIKE 'jobctl-submit %:$pid' AND query LIKE '%FROM jobctl.job%'"
	eventually 10 grep -q 'lost the connection' err
	sql "SELECT jobctl.cancel('{$id}', 'no longer wanted')"
	wait "$pid" || status=$?
	[ "$status" = 1 ]
	[ "$(tail -n 1 err)" = "jobctl-submit: job $id was cancelled: no longer wanted" ]
}
