#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rows that a program keeps, each a dictionary of its own.

 * Verdict: live-growth
 * After: 2s
 * Cure: none
 * Cause: rows.py:
"""
import select
import sys

ROWS = []
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    ROWS += [{"id": i, "name": f"row {i}", "amount": i * 1.5} for i in range(2000)]
sys.stdin.read()
