#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What fallow watch costs: of a CPU, of memory, and of the throughput of a busy target,
with and without it in turn; and fallow top over 1,000 processes, beside what others take
for a list of them. Nothing is asserted."""
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

ROUNDS = 12
SECONDS = 3
MANY = 1000
TICK = os.sysconf("SC_CLK_TCK")


def ticks_of(pid):
    """CPU time of a process, in clock ticks."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Target:
    """A program that works, and tells how much it did."""

    def __init__(self, name, mib):
        self.process = subprocess.Popen([os.path.join(BIN, name), str(mib)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def done(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def rates(self):
        """What it does in a second, and in a second of CPU time."""
        first, ticks, begun = self.done(), ticks_of(self.pid), time.monotonic()
        time.sleep(SECONDS)
        did = self.done() - first
        return (did / (time.monotonic() - begun),
                did * TICK / (ticks_of(self.pid) - ticks))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Watch:
    """The screen, in a terminal that nobody looks at."""

    def __init__(self, pid):
        self.pid, self.terminal = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm"
            os.execv(FALLOW, [FALLOW, "watch", "-i", "1s", str(pid)])
        self.reader = subprocess.Popen(["cat"], stdin=self.terminal, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)

    def peak(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))

    def end(self):
        os.kill(self.pid, 15)
        os.waitpid(self.pid, 0)
        self.reader.kill()
        self.reader.wait()
        os.close(self.terminal)


def lost(alone, watched, which):
    """Per cent of a rate, and how much that varies by itself."""
    ratio = statistics.median(b[which] / a[which] for a, b in zip(alone, watched))
    alone = [a[which] for a in alone]
    spread = statistics.pstdev(alone) / statistics.mean(alone)
    return f"{100 * (1 - ratio):+.2f} % (alone it varies by {100 * spread:.2f} %)"


def watch(name, mib):
    with Target(name, mib) as target:
        alone, watched, cpu, peak = [], [], [], 0
        for _ in range(ROUNDS):
            alone.append(target.rates())
            w = Watch(target.pid)
            time.sleep(2)  # what the first look takes is not what is measured
            ticks, begun = ticks_of(w.pid), time.monotonic()
            watched.append(target.rates())
            cpu.append((ticks_of(w.pid) - ticks) / TICK / (time.monotonic() - begun))
            peak = max(peak, w.peak())
            w.end()
        print(f"  watch -i 1s, {name} with {mib} MiB: it loses {lost(alone, watched, 0)} of what "
              f"it does in a second, {lost(alone, watched, 1)} of what it does in a second of "
              f"CPU time; the tool takes {100 * statistics.median(cpu):.1f} % of a CPU, "
              f"{peak / 1024:.1f} MiB at most", flush=True)


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
    print("what the live screen costs:")
    with open("/proc/meminfo", encoding="ascii") as f:
        room = next(int(line.split()[1]) for line in f if line.startswith("MemAvailable")) >> 10
    for name, mib in (("busy", 2048), ("live", 2048), ("live", 8192)):
        if room > mib * 5 // 4 + 1024:
            watch(name, mib)
    print("lists of processes:")
    processes("that sleep", ["sleep", "1000"])
    if room > 12288:
        processes("of Python", ["/usr/bin/python3", "-c", "input()"])


main()
