# SPDX-License-Identifier: GPL-2.0-or-later
"""Heap workloads under one glibc or another, and looks at them."""
import contextlib
import json
import os
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(HERE)
FALLOW = os.environ.get("FALLOW", os.path.join(TREE, "build/fallow"))
BIN = os.environ.get("FALLOW_WORKLOADS", os.path.join(TREE, "build/workloads"))


class Glibc:
    """How to start a program under a glibc: a command that goes before it."""

    def __init__(self, name, prefix, program, is_native=False):
        self.name = name
        self.prefix = prefix
        self.program = program
        self.native = is_native


def native():
    return Glibc("glibc here", [], os.path.join(BIN, "heap"), True)


def glibcs(tap):
    """This system's glibc, and those that tests/heap/glibcs could get."""
    yield native()
    yield Glibc("glibc here, static", [], os.path.join(BIN, "heap-static"))
    run = subprocess.run([os.path.join(HERE, "heap/glibcs"), BIN], text=True,
                         stdout=subprocess.PIPE, check=False)
    for line in run.stdout.splitlines():
        suite, version, *prefix = line.split()
        if version == "-":
            tap.skip(f"glibc of {suite}", " ".join(prefix))
        else:
            yield Glibc(f"glibc {version} ({suite})", prefix, os.path.join(BIN, "heap-old"))


def patterns():
    out = subprocess.run([os.path.join(BIN, "heap")], text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    return out.split()


def rss_of(pid):
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Rss:"))


def look(pid, *options):
    out = subprocess.run([FALLOW, "report", str(pid), "--json", *options], check=True,
                         stdout=subprocess.PIPE, timeout=120).stdout
    return json.loads(out)


class Workload:
    def __init__(self, glibc, pattern, threads, seed, env=None):
        self.process = subprocess.Popen(
            [*glibc.prefix, glibc.program, pattern, str(threads), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        return self.process.stdout.readline().split()

    def work(self):
        return int(self.ask("work")[1])

    def info(self):
        return [int(n) for n in self.ask("info")[1:]]

    def rss(self):
        return rss_of(self.pid)

    def state(self):
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0]

    @contextlib.contextmanager
    def stopped(self):
        os.kill(self.pid, signal.SIGSTOP)
        while self.state() != "T":
            time.sleep(0.001)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def look(self, *options):
        return look(self.pid, *options)
