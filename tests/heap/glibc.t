#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""glibc heaps: what the tool says against mallinfo2(), the workload's own
books, and the RSS drop of a real malloc_trim(0)."""
import json
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


def allocator(snapshot):
    return next(a for a in snapshot["allocators"] if a["name"] == "glibc")


def check(glibc, pattern, threads, seed):
    name = f"{glibc.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
    with heaplib.Workload(glibc, pattern, threads, seed) as w:
        with w.stopped():
            before = allocator(w.look())
        held = w.work()
        fordblks = w.info()[0]
        with w.stopped():
            snapshot = w.look()
            rss = w.rss()
        seen = allocator(snapshot)
        w.ask("trim")
        drop = rss - w.rss()
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    facts = (f"free {seen['own_free_bytes']} mallinfo2 {fordblks}; live +"
             f"{seen['live_bytes'] - before['live_bytes']} held {held}; returnable "
             f"{seen['returnable_bytes']} drop {drop}; ledger {ledger} rss {rss}; "
             f"{seen['status']} {seen.get('reason', '')}")
    heaplib.cell("glibc", glibc.name, pattern, threads, seen["own_free_bytes"], fordblks,
                 seen["returnable_bytes"], drop)
    # Whose the memory is that somebody got by sbrk is not for the heap to know.
    status = "partial" if pattern == "foreign-sbrk" and threads == 1 else "exact"
    tap.ok(seen["status"] == status, f"{name}: {status}", facts)
    tap.ok(seen["own_free_bytes"] == fordblks, f"{name}: free bytes equal mallinfo2", facts)
    live = seen["live_bytes"] - before["live_bytes"]
    unread = sum(a["unread_bytes"] for a in seen["arenas"])
    tap.ok(live <= held <= live + unread,
           f"{name}: live bytes equal what is held, caches apart", facts)
    tap.ok(abs(seen["returnable_bytes"] - drop) <= max(MIB, drop // 1000),
           f"{name}: malloc_trim returns what was promised", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)


def check_running(glibc, pattern, threads, seed):
    name = f"{glibc.name}: {pattern}, {threads} threads, running"
    with heaplib.Workload(glibc, pattern, threads, seed) as w:
        w.work()
        w.ask("churn")
        time.sleep(2)
        running, stopped = [], []
        for i in range(2 * LOOKS + 1):
            if i % 2:
                running.append(allocator(w.look()))
            else:
                with w.stopped():
                    stopped.append(allocator(w.look())["returnable_bytes"])
    # The truth moves while the threads run: a look is right if it lies between
    # the exact ones before and after it. A burst may hide from both.
    right = sum(between(a["returnable_bytes"], *stopped[i:i + 2])
                for i, a in enumerate(running))
    facts = (f"stopped {stopped}, running {[a['returnable_bytes'] for a in running]}, "
             f"torn {[a['torn_bytes'] for a in running]}")
    tap.ok(right >= LOOKS - 2, f"{name}: returnable within 5 %", facts)
    tap.ok(all("torn_bytes" in a for a in running), f"{name}: torn bytes are counted", facts)


def between(seen, before, after):
    slack = max(MIB, max(before, after) // 20)
    return min(before, after) - slack <= seen <= max(before, after) + slack


def check_growing():
    """The heap is larger than its mapping was a moment ago, each time."""
    with heaplib.Child([os.path.join(heaplib.BIN, "leak"), "40"]) as w:
        w.process.stdout.readline()
        for options in ([], ["--quick"]):
            seen = [heaplib.look(w.pid, *options) for _ in range(LOOKS)]
            heaps = [next((a for a in s["allocators"] if a["name"] == "glibc"), None)
                     for s in seen]
            shares = [a and a["live_bytes"] / s["process"]["rss_bytes"]
                      for a, s in zip(heaps, seen)]
            name = f"glibc here: growing all the time{' '.join(['', *options])}"
            tap.ok(all(heaps), f"{name}: is found", str(heaps))
            tap.ok(all(s and s > 0.5 for s in shares), f"{name}: what it has is told",
                   str(shares))


def check_tiny():
    """Millions of chunks in fastbins: all of them are told, and in bounded memory."""
    with heaplib.Child([os.path.join(heaplib.BIN, "bigheap"), "256", "128"]) as w:
        fordblks = int(w.process.stdout.readline().split()[1])
        with subprocess.Popen([heaplib.FALLOW, "report", "--json", str(w.pid)],
                              stdout=subprocess.PIPE) as process:
            seen = allocator(json.load(process.stdout))
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    facts = f"free {seen['own_free_bytes']} mallinfo2 {fordblks}; {seen['status']}; {usage}"
    tap.ok(seen["status"] == "exact" and seen["own_free_bytes"] == fordblks,
           "glibc here: tiny blocks: free bytes equal mallinfo2", facts)
    tap.ok(usage.ru_maxrss < 32 << 10, "glibc here: tiny blocks: in bounded memory", facts)


def check_classes(glibc, pattern, threads):
    with heaplib.Workload(glibc, pattern, threads, 77) as w:
        w.work()
        with w.stopped():
            heaplib.check_classes(tap, f"{glibc.name}: {pattern}", w, allocator)


def check_built_in():
    for name, program in heaplib.built_in(tap, "glibc here", "heap", None,
                                          builds=("static", "static PIE")):
        glibc = heaplib.Glibc(name, [], program)
        for pattern, threads in ("mixed", 1), ("tcache-heavy", 8):
            check(glibc, pattern, threads, 3000)


def main():
    patterns = heaplib.patterns()
    for glibc in heaplib.glibcs(tap):
        for i, pattern in enumerate(patterns):
            for threads in (1, 8):
                check(glibc, pattern, threads, 1000 + i)
        check_classes(glibc, "mixed", 4)
    for pattern in ("random-free", "large-pieces", "batches", "mixed"):
        check_running(heaplib.native(), pattern, 8, 7)
    check_growing()
    check_tiny()
    check_built_in()
    tap.done()


main()
