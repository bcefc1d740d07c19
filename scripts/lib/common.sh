# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the scripts share: where things are, messages, packages.

tree=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fallow

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "${0##*/}: $*"
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_packages PACKAGE…: installs those that are missing; without root, or on
# a system without apt, says which and returns 1.
need_packages() {
	local missing=() p

	for p in "$@"; do
		installed "$p" || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if ! is_root || ! have apt-get; then
		say "missing packages: ${missing[*]} (as root: apt-get install ${missing[*]})"
		return 1
	fi
	say "installing: ${missing[*]}"
	(
		# One installation at a time.
		flock 9
		export DEBIAN_FRONTEND=noninteractive
		apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
			{ apt-get update -qq &&
				apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; }
	) 9>"/tmp/.fallow-apt-$(id -u).lock" || {
		say "apt-get could not install: ${missing[*]}"
		return 1
	}
}

# The mirror that this system uses.
find_mirror() {
	{ grep -h -o -E 'https?://[^ ]+/debian/? ' /etc/apt/sources.list \
		/etc/apt/sources.list.d/*.list 2>/dev/null | tr -d ' '
	sed -n 's/^URIs: *\([^ ]*\/debian\/\?\)$/\1/p' \
		/etc/apt/sources.list.d/*.sources 2>/dev/null; } | head -n 1
}

# The packages that building the tool takes.
build_packages=(gcc make pkg-config libc6-dev libnl-3-dev libnl-genl-3-dev libjansson-dev
	libncurses-dev libdw-dev libsqlite3-dev libzstd-dev libiberty-dev node-d3)
