#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's packages: built, looked through by lintian, installed and removed in a clean
# system, the module's beside the headers of a kernel. Both systems are a layer over one
# that stays as it is: the clean one is made once, the other is this one. And the static
# program in a folder where nothing else is.
set -uo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/tap.sh
. "$tree/scripts/lib/tap.sh"
cd "$tree" || exit 1

clean=$cache/clean

# A Debian with nothing but what is essential, and apt.
clean_root() {
	local mirror
	[ ! -e "$clean/.complete" ] || return 0
	mirror=$(find_mirror)
	[ -n "$mirror" ] && rm -rf "$clean" && mkdir -p "$clean" || return 1
	mmdebstrap --quiet --mode=root --variant=minbase --skip=cleanup/apt/lists \
		bookworm "$clean" "$mirror" >&2 && touch "$clean/.complete"
}

if [ -z "${FALLOW_PACKAGE_WORK:-}" ]; then
	if ! is_root || ! need_packages "${build_packages[@]}" debhelper dh-dkms dkms lintian mmdebstrap \
		linux-headers-amd64 kmod cpio libbz2-dev liblzma-dev >&2; then
		skip "packages" "it needs root, and packages"
		plan
	fi
	unshare --mount true 2>/dev/null || { skip "packages" "no mount namespace can be made here" && plan; }
	(
		mkdir -p "$cache" && flock 9 && clean_root
	) 9>"$cache/clean.lock"
	FALLOW_PACKAGE_WORK=$(mktemp -d)
	export FALLOW_PACKAGE_WORK
	trap 'rm -rf "$FALLOW_PACKAGE_WORK"' EXIT
	unshare --mount "$0"
	exit
fi
work=$FALLOW_PACKAGE_WORK
version=$(sed -n 's/^#define FALLOW_VERSION "\(.*\)"$/\1/p' user/version.h)
kernel=$(find /usr/src -maxdepth 1 -name 'linux-headers-*-amd64' -printf '%f\n' |
	grep -v -E 'rt-amd64|cloud' | sort -V | tail -n 1 | sed 's/^linux-headers-//')

same_version() {
	[ "$(dpkg-parsechangelog -S Version)" = "$version" ]
}

copy() { # DIR
	mkdir -p "$1" && git ls-files -z | cpio -0pdm --quiet "$1"
}

build_in() { # DIR
	(cd "$1" && DEB_BUILD_OPTIONS='parallel=2 noautodbgsym' dpkg-buildpackage -us -uc -b)
}

build() {
	copy "$work/source" && build_in "$work/source"
}

# Another folder, time, zone, language and umask, and files that have other times.
same_packages() {
	local again=$work/elsewhere/with/a-longer-name deb
	(
		umask 077
		export TZ=Pacific/Kiritimati LC_ALL=C
		copy "$again/source" && find "$again/source" -exec touch {} + && build_in "$again/source"
	) || return 1
	for deb in "$work"/fallow*.deb; do
		cmp "$deb" "$again/${deb##*/}" || return 1
	done
}

# What make alone builds here, and from a copy.
same_programs() {
	local copy=$work/copied
	copy "$copy" && make -s -C "$copy" -j2 all static >&2 &&
		cmp build/fallow "$copy/build/fallow" && cmp build/fallow-static "$copy/build/fallow-static"
}

quiet_lintian() {
	local said
	said=$(lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$work"/fallow*.changes 2>&1)
	status=$?
	echo "$said"
	[ $status -eq 0 ] && [ -z "$said" ]
}

# Mounts a layer over ROOT, to be changed in.
layer() { # NAME ROOT
	local dir=$work/$1
	mkdir -p "$dir" && mount -t tmpfs tmpfs "$dir" && mkdir "$dir"/{upper,work,root} &&
		mount -t overlay overlay -o "lowerdir=$2,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" &&
		mount --rbind /proc "$dir/root/proc" && mount --rbind /dev "$dir/root/dev" &&
		cp /etc/resolv.conf "$dir/root/etc/resolv.conf" &&
		cp "$work"/fallow*.deb "$dir/root/"
}

within() { # NAME COMMAND…
	local root=$work/$1/root
	shift
	DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

install_clean() {
	within clean apt-get -qq install -y --no-install-recommends "/fallow_${version}_$arch.deb" ||
		{ within clean apt-get -qq update && within clean apt-get -qq install -y \
			--no-install-recommends "/fallow_${version}_$arch.deb"; }
}

# The same as the tool that was built here says.
reports() {
	[ "$(within clean fallow --version)" = "fallow $version" ] &&
		within clean fallow report --json $$ | grep '"schema": "fallow.snapshot/1"' &&
		within clean sh -c '/usr/share/fallow/incident --for=1 -o /i.tar.gz && tar -tzf /i.tar.gz' |
		grep -x 'i/summary.txt'
}


units() {
	local said status unit
	mkdir -p "$work/units"
	for unit in contrib/systemd/*; do
		sed 's,^ExecStart=/usr/bin/fallow,ExecStart=/bin/true,' "$unit" >"$work/units/${unit##*/}"
	done
	said=$(systemd-analyze verify --man=no "$work"/units/* 2>&1)
	status=$?
	echo "$said"
	[ $status -eq 0 ] && ! grep -F "$work" <<<"$said"
}

# For a second, to another file.
unit_commands() {
	local unit words
	for unit in contrib/systemd/*.service; do
		words=$(sed -n "s,%%,%,g; s,-o [^ ]*,-o $work/out,; s,^ExecStart=/usr/bin/fallow ,,p" "$unit")
		[[ $words != record* ]] || words+=' --for=1s'
		# shellcheck disable=SC2086 # words of a command
		"$tree/build/fallow" $words && [ -s "$work/out" ] && rm "$work/out" ||
			{ echo "$unit: fallow $words" && return 1; }
	done
}

remove() { # NAME PACKAGE
	within "$1" dpkg --purge "$2"
}

# Nothing of it is left; folders that others share stay.
no_files() { # NAME
	local left
	left=$(find "$work/$1/root"/{usr,etc,lib,var/lib/dkms,var/lib/systemd} -iname '*fallow*' 2>/dev/null)
	echo "$left"
	[ -z "$left" ]
}

module_there() {
	compgen -G "$work/module/root/lib/modules/$kernel/updates/dkms/fallow.ko*"
}

# For the newest kernel that has headers: dkms' own choice is that which runs.
install_module() {
	mkdir -p "$work/module/root/lib/modules/$kernel" &&
		ln -s -f -n "/usr/src/linux-headers-$kernel" "$work/module/root/lib/modules/$kernel/build" &&
		within module dpkg -i "/fallow-dkms_${version}_all.deb" &&
		{ module_there || within module dkms install "fallow/$version" -k "$kernel"; }
}

bare() {
	local dir=$work/bare
	make -s static WERROR=-Werror >&2 && mkdir -p "$dir/proc" && cp build/fallow-static "$dir/fallow" &&
		mount --rbind /proc "$dir/proc"
}

# Stopped, both say the same of it.
bare_reports() {
	local a b status=1
	sleep 600 &
	kill -STOP $!
	a=$(chroot "$work/bare" /fallow export --format=csv $! | cut -d, -f3-) &&
		b=$(build/fallow export --format=csv $! | cut -d, -f3-) && [ -n "$a" ] && [ "$a" = "$b" ]
	status=$?
	kill -KILL $!
	return $status
}

no_libraries() {
	! readelf -d build/fallow-static | grep NEEDED && ! readelf -l build/fallow-static | grep INTERP
}

arch=$(dpkg --print-architecture)
run "one version" same_version
run "packages are built" build
run "built again elsewhere, they are the same" same_packages
run "lintian has nothing to say" quiet_lintian
run "systemd takes the units" units
run "the tool takes their commands" unit_commands
if [ -e "$clean/.complete" ] && layer clean "$clean"; then
	run "installed in a clean system" install_clean
	run "it works there" reports
	run "removed" remove clean fallow
	run "nothing is left" no_files clean
else
	skip "in a clean system" "none can be made here"
fi
if layer module /; then
	run "the module is built as its package is installed" install_module
	run "it is there" module_there
	run "removed" remove module fallow-dkms
	run "nothing is left of it" no_files module
else
	skip "the module's package" "no overlay can be mounted here"
fi
run "the static program is built" bare
run "built elsewhere, both programs are the same" same_programs
run "it works where nothing else is" bare_reports
run "it wants no library" no_libraries
plan
