#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged tcmalloc heaps: words of a stopped process' own records are overwritten, and
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
SEEDS = int(os.environ.get("FALLOW_SEEDS", "6"))
WORDS = (1, 20, 400, 8000)  # how many are overwritten
SPAN = struct.Struct("<QQQQQI4x")
SHIFT = 13  # of a page, as all these libraries are built
LEAF_BITS = 18  # of a page's number, that a leaf distinguishes


def libraries():
    """The minimal ones that run with this system's libc."""
    return [(name, library) for name, library, loader in heaplib.tcmallocs(tap)
            if not loader and "_minimal" in name]


class Memory:
    """What a stopped process has, by mapping."""

    def __init__(self, pid):
        self.mem = open(f"/proc/{pid}/mem", "r+b", buffering=0)
        self.data, self.anon = [], []
        last = ""
        with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
            for words in (line.split() for line in f):
                start, end = (int(n, 16) for n in words[0].split("-"))
                name = words[5] if len(words) > 5 else ""
                if "w" in words[1] and "tcmalloc" in (name or last):
                    self.data.append((start, end))
                elif "w" in words[1] and name in ("", "[heap]"):
                    self.anon.append((start, end))
                last = name or last

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mem.close()

    def words(self, start, count):
        self.mem.seek(start)
        return struct.unpack(f"<{count}Q", self.mem.read(8 * count))

    def is_anon(self, address, size):
        return any(s <= address and address + size <= e for s, e in self.anon)

    def write(self, at, value):
        self.mem.seek(at)
        self.mem.write(struct.pack("<Q", value & (2 ** 64 - 1)))


def spans_of(m, leaf):
    """Places of the elements of what may be a leaf, and records, that agree."""
    elements = m.words(leaf, 1 << LEAF_BITS)
    for i, record in enumerate(elements):
        if record and record % 16 == 0 and m.is_anon(record, SPAN.size):
            m.mem.seek(record)
            if SPAN.unpack(m.mem.read(SPAN.size))[0] % (1 << LEAF_BITS) == i:
                yield leaf + 8 * i, record


def heap_of(m):
    """Places of the root's elements, the leaves' elements, and spans' records."""
    for start, end in m.data:
        for i, word in enumerate(m.words(start, (end - start) // 8)):
            if word % 16 or not m.is_anon(word, 8 << LEAF_BITS):
                continue
            found = list(spans_of(m, word))
            if len(found) > 9:
                return start + 8 * i, [at for at, _ in found], {r for _, r in found}
    raise ValueError("no leaf")


def data_words(m):
    """Words of the library's data that are not 0: tables, central caches, the root."""
    return [start + 8 * i for start, end in m.data
            for i, word in enumerate(m.words(start, (end - start) // 8))
            if word and word != 0x8080808080808080]


def cache_words(m):
    """Words of threads' caches: a list a class, with the size of its objects."""
    for start, end in m.data:
        for word in m.words(start, (end - start) // 8):
            if word and word % 64 == 0 and m.is_anon(word, 4160):
                if [w & 0xffffffff for w in m.words(word, 12)[3::4]] == [0, 8, 16]:
                    yield from (word + 8 * i for i in range(4160 // 8) if i % 4 < 2)


def list_words(m, records):
    """The first word of free objects, and of what lies near them."""
    for record in records:
        objects = m.words(record + 32, 1)[0]
        if objects and objects % 8 == 0 and m.is_anon(objects, 8):
            yield objects


def evil(rng, known):
    word = rng.choice(known)
    return rng.choice((0, 1, 2 ** 64 - 1, rng.getrandbits(64), rng.getrandbits(47), word,
                       word + 8, word + 4096, word << 13, word ^ 1 << rng.randrange(64)))


def forge(m, seed, words):
    rng = random.Random(seed)
    root, elements, records = heap_of(m)
    records = sorted(records)
    fields = [r + 8 * i for r in records for i in range(SPAN.size // 8)]
    lists = list(list_words(m, records))
    heap = (elements, fields, lists, list(cache_words(m)))
    where = (*heap, data_words(m), [root])
    known = records + lists + elements
    # A seed has its favourite kind of place; without tables there is no heap to see.
    favourite = where[seed % len(where)]
    for _ in range(words):
        places = favourite if rng.random() < 0.7 else rng.choice(heap)
        m.write(rng.choice(places), evil(rng, known))


def make_rings(m):
    """Lists that never end: of free objects, of objects in caches, and of caches."""
    _, _, records = heap_of(m)
    for at in list_words(m, records):
        m.write(at, at)
    caches = list(cache_words(m))
    for at in caches:
        word = m.words(at, 1)[0]
        if word % 8 == 0 and m.is_anon(word, 8):
            m.write(word, word)
            m.write(at + 8, 2 ** 64 - 1)


def repeat_leaf(m):
    """One leaf at many places of the root, those of all memory among them."""
    root, _, _ = heap_of(m)
    first = root - 8 * (m.anon[0][0] >> SHIFT + LEAF_BITS)
    leaf = m.words(root, 1)[0]
    for start, _ in m.anon:
        index = start >> SHIFT + LEAF_BITS
        m.mem.seek(first + 8 * (index - 200))
        m.mem.write(struct.pack("<Q", leaf) * 400)


def stretch_spans(m):
    """Spans as long as can be said, in a class with as many objects as can be said."""
    _, _, records = heap_of(m)
    for record in list(records)[::2]:
        m.write(record + 8, (1 << 34) - 1)
        m.write(record + 40, 0x1ffff)


def forget_classes(m):
    """No table of size classes: tcmalloc is there, but of a version that is not known."""
    sizes = struct.pack("<4I", 0, 8, 16, 32)
    for start, end in m.data:
        m.mem.seek(start)
        at = m.mem.read(end - start).find(sizes)
        if at >= 0:
            m.mem.seek(start + at + 12)
            m.mem.write(struct.pack("<I", 4))


def check(library, seed, damage):
    program = heaplib.Glibc("tcmalloc", [], os.path.join(heaplib.BIN, "gperftools"))

    def forge_it():
        with Memory(w.pid) as m:
            damage(m)

    with heaplib.Workload(program, "mixed", 2, seed + 1, {"LD_PRELOAD": library}) as w:
        return forgelib.look("gperftools", seed, w, forge_it)


def judge(name, results, is_seen):
    wrong = [line for lines, _ in results for line in lines]
    seen = [status for _, status in results]
    tap.ok(not wrong, f"{name}: no crash, no hang, sums hold", "\n".join(wrong[:4]))
    if is_seen:
        tap.ok("exact" not in seen, f"{name}: damage is told", seen)


def main():
    forgelib.build_tool()
    for name, library in libraries():
        for words in WORDS:
            results = [check(library, seed, lambda m, seed=seed: forge(m, seed, words))
                       for seed in range(SEEDS)]
            judge(f"{name}: {words} words forged", results, words >= 20)
        for damage in (make_rings, repeat_leaf, stretch_spans):
            judge(f"{name}: {damage.__name__}", [check(library, 1, damage)], True)
        wrong, seen = check(library, 1, forget_classes)
        tap.ok(not wrong and seen == "unsupported", f"{name}: classes that are not known",
               f"{wrong} {seen}")
    tap.done()


main()
