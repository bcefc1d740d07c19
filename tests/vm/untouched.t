#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A look leaves the target as it was: resident set, faults, swap, and memory
that was never touched. Usage: untouched.t SOURCE…"""
import glob
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
import maplib
from tap import Tap

tap = Tap()


def state(pid):
    """Faults from stat, sizes from smaps: VmRSS and its like lag behind. What is shared
    with a child stays shared."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    out = {"minor faults": fields[7], "major faults": fields[9]}
    for key in ("Rss", "Swap", "Anonymous", "Shared_Dirty", "AnonHugePages"):
        out[key] = sum(v[key] for v in maplib.smaps(pid) if key in v)
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith(("VmRSS", "VmSwap", "VmSize", "State")):
                out[line.split(":")[0]] = line.split(":")[1].strip()
    return out


def check(source, name, pid):
    time.sleep(0.5)
    before = state(pid)
    for command in ("report", "regions", "heap"):
        maplib.fallow(command, pid, f"--source={source}")
    after = state(pid)
    tap.ok(before == after, f"{source}: {name} is as it was", f"{before}\n{after}")
    return before


def swap_out(pid, size):
    """Has the kernel reclaim that much of the process, by a cgroup of its own."""
    root, group = "/sys/fs/cgroup", "/sys/fs/cgroup/fallow-test"
    with open(f"{root}/cgroup.subtree_control", "w", encoding="ascii") as f:
        f.write("+memory")
    os.makedirs(group, exist_ok=True)
    with open(f"{group}/cgroup.procs", "w", encoding="ascii") as f:
        f.write(str(pid))
    maplib.reclaim(group, size)


PYTHON = """
import sys
print("ready", flush=True)
sys.stdin.readline()
objects = [object() for _ in range(1500000)]
del objects[::2]
print("done", flush=True)
sys.stdin.readline()
"""


class Python(heaplib.Child):
    def __init__(self):
        super().__init__([sys.executable, "-c", PYTHON], text=True, bufsize=1)
        self.process.stdout.readline()

    def work(self):
        self.process.stdin.write("\n")
        self.process.stdout.readline()


def preloaded(program, library):
    """A heap of what is preloaded; None without it."""
    libraries = glob.glob(f"/usr/lib/*/{library}")
    start = heaplib.Glibc("", [], os.path.join(heaplib.BIN, program))
    return libraries and heaplib.Workload(start, "freed", 4, 3, {"LD_PRELOAD": libraries[0]})


def heaps():
    """Allocator, and a process that has a heap of it once it is told to work."""
    yield "glibc", heaplib.Workload(heaplib.native(), "every-second", 1, 3)
    yield "pymalloc", Python()
    yield "jemalloc", preloaded("jemalloc", "libjemalloc.so.2")
    yield "gperftools", preloaded("gperftools", "libtcmalloc_minimal.so.4")
    yield "mimalloc", preloaded("mimalloc", "libmimalloc.so.[23]")


def check_heaps(source):
    for name, w in heaps():
        if not w:
            tap.skip(f"{source}: a heap of {name}'s", "it is not installed")
            continue
        with w:
            w.work()
            check(source, f"a heap of {name}'s", w.pid)


def check_swapped(source, name, part, w):
    """A heap whose records are on swap: not brought back, and said to be unread."""
    heap = f"a heap of {name}'s with {part} on swap"
    name = f"{source}: {heap}"
    seen = check(source, heap, w.pid)
    tap.ok(seen["Swap"] > 1 << 20, f"{name}: some of it is", seen)
    s = maplib.fallow("report", w.pid, f"--source={source}")
    rss = sum(v["Rss"] for v in maplib.smaps(w.pid))
    swap = sum(v["Swap"] for v in maplib.smaps(w.pid))
    tap.ok(s["process"]["rss_bytes"] == rss, f"{name}: the ledger adds up to RSS", (s["ledger"], rss))
    tap.ok(s["process"]["swap_bytes"] == swap, f"{name}: and to what is swapped",
           (s["process"], swap))
    return s


def every_second_page(pid):
    """Of heaps, but for those by which some are found: the first, and what is aligned to a
    huge page; not of data."""
    page, after_file, out = os.sysconf("SC_PAGE_SIZE"), None, []
    for v in maplib.smaps(pid):
        if v["inode"]:
            after_file = v["end"]
        elif v["start"] != after_file and v["Anonymous"] >= 256 << 10:
            first = int(v["start"], 16) + page
            first += page * (first // page % 2 == 0)
            out += [(at, at + page) for at in range(first, int(v["end"], 16), 2 * page)]
    return out


def parts(w):
    """Has the heap written, and more and more of it put on swap: which part."""
    # Charged to the group only if it is there when memory is touched.
    swap_out(w.pid, 0)
    w.work()
    swap_out(w.pid, 12 << 20)
    yield "a part"
    maplib.page_out(w.pid, every_second_page(w.pid))
    yield "every second page"


def check_swapped_heap(source, name, w):
    for part in parts(w):
        s = check_swapped(source, name, part, w)
        a = next((a for a in s["allocators"] if a["name"] == name), None)
        if (not a or a["status"] == "unsupported") and part == "every second page":
            # Its roots, or what they lead to, may be among these.
            tap.ok(any("roots are among them" in warning for warning in s["warnings"]),
                   f"{source}: {name}, {part}: may be not found, as is said", s["warnings"])
            continue
        # jemalloc has its records apart from blocks: none of them need be on swap.
        tap.ok(a and (a["status"] == "partial" and "swapped" in a["reason"] or
                      (name == "jemalloc" and a["status"] == "exact")),
               f"{source}: {name}, {part}: what could not be read is told", str(a))
        tap.ok(a and a["torn_bytes"] == 0, f"{source}: {name}, {part}: nothing is torn", str(a))


def check_swapped_heaps(source):
    for name, w in heaps():
        if not w:
            tap.skip(f"{source}: {name}, partly on swap", "it is not installed")
            continue
        with w:
            check_swapped_heap(source, name, w)


def main():
    maplib.still_kernel()
    for source in sys.argv[1:] or ["procfs"]:
        for mode in ("pages", "sparse", "zero", "swap", "shmem", "fork"):
            with maplib.Maps([mode]) as w:
                seen = check(source, mode, w.pid)
                if mode == "swap" and maplib.has_swap():
                    tap.ok(seen["Swap"] > 0, f"{source}: something is on swap", seen)
        with heaplib.Workload(heaplib.native(), "random-free", 8, 3) as w:
            w.work()
            check(source, "a heap", w.pid)
        check_heaps(source)
        if maplib.has_swap():
            check_swapped_heaps(source)
        else:
            tap.skip(f"{source}: what is on swap stays there", "no swap device here")
    tap.done()


main()
