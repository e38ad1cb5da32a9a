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
set -a __jobctl_table 'jobctl	verb	progress	-	-	-	tell from inside a job how far it is'
set -a __jobctl_table 'jobctl	verb	index	-	-	-	index a repository for searching'
set -a __jobctl_table 'jobctl	verb	search	-	-	-	search what was indexed'
set -a __jobctl_table 'jobctl	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
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
set -a __jobctl_table 'jobctl-migrate	verb	up	-	-	-	apply what is pending'
set -a __jobctl_table 'jobctl-migrate	verb	down	-	-	-	revert the last migration, or down to a version'
set -a __jobctl_table 'jobctl-migrate	verb	status	-	-	-	list migrations: exit 0 if current, 1 if some are pending'
set -a __jobctl_table 'jobctl-migrate	verb	plan	-	-	-	print the SQL that up would run'
set -a __jobctl_table 'jobctl-migrate	operand	-	-	-	-	-'
set -a __jobctl_table 'jobctl-migrate	option	--set	-	1	-	only this set, instead of all that are compiled in; may be repeated'
set -a __jobctl_table 'jobctl-migrate	option	--dir	-	1	dir	the files in DIR, as a set named like the directory or by --set'
set -a __jobctl_table 'jobctl-migrate	option	--to	-	1	-	stop at VERSION; down: revert all after it, 0 for all there are'
set -a __jobctl_table 'jobctl-migrate	option	--lock-timeout	-	1	-	let a statement wait TIME for a lock, then try again (default 2s, 0: for ever)'
set -a __jobctl_table 'jobctl-migrate	option	--wait-lock	-	1	-	go on trying for TIME while another migration runs or a table is locked (default 60s)'
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
set -a __jobctl_table 'jobctl-worker	operand	file	-	-	-	-'
set -a __jobctl_table 'jobctl-worker	option	--queue	-q	1	queue	take jobs from this queue; a comma list, and it repeats (default: default)'
set -a __jobctl_table 'jobctl-worker	option	--all-queues	-	0	-	take jobs from every queue'
set -a __jobctl_table 'jobctl-worker	option	--jobs	-j	1	-	run up to N jobs at once (default: 1)'
set -a __jobctl_table 'jobctl-worker	option	--handlers	-	1	dir	run DIR/KIND for a job of kind KIND; take only kinds that DIR has'
set -a __jobctl_table 'jobctl-worker	option	--exec	-	0	-	run the job\'s own command (kind exec), with a clean environment'
set -a __jobctl_table 'jobctl-worker	option	--allow	-	1	-	with --exec, run only commands whose first word matches; repeats'
set -a __jobctl_table 'jobctl-worker	option	--env	-	1	-	with --exec, let commands see this variable of the worker\'s; repeats'
set -a __jobctl_table 'jobctl-worker	option	--kinds	-	1	kind	take only jobs of these kinds; a comma list, and it repeats'
set -a __jobctl_table 'jobctl-worker	option	--drain	-	0	-	stop when nothing is ready, and say nothing: for cron'
set -a __jobctl_table 'jobctl-worker	option	--once	-	0	-	run one job, if one is ready, and stop'
set -a __jobctl_table 'jobctl-worker	option	--max-jobs	-	1	-	stop after N jobs'
set -a __jobctl_table 'jobctl-worker	option	--max-time	-	1	-	take no more jobs after D, finish those that run, and stop'
set -a __jobctl_table 'jobctl-worker	option	--idle-exit	-	1	-	stop when there has been nothing to do for D'
set -a __jobctl_table 'jobctl-worker	option	--poll	-	1	-	look for jobs every D while idle (default: 2s)'
set -a __jobctl_table 'jobctl-worker	option	--lease	-	1	-	after D without a sign of life other workers get the jobs (default: 60s)'
set -a __jobctl_table 'jobctl-worker	option	--grace	-	1	-	time between TERM and KILL for a command that is to stop (default: 10s)'
set -a __jobctl_table 'jobctl-worker	option	--drain-timeout	-	1	-	when told to stop, let jobs run on for D (default: 60s)'
set -a __jobctl_table 'jobctl-worker	option	--stop-after	-	1	-	stop with exit status 1 after N failures, or when N% of at least ten jobs failed'
set -a __jobctl_table 'jobctl-worker	option	--permanent	-	1	-	exit codes after which a job is not tried again (default: 65,78)'
set -a __jobctl_table 'jobctl-worker	option	--fail-on-job-failure	-	0	-	exit with status 1 if a job failed'
set -a __jobctl_table 'jobctl-worker	option	--dbname	-d	1	-	connect with CONNINFO instead of JOBCTL_DATABASE'
set -a __jobctl_table 'jobctl-worker	option	--quiet	-Q	0	-	print nothing but errors'
set -a __jobctl_table 'jobctl-worker	option	--verbose	-v	0	-	say more on standard error'
set -a __jobctl_table 'jobctl-worker	option	--help	-h	0	-	show this help and exit'
set -a __jobctl_table 'jobctl-worker	option	--version	-V	0	-	show the versions of program, libpq and schema and exit'
# table: end

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
	command jobctl-status $db -Hn 200 $argv 2>/dev/null </dev/null
end

function __jobctl_value --argument-names what
	switch $what
		case file
			__fish_complete_path (commandline -ct)
		case dir
			__fish_complete_directories (commandline -ct) ''
		case job
			__jobctl_ask -a -o id
		case queue kind project
			__jobctl_ask -a --by $what -o $what
		case '*|*'
			string split '|' -- $what
	end
end

# Whether the command line is that of the program, called by either name.
function __jobctl_is --argument-names program
	set -l words (commandline -opc)
	set -l name (string replace -r '.*/' '' -- $words[1])
	test "$name" = $program; and return 0
	test "$name" = jobctl; and test (count $words) -ge 2; and test "jobctl-$words[2]" = $program
end

# No verb yet: nothing but the name, or "jobctl VERB", and options.
function __jobctl_wants_verb --argument-names program
	__jobctl_is $program; or return 1
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
