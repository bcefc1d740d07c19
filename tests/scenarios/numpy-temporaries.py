#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
numpy's temporaries: large ones come and go by mmap, and nothing of them stays.

 * Verdict: healthy
 * Cure: none
 * Cause: none
"""
import sys
import numpy

KEPT = numpy.ones(4 << 20)
for _ in range(50):
    KEPT = KEPT * 1.0001 + KEPT / 3 - KEPT / 3
print("ready", flush=True)
sys.stdin.read()
