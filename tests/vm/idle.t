#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fallow report --idle, against a target that says what of it is touched. In a
guest with the module loaded, as root."""
import json
import os
import pty
import signal
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import C, INFO, Client
from heaplib import BIN, FALLOW
from tap import Tap

tap = Tap()
KIB, MIB = 1 << 10, 1 << 20
# Longer than a guest on a busy machine may stall a thread that keeps pages hot.
IDLE, IDLE_NS = "3s", 3000000000
# What the C library keeps beside the blocks, and the ends of what is free.
SLACK = 256 * KIB


class Target:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BIN, "cold")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.size = {}
        for line in self.process.stdout:
            if line == "ready\n":
                break
            name, size = line.split()
            self.size[name] = int(size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def report(pid, *options):
    return subprocess.run([FALLOW, "report", str(pid), *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False)


def ledger_of(text):
    snapshot = json.loads(text)
    return snapshot, {line["class"]: line for line in snapshot["ledger"]}


def trackers():
    return int.from_bytes(Client().info()[INFO["TRACKERS"]], "little")


def check_classes(t, name, snapshot, ledger):
    used, anon = ledger["heap.used"], ledger["anon.other"]
    free = ledger["heap.returnable"]
    hot = used["resident_bytes"] - used["idle_bytes"]
    tap.ok(abs(used["idle_bytes"] - t.size["cold"]) <= SLACK and
           abs(hot - t.size["hot"]) <= SLACK,
           f"{name}: blocks that are not touched are idle, others are not", (used, t.size))
    tap.ok(free["resident_bytes"] - SLACK <= free["idle_bytes"] <= free["resident_bytes"] and
           abs(free["idle_bytes"] - t.size["freed"]) <= SLACK,
           f"{name}: free pages are idle", (free, t.size))
    hot = anon["resident_bytes"] - anon["idle_bytes"]
    tap.ok(abs(hot - t.size["mapped"]) <= SLACK and anon["idle_bytes"] >= t.size["mapped"],
           f"{name}: so are mappings", (anon, t.size))
    unknown = sum(line["idle_unknown_bytes"] for line in ledger.values())
    tap.ok(unknown <= SLACK, f"{name}: hardly any age is unknown", unknown)
    rss = sum(v["Rss"] for v in maplib.smaps(t.pid))
    total = sum(line["resident_bytes"] for line in ledger.values())
    tap.ok(abs(rss - total) <= SLACK, f"{name}: the ledger adds up to RSS", (rss, total))
    tap.ok(abs(used["active_bytes"] - t.size["hot"]) <= SLACK and
           all(line["active_bytes"] + line["idle_bytes"] + line["idle_unknown_bytes"] ==
               line["resident_bytes"] for line in ledger.values()
               if line["idle_bytes"] is not None),
           f"{name}: each class is split into active and idle", ledger)
    regions = {c: sum(r["idle"].get(c, 0) for r in snapshot["regions"]) for c in ledger}
    tap.ok(all(regions[c] == (line["idle_bytes"] or 0) for c, line in ledger.items()),
           f"{name}: idle pages by mapping add up to the ledger", regions)
    check_verdicts(t, name, snapshot)
    tap.ok(snapshot["idle_ns"] == IDLE_NS and trackers() == 0,
           f"{name}: the interval is told, and tracking has ended", snapshot["idle_ns"])


def check_verdicts(t, name, snapshot):
    verdicts = {v["id"]: v for v in snapshot["verdicts"]}
    cold = verdicts.get("cold-memory", {"bytes": 0, "evidence": [""]})
    tap.ok(abs(cold["bytes"] - t.size["cold"] - t.size["mapped"]) <= 4 * SLACK and
           "not accessed" in cold["evidence"][0] and len(cold["evidence"]) > 1 and
           snapshot["verdicts"][-1] is cold,
           f"{name}: in use and idle is said beneath all else, with its mappings", cold)
    kept = verdicts.get("retention", {"evidence": []})["evidence"]
    tap.ok(any("keeps returned" in e for e in kept),
           f"{name}: free and idle is what a purge keeps returned", kept)


def check_report():
    with Target() as t:
        out = report(t.pid, "--json", f"--idle={IDLE}")
        tap.ok(out.returncode == 0, "report --idle", out.stderr)
        check_classes(t, "one look", *ledger_of(out.stdout))
        out = report(t.pid, "--json", f"--idle={IDLE}", "--after=1s")
        # The first look's reading must not have made the heap hot.
        check_classes(t, "the last look", *ledger_of(out.stdout))
        _, plain = ledger_of(report(t.pid, "--json").stdout)
        tap.ok(all(line["idle_bytes"] is None for line in plain.values()),
               "without --idle nothing is said to be idle")
        text = report(t.pid, f"--idle={IDLE}").stdout
        tap.ok("swapped         idle" in text and "idle" not in report(t.pid).stdout,
               "the column is there if it was asked for", text)


def refused(name, status, words, *command):
    out = report(*command)
    tap.ok(out.returncode == status and words in out.stderr and not out.stdout,
           name, (out.returncode, out.stderr))


def check_refusals():
    with Target() as t:
        refused("/proc cannot tell, and says so", 1, "procfs cannot tell", t.pid,
                f"--idle={IDLE}", "--source=procfs")
        refused("an interval that is too short", 2, "between 10 ms", t.pid, "--idle=5ms")
        refused("an interval that is too long", 2, "between 10 ms", t.pid, "--idle=2h")
        c = Client()
        c.age_start(t.pid, 100)
        refused("a process that is tracked already", 1, "tracked already", t.pid,
                f"--idle={IDLE}")


def start(pid, *options, stderr=subprocess.PIPE):
    p = subprocess.Popen([FALLOW, "report", str(pid), *options], stdout=subprocess.PIPE,
                         stderr=stderr)
    while trackers() == 0:
        time.sleep(0.05)
    return p


def check_changes():
    with Target() as t:
        p = start(t.pid, "--idle=10m")
        t.process.kill()
        t.process.wait()
        p.wait(60)
        tap.ok(p.returncode == 3, "a target that ends meanwhile: status 3", p.returncode)
    with Target() as t:
        p = start(t.pid, "--idle=10m")
        t.process.stdin.write("exec\n")
        t.process.stdin.flush()
        _, err = p.communicate(timeout=60)
        tap.ok(p.returncode in (1, 3) and trackers() == 0,
               "one that becomes another program: an error", (p.returncode, err))


def check_signal():
    with Target() as t:
        ours, its = pty.openpty()
        p = start(t.pid, "--idle=10m", stderr=its)
        os.close(its)
        shown = os.read(ours, 4096)
        p.send_signal(signal.SIGINT)
        p.wait(60)
        while not shown.endswith(b"\r\x1b[K"):
            shown += os.read(ours, 4096)
        tap.ok(p.returncode == -signal.SIGINT and trackers() == 0,
               "Ctrl-C ends it, and the tracking", p.returncode)
        tap.ok(b"watching for 600 s" in shown, "progress is shown on a terminal, and removed",
               shown)


def check_unknown():
    parameter = "/sys/module/fallow/parameters/age_max_mb"
    with open(parameter, "w", encoding="ascii") as f:
        f.write("0")
    with Target() as t:
        out, ledger = ledger_of(report(t.pid, "--json", "--idle=200ms").stdout)
        tap.ok(ledger["heap.used"]["idle_bytes"] is None and
               ledger["heap.used"]["idle_unknown_bytes"] ==
               ledger["heap.used"]["resident_bytes"] and
               any("age_max_mb" in w for w in out["warnings"]),
               "ages that found no room are unknown, not 0", (out["warnings"], ledger))
    with open(parameter, "w", encoding="ascii") as f:
        f.write("256")
    with maplib.Maps(["pin"]) as w:
        out, ledger = ledger_of(report(w.pid, "--json", "--idle=200ms").stdout)
        line = ledger["anon.other"]
        tap.ok(line["pinned_bytes"] >= 4 * MIB and
               line["idle_unknown_bytes"] == line["pinned_bytes"] and
               line["idle_bytes"] is not None and any("pinned" in w for w in out["warnings"]),
               "so are those of pinned pages, which are told apart", (out["warnings"], line))


signal.alarm(600)
# It makes huge pages of small ones in its own time, and reads them for that.
maplib.still_kernel()
if not int.from_bytes(Client().info()[INFO["CAPS"]], "little") & C["CAP_AGE"]:
    tap.skip("idle pages", "this kernel or machine cannot tell them")
    tap.done()
check_report()
check_refusals()
check_changes()
check_signal()
check_unknown()
tap.done()
