#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same report by the module's device and by process_vm_readv(), taken in turn,
in a guest with the module loaded, as root. Only the time of the look itself counts."""
import json
import os
import statistics
import subprocess
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from heaplib import BIN, FALLOW

DEVICE, AWAY = "/dev/fallow", "/dev/fallow-away"
ROUNDS = 5


def report(pid):
    s = json.loads(subprocess.run([FALLOW, "report", "--json", "--source=kmod", str(pid)],
                                  stdout=subprocess.PIPE, check=True).stdout)
    return s["reader"], s["duration_ns"] / 1e9


def bench(name, command):
    p = subprocess.Popen([os.path.join(BIN, command[0]), *command[1:]],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdout.readline()
    times = {"fallow": [], "process_vm_readv": []}
    for _ in range(ROUNDS):
        times["fallow"].append(report(p.pid)[1])
        os.rename(DEVICE, AWAY)
        try:
            reader, took = report(p.pid)
        finally:
            os.rename(AWAY, DEVICE)
        times[reader].append(took)
    p.kill()
    p.wait()
    device, readv = (statistics.median(t) for t in times.values())
    print(f"  {name:34} {readv / device:5.2f} of its speed  ({device:.3f} s, {readv:.3f} s)",
          flush=True)


def main():
    print(f"report by {DEVICE}, against process_vm_readv(), on Linux {os.uname().release}:")
    for largest in (256, 4096, 65536):
        bench(f"1 GiB heap, blocks to {largest} B", ["bigheap", "1024", str(largest)])


main()
