#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What those who look for growth cost the process that they look at: fallow trace, fallow
report --idle (with the module), bpftrace, heaptrack and massif, on the same two loads, in
turn. Prints how many times as long the load's work takes; what cannot be run says why."""
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../trace"), os.path.join(HERE, "..")]
import tracelib
from heaplib import BIN, FALLOW

ROUNDS = 3
SECONDS, SETTLE = 5, 4
A_SECOND = 40  # batches, of batch-server.c
BPF = ("tracepoint:syscalls:sys_enter_mmap /pid == {pid}/ {{ @mapped[ustack] = sum(args->len); }} "
       "tracepoint:syscalls:sys_enter_munmap /pid == {pid}/ {{ @gone[ustack] = sum(args->len); }}")


class CannotRun(Exception):
    """With the reason."""


class Mappings:
    """Nothing but mmap(2) and munmap(2), as fast as it can."""
    name = "mmap and munmap"
    command = [os.path.join(BIN, "trace-nofp"), "churn", str(SECONDS)]

    @staticmethod
    def work(p):
        """Seconds for a turn."""
        p.stdin.write("go\n")
        p.stdin.flush()
        for line in p.stdout:
            if line.startswith("turns"):
                return SECONDS / max(1, int(line.split()[1]))
        raise CannotRun("the load ended")


class Batches:
    """A server that allocates and frees, at a steady pace."""
    name = "a server of batches"
    # Of its first 20 s, batches are large for 5 s; those from there on are alike.
    BEGIN = 5 + SETTLE
    command = [os.path.join(BIN, "batch-server"), str(BEGIN + SECONDS + 1)]

    @staticmethod
    def work(p):
        """Processor time for a batch, of those that it is looked at for."""
        first = None
        for line in p.stdout:
            fields = line.split()
            if len(fields) != 4 or not all(n.isdigit() for n in fields):
                continue  # heaptrack has something to say, too
            batches, cpu = int(fields[2]), int(fields[3])
            if not first and batches >= Batches.BEGIN * A_SECOND:
                first = batches, cpu
            elif first and batches >= (Batches.BEGIN + SECONDS) * A_SECOND:
                return (cpu - first[1]) / (batches - first[0])
        raise CannotRun("the load ended")


@contextlib.contextmanager
def running(command, cwd):
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.DEVNULL, cwd=cwd)
    try:
        yield p
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()


@contextlib.contextmanager
def beside(command):
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.STDOUT)
    try:
        yield p
        if p.poll() is not None:
            raise CannotRun(p.stdout.read().strip()[-200:])
    finally:
        p.terminate()
        p.communicate()


@contextlib.contextmanager
def by_trace(pid):
    reason = tracelib.why_not()
    if reason:
        raise CannotRun(reason)
    trace = tracelib.Trace(pid)
    yield
    trace.end()


@contextlib.contextmanager
def by_idle(pid):
    with beside([FALLOW, "report", "--idle=100ms", "--after=1h", str(pid)]):
        time.sleep(SETTLE)  # its first look is over
        yield


@contextlib.contextmanager
def by_bpftrace(pid):
    if not shutil.which("bpftrace"):
        raise CannotRun("not installed")
    with beside(["bpftrace", "-e", BPF.format(pid=pid)]):
        time.sleep(SETTLE)  # it says that it attaches, not that it has
        yield


ATTACHED = {"fallow trace": by_trace, "fallow report --idle=100ms": by_idle,
            "bpftrace, stacks of mmap": by_bpftrace}
LAUNCHED = {"heaptrack": ["heaptrack", "-o", "track"],
            "valgrind massif": ["valgrind", "--tool=massif"],
            "valgrind massif, pages": ["valgrind", "--tool=massif", "--pages-as-heap=yes"]}


def measure(load, name):
    """Of the load's work a unit, alone if @name is None."""
    prefix = LAUNCHED.get(name, [])
    if prefix and not shutil.which(prefix[0]):
        raise CannotRun("not installed")
    with tempfile.TemporaryDirectory() as folder:
        with running([*prefix, *load.command], folder) as p:
            if load is Mappings:
                for line in p.stdout:
                    if line == "ready\n":
                        break
            with ATTACHED[name](p.pid) if name in ATTACHED else contextlib.nullcontext():
                return load.work(p)


def bench(load):
    names = [None, *ATTACHED, *LAUNCHED]
    took, why = {n: [] for n in names}, {}
    for _ in range(ROUNDS):
        for name in names:
            if name in why:
                continue
            try:
                took[name].append(measure(load, name))
            except (CannotRun, RuntimeError, OSError) as e:
                why[name] = " ".join(str(e).split())
    alone = statistics.median(took[None])
    print(f"  {load.name}:")
    for name in names[1:]:
        if name in why:
            print(f"    {name:28} -      {why[name]}")
        else:
            print(f"    {name:28} {statistics.median(took[name]) / alone:6.2f} times as long")


def main():
    tracelib.mount_tracefs()
    print("slowdown of a process that is looked at:")
    for load in (Batches, Mappings):
        bench(load)


main()
