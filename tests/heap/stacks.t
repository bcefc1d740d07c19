#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks that are one mapping with their neighbours: what the tool says lies above and
below stack pointers, against the kernel's own stack pointers and page map, and the ends of
the stacks as glibc or the program gave them."""
import os
import struct
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
PAGE = os.sysconf("SC_PAGE_SIZE")
RED_ZONE = 128 if os.uname().machine == "x86_64" else 0
PRESENT = 1 << 63


def stack_pointers(pid):
    """Of each thread, once it waits."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        words = ["running"]
        while words[0] == "running":
            time.sleep(0.05)
            with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as f:
                words = f.read().split()
        yield int(words[-2], 16)


def resident(pid, start, end):
    with open(f"/proc/{pid}/pagemap", "rb") as f:
        f.seek(start // PAGE * 8)
        entries = f.read((end - start) // PAGE * 8)
    return PAGE * sum(bool(e & PRESENT) for e, in struct.iter_unpack("=Q", entries))


def main_stack(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        line = next(line for line in f if line.endswith("[stack]\n"))
    return tuple(int(n, 16) for n in line.split()[0].split("-"))


def merged(pid, stacks):
    """How many of them are not a mapping of their own."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        starts = {int(line.split("-")[0], 16) for line in f}
    return sum(start not in starts for start, _ in stacks)


def truth(pid, stacks):
    """Bytes resident below stack pointers, and above."""
    below = above = 0
    for sp in stack_pointers(pid):
        start, end = next((s, e) for s, e in stacks if s <= sp < e)
        split = (sp - RED_ZONE) // PAGE * PAGE
        below += resident(pid, start, split)
        above += resident(pid, split, end)
    return below, above


def check(name, command):
    with heaplib.Child(command, text=True) as p:
        said = p.process.stdout.readline().split()
        stacks = [tuple(int(n, 16) for n in words.split("-")) for words in said[1:]]
        tap.ok(merged(p.pid, stacks) >= len(stacks) // 2,
               f"{name}: stacks are one mapping with their neighbours", stacks)
        wanted = truth(p.pid, [*stacks, main_stack(p.pid)])
        snapshot = heaplib.look(p.pid)
    seen = {c["class"]: c["resident_bytes"] for c in snapshot["ledger"]}
    seen = seen["stack.dead"], seen["stack.live"]
    tap.ok(seen == wanted and wanted[0] > len(stacks) * PAGE,
           f"{name}: what is below and above stack pointers, to the page", f"{seen} {wanted}")


def check_forged():
    """What each thread says of its stack is not so: pages are in one class all the same."""
    with heaplib.Child([os.path.join(heaplib.BIN, "stacks"), "forge"], text=True) as p:
        p.process.stdout.readline()
        list(stack_pointers(p.pid))
        snapshot = heaplib.look(p.pid)
        rss = heaplib.rss_of(p.pid)
    tap.ok(sum(c["resident_bytes"] for c in snapshot["ledger"]) ==
           snapshot["process"]["rss_bytes"] == rss,
           "forged records: the ledger adds up to RSS", f"{rss} {snapshot['ledger']}")


def main():
    if os.geteuid():
        tap.skip("stacks in one mapping", "the page map is root's")
        tap.done()
        return
    check("glibc here", [os.path.join(heaplib.BIN, "stacks")])
    check_forged()
    old = os.path.join(heaplib.BIN, "stacks-old")
    for suite, version, *prefix in heaplib.fetched(tap, "glibcs", "glibc", heaplib.BIN):
        check(f"glibc {version} ({suite})", [*prefix, old])
    tap.done()


main()
