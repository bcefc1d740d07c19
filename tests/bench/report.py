#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole report on big heaps, against one process_vm_readv() pass over what is
resident, taken in turn. Prints ratios: times on their own mean little."""
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from heaplib import BIN, FALLOW

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
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        return [tuple(int(x, 16) for x in line.split()[0].split("-"))
                for line in f if "[heap]" in line]


def report(pid):
    begun = time.monotonic()
    out = subprocess.run([FALLOW, "report", "--json", "--source=procfs", str(pid)],
                         stdout=subprocess.PIPE, check=True).stdout
    return time.monotonic() - begun, json.loads(out)


def bench(mib, largest):
    p = subprocess.Popen([os.path.join(BIN, "bigheap"), str(mib), str(largest)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdout.readline()
    passes, reports = [], []
    for _ in range(ROUNDS):
        passes.append(read_pass(p.pid, heap_ranges(p.pid)))
        took, snapshot = report(p.pid)
        reports.append(took)
    p.kill()
    p.wait()
    one, whole = statistics.median(passes), statistics.median(reports)
    rss = snapshot["process"]["rss_bytes"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"  {mib:5} MiB, blocks to {largest:6} B: {whole / one:5.2f} readv passes  "
          f"({rss / whole / 1e9:4.1f} GB/s, {whole:.3f} s; pass {one:.3f} s)  "
          f"{snapshot['allocators'][0]['status']}")
    return peak


def tool_peak(mib):
    """The tool's own peak: of a process that had no other child."""
    code = ("import resource,subprocess,sys;"
            "subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    p = subprocess.Popen([os.path.join(BIN, "bigheap"), str(mib), "4096"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdout.readline()
    out = subprocess.run([sys.executable, "-c", code, FALLOW, "report", "--json", str(p.pid)],
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    p.kill()
    p.wait()
    print(f"  tool's peak memory on a heap of {mib} MiB: {int(out) / 1024:.1f} MiB")


def main():
    print("report, against one process_vm_readv pass over the heap:")
    for mib in (1024, 4096):
        for largest in (256, 4096, 65536):
            bench(mib, largest)
    tool_peak(4096)


main()
