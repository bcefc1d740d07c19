#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: fuzz.t [SECONDS [DECODER…]]

Fuzzes the heap decoders by libFuzzer, 60 seconds each: images of real processes, of
which words, pages and mappings are changed, some of them while the decoder looks, go
through tests/fuzz/look.c, which holds it to its contract (user/heap/heap.h). For an
hour, by hand:

    tests/heap/fuzz.t 3600 glibc

What was found stays in build/fuzz/DECODER/found up to the next run, for
`build/fuzz/DECODER/replay --images=build/fuzz/DECODER/images FILE…`: inputs mean
something for the images that they were found with, and for no others.
"""
import os
import re
import shutil
import subprocess
import sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", part)
                for part in ("", "fuzz")]
sys.dont_write_bytecode = True
import heaplib
import image
from tap import Tap

tap = Tap()
BUILD = os.path.join(heaplib.TREE, "build/fuzz")
PYTHON = os.path.join(heaplib.HERE, "workloads/pymalloc.py")
LIMITS = ["-timeout=25", "-rss_limit_mb=512"]  # seconds for one look, MiB for all


def workloads(start, patterns, env=None):
    """Name and process of patterns of a workload: (pattern, threads, scale) each."""
    for pattern, threads, scale in patterns:
        with heaplib.Workload(start, pattern, threads, 1, env, scale) as w:
            w.work()
            yield pattern, w


def glibc_seeds():
    here = (("random-free", 2, 32), ("mmapped", 1, 10), ("mmapped-merged", 1, 1),
            ("no-brk", 1, 16), ("foreign-sbrk", 1, 16))
    for glibc in heaplib.glibcs(tap):
        patterns = here if glibc.native else (("fastbin-heavy", 2, 32),)
        for pattern, w in workloads(glibc, patterns):
            yield f"{glibc.name} {pattern}", w


def preloaded_seeds(libraries, program, patterns):
    """Of allocators that are preloaded: (name, …, library, loader) each."""
    for name, *_, library, loader in libraries:
        preload = ["--preload", library] if loader else []
        start = heaplib.Glibc(name, [*loader, *preload], os.path.join(heaplib.BIN, program))
        env = {} if loader else {"LD_PRELOAD": library}
        for pattern, w in workloads(start, patterns, env):
            yield f"{name} {pattern}", w


def pythons():
    """Name, command and PYTHONHOME of interpreters, one of each version."""
    here = "/usr/bin/python3"
    yield "Python here", [here if os.path.exists(here) else sys.executable], None
    seen = set()
    for suite, version, home, *command in heaplib.fetched(tap, "pythons", "Python"):
        if home == "-":
            tap.skip(f"Python {version} of {suite}", " ".join(command))
        elif version not in seen:
            seen.add(version)
            yield f"Python {version} ({suite})", command, home


def pymalloc_seeds():
    for name, command, home in pythons():
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONMALLOC": "pymalloc",
               **({"PYTHONHOME": home} if home else {})}
        with heaplib.Child([*command, "-S", "-u", PYTHON, "run"], text=True, bufsize=1,
                           stderr=subprocess.DEVNULL, env=env) as w:
            w.process.stdout.readline()
            for line in ("fresh", "subs 1"):
                w.process.stdin.write(line + "\n")
                w.process.stdout.readline()
            yield name, w


# How each decoder's seeds are made.
SEEDS = {
    "glibc": glibc_seeds,
    "jemalloc": lambda: preloaded_seeds(heaplib.jemallocs(tap), "jemalloc",
                                        (("mixed", 2, 60), ("aligned", 1, 30))),
    "pymalloc": pymalloc_seeds,
    "mimalloc": lambda: preloaded_seeds(heaplib.mimallocs(tap), "mimalloc",
                                        (("huge", 1, None), ("freed", 2, None))),
    "gperftools": lambda: preloaded_seeds(heaplib.tcmallocs(tap), "gperftools",
                                          (("huge", 1, None),)),
}


def decoders():
    with open(os.path.join(heaplib.TREE, "user/heap/heap.h"), encoding="utf-8") as f:
        return re.findall(r"^extern const struct heap_ops heap_(\w+);", f.read(), re.M)


def take_images(decoder):
    """What the tool says of each process that an image was made of."""
    home = os.path.join(BUILD, decoder, "images")
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    said = {}
    for name, process in SEEDS[decoder]():
        name = re.sub(r"[^\w.]+", "-", name).strip("-")
        with process.stopped():
            image.take(process.pid, os.path.join(home, name))
            said[name] = next((a for a in heaplib.look(process.pid)["allocators"]
                               if a["name"] == decoder), {"status": "none"})
    return said


def replayed(decoder, *options):
    """What the harness says of each image, by the image's name."""
    out = subprocess.run([os.path.join(BUILD, decoder, "replay"), "--images=images", *options],
                         cwd=os.path.join(BUILD, decoder), check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    lines = [line.split() for line in out.splitlines()]
    return {words[0]: {"status": words[1], **dict(w.split("=", 1) for w in words if "=" in w)}
            for words in lines}


def check_images(decoder):
    """An image is as good as the process: else we would fuzz something else."""
    said, seen = take_images(decoder), replayed(decoder)
    wrong = [f"{name}: {seen[name]}, not {a}" for name, a in said.items()
             if a["status"] != seen[name]["status"] or a["status"] == "none" or
             any(str(a[f"{key}_bytes"]) != seen[name][key]
                 for key in ("mapped", "live", "own_free"))]
    return tap.ok(said and not wrong, f"{decoder}: {len(said)} images tell what the "
                  "processes do", "\n".join(wrong))


def write_corpus(home):
    """Inputs for each image: without and with size classes, and looked at twice: no edits."""
    for part in ("corpus", "found"):
        shutil.rmtree(os.path.join(home, part), ignore_errors=True)
        os.makedirs(os.path.join(home, part))
    for i in range(len(os.listdir(os.path.join(home, "images")))):
        for how in (0, 2, 8):
            with open(os.path.join(home, "corpus", f"image-{i}-{how}"), "wb") as f:
                f.write(bytes((i, how)))


def fuzz(decoder, seconds):
    home = os.path.join(BUILD, decoder)
    write_corpus(home)
    command = ["./fuzz", "--images=images", "-artifact_prefix=found/", "-print_final_stats=1",
               "-len_control=0", "-max_len=1026", f"-max_total_time={seconds}", *LIMITS, "corpus"]
    with open(os.path.join(home, "log"), "w+", encoding="utf-8", errors="replace") as log:
        status = subprocess.run(command, cwd=home, stdout=log, stderr=log, check=False).returncode
        log.seek(0)
        lines = log.read().splitlines()
    told = [line for line in lines if not line.startswith("#")]
    tap.ok(not status, f"{decoder}: no crash, no hang, no leak, in any of its looks",
           "\n".join(told[-40:]))
    for line in lines:
        if re.match(r"stat::(number_of_executed|slowest|peak)|#\d+\s+DONE", line):
            print(f"# {decoder}: {line}", flush=True)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    names = sys.argv[2:] or decoders()
    known = [name for name in names if name in SEEDS]
    for name in names:
        if name not in SEEDS:
            tap.ok(False, f"{name}: there are images to fuzz it with", "see SEEDS")
    built = subprocess.run([os.path.join(heaplib.HERE, "fuzz/build"), *known],
                           stdout=subprocess.DEVNULL, check=False).returncode
    if built == 77:
        tap.skip("heap decoders are fuzzed", "clang cannot be installed")
    elif tap.ok(not built, "fuzzers are built", f"status {built}"):
        for name in known:
            if check_images(name):
                replayed(name, "--reduce")
                fuzz(name, seconds)
    tap.done()


main()
