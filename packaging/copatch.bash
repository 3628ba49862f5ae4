# SPDX-License-Identifier: MIT
# bash completion for copatch(1). Commands and options are those that `copatch --help` lists.

_copatch_processes() {
	local maps

	for maps in /proc/[0-9]*/maps; do
		if grep -qs 'libcopatch\.so' "$maps"; then
			maps=${maps%/maps}
			echo "${maps#/proc/}"
		fi
	done
}

# The options of `copatch run`, each with what its value may be, as "--log error|warn|debug".
_copatch_run_options() {
	"$1" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\( [^ ]\+\)\?\) .*/\1/p'
}

_copatch() {
	local copatch=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local command=${COMP_WORDS[1]} usage i

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		usage=$("$copatch" --help 2>/dev/null |
			sed -n 's/^usage: copatch \([a-z]*\).*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$usage --help --version" -- "$word")
		return
	fi
	if [ "$command" = run ]; then
		_copatch_run "$copatch" "$word" "$before"
		return
	fi
	usage=$("$copatch" --help 2>/dev/null | grep "^usage: copatch $command")
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"--help $(grep -oE -- '--?[a-z][a-z-]*' <<<"$usage" | sort -u)" -- "$word")
		return
	fi
	case $usage in
	*PID*) mapfile -t COMPREPLY < <(compgen -W "$(_copatch_processes)" -- "$word") ;;
	*PROGRAM*) _copatch_programs "$word" ;;
	*FILE*) compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	esac
}

_copatch_programs() {
	compopt -o filenames 2>/dev/null
	if [[ $1 == */* ]]; then
		mapfile -t COMPREPLY < <(compgen -d -- "$1"; for i in "$1"*; do
			[ -f "$i" ] && [ -x "$i" ] && echo "$i"
		done)
	else
		mapfile -t COMPREPLY < <(compgen -c -- "$1" | sort -u; compgen -d -- "$1")
	fi
}

# _copatch_run COPATCH WORD WORD-BEFORE: options, their values, then a program and its arguments.
_copatch_run() {
	local options values at

	options=$(_copatch_run_options "$1")
	for ((at = 2; at < COMP_CWORD; at++)); do
		case ${COMP_WORDS[at]} in
		--)
			at=$((at + 1))
			break
			;;
		--*)
			# an option with a value takes the next word too
			grep -q -- "^${COMP_WORDS[at]} " <<<"$options" && at=$((at + 1))
			;;
		*) break ;;
		esac
	done
	if [ "$at" -lt "$COMP_CWORD" ]; then
		if declare -F _command_offset >/dev/null; then
			_command_offset "$at"
		else
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$2")
		fi
	elif [ "$at" -gt "$COMP_CWORD" ]; then
		values=$(sed -n "s/^$3 //p" <<<"$options")
		case $values in
		*'|'*) mapfile -t COMPREPLY < <(compgen -W "${values//|/ }" -- "$2") ;;
		FILE) compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
		esac
	elif [[ $2 == -* && ${COMP_WORDS[at-1]} != -- ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--help $(sed 's/ .*//' <<<"$options")" -- "$2")
	else
		_copatch_programs "$2"
	fi
}

complete -F _copatch copatch
