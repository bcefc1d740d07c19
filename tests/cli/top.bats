#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# top as a live screen.
load common
load terminal

setup() {
	begin_terminal
	name=grow-$$
	cp "$bin/grow" "$name"
}

more_teardown() {
	end_terminal
}

@test "keys and sizes" {
	start "./$name" 10 4000
	run_in 80 24 "$fallow top -i 0.5"
	patiently shows '^[0-9]+ processes  memory [0-9,.]+ MiB'
	keys /
	keys -l "${name:0:12}"
	keys Enter
	row="^ *$target ${name:0:11} "
	patiently shows "$row .*\+[0-9,.]+ MiB/min  live-growth"
	resize 200 60
	patiently shows "$target $name .* live-growth \((possible|likely)\)"
	patiently shows '^ +pid name +RSS +fallow +returnable +growth  verdict'
	resize 30 6
	patiently shows "^ *$target "
	resize 80 24
	keys g
	patiently shows '^ by growth '
	keys s
	patiently shows '^ by fallow '
	keys '?'
	patiently shows '^verdict +the principal one'
	keys '?' p
	patiently shows '^paused'
	keys p
	patiently lacks '^paused'
	keys / C-u Enter
	kill -KILL "$target"
	patiently lacks "$row"
	keys q
	ended_well 0
}

@test "small processes: at most" {
	start sleep 1000
	run_in 110 50 "$fallow top -i 0.5"
	patiently shows '^[0-9]+ processes'
	keys /
	keys -l sleep
	keys Enter
	patiently shows "^ *$target sleep +.* at most [0-9.]+ KiB .* not looked at"
	kill -TERM "$(pid_of fallow)"
	ended_well 0
}

@test "without a terminal, a table" {
	"$fallow" top </dev/null >table
	grep -q -E '^ +pid +name +RSS +fallow' table
	run "$fallow" top nonsense
	[ "$status" -eq 2 ]
}
