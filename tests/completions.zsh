#!/usr/bin/env zsh
# completions.zsh DIR LINE - what zsh offers when TAB is pressed at the end of LINE
#
# Runs a zsh without configuration on a pseudo-terminal, with the completions of
# DIR, and prints each match on a line.
emulate -R zsh
zmodload zsh/zpty

work=$(mktemp -d)
cat >$work/rc <<END
fpath=(${(q)1} \$fpath)
autoload -Uz compinit
compinit -u -D
PS1= PS2= RPS1=
unset zle_bracketed_paste
zstyle ':completion:*' insert-tab false
compadd() {
	local -a _offered

	builtin compadd -O _offered "\$@"
	print -rl -- \$_offered >>${(q)work}/matches
	builtin compadd "\$@"
}
finish() {
	: >${(q)work}/done
	BUFFER=
	zle accept-line
}
zle -N finish
bindkey '^X' finish
END

zpty shell zsh -f
trap 'rm -rf $work' EXIT	# not before: the pseudo-terminal's process would run it too
zpty -w shell "source ${(q)work}/rc; print re''ady"
zpty -r shell seen '*ready*'
zpty -w -n shell $2$'\t\C-x'
deadline=$((SECONDS + 30))
until [[ -e $work/done ]]; do
	if ((SECONDS > deadline)); then
		print -u2 'zsh does not answer'
		exit 1
	fi
	zpty -rt shell seen
	sleep 0.02
done >/dev/null
zpty -d shell
[[ ! -e $work/matches ]] || sort -u $work/matches | sed '/^$/d'
