# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Test Anything Protocol, for what is written in the shell.

n=0 failed=0

run() { # NAME COMMAND…: passes if COMMAND does; its output is shown if not
	local name=$1 out
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - $name"
	else
		failed=1
		echo "not ok $n - $name"
		printf '%s\n' "$out" | head -n 40 | sed 's/^/# /'
	fi
}

skip() { # NAME REASON
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# The last line.
plan() {
	echo "1..$n"
	exit $failed
}
