#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks that go by what earlier ones found: watch tells of an allocator what a report
does that knows nothing, also when libraries come and go and when the process calls exec."""
import datetime
import json
import os
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20
LOOKS = 40  # more than go by what is known before all is searched again
TARGET = """
import ctypes, os, sys
import decimal, json, sqlite3, ssl, xml.etree.ElementTree
blocks = [str(i) * 3 for i in range(20000)]
lib = None
print("ready", flush=True)
for line in sys.stdin:
    command, *rest = line.split()
    if command == "load":
        lib = ctypes.CDLL(rest[0])
        lib.malloc.restype = ctypes.c_void_p
    elif command == "alloc":
        for _ in range(int(rest[0])):
            ctypes.memset(lib.malloc(ctypes.c_size_t(1000)), 1, 1000)
    elif command == "unload":
        ctypes.CDLL(None).dlclose(ctypes.c_void_p(lib._handle))
    elif command == "exec":
        os.execv(rest[0], rest)
    print("done", flush=True)
"""


class Target(heaplib.Child):
    def __init__(self):
        super().__init__(["/usr/bin/python3", "-c", TARGET], text=True, bufsize=1)
        self.process.stdout.readline()

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdout.readline()


class Watch(heaplib.Child):
    def __init__(self, pid):
        super().__init__([heaplib.FALLOW, "watch", "--json", "--interval=50ms", str(pid)],
                         text=True, stderr=subprocess.PIPE)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.process.stderr.close()

    def look(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def now(self):
        """A look that began after this call: others may lie in the pipe."""
        since = datetime.datetime.now(datetime.timezone.utc)
        while True:
            seen = self.look()
            if datetime.datetime.fromisoformat(seen["time"].replace("Z", "+00:00")) > since:
                return seen

    def cpu(self):
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9


def compare(name, watch, pid, *expected):
    """What watch says now, against a look that searches everything."""
    seen, fresh = watch.now()["allocators"], heaplib.look(pid, "--quick")["allocators"]
    tap.ok(seen == fresh, f"{name}: the same as in a report", f"{seen}\n{fresh}")
    names = [a["name"] for a in seen if a["status"] != "unsupported"]
    tap.ok(all(e in names for e in expected), f"{name}: {', '.join(expected)}", str(names))
    return {a["name"]: a for a in seen}


def check_steady():
    with Target() as target, Watch(target.pid) as watch:
        watch.look()
        first = watch.cpu()
        looks = [watch.look() for _ in range(LOOKS)]
        each = (watch.cpu() - first) / LOOKS
        tap.ok(each < first / 2, "a further look is cheaper than the first",
               f"{first:.4f} s, {each:.4f} s")
        tap.ok(all(s["allocators"] == looks[0]["allocators"] for s in looks),
               "nothing changes, and nothing is told to change")
        compare("after many looks", watch, target.pid, "pymalloc", "glibc")
        print(f"# {first * 1e3:.1f} ms, then {each * 1e3:.1f} ms a look", flush=True)


def libraries():
    for name, _, library, loader in heaplib.mimallocs(tap):
        if not loader:
            yield name, library, "mimalloc"
    here = [(name, library) for name, library, loader in heaplib.tcmallocs(tap) if not loader]
    for name, library in here[-1:]:
        yield name, library, "gperftools"


def check_library(name, library, allocator):
    with Target() as target, Watch(target.pid) as watch:
        watch.look()
        target.ask("load", library)
        compare(f"{name} is loaded", watch, target.pid, "pymalloc", "glibc")
        # Looks have passed by which it was known, and had nothing.
        target.ask("alloc", "20000")
        heaps = compare(f"{name} begins to be used", watch, target.pid, allocator)
        live = heaps.get(allocator, {}).get("live_bytes", 0)
        tap.ok(live >= 20000 * 1000, f"{name}: what it serves is told", str(live))
        target.ask("alloc", "10000")
        compare(f"{name} is used more", watch, target.pid, allocator)
        target.ask("unload")
        compare(f"{name} is closed", watch, target.pid, "pymalloc", "glibc")


def check_exec():
    with Target() as target, Watch(target.pid) as watch:
        watch.look()
        target.ask("exec", os.path.join(heaplib.BIN, "bigheap"), "32", "4096")
        seen = watch.now()
        heaps = compare("exec", watch, target.pid, "glibc")
        tap.ok("pymalloc" not in heaps and seen["process"]["comm"] == "bigheap" and
               "bigheap" in seen["process"]["cmdline"], "exec: it is another program",
               f"{sorted(heaps)} {seen['process']}")
        ledger = sum(c["resident_bytes"] for c in seen["ledger"])
        tap.ok(ledger == heaplib.rss_of(target.pid), "exec: the ledger adds up to RSS",
               f"{ledger}")


def check_after():
    with Target() as target:
        twice = heaplib.look(target.pid, "--quick", "--after=100ms")["allocators"]
        once = heaplib.look(target.pid, "--quick")["allocators"]
        tap.ok(twice == once, "report --after: the same as in one look", f"{twice}\n{once}")


def main():
    check_steady()
    for name, library, allocator in libraries():
        check_library(name, library, allocator)
    check_exec()
    check_after()
    tap.done()


main()
