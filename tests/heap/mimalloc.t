#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mimalloc heaps: what the tool says against mi_heap_visit_blocks(), the workload's own
books, and the RSS drop of a real mi_collect(true)."""
import os
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20
LOOKS = 9
STOPS = 5
PAGE_MAX = 512 << 10  # of blocks as the pattern has them
PROGRAM = os.path.join(heaplib.BIN, "mimalloc")
# Patterns that start threads: of each the C library keeps a little.
STARTING = ("ended", "passed")
KEPT = 1024
# Of its own records a purge may be the first to write to some.
TOUCHED = 4 * os.sysconf("SC_PAGESIZE")


class Mimalloc:
    def __init__(self, start, env, version):
        self.name = start.name
        self.version = version
        self.start = start
        self.env = env

    def run(self, pattern, threads, seed, options):
        return heaplib.Workload(self.start, pattern, threads, seed,
                                {**self.env, **heaplib.MIMALLOC_STEADY,
                                 **{f"MIMALLOC_{name}": value for name, value
                                    in options.items()}})

    def visits_all(self, pattern):
        """2.0 does not visit what threads left that have ended, nor see all that others
        freed; 3.0 not all pages that were full."""
        return self.version >= "3.2" or (self.version < "3" and pattern not in STARTING)


def patterns():
    return subprocess.run([PROGRAM], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.split()


def allocator(snapshot):
    return next(a for a in snapshot["allocators"] if a["name"] == "mimalloc")


def total(a, what):
    return sum(arena[what] for arena in a["arenas"])


def gather(mimalloc, pattern, threads, seed, options):
    """What the tool saw, the workload held, mimalloc visited, and a purge gave back."""
    with mimalloc.run(pattern, threads, seed, options) as w:
        w.ask("visit")
        with w.stopped():
            before = allocator(w.look())
        held = w.work()
        with w.stopped():
            snapshot = w.look()
            rss = w.rss()
        ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
        tap.ok(ledger == rss, f"{mimalloc.name}: {pattern}: the ledger adds up to RSS",
               f"ledger {ledger} rss {rss}")
        visited, carved = (int(n) for n in w.ask("visit")[1:])
        rss = w.rss()
        w.ask("purge")
        drop = rss - w.rss()
    return before, allocator(snapshot), held, visited, carved - visited, drop


def check(mimalloc, pattern, threads, seed, options=None):
    name = f"{mimalloc.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
    name += "".join(f", {k}={v}" for k, v in (options or {}).items())
    before, seen, held, visited, free, drop = gather(mimalloc, pattern, threads, seed,
                                                     options or {})
    grown = seen["live_bytes"] - before.get("live_bytes", 0)
    facts = (f"live {seen['live_bytes']} visited {visited}; grown {grown} held {held}; free "
             f"{seen['own_free_bytes']} visited {free}; returnable "
             f"{seen['returnable_bytes']} drop {drop}; {seen['status']} "
             f"{seen.get('reason', '')}")
    heaplib.cell("mimalloc", mimalloc.name,
                 " ".join([pattern, *(f"{k}={v}" for k, v in (options or {}).items())]), threads,
                 seen["own_free_bytes"], free if mimalloc.visits_all(pattern) else None,
                 seen["returnable_bytes"], drop)
    tap.ok(seen["status"] == "exact", f"{name}: exact", facts)
    kept = KEPT * threads if pattern in STARTING else 0
    tap.ok(0 <= grown - held <= kept, f"{name}: live bytes equal what is held", facts)
    if mimalloc.visits_all(pattern):
        tap.ok(seen["live_bytes"] == visited, f"{name}: live bytes equal the visited ones",
               facts)
        tap.ok(seen["own_free_bytes"] == free, f"{name}: free bytes equal the visited ones",
               facts)
    else:
        tap.ok(seen["live_bytes"] >= visited or mimalloc.version < "3",
               f"{name}: all visited bytes are live", facts)
        tap.ok(seen["live_bytes"] != visited or seen["own_free_bytes"] == free,
               f"{name}: if no more are live, free bytes equal the visited ones", facts)
    tap.ok(seen["returnable_bytes"] <= drop + TOUCHED,
           f"{name}: the purge returns what was promised", facts)
    # What is in the first thread's heap, where others run, is not promised, but goes.
    tap.ok(drop - seen["returnable_bytes"] <= max(MIB, drop // 1000),
           f"{name}: and little more", facts)


def check_classes(mimalloc):
    with mimalloc.run("mixed", 4, 77, {}) as w:
        w.work()
        with w.stopped():
            heaplib.check_classes(tap, f"{mimalloc.name}: mixed", w, allocator)


def check_expired(mimalloc):
    """2.0: what waited long enough is decommitted when the heap is collected."""
    with mimalloc.run("huge", 1, 5, {"DECOMMIT_DELAY": "1000"}) as w:
        w.work()
        time.sleep(1.5)
        with w.stopped():
            seen = allocator(w.look())
            rss = w.rss()
        w.ask("purge")
        drop = rss - w.rss()
    facts = f"returnable {seen['returnable_bytes']} drop {drop}"
    print(f"# {mimalloc.name}: expired: {facts}", flush=True)
    tap.ok(0 < seen["returnable_bytes"] <= drop + TOUCHED and
           drop - seen["returnable_bytes"] <= MIB,
           f"{mimalloc.name}: what waits to be decommitted is promised", facts)


def check_unsupported(mimalloc):
    """Without arenas nothing leads to the pages."""
    with mimalloc.run("small", 1, 5, {"DISALLOW_ARENA_ALLOC": "1"}) as w:
        w.work()
        with w.stopped():
            seen = allocator(w.look())
    tap.ok(seen["status"] == "unsupported" and seen["reason"],
           f"{mimalloc.name}: without arenas it is said that it is not decoded", seen)


def check_running(mimalloc):
    name = f"{mimalloc.name}: churn in 4 threads, running"
    with mimalloc.run("mixed", 4, 7, {}) as w:
        w.work()
        w.ask("churn")
        time.sleep(1)
        running, stopped = [], []
        # Two exact ones for each other: their bounds are those of what is true meanwhile.
        for i in range(3 * LOOKS + 1):
            if i % 3 == 1:
                running.append(allocator(w.look()))
            else:
                stopped.append(stopped_look(w))
    # A look is right if it lies among all the exact ones.
    facts = "\n".join(f"{a['live_bytes']} {a['own_free_bytes']} {a['returnable_bytes']} "
                      f"torn {a['torn_bytes']} unread {total(a, 'unread_bytes')} {a['status']}"
                      for a in stopped + running)
    for what in ("live_bytes", "own_free_bytes"):
        low = min(a[what] for a in stopped)
        high = max(a[what] + total(a, "unread_bytes") for a in stopped)
        right = sum(between(a, what, low, high) for a in running)
        tap.ok(right >= LOOKS - 2, f"{name}: {what} within 5 %", facts)
    # A thread may be stopped while it takes or gives a block, or a page.
    tap.ok(all(total(a, "unread_bytes") <= 4 * PAGE_MAX for a in stopped),
           f"{name}: stopped, all is decoded", facts)


def stopped_look(w):
    """Threads that are stopped in the midst of a change go on, and are stopped again."""
    seen = None
    for _ in range(STOPS):
        with w.stopped():
            seen = allocator(w.look())
        if seen["status"] == "exact":
            break
        time.sleep(0.01)
    return seen


def between(a, what, low, high):
    """What is said to be unread may be live or free."""
    slack, unread = max(MIB, high // 20), total(a, "unread_bytes")
    return low - slack - unread <= a[what] <= high + slack and unread <= max(slack, 4 * PAGE_MAX)


CONFIGURED = {
    "2": ({"DECOMMIT_DELAY": "0"}, {"ALLOW_DECOMMIT": "0"}, {"RESERVE_OS_MEMORY": "1GiB"},
          {"EAGER_COMMIT": "0"}, {"PAGE_RESET": "1"}),
    "3": ({"PURGE_DELAY": "0"}, {"PURGE_DELAY": "-1"}, {"PURGE_DECOMMITS": "0"},
          {"ARENA_RESERVE": "65536"}, {"RESERVE_OS_MEMORY": "1GiB"},
          {"ARENA_EAGER_COMMIT": "0", "PAGE_COMMIT_ON_DEMAND": "1"},
          {"ALLOW_THP": "0"}, {"ARENA_PURGE_MIN_SIZE": "512"}),
}


def check_built_in():
    for name, version, path in heaplib.from_source(tap, "mimalloc-object", "mimalloc"):
        for build, program in heaplib.built_in(tap, name, "mimalloc", path):
            mimalloc = Mimalloc(heaplib.Glibc(build, [], program), {}, version)
            for pattern, threads in ("mixed", 1), ("small", 4):
                check(mimalloc, pattern, threads, 3000)


def main():
    for name, version, library, loader in heaplib.mimallocs(tap):
        mimalloc = Mimalloc(*heaplib.preloaded(name, library, loader, PROGRAM), version)
        major = mimalloc.version[0]
        for i, pattern in enumerate(patterns()):
            for threads in (1, 4):
                check(mimalloc, pattern, threads, 1000 + i)
        for options in CONFIGURED[major]:
            check(mimalloc, "shrunk", 3, 2000, options)
        if major == "2":
            check_expired(mimalloc)
        else:
            check_unsupported(mimalloc)
        check_classes(mimalloc)
        check_running(mimalloc)
    check_built_in()
    tap.done()


main()
