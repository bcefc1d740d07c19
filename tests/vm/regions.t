#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mapping of stopped processes: what the tool says, by the module and by
/proc, against smaps. In a guest or out of it; usage: regions.t SOURCE…"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import genl
import maplib
from tap import Tap

tap = Tap()
KERNEL = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])
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
    check_columns(source, name, out, (smaps, later))


HUGE = ["AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"]


def column(ledger, key):
    """The sum of a column, or None if some of it is unknown."""
    values = [line[key] for line in ledger]
    return None if None in values else sum(values)


def check_columns(source, name, out, smaps):
    """What the ledger says by page states, against the sums over mappings, before
    the look and after it: process_vm_readv() breaks up what a child shares."""
    huge = column(out["ledger"], "huge_bytes")
    want = [sum(v[key] for v in look for key in HUGE) for look in smaps]
    # Before 6.7, by frames, where nothing is mapped in a way that looks the same.
    known = source == "kmod" or KERNEL >= (6, 7) or (os.getuid() == 0 and name.endswith(": thp"))
    tap.ok(huge in want or (huge is None and not known),
           f"{name}: huge pages by class add up to smaps", f"{huge} smaps {want}")
    pinned = column(out["ledger"], "pinned_bytes")
    want = sum(r["pinned_bytes"] or 0 for r in out["regions"]) if source == "kmod" else None
    tap.ok(pinned == want, f"{name}: pinned pages by class add up", f"{pinned} regions {want}")


def io_read():
    """Bytes that we and the children that we waited for have read."""
    with open("/proc/self/io", encoding="ascii") as f:
        return int(f.readline().split()[1])


def pages_walked():
    return int.from_bytes(genl.Client().info()[genl.INFO["PAGES"]], "little")


def check_sparse(source):
    """64 GiB with little in it, and a TiB with nothing: 16 million and 256 million pages."""
    name = f"{source}: what is empty costs nothing"
    with maplib.Maps(["sparse"]) as w:
        if source == "kmod":
            before = pages_walked()
            maplib.fallow("report", w.pid, "--source=kmod")
            walked = pages_walked() - before
            tap.ok(walked < 1 << 18, name, f"{walked} entries")
        elif KERNEL < (6, 7):
            tap.skip(name, "PAGEMAP_SCAN is of Linux 6.7")
        else:
            before = io_read()
            maplib.fallow("report", w.pid, "--source=procfs")
            read = io_read() - before
            tap.ok(read < 4 << 20, name, f"{read} bytes")


def check_unprivileged(mode):
    """By the owner without rights, to whom no frame numbers are shown."""
    def become_nobody():
        os.setgid(65534)
        os.setuid(65534)

    name = f"procfs, unprivileged: {mode}"
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        tool = shutil.copy(maplib.FALLOW, d)
        with maplib.Maps(mode.split(), program=shutil.copy(maplib.MAPS, d), cwd=d,
                         before=become_nobody) as w:
            os.kill(w.pid, signal.SIGSTOP)
            maplib.wait_state(w.pid, "T")
            smaps = maplib.smaps(w.pid)
            run = subprocess.run([tool, "regions", str(w.pid), "--json", "--source=procfs"],
                                 preexec_fn=become_nobody, stdout=subprocess.PIPE, check=False)
    if run.returncode:
        tap.ok(False, f"{name}: the tool runs", run.returncode)
        return
    out = json.loads(run.stdout)
    wrong = [f"{r['start']}: {r['rss_bytes']} in classes {r['classes']}"
             for r in out["regions"] if sum(r["classes"].values()) != r["rss_bytes"]]
    ledger = column(out["ledger"], "resident_bytes")
    rss = sum(v["Rss"] for v in smaps)
    tap.ok(ledger == rss and not wrong, f"{name}: every mapping adds up to RSS",
           "\n".join([f"ledger {ledger} smaps {rss}", *wrong[:8]]))


for src in sys.argv[1:] or ["procfs"]:
    check_sparse(src)
    for m in MODES + (["pin thp"] if src == "kmod" else []):
        check(src, m)
    if src == "procfs" and os.getuid() == 0:
        for m in ("zero", "fork", "pages", "thp zero fork"):
            check_unprivileged(m)
tap.done()
