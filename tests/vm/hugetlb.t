#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hugetlb pages of every size that the machine has, whichever level of the page
table maps them, against smaps. In a guest with the module loaded, as root."""
import errno
import mmap
import os
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import C, Client
from tap import Tap

tap = Tap()
SIZES = "/sys/kernel/mm/hugepages"
MAP_HUGETLB, MAP_HUGE_SHIFT = 0x40000, 26
PAGES = 4


def reserve(size, n):
    """How many of them there are then."""
    path = f"{SIZES}/hugepages-{size >> 10}kB/nr_hugepages"
    try:
        with open(path, "r+", encoding="ascii") as f:
            f.write(str(n))
    except OSError as e:
        # Kernels that cannot find so much memory in one piece, once they run.
        if e.errno != errno.EINVAL:
            raise
    with open(path, encoding="ascii") as f:
        return int(f.read())


def in_smaps(size):
    """The one VMA with pages of that size, and how much of it is mapped."""
    vma = next(v for v in maplib.smaps(os.getpid()) if v["KernelPageSize"] == size)
    return int(vma["start"], 16), vma["Private_Hugetlb"] + vma["Shared_Hugetlb"]


def told(start, end):
    """By extents: bytes of hugetlb pages there, and whether all lie within."""
    extents = Client().pages(os.getpid(), [(start, end)])
    good = all(start <= a and a + n * mmap.PAGESIZE <= end and s & C["STATE_HUGETLB"]
               for a, n, s in extents)
    return sum(n for _, n, _ in extents) * mmap.PAGESIZE, good


def check(size):
    name = f"pages of {size >> 10} KiB"
    n = min(reserve(size, PAGES), PAGES)
    if n == 0:
        tap.skip(name, "none can be had")
        return
    m = mmap.mmap(-1, n * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB |
                  (size.bit_length() - 1) << MAP_HUGE_SHIFT)
    for i in range(0, n, 2):
        m[i * size] = 1
    start, mapped = in_smaps(size)
    vma = next(v for v in Client().vma_counts(os.getpid()) if v["START"] == start)
    tap.ok(vma["HUGETLB"] == mapped == (n + 1) // 2 * size and vma["RSS"] == 0,
           f"{name}: as smaps has them", (vma["HUGETLB"], mapped))
    tap.ok(told(start, start + n * size) == (mapped, True), f"{name}: by extents",
           told(start, start + n * size))
    half = start + size // 2
    tap.ok(told(half, start + size) == (size // 2, True), f"{name}: half of one",
           told(half, start + size))
    m.close()
    reserve(size, 0)


for entry in sorted(os.listdir(SIZES)):
    check(int(entry.split("-")[1][:-2]) << 10)
tap.done()
