#!/usr/bin/env bats
# make install and uninstall: everything where Debian expects it, and nothing of
# it, nor anything else's, after uninstall.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	D=$BATS_TEST_TMPDIR/root
	cd "$SUITE_ROOT" || return
}

install_to() {	# PREFIX
	tools/install install "$O" "$D" "$1"
}

uninstall_from() {	# PREFIX
	tools/install uninstall "$O" "$D" "$1"
}

files() {
	find "$D" ! -type d | sort
}

@test "programs, pages, units and completions are where they belong" {
	local p
	install_to /usr
	for p in "$O"/bin/jobctl*; do
		p=${p##*/}
		echo "$p"
		[ -x "$D/usr/bin/$p" ]
		[ -f "$D/usr/share/man/man1/$p.1" ]
		[ -f "$D/usr/share/bash-completion/completions/$p" ]
		[ -f "$D/usr/share/fish/vendor_completions.d/$p.fish" ]
	done
	[ -f "$D/usr/share/man/man7/jobctl.7" ]
	[ -f "$D/usr/share/zsh/vendor-completions/_jobctl" ]
	[ -f "$D/usr/lib/systemd/system/jobctl-worker@.service" ]
	[ -f "$D/usr/share/doc/jobctl/LICENSE" ]
	[ -f "$D/usr/share/jobctl/sql/jobctl/0002_queue.up.sql" ]
	[ -f "$D/usr/share/jobctl/contrib/grafana/jobctl.json" ]
	[ -f "$D/usr/share/jobctl/contrib/prometheus/jobctl.rules.yml" ]
}

@test "modes: programs 755, the rest 644, no link leads out" {
	umask 077
	install_to /usr
	[ "$(find "$D/usr/bin" -type f -printf '%m\n' | sort -u)" = 755 ]
	[ "$(find "$D" -type f ! -path '*/bin/*' -printf '%m\n' | sort -u)" = 644 ]
	[ -z "$(find "$D" -xtype l)" ]
	[ -z "$(find "$D" -type l -lname '/*')" ]
}

@test "units run the programs that were installed" {
	install_to /opt/job
	run -0 grep -hE '^Exec(Start|Condition)=' -r "$D/opt/job/lib/systemd/system"
	[[ "$output" == *"ExecStart=/opt/job/bin/jobctl-worker "* ]]
	run -1 grep -vE '^Exec[A-Za-z]*=/opt/job/bin/jobctl-' <<<"$output"
}

@test "pages are the built ones, with their options" {
	install_to /usr
	grep -qF 'Fl \-help' "$D/usr/share/man/man1/jobctl-worker.1"
	run -1 grep -rF '.\" OPTIONS' "$D/usr/share/man"
}

@test "for /usr/local zsh has another directory" {
	install_to /usr/local
	[ -f "$D/usr/local/share/zsh/site-functions/_jobctl" ]
	[ ! -e "$D/usr/local/share/zsh/vendor-completions" ]
}

@test "uninstall removes all of it, for any prefix" {
	local prefix
	for prefix in /usr /usr/local "/opt/job ctl"; do
		install_to "$prefix"
		[ "$(files | wc -l)" -gt 50 ]
		uninstall_from "$prefix"
		[ -z "$(files)" ]
		[ ! -e "$D$prefix/share/doc/jobctl" ]
		[ ! -e "$D$prefix/share/jobctl" ]
	done
}

@test "uninstall leaves what it did not install" {
	local f
	install_to /usr
	for f in bin/jobctl-own share/man/man1/other.1 share/doc/jobctl/NOTES share/jobctl/sql/own.sql \
			lib/systemd/system/jobctl-own.service; do
		echo mine >"$D/usr/$f"
	done
	uninstall_from /usr
	[ "$(files | wc -l)" = 5 ]
}

@test "uninstall of what was never installed is no error" {
	uninstall_from /usr
	[ ! -e "$D" ]
}

@test "installing again replaces what runs, without a moment without it" {
	install_to /usr
	local inode
	inode=$(stat -c %i "$D/usr/bin/jobctl-worker")
	install_to /usr
	[ "$(stat -c %i "$D/usr/bin/jobctl-worker")" != "$inode" ]
	run -1 grep -F .new <(files)
}

@test "a relative prefix is refused" {
	run -64 install_to usr
	[ ! -e "$D" ]
}

@test "an installed jobctl finds its programs, wherever it is" {
	install_to /usr
	run -0 env PATH=/usr/bin:/bin "$D/usr/bin/jobctl" db --version
	[ "${lines[0]%% *}" = jobctl-db ]
}

@test "make install and make uninstall do the same" {
	# without building: other tests are running what is there
	make -s -o all install O="$O" DESTDIR="$D" PREFIX=/usr >/dev/null
	[ -x "$D/usr/bin/jobctl" ]
	make -s uninstall O="$O" DESTDIR="$D" PREFIX=/usr
	[ -z "$(files)" ]
}
