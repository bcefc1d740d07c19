#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""gperftools' tcmalloc heaps: what the tool says against the allocator's own
statistics, the workload's own books, and the RSS drop of a real ReleaseFreeMemory()."""
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
STOPPED_TORN = 4 * 64 << 10  # what four threads may be moving between two lists
PROGRAM = os.path.join(heaplib.BIN, "gperftools")
STATS = ("allocated", "heap", "free", "unmapped", "central", "transfer", "thread")
SETTINGS = ("max_total_thread_cache_bytes", "aggressive_decommit")
KEPT = 1024  # of each thread that has ended, by the C library
SAMPLED = "TCMALLOC_SAMPLE_PARAMETER=4096"
CONFIGURED = (
    "TCMALLOC_AGGRESSIVE_DECOMMIT=1", "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=3000000",
    "TCMALLOC_RELEASE_RATE=1000", "TCMALLOC_SKIP_SBRK=1", "TCMALLOC_TRANSFER_NUM_OBJ=400",
    "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=300000000",
)


class Tcmalloc:
    def __init__(self, start, env):
        self.name = start.name
        self.is_minimal = "_minimal" in start.name
        self.start = start
        self.env = env

    def run(self, pattern, threads, seed, conf=""):
        env = dict([conf.split("=")] if conf else [])
        return heaplib.Workload(self.start, pattern, threads, seed, {**self.env, **env})


def patterns():
    return subprocess.run([PROGRAM], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.split()


def allocator(snapshot):
    return next(a for a in snapshot["allocators"] if a["name"] == "gperftools")


def numbers(w, what, names):
    return dict(zip(names, (int(n) for n in w.ask(what)[1:])))


def total(a, what):
    return sum(arena[what] for arena in a["arenas"])


def check(tcmalloc, pattern, threads, seed, conf=""):
    name = f"{tcmalloc.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
    name += f", {conf}" * bool(conf)
    with tcmalloc.run(pattern, threads, seed, conf) as w:
        with w.stopped():
            before = allocator(w.look())
        held = w.work()
        own = numbers(w, "stats", STATS)
        settings = numbers(w, "settings", SETTINGS)
        with w.stopped():
            snapshot = w.look()
            rss = w.rss()
        w.ask("release")
        drop = rss - w.rss()
    seen = allocator(snapshot)
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    free = own["free"] + own["central"] + own["transfer"] + own["thread"]
    cached = own["transfer"] + own["thread"]
    mapped = seen["mapped_bytes"] - total(seen, "metadata_bytes")
    facts = (f"free {seen['own_free_bytes']} stats {free}; live {seen['live_bytes']} stats "
             f"{own['allocated']}; live +{seen['live_bytes'] - before['live_bytes']} held "
             f"{held}; cached {total(seen, 'cached_bytes')} stats {cached}; mapped {mapped} "
             f"stats {own['heap']}; returnable {seen['returnable_bytes']} drop {drop}; "
             f"ledger {ledger} rss {rss}; {seen['version']} {seen['status']} "
             f"{seen.get('reason', '')} {seen['settings']} {settings} {own}")
    heaplib.cell("gperftools", tcmalloc.name, f"{pattern} {conf}".strip(), threads,
                 seen["own_free_bytes"], free, seen["returnable_bytes"], drop)
    tap.ok(seen["status"] == "exact", f"{name}: exact", facts)
    tap.ok(seen["own_free_bytes"] == free, f"{name}: free bytes equal the statistics", facts)
    tap.ok(seen["live_bytes"] == own["allocated"],
           f"{name}: live bytes equal current_allocated_bytes", facts)
    tap.ok(total(seen, "cached_bytes") == cached,
           f"{name}: cached bytes equal those of thread and transfer caches", facts)
    # What is sampled for a profile has pages to itself.
    if conf != SAMPLED:
        kept = KEPT * threads if pattern == "ended" else 0
        tap.ok(0 <= seen["live_bytes"] - before["live_bytes"] - held <= kept,
               f"{name}: live bytes equal what is held", facts)
    tap.ok(mapped == own["heap"], f"{name}: all that is mapped is told", facts)
    tap.ok(abs(seen["returnable_bytes"] - drop) <= max(MIB, drop // 1000),
           f"{name}: the purge returns what was promised", facts)
    tap.ok(seen["settings"] == settings, f"{name}: settings are those in force", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)


def check_classes(tcmalloc):
    with tcmalloc.run("mixed", 4, 77) as w:
        w.work()
        with w.stopped():
            heaplib.check_classes(tap, f"{tcmalloc.name}: mixed", w, allocator)


def check_running(tcmalloc):
    name = f"{tcmalloc.name}: churn in 4 threads, running"
    with tcmalloc.run("mixed", 4, 7) as w:
        w.work()
        w.ask("churn")
        time.sleep(1)
        running, stopped = [], []
        for i in range(2 * LOOKS + 1):
            if i % 2:
                running.append(allocator(w.look()))
            else:
                with w.stopped():
                    stopped.append(allocator(w.look()))
    # What is held and what is free, which together are all that is mapped, move by a
    # tenth between two looks: one is right if it lies among all the exact ones.
    facts = "\n".join(f"{a['live_bytes']} {a['own_free_bytes']} {a['returnable_bytes']} "
                      f"torn {a['torn_bytes']} {a['status']}" for pair in
                      zip(stopped, running) for a in pair)
    slack = max(a["mapped_bytes"] for a in stopped) // 20
    for what in ("live_bytes", "own_free_bytes"):
        exact = [a[what] for a in stopped]
        right = sum(min(exact) - slack <= a[what] <= max(exact) + slack for a in running)
        tap.ok(right >= LOOKS - 2, f"{name}: {what} within 5 % of the heap", facts)
    # A thread may be stopped while it moves objects from one list to another.
    tap.ok(all(a["torn_bytes"] <= STOPPED_TORN for a in stopped),
           f"{name}: stopped, all is decoded", facts)


def check_built_in():
    # Debian's libunwind.a is not for a static PIE, and has names that libgcc has as well.
    for name, builds, *others in (
            ["libtcmalloc_minimal.a", heaplib.BUILDS],
            ["libtcmalloc.a", ("static", "in a PIE", "in no PIE"), "-lunwind", "-llzma",
             "-Wl,-z,muldefs"]):
        for build, program in heaplib.built_in(tap, name, "gperftools", heaplib.archive(name),
                                               *others, "-lstdc++", "-lm", builds=builds):
            tcmalloc = Tcmalloc(heaplib.Glibc(build, [], program), {})
            for pattern, threads in ("mixed", 1), ("cached", 8):
                check(tcmalloc, pattern, threads, 3000)


def check_builds():
    """Those that Debian does not have."""
    for suite, version, what, library in heaplib.fetched(tap, "tcmalloc-builds",
                                                         "the source of tcmalloc"):
        tcmalloc = Tcmalloc(*heaplib.preloaded(
            f"libtcmalloc_minimal {version} ({suite}), {what}", library, [], PROGRAM))
        if what == "SMALL_BUT_SLOW":
            # Its page map has three levels, its central caches no slots.
            heaplib.check_unsupported(tap, tcmalloc, "gperftools")
            continue
        for pattern, threads in ("mixed", 1), ("cached", 8):
            check(tcmalloc, pattern, threads, 5000)


def main():
    for name, library, loader in heaplib.tcmallocs(tap):
        tcmalloc = Tcmalloc(*heaplib.preloaded(name, library, loader, PROGRAM))
        for i, pattern in enumerate(patterns() if tcmalloc.is_minimal else ["mixed"]):
            for threads in (1, 8):
                check(tcmalloc, pattern, threads, 1000 + i)
        for conf in (*CONFIGURED, *[SAMPLED] * (not tcmalloc.is_minimal)):
            check(tcmalloc, "mixed", 3, 2000, conf)
        check_classes(tcmalloc)
        check_running(tcmalloc)
    check_built_in()
    check_builds()
    tap.done()


main()
