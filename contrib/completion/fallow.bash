# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of fallow's command line for bash. What there is, the tool's own help tells.

# Names of processes that are no trouble to type, and pids.
_fallow_targets() {
	cat /proc/[0-9]*/comm 2>/dev/null | grep -x -E '[A-Za-z0-9_.+-]+' | sort -u
	printf '%s\n' /proc/[0-9]* | sed 's,/proc/,,'
}

_fallow_values() { # TOOL OPTION
	case $2 in
	--source) echo auto kmod procfs ;;
	--format) echo openmetrics json csv html ;;
	--columns | --sort) "$1" regions --columns=help | sed -n 's/^ *\([a-z][a-z_-]*\) .*/\1/p' ;;
	esac
}

_fallow() {
	local tool=${COMP_WORDS[0]} command=${COMP_WORDS[1]} cur=${COMP_WORDS[COMP_CWORD]}
	local prev=${COMP_WORDS[COMP_CWORD - 1]} words
	# --option=value comes as three words, or two.
	[ "$cur" != = ] || { cur='' && prev='='; }
	if [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 1]}
		[ "$prev" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	compopt +o nospace 2>/dev/null
	COMPREPLY=()
	case $prev in
	-o | --output)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--cgroup)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	esac
	words=$(_fallow_values "$tool" "$prev" 2>/dev/null)
	if [ -z "$words" ]; then
		case $COMP_CWORD,$command,$cur in
		1,*) words="--help --version $("$tool" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p') $(_fallow_targets)" ;;
		*,-*)
			words=$("$tool" "$command" --help 2>/dev/null |
				sed -n -E 's/^  (-[a-z], )?(--[a-z-]+=?).*/\2/p')
			;;
		*,diff,*)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		*) words=$(_fallow_targets) ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -F _fallow fallow
