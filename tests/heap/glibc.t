#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""glibc heaps: what the tool says against mallinfo2(), the workload's own
books, and the RSS drop of a real malloc_trim(0)."""
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20


def allocator(snapshot):
    return next(a for a in snapshot["allocators"] if a["name"] == "glibc")


def check(glibc, pattern, threads, seed):
    name = f"{glibc.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
    with heaplib.Workload(glibc, pattern, threads, seed) as w:
        before = allocator(w.look())
        held = w.work()
        snapshot = w.look()
        seen = allocator(snapshot)
        fordblks = w.info()[0]
        rss = w.rss()
        w.ask("trim")
        drop = rss - w.rss()
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    facts = (f"free {seen['own_free_bytes']} mallinfo2 {fordblks}; live +"
             f"{seen['live_bytes'] - before['live_bytes']} held {held}; returnable "
             f"{seen['returnable_bytes']} drop {drop}; ledger {ledger} rss {rss}; "
             f"{seen['status']} {seen.get('reason', '')}")
    tap.ok(seen["status"] == "exact", f"{name}: exact", facts)
    tap.ok(seen["own_free_bytes"] == fordblks, f"{name}: free bytes equal mallinfo2", facts)
    tap.ok(seen["live_bytes"] - before["live_bytes"] == held,
           f"{name}: live bytes equal what is held, caches apart", facts)
    tap.ok(abs(seen["returnable_bytes"] - drop) <= max(MIB, drop // 1000),
           f"{name}: malloc_trim returns what was promised", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)


def check_running(glibc, pattern, threads, seed):
    name = f"{glibc.name}: {pattern}, {threads} threads, running"
    with heaplib.Workload(glibc, pattern, threads, seed) as w:
        w.work()
        w.ask("churn")
        time.sleep(4)  # until churn has reached its own steady state
        looks = [allocator(w.look(stop=False)) for _ in range(5)]
        exact = allocator(w.look(stop=True))
    worst = max(abs(a["returnable_bytes"] - exact["returnable_bytes"]) for a in looks)
    facts = (f"returnable {[a['returnable_bytes'] for a in looks]} stopped "
             f"{exact['returnable_bytes']} torn {[a['torn_bytes'] for a in looks]}")
    tap.ok(worst <= max(MIB, exact["returnable_bytes"] // 20),
           f"{name}: returnable within 5 %", facts)


def main():
    patterns = heaplib.patterns()
    for glibc in heaplib.glibcs(tap):
        chosen = patterns if glibc.native else patterns[::2]
        for i, pattern in enumerate(chosen):
            for threads in (1, 8):
                check(glibc, pattern, threads, 1000 + i)
    for pattern in ("random-free", "large-pieces", "batches", "mixed"):
        check_running(heaplib.native(), pattern, 8, 7)
    tap.done()


main()
