#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# fallow export: which processes, in which form, to which file. What Prometheus makes of it
# is in tests/delivery.
load common

setup() {
	dir=$BATS_TEST_TMPDIR
}

# value METRIC LABELS: of a sample of which these are a part of the labels.
value() {
	sed -n "s/^$1\(\|{.*$2.*}\) //p"
}

@test "the ledger is the report's, in each form" {
	start "$bin/grow" 20 5
	sleep 0.5
	kill -STOP "$target"
	eventually grep -q '^State:.T' "/proc/$target/status"
	"$fallow" report --json "$target" |
		jq -r '.ledger[] | "\(.class) \(.resident_bytes) \(.swapped_bytes)"' >"$dir/report"
	"$fallow" export "$target" >"$dir/metrics"
	while read -r class resident swapped; do
		[ "$(value fallow_process_resident_bytes "class=\"$class\"" <"$dir/metrics")" = "$resident" ]
		[ "$(value fallow_process_swapped_bytes "class=\"$class\"" <"$dir/metrics")" = "$swapped" ]
	done <"$dir/report"
	[ "$(tail -n 1 "$dir/metrics")" = '# EOF' ]
	"$fallow" export --format=json "$target" "$target" >"$dir/json"
	[ "$(wc -l <"$dir/json")" -eq 2 ]
	jq -r 'select(.schema == "fallow.snapshot/1") | .ledger[] |
		"\(.class) \(.resident_bytes) \(.swapped_bytes)"' "$dir/json" |
		diff <(cat "$dir/report" "$dir/report") -
	"$fallow" export --format=csv "$target" |
		python3 -c 'import csv, sys
for row in csv.DictReader(sys.stdin):
    print(row["class"], row["resident_bytes"], row["swapped_bytes"])' | diff "$dir/report" -
}

@test "a name that a spreadsheet would compute" {
	start python3 -c 'import time
open("/proc/self/comm", "w").write("=1+\"2\"")
time.sleep(600)'
	eventually grep -q = "/proc/$target/comm"
	"$fallow" export --format=csv "$target" | grep -q -F ",\"'=1+\"\"2\"\"\",heap.used,"
}

@test "all processes: as many as asked for, the others counted" {
	start "$bin/grow" 1 1
	start "$bin/grow" 1 1
	"$fallow" export --all --top=1 --quick >"$dir/f"
	[ "$(grep -c '^fallow_process_info{' "$dir/f")" -eq 1 ]
	[ "$(value fallow_export_processes 'result="exported"' <"$dir/f")" -eq 1 ]
	[ "$(value fallow_export_processes 'result="left_out"' <"$dir/f")" -ge 1 ]
	[ "$(value fallow_export_left_out_bytes '' <"$dir/f")" -gt 0 ]
	# The other forms have no place for that.
	run "$fallow" export --all --top=1 --quick --format=csv
	[ "$status" -eq 0 ]
	grep -q -E '^fallow: [0-9]+ more processes, RSS .*, left out \(--top\)$' <<<"$output"
}

@test "a process that is in many groups" {
	[ "$(id -u)" -eq 0 ] || skip "it needs root"
	start setpriv --groups="$(seq -s, 100000 103000)" python3 -c 'import time
kept = b"x" * (100 << 20)
print("", flush=True)
time.sleep(600)'
	eventually grep -q '^RssAnon:.*[0-9]\{6\} kB' "/proc/$target/status"
	"$fallow" export --all --top=50 --quick | grep "^fallow_process_threads{pid=\"$target\""
}

@test "what is named twice is there once, and that is told" {
	start "$bin/grow" 1 1
	"$fallow" snapshot "$target" -o "$dir/s"
	"$fallow" export "$target" "$target" "$dir/s" >"$dir/f" 2>"$dir/told"
	[ "$(grep -c '^fallow_process_info{' "$dir/f")" -eq 1 ]
	[ -z "$(grep -v '^#' "$dir/f" | sed 's/ [^ ]*$//' | sort | uniq -d)" ]
	[ "$(value fallow_export_processes 'result="exported"' <"$dir/f")" -eq 1 ]
	[ "$(grep -c "^fallow: process $target (grow) was exported already" "$dir/told")" -eq 2 ]
}

@test "what is named and is not there is told, and the others are exported" {
	start "$bin/grow" 1 1
	run "$fallow" export "$target" 4194303 -o "$dir/f"
	[ "$status" -eq 3 ]
	[ "$output" = 'fallow: process 4194303: no such process' ]
	[ "$(value fallow_process_threads "pid=\"$target\"" <"$dir/f")" -eq 1 ]
	[ "$(value fallow_export_processes 'result="gone"' <"$dir/f")" -eq 1 ]
}

@test "others' processes, without the right to look" {
	[ "$(id -u)" -eq 0 ] || skip "it needs root"
	start "$bin/grow" 1 1
	install -d -o 65534 "$dir/theirs"
	install -m 755 "$fallow" "$dir/theirs/fallow"
	chmod 755 "$dir" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test "$BATS_RUN_TMPDIR"/test/* || true
	run setpriv --reuid=65534 --clear-groups "$dir/theirs/fallow" export "$target"
	[ "$status" -eq 4 ]
	grep -q '^fallow_export_processes{result="denied"} 1$' <<<"$output"
	# With the two rights that the DaemonSet asks for, it can.
	chown 65534 "$dir/theirs/fallow"
	setpriv --bounding-set=-all,+sys_ptrace,+dac_read_search \
		--inh-caps=-all,+sys_ptrace,+dac_read_search \
		"$dir/theirs/fallow" export "$target" | grep -q "^fallow_process_threads{pid=\"$target\""
}

@test "metrics are for a collector to read, the rest for their owner" {
	start "$bin/grow" 1 1
	umask 022
	"$fallow" export "$target" -o "$dir/metrics"
	"$fallow" export "$target" --format=json -o "$dir/json"
	[ "$(stat -c %a "$dir/metrics") $(stat -c %a "$dir/json")" = '644 600' ]
	(umask 077 && "$fallow" export "$target" -o "$dir/metrics")
	[ "$(stat -c %a "$dir/metrics")" = 600 ]
}

@test "who reads meanwhile reads all" {
	start "$bin/grow" 1 1
	"$fallow" export "$target" -o "$dir/f"
	(while "$fallow" export "$target" -o "$dir/f"; do :; done) &
	writer=$!
	for _ in $(seq 50); do
		[ "$(tail -n 1 "$dir/f")" = '# EOF' ]
	done
	kill "$writer"
	wait "$writer" || true
	[ "$(find "$dir" -name 'f.*' | wc -l)" -le 1 ]
}

@test "wrong use" {
	for args in '' '--all 1' '--all --cgroup=/x' '--top=0 --all' '--top=-1 --all' \
		'--top=9999 --all' '--format=xml 1' '--json 1' '-o'; do
		# shellcheck disable=SC2086 # words
		run "$fallow" export $args
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}
