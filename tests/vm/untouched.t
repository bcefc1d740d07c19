#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A look leaves the target as it was: resident set, faults, swap, and memory
that was never touched. Usage: untouched.t SOURCE…"""
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
import maplib
from tap import Tap

tap = Tap()


def state(pid):
    """Faults from stat, sizes from smaps: VmRSS and its like lag behind."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    out = {"minor faults": fields[7], "major faults": fields[9]}
    for key in ("Rss", "Swap", "Anonymous"):
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


def main():
    for source in sys.argv[1:] or ["procfs"]:
        for mode in ("pages", "sparse", "zero", "swap", "shmem"):
            with maplib.Maps([mode]) as w:
                seen = check(source, mode, w.pid)
                if mode == "swap" and not os.path.exists("/proc/swaps"):
                    tap.skip(f"{source}: something is on swap", "no swap in this kernel")
                elif mode == "swap":
                    with open("/proc/swaps", encoding="ascii") as f:
                        swap = len(f.readlines()) > 1
                    if swap:
                        tap.ok(seen["Swap"] > 0, f"{source}: something is on swap", seen)
                    else:
                        tap.skip(f"{source}: something is on swap", "no swap device here")
        with heaplib.Workload(heaplib.native(), "random-free", 8, 3) as w:
            w.work()
            check(source, "a heap", w.pid)
    tap.done()


main()
