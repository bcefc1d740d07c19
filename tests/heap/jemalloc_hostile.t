#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged jemalloc heaps: words of a stopped process' own records are overwritten, and
the tool, built with AddressSanitizer and UBSan, neither crashes nor hangs, its sums
hold, and what it cannot decode it does not claim to know."""
import os
import random
import struct
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import forgelib
import heaplib
from tap import Tap

tap = Tap()
SEEDS = int(os.environ.get("FALLOW_SEEDS", "8"))
HUGE = 2 << 20
WORDS = (1, 20, 400, 8000)  # how many are overwritten
HEAD = struct.Struct("<5Q")  # of a base block


def libraries():
    """Those that run with this system's libc."""
    return [(name, library) for name, _, library, loader in heaplib.jemallocs(tap)
            if not loader]


def blocks(pid, mem):
    """Where jemalloc has its records: what is unused reaches to a block's end."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        ranges = [line.split()[0] for line in f if len(line.split()) == 5]
    for start, end in ([int(n, 16) for n in r.split("-")] for r in ranges):
        for at in range(-(-start // HUGE) * HUGE, end, HUGE):
            mem.seek(at)
            size, _, _, used, left = HEAD.unpack(mem.read(HEAD.size))
            if size and size % HUGE == 0 and used + left == at + size:
                yield at, used


def root_words(pid, mem, ranges):
    """Words of data that lead to such blocks: the tree's root is among them."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        lines = [line.split() for line in f]
    for i, line in enumerate(lines):
        near = "jemalloc" in line[-1] or (i and "jemalloc" in lines[i - 1][-1])
        if "w" not in line[1] or not near or (len(line) > 5 and "jemalloc" not in line[-1]):
            continue
        start, end = (int(n, 16) for n in line[0].split("-"))
        mem.seek(start)
        data = mem.read(min(end - start, 4 << 20))
        for k, (word,) in enumerate(struct.iter_unpack("<Q", data[:len(data) // 8 * 8])):
            if any(low <= word < high for low, high in ranges):
                yield start + 8 * k


def forge(pid, seed, words):
    rng = random.Random(seed)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as mem:
        ranges = list(blocks(pid, mem))
        used = []
        for start, end in ranges:
            mem.seek(start)
            data = mem.read(end - start)
            used += [(start + 8 * i, word) for i, (word,) in
                     enumerate(struct.iter_unpack("<Q", data[:len(data) // 8 * 8])) if word]
        places = [at for at, _ in used]
        if seed % 2:
            places = list(root_words(pid, mem, ranges)) * 20 + places
        for _ in range(words):
            word = rng.choice(used)[1]
            value = rng.choice((0, 1, 2 ** 64 - 1, rng.getrandbits(64), word, word + 4096,
                                word ^ 1 << rng.randrange(64), word & ~63, word << 12))
            mem.seek(rng.choice(places))
            mem.write(struct.pack("<Q", value & (2 ** 64 - 1)))


def check(library, seed, words):
    program = heaplib.Glibc("jemalloc", [], os.path.join(heaplib.BIN, "jemalloc"))
    with heaplib.Workload(program, "mixed", 2, seed + 1, {"LD_PRELOAD": library}) as w:
        return forgelib.look("jemalloc", seed, w, lambda: forge(w.pid, seed, words))


def main():
    forgelib.build_tool()
    for name, library in libraries():
        for words in WORDS:
            results = [check(library, seed, words) for seed in range(SEEDS)]
            wrong = [line for lines, _ in results for line in lines]
            seen = [status for _, status in results]
            tap.ok(not wrong, f"{name}: {words} words forged: no crash, no hang, sums hold",
                   "\n".join(wrong[:4]))
            if words >= 400:
                tap.ok(set(seen) & {"partial", "none", "unsupported"},
                       f"{name}: {words} words forged: damage is told", seen)
    tap.done()


main()
