#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile messages: what the module answers, what the kernel says, and what is left
behind. In a guest with the module loaded, as root. Usage: fuzz.t [MESSAGES [SEED]]"""
import os
import re
import struct
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
from genl import INFO, Client
from heaplib import BIN
from tap import Tap

tap = Tap()
KMEMLEAK = "/sys/kernel/debug/kmemleak"
SPLAT = re.compile(r"BUG|WARNING|Oops|Call Trace|KASAN|UBSAN|INFO: |general protection|"
                   r"scheduling while atomic|stall|memory leak")
ANSWERS = ["GET_INFO", "GET_VMA", "GET_PAGES", "acknowledged", "dump done",
           "Operation not permitted", "No such process", "Invalid argument",
           "Numerical result out of range", "Operation not supported",
           "Device or resource busy", "No such file or directory"]


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def number(info, name):
    data = info[INFO[name]]
    return struct.unpack("Q" if len(data) == 8 else "I", data)[0]


def module_users():
    with open("/proc/modules", encoding="ascii") as f:
        return next(int(line.split()[2]) for line in f if line.startswith("fallow "))


def within(seconds, good):
    deadline = time.monotonic() + seconds
    while not good() and time.monotonic() < deadline:
        time.sleep(0.1)
    return good()


def check_answers(count, seed):
    begun = time.monotonic()
    run = subprocess.run([os.path.join(BIN, "nlfuzz"), str(count), str(seed)], text=True,
                         stdout=subprocess.PIPE, check=False)
    for line in run.stdout.splitlines():
        print(f"# {line}")
    seen = dict(re.findall(r"^(.*?): (\d+)$", run.stdout, flags=re.M))
    sent = int(seen.get("messages", 0))
    tap.ok(run.returncode == 0, f"{sent} messages in {time.monotonic() - begun:.0f} s, seed "
           f"{seed}: errors and valid answers only", f"status {run.returncode}")
    tap.ok(sent >= count, "as many as were to be sent", sent)
    missing = [a for a in ANSWERS if "answer " + a not in seen]
    tap.ok(not missing, "every kind of answer was among them", missing)


def check_rest():
    c = Client()
    tap.ok(number(c.info(), "TRACKERS") == 0, "no tracker is left")
    tap.ok(within(20, lambda: number(c.info(), "AGE_BYTES") == 0), "nor memory of ages",
           number(c.info(), "AGE_BYTES"))
    tap.ok(c.vmas(os.getpid()) != [], "the module answers")
    c.sock.close()
    tap.ok(within(20, lambda: module_users() == 0), "nobody holds the module", module_users())
    tap.ok(subprocess.run(["rmmod", "fallow"], check=False).returncode == 0, "it unloads")


def check_leaks():
    if not os.path.exists(KMEMLEAK):
        tap.skip("no memory is lost", "this kernel has no kmemleak")
        return
    # What is young is not suspected, and what is found the first time may be in a register.
    time.sleep(6)
    for _ in range(2):
        write(KMEMLEAK, "scan")
    with open(KMEMLEAK, encoding="ascii", errors="replace") as f:
        leaks = f.read()
    tap.ok(not leaks, "no memory is lost", leaks[:4000])


def check_log():
    log = subprocess.run(["dmesg"], text=True, stdout=subprocess.PIPE, check=True,
                         errors="replace").stdout
    splats = [line for line in log.splitlines() if SPLAT.search(line)]
    tap.ok(not splats, "the kernel has nothing to complain about", log[-6000:])


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    subprocess.run(["dmesg", "-C"], check=True)
    write("/proc/sys/vm/nr_hugepages", "8")
    if os.path.exists(KMEMLEAK):
        write(KMEMLEAK, "clear")
    check_answers(count, seed)
    check_rest()
    check_leaks()
    check_log()
    tap.done()


main()
