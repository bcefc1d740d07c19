# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Commands in a terminal, as a person uses them.

begin_terminal() {
	command -v tmux >/dev/null || skip "no tmux"
	session=fallow-$BATS_TEST_NUMBER-$$
	cd "$BATS_TEST_TMPDIR" || return
}

end_terminal() {
	tmux -L "$session" kill-server 2>/dev/null || true
}

# A terminal of $1x$2 in which the command $3 runs; its status is shown behind it.
run_in() {
	end_terminal
	session+=+ # a server that ends still has its socket
	tmux -L "$session" -f /dev/null new-session -d -x "$1" -y "$2" \
		"stty -g >before; export LANG=C.UTF-8; $3; echo status=\$?
		stty -g >after; sleep 600" 3>&-
}

screen() {
	tmux -L "$session" capture-pane -p "$@"
}

shows() {
	screen | grep -q -E -- "$1"
}

lacks() {
	if shows "$1"; then return 1; fi
}

# Types keys, as tmux names them.
keys() {
	tmux -L "$session" send-keys "$@"
}

resize() {
	tmux -L "$session" resize-window -x "$1" -y "$2"
}

# The process of that name in the terminal.
pid_of() {
	pgrep -x "$1" -P "$(tmux -L "$session" list-panes -F '#{pane_pid}')"
}

ended_well() { # STATUS
	patiently shows "status=$1"
	patiently test -s after
	cmp before after
}

# As eventually, for a minute at most: on a busy machine a screen comes late.
patiently() {
	for _ in $(seq 600); do
		"$@" && return 0
		sleep 0.1
	done
	screen >&2
	return 1
}
