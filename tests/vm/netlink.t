#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The module's netlink interface: what it refuses, how dumps end, what they do beside
each other, and without memory. Runs in a guest with the module loaded, as root."""
import errno
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import genl
import maplib
from genl import C, CMD, INFO, PAGES, REQ, VMA, Client, Refused, attr, u32, u64
from heaplib import BIN
from tap import Tap

tap = Tap()


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


def start(*modes):
    p = subprocess.Popen([os.path.join(BIN, "maps"), *modes], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    return p


def many():
    return start("many")


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


def check_dumps():
    p = start("many", "stripes")
    want = maps(p.pid)
    tap.ok(Client(receive_buffer=1).vmas(p.pid) == want, "a tiny receive buffer gets all")
    want, got = genl.between_equals(lambda: Client().pages(p.pid),
                                    lambda: Client(receive_buffer=1).pages(p.pid))
    tap.ok(len(want) > 16384 and got == want, "of pages, too",
           (len(want), len(got), sorted(set(got) ^ set(want))[:8]))
    for cmd in ("GET_VMA", "GET_PAGES"):
        check_abandoned(cmd, p.pid)
        check_ended(cmd)
    end(p)


def check_abandoned(cmd, pid):
    c = Client()
    c.start_dump(u32(REQ["PID"], pid), cmd)
    next(c.messages())
    tap.ok(module_users() == 1, f"{cmd}: a dump under way holds the module", module_users())
    tap.ok(subprocess.run(["rmmod", "fallow"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0, "and rmmod is refused meanwhile")
    c.sock.close()
    time.sleep(0.2)
    tap.ok(module_users() == 0, "a dump that was abandoned does not", module_users())


def check_ended(cmd):
    p = start("many", "stripes")
    c = Client()
    c.start_dump(u32(REQ["PID"], p.pid), cmd)
    messages = c.messages()
    next(messages)
    end(p)
    refused(f"{cmd}: a process that ends midway: ESRCH", errno.ESRCH, lambda: list(messages))


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


class Readers:
    """Processes that dump at once; each answers with its truth."""

    def __init__(self):
        self.pids = []

    def add(self, work):
        pid = os.fork()
        if not pid:
            try:
                os._exit(0 if all(work() for _ in range(4)) else 1)
            except BaseException as e:
                print(f"# {e!r}", flush=True)
                os._exit(2)
        self.pids.append(pid)

    def wait(self):
        return [os.waitpid(pid, 0)[1] for pid in self.pids]


def check_readers():
    targets = [start("many", "stripes"), start("thp", "pages"), start("fork", "shmem")]
    for p in targets:
        os.kill(p.pid, signal.SIGSTOP)
    time.sleep(0.2)
    vmas = [maps(p.pid) for p in targets]
    # What readers share with the targets, libraries, changes in other states.
    def pages_of(p):
        return Client().pages(p.pid, mask=genl.C["STATE_RESIDENT"] | genl.C["STATE_SWAPPED"])

    pages = [pages_of(p) for p in targets]
    one, all_of_them = Readers(), Readers()
    for _ in range(6):
        one.add(lambda: Client().vmas(targets[0].pid) == vmas[0])
        one.add(lambda: pages_of(targets[0]) == pages[0])
    tap.ok(not any(one.wait()), "twelve readers of one target get all of it")
    for p, v, e in zip(targets, vmas, pages):
        for _ in range(3):
            all_of_them.add(lambda p=p, v=v: Client().vmas(p.pid) == v)
            all_of_them.add(lambda p=p, e=e: pages_of(p) == e)
    tap.ok(not any(all_of_them.wait()), "eighteen readers of three targets, too")
    check_threads(targets[0].pid, vmas[0])
    for p in targets:
        end(p)


def check_threads(pid, want):
    """Two threads on one socket: each request is answered in full, or refused."""
    c = Client(receive_buffer=1 << 22)
    c.sock.settimeout(5)
    lock, told, ends, sent = threading.Lock(), {}, {}, []

    def look(data):
        for size, kind, _, seq, body in genl.split(data):
            with lock:
                if kind in (genl.ERROR, genl.DONE):
                    ends[seq] = -struct.unpack_from("i", body)[0]
                else:
                    told.setdefault(seq, []).append(body)

    def ask(first):
        for seq in range(first, first + 40):
            with lock:
                sent.append(seq)
            genl.send(c.sock, c.family, CMD["GET_VMA"], u32(REQ["PID"], pid), genl.DUMP, seq)
            while seq not in ends:
                try:
                    look(c.sock.recv(1 << 17))
                except socket.timeout:
                    return
                except OSError as e:
                    # netlink_dump() of what the other thread has just ended.
                    if e.errno != errno.EINVAL:
                        raise
    threads = [threading.Thread(target=ask, args=(n,)) for n in (1000, 2000)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    done = [s for s in sent if ends.get(s) == 0]
    busy = [s for s in sent if ends.get(s) == errno.EBUSY]
    wrong = [s for s in done if sorted(vma_range(m) for m in told[s]) != want]
    tap.ok(len(sent) == 80 and len(done) + len(busy) == 80 and done and not wrong,
           f"two threads on one socket: {len(done)} dumps whole, {len(busy)} refused",
           (len(sent), wrong, set(ends.values())))


def vma_range(body):
    m = genl.parse_attrs(body[4:])
    return tuple(struct.unpack("Q", m[VMA[k]])[0] for k in ("START", "END"))


# Without memory: /proc/self/fail-nth has the n-th allocation from now on fail.

def fail(nth):
    """What is left of the last one; the file stays open, for opening it would take part."""
    if not fail.fd:
        fail.fd.append(os.open("/proc/self/fail-nth", os.O_RDWR))
    left = int(os.pread(fail.fd[0], 32, 0))
    os.pwrite(fail.fd[0], str(nth).encode(), 0)
    return left


fail.fd = []


class Faulty:
    """What came of a request; .error is an errno, or None if nothing was said at all."""

    def __init__(self, client, cmd, payload, flags):
        self.bodies, self.error, self.interrupted = [], None, False
        self.buf = memoryview(bytearray(b"x" * (1 << 17)))
        self.client = client
        client.sock.setblocking(False)
        try:
            client.send(client.family, CMD[cmd], payload, flags)
        except OSError as e:
            self.error = e.errno
        while self.receive():
            pass

    def receive(self):
        """Nothing waits that this would not get: answers are made by those who ask."""
        try:
            n = self.client.sock.recv_into(self.buf)
        except OSError as e:
            if e.errno == errno.EAGAIN:
                return False
            self.error = self.error or e.errno
            return True
        for _, kind, flags, _, body in genl.split(bytes(self.buf[:n])):
            self.interrupted |= bool(flags & genl.DUMP_INTR)
            if kind in (genl.ERROR, genl.DONE):
                self.error = self.error or -struct.unpack_from("i", body)[0]
            else:
                self.bodies.append(body)
        return True


def with_faults(name, attempt):
    """@attempt under each fault that there can be, one at a time, until none is left."""
    errors, wrong = {}, []
    for nth in range(1, 1000):
        c = Client()
        answer = attempt(c, nth)
        left = fail(0)
        c.sock.close()
        errors[answer.error] = errors.get(answer.error, 0) + 1
        if not answer.good:
            wrong.append(f"fault {nth}: error {answer.error}, {len(answer.bodies)} messages")
        if left:
            break
    text = ", ".join(f"{errno.errorcode.get(e, 'done')} {n}" for e, n in errors.items())
    tap.ok(not wrong and nth > 1 and left, f"{name}: {nth - 1} faults: {text}",
           "\n".join(wrong[:8]))


def dump_with_faults(cmd, pid, more=b""):
    payload = u32(REQ["PID"], pid) + more
    c = Client()
    c.sock.setblocking(False)
    want = Faulty(c, cmd, payload, genl.DUMP).bodies

    def attempt(c, nth):
        fail(nth)
        a = Faulty(c, cmd, payload, genl.DUMP)
        # An error, or all of it, or said not to be.
        a.good = a.error is not None and (a.error or a.interrupted or
                                          content(a.bodies) == content(want))
        return a
    with_faults(cmd, attempt)


def content(bodies):
    """What messages say, however it is spread over them."""
    out = []
    for body in bodies:
        m = genl.parse_attrs(body[4:])
        if body[0] == CMD["GET_PAGES"]:
            out += struct.iter_unpack("QII", m[PAGES["EXTENTS"]])
        else:
            out.append(body)
    return out


def age_with_faults(pid):
    start_age = u32(REQ["PID"], pid) + u32(REQ["INTERVAL_MS"], 1000)

    def attempt(c, nth):
        fail(nth)
        a = Faulty(c, "AGE_START", start_age, genl.ACK)
        left = fail(0)
        stopped = Faulty(c, "AGE_STOP", u32(REQ["PID"], pid), genl.ACK).error
        # If the answer itself was lost, it may have begun.
        good = (a.error == 0 and stopped == 0) or \
            (a.error == errno.ENOBUFS and stopped in (0, errno.ENOENT)) or \
            (a.error not in (0, None) and stopped == errno.ENOENT)
        a.good = good and trackers() == 0
        fail(left)
        return a
    with_faults("AGE_START", attempt)


def trackers():
    return struct.unpack("I", Client().info()[INFO["TRACKERS"]])[0]


def check_faults():
    if not os.path.exists("/proc/self/fail-nth"):
        tap.skip("without memory", "this kernel injects no faults")
        return
    for kind in ("failslab", "fail_page_alloc"):
        base = f"/sys/kernel/debug/{kind}/"
        for name, value in (("ignore-gfp-wait", "N"), ("verbose", "0")):
            with open(base + name, "w", encoding="ascii") as f:
                f.write(value)
    p = start("thp", "stripes")
    os.kill(p.pid, signal.SIGSTOP)
    time.sleep(0.2)
    dump_with_faults("GET_VMA", p.pid)
    dump_with_faults("GET_PAGES", p.pid)
    dump_with_faults("GET_PAGES", p.pid, attr(REQ["RANGES"], struct.pack(
        "QQ", 0, 1 << 47) + b"".join(struct.pack("QQ", (1 << 47) + i, (1 << 47) + i + 1)
                                     for i in range(2000))))

    def info(c, nth):
        fail(nth)
        a = Faulty(c, "GET_INFO", b"", 0)
        a.good = bool(a.error) or len(a.bodies) == 1
        return a
    with_faults("GET_INFO", info)
    if struct.unpack("Q", Client().info()[INFO["CAPS"]])[0] & C["CAP_AGE"]:
        age_with_faults(p.pid)
    end(p)
    time.sleep(0.2)
    tap.ok(module_users() == 0, "and nobody holds the module", module_users())


maplib.still_kernel()
signal.alarm(1200)
check_requests()
check_ranges()
check_dumps()
check_changes()
check_cost()
check_readers()
check_faults()
tap.done()
