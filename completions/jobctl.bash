# shellcheck shell=bash
# bash completion for jobctl and its programs, on its own or through bash-completion
#
# Options, verbs and choices come from the table, which "make gen" makes from the
# programs' own option tables.  Queues, kinds, projects and jobs are asked of the
# database, for a second at most; if it does not answer there is nothing to offer.

# table: begin
_jobctl_table='jobctl	verb	help	-	-	-
jobctl	verb	db	-	-	-
jobctl	verb	migrate	-	-	-
jobctl	verb	submit	-	-	-
jobctl	verb	status	-	-	-
jobctl	verb	wait	-	-	-
jobctl	verb	logs	-	-	-
jobctl	verb	cancel	-	-	-
jobctl	verb	worker	-	-	-
jobctl	verb	progress	-	-	-
jobctl	verb	index	-	-	-
jobctl	verb	search	-	-	-
jobctl	operand	-	-	-	-
jobctl	option	--help	-h	0	-
jobctl	option	--version	-V	0	-
jobctl-db	verb	start	-	-	-
jobctl-db	verb	stop	-	-	-
jobctl-db	verb	status	-	-	-
jobctl-db	verb	url	-	-	-
jobctl-db	verb	psql	-	-	-
jobctl-db	verb	destroy	-	-	-
jobctl-db	operand	-	-	-	-
jobctl-db	option	--dir	-	1	dir
jobctl-db	option	--bindir	-	1	dir
jobctl-db	option	--timeout	-t	1	-
jobctl-db	option	--yes	-	0	-
jobctl-db	option	--no-header	-H	0	-
jobctl-db	option	--output	-o	1	-
jobctl-db	option	--json	-	0	-
jobctl-db	option	--quiet	-Q	0	-
jobctl-db	option	--color	-	1	auto|always|never
jobctl-db	option	--help	-h	0	-
jobctl-db	option	--version	-V	0	-
jobctl-migrate	verb	up	-	-	-
jobctl-migrate	verb	down	-	-	-
jobctl-migrate	verb	status	-	-	-
jobctl-migrate	verb	plan	-	-	-
jobctl-migrate	operand	-	-	-	-
jobctl-migrate	option	--set	-	1	-
jobctl-migrate	option	--dir	-	1	dir
jobctl-migrate	option	--to	-	1	-
jobctl-migrate	option	--lock-timeout	-	1	-
jobctl-migrate	option	--wait-lock	-	1	-
jobctl-migrate	option	--wait-db	-	1	-
jobctl-migrate	option	--allow-out-of-order	-	0	-
jobctl-migrate	option	--yes	-	0	-
jobctl-migrate	option	--no-header	-H	0	-
jobctl-migrate	option	--output	-o	1	-
jobctl-migrate	option	--dbname	-d	1	-
jobctl-migrate	option	--json	-	0	-
jobctl-migrate	option	--quiet	-Q	0	-
jobctl-migrate	option	--verbose	-v	0	-
jobctl-migrate	option	--color	-	1	auto|always|never
jobctl-migrate	option	--help	-h	0	-
jobctl-migrate	option	--version	-V	0	-
jobctl-worker	operand	file	-	-	-
jobctl-worker	option	--queue	-q	1	queue
jobctl-worker	option	--all-queues	-	0	-
jobctl-worker	option	--jobs	-j	1	-
jobctl-worker	option	--handlers	-	1	dir
jobctl-worker	option	--exec	-	0	-
jobctl-worker	option	--allow	-	1	-
jobctl-worker	option	--env	-	1	-
jobctl-worker	option	--kinds	-	1	kind
jobctl-worker	option	--drain	-	0	-
jobctl-worker	option	--once	-	0	-
jobctl-worker	option	--max-jobs	-	1	-
jobctl-worker	option	--max-time	-	1	-
jobctl-worker	option	--idle-exit	-	1	-
jobctl-worker	option	--poll	-	1	-
jobctl-worker	option	--lease	-	1	-
jobctl-worker	option	--grace	-	1	-
jobctl-worker	option	--drain-timeout	-	1	-
jobctl-worker	option	--stop-after	-	1	-
jobctl-worker	option	--permanent	-	1	-
jobctl-worker	option	--fail-on-job-failure	-	0	-
jobctl-worker	option	--dbname	-d	1	-
jobctl-worker	option	--quiet	-Q	0	-
jobctl-worker	option	--verbose	-v	0	-
jobctl-worker	option	--help	-h	0	-
jobctl-worker	option	--version	-V	0	-'
# table: end

# What the words so far say about the database to ask.
_jobctl_ask() {	# JOBCTL-STATUS-ARG...
	local db=() i

	for ((i = 1; i < ${#words[@]}; i++)); do
		case ${words[i - 1]}/${words[i]} in
		-d/* | --dbname/*) db=(-d "${words[i]}") ;;
		*/--dbname=*) db=(-d "${words[i]#--dbname=}") ;;
		esac
	done
	# A word that the shell would still change is not known yet.
	[[ ${db[1]-} == *[\"\'\\\$\`]* ]] && return
	PGCONNECT_TIMEOUT=1 jobctl-status "${db[@]}" -Hn 200 "$@" 2>/dev/null </dev/null
}

_jobctl_value() {	# WHAT
	local head='' IFS=$' \t\n'

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
		mapfile -t COMPREPLY < <(compgen -W "$(_jobctl_ask -a -o id)" -- "$cur")
		;;
	queue | kind | project)
		[[ $cur != *,* ]] || head=${cur%,*},	# the last of a list
		mapfile -t COMPREPLY < <(compgen -P "$head" \
			-W "$(_jobctl_ask -a --by "$1" -o "$1")" -- "${cur##*,}")
		;;
	*'|'*)
		mapfile -t COMPREPLY < <(compgen -W "${1//|/ }" -- "$cur")
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
	local i first=1 operands=0 wants='' takes=''
	local words=() options=() verbs=()
	local -A value=()

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
	while IFS=$'\t' read -r name kind arg letter takes what; do
		[ "$name" = "$program" ] || continue
		case $kind in
		verb) verbs+=("$arg") ;;
		operand) operand=$arg ;;
		option)
			options+=("$arg")
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
		*) operands=$((operands + 1)) ;;
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
