#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""GET_VMA against smaps, GET_PAGES against pagemap with kpageflags, and what a tracker
costs its target, each with its rival in turn, in a guest with the module loaded. No
answer is parsed, but for the frame numbers that kpageflags wants."""
import os
import statistics
import struct
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../vm"), os.path.join(HERE, "..")]
import maplib
import numpy
from genl import CMD, DONE, DUMP, INFO, REQ, Client, message, u32
from heaplib import BIN

ROUNDS = 7
PAGE = os.sysconf("SC_PAGESIZE")
CHUNK = 1 << 20
LAST = struct.Struct("IH")
buffer = bytearray(CHUNK)


def read_file(pid, name):
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as f:
        while f.readinto(buffer):
            pass


class Dump:
    """A request, made before the clock starts. The answer ends with an NLMSG_DONE of 20
    bytes; nothing else is looked at, for Python would take longer than the kernel."""
    def __init__(self, pid, cmd):
        self.client = Client()
        self.client.sock.setblocking(True)
        self.fd = self.client.sock.fileno()
        self.request = message(self.client.family, CMD[cmd], u32(REQ["PID"], pid), DUMP, 1)

    def __call__(self):
        os.write(self.fd, self.request)
        while True:
            n = os.readv(self.fd, (buffer,))
            if LAST.unpack_from(buffer, n - 20) == (20, DONE):
                return


def read_page_files(pid, flags):
    """pagemap of all mappings, and the flags of each frame that is in them: neighbouring
    frames in one read, which is the best that can be done."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        ranges = [[int(a, 16) for a in line.split()[0].split("-")] for line in f
                  if "[vsyscall]" not in line]
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for start, end in ranges:
            for at in range(start, end, CHUNK // 8 * PAGE):
                size = min(end - at, CHUNK // 8 * PAGE) // PAGE * 8
                raw = os.pread(pagemap.fileno(), size, at // PAGE * 8)
                read_flags(numpy.frombuffer(raw, dtype=numpy.uint64), flags)


def read_flags(entries, flags):
    pfns = entries[(entries >> numpy.uint64(63)) == 1] & numpy.uint64((1 << 55) - 1)
    if not len(pfns):
        return
    breaks = numpy.flatnonzero(numpy.diff(pfns) != 1) + 1
    for run in numpy.split(pfns, breaks):
        os.pread(flags.fileno(), 8 * len(run), int(run[0]) * 8)


def timed(f, *args):
    begun = time.monotonic()
    f(*args)
    return time.monotonic() - begun


def bench_vma(name, *mode):
    times = {"dump": [], "smaps": [], "smaps_rollup": []}
    with maplib.Maps(mode) as m:
        dump = Dump(m.pid, "GET_VMA")
        for _ in range(ROUNDS):
            times["dump"].append(timed(dump))
            for file in ("smaps", "smaps_rollup"):
                times[file].append(timed(read_file, m.pid, file))
    mid = {k: statistics.median(v) for k, v in times.items()}
    print(f"  {name:28} {mid['smaps'] / mid['dump']:6.1f} times as fast as smaps, "
          f"{mid['smaps_rollup'] / mid['dump']:5.1f} as smaps_rollup  "
          f"({mid['dump'] * 1e3:.2f} ms)", flush=True)


def bench_pages(name, *mode):
    times = {"dump": [], "files": []}
    with maplib.Maps(mode) as m, open("/proc/kpageflags", "rb", buffering=0) as flags:
        dump = Dump(m.pid, "GET_PAGES")
        for _ in range(ROUNDS):
            times["dump"].append(timed(dump))
            times["files"].append(timed(read_page_files, m.pid, flags))
    mid = {k: statistics.median(v) for k, v in times.items()}
    print(f"  {name:28} {mid['files'] / mid['dump']:6.1f} times as fast as pagemap and "
          f"kpageflags  ({mid['dump'] * 1e3:.2f} ms)", flush=True)


def counters():
    info = Client().info()
    return {k: struct.unpack("Q", info[INFO[k]])[0]
            for k in ("LOCK_MAX_NS", "SLICES", "PAGES", "WALK_NS")}


def has_room(mib):
    with open("/proc/meminfo", encoding="ascii") as f:
        available = next(int(line.split()[1]) for line in f if line.startswith("MemAvailable"))
    return available >> 10 > mib * 17 // 16


def bench_growth():
    """Time by size: the module's own clock, which no receiver delays."""
    for mib in (1, 16, 256, 1024, 4096, 16384):
        if not has_room(mib):
            print(f"  {mib:6} MiB: more than this guest has")
            continue
        with maplib.Maps([f"resident={mib}"]) as m:
            dump = Dump(m.pid, "GET_VMA")
            dump()
            before = counters()
            for _ in range(ROUNDS):
                dump()
            after = counters()
        ns = (after["WALK_NS"] - before["WALK_NS"]) / ROUNDS
        print(f"  {mib:6} MiB resident            {ns / 1e6:9.3f} ms, "
              f"{ns / (mib << 20) * PAGE:7.1f} ns a page", flush=True)
    for n in (1, 1000, 60000):
        with maplib.Maps([f"vmas={n}"]) as m:
            dump = Dump(m.pid, "GET_VMA")
            dump()
            best = min(timed(dump) for _ in range(ROUNDS))
        print(f"  {n:6} VMAs of a page          {best * 1e3:9.3f} ms, "
              f"{best / n * 1e6:7.2f} us a VMA", flush=True)


def rounds_of(process, seconds):
    """What the target got done in that time, by its own count."""
    process.stdin.write(b"?\n")
    process.stdin.flush()
    before = int(process.stdout.readline())
    time.sleep(seconds)
    process.stdin.write(b"?\n")
    process.stdin.flush()
    return int(process.stdout.readline()) - before


def bench_tracker(mib):
    """Throughput of a target that reads all its memory again and again."""
    p = subprocess.Popen([os.path.join(BIN, "busy"), str(mib)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    done = {False: [], True: []}
    for _ in range(3):
        for tracked in (False, True):
            c = Client()
            if tracked:
                c.age_start(p.pid, 1000)
            done[tracked].append(rounds_of(p, 6))
            c.sock.close()
    without, tracked = (statistics.median(done[k]) for k in (False, True))
    p.kill()
    p.wait()
    print(f"  {mib} MiB, all of it read in turn, an interval of 1 s: the target does "
          f"{tracked / without:.1%} of what it does untracked", flush=True)


def main():
    release = os.uname().release
    print(f"GET_VMA, on Linux {release}:")
    bench_vma("1 GiB of 4 KiB pages", "big-pages")
    bench_vma("1 GiB of huge pages", "big-thp")
    bench_vma("8,000 VMAs", "many")
    bench_vma("64 GiB + 1 TiB, nearly empty", "sparse")
    print(f"GET_PAGES, on Linux {release}:")
    bench_pages("1 GiB of 4 KiB pages", "big-pages")
    bench_pages("1 GiB of huge pages", "big-thp")
    bench_pages("8,000 VMAs", "many")
    print("GET_VMA by size:")
    bench_growth()
    print("A tracker:")
    bench_tracker(8192 if has_room(8192) else 1024)
    c = counters()
    print(f"  longest hold of an mmap lock {c['LOCK_MAX_NS'] / 1e3:.0f} us, in {c['SLICES']} holds")


main()
