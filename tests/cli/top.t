#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fallow top over 1,000 processes, in a pid namespace where nobody else's are: who is
told, in which order, with which numbers; by report, and by /proc, as oracles."""
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
from heaplib import FALLOW
from tap import Tap

MANY = 1000
NOBODY = 65534
# Grows to 40 MB of glibc's, of which it gives the half back, and some of it cannot go.
HEAP = """
import sys
x = [bytearray(3000) for i in range(14000)]
y = x[::7]
del x[7000:]
print("ready", flush=True)
sys.stdin.read()
"""
GROWS = """
import sys, time
x = []
print("ready", flush=True)
while True:
    x.append(bytearray(200000))
    time.sleep(0.02)
"""

tap = Tap()


def top(*options, uid=0):
    before = (lambda: (os.setgid(uid), os.setuid(uid))) if uid else None
    r = subprocess.run([FALLOW, "top", *options], text=True, check=False, preexec_fn=before,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode:
        raise RuntimeError(f"status {r.returncode}: {r.stderr}")
    return json.loads(r.stdout) if "--json" in options else r.stdout


def start(code, uid=0):
    before = (lambda: (os.setgid(uid), os.setuid(uid))) if uid else None
    p = subprocess.Popen(["/usr/bin/python3", "-c", code], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, preexec_fn=before, cwd="/")
    p.stdout.readline()
    return p


def wait_for(p, state):
    for _ in range(400):
        with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
            if f.read().rsplit(")", 1)[1].split()[0] == state:
                return
        time.sleep(0.05)


def of(shown, pid):
    return next((p for p in shown["processes"] if p["pid"] == pid), None)


def top_with(pid, *options, uid=0, until=lambda p: True):
    """One that had the time to look at this process: on a busy machine some have not."""
    for _ in range(30):
        shown = top("--json", *options, uid=uid)
        p = of(shown, pid)
        if p["state"] == "looked-at" and until(p):
            break
    return shown


def anon_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in f if line.endswith(" kB\n")}
    return sizes["RssAnon:"] + sizes["VmSwap:"]


def check_numbers(shown, p):
    """As report has them: the process is stopped."""
    r = json.loads(subprocess.run([FALLOW, "report", "--quick", "--json", str(p.pid)],
                                  stdout=subprocess.PIPE, check=True).stdout)
    lines = {line["class"]: line["resident_bytes"] + line["swapped_bytes"] for line in r["ledger"]}
    mine = of(shown, p.pid)
    facts = f"{mine}\n{lines}\n{r['verdicts'][0]}"
    tap.ok(mine["state"] == "looked-at" and
           mine["returnable_bytes"] == lines["heap.returnable"] and
           mine["fallow_bytes"] == lines["heap.returnable"] + lines["heap.held"] > 1 << 20,
           "fallow memory is what report tells of the same process", facts)
    tap.ok((mine["verdict"]["id"], mine["verdict"]["bytes"]) ==
           (r["verdicts"][0]["id"], r["verdicts"][0]["bytes"]),
           "and so is the principal verdict", facts)
    tap.ok(mine["fallow_bytes"] <= mine["fallow_at_most_bytes"] and
           mine["anon_bytes"] == anon_of(p.pid), "with what is anonymous, by /proc", facts)


def check_list(shown, sleepers, heap):
    listed = [p["pid"] for p in shown["processes"]]
    tap.ok(len(listed) == len(set(listed)) and {p.pid for p in sleepers} <= set(listed),
           f"{MANY} processes are all told, once each", f"{len(listed)}: {shown['counts']}")
    keys = [p["anon_bytes"] if p["fallow_bytes"] is None else p["fallow_bytes"]
            for p in shown["processes"]]
    tap.ok(keys == sorted(keys, reverse=True) and listed[0] == heap.pid,
           "most fallow memory first", keys[:9])
    small = [of(shown, p.pid) for p in sleepers]
    tap.ok(all(p["state"] == "not-looked-at" and p["fallow_bytes"] is None and
               p["verdict"] is None and 0 < p["fallow_at_most_bytes"] == p["anon_bytes"] < 1 << 20
               for p in small),
           "of what was not looked at, fallow is unknown, and at most what is anonymous", small[0])
    tap.ok(sum(shown["counts"].values()) - shown["counts"]["ended"] == len(listed),
           "counts add up", shown["counts"])


def check_text(sleepers, heap):
    for _ in range(30):
        text = top("--once")
        rows = [line.split() for line in text.splitlines()[4:]]
        if "too long" not in text:
            break
    tap.ok(rows[0][0] == str(heap.pid) and any(r[:2] == [str(r[0]), "more,"] for r in rows),
           "the table has the same one first, and says what it leaves out", text)
    tap.ok(text == text.encode("ascii", "replace").decode() and
           not any(r[:2] == [str(p.pid), "sleep"] for p in sleepers for r in rows),
           "and not those that cannot have much", text)


def check_states(heap):
    zombie = subprocess.Popen(["/bin/true"])
    wait_for(zombie, "Z")
    hidden = start(HEAP)
    own = start(HEAP, uid=NOBODY)
    shown = top_with(own.pid, uid=NOBODY)
    mine, theirs = of(shown, own.pid), of(shown, hidden.pid)
    tap.ok(mine["state"] == "looked-at", "somebody else looks at his own", mine)
    tap.ok(theirs["state"] == "not-permitted" and theirs["fallow_bytes"] is None and
           theirs["fallow_at_most_bytes"] == theirs["anon_bytes"] and
           shown["processes"][0]["pid"] == own.pid,
           "and not at others', which are told after his", theirs)
    tap.ok("may not be looked at" in top("--once", uid=NOBODY), "the table says so", "")
    tap.ok(of(shown, zombie.pid) is None, "a zombie has no memory", "")
    zombie.wait()
    for p in (hidden, own):
        p.kill()
        p.wait()
    tap.ok(of(top("--json"), hidden.pid) is None and of(top("--json"), heap.pid) is not None,
           "what has ended is not told", "")


def check_growth():
    grows = start(GROWS)
    shown = top_with(grows.pid, "--after=2s", until=lambda p: p["verdict"]["id"] == "live-growth")
    p = of(shown, grows.pid)
    tap.ok(p["growth_bytes"] > 1 << 20 and p["growth_ns"] >= 2e9 and
           p["verdict"]["id"] == "live-growth", "growth, and its verdict", p)
    first = of(top("--json"), grows.pid)
    tap.ok(first["growth_bytes"] is None and first["growth_ns"] is None,
           "growth is unknown by one count", first)
    grows.kill()
    grows.wait()


def check_churn():
    """Processes that come, run another program, and go."""
    churn = subprocess.Popen(["bash", "-c", "while :; do (exec -a x sleep 0.01) & (:) & (:); done"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    bad = []
    for _ in range(10):
        shown = top("--json")
        pids = [p["pid"] for p in shown["processes"]]
        if len(pids) != len(set(pids)) or shown["counts"]["failed"]:
            bad.append((shown["counts"], [p for p in shown["processes"] if p["state"] == "failed"]))
    os.killpg(churn.pid, signal.SIGKILL)
    churn.wait()
    tap.ok(not bad, "processes that come and go under it", bad[:1])


def inside():
    sleepers = [subprocess.Popen(["sleep", "1000"]) for _ in range(MANY)]
    heap = start(HEAP)
    os.kill(heap.pid, signal.SIGSTOP)
    wait_for(heap, "T")
    shown = top_with(heap.pid)
    print(f"# {len(shown['processes'])} processes in {shown['duration_ns'] / 1e9:.2f} s")
    wrong = heaplib.against_schema(shown, "fallow-top.schema.json")
    if "No module named 'jsonschema'" in wrong:
        tap.skip("as the schema says", "no python3-jsonschema")
    else:
        tap.ok(not wrong, "as the schema says", wrong)
    check_list(shown, sleepers, heap)
    check_numbers(shown, heap)
    check_text(sleepers, heap)
    check_states(heap)
    check_growth()
    check_churn()
    tap.done()


def main():
    if sys.argv[1:] == ["inside"]:
        inside()
    alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        tap.skip("top over many processes", "no pid namespace can be had here (as root it can)")
        tap.done()
    os.execvp(alone[0], [*alone, sys.executable, os.path.abspath(__file__), "inside"])


main()
