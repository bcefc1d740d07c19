#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A heap that is taken and given back all the time, by blocks that are merged and split while
they are looked at: of many looks, hardly any loses its way, and none has a wrong verdict."""
import os
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
import scenariolib
from tap import Tap

tap = Tap()
LOOKS, LOST = 40, 2
MIB = 1 << 20


def main():
    with heaplib.Child([os.path.join(scenariolib.BUILT, "at-work"), "0"]) as server:
        server.process.stdout.readline()
        looks = [heaplib.look(server.pid) for _ in range(LOOKS)]
    torn = [look["torn_bytes"] for look in looks]
    tap.ok(sum(t > 4 * MIB for t in torn) <= LOST,
           f"at most {LOST} of {LOOKS} looks at a busy heap lose their way", torn)
    wrong = [look["verdicts"][0] for look, t in zip(looks, torn)
             if t <= 4 * MIB and look["verdicts"][0]["id"] != "retention"]
    tap.ok(not wrong, "none of the others has another verdict than retention", wrong)
    tap.done()


main()
