#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ages of pages: a target that is told what to touch when, against what it was
told. Beside that, as notes, what clear_refs and DAMON say of the same target. In a
guest with the module loaded, as root."""
import errno
import os
import signal
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import C, Client, Refused
from heaplib import BIN
from tap import Tap

tap = Tap()
PAGE = os.sysconf("SC_PAGESIZE")
AGE = C["STATE_AGE_SHIFT"]
INTERVAL = 700  # milliseconds; a pass and the touches fit in with ease


class Target:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BIN, "ages")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.read_regions()

    def read_regions(self):
        self.regions = {}
        for line in self.process.stdout:
            if line == "ready\n":
                break
            name, start, size = line.split()
            self.regions[name] = (int(start, 16), int(size))

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.kill()
        self.process.wait()


def ages(client, target, name):
    """The age of each page of a region, as the module tells it."""
    start, size = target.regions[name]
    out = [0] * (size // PAGE)
    for addr, pages, state in client.pages(target.pid, [(start, start + size)],
                                           mask=31 << AGE):
        first = (addr - start) // PAGE
        out[first:first + pages] = [state >> AGE] * pages
    return out


def wait_harvest(client, target, n):
    """Until so many harvests are done; how many they are."""
    start, _ = target.regions["hot"]
    while True:
        client.pages(target.pid, [(start, start + PAGE)], mask=31 << AGE)
        if client.harvests >= n:
            return client.harvests
        time.sleep(0.02)


def log2_age(intervals):
    return 1 if intervals == 0 else 1 + intervals.bit_length()


def check_schedule():
    """In each interval some regions are touched; at its end all ages are looked at."""
    t, c = Target(), Client()
    c.age_start(t.pid, INTERVAL)
    h = wait_harvest(c, t, 1)
    # All was touched before tracking began.
    last = {name: h for name in t.regions}
    right = wrong = 0
    notes = []
    schedule = ["a", "a b", "a", "a huge", "a b", "a", "a c", "a", "a b huge", "a", "", "a"]
    for touched in schedule:
        for name in touched.split():
            t.tell(f"touch {name}")
        done = wait_harvest(c, t, h + 1)
        if done != h + 1:
            notes.append(f"a harvest was missed: {h} to {done}")
        for name in ["hot", "hothuge"] + touched.split():
            last[name] = h + 1
        h = done
        for name in t.regions:
            if name in ("hot", "hothuge") or name not in touched.split():
                want = log2_age(h - last[name] if name not in ("hot", "hothuge") else 0)
            else:
                want = log2_age(h - last[name])
            got = ages(c, t, name)
            bad = sum(1 for a in got if a != want)
            right += len(got) - bad
            wrong += bad
            if bad:
                notes.append(f"harvest {h} {name}: {bad} of {len(got)} not {want}: {set(got)}")
    tap.ok(right > 0 and right / (right + wrong) >= 0.999,
           f"ages are right: {right} of {right + wrong}", "\n".join(notes[:8]))
    hot = [ages(c, t, n) for n in ("hot", "hothuge")]
    tap.ok(all(set(h) == {1} for h in hot), "what is touched all the time is never idle",
           [set(h) for h in hot])
    # Without the tracker, whose flushes would help them.
    c.age_stop(t.pid)
    compare_clear_refs(t)
    compare_damon(t)
    t.end()


def referenced(target, name):
    start, _ = target.regions[name]
    return next(v["Referenced"] for v in maplib.smaps(target.pid)
                if int(v["start"], 16) <= start < int(v["end"], 16))


def compare_clear_refs(t):
    with open(f"/proc/{t.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("1")
    time.sleep(1)
    for name in ("hot", "hothuge"):
        print(f"# clear_refs, one second later: {referenced(t, name) >> 10} KiB of "
              f"{t.regions[name][1] >> 10} of {name} referenced", flush=True)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def compare_damon(t):
    base = "/sys/kernel/mm/damon/admin/kdamonds"
    if not os.path.exists(base):
        print("# DAMON: not in this kernel")
        return
    # Newer kernels run one of their own, and only one may run.
    if os.path.exists("/sys/module/damon_stat/parameters/enabled"):
        write("/sys/module/damon_stat/parameters/enabled", "N")
    write(f"{base}/nr_kdamonds", 1)
    write(f"{base}/0/contexts/nr_contexts", 1)
    ctx = f"{base}/0/contexts/0"
    write(f"{ctx}/operations", "vaddr")
    write(f"{ctx}/targets/nr_targets", 1)
    write(f"{ctx}/targets/0/pid_target", t.pid)
    regions = f"{ctx}/targets/0/regions"
    write(f"{regions}/nr_regions", 2)
    for i, name in enumerate(sorted(("hot", "never"), key=lambda n: t.regions[n][0])):
        start, size = t.regions[name]
        write(f"{regions}/{i}/start", start)
        write(f"{regions}/{i}/end", start + size)
    write(f"{ctx}/schemes/nr_schemes", 1)
    write(f"{ctx}/schemes/0/action", "stat")
    access = f"{ctx}/schemes/0/access_pattern"
    for what in ("sz", "nr_accesses", "age"):
        write(f"{access}/{what}/min", 0)
        write(f"{access}/{what}/max", (1 << 63) - 1 if what == "sz" else (1 << 31) - 1)
    try:
        write(f"{base}/0/state", "on")
    except OSError as e:
        print(f"# DAMON: could not be started: {e}")
        return
    time.sleep(2)
    write(f"{base}/0/state", "update_schemes_tried_regions")
    tried = f"{ctx}/schemes/0/tried_regions"
    start, size = t.regions["hot"]
    seen = []
    for r in sorted(os.listdir(tried)):
        if not r.isdigit():
            continue
        lo, hi, n = (int(open(f"{tried}/{r}/{k}", encoding="ascii").read())
                     for k in ("start", "end", "nr_accesses"))
        if lo < start + size and hi > start:
            seen.append(n)
    print(f"# DAMON: the region that is touched all the time has nr_accesses {seen} of 20")
    write(f"{base}/0/state", "off")


def check_changes():
    t, c = Target(), Client()
    c.age_start(t.pid, INTERVAL)
    h = wait_harvest(c, t, 4)
    tap.ok(min(ages(c, t, "never")) >= 3, "idle pages age", set(ages(c, t, "never")))
    t.tell("fork")
    wait_harvest(c, t, h + 1)
    tap.ok(min(ages(c, t, "never")) >= 3, "fork of the target changes no age",
           set(ages(c, t, "never")))
    t.tell("split huge")
    h = wait_harvest(c, t, h + 2)
    tap.ok(min(ages(c, t, "huge")[1:]) >= 3, "nor does the split of a huge page",
           set(ages(c, t, "huge")))
    before = t.regions["b"]
    t.regions["b"] = (int(t.tell("remap b"), 16), before[1])
    got = ages(c, t, "b")
    tap.ok(max(got) <= 1, "memory that mremap() moved has no age from elsewhere", set(got))
    h = wait_harvest(c, t, h + 3)
    tap.ok(2 <= min(ages(c, t, "b")) and max(ages(c, t, "b")) <= 3,
           "its age begins anew", set(ages(c, t, "b")))
    t.process.stdin.write("exec\n")
    t.process.stdin.flush()
    t.read_regions()
    got = [s for _, _, s in c.pages(t.pid, mask=31 << AGE)]
    tap.ok(not got and c.harvests is None, "after exec nothing is known", (got, c.harvests))
    c.age_start(t.pid, INTERVAL)
    wait_harvest(c, t, 2)
    tap.ok(set(ages(c, t, "never")) <= {1, 2}, "the new program can be tracked")
    t.end()
    time.sleep(0.1)
    try:
        c.age_stop(t.pid)
        tap.ok(False, "a target that is gone: ESRCH")
    except Refused as r:
        tap.ok(r.errno == errno.ESRCH, "a target that is gone: ESRCH", r)
    deadline = time.monotonic() + 20
    while u64_of(c.info(), "TRACKERS") and time.monotonic() < deadline:
        time.sleep(0.1)
    tap.ok(u64_of(c.info(), "TRACKERS") == 0, "and its tracker ends, though the socket stays open")


def u64_of(info, name):
    from genl import INFO
    return int.from_bytes(info[INFO[name]], "little")


def check_sessions():
    t, c, other = Target(), Client(), Client()
    c.age_start(t.pid, 100)
    try:
        other.age_start(t.pid, 100)
        tap.ok(False, "a second tracker is refused")
    except Refused as r:
        tap.ok(r.errno == errno.EBUSY and "already" in r.text, "a second tracker is refused", r)
    try:
        other.age_stop(t.pid)
        tap.ok(False, "who does not track cannot stop")
    except Refused as r:
        tap.ok(r.errno == errno.ENOENT, "who does not track cannot stop", r)
    wait_harvest(c, t, 3)
    seen = other.pages(t.pid, mask=31 << AGE)
    tap.ok(not seen and other.harvests is None, "ages are told on the tracker's socket alone")
    tap.ok(u64_of(c.info(), "TRACKERS") == 1 and u64_of(c.info(), "AGE_BYTES") > 4096,
           "GET_INFO counts trackers and their memory")
    c.sock.close()
    time.sleep(0.3)
    info = other.info()
    tap.ok(u64_of(info, "TRACKERS") == 0, "closing the socket ends it")
    deadline = time.monotonic() + 20
    while u64_of(other.info(), "AGE_BYTES") and time.monotonic() < deadline:
        time.sleep(0.1)
    tap.ok(u64_of(other.info(), "AGE_BYTES") == 0, "and frees its memory")
    other.age_start(t.pid, 100)
    tap.ok(wait_harvest(other, t, 2) >= 2, "the next one can begin")
    check_cap(t)
    other.age_stop(t.pid)
    t.end()


def check_cap(t):
    parameter = "/sys/module/fallow/parameters/age_max_mb"
    write(parameter, 0)
    p, c = Target(), Client()
    c.age_start(p.pid, 100)
    wait_harvest(c, p, 2)
    tap.ok(c.age_flags & C["AGE_CAPPED"] and set(ages(c, p, "never")) == {0},
           "beyond the limit of memory ages are unknown, and that is said", c.age_flags)
    write(parameter, 256)
    wait_harvest(c, p, c.harvests + 2)
    tap.ok(not c.age_flags & C["AGE_CAPPED"] and 0 not in ages(c, p, "never"),
           "and known again when there is room", c.age_flags)
    p.end()


def check_young_restored():
    """What was harvested is there again for reclaim when tracking ends."""
    t, c = Target(), Client()
    # Clears what the flags of pages say, too.
    write(f"/proc/{t.pid}/clear_refs", "1")
    t.tell("touch never")
    c.age_start(t.pid, 100)
    wait_harvest(c, t, 3)
    during = referenced(t, "never")
    c.age_stop(t.pid)
    after = referenced(t, "never")
    tap.ok(during < t.regions["never"][1] <= after,
           "accessed bits that were taken are put back", (during, after))
    t.end()


signal.alarm(600)
maplib.still_kernel()
if not u64_of(Client().info(), "CAPS") & C["CAP_AGE"]:
    tap.skip("ages", "this kernel or machine cannot tell them")
    tap.done()
check_schedule()
check_changes()
check_sessions()
check_young_restored()
tap.done()
