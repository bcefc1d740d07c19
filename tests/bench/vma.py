#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""GET_VMA against reading smaps and smaps_rollup, taken in turn, in a guest with
the module loaded. Neither answer is parsed."""
import os
import statistics
import struct
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../vm"), os.path.join(HERE, "..")]
from genl import DONE, INFO, REQ, Client, u32
from heaplib import BIN

ROUNDS = 7


def read_file(pid, name):
    begun = time.monotonic()
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as f:
        while f.read(1 << 17):
            pass
    return time.monotonic() - begun


def dump(client, pid):
    """The answer ends with an NLMSG_DONE of 20 bytes; nothing else is looked at,
    for Python would take longer than the kernel."""
    begun = time.monotonic()
    client.start_dump(u32(REQ["PID"], pid))
    while True:
        data = client.sock.recv(1 << 17)
        if struct.unpack_from("IH", data, len(data) - 20) == (20, DONE):
            return time.monotonic() - begun


def bench(name, mode):
    p = subprocess.Popen([os.path.join(BIN, "maps"), *mode], cwd="/tmp", stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    client = Client()
    times = {"dump": [], "smaps": [], "smaps_rollup": []}
    for _ in range(ROUNDS):
        times["dump"].append(dump(client, p.pid))
        for file in ("smaps", "smaps_rollup"):
            times[file].append(read_file(p.pid, file))
    p.kill()
    p.wait()
    mid = {k: statistics.median(v) for k, v in times.items()}
    print(f"  {name:28} {mid['smaps'] / mid['dump']:5.1f} times as fast as smaps, "
          f"{mid['smaps_rollup'] / mid['dump']:5.1f} as smaps_rollup  "
          f"({mid['dump'] * 1e3:.2f} ms)")


def main():
    print(f"GET_VMA, on Linux {os.uname().release}:")
    bench("1 GiB of 4 KiB pages", ["big-pages"])
    bench("1 GiB of huge pages", ["big-thp"])
    bench("8,000 VMAs", ["many"])
    bench("64 GiB + 1 TiB, nearly empty", ["sparse"])
    info = Client().info()
    longest, slices = (struct.unpack("Q", info[INFO[k]])[0] for k in ("LOCK_MAX_NS", "SLICES"))
    print(f"  longest hold of an mmap lock {longest / 1e3:.0f} us, in {slices} holds")


main()
