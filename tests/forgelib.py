# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged heaps: the tool built with sanitizers, and what holds of any look at one."""
import json
import os
import subprocess
import heaplib

TOOL = os.path.join(heaplib.TREE, "build/asan/fallow")
LIMIT = 60  # seconds; a slow machine and ASan included


def build_tool():
    subprocess.run(["make", "-s", "-C", heaplib.TREE, "-j2", "O=build/asan",
                    "CFLAGS=-O1 -g -fsanitize=address,undefined -fno-sanitize-recover"],
                   check=True)


def look(allocator, seed, w, forge):
    """Works, is stopped and forged by forge(), looked at and ended: what is wrong, and the
    status of the allocator, or "none"."""
    w.work()
    with w.stopped():
        forge()
        try:
            quick = ["--quick"] * (seed % 2)
            out = subprocess.run([TOOL, "report", "--json", *quick, str(w.pid)],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 timeout=LIMIT, check=False,
                                 env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1"})
        except subprocess.TimeoutExpired:
            return [f"seed {seed}: still running after {LIMIT} s"], None
        rss = w.rss()
        os.kill(w.pid, 9)
    if out.returncode:
        return [f"seed {seed}: status {out.returncode}: {out.stderr.decode()[-900:]}"], None
    s = json.loads(out.stdout)
    wrong = []
    if sum(c["resident_bytes"] for c in s["ledger"]) != rss:
        wrong.append(f"seed {seed}: the ledger does not add up to {rss}: {s['ledger']}")
    seen = [a for a in s["allocators"] if a["name"] == allocator]
    if seen and seen[0]["status"] != "exact" and not seen[0].get("reason"):
        wrong.append(f"seed {seed}: {seen[0]['status']} without a reason")
    return wrong, seen[0]["status"] if seen else "none"
