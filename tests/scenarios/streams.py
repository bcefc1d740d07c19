#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A stream of compressed data for each of many clients, with buffers of zlib that are as
large for those who say little: memory in use.

 * Verdict: healthy
 * Cure: none
"""
import sys
import zlib

STREAMS = [zlib.compressobj(9) for _ in range(500)]
for stream in STREAMS:
    stream.compress(b"hello" * 100)
    stream.flush(zlib.Z_SYNC_FLUSH)
print("ready", flush=True)
sys.stdin.read()
