#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may look at whom: each command and the device, for each kind of caller and
target, beside what /proc shows to the same caller. Runs in a guest with the module
loaded, as root."""
import array
import ctypes
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import C, CMD, INFO, PAGES, REQ, VMA, Client, Refused, u32
from heaplib import BIN
from tap import Tap

tap = Tap()
libc = ctypes.CDLL(None, use_errno=True)
USER, OTHER = 1000, 1001
DEVICE = "/dev/fallow"
IOC_TARGET = 0x400466f0
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
PR_SET_DUMPABLE, PR_CAP_AMBIENT, PR_SET_KEEPCAPS = 4, 47, 8
CAP_SYS_PTRACE = 19
COMMANDS = ["GET_VMA", "GET_PAGES", "AGE_START", "AGE_STOP", "device"]
ALL = {c: 0 for c in COMMANDS}
NONE = {c: errno.EPERM for c in COMMANDS}
GONE = {c: errno.ESRCH for c in COMMANDS}


def call(number, *args):
    if number(*args) < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))


# Callers.

def become(uid):
    def setup():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # What setresuid() takes away, and hides the caller's /proc/self for.
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    return setup


def root():
    pass


def with_capability():
    """A user who has CAP_SYS_PTRACE and nothing else."""
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    become(USER)()
    set_capability(True)


def set_capability(on):
    bit = 1 << CAP_SYS_PTRACE if on else 0
    header = struct.pack("Ii", 0x20080522, 0)
    data = struct.pack("IIIIII", bit, bit, 0, 0, 0, 0)
    call(libc.capset, header, data)


def own_user_namespace(uid):
    """Root of a user namespace that @uid made."""
    def setup():
        become(uid)()
        call(libc.unshare, CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"),
                           ("gid_map", f"0 {uid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(text)
        os.setresuid(0, 0, 0)
    return setup


def in_child(work, setup=root):
    """Runs @work in a child after @setup; what it returns comes back as JSON does it."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(r)
            setup()
            os.write(w, json.dumps(work()).encode())
            status = 0
        except BaseException as e:
            os.write(w, json.dumps({"failed": repr(e)}).encode())
        os._exit(status)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        data = f.read()
    os.waitpid(pid, 0)
    return json.loads(data or b'{"failed": "no answer"}')


# What a caller is told.

def outcome(work):
    try:
        work()
        return 0
    except Refused as r:
        return r.errno
    except OSError as e:
        return e.errno


def use_device(pid, fd):
    own = fd is None
    fd = os.open(DEVICE, os.O_RDWR) if own else fd
    try:
        fcntl.ioctl(fd, IOC_TARGET, struct.pack("I", pid))
    finally:
        if own:
            os.close(fd)


def commands(pid, client=None, device=None):
    """The error of each command, 0 for none; what GET_VMA told, as "ranges"."""
    c = client or Client()
    seen = {}
    out = {"GET_VMA": outcome(lambda: seen.update(ranges=c.vmas(pid))),
           "GET_PAGES": outcome(lambda: c.pages(pid)),
           "AGE_START": outcome(lambda: c.age_start(pid, 1000)),
           "AGE_STOP": outcome(lambda: c.age_stop(pid)),
           "device": outcome(lambda: use_device(pid, device))}
    return {"commands": out, "ranges": seen.get("ranges", []), "proc": proc(pid),
            "info": outcome(c.info)}


def proc(pid):
    """The ranges that /proc shows to the caller; None: it shows none. What pagemap's
    mode keeps from all but its owner, smaps does not."""
    try:
        if os.stat(f"/proc/{pid}/pagemap").st_uid == os.geteuid():
            with open(f"/proc/{pid}/pagemap", "rb"):
                pass
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as f:
            return [[int(x, 16) for x in line.split()[0].split("-")] for line in f
                    if "[vsyscall]" not in line]
    except OSError:
        return None


def with_age(want):
    """What is wanted where ages cannot be told."""
    if has_age or want["AGE_START"]:
        return want
    return dict(want, AGE_START=errno.EOPNOTSUPP, AGE_STOP=errno.ENOENT)


def cell(name, want, answer, proc_shows=None):
    """@proc_shows: whether /proc must, for the cell to be what it is meant to be."""
    if "failed" in answer:
        tap.ok(False, name, answer["failed"])
        return
    got = answer["commands"]
    wrong = [f"{k}: {errno.errorcode.get(got[k], got[k])}" for k in COMMANDS
             if got[k] != with_age(want)[k]]
    if answer["info"]:
        wrong.append("GET_INFO is for all")
    shown = answer["proc"]
    if any(e == 0 for e in got.values()) and shown is None:
        wrong.append("/proc would not show that")
    if shown is not None and answer["ranges"] and answer["ranges"] != shown:
        wrong.append(f"other ranges than in maps: {answer['ranges']}, {shown}")
    if proc_shows is not None and (shown is not None) != proc_shows:
        wrong.append(f"maps shows {shown}")
    tap.ok(not wrong, name, "\n".join(wrong))


def check_callers():
    with maplib.Maps(["lazyfree"]) as roots, maplib.Maps(["lazyfree"], before=become(USER)) as users:
        for name, setup, pid, want, shows in (
                ("root at its own process", root, roots.pid, ALL, True),
                ("root at a user's", root, users.pid, ALL, True),
                ("a user at his own: what a page is, is the system's", become(USER), users.pid,
                 NONE, True),
                ("a user at another's", become(OTHER), users.pid, NONE, False),
                ("a user at root's", become(USER), roots.pid, NONE, False),
                ("a user with CAP_SYS_PTRACE at his own", with_capability, users.pid, ALL, True),
                ("a user with CAP_SYS_PTRACE at root's", with_capability, roots.pid, ALL, True)):
            cell(name, want, in_child(lambda p=pid: commands(p), setup), shows)


def check_privileged_targets():
    """Programs that are more than who started them."""
    program = "/tmp/maps-setuid"
    shutil.copy(os.path.join(BIN, "maps"), program)
    os.chmod(program, 0o4755)
    p = subprocess.Popen([program, "lazyfree"], preexec_fn=become(USER), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    cell("a user at a setuid program that he started", NONE,
         in_child(lambda: commands(p.pid), become(USER)), False)
    cell("root at that", ALL, in_child(lambda: commands(p.pid)), True)
    end(p)

    pid = os.fork()
    if not pid:
        become(USER)()
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        signal.pause()
    time.sleep(0.3)
    cell("a user at his own process that is not dumpable", NONE,
         in_child(lambda: commands(pid), become(USER)), False)
    cell("root at that", ALL, in_child(lambda: commands(pid)), True)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def end(p):
    p.kill()
    p.wait()


kept = []


def spawn_inside():
    """A process whose memory belongs to the namespace that the caller is root of."""
    kept.append(maplib.Maps(["lazyfree"]))
    return kept[-1].pid


def check_user_namespaces():
    with maplib.Maps(["lazyfree"]) as roots, maplib.Maps(["lazyfree"], before=become(USER)) as users:
        ns = own_user_namespace(USER)
        cell("root of a user namespace at a process of it", ALL,
             in_child(lambda: commands(spawn_inside()), ns), True)
        cell("at itself, whose memory is from before", NONE,
             in_child(lambda: commands(os.getpid()), ns))
        cell("at its user's process outside", NONE,
             in_child(lambda: commands(users.pid), ns))
        cell("at root's", NONE, in_child(lambda: commands(roots.pid), ns), False)
        cell("root of one made by root at root's outside", NONE,
             in_child(lambda: commands(roots.pid), own_user_namespace(0)))


def in_pid_namespace(work):
    """@work of the first process of a pid namespace, with its own /proc."""
    def run():
        call(libc.unshare, CLONE_NEWPID | CLONE_NEWNS)
        return in_child(inside)

    def inside():
        call(libc.mount, b"proc", b"/proc", b"proc", 0, None)
        return work()
    return run


def check_pid_namespaces():
    with maplib.Maps(["lazyfree"]) as outside:
        cell("pid 1 is that of the caller's pid namespace", ALL,
             in_child(in_pid_namespace(lambda: commands(1))), True)
        # Few processes are inside: the number of one outside names none there.
        cell("what is outside is not there: ESRCH", GONE,
             in_child(in_pid_namespace(lambda: commands(outside.pid))), False)

        def both():
            own_user_namespace(USER)()
            return in_pid_namespace(lambda: commands(spawn_inside()))()
        cell("root of a user and a pid namespace at a process of both", ALL, in_child(both), True)


# Sockets and files that are handed on.

def give(sock, fds):
    sock.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def take(sock, n):
    _, control, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(4 * n))
    return list(array.array("i", control[0][2][:4 * n]))


def adopt(fd):
    """A client of a socket that somebody else opened."""
    c = Client()
    os.dup2(fd, c.sock.fileno())
    os.close(fd)
    return c


def opened_by(setup):
    """A netlink socket and an open device, made by a process that is gone, by SCM_RIGHTS."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def open_and_give():
        c = Client()
        give(theirs, [c.sock.fileno(), os.open(DEVICE, os.O_RDWR)])
    in_child(open_and_give, setup)
    fd, device = take(ours, 2)
    return adopt(fd), device


def check_handed_on():
    with maplib.Maps(["lazyfree"]) as roots, maplib.Maps(["lazyfree"], before=become(USER)) as users:
        c, device = Client(), os.open(DEVICE, os.O_RDWR)
        cell("a socket of root's, inherited by a user, at his own", NONE,
             in_child(lambda: commands(users.pid, c, device), become(USER)))
        c, device = opened_by(root)
        cell("a socket of root's, sent to a user, at root's", NONE,
             in_child(lambda: commands(roots.pid, c, device), become(USER)))
        c, device = opened_by(become(USER))
        cell("a socket of a user's, sent to root", NONE,
             in_child(lambda: commands(users.pid, c, device)))
        c, device = opened_by(with_capability)
        cell("a socket of a user's with CAP_SYS_PTRACE, sent to root", ALL,
             in_child(lambda: commands(roots.pid, c, device)))
        c, device = opened_by(own_user_namespace(USER))
        cell("a socket of a user namespace's root, sent to root", NONE,
             in_child(lambda: commands(users.pid, c, device)))
        check_bound_device(users.pid)


def check_bound_device(pid):
    fd = os.open(DEVICE, os.O_RDWR)
    use_device(pid, fd)
    start = maplib.smaps(pid)[0]["start"]
    address = int(start, 16)
    tap.ok(os.pread(fd, 4, address) == b"\x7fELF", "what root bound, root reads")
    got = in_child(lambda: outcome(lambda: os.pread(fd, 4, address)), become(USER))
    tap.ok(got == errno.EPERM, "a user who inherits that does not", got)
    os.close(fd)


# Dumps under way.

def rest_of(c):
    """(messages, error) until the dump is over."""
    got = 0
    try:
        for _ in c.messages():
            got += 1
        return got, 0
    except Refused as r:
        return got, r.errno


def begun_dump(pid, cmd="GET_VMA"):
    c = Client()
    c.start_dump(u32(REQ["PID"], pid), cmd)
    return c


def check_dumps_under_way():
    with maplib.Maps(["many", "stripes"]) as p:
        for cmd in ("GET_VMA", "GET_PAGES"):
            whole, _ = rest_of(begun_dump(p.pid, cmd))
            c = begun_dump(p.pid, cmd)
            got = in_child(lambda c=c: rest_of(c), become(USER))
            tap.ok(got[1] == errno.EPERM and got[0] < whole,
                   f"{cmd} that root began: a user who reads on gets what was queued, and EPERM",
                   (got, whole))

            def drop(cmd=cmd):
                c = begun_dump(p.pid, cmd)
                set_capability(False)
                return rest_of(c)
            got = in_child(drop, with_capability)
            tap.ok(got[1] == errno.EPERM and got[0] < whole,
                   f"{cmd}: a capability that is dropped meanwhile", (got, whole))
            check_first_call(p.pid, cmd)


def fill_queue(c):
    """Has answers queue up until no more fit."""
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(64):
        c.send(c.family, CMD["GET_INFO"], b"", 0)


def check_first_call(pid, cmd):
    """A dump that is asked for by a user while there is no room, and that root's
    reading makes room for: it is the user's all the same."""
    c = Client()

    def ask():
        fill_queue(c)
        c.start_dump(u32(REQ["PID"], pid), cmd)
    in_child(ask, become(USER))
    told, errors = 0, []
    c.sock.setblocking(False)
    try:
        while True:
            try:
                data = c.sock.recv(1 << 17)
            except OSError as e:
                if e.errno == errno.EAGAIN:
                    break
                continue  # ENOBUFS: something was dropped
            kind, = struct.unpack_from("H", data, 4)
            if kind == 3 or kind == 2:
                errors.append(-struct.unpack_from("i", data, 16)[0])
            elif kind == c.family and data[16] in (2, 3):
                told += 1
    finally:
        c.sock.close()
    tap.ok(told == 0 and errno.EPERM in errors,
           f"{cmd} that a user asked for is not made by root who reads", (told, errors))


def check_exec():
    """The target becomes a setuid program: the dump stays with what it was."""
    program = "/tmp/maps-setuid"
    for cmd in ("GET_VMA", "GET_PAGES"):
        p = subprocess.Popen([sys.executable, "-c", f"""
import mmap, os, sys
held = [mmap.mmap(-1, 4096 * (1 + i % 2), prot=mmap.PROT_READ << (i % 2)) for i in range(2000)]
area = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
for i in range(0, 64 << 20, 8192):
    area[i] = 1
print("ready", flush=True)
sys.stdin.readline()
os.execl("{program}", "maps", "pages")
"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=become(USER), text=True)
        p.stdout.readline()
        old = proc(p.pid)
        c = begun_dump(p.pid, cmd)
        messages = c.messages()
        first = next(messages)
        p.stdin.write("\n")
        p.stdin.flush()
        p.stdout.readline()
        new = proc(p.pid)
        starts, error = addresses(first, cmd), 0
        try:
            for m in messages:
                starts += addresses(m, cmd)
        except Refused as r:
            error = r.errno
        strange = [hex(s) for s in starts if not within(s, old)]
        tap.ok(error == errno.ESRCH and not strange,
               f"{cmd}: a target that becomes a setuid program meanwhile: ESRCH",
               (error, strange[:4], new[:2]))
        end(p)


def addresses(m, cmd):
    if cmd == "GET_VMA":
        return [struct.unpack("Q", m[VMA["START"]])[0]]
    return [e[0] for e in struct.iter_unpack("QII", m[PAGES["EXTENTS"]])]


def within(address, ranges):
    return any(a <= address < b for a, b in ranges)


signal.alarm(600)
has_age = struct.unpack("Q", Client().info()[INFO["CAPS"]])[0] & C["CAP_AGE"]
tap.ok(os.stat(DEVICE).st_mode & 0o777 == 0o600, "the device is root's")
os.chmod(DEVICE, 0o666)  # so that it has to decide by itself
check_callers()
check_privileged_targets()
check_user_namespaces()
check_pid_namespaces()
check_handed_on()
check_dumps_under_way()
check_exec()
tap.done()
