#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged marks: ELF files of which any byte may be wrong, and records that no runtime
would write. The tool, built with AddressSanitizer and UBSan, neither crashes nor hangs,
and the ledger adds up to RSS."""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import forgelib
import heaplib
from tap import Tap

tap = Tap()
SEEDS = int(os.environ.get("FALLOW_SEEDS", "8"))
MARKS = os.path.join(heaplib.HERE, "workloads/marks.c")
LIMIT = 60  # seconds; a slow machine and ASan included
FILES = 64
MARKED = """
int mesh_mallctl(void) { return 0; }
int malloc(void) __attribute__((section("google_malloc")));
int malloc(void) { return 0; }
int cs __attribute__((section("__rseq_cs"))) = 1;
__asm__(".pushsection .note.go.buildid,\\"a\\",@note\\n .long 4, 4, 4\\n"
	" .asciz \\"Go\\"\\n .byte 0, 1, 2, 3, 4\\n .popsection\\n"
	".pushsection .go.buildinfo,\\"aw\\"\\n .balign 16\\n .ascii \\"\\\\xff Go buildinf:\\"\\n"
	" .byte 8, 2\\n .zero 16\\n .byte 4\\n .ascii \\"go1.\\"\\n .popsection\\n");
"""
MAPPER = """
import mmap, sys
kept = []
for name in sys.argv[1:]:
    with open(name, "rb") as f:
        kept.append(mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))
    if len(kept) % 2:
        sum(kept[-1][::4096])
print("ready", flush=True)
sys.stdin.read()
"""


def look(pid):
    """A snapshot, or None and why not."""
    try:
        out = subprocess.run([forgelib.TOOL, "report", "--json", str(pid)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=LIMIT, check=False,
                             env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1"})
    except subprocess.TimeoutExpired:
        return None, f"still running after {LIMIT} s"
    if out.returncode:
        return None, f"status {out.returncode}: {out.stderr.decode()[-600:]}"
    return json.loads(out.stdout), ""


def names(snapshot):
    return {a["name"] for a in snapshot["allocators"] if a["status"] == "unsupported"}


def wrong_with(pid):
    """What is wrong with a look, or "", and the snapshot."""
    snapshot, why = look(pid)
    if not snapshot:
        return why, None
    seen = sum(c["resident_bytes"] for c in snapshot["ledger"])
    if seen != heaplib.rss_of(pid):
        return f"the ledger does not add up: {seen}, {snapshot['ledger']}", snapshot
    return "", snapshot


def compile_c(out, *options, source="-", code=None):
    return subprocess.run(["gcc", "-O1", "-w", "-o", out, *options, "-x", "c", source],
                          input=code, text=True, check=False,
                          stderr=subprocess.PIPE).returncode == 0


def spoiled(good, rng):
    """The file with some of its numbers wrong: mostly of its headers and tables."""
    data = bytearray(good)
    places = [0x20, 0x28, 0x34, 0x36, 0x38, 0x3a, 0x3c, 0x3e]
    phoff, phnum = struct.unpack_from("<Q", data, 0x20)[0], struct.unpack_from("<H", data, 0x38)[0]
    shoff, shnum = struct.unpack_from("<Q", data, 0x28)[0], struct.unpack_from("<H", data, 0x3c)[0]
    places += range(phoff, phoff + 56 * phnum, 8)
    places += range(shoff, shoff + 64 * shnum, 4)
    tables = []
    for i in range(phnum):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, phoff + 56 * i)
        if kind in (2, 4):  # dynamic, note
            tables += range(offset, offset + size, 4)
    values = [0, 1, 7, 8, 0xffff, 0x7fffffff, 0xffffffff, 1 << 47, 1 << 63, (1 << 64) - 1,
              (1 << 64) - 8, len(data), len(data) - 1]
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.choice(rng.choice((places, tables, range(0, 0x1000, 4))))
        value = rng.choice((rng.choice(values), rng.getrandbits(64), rng.randrange(len(data))))
        size = rng.choice((2, 4, 8))
        if place + size <= len(data):
            data[place:place + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    if rng.random() < 0.1:
        del data[rng.randrange(1, len(data)):]
    return bytes(data)


def check_files(scratch):
    marked = os.path.join(scratch, "marked.so")
    if not compile_c(marked, "-shared", "-fPIC", code=MARKED):
        tap.skip("forged files", "they cannot be compiled")
        return
    with open(marked, "rb") as f:
        good = f.read()
    with heaplib.Child([sys.executable, "-c", MAPPER, marked], text=True) as p:
        p.process.stdout.readline()
        wrong, snapshot = wrong_with(p.pid)
        tap.ok(not wrong and {"mesh", "go", "google-tcmalloc"} <= names(snapshot),
               "a whole file is recognised by its exports, notes and sections",
               wrong or names(snapshot))
    wrong, seen = [], set()
    for seed in range(SEEDS):
        rng = random.Random(seed)
        files = []
        for i in range(FILES):
            files.append(os.path.join(scratch, f"{i}.so"))
            with open(files[-1], "wb") as f:
                f.write(spoiled(good, rng))
        with heaplib.Child([sys.executable, "-c", MAPPER, *files], text=True) as p:
            p.process.stdout.readline()
            why, snapshot = wrong_with(p.pid)
        wrong += [f"seed {seed}: {why}"] if why else []
        seen |= names(snapshot) if snapshot else set()
    tap.ok(not wrong, f"{SEEDS * FILES} spoiled files: no crash, no hang, sums hold",
           "\n".join(wrong[:3]))
    print(f"# seen in spoiled files: {sorted(seen)}")


def unread(snapshot):
    return next(c for c in snapshot["ledger"] if c["class"] == "heap.unread")["resident_bytes"]


def check_mode(program, mode):
    wrong, found = [], set()
    for seed in range(SEEDS):
        with heaplib.Child([program, mode, str(seed)], text=True) as p:
            p.process.stdout.readline()
            why, snapshot = wrong_with(p.pid)
        wrong += [f"seed {seed}: {why}"] if why else []
        found |= names(snapshot) if snapshot else set()
        if snapshot and mode.endswith("-whole") and unread(snapshot) != 512 * 4096:
            wrong.append(f"seed {seed}: {unread(snapshot)} unread")
    tap.ok(not wrong, f"{mode}: no crash, no hang, sums hold", "\n".join(wrong[:3]))
    print(f"# {mode}: {sorted(found)}")
    if mode.endswith("-whole"):
        tap.ok(found == {mode.split("-")[0]}, f"{mode}: recognised", found)


def main():
    forgelib.build_tool()
    with tempfile.TemporaryDirectory() as scratch:
        check_files(scratch)
        modes = subprocess.run([os.path.join(heaplib.BIN, "marks")], text=True, check=True,
                               stdout=subprocess.PIPE).stdout.split()
        for kind, option in ("java", "-rdynamic"), ("musl", "-static"), ("go", "-DGO"):
            program = os.path.join(scratch, kind)
            if not compile_c(program, option, source=MARKS):
                tap.skip(f"forged records of {kind}", f"no gcc {option}")
                continue
            for mode in (m for m in modes if m.startswith(kind)):
                check_mode(program, mode)
    tap.done()


main()
