#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# watch, as a person uses it: in a terminal, with keys.
load common

setup() {
	command -v tmux >/dev/null || skip "no tmux"
	session=fallow-$BATS_TEST_NUMBER-$$
}

more_teardown() {
	tmux -L "$session" kill-server 2>/dev/null || true
}

# Runs watch in a terminal of 80x24; its exit status is shown behind it.
watch_it() {
	tmux -L "$session" -f /dev/null new-session -d -x 80 -y 24 \
		"LANG=C.UTF-8 $fallow watch -i 0.5 $target; echo status=\$?; sleep 60" 3>&-
}

screen() {
	tmux -L "$session" capture-pane -p
}

shows() {
	screen | grep -q -E -- "$1"
}

@test "growth shows in the line that grows, and a resize is survived" {
	start "$bin/grow" 40 2000
	watch_it
	eventually shows '^  heap\.used .*\+[0-9.]+ MiB .*\+[0-9,.]+ MiB/min'
	eventually shows 'live-growth'
	shows 'q: quit'
	tmux -L "$session" resize-window -x 100 -y 40
	eventually shows '^  heap\.used .*\+[0-9.]+ MiB'
	tmux -L "$session" resize-window -x 40 -y 10
	sleep 1.2
	shows 'heap.used'
	tmux -L "$session" resize-window -x 80 -y 24
	sleep 1.2
	tmux -L "$session" send-keys q
	eventually shows 'status=0'
}

@test "Ctrl-C ends it, and the terminal is as before" {
	start "$bin/grow" 1 10
	watch_it
	eventually shows 'heap.used'
	tmux -L "$session" send-keys C-c
	eventually shows 'status=0'
	! shows 'heap.used'
}

@test "it ends when the target does" {
	start "$bin/grow" 1 10
	watch_it
	eventually shows 'heap.used'
	kill -KILL "$target"
	eventually shows 'status=3'
	shows "process $target"
}

@test "--json: an object a line" {
	start "$bin/grow" 20 500
	timeout -s INT 2 "$fallow" watch --json -i 300ms "$target" >"$BATS_TEST_TMPDIR/o" || true
	[ "$(wc -l <"$BATS_TEST_TMPDIR/o")" -ge 3 ]
	while IFS= read -r line; do
		jq -e '.schema == "fallow.snapshot/1"' <<<"$line"
	done <"$BATS_TEST_TMPDIR/o"
	jq -s -e '(.[-1].process.rss_bytes - .[0].process.rss_bytes) > 1048576' "$BATS_TEST_TMPDIR/o"
}

@test "without a terminal it says what to do" {
	start "$bin/grow" 1 1
	run "$fallow" watch "$target" </dev/null
	[ "$status" -eq 2 ]
	[[ $output == *--json* ]]
}
