#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mapping of stopped processes: what the tool says, by the module and by
/proc, against smaps. In a guest or out of it; usage: regions.t SOURCE…"""
import os
import signal
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import maplib
from heaplib import FALLOW
from tap import Tap

tap = Tap()
MODES = ["pages", "thp", "shmem", "file", "swap", "mlock", "lazyfree", "zero", "fork", "many",
         "sparse", "hugetlb", "ksm", "uffd", "guard", "device", "secret", "shmlock", "pin",
         "pages thp shmem file swap mlock lazyfree zero fork"]


def check(source, mode):
    with maplib.Maps(mode.split()) as w:
        if "ksm" in mode and maplib.start_ksm():
            time.sleep(3)
        os.kill(w.pid, signal.SIGSTOP)
        maplib.wait_state(w.pid, "T")
        smaps = maplib.smaps(w.pid)
        out = maplib.fallow("regions", w.pid, f"--source={source}")
        later = maplib.smaps(w.pid)
    name = f"{source}: {mode}"
    tap.ok(out["source"] == source, f"{name}: by {source}")
    wrong = maplib.compare(out["regions"], smaps, later, source)
    tap.ok(not wrong, f"{name}: every mapping equals smaps", "\n".join(wrong[:12]))
    rss = sum(v["Rss"] for v in smaps)
    ledger = sum(c["resident_bytes"] for c in out["ledger"])
    tap.ok(ledger == rss == out["process"]["rss_bytes"], f"{name}: the ledger adds up to RSS",
           f"ledger {ledger} smaps {rss} process {out['process']['rss_bytes']}")


def check_memory(source):
    """What the tool itself takes for as many mappings as there may be."""
    with maplib.Maps(["most"]) as w:
        p = subprocess.Popen([FALLOW, "regions", "--json", f"--source={source}", str(w.pid)],
                             stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(p.pid, 0)
        rss = sum(v["Rss"] for v in maplib.smaps(w.pid))
    tap.ok(status == 0 and usage.ru_maxrss * 1024 < (64 << 20) + rss // 1000,
           f"{source}: 60,000 mappings in 64 MiB of memory", f"{usage.ru_maxrss} KiB")


for src in sys.argv[1:] or ["procfs"]:
    for m in MODES:
        check(src, m)
    check_memory(src)
tap.done()
