#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of which the truth is known: the verdict that comes first, and whether the
cure that is printed with it does what it says. Usage: scenarios.t [SOURCE [NAME...]]"""
import os
import resource
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
from scenariolib import DidNotBegin, scenarios, variables
from tap import Tap

tap = Tap()
MIB = 1 << 20
LOOKS = 5
SECONDS = 5  # of the tool's processor time, on a machine of some speed


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
    tap.ok(max(slow) < SECONDS * slowness(), f"{name}: each look takes less than {SECONDS} s",
           slow)
    tap.ok(all(sums), f"{name}: the ledger adds up to RSS", sums)
    return snapshot


def call(pid, expression):
    subprocess.run(["gdb", "-nx", "-batch", "-p", str(pid), "-ex", f"call (int){expression}"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                   check=True)


def check_cure(scenario, source, run, snapshot):
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


def check(scenario, source):
    missing = scenario.missing()
    if missing:
        tap.skip(f"{source}: {scenario.title}", missing)
        return
    with scenario.run() as run:
        snapshot = check_looks(scenario, source, run)
        if scenario.cure != "none":
            check_cure(scenario, source, run, snapshot)


def main():
    source, names = (sys.argv[1:2] or ["procfs"])[0], sys.argv[2:]
    for scenario in scenarios(variants=True):
        if not names or scenario.name in names:
            try:
                check(scenario, source)
            except DidNotBegin as why:
                tap.ok(False, f"{source}: {scenario.title}: begins", why)
    tap.done()


main()
