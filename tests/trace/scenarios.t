#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs in tests/scenarios, with frame pointers and without: of what each maps, at
least 95 % is put to the function that its source names, by what maps says. Not those in Python,
which has functions of its own, nor of which mapped memory is not the matter. Usage: scenarios.t [NAME...]"""
import concurrent.futures
import itertools
import os
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import heaplib
import scenariolib
import tracelib
from tracelib import Trace, Workload, lossless, mount_tracefs, traced, why_not
from tap import Tap

tap = Tap()
SHARE = 0.95
ATONCE = 4
# What is mapped for libraries before the program begins, and is no function's of it; an
# allocator that is preloaded maps more.
START, PRELOADED = 512 << 10, 16 << 20
BUILDS = {"with frame pointers": "-fno-omit-frame-pointer", "without": "-fomit-frame-pointer"}


def build(scenario, folder, frames):
    """By the names of its source: nothing is inlined."""
    path = os.path.join(folder, scenario.name)
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-fno-inline", frames,
                    "-pthread", "-o", path, scenario.source, "-ldl"], check=True)
    return path


def anonymous(pid):
    """Bytes of mappings without a file, those of shared memory included; and no stack."""
    total = 0
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as f:
        for line in f:
            span, _, _, _, inode, *name = line.split(None, 5)
            path = name[0].strip() if name else ""
            of_memory = path.startswith(("/memfd:", "/SYSV", "/dev/zero", "/tmp/",
                                         "/var/tmp/"))
            if path not in ("[stack]", "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]") \
                    and (inode == "0" or of_memory):
                start, end = (int(x, 16) for x in span.split("-"))
                total += end - start
    return total


def named_in(trace, path, functions):
    """Still mapped by stacks of which the program's innermost function is one of these."""
    total = 0
    for stack in trace["stacks"]:
        own = [f["function"] for f in stack["frames"] if f["module"] == path]
        if own and (own[0] or "").split(".")[0] in functions:
            total += stack["still_mapped_bytes"]
    return total


def whole_run(path, scenario):
    """From its begin until it is ready, or has grown for a while."""
    env = " ".join(f"{k}={v}" for k, v in scenario.env.items())
    with Workload("/bin/sh", "-c", f"read line; exec env {env} {path}", ready=False) as w:
        def during():
            w.say()
            w.process.stdout.readline()
            if scenario.after:
                time.sleep(0.5)
            return anonymous(w.pid)

        return traced(w.pid, during)


def check(scenario, folder, build_name):
    """What to tell of it."""
    name = f"{scenario.name} {build_name}"
    path = build(scenario, folder, BUILDS[build_name])
    trace, mapped = lossless(lambda: whole_run(path, scenario))
    named = named_in(trace, path, scenario.maps)
    start = PRELOADED if "LD_PRELOAD" in scenario.env else START
    # What grows goes on between the count and the end of the trace.
    return (mapped > 2 * start and named >= SHARE * (mapped - start),
            f"{name}: at least 95 % of what it maps is put to {', '.join(scenario.maps)}",
            f"{named} of {mapped} {trace['warnings']}\n" + "\n".join(
                f"{s['still_mapped_bytes']} {[f['function'] for f in s['frames']]}"
                for s in trace["stacks"][:8]))


def check_all(scenarios):
    """Several at once: to begin and to end a trace is waiting, mostly."""
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(ATONCE) as pool:
        for build_name in BUILDS:
            inner = os.path.join(folder, build_name.partition(" ")[0])
            os.mkdir(inner)
            for told in pool.map(check, scenarios, itertools.repeat(inner),
                                 itertools.repeat(build_name)):
                tap.ok(*told)


def main():
    mount_tracefs()
    reason = why_not()
    if reason:
        tap.skip("fallow trace", reason)
        tap.done()
        return
    asked = [s for s in scenariolib.scenarios() if s.name in (sys.argv[1:] or [s.name])]
    for scenario in asked:
        reason = scenario.missing()
        if scenario.maps and reason:
            tap.skip(scenario.name, reason)
    check_all([s for s in asked if s.maps and not s.missing()])
    tap.done()


main()
