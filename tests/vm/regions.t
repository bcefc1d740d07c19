#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mapping of stopped processes: what the tool says, by the module and by
/proc, against smaps. In a guest or out of it; usage: regions.t SOURCE…"""
import json
import mmap
import os
import re
import resource
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
from heaplib import FALLOW
from tap import Tap

tap = Tap()
KERNEL = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])
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
            # Larger pages have larger tables, and each that is there is walked.
            tap.ok(walked < 64 * mmap.PAGESIZE, name, f"{walked} entries")
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


def check_memory(source):
    """What the tool itself takes for as many mappings as there may be."""
    with maplib.Maps(["most"]) as w:
        limit = (64 << 20) + sum(v["Rss"] for v in maplib.smaps(w.pid)) // 1000
        run = subprocess.run([FALLOW, "regions", "--json", f"--source={source}", str(w.pid)],
                             stdout=subprocess.DEVNULL, check=False,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA,
                                                                   (limit, limit)))
    tap.ok(run.returncode == 0, f"{source}: 60,000 mappings in 64 MiB of memory",
           run.returncode)


maplib.still_kernel()
for src in sys.argv[1:] or ["procfs"]:
    check_sparse(src)
    for m in MODES + (["pin thp"] if src == "kmod" else []):
        check(src, m)
    if src == "procfs" and os.getuid() == 0:
        for m in ("zero", "fork", "pages", "thp zero fork"):
            check_unprivileged(m)
    check_memory(src)
tap.done()
