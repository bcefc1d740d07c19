#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of which the truth is known: the verdict that comes first, and whether the
cure that is printed with it does what it says. By the module, also what of each is idle: a
program that waits touches nothing. Usage: scenarios.t [SOURCE [NAME...]]

All of them by the module: scripts/check module-scenarios."""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../vm"), os.path.join(HERE, "..")]
import genl
import heaplib
import maplib
from scenariolib import DidNotBegin, scenarios, variables
from tap import Tap

tap = Tap()
SOURCE, NAMES = (sys.argv[1:2] or ["procfs"])[0], sys.argv[2:]
HAS_AGES = SOURCE == "kmod" and \
    int.from_bytes(genl.Client().info()[genl.INFO["CAPS"]], "little") & genl.C["CAP_AGE"]
MIB = 1 << 20
LOOKS = 5
SECONDS = 5  # of the tool's processor time, on a machine of some speed
IDLE = 2  # seconds
# Of what waits: none of it is touched any more.
HEAP = ("heap.used", "heap.returnable", "heap.held", "anon.other")
# The ends of what is touched, in huge pages.
SLACK = 4 * MIB
DISK = 2048 * MIB  # of which little is written


def slowness():
    """How many times slower than such a one this is: an emulated one may be."""
    begun = time.process_time()
    sum(range(5000000))
    return max(1, (time.process_time() - begun) / 0.2)


def advice(verdict):
    return [(a["text"], a.get("gives_back_bytes")) for a in verdict["advice"]]


def settled(pid):
    """The resident set, once it stands still."""
    rss = heaplib.rss_of(pid)
    for _ in range(50):
        time.sleep(0.1)
        before, rss = rss, heaplib.rss_of(pid)
        if before == rss:
            break
    return rss


def look(scenario, source, pid):
    options = [f"--source={source}"] + [f"--after={scenario.after}"] * bool(scenario.after)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    snapshot = heaplib.look(pid, *options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return snapshot, sum(after[:2]) - sum(before[:2])


def check_looks(scenario, source, run):
    name = f"{source}: {scenario.title}"
    seen, slow, sums = [], [], []
    for _ in range(LOOKS):
        snapshot, took = look(scenario, source, run.pid)
        seen.append([(v["id"], v["confidence"], v["bytes"]) for v in snapshot["verdicts"]])
        slow.append(took)
        sums.append(sum(c["resident_bytes"] for c in snapshot["ledger"]) ==
                    snapshot["process"]["rss_bytes"])
    tap.ok(all(v[0][0] == scenario.verdict for v in seen), f"{name}: {scenario.verdict}",
           f"{seen} {snapshot['verdicts'][0]}")
    # A processor that is emulated is charged for what else the machine does.
    took = min(slow) if "FALLOW_GUEST" in os.environ else max(slow)
    tap.ok(took < SECONDS * slowness(), f"{name}: each look takes less than {SECONDS} s",
           slow)
    tap.ok(all(sums), f"{name}: the ledger adds up to RSS", sums)
    return snapshot


def look_idle(pid):
    """With ages; and the resident set so long before the end of the look: what came after
    that can be idle nowhere, however slow the look is."""
    seen = []
    with tempfile.TemporaryFile("w+") as out, \
            subprocess.Popen([heaplib.FALLOW, "report", "--json", "--source=kmod",
                              f"--idle={IDLE}s", str(pid)], stdout=out) as report:
        while report.poll() is None:
            seen.append((time.monotonic(), heaplib.rss_of(pid)))
            time.sleep(0.1)
        since = time.monotonic() - IDLE
        out.seek(0)
        return json.load(out), next((rss for at, rss in seen if at >= since), seen[-1][1])


def lines(snapshot, key):
    """By class."""
    return {line["class"]: line[key] or 0 for line in snapshot["ledger"]}


def check_idle_classes(scenario, name, plain, snapshot, rss):
    idle, was = lines(snapshot, "idle_bytes"), lines(plain, "resident_bytes")
    said = scenario.idle
    if said is None:
        said = {} if scenario.after else dict.fromkeys(HEAP, "")
    tap.ok(all(abs(idle[c] - int(size) * MIB) <= SLACK if size else idle[c] >= was[c] - SLACK
               for c, size in said.items()),
           f"{name}: what is not touched again is idle", (said, was, idle))
    tap.ok(sum(idle.values()) <= rss + SLACK, f"{name}: what came since is not", (idle, rss))
    tap.ok(all(line["active_bytes"] + line["idle_bytes"] + line["idle_unknown_bytes"] ==
               line["resident_bytes"] for line in snapshot["ledger"]
               if line["idle_bytes"] is not None),
           f"{name}: each class is split into active and idle", snapshot["ledger"])


def check_idle(scenario, run, plain):
    """The same process with ages. Returns what is idle of what a purge returns."""
    name = f"kmod: {scenario.title}: --idle"
    snapshot, rss = look_idle(run.pid)
    check_idle_classes(scenario, name, plain, snapshot, rss)
    idle = lines(snapshot, "idle_bytes")
    cold = idle["heap.used"] + idle["anon.other"]
    seen = [(v["id"], v["bytes"]) for v in snapshot["verdicts"]]
    # What is worth a verdict is in fallow(1).
    tap.ok(seen[-1] == ("cold-memory", cold)
           if cold >= max(8 * MIB, snapshot["process"]["rss_bytes"] // 10)
           else "cold-memory" not in dict(seen),
           f"{name}: in use and idle is said beneath all else", (cold, seen))
    if not scenario.after:
        tap.ok(seen[0][0] == scenario.verdict, f"{name}: {scenario.verdict}", seen)
    return idle["heap.returnable"]


def call(pid, expression):
    subprocess.run(["gdb", "-nx", "-batch", "-p", str(pid), "-ex", f"call (int){expression}"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                   check=True)


def check_cure(scenario, source, run, snapshot, idle):
    verdict = snapshot["verdicts"][0]
    name = f"{source}: {scenario.title}: {scenario.words}"
    told = [(t, b) for t, b in advice(verdict) if scenario.words in t]
    tap.ok(told, f"{name}: is advised", str(verdict))
    if not told:
        return
    before, promised = settled(run.pid), told[0][1]
    if scenario.cure == "call":
        call(run.pid, scenario.words)
        after = settled(run.pid)
    elif scenario.cure == "tell":
        run.tell()
        after = settled(run.pid)
    else:
        with scenario.run(variables(scenario.words) if "=" in scenario.words
                          else {"MALLOC_CONF": scenario.words}) as again:
            after = settled(again.pid)
    drop = before - after
    facts = f"{before} to {after}, drop {drop}, promised {promised}: {told[0][0]}"
    if scenario.cure == "call":
        tap.ok(abs(drop - promised) <= max(MIB, drop // 1000), f"{name}: as promised", facts)
    else:
        least = verdict["bytes"] // 2 if promised is None else promised // 2
        tap.ok(drop >= least, f"{name}: RSS falls", facts)
        # What grows has grown since.
        grown = max(0, before - snapshot["process"]["rss_bytes"])
        tap.ok(promised is None or drop <= promised + grown + max(2 * MIB, promised // 20),
               f"{name}: by no more than was said", facts)
    if idle is not None and "heap.returnable" in (scenario.idle or ""):
        tap.ok(abs(drop - idle) <= SLACK, f"{name}: what was idle stays returned",
               f"idle {idle}, {facts}")


def check(scenario, source):
    missing = scenario.missing()
    if missing:
        tap.skip(f"{source}: {scenario.title}", missing)
        return
    with scenario.run() as run:
        snapshot = check_looks(scenario, source, run)
        idle = check_idle(scenario, run, snapshot) if HAS_AGES else None
        if scenario.cure != "none":
            check_cure(scenario, source, run, snapshot, idle)


def main():
    if "FALLOW_GUEST" in os.environ:
        maplib.still_kernel()
        maplib.make_disk("/var/tmp", DISK)
    for scenario in scenarios(variants=True):
        if not NAMES or scenario.name in NAMES:
            try:
                check(scenario, SOURCE)
            except (DidNotBegin, subprocess.CalledProcessError) as why:
                tap.ok(False, f"{SOURCE}: {scenario.title}: begins, and can be looked at", why)
    tap.done()


main()
