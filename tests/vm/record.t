#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings while the machine changes under them: the module goes, the clock is set, and
memory is short, so that conditions hold by the kernel's own counters. In a guest with the
module loaded and swap, as root."""
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
from heaplib import FALLOW
from tap import Tap

tap = Tap()
ROOT = "/sys/fs/cgroup"
GROUP = ROOT + "/fallow-record"
MIB = 1 << 20
# Uses so much memory, over and over, once it is told to.
USES = """
import sys
held = bytearray(24 << 20)
print("ready", flush=True)
sys.stdin.readline()
while True:
    for at in range(0, len(held), 4096):
        held[at] = at // 4096 & 255
"""


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def ask(path, sql):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()
    except sqlite3.OperationalError:  # not there yet
        return []


def count(path):
    return ask(path, "SELECT count(*) FROM look")[0][0] if ask(
        path, "SELECT 1 FROM sqlite_schema WHERE name = 'look'") else 0


def eventually(what, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.1)
    return False


def report(where):
    out = subprocess.run([FALLOW, "report", "--json", where], check=False, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return json.loads(out.stdout) if out.stdout else {"error": out.stderr}


class Recorder:
    def __init__(self, path, *args):
        self.path = path
        self.process = subprocess.Popen([FALLOW, "record", "-o", path, *map(str, args)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def more(self, n=3):
        """Whether so many looks more come."""
        wanted = count(self.path) + n
        return eventually(lambda: count(self.path) >= wanted)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate()
        return self.process.returncode, out, err


def sources(path):
    """Of the first look and the last, whosever they are."""
    ids = ask(path, "SELECT p.pid, count(*) FROM look l JOIN process p ON p.id = l.process "
                    "WHERE l.id <= (SELECT max(id) FROM look) GROUP BY p.id "
                    "ORDER BY max(l.id)")
    return report(f"{path}@{ids[0][0]}:1").get("source"), report(
        f"{path}@{ids[-1][0]}:-1").get("source")


def unload():
    """Between two looks nothing uses it."""
    return eventually(lambda: not subprocess.run(["rmmod", "fallow"], check=False,
                                                 stderr=subprocess.DEVNULL).returncode)


def load():
    subprocess.run(["insmod", os.environ["FALLOW_KO"]], check=True)


def module_gone(directory):
    with subprocess.Popen(["sleep", "6000"]) as target:
        path = os.path.join(directory, "held")
        r = Recorder(path, target.pid, "-i", "100ms")
        r.more()
        refused = subprocess.run(["rmmod", "fallow"], check=False,
                                 stderr=subprocess.DEVNULL).returncode
        went_on = r.more()
        status, _, err = r.end()
        tap.ok(refused and went_on and not status and not err,
               "rmmod is refused while a process is read through it", err)
        path = os.path.join(directory, "all")
        r = Recorder(path, "--all", "-i", "2s")
        began, gone, went_on = r.more(), unload(), r.more(8)
        status, _, err = r.end()
        tap.ok(began and gone and went_on and not status and err.count("\n") == 1
               and "by /proc from now on: " in err and "not loaded" in err,
               "--all: the module goes, looks go on by /proc, and that is said", err)
        tap.ok(sources(path) == ("kmod", "procfs"), "each look says its source", sources(path))
        load()
        # Who cannot open the device reads by other means, and does not hold the module.
        os.unlink("/dev/fallow")
        path = os.path.join(directory, "one")
        r = Recorder(path, target.pid, "-i", "100ms")
        watch = subprocess.Popen([FALLOW, "watch", "--json", str(target.pid), "-i", "100ms"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = json.loads(watch.stdout.readline())
        began, gone, went_on = r.more(), unload(), r.more()
        status, _, err = r.end()
        tap.ok(began and gone and went_on and not status and "by /proc from now on: " in err
               and sources(path) == ("kmod", "procfs"), "of one process, too", err)
        last = first
        while last["source"] == "kmod":
            last = json.loads(watch.stdout.readline() or '{"source": null}')
        tap.ok((first["source"], last["source"]) == ("kmod", "procfs"), "and watch goes on")
        watch.send_signal(signal.SIGTERM)
        watch.communicate()
        target.kill()
    load()


def set_clock(seconds):
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME) + seconds)


def clock(directory):
    path = os.path.join(directory, "clock")
    least, ends = 0, []
    with subprocess.Popen(["sleep", "6000"]) as target:
        r = Recorder(path, target.pid, "-i", "100ms", "--keep=10m")
        for shift in 0, -3600, 86400 * 30, -86400 * 30 - 60:
            set_clock(shift)
            went_on = r.more()
            least = count(path) if count(path) >= least and went_on else 1 << 30
            ends.append(least)
        set_clock(3660)
        status, _, err = r.end()
        target.kill()
    rows = ask(path, "SELECT time, uptime FROM look ORDER BY id")
    tap.ok(not status and len(rows) >= ends[-1], "the clock is set back and forth: looks go "
           "on, and none is taken for old", f"{ends} {len(rows)} {err}")
    times, ups = [t for t, _ in rows], [u for _, u in rows]
    steps = [b - a for a, b in zip(times, times[1:])]
    tap.ok(ups == sorted(ups) and min(steps) < -86400 * 1000 * 29 and max(steps) > 86400 * 1000 * 29,
           "they are in order, and each has the time of the clock then", steps)
    ago = ups[-1] - ups[1]
    found = report(f"{path}@-{ago / 1e9 - 1e-4:.4f}s")
    tap.ok(found.get("uptime_ns") == ups[1], "a look by its age is not mistaken", found)


def events(name):
    with open(f"{GROUP}/memory.events", encoding="ascii") as f:
        return int(dict(line.split() for line in f)[name])


def pressure(path):
    with open(path, encoding="ascii") as f:
        return float(f.readline().split("avg10=")[1].split()[0])


def facts():
    """The kernel's own word on each condition."""
    return {"memory.high": events("high") > 0, "memory.max": events("max") > 0,
            "cgroup-psi>2%": pressure(f"{GROUP}/memory.pressure") > 2,
            "psi>2%": pressure("/proc/pressure/memory") > 2}


def short_of_memory(directory):
    write(f"{ROOT}/cgroup.subtree_control", "+memory")
    os.mkdir(GROUP)
    target = subprocess.Popen([sys.executable, "-c", USES], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE,
                              preexec_fn=lambda: write(GROUP + "/cgroup.procs", os.getpid()))
    target.stdout.readline()
    names = list(facts())
    recorders = {name: Recorder(os.path.join(directory, f"when{i}"), target.pid, "-i", "500ms",
                                "--rate=1/1h", f"--when={name}") for i, name in enumerate(names)}
    eventually(lambda: all(ask(r.path, "SELECT 1 FROM sqlite_schema")
                           for r in recorders.values()))
    time.sleep(2)
    early = {name: count(r.path) for name, r in recorders.items()}
    calm = facts()
    tap.ok(not any(early[name] for name in names if not calm[name]),
           "no look is kept before its condition holds", f"{early} {calm}")
    # Less than it uses: some of it goes out and comes back all the time.
    write(f"{GROUP}/memory.high", 20 * MIB)
    target.stdin.write(b"\n")
    target.stdin.flush()
    high = eventually(lambda: count(recorders["memory.high"].path))
    write(f"{GROUP}/memory.high", "max")
    write(f"{GROUP}/memory.max", 20 * MIB)
    for name in names:
        path = recorders[name].path
        kept = high if name == "memory.high" else eventually(lambda: count(path))
        whys = ask(path, "SELECT DISTINCT why FROM look")
        tap.ok(kept and whys == [(name,)] and recorders[name].process.poll() is None,
               f"{name}: a look is kept, and says why", f"{whys} {facts()}")
    met = facts()
    tap.ok(met["memory.high"] and met["memory.max"], "so the kernel says, too", met)
    ended = [recorders[name].end() for name in names]
    tap.ok(not any(status or err for status, _, err in ended), "they end in order", ended)
    target.kill()
    target.communicate()
    eventually(lambda: not open(f"{GROUP}/cgroup.procs", encoding="ascii").read())
    os.rmdir(GROUP)


def main():
    directory = "/run/record"
    os.mkdir(directory)
    module_gone(directory)
    clock(directory)
    short_of_memory(directory)
    tap.done()


main()
