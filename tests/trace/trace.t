#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose calls map memory that stays mapped: what fallow trace says, against smaps and
against the workload's own counts. On this kernel, if it permits that, or in a guest."""
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import heaplib
import tracelib
from tracelib import (FALLOW, Symbols, Trace, Workload, lossless, mount_tracefs, traced,
                      why_not, workload)
from tap import Tap

tap = Tap()
SHARE = 0.95


def check_sums(name, trace, claimed, name_of, grown):
    """Each function's bytes, and all of them together against smaps."""
    sums = tracelib.still_by(trace, claimed, name_of)
    wrong = [f"{f}: {sums[f]} of {n}" for f, n in claimed.items()
             if abs(sums[f] - n) > (1 - SHARE) * n]
    tap.ok(not wrong, f"{name}: each function has what it says to have mapped",
           "\n".join(wrong))
    share = sum(sums.values()) / grown
    tap.ok(SHARE <= share <= 1 / SHARE,
           f"{name}: at least 95 % of the growth is put to the functions that made it", share)
    total = sum(s["still_mapped_bytes"] for s in trace["stacks"] + [trace["not_attributed"]])
    tap.ok(total + trace["unseen_bytes"] == grown, f"{name}: the rest is told, to the byte",
           f"stacks {total} unseen {trace['unseen_bytes']} smaps {grown}")
    tap.ok(not trace["partial"] and not trace["lost_calls"], f"{name}: nothing is lost",
           trace["warnings"])


def check_build(kind, name_of=tracelib.by_name):
    name = f"trace-{kind}"

    def take():
        with Workload(workload(kind), "2") as w:
            before = tracelib.mapped(w.pid)
            trace, claimed = traced(w.pid, w.work)
            return trace, claimed, tracelib.mapped(w.pid) - before

    trace, claimed, grown = lossless(take)
    check_sums(name, trace, claimed, name_of, grown)
    churned = [s for s in trace["stacks"] for f in s["frames"] if name_of(f) == "churn"]
    tap.ok(sum(s["mapped_bytes"] for s in churned) == 200 << 20 and
           sum(s["unmapped_bytes"] for s in churned) == 200 << 20 and
           not any(s["still_mapped_bytes"] for s in churned),
           f"{name}: what is unmapped again is not counted as mapped",
           json.dumps(churned)[:2000])
    return trace


def check_schema(trace):
    name = "the object is as the schema says"
    if subprocess.run(["/usr/bin/python3", "-c", "import jsonschema"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        tap.skip(name, "python3-jsonschema is missing")
        return
    wrong = heaplib.against_schema(trace, "fallow-trace.schema.json")
    tap.ok(not wrong, name, wrong)


def check_depth(trace):
    """Frames down to where the program begins, but where more stack was used than is copied."""
    ends = {f["function"] for s in trace["stacks"] if s["whole"] for f in s["frames"][-1:]}
    tap.ok(trace["stacks"] and not any("map_deep" in str(f) for f in ends) and "_start" in ends,
           "stacks are followed to their begin", ends)
    deep = [s for s in trace["stacks"] if any(f["function"] == "map_deep" for f in s["frames"])]
    tap.ok(deep and not any(s["whole"] for s in deep) and trace["cut_calls"] ==
           sum(s["calls"] for s in trace["stacks"] if not s["whole"]),
           "a stack that is larger than what is copied is said to be cut",
           f"{len(deep)} cut_calls {trace['cut_calls']}")


def check_deleted():
    def take():
        with tempfile.TemporaryDirectory() as folder:
            path = shutil.copy(workload("fp"), folder)
            with Workload(path) as w:
                os.unlink(path)
                return traced(w.pid, w.work)

    trace, claimed = lossless(take)
    sums = tracelib.still_by(trace, claimed, tracelib.by_name)
    tap.ok(all(sums[f] >= SHARE * n for f, n in claimed.items()),
           "functions of a program whose file is deleted", sums)


def check_exec():
    """The program begins during the trace, and so do its libraries."""
    def take():
        shell = ["/bin/sh", "-c", f'read line; exec {workload("nofp")}']
        with Workload(*shell, ready=False) as w:
            def during():
                w.say()
                w.read_until("ready")
                return w.work()
            return traced(w.pid, during)

    trace, claimed = lossless(take)
    sums = tracelib.still_by(trace, claimed, tracelib.by_name)
    tap.ok(all(sums[f] >= SHARE * n for f, n in claimed.items()),
           "a program that another one executes", f"{sums} {claimed}")
    tap.ok(any("another program" in text for text in trace["warnings"]),
           "that is said", trace["warnings"])


def check_namespace():
    """A process that has another pid where it is."""
    def take():
        with Workload("unshare", "--pid", "--fork", "--kill-child", workload("nofp")) as w:
            child = subprocess.run(["pgrep", "-P", str(w.pid)], stdout=subprocess.PIPE,
                                   check=True, text=True).stdout
            return traced(int(child), w.work)

    trace, claimed = lossless(take)
    sums = tracelib.still_by(trace, claimed, tracelib.by_name)
    tap.ok(all(sums[f] >= SHARE * n for f, n in claimed.items()),
           "a process in a pid namespace of its own", f"{sums} {claimed}")


LATE = """
import sys
print("ready", flush=True)
sys.stdin.readline()
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
libc.mmap(None, 7 << 20, 3, 0x22, -1, 0)
print("done", flush=True)
sys.stdin.readline()
"""


def check_late_code():
    """Libraries that are loaded during the trace."""
    def take():
        with Workload("/usr/bin/python3", "-c", LATE) as w:
            return traced(w.pid, w.work)

    trace, _ = lossless(take)
    found = [s for s in trace["stacks"] if s["still_mapped_bytes"] == 7 << 20]
    files = [os.path.basename(f["module"] or "") for s in found for f in s["frames"]]
    tap.ok(any(f.startswith("libffi.so") for f in files) and
           any(f.startswith("_ctypes.") for f in files) and
           any(f.startswith("python3") for f in files),
           "code that is loaded during the trace", files)


def check_end():
    def take():
        with Workload(workload("nofp")) as w:
            def during():
                claimed = w.work()
                w.process.stdin.close()
                w.process.wait()
                return claimed
            return traced(w.pid, during, interrupt=False)

    trace, claimed = lossless(take)
    sums = tracelib.still_by(trace, claimed, tracelib.by_name)
    tap.ok(trace["end"] == "target" and all(sums[f] >= SHARE * n for f, n in claimed.items()),
           "a target that ends: what it had mapped then", f"{trace['end']} {sums}")


def check_duration():
    with Workload(workload("nofp")) as w:
        out = json.loads(subprocess.run([FALLOW, "trace", str(w.pid), "--json", "--for=500ms"],
                                        stdout=subprocess.PIPE, check=True).stdout)
    tap.ok(out["end"] == "time" and out["duration_ns"] >= 5e8 and not out["calls"],
           "a trace that is over in its time", out)


def faults_and_tracer(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return (fields[0], fields[7], fields[9], status["TracerPid"],
            status["voluntary_ctxt_switches"], status["nonvoluntary_ctxt_switches"])


def check_untouched():
    """State, faults minor and major, tracer, and how often it was on a CPU."""
    with Workload(workload("nofp")) as w:
        while faults_and_tracer(w.pid)[0] != "S":
            time.sleep(0.01)
        before = faults_and_tracer(w.pid)
        trace = Trace(w.pid)
        during = faults_and_tracer(w.pid)
        trace.end()
        tap.ok(before == during == faults_and_tracer(w.pid),
               "the target is not stopped, traced, woken, and has no faults", during)


def check_churn():
    """Several threads that map and unmap at once, faster than can be followed or not."""
    with Workload(workload("nofp"), "churn", "3", "2") as w:
        def during():
            w.say()
            return w.read_until("done")
        trace, lines = traced(w.pid, during)
    turns = [int(line.split()[1]) for line in lines if line.startswith("turns")][0]
    seen = trace["calls"] + trace["lost_calls"]
    missed = trace["missed_calls"]
    tap.ok(2 * turns - missed <= seen <= 2 * turns + 64,
           "each call is told, or counted as lost",
           f"turns {turns} calls {trace['calls']} lost {trace['lost_calls']} missed {missed}")
    tap.ok(trace["partial"] == (trace["lost_calls"] + missed > 0) and
           (not trace["lost_calls"] or any("lost" in text for text in trace["warnings"])),
           "what is lost makes a trace partial", trace["warnings"])
    churned = [s["still_mapped_bytes"] for s in trace["stacks"]
               if any(f["function"] == "churn" for f in s["frames"])]
    tap.ok(churned and sum(churned) <= 2 << 20, "and nothing is left of what is unmapped",
           churned)


def check_remapped(seed):
    """By pages that the workload keeps account of: moved, overlaid, cut up."""
    def take():
        with Workload(os.path.join(tracelib.BIN, "remap"), str(seed), "5000") as w:
            return traced(w.pid, w.work)

    trace, claimed = lossless(take)
    sums = tracelib.still_by(trace, claimed, tracelib.by_name)
    tap.ok(sums == claimed and not trace["lost_calls"],
           f"each page belongs to who mapped it, order {seed}",
           f"{sums} {claimed} {trace['corrected_bytes']} {trace['warnings']}")


CXX = """
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
namespace pool {
template <typename T> __attribute__((noinline)) void *grow(unsigned long n)
{
	void *p = mmap(nullptr, n * sizeof(T), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, 4096);
	return p;
}
}
int main()
{
	puts("ready");
	fflush(stdout);
	getchar();
	for (int i = 0; i < 3; i++)
		pool::grow<long>(1 << 20);
	puts("done");
	fflush(stdout);
	getchar();
	getchar();
}
"""


def check_demangled():
    """A function of C++, by the name that its source has."""
    name = "a function of C++ is named as its source does"
    if not shutil.which("g++"):
        tap.skip(name, "g++ is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pool")
        subprocess.run(["g++", "-x", "c++", "-O1", "-o", path, "-"], check=True, input=CXX,
                       text=True)

        def take():
            with Workload(path) as w:
                return traced(w.pid, w.work)

        trace, _ = lossless(take)
    grown = sum(s["still_mapped_bytes"] for s in trace["stacks"] for f in s["frames"]
                if f["demangled"] == "void* pool::grow<long>(unsigned long)")
    tap.ok(grown == 3 * (8 << 20), name, trace["stacks"])


def check_names():
    """Symbols that would move a terminal's cursor."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "forged")
        with open(workload("fp"), "rb") as f:
            data = f.read().replace(b"\0register_region\0", b"\0\x1b[2Jster_region\0")
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o755)
        with Workload(path) as w:
            trace = Trace(w.pid)
            w.work()
            status, out, err = trace.end()
    tap.ok(not status and b"\x1b" not in out and b"\\x1b[2Jster_region+0x" in out,
           "names are shown as text", f"{status} {err} {out[:2000]}")
    tap.ok(b"calls  mapped" in out and b"still mapped" in out, "as text", out[:200])


mount_tracefs()
reason = why_not()
if reason:
    tap.skip("fallow trace", reason)
    tap.done()
for build in ["fp", "nofp"]:
    last = check_build(build)
unstripped = Symbols(workload("nofp"))
check_build("stripped", tracelib.by_offset(workload("stripped"), unstripped))
check_schema(last)
check_depth(last)
check_deleted()
check_exec()
check_namespace()
check_late_code()
check_end()
check_duration()
check_untouched()
check_churn()
for order in range(3):
    check_remapped(order)
check_demangled()
check_names()
tap.done()
