#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPython's own heaps: what the tool says against sys._debugmallocstats() of the same
stopped process, or sys.getallocatedblocks()."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import heaplib
from tap import Tap

tap = Tap()
WORKLOAD = os.path.join(heaplib.HERE, "workloads/pymalloc.py")
SLEEPS = {"35", "230"}  # nanosleep, clock_nanosleep: x86-64
SUBS = 3
LOOKS = 7


class Python:
    def __init__(self, name, command, home=None):
        self.name = name
        self.command = command
        self.env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONMALLOC": "pymalloc"}
        if home:
            self.env["PYTHONHOME"] = home


def pythons():
    """Those here, and those that tests/heap/pythons could get."""
    here = [os.path.realpath(p) for p in (sys.executable, "/usr/bin/python3")]
    for program in sorted({p for p in here if os.path.exists(p)}):
        yield Python(program, [program])
    run = subprocess.run([os.path.join(heaplib.HERE, "heap/pythons")], text=True,
                         stdout=subprocess.PIPE, check=False)
    for line in run.stdout.splitlines():
        suite, version, home, *command = line.split()
        if home == "-":
            tap.skip(f"Python {version} of {suite}", " ".join(command))
        else:
            yield Python(f"Python {version} ({suite})", command, home)


def threaded():
    for suite, version, home, *command in heaplib.fetched(tap, "python-threaded",
                                                          "the source of Python"):
        python = Python(f"Python {version} ({suite}), free-threaded", command, home)
        python.env["PYTHONMALLOC"] = "mimalloc"
        yield python


class Process(heaplib.Child):
    def __init__(self, python, env=None):
        self.errors = tempfile.TemporaryFile("w+")
        super().__init__([*python.command, "-u", WORKLOAD, "run"], stderr=self.errors,
                         text=True, bufsize=1, env={**python.env, **(env or {})})
        self.process.stdout.readline()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.errors.close()

    def tell(self, command):
        self.process.stdin.write(command + "\n")

    def answer(self):
        return self.process.stdout.readline().strip()

    def ask(self, command):
        self.tell(command)
        return self.answer()

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def wait_stopped(self):
        while True:
            if self.state() in "ZX":
                return False
            if self.all_stopped():
                return True
            time.sleep(0.001)

    def wait_sleeping(self, threads):
        """Until so many of its threads sleep."""
        while self.process.poll() is None and "Error" not in self.said():
            calls = []
            for tid in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{tid}/syscall", encoding="ascii") as f:
                    calls.append(f.read().split()[0])
            if sum(c in SLEEPS for c in calls) >= threads:
                return
            time.sleep(0.01)


NUMBER = r"[\d,]+"
LINES = {
    "live": rf"# bytes in allocated blocks +=\s+({NUMBER})",
    "available": rf"# bytes in available blocks +=\s+({NUMBER})",
    "unused": rf"\d+ unused pools \* \d+ bytes +=\s+({NUMBER})",
    "headers": rf"# bytes lost to pool headers +=\s+({NUMBER})",
    "quantization": rf"# bytes lost to quantization +=\s+({NUMBER})",
    "alignment": rf"# bytes lost to arena alignment +=\s+({NUMBER})",
    "arenas": rf"# arenas allocated current +=\s+({NUMBER})",
    "mapped": rf"\d+ arenas \* \d+ bytes/arena +=\s+({NUMBER})",
}


def statistics(text, interpreters):
    """The sums of the last so many."""
    out = {}
    for key, line in LINES.items():
        found = [int(n.replace(",", "")) for n in re.findall(line, text)]
        out[key] = sum(found[-interpreters:]) if len(found) >= interpreters else -1
    return out


def classes(text, interpreters):
    """Of the last so many: live and free bytes by size."""
    out = {}
    for table in text.split("avail blocks")[-interpreters:]:
        for line in re.findall(r"^ *\d+((?: +[\d,]+){4})$", table, re.M):
            size, _, used, free = (int(n.replace(",", "")) for n in line.split())
            live, left = out.get(size, (0, 0))
            out[size] = live + used * size, left + free * size
    return out


def heap(snapshot, name="pymalloc"):
    return next((a for a in snapshot["allocators"] if a["name"] == name), None)


def overlaps(snapshot):
    """Mappings with more bytes in classes than are resident."""
    return [r["start"] for r in snapshot["regions"]
            if sum(r["classes"].values()) != r["rss_bytes"]]


def total(seen, key):
    return sum(a[key] for a in seen["arenas"])


def compare_quick(name, pid, full, rss):
    """By the heads of pools alone: the same bytes, and pages within the bounds."""
    snapshot = heaplib.look(pid, "--quick")
    seen = heap(snapshot)
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    error = seen.get("error_bytes", {"live": 0, "returnable": 0, "held": 0})
    facts = f"{seen}\n{full}\nledger {ledger} rss {rss}"
    tap.ok(all(total(seen, key) == total(full, key) for key in
               ("live_bytes", "free_bytes", "metadata_bytes", "mapped_bytes",
                "unread_bytes", "returnable_bytes", "resident_bytes")),
           f"{name}: quickly, the same bytes", facts)
    tap.ok(error["live"] == error["returnable"] == 0 and
           0 <= total(full, "held_bytes") - total(seen, "held_bytes") <= error["held"],
           f"{name}: quickly, held bytes, within bounds", facts)
    tap.ok((seen["status"] == "exact") == (error["held"] == 0) == ("error_bytes" not in seen),
           f"{name}: quickly, exact if there is no doubt", facts)
    tap.ok(ledger == rss, f"{name}: quickly, the ledger adds up to RSS", facts)


def compare(name, p, interpreters=1):
    """@p is stopped, or sleeps."""
    want = statistics(p.said(), interpreters)
    snapshot = heaplib.look(p.pid)
    rss = heaplib.rss_of(p.pid)
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    seen = heap(snapshot)
    glibc = heap(snapshot, "glibc")
    facts = f"{want}\n{seen}\n{glibc['status']} {glibc.get('reason')}\nledger {ledger} rss {rss}"
    if not tap.ok(seen, f"{name}: found", facts):
        return
    meta = sum(a["metadata_bytes"] for a in seen["arenas"])
    tap.ok(seen["status"] == "exact", f"{name}: exact", facts)
    tap.ok(seen["live_bytes"] == want["live"], f"{name}: live bytes", facts)
    tap.ok(seen["own_free_bytes"] == seen["free_bytes"] == want["available"] + want["unused"],
           f"{name}: free bytes", facts)
    tap.ok(meta == want["headers"] + want["quantization"] + want["alignment"],
           f"{name}: overhead", facts)
    tap.ok(seen["mapped_bytes"] == want["mapped"] and
           seen["settings"]["arenas"] == want["arenas"] and
           len(seen["arenas"]) == interpreters, f"{name}: arenas", facts)
    sizes = {c["size_bytes"]: (c["live_bytes"], c["free_bytes"]) for c in
             heap(heaplib.look(p.pid, command="heap"))["classes"]}
    exact = classes(p.said(), interpreters)
    tap.ok(sizes == exact, f"{name}: size classes", f"{sizes}\n{exact}")
    tap.ok(seen["returnable_bytes"] == 0 and seen["purge"] is None,
           f"{name}: no call returns any", facts)
    tap.ok(ledger == rss and not overlaps(snapshot), f"{name}: the ledger adds up to RSS",
           facts + str(overlaps(snapshot)))
    compare_quick(name, p.pid, seen, rss)
    build, _, workload = name.partition(": ")
    heaplib.cell("pymalloc", os.path.basename(build), workload, 1, seen["free_bytes"],
                 want["available"] + want["unused"])


def check(python, pattern, env=None, name=None):
    name = name or f"{python.name}: {pattern}"
    with Process(python, env) as p:
        p.ask(pattern)
        p.tell("stop")
        if not tap.ok(p.wait_stopped(), f"{name}: stopped", p.said()):
            return
        compare(name, p)


def check_interpreters(python):
    name = f"{python.name}: {SUBS} more interpreters"
    with Process(python) as p:
        if p.ask(f"subs {SUBS}") != "done":
            tap.skip(name, "they share one allocator before 3.12")
            return
        p.wait_sleeping(SUBS)
        p.tell("stop")
        if tap.ok(p.wait_stopped(), f"{name}: stopped", p.said()):
            compare(name, p, SUBS + 1)


SURVIVORS = """
import sys
objects = [object() for _ in range(1000000)]
kept = objects[::60000]
del objects
print(*map(id, kept), flush=True)
sys.stdin.read()
"""


def check_remnants(python):
    """Of a million objects few are left, and Python itself says where."""
    name = f"{python.name}: remnants"
    with heaplib.Child([*python.command, "-c", SURVIVORS], text=True, env=python.env) as p:
        kept = {int(n) for n in p.process.stdout.readline().split()}
        seen = heap(heaplib.look(p.pid))["remnants"]
        shown = subprocess.run([heaplib.FALLOW, "heap", "--json", "--show-data", str(p.pid)],
                               check=True, stdout=subprocess.PIPE).stdout
        with open(f"/proc/{p.pid}/mem", "rb", buffering=0) as mem:
            real = [os.pread(mem.fileno(), 16, at).hex() for at in sorted(kept)]
    blocks = [int(r["block"], 16) for r in seen["worst"]]
    tap.ok(len(kept) - 3 <= seen["count"] <= len(kept) and kept.issuperset(blocks),
           f"{name}: they are the objects that are left", f"{seen} {sorted(kept)}")
    tap.ok(all(r["live_bytes"] % 16 == 0 and int(r["start"], 16) <= int(r["block"], 16)
               < int(r["end"], 16) for r in seen["worst"]), f"{name}: each in its arena", seen)
    tap.ok([r["free_bytes"] for r in seen["worst"]] ==
           sorted((r["free_bytes"] for r in seen["worst"]), reverse=True),
           f"{name}: the worst first", seen)
    tap.ok(all("data" not in r for r in seen["worst"]), f"{name}: no data unless asked for", seen)
    wrong = heaplib.against_schema(json.loads(shown))
    tap.ok(not wrong, f"{name}: as the schema says", wrong)
    data = [r["data"][:32] for r in heap(json.loads(shown))["remnants"]["worst"]]
    tap.ok(data and set(data) <= set(real), f"{name}: the first bytes are the objects'",
           f"{data} {real}")


def check_absent(python):
    """Python without its allocator."""
    name = f"{python.name}: PYTHONMALLOC=malloc"
    with Process(python, {"PYTHONMALLOC": "malloc"}) as p:
        p.ask("every-nth")
        tap.ok(not heap(heaplib.look(p.pid)), f"{name}: not found")


def has_mimalloc(python):
    """Since 3.13, by PYTHONMALLOC; a Python that knows no such word does not start."""
    return not subprocess.run([*python.command, "-c", ""], check=False, stderr=subprocess.DEVNULL,
                              env={**python.env, "PYTHONMALLOC": "mimalloc"}).returncode


def check_mimalloc(python, pattern):
    """Its objects in the mimalloc that is built into it."""
    name = f"{python.name}: PYTHONMALLOC=mimalloc: {pattern}"
    with Process(python, {"PYTHONMALLOC": "mimalloc"}) as p:
        p.ask(pattern)
        p.tell("stop")
        if not tap.ok(p.wait_stopped(), f"{name}: stopped", p.said()):
            return
        live, carved = (int(re.search(rf"{what}: (\d+)", p.said())[1])
                        for what in ("Allocated Bytes", "Bytes Committed"))
        snapshot = heaplib.look(p.pid)
        seen, rss = heap(snapshot, "mimalloc"), heaplib.rss_of(p.pid)
    facts = f"live {live} carved {carved} rss {rss}\n{seen}\n{snapshot['ledger']}"
    if not tap.ok(seen and seen["status"] == "exact", f"{name}: exact", facts):
        return
    tap.ok(seen["live_bytes"] == live, f"{name}: live bytes", facts)
    tap.ok(seen["own_free_bytes"] == carved - live, f"{name}: free bytes", facts)
    tap.ok(sum(c["resident_bytes"] for c in snapshot["ledger"]) == rss,
           f"{name}: the ledger adds up to RSS", facts)
    heaplib.cell("mimalloc", f"mimalloc {seen['version']} in {python.name}", pattern, 1,
                 seen["own_free_bytes"], carved - live)


def check_threaded(python, pattern):
    """Without its lock, its objects are in four heaps of each thread, all mimalloc's."""
    name = f"{python.name}: {pattern}"
    with Process(python) as p:
        p.ask(pattern)
        p.tell("count")
        if not tap.ok(p.wait_stopped(), f"{name}: stopped", p.said()):
            return
        snapshot = heaplib.look(p.pid)
        rss = heaplib.rss_of(p.pid)
        classes = heap(heaplib.look(p.pid, command="heap"), "mimalloc")["classes"]
        os.kill(p.pid, signal.SIGCONT)
        want = int(p.answer()) + 1  # the answer itself
    seen = heap(snapshot, "mimalloc")
    blocks = sum(c["live_bytes"] // c["size_bytes"] for c in classes)
    facts = f"{blocks} blocks, {want} counted, rss {rss}\n{seen}\n{snapshot['ledger']}"
    tap.ok(seen["status"] == "exact" and "free-threaded" in seen["version"], f"{name}: exact",
           facts)
    tap.ok(blocks == want, f"{name}: live blocks", facts)
    tap.ok(seen["returnable_bytes"] == 0, f"{name}: no call returns any", facts)
    tap.ok(not heap(snapshot), f"{name}: no pymalloc", facts)
    tap.ok(sum(c["resident_bytes"] for c in snapshot["ledger"]) == rss,
           f"{name}: the ledger adds up to RSS", facts)


def check_unused(python):
    """A mimalloc that is built in, and has nothing, is not told of."""
    with Process(python) as p:
        p.ask("every-nth")
        names = [a["name"] for a in heaplib.look(p.pid)["allocators"]]
    tap.ok(names == ["pymalloc", "glibc"], f"{python.name}: the allocators that it has", names)


def check_running(python, *options, allocator="pymalloc"):
    name = f"{python.name}: running{' '.join(('', *options))}"
    with Process(python) as p:
        p.ask("churn")
        time.sleep(1)
        looks = [heaplib.look(p.pid, *options) for _ in range(LOOKS)]
        alive = p.process.poll() is None
    heaps = [heap(s, allocator) for s in looks]
    facts = [(h["status"], h.get("reason"), h["torn_bytes"], h["mapped_bytes"]) if h else h
             for h in heaps]
    tap.ok(alive and all(heaps), f"{name}: found each time", facts)
    tap.ok(all(h and (h["status"] == "exact") <= (h["torn_bytes"] == 0) for h in heaps),
           f"{name}: torn bytes are told", facts)
    tap.ok(sum(bool(h and h["torn_bytes"] * 20 <= h["mapped_bytes"]) for h in heaps) > LOOKS // 2,
           f"{name}: most of it is read", facts)


def patterns():
    out = subprocess.run([sys.executable, WORKLOAD], text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    return out.split()


def has_numpy(python):
    return subprocess.run([*python.command, "-c", "import numpy"], env=python.env, check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def main():
    for python in pythons():
        for pattern in patterns():
            if pattern == "numpy" and not has_numpy(python):
                tap.skip(f"{python.name}: {pattern}", "numpy is not installed for it")
            else:
                check(python, pattern)
        check(python, "every-nth", {"PYTHONMALLOC": "pymalloc_debug"},
              f"{python.name}: PYTHONMALLOC=pymalloc_debug")
        check_interpreters(python)
        check_remnants(python)
        check_absent(python)
        check_unused(python)
        if has_mimalloc(python):
            for pattern in "every-nth", "few-left", "random-free", "resized":
                check_mimalloc(python, pattern)
        check_running(python)
        check_running(python, "--quick")
    for python in threaded():
        for pattern in patterns():
            if pattern != "numpy":
                check_threaded(python, pattern)
        check_running(python, allocator="mimalloc")
    tap.done()


main()
