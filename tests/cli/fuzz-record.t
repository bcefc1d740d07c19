#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: fuzz-record.t [SECONDS]

Fuzzes what reads snapshots in files, and what compares and shows them, by libFuzzer, 20
seconds: from a snapshot that was made small, and from pairs of such. What was found stays
in build/fuzz/record/found up to the next run.
"""
import json
import os
import re
import shutil
import subprocess
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..")]
sys.dont_write_bytecode = True
import heaplib
from tap import Tap

tap = Tap()
HOME = os.path.join(heaplib.TREE, "build/fuzz/record")


def small(snap, regions):
    """Some of its regions, and a ledger and allocators that go with them."""
    snap["regions"] = regions
    for line in snap["ledger"]:
        line["resident_bytes"] = sum(r["classes"].get(line["class"], 0) for r in regions)
        line["swapped_bytes"] = 0
    snap["process"]["rss_bytes"] = sum(c["resident_bytes"] for c in snap["ledger"])
    snap["process"]["swap_bytes"] = 0
    for a in snap["allocators"]:
        for counts in [a, *a["arenas"]]:
            counts["resident_bytes"] = 0
    snap.pop("verdicts", None)
    return json.dumps(snap).encode()


def words(text):
    return sorted(set(re.findall(rb'"[a-zA-Z_.0-9/:-]{1,40}"', text)))


def write_corpus():
    for part in ("corpus", "found"):
        shutil.rmtree(os.path.join(HOME, part), ignore_errors=True)
        os.makedirs(os.path.join(HOME, part))
    with heaplib.Child([os.path.join(heaplib.BIN, "changes")]) as w:
        w.process.stdout.readline()
        snap = heaplib.look(w.pid)
    every = snap["regions"]
    seeds = [small(snap, every[:n]) for n in (1, 3, 6)] + [small(snap, every[4:7])]
    seeds += [seeds[1] + b"\0" + seeds[3], seeds[2] + b"\0" + seeds[1]]
    for i, seed in enumerate(seeds):
        with open(os.path.join(HOME, "corpus", f"seed-{i}"), "wb") as f:
            f.write(seed)
    with open(os.path.join(HOME, "words"), "wb") as f:
        for word in words(b"".join(seeds)):
            f.write(b'"\\"' + word[1:-1] + b'\\""\n')
    return max(map(len, seeds)), len(seeds)


def fuzz(seconds):
    longest, nseeds = write_corpus()
    command = ["./fuzz", "-dict=words", "-artifact_prefix=found/", "-print_final_stats=1",
               "-len_control=0", f"-max_len={longest + 1024}", f"-max_total_time={seconds}",
               "-timeout=10", "-rss_limit_mb=1024", "corpus"]
    with open(os.path.join(HOME, "log"), "w+", encoding="utf-8", errors="replace") as log:
        status = subprocess.run(command, cwd=HOME, stdout=log, stderr=log, check=False).returncode
        log.seek(0)
        lines = log.read().splitlines()
    tap.ok(not status, "snapshots: no crash, no hang, no leak, and what is taken adds up",
           "\n".join([line for line in lines if not line.startswith("#")][-40:]))
    # Seeds that are refused would lead nowhere.
    taken = sum(subprocess.run([heaplib.FALLOW, *command, path], check=False,
                               stdout=subprocess.DEVNULL).returncode == 0
                for path in (os.path.join(HOME, "corpus", f"seed-{i}") for i in range(4))
                for command in (["diff", path], ["report"]))
    tap.ok(taken == 8 and nseeds == 6, "the seeds are snapshots", f"{taken} of 8")
    for line in lines:
        if re.match(r"stat::(number_of_executed|slowest|peak)|#\d+\s+DONE", line):
            print(f"# {line}", flush=True)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    built = subprocess.run([os.path.join(HERE, "../fuzz/build"), "record"],
                           stdout=subprocess.DEVNULL, check=False).returncode
    if built == 77:
        tap.skip("snapshots are fuzzed", "clang cannot be installed")
    elif tap.ok(not built, "the fuzzer is built", f"status {built}"):
        fuzz(seconds)
    tap.done()


main()
