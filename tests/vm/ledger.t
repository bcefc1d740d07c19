#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Columns of the ledger by class: zero pages, pinned and huge ones, and what is on swap of
private and of shared mappings of a tmpfs file. Usage: ledger.t SOURCE… In a guest with
swap, as root."""
import mmap
import os
import struct
import subprocess
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import heaplib
import maplib
from tap import Tap

tap = Tap()
MIB, PAGE = 1 << 20, mmap.PAGESIZE
SLACK = MIB // 2
PRIVATE, SHARED = 24 * MIB, 12 * MIB


def ledger(pid, source):
    seen = heaplib.look(pid, f"--source={source}")
    wrong = heaplib.against_schema(seen)
    tap.ok(not wrong, f"{source}: as the schema has it", wrong)
    return {line["class"]: line for line in seen["ledger"]}


def text(pid, source):
    return subprocess.run([heaplib.FALLOW, "report", str(pid), f"--source={source}"], check=False,
                          stdout=subprocess.PIPE, text=True).stdout.split("\n  RSS ")[0]


def scans():
    """Whether pagemap tells zero pages to anybody (Linux 6.7)."""
    return tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 7)


def zero_bytes(pid):
    """Of private memory without a file, by pagemap and kpageflags (KPF_ZERO_PAGE)."""
    found = 0
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap, \
            open("/proc/kpageflags", "rb", buffering=0) as flags:
        for v in maplib.smaps(pid):
            start, end = int(v["start"], 16), int(v["end"], 16)
            if v["inode"] or v["name"].startswith(("[v", "[u")):
                continue
            entries = os.pread(pagemap.fileno(), (end - start) // PAGE * 8, start // PAGE * 8)
            for (entry,) in struct.iter_unpack("Q", entries):
                frame = (entry & (1 << 55) - 1) * 8
                if entry >> 63 and os.pread(flags.fileno(), 8, frame)[3] & 1:
                    found += PAGE
    return found


def zero(source):
    with maplib.Maps(["zero"]) as w:
        lines, shown, want = ledger(w.pid, source), text(w.pid, source), zero_bytes(w.pid)
    if source == "procfs" and not scans():
        tap.ok(all(line["zero_bytes"] is None for line in lines.values()) and
               "zero" not in shown, "procfs: zero pages are unknown, not 0", lines)
        return
    told = sum(line["zero_bytes"] for line in lines.values())
    tap.ok(told == want > 10 * MIB and lines["anon.other"]["zero_bytes"] > 10 * MIB,
           f"{source}: zero pages", (told, want, lines["anon.other"]))
    tap.ok(lines["anon.other"]["resident_bytes"] < 5 * MIB,
           f"{source}: zero pages are not resident", lines)
    tap.ok(" zero " in shown, f"{source}: and are shown", shown)


def pinned(source):
    with maplib.Maps(["pin"]) as w:
        lines, shown = ledger(w.pid, source), text(w.pid, source)
    told = {name: line["pinned_bytes"] for name, line in lines.items() if line["resident_bytes"]}
    if source == "procfs":
        tap.ok(set(told.values()) == {None} and "pinned" not in shown,
               "procfs: pinned pages are unknown by class, not 0", told)
        return
    # Of a huge one, of which a page is pinned, all is.
    tap.ok(4 * MIB <= told.pop("anon.other") <= 6 * MIB + SLACK and
           all(n <= SLACK for n in told.values()), f"{source}: pinned pages, by class", lines)
    tap.ok(" pinned " in shown, f"{source}: and are shown", shown)


SWAPS = f"""
import mmap, os, sys
def take(size, flags):
    fd = os.memfd_create("copied")
    os.ftruncate(fd, size)
    m = mmap.mmap(fd, size, flags)
    for at in range(0, size, mmap.PAGESIZE):
        m[at:at + 4] = b"full"
    m.madvise(21)  # MADV_PAGEOUT
    return m
kept = take({PRIVATE}, mmap.MAP_PRIVATE), take({SHARED}, mmap.MAP_SHARED)
print("ready", flush=True)
sys.stdin.read()
"""


def swapped(source):
    if not maplib.has_swap():
        tap.skip(f"{source}: what is on swap, by class", "no swap device here")
        return
    with subprocess.Popen([sys.executable, "-c", SWAPS], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as p:
        p.stdout.readline()
        lines = ledger(p.pid, source)
        real = [v for v in maplib.smaps(p.pid) if "copied" in v["name"]]
        p.kill()
    told = {name: line["swapped_bytes"] for name, line in lines.items()}
    want = [v["Swap"] for v in sorted(real, key=lambda v: v["perms"])]  # rw-p, rw-s
    tap.ok(want[0] > PRIVATE // 2 and want[1] > SHARED // 2, f"{source}: much is on swap", want)
    tap.ok(abs(told["anon.other"] - want[0]) <= SLACK,
           f"{source}: private copies of a tmpfs file on swap are anonymous", (told, want))
    tap.ok(abs(told["shmem"] - want[1]) <= SLACK, f"{source}: its own pages are not",
           (told, want))


def main():
    maplib.still_kernel()
    for source in sys.argv[1:]:
        zero(source)
        pinned(source)
        swapped(source)
    tap.done()


main()
