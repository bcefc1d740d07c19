#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion in bash, zsh and fish: all commands and options that the help has are offered,
# none that the tool does not take, and values that it takes.
set -uo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/tap.sh
. "$tree/scripts/lib/tap.sh"
cd "$tree" || exit 1
PATH=$tree/build:$PATH
commands=$(fallow --help | awk '/^  [a-z]/ { print $1 }')

bash_offers() { # WORD…: of which the last one is to be completed
	bash --norc --noprofile -c '. contrib/completion/fallow.bash
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_fallow; printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

# With zsh's own helpers replaced by one that prints what they were to offer.
zsh_offers() {
	zsh -f -c 'compset() { :; }
		_files() { print -- FILES; }
		_describe() { print -l -- ${${(P)2}%%:*}; }
		words=("$@") CURRENT=$#
		. contrib/completion/_fallow' zsh "$@"
}

fish_offers() {
	local line
	line=$(printf '%s ' "$@")
	fish --no-config -c '. contrib/completion/fallow.fish
		complete -C $argv[1]' -- "${line% }" | cut -f1
}

options_of() { # COMMAND: by its help, in which nothing else begins a line so
	fallow "$1" --help | awk '/^  -/ { for (i = 1; i <= 2; i++) if ($i ~ /^--/) {
		sub(/=.*/, "", $i); print $i; break } }' | sort -u
}

offers_commands() { # SHELL
	local missing
	missing=$(comm -23 <(sort <<<"$commands") <("$1_offers" fallow '' | sort))
	[ -z "$missing" ] || { echo "not offered: $missing" && return 1; }
	"$1_offers" fallow '' | grep -x $$
}

offers_options() { # SHELL COMMAND
	diff <(options_of "$2") <("$1_offers" fallow "$2" -- | sed 's/=$//' | sort -u)
}

takes() { # COMMAND OPTION
	[[ $(timeout 10 fallow "$1" "$2" 2>&1 </dev/null) != *'is not known'* ]]
}

# The help's own word is not taken for it.
takes_options() { # COMMAND
	local option
	while read -r option; do
		takes "$1" "$option" || { echo "$1 does not take $option" && return 1; }
	done < <(options_of "$1")
}

# Values that are none are told between quotes.
takes_values() { # OPTION COMMAND VALUE…
	local option=$1 command=$2 value said
	shift 2
	[ $# -ge 2 ] || { echo "offered: $*" && return 1; }
	for value; do
		value=${value#"$option="}
		said=$(fallow "$command" "$option=$value" 4194303 2>&1 >/dev/null)
		[[ $said != *"\"$value\""* ]] || { echo "$said" && return 1; }
	done
}

offers_values() { # SHELL OPTION COMMAND
	local words=(fallow "$3" "$2=")
	[ "$1" != bash ] || words=(fallow "$3" "$2" '=')
	# fish has the option itself, too.
	mapfile -t values < <("$1_offers" "${words[@]}" | grep -v -x -e "$2=")
	takes_values "$2" "$3" "${values[@]}"
}

for command in $commands; do
	run "$command takes the options that its help has" takes_options "$command"
done
need_packages bash zsh fish >&2
for shell in bash zsh fish; do
	have $shell || { skip "$shell" "$shell cannot be installed here" && continue; }
	run "$shell: commands, and processes" offers_commands $shell
	for command in $commands; do
		run "$shell: options of $command" offers_options $shell "$command"
	done
	run "$shell: a report without its name" offers_options $shell 1
	run "$shell: sources" offers_values $shell --source report
	run "$shell: formats" offers_values $shell --format export
	run "$shell: columns" offers_values $shell --columns regions
	run "$shell: columns to sort by" offers_values $shell --sort regions
done
plan
