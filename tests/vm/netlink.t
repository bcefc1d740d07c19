#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The module's netlink interface: what it refuses, to whom, and how dumps end.
Runs in a guest with the module loaded, as root."""
import errno
import mmap
import os
import re
import signal
import struct
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import genl
from genl import REQ, INFO, Client, Refused, attr, u32, u64
from heaplib import BIN
from tap import Tap

tap = Tap()
NOBODY = 65534


def maps(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        ranges = [line.split()[0].split("-") for line in f if "[vsyscall]" not in line]
    return [(int(a, 16), int(b, 16)) for a, b in ranges]


def refused(name, want, call, text=None):
    try:
        call()
    except Refused as r:
        good = r.errno == want and (text is None or re.search(text, r.text))
        tap.ok(good, name, f"{errno.errorcode.get(r.errno, r.errno)} {r.text!r}")
    else:
        tap.ok(False, name, "it was accepted")


def in_child(work):
    """Runs @work in a child; its truth is the answer."""
    pid = os.fork()
    if not pid:
        try:
            os._exit(0 if work() else 1)
        except BaseException as e:
            print(f"# {e!r}", flush=True)
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def many():
    p = subprocess.Popen([os.path.join(BIN, "maps"), "many"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    return p


def end(p):
    p.kill()
    p.wait()


def module_users():
    with open("/proc/modules", encoding="ascii") as f:
        return next(int(line.split()[2]) for line in f if line.startswith("fallow "))


def check_requests():
    c = Client()
    me = os.getpid()
    info = c.info()
    tap.ok(all(v in info for k, v in INFO.items() if k not in ("UNSPEC", "PAD")),
           "GET_INFO has all its attributes", info)
    tap.ok(struct.unpack("I", info[INFO["PAGE_SIZE"]])[0] == mmap.PAGESIZE, "page size")
    refused("GET_INFO refuses an attribute", errno.EINVAL, lambda: c.info(u32(REQ["PID"], me)))
    refused("GET_INFO refuses an unknown attribute", errno.EINVAL, lambda: c.info(u32(99, 1)))
    refused("a pid is needed", errno.EINVAL, lambda: list(dump(c, b"")), "process id")
    refused("pid 0", errno.ERANGE, lambda: c.vmas(0))
    refused("pid of the wrong size", errno.EINVAL,
            lambda: list(dump(c, attr(REQ["PID"], b"\1\0"))))
    refused("an unknown attribute", errno.EINVAL, lambda: c.vmas(me, u32(99, 1)))
    refused("trailing bytes", errno.EINVAL,
            lambda: list(dump(c, u32(REQ["PID"], me) + b"\xff\xff\xff")))
    refused("start not below end", errno.EINVAL,
            lambda: c.vmas(me, u64(REQ["START"], 4096), u64(REQ["END"], 4096)), "start")
    refused("no such process", errno.ESRCH, lambda: c.vmas(4194303), "no such process")
    refused("a pid beyond all", errno.ESRCH, lambda: c.vmas(0xffffffff))
    refused("a kernel thread", errno.ESRCH, lambda: c.vmas(2), "no memory")
    zombie = os.fork()
    if not zombie:
        os._exit(0)
    while open(f"/proc/{zombie}/stat", encoding="ascii").read().split()[2] != "Z":
        time.sleep(0.01)
    refused("a zombie", errno.ESRCH, lambda: c.vmas(zombie), "no memory")
    os.waitpid(zombie, 0)


def dump(c, payload):
    c.start_dump(payload)
    return c.messages()


def check_ranges():
    c = Client()
    want = maps(os.getppid())
    tap.ok(c.vmas(os.getppid()) == want, "the ranges are those of maps")
    third = want[3]
    got = c.vmas(os.getppid(), u64(REQ["START"], third[0] + 1), u64(REQ["END"], third[1]))
    tap.ok(got == [third], "a range tells the VMAs that overlap it", (got, third))
    got = c.vmas(os.getppid(), u64(REQ["START"], (1 << 64) - 2))
    tap.ok(got == [], "beyond all addresses there is nothing", got)


def as_nobody(work):
    def run():
        os.setresuid(NOBODY, NOBODY, NOBODY)
        return work()
    return in_child(run)


def denied(c, pid):
    try:
        c.vmas(pid)
    except Refused as r:
        return r.errno == errno.EPERM
    return False


def check_permission():
    me = os.getpid()
    tap.ok(as_nobody(lambda: Client().info()), "anybody may ask GET_INFO")
    tap.ok(as_nobody(lambda: denied(Client(), me)), "without CAP_SYS_PTRACE: EPERM")
    tap.ok(as_nobody(lambda: denied(Client(), os.getpid())),
           "not even for oneself: what a page is, is the system's")
    opened = Client()
    tap.ok(as_nobody(lambda: denied(opened, me)), "a socket that root opened does not help")

    def opened_by_nobody():
        os.seteuid(NOBODY)
        c = Client()
        os.seteuid(0)
        return denied(c, me)
    tap.ok(in_child(opened_by_nobody), "nor does root help one that nobody opened")


def check_namespace():
    def inner():
        return Client().vmas(1) == maps("self") and denied_outer()

    def denied_outer():
        try:
            Client().vmas(outer)
        except Refused as r:
            return r.errno == errno.ESRCH
        return False
    outer = 100000

    def outer_child():
        libc = __import__("ctypes").CDLL(None)
        if libc.unshare(0x20000000):
            return False
        return in_child(inner)
    tap.ok(in_child(outer_child), "pids are those of the caller's namespace")


def check_dumps():
    p = many()
    want = maps(p.pid)
    tap.ok(Client(receive_buffer=1).vmas(p.pid) == want, "a tiny receive buffer gets all")
    c = Client()
    c.start_dump(u32(REQ["PID"], p.pid))
    next(c.messages())
    tap.ok(module_users() == 1, "a dump under way holds the module", module_users())
    tap.ok(subprocess.run(["rmmod", "fallow"], stderr=subprocess.DEVNULL).returncode != 0,
           "and rmmod is refused meanwhile")
    c.sock.close()
    time.sleep(0.2)
    tap.ok(module_users() == 0, "a dump that was abandoned does not", module_users())

    c = Client()
    c.start_dump(u32(REQ["PID"], p.pid))
    messages = c.messages()
    next(messages)
    end(p)
    try:
        got = list(messages)
        tap.ok(False, "a process that ends midway: ESRCH", f"{len(got)} more")
    except Refused as r:
        tap.ok(r.errno == errno.ESRCH, "a process that ends midway: ESRCH", r.errno)


def check_changes():
    p = many()
    c = Client()
    c.vmas(p.pid)
    tap.ok(not c.interrupted, "a dump of a still process is consistent")
    # This process is its own target, so that it can change between two receives.
    held = [mmap.mmap(-1, 4096 * (1 + i % 2), prot=mmap.PROT_READ << (i % 2))
            for i in range(2000)]
    c = Client()
    c.start_dump(u32(REQ["PID"], os.getpid()))
    messages = c.messages()
    next(messages)
    for m in held[:1000]:
        m.close()
    list(messages)
    tap.ok(c.interrupted, "a dump that saw a change says so")
    end(p)


def check_cost():
    before, p, c = Client().info(), many(), Client()
    c.vmas(p.pid)
    after = c.info()
    for name in ("SLICES", "PAGES", "WALK_NS"):
        a, b = (struct.unpack("Q", i[INFO[name]])[0] for i in (before, after))
        tap.ok(b > a, f"{name} is counted", (a, b))
    end(p)


signal.alarm(300)
check_requests()
check_ranges()
check_permission()
check_namespace()
check_dumps()
check_changes()
check_cost()
tap.done()
