#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A heap that is taken and given back all the time, by blocks that are merged and split while
they are looked at: of many looks, hardly any loses its way, and none has a wrong verdict."""
import os
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


def main():
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
