#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/incident: what it keeps, what it must not keep, and where it ends.
load common

setup() {
	dir=$BATS_TEST_TMPDIR/here
	mkdir -p "$dir"
	export FALLOW=$fallow
}

more_teardown() {
	mountpoint -q "$dir" && umount "$dir"
	return 0
}

# incident OPTION…: about $target, with nothing in PATH but what it says it needs.
incident() {
	local tools=$BATS_TEST_TMPDIR/tools package
	if [ ! -d "$tools" ]; then
		mkdir "$tools"
		for package in coreutils findutils grep sed tar gzip bash; do
			dpkg -L "$package" | grep -E '^(/usr)?/bin/.' | xargs ln -s -f -t "$tools"
		done
	fi
	PATH=$tools "$tree/scripts/incident" --for=1 -o "$dir/i.tar.gz" "$@"
}

# Waits until the process has been looked at once.
looked_at() {
	for _ in $(seq 1000); do
		compgen -G "$dir/.fallow-incident.*/bundle/i/processes/$target/report.txt" && return
		sleep 0.1
	done
	return 1
}

unpack() {
	tar -C "$BATS_TEST_TMPDIR" -xzf "$dir/i.tar.gz"
}

# Nothing but the archive, if that.
left_only() {
	[ "$(ls -A "$dir")" = "$1" ]
}

@test "snapshots, what changed, and the system; the summary first" {
	start "$bin/grow" 30 5
	incident "$target" >"$dir/../said"
	left_only i.tar.gz
	[ "$(stat -c %a "$dir/i.tar.gz")" = 600 ]
	[ "$(tar -tzf "$dir/i.tar.gz" | head -n 1)" = i/summary.txt ]
	unpack
	cd "$BATS_TEST_TMPDIR/i"
	for look in before after; do
		jq -e --arg pid "$target" '.schema == "fallow.snapshot/1" and
			.process.pid == ($pid | tonumber)' "processes/$target/$look.json"
	done
	diff "processes/$target/diff.txt" \
		<("$fallow" diff "processes/$target/before.json" "processes/$target/after.json")
	grep -q '^MemTotal:' system/meminfo
	jq -e '.schema == "fallow.info/1"' info.json
	grep -q -E "^ +$target +grow +[0-9.]+ MiB +[a-z-]+ \((certain|likely|possible)\)" summary.txt
	grep -q -F "== processes/$target/diff.txt" summary.txt
	grep -q -F "$dir/i.tar.gz" ../said
}

@test "no contents of memory, no environment, and no arguments but if asked for" {
	SECRET=in-the-environment start /usr/bin/python3 -c '
import time
kept = ["in-the-memory-%d" % n for n in range(20000)]
time.sleep(600)' in-the-"arguments
 \"cmdline\": \\"
	sleep 1
	incident "$target"
	unpack
	run grep -r in-the- "$BATS_TEST_TMPDIR/i"
	[ "$status" -eq 1 ]
	jq -e '.process.cmdline == ""' "$BATS_TEST_TMPDIR/i/processes/$target/before.json"
	incident --arguments "$target"
	unpack
	grep -r -q in-the-arguments "$BATS_TEST_TMPDIR/i"
	run grep -r -e in-the-memory-1 -e in-the-environment "$BATS_TEST_TMPDIR/i"
	[ "$status" -eq 1 ]
}

@test "the largest processes, of all" {
	incident --top=2
	unpack
	[ "$(grep -c '^fallow_process_info{' "$BATS_TEST_TMPDIR/i/metrics.txt")" -eq 2 ]
	grep -q '^left_out: [0-9]' "$BATS_TEST_TMPDIR/i/summary.txt"
}

@test "what ends meanwhile" {
	start "$bin/grow" 1 1
	(looked_at && kill -KILL "$target") &
	incident --for=5 "$target"
	unpack
	[ -s "$BATS_TEST_TMPDIR/i/processes/$target/before.json" ]
	grep -q -i 'no such process' "$BATS_TEST_TMPDIR/i/summary.txt"
}

enough_mappings() {
	[ "$(wc -l <"/proc/$target/maps")" -gt 20000 ]
}

@test "bounds of time and of size: said, and the rest is kept" {
	start "$bin/grow" 1 1
	incident --limit=1 "$target" || true
	unpack
	grep -q '^MemTotal:' "$BATS_TEST_TMPDIR/i/summary.txt"
	rm -r "$BATS_TEST_TMPDIR/i"
	start /usr/bin/python3 -c 'import mmap, time
kept = [mmap.mmap(-1, 8192, prot=1 + n % 2 * 2) for n in range(20000)]
time.sleep(600)'
	eventually enough_mappings
	incident --size=1 "$target"
	unpack
	grep -q 'left out, more than 1 MiB' "$BATS_TEST_TMPDIR/i/summary.txt"
	[ "$(du -sm "$BATS_TEST_TMPDIR/i" | cut -f1)" -le 2 ]
}

@test "nothing is left behind: no such process, a full disk, a signal" {
	run incident 4194303
	[ "$status" -eq 1 ]
	grep -q 'no such process' <<<"$output"
	left_only i.tar.gz
	rm "$dir/i.tar.gz"
	start "$bin/grow" 1 1
	"$tree/scripts/incident" --for=600 -o "$dir/i.tar.gz" "$target" 3>&- &
	script=$!
	looked_at
	kill "$script"
	wait "$script" || true
	left_only ''
	mount -t tmpfs -o size=16k tmpfs "$dir" 2>/dev/null || skip "no tmpfs can be mounted here"
	run incident "$target"
	[ "$status" -eq 1 ]
	left_only ''
}

@test "wrong use" {
	for args in --top=0 --top=51 --top=x --for= --limit=-1 --what -o; do
		run "$tree/scripts/incident" "$args"
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
	run "$tree/scripts/incident" --help
	[ "$status" -eq 0 ]
	grep -q -F 'scripts/incident [options]' <<<"$output"
}
