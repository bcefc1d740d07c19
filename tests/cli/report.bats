#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What the commands print, and what the verdicts say.
load common

@test "the JSON has the contract's keys" {
	start "$bin/grow" 50 20
	sleep 0.6
	run "$fallow" report --json "$target"
	[ "$status" -eq 0 ]
	jq -e '.schema == "fallow.snapshot/1" and (.time | test("^[0-9-]+T[0-9:.]+Z$"))' <<<"$output"
	jq -e 'has("host") and has("kernel") and has("source") and has("duration_ns")' <<<"$output"
	jq -e '.process | has("pid") and has("comm") and has("cmdline") and has("exe") and
		has("starttime") and has("threads") and has("cgroup") and has("rss_bytes") and
		has("swap_bytes")' <<<"$output"
	jq -e '[.ledger[].class] == ["heap.used", "heap.returnable", "heap.held",
		"heap.metadata", "heap.unread", "anon.other", "stack.live", "stack.dead",
		"file.clean", "file.dirty", "shmem"]' <<<"$output"
	jq -e '.allocators[0] | .name == "glibc" and .purge == "malloc_trim(0)" and
		has("version") and has("status") and has("mapped_bytes") and has("live_bytes") and
		has("free_bytes") and has("stranded_bytes") and has("resident_bytes") and
		has("fallow_bytes") and has("returnable_bytes") and has("arenas")' <<<"$output"
	jq -e '.verdicts[0] | has("id") and has("bytes") and has("confidence") and
		has("evidence") and has("advice")' <<<"$output"
	jq -e '([.ledger[].resident_bytes] | add) == .process.rss_bytes' <<<"$output"
	jq -e 'has("torn_bytes") and has("warnings") and has("regions")' <<<"$output"
	jq -e '.idle_ns == null and all(.ledger[]; .idle_bytes == null and
		.idle_unknown_bytes == null)' <<<"$output"
}

@test "the JSON is as the schema says" {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "no python3-jsonschema"
	start "$bin/grow" 50 20
	sleep 0.5
	for options in "report" "regions" "heap" "report --after=200ms"; do
		"$fallow" $options --json "$target" >"$BATS_TEST_TMPDIR/o"
		/usr/bin/python3 -c 'import json, jsonschema, sys
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' \
			"$BATS_TEST_TMPDIR/o" "$tree/Documentation/fallow.schema.json"
	done
}

@test "the version of the C library is told" {
	start "$bin/grow" 1 1
	sleep 0.3
	want=$(ldd --version | sed -n '1s/.* //p')
	run "$fallow" report --json "$target"
	[ "$(jq -r '.allocators[0].version' <<<"$output")" = "$want" ]
}

@test "settings in force are read from the process" {
	MALLOC_ARENA_MAX=3 MALLOC_TOP_PAD_=65536 MALLOC_TRIM_THRESHOLD_=262144 \
		MALLOC_MMAP_THRESHOLD_=524288 start_ready "$bin/heap" random-free 1 1
	target=$(pgrep -n -f 'heap random-free 1 1')
	run "$fallow" heap --json "$target"
	jq -e '.allocators[0].settings | .arena_max == 3 and .top_pad == 65536 and
		.trim_threshold == 262144 and .mmap_threshold == 524288 and
		.dynamic_thresholds == 0' <<<"$output"
}

@test "live-growth: a leak is named, with --after" {
	start "$bin/grow" 20 500
	sleep 0.5
	# What grows while a busy machine holds up the look is torn, and nothing is said then.
	for _ in 1 2 3 4 5; do
		run "$fallow" report --json --after=2s "$target"
		[ "$status" -eq 0 ]
		[ "$(jq -r '.verdicts[0].id' <<<"$output")" != live-growth ] || break
	done
	[ "$(jq -r '.verdicts[0].id' <<<"$output")" = live-growth ]
	jq -e '.baseline.interval_ns > 1900000000 and (.baseline.ledger | length) == 11' <<<"$output"
	# 20 MiB a second, more or less.
	jq -e '.verdicts[0].bytes > 10 * 1048576' <<<"$output"
}

# A heap of the pattern $1, worked upon; its pid goes to $target.
worked() {
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$bin/heap" "$1" "$2" 1 <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/said" 3>&- &
	target=$!
	targets+=("$target")
	exec 7>"$BATS_TEST_TMPDIR/in"
	echo work >&7
	eventually grep -q held "$BATS_TEST_TMPDIR/said"
}

@test "retention: freed memory below one block, and what malloc_trim gives back" {
	worked all-but-last 8
	run "$fallow" report --json "$target"
	[ "$(jq -r '.verdicts[0].id' <<<"$output")" = retention ]
	jq -e '.verdicts[0].advice[0] | (.text | test("malloc_trim")) and
		.gives_back_bytes > 50 * 1048576 and .at_most == false' <<<"$output"
	jq -e '.verdicts[0].advice | any(.text | test("MALLOC_ARENA_MAX"))' <<<"$output"
	jq -e '.verdicts[0].advice | any(.text | test("another allocator"))' <<<"$output"
}

@test "fragmentation: free bytes between blocks" {
	worked fastbin-heavy 8
	run "$fallow" report --json "$target"
	jq -e '.verdicts | any(.id == "fragmentation" and .bytes > 8 * 1048576)' <<<"$output"
}

@test "healthy: memory in use" {
	worked tcache-heavy 1
	run "$fallow" report --json --after=500ms "$target"
	[ "$(jq -r '.verdicts[0].id' <<<"$output")" = healthy ]
}

@test "--fail-on: status 10 if the verdict holds, 0 if not" {
	worked all-but-last 8
	run "$fallow" report --fail-on=fragmentation,retention "$target"
	[ "$status" -eq 10 ]
	run "$fallow" report --fail-on=live-growth "$target"
	[ "$status" -eq 0 ]
}

@test "--freeze stops, looks, and lets go; also when it is killed" {
	start "$bin/grow" 1 100
	sleep 0.3
	run "$fallow" report --json --freeze "$target"
	[ "$status" -eq 0 ]
	[ "$(jq .torn_bytes <<<"$output")" -eq 0 ]
	eventually grep -q -E '^State:.(S|R)' "/proc/$target/status"
	"$fallow" report --freeze --after=30s "$target" >/dev/null 2>&1 3>&- &
	looker=$!
	sleep 0.5
	kill -KILL "$looker"
	eventually grep -q -E '^State:.(S|R)' "/proc/$target/status"
}

@test "a target that was stopped before stays stopped" {
	start "$bin/grow" 1 1
	kill -STOP "$target"
	eventually grep -q '^State:.T' "/proc/$target/status"
	run "$fallow" report --freeze "$target"
	[ "$status" -eq 0 ]
	grep -q '^State:.T' "/proc/$target/status"
}

@test "no known allocator: said, and not taken for use" {
	start_ready "$bin/maps" pages
	target=$(pgrep -n -f "$bin/maps pages")
	run "$fallow" report "$target"
	[ "$status" -eq 0 ]
	[[ $output == *"no known allocator was found"* ]]
	[[ $output == *"undetermined"* ]]
	run "$fallow" report --json "$target"
	jq -e '.allocators == [] and (.ledger[] | select(.class == "anon.other") |
		.resident_bytes > 10 * 1048576) and (.ledger[] | select(.class == "heap.used") |
		.resident_bytes == 0)' <<<"$output"
}

@test "musl: anonymous memory is unclaimed" {
	command -v musl-gcc >/dev/null || skip "no musl-gcc"
	# That never frees: of musl's malloc it has but what counts up, which has no marks.
	musl-gcc -static -O1 -o "$BATS_TEST_TMPDIR/musl" "$tree/tests/workloads/grow.c"
	start "$BATS_TEST_TMPDIR/musl" 100 20
	sleep 1
	run "$fallow" report --json "$target"
	jq -e '.allocators == [] and (.warnings | any(test("no known allocator")))' <<<"$output"
	jq -e '.ledger[] | select(.class == "anon.other") | .resident_bytes > 10 * 1048576' <<<"$output"
}

@test "Go: recognised, not decoded" {
	command -v pup >/dev/null || skip "no pup, a program in Go without C"
	sleep 600 3>&- | pup >/dev/null 3>&- &
	targets+=($!)
	target=$!
	sleep 0.5
	run "$fallow" report --json "$target"
	[ "$status" -eq 0 ]
	jq -e '.allocators[0] | .name == "go" and .status == "unsupported" and
		(.version | test("^go1")) and .reason and .live_bytes == null and
		.free_bytes == null and .resident_bytes > 0' <<<"$output"
	jq -e '(.allocators | length) == 1 and
		(.warnings | any(test("no decoded allocator")))' <<<"$output"
	jq -e '.allocators[0].resident_bytes == (.ledger[] |
		select(.class == "heap.unread") | .resident_bytes)' <<<"$output"
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "no python3-jsonschema"
	echo "$output" >"$BATS_TEST_TMPDIR/o"
	/usr/bin/python3 -c 'import json, jsonschema, sys
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' \
		"$BATS_TEST_TMPDIR/o" "$tree/Documentation/fallow.schema.json"
}

@test "undetermined: what is recognised is named, with its own advice" {
	command -v pup >/dev/null || skip "no pup, a program in Go without C"
	mkfifo "$BATS_TEST_TMPDIR/html"
	pup p <"$BATS_TEST_TMPDIR/html" >/dev/null 3>&- &
	targets+=($!)
	target=$!
	exec 8>"$BATS_TEST_TMPDIR/html"
	yes '<p>x</p>' | head -n 200000 >&8
	much() {
		"$fallow" report --json "$target" |
			jq -e '.allocators[0].resident_bytes > 20 * 1048576'
	}
	eventually much
	run "$fallow" report "$target"
	exec 8>&-
	[[ $output == *"undetermined"* ]]
	[[ $output == *"go is recognised, not decoded; it has"* ]]
	[[ $output == *"-> call debug.FreeOSMemory()"* ]]
	[[ $output == *"GOMEMLIMIT"* ]]
}

@test "no colour where it is not wanted" {
	start "$bin/grow" 1 1
	run script -q -c "NO_COLOR=1 $fallow $target" /dev/null
	[[ $output != *$'\033'* ]]
	run script -q -c "$fallow $target" /dev/null
	[[ $output == *$'\033'* ]]
}

@test "--after: looks several times, and says how what it saw went on" {
	start "$bin/grow" 4 200
	eventually grep -q 'VmRSS' "/proc/$target/status"
	run "$fallow" report --json --after=3s "$target"
	[ "$status" -eq 0 ]
	jq -e '.growth | .looks >= 3 and ([.series[].name] | index("rss") == 0 and length == 15) and
		(.series[0] | .looks >= 3 and .bytes_per_minute > 0)' <<<"$output"
	python3 -c 'import json, jsonschema, sys
jsonschema.validate(json.loads(sys.argv[1]), json.load(open(sys.argv[2])))' \
		"$output" "$tree/Documentation/fallow.schema.json"
	run "$fallow" report --after=3s "$target"
	[[ $output =~ by\ [0-9]+\ looks,\ RSS\ (grows|is|rises|rose|comes|falls) ]]
	run "$fallow" report --json "$target"
	jq -e '.growth == null' <<<"$output"
}

@test "--after: what calls exec meanwhile is not compared with what it was" {
	printf 'sleep 0.3\nexec sh "$0"\n' >"$BATS_TEST_TMPDIR/again"
	start sh "$BATS_TEST_TMPDIR/again"
	run "$fallow" report --after=5s "$target"
	[ "$status" -eq 0 ]
	[[ $output == *"it called exec between the looks"* ]]
	[[ $output != *"RSS changed by"* ]]
}

@test "--after: a target that ends meanwhile ends it, with what was seen" {
	start "$bin/grow" 1 1000
	(sleep 1 && kill -KILL "$target") 3>&- &
	before=$SECONDS
	run "$fallow" report --after=10m "$target"
	[ "$status" -eq 3 ]
	[[ $output == *"ended "*" s after the first look"* ]]
	[ $((SECONDS - before)) -lt 300 ]
	start "$bin/grow" 1 1000
	(sleep 2 && kill -KILL "$target") 3>&- &
	run bash -c '"$@" 2>/dev/null' _ "$fallow" report --json --after=8s "$target"
	[ "$status" -eq 3 ]
	# A busy machine may have let it end before a second look.
	[ -z "$output" ] || jq -e '.growth.looks >= 2 and (.warnings | any(test("ended")))' <<<"$output"
}
