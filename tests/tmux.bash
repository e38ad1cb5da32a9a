# shellcheck shell=bash
# tmux.bash - a terminal of a test's own, on top of helper.bash
#
# The program runs in tmux, on a socket of its own; stop_terminal in teardown.

terminal() {	# COLUMNS ROWS COMMAND [ARG...]; the screen stays when it ends
	local columns=$1 rows=$2 line

	shift 2
	# a new one: on that of a server that is about to end a client would still find it
	TMUX_SOCKET=$(mktemp -u "$BATS_TEST_TMPDIR/tmux.XXXXXX")
	printf -v line '%q ' "$@"
	env -u TMUX tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -x "$columns" -y "$rows" \
		"echo before; $line; echo \"status \$?\"; exec cat" 3>&- 2>&1
	TMUX_PID=$(tmux -S "$TMUX_SOCKET" display-message -p '#{pid}')
	tmux -S "$TMUX_SOCKET" set-option -g escape-time 0
}

stop_terminal() {
	[ -n "${TMUX_PID:-}" ] || return 0
	# shellcheck disable=SC2046 # numbers
	kill -KILL $(family "$TMUX_PID") 2>/dev/null || true
	eventually 10 gone_or_zombie "$TMUX_PID"
	TMUX_PID=
}

screen() {
	tmux -S "$TMUX_SOCKET" capture-pane -p
}

# For eventually.
shows() {	# TEXT
	screen | tee /dev/stderr | grep -qF -- "$1"
}

shows_line() {	# EXTENDED-REGULAR-EXPRESSION, somewhere in a line
	screen | tee /dev/stderr | grep -qE -- "$1"
}

shows_not() {	# TEXT
	! shows "$1"
}

# KEY is a name of tmux's: q, Enter, Tab, Down, C-c; or a text that is none
keys() {	# KEY...
	tmux -S "$TMUX_SOCKET" send-keys "$@"
}

tty_is() {	# FORMAT VALUE
	[ "$(tmux -S "$TMUX_SOCKET" display-message -p "#{$1}")" = "$2" ]
}

resize() {	# COLUMNS ROWS
	tmux -S "$TMUX_SOCKET" resize-window -x "$1" -y "$2"
}
