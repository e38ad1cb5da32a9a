# fish completion for jobctl and its programs
#
# Options, verbs and choices come from the table, which "make gen" makes from the
# programs' own option tables.  Queues, kinds, projects and jobs are asked of the
# database, for a second at most; if it does not answer there is nothing to offer.

# table: begin
set -g __jobctl_table
set -a __jobctl_table 'jobctl	verb	help	-	-	-	open the manual of a program'
set -a __jobctl_table 'jobctl	verb	db	-	-	-	a private PostgreSQL for a laptop, a test, a first try'
set -a __jobctl_table 'jobctl	verb	migrate	-	-	-	make, change and check the database\'s schema'
set -a __jobctl_table 'jobctl	verb	submit	-	-	-	submit one job or millions'
set -a __jobctl_table 'jobctl	verb	status	-	-	-	list jobs, count them, or show one in full'
set -a __jobctl_table 'jobctl	verb	wait	-	-	-	wait for jobs to end'
set -a __jobctl_table 'jobctl	verb	logs	-	-	-	show what a job wrote'
set -a __jobctl_table 'jobctl	verb	cancel	-	-	-	ask jobs to stop, or never to start'
set -a __jobctl_table 'jobctl	verb	worker	-	-	-	claim jobs and run a program for each'
set -a __jobctl_table 'jobctl	verb	reap	-	-	-	give back the jobs of dead workers now'
set -a __jobctl_table 'jobctl	verb	progress	-	-	-	tell from inside a job how far it is'
set -a __jobctl_table 'jobctl	verb	index	-	-	-	index a repository for searching'
set -a __jobctl_table 'jobctl	verb	search	-	-	-	search what was indexed'
set -a __jobctl_table 'jobctl	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-cancel	operand	job	-	-	-	-'
set -a __jobctl_table 'jobctl-cancel	option	--status	-s	1	pending|running|held|completed|failed|cancelled	jobs that are pending, running, held, completed, failed or cancelled'
set -a __jobctl_table 'jobctl-cancel	option	--queue	-q	1	queue	jobs of these queues'
set -a __jobctl_table 'jobctl-cancel	option	--project	-p	1	project	jobs of these projects'
set -a __jobctl_table 'jobctl-cancel	option	--kind	-	1	kind	jobs of these kinds'
set -a __jobctl_table 'jobctl-cancel	option	--worker	-	1	-	jobs run by these workers: HOST, HOST:PID, an id or its beginning'
set -a __jobctl_table 'jobctl-cancel	option	--since	-	1	-	jobs that ended (live ones: were submitted) at TIME or later, or within this duration'
set -a __jobctl_table 'jobctl-cancel	option	--older-than	-	1	-	jobs that ended (live ones: were submitted) before TIME, or longer ago than this duration'
set -a __jobctl_table 'jobctl-cancel	option	--all	-	0	-	all live jobs'
set -a __jobctl_table 'jobctl-cancel	option	--reason	-	1	-	record TEXT as the reason'
set -a __jobctl_table 'jobctl-cancel	option	--dry-run	-	0	-	change nothing, say what would be changed'
set -a __jobctl_table 'jobctl-cancel	option	--yes	-	0	-	change more than one job without asking'
set -a __jobctl_table 'jobctl-cancel	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-cancel	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-cancel	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-cancel	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-cancel	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-db	verb	start	-	-	-	make the cluster if there is none, and start its server'
set -a __jobctl_table 'jobctl-db	verb	stop	-	-	-	stop the server, ending all its sessions'
set -a __jobctl_table 'jobctl-db	verb	status	-	-	-	say whether it runs: exit 0 if so, 1 if not'
set -a __jobctl_table 'jobctl-db	verb	url	-	-	-	print the connection URI, for -d and JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-db	verb	psql	-	-	-	run psql on the database'
set -a __jobctl_table 'jobctl-db	verb	destroy	-	-	-	stop the server and remove the cluster with all its data'
set -a __jobctl_table 'jobctl-db	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl-db	option	--dir	-	1	dir	the cluster\'s directory, instead of JOBCTL_DB_DIR or the usual place'
set -a __jobctl_table 'jobctl-db	option	--bindir	-	1	dir	where PostgreSQL\'s programs are, instead of the newest installed'
set -a __jobctl_table 'jobctl-db	option	--timeout	-t	1	-	wait at most TIME for the server to start or stop (default 60s)'
set -a __jobctl_table 'jobctl-db	option	--yes	-	0	-	destroy without asking'
set -a __jobctl_table 'jobctl-db	option	--no-header	-H	0	-	status: print no heading'
set -a __jobctl_table 'jobctl-db	option	--output	-o	1	-	status: print these fields, tab-separated'
set -a __jobctl_table 'jobctl-db	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-db	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-db	option	--color	-	1	auto|always|never	colour the output: auto, always or never'
set -a __jobctl_table 'jobctl-db	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-db	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-index	operand	dir	-	-	-	-'
set -a __jobctl_table 'jobctl-index	option	--project	-p	1	project	index into PROJECT (default: JOBCTL_PROJECT, else default)'
set -a __jobctl_table 'jobctl-index	option	--force	-	0	-	index every file again, changed or not'
set -a __jobctl_table 'jobctl-index	option	--chunk-lines	-	1	-	cut text without structure into blocks of about N lines (default: 60)'
set -a __jobctl_table 'jobctl-index	option	--max-file-size	-	1	-	skip larger files (default: 1048576)'
set -a __jobctl_table 'jobctl-index	option	--no-header	-H	0	-	print no heading'
set -a __jobctl_table 'jobctl-index	option	--output	-o	1	-	print these fields, tab-separated'
set -a __jobctl_table 'jobctl-index	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-index	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-index	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-index	option	--color	-	1	auto|always|never	colour the output: auto, always or never'
set -a __jobctl_table 'jobctl-index	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-index	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-logs	operand	job	-	-	-	-'
set -a __jobctl_table 'jobctl-logs	option	--follow	-f	0	-	go on until the job has ended, run after run'
set -a __jobctl_table 'jobctl-logs	option	--attempt	-	1	-	of attempt N instead of the last one'
set -a __jobctl_table 'jobctl-logs	option	--lines	-n	1	-	only the last N lines'
set -a __jobctl_table 'jobctl-logs	option	--stdout	-	0	-	only what went to standard output'
set -a __jobctl_table 'jobctl-logs	option	--stderr	-	0	-	only what went to standard error'
set -a __jobctl_table 'jobctl-logs	option	--timestamps	-	0	-	put before each line when it was stored'
set -a __jobctl_table 'jobctl-logs	option	--exit-status	-	0	-	with -f: end with the job\'s exit status'
set -a __jobctl_table 'jobctl-logs	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-logs	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-logs	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-logs	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-logs	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-migrate	verb	up	-	-	-	apply what is pending'
set -a __jobctl_table 'jobctl-migrate	verb	down	-	-	-	revert the last migration, or down to a version'
set -a __jobctl_table 'jobctl-migrate	verb	status	-	-	-	list migrations: exit 0 if current, 1 if some are pending'
set -a __jobctl_table 'jobctl-migrate	verb	plan	-	-	-	print the SQL that up would run'
set -a __jobctl_table 'jobctl-migrate	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl-migrate	option	--set	-	1	-	only this set, instead of all that are compiled in; may be repeated'
set -a __jobctl_table 'jobctl-migrate	option	--dir	-	1	dir	the files in DIR, as a set named like the directory or by --set'
set -a __jobctl_table 'jobctl-migrate	option	--to	-	1	-	stop at VERSION; down: revert all after it, 0 for all there are'
set -a __jobctl_table 'jobctl-migrate	option	--lock-timeout	-	1	-	let a statement wait TIME for a lock, then retry (default 2s, 0: for ever)'
set -a __jobctl_table 'jobctl-migrate	option	--wait-lock	-	1	-	keep trying for TIME to get a lock, ours or a table\'s (default 60s)'
set -a __jobctl_table 'jobctl-migrate	option	--wait-db	-	1	-	wait up to TIME for the database to take connections (default 0)'
set -a __jobctl_table 'jobctl-migrate	option	--allow-out-of-order	-	0	-	up, plan: apply also what is older than the last one applied'
set -a __jobctl_table 'jobctl-migrate	option	--yes	-	0	-	down: revert several, or all, without asking'
set -a __jobctl_table 'jobctl-migrate	option	--no-header	-H	0	-	status: print no heading'
set -a __jobctl_table 'jobctl-migrate	option	--output	-o	1	-	status: print these fields, tab-separated'
set -a __jobctl_table 'jobctl-migrate	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-migrate	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-migrate	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-migrate	option	--verbose	-v	0	-	say more on standard error'
set -a __jobctl_table 'jobctl-migrate	option	--color	-	1	auto|always|never	colour the output: auto, always or never'
set -a __jobctl_table 'jobctl-migrate	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-migrate	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-progress	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl-progress	option	--message	-m	1	-	what the job is doing now'
set -a __jobctl_table 'jobctl-progress	option	--checkpoint	-	1	-	where a later attempt is to go on; it gets this in JOBCTL_CHECKPOINT'
set -a __jobctl_table 'jobctl-progress	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-progress	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-progress	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-reap	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl-reap	option	--dry-run	-	0	-	change nothing, say what would become of which jobs'
set -a __jobctl_table 'jobctl-reap	option	--no-header	-H	0	-	no heading'
set -a __jobctl_table 'jobctl-reap	option	--output	-o	1	-	print these fields, tab-separated; see jobctl-formats(7)'
set -a __jobctl_table 'jobctl-reap	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-reap	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-reap	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-reap	option	--color	-	1	auto|always|never	colour the output: auto, always or never'
set -a __jobctl_table 'jobctl-reap	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-reap	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-search	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl-search	option	--project	-p	1	project	search only this project (default: all you may see)'
set -a __jobctl_table 'jobctl-search	option	--repo	-	1	dir	search only this repository'
set -a __jobctl_table 'jobctl-search	option	--regex	-e	1	-	find lines that match a PostgreSQL regular expression'
set -a __jobctl_table 'jobctl-search	option	--ignore-case	-i	0	-	let case not matter to REGEX'
set -a __jobctl_table 'jobctl-search	option	--lang	-	1	-	search only files in this language'
set -a __jobctl_table 'jobctl-search	option	--limit	-n	1	-	print the N best lines, 0 for all (default: 50)'
set -a __jobctl_table 'jobctl-search	option	--no-header	-H	0	-	print no heading with -o'
set -a __jobctl_table 'jobctl-search	option	--output	-o	1	-	print these fields, tab-separated'
set -a __jobctl_table 'jobctl-search	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-search	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-search	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-search	option	--color	-	1	auto|always|never	colour the output: auto, always or never'
set -a __jobctl_table 'jobctl-search	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-search	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-status	operand	job	-	-	-	-'
set -a __jobctl_table 'jobctl-status	option	--status	-s	1	pending|running|held|completed|failed|cancelled	jobs that are pending, running, held, completed, failed or cancelled'
set -a __jobctl_table 'jobctl-status	option	--queue	-q	1	queue	jobs of these queues'
set -a __jobctl_table 'jobctl-status	option	--project	-p	1	project	jobs of these projects'
set -a __jobctl_table 'jobctl-status	option	--kind	-	1	kind	jobs of these kinds'
set -a __jobctl_table 'jobctl-status	option	--worker	-	1	-	jobs run by these workers: HOST, HOST:PID, an id or its beginning'
set -a __jobctl_table 'jobctl-status	option	--since	-	1	-	jobs that ended (live ones: were submitted) at TIME or later, or within this duration'
set -a __jobctl_table 'jobctl-status	option	--older-than	-	1	-	jobs that ended (live ones: were submitted) before TIME, or longer ago than this duration'
set -a __jobctl_table 'jobctl-status	option	--reason	-	1	-	jobs with one of these among their reasons; see jobctl-reasons(7)'
set -a __jobctl_table 'jobctl-status	option	--all	-a	0	-	finished jobs, too'
set -a __jobctl_table 'jobctl-status	option	--sort	-	1	-	sort by FIELD, or by -FIELD from the largest down'
set -a __jobctl_table 'jobctl-status	option	--limit	-n	1	-	at most N jobs; 0 for all (default: 20 in a table, else all)'
set -a __jobctl_table 'jobctl-status	option	--count	-	0	-	print how many there are'
set -a __jobctl_table 'jobctl-status	option	--by	-	1	status|reason|queue|kind|project|worker|worker_host|outcome|created_by	print how many there are for each value of FIELD'
set -a __jobctl_table 'jobctl-status	option	--watch	-	?	-	look again every TIME (default 2s) until interrupted'
set -a __jobctl_table 'jobctl-status	option	--no-header	-H	0	-	no heading'
set -a __jobctl_table 'jobctl-status	option	--output	-o	1	-	print these fields, tab-separated; see jobctl-formats(7)'
set -a __jobctl_table 'jobctl-status	option	--condition	-	0	-	as -Q, with exit status 255 for any error: for ExecCondition='
set -a __jobctl_table 'jobctl-status	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-status	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-status	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-status	option	--color	-	1	auto|always|never	colour the output: auto, always or never'
set -a __jobctl_table 'jobctl-status	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-status	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-submit	operand	kind	-	-	-	-'
set -a __jobctl_table 'jobctl-submit	option	--queue	-q	1	queue	into this queue (default: default)'
set -a __jobctl_table 'jobctl-submit	option	--project	-p	1	project	for this project (default: default)'
set -a __jobctl_table 'jobctl-submit	option	--priority	-	1	-	higher runs first (default: 0)'
set -a __jobctl_table 'jobctl-submit	option	--at	-	1	-	run not before TIME'
set -a __jobctl_table 'jobctl-submit	option	--in	-	1	-	run not before D from now'
set -a __jobctl_table 'jobctl-submit	option	--unique	-	1	-	at most one live job of the project has this key'
set -a __jobctl_table 'jobctl-submit	option	--on-conflict	-	1	skip|fail|replace	if one has it: skip (print its id; the default), fail, or replace it'
set -a __jobctl_table 'jobctl-submit	option	--unique-for	-	1	-	a job that completed with the key less than D ago counts too'
set -a __jobctl_table 'jobctl-submit	option	--after	-	1	job	run when job ID has ended; may repeat'
set -a __jobctl_table 'jobctl-submit	option	--after-ok	-	1	job	run when job ID has completed, else never; may repeat'
set -a __jobctl_table 'jobctl-submit	option	--max-attempts	-	1	-	run at most N times until it succeeds (default: 3, a command: 1)'
set -a __jobctl_table 'jobctl-submit	option	--backoff	-	1	-	exponential, linear or constant[:BASE[:MAX]] wait between attempts'
set -a __jobctl_table 'jobctl-submit	option	--timeout	-	1	-	an attempt may run this long; with --wait, also wait no longer'
set -a __jobctl_table 'jobctl-submit	option	--hold	-	0	-	do not run before jobctl-release'
set -a __jobctl_table 'jobctl-submit	option	--args	-	1	file	the job\'s arguments: an object, @FILE, or - for standard input'
set -a __jobctl_table 'jobctl-submit	option	--cwd	-	1	dir	run the command in DIR (default: where you are)'
set -a __jobctl_table 'jobctl-submit	option	--env	-	1	-	set NAME for the command, to its value here or to TEXT; may repeat'
set -a __jobctl_table 'jobctl-submit	option	--lines	-	0	-	one job for each line of standard input, which replaces {}'
set -a __jobctl_table 'jobctl-submit	option	--null	-0	0	-	lines end with a NUL byte'
set -a __jobctl_table 'jobctl-submit	option	--jsonl	-	0	-	one job for each JSON object on standard input, one per line'
set -a __jobctl_table 'jobctl-submit	option	--batch	-	1	-	commit after every N jobs (default: after the last)'
set -a __jobctl_table 'jobctl-submit	option	--wait	-	0	-	show the job\'s output, exit with its status'
set -a __jobctl_table 'jobctl-submit	option	--dry-run	-	0	-	print the job as JSON, submit nothing'
set -a __jobctl_table 'jobctl-submit	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-submit	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-submit	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-submit	option	--verbose	-v	0	-	say more on standard error'
set -a __jobctl_table 'jobctl-submit	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-submit	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-wait	operand	job	-	-	-	-'
set -a __jobctl_table 'jobctl-wait	option	--any	-	0	-	until one has ended'
set -a __jobctl_table 'jobctl-wait	option	--count	-	1	-	until N have ended'
set -a __jobctl_table 'jobctl-wait	option	--fail-fast	-	0	-	no longer once one has failed or was cancelled'
set -a __jobctl_table 'jobctl-wait	option	--timeout	-	1	-	no longer than D; the exit status is then 124'
set -a __jobctl_table 'jobctl-wait	option	--test	-	0	-	not at all: the exit status says how it stands'
set -a __jobctl_table 'jobctl-wait	option	--progress	-	0	-	show on a terminal how many have ended'
set -a __jobctl_table 'jobctl-wait	option	--status	-s	1	pending|running|held|completed|failed|cancelled	jobs that are pending, running, held, completed, failed or cancelled'
set -a __jobctl_table 'jobctl-wait	option	--queue	-q	1	queue	jobs of these queues'
set -a __jobctl_table 'jobctl-wait	option	--project	-p	1	project	jobs of these projects'
set -a __jobctl_table 'jobctl-wait	option	--kind	-	1	kind	jobs of these kinds'
set -a __jobctl_table 'jobctl-wait	option	--worker	-	1	-	jobs run by these workers: HOST, HOST:PID, an id or its beginning'
set -a __jobctl_table 'jobctl-wait	option	--since	-	1	-	jobs that ended (live ones: were submitted) at TIME or later, or within this duration'
set -a __jobctl_table 'jobctl-wait	option	--older-than	-	1	-	jobs that ended (live ones: were submitted) before TIME, or longer ago than this duration'
set -a __jobctl_table 'jobctl-wait	option	--reason	-	1	-	jobs with one of these among their reasons; see jobctl-reasons(7)'
set -a __jobctl_table 'jobctl-wait	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-wait	option	--json	-	0	-	print JSON Lines'
set -a __jobctl_table 'jobctl-wait	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-wait	option	--verbose	-v	0	-	say more on standard error'
set -a __jobctl_table 'jobctl-wait	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-wait	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
set -a __jobctl_table 'jobctl-worker	operand	file	-	-	-	-'
set -a __jobctl_table 'jobctl-worker	option	--queue	-q	1	queue	take jobs from this queue; a comma list, repeats (default: default)'
set -a __jobctl_table 'jobctl-worker	option	--all-queues	-	0	-	take jobs from every queue'
set -a __jobctl_table 'jobctl-worker	option	--jobs	-j	1	-	run up to N commands at once (default: 1)'
set -a __jobctl_table 'jobctl-worker	option	--handlers	-	1	dir	run DIR/KIND for a job of kind KIND; take only kinds that DIR has'
set -a __jobctl_table 'jobctl-worker	option	--exec	-	0	-	run the job\'s own command (kind exec), with a clean environment'
set -a __jobctl_table 'jobctl-worker	option	--pipe	-	0	-	the command stays: it gets jobs as lines of JSON and answers each'
set -a __jobctl_table 'jobctl-worker	option	--window	-	1	-	with --pipe, hand a command up to N jobs at once (default: 1)'
set -a __jobctl_table 'jobctl-worker	option	--allow	-	1	-	with --exec, run only commands whose first word matches; repeats'
set -a __jobctl_table 'jobctl-worker	option	--env	-	1	-	with --exec, let commands see this variable of the worker\'s; repeats'
set -a __jobctl_table 'jobctl-worker	option	--kinds	-	1	kind	take only jobs of these kinds; a comma list, repeats'
set -a __jobctl_table 'jobctl-worker	option	--drain	-	0	-	stop when nothing is ready, and say nothing: for cron'
set -a __jobctl_table 'jobctl-worker	option	--once	-	0	-	run one job, if one is ready, and stop'
set -a __jobctl_table 'jobctl-worker	option	--max-jobs	-	1	-	stop after N jobs'
set -a __jobctl_table 'jobctl-worker	option	--max-time	-	1	-	take no more jobs after D, finish those that run, and stop'
set -a __jobctl_table 'jobctl-worker	option	--idle-exit	-	1	-	stop when there has been nothing to do for D'
set -a __jobctl_table 'jobctl-worker	option	--poll	-	1	-	look for jobs every D while idle (default: 2s)'
set -a __jobctl_table 'jobctl-worker	option	--lease	-	1	-	after D without a sign of life other workers get the jobs (default: 60s)'
set -a __jobctl_table 'jobctl-worker	option	--grace	-	1	-	time between TERM and KILL for a command that is to stop (default: 10s)'
set -a __jobctl_table 'jobctl-worker	option	--drain-timeout	-	1	-	when told to stop, let jobs run on for D (default: 60s)'
set -a __jobctl_table 'jobctl-worker	option	--stop-after	-	1	-	stop with status 1 after N failures, or if N% of ten jobs or more failed'
set -a __jobctl_table 'jobctl-worker	option	--permanent	-	1	-	exit codes after which a job is not tried again, or none (default: 65,78)'
set -a __jobctl_table 'jobctl-worker	option	--fail-on-job-failure	-	0	-	exit with status 1 if a job failed'
set -a __jobctl_table 'jobctl-worker	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-worker	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-worker	option	--verbose	-v	0	-	say more on standard error'
set -a __jobctl_table 'jobctl-worker	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-worker	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
# table: end

# The first word of each line that jobctl-status prints.
function __jobctl_ask
	set -lx PGCONNECT_TIMEOUT 1
	set -l db
	set -l words (commandline -opc)
	for i in (seq 2 (count $words))
		switch $words[$i]
			case -d --dbname
				set db -d $words[(math $i + 1)]
			case '--dbname=*'
				set db -d (string replace -- --dbname= '' $words[$i])
		end
	end 2>/dev/null
	command jobctl-status $db -aHn 200 $argv 2>/dev/null </dev/null |
		string replace -r ' .*' '' | string match -v -- -
end

# The last of a comma list is what is completed.
function __jobctl_list
	set -l head (string match -r '.*,' -- (commandline -ct | string replace -r '^--[^=]*=' ''))
	printf '%s\n' "$head"$argv
end

function __jobctl_value --argument-names what
	switch $what
		case file
			__fish_complete_path (commandline -ct)
		case dir
			__fish_complete_directories (commandline -ct) ''
		case job
			__jobctl_ask -o id
		case queue kind project
			__jobctl_list (__jobctl_ask --by $what)
		case '*|*'
			__jobctl_list (string split '|' -- $what)
	end
end

# Whether the command line is that of the program, called by either name.
function __jobctl_is --argument-names program
	set -l words (commandline -opc)
	set -l name (string replace -r '.*/' '' -- $words[1])
	test "$name" = $program; and return 0
	test "$name" = jobctl; and test (count $words) -ge 2; and test "jobctl-$words[2]" = $program
end

# The program has verbs and none is there yet: nothing but the name, or "jobctl VERB", and options.
function __jobctl_wants_verb --argument-names program
	__jobctl_is $program; or return 1
	string match -q "$program"\t"verb"\t"*" -- $__jobctl_table; or return 1
	set -l words (commandline -opc)
	set -l from 2
	test "$words[1]" = jobctl; and test $program != jobctl; and set from 3
	if test $program = jobctl; and test "$words[2]" = help
		set from 3
	end
	for word in $words[$from..-1]
		string match -q -- '-*' $word; or return 1
	end
	return 0
end

function __jobctl_add --argument-names program
	set -l line (string split \t -- $argv[2])
	set -l commands $program
	test $program = jobctl; or set -a commands jobctl
	for command in $commands
		switch $line[2]
			case verb
				complete -c $command -f -n "__jobctl_wants_verb $program" -a $line[3] -d $line[7]
			case operand
				complete -c $command -f -n "__jobctl_is $program"
				test $line[3] = -; or complete -c $command -f \
					-n "__jobctl_is $program; and not __jobctl_wants_verb $program" \
					-a "(__jobctl_value '$line[3]')"
			case option
				set -l arguments -l (string sub -s 3 -- $line[3]) -d $line[7]
				test $line[4] = -; or set -a arguments -s (string sub -s 2 -- $line[4])
				test $line[5] = 1; and set -a arguments -x -a "(__jobctl_value '$line[6]')"
				complete -c $command -n "__jobctl_is $program" $arguments
		end
	end
end

for line in $__jobctl_table
	__jobctl_add (string split -m 1 \t -- $line)[1] $line
end
functions -e __jobctl_add
