# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the command-line tests share.

tree=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
fallow=${FALLOW:-$tree/build/fallow}
bin=${FALLOW_WORKLOADS:-$tree/build/workloads}

# Whether process $1 is no longer the shell that becomes the program.
runs() {
	[ "$(readlink "/proc/$1/exe")" != "$(readlink "/proc/$BASHPID/exe")" ]
}

# Starts a program that runs until the test ends; its pid goes to $target.
start() {
	"$@" </dev/null >/dev/null 2>&1 3>&- &
	target=$!
	targets+=("$target")
	eventually runs "$target"
}

# Starts one that says "ready" and lives as long as its input is open.
start_ready() {
	local out=$BATS_TEST_TMPDIR/out.$RANDOM
	sleep 600 3>&- | "$@" >"$out" 2>/dev/null 3>&- &
	target=$!
	targets+=("$target")
	for _ in $(seq 200); do
		grep -q ready "$out" && return
		sleep 0.05
	done
	return 1
}

# Waits until a command succeeds, for ten seconds at most.
eventually() {
	for _ in $(seq 100); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

teardown() {
	local pid
	for pid in "${targets[@]}"; do
		pkill -KILL -P "$pid" 2>/dev/null || true
		kill -KILL "$pid" 2>/dev/null || true
	done
	type -t more_teardown >/dev/null && more_teardown
	return 0
}
