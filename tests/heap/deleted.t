#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs and libraries that are replaced or removed while they run, as when packages
are upgraded: the answers are those of before."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
BANNER = b"\0GNU C Library (of another) stable release version 9.99.\0"


def libc():
    """The one that the workloads run with."""
    out = subprocess.run(["ldd", os.path.join(heaplib.BIN, "heap")], text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    return next(line.split()[2] for line in out.splitlines() if "libc.so.6" in line)


def decoy(directory, path, how):
    if how == "removed":
        os.unlink(path)
        return
    other = os.path.join(directory, "other")
    with open(other, "wb") as f:
        f.write(b"\x7fELF" + BANNER * 100)
    os.replace(other, path)


def check(allocator, name, library, how):
    """In a folder of its own, beside a C library of its own."""
    name = f"{name}, {how}"
    with tempfile.TemporaryDirectory() as directory:
        workload = "heap" if allocator == "glibc" else allocator
        program = shutil.copy(os.path.join(heaplib.BIN, workload), directory)
        files = [program, shutil.copy(libc(), directory)]
        env = {"LD_LIBRARY_PATH": directory}
        if library:
            files.append(shutil.copy(library, directory))
            env["LD_PRELOAD"] = files[-1]
        start = heaplib.Glibc(name, [], program)
        pattern = "small" if allocator == "mimalloc" else "mixed"
        with heaplib.Workload(start, pattern, 2, 7, env) as w:
            w.work()
            own = heaplib.own_free(allocator, w)
            with w.stopped():
                before = w.look()["allocators"]
                for path in files:
                    decoy(directory, path, how)
                snapshot = w.look()
    after = snapshot["allocators"]
    facts = f"{own}\n{before}\n{after}"
    seen = next((a for a in after if a["name"] == allocator), None)
    gone = {r["name"] for r in snapshot["regions"] if r["name"].endswith(" (deleted)")}
    tap.ok({f"{f} (deleted)" for f in files} <= gone, f"{name}: regions have their names", gone)
    tap.ok(seen and seen["status"] == "exact" and seen["own_free_bytes"] == own,
           f"{name}: exact", facts)
    tap.ok(before == after, f"{name}: the same answers", facts)
    if allocator == "glibc":
        tap.ok(seen and re.fullmatch(r"2\.\d+", seen["version"]),
               f"{name}: the version of what is gone", facts)


def main():
    subjects = [("glibc", "glibc", None)]
    for allocator, fetched in (("jemalloc", heaplib.jemallocs), ("mimalloc", heaplib.mimallocs),
                               ("gperftools", heaplib.tcmallocs)):
        here = [(name, rest[-2]) for name, *rest in fetched(tap) if not rest[-1]]
        subjects += [(allocator, *one) for one in here[-1:]]
    for subject in subjects:
        for how in "replaced", "removed":
            check(*subject, how)
    tap.done()


main()
