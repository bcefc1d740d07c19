#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged mimalloc heaps: words of a stopped process' own records, maps and lists are
overwritten, and the tool, built with AddressSanitizer and UBSan, neither crashes nor
hangs, its sums hold, and what it cannot decode it does not claim to know."""
import os
import random
import struct
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import forgelib
import heaplib
from tap import Tap

tap = Tap()
SEEDS = int(os.environ.get("FALLOW_SEEDS", "6"))
WORDS = (1, 20, 400, 8000)  # how many are overwritten
SLICE = 64 << 10
HEAD = 44 << 10  # of a segment; of a slice, only the first lines matter
RECORD = 128


def libraries():
    """Those that run with this system's libc."""
    return [(name, library) for name, _, library, loader in heaplib.mimallocs(tap)
            if not loader]


def mappings(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        for line in f:
            words = line.split(None, 5)
            start, end = (int(n, 16) for n in words[0].split("-"))
            yield start, end, words[1], words[5].strip() if len(words) > 5 else ""


def resident(pagemap, start, end):
    """Addresses of the pages that are there."""
    pagemap.seek(start // 4096 * 8)
    entries = pagemap.read((end - start) // 4096 * 8)
    return [start + 4096 * i for i, (entry,) in enumerate(struct.iter_unpack("<Q", entries))
            if entry >> 63]


def places_of(pid, mem):
    """The library's data; records, at the heads of slices and behind them; all else."""
    data, records, blocks = [], [], []
    after = False  # .bss is a mapping of its own
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        for start, end, perms, name in mappings(pid):
            near, after = "libmimalloc" in name or (after and not name), "libmimalloc" in name
            if "w" not in perms or not (near or not name):
                continue
            for page in resident(pagemap, start, end):
                mem.seek(page)
                words = [page + 8 * i for i, (word,) in
                         enumerate(struct.iter_unpack("<Q", mem.read(4096))) if word]
                if near:
                    data += words
                else:
                    records += [at for at in words if at % SLICE < RECORD
                                or (page % (32 << 20) < HEAD and start % (32 << 20) == 0)]
                    blocks += words
    return data, records, blocks


def forge(pid, seed, words):
    rng = random.Random(seed)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as mem:
        kinds = [kind for kind in places_of(pid, mem) if kind]
        for _ in range(words):
            at = rng.choice(kinds[(seed + (rng.random() < 0.3)) % len(kinds)])
            mem.seek(rng.choice(rng.choice(kinds)))
            other = struct.unpack("<Q", mem.read(8))[0]
            mem.seek(at)
            word = struct.unpack("<Q", mem.read(8))[0]
            value = rng.choice((0, 1, 2 ** 64 - 1, rng.getrandbits(64), other, word + 4096,
                                word ^ 1 << rng.randrange(64), at, word << 12, other + SLICE))
            mem.seek(at)
            mem.write(struct.pack("<Q", value & (2 ** 64 - 1)))


def check(library, seed, words):
    program = heaplib.Glibc("mimalloc", [], os.path.join(heaplib.BIN, "mimalloc"))
    env = {"LD_PRELOAD": library, "MIMALLOC_PURGE_DELAY": "600000"}
    with heaplib.Workload(program, "mixed", 1 + seed % 2, seed + 1, env) as w:
        return forgelib.look("mimalloc", seed, w, lambda: forge(w.pid, seed, words))


def main():
    forgelib.build_tool()
    for name, library in libraries():
        for words in WORDS:
            begun = time.monotonic()
            results = [check(library, seed, words) for seed in range(SEEDS)]
            wrong = [line for lines, _ in results for line in lines]
            seen = [status for _, status in results]
            tap.ok(not wrong, f"{name}: {words} words forged: no crash, no hang, sums hold",
                   "\n".join(wrong[:4]))
            print(f"# {seen}, {time.monotonic() - begun:.1f} s", flush=True)
            if words >= 400:
                tap.ok(set(seen) & {"partial", "none", "unsupported"},
                       f"{name}: {words} words forged: damage is told", seen)
    tap.done()


main()
