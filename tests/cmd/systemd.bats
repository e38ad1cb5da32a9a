#!/usr/bin/env bats
# The units: systemd understands every line, and they say what the programs need.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
	U=$BATS_TEST_TMPDIR
	local unit
	for unit in "$SUITE_ROOT"/systemd/*.service; do
		# verify wants programs that are installed
		sed -E 's,^(Exec[A-Za-z]+=)jobctl-[a-z]+,\1/bin/true,' "$unit" >"$U/${unit##*/}"
	done
	cp "$SUITE_ROOT"/systemd/*.timer "$U"
}

@test "systemd finds nothing to say about the units" {
	SYSTEMD_UNIT_PATH=$U: run -0 systemd-analyze verify --man=no --recursive-errors=no \
		"$U/jobctl-worker@mail.service" "$U/jobctl-worker-drain@mail.service" \
		"$U/jobctl-worker-drain@mail.timer" "$U/jobctl-migrate.service" \
		"$U/jobctl-prune.service" "$U/jobctl-prune.timer"
	[ -z "$output" ]
}

@test "a line that systemd does not know would be found" {
	echo 'NoSuchSetting=yes' >>"$U/jobctl-migrate.service"
	SYSTEMD_UNIT_PATH=$U: run systemd-analyze verify --man=no --recursive-errors=no \
		"$U/jobctl-migrate.service"
	[[ "$output" == *NoSuchSetting* ]]
}

@test "every option in a unit is one the program has" {
	local unit program option words
	for unit in "$SUITE_ROOT"/systemd/*.service; do
		while read -ra words; do
			program=${words[0]}
			[ -x "$JOBCTL_BINDIR/$program" ] || continue
			for option in "${words[@]}"; do
				[[ $option == -* ]] || continue
				"$JOBCTL_BINDIR/$program" --help | grep -qE -- "(^| )$option( |,|\$)"
			done
		done < <(sed -nE 's/^Exec(Start|Condition)=//p' "$unit")
	done
}

@test "exit statuses that no restart mends prevent one" {
	local unit
	for unit in jobctl-worker@ jobctl-migrate; do
		grep -qx 'RestartPreventExitStatus=64 65 76 77 78' "$SUITE_ROOT/systemd/$unit.service"
	done
}

@test "units of workers let them make control groups" {
	local unit
	for unit in "$SUITE_ROOT"/systemd/jobctl-worker*.service; do
		grep -qx 'Delegate=yes' "$unit"
		run -1 grep '^ProtectControlGroups' "$unit"
	done
}

@test "units of workers hear them ask for more time, and wait no longer for the silent" {
	local unit
	for unit in "$SUITE_ROOT"/systemd/jobctl-worker*.service; do
		grep -qx 'NotifyAccess=all' "$unit"
		grep -qx 'KillMode=mixed' "$unit"
		# longer than the pause between two messages, shorter than a drain may take
		grep -qx 'TimeoutStopSec=30s' "$unit"
	done
	grep -qx 'Type=notify' "$SUITE_ROOT/systemd/jobctl-worker@.service"
	grep -q '^WatchdogSec=' "$SUITE_ROOT/systemd/jobctl-worker@.service"
}
