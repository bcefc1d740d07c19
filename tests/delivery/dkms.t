#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The module by Debian's dkms, for the newest kernel that has headers here. Nothing
# of it stays: dkms' folders and /lib/modules are others, in a mount namespace of
# the test's own.
set -uo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/tap.sh
. "$tree/scripts/lib/tap.sh"
cd "$tree" || exit 1

version=$(sed -n 's/^#define FALLOW_VERSION "\(.*\)"$/\1/p' kmod/netlink.h)

same_version() {
	[ -n "$version" ] && grep -x "PACKAGE_VERSION=\"$version\"" dkms.conf &&
		grep -x "#define FALLOW_VERSION \"$version\"" user/version.h
}

if [ -z "${FALLOW_DKMS_WORK:-}" ]; then
	if ! is_root || ! need_packages dkms linux-headers-amd64 "${build_packages[@]}" kmod openssl cpio; then
		skip "dkms" "it needs root, and packages"
		plan
	fi
	FALLOW_DKMS_WORK=$(mktemp -d)
	export FALLOW_DKMS_WORK
	trap 'rm -rf "$FALLOW_DKMS_WORK"' EXIT
	unshare --mount true 2>/dev/null || { skip "dkms" "no mount namespace can be made here" && plan; }
	unshare --mount "$0"
	exit
fi
work=$FALLOW_DKMS_WORK

kernel=$(find /usr/src -maxdepth 1 -name 'linux-headers-*-amd64' -printf '%f\n' |
	grep -v -E 'rt-amd64|cloud' | sort -V | tail -n 1 | sed 's/^linux-headers-//')

prepare() {
	mkdir -p "$work"/{checkout,sources,dkms,"modules/$kernel"} &&
		git ls-files -z | cpio -0pdm --quiet "$work/checkout" &&
		ln -s "/usr/src/linux-headers-$kernel" "$work/modules/$kernel/build" &&
		mount --bind "$work/dkms" /var/lib/dkms &&
		mount --bind "$work/modules" /lib/modules
}

# With the kernel's own tools: the folders of the packages are all that is used.
in_dkms() { # COMMAND…
	dkms "$1" --sourcetree "$work/sources" "${@:2}"
}

# Compressed, where the kernel's own are.
installed() {
	compgen -G "/lib/modules/$kernel/updates/dkms/fallow.ko*"
}

gone() {
	! installed
}

found_by_modprobe() {
	modprobe -S "$kernel" --show-depends fallow | grep -x "insmod $(installed) *"
}

says() { # FIELD PATTERN
	modinfo -F "$1" "$(installed)" | tee /dev/stderr | grep -q -x -E "$2"
}

status_is() { # STATUS
	in_dkms status "fallow/$version" | tee /dev/stderr | grep -q -E "$1"
}

run "one version everywhere" same_version
run "a place to try it" prepare
run "dkms add" in_dkms add "$work/checkout"
run "dkms build" in_dkms build "fallow/$version" -k "$kernel"
run "it is built" status_is ': built'
run "dkms install" in_dkms install "fallow/$version" -k "$kernel"
run "it is installed" status_is ': installed'
run "the module is there" installed
run "modprobe finds it" found_by_modprobe
run "name" says name fallow
run "version" says version "$version"
run "licence" says license GPL
run "for that kernel" says vermagic "$kernel .*"
run "parameters" says parm "(lock_budget_us|age_max_mb):.*"
if [ -x "$work/modules/$kernel/build/scripts/sign-file" ]; then
	run "signed, by dkms' key" says signer "DKMS module signing key"
else
	skip "signed, by dkms' key" "no sign-file here"
fi
run "dkms remove" in_dkms remove "fallow/$version" --all
run "the module is gone" gone
run "dkms install, all at once" in_dkms install "$work/checkout" -k "$kernel"
run "the module is there again" installed
plan
