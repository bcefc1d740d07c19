#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Man pages: one for each command, with what its help has, and without a fault by mandoc and
# by groff.
set -uo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/tap.sh
. "$tree/scripts/lib/tap.sh"
cd "$tree" || exit 1

pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT

made() {
	scripts/lib/manpages build/fallow "$pages" && cp Documentation/fallow*.1 "$pages"
}

no_fault() { # PAGE
	mandoc -T lint -W warning "$1" || return 1
	have groff || return 0
	local said
	said=$(groff -man -mandoc -ww -T utf8 "$1" 2>&1 >/dev/null)
	[ -z "$said" ] || { echo "$said" && return 1; }
}

# As it is read, with the marks of bold type and breaks of lines taken off.
words() { # PAGE
	mandoc -T utf8 -O width=1000 "$1" | col -b | tr -s '[:space:]‐' ' '
}

has_options() { # COMMAND PAGE
	local text option
	text=$(words "$2")
	for option in $(build/fallow "$1" --help | grep -o -E '^  (-[a-z], )?--[a-z-]+' | grep -o -E -e '--[a-z-]+'); do
		[ "$option" = --help ] || [[ $text == *"$option"* ]] || { echo "not in it: $option" && return 1; }
	done
}

# Before all else that it describes.
examples_first() { # PAGE
	[ "$(awk '/^\.Sh DESCRIPTION/ { inside = 1 } inside && /^\.Ss/ { print; exit }' "$1")" = '.Ss Examples' ]
}

named_pages_exist() {
	local page
	for page in $(grep -r -h -o -E 'fallow-[a-z]+\(1\)' user README.md contrib scripts | sort -u); do
		[ -e "$pages/${page%(1)}.1" ] || { echo "no page $page" && return 1; }
	done
}

need_packages mandoc bsdextrautils >&2
have mandoc && have col || { skip "man pages" "mandoc cannot be installed here" && plan; }
run "pages are made" made
while read -r command; do
	run "$command has a page" test -s "$pages/fallow-$command.1"
	run "$command: no fault in it" no_fault "$pages/fallow-$command.1"
	run "$command: its options are in it" has_options "$command" "$pages/fallow-$command.1"
done < <(build/fallow --help | awk '/^  [a-z]/ { print $1 }')
for command in report diff trace export record; do
	run "$command: examples come first" examples_first "$pages/fallow-$command.1"
done
run "pages that are named are there" named_pages_exist
plan
