#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Wrong use: one clear line on stderr, and the right exit status.
load common

# refused STATUS PATTERN ARG…: nothing on stdout, one line on stderr.
refused() {
	local status=0 want=$1 pattern=$2
	shift 2
	"$fallow" "$@" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" </dev/null || status=$?
	cat "$BATS_TEST_TMPDIR/stderr"
	echo "status $status, expected $want"
	[ "$status" -eq "$want" ]
	[ ! -s "$BATS_TEST_TMPDIR/stdout" ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/stderr")" -eq 1 ]
	grep -q -E -- "$pattern" "$BATS_TEST_TMPDIR/stderr"
}

# A child of process $1 that has ended; its pid goes to $zombie.
dead_child_of() {
	zombie=$(ps -o pid=,stat= --ppid "$1" | awk '$2 ~ /^Z/ { print $1; exit }')
	[ -n "$zombie" ]
}

@test "no arguments: usage and status 2" {
	run "$fallow"
	[ "$status" -eq 2 ]
	[[ $output == usage:* ]]
}

@test "help is not an error" {
	for command in "" report regions heap watch trace snapshot diff record info; do
		run "$fallow" $command --help
		[ "$status" -eq 0 ]
		[[ $output == usage:* ]]
	done
}

@test "unknown options, missing values and surplus words" {
	refused 2 'option --bogus is not known' report --bogus 1
	refused 2 'wants a value' report 1 --after
	refused 2 'not a duration' report 1 --after=soon
	refused 2 'none of auto, kmod, procfs' report 1 --source=magic
	refused 2 'no verdict is named' report 1 --fail-on=doom
	refused 2 'not a duration' report 1 --idle=soon
	refused 2 'not between 10 ms and 3600 s' report 1 --idle=5ms
	refused 2 'not between 10 ms and 3600 s' report 1 --idle=2h
	refused 2 'option --idle=1s is not known' regions 1 --idle=1s
	refused 2 'one target at a time' report 1 2
	refused 2 'name one process' report
	refused 1 'No such file' info 1
	refused 2 'takes no argument' info 1 2
	refused 2 'not a duration' trace 1 --for=soon
	refused 2 'name one process' trace
	refused 2 'option --freeze is not known' trace 1 --freeze
	refused 2 'name a file: -o FILE' snapshot 1
	refused 2 'name a file: -o FILE' snapshot 1 -o ''
	refused 2 'wants a value' snapshot 1 -o
	refused 2 'name one process' snapshot -o /nowhere/f
	refused 2 'option --json is not known' snapshot 1 -o f --json
	refused 2 'name two snapshots, or one TARGET and --after' diff
	refused 2 'name two snapshots, or one TARGET and --after' diff 1
	refused 2 'name two snapshots, or one TARGET and --after' diff --cgroup=/
	refused 2 'two snapshots are compared: "c"' diff a b c
	refused 2 'for one TARGET: "b" is too much' diff a b --after=1s
	refused 2 'for one TARGET: "b" is too much' diff a b --source=procfs
	refused 2 'name one process' diff --after=1s
	refused 2 'not a duration' diff 1 --after=never
}

@test "no such process, by pid and by name" {
	refused 3 'no such process' 4194303
	refused 3 'no process named "no-such-name"' no-such-name
	refused 3 'no such process' regions 4194303
	refused 3 'no such process' trace 4194303
	refused 3 'no such process' watch --json 4194303
	refused 3 'no such process' diff --after=1s 4194303
}

@test "a kernel thread" {
	[ "$(ps -o ppid= -p 2 2>/dev/null | tr -d ' ')" = 0 ] || skip "kernel threads are not visible here"
	refused 1 'kernel thread' 2
}

@test "a zombie" {
	/usr/bin/python3 -c 'import os,time
if os.fork(): time.sleep(60)' 3>&- &
	targets+=($!)
	zombie=
	eventually dead_child_of $!
	refused 3 'zombie' "$zombie"
}

@test "a thread instead of its process" {
	start_ready "$bin/heap" random-free 2 1
	tid=$(ls "/proc/$target/task" | tail -n 1)
	refused 2 "thread of process $target" "$tid"
}

@test "a name that matches several" {
	cp "$bin/grow" "$BATS_TEST_TMPDIR/twins"
	start "$BATS_TEST_TMPDIR/twins" 1 1
	start "$BATS_TEST_TMPDIR/twins" 1 1
	sleep 0.2
	refused 2 "2 processes named \"twins\": name one of.* $target" twins
}

@test "a name that matches one" {
	cp "$bin/grow" "$BATS_TEST_TMPDIR/onlyone"
	start "$BATS_TEST_TMPDIR/onlyone" 1 1
	sleep 0.2
	run "$fallow" onlyone
	[ "$status" -eq 0 ]
	[[ $output == *"pid $target"* ]]
}

@test "another user's process without rights" {
	[ "$(id -u)" -eq 0 ] || skip "needs root, to become somebody else"
	cp "$fallow" "$BATS_TEST_TMPDIR/fallow"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/fallow" "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || true
	dir=$(mktemp -d)
	chmod 755 "$dir"
	cp "$fallow" "$dir/fallow"
	start "$bin/grow" 1 1
	status=0
	setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/fallow" "$target" \
		>"$BATS_TEST_TMPDIR/o" 2>"$BATS_TEST_TMPDIR/e" || status=$?
	rm -r "$dir"
	cat "$BATS_TEST_TMPDIR/e"
	[ "$status" -eq 4 ]
	grep -q 'not permitted' "$BATS_TEST_TMPDIR/e"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/e")" -eq 1 ]
}

@test "one's own process needs no rights" {
	[ "$(id -u)" -eq 0 ] || skip "needs root, to become somebody else"
	dir=$(mktemp -d)
	chmod 755 "$dir"
	cp "$fallow" "$bin/grow" "$dir/"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/grow" 50 20 3>&- &
	targets+=($!)
	target=$!
	sleep 1.5
	kill -STOP "$target"
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/fallow" report --json \
		--source=procfs "$target"
	rm -r "$dir"
	[ "$status" -eq 0 ]
	rss=$(awk '/^Rss:/ { sum += $2 * 1024 } END { print sum }' "/proc/$target/smaps")
	[ "$(jq .process.rss_bytes <<<"$output")" -eq "$rss" ]
	[ "$(jq '[.ledger[].resident_bytes] | add' <<<"$output")" -eq "$rss" ]
}

@test "the module where there is none" {
	[ ! -e /sys/module/fallow ] || skip "the module is loaded"
	refused 1 'module is not loaded' --source=kmod $$
	refused 1 'idle, procfs cannot tell: the fallow module is not loaded' report --idle=1s $$
	refused 1 'idle, procfs cannot tell' report --idle=1s --source=procfs $$
}

@test "a process that ends midway" {
	start "$bin/grow" 50 50
	sleep 0.3
	(sleep 0.7 && kill -KILL "$target") 3>&- &
	# What was seen until then is shown, if that was more than one look.
	run "$fallow" report "$target" --after=2s
	[ "$status" -eq 3 ]
	[[ $output =~ "no such process"|"ended" ]]
}

@test "a cgroup: without such a one, and with one process" {
	refused 1 'cgroup.procs' report --cgroup=/no/such/group
}

@test "output that cannot be written" {
	[ -w /dev/full ] || skip "no /dev/full"
	start "$bin/grow" 1 1
	for json in "" --json; do
		status=0
		"$fallow" report $json "$target" >/dev/full 2>"$BATS_TEST_TMPDIR/e" || status=$?
		[ "$status" -eq 1 ]
		[ -s "$BATS_TEST_TMPDIR/e" ]
	done
}

@test "names from the target do not reach the terminal raw" {
	evil=$BATS_TEST_TMPDIR/$'e\033[31mvil'
	cp "$bin/grow" "$evil"
	start "$evil" 1 1
	sleep 0.2
	"$fallow" regions "$target" >"$BATS_TEST_TMPDIR/o"
	! grep -q $'\033' "$BATS_TEST_TMPDIR/o"
	grep -q 'x1b\[31m' "$BATS_TEST_TMPDIR/o"
	"$fallow" report --json "$target" | jq -e '.process.comm | contains("\u001b[31m")'
}
