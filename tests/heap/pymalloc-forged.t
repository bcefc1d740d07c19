#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPython's heaps without Python: whole ones in every layout, and forged ones, at which
the tool, built with AddressSanitizer and UBSan, neither crashes nor hangs."""
import json
import os
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import forgelib
import heaplib
from tap import Tap

tap = Tap()
SEEDS = int(os.environ.get("FALLOW_SEEDS", "8"))
POOLS = os.path.join(heaplib.BIN, "pools")
LIMIT = 60  # seconds; a slow machine and ASan included
WHOLE = ("intact", "measured", "reversed")


class Pools(heaplib.Child):
    def __init__(self, layout, mode, seed):
        super().__init__([POOLS, layout, mode, str(seed)], text=True)
        self.books = [int(n) for n in self.process.stdout.readline().split()[1:]]
        # Its first sleep may touch a page of the library.
        while self.state() not in "SZ":
            time.sleep(0.001)


def look(pid):
    out = subprocess.run([forgelib.TOOL, "report", "--json", str(pid)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, timeout=LIMIT, check=False,
                         env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1"})
    return None if out.returncode else json.loads(out.stdout), out.stderr.decode()[-600:]


def heap(snapshot):
    return next((a for a in snapshot["allocators"] if a["name"] == "pymalloc"), None)


def sums_hold(snapshot, pid):
    return sum(c["resident_bytes"] for c in snapshot["ledger"]) == heaplib.rss_of(pid)


def check_whole(layout, mode, seed):
    with Pools(layout, mode, seed) as p:
        snapshot, errors = look(p.pid)
        if not snapshot:
            return f"seed {seed}: {errors}"
        h, sums = heap(snapshot), sums_hold(snapshot, p.pid)
    if not h:
        return f"seed {seed}: not found"
    seen = [h["live_bytes"], h["free_bytes"], sum(a["metadata_bytes"] for a in h["arenas"])]
    if h["status"] != "exact" or seen != p.books or not sums:
        return f"seed {seed}: seen {seen}, books {p.books}, sums hold {sums}, {h}"
    return ""


def check_forged(layout, mode, seed):
    """What is wrong, and the status that was told."""
    with Pools(layout, mode, seed) as p:
        try:
            snapshot, errors = look(p.pid)
        except subprocess.TimeoutExpired:
            return f"seed {seed}: still running after {LIMIT} s", None
        if not snapshot:
            return f"seed {seed}: {errors}", None
        h = heap(snapshot)
        if not sums_hold(snapshot, p.pid):
            return f"seed {seed}: the ledger does not add up: {snapshot['ledger']}", None
    if h and h["status"] == "partial" and not h.get("reason"):
        return f"seed {seed}: partial without a reason", None
    return "", h["status"] if h else "none"


def main():
    forgelib.build_tool()
    names = subprocess.run([POOLS], stdout=subprocess.PIPE, text=True, check=True).stdout
    layouts, modes = (part.split() for part in names.split("\n\n"))
    for layout in layouts:
        for mode in WHOLE:
            wrong = [w for w in (check_whole(layout, mode, s) for s in range(SEEDS)) if w]
            tap.ok(not wrong, f"{layout}, {mode}: exact, by the maker's books",
                   "\n".join(wrong[:3]))
        for mode in modes:
            if mode in WHOLE:
                continue
            begun = time.monotonic()
            answers = [check_forged(layout, mode, s) for s in range(SEEDS)]
            wrong = [a[0] for a in answers if a[0]]
            tap.ok(not wrong, f"{layout}, {mode}: no crash, no hang, sums hold",
                   "\n".join(wrong[:6]))
            print(f"# {sorted({str(a[1]) for a in answers})}, "
                  f"{time.monotonic() - begun:.1f} s", flush=True)
            # Elsewhere the damage may hit what is of no use.
            if mode in ("heads", "lists", "absent", "absent-records", "twice"):
                tap.ok(all(a[1] != "exact" for a in answers), f"{layout}, {mode}: it is told",
                       answers)
    tap.done()


main()
