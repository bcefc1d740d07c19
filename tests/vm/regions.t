#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mapping of stopped processes: what the tool says, by the module and by
/proc, against smaps. In a guest or out of it; usage: regions.t SOURCE…"""
import os
import re
import signal
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import maplib
from tap import Tap

tap = Tap()
MODES = ["pages", "thp", "shmem", "file", "swap", "mlock", "lazyfree", "zero", "fork", "many",
         "sparse", "hugetlb", "ksm", "pages thp shmem file swap mlock lazyfree zero fork"]

# JSON key, how smaps has it, and the error that rounding to KiB allows there.
FIELDS = [
    ("rss_bytes", ["Rss"], 0),
    ("pss_bytes", ["Pss"], 1024),
    ("dirty_bytes", ["Shared_Dirty", "Private_Dirty"], 0),
    ("shared_bytes", ["Shared_Clean", "Shared_Dirty"], 0),
    ("referenced_bytes", ["Referenced"], 0),
    ("anon_bytes", ["Anonymous"], 0),
    ("anon_huge_bytes", ["AnonHugePages"], 0),
    ("lazyfree_bytes", ["LazyFree"], 0),
    ("swap_bytes", ["Swap"], 0),
    ("locked_bytes", ["Locked"], 1024),
    ("ksm_bytes", ["KSM"], 0),
    ("hugetlb_bytes", ["Shared_Hugetlb", "Private_Hugetlb"], 0),
]
SHARED_WITH_TOOL = re.compile(r"/(libc|ld|ld-linux.*|libm|libpthread|libdl)[-.]|^\[vdso\]$")


def compare(regions, smaps, later, source):
    """What differs, as text, from smaps before the look and from smaps after
    it: the kernel finishes MADV_FREE and page-out in batches, on its own time.
    The vsyscall page is the kernel's, not a VMA."""
    wrong = []
    seen = {(r["start"], r["end"]): r for r in regions}
    for vma, then in zip(smaps, later):
        if vma["name"] == "[vsyscall]":
            continue
        r = seen.pop((vma["start"], vma["end"]), None)
        where = f"{vma['start']}-{vma['end']} {vma['name']}"
        if r is None:
            wrong.append(f"{where}: missing")
            continue
        if source == "kmod" and r["name"].replace("\n", "\\012") != vma["name"]:
            wrong.append(f"{where}: name {r['name']!r}")
        if r["perms"] != vma["perms"]:
            wrong.append(f"{where}: perms {r['perms']}")
        for key, lines, slack in FIELDS:
            if not all(line in vma for line in lines):
                continue
            # The tool maps the C library as well, which changes its sharing.
            if SHARED_WITH_TOOL.search(vma["name"]) and key in ("pss_bytes", "shared_bytes"):
                continue
            want = {sum(v[line] for line in lines) for v in (vma, then)}
            got = r[key] if r[key] is not None else -1
            if not any(0 <= got - w <= slack for w in want):
                wrong.append(f"{where}: {key} {r[key]}, smaps {want}")
        split = r["reclaim"].values()
        if source == "kmod" and sum(split) != r["rss_bytes"]:
            wrong.append(f"{where}: reclaimable split {r['reclaim']} of {r['rss_bytes']}")
    wrong += [f"{r[0]}-{r[1]}: not in smaps" for r in seen if not r[0].startswith("0xffffff")]
    return wrong


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
    wrong = compare(out["regions"], smaps, later, source)
    tap.ok(not wrong, f"{name}: every mapping equals smaps", "\n".join(wrong[:12]))
    rss = sum(v["Rss"] for v in smaps)
    ledger = sum(c["resident_bytes"] for c in out["ledger"])
    tap.ok(ledger == rss == out["process"]["rss_bytes"], f"{name}: the ledger adds up to RSS",
           f"ledger {ledger} smaps {rss} process {out['process']['rss_bytes']}")


for src in sys.argv[1:] or ["procfs"]:
    for m in MODES:
        check(src, m)
tap.done()
