#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The reclaimable split against reclaim itself: what the module says could go goes,
and what it says could not stays. In a guest with the module loaded and a swap
device, as root."""
import ctypes
import os
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import Client
from tap import Tap

tap = Tap()
ROOT = "/sys/fs/cgroup"
GROUP = ROOT + "/fallow-reclaim"
SPLIT = ("DROP", "WRITEBACK", "SWAPPABLE", "NOSWAP", "UNEVICTABLE")
GOES = ("DROP", "WRITEBACK", "SWAPPABLE")
MIB = 1 << 20
# Pages on their way to an LRU list, in per-CPU batches, are not to be had.
SLACK = max(256 << 10, 32 * os.sysconf("SC_PAGESIZE"))
libc = ctypes.CDLL(None, use_errno=True)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def new_group(swap_max="max"):
    """Another than the last one, to which swap is charged that CPUs have yet to free."""
    write(ROOT + "/cgroup.subtree_control", "+memory")
    if os.path.isdir(GROUP):
        os.rmdir(GROUP)
    os.mkdir(GROUP)
    write(GROUP + "/memory.swap.max", swap_max)


def swap(on):
    subprocess.run(["swapon" if on else "swapoff", "/dev/vda"], check=True)


def settle():
    """Has all CPUs put what they hold on the LRU lists; mapped pages do not go by it."""
    write("/proc/sys/vm/drop_caches", 1)


def reclaim():
    """As much as the kernel will give of the group."""
    for _ in range(12):
        settle()
        maplib.reclaim(GROUP, 256 * MIB)


def is_ours(v):
    """The workload's own memory, not that of its libraries."""
    return v["name"] == "" or "maps-" in v["name"] or "memfd" in v["name"] or \
        "SYSV" in v["name"] or "secretmem" in v["name"] or "/dev/zero" in v["name"]


def look(pid):
    """The counts of the workload's own mappings, by the module, and smaps' Rss."""
    ours = {(int(v["start"], 16), int(v["end"], 16)): v["Rss"]
            for v in maplib.smaps(pid) if is_ours(v) and v["Size"] >= MIB}
    counts = [v for v in Client().vma_counts(pid) if (v["START"], v["END"]) in ours]
    total = {k: sum(v[k] for v in counts) for k in counts[0]}
    return total, sum(ours.values()), list(ours)


def check(name, modes, want, by=None, cwd="/tmp", prepare=None):
    """@want: what the split must be made of, other kinds being nearly nothing."""
    with maplib.Maps(modes, cwd, lambda: write(GROUP + "/cgroup.procs", os.getpid())) as w:
        if prepare:
            prepare()
        settle()
        said, rss, ranges = look(w.pid)
        split = {k: said[k] for k in SPLIT}
        tap.ok(sum(split.values()) == said["RSS"] == rss, f"{name}: the split adds up to Rss",
               (split, rss))
        tap.ok(all(split[k] > 0 for k in want) and
               sum(v for k, v in split.items() if k not in want) <= 64 << 10,
               f"{name}: it is {' and '.join(want).lower()}", split)
        if by:
            by(w.pid, ranges)
        else:
            reclaim()
        after, rss_after, _ = look(w.pid)
        goes = sum(split[k] for k in GOES)
        tap.ok(abs(rss - rss_after - goes) <= SLACK,
               f"{name}: {goes >> 10} KiB were to go, {(rss - rss_after) >> 10} went",
               (split, {k: after[k] for k in SPLIT}))
        return said, after, next(iter(maplib.smaps(w.pid)), None)


def with_swap():
    check("anonymous, swap", ["pages"], ["SWAPPABLE"])
    check("anonymous, MADV_PAGEOUT", ["pages"], ["SWAPPABLE"], by=maplib.page_out)
    check("shmem, swap", ["shmem"], ["SWAPPABLE"])
    check("huge pages, swap", ["thp"], ["SWAPPABLE"])
    check("lazyfree and written again", ["lazyfree"], ["DROP", "SWAPPABLE"])
    check("mlock", ["mlock"], ["UNEVICTABLE", "SWAPPABLE"])
    check("SHM_LOCK", ["shmlock"], ["UNEVICTABLE"])
    said, _, _ = check("pinned by io_uring", ["pin"], ["UNEVICTABLE", "SWAPPABLE"])
    part = maplib.HUGE if maplib.has_huge() else os.sysconf("SC_PAGESIZE")
    tap.ok(said["PINNED"] == 4 * MIB + part,
           "pinned: the pages, and a huge page of which one part is", said["PINNED"])
    with maplib.Maps(["pin"]) as w:
        locked = sum(v["Locked"] for v in maplib.smaps(w.pid))
        tap.ok(locked == 0, "which smaps shows nowhere", locked)


def with_limits():
    new_group(swap_max=0)
    said, _, _ = check("swap forbidden to the group", ["pages"], ["NOSWAP"])
    tap.ok(said["NOSWAP_LIMIT"] == said["NOSWAP"], "and the limit is told as the cause")
    new_group(swap_max=4 * MIB)
    said, after, _ = check_partial()
    tap.ok(said["SWAPPABLE"] > 10 * MIB and after["NOSWAP_LIMIT"] == after["NOSWAP"] ==
           after["RSS"], "a limit that is reached meanwhile: the rest is said to stay",
           (said["SWAPPABLE"], after["NOSWAP"], after["RSS"]))
    new_group()


def check_partial():
    """Not all that may go can: the split tells of each page whether, not how many."""
    with maplib.Maps(["pages"], "/tmp",
                     lambda: write(GROUP + "/cgroup.procs", os.getpid())) as w:
        said, _, _ = look(w.pid)
        reclaim()
        after, _, _ = look(w.pid)
        return said, after, None


def with_file_system(path):
    check("page cache, clean", ["clean"], ["DROP"], cwd=path)
    check("page cache, written", ["dirty"], ["WRITEBACK"], cwd=path)
    check("page cache, written and synced", ["dirty"], ["DROP"], cwd=path, prepare=os.sync)


def files():
    """A file system of its own; its pages are charged to who brings them in."""
    path = "/tmp/fallow-mnt"
    if not maplib.make_disk(path, 128 * MIB):
        tap.skip("page cache of a disk", "no ext4 on a loop device here")
        return
    with_file_system(path)
    subprocess.run(["umount", path], check=True)


def ram():
    path = "/tmp/fallow-ramfs"
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "ramfs", "ramfs", path], check=True)
    check("ramfs", ["file-here"], ["UNEVICTABLE"], cwd=path)
    subprocess.run(["umount", path], check=True)
    with maplib.Maps(["secret"]) as w:
        has = any("secretmem" in v["name"] for v in maplib.smaps(w.pid))
    if has:
        check("secretmem", ["secret"], ["UNEVICTABLE"])
    else:
        tap.skip("secretmem", "this kernel has none, or keeps it off")


new_group()
with_swap()
with_limits()
files()
ram()
swap(False)
check("anonymous, no swap", ["pages"], ["NOSWAP"])
check("lazyfree, no swap", ["lazyfree"], ["DROP", "NOSWAP"])
tap.done()
