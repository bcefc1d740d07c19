#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole report on big heaps, against one process_vm_readv() pass over what is
resident, taken in turn. Prints ratios: times on their own mean little."""
import ctypes
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from heaplib import BIN, FALLOW

MIB = 1 << 20
WINDOW = 256 << 10
ROUNDS = 5
libc = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def read_pass(pid, ranges):
    buf = ctypes.create_string_buffer(WINDOW)
    local, remote = Iovec(ctypes.addressof(buf), WINDOW), Iovec(0, WINDOW)
    begun = time.monotonic()
    for start, end in ranges:
        for at in range(start, end, WINDOW):
            remote.base, remote.len = at, min(WINDOW, end - at)
            libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return time.monotonic() - begun


def heap_ranges(pid):
    """What is anonymous and large: the heap, whoever's it is."""
    out = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        for line in f:
            fields = line.split()
            start, end = (int(x, 16) for x in fields[0].split("-"))
            if fields[1] == "rw-p" and fields[4] == "0" and end - start > MIB:
                out.append((start, end))
    return out


class Heap:
    """bigheap with so many MiB in blocks of up to so many bytes."""

    command = [os.path.join(BIN, "bigheap")]

    def __init__(self, mib, largest, library):
        env = {**os.environ, "LD_PRELOAD": library or ""}
        self.process = subprocess.Popen([*self.command, str(mib), str(largest)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=env)
        self.pid = self.process.pid
        self.free = int(self.process.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


class PythonHeap(Heap):
    """The same in Python's objects."""

    command = [sys.executable, "-c", """
import random, sys
left, largest, held = int(sys.argv[1]) << 20, int(sys.argv[2]), []
while left > 0:
    held.append(bytes(random.randrange(64, largest) - 33))
    left -= sys.getsizeof(held[-1])
for i in random.sample(range(len(held)), len(held) // 2):
    held[i] = None
print("ready 0", flush=True)
sys.stdin.read()
"""]


def report(pid, *options):
    begun = time.monotonic()
    out = subprocess.run([FALLOW, "report", "--json", "--source=procfs", *options, str(pid)],
                         stdout=subprocess.PIPE, check=True).stdout
    return time.monotonic() - begun, json.loads(out)


def timed(command, cwd=None):
    begun = time.monotonic()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True, cwd=cwd)
    return time.monotonic() - begun


def by_gcore(pid):
    """Writing a core, for which the target is stopped, and opening it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
        stopped = timed(["gcore", "-o", "core", str(pid)], cwd=d)
        opened = timed(["gdb", "-batch", "-ex", "info threads", os.path.join(BIN, "bigheap"),
                        os.path.join(d, f"core.{pid}")])
    return stopped, opened


def by_gdb(pid, library):
    """A debugger that calls the allocator's own statistics; the target is stopped."""
    call = "(void)malloc_stats_print(0, 0, 0)" if library else "(int)malloc_info(0, stdout)"
    return timed(["gdb", "-batch", "-p", str(pid), "-ex", f"call {call}"])


def of_mallinfo(seen, free):
    """How far free bytes are from the allocator's own count."""
    return f", free bytes {seen['own_free_bytes'] - free:+} B of mallinfo2's"


def compare(heap, allocator):
    """Seconds of a pass, a report and a quick one, in turn, and the last report."""
    passes, reports, quicks = [], [], []
    for _ in range(ROUNDS):
        passes.append(read_pass(heap.pid, heap_ranges(heap.pid)))
        took, snapshot = report(heap.pid)
        reports.append(took)
        quicks.append(report(heap.pid, "--quick")[0])
    seen = next(a for a in snapshot["allocators"] if a["name"] == allocator)
    return *(statistics.median(t) for t in (passes, reports, quicks)), seen, snapshot


def beside(heap, library, whole):
    """What a person would use instead."""
    called = by_gdb(heap.pid, library)
    stopped, opened = by_gcore(heap.pid)
    print(f"    beside it: gdb calling for statistics {called / whole:5.2f} reports "
          f"({called:.2f} s stopped); gcore {stopped / whole:5.2f} ({stopped:.2f} s "
          f"stopped), opening it {opened / whole:5.2f}")


def bench(allocator, mib, largest, preload=None, debugger=False):
    if not fits(mib):
        print(f"  {allocator:10} {mib:5} MiB: there is no memory for it")
        return
    kind = PythonHeap if allocator == "pymalloc" else Heap
    with kind(mib, largest, preload) as heap:
        one, whole, quick, seen, snapshot = compare(heap, allocator)
        rss = snapshot["process"]["rss_bytes"]
        print(f"  {allocator:10} {mib:5} MiB, blocks to {largest:6} B: {whole / one:5.2f} readv "
              f"passes ({rss / whole / 1e9:4.1f} GB/s, {whole:.3f} s; pass {one:.3f} s), "
              f"quick {quick / one:5.2f} ({quick:.3f} s)  {seen['status']}"
              f"{of_mallinfo(seen, heap.free) if allocator == 'glibc' else ''}", flush=True)
        if debugger:
            beside(heap, preload, whole)


def tool_peak(mib, largest, library=None):
    """The tool's own peak: of a process that had no other child."""
    code = ("import resource,subprocess,sys;"
            "subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    with Heap(mib, largest, library) as heap:
        out = subprocess.run([sys.executable, "-c", code, FALLOW, "report", "--json",
                              str(heap.pid)], stdout=subprocess.PIPE, check=True,
                             text=True).stdout
    print(f"  tool's peak memory, {mib} MiB, blocks to {largest} B"
          f"{', jemalloc' * bool(library)}: {int(out) / 1024:.1f} MiB")


def fits(mib):
    with open("/proc/meminfo", encoding="ascii") as f:
        available = next(int(line.split()[1]) for line in f if line.startswith("MemAvailable"))
    return available >> 10 > mib * 5 // 4 + 1024


def library(name):
    return next(iter(glob.glob(f"/usr/lib/*/{name}")), None)


PRELOADED = (("jemalloc", "libjemalloc.so.2", 10240),
             ("gperftools", "libtcmalloc_minimal.so.4", 2048),
             ("mimalloc", "libmimalloc.so.[23]*", 2048))


def main():
    print("report, against one process_vm_readv pass over the heap:")
    # The last: 20 million and more blocks.
    for mib, largest in ((1024, 256), (1024, 4096), (4096, 4096), (8192, 65536), (1900, 128)):
        bench("glibc", mib, largest, debugger=mib == 8192)
    bench("pymalloc", 1024, 512)
    for allocator, name, mib in PRELOADED:
        if library(name):
            bench(allocator, mib, 4096, library(name), allocator == "jemalloc")
        else:
            print(f"  {allocator:10} {mib:5} MiB: there is no {name}")
    if library("libjemalloc.so.2") and fits(10240):
        tool_peak(10240, 4096, library("libjemalloc.so.2"))
    if fits(8192):
        tool_peak(8192, 65536)
    tool_peak(1900, 128)


main()
