# SPDX-License-Identifier: GPL-2.0-or-later
"""Heap workloads under one glibc or another, and looks at them."""
import contextlib
import json
import os
import signal
import subprocess
import tempfile
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


def fetched(tap, script, what, *args):
    """What a script in tests/heap could get, a list of words each; skips the rest."""
    run = subprocess.run([os.path.join(HERE, "heap", script), *args], text=True,
                         stdout=subprocess.PIPE, check=False)
    for line in run.stdout.splitlines():
        suite, version, *rest = line.split()
        if version == "-":
            tap.skip(f"{what} of {suite}", " ".join(rest))
        else:
            yield suite, version, *rest


def glibcs(tap):
    """This system's glibc, and those that tests/heap/glibcs could get."""
    yield native()
    yield Glibc("glibc here, static", [], os.path.join(BIN, "heap-static"))
    for suite, version, *prefix in fetched(tap, "glibcs", "glibc", BIN):
        yield Glibc(f"glibc {version} ({suite})", prefix, os.path.join(BIN, "heap-old"))


def jemallocs(tap):
    """Name, version, library and loader of those that tests/heap/jemallocs could get."""
    for suite, version, library, *loader in fetched(tap, "jemallocs", "jemalloc"):
        yield f"jemalloc {version} ({suite})", version, library, loader


def mimallocs(tap):
    """The same of mimalloc: by tests/heap/mimallocs."""
    for suite, version, library, *loader in fetched(tap, "mimallocs", "mimalloc"):
        yield f"mimalloc {version} ({suite})", version, library, loader


# Nothing goes back by itself while a test looks; no pages leave their thread's heap.
MIMALLOC_STEADY = {f"MIMALLOC_{name}": value for name, value in {
    "DECOMMIT_DELAY": "600000", "SEGMENT_DECOMMIT_DELAY": "600000", "PURGE_DELAY": "600000",
    "PAGE_FULL_RETAIN": "1000000"}.items()}


def tcmallocs(tap):
    """Name, library and loader of those that tests/heap/tcmallocs could get."""
    for suite, version, library, *loader in fetched(tap, "tcmallocs", "tcmalloc"):
        name = os.path.basename(library).partition(".")[0]
        yield f"{name} {version} ({suite})", library, loader


def from_source(tap, script, allocator):
    """Name, version and file of what tests/heap/mimalloc-object or alike could build."""
    for suite, version, path in fetched(tap, script, f"the source of {allocator}"):
        yield f"{allocator} {version} ({suite})", version, path


def preloaded(name, library, loader, program):
    """How to start a program with a library preloaded, and what to add to its environment."""
    if loader:
        return Glibc(name, [*loader, "--preload", library], program), {}
    return Glibc(name, [], program), {"LD_PRELOAD": library}


BUILDS = {"static": "-static", "static PIE": "-static-pie", "in a PIE": "-pie",
          "in no PIE": "-no-pie"}


def archive(name):
    """Where the linker finds a library of this name; the name, if it does not."""
    return subprocess.run(["gcc", f"-print-file-name={name}"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.strip()


def built_in(tap, name, workload, whole, *libraries, builds=tuple(BUILDS)):
    """A workload with an allocator linked in, in all the ways that programs are made, and
    stripped: name and program. @whole: its archive or object; None: it is libc's own."""
    source = os.path.join(HERE, "workloads", f"{workload}.c")
    if whole and not os.path.exists(whole):
        tap.skip(f"{name}, linked in", f"there is no {whole}")
        return
    linked = ["-Wl,--whole-archive", whole, "-Wl,--no-whole-archive"] if whole else []
    with tempfile.TemporaryDirectory() as directory:
        for build in builds:
            option = BUILDS[build]
            program = os.path.join(directory, workload + option)
            subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-pthread", "-w",
                            "-Wl,-z,now", option, "-o", program, source, *linked,
                            *libraries], check=True, stderr=subprocess.DEVNULL)
            subprocess.run(["strip", "-s", program], check=True)
            yield f"{name}, stripped, {build}", program


def patterns():
    out = subprocess.run([os.path.join(BIN, "heap")], text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    return out.split()


def cell(allocator, build, workload, threads, free, own, returnable=None, drop=None):
    """A line for scripts/matrix: free bytes seen and by the allocator's own statistics,
    what the purge was said to return and did; None: it has none that can be relied on."""
    print("# cell", json.dumps([allocator, build, workload, threads, free, own, returnable,
                                drop]), flush=True)


def rss_of(pid):
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Rss:"))


def look(pid, *options, command="report"):
    out = subprocess.run([FALLOW, command, str(pid), "--json", *options], check=True,
                         stdout=subprocess.PIPE, timeout=600).stdout
    return json.loads(out)


VALIDATE = """
import json, sys, jsonschema
jsonschema.validate(json.load(sys.stdin), json.load(open(sys.argv[1])))
"""


def against_schema(shown, name="fallow.schema.json"):
    """What is wrong with what was shown, by the schema; "" if nothing is."""
    schema = os.path.join(TREE, "Documentation", name)
    return subprocess.run(["/usr/bin/python3", "-c", VALIDATE, schema], text=True,
                          input=json.dumps(shown), stderr=subprocess.PIPE,
                          check=False).stderr


def check_classes(tap, name, w, allocator):
    """Of a stopped process: size classes add up, and asking for them changes nothing."""
    sized = allocator(w.look(command="heap"))
    plain = allocator(w.look())
    classes = sized.pop("classes")
    live, free, stranded = (sum(c[k] for c in classes) for k in
                            ("live_bytes", "free_bytes", "stranded_bytes"))
    facts = f"{classes}\n{sized}\n{plain}"
    tap.ok(sized == plain, f"{name}: the same with size classes", facts)
    tap.ok(live == plain["live_bytes"] and free <= plain["free_bytes"] and
           stranded <= plain["stranded_bytes"], f"{name}: size classes add up", facts)
    tap.ok([c["size_bytes"] for c in classes] == sorted({c["size_bytes"] for c in classes}),
           f"{name}: size classes in order", facts)


def check_unsupported(tap, build, allocator):
    """A build that is not decoded: that is said, and nothing of it is lost."""
    with build.run("mixed", 1, 5) as w:
        w.work()
        with w.stopped():
            snapshot, rss = w.look(), w.rss()
    seen = next(a for a in snapshot["allocators"] if a["name"] == allocator)
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    tap.ok(seen["status"] == "unsupported" and "build" in seen["reason"] and ledger == rss,
           f"{build.name}: unsupported", f"{seen}\nledger {ledger} rss {rss}")


def own_free(allocator, w):
    """Free bytes by the allocator's own statistics, of a workload that is named as it."""
    ask = {"glibc": "info", "jemalloc": "stats", "gperftools": "stats", "mimalloc": "visit"}
    n = [int(number) for number in w.ask(ask[allocator])[1:]]
    return {"glibc": lambda: n[0], "jemalloc": lambda: n[2] + n[3] + n[6],
            "gperftools": lambda: n[2] + n[4] + n[5] + n[6],
            "mimalloc": lambda: n[1] - n[0]}[allocator]()


def state_of(task):
    with open(f"{task}/stat", encoding="utf-8") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


class Child:
    """A process that is asked by lines, and ends with its block."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, **options)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def state(self):
        return state_of(f"/proc/{self.pid}")

    def all_stopped(self):
        """The first thread may stand still before the others do."""
        tasks = f"/proc/{self.pid}/task"
        try:
            return all(state_of(f"{tasks}/{tid}") == "T" for tid in os.listdir(tasks))
        except (FileNotFoundError, ProcessLookupError):
            return False  # one of them just ended

    @contextlib.contextmanager
    def stopped(self):
        os.kill(self.pid, signal.SIGSTOP)
        while not self.all_stopped():
            time.sleep(0.001)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


class Workload(Child):
    def __init__(self, glibc, pattern, threads, seed, env=None, scale=None):
        numbers = [str(n) for n in (threads, seed, scale) if n is not None]
        super().__init__([*glibc.prefix, glibc.program, pattern, *numbers],
                         text=True, bufsize=1, env={**os.environ, **(env or {})})
        self.process.stdout.readline()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        return self.process.stdout.readline().split()

    def work(self):
        return int(self.ask("work")[1])

    def info(self):
        return [int(n) for n in self.ask("info")[1:]]

    def rss(self):
        return rss_of(self.pid)

    def look(self, *options, command="report"):
        return look(self.pid, *options, command=command)
