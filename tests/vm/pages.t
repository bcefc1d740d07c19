#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""GET_PAGES against /proc: page by page against pagemap, kpageflags and kpagecount of
stopped targets, and in sums against smaps and GET_VMA; then ranges, masks, the zero
test, and targets that do not keep still. In a guest with the module loaded and a swap
device, as root."""
import array
import bisect
import errno
import itertools
import mmap
import os
import random
import signal
import struct
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import C, PAGES, REQ, Client, Refused, attr, u32, u64
from tap import Tap

tap = Tap()
PAGE = os.sysconf("SC_PAGESIZE")
HUGE, HAS_HUGE = maplib.HUGE, maplib.has_huge()
MIB = 1 << 20
MODES = ["pages", "thp", "shmem", "file", "swap", "mlock", "lazyfree", "zero", "fork", "many",
         "sparse", "hugetlb", "ksm", "pin", "secret", "guard", "shmlock", "clean", "dirty",
         "bloat", "stripes"]
S = {k[6:]: v for k, v in C.items() if k.startswith("STATE_")}
RECLAIM = 7 << S["RECLAIM_SHIFT"]
DROP, WRITEBACK, SWAP, NOSWAP, UNEVICTABLE = (
    C["RECLAIM_" + k] for k in ("DROP", "WRITEBACK", "SWAP", "NOSWAP", "UNEVICTABLE"))

# /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst)
PM_PFN = (1 << 55) - 1
PM_SOFT_DIRTY, PM_EXCLUSIVE, PM_GUARD, PM_SWAP, PM_PRESENT = (
    1 << n for n in (55, 56, 58, 62, 63))
# /proc/kpageflags (include/uapi/linux/kernel-page-flags.h)
K = {name: 1 << n for name, n in (
    ("REFERENCED", 2), ("DIRTY", 4), ("LRU", 5), ("WRITEBACK", 8), ("ANON", 12),
    ("SWAPCACHE", 13), ("SWAPBACKED", 14), ("HEAD", 15), ("TAIL", 16), ("HUGE", 17),
    ("UNEVICTABLE", 18), ("KSM", 21), ("ZERO_PAGE", 24), ("MLOCKED", 33))}


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def free_swap():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("SwapFree:"))


# What the module says.

class Told:
    """Extents, and the state of each page by address."""

    def __init__(self, extents):
        self.extents = extents
        self.starts = [e[0] for e in extents]

    def states(self, start, end):
        """Of the pages of [start, end); 0 where none is told."""
        out = array.array("I", bytes(4 * ((end - start) // PAGE)))
        for i in range(max(bisect.bisect_right(self.starts, start) - 1, 0), len(self.starts)):
            addr, pages, state = self.extents[i]
            if addr >= end:
                break
            a, b = max(addr, start), min(addr + pages * PAGE, end)
            if a < b:
                out[(a - start) // PAGE:(b - start) // PAGE] = array.array(
                    "I", [state]) * ((b - a) // PAGE)
        return out


def check_form(name, extents):
    """In order, disjoint, of whole pages, and as long as they can be."""
    wrong = []
    for (a, n, s), (b, _, t) in zip(extents, extents[1:]):
        end = a + n * PAGE
        if end > b or (end == b and s == t):
            wrong.append(f"{a:x}+{n} {s:x}, {b:x} {t:x}")
    wrong += [f"{a:x}+{n} {s:x}" for a, n, s in extents if a % PAGE or not n or not s]
    tap.ok(extents and not wrong, f"{name}: maximal runs in order, {len(extents)} of them",
           "\n".join(wrong[:8]))


# What /proc says.

BLOCK = 512  # page frames; no folio is larger, and all are aligned


class Frames:
    """kpageflags or kpagecount by page frame, read in blocks."""

    def __init__(self, path, blocks):
        fd = os.open(path, os.O_RDONLY)
        self.blocks = {n: array.array("Q", os.pread(fd, 8 * BLOCK, 8 * BLOCK * n))
                       for n in blocks}
        os.close(fd)

    def __getitem__(self, pfn):
        return self.blocks[pfn // BLOCK][pfn % BLOCK]


class Proc:
    """All that /proc tells of the pages of a process at one time."""

    def __init__(self, pid):
        self.vmas = [v for v in maplib.smaps(pid) if v["name"] != "[vsyscall]"]
        self.maps = {}
        fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
        for start, end in self.windows():
            self.maps[start] = array.array("Q", os.pread(fd, 8 * (end - start) // PAGE,
                                                         8 * start // PAGE))
        os.close(fd)
        blocks = {(p & PM_PFN) // BLOCK for entries in self.maps.values() for p in entries
                  if p & PM_PRESENT}
        self.flags = Frames("/proc/kpageflags", blocks)
        self.counts = Frames("/proc/kpagecount", blocks)
        self.last_head = (0, 0)

    def windows(self):
        """What is read of each VMA; of a vast one, the beginning of each GiB."""
        for v in self.vmas:
            start, end = int(v["start"], 16), int(v["end"], 16)
            if end - start <= 65536 * PAGE:
                yield start, end
            elif end - start <= 1 << 36:
                for at in range(start, end, 1 << 30):
                    yield at, at + MIB

    def page(self, p):
        """What there is about a pagemap entry's page: its flags, those of the head of
        its folio, and whether it is mapped more than once."""
        if not p & PM_PRESENT:
            return 0, 0, False
        pfn = p & PM_PFN
        flags = head = self.flags[pfn]
        if flags & K["TAIL"]:
            # Mostly the page after the last one.
            at, head = self.last_head
            if at != pfn - 1:
                first = pfn - 1
                while self.flags[first] & K["TAIL"]:
                    first -= 1
                head = self.flags[first]
        self.last_head = (pfn, head)
        return flags, head, self.counts[pfn] > 1


def tells_ksm():
    """Whether kpageflags tells KSM from other anonymous memory: 6.12 looks for any of two
    bits, of which one is that of all anonymous memory."""
    me = Proc(os.getpid())
    heads = [me.page(p)[1] for entries in me.maps.values() for p in entries]
    return not all(head & K["KSM"] for head in heads if head & K["ANON"])


def reclaim_class(state, head, locked, hidden, swap):
    """What shrink_folio_list() of mm/vmscan.c would do with it."""
    if locked or hidden or head & K["UNEVICTABLE"] or state & S["PINNED"]:
        return UNEVICTABLE
    if head & K["ANON"] and not head & K["SWAPBACKED"] and not state & S["DIRTY"]:
        return DROP
    if head & (K["ANON"] | K["SWAPBACKED"]):
        return SWAP if swap else NOSWAP
    return WRITEBACK if state & S["DIRTY"] or head & K["WRITEBACK"] else DROP


def expected(vma, p, page, state, swap):
    """The state that a page has by /proc. What /proc does not tell of a page by itself
    (the dirty and accessed bits of its entry, pins, how it is mapped) is that of @state."""
    soft = S["SOFT_DIRTY"] if p & PM_SOFT_DIRTY and has_soft_dirty else 0
    if "pf" in vma["VmFlags"]:
        return state & (S["DEVICE"] | S["SOFT_DIRTY"])  # pagemap passes over them
    if not p & PM_PRESENT:
        if not p & PM_SWAP:
            return 0
        return soft | (S["GUARD"] if p & PM_GUARD else S["SWAPPED"])
    flags, head, shared = page
    if "ht" in vma["VmFlags"]:
        return S["HUGETLB"] | soft
    if flags & K["ZERO_PAGE"]:
        return S["ZERO"] | soft
    if {"mm", "io"} & vma["VmFlags"] and not vma["Rss"]:
        return S["DEVICE"] | soft  # none of these mappings has pages of both kinds
    locked = "lo" in vma["VmFlags"] or bool(head & K["MLOCKED"])
    dirty = head & K["DIRTY"] or state & S["DIRTY"]
    ksm = flags & K["KSM"] if has_ksm_flag else state & S["KSM"]
    lazy = head & K["ANON"] and not head & K["SWAPBACKED"] and not dirty
    out = S["RESIDENT"] | soft | (state & (S["YOUNG"] | S["PINNED"] | S["HUGE"]))
    for name, on in (
            ("ANON", head & K["ANON"]), ("KSM", ksm), ("DIRTY", dirty),
            ("SHMEM", head & K["SWAPBACKED"] and not head & K["ANON"]), ("LAZYFREE", lazy),
            ("WRITEBACK", head & K["WRITEBACK"]), ("MLOCKED", locked), ("SHARED", shared),
            # PG_young is shown nowhere but in smaps' sum.
            ("REFERENCED", head & K["REFERENCED"] or state & (S["REFERENCED"] | S["YOUNG"])),
            ("LARGE", flags & (K["HEAD"] | K["TAIL"])),
            ("SWAP_CACHED", head & K["SWAPCACHE"] and head & K["ANON"] and
             head & K["SWAPBACKED"])):
        if on:
            out |= S[name]
    return out | reclaim_class(out, head, locked, vma["hidden"], swap) << S["RECLAIM_SHIFT"]


def names(state):
    return " ".join(k for k, v in S.items() if v & state and
                    not k.endswith(("SHIFT", "MASK"))) + f" {state >> 24 & 7}"


def is_hidden(mode, name):
    """Whether reclaim passes over a mapping, of which the flags of pages may not tell yet."""
    return name in maplib.KERNELS_OWN or "secretmem" in name or (mode == "shmlock" and "SYSV" in name)


def compare_pages(name, told, before, after):
    """Each page against /proc, as it was before or after the dump: the kernel finishes
    some things in its own time."""
    wrong, looked, seen = [], 0, 0
    swap = free_swap() > 0
    by_start = {int(v["start"], 16): v for v in before.vmas}
    starts = sorted(by_start)
    known = {}
    for start, entries in before.maps.items():
        vma = by_start[starts[bisect.bisect_right(starts, start) - 1]]
        vma["hidden"] = is_hidden(name, vma["name"])
        kind = (frozenset(vma["VmFlags"]), vma["hidden"])
        for i, (state, p) in enumerate(zip(told.states(start, start + len(entries) * PAGE),
                                           entries)):
            if not (state or p):
                continue
            looked += 1
            seen += bool(state)
            page = before.page(p)
            key = (kind, state, p >> 55, page)
            want = known.get(key)
            if want is None:
                want = known[key] = expected(vma, p, page, state, swap)
            if state == want:
                continue
            q = after.maps[start][i]
            later = expected(vma, q, after.page(q), state, swap)
            if state != later:
                wrong.append(f"{start + i * PAGE:x} {vma['name']}: {names(state)}; /proc: "
                             f"{names(want)}, then {names(later)}")
    total = sum(n for _, n, _ in told.extents)
    tap.ok(not wrong and looked, f"{name}: {looked} pages are as /proc has them",
           "\n".join([f"{len(wrong)} are not"] + wrong[:8]))
    tap.ok(seen == total, f"{name}: and no others are told", (seen, total))


def has(bits):
    return lambda s: s & bits == bits


def in_class(n):
    return lambda s: s & RECLAIM == n << S["RECLAIM_SHIFT"]


R, A = S["RESIDENT"], S["ANON"]
# Attribute of GET_VMA, which pages it is of, and the same in smaps.
SUMS = [
    ("RSS", has(R), ["Rss"]), ("ANON", has(R | A), ["Anonymous"]),
    ("SHMEM", has(S["SHMEM"]), None),
    ("ANON_HUGE", has(A | S["HUGE"]), ["AnonHugePages"]),
    ("SHMEM_HUGE", has(S["SHMEM"] | S["HUGE"]), ["ShmemPmdMapped"]),
    ("LAZYFREE", has(S["LAZYFREE"]), ["LazyFree"]), ("KSM", has(S["KSM"]), ["KSM"]),
    ("DIRTY", has(S["DIRTY"]), ["Shared_Dirty", "Private_Dirty"]),
    ("SHARED", has(S["SHARED"]), ["Shared_Clean", "Shared_Dirty"]),
    ("SHARED_DIRTY", has(S["SHARED"] | S["DIRTY"]), ["Shared_Dirty"]),
    ("REFERENCED", has(S["REFERENCED"]), ["Referenced"]), ("YOUNG", has(S["YOUNG"]), None),
    ("MLOCKED", has(S["MLOCKED"]), None), ("PINNED", has(S["PINNED"]), None),
    ("SWAP_CACHED", has(S["SWAP_CACHED"]), None), ("LARGE", has(S["LARGE"]), None),
    ("SOFT_DIRTY", has(R | S["SOFT_DIRTY"]), None),
    ("HUGETLB", has(S["HUGETLB"]), ["Shared_Hugetlb", "Private_Hugetlb"]),
    ("ZERO", has(S["ZERO"]), None), ("DEVICE", has(S["DEVICE"]), None),
    ("GUARD", has(S["GUARD"]), None), ("DROP", in_class(DROP), None),
    ("WRITEBACK", in_class(WRITEBACK), None), ("SWAPPABLE", in_class(SWAP), None),
    ("NOSWAP", in_class(NOSWAP), None), ("UNEVICTABLE", in_class(UNEVICTABLE), None),
]


def compare_sums(name, extents, counts, before, after):
    wrong = []
    by_vma = {}
    starts = [v["START"] for v in counts]
    for addr, pages, state in extents:
        end = addr + pages * PAGE
        while addr < end:  # a run may go on from one VMA into the next
            v = counts[bisect.bisect_right(starts, addr) - 1]
            part = min(end, v["END"]) - addr
            states = by_vma.setdefault(v["START"], {})
            states[state] = states.get(state, 0) + part
            addr += part
    smaps = {int(v["start"], 16): v for v in before.vmas}
    later = {int(v["start"], 16): v for v in after.vmas}
    for v in counts:
        states = by_vma.get(v["START"], {})
        for key, of, lines in SUMS:
            got = sum(n for s, n in states.items() if of(s))
            want = {v[key]}
            if lines and v["START"] in smaps and all(x in smaps[v["START"]] for x in lines):
                want = {sum(m[v["START"]][x] for x in lines) for m in (smaps, later)}
            if got not in want or (len(want) == 1 and got != v[key]):
                wrong.append(f"{v['START']:x} {smaps.get(v['START'], {}).get('name')} {key}: "
                             f"{got}, GET_VMA {v[key]}, smaps {lines and want}")
        swapped = sum(n for s, n in states.items() if s & S["SWAPPED"])
        # What is swapped of shmem has no entry: a VMA has it, its pages do not.
        if swapped > v["SWAP"] or (not v["SHMEM"] and v["FLAGS"] == 0 and swapped != v["SWAP"]):
            wrong.append(f"{v['START']:x} SWAP: {swapped}, {v['SWAP']}")
    tap.ok(counts and not wrong, f"{name}: the sums of each VMA are those of GET_VMA and smaps",
           "\n".join(wrong[:8]))


def settle():
    """Has all CPUs put what they hold on the LRU lists."""
    write("/proc/sys/vm/drop_caches", 1)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    maplib.wait_state(pid, "T")
    settle()


def merge_ksm():
    """Until nothing more is merged."""
    if not maplib.start_ksm():
        return
    seen = -1
    for _ in range(40):
        time.sleep(0.5)
        with open("/sys/kernel/mm/ksm/pages_sharing", encoding="ascii") as f:
            now = int(f.read())
        if now == seen and now > 0:
            break
        seen = now
    write("/sys/kernel/mm/ksm/run", 0)


def check_mode(mode):
    with maplib.Maps([mode]) as w:
        if mode == "ksm":
            merge_ksm()
        stop(w.pid)
        c = Client()
        before = Proc(w.pid)
        extents, counts = c.pages(w.pid), c.vma_counts(w.pid)
        after = Proc(w.pid)
        check_form(mode, extents)
        compare_pages(mode, Told(extents), before, after)
        compare_sums(mode, extents, counts, before, after)
        tap.ok(not c.interrupted, f"{mode}: the dump is consistent")
        check_special(mode, extents, before)


def own(proc):
    """The workload's own anonymous mappings, by size."""
    return {v["Size"]: int(v["start"], 16) for v in proc.vmas if v["name"] == ""}


def total(extents, bits):
    return sum(n for _, n, s in extents if s & bits == bits) * PAGE


def hugetlb_size():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("Hugepagesize:"))


def check_special(mode, extents, proc):
    """What /proc does not show, but the workload did."""
    if mode == "pin":
        start = own(proc).get(8 * MIB)
        small = [(a, n) for a, n, s in extents if s & S["PINNED"] and not s & S["LARGE"]]
        pinned = sum(n for _, n in small) * PAGE
        # A pinned part of a huge page, if that is not one, lies below.
        at, below = (small[0][0], 0) if HAS_HUGE else (small[1][0], PAGE)
        tap.ok(pinned == 4 * MIB + below and (start is None or at == start),
               "pin: the pages that are pinned", (small[:4], start and hex(start)))
        tap.ok(total(extents, S["PINNED"] | S["LARGE"]) == HUGE * HAS_HUGE,
               "pin: and the whole huge page of which one is", total(extents, S["PINNED"]))
    elif mode == "bloat":
        tap.ok(total(extents, S["HUGE"]) == 8 * MIB * HAS_HUGE, "bloat: huge pages",
               total(extents, S["HUGE"]))
    elif mode == "guard":
        # 0 where the kernel has none.
        tap.ok(total(extents, S["GUARD"]) in (0, MIB // 2), "guard: entries that guard",
               total(extents, S["GUARD"]))
    elif mode == "hugetlb":
        tap.ok(total(extents, S["HUGETLB"]) == max(4 * MIB, hugetlb_size()),
               "hugetlb: what was touched",
               total(extents, S["HUGETLB"]))
    elif mode == "swap":
        tap.ok(total(extents, S["SWAPPED"]) > 4 * MIB, "swap: something is on swap",
               total(extents, S["SWAPPED"]))


# Ranges and masks: subsets of a dump of everything.

class Whole:
    def __init__(self, extents):
        self.extents = extents
        self.ends = [a + n * PAGE for a, n, _ in extents]

    def within(self, ranges, mask):
        """What the module is to answer."""
        out, told = [], 0
        for lo, hi in ranges:
            lo, hi = max(lo // PAGE * PAGE, told), -(-hi // PAGE) * PAGE
            told = max(told, hi)
            for i in range(bisect.bisect_right(self.ends, lo), len(self.extents)):
                addr, pages, state = self.extents[i]
                if addr >= hi:
                    break
                a, b = max(addr, lo), min(addr + pages * PAGE, hi)
                if a < b and state & mask:
                    self.add(out, a, b, state & mask)
        return [(a, (b - a) // PAGE, s) for a, b, s in out]

    @staticmethod
    def add(out, a, b, state):
        if out and out[-1][1] == a and out[-1][2] == state:
            out[-1] = (out[-1][0], b, state)
        else:
            out.append((a, b, state))


def some_ranges(rng, whole, n):
    """@n ranges in order, some of which share a page or lie in one, or over holes."""
    edges = set()
    while len(edges) < 2 * n:
        addr, pages, _ = rng.choice(whole.extents)
        edges.add(addr + rng.randrange(-3 * PAGE, pages * PAGE + 3 * PAGE))
    edges = sorted(e for e in edges if e >= 0)[:2 * n]
    return list(zip(edges[::2], edges[1::2]))


def check_answer(name, c, whole, pid, ranges, mask=0xffffffff):
    got, want = c.pages(pid, ranges, mask), whole.within(ranges, mask)
    differ = [f"{g} {w}" for g, w in itertools.zip_longest(got, want) if g != w]
    tap.ok(got == want, f"{name}: {len(got)} extents", "\n".join(differ[:6]))


def check_ranges():
    rng = random.Random(5)
    with maplib.Maps(["pages", "thp", "shmem", "zero", "hugetlb", "many"]) as w:
        stop(w.pid)
        c = Client()
        whole = Whole(c.pages(w.pid))
        everything = [(0, 1 << 47)]
        check_answer("one range of everything", c, whole, w.pid, everything)
        for n in (1, 2, 3, 64, 511, 4095):
            for turn in range(1 if n == 4095 else 3):
                check_answer(f"{n} ranges, {turn}", c, whole, w.pid, some_ranges(rng, whole, n))
        if HAS_HUGE:
            huge = next(a for a, n, s in whole.extents if s & S["HUGE"] and n >= 512)
            check_answer("parts of a huge page", c, whole, w.pid,
                         [(huge + 1, huge + 2), (huge + 8 * PAGE, huge + 9 * PAGE + 1),
                          (huge + 9 * PAGE + 2, huge + 100 * PAGE),
                          (huge + HUGE - 1, huge + HUGE)])
        else:
            tap.skip("parts of a huge page", "huge pages are larger here")
        huge = next(a for a, n, s in whole.extents if s & S["HUGETLB"])
        check_answer("parts of a hugetlb page", c, whole, w.pid,
                     [(huge + PAGE, huge + 2 * PAGE), (huge + 5 * PAGE, huge + 9 * PAGE),
                      (huge + HUGE - PAGE, huge + HUGE + PAGE)])
        for mask in (S["RESIDENT"], S["HUGE"], S["SWAPPED"], S["ZERO"], S["ANON"] | S["SHMEM"],
                     S["SHARED"], RECLAIM, S["YOUNG"] | S["ZERO"], 0):
            check_answer(f"mask {mask:#x}", c, whole, w.pid, everything, mask)
            check_answer(f"mask {mask:#x} and ranges", c, whole, w.pid,
                         some_ranges(rng, whole, 100), mask)
        check_start_end(c, whole, w.pid)
        check_refused(c, w.pid)


def check_start_end(c, whole, pid):
    addr, pages, _ = max(whole.extents, key=lambda e: e[1])
    lo, hi = addr + PAGE + 1, addr + (pages - 1) * PAGE + 1
    c.start_dump(u32(REQ["PID"], pid) + u64(REQ["START"], lo) + u64(REQ["END"], hi),
                 "GET_PAGES")
    got = [e for m in c.messages() for e in struct.iter_unpack("QII", m[PAGES["EXTENTS"]])]
    tap.ok(got == whole.within([(lo, hi)], 0xffffffff), "START and END, not of whole pages", got)


def check_refused(c, pid):
    a = 1 << 30
    for name, data in (
            ("no range", b""), ("an empty one", struct.pack("QQ", a, a)),
            ("one that ends before it starts", struct.pack("QQ", a, a - 1)),
            ("out of order", struct.pack("QQQQ", a, a + 1, a - 9, a - 8)),
            ("that overlap", struct.pack("QQQQ", a, a + 9, a + 8, a + 16)),
            ("an empty one, the last", struct.pack("QQQQ", a, a + 9, a + 9, a + 9)),
            ("half a range", struct.pack("QQQ", a, a + 9, a + 9))):
        refused(f"ranges: {name}", errno.EINVAL, c,
                u32(REQ["PID"], pid) + attr(REQ["RANGES"], data))
    good = attr(REQ["RANGES"], struct.pack("QQ", a, a + 1))
    refused("ranges and START", errno.EINVAL, c,
            u32(REQ["PID"], pid) + good + u64(REQ["START"], 0))
    refused("ranges and END", errno.EINVAL, c, u32(REQ["PID"], pid) + good + u64(REQ["END"], a))
    refused("flags of no meaning", errno.EINVAL, c, u32(REQ["PID"], pid) + u32(REQ["FLAGS"], 2))


def refused(name, want, c, payload):
    try:
        c.start_dump(payload, "GET_PAGES")
        list(c.messages())
        tap.ok(False, f"{name}: refused")
    except Refused as r:
        tap.ok(r.errno == want, f"{name}: refused", (r.errno, r.text))


# The zero test.

def read_zero(pid, ranges):
    """By address: whether a page is all zeros, as its owner would read it."""
    zeros = bytes(PAGE)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as f:
        return {a: os.pread(f.fileno(), PAGE, a) == zeros
                for lo, hi in ranges for a in range(lo, hi, PAGE)}


def referenced(pid):
    return sum(v["Referenced"] for v in maplib.smaps(pid))


def check_zero_test(mode):
    with maplib.Maps([mode]) as w:
        stop(w.pid)
        c = Client()
        write(f"/proc/{w.pid}/clear_refs", 1)
        before = referenced(w.pid)
        plain = c.pages(w.pid, mask=A)
        extents = c.pages(w.pid, mask=A | S["ZERO_FILLED"], flags=C["REQ_ZERO_TEST"])
        tap.ok(referenced(w.pid) == before, f"zero test, {mode}: no page is referenced by it",
               (before, referenced(w.pid)))
        tap.ok(total(extents, A) == total(plain, A), f"zero test, {mode}: of the same pages")
        ranges = [(a, a + n * PAGE) for a, n, s in plain]
        truth = read_zero(w.pid, ranges)
        got = {a + i * PAGE: bool(s & S["ZERO_FILLED"]) for a, n, s in extents
               for i in range(n)}
        wrong = [f"{a:x} {got.get(a)}" for a, z in truth.items() if got.get(a) != z]
        zero = sum(got.values())
        tap.ok(not wrong, f"zero test, {mode}: {zero} of {len(truth)} pages are zeros, as read",
               "\n".join(wrong[:6]))
        tap.ok(mode != "bloat" or not HAS_HUGE or zero >= 8 * MIB // PAGE * 7 // 8,
               f"zero test, {mode}: finds bloat", zero)


# Targets that do not keep still.

def churn(held):
    """Maps and unmaps without end, beside memory that stays."""
    rng = random.Random(7)
    while True:
        m = mmap.mmap(-1, PAGE * rng.randrange(1, 400), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        m[0] = 1
        held.append(m)
        if len(held) > 300:
            held.pop(rng.randrange(len(held))).close()


def striped(size):
    """Every second page, but for the first and the last, which may get neighbours."""
    m = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    m.madvise(mmap.MADV_NOHUGEPAGE)
    for i in range(PAGE, size - PAGE, 2 * PAGE):
        m[i] = 1
    return m


def address_of(m):
    import ctypes
    return ctypes.addressof(ctypes.c_char.from_buffer(m))


def check_changing():
    size = 16 * MIB
    kept = striped(size)
    start = address_of(kept)
    want = [(a, 1) for a in range(start + PAGE, start + size - PAGE, 2 * PAGE)]
    pid = os.fork()
    if not pid:
        churn([])
    wrong, interrupted, dumps = [], 0, 0
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        c = Client()
        extents = c.pages(pid, mask=R)
        dumps += 1
        interrupted += c.interrupted
        if any(a + n * PAGE > b for (a, n, _), (b, _, _) in zip(extents, extents[1:])):
            wrong.append("out of order")
        if [(a, n) for a, n, _ in extents if start <= a < start + size] != want:
            wrong.append("what stays is not told")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    tap.ok(dumps and not wrong, f"{dumps} dumps of a target that maps and unmaps: in order, and "
           "what stays is whole", wrong[:4])
    tap.ok(interrupted > 0, f"{interrupted} of them say that it changed")


def check_interrupted():
    """This process is its own target, so that it changes between two receives."""
    kept, extra = striped(16384 * PAGE), mmap.mmap(-1, PAGE)
    c = Client()
    c.start_dump(u32(REQ["PID"], os.getpid()), "GET_PAGES")
    messages = c.messages()
    next(messages)
    first = c.interrupted
    extra.close()
    more = mmap.mmap(-1, 3 * PAGE)
    count = len(list(messages))
    tap.ok(not first and c.interrupted and count > 3, "a change between two messages is told",
           (first, c.interrupted, count))
    more.close()
    kept.close()


def queued(c):
    """Bytes that wait in the socket, by /proc/net/netlink."""
    inode = str(os.fstat(c.sock.fileno()).st_ino)
    with open("/proc/net/netlink", encoding="ascii") as f:
        return next(int(line.split()[4]) for line in f if line.split()[-1] == inode)


def check_worst_case():
    with maplib.Maps(["stripes"]) as w:
        stop(w.pid)
        c = Client()
        c.start_dump(u32(REQ["PID"], w.pid), "GET_PAGES")
        waiting, most, n = c.messages(), 0, 0
        for m in waiting:
            most = max(most, queued(c))
            n += len(m[PAGES["EXTENTS"]]) // 16
        tap.ok(n >= 16384, f"an extent a page: {n}", n)
        tap.ok(0 < most <= 256 << 10, f"at most {most >> 10} KiB wait for their reader", most)


def main():
    global has_soft_dirty, has_ksm_flag
    signal.alarm(900)
    maplib.still_kernel()
    write("/proc/sys/vm/nr_hugepages", 4)
    info = Client().info()
    from genl import INFO
    has_soft_dirty = struct.unpack("Q", info[INFO["CAPS"]])[0] & C["CAP_SOFT_DIRTY"]
    if not has_soft_dirty:
        print("# this kernel has no soft-dirty bits")
    if not os.path.exists("/proc/kpageflags"):
        tap.skip("pages", "this kernel has no /proc/kpageflags")
    else:
        has_ksm_flag = tells_ksm()
        if not has_ksm_flag:
            print("# this kernel's kpageflags takes all anonymous memory for KSM's")
        for mode in MODES:
            check_mode(mode)
    check_ranges()
    for mode in ("bloat", "pages", "lazyfree", "zero"):
        check_zero_test(mode)
    check_changing()
    check_interrupted()
    check_worst_case()
    tap.done()


main()
