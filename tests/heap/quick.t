#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A quick look at heaps: what it says, with the bounds that it gives, against the
allocator's own statistics, a look at all of it, and the RSS drop of a real purge."""
import os
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20


# Of its own records a purge may be the first to write to some.
TOUCHED = 4 * os.sysconf("SC_PAGESIZE")
NO_DOUBT = {"live": 0, "returnable": 0, "held": 0}


def allocator(snapshot, name="glibc"):
    return next(a for a in snapshot["allocators"] if a["name"] == name)


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
    error = seen.get("error_bytes", NO_DOUBT)
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


def all_of(a, key):
    return sum(arena[key] for arena in a["arenas"])


class Counted:
    """An allocator of which a quick look reads counts, no lists: how to start the workload
    that is named as it, what gives memory back, and whether the free bytes that it counts
    itself are all."""

    def __init__(self, name, what, start, env, purge, counts_all):
        self.name, self.what, self.start, self.env = name, what, start, env
        self.purge, self.counts_all = purge, counts_all

    def patterns(self):
        return subprocess.run([self.start.program], text=True, check=True,
                              stdout=subprocess.PIPE).stdout.split()

    def gather(self, pattern, threads, seed):
        """Two looks, free bytes by the allocator's own count, RSS, and how far it fell."""
        with heaplib.Workload(self.start, pattern, threads, seed, self.env) as w:
            w.work()
            own = heaplib.own_free(self.what, w)
            with w.stopped():
                full, quick = w.look(), w.look("--quick")
                rss = w.rss()
            w.ask(self.purge)
            return full, quick, own, rss, rss - w.rss()

    def check(self, pattern, threads, seed):
        name = f"{self.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
        full, quick, own, rss, drop = self.gather(pattern, threads, seed)
        ledger = sum(c["resident_bytes"] for c in quick["ledger"])
        certain = {v["id"] for v in quick["verdicts"] if v["confidence"] == "certain"}
        tap.ok(certain - {v["id"] for v in full["verdicts"]} == set(),
               f"{name}: what is certain is so", [quick["verdicts"], full["verdicts"]])
        full, quick = allocator(full, self.what), allocator(quick, self.what)
        error = quick.get("error_bytes", NO_DOUBT)
        facts = (f"{error} own {own} drop {drop} rss {rss} ledger {ledger}\n{quick}\n{full}")
        tap.ok(all(all_of(quick, key) == all_of(full, key) for key in
                   ("mapped_bytes", "metadata_bytes", "unread_bytes", "resident_bytes",
                    "returnable_bytes")), f"{name}: the same in all that is certain", facts)
        tap.ok(0 <= quick["live_bytes"] - full["live_bytes"] <= error["live"],
               f"{name}: live bytes, within bounds", facts)
        if self.counts_all(pattern):
            tap.ok(0 <= own - quick["own_free_bytes"] <= error["live"],
                   f"{name}: free bytes by the allocator's own count, within bounds", facts)
        tap.ok(0 <= all_of(full, "held_bytes") - all_of(quick, "held_bytes") <= error["held"],
               f"{name}: held bytes, within bounds", facts)
        tap.ok(-TOUCHED <= drop - quick["returnable_bytes"] <=
               error["returnable"] + max(MIB, drop // 1000),
               f"{name}: the purge returns what was promised", facts)
        tap.ok((quick["status"] == "exact") == (error == NO_DOUBT) ==
               ("error_bytes" not in quick), f"{name}: exact if there is no doubt", facts)
        tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)
        return error["held"]


def counted():
    """gperftools' tcmalloc and mimalloc, as far as there are any."""
    for name, library, loader in heaplib.tcmallocs(tap):
        if "_minimal" in name:
            start, env = heaplib.preloaded(name, library, loader,
                                           os.path.join(heaplib.BIN, "gperftools"))
            yield Counted(name, "gperftools", start, env, "release", lambda pattern: True)
    for name, version, library, loader in heaplib.mimallocs(tap):
        start, env = heaplib.preloaded(name, library, loader,
                                       os.path.join(heaplib.BIN, "mimalloc"))
        # It visits not all that others freed, and 3.0 not all pages that were full.
        yield Counted(name, "mimalloc", start, {**env, **heaplib.MIMALLOC_STEADY}, "purge",
                      lambda pattern, v=version: v >= "3.6" or
                      (v < "3" and pattern not in ("ended", "passed")))


def check_counted():
    for c in counted():
        doubts = [c.check(pattern, 8 if i % 2 else 1, 4000 + i)
                  for i, pattern in enumerate(c.patterns())]
        # Else it was no quick look.
        tap.ok(any(doubts), f"{c.name}: not without doubt", str(doubts))


def check_schema():
    wrong = heaplib.against_schema(heaplib.look(os.getpid(), "--quick"))
    tap.ok(not wrong, "a quick look is as the schema says", wrong)


def main():
    glibcs = list(heaplib.glibcs(tap))
    for glibc in glibcs:
        exact = [check(glibc, pattern, threads, 1000 + i)
                 for i, pattern in enumerate(heaplib.patterns()) for threads in (1, 8)]
        tap.ok(sum(exact) > len(exact) * 3 // 4, f"{glibc.name}: mostly exact", str(exact))
    check_counted()
    check_schema()
    tap.done()


main()
