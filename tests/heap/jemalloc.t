#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""jemalloc heaps: what the tool says against jemalloc's own statistics, the
workload's own books, and the RSS drop of a real arena.<all>.purge."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20
LOOKS = 9
STOPPED_TORN = 8 * 16384  # a region in each of eight threads
PROGRAM = os.path.join(heaplib.BIN, "jemalloc")
STATS = ("allocated", "active", "dirty", "muzzy", "retained", "mapped", "slab_free")


class Jemalloc:
    def __init__(self, start, env, version=""):
        self.name = start.name
        self.version = version
        self.start = start
        self.env = env

    def run(self, pattern, threads, seed, conf=""):
        return heaplib.Workload(self.start, pattern, threads, seed,
                                {**self.env, "MALLOC_CONF": conf})


def patterns():
    return subprocess.run([PROGRAM], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.split()


def allocator(snapshot):
    return next(a for a in snapshot["allocators"] if a["name"] == "jemalloc")


def stats(w):
    return dict(zip(STATS, (int(n) for n in w.ask("stats")[1:])))


def total(a, what):
    return sum(arena[what] for arena in a["arenas"])


def allocated(a):
    return a["live_bytes"] + total(a, "cached_bytes")


def gather(jemalloc, pattern, threads, seed, conf=""):
    """What the tool saw, the workload held, jemalloc counted, and a purge gave back."""
    with jemalloc.run(pattern, threads, seed, conf) as w:
        with w.stopped():
            before = allocator(w.look())
        held = w.work()
        own = stats(w)
        with w.stopped():
            snapshot = w.look()
            rss = w.rss()
        w.ask("purge")
        drop = rss - w.rss()
    return before, allocator(snapshot), snapshot, own, held, rss, drop


def check(jemalloc, pattern, threads, seed, conf=""):
    name = f"{jemalloc.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
    name += f", {conf}" * bool(conf)
    before, seen, snapshot, own, held, rss, drop = gather(jemalloc, pattern, threads,
                                                          seed, conf)
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    free = own["slab_free"] + own["dirty"] + own["muzzy"]
    in_use = allocated(seen)
    mapped = own["mapped"] + own["retained"]
    facts = (f"free {seen['own_free_bytes']} stats {free}; live and cached {in_use} "
             f"stats {own['allocated']}; live +{seen['live_bytes'] - before['live_bytes']} "
             f"held {held}; mapped {seen['mapped_bytes']} stats {mapped}; returnable "
             f"{seen['returnable_bytes']} drop {drop}; ledger {ledger} rss {rss}; "
             f"{seen['status']} {seen.get('reason', '')} {own}")
    heaplib.cell("jemalloc", jemalloc.name, f"{pattern} {conf}".strip(), threads,
                 seen["own_free_bytes"], free, seen["returnable_bytes"], drop)
    tap.ok(seen["status"] == "exact", f"{name}: exact", facts)
    tap.ok(seen["own_free_bytes"] == free, f"{name}: free bytes equal stats.*", facts)
    tap.ok(in_use == own["allocated"],
           f"{name}: live and cached bytes equal stats.allocated", facts)
    # Starting jemalloc's own threads takes a few blocks, too.
    own_threads = 16 << 10 if "background_thread" in conf else 0
    tap.ok(0 <= seen["live_bytes"] - before["live_bytes"] - held <= own_threads,
           f"{name}: live bytes equal what is held", facts)
    tap.ok(seen["mapped_bytes"] == mapped, f"{name}: all that is mapped is told", facts)
    tap.ok(abs(seen["returnable_bytes"] - drop) <= max(MIB, drop // 1000),
           f"{name}: the purge returns what was promised", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)


def check_classes(jemalloc):
    with jemalloc.run("mixed", 4, 77) as w:
        w.work()
        with w.stopped():
            heaplib.check_classes(tap, f"{jemalloc.name}: mixed", w, allocator)


def check_huge_pages(jemalloc):
    """The huge page allocator's records are not decoded, and that is said."""
    name = f"{jemalloc.name}: hpa"
    _, seen, snapshot, own, _, rss, _ = gather(jemalloc, "mixed", 2, 5, "hpa:true")
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    in_use = allocated(seen)
    facts = f"{seen}, {own}; ledger {ledger} rss {rss}"
    tap.ok(seen["status"] == "partial" and "HPA" in seen["reason"], f"{name}: partial", facts)
    wrong = heaplib.against_schema(snapshot)
    tap.ok(not wrong, f"{name}: as the schema says", wrong)
    tap.ok(total(seen, "unread_bytes") > 0, f"{name}: what is not decoded is unread", facts)
    tap.ok(in_use == own["allocated"],
           f"{name}: live and cached bytes equal stats.allocated", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)


def check_running(jemalloc):
    name = f"{jemalloc.name}: churn in 8 threads, running"
    with jemalloc.run("mixed", 8, 7, "dirty_decay_ms:-1") as w:
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
    # Free and held bytes of a churning process move by a tenth between two looks: a
    # look is right if it lies among all the exact ones.
    facts = "\n".join(f"{a['live_bytes']} {a['own_free_bytes']} {a['returnable_bytes']} "
                      f"torn {a['torn_bytes']} {a['status']}" for pair in
                      zip(stopped, running) for a in pair)
    # What is in a thread's cache is elsewhere a moment later, but is allocated then too.
    for what, of in (("live and cached", allocated), ("free", lambda a: a["own_free_bytes"])):
        exact = [of(a) for a in stopped]
        right = sum(between(of(a), min(exact), max(exact)) for a in running)
        tap.ok(right >= LOOKS - 2, f"{name}: {what} bytes within 3 %", facts)
    # A thread may be stopped between a slab's bitmap and its count.
    tap.ok(all(a["torn_bytes"] <= STOPPED_TORN and not total(a, "unread_bytes")
               for a in stopped), f"{name}: stopped, all is decoded", facts)


# Libraries with thread-local variables of their kind are meant to be there from the start.
ROOM = {"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=65536"}
TWO = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
lib.malloc.restype = ctypes.c_void_p
held = [lib.malloc(i % 3000 + 1) for i in range(100000)]
print("ready", flush=True)
sys.stdin.read()
"""


def check_two(jemalloc):
    """A library with a jemalloc of its own, in a process that has one."""
    name = f"{jemalloc.name}: two in one process"
    with tempfile.TemporaryDirectory() as d:
        other = shutil.copy(jemalloc.env["LD_PRELOAD"], os.path.join(d, "other.so"))
        with heaplib.Child(["/usr/bin/python3", "-c", TWO, other],
                           env={**os.environ, **jemalloc.env, **ROOM}) as w:
            w.process.stdout.readline()
            seen = allocator(heaplib.look(w.pid))
    tap.ok(seen["status"] == "partial" and "more than one" in seen["reason"],
           f"{name}: partial, and why", str(seen))


def between(seen, low, high):
    slack = max(MIB, high * 3 // 100)
    return low - slack <= seen <= high + slack


CONFIGURED = (
    "dirty_decay_ms:0,muzzy_decay_ms:-1", "tcache:false", "narenas:1", "retain:false",
    "lg_tcache_max:16", "slab_sizes:1-4096:16", "metadata_thp:always",
    "percpu_arena:percpu", "background_thread:true,dirty_decay_ms:-1",
)


def check_built_in():
    for name, program in heaplib.built_in(tap, "jemalloc", "jemalloc",
                                          heaplib.archive("libjemalloc.a"), "-lstdc++", "-lm"):
        jemalloc = Jemalloc(heaplib.Glibc(name, [], program), {})
        for pattern, threads in ("mixed", 1), ("cached", 8):
            check(jemalloc, pattern, threads, 3000)


def check_without_stats():
    """A build that keeps no statistics, and nothing by which thread caches are found."""
    for name, _, path in heaplib.from_source(tap, "jemalloc-archive", "jemalloc"):
        for build, program in heaplib.built_in(tap, f"{name} without statistics", "jemalloc", path,
                                               "-lm", builds=("static PIE", "in a PIE")):
            jemalloc = Jemalloc(heaplib.Glibc(build, [], program), {})
            for pattern, threads in ("mixed", 1), ("cached", 8), ("freed", 8):
                check_books(jemalloc, pattern, threads)


def check_builds():
    """Those that Debian does not have, or has for other processors."""
    for suite, version, what, library in heaplib.fetched(tap, "jemalloc-builds",
                                                         "the source of jemalloc"):
        jemalloc = Jemalloc(*heaplib.preloaded(f"jemalloc {version} ({suite}), {what}", library,
                                               [], PROGRAM))
        if "with-lg-page" in what:
            # Pages of 64 KiB, as Debian has it for arm64.
            heaplib.check_unsupported(tap, jemalloc, "jemalloc")
            continue
        for pattern, threads in ("mixed", 1), ("cached", 8):
            check(jemalloc, pattern, threads, 5000)


def check_books(jemalloc, pattern, threads):
    """All but what only statistics can tell."""
    name = f"{jemalloc.name}: {pattern}, {threads} thread{'s' * (threads > 1)}"
    with jemalloc.run(pattern, threads, 4000) as w:
        with w.stopped():
            before = allocator(w.look())
        held = w.work()
        with w.stopped():
            seen, rss = allocator(w.look()), w.rss()
        w.ask("purge")
        drop = rss - w.rss()
    facts = f"held {held} drop {drop}\n{before}\n{seen}"
    tap.ok(seen["status"] == "exact", f"{name}: exact", facts)
    tap.ok(seen["live_bytes"] - before["live_bytes"] == held,
           f"{name}: live bytes equal what is held", facts)
    tap.ok(total(seen, "cached_bytes") > 0, f"{name}: thread caches are found", facts)
    tap.ok(abs(seen["returnable_bytes"] - drop) <= max(MIB, drop // 1000),
           f"{name}: the purge returns what was promised", facts)


def main():
    for name, version, library, loader in heaplib.jemallocs(tap):
        jemalloc = Jemalloc(*heaplib.preloaded(name, library, loader, PROGRAM), version)
        for i, pattern in enumerate(patterns()):
            for threads in (1, 8):
                check(jemalloc, pattern, threads, 1000 + i)
        for conf in CONFIGURED:
            check(jemalloc, "mixed", 3, 2000, conf)
        check_classes(jemalloc)
        if jemalloc.version >= "5.3":
            check_huge_pages(jemalloc)
        check_running(jemalloc)
        if jemalloc.env:
            check_two(jemalloc)
    check_built_in()
    check_without_stats()
    check_builds()
    tap.done()


main()
