#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged heaps: the tool, built with AddressSanitizer and UBSan, neither crashes
nor hangs, and what it cannot decode it does not claim to know."""
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
HOSTILE = os.path.join(heaplib.BIN, "hostile")
LIMIT = 60  # seconds; a slow machine and ASan included


def check(mode, seed):
    p = subprocess.Popen([HOSTILE, mode, str(seed)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    begun = time.monotonic()
    try:
        out = subprocess.run([forgelib.TOOL, "report", "--json", str(p.pid)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=LIMIT, check=False,
                             env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1"})
    except subprocess.TimeoutExpired:
        return [f"seed {seed}: still running after {LIMIT} s"], None, LIMIT
    finally:
        took = time.monotonic() - begun
        rss = heaplib.rss_of(p.pid)
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()
    if out.returncode:
        return [f"seed {seed}: status {out.returncode}: {out.stderr.decode()[-600:]}"], None, took
    s = json.loads(out.stdout)
    wrong = []
    if sum(c["resident_bytes"] for c in s["ledger"]) != rss:
        wrong.append(f"seed {seed}: the ledger does not add up to {rss}: {s['ledger']}")
    status = s["allocators"][0]["status"] if s["allocators"] else "none"
    if status == "partial" and not s["allocators"][0].get("reason"):
        wrong.append(f"seed {seed}: partial without a reason")
    return wrong, status, took


def main():
    forgelib.build_tool()
    modes = subprocess.run([HOSTILE], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for mode in modes:
        wrong, seen, slowest = [], set(), 0
        for seed in range(SEEDS):
            w, status, took = check(mode, seed)
            wrong += w
            seen.add(status)
            slowest = max(slowest, took)
        tap.ok(not wrong, f"{mode}: no crash, no hang, sums hold", "\n".join(wrong[:6]))
        # A tcache that makes no sense is a block like any other, and so is its
        # content; forged lists that end early leave free memory out.
        if mode not in ("tcache",):
            tap.ok(seen & {"partial", "none", "unsupported"},
                   f"{mode}: damage is told", f"{seen}, slowest {slowest:.1f} s")
    tap.done()


main()
