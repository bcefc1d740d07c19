#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Dumps of processes that fork, map, unmap and exit, a hundred at once, while the
# module is unloaded and loaded again. The kernel must not say a word. In a guest
# with the module loaded, as root.
set -uo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
bin=${FALLOW_WORKLOADS:-$here/../../build/workloads}
seconds=${1:-25}
n=0

ok() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

dmesg -C
"$bin/hammer" 100 "$seconds" >/tmp/hammer.out &
hammer=$!
reloads=0
sleep 2
while kill -0 "$hammer" 2>/dev/null; do
	# Busy is a good answer; a module that is gone must come back.
	if rmmod fallow 2>/dev/null; then
		reloads=$((reloads + 1))
		insmod "$FALLOW_KO" || break
	fi
	sleep 0.05
done
wait "$hammer"
ok $? "the dumpers end well"
sed 's/^/# /' /tmp/hammer.out
read -r dumps _ </tmp/hammer.out
[ "${dumps:-0}" -gt 100 ]
ok $? "dumps were made: ${dumps:-0}"
[ "$reloads" -gt 0 ]
ok $? "the module was reloaded under them: $reloads times"
"$FALLOW" info | grep -q '^module .*lock budget'
ok $? "the module still answers"
splats=$(dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|scheduling while atomic|stall|leak|general protection')
[ -z "$splats" ]
ok $? "the kernel has nothing to complain about"
[ -z "$splats" ] || dmesg | tail -n 60 | sed 's/^/# /'
rmmod fallow
ok $? "it unloads"
echo "1..$n"
