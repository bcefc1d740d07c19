#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The module as a part of a kernel tree, Debian's Linux 6.1: as a module and
# built in, with page ages and without. Builds a small kernel, which takes about
# ten minutes the first time, so that it is no part of the default run:
#
#   scripts/check intree
set -uo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/tap.sh
. "$tree/scripts/lib/tap.sh"
cd "$tree" || exit 1

home=$cache/intree
src=$home/src log=$home/log
tarball=/usr/src/linux-source-6.1.tar.xz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
need_packages linux-source-6.1 "${build_packages[@]}" flex bison bc libelf-dev libssl-dev \
	cpio busybox-static qemu-system-x86 jq binutils || {
	skip "in a kernel tree" "packages are missing"
	plan
}
mkdir -p "$home"
exec 8>"$home/lock"
flock 8

# The tree, with our folder in it: what whoever takes it in would do.
unpack() {
	local version
	version=$(dpkg-query -W -f='${Version}' linux-source-6.1)
	if [ "$(cat "$home/.unpacked" 2>/dev/null)" != "$version" ]; then
		rm -rf "$src" "$home"/build-* && mkdir -p "$src"
		tar xf "$tarball" -C "$src" --strip-components=1 || return 1
		echo 'obj-$(CONFIG_FALLOW) += fallow/' >>"$src/drivers/misc/Makefile"
		sed -i '/^endmenu/i source "drivers/misc/fallow/Kconfig"' "$src/drivers/misc/Kconfig"
		echo "$version" >"$home/.unpacked"
	fi
	mkdir -p "$src/drivers/misc/fallow"
	(cd kmod && git ls-files -z | cpio -0pdmu --quiet "$src/drivers/misc/fallow")
}

kernel() { # ARGUMENT…
	make -s -C "$src" O="$build" -j2 "$@" >"$log" 2>&1 || { tail -n 30 "$log" && return 1; }
}

configure() { # FALLOW FALLOW_AGE
	mkdir -p "$build"
	kernel tinyconfig &&
		"$src/scripts/kconfig/merge_config.sh" -m -O "$build" "$build/.config" \
			tests/delivery/intree.config >"$log" &&
		"$src/scripts/config" --file "$build/.config" --set-val FALLOW "$1" \
			--set-val FALLOW_AGE "$2" &&
		kernel olddefconfig &&
		[ "$("$src/scripts/config" --file "$build/.config" -s FALLOW -s FALLOW_AGE |
			tr '\n' ' ')" = "$1 $2 " ]
}

# Once as make does it, and once more with all warnings.
no_warning() {
	rm -f "$build"/drivers/misc/fallow/*.o
	kernel W=1 drivers/misc/fallow/ || return 1
	! grep -E 'warning|error' "$log"
}

has_age() { # y | n
	local found=n
	[ ! -e "$build/drivers/misc/fallow/age_map.o" ] || found=y
	[ $found = "$1" ]
}

# The tool and what it is linked with, and a shell that asks it.
make_initramfs() {
	local dir=$work/initramfs lib
	make -s -j2 all && rm -rf "$dir" && mkdir -p "$dir"/{bin,proc,dev} || return 1
	gcc -O1 -Wall -Wextra -static -Ikmod/include/uapi -o "$dir/bin/caps" tests/delivery/caps.c ||
		return 1
	cp /bin/busybox build/fallow "$dir/bin/"
	ldd build/fallow | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "$dir$(dirname "$lib")" && cp -L "$lib" "$dir$lib"
	done
	cat >"$dir/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox mount -t proc proc /proc
		/bin/busybox mount -t devtmpfs dev /dev
		/bin/busybox ls -l /dev/fallow
		/bin/caps
		echo "info: $(/bin/fallow info --json | /bin/busybox tr -d '\n')"
		echo "regions: $(/bin/fallow regions --source=kmod --json 1 | /bin/busybox tr -d '\n')"
		/bin/busybox reboot -f
	END
	chmod 755 "$dir/init"
	(cd "$dir" && find . | cpio -o -H newc --quiet) >"$work/initramfs.cpio"
}

boot() {
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 512M -nodefaults -no-user-config \
		-display none -no-reboot -kernel "$build/arch/x86/boot/bzImage" \
		-initrd "$work/initramfs.cpio" -append "console=ttyS0 panic=-1 oops=panic" \
		-serial "file:$work/console" </dev/null
	tail -n 25 "$work/console"
	grep -q 'reboot: Restarting' "$work/console"
}

said() { # NAME FILTER: what the tool said under that name
	sed -n "s/^$1: //p" "$work/console" | tr -d '\r' | jq -e "$2"
}

tells_age() { # y | n
	local caps bit
	bit=$(sed -n 's/.*FALLOW_CAP_AGE.*(1ULL << \([0-9]*\)).*/\1/p' kmod/include/uapi/linux/fallow.h)
	caps=$(said caps .) && [ "$1" = "$( ((caps >> bit & 1)) && echo y || echo n)" ]
}

run "unpacks" unpack
run "an initramfs with the tool" make_initramfs
for age in y n; do
	# MMU_NOTIFIER goes with it, on which nearly all of the kernel depends.
	build=$home/build-$age
	run "FALLOW=m FALLOW_AGE=$age: configures" configure m $age
	run "FALLOW=m FALLOW_AGE=$age: builds" kernel bzImage modules
	run "FALLOW=m FALLOW_AGE=$age: is a module" test -e "$build/drivers/misc/fallow/fallow.ko"
	run "FALLOW=m FALLOW_AGE=$age: builds without a warning" no_warning
	run "FALLOW=y FALLOW_AGE=$age: configures" configure y $age
	run "FALLOW=y FALLOW_AGE=$age: builds without a warning" no_warning
	run "FALLOW=y FALLOW_AGE=$age: age_map.o is there: $age" has_age $age
	run "FALLOW=y FALLOW_AGE=$age: builds" kernel bzImage
	run "FALLOW=y FALLOW_AGE=$age: boots" boot
	run "FALLOW=y FALLOW_AGE=$age: FALLOW_CAP_AGE: $age" tells_age $age
	run "FALLOW=y FALLOW_AGE=$age: the tool uses it" said info '.'
	run "FALLOW=y FALLOW_AGE=$age: and tells a process by it" said regions '.source == "kmod"'
done
plan
