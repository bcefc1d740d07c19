# SPDX-License-Identifier: GPL-2.0-or-later
"""The usual instruments, each run on a program of tests/scenarios as its manual says.

What an instrument puts first is quoted, and only that is searched for the cause. Its
figure is what it says of memory in bytes; None: it has none."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib

MOST = 12  # lines of a stack that are quoted
GROWS = 3  # seconds for which what grows is looked at
PATIENCE = 600
UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class NoAnswer(Exception):
    """Why an instrument has none."""


class Answer:
    def __init__(self, quoted, figure=None):
        self.quoted, self.figure = [line.rstrip() for line in quoted], figure


def output(command, **options):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace", check=False, timeout=PATIENCE,
                         stdin=subprocess.DEVNULL, **options)
    return run.stdout


def first_match(pattern, text, flags=re.M):
    found = re.search(pattern, text, flags)
    if not found:
        raise NoAnswer(" ".join(text.split())[-160:] or "it printed nothing")
    return found


def iec(number, unit):
    return int(float(number) * UNITS[unit.strip("iB") or ""])


def si(number, unit):
    """As heaptrack prints them: K is a thousand."""
    return int(float(number) * {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}[unit.strip("B")])


def until_end(scenario, command, env=None):
    """Runs a scenario under a command to its end, as one would who restarts a service."""
    with tempfile.TemporaryFile("w+") as errors:
        p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=errors, text=True,
                             env={**os.environ, **scenario.env, **(env or {})})
        try:
            began = p.stdout.readline()
            if began and scenario.after:
                time.sleep(GROWS)
            out, _ = p.communicate(timeout=PATIENCE)
        finally:
            p.kill()
            p.wait()
        errors.seek(0)
        text = began + out + errors.read()
    if not began:
        raise NoAnswer("the program did not begin: " + " ".join(text.split())[:160])
    return text


class Memcheck:
    name, way, package = "valgrind memcheck", "restart", "valgrind"
    options = ["valgrind", "--leak-check=full", "--show-leak-kinds=all"]

    def prefix(self, directory):
        return [*self.options, f"--log-file={directory}/log"]

    def ask(self, scenario, directory):
        until_end(scenario, [*self.prefix(directory), scenario.command])
        with open(f"{directory}/log", encoding="utf-8", errors="replace") as f:
            log = re.sub(r"^==\d+== ?", "", f.read(), flags=re.M)
        used = first_match(r"in use at exit: ([\d,]+) bytes.*", log)
        # Its last record is its largest.
        record = re.findall(r"^.* in loss record .*\n(?: {2,}.*\n)+", log, re.M)
        return Answer([used[0], *(record[-1].splitlines()[:MOST] if record else [])],
                      int(used[1].replace(",", "")))


class Massif:
    name, way, package = "valgrind massif", "restart", "valgrind"
    options = ["valgrind", "--tool=massif"]

    def prefix(self, directory):
        return [*self.options, f"--massif-out-file={directory}/massif",
                f"--log-file={directory}/log"]

    def ask(self, scenario, directory):
        until_end(scenario, [*self.prefix(directory), scenario.command])
        with open(f"{directory}/massif", encoding="utf-8", errors="replace") as f:
            snapshots = f.read().split("snapshot=")[1:]
        if not snapshots:
            raise NoAnswer("it took no snapshot")
        last = first_match(r"mem_heap_B=(\d+)", snapshots[-1])
        tree = [s for s in snapshots if re.search("heap_tree=(detailed|peak)", s)]
        lines = re.findall(r"^ *n\d+: .*", tree[-1], re.M) if tree else []
        return Answer([f"its last snapshot: {last[0]}", *lines[:MOST]], int(last[1]))


class MassifPages(Massif):
    name = "massif --pages-as-heap=yes"
    options = [*Massif.options, "--pages-as-heap=yes"]


class LeakSanitizer:
    name, way, package = "AddressSanitizer, LeakSanitizer", "rebuild", "gcc"

    def build(self, source, directory, *options):
        program = f"{directory}/program"
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-w", "-O1", "-g", "-pthread",
                        "-fsanitize=address", "-o", program, source, "-ldl", *options],
                       check=True)
        return program

    def ask(self, scenario, directory):
        if scenario.is_python:
            raise NoAnswer("a program in Python would need an interpreter that is built with it")
        program = self.build(scenario.source, directory)
        text = until_end(scenario, [program], {"ASAN_OPTIONS": "detect_leaks=1"})
        summary = re.search(r"SUMMARY: AddressSanitizer: (\d+) byte.*", text)
        if not summary:
            return Answer(["(no leak reported)"], 0)
        record = re.search(r"^(?:Direct|Indirect) leak of .*\n(?: +#.*\n)+", text, re.M)
        return Answer([summary[0], *(record[0].splitlines()[:MOST] if record else [])],
                      int(summary[1]))


class Heaptrack:
    name, way, package = "heaptrack", "restart", "heaptrack"

    def prefix(self, directory):
        return ["heaptrack", "-o", f"{directory}/track"]

    def ask(self, scenario, directory):
        until_end(scenario, [*self.prefix(directory), scenario.command])
        file = next((os.path.join(directory, n) for n in os.listdir(directory)
                     if n.startswith("track")), None)
        if not file:
            raise NoAnswer("it recorded nothing")
        text = output(["heaptrack_print", "-f", file, "-n", "1", "-s", "4", "-p", "0", "-a", "0",
                       "-T", "0", "-l", "1"])
        leaked = first_match(r"^total memory leaked: ([\d.]+)([KMG]?B?)", text)
        peak = first_match(r"^peak heap memory consumption: .*", text)
        top = re.search(r"^[\d.]+[KMG]?B? leaked over .*\n(?:.+\n){1,12}", text, re.M)
        return Answer([peak[0], leaked[0], *(top[0].splitlines() if top else [])],
                      si(leaked[1], leaked[2]))


PYTHON_END = """
import atexit, gc, sys
%s
with open(sys.argv[1]) as source:
    code = compile(source.read(), sys.argv[1], "exec")
exec(code)
"""
TRACEMALLOC = """
import tracemalloc
tracemalloc.start(5)
def tell():
    now, peak = tracemalloc.get_traced_memory()
    print("traced:", now, "peak:", peak)
    for line in tracemalloc.take_snapshot().statistics("lineno")[:3]:
        print(line)
atexit.register(tell)
"""
GC = """
def tell():
    print("unreachable:", gc.collect(), "garbage:", len(gc.garbage))
    kinds = {}
    for o in gc.get_objects():
        kinds[type(o).__name__] = kinds.get(type(o).__name__, 0) + 1
    for kind, count in sorted(kinds.items(), key=lambda k: -k[1])[:3]:
        print(count, kind)
atexit.register(tell)
"""


class Tracemalloc:
    name, way, package = "Python's tracemalloc", "restart", "python3"
    code = TRACEMALLOC

    def ask(self, scenario, _):
        if not scenario.is_python:
            raise NoAnswer("not Python")
        text = until_end(scenario, ["/usr/bin/python3", "-c", PYTHON_END % self.code,
                                    scenario.command])
        lines = [line for line in text.splitlines() if line not in ("ready", "done")]
        traced = re.search(r"^traced: (\d+)", text, re.M)
        return Answer(lines[:4], int(traced[1]) if traced else None)


class PythonGc(Tracemalloc):
    name, way, package = "Python's gc", "code in it", "python3"
    code = GC


class Attached:
    """Looks at what already runs."""
    way = "none"

    def ask(self, scenario, directory):
        with scenario.run() as run:
            time.sleep(GROWS if scenario.after else 0)
            return self.look(run.pid, directory, scenario)


class Pmap(Attached):
    name, package = "pmap -X", "procps"

    def look(self, pid, *_):
        lines = [line for line in output(["pmap", "-X", str(pid)]).splitlines()[1:]
                 if line.strip()]
        head = lines[0].split()
        rss = head.index("Rss")
        rows = [line for line in lines[1:] if re.match(r" *[0-9a-f]+ [-rwxsp]{4} ", line)]
        most = max(rows, key=lambda line: int(line.split()[rss]))
        cells = most.split()
        keep = [*range(5), rss]
        return Answer([" ".join(head[i] for i in keep) + " … Mapping",
                       " ".join(cells[i] for i in keep) + " … " + " ".join(cells[len(head) - 1:])],
                      int(cells[rss]) << 10)


class Smem(Attached):
    name, package = "smem", "smem"

    def look(self, pid, *_):
        lines = output(["smem", "-c", "pid name uss pss rss swap"]).splitlines()
        mine = [line for line in lines if line.split()[0] == str(pid)]
        if not mine:
            raise NoAnswer("the process is not in its list")
        return Answer([lines[0], mine[0]], int(mine[0].split()[2]) << 10)


class MallocInfo(Attached):
    name, way, package = "malloc_info() by gdb", "stop", "gdb"
    CREATE = os.O_CREAT | os.O_TRUNC | os.O_WRONLY

    def call(self, pid, file, *calls):
        """What the target writes to that file when it is made to."""
        said = output(["gdb", "-nx", "-batch", "-p", str(pid),
                       *(word for call in calls for word in ("-ex", call))])
        try:
            with open(file, encoding="utf-8") as f:
                return f.read()
        except OSError:
            raise NoAnswer(" ".join(said.split())[-160:]) from None

    def look(self, pid, directory, *_):
        file = f"{directory}/info"
        with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
            is_jemalloc = "libjemalloc" in f.read()
        if is_jemalloc:
            text = self.call(pid, file, f'set $f = (int)open("{file}", {self.CREATE}, 0600)',
                             "call (int)dup2($f, 2)", "call (void)malloc_stats_print(0, 0, 0)")
            return Answer(["malloc_stats_print(): " + first_match("^Allocated: .*", text)[0]])
        info = self.call(pid, file, f'set $f = (void *)fopen("{file}", "w")',
                         "call (int)malloc_info(0, $f)", "call (int)fclose($f)")
        whole = info.rpartition("</heap>")[2]
        free = sum(int(n) for n in re.findall(r'<total type="(?:fast|rest)".* size="(\d+)"', whole))
        return Answer(re.findall(r"<(?:total|system) .*", whole)[:5], free)


class Perf(Attached):
    name, package = "perf, page faults", "linux-perf"

    def look(self, pid, directory, *_):
        said = output(["perf", "record", "-q", "-e", "page-faults", "-c", "1", "--call-graph",
                       "dwarf", "-p", str(pid), "-o", f"{directory}/data", "--", "sleep",
                       str(GROWS)])
        text = output(["perf", "report", "-i", f"{directory}/data", "--stdio", "--no-children",
                       "-g", "caller,0.5,callee,function,percent"])
        lines = [line for line in text.splitlines() if line.strip() and line[0] == " "
                 and "unwind:" not in line and "addr2line" not in line]
        if not lines:
            if "rror" in said:
                raise NoAnswer(" ".join(said.split())[-160:])
            return Answer([f"(no page fault in {GROWS} s)"])
        return Answer(lines[:MOST])


class Bpftrace(Attached):
    name, package = "bpftrace, page faults and mmap", "bpftrace"

    def look(self, pid, *_):
        text = output(["bpftrace", "-e",
                       f"tracepoint:exceptions:page_fault_user /pid == {pid}/ "
                       "{ @faults[ustack] = count(); } "
                       f"tracepoint:syscalls:sys_enter_mmap /pid == {pid}/ "
                       "{ @mapped[ustack] = sum(args->len); } "
                       f"interval:s:{GROWS} {{ exit(); }}"])
        # The last of a map is its largest.
        maps = {m: re.findall(rf"^@{m}\[\n(.*?)\]: (\d+)", text, re.M | re.S)
                for m in ("mapped", "faults")}
        lines = []
        for name, found in maps.items():
            if found:
                stack, count = found[-1]
                lines += [f"@{name}[", *stack.rstrip().splitlines()[:MOST], f"]: {count}"]
        if not lines and "Attaching" not in text:
            raise NoAnswer(" ".join(text.split())[-160:])
        return Answer(lines or [f"(nothing in {GROWS} s)"],
                      int(maps["mapped"][-1][1]) if maps["mapped"] else None)


class Report(Attached):
    name, package = "fallow report", None

    def look(self, pid, _, scenario=None):
        after = [f"--after={scenario.after}"] if scenario and scenario.after else []
        text = output([heaplib.FALLOW, "report", *after, str(pid)])
        block = first_match(r"^  ([a-z-]+) \((?:certain|likely|possible)\)(?:: ([\d.]+) (\w+))?.*\n"
                            r"(?:    .*\n)*", text)
        return Answer(block[0].splitlines(), iec(block[2], block[3]) if block[2] else 0)


class Regions(Attached):
    name, package = "fallow regions", None

    def look(self, pid, *_):
        text = output([heaplib.FALLOW, "regions", str(pid)])
        largest = first_match(r"^address .*\n[0-9a-f]+-[0-9a-f]+ +\S+ +([\d.]+) (\w+) .*", text)
        return Answer(largest[0].splitlines(), iec(largest[1], largest[2]))


class Trace(Attached):
    name, package = "fallow trace", None

    def look(self, pid, *_):
        text = output([heaplib.FALLOW, "trace", f"--for={GROWS}s", str(pid)])
        # The first stack: what follows stands less far in, or has figures.
        top = re.search(r"^ +still mapped .*\n +([\d.]+) (\w+) .*\n(?: {6}\S.*\n)*", text, re.M)
        if not top:
            return Answer(text.splitlines()[:1], 0)
        return Answer([text.splitlines()[0], *top[0].splitlines()], iec(top[1], top[2]))


INSTRUMENTS = [Memcheck(), Massif(), MassifPages(), LeakSanitizer(), Heaptrack(), Tracemalloc(),
               PythonGc(), Pmap(), Smem(), MallocInfo(), Perf(), Bpftrace(), Report(), Regions(),
               Trace()]


def missing(instrument):
    program = {"valgrind": "valgrind", "heaptrack": "heaptrack", "linux-perf": "perf",
               "procps": "pmap"}.get(instrument.package, instrument.package)
    return program if program and not shutil.which(program) else None


def ask(instrument, scenario):
    """An answer, or why there is none; and how long that took."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fallow-compare-") as directory:
        try:
            if missing(instrument):
                raise NoAnswer(f"{missing(instrument)} is not installed")
            answer = instrument.ask(scenario, directory)
        except (NoAnswer, subprocess.TimeoutExpired) as e:
            answer = str(e)
    return answer, time.monotonic() - begun
