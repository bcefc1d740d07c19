#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten thousand threads, each with something in its cache: what the tool says of it
against the threads' own books, and what the look costs."""
import fcntl
import json
import os
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20
FEW, MANY = 1000, 10000
PROGRAM = os.path.join(heaplib.BIN, "threads")
HEAD = 8  # of a chunk of glibc's: what is usable of it is less
LOOKS = 2
# If it took ten times as many threads ten times as long, with room for what does not
# depend on them; were it their square, it were a hundred.
RATIO = 30


def peak(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def look(pid, command):
    """What it says, what that took of the processor, and of memory at most."""
    with subprocess.Popen([heaplib.FALLOW, command, "--json", str(pid)],
                          stdout=subprocess.PIPE, bufsize=0) as process:
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        text = process.stdout.read(1)
        # All is gathered, and it waits for more of it to be read.
        memory = peak(process.pid)
        text += process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return text, usage.ru_utime + usage.ru_stime, memory


def check(name, allocator, threads, env):
    """The times of report and heap."""
    with heaplib.Child([PROGRAM, str(threads)], text=True, env={**os.environ, **env}) as w:
        said = w.process.stdout.readline().split()
        if not said:
            tap.skip(name, "so many cannot be had here")
            return None
        held, freed, blocks, allocated = (int(n) for n in said[1:])
        looks = {command: [look(w.pid, command) for _ in range(LOOKS)]
                 for command in ("report", "heap")}
        rss = heaplib.rss_of(w.pid)
    text, _, memory = looks["report"][-1]
    snapshot = json.loads(text)
    seen = next(a for a in snapshot["allocators"] if a["name"] == allocator)
    cached = sum(a["cached_bytes"] for a in seen["arenas"])
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    facts = (f"held {held}, freed {freed} in {blocks}; allocated {allocated}; live "
             f"{seen['live_bytes']} cached {cached}; {seen['status']} {seen.get('reason')}; "
             f"ledger {ledger} rss {rss}; memory {memory}; {snapshot['warnings']}")
    tap.ok(seen["status"] == "exact", f"{name}: exact", facts)
    if allocator == "glibc":
        tap.ok(cached == freed + blocks * HEAD, f"{name}: what is cached is told", facts)
    else:
        # It fills its caches ahead.
        tap.ok(cached >= freed and seen["live_bytes"] >= held and
               cached + seen["live_bytes"] == allocated, f"{name}: what is cached is told", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)
    tap.ok(memory <= 64 * MIB + rss // 1000, f"{name}: in bounded memory", facts)
    times = {command: min(t for _, t, _ in of) for command, of in looks.items()}
    print(f"# {name}: {times}, {memory // 1024} KiB, {ledger // MIB} MiB resident", flush=True)
    return times


def check_both(name, allocator, env):
    few = check(f"{name}, {FEW} threads", allocator, FEW, env)
    many = check(f"{name}, {MANY} threads", allocator, MANY, env)
    for command in few or [] if many else []:
        tap.ok(many[command] <= RATIO * few[command], f"{name}: time of {command} is linear",
               f"{few} {many}")


def main():
    check_both("glibc", "glibc", {})
    check_both("glibc, an arena a thread", "glibc", {"MALLOC_ARENA_MAX": str(2 * MANY)})
    here = [(name, library) for name, _, library, loader in heaplib.jemallocs(tap) if not loader]
    for name, library in here[-1:]:
        check_both(name, "jemalloc", {"LD_PRELOAD": library})
    tap.done()


main()
