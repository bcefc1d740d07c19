#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# fallow snapshot: a file that is there as a whole, or not at all.
load common

setup() {
	dir=$BATS_TEST_TMPDIR/here
	mkdir -p "$dir"
}

more_teardown() {
	mountpoint -q "$dir" && umount "$dir"
	return 0
}

# failed STATUS PATTERN: one line on stderr, and nothing that was begun is left.
failed() {
	echo "status $status: $output"
	[ "$status" -eq "$1" ]
	[ "${#lines[@]}" -eq 1 ]
	grep -q -E -- "$2" <<<"$output"
	[ -z "$(find "$dir" -name '*.??????')" ]
}

@test "it is what report --json prints, for its owner alone" {
	start "$bin/grow" 20 5
	sleep 0.5
	kill -STOP "$target"
	eventually grep -q '^State:.T' "/proc/$target/status"
	(umask 0 && "$fallow" snapshot "$target" -o "$dir/f")
	[ "$(stat -c %a "$dir/f")" = 600 ]
	[ "$(ls "$dir")" = f ]
	"$fallow" report --json "$target" >"$dir/report"
	# What others do with the same files apart, such as pss.
	same='[paths | map(tostring) | join(".")], .process, .allocators,
		(.ledger[] | [.class, .resident_bytes]),
		(.regions[] | [.start, .end, .name, .rss_bytes, .anon_bytes, .classes])'
	diff <(jq "$same" "$dir/f") <(jq "$same" "$dir/report")
	# What another command has printed is a snapshot, too.
	"$fallow" diff "$dir/f" "$dir/report"
	"$fallow" diff "$dir/f" <("$fallow" regions --json "$target")
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "no python3-jsonschema"
	/usr/bin/python3 -c 'import json, jsonschema, sys
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' \
		"$dir/f" "$tree/Documentation/fallow.schema.json"
}

@test "no contents of the memory are in it" {
	start_ready "$bin/heap" random-free 1 1
	target=$(pgrep -n -f "$bin/heap")
	"$fallow" snapshot "$target" -o "$dir/f"
	jq -e '[.. | objects | has("data")] | any | not' "$dir/f"
}

@test "a file that is there is replaced, in one step" {
	start "$bin/grow" 1 1
	echo old >"$dir/f"
	exec 8<"$dir/f"
	"$fallow" snapshot "$target" -o "$dir/f"
	[ "$(cat <&8)" = old ]
	jq -e '.schema == "fallow.snapshot/1"' "$dir/f"
	exec 8<&-
	# Of a link the name is replaced, not what it leads to.
	echo elsewhere >"$dir/other"
	ln -sf other "$dir/link"
	"$fallow" snapshot "$target" -o "$dir/link"
	[ "$(cat "$dir/other")" = elsewhere ]
	jq -e '.schema' "$dir/link"
}

@test "a disk that is full: the old file stays, and it is said" {
	start "$bin/grow" 1 1
	mount -t tmpfs -o size=16k tmpfs "$dir" 2>/dev/null || skip "no tmpfs can be mounted here"
	echo old >"$dir/f"
	run "$fallow" snapshot "$target" -o "$dir/f"
	failed 1 'writing .*/f: No space left on device'
	[ "$(cat "$dir/f")" = old ]
	run "$fallow" snapshot "$target" -o "$dir/g"
	failed 1 'writing .*/g: No space left on device'
	[ ! -e "$dir/g" ]
}

@test "a limit on the size of files" {
	start "$bin/grow" 1 1
	echo old >"$dir/f"
	run bash -c "ulimit -f 8; '$fallow' snapshot $target -o '$dir/f'"
	failed 1 'writing .*/f: File too large'
	[ "$(cat "$dir/f")" = old ]
}

@test "a place that cannot be written, or is no file's" {
	start "$bin/grow" 1 1
	run "$fallow" snapshot "$target" -o "$dir/no/f"
	failed 1 'writing .*/no/f: No such file or directory'
	run "$fallow" snapshot "$target" -o "$dir"
	failed 1 'writing .*: it is there, and no file'
	mkfifo "$dir/pipe"
	run "$fallow" snapshot "$target" -o "$dir/pipe"
	failed 1 'it is there, and no file'
	[ -p "$dir/pipe" ]
	mknod "$dir/null" c 1 3 2>/dev/null || skip "no device can be made here"
	run "$fallow" snapshot "$target" -o "$dir/null"
	failed 1 'it is there, and no file'
	[ -c "$dir/null" ]
}

@test "no such process: no file" {
	run "$fallow" snapshot 4194303 -o "$dir/f"
	failed 3 'no such process'
	[ ! -e "$dir/f" ]
}
