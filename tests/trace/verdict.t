#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Growth is put to functions: report --trace and regions --trace, on programs of which the
source says who maps what grows."""
import json
import os
import re
import signal
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import heaplib
import scenariolib
from tracelib import mount_tracefs, why_not
from tap import Tap

tap = Tap()
GROW = ["lost-buffers", "leak", "own-pool", "segments"]


def fallow(*args):
    run = subprocess.run([heaplib.FALLOW, *args], stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.PIPE, timeout=300, check=False)
    return run.returncode, run.stdout, run.stderr


def share_of(verdict, function):
    """Of what was mapped, as the verdict says it, in percent."""
    for line in verdict["evidence"]:
        if f"by {function} (" in line:
            return float(line.partition("(")[2].partition(" %)")[0])
    return 0


def look(scenario):
    """The report, or the second one: a busy machine may lose calls in the first."""
    for _ in range(3):
        with scenario.run() as run:
            status, out, err = fallow("report", "--trace=1s", "--json", str(run.pid))
        assert not status, err
        snapshot = json.loads(out)
        if not any(w.startswith("trace: ") for w in snapshot["warnings"]):
            break
    return snapshot


def check_report(scenario):
    snapshot = look(scenario)
    first = snapshot["verdicts"][0]
    tap.ok(first["id"] == scenario.verdict and share_of(first, scenario.maps[0]) >= 95,
           f"{scenario.name}: {scenario.verdict} names {scenario.maps[0]}",
           f"{first} {snapshot['warnings']}")
    return snapshot


def check_regions(scenario):
    with scenario.run() as run:
        _, out, _ = fallow("regions", "--trace=1s", "--json", str(run.pid))
        status, text, err = fallow("regions", "--trace=1s", str(run.pid))
    function = f"{scenario.maps[0]} ({scenario.name})"
    most = max(json.loads(out)["regions"], key=lambda r: r["rss_bytes"])
    tap.ok(most["mapped_by"] == function, f"{scenario.name}: the mapping that grows has it",
           most)
    tap.ok(not status and "mapped_by" in text and function in text,
           f"{scenario.name}: so has the table", f"{text} {err}")


def check_series(scenario):
    """With --after: all looks count, and the trace goes on as long as they do."""
    name = f"{scenario.name}: --trace with --after"
    with scenario.run() as run:
        status, out, err = fallow("report", "--trace=1s", "--after=3s", "--json", str(run.pid))
    snapshot = json.loads(out) if not status else {}
    first = snapshot.get("verdicts", [{"id": "", "evidence": []}])[0]
    looks = max((s["looks"] for s in snapshot.get("growth", {}).get("series", [])), default=0)
    tap.ok(first["id"] == scenario.verdict and share_of(first, scenario.maps[0]) > 0,
           f"{name}: {scenario.verdict} names {scenario.maps[0]}", f"{first} {err}")
    tap.ok(looks > 2, f"{name}: rests on all looks", snapshot.get("growth"))
    traced = re.search(r"calls that were seen in ([0-9.]+) s", "\n".join(first["evidence"]))
    tap.ok(traced and float(traced[1]) >= 2.9, f"{name}: the trace lasts as long", first)


def check_cut(scenario):
    """A signal ends the trace, and what was seen until then is shown."""
    with scenario.run() as run:
        with subprocess.Popen([heaplib.FALLOW, "report", "--trace=1h", "--json", str(run.pid)],
                              stdout=subprocess.PIPE, text=True) as tool:
            while not followed(tool):
                time.sleep(0.1)
            time.sleep(1)
            tool.send_signal(signal.SIGTERM)
            out, _ = tool.communicate(timeout=300)
    tap.ok(not tool.returncode and json.loads(out)["verdicts"],
           f"{scenario.name}: --trace, cut short by a signal, reports", out[:200])


def followed(tool):
    """Whether the tool has begun to follow calls: or ended, which it should not have."""
    try:
        files = [os.readlink(f"/proc/{tool.pid}/fd/{f}") for f in os.listdir(f"/proc/{tool.pid}/fd")]
    except OSError:
        files = []
    return tool.poll() is not None or any("perf_event" in f for f in files)


def check_schema(snapshot):
    name = "the object is as the schema says"
    if subprocess.run(["/usr/bin/python3", "-c", "import jsonschema"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        tap.skip(name, "python3-jsonschema is missing")
        return
    wrong = heaplib.against_schema(snapshot)
    tap.ok(not wrong, name, wrong)


def main():
    mount_tracefs()
    reason = why_not()
    if reason:
        tap.skip("report --trace", reason)
        tap.done()
        return
    scenarios = {s.name: s for s in scenariolib.scenarios()}
    for name in GROW:
        snapshot = check_report(scenarios[name])
    check_schema(snapshot)
    check_regions(scenarios["lost-buffers"])
    check_series(scenarios["lost-buffers"])
    check_cut(scenarios["lost-buffers"])
    tap.done()


main()
