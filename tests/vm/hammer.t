#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Everything at once: dumps, trackers and reads of processes that map, unmap, move,
# collapse, split, page out, fork, exec and exit, while KSM merges, memory is
# compacted, allocations fail, and the module is unloaded and loaded again. The kernel
# must not say a word, nor lose memory. In a guest with the module loaded, as root.
# Usage: hammer.t [SECONDS [DUMPERS]]
set -uo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
bin=${FALLOW_WORKLOADS:-$here/../../build/workloads}
seconds=${1:-25} dumpers=${2:-100}
debug=/sys/kernel/debug
# In memory: a 9p client whose allocations fail forgets files that the server has open,
# and nobody can open any later.
copies=$(mktemp -d) && cp "$FALLOW_KO" "$bin/hammer" "$copies"
n=0

ok() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

skip() { # NAME REASON
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# The pages of tasks that ask for it are not to be had, one time in so many.
inject_faults() {
	local f
	for f in failslab fail_page_alloc; do
		[ -d $debug/$f ] || continue
		echo Y >$debug/$f/task-filter
		echo 3 >$debug/$f/probability
		echo -1 >$debug/$f/times
		echo 0 >$debug/$f/verbose
		echo N >$debug/$f/ignore-gfp-wait
	done
	[ ! -d $debug/fail_page_alloc ] || echo 0 >$debug/fail_page_alloc/min-order
}

# What is lost is seen by the second scan at the latest.
leaks() {
	local i
	for i in 1 2; do
		sleep 6
		echo scan >$debug/kmemleak
	done
	grep -B3 -A20 'fallow' $debug/kmemleak
}

# Its own scans now and then hold up RCU for as long as they are not given a CPU.
[ ! -w $debug/kmemleak ] || echo scan=off >$debug/kmemleak
dmesg -C
echo 1 >/sys/kernel/mm/ksm/run
inject_faults
"$copies/hammer" "$dumpers" "$seconds" >/tmp/hammer.out &
hammer=$!
reloads=0
# Busy is a good answer; a module that is gone must come back.
reload() {
	local i
	for ((i = 0; i < 400; i++)); do
		if rmmod fallow 2>/dev/null; then
			reloads=$((reloads + 1))
			insmod "$copies/fallow.ko"
			return
		fi
		kill -0 "$hammer" 2>/dev/null || return 1
		sleep 0.05
	done
}

sleep 2
while kill -USR1 "$hammer" 2>/dev/null; do
	reload || break
	kill -USR1 "$hammer" 2>/dev/null
	[ ! -w /proc/sys/vm/compact_memory ] || echo 1 >/proc/sys/vm/compact_memory
	sleep 2
done
wait "$hammer"
ok $? "the dumpers end well"
sed 's/^/# /' /tmp/hammer.out
read -r dumps _ </tmp/hammer.out
[ "${dumps:-0}" -gt 0 ]
ok $? "requests were answered: ${dumps:-0}"
[ "$reloads" -gt 0 ]
ok $? "the module was reloaded under them: $reloads times"
"$FALLOW" info | grep -q 'lock budget'
ok $? "the module still answers"
if [ -d $debug/failslab ]; then
	[ -e /proc/self/make-it-fail ]
	ok $? "allocations of those who ask are made to fail"
else
	skip "allocations of those who ask are made to fail" "this kernel injects no faults"
fi
if [ -e $debug/kmemleak ]; then
	leaks >/tmp/leaks
	[ ! -s /tmp/leaks ]
	ok $? "no memory of the module's is lost"
	head -n 40 /tmp/leaks | sed 's/^/# /'
else
	skip "no memory of the module's is lost" "this kernel has no kmemleak"
fi
splats=$(dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|scheduling while atomic|stall|general protection|KASAN')
[ -z "$splats" ]
ok $? "the kernel has nothing to complain about"
[ -z "$splats" ] || dmesg | grep -m1 -B2 -A57 -F "${splats%%$'\n'*}" | sed 's/^/# /'
rmmod fallow
ok $? "it unloads"
echo "1..$n"
