#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A quick look at glibc's heaps: what it says, with the bounds that it gives, against
mallinfo2() and the RSS drop of a real malloc_trim(0)."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20


def allocator(snapshot):
    return next(a for a in snapshot["allocators"] if a["name"] == "glibc")


def total(a, key):
    """Blocks with mappings of their own apart: a quick look does not search for all."""
    return sum(arena[key] for arena in a["arenas"] if arena["kind"] != "mmapped")


def check(glibc, pattern, threads, seed):
    name = f"{glibc.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
    with heaplib.Workload(glibc, pattern, threads, seed) as w:
        w.work()
        fordblks = w.info()[0]
        with w.stopped():
            snapshot = w.look("--quick")
            full = allocator(w.look())
            rss = w.rss()
        w.ask("trim")
        drop = rss - w.rss()
    seen = allocator(snapshot)
    # Without brk, the walk is the only way.
    error = seen.get("error_bytes", {"live": 0, "returnable": 0, "held": 0})
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    live, full_live = total(seen, "live_bytes"), total(full, "live_bytes")
    held, full_held = total(seen, "held_bytes"), total(full, "held_bytes")
    facts = (f"error {error}; free {seen['own_free_bytes']} mallinfo2 {fordblks}; returnable "
             f"{seen['returnable_bytes']} drop {drop}; live {live} full "
             f"{full_live}; held {held} full {full_held}; ledger {ledger} rss {rss}; "
             f"{seen['status']} {seen.get('reason', '')}")
    missed = fordblks - seen["own_free_bytes"]
    tap.ok(0 <= missed <= error["live"], f"{name}: free bytes by mallinfo2, within bounds",
           facts)
    tap.ok(0 <= live - full_live <= error["live"],
           f"{name}: live bytes, within bounds", facts)
    slack = max(MIB, drop // 1000)
    tap.ok(seen["returnable_bytes"] - slack <= drop <=
           seen["returnable_bytes"] + error["returnable"] + slack,
           f"{name}: malloc_trim returns what was promised, within bounds", facts)
    tap.ok(full_held - held <= error["held"], f"{name}: held bytes, within bounds",
           facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)
    # No list is too long here, and none changes.
    if pattern == "every-bin":
        tap.ok(missed == 0 and error["returnable"] == 0, f"{name}: exact", facts)
    return missed == 0 and error["returnable"] == 0


def check_schema():
    wrong = heaplib.against_schema(heaplib.look(os.getpid(), "--quick"))
    tap.ok(not wrong, "a quick look is as the schema says", wrong)


def main():
    glibcs = list(heaplib.glibcs(tap))
    for glibc in glibcs:
        exact = [check(glibc, pattern, threads, 1000 + i)
                 for i, pattern in enumerate(heaplib.patterns()) for threads in (1, 8)]
        tap.ok(sum(exact) > len(exact) * 3 // 4, f"{glibc.name}: mostly exact", str(exact))
    check_schema()
    tap.done()


main()
