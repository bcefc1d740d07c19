#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of Debian's, and some of npm's, with allocators of their own or preloaded, in
use: which allocator is found, and what it holds, against what it says itself as the
program ends."""
import contextlib
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
PATIENCE = 120  # seconds
PIPE = 4096
NAMES = 5000
ROWS = 20000
# By the allocator: what makes it write its statistics at the end, and what of them is in
# use, by its own count, in which jemalloc has thread caches.
STATISTICS = {
    "jemalloc": ({"MALLOC_CONF": "stats_print:true"}, r"^Allocated: (\d+),"),
    "gperftools": ({"MALLOCSTATS": "1"}, r"^MALLOC: +(\d+) .*Bytes in use by application"),
    "mimalloc": ({}, None),
    "glibc": ({}, None),
}


class Ending(heaplib.Child):
    """A process that is caught as it first writes to its standard error: it cannot."""

    def __init__(self, command, allocator, **options):
        self.errors, full = os.pipe()
        fcntl.fcntl(full, fcntl.F_SETPIPE_SZ, PIPE)
        os.write(full, b"." * PIPE)
        env = {**os.environ, **STATISTICS[allocator][0], **options.pop("env", {})}
        super().__init__(command, stderr=full, env=env, **options)
        os.close(full)

    def __exit__(self, *error):
        os.close(self.errors)
        super().__exit__(*error)

    def is_caught(self):
        tasks = f"/proc/{self.pid}/task"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for tid in os.listdir(tasks):
                with open(f"{tasks}/{tid}/syscall", encoding="ascii") as f:
                    if re.match(r"(1|20|64|66) 0x2 ", f.read()):  # write, writev
                        return True
        return False

    def wait_caught(self):
        begun = time.monotonic()
        while not self.is_caught() and self.process.poll() is None and \
                time.monotonic() - begun < PATIENCE:
            time.sleep(0.01)
        return self.is_caught()

    def said(self):
        text = b""
        while piece := os.read(self.errors, 65536):
            text += piece
        return text[PIPE:].decode(errors="replace")


def heap(snapshot, name):
    return next((a for a in snapshot["allocators"] if a["name"] == name), None)


def in_use(seen):
    return seen["live_bytes"] + sum(a["cached_bytes"] for a in seen["arenas"])


def check(name, allocator, w, also=()):
    """Of a process that runs: all that can be said of any. What is seen of the allocator."""
    with w.stopped():
        snapshot, rss = heaplib.look(w.pid), heaplib.rss_of(w.pid)
    seen = heap(snapshot, allocator)
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    names = {a["name"] for a in snapshot["allocators"]}
    facts = f"ledger {ledger} rss {rss}; {names}\n{seen}"
    tap.ok(seen and seen["status"] == "exact", f"{name}: {allocator}, exact", facts)
    tap.ok(names <= {allocator, "glibc", *also}, f"{name}: and nothing that is not there", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)
    if seen:
        print(f"# {name}: {allocator} {seen['version']}: RSS {rss}, live {seen['live_bytes']}, "
              f"in use and cached {in_use(seen)}, free {seen['free_bytes']}", flush=True)
    return seen


def check_end(name, allocator, w, also=()):
    """Of one that ends: what its allocator writes then."""
    if not tap.ok(w.wait_caught(), f"{name}: is caught as it ends"):
        return
    seen = check(f"{name}, at its end", allocator, w, also)
    own = re.search(STATISTICS[allocator][1], w.said(), re.M)
    if not tap.ok(seen and own, f"{name}: has statistics", own):
        return
    mine = in_use(seen) if allocator == "jemalloc" else seen["live_bytes"]
    tap.ok(mine == int(own[1]), f"{name}: what is in use, by its own statistics",
           f"{mine} {own[1]}\n{seen}")


def has(name, program):
    if os.path.exists(program):
        return True
    tap.skip(name, f"there is no {program}")
    return False


def until(what):
    """What @what() gives, once that is something."""
    begun = time.monotonic()
    while not (got := what()) and time.monotonic() - begun < PATIENCE:
        time.sleep(0.05)
    return got


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


NAMED = """
options {{ directory "{0}"; listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; pid-file "{0}/pid"; session-keyfile "{0}/key"; dnssec-validation no; }};
controls {{ }};
logging {{ category default {{ null; }}; category unmatched {{ null; }}; }};
statistics-channels {{ inet 127.0.0.1 port {2} allow {{ 127.0.0.1; }}; }};
zone "test" {{ type primary; file "zone"; }};
"""


def query(s, name):
    labels = b"".join(bytes([len(p)]) + p for p in name.encode().split(b"."))
    s.send(struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + labels + b"\0" +
           struct.pack(">HH", 16, 1))
    try:
        return s.recv(4096)
    except (socket.timeout, ConnectionRefusedError):
        return None


def get_named(directory):
    """The program of the package, which is not installed, for that would start it."""
    for command in (["apt-get", "-qq", "download", "bind9"],
                    ["sh", "-c", "dpkg-deb -x bind9_*.deb unpacked"]):
        subprocess.run(command, cwd=directory, check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    return os.path.join(directory, "unpacked/usr/sbin/named")


def check_named():
    name = "named"
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as directory, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        program = get_named(directory)
        if not has(name, program):
            return
        ports = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        with open(f"{directory}/named.conf", "w", encoding="ascii") as f:
            f.write(NAMED.format(directory, *ports))
        with open(f"{directory}/zone", "w", encoding="ascii") as f:
            f.write("$TTL 60\n@ SOA ns. root. 1 1 1 1 1\n NS ns.\n")
            f.writelines(f'n{i} TXT "{"x" * rng.randrange(1, 200)}"\n' for i in range(NAMES))
        s.connect(("127.0.0.1", ports[0]))
        s.settimeout(1)
        with Ending([program, "-f", "-c", f"{directory}/named.conf", "-n", "2"],
                    "jemalloc") as w:
            if not tap.ok(until(lambda: query(s, "n1.test")), f"{name}: answers"):
                return
            for _ in range(NAMES):
                query(s, f"n{rng.randrange(NAMES)}.test")
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/json/v1/mem") as f:
                own = json.load(f)["memory"]
            seen = check(name, "jemalloc", w)
            # What its library asks for without its own count is not in its statistics.
            held = own["InUse"] + own["ContextSize"]
            tap.ok(seen and held <= in_use(seen) <= held * 5 // 4,
                   f"{name}: what it holds, by its own statistics", f"{own}\n{seen}")
            os.kill(w.pid, signal.SIGTERM)
            check_end(name, "jemalloc", w)


def check_rust(program):
    """With glibc: it waits for what it starts for each file."""
    name = os.path.basename(program)
    if not has(name, program):
        return
    with heaplib.Child([program, ".", "/usr/share/doc", "--threads=4", "--exec", "sh", "-c",
                        "sleep 1000000"], start_new_session=True) as w:
        children = until(lambda: subprocess.run(
            ["pgrep", "-P", str(w.pid)], text=True, stdout=subprocess.PIPE,
            check=False).stdout.split())
        if tap.ok(children, f"{name}: works"):
            check(name, "glibc", w)
        os.killpg(w.pid, signal.SIGKILL)


def check_rust_jemalloc(version, program):
    name = f"biome {version}"
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/a.js"
        with open(path, "w", encoding="ascii") as f:
            f.writelines(f"var a{i} = {i}; if (a{i} == 2) {{ f(function (b) {{ return b }}) }}\n"
                         for i in range(ROWS))
        # Built without statistics; what it has to say is much.
        with Ending([program, "lint", "--files-max-size=100000000", "--colors=off", path],
                    "glibc") as w:
            if tap.ok(w.wait_caught(), f"{name}: has something to say"):
                seen = check(name, "jemalloc", w)
                tap.ok(seen and in_use(seen) > seen["live_bytes"], f"{name}: its threads' caches",
                       seen)


NODE = """
const m = require(process.argv[1]);
let text = "";
for (let i = 0; i < 5000; i++)
    text += `export function f${i}(a, b) { const c = a + b * ${i}; return { c, d: [${i}] } }\\n`;
TASK;
process.stdin.resume();
process.stdout.write("done\\n");
"""
# What libraries that are built with mimalloc have to do, and the layout that they have.
TASKS = {
    "minify": ("m.minifySync('a.js', text)", "2.3-2.4"),
    "rspack": ("m.transformSync(text, '{}')", "3.0.3-3.1"),
    "swc": ("m.parseSync(text, Buffer.from('{\"syntax\":\"ecmascript\"}'), 'a.js')", "3.3"),
}


def check_rust_mimalloc(version, library):
    task, layout = TASKS[os.path.basename(library).partition(".")[0]]
    name = f"{os.path.basename(library)} {version} in node"
    node = shutil.which("node")
    if not node:
        tap.skip(name, "there is no node")
        return
    with heaplib.Child([node, "-e", NODE.replace("TASK", task), library]) as w:
        if tap.ok(w.process.stdout.readline() == b"done\n", f"{name}: works"):
            seen = check(name, "mimalloc", w, ["v8"])
            tap.ok(seen and seen["version"] == layout, f"{name}: its layout is known", seen)


PYTHON = """
import os, random, threading, time
rng = random.Random(1)
kept = []
def work():
    for _ in range(40):
        some = [bytearray(rng.randrange(600, 60000)) for _ in range(100)]
        kept.extend(some[::10])
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
while len(os.listdir("/proc/self/task")) > 1: time.sleep(0.01)
"""
SQL = f"""
create table t (id integer primary key, text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS})
  insert into t select i, hex(randomblob(i % 300)) from n;
create index by_text on t (text);
delete from t where id % 3;
select count(*) from t a join t b on a.text < b.text where a.id % 1000 = 0;
"""
SOURCE = "".join(f"int f{i}(int a) {{ for (int k = 0; k < a; k++) a += k * {i}; return a; }}\n"
                 for i in range(1500))


def preloads():
    for allocator, fetched in (("jemalloc", heaplib.jemallocs), ("gperftools", heaplib.tcmallocs),
                               ("mimalloc", heaplib.mimallocs)):
        here = [(name, rest[-2]) for name, *rest in fetched(tap) if not rest[-1]]
        for name, library in here[-1:]:
            yield allocator, name, library


def check_preloaded(name, allocator, library, command, text, also=()):
    """What has no statistics is looked at as it waits for more to do."""
    name = f"{name}, preloaded"
    with Ending(command, allocator, env={"LD_PRELOAD": library}) as w:
        w.process.stdin.write(text.encode())
        w.process.stdin.flush()
        if not STATISTICS[allocator][1]:
            until(lambda: waits(w))
            check(name, allocator, w, also)
            return
        w.process.stdin.close()
        check_end(name, allocator, w, also)


def waits(w):
    """For its standard input."""
    with open(f"/proc/{w.pid}/syscall", encoding="ascii") as f:
        return re.match(r"(0|63) 0x0 ", f.read())


def check_preloads():
    compiler = subprocess.run(["gcc", "-print-prog-name=cc1"], text=True, check=True,
                              stdout=subprocess.PIPE).stdout.strip()
    for allocator, name, library in preloads():
        for program, command, text, also in (
                ("python3", ["/usr/bin/python3", "-c", PYTHON + "import sys; sys.stdin.read()"], "",
                 ["pymalloc"]),
                ("sqlite3", ["/usr/bin/sqlite3"], SQL, []),
                ("cc1", [compiler, "-quiet", "-O1", "-o", "/dev/null", "-"], SOURCE, [])):
            if has(f"{program} with {name}", command[0]):
                check_preloaded(f"{program} with {name}", allocator, library, command, text, also)


def main():
    check_named()
    check_rust("/usr/bin/fdfind")
    for name, version, *path in heaplib.fetched(tap, "knowns", "a program"):
        if name == "rust-jemalloc":
            check_rust_jemalloc(version, *path)
        elif name == "rust-mimalloc":
            check_rust_mimalloc(version, *path)
    check_preloads()
    tap.done()


main()
