# SPDX-License-Identifier: GPL-2.0-or-later
"""What an instrument costs the process that it looks at: the batch server, with and without."""
import os
import subprocess
import sys
import tempfile
import threading
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
import instruments

SERVER = os.path.join(heaplib.BIN, "batch-server")
SOURCE = os.path.join(heaplib.HERE, "workloads/batch-server.c")
SECONDS = 10  # of the server's load: half of its batches are large


class Cost:
    """Processor time a batch, seconds until the end of the load; looks, and how long the
    target stood still for all of them."""

    def __init__(self, work, took, looks=0, stopped=0.0):
        self.work, self.took, self.looks, self.stopped = work, took, looks, stopped
        self.alone = None


class Stops(threading.Thread):
    """How long a process stands still because somebody traces or stops it."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.total = pid, 0.0

    def run(self):
        last = time.monotonic()
        try:
            while True:
                stands = heaplib.state_of(f"/proc/{self.pid}") in "tT"
                now = time.monotonic()
                self.total += stands * (now - last)
                last = now
                time.sleep(0.001)
        except (OSError, IndexError):
            pass  # it has ended


def serve(command, env=None, beside=None):
    """Runs the server to its end, and something beside it."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        p = subprocess.Popen([*command, str(SECONDS)], stdout=out, stderr=subprocess.DEVNULL,
                             stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        try:
            if beside:
                beside(p)
            p.wait(timeout=instruments.PATIENCE)
        finally:
            p.kill()
            p.wait()
        out.seek(0)
        lines = [line for line in out.read().splitlines() if len(line.split()) == 4]
    if not lines or p.returncode:
        raise instruments.NoAnswer(f"the server ended with status {p.returncode}")
    _, _, batches, cpu = map(int, lines[-1].split())
    return cpu / batches, time.monotonic() - begun


def launched(instrument, directory):
    if isinstance(instrument, instruments.LeakSanitizer):
        command = [instrument.build(SOURCE, directory)]
        return Cost(*serve(command, {"ASAN_OPTIONS": "exitcode=0"}))
    return Cost(*serve([*instrument.prefix(directory), SERVER]))


def attached(instrument, directory):
    """One look after the other, a second apart, as long as the server runs."""
    looks, stopped, refused = 0, [], None

    def beside(p):
        nonlocal looks, refused
        stops = Stops(p.pid)
        stops.start()
        time.sleep(1)
        while p.poll() is None:
            try:
                instrument.look(p.pid, directory)
            except instruments.NoAnswer as e:
                refused = e
                break  # most likely the server has ended meanwhile
            looks += 1
            time.sleep(1)
        stopped.append(stops.total)

    work, took = serve([SERVER], beside=beside)
    if not looks and refused:
        raise refused
    return Cost(work, took, looks, stopped[0])


ROWS = "import resource\nrows = [{'id': i, 'name': f'row {i}'} for i in range(300000)]\n" \
       "print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"


def in_python(instrument):
    """A load of Python's own, by processor time."""
    before = "import tracemalloc; tracemalloc.start(5)\n" * (instrument.name != "Python's gc")
    begun = time.monotonic()
    times = [float(instruments.output(["/usr/bin/python3", "-c", code]))
             for code in (ROWS, before + ROWS)]
    out = Cost(times[1], time.monotonic() - begun)
    out.alone = times[0]
    return out


def cost(instrument):
    """Cost; or why there is none."""
    with tempfile.TemporaryDirectory(prefix="fallow-compare-") as directory:
        try:
            if instruments.missing(instrument):
                raise instruments.NoAnswer("not installed")
            if isinstance(instrument, instruments.Tracemalloc):
                return in_python(instrument)
            # Each beside its own: the machine may be busier now than it was.
            alone = serve([SERVER])[0]
            how = attached if isinstance(instrument, instruments.Attached) else launched
            out = how(instrument, directory)
            out.alone = (alone + serve([SERVER])[0]) / 2
            return out
        except (instruments.NoAnswer, subprocess.TimeoutExpired) as e:
            return str(e)
