#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Many small objects, of which few are left: each keeps an arena of Python's allocator.

 * Verdict: retention
 * Cure: env PYTHONMALLOC=malloc LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0
 * Cause: PYTHONMALLOC
"""
import sys

OBJECTS = [(i,) for i in range(2000000)]
KEPT = OBJECTS[::4000]
del OBJECTS
print("ready", flush=True)
sys.stdin.read()
