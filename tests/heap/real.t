#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that people run: what the tool says against what the program's allocator
says, and the RSS drop of the purge that the program itself can be asked for."""
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20
SERVER = "/usr/bin/redis-check-rdb"  # is redis-server, by the name that it is called by
KEYS = 60000
PYTHON = "/usr/bin/python3"

# A program that has batches of arrays of sizes that vary, in threads, and keeps some.
NUMPY = """
import ctypes, os, random, sys, threading, time
import numpy
def batches(seed):
    rng = random.Random(seed)
    for _ in range(400):
        batch = [numpy.ones(rng.randrange(1, 20000)) for _ in range(50)]
        kept.extend(batch[::40])
kept = []
threads = [threading.Thread(target=batches, args=(i,)) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
while len(os.listdir("/proc/self/task")) > 1: time.sleep(0.01)
print("ready", flush=True)
sys.stdin.readline()
%s
print("purged", flush=True)
sys.stdin.readline()
"""
# Inference by batches of lengths and numbers that vary, of which it keeps some.
TORCH = """
import ctypes, random, sys
import torch
torch.manual_seed(1)
torch.set_num_threads(2)
rng = random.Random(1)
layer = torch.nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
model = torch.nn.TransformerEncoder(layer, 2).eval()
kept = []
with torch.inference_mode():
    for _ in range(60):
        out = model(torch.rand(rng.randrange(1, 24), rng.randrange(8, 128), 64))
        kept.append(out[:, 0].clone())
print("ready", flush=True)
sys.stdin.readline()
%s
print("purged", flush=True)
sys.stdin.readline()
"""
TRIM = "ctypes.CDLL(None).malloc_trim(0)"
PURGE = 'ctypes.CDLL(None).mallctl(b"arena.4096.purge", None, None, None, 0)'


def heap(snapshot, name):
    return next((a for a in snapshot["allocators"] if a["name"] == name), None)


def look(w):
    """Of the process while it is stopped, and its RSS then."""
    with w.stopped():
        return heaplib.look(w.pid), heaplib.rss_of(w.pid)


def check(name, allocator, snapshot, rss, drop):
    seen = heap(snapshot, allocator)
    if seen:
        print(f"# {name}: RSS {rss}, live {seen['live_bytes']}, free {seen['free_bytes']}, "
              f"stranded {seen['stranded_bytes']}, returnable {seen['returnable_bytes']}, "
              f"given back {drop}", flush=True)
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    facts = f"drop {drop} ledger {ledger} rss {rss}; {seen}"
    if not tap.ok(seen and seen["status"] == "exact", f"{name}: {allocator}, exact", facts):
        return
    tap.ok(abs(seen["returnable_bytes"] - drop) <= max(MIB, drop // 1000),
           f"{name}: its purge returns what was promised", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)


class Redis(heaplib.Child):
    def __init__(self, directory):
        super().__init__(["redis-server", "--port", "0", "--unixsocket", "socket", "--save", "",
                          "--jemalloc-bg-thread", "no"], executable=SERVER, cwd=directory)
        path = os.path.join(directory, "socket")
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(600):
            if os.path.exists(path):
                break
            time.sleep(0.1)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def __exit__(self, *error):
        self.file.close()
        self.socket.close()
        super().__exit__(*error)

    def ask(self, *commands):
        """Each a list of words; the answers, for those with text, as such."""
        def line(words):
            return b"*%d\r\n" % len(words) + b"".join(
                b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
        self.socket.sendall(b"".join(line([w if isinstance(w, bytes) else w.encode()
                                           for w in c]) for c in commands))
        answers = []
        for _ in commands:
            head = self.file.readline()
            text = self.file.read(int(head[1:]) + 2) if head[:1] == b"$" else head
            answers.append(text.decode().strip())
        return answers

    def load(self, seed):
        rng = random.Random(seed)
        for i in range(0, KEYS, 100):
            self.ask(*(["SET", f"key:{k}", b"x" * rng.randrange(1, 4000)]
                       for k in range(i, i + 100)))
        for i in range(0, KEYS, 100):
            self.ask(*(["DEL", f"key:{k}"] for k in range(i, i + 100) if rng.randrange(5)))

    def allocated(self):
        info = self.ask(["INFO", "memory"])[0]
        return int(next(line for line in info.splitlines()
                        if line.startswith("allocator_allocated:")).split(":")[1])


def check_redis():
    if not os.path.exists(SERVER):
        tap.skip("redis", "redis-tools is not installed")
        return
    with tempfile.TemporaryDirectory() as directory, Redis(directory) as w:
        w.load(1)
        time.sleep(1)  # it looks each 100 ms, and INFO has what it saw
        own = w.allocated()
        snapshot, rss = look(w)
        w.ask(["MEMORY", "PURGE"])
        check("redis", "jemalloc", snapshot, rss, rss - heaplib.rss_of(w.pid))
        seen = heap(snapshot, "jemalloc")
        in_use = seen["live_bytes"] + sum(a["cached_bytes"] for a in seen["arenas"])
        # Answering took a few buffers.
        tap.ok(abs(in_use - own) <= max(64 << 10, own // 1000),
               "redis: live and cached bytes equal INFO's", f"{in_use} {own}; {seen}")
        tap.ok(heap(snapshot, "glibc") is None or
               heap(snapshot, "glibc")["live_bytes"] < MIB, "redis: hardly anything is glibc's",
               str(heap(snapshot, "glibc")))


def check_python(name, module, script, allocator, purge, env):
    if subprocess.run([PYTHON, "-c", f"import {module}"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        tap.skip(name, f"python3-{module} is not installed")
        return
    with heaplib.Child([PYTHON, "-c", script % purge], text=True, bufsize=1,
                       env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **env}) as w:
        w.process.stdout.readline()
        snapshot, rss = look(w)
        w.process.stdin.write("\n")
        w.process.stdout.readline()
        check(name, allocator, snapshot, rss, rss - heaplib.rss_of(w.pid))
        tap.ok(heap(snapshot, "pymalloc")["status"] == "exact", f"{name}: pymalloc as well",
               json.dumps(snapshot["allocators"]))


def main():
    check_redis()
    check_python("numpy in threads", "numpy", NUMPY, "glibc", TRIM, {})
    check_python("torch", "torch", TORCH, "glibc", TRIM, {})
    for name, _, library, loader in heaplib.jemallocs(tap):
        if not loader:
            check_python(f"numpy in threads, {name} preloaded", "numpy", NUMPY, "jemalloc", PURGE,
                         {"LD_PRELOAD": library})
    tap.done()


main()
