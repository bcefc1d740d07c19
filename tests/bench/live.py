#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What fallow watch costs: of the throughput of a busy target, with and without it in turn,
of a CPU, and of memory, beside others that look each second; and fallow top over 1,000
processes, beside what others take for a list of them. Nothing is asserted."""
import glob
import math
import os
import pty
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from heaplib import BIN, FALLOW

ROUNDS = 8
SECONDS = 20
MANY = 1000


def of_status(pid, field):
    """In bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(field + ":"))


class Target:
    """A program that works, and tells how much it did."""

    def __init__(self, command, library=None):
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE,
                                        env={**os.environ, "LD_PRELOAD": library or ""})
        self.process.stdout.readline()
        self.pid = self.process.pid

    def done(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def rate(self):
        """What it does in a second."""
        first, begun = self.done(), time.monotonic()
        time.sleep(SECONDS)
        return (self.done() - first) / (time.monotonic() - begun)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Beside:
    """One who looks at it, each second, in a terminal that nobody looks at."""

    def __init__(self, command):
        self.pid, terminal = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm"
            os.execvp(command[0], command)
        self.reader = subprocess.Popen(["cat"], stdin=terminal, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        os.close(terminal)

    def end(self):
        """Seconds of CPU time that it took, and its peak of memory; its children's, too,
        but of theirs only what is more than our own, which the kernel takes for part of it."""
        peak = of_status(self.pid, "VmHWM")
        os.kill(self.pid, 15)
        usage = os.wait4(self.pid, 0)[2]
        self.reader.kill()
        self.reader.wait()
        if usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            peak = max(peak, usage.ru_maxrss << 10)
        return usage.ru_utime + usage.ru_stime, peak


def each_second(*command):
    return ["bash", "-c", 'trap exit TERM; while :; do "$@" >/dev/null 2>&1; sleep 1; done', "-",
            *command]


def lookers(pid, folder):
    """Those that there are here, by name."""
    every = {"fallow watch -i 1s": [FALLOW, "watch", "-i", "1s", str(pid)],
             "pmap -X, each second": each_second("pmap", "-X", str(pid)),
             "smem, each second": each_second("smem", "-k"),
             "top -d 1": ["top", "-d", "1", "-p", str(pid)],
             "atop 1": ["atop", "-w", os.path.join(folder, "log"), "1"]}
    return {name: c for name, c in every.items()
            if shutil.which(c[4] if c[0] == "bash" else c[0])}


def interval(values):
    """Of the median, by ranks: no distribution is taken for granted. And how sure it is."""
    values, n, out = sorted(values), len(values), 0
    beyond = [sum(math.comb(n, i) for i in range(k + 1)) / 2 ** (n - 1) for k in range(n // 2)]
    while out + 1 < len(beyond) and beyond[out + 1] <= 0.05:
        out += 1
    return values[out], values[-1 - out], 1 - beyond[out]


def beside(target, name, command):
    """In pairs, with and without in turn, and each the first one of a pair in turn."""
    lost, cpu, peak = [], [], 0
    for i in range(ROUNDS):
        rate = {}
        for watched in (False, True) if i % 2 else (True, False):
            begun, who = time.monotonic(), Beside(command) if watched else None
            rate[watched] = target.rate()
            if who:
                took, most = who.end()
                cpu.append(took / (time.monotonic() - begun))
                peak = max(peak, most)
        lost.append(100 * (1 - rate[True] / rate[False]))
    low, high, sure = interval(lost)
    print(f"    {name:22} {statistics.median(lost):+6.2f} % ({low:+.2f} to {high:+.2f}, "
          f"{100 * sure:.0f} % sure)   {100 * statistics.median(cpu):5.1f} % of a CPU   "
          f"{peak / (1 << 20):6.1f} MiB", flush=True)


def watch(command, library=None, others=False):
    with Target(command, library) as target, tempfile.TemporaryDirectory() as folder:
        what = " ".join([os.path.basename(command[0]), *command[1:]])
        print(f"  {what}{', jemalloc' * bool(library)}, RSS "
              f"{of_status(target.pid, 'VmRSS') >> 20} MiB: what it loses of what it does in a "
              "second; what that takes, and has at most", flush=True)
        for name, looker in lookers(target.pid, folder).items():
            if others or looker[0] == FALLOW:
                beside(target, name, looker)


def timed(command):
    times = []
    for _ in range(5):
        begun = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append((time.monotonic() - begun,
                      after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


def processes(name, command):
    """So many, listed by one tool and another."""
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
               for _ in range(MANY)]
    time.sleep(5)
    with tempfile.TemporaryDirectory() as home:
        tools = [[FALLOW, "top", "--once"], ["ps", "aux"], ["top", "-b", "-n", "1"],
                 ["smem", "-k"], ["atop", "-w", os.path.join(home, "log"), "1", "1"]]
        for tool in tools:
            if shutil.which(tool[0]):
                wall, cpu = timed(tool)
                label = "fallow" if tool[0] == FALLOW else tool[0]
                print(f"  {label + ' ' + tool[1]:12} over {MANY} {name}: {wall:.2f} s, "
                      f"{cpu:.2f} s of CPU" + " (1 s of it is its interval)" * (tool[0] == "atop"))
    for p in started:
        p.kill()
    for p in started:
        p.wait()


def main():
    with open("/proc/meminfo", encoding="ascii") as f:
        room = next(int(line.split()[1]) for line in f if line.startswith("MemAvailable")) >> 10
    mib = min(8192, room * 2 // 5)
    cpus, live = os.cpu_count(), os.path.join(BIN, "live")
    jemalloc = next(iter(glob.glob("/usr/lib/*/libjemalloc.so.2")), None)
    print(f"what looking costs, {ROUNDS} times {SECONDS} s with and without, {cpus} CPUs:")
    watch([live, str(mib), str(cpus)], others=True)
    watch([live, str(mib)])
    if jemalloc:
        watch([live, str(mib), str(cpus)], jemalloc)
    else:
        print("  jemalloc: not installed")
    watch([os.path.join(BIN, "busy"), str(mib)])
    print("lists of processes:")
    processes("that sleep", ["sleep", "1000"])
    if room > 12288:
        processes("of Python", ["/usr/bin/python3", "-c", "input()"])


main()
