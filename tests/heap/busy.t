#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A heap that is taken and given back all the time, by blocks that are merged and split while
they are looked at: of many looks, hardly any loses its way, and none has a wrong verdict."""
import os
import struct
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
import scenariolib
from tap import Tap

tap = Tap()
LOOKS, LOST = 40, 2
# A tool that is slow beside what it looks at, as other load makes it for a while, finds no
# bin as it was a moment ago: then there is another round, later.
ROUNDS, PAUSE = 12, 5
MIB = 1 << 20


def is_lost(look):
    """It did not even find the heap, or could not go through it."""
    return not look["allocators"] or look["torn_bytes"] > 4 * MIB


def look_often():
    with heaplib.Child([os.path.join(scenariolib.BUILT, "at-work"), "0"]) as server:
        server.process.stdout.readline()
        return [heaplib.look(server.pid) for _ in range(LOOKS)]


def bins(pid):
    """Where main_arena has links of bins that are not empty, and what an empty one has."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        data = next(line for line in f if "/libc.so" in line and " rw-p " in line)
    start, end = (int(n, 16) for n in data.split()[0].split("-"))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as f:
        f.seek(start)
        words = struct.unpack(f"={(end - start) // 8}Q", f.read(end - start))
    empty = [i for i in range(2, len(words) - 1)
             if words[i] == words[i + 1] == start + 8 * i - 16]
    # The first bin, of what was just freed and is not sorted, is before those that are empty.
    for i in range(empty[0] - 2, empty[-1], 2):
        if i not in empty:
            yield start + 8 * i, start + 8 * i - 16


def check_half_written():
    """A bin of which one link says already, or still, that it is empty."""
    with heaplib.Workload(heaplib.native(), "every-second", 1, 3) as w:
        w.work()
        with w.stopped(), open(f"/proc/{w.pid}/mem", "r+b", buffering=0) as memory:
            seen = [w.look()["allocators"]]
            at, head = next(bins(w.pid))
            for link in at, at + 8:
                memory.seek(link)
                was = memory.read(8)
                memory.seek(link)
                memory.write(struct.pack("=Q", head))
                seen.append(w.look()["allocators"])
                memory.seek(link)
                memory.write(was)
    tap.ok(seen[0] and all(s == seen[0] for s in seen),
           "a bin that is half written: all the same", seen)


def main():
    check_half_written()
    lost, wrong = [], []
    for _ in range(ROUNDS):
        looks = look_often()
        lost.append([(look["torn_bytes"], look["verdicts"][0]) for look in looks
                     if is_lost(look)])
        wrong += [look["verdicts"][0] for look in looks
                  if not is_lost(look) and look["verdicts"][0]["id"] != "retention"]
        if len(lost[-1]) <= LOST:
            break
        time.sleep(PAUSE)
    tap.ok(len(lost[-1]) <= LOST,
           f"at most {LOST} of {LOOKS} looks at a busy heap lose their way", lost)
    tap.ok(not wrong, "none of the others has another verdict than retention", wrong)
    tap.done()


main()
