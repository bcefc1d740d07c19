# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Packages of several Debian releases, and of npm, unpacked side by side. Sourced after
# common.sh by scripts that have set home, the folder that all goes to; one of them at a time. One
# that wants sources has set types to deb-src.

mirror=$(find_mirror)
mkdir -p "${home:?}"
exec 9>"$home/lock"
flock 9
declare -A refreshed=()

apt_for() { # SUITE COMMAND…: apt-get on that release alone
	local suite=$1 apt=$home/apt-$1
	shift
	mkdir -p "$apt"/{lists/partial,cache/archives/partial}
	echo "${types-deb} [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
		>"$apt/sources.list"
	apt-get -qq -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" \
		-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Acquire::Check-Valid-Until=false -o Acquire::Languages=none \
		-o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@"
}

# download SUITE DIR PACKAGE…: the packages' files, to DIR, which is made anew.
download() {
	local suite=$1 dir=$2
	shift 2
	rm -rf "$dir" && mkdir -p "$dir"
	[ -n "$mirror" ] || return 1
	[ -n "${refreshed[$suite]-}" ] || apt_for "$suite" update >&2 || return 1
	refreshed[$suite]=yes
	(cd "$dir" && apt_for "$suite" download "$@" >&2)
}

# unpack SUITE DIR PACKAGE…: once; their files stay in DIR/deb.
unpack() {
	local suite=$1 dir=$2 deb
	shift 2
	[ ! -e "$dir/.complete" ] || return 0
	rm -rf "$dir"
	download "$suite" "$dir/deb" "$@" || return 1
	for deb in "$dir"/deb/*.deb; do
		dpkg-deb -x "$deb" "$dir" || return 1
	done
	touch "$dir/.complete"
}

orig_of() { # DIR: the file of the source as its authors made it, without what signs it
	find "$1" -maxdepth 1 -name '*.orig.tar.*' ! -name '*.asc'
}

# unpack_source SUITE DIR PACKAGE: the same of a package's source, as its authors made it.
unpack_source() {
	local suite=$1 dir=$2
	[ ! -e "$dir/.complete" ] || return 0
	rm -rf "$dir" && mkdir -p "$dir"
	[ -n "$mirror" ] && apt_for "$suite" update >&2 || return 1
	(cd "$dir" && apt_for "$suite" source --download-only "$3" >&2) || return 1
	tar -C "$dir" --strip-components=1 -xf "$(orig_of "$dir")" || return 1
	touch "$dir/.complete"
}

# unpack_npm PACKAGE@VERSION DIR: once, to DIR/package, by npm, which has to be there.
unpack_npm() {
	[ ! -e "$2/.complete" ] || return 0
	rm -rf "$2" && mkdir -p "$2"
	have npm && (cd "$2" && npm pack --silent "$1" >&2 && tar -xzf ./*.tgz) || return 1
	rm "$2"/*.tgz
	touch "$2/.complete"
}

source_version() { # DIR
	basename "$(orig_of "$1")" | sed 's/^[^_]*_//; s/[-+].*//; s/\.orig\.tar.*//'
}

# The upstream version of a package that was unpacked to DIR.
version_of() { # DIR PACKAGE
	dpkg-deb -f "$1/deb/$2"_*.deb Version | sed 's/[-+].*//'
}

# What goes before a program's name for LIBRARY, from DIR, to be preloaded: nothing, or,
# if it needs what this system does not have, its own loader and libraries.
loader_for() { # DIR LIBRARY
	local arch loader
	[ -n "$(LD_PRELOAD=$2 /bin/true 2>&1)" ] || return 0
	arch=$(gcc -print-multiarch)
	loader=$(find "$1" -name 'ld-linux-*.so.*' | head -n 1)
	echo " $loader --library-path $1/lib/$arch:$1/usr/lib/$arch"
}
