#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# fallow regions: columns, order, totals; fallow info.
load common

setup() {
	start_ready "$bin/maps" pages shmem file mlock lazyfree
	target=$(pgrep -n -f "$bin/maps pages shmem file mlock lazyfree")
	kill -STOP "$target"
	eventually grep -q '^State:.T' "/proc/$target/status"
}

# The lines of mappings, without header, totals and footer.
mappings() {
	grep -E '^[0-9a-f]{12}-[0-9a-f]{12} '
}

# Sizes as bytes, to the precision with which they are shown.
bytes() {
	tr -d , | awk '{ print int($1 * ($2 == "MiB" ? 1048576 : $2 == "KiB" ? 1024 : 1)) }'
}

valid() { # FILE SCHEMA
	/usr/bin/python3 -c 'import json, jsonschema, sys
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' \
		"$1" "$tree/Documentation/$2"
}

@test "help lists all columns, and wants no target" {
	run "$fallow" regions --columns=help
	[ "$status" -eq 0 ]
	names=$(awk '{ print $1 }' <<<"$output" | paste -sd,)
	[[ $names == address,*,name ]]
	# Each can be shown and sorted by.
	run "$fallow" regions --columns="$names" "$target"
	[ "$status" -eq 0 ]
	header=$(grep ^address <<<"$output" | tr -s ' ' , | sed 's/,$//')
	[ "$header" = "$names" ]
	for name in ${names//,/ }; do
		"$fallow" regions --sort="$name" "$target" >"$BATS_TEST_TMPDIR/o"
	done
	run "$fallow" regions --columns=all "$target"
	[ "$(grep ^address <<<"$output" | tr -s ' ' , | sed 's/,$//')" = "$names" ]
	# Each line fits 80 columns.
	"$fallow" regions --columns=help | awk 'length > 80 { exit 1 }'
}

@test "unknown columns" {
	for option in --columns=rss,bogus --sort=bogus; do
		status=0
		"$fallow" regions $option "$target" >"$BATS_TEST_TMPDIR/o" 2>"$BATS_TEST_TMPDIR/e" || status=$?
		[ "$status" -eq 2 ]
		[ ! -s "$BATS_TEST_TMPDIR/o" ]
		[ "$(wc -l <"$BATS_TEST_TMPDIR/e")" -eq 1 ]
		grep -q 'no column is named "bogus".*help' "$BATS_TEST_TMPDIR/e"
	done
	run "$fallow" report --columns=rss "$target"
	[ "$status" -eq 2 ]
}

@test "columns as they were asked for, the address first and the name last" {
	run "$fallow" regions --columns=swap,rss,address,rss "$target"
	[ "$status" -eq 0 ]
	[ "$(grep ^address <<<"$output" | xargs)" = "address swap rss name" ]
}

@test "the default fits 100 columns, names apart" {
	"$fallow" regions "$target" | awk '/^address/ { exit index($0, " name") > 100 }'
}

@test "biggest first; by address if asked" {
	"$fallow" regions --columns=rss "$target" | mappings | awk '{ print $2, $3 }' | bytes >"$BATS_TEST_TMPDIR/rss"
	sort -rn "$BATS_TEST_TMPDIR/rss" | diff - "$BATS_TEST_TMPDIR/rss"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/rss")" -gt 10 ]
	"$fallow" regions --sort=address "$target" | mappings | cut -c 1-12 >"$BATS_TEST_TMPDIR/a"
	sort -c "$BATS_TEST_TMPDIR/a"
	"$fallow" regions --sort=locked --columns=locked "$target" | mappings | head -n 1 | grep -q '2.0 MiB'
}

@test "totals add up; of what is unknown there is none" {
	run "$fallow" regions --source=procfs --columns=rss,anon,dirty,pinned "$target"
	total=$(grep ^total <<<"$output")
	rss=$(awk '/^Rss:/ { sum += $2 } END { print sum / 1024 }' "/proc/$target/smaps")
	[ "$(awk '{ print $2 }' <<<"$total")" = "$(printf %.1f "$rss")" ]
	[[ $total == *" -"* ]]
	[[ $output == *"unknown to procfs"* ]]
	[[ $output == *"more columns: --columns=all"* ]]
	run "$fallow" regions --source=procfs --columns=rss "$target"
	[[ $output != *"unknown to procfs"* ]]
}

@test "numbers stand right-aligned" {
	"$fallow" regions --columns=rss,pss "$target" | grep -E '^(address|total|[0-9a-f]{12}-)' |
		awk '{ if (match($0, /.*( rss| [0-9.,]+ (B|KiB|MiB))  +[^ ]/) == 0) exit 1 }'
	# The column rss ends where its header does, in each line.
	"$fallow" regions --columns=rss "$target" | grep -E '^(address|total|[0-9a-f]{12}-)' >"$BATS_TEST_TMPDIR/o"
	end=$(head -n 1 "$BATS_TEST_TMPDIR/o" | awk '{ print index($0, " rss ") + 3 }')
	cut -c "$end" "$BATS_TEST_TMPDIR/o" | grep -q -v '[sB]' && false
	true
}

@test "the JSON has every column, and is as the schema says" {
	"$fallow" regions --json "$target" >"$BATS_TEST_TMPDIR/o"
	for name in $("$fallow" regions --columns=help | awk '{ print $1 }'); do
		jq -e --arg name "$name" '.regions | all((has($name + "_bytes") or has($name) or
			(.reclaim | has($name + "_bytes")) or $name == "address"))' "$BATS_TEST_TMPDIR/o"
	done
	# A mapping a line.
	[ "$(grep -c '^    {"start":"0x' "$BATS_TEST_TMPDIR/o")" -eq "$(jq '.regions | length' "$BATS_TEST_TMPDIR/o")" ]
	# The columns that are chosen for people are no matter to programs.
	"$fallow" regions --json --columns=rss "$target" | jq -e '.regions[0] | has("pss_bytes")'
	jq -e '[.regions[].flags[]] | index("locked")' "$BATS_TEST_TMPDIR/o"
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "no python3-jsonschema"
	valid "$BATS_TEST_TMPDIR/o" fallow.schema.json
}

@test "info: as the schema says, to root and to others" {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "no python3-jsonschema"
	"$fallow" info --json >"$BATS_TEST_TMPDIR/o"
	valid "$BATS_TEST_TMPDIR/o" fallow-info.schema.json
	[ "$(id -u)" -eq 0 ] || skip "needs root, to become somebody else"
	dir=$(mktemp -d)
	chmod 755 "$dir"
	cp "$fallow" "$dir/fallow"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/fallow" info --json >"$BATS_TEST_TMPDIR/o"
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/fallow" info
	rm -r "$dir"
	[ "$status" -eq 0 ]
	[[ $output == *"frame numbers: no: "*CAP_SYS_ADMIN* ]]
	[[ $output == *"other users' processes: no: "*CAP_SYS_PTRACE* ]]
	valid "$BATS_TEST_TMPDIR/o" fallow-info.schema.json
	jq -e '.source == "procfs" and .sources.procfs.usable' "$BATS_TEST_TMPDIR/o"
}

@test "info: why the module is not in use, and what is unknown without it" {
	[ ! -e /sys/module/fallow ] || skip "the module is loaded"
	run "$fallow" info
	[ "$status" -eq 0 ]
	[[ $output == *"kmod        not in use: the fallow module is not loaded"* ]]
	[[ $output == *"source      procfs"* ]]
	[[ $output == *unknown:*pinned*"(not in smaps)"* ]]
}

@test "regions are disjoint, also of a process whose heap grows meanwhile" {
	start "$bin/grow" 200 1000
	for _ in $(seq 8); do
		"$fallow" regions --json "$target" >"$BATS_TEST_TMPDIR/o"
		python3 - "$BATS_TEST_TMPDIR/o" <<-'END'
			import json, sys
			regions = json.load(open(sys.argv[1]))["regions"]
			ranges = [(int(r["start"], 16), int(r["end"], 16)) for r in regions]
			for (_, end), (start, _) in zip(ranges, ranges[1:]):
			    assert end <= start, (hex(end), hex(start))
		END
	done
}
