#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that have a library within which is known to keep memory outside every heap:
it is named as a possible owner, with its settings; where none is, none is named. What is
registered with io_uring is known for certain."""
import os
import re
import subprocess
import sys
import tempfile
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
from tap import Tap

tap = Tap()
BUILT = os.path.join(os.path.dirname(heaplib.BIN), "scenarios")
LOST = os.path.join(HERE, "lost-buffers.c")
UCX = os.path.join(HERE, "linked", "ucx.c")
MIB = 1 << 20


def build(folder, source, libraries):
    """A program with these libraries, used or not; None where they are not installed."""
    path = os.path.join(folder, "-".join(["linked", *libraries]))
    run = subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-o", path, source,
                          "-Wl,--no-as-needed", *[f"-l{name}" for name in libraries]],
                         stderr=subprocess.DEVNULL, check=False)
    return None if run.returncode else path


def growth(command, env=None):
    """The JSON of two looks at it, while it grows."""
    with heaplib.Child([command], text=True, bufsize=1, env={**os.environ, **(env or {})}) as p:
        assert p.process.stdout.readline() == "ready\n"
        return heaplib.look(p.pid, "--after=1s", "--source=procfs")


def said(verdict):
    return "\n".join(verdict["evidence"] + [a["text"] for a in verdict["advice"]])


def check_linked(name, program, verdict, named, settings, env=None):
    if not program:
        tap.skip(name, "its library is not installed")
        return
    seen = growth(program, env)
    first = seen["verdicts"][0]
    words = [f"possible owners, .*: {', '.join(named)}$"] + [rf"\b{s}=" for s in settings]
    wrong = [w for w in words if not re.search(w, said(first), re.M)]
    tap.ok(first["id"] == verdict, f"{name}: {verdict}", str(seen["verdicts"]))
    tap.ok(not wrong, f"{name}: {', '.join(named)} named as possible, with the settings",
           f"{wrong} not in {said(first)}")


def check_none():
    seen = growth(os.path.join(BUILT, "lost-buffers"))
    tap.ok(not any("possible owners" in said(v) for v in seen["verdicts"]),
           "without such a library, none is named", str(seen["verdicts"]))


def registered(pid):
    """What the kernel lists, by its own files."""
    sums = {}
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
            for start, size in re.findall(r"^ +\d+: 0x([0-9a-f]+)/(\d+)$", f.read(), re.M):
                sums[int(start, 16)] = int(size)
    return sums


def check_uring():
    name = "buffers registered with io_uring"
    with heaplib.Child([os.path.join(BUILT, "registered")], text=True, bufsize=1) as p:
        answer = p.process.stdout.readline()
        while answer and len(registered(p.pid)) < 5:
            if p.process.poll() is not None:
                tap.skip(name, "io_uring is not permitted here")
                return
        # It goes on registering: what is told lies between what was there before and after.
        before = registered(p.pid)
        seen = heaplib.look(p.pid, "--after=1s")
        after = registered(p.pid)
    text = "\n".join(said(v) for v in seen["verdicts"])
    found = re.search(r"(\d+) buffers with ([0-9.]+) MiB in all are registered", text)
    tap.ok(found and len(before) <= int(found[1]) <= len(after) and
           sum(before.values()) <= float(found[2]) * MIB <= sum(after.values()),
           f"{name}: as many, and as large, as the kernel lists",
           f"{len(before)} {len(after)} {text}")
    owned = [r for r in seen["regions"] if r["owner"] == "io_uring"]
    spans = [(int(r["start"], 16), int(r["end"], 16)) for r in owned]
    tap.ok(all(any(s <= at < e for s, e in spans) for at in before) and
           all(any(s <= at < e for at in after) for s, e in spans),
           f"{name}: its regions are those, and no other", str(spans))


def main():
    with tempfile.TemporaryDirectory() as folder:
        ucx = build(folder, UCX, ["ucp", "ucs"])
        check_linked("UCX's own buffers", ucx, "off-heap-growth",
                     ["UCX", "libibverbs"],
                     ["UCX_RCACHE_MAX_UNRELEASED", "UCX_MEM_MMAP_HOOK_MODE"],
                     {"UCX_TLS": "tcp,self"})
        check_linked("UCX's own buffers, in shared memory", ucx, "shmem-growth",
                     ["UCX", "libibverbs"],
                     ["UCX_RCACHE_MAX_UNRELEASED"], {"UCX_TLS": "sm,self"})
        check_linked("libfabric", build(folder, LOST, ["fabric"]), "off-heap-growth",
                     ["libfabric", "libibverbs"], ["FI_MR_CACHE_MAX_COUNT"])
        check_linked("libibverbs", build(folder, LOST, ["ibverbs"]), "off-heap-growth",
                     ["libibverbs"], [])
    check_none()
    check_uring()
    tap.done()


main()
