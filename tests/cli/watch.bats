#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# watch, as a person uses it: in a terminal, with keys.
load common
load terminal

setup() {
	begin_terminal
}

more_teardown() {
	end_terminal
}

# watch in a terminal of $1x$2, with $3 before it.
watch_in() {
	run_in "$1" "$2" "${3-} $fallow watch -i 0.5 $target"
}

# A program on glibc with much that is free, in pieces large and small.
some_heap() {
	start_ready python3 -c 'import sys
x = [bytearray(3000) for i in range(20000)]
y = x[::7]
del x[10000:]
print("ready", flush=True)
sys.stdin.read()'
}

@test "what it is, whether it grows, what would help: at a glance, in any size" {
	start "$bin/grow" 40 2000
	watch_in 80 24
	patiently shows '^RSS .*growing \+[0-9,.]+ MiB/min'
	patiently shows '^. heap\.used .*\+[0-9.,]+ MiB .*\+[0-9,.]+ MiB/min'
	patiently shows '^live-growth \(possible\): '
	patiently shows '^-> find who allocates'
	patiently shows '^glibc .*: live [0-9.,]+ MiB'
	patiently shows 'regions that grew most'
	patiently shows '^  [0-9a-f]{12} .*\+[0-9.,]+ MiB +rw-p glibc'
	patiently shows 'q: quit'
	resize 200 60
	patiently shows '^ +class +resident +swapped +share +change +rate'
	patiently shows '^. heap\.used '
	resize 40 10
	patiently shows '^live-growth'
	patiently lacks '^ +class +resident +swapped'
	resize 80 24
	patiently shows 'q: quit'
	keys q
	ended_well 0
}

@test "the views, at 80x24 and at 200x60" {
	some_heap
	for size in '80 24' '200 60'; do
		# shellcheck disable=SC2086 # two words
		watch_in $size
		patiently shows '^. heap\.used '
		keys 2
		patiently shows '^start +size +resident'
		shows '^1 to [0-9]+ of [0-9]+ regions, resident'
		keys 3
		patiently shows '^allocator and arenas +resident +live'
		shows '^glibc '
		shows '^address space, .* a cell, by class'
		shows '^[0-9a-f]{12} '
		keys a
		patiently shows 'ages are not known: fallow watch --idle'
		keys a 4
		patiently shows '^live bytes +[0-9.,]+ [KMG]iB .*/min'
		shows '^RSS '
		keys 5
		patiently shows '^ +(healthy|retention|fragmentation) \('
		keys '?'
		patiently shows '^b +mark'
		keys Tab
		patiently shows '^. heap\.used '
		keys q
		patiently shows 'status=0'
	done
}

@test "numbers are those of report, of a stopped process" {
	some_heap
	kill -STOP "$target"
	watch_in 80 24
	patiently shows '^. heap\.used '
	"$fallow" report --quick --json "$target" >json
	screen >shown
	python3 - <<-'END'
		import json, re
		report = json.load(open("json"))
		shown = open("shown").read()
		units = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
		def told(line):
		    n, unit = re.search(line + r" +([0-9,.]+) (B|KiB|MiB)", shown, re.M).groups()
		    return float(n.replace(",", "")) * units[unit], units[unit]
		def check(line, truth):
		    value, unit = told(line)
		    assert abs(value - truth) <= unit * 0.0501, (line, value, truth)
		lines = [l for l in report["ledger"] if l["resident_bytes"]]
		assert len(lines) >= 5
		for l in lines:
		    check("^. " + re.escape(l["class"]), l["resident_bytes"])
		check("^RSS", report["process"]["rss_bytes"])
		heap = next(a for a in report["allocators"] if a["name"] == "glibc")
		check("^glibc.*: live", heap["live_bytes"])
		check("^glibc.*, free", heap["free_bytes"])
		check("^glibc.*, stranded", heap["stranded_bytes"])
	END
}

@test "one truth: screen, JSON, report, export and recording, of a stopped process" {
	some_heap
	kill -STOP "$target"
	watch_in 80 24
	patiently shows '^. heap\.used '
	keys w C-u
	keys -l screen
	keys Enter
	patiently shows 'written: screen'
	keys q
	# Of lines as many as came: the first one is whole.
	"$fallow" watch --json "$target" >lines &
	patiently test -s lines
	kill -TERM $!
	wait $!
	"$fallow" report --quick --json "$target" >report
	for format in json csv openmetrics; do
		"$fallow" export --quick --format=$format "$target" >$format
	done
	"$fallow" record "$target" -o F --for 1s
	"$fallow" report --json F@-1 >recorded
	python3 - "$target" <<-'END'
		import csv, json, re, sys
		def of_json(name):
		    with open(name) as f:
		        s = json.loads(f.readline()) if name in ("lines", "json") else json.load(f)
		    assert sum(l["resident_bytes"] for l in s["ledger"]) == s["process"]["rss_bytes"]
		    return ({l["class"]: [l["resident_bytes"], l["swapped_bytes"]] for l in s["ledger"]},
		            {a["name"]: [a[k + "_bytes"] for k in of_heap] for a in s["allocators"]})
		of_heap = ["resident", "live", "free", "stranded", "returnable", "fallow"]
		want = of_json("report")
		assert len(want[1]) >= 2 and want[0]["heap.used"][0] > 1 << 20, want
		for name in "screen", "lines", "json", "recorded":
		    assert of_json(name) == want, (name, of_json(name), want)
		with open("csv", newline="") as f:
		    lines = {l["class"]: [int(l["resident_bytes"]), int(l["swapped_bytes"])]
		             for l in csv.DictReader(f)}
		assert lines == want[0], lines
		with open("openmetrics") as f:
		    text = f.read()
		def metric(name, label):
		    found = re.findall("^fallow_" + name + "{.*" + label + '="([^"]+)"} ([0-9]+)$', text, re.M)
		    return {k: int(v) for k, v in found}
		assert metric("process_resident_bytes", "class") == {k: v[0] for k, v in want[0].items()}
		for i, k in enumerate(of_heap):
		    assert metric(f"allocator_{k}_bytes", "allocator") == {n: a[i] for n, a in want[1].items()}
		# The kernel's sum, of all that the ledger has.
		with open(f"/proc/{sys.argv[1]}/smaps_rollup") as f:
		    rss = int(re.search("^Rss: +([0-9]+) kB$", f.read(), re.M).group(1)) << 10
		assert sum(v[0] for v in want[0].values()) == rss, rss
	END
}

@test "filter, order, pause, interval, mark, and a snapshot for diff" {
	start "$bin/grow" 40 2000
	watch_in 80 24
	patiently shows 'growing'
	keys /
	patiently shows 'filter: _'
	keys -l stack
	keys Enter
	patiently shows 'regions that match the filter'
	patiently shows 'stack'
	patiently lacks '\[heap\]'
	keys / C-u Enter
	patiently shows '\[heap\]'
	keys s
	patiently shows 's: by resident'
	keys 1 p
	patiently shows 'paused'
	screen | grep '^RSS' >first
	sleep 1.5
	screen | grep '^RSS' >second
	cmp first second
	keys p
	patiently lacks paused
	patiently shows "^RSS [0-9.,]+ MiB  growing"
	keys +
	patiently shows ' 0\.2 s '
	keys - -
	patiently shows ' 1 s '
	screen | grep -o 'changes since [0-9:]*' >first
	keys b
	marked() { shows 'changes since' && lacks "$(cat first)"; }
	patiently marked
	keys w
	patiently shows "save to: fallow-$target-"
	keys C-u
	keys -l there.json
	keys Enter
	patiently shows 'written: there.json'
	jq -e --argjson pid "$target" '.schema == "fallow.snapshot/1" and .process.pid == $pid' there.json
	"$fallow" snapshot "$target" -o later.json
	"$fallow" diff there.json later.json | grep -q 'heap.used'
	keys w C-u
	keys -l no/such/folder.json
	keys Enter
	patiently shows 'writing no/such/folder.json: No such file'
	keys q
	patiently shows 'status=0'
}

@test "if the process ends, its last look stays" {
	start "$bin/grow" 1 10
	watch_in 80 24
	patiently shows 'heap\.used'
	kill -KILL "$target"
	patiently shows "^ENDED: the last look is of [0-9:]{8}: process $target"
	patiently shows 'heap\.used'
	keys 2
	patiently shows '\[heap\]'
	patiently shows '^ENDED'
	resize 100 30
	patiently shows '^ENDED'
	keys q
	ended_well 3
	patiently shows "fallow: process $target"
}

@test "a program that calls exec: nothing is told of the one before" {
	cat >again.py <<-'END'
		import os, sys, time
		if sys.argv[1] == "large":
		    x = [bytearray(3000) for i in range(20000)]
		    while not os.path.exists("go"):
		        time.sleep(0.1)
		    os.execv(sys.executable, [sys.executable, "again.py", "small"])
		time.sleep(1000)
	END
	start python3 again.py large
	watch_in 80 24
	patiently shows '^RSS [67][0-9]\.'
	sleep 2
	touch go
	patiently shows '^at [0-9:]{8} or shortly before, it called exec'
	patiently shows '^RSS [12]?[0-9]\.'
	lacks shrinking
	lacks '[+-][2-9][0-9]\.[0-9] MiB'
	keys b 4
	patiently shows '^RSS '
	lacks '^ +[67][0-9]\.' # of the chart
	keys q
	ended_well 0
}

@test "the terminal is as before: Ctrl-C, SIGTERM, SIGHUP, SIGQUIT" {
	start "$bin/grow" 1 10
	for signal in INT TERM HUP QUIT; do
		rm -f before after
		watch_in 80 24
		patiently shows 'heap\.used'
		if [ $signal = INT ]; then
			keys C-c
		else
			kill -$signal "$(pid_of fallow)"
		fi
		ended_well 0
		lacks 'heap\.used'
	done
}

@test "Ctrl-Z gives the shell its terminal, fg goes on" {
	start "$bin/grow" 1 10
	tmux -L "$session" -f /dev/null new-session -d -x 80 -y 24 \
		"PS1='ready> ' LANG=C.UTF-8 bash --norc --noprofile -i" 3>&-
	patiently shows '^ready>'
	keys -l "$fallow watch -i 0.5 $target"
	keys Enter
	patiently shows '^. heap\.used'
	keys C-z
	patiently shows 'Stopped'
	keys -l 'echo a"b"c' # the shell's own line editing
	keys Enter
	patiently shows '^abc'
	keys -l fg
	keys Enter
	patiently shows '^. heap\.used'
	keys q
	patiently shows '^ready> *$'
	patiently lacks '^. heap\.used'
}

@test "without UTF-8, ASCII alone" {
	start "$bin/grow" 10 100
	watch_in 80 24 'LC_ALL=C'
	patiently shows '^# heap\.used '
	patiently shows 'growing'
	for key in 1 2 3 4 5 '?'; do
		keys "$key"
		sleep 0.6
		! grep -P '[^\x00-\x7f]' <<<"$(screen)" || return 1
	done
}

@test "without colour: NO_COLOR, and a terminal that has none" {
	start "$bin/grow" 10 100
	for how in NO_COLOR=1 TERM=vt100 ''; do
		watch_in 80 24 "$how"
		patiently shows '^. heap\.used '
		patiently shows 'growing'
		if [ -n "$how" ]; then
			! grep -P '\x1b\[[0-9;]*(3[0-7]|38|9[0-7])[;m]' <<<"$(screen -e)" || return 1
		else
			grep -P '\x1b\[[0-9;]*(3[0-7]|38|9[0-7])[;m]' <<<"$(screen -e)"
		fi
	done
}

@test "a terminal that cannot be drawn upon" {
	start "$bin/grow" 1 1
	watch_in 80 24 'TERM=dumb'
	patiently shows 'status=1'
	patiently shows 'dumb.*--json'
	watch_in 80 24 'TERM=no-such-terminal'
	patiently shows 'status=1'
	patiently shows 'no-such-terminal.*set TERM'
}

@test "names that want to command the terminal" {
	cp "$bin/grow" "$BATS_TEST_TMPDIR/$(printf 'a\033[2Jb')"
	start "$BATS_TEST_TMPDIR/$(printf 'a\033[2Jb')" 1 10
	watch_in 110 24
	patiently shows '^a\\x1b\[2Jb  pid'
	patiently shows ' a\\x1b\[2Jb [0-9]+$'
	keys 2
	patiently shows 'a\\x1b\[2Jb'
}

# So many looks and more, in F: on a busy machine one takes its time.
record_looks() {
	for _ in $(seq 60); do
		"$fallow" record "$target" -o F -i 0.2 --for 2s
		[ "$("$fallow" info --json F | jq '.processes[0].looks')" -lt "$1" ] || return 0
	done
	return 1
}

@test "a recording: any of its looks, by keys, and played" {
	start "$bin/grow" 40 2000
	record_looks 14
	kill -KILL "$target"
	rss() { # of look $1, as it is shown
		"$fallow" report "F@$1" | sed -n 's/.*  RSS \([0-9.,]* [KM]iB\)  .*/\1/p'
	}
	run_in 80 24 "$fallow watch -i 0.2 F"
	patiently shows "look ([0-9]+) of \1  p: play"
	patiently shows "^RSS $(rss -1) "
	keys '{'
	patiently shows 'look 1 of'
	patiently shows "^RSS $(rss 1)  first look"
	keys '.' ']'
	patiently shows 'look 12 of'
	patiently shows "^RSS $(rss 12)  growing"
	keys ',' '['
	patiently shows 'look 1 of'
	keys g
	patiently shows 'go to'
	keys -l -- 5
	keys Enter
	patiently shows 'look 5 of'
	keys g
	keys -l -- 23:
	keys Enter
	patiently shows '23:'
	keys 3
	patiently shows 'not recorded'
	keys p
	patiently shows "look ([0-9]+) of \1  p: play"
	keys q
	ended_well 0
	run "$fallow" watch --json F
	[ "$status" -eq 2 ]
}

@test "a recording: looks that are removed meanwhile" {
	start "$bin/grow" 40 2000
	record_looks 6
	run_in 80 24 "$fallow watch F@1"
	patiently shows 'look 1 of'
	python3 -c 'import sqlite3
with sqlite3.connect("F") as f:
    f.execute("DELETE FROM look WHERE base AND id < 5")'
	keys '}'
	patiently shows "look ([0-9]+) of \1  p: play"
	keys g
	patiently shows 'go to'
	keys -l -- 2
	keys Enter
	patiently shows 'no longer in it'
	keys q
	ended_well 0
}

@test "--json: an object a line" {
	start "$bin/grow" 20 500
	timeout -s INT 8 "$fallow" watch --json -i 300ms "$target" >"$BATS_TEST_TMPDIR/o" || true
	[ "$(wc -l <"$BATS_TEST_TMPDIR/o")" -ge 3 ]
	while IFS= read -r line; do
		jq -e '.schema == "fallow.snapshot/1"' <<<"$line"
	done <"$BATS_TEST_TMPDIR/o"
	jq -s -e '(.[-1].process.rss_bytes - .[0].process.rss_bytes) > 1048576' "$BATS_TEST_TMPDIR/o"
}

@test "--json: a pipe that nobody reads does not keep it from ending" {
	start "$bin/grow" 1 1
	mkfifo pipe
	sleep 600 <>pipe 3>&- &
	targets+=($!)
	"$fallow" watch --json -i 200ms "$target" >pipe 3>&- &
	local watch=$!
	full() {
		python3 -c 'import os
os.write(os.open("pipe", os.O_WRONLY | os.O_NONBLOCK), b"x" * 4096)' 2>&1 | grep -q Blocking
	}
	patiently full
	sleep 1
	kill -TERM "$watch"
	patiently test ! -e "/proc/$watch"
	wait "$watch"
}

@test "resized, and signalled, without end" {
	start "$bin/grow" 20 500
	watch_in 80 24
	patiently shows '^. heap\.used '
	for i in $(seq 40); do
		resize $((i * 37 % 190 + 2)) $((i * 17 % 58 + 2))
		keys $((i % 6))
		kill -WINCH "$(pid_of fallow)"
	done
	resize 80 24
	keys 1
	patiently shows '^. heap\.used '
	patiently shows 'q: quit'
	keys q
	ended_well 0
}

@test "without a terminal it says what to do" {
	start "$bin/grow" 1 1
	run "$fallow" watch "$target" </dev/null
	[ "$status" -eq 2 ]
	[[ $output == *--json* ]]
}
