#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What reclaim takes of a process with a hot and a cold part, with a tracker running
and without, by the classic lists and by MGLRU. In a guest with the module loaded and
swap, as root."""
import os
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import Client
from heaplib import BIN
from tap import Tap

tap = Tap()
ROOT = "/sys/fs/cgroup"
GROUP = ROOT + "/fallow-evict"
MGLRU = "/sys/kernel/mm/lru_gen/enabled"
MIB = 1 << 20
HOT, COLD, STEPS = 24, 72, 14
USE_MS = 300            # what is hot is used that often
# None, one that sees each use of several in one harvest, and one that harvests between.
INTERVALS_MS = (None, 1000, 100)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def faults(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        return int(f.read().rsplit(")", 1)[1].split()[9])


def share_of_hot(interval):
    """How often pages of the hot part had to come back from swap, as a share of it."""
    p = subprocess.Popen([os.path.join(BIN, "hotcold"), str(HOT), str(COLD), str(USE_MS)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         preexec_fn=lambda: write(GROUP + "/cgroup.procs", os.getpid()))
    p.stdout.readline()
    c = Client()
    if interval:
        c.age_start(p.pid, interval)
    time.sleep(1)
    before = faults(p.pid)
    for _ in range(STEPS):
        maplib.reclaim(GROUP, 4 * MIB)
        time.sleep(0.4)
    time.sleep(1)
    share = (faults(p.pid) - before) * os.sysconf("SC_PAGESIZE") / (HOT * MIB)
    c.sock.close()
    p.kill()
    p.wait()
    return share


def check(name, asks_too_late):
    """Where sorting does not ask for what was taken, only uses between harvests count."""
    shares = {interval: [] for interval in INTERVALS_MS}
    for _ in range(5):
        for interval, of_runs in shares.items():
            of_runs.append(share_of_hot(interval))
    without = sorted(shares[None])[2]
    for interval in INTERVALS_MS[1:]:
        tracked = sorted(shares[interval])[2]
        text = (f"{without:.1%} of the hot part evicted without a tracker, {tracked:.1%} with "
                f"one of {interval} ms")
        late = asks_too_late and interval < USE_MS
        tap.ok(tracked <= without + (0.15 if late else 0.05), f"{name}: {text}")
    print("#", shares, flush=True)


def main():
    write(ROOT + "/cgroup.subtree_control", "+memory")
    os.makedirs(GROUP, exist_ok=True)
    if os.path.exists(MGLRU):
        write(MGLRU, "0")
    check("classic lists", False)
    if os.path.exists(MGLRU):
        write(MGLRU, "7")
        check("MGLRU", True)
    else:
        tap.skip("MGLRU", "not in this kernel")
    tap.done()


main()
