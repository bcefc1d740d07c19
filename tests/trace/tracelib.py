# SPDX-License-Identifier: GPL-2.0-or-later
"""Workloads that map memory, traces of them, and what their files say of addresses."""
import bisect
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from heaplib import BIN, FALLOW

POLL = {"x86_64": ["7", "271"], "aarch64": ["73"]}[platform.machine()]
PATIENCE = 120


class Workload:
    """tests/workloads/trace.c, or what ends in being that, until the end of the block."""

    def __init__(self, *command, ready=True):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE)
        self.pid = self.process.pid
        if ready:
            self.read_until("ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def read_until(self, last):
        """The lines before it."""
        lines = []
        for line in self.process.stdout:
            if line == last + "\n":
                return lines
            lines.append(line.rstrip("\n"))
        raise RuntimeError(f"the workload ended before '{last}': {lines}")

    def say(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def work(self):
        """What it says to have mapped, by function."""
        self.say()
        return {name: int(n) for name, n in
                (line.split() for line in self.read_until("done"))}


class Trace:
    """fallow trace of a process, which it follows when this is made."""

    def __init__(self, pid, *options):
        self.process = subprocess.Popen([FALLOW, "trace", str(pid), "--for=1h", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None and not self.waits():
            if time.monotonic() > until:
                self.process.kill()
                raise RuntimeError("fallow does not begin to trace")
            time.sleep(0.02)

    def waits(self):
        """Whether it is in poll(2): it is nowhere else than between two readings."""
        try:
            with open(f"/proc/{self.process.pid}/syscall", encoding="ascii") as f:
                return f.read().split()[0] in POLL
        except ProcessLookupError:
            return False

    def end(self, interrupt=True):
        """Its exit status, output and errors."""
        if interrupt and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err.decode()


def traced(pid, during, interrupt=True):
    """The JSON of a trace, and what @during returned, which ran meanwhile."""
    trace = Trace(pid, "--json")
    result = during()
    status, out, err = trace.end(interrupt)
    if status:
        raise RuntimeError(f"fallow trace ended with {status}: {err}")
    return json.loads(out), result


def mount_tracefs():
    """In a mount namespace of our own, if it is not there."""
    if os.path.exists("/sys/kernel/tracing/events"):
        return
    if not os.environ.get("IN_NAMESPACE"):
        os.environ["IN_NAMESPACE"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    subprocess.run(["mount", "-t", "tracefs", "nodev", "/sys/kernel/tracing"], check=False)


def why_not():
    """What this kernel lacks, by its own word; NULL if a trace can be taken."""
    if os.getuid():
        return "not root"
    for path in ["/sys/kernel/tracing/events/syscalls", "/proc/sys/kernel/perf_event_paranoid",
                 "/proc/sys/kernel/unprivileged_bpf_disabled"]:
        if not os.path.exists(path):
            return f"this kernel has no {path}"
    return None


def lossless(take):
    """What @take returns, a trace first; again where a busy machine did not keep up."""
    for _ in range(5):
        result = take()
        if not result[0]["partial"]:
            break
    return result


def mapped(pid):
    """Bytes of all mappings, by smaps."""
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Size:"))


class Symbols:
    """The functions of a file, by the table that the linker wrote."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.functions = sorted(self.table())
        self.starts = [f[0] for f in self.functions]

    def sections(self):
        """Each: type, offset, size, link."""
        shoff, = struct.unpack_from("<Q", self.data, 40)
        size, count = struct.unpack_from("<HH", self.data, 58)
        for i in range(count):
            _, kind, _, _, offset, length, link = struct.unpack_from(
                "<IIQQQQI", self.data, shoff + i * size)
            yield kind, offset, length, link

    def table(self):
        sections = list(self.sections())
        for kind, offset, length, link in sections:
            if kind != 2:
                continue
            for at in range(offset, offset + length, 24):
                name, info, _, _, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
                if info & 15 == 2 and size:
                    start = sections[link][1] + name
                    end = self.data.index(b"\0", start)
                    yield value, size, self.data[start:end].decode()

    def at(self, offset):
        i = bisect.bisect_right(self.starts, offset) - 1
        if i >= 0 and offset < self.functions[i][0] + self.functions[i][1]:
            return self.functions[i][2].split(".")[0]
        return None


def still_by(trace, names, name_of):
    """Bytes still mapped by the innermost function of each stack that is one of @names."""
    sums = dict.fromkeys(names, 0)
    for stack in trace["stacks"]:
        for frame in stack["frames"]:
            if name_of(frame) in sums:
                sums[name_of(frame)] += stack["still_mapped_bytes"]
                break
    return sums


def by_name(frame):
    return (frame["function"] or "").split(".")[0]


def by_offset(path, symbols):
    def name_of(frame):
        if frame["module"] != path or not frame["offset"]:
            return None
        # Where a call returns to may be another function's begin.
        return symbols.at(int(frame["offset"], 16) - 1)
    return name_of


def workload(kind):
    return os.path.join(BIN, f"trace-{kind}")
