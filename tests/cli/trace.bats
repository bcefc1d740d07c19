#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A trace that cannot be taken: why, on one line, and the right exit status. What one
# tells, tests/trace shows.
load common

# refused STATUS PATTERN COMMAND…: nothing on stdout, one line on stderr.
refused() {
	local status=0 want=$1 pattern=$2
	shift 2
	"$@" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" </dev/null || status=$?
	cat "$BATS_TEST_TMPDIR/stderr"
	echo "status $status, expected $want"
	[ "$status" -eq "$want" ]
	[ ! -s "$BATS_TEST_TMPDIR/stdout" ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/stderr")" -eq 1 ]
	grep -q -E -- "$pattern" "$BATS_TEST_TMPDIR/stderr"
}

needs_root() {
	[ "$(id -u)" -eq 0 ] || skip "not root"
}

# A 32-bit program that waits for a signal, in 84 bytes of headers and 10 of code.
tiny_program() {
	python3 - "$1" <<-'END'
		import os, struct, sys
		code = b"\xb8\x1d\0\0\0\xcd\x80\xeb\xf7\0"
		base, at = 0x10000, 84
		ident = b"\x7fELF\1\1\1" + bytes(9)
		header = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + at, 52, 0, 0, 52, 32, 1, 0, 0, 0)
		segment = struct.pack("<IIIIIIII", 1, 0, base, base, at + len(code), at + len(code), 5, 4096)
		with open(sys.argv[1], "wb") as f:
		    f.write(header + segment + code)
		os.chmod(sys.argv[1], 0o755)
	END
}

@test "without root, a process of one's own" {
	needs_root
	# Where any user may read it.
	install -m 755 "$fallow" /tmp/fallow-$$
	start setpriv --reuid=65534 --regid=65534 --clear-groups sleep 60
	refused 4 'trace as root|mount -t tracefs' setpriv --reuid=65534 --regid=65534 --clear-groups \
		/tmp/fallow-$$ trace "$target" || result=$?
	rm -f /tmp/fallow-$$
	[ "${result:-0}" -eq 0 ]
}

@test "as root without the capabilities" {
	needs_root
	start sleep 60
	refused 4 'not permitted: trace as root, or with CAP_PERFMON|mount -t tracefs' \
		setpriv --bounding-set=-perfmon,-bpf,-sys_admin "$fallow" trace "$target"
}

@test "no tracefs" {
	needs_root
	unshare --mount true 2>/dev/null || skip "no mount namespaces"
	start sleep 60
	# shellcheck disable=SC2016 # expanded by that shell
	refused 4 'mount -t tracefs nodev /sys/kernel/tracing' unshare --mount sh -c '
		for d in /sys/kernel/debug /sys/kernel/tracing; do
			while mountpoint -q $d; do umount -l $d || exit; done
		done
		exec "$0" trace "$1"' "$fallow" "$target"
}

@test "a 32-bit program" {
	needs_root
	[ "$(uname -m)" = x86_64 ] || skip "not x86-64"
	tiny_program "$BATS_TEST_TMPDIR/tiny"
	timeout 0.1 "$BATS_TEST_TMPDIR/tiny" || [ $? -eq 124 ] || skip "32-bit programs cannot run here"
	start "$BATS_TEST_TMPDIR/tiny"
	refused 1 "process $target is a 32-bit program" "$fallow" trace "$target"
	"$fallow" report "$target" | grep -q "32-bit program: allocators of such are not decoded"
}
