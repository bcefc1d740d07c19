#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings over time: growth is judged by the looks that are in the file, as --after does
it of a process, and which look a time means does not depend on a clock that was set. What is
expected is computed here, from the rows that SQLite has."""
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..")]
sys.dont_write_bytecode = True
import heaplib
from tap import Tap

tap = Tap()
LOOKS = 16
NS = 1_000_000_000
# A number to it, and it holds so many times 2 MiB more.
GROWS = """
import sys
held = [bytearray(b"x" * 400) for _ in range(20000)]
print("ready", flush=True)
for line in sys.stdin:
    held += [bytearray(b"x" * 4000) for _ in range(500 * int(line))]
    print("done", flush=True)
"""


def fallow(*args):
    return subprocess.run([heaplib.FALLOW, *map(str, args)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL)


def report(*args):
    r = fallow("report", "--json", *args)
    return json.loads(r.stdout) if r.stdout else {"error": r.stderr, "status": r.returncode}


def rows(path):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute("SELECT time, uptime, rss FROM look ORDER BY id").fetchall()
    except sqlite3.OperationalError:  # not there yet
        return []


def more_of(path, looks):
    end = time.monotonic() + 120
    while len(rows(path)) < looks and time.monotonic() < end:
        time.sleep(0.02)


def record(path, step):
    """So many looks at a process, which grows by so much between them as @step says."""
    child = heaplib.Child([sys.executable, "-c", GROWS], stderr=subprocess.DEVNULL)
    with child:
        child.process.stdout.readline()
        p = subprocess.Popen([heaplib.FALLOW, "record", str(child.pid), "-o", path, "-i",
                              "250ms"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(LOOKS):
            more_of(path, i + 1)
            child.process.stdin.write(b"%d\n" % step(i))
            child.process.stdin.flush()
            child.process.stdout.readline()
        p.send_signal(signal.SIGTERM)
        p.communicate()


def slope(points):
    """Bytes a minute, by least squares."""
    n, x0 = len(points), points[0][0]
    xs, ys = [(x - x0) / NS for x, _ in points], [y for _, y in points]
    mx, my = sum(xs) / n, sum(ys) / n
    return (60 * sum((x - mx) * (y - my) for x, y in zip(xs, ys))
            / sum((x - mx) ** 2 for x in xs))


def verdicts(look):
    return [v["id"] for v in look.get("verdicts", [])]


def rss_of(look):
    series = look.get("growth", {}).get("series", [{"looks": 0, "bytes_per_minute": 0}])
    return next(s for s in series if s.get("name", "rss") == "rss")


def growing(directory):
    """A machine that stands still for seconds makes a line of nothing: several attempts."""
    for attempt in range(4):
        path = os.path.join(directory, f"grows{attempt}")
        record(path, lambda i: 1)
        look = report(path)
        if verdicts(look)[:1] == ["live-growth"]:
            break
    all_ = rows(path)
    even = [all_[(len(all_) - 1) * k // 11] for k in range(12)]
    rate = slope([(up, rss) for _, up, rss in even])
    rss = rss_of(look)
    tap.ok(verdicts(look)[:1] == ["live-growth"], "what grows over a recording has the verdict",
           look.get("error") or [look.get("verdicts"), rss])
    tap.ok(rss.get("looks") == 12 and abs(rss["bytes_per_minute"] - rate) < rate / 4,
           "its rate is that of the looks that are in the file", f"{rss}, not {rate}")
    status = fallow("report", f"{path}@-1", "--fail-on=live-growth").returncode
    tap.ok(status == 10, "--fail-on goes by it", status)
    first = report(f"{path}@1")
    tap.ok("growth" not in first and "live-growth" not in verdicts(first),
           "the first look knows of no growth", verdicts(first))
    third = report(f"{path}@3")
    tap.ok(rss_of(third)["looks"] == 3, "the third knows of three")
    return path


def within(path):
    """--after: over the looks of so long before."""
    all_ = rows(path)
    up = [up for _, up, _ in all_]
    ago = up[-1] - up[-5]
    look = report(f"{path}@-1", f"--after={ago / NS + 1e-4:.4f}")
    tap.ok(rss_of(look)["looks"] == 6, "--after: the looks of that time",
           rss_of(look))
    look = report(f"{path}@5", "--after=1h")
    tap.ok(any("not of 3600.0 s" in w for w in look["warnings"])
           and rss_of(look)["looks"] == 5,
           "of a recording that is shorter: all, and that is said", look["warnings"])
    look = report(f"{path}@1", "--after=1s")
    tap.ok(look.get("status") == 1 and "no look at this program before" in look["error"],
           "before the first there is none", look)
    r = fallow("diff", "--json", f"{path}@-1", f"--after={ago / NS - 1e-4:.4f}")
    change = sum(c["change_bytes"] for c in json.loads(r.stdout or '{"ledger": []}')["ledger"])
    tap.ok(change == all_[-1][2] - all_[-5][2], "diff --after: with the look of then",
           f"{change} {r.stderr}")
    r = fallow("diff", path, "--after=1h")
    tap.ok(r.returncode == 1 and "the recording begins" in r.stderr, "and not if there is none",
           r.stderr)
    snapshot = os.path.join(os.path.dirname(path), "snapshot")
    fallow("snapshot", f"{path}@2", "-o", snapshot)
    for command in "report", "diff":
        r = fallow(command, snapshot, "--after=1s")
        tap.ok(r.returncode == 2 and r.stderr.count("\n") == 1,
               f"{command} --after is not for one look", r.stderr)


def no_growth(directory):
    """What rose once, and what another program had, is no growth."""
    for attempt in range(4):  # as above: a look may have come amidst it
        path = os.path.join(directory, f"once{attempt}")
        record(path, lambda i: 12 * (i == 6))
        look = report(path)
        if "live-growth" not in verdicts(look):
            break
    tap.ok("live-growth" not in verdicts(look) and rss_of(look)["looks"] == 12,
           "what rose once is no growth", verdicts(look))
    path = os.path.join(directory, "exec")
    with heaplib.Child(["sh", "-c", "read x; exec sleep 600"]) as child:
        p = subprocess.Popen([heaplib.FALLOW, "record", str(child.pid), "-o", path, "-i", "20ms"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        more_of(path, 4)
        child.process.stdin.write(b"\n")
        child.process.stdin.flush()
        end = time.monotonic() + 120
        while os.readlink(f"/proc/{child.pid}/exe").endswith("sh") and time.monotonic() < end:
            time.sleep(0.02)
        # As many again as there are now: however slow this was, half of all are at sleep.
        more_of(path, 2 * len(rows(path)) + 4)
        p.send_signal(signal.SIGTERM)
        p.communicate()
    last = len(rows(path)) - 1
    taken = [last * k // 11 for k in range(12)]
    exes = [report(f"{path}@{i + 1}")["process"]["exe"] for i in taken]
    rss = rss_of(report(path))
    tap.ok(2 <= exes.count(exes[-1]) == rss["looks"] < 12,
           "looks at another program do not count", f"{rss} {exes}")


def set_clock(path, copy, shifts):
    """A recording of which the clock was set, by seconds from a look on."""
    shutil.copy(path, copy)
    with contextlib.closing(sqlite3.connect(copy)) as db:
        for i, seconds in shifts:
            db.execute("UPDATE look SET time = time + ? WHERE id >= (SELECT id FROM look "
                       "ORDER BY id LIMIT 1 OFFSET ?)", (1000 * seconds, i))
        db.commit()
    return [(time_, up) for time_, up, _ in rows(copy)]


def uptime_of(where):
    look = report(where)
    return look.get("uptime_ns") or look


def clocks(path, directory):
    copy = os.path.join(directory, "clock")
    up = [up for _, up, _ in rows(path)]
    ages = [up[-1] - up[i] for i in (3, 8, 12)]
    for name, shifts in [("back", [(6, -3600)]), ("forth", [(6, 86400 * 400)]),
                         ("back and forth", [(4, -7200), (7, 7200), (10, -30)])]:
        set_clock(path, copy, shifts)
        found = [uptime_of(f"{copy}@-{age / NS - 1e-4:.4f}s") for age in ages]
        tap.ok(found == [up[3], up[8], up[12]], f"the clock was set {name}: looks by their age",
               f"{found} {up}")
        last = fallow("info", "--json", copy)
        tap.ok(last.returncode == 0 and uptime_of(f"{copy}@-1") == up[-1],
               "and the last is the last", last.stderr)
        rss = rss_of(report(copy))
        tap.ok(rss["looks"] == 12 and rss == rss_of(report(path)),
               "and growth is the same", rss)
    os.environ["TZ"] = "UTC"
    # Away from midnight, whenever this runs.
    noon = 43200 - rows(path)[0][0] // 1000 % 86400
    at = set_clock(path, copy, [(0, noon), (8, -3600)])
    for want in 7, 15:
        shown = time.strftime("%H:%M:%S", time.gmtime(at[want][0] // 1000))
        same = [up for ms, up in at if ms // 1000 == at[want][0] // 1000]
        found = uptime_of(f"{copy}@{shown}")
        tap.ok(found in same and abs(found - up[want]) < 2 * NS,
               f"look {want + 1} by what the clock showed then", f"{found} {same} {at}")


def out_of_order(path, directory):
    """Of two recorders, one may keep a look that it began before those that are there."""
    copy = os.path.join(directory, "order")
    shutil.copy(path, copy)
    with contextlib.closing(sqlite3.connect(copy)) as db:
        db.execute("UPDATE look SET uptime = uptime + ? WHERE id = (SELECT min(id) FROM look)",
                   (3600 * NS,))
        db.commit()
    r = fallow("diff", f"{copy}@2", "--after=1h")
    tap.ok(r.returncode == 1 and "begins 0.0 s before" in r.stderr,
           "where the first look was taken later, nothing is before the second", r.stderr)


def main():
    with tempfile.TemporaryDirectory() as directory:
        path = growing(directory)
        within(path)
        no_growth(directory)
        clocks(path, directory)
        out_of_order(path, directory)
    tap.done()


main()
