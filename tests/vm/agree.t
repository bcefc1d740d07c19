#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mapping of programs from life: what the tool says, by the module and by
/proc, against smaps. In a guest or out of it; usage: agree.t SOURCE…"""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import heaplib
import maplib
from tap import Tap

tap = Tap()
IN_GUEST = "FALLOW_GUEST" in os.environ
SOURCES = sys.argv[1:] or ["procfs"]
TRIES = 3  # a look: the kernel merges and splits huge pages when it likes
MIB = 1 << 20

NUMPY = """
import sys, tempfile
import numpy as np
a = np.random.default_rng(1).random((512, 2048))
product = a @ a.T
sparse = np.zeros((2048, 1024))
sparse[::64] = 1
untouched = np.zeros((4096, 4096))
file = tempfile.TemporaryFile()
written = np.memmap(file, dtype="float32", mode="w+", shape=(1 << 20,))
written[::3000] = 1
copied = np.memmap(file, dtype="float32", mode="c", shape=(1 << 20,))
copied[::9000] = 2
freed = [np.ones(5000) for _ in range(400)]
del freed[::2]
print("ready", flush=True)
sys.stdin.read()
"""

# Subshells share their parent's heap, until they write.
PIPELINE = """
data=$(seq 60000)
{ copy=${data//1/2}; sort <<<"$copy" | tail -n 1; echo ready; sleep 1000; } |
	{ read -r x; read -r y; data=; echo "$y"; sleep 1000; } | cat
"""


def stop(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        maplib.wait_state(pid, "T")


def look(source, pid):
    """What the tool says, and how it differs from smaps, and from itself."""
    for _ in range(TRIES):
        before = maplib.smaps(pid)
        out = maplib.fallow("regions", pid, f"--source={source}")
        after = maplib.smaps(pid)
        wrong = maplib.compare(out["regions"], before, after, source, alone=IN_GUEST)
        ledger = sum(c["resident_bytes"] for c in out["ledger"])
        if ledger != sum(r["rss_bytes"] for r in out["regions"]):
            wrong.append(f"the ledger adds up to {ledger}")
        if not wrong:
            break
    return out, before, wrong


def agree(name, pid):
    """A stopped process, by each source."""
    for source in SOURCES:
        out, smaps, wrong = look(source, pid)
        tap.ok(out["source"] == source and not wrong,
               f"{source}: {name}: all of {len(smaps)} mappings equal smaps",
               "\n".join(wrong[:12]))


@contextlib.contextmanager
def started(command, **options):
    """A program that says "ready", in a session of its own, which ends with it."""
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         start_new_session=True, **options)
    try:
        while True:
            line = p.stdout.readline()
            if not line:
                raise EOFError(f"{command[0]} ended")
            if line.strip() == b"ready":
                break
        yield p
    finally:
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        p.stdin.close()
        p.stdout.close()


def session(leader):
    """The processes of a session that have memory."""
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                state, _, _, number = f.read().rsplit(")", 1)[1].split()[:4]
            if int(number) == leader and state != "Z":
                out.append(int(pid))
    return out


def check_heap():
    for pattern in ("random-free", "all-but-last"):
        with heaplib.Workload(heaplib.native(), pattern, 4, 1) as w:
            w.work()
            stop([w.pid])
            agree(f"heap of {pattern}", w.pid)


def rss(pid):
    return sum(v["Rss"] for v in maplib.smaps(pid))


# The server's program has the name by which it may be installed without being run.
def redis(directory):
    return subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", "socket", "--save", ""],
        executable="/usr/bin/redis-check-rdb", cwd=directory, stdout=subprocess.DEVNULL)


def check_redis():
    if not os.path.exists("/usr/bin/redis-check-rdb"):
        tap.skip("redis", "redis-tools is not installed")
        return
    with tempfile.TemporaryDirectory() as directory:
        server = redis(directory)
        while not os.path.exists(os.path.join(directory, "socket")):
            time.sleep(0.05)
        client = subprocess.Popen(
            ["redis-benchmark", "-s", "socket", "-q", "-n", "100000000", "-r", "30000",
             "-d", "700", "-t", "set,lpush,sadd"], cwd=directory,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = rss(server.pid)
        while rss(server.pid) < before + 16 * MIB:
            time.sleep(0.2)
        stop([server.pid])
        agree("redis under load", server.pid)
        for p in (client, server):
            p.kill()
            p.wait()


def check_numpy():
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import numpy"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        tap.skip("numpy", "python3-numpy is not installed")
        return
    with started([python, "-c", NUMPY], cwd="/tmp") as p:
        stop([p.pid])
        agree("Python with numpy", p.pid)


def check_pipeline():
    with started(["bash", "-c", PIPELINE]) as p:
        os.killpg(p.pid, signal.SIGSTOP)
        pids = session(p.pid)
        stop(pids)
        tap.ok(len(pids) >= 4, "a pipeline has children", pids)
        for pid in sorted(pids):
            with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                agree(f"pipeline: {f.read().strip()}", pid)


def check_unknown():
    """What is null is what info says is unknown, and no more."""
    known = maplib.info()["sources"]
    for source in SOURCES:
        out = maplib.fallow("regions", os.getpid(), f"--source={source}")
        null = [{k[:-len("_bytes")] for part in (r, r["reclaim"]) for k, n in part.items()
                 if n is None and k.endswith("_bytes")} for r in out["regions"]]
        want = set(known[source]["unknown"])
        tap.ok(all(n == want for n in null), f"{source}: null is what info calls unknown",
               f"{want}\n{null[0]}")


def find(regions, flag):
    return next((r for r in regions if flag in r["flags"]), None)


def check_special(source):
    """Mappings whose counts smaps does not have."""
    with maplib.Maps(["uffd", "device", "guard"]) as w:
        stop([w.pid])
        out, smaps, _ = look(source, w.pid)
    regions = out["regions"]
    has_uffd = any({"um", "uw"} & v["VmFlags"] for v in smaps)
    uffd = find(regions, "uffd")
    tap.ok((uffd is not None) == has_uffd and (not uffd or uffd["rss_bytes"] == MIB // 2),
           f"{source}: userfaultfd{'' if has_uffd else ' (not allowed here)'}", uffd)
    bios = next((r for r in regions if r["name"] == "/dev/mem"), None)
    if not bios:
        tap.skip(f"{source}: frames of a device", "no /dev/mem can be mapped here")
    else:
        size = int(bios["end"], 16) - int(bios["start"], 16)
        tap.ok(bios["rss_bytes"] == 0 and bios["device_bytes"] in (size, None) and
               {"pfnmap", "io"} <= set(bios["flags"]), f"{source}: frames of a device", bios)
    guards = [r["guard_bytes"] for r in regions]
    if None in guards:
        tap.skip(f"{source}: guard pages", "unknown here")
    else:
        tap.ok(sum(guards) == MIB // 2, f"{source}: guard pages", guards)
    listed = any(v["name"] == maplib.VSYSCALL for v in smaps)
    tap.ok(not any(r["name"] == maplib.VSYSCALL for r in regions),
           f"{source}: the vsyscall page{'' if listed else ' (none here)'} is no mapping")


maplib.still_kernel()
check_heap()
check_redis()
check_numpy()
check_pipeline()
check_unknown()
for src in SOURCES:
    check_special(src)
tap.done()
