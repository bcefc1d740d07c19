#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading without a trace: what the module's device reads, from whom and for whom, and
that a whole report by it leaves the target's pages as cold as they were, while the
same report by process_vm_readv() is seen to heat them. In a guest with the module
loaded and swap, as root."""
import ctypes
import errno
import fcntl
import mmap
import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import C, INFO, Client
from heaplib import BIN, FALLOW
from tap import Tap

tap = Tap()
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
PAGE = mmap.PAGESIZE
DEVICE = "/dev/fallow"
IOC_TARGET, IOC_GATHER = 0x400466f0, 0x402066f1
NOBODY = 65534
PRESENT, SWAPPED, PFN = 1 << 63, 1 << 62, (1 << 55) - 1
# include/uapi/linux/kernel-page-flags.h
REFERENCED, LRU, ACTIVE, ANON, TAIL, IDLE = (1 << n for n in (2, 5, 6, 12, 16, 25))
GROUP = "/sys/fs/cgroup/fallow-read"
MGLRU = "/sys/kernel/mm/lru_gen/enabled"
THP = "/sys/kernel/mm/transparent_hugepage/"


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def error_of(call, *args):
    """The errno that a call fails with, or 0."""
    try:
        call(*args)
    except OSError as e:
        return e.errno
    return 0


def fails(name, want, call, *args):
    got = error_of(call, *args)
    tap.ok(got == want, name, f"{errno.errorcode.get(got, got)}, not {errno.errorcode[want]}")


class Device:
    def __init__(self, pid=None):
        self.fd = os.open(DEVICE, os.O_RDONLY)
        if pid is not None:
            self.bind(pid)

    def bind(self, pid):
        fcntl.ioctl(self.fd, IOC_TARGET, struct.pack("I", pid & 0xffffffff))

    def read(self, addr, size):
        return os.pread(self.fd, size, addr)

    def read_all(self, addr, size):
        out = b""
        while len(out) < size:
            out += self.read(addr + len(out), size - len(out))
        return out

    def gather(self, addrs, size, count=None):
        """A list of pieces, None for those that are not to be had."""
        n = len(addrs)
        where, buf, ok = (ctypes.create_string_buffer(max(1, k)) for k in (8 * n, n * size, n))
        where.raw = struct.pack(f"{n}Q", *addrs) or b"\0"
        fcntl.ioctl(self.fd, IOC_GATHER, struct.pack("QQQII", *map(ctypes.addressof, (
            where, buf, ok)), n if count is None else count, size))
        return [buf.raw[i * size:(i + 1) * size] if ok.raw[i] == 1 else None for i in range(n)]

    def close(self):
        os.close(self.fd)


class Child:
    """A process that does @work, whose result comes back, and then waits."""

    def __init__(self, work=lambda: ""):
        out, to = os.pipe()
        self.hold, hold = os.pipe()[::-1]
        self.pid = os.fork()
        if not self.pid:
            os.close(self.hold)
            try:
                os.write(to, str(work()).encode())
            except BaseException as e:
                os.write(to, repr(e).encode())
            os.close(to)
            os.read(hold, 1)
            os._exit(0)
        os.close(to)
        os.close(hold)
        self.said = b"".join(iter(lambda: os.read(out, 4096), b"")).decode()
        os.close(out)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.hold)


def anon(size, prot=3, fd=-1, flags=0x22):
    addr = libc.mmap(None, size, prot, flags, fd, 0)
    if addr in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "mmap")
    return addr


def filled(size):
    addr = anon(size)
    ctypes.memset(addr, 0x5a, size)
    return addr


def pagemap(pid, start, end):
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        data = os.pread(f.fileno(), (end - start) // PAGE * 8, start // PAGE * 8)
    return [n for n, in struct.iter_unpack("Q", data)]


def runs(pid, vma):
    """Runs of pages that are there: (start, end)."""
    start, end = int(vma["start"], 16), int(vma["end"], 16)
    first = None
    # Of a reservation that is nearly empty, a part.
    for i, entry in enumerate(pagemap(pid, start, min(end, start + (64 << 20))) + [0]):
        if entry & PRESENT and first is None:
            first = start + i * PAGE
        elif not entry & PRESENT and first is not None:
            yield first, start + i * PAGE
            first = None


def mem(pid, start, size):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as f:
        return os.pread(f.fileno(), size, start)


def first_of(pid, size):
    """Where the run of so many pages begins."""
    return next(start for v in maplib.smaps(pid) if v["name"] != "[vsyscall]"
                for start, end in runs(pid, v) if end - start >= size)


def check_requests():
    child = Child(lambda: filled(PAGE))
    addr = int(child.said)
    d = Device()
    fails("a file that is not bound: EINVAL", errno.EINVAL, d.read, addr, 8)
    fails("nor does it gather", errno.EINVAL, d.gather, [addr], 8)
    fails("another ioctl: ENOTTY", errno.ENOTTY, fcntl.ioctl, d.fd, 0x400466ef, b"\0\0\0\0")
    fails("no pointer: EFAULT", errno.EFAULT, fcntl.ioctl, d.fd, IOC_TARGET, 8)
    for name, pid in (("pid 0", 0), ("no such process", 4194303), ("a pid beyond all", -1),
                      ("a kernel thread", 2)):
        fails(f"{name}: ESRCH", errno.ESRCH, d.bind, pid)
    zombie = os.fork()
    if not zombie:
        os._exit(0)
    maplib.wait_state(zombie, "Z")
    fails("a zombie: ESRCH", errno.ESRCH, d.bind, zombie)
    os.waitpid(zombie, 0)
    d.bind(child.pid)
    fails("bound twice: EINVAL", errno.EINVAL, d.bind, child.pid)
    tap.ok(d.read(addr, 8) == b"Z" * 8, "and still it reads the first")
    tap.ok(d.read(addr, 0) == b"", "nothing is read of nothing")
    for name, at in (("address 0", 0), ("the end of all", (1 << 63) - 4096),
                     ("the first address that is nobody's", (1 << 47) - PAGE)):
        fails(f"{name}: ENODATA", errno.ENODATA, d.read, at, 1)
    for name, count, size in (("no pieces", 0, 8), ("too many", 4097, 8), ("none of size 0", 1, 0),
                              ("more than a page each", 1, PAGE + 1)):
        fails(f"gathering, {name}: EINVAL", errno.EINVAL, d.gather, [addr], size, count)
    child.end()
    fails("a target that has ended: ESRCH", errno.ESRCH, d.read, addr, 8)
    fails("for gathering, too", errno.ESRCH, d.gather, [addr], 8)
    d.close()


def in_child(work):
    child = Child(work)
    child.end()
    return child.said


def as_nobody(work):
    def run():
        os.setresuid(NOBODY, NOBODY, NOBODY)
        return work()
    return in_child(run)


def check_permission():
    me, d = os.getpid(), Device(os.getpid())
    addr = filled(PAGE)
    tap.ok(as_nobody(lambda: error_of(Device)) == str(errno.EACCES), "nobody cannot open it")
    tap.ok(as_nobody(lambda: error_of(d.read, addr, 8)) == str(errno.EPERM),
           "nor read by a file that root has opened and bound: EPERM")
    tap.ok(as_nobody(lambda: error_of(d.gather, [addr], 8)) == str(errno.EPERM),
           "nor gather: EPERM")
    unbound = Device()
    tap.ok(as_nobody(lambda: error_of(unbound.bind, os.getpid())) == str(errno.EPERM),
           "nor bind it, be it to itself: EPERM")

    def opened_by_nobody():
        os.seteuid(NOBODY)
        other = Device()
        os.seteuid(0)
        return error_of(other.bind, me)
    os.chmod(DEVICE, 0o666)
    got = in_child(opened_by_nobody)
    os.chmod(DEVICE, 0o600)
    tap.ok(got == str(errno.EPERM), "root does not help one that nobody opened: EPERM", got)
    without = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    got = subprocess.run([*without, sys.executable, __file__, "bind", str(me)], check=False)
    tap.ok(got.returncode == errno.EPERM, "root without CAP_SYS_PTRACE: EPERM", got.returncode)
    p = subprocess.Popen([*without, os.path.join(BIN, "bigheap"), "1"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    out = subprocess.run([*without, FALLOW, "report", "--json", str(p.pid)],
                         stdout=subprocess.PIPE, check=False).stdout
    tap.ok(b'"reader": "process_vm_readv"' in out, "then the tool falls back", out[:200])
    p.kill()
    p.wait()
    for each in (d, unbound):
        each.close()


def check_namespace():
    def inner():
        addr = filled(PAGE)
        return Device(1).read(addr, 1) == b"Z" and error_of(Device, 100000) == errno.ESRCH

    def outer():
        return not libc.unshare(0x20000000) and in_child(inner)
    got = in_child(outer)
    tap.ok(got == "True", "pids are those of the caller's namespace", got)


def check_contents():
    write("/proc/sys/vm/nr_hugepages", 4)
    for mode in ("pages", "thp", "shmem", "file", "fork", "zero", "mlock", "lazyfree"):
        with maplib.Maps([mode]) as w:
            d, compared, bad = Device(w.pid), 0, []
            for v in maplib.smaps(w.pid):
                if v["name"] in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                    continue
                for start, end in runs(w.pid, v):
                    size = min(end - start, 4 << 20)
                    compared += size
                    try:
                        same = d.read_all(start, size) == mem(w.pid, start, size)
                    except OSError as e:
                        same = e
                    if same is not True:
                        bad.append((hex(start), size, v["name"], same))
            tap.ok(compared > 1 << 20 and not bad,
                   f"{mode}: {compared >> 10} KiB are what /proc/PID/mem says", bad[:4])
            d.close()
    with maplib.Maps(["pages"]) as w:
        d = Device(w.pid)
        start = first_of(w.pid, 8 << 20)
        tap.ok(d.read(start + 5, 7 << 20) == mem(w.pid, start + 5, 7 << 20),
               "7 MiB from an odd address, in one call")
        d.close()


def check_gather():
    with maplib.Maps(["sparse"]) as w:
        d = Device(w.pid)
        v = next(v for v in maplib.smaps(w.pid) if v["Rss"] == 64 * 4 * PAGE)
        start = int(v["start"], 16)
        addrs = [start + (i << 30) + random.randrange(16 * PAGE) for i in range(64)
                 for _ in range(70)][:4096]
        addrs[:3] = [0, (1 << 64) - 8, start + 4 * PAGE - 8]
        random.shuffle(addrs)

        def one(addr):
            try:
                got = d.read(addr, 16)
            except (OSError, OverflowError):
                return None
            return got if len(got) == 16 else None
        want = [one(a) for a in addrs]
        got = d.gather(addrs, 16)
        tap.ok(got == want and None in got and len(set(got)) > 1,
               "gathering tells the same as reading, of pieces there and not there",
               sum(a != b for a, b in zip(got, want)))
        d.close()


def check_absent():
    with maplib.Maps(["sparse"]) as w:
        d = Device(w.pid)
        v = next(v for v in maplib.smaps(w.pid) if v["Rss"] == 64 * 4 * PAGE)
        start = int(v["start"], 16)
        before = pagemap(w.pid, start, start + (1 << 20))
        tap.ok(len(d.read(start, 64 * PAGE)) == 4 * PAGE,
               "a read ends before the first page that is not there")
        tap.ok(len(d.read(start + PAGE + 1, 64 * PAGE)) == 3 * PAGE - 1,
               "wherever it began")
        fails("where nothing was touched: ENODATA", errno.ENODATA, d.read, start + 4 * PAGE, 1)
        fails("nor is a 1 GiB hole crossed", errno.ENODATA, d.read, start + (1 << 29), 1 << 30)
        tap.ok(pagemap(w.pid, start, start + (1 << 20)) == before,
               "and what was untouched is so still")
        d.close()
    with open("/proc/swaps", encoding="ascii") as f:
        if len(f.readlines()) < 2:
            tap.skip("what is on swap stays there", "no swap here")
            return
    with maplib.Maps(["swap"]) as w:
        d, swapped = Device(w.pid), []
        for v in maplib.smaps(w.pid):
            start = int(v["start"], 16)
            if v["name"] != "[vsyscall]":
                swapped += [start + i * PAGE for i, e in enumerate(
                    pagemap(w.pid, start, int(v["end"], 16))) if e & SWAPPED]
        bad = [hex(a) for a in swapped if error_of(d.read, a, 1) != errno.ENODATA]
        tap.ok(swapped and not bad, f"{len(swapped)} pages on swap: ENODATA", bad[:4])
        back = [hex(a) for a in swapped if not pagemap(w.pid, a, a + PAGE)[0] & SWAPPED]
        tap.ok(not back, "and they stay there", back[:4])
        d.close()


def secret():
    fd = libc.syscall(447, 0)
    if fd < 0:
        return 0
    os.ftruncate(fd, PAGE)
    addr = anon(PAGE, 3, fd, 1)
    ctypes.memset(addr, 1, PAGE)
    return addr


def guarded():
    addr = filled(PAGE)
    libc.mprotect(ctypes.c_void_p(addr), ctypes.c_size_t(PAGE), 0)
    return addr


def check_special():
    child = Child(secret)
    if child.said == "0":
        tap.skip("secretmem: ENODATA", "not in this kernel")
    else:
        fails("secretmem: ENODATA", errno.ENODATA, Device(child.pid).read, int(child.said), 1)
    d = Device(child.pid)
    vvar = next(v for v in maplib.smaps(child.pid) if v["name"] == "[vvar]")
    fails("the kernel's own page of time: ENODATA", errno.ENODATA, d.read,
          int(vvar["start"], 16), 1)
    child.end()
    child = Child(guarded)
    tap.ok(Device(child.pid).read(int(child.said), 4) == b"ZZZZ", "PROT_NONE does not matter")
    child.end()
    with maplib.Maps(["hugetlb"]) as w:
        huge = [v for v in maplib.smaps(w.pid) if v.get("Private_Hugetlb")]
        if huge:
            fails("hugetlb: ENODATA", errno.ENODATA, Device(w.pid).read,
                  int(huge[0]["start"], 16), 1)
        else:
            tap.skip("hugetlb: ENODATA", "no huge pages could be reserved")


def check_threads():
    with maplib.Maps(["pages"]) as w:
        d = Device(w.pid)
        start = first_of(w.pid, 8 << 20)
        size, bad = 1 << 20, []
        want = [mem(w.pid, start + k * size, size) for k in range(8)]

        def work(k):
            for _ in range(4):
                if d.read(start + k * size, size) != want[k]:
                    bad.append(k)
        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        tap.ok(not bad, "threads that share the file read each its own", bad)
        d.close()


STORM = 4 << 20


def change(seconds):
    """Fills, protects, empties and maps the same place, again and again."""
    end = time.monotonic() + seconds
    addr = anon(2 * STORM)
    addr += -addr % (2 << 20)
    print(addr, flush=True)
    while time.monotonic() < end:
        ctypes.memset(addr, 0x5a, STORM)
        libc.mprotect(ctypes.c_void_p(addr), ctypes.c_size_t(PAGE), 1)
        libc.madvise(ctypes.c_void_p(addr), ctypes.c_size_t(STORM), 4)
        ctypes.memset(addr + PAGE, 0x5a, STORM - PAGE)
        libc.mmap(addr, STORM, 3, 0x32, -1, 0)


def check_storm():
    p = subprocess.Popen([sys.executable, __file__, "change", "8"], stdout=subprocess.PIPE)
    start, d = int(p.stdout.readline()), Device(p.pid)
    got = bad = 0
    while True:
        at = start + random.randrange(STORM - PAGE)
        try:
            if random.random() < 0.5:
                data = d.read(at, start + STORM - at)
            else:
                size = min(500, (start + STORM - at) // 999)
                data = b"".join(filter(None, d.gather([at + i * 999 for i in range(size)], 8)))
        except OSError as e:
            if e.errno == errno.ESRCH:
                break
            continue
        got += len(data)
        bad += len(data.replace(b"Z", b"").replace(b"\0", b""))
    p.wait()
    tap.ok(got > 0 and not bad, f"of a target that changes all the while, {got >> 10} KiB",
           (got, bad))
    d.close()


class Heap:
    """A heap that nobody touches, in a control group of its own."""

    def __init__(self, huge):
        # malloc asks for them where they are there for those who ask.
        write(THP + "enabled", "madvise")
        env = {**os.environ, "GLIBC_TUNABLES": f"glibc.malloc.hugetlb={int(huge)}"}
        self.process = subprocess.Popen(
            [os.path.join(BIN, "bigheap"), "24", "256"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=env,
            preexec_fn=lambda: write(GROUP + "/cgroup.procs", os.getpid()))
        self.pid = self.process.pid
        self.process.stdout.readline()
        self.huge = sum(v["AnonHugePages"] for v in maplib.smaps(self.pid))

    def end(self):
        self.process.kill()
        self.process.wait()


def drain():
    """Puts on the lists what CPUs keep back for a moment: move_pages() does, be it of no page.
    Kernels without NUMA do not have it; there, what drops the page cache begins with that."""
    number = {"x86_64": 279, "aarch64": 239}[os.uname().machine]
    if libc.syscall(number, 0, 0, None, (ctypes.c_int * 1)(), None, 0) == 0:
        return
    if ctypes.get_errno() != errno.ENOSYS:
        raise OSError(ctypes.get_errno(), "move_pages")
    write("/proc/sys/vm/drop_caches", "1")


def settle(pid):
    """All on their lists, and cold, of a process that has come to rest."""
    maplib.wait_state(pid, "S")
    drain()
    while not all(f & (LRU | TAIL) for f in page_flags(pid).values()):
        time.sleep(0.1)
        drain()
    write(f"/proc/{pid}/clear_refs", "1")


def page_flags(pid):
    """What the kernel says of each anonymous page, by address."""
    out = {}
    with open("/proc/kpageflags", "rb", buffering=0) as f:
        for v in maplib.smaps(pid):
            start = int(v["start"], 16)
            if not v["Anonymous"]:
                continue
            for i, entry in enumerate(pagemap(pid, start, int(v["end"], 16))):
                if not entry & PRESENT:
                    continue
                flags, = struct.unpack("Q", os.pread(f.fileno(), 8, (entry & PFN) * 8))
                if flags & ANON:
                    out[start + i * PAGE] = flags & (REFERENCED | LRU | ACTIVE | TAIL | IDLE)
    return out


def anon_states(client, pid):
    return {e for e in client.pages(pid) if e[2] & C["STATE_ANON"]}


def generations():
    """Pages of the group by generation, without how long ago that began; MGLRU."""
    try:
        with open("/sys/kernel/debug/lru_gen", encoding="ascii") as f:
            text = f.read()
    except OSError:
        return None
    found = re.search(r"^memcg +\d+ +/fallow-read\n((?: .*\n)*)", text, re.M)
    return [line.split()[:1] + line.split()[2:] for line in found[1].splitlines()
            if len(line.split()) == 4] if found else None


def seen(client, pid):
    return {
        "flags": page_flags(pid),
        "accessed and referenced, by the module": anon_states(client, pid),
        "smaps Referenced": sum(v["Referenced"] for v in maplib.smaps(pid) if v["Anonymous"]
                                and not v["name"].startswith("/")),
        "generations": generations(),
    }


def differences(a, b):
    flags = [f"{addr:x} {a['flags'].get(addr):x} {n:x}" for addr, n in b["flags"].items()
             if a["flags"].get(addr) != n]
    return [(k, a[k], b[k]) if isinstance(a[k], (int, list)) else
            (k, len(a[k] ^ b[k]), list(a[k] ^ b[k])[:4]) if isinstance(a[k], set) else
            (k, len(flags), flags[:4]) for k in a if a[k] != b[k]]


def check_trace(name, huge):
    heap, c = Heap(huge), Client()
    if huge and not heap.huge:
        tap.skip(name, "this C library's heap has none")
        heap.end()
        return
    settle(heap.pid)
    before = seen(c, heap.pid)
    cold = sum(1 for f in before["flags"].values() if not f & (REFERENCED | ACTIVE))
    tap.ok(before["smaps Referenced"] == 0, f"{name}: all is cold before", before["smaps Referenced"])
    reports = {"fallow": [], "process_vm_readv": []}
    for _ in range(2):
        s = maplib.fallow("report", heap.pid)
        reports[s["reader"]].append(s)
    after = seen(c, heap.pid)
    tap.ok(len(reports["fallow"]) == 2 and before == after,
           f"{name}: two reports by the device leave {len(after['flags'])} pages as they were",
           differences(before, after))
    for _ in range(2):
        s = maplib.fallow("report", heap.pid, "--source=procfs")
        reports[s["reader"]].append(s)
    control = seen(c, heap.pid)
    hot = sum(1 for addr, f in control["flags"].items() if f != before["flags"].get(addr))
    tap.ok(len(reports["process_vm_readv"]) == 2 and hot > (0 if huge else cold // 2),
           f"{name}: two by process_vm_readv() are seen to heat {hot} of {cold} cold pages",
           differences(before, control))
    tap.ok(heap.huge > (8 << 20 if huge else -1), f"{name}: {heap.huge >> 20} MiB of huge pages")
    print(f"# smaps Referenced: {before['smaps Referenced'] >> 10} KiB before, "
          f"{after['smaps Referenced'] >> 10} by the device, "
          f"{control['smaps Referenced'] >> 10} by process_vm_readv(); active: "
          f"{sum(1 for f in before['flags'].values() if f & ACTIVE)}, "
          f"{sum(1 for f in after['flags'].values() if f & ACTIVE)}, "
          f"{sum(1 for f in control['flags'].values() if f & ACTIVE)} pages; generations "
          f"{before['generations']}, {control['generations']}", flush=True)
    said = [[(a["status"], a["live_bytes"], a["free_bytes"], a["returnable_bytes"])
             for a in r[-1]["allocators"]] for r in reports.values()]
    tap.ok(said[0] == said[1], f"{name}: both tell the same of the heap", said)
    heap.end()


def ages(client, pid, start, end):
    out = {}
    for addr, pages, state in client.pages(pid, [(start, end)], mask=C["STATE_AGE_MASK"]):
        out.update((addr + i * PAGE, state >> C["STATE_AGE_SHIFT"]) for i in range(pages))
    return out


def check_age(name, huge):
    c = Client()
    if not int.from_bytes(c.info()[INFO["CAPS"]], "little") & C["CAP_AGE"]:
        tap.skip(f"{name}: ages go on", "this kernel or machine cannot tell them")
        return
    heap = Heap(huge)
    v = next(v for v in maplib.smaps(heap.pid) if v["name"] == "[heap]")
    where = int(v["start"], 16), int(v["end"], 16)
    settle(heap.pid)
    c.age_start(heap.pid, 200)

    def wait(harvests):
        while True:
            got = ages(c, heap.pid, *where)
            if c.harvests >= harvests:
                return got
            time.sleep(0.1)
    before = wait(6)
    s = maplib.fallow("report", heap.pid)
    after = wait(c.harvests + 3)
    younger = [hex(a) for a, n in before.items() if after.get(a, 0) < n]
    tap.ok(s["reader"] == "fallow" and min(before.values()) >= 3 and not younger,
           f"{name}: a report by the device makes none of {len(before)} pages younger",
           (younger[:4], len(younger), set(before.values())))
    maplib.fallow("report", heap.pid, "--source=procfs")
    control = wait(c.harvests + 2)
    print(f"# by process_vm_readv(): {sum(1 for a, n in after.items() if control.get(a, 0) < n)} "
          f"pages younger", flush=True)
    c.age_stop(heap.pid)
    heap.end()


def check_fallback():
    with maplib.Maps(["pages"]) as w:
        readers = {s: maplib.fallow("regions", w.pid, f"--source={s}")["reader"]
                   for s in ("auto", "kmod", "procfs")}
        tap.ok(readers == {"auto": "fallow", "kmod": "fallow", "procfs": "process_vm_readv"},
               "the tool reads by the device, but with --source=procfs", readers)
        infos = [subprocess.run([FALLOW, "info"], stdout=subprocess.PIPE, text=True,
                                check=True).stdout]
        os.rename(DEVICE, DEVICE + "-away")
        reader = maplib.fallow("regions", w.pid)["reader"]
        infos.append(subprocess.run([FALLOW, "info"], stdout=subprocess.PIPE, text=True,
                                    check=True).stdout)
        os.rename(DEVICE + "-away", DEVICE)
        tap.ok(reader == "process_vm_readv", "without the device it falls back", reader)
        lines = [re.search(r"^reader .*$", i, re.M) for i in infos]
        tap.ok(all(lines) and "fallow" in lines[0][0] and "process_vm_readv" in lines[1][0],
               "info tells which", infos)


def main():
    signal.alarm(1200)
    maplib.still_kernel()
    write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
    os.makedirs(GROUP, exist_ok=True)
    check_requests()
    check_permission()
    check_namespace()
    check_contents()
    check_gather()
    check_absent()
    check_special()
    check_threads()
    check_storm()
    check_fallback()
    for lists in ("classic lists", "MGLRU") if os.path.exists(MGLRU) else ("classic lists",):
        if os.path.exists(MGLRU):
            write(MGLRU, 7 if lists == "MGLRU" else 0)
        check_trace(f"{lists}, small pages", False)
        check_trace(f"{lists}, huge pages", True)
    if not os.path.exists(MGLRU):
        tap.skip("MGLRU", "not in this kernel")
    check_age("small pages", False)
    check_age("huge pages", True)
    tap.done()


if sys.argv[1:2] == ["bind"]:
    sys.exit(error_of(Device, int(sys.argv[2])))
if sys.argv[1:2] == ["change"]:
    sys.exit(change(int(sys.argv[2])))
main()
