#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that RSS does not count, against a program that knows what it holds, and the
control group, against what was set. As root."""
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
from tap import Tap

tap = Tap()
KIB, MIB = 1 << 10, 1 << 20
PROGRAM = os.path.join(heaplib.BIN, "beside")


@contextlib.contextmanager
def holding(mode, n, *before, **options):
    """Its pid, and what it says that it holds; or why it cannot."""
    p = subprocess.Popen([*before, PROGRAM, mode, str(n)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, **options)
    try:
        words = p.stdout.readline().split()
        yield p.pid, int(words[1]) if words[:1] == ["ready"] else " ".join(words)
    finally:
        p.kill()
        p.wait()


def about(value, want, share, slack=64 * KIB):
    return abs(value - want) <= want * share + slack


def diag_answers():
    """Whether the kernel has, or loads, what tells of unix sockets: NETLINK_SOCK_DIAG is 4,
    a dump by SOCK_DIAG_BY_FAMILY 20, an error 2."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as s:
        s.send(struct.pack("=IHHII", 40, 20, 0x301, 1, 0) +
               struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0, 0, 0, 0))
        return struct.unpack_from("=IH", s.recv(65536))[1] != 2


def check(mode, n, judge, *before):
    name = " ".join([mode, *before])
    if mode in ("unix", "sent") and not diag_answers():
        with holding(mode, n, *before) as (pid, _):
            seen = heaplib.look(pid)["beside_rss"]["descriptors"]["sockets"]
        tap.ok(seen["bytes"] is None and seen["count"] >= n and seen["known"] == 0,
               f"{name}: is unknown where sock_diag does not tell", seen)
        return
    with holding(mode, n, *before) as (pid, held):
        if isinstance(held, str):
            tap.skip(name, held)
            return
        seen = heaplib.look(pid)
        beside = seen["beside_rss"]
        tap.ok(judge(beside, beside["descriptors"], held), f"{name}: what it holds is told",
               (held, beside))
        wrong = heaplib.against_schema(seen)
        tap.ok(not wrong, f"{name}: as the schema has it", wrong)
        ids = [v["id"] for v in seen["verdicts"]]
        tap.ok("outside-rss" in ids, f"{name}: outside-rss", ids)
        rss = sum(line["resident_bytes"] for line in seen["ledger"])
        tap.ok(rss == seen["process"]["rss_bytes"], f"{name}: is in no line of the ledger", rss)
        text = subprocess.run([heaplib.FALLOW, str(pid)], stdout=subprocess.PIPE, text=True,
                              check=False).stdout
        tap.ok("\n  not in RSS: " in text, f"{name}: is a footnote", text)


def check_kinds():
    # A message takes more than its bytes, and less than twice that where it is long.
    def told(_, d, held):
        return held <= d["sockets"]["bytes"] <= 2 * held and \
            d["sockets"]["known"] == d["sockets"]["count"]
    check("unix", 500, told)
    check("tcp", 40, told)
    check("unix", 500, told, "unshare", "--net")
    # Of what others have sent, the messages alone.
    check("sent", 500, lambda _, d, held: d["sockets"]["bytes"] == held)
    # A page of page tables each; and of the upper levels, one of 512.
    check("tables", 25000, lambda b, _, held: about(b["page_tables_bytes"], held, 0.01))
    check("file", 80, lambda _, d, held: d["tmpfs_files"] == {"count": 1, "bytes": held})
    check("mapped", 160, lambda _, d, held: d["tmpfs_files"] == {"count": 1, "bytes": held // 2})
    check("ring", 80, lambda _, d, held: d["io_uring"] == {
        "count": 1, "buffers_bytes": held, "unmapped_bytes": held})


def check_nothing():
    with holding("file", 1) as (pid, _):
        seen = heaplib.look(pid)
        tap.ok("outside-rss" not in [v["id"] for v in seen["verdicts"]],
               "a little is no matter", seen["verdicts"])
        # No table is below what it maps.
        tables = seen["beside_rss"]["page_tables_bytes"]
        tap.ok(0 < tables < MIB, "page tables of a small process", tables)


def check_quick():
    """What is cheap is in quick looks, too: with --quick, in a recording, and in watch."""
    with holding("tables", 25000) as (pid, held), tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "f")
        whole = heaplib.look(pid)
        with subprocess.Popen([heaplib.FALLOW, "record", str(pid), "-o", path],
                              stdout=subprocess.DEVNULL) as recorder:
            while recorder.poll() is None and subprocess.run(
                    [heaplib.FALLOW, path], check=False, stderr=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL).returncode:
                time.sleep(0.1)
            recorder.terminate()
        watch = subprocess.Popen([heaplib.FALLOW, "watch", "--json", str(pid)],
                                 stdout=subprocess.PIPE)
        watched = json.loads(watch.stdout.readline())
        watch.kill()
        watch.communicate()
        text = subprocess.run([heaplib.FALLOW, path], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        for name, seen in [("--quick", heaplib.look(pid, "--quick")), ("watch", watched),
                           ("record", heaplib.look(path))]:
            beside, group = seen["beside_rss"], seen["cgroup_memory"]
            tap.ok(about(beside["page_tables_bytes"], held, 0.01)
                   and beside["hugetlb_bytes"] == 0 and beside["descriptors"] is None,
                   f"{name}: page tables are there, descriptors are not looked at", beside)
            tap.ok(all(group[key] == whole["cgroup_memory"][key]
                       for key in ("version", "path", "limit_bytes"))
                   and (group["current_bytes"] is None)
                   == (whole["cgroup_memory"]["current_bytes"] is None),
                   f"{name}: the control group is, too", group)
            tap.ok("outside-rss" in [v["id"] for v in seen["verdicts"]],
                   f"{name}: and it is judged", seen["verdicts"])
        tap.ok("page tables" in text and "control group" in text and "a quick look" in text,
               "the text of a recording has them", text)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read().strip()


def find_groups():
    """Where groups that count memory can be made: folder, version; or why not."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        mounts = [line.split() for line in f]
    for words in mounts:
        kind, options = words[words.index("-") + 1], words[-1].split(",")
        if kind == "cgroup" and "memory" in options and words[3] == "/":
            return words[4], 1
    for words in mounts:
        if words[words.index("-") + 1] == "cgroup2" and words[3] == "/" and \
                "memory" in read(words[4] + "/cgroup.controllers").split():
            return words[4], 2
    return "no hierarchy of control groups that count memory is mounted here", 0


@contextlib.contextmanager
def groups(root, version):
    """A group, one in it, and one beside it."""
    outer = f"{root}/fallow-beside-{os.getpid()}"
    inner, aside = outer + "/a b", outer + "-aside"
    control = root + "/cgroup.subtree_control"
    lends = version == 2 and "memory" not in read(control).split()
    if lends:
        write(control, "+memory")
    os.mkdir(outer)
    os.mkdir(aside)
    try:
        if version == 2:
            write(outer + "/cgroup.subtree_control", "+memory")
        os.mkdir(inner)
        try:
            yield outer, inner, aside
        finally:
            remove(inner)
    finally:
        remove(aside)
        remove(outer)
        if lends:
            write(control, "-memory")


def remove(folder):
    for _ in range(600):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
            return
        time.sleep(0.1)


def cannot_make(root, version):
    """Why no groups can be made there: a container's are not its own. None if they can."""
    try:
        with groups(root, version):
            return None
    except OSError as why:
        return str(why)


def enter(folder):
    return lambda: write(folder + "/cgroup.procs", os.getpid())


def killed(folder):
    """Something that wants more than there may be."""
    p = subprocess.run([sys.executable, "-c", "b'x' * (400 << 20)"], check=False,
                       stderr=subprocess.DEVNULL, preexec_fn=enter(folder))
    return p.returncode == -9


def check_group(root, version):
    limit, usage = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
                    2: ("memory.max", "memory.current")}[version]
    with groups(root, version) as (outer, inner, aside):
        write(f"{outer}/{limit}", 200 * MIB)
        write(f"{inner}/{limit}", 300 * MIB)
        if version == 2:
            write(f"{inner}/memory.high", 250 * MIB)
        with holding("file", 80, preexec_fn=enter(inner)) as (pid, _):
            seen = heaplib.look(pid)["cgroup_memory"]
            now = int(read(f"{inner}/{usage}"))
            text = subprocess.run([heaplib.FALLOW, str(pid)], stdout=subprocess.PIPE,
                                  text=True, check=False).stdout
            hidden = json.loads(subprocess.run(
                ["unshare", "--cgroup", heaplib.FALLOW, "report", "--json", str(pid)],
                stdout=subprocess.PIPE, check=True,
                preexec_fn=enter(aside)).stdout)["cgroup_memory"]
            ends = killed(inner)
            after = heaplib.look(pid)["cgroup_memory"]
    name = f"a group of version {version}"
    path = inner[len(root):]
    tap.ok(seen["version"] == version and seen["path"] == path, f"{name} is found", seen)
    tap.ok(80 * MIB <= seen["current_bytes"] and about(seen["current_bytes"], now, 0.05, 4 * MIB),
           f"{name}: usage", (seen, now))
    tap.ok(seen["limit_bytes"] == 200 * MIB and seen["limit_of"] == path.rsplit("/", 1)[0],
           f"{name}: the least limit, and whose it is", seen)
    tap.ok(seen["high_bytes"] == (250 * MIB if version == 2 else None), f"{name}: high", seen)
    tap.ok("at most 200.0 MiB" in text and "\n  control group " in text, f"{name}: is shown",
           text)
    tap.ok(hidden["version"] is None and hidden["reason"],
           f"{name}: where it cannot be seen, it is unknown", hidden)
    if ends:
        tap.ok(seen["oom_kills"] == 0 and after["oom_kills"] == 1,
               f"{name}: what was ended for want of memory", (seen, after))
    else:
        tap.skip(f"{name}: what was ended for want of memory",
                 "nothing was: there is swap enough")


def main():
    check_kinds()
    check_nothing()
    check_quick()
    root, version = find_groups()
    why = cannot_make(root, version) if version else root
    if why:
        tap.skip("control groups", why)
    else:
        check_group(root, version)
    tap.done()


main()
