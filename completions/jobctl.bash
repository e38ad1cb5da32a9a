# shellcheck shell=bash
# bash completion for jobctl and its programs, on its own or through bash-completion
#
# Options, verbs and choices come from the table, which "make gen" makes from the
# programs' own option tables.  Queues, kinds, projects and jobs are asked of the
# database, for a second at most; if it does not answer there is nothing to offer.

# table: begin
_jobctl_table='jobctl	verb	help	-	-	-	-
jobctl	verb	db	-	-	-	-
jobctl	verb	migrate	-	-	-	-
jobctl	verb	verify	-	-	-	-
jobctl	verb	submit	-	-	-	-
jobctl	verb	status	-	-	-	-
jobctl	verb	wait	-	-	-	-
jobctl	verb	explain	-	-	-	-
jobctl	verb	logs	-	-	-	-
jobctl	verb	events	-	-	-	-
jobctl	verb	top	-	-	-	-
jobctl	verb	cancel	-	-	-	-
jobctl	verb	retry	-	-	-	-
jobctl	verb	hold	-	-	-	-
jobctl	verb	release	-	-	-	-
jobctl	verb	worker	-	-	-	-
jobctl	verb	queue	-	-	-	-
jobctl	verb	reap	-	-	-	-
jobctl	verb	prune	-	-	-	-
jobctl	verb	progress	-	-	-	-
jobctl	verb	metrics	-	-	-	-
jobctl	verb	check	-	-	-	-
jobctl	verb	doctor	-	-	-	-
jobctl	verb	index	-	-	-	-
jobctl	verb	search	-	-	-	-
jobctl	operand	-	-	-	-	-
jobctl	option	--help	-h	0	-	-
jobctl	option	--version	-V	0	-	-
jobctl-cancel	operand	job	-	-	-	-
jobctl-cancel	option	--status	-s	1	pending|running|held|completed|failed|cancelled	-
jobctl-cancel	option	--queue	-q	1	queue	-
jobctl-cancel	option	--project	-p	1	project	-
jobctl-cancel	option	--kind	-	1	kind	-
jobctl-cancel	option	--worker	-	1	-	-
jobctl-cancel	option	--since	-	1	-	-
jobctl-cancel	option	--older-than	-	1	-	-
jobctl-cancel	option	--all	-	0	-	-
jobctl-cancel	option	--reason	-	1	-	-
jobctl-cancel	option	--dry-run	-	0	-	-
jobctl-cancel	option	--yes	-	0	-	-
jobctl-cancel	option	--dbname	-d	1	-	-
jobctl-cancel	option	--json	-	0	-	-
jobctl-cancel	option	--quiet	-Q	0	-	-
jobctl-cancel	option	--help	-h	0	-	-
jobctl-cancel	option	--version	-V	0	-	-
jobctl-check	verb	failure-rate	-	-	-	-
jobctl-check	verb	stuck	-	-	-	-
jobctl-check	verb	oldest-ready	-	-	-	-
jobctl-check	verb	workers	-	-	-	-
jobctl-check	verb	table-size	-	-	-	-
jobctl-check	verb	xmin	-	-	-	-
jobctl-check	operand	-	-	-	-	-
jobctl-check	option	--warning	-w	1	-	-
jobctl-check	option	--critical	-c	1	-	-
jobctl-check	option	--queue	-q	1	queue	-
jobctl-check	option	--project	-p	1	project	-
jobctl-check	option	--kind	-	1	kind	-
jobctl-check	option	--table	-	1	-	-
jobctl-check	option	--window	-	1	-	-
jobctl-check	option	--timeout	-t	1	-	-
jobctl-check	option	--dbname	-d	1	-	-
jobctl-check	option	--help	-h	0	-	-
jobctl-check	option	--version	-V	0	-	-
jobctl-db	verb	start	-	-	-	-
jobctl-db	verb	stop	-	-	-	-
jobctl-db	verb	status	-	-	-	-
jobctl-db	verb	url	-	-	-	-
jobctl-db	verb	psql	-	-	-	-
jobctl-db	verb	destroy	-	-	-	-
jobctl-db	operand	-	-	-	-	-
jobctl-db	option	--dir	-	1	dir	-
jobctl-db	option	--bindir	-	1	dir	-
jobctl-db	option	--timeout	-t	1	-	-
jobctl-db	option	--yes	-	0	-	-
jobctl-db	option	--no-header	-H	0	-	-
jobctl-db	option	--output	-o	1	-	-
jobctl-db	option	--json	-	0	-	-
jobctl-db	option	--quiet	-Q	0	-	-
jobctl-db	option	--color	-	1	auto|always|never	-
jobctl-db	option	--help	-h	0	-	-
jobctl-db	option	--version	-V	0	-	-
jobctl-doctor	operand	-	-	-	-	-
jobctl-doctor	option	--held	-	1	-	-
jobctl-doctor	option	--no-header	-H	0	-	-
jobctl-doctor	option	--output	-o	1	-	-
jobctl-doctor	option	--dbname	-d	1	-	-
jobctl-doctor	option	--json	-	0	-	-
jobctl-doctor	option	--quiet	-Q	0	-	-
jobctl-doctor	option	--verbose	-v	0	-	-
jobctl-doctor	option	--color	-	1	auto|always|never	-
jobctl-doctor	option	--help	-h	0	-	-
jobctl-doctor	option	--version	-V	0	-	-
jobctl-events	operand	job	-	-	-	-
jobctl-events	option	--follow	-f	0	-	-
jobctl-events	option	--queue	-q	1	queue	-
jobctl-events	option	--project	-p	1	project	-
jobctl-events	option	--event	-	1	attempt|completed|failed|cancelled|cancel|retry|hold|release|edit|reap|pause|resume|limit|submit|wait|start|progress|due	-
jobctl-events	option	--since	-	1	-	-
jobctl-events	option	--older-than	-	1	-	-
jobctl-events	option	--limit	-n	1	-	-
jobctl-events	option	--timestamps	-	1	absolute|relative	-
jobctl-events	option	--exit-status	-	0	-	-
jobctl-events	option	--no-header	-H	0	-	-
jobctl-events	option	--output	-o	1	-	-
jobctl-events	option	--dbname	-d	1	-	-
jobctl-events	option	--json	-	0	-	-
jobctl-events	option	--quiet	-Q	0	-	-
jobctl-events	option	--help	-h	0	-	-
jobctl-events	option	--version	-V	0	-	-
jobctl-explain	operand	job	-	-	-	-
jobctl-explain	option	--queue	-q	1	queue	-
jobctl-explain	option	--no-header	-H	0	-	-
jobctl-explain	option	--output	-o	1	-	-
jobctl-explain	option	--dbname	-d	1	-	-
jobctl-explain	option	--json	-	0	-	-
jobctl-explain	option	--quiet	-Q	0	-	-
jobctl-explain	option	--color	-	1	auto|always|never	-
jobctl-explain	option	--help	-h	0	-	-
jobctl-explain	option	--version	-V	0	-	-
jobctl-hold	operand	job	-	-	-	-
jobctl-hold	option	--status	-s	1	pending|running|held|completed|failed|cancelled	-
jobctl-hold	option	--queue	-q	1	queue	-
jobctl-hold	option	--project	-p	1	project	-
jobctl-hold	option	--kind	-	1	kind	-
jobctl-hold	option	--worker	-	1	-	-
jobctl-hold	option	--since	-	1	-	-
jobctl-hold	option	--older-than	-	1	-	-
jobctl-hold	option	--all	-	0	-	-
jobctl-hold	option	--reason	-	1	-	-
jobctl-hold	option	--dry-run	-	0	-	-
jobctl-hold	option	--yes	-	0	-	-
jobctl-hold	option	--dbname	-d	1	-	-
jobctl-hold	option	--json	-	0	-	-
jobctl-hold	option	--quiet	-Q	0	-	-
jobctl-hold	option	--help	-h	0	-	-
jobctl-hold	option	--version	-V	0	-	-
jobctl-index	operand	dir	-	-	-	-
jobctl-index	option	--project	-p	1	project	-
jobctl-index	option	--force	-	0	-	-
jobctl-index	option	--chunk-lines	-	1	-	-
jobctl-index	option	--max-file-size	-	1	-	-
jobctl-index	option	--no-header	-H	0	-	-
jobctl-index	option	--output	-o	1	-	-
jobctl-index	option	--dbname	-d	1	-	-
jobctl-index	option	--json	-	0	-	-
jobctl-index	option	--quiet	-Q	0	-	-
jobctl-index	option	--color	-	1	auto|always|never	-
jobctl-index	option	--help	-h	0	-	-
jobctl-index	option	--version	-V	0	-	-
jobctl-logs	operand	job	-	-	-	-
jobctl-logs	option	--follow	-f	0	-	-
jobctl-logs	option	--attempt	-	1	-	-
jobctl-logs	option	--lines	-n	1	-	-
jobctl-logs	option	--stdout	-	0	-	-
jobctl-logs	option	--stderr	-	0	-	-
jobctl-logs	option	--timestamps	-	?	absolute|relative	-
jobctl-logs	option	--exit-status	-	0	-	-
jobctl-logs	option	--dbname	-d	1	-	-
jobctl-logs	option	--json	-	0	-	-
jobctl-logs	option	--quiet	-Q	0	-	-
jobctl-logs	option	--help	-h	0	-	-
jobctl-logs	option	--version	-V	0	-	-
jobctl-metrics	operand	-	-	-	-	-
jobctl-metrics	option	--output	-o	1	file	-
jobctl-metrics	option	--timeout	-t	1	-	-
jobctl-metrics	option	--dbname	-d	1	-	-
jobctl-metrics	option	--help	-h	0	-	-
jobctl-metrics	option	--version	-V	0	-	-
jobctl-migrate	verb	up	-	-	-	-
jobctl-migrate	verb	down	-	-	-	-
jobctl-migrate	verb	redo	-	-	-	-
jobctl-migrate	verb	status	-	-	-	-
jobctl-migrate	verb	plan	-	-	-	-
jobctl-migrate	verb	new	-	-	-	-
jobctl-migrate	verb	baseline	-	-	-	-
jobctl-migrate	verb	repair	-	-	-	-
jobctl-migrate	verb	lock-holder	-	-	-	-
jobctl-migrate	verb	lint	-	-	-	-
jobctl-migrate	operand	-	-	-	-	-
jobctl-migrate	option	--set	-	1	-	up down redo status plan baseline repair lint
jobctl-migrate	option	--dir	-	1	dir	up down redo status plan baseline repair new lint
jobctl-migrate	option	--to	-	1	-	up down redo plan
jobctl-migrate	option	--lock-timeout	-	1	-	up down redo plan
jobctl-migrate	option	--wait-lock	-	1	-	up down redo baseline repair
jobctl-migrate	option	--wait-db	-	1	-	up down redo status plan baseline repair lock-holder
jobctl-migrate	option	--allow-out-of-order	-	0	-	up plan
jobctl-migrate	option	--yes	-	0	-	down redo baseline repair
jobctl-migrate	option	--dry-run	-	0	-	down redo repair
jobctl-migrate	option	--accept-checksum	-	1	-	repair
jobctl-migrate	option	--mark-applied	-	1	-	repair
jobctl-migrate	option	--mark-pending	-	1	-	repair
jobctl-migrate	option	--forget	-	1	-	repair
jobctl-migrate	option	--applied	-	1	-	lint
jobctl-migrate	option	--strict	-	0	-	lint
jobctl-migrate	option	--no-header	-H	0	-	status lock-holder lint
jobctl-migrate	option	--output	-o	1	-	status lock-holder lint
jobctl-migrate	option	--dbname	-d	1	-	up down redo status plan baseline repair lock-holder
jobctl-migrate	option	--json	-	0	-	up down redo status new baseline repair lock-holder lint
jobctl-migrate	option	--quiet	-Q	0	-	-
jobctl-migrate	option	--verbose	-v	0	-	-
jobctl-migrate	option	--color	-	1	auto|always|never	-
jobctl-migrate	option	--help	-h	0	-	-
jobctl-migrate	option	--version	-V	0	-	-
jobctl-progress	operand	-	-	-	-	-
jobctl-progress	option	--message	-m	1	-	-
jobctl-progress	option	--checkpoint	-	1	-	-
jobctl-progress	option	--quiet	-Q	0	-	-
jobctl-progress	option	--help	-h	0	-	-
jobctl-progress	option	--version	-V	0	-	-
jobctl-prune	operand	-	-	-	-	-
jobctl-prune	option	--keep	-	1	-	-
jobctl-prune	option	--export	-	1	file	-
jobctl-prune	option	--dry-run	-	0	-	-
jobctl-prune	option	--yes	-	0	-	-
jobctl-prune	option	--no-header	-H	0	-	-
jobctl-prune	option	--output	-o	1	-	-
jobctl-prune	option	--dbname	-d	1	-	-
jobctl-prune	option	--json	-	0	-	-
jobctl-prune	option	--quiet	-Q	0	-	-
jobctl-prune	option	--color	-	1	auto|always|never	-
jobctl-prune	option	--help	-h	0	-	-
jobctl-prune	option	--version	-V	0	-	-
jobctl-queue	verb	list	-	-	-	-
jobctl-queue	verb	pause	-	-	-	-
jobctl-queue	verb	resume	-	-	-	-
jobctl-queue	verb	set	-	-	-	-
jobctl-queue	verb	drain	-	-	-	-
jobctl-queue	operand	queue	-	-	-	-
jobctl-queue	option	--queue	-q	1	queue	-
jobctl-queue	option	--reason	-	1	-	pause drain
jobctl-queue	option	--for	-	1	-	pause
jobctl-queue	option	--timeout	-t	1	-	drain
jobctl-queue	option	--no-header	-H	0	-	list
jobctl-queue	option	--output	-o	1	-	list
jobctl-queue	option	--dbname	-d	1	-	-
jobctl-queue	option	--json	-	0	-	-
jobctl-queue	option	--quiet	-Q	0	-	-
jobctl-queue	option	--color	-	1	auto|always|never	-
jobctl-queue	option	--help	-h	0	-	-
jobctl-queue	option	--version	-V	0	-	-
jobctl-reap	operand	-	-	-	-	-
jobctl-reap	option	--dry-run	-	0	-	-
jobctl-reap	option	--no-header	-H	0	-	-
jobctl-reap	option	--output	-o	1	-	-
jobctl-reap	option	--dbname	-d	1	-	-
jobctl-reap	option	--json	-	0	-	-
jobctl-reap	option	--quiet	-Q	0	-	-
jobctl-reap	option	--color	-	1	auto|always|never	-
jobctl-reap	option	--help	-h	0	-	-
jobctl-reap	option	--version	-V	0	-	-
jobctl-release	operand	job	-	-	-	-
jobctl-release	option	--status	-s	1	pending|running|held|completed|failed|cancelled	-
jobctl-release	option	--queue	-q	1	queue	-
jobctl-release	option	--project	-p	1	project	-
jobctl-release	option	--kind	-	1	kind	-
jobctl-release	option	--worker	-	1	-	-
jobctl-release	option	--since	-	1	-	-
jobctl-release	option	--older-than	-	1	-	-
jobctl-release	option	--all	-	0	-	-
jobctl-release	option	--reason	-	1	-	-
jobctl-release	option	--dry-run	-	0	-	-
jobctl-release	option	--yes	-	0	-	-
jobctl-release	option	--dbname	-d	1	-	-
jobctl-release	option	--json	-	0	-	-
jobctl-release	option	--quiet	-Q	0	-	-
jobctl-release	option	--help	-h	0	-	-
jobctl-release	option	--version	-V	0	-	-
jobctl-retry	operand	job	-	-	-	-
jobctl-retry	option	--in	-	1	-	-
jobctl-retry	option	--edit	-	1	-	-
jobctl-retry	option	--status	-s	1	pending|running|held|completed|failed|cancelled	-
jobctl-retry	option	--queue	-q	1	queue	-
jobctl-retry	option	--project	-p	1	project	-
jobctl-retry	option	--kind	-	1	kind	-
jobctl-retry	option	--worker	-	1	-	-
jobctl-retry	option	--since	-	1	-	-
jobctl-retry	option	--older-than	-	1	-	-
jobctl-retry	option	--all	-	0	-	-
jobctl-retry	option	--reason	-	1	-	-
jobctl-retry	option	--dry-run	-	0	-	-
jobctl-retry	option	--yes	-	0	-	-
jobctl-retry	option	--dbname	-d	1	-	-
jobctl-retry	option	--json	-	0	-	-
jobctl-retry	option	--quiet	-Q	0	-	-
jobctl-retry	option	--help	-h	0	-	-
jobctl-retry	option	--version	-V	0	-	-
jobctl-search	operand	-	-	-	-	-
jobctl-search	option	--project	-p	1	project	-
jobctl-search	option	--repo	-	1	dir	-
jobctl-search	option	--regex	-e	1	-	-
jobctl-search	option	--ignore-case	-i	0	-	-
jobctl-search	option	--lang	-	1	-	-
jobctl-search	option	--limit	-n	1	-	-
jobctl-search	option	--no-header	-H	0	-	-
jobctl-search	option	--output	-o	1	-	-
jobctl-search	option	--dbname	-d	1	-	-
jobctl-search	option	--json	-	0	-	-
jobctl-search	option	--quiet	-Q	0	-	-
jobctl-search	option	--color	-	1	auto|always|never	-
jobctl-search	option	--help	-h	0	-	-
jobctl-search	option	--version	-V	0	-	-
jobctl-status	operand	job	-	-	-	-
jobctl-status	option	--status	-s	1	pending|running|held|completed|failed|cancelled	-
jobctl-status	option	--queue	-q	1	queue	-
jobctl-status	option	--project	-p	1	project	-
jobctl-status	option	--kind	-	1	kind	-
jobctl-status	option	--worker	-	1	-	-
jobctl-status	option	--since	-	1	-	-
jobctl-status	option	--older-than	-	1	-	-
jobctl-status	option	--reason	-	1	-	-
jobctl-status	option	--all	-a	0	-	-
jobctl-status	option	--sort	-	1	-	-
jobctl-status	option	--limit	-n	1	-	-
jobctl-status	option	--count	-	0	-	-
jobctl-status	option	--by	-	1	status|reason|queue|kind|project|worker|worker_host|outcome|created_by	-
jobctl-status	option	--watch	-	?	-	-
jobctl-status	option	--no-header	-H	0	-	-
jobctl-status	option	--output	-o	1	-	-
jobctl-status	option	--condition	-	0	-	-
jobctl-status	option	--dbname	-d	1	-	-
jobctl-status	option	--json	-	0	-	-
jobctl-status	option	--quiet	-Q	0	-	-
jobctl-status	option	--color	-	1	auto|always|never	-
jobctl-status	option	--help	-h	0	-	-
jobctl-status	option	--version	-V	0	-	-
jobctl-submit	operand	kind	-	-	-	-
jobctl-submit	option	--queue	-q	1	queue	-
jobctl-submit	option	--project	-p	1	project	-
jobctl-submit	option	--priority	-	1	-	-
jobctl-submit	option	--at	-	1	-	-
jobctl-submit	option	--in	-	1	-	-
jobctl-submit	option	--unique	-	1	-	-
jobctl-submit	option	--on-conflict	-	1	skip|fail|replace	-
jobctl-submit	option	--unique-for	-	1	-	-
jobctl-submit	option	--after	-	1	job	-
jobctl-submit	option	--after-ok	-	1	job	-
jobctl-submit	option	--max-attempts	-	1	-	-
jobctl-submit	option	--backoff	-	1	-	-
jobctl-submit	option	--timeout	-	1	-	-
jobctl-submit	option	--hold	-	0	-	-
jobctl-submit	option	--args	-	1	file	-
jobctl-submit	option	--cwd	-	1	dir	-
jobctl-submit	option	--env	-	1	-	-
jobctl-submit	option	--lines	-	0	-	-
jobctl-submit	option	--null	-0	0	-	-
jobctl-submit	option	--jsonl	-	0	-	-
jobctl-submit	option	--batch	-	1	-	-
jobctl-submit	option	--wait	-	0	-	-
jobctl-submit	option	--dry-run	-	0	-	-
jobctl-submit	option	--dbname	-d	1	-	-
jobctl-submit	option	--json	-	0	-	-
jobctl-submit	option	--quiet	-Q	0	-	-
jobctl-submit	option	--verbose	-v	0	-	-
jobctl-submit	option	--help	-h	0	-	-
jobctl-submit	option	--version	-V	0	-	-
jobctl-top	operand	-	-	-	-	-
jobctl-top	option	--batch	-b	0	-	-
jobctl-top	option	--limit	-n	1	-	-
jobctl-top	option	--interval	-	1	-	-
jobctl-top	option	--filter	-	1	-	-
jobctl-top	option	--waiting	-	0	-	-
jobctl-top	option	--dbname	-d	1	-	-
jobctl-top	option	--color	-	1	auto|always|never	-
jobctl-top	option	--help	-h	0	-	-
jobctl-top	option	--version	-V	0	-	-
jobctl-verify	verb	drift	-	-	-	-
jobctl-verify	operand	-	-	-	-	-
jobctl-verify	option	--set	-	1	-	-
jobctl-verify	option	--dir	-	1	dir	-
jobctl-verify	option	--round-trip	-	0	-	-
jobctl-verify	option	--strict	-	0	-	drift
jobctl-verify	option	--rows	-	1	-	-
jobctl-verify	option	--runs	-	1	-	-
jobctl-verify	option	--report	-	1	md|tap|json	-
jobctl-verify	option	--scratch	-	1	-	-
jobctl-verify	option	--dbname	-d	1	-	-
jobctl-verify	option	--json	-	0	-	-
jobctl-verify	option	--quiet	-Q	0	-	-
jobctl-verify	option	--color	-	1	auto|always|never	-
jobctl-verify	option	--help	-h	0	-	-
jobctl-verify	option	--version	-V	0	-	-
jobctl-wait	operand	job	-	-	-	-
jobctl-wait	option	--any	-	0	-	-
jobctl-wait	option	--count	-	1	-	-
jobctl-wait	option	--fail-fast	-	0	-	-
jobctl-wait	option	--timeout	-	1	-	-
jobctl-wait	option	--test	-	0	-	-
jobctl-wait	option	--progress	-	0	-	-
jobctl-wait	option	--status	-s	1	pending|running|held|completed|failed|cancelled	-
jobctl-wait	option	--queue	-q	1	queue	-
jobctl-wait	option	--project	-p	1	project	-
jobctl-wait	option	--kind	-	1	kind	-
jobctl-wait	option	--worker	-	1	-	-
jobctl-wait	option	--since	-	1	-	-
jobctl-wait	option	--older-than	-	1	-	-
jobctl-wait	option	--reason	-	1	-	-
jobctl-wait	option	--dbname	-d	1	-	-
jobctl-wait	option	--json	-	0	-	-
jobctl-wait	option	--quiet	-Q	0	-	-
jobctl-wait	option	--verbose	-v	0	-	-
jobctl-wait	option	--help	-h	0	-	-
jobctl-wait	option	--version	-V	0	-	-
jobctl-worker	operand	file	-	-	-	-
jobctl-worker	option	--queue	-q	1	queue	-
jobctl-worker	option	--all-queues	-	0	-	-
jobctl-worker	option	--jobs	-j	1	-	-
jobctl-worker	option	--handlers	-	1	dir	-
jobctl-worker	option	--exec	-	0	-	-
jobctl-worker	option	--pipe	-	0	-	-
jobctl-worker	option	--window	-	1	-	-
jobctl-worker	option	--allow	-	1	-	-
jobctl-worker	option	--env	-	1	-	-
jobctl-worker	option	--kinds	-	1	kind	-
jobctl-worker	option	--drain	-	0	-	-
jobctl-worker	option	--once	-	0	-	-
jobctl-worker	option	--max-jobs	-	1	-	-
jobctl-worker	option	--max-time	-	1	-	-
jobctl-worker	option	--idle-exit	-	1	-	-
jobctl-worker	option	--poll	-	1	-	-
jobctl-worker	option	--lease	-	1	-	-
jobctl-worker	option	--grace	-	1	-	-
jobctl-worker	option	--drain-timeout	-	1	-	-
jobctl-worker	option	--stop-after	-	1	-	-
jobctl-worker	option	--permanent	-	1	-	-
jobctl-worker	option	--fail-on-job-failure	-	0	-	-
jobctl-worker	option	--dbname	-d	1	-	-
jobctl-worker	option	--quiet	-Q	0	-	-
jobctl-worker	option	--verbose	-v	0	-	-
jobctl-worker	option	--help	-h	0	-	-
jobctl-worker	option	--version	-V	0	-	-'
# table: end

# The first word of each line that jobctl-status prints, of the database that the
# words so far name.
_jobctl_ask() {	# JOBCTL-STATUS-ARG...
	local db=() i first

	for ((i = 1; i < ${#words[@]}; i++)); do
		case ${words[i - 1]}/${words[i]} in
		-d/* | --dbname/*) db=(-d "${words[i]}") ;;
		*/--dbname=*) db=(-d "${words[i]#--dbname=}") ;;
		esac
	done
	# A word that the shell would still change is not known yet.
	[[ ${db[1]-} == *[\"\'\\\$\`]* ]] && return
	PGCONNECT_TIMEOUT=1 jobctl-status "${db[@]}" -aHn 200 "$@" 2>/dev/null </dev/null |
		while read -r first _; do
			[ "$first" = - ] || echo "$first"
		done
}

_jobctl_value() {	# WHAT
	local head='' what IFS=$' \t\n'

	case $1 in
	file)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	dir)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	job)
		mapfile -t COMPREPLY < <(compgen -W "$(_jobctl_ask -o id)" -- "$cur")
		;;
	queue | kind | project | *'|'*)
		what=${1//|/ }
		[ "$what" != "$1" ] || what=$(_jobctl_ask --by "$1")
		[[ $cur != *,* ]] || head=${cur%,*},	# the last of a list
		mapfile -t COMPREPLY < <(compgen -P "$head" -W "$what" -- "${cur##*,}")
		;;
	esac
}

# The command after "--": its name, then files.
_jobctl_command() {	# NUMBER-OF-WORDS-BEFORE
	compopt -o filenames 2>/dev/null
	if [ "$1" = 0 ]; then
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}

_jobctl() {
	local line=${COMP_LINE:0:COMP_POINT} cur program operand='' kind name letter arg what
	local i first=1 operands=0 wants='' takes='' verb='' of=''
	local words=() options=() verbs=()
	local -A value=() only=()

	# Readline also splits at = and :, which names of queues may have.
	cur=${line##*[[:space:]]}
	read -ra words <<<"${line%"$cur"}"
	COMPREPLY=()
	[ "${#words[@]}" -gt 0 ] || return 0

	program=${words[0]##*/}
	if [ "$program" = jobctl ] && [ "${#words[@]}" -gt 1 ] && [[ ${words[1]} != -* ]]; then
		[ "${words[1]}" = help ] || program=jobctl-${words[1]}
		first=2
	fi
	while IFS=$'\t' read -r name kind arg letter takes what of; do
		[ "$name" = "$program" ] || continue
		case $kind in
		verb) verbs+=("$arg") ;;
		operand) operand=$arg ;;
		option)
			options+=("$arg")
			only[$arg]=$of
			value[$arg]=$takes/$what
			[ "$letter" = - ] || value[$letter]=$takes/$what
			;;
		esac
	done <<<"$_jobctl_table"

	for ((i = first; i < ${#words[@]}; i++)); do
		wants=
		case ${words[i]} in
		--) _jobctl_command $((${#words[@]} - i - 1)); return ;;
		--*=*) ;;
		-*) [[ ${value[${words[i]}]-} != 1/* ]] || wants=${value[${words[i]}]#*/} ;;
		*)
			[ "$operands" != 0 ] || verb=${words[i]}
			operands=$((operands + 1))
			;;
		esac
		if [ -n "$wants" ] && [ $((i + 1)) -lt "${#words[@]}" ]; then
			i=$((i + 1)) wants=
		fi
	done

	if [ -n "$wants" ]; then
		_jobctl_value "$wants"
	elif [[ $cur == --*=* ]]; then
		name=${cur%%=*} cur=${cur#*=}
		_jobctl_value "${value[$name]#*/}"
		COMPREPLY=("${COMPREPLY[@]/#/$name=}")
		cur=$name=$cur
	elif [[ $cur == -* ]]; then
		# of a verb only its own
		for i in "${!options[@]}"; do
			of=${only[${options[i]}]}
			[ "$of" = - ] || [ -z "$verb" ] || [[ " $of " == *" $verb "* ]] || unset "options[i]"
		done
		mapfile -t COMPREPLY < <(compgen -W "${options[*]}" -- "$cur")
	elif [ "$operands" = 0 ] && [ "${#verbs[@]}" -gt 0 ]; then
		mapfile -t COMPREPLY < <(compgen -W "${verbs[*]}" -- "$cur")
	else
		_jobctl_value "$operand"
	fi

	# Only what follows readline's last break is replaced.
	name=${COMP_WORDS[COMP_CWORD]}
	case $name in
	= | :) name= ;;
	esac
	if [[ $cur == *"$name" ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%"$name"}"}")
	fi
}

while IFS=$'\t' read -r _jobctl_program _; do
	complete -F _jobctl "$_jobctl_program"
done <<<"$_jobctl_table"
unset _jobctl_program
