#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is recognised and not decoded: real programs of each kind, and what is surely
their memory, against what they say themselves, or where the kernel has it."""
import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
MIB = 1 << 20
PATIENCE = 60  # seconds
BLOCKS = os.path.join(heaplib.HERE, "workloads/blocks.c")
HTML = b"<html>" + b"<p class=a>x</p>" * 200000
# Each: what exports them, by the table in user/heap/known.c.
SYMBOLS = {
    "jemalloc": ["mallctl", "je_mallctl", "_rjem_mallctl"],
    "gperftools": ["MallocExtension_ReleaseFreeMemory"],
    "mozjemalloc": ["jemalloc_set_main_thread"],
    "hardened_malloc": ["malloc_object_size_fast"],
    "scudo": ["__scudo_print_stats"],
    "rpmalloc": ["rpmalloc_initialize"],
    "snmalloc": ["__malloc_end_pointer"],
    "mesh": ["mesh_mallctl"],
    "java": ["gHotSpotVMStructs"],
    "v8": ["_ZN2v82V810GetVersionEv"],
    "javascriptcore": ["JSGlobalContextCreate"],
    "dotnet": ["coreclr_initialize", "DotNetRuntimeInfo", "DotNetRuntimeDebugHeader"],
    "mono": ["mono_jit_init"],
}


def unsupported(snapshot):
    return {a["name"]: a for a in snapshot["allocators"] if a["status"] == "unsupported"}


def in_class(snapshot, name):
    return next(c["resident_bytes"] for c in snapshot["ledger"] if c["class"] == name)


def mappings(pid):
    """Start, end, whether it is private and anonymous, resident bytes."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
        for line in f:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) ...(.) \S+ \S+ (\d+) *(.*)", line)
            if head:
                where = int(head[1], 16), int(head[2], 16)
                anon = head[3] == "p" and head[4] == "0"
                named = head[5]
            elif line.startswith("Rss:"):
                yield (*where, anon and not named.startswith("["), int(line.split()[1]) * 1024)


def anon_between(pid, low, high):
    return sum(rss for start, end, anon, rss in mappings(pid)
               if anon and start >= low and end <= high)


@contextlib.contextmanager
def stopped(p):
    os.kill(p.pid, signal.SIGSTOP)
    while not p.all_stopped():
        time.sleep(0.001)
    try:
        yield
    finally:
        os.kill(p.pid, signal.SIGCONT)


def wait_for(p, name, resident):
    """Until that much is seen of it: it has begun to work."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE and p.process.poll() is None:
        seen = unsupported(heaplib.look(p.pid)).get(name)
        if seen and (seen["resident_bytes"] or 0) >= resident:
            return True
        time.sleep(0.1)
    return False


def check_sums(name, p, snapshot, owner):
    """All that is its is unread, and its regions'; nothing is counted twice."""
    unread = in_class(snapshot, "heap.unread")
    owned = sum(r["classes"].get("heap.unread", 0) for r in snapshot["regions"]
                if r["owner"] == owner)
    total = sum(c["resident_bytes"] for c in snapshot["ledger"])
    seen = unsupported(snapshot)[owner]
    tap.ok(total == heaplib.rss_of(p.pid) and unread == owned == (seen["resident_bytes"] or 0),
           f"{name}: sums hold", f"{total} {unread} {owned}\n{seen}\n{snapshot['ledger']}")
    for what in "live_bytes", "free_bytes", "fallow_bytes", "returnable_bytes":
        if seen[what] is not None:
            tap.ok(False, f"{name}: {what} is unknown", seen)


def feed(p):
    with contextlib.suppress(BrokenPipeError):
        p.process.stdin.write(HTML)
        p.process.stdin.flush()


def check_go(name, program, want=None, **options):
    """@want: the version, if it is to be a certain one."""
    with heaplib.Child([program, "p"], **options) as p:
        feed(p)
        if not tap.ok(wait_for(p, "go", 8 * MIB), f"{name}: recognised, and its arenas",
                      unsupported(heaplib.look(p.pid))):
            return None
        with stopped(p):
            snapshot = heaplib.look(p.pid)
            # Between the program and what the kernel puts on top, Go's heap is alone.
            heap = anon_between(p.pid, 1 << 32, 0x700000000000)
            seen = unsupported(snapshot)["go"]
            tap.ok(re.match(r"go1\.\d+", seen["version"]) and want in (None, seen["version"]),
                   f"{name}: {seen['version']}", f"{seen} {want}")
            tap.ok(seen["resident_bytes"] == heap, f"{name}: its arenas to the page",
                   f"{seen['resident_bytes']} {heap}")
            tap.ok(in_class(snapshot, "stack.live") < MIB,
                   f"{name}: no arena is taken for a stack", snapshot["ledger"])
            check_sums(name, p, snapshot, "go")
            print(f"# {name}: {seen['version']}: resident {seen['resident_bytes']}, by smaps {heap}")
    return seen["version"]


def without_sections(source, target):
    """As sstrip leaves it: no table of sections."""
    with open(source, "rb") as f:
        data = bytearray(f.read())
    struct.pack_into("<Q", data, 0x28, 0)
    struct.pack_into("<HHH", data, 0x3a, 0, 0, 0)
    with open(target, "wb") as f:
        f.write(data)
    os.chmod(target, 0o755)


def patched(source, target, old, new):
    with open(source, "rb") as f:
        data = f.read()
    with open(target, "wb") as f:
        f.write(data.replace(old, new))
    os.chmod(target, 0o755)
    return old in data


def check_go_files(program, version, scratch):
    """The same program in other forms."""
    bare = os.path.join(scratch, "bare")
    without_sections(program, bare)
    check_go("no table of sections", bare, version)
    gone = os.path.join(scratch, "gone\n\033[2J")
    shutil.copy(program, gone)
    with heaplib.Child([gone, "p"]) as p:
        while os.readlink(f"/proc/{p.pid}/exe") != gone:
            time.sleep(0.001)
        os.unlink(gone)
        feed(p)
        tap.ok(wait_for(p, "go", MIB), "a deleted program is recognised")
        seen = unsupported(heaplib.look(p.pid)).get("go", {})
        tap.ok(seen.get("version") == version, "a deleted program: the version", seen)
        text = subprocess.run([heaplib.FALLOW, "heap", str(p.pid)], stdout=subprocess.PIPE,
                              check=True).stdout
        tap.ok(b"go " + version.encode() + b", unsupported" in text and b"\033" not in text,
               "a deleted program: the text", text)
    copy = shutil.copy(program, os.path.join(scratch, "upgraded"))
    with heaplib.Child([copy, "p"]) as p:
        feed(p)
        wait_for(p, "go", MIB)
        check_replaced("go", "go", p, copy)
    evil = os.path.join(scratch, "evil")
    magic = b"\xff Go buildinf:\x08\x02" + bytes(16) + bytes([len(version)])
    if patched(program, evil, magic + version.encode(),
               magic + b"go\033[31m".ljust(len(version), b"\n")):
        with heaplib.Child([evil, "p"]) as p:
            feed(p)
            tap.ok(wait_for(p, "go", MIB), "a version of control characters: recognised")
            text = subprocess.run([heaplib.FALLOW, "report", str(p.pid)],
                                  stdout=subprocess.PIPE, check=True).stdout
            tap.ok(b"go go\\x1b[31m\\x0a" in text and b"\033" not in text,
                   "a version of control characters is shown harmless", text)


def check_replaced(name, owner, p, path):
    """The program or library at @path is replaced by one that has nothing of @owner, while
    @p runs: seen by who looks on, and by who comes later."""
    def told(snapshot):
        seen = unsupported(snapshot).get(owner, {})
        return seen.get("version"), seen.get("reason")
    with subprocess.Popen([heaplib.FALLOW, "watch", "--json", "--interval=200ms", str(p.pid)],
                          stdout=subprocess.PIPE) as watch:
        before = told(json.loads(watch.stdout.readline()))
        other = shutil.copy(os.path.join(heaplib.BIN, "blocks"), f"{path}.new")
        os.replace(other, path)
        after = [told(json.loads(watch.stdout.readline())) for _ in range(3)][-1]
        watch.kill()
    late = told(heaplib.look(p.pid))
    tap.ok(before[1] and before == after == late, f"{name}: the same when it is replaced",
           f"{before}\n{after}\n{late}")


def check_unprivileged(program, version, scratch):
    """Without map_files, which are for the administrator."""
    name = "the owner's own look"
    if os.getuid() or not shutil.which("setpriv"):
        tap.skip(name, "it takes root to be another")
        return
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    os.chmod(scratch, 0o755)
    tool, target = (shutil.copy(f, scratch) for f in (heaplib.FALLOW, program))
    with heaplib.Child([*as_nobody, target, "p"]) as p:
        feed(p)
        wait_for(p, "go", MIB)
        out = subprocess.run([*as_nobody, tool, "heap", str(p.pid)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False, text=True).stdout
        tap.ok(f"go {version}, unsupported: at least" in out, f"{name}: recognised", out)


def check_cgo(name, program):
    """A program of Go's that libc is in as well, waiting for a password."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "XDG_CACHE_HOME": home}
        repository = os.path.join(home, "repository")
        subprocess.run([program, "-r", repository, "init"], check=True,
                       stdout=subprocess.DEVNULL, env={**env, "RESTIC_PASSWORD": "test"})
        with heaplib.Child([program, "-r", repository, "check"], env=env,
                           stderr=subprocess.DEVNULL) as p:
            tap.ok(wait_for(p, "go", 1), f"{name}: recognised, and its arenas",
                   unsupported(heaplib.look(p.pid)))
            with stopped(p):
                snapshot = heaplib.look(p.pid)
                heap = anon_between(p.pid, 1 << 32, 0x550000000000)
                seen = unsupported(snapshot).get("go", {"resident_bytes": None, "version": ""})
                tap.ok(seen["resident_bytes"] == heap, f"{name}: its arenas to the page",
                       f"{seen} {heap}")
                tap.ok(any(a["name"] == "glibc" and a["status"] == "exact"
                           for a in snapshot["allocators"]), f"{name}: and glibc beside it")
                print(f"# {name}: {seen['version']}: resident {seen['resident_bytes']}, "
                      f"by smaps {heap}")


def check_java(name, version, program, collector):
    name = f"{name} {version.split('~')[0]}, {collector}"
    log = "-J-Xlog:gc+heap+coops=debug"
    with heaplib.Child([program, "-J-Xmx64m", f"-J-XX:+Use{collector}", log, "-printcert"],
                       text=True) as p:
        said = p.process.stdout.readline()
        where = re.search(r"Heap address: 0x([0-9a-f]+), size: (\d+) MB", said)
        if not tap.ok(where, f"{name}: says where its heap is", said):
            return
        start, size = int(where[1], 16), int(where[2]) * MIB
        tap.ok(wait_for(p, "java", 1), f"{name}: recognised, and its heap",
               unsupported(heaplib.look(p.pid)))
        with stopped(p):
            snapshot = heaplib.look(p.pid)
            heap = anon_between(p.pid, start, start + size)
            seen = unsupported(snapshot).get("java", {"resident_bytes": None, "version": ""})
            tap.ok(seen["resident_bytes"] == heap, f"{name}: its heap to the page",
                   f"{seen} {heap}")
            tap.ok(seen["version"] and seen["version"].split("+")[0] in version.split("+")[0],
                   f"{name}: version {seen['version']}", f"{seen['version']} {version}")
            check_sums(name, p, snapshot, "java")
            print(f"# {name}: resident {seen['resident_bytes']}, by smaps {heap}")


def check_presence(name, owner, command, **options):
    """It is there, and nothing is claimed for it. @command says something when ready."""
    with heaplib.Child(command, text=True, **options) as p:
        said = p.process.stdout.readline().split()
        with stopped(p):
            snapshot = heaplib.look(p.pid)
            seen = unsupported(snapshot)
            tap.ok(set(seen) == {owner} and seen[owner]["reason"],
                   f"{name}: recognised, with a reason", f"{said} {list(seen.values())}")
            if owner in seen:
                tap.ok(seen[owner]["mapped_bytes"] is None and not seen[owner]["arenas"],
                       f"{name}: nothing is claimed", seen)
                check_sums(name, p, snapshot, owner)
        return snapshot, said


def check_scudo(version, library, scratch):
    library = shutil.copy(library, scratch)
    command, env = [os.path.join(heaplib.BIN, "blocks")], {**os.environ, "LD_PRELOAD": library}
    snapshot, said = check_presence(f"scudo {version}", "scudo", command, env=env)
    tap.ok(in_class(snapshot, "anon.other") >= int(said[1]),
           "scudo: what the program holds is unclaimed", snapshot["ledger"])
    with heaplib.Child(command, env=env) as p:
        p.process.stdout.readline()
        check_replaced("scudo", "scudo", p, library)


def check_node(version, program, scratch):
    ready = "console.log('ready'); require('fs').readSync(0, Buffer.alloc(1))"
    program = shutil.copy(program, os.path.join(scratch, "node"))
    check_presence(f"node {version}", "v8", [program, "-e", ready])
    with heaplib.Child([program, "-e", ready]) as p:
        p.process.stdout.readline()
        check_replaced("node", "v8", p, program)


def check_bun(version, program):
    """It exports some of V8's names, and has JavaScriptCore and a mimalloc of its own."""
    name = f"bun {version}"
    with heaplib.Child([program, "-e", "console.log('ready'); setTimeout(() => {}, 1e6)"],
                       text=True) as p:
        p.process.stdout.readline()
        with stopped(p):
            seen = unsupported(heaplib.look(p.pid))
    tap.ok(set(seen) == {"javascriptcore", "mimalloc"} and all(a["reason"] for a in seen.values()),
           f"{name}: JavaScriptCore and mimalloc are recognised, with a reason", seen)


WORKER = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "unix:%s/socket", http = (), service = "main")]
);
const main :Workerd.Worker = (
  serviceWorkerScript = "addEventListener('fetch', e => e.respondWith(new Response('x')))",
  compatibilityDate = "2024-01-01"
);
"""


def check_workerd(version, program, scratch):
    name = f"google-tcmalloc, workerd {version}"
    program = shutil.copy(program, scratch)
    config = os.path.join(scratch, "worker.capnp")
    with open(config, "w", encoding="ascii") as f:
        f.write(WORKER % scratch)
    with heaplib.Child([program, "serve", config], stderr=subprocess.DEVNULL) as p:
        begun = time.monotonic()
        while not os.path.exists(f"{scratch}/socket") and time.monotonic() - begun < PATIENCE and \
                p.process.poll() is None:
            time.sleep(0.05)
        if p.process.poll() is not None:
            tap.skip(name, "it does not start here")
            return
        seen = unsupported(heaplib.look(p.pid))
        tap.ok("google-tcmalloc" in seen, f"{name}: recognised", seen)
        tap.ok("google-tcmalloc, unsupported" in subprocess.run(
            [heaplib.FALLOW, "report", str(p.pid)], stdout=subprocess.PIPE, check=True,
            text=True).stdout, f"{name}: the text")
        check_replaced(name, "google-tcmalloc", p, program)


def check_musl(scratch, option):
    name = f"musl{', static' if option else ''}"
    program = os.path.join(scratch, "musl" + option)
    if not shutil.which("musl-gcc"):
        tap.skip(name, "no musl-gcc")
        return
    subprocess.run(["musl-gcc", "-O1", *filter(None, [option]), "-s", "-o", program, BLOCKS],
                   check=True)
    with heaplib.Child([program], text=True) as p:
        held = int(p.process.stdout.readline().split()[1])
        with stopped(p):
            snapshot = heaplib.look(p.pid)
            seen = unsupported(snapshot)
            if not tap.ok(set(seen) == {"musl"}, f"{name}: recognised", seen):
                return
            # Its own .bss is no memory of malloc's, and small.
            claimed, other = seen["musl"]["resident_bytes"], in_class(snapshot, "anon.other")
            tap.ok(claimed >= held and other < 128 << 10,
                   f"{name}: what it holds is claimed", f"{claimed} {held} {other}")
            check_sums(name, p, snapshot, "musl")
            print(f"# {name}: holds {held}, claimed {claimed}, other {other}")
        if option:
            check_replaced(name, "musl", p, program)


def check_symbols(scratch):
    """Each exported symbol is a mark, and none that is only wanted."""
    library, wants = os.path.join(scratch, "lib.so"), os.path.join(scratch, "wants.so")
    blocks = [os.path.join(heaplib.BIN, "blocks")]
    for style in "gnu", "sysv":
        for owner, symbols in SYMBOLS.items():
            for symbol in symbols:
                subprocess.run(["gcc", "-shared", "-fPIC", f"-Wl,--hash-style={style}", "-x", "c",
                                "-o", library, "-"], check=True, text=True,
                               input=f"int other1, other2, {symbol}[8], other3;\n")
                check_presence(f"{symbol}, {style}", owner, blocks,
                               env={**os.environ, "LD_PRELOAD": library})
    every = [s for symbols in SYMBOLS.values() for s in symbols]
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", wants, "-"], check=True, text=True,
                   input="".join(f"extern __attribute__((weak)) int {s}; int *p{i} = &{s};\n"
                                 for i, s in enumerate(every)))
    with heaplib.Child(blocks, text=True, env={**os.environ, "LD_PRELOAD": wants}) as p:
        p.process.stdout.readline()
        seen = unsupported(heaplib.look(p.pid))
        tap.ok(not seen, "symbols that are only wanted are no marks", seen)
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], check=True, text=True,
                   input="int ChromeMain; void *__libc_malloc(unsigned long);"
                         "void *malloc(unsigned long n) { return __libc_malloc(n); }\n")
    check_presence("Chromium, by what it starts with and its own malloc()", "partition_alloc",
                   blocks, env={**os.environ, "LD_PRELOAD": library})
    hoard = os.path.join(scratch, "renamed.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libhoard.so", "-x", "c", "-o", hoard,
                    "-"], check=True, text=True, input="int x;\n")
    check_presence("Hoard by its own name", "hoard", blocks,
                   env={**os.environ, "LD_PRELOAD": hoard})


def check_none():
    """The words alone, in data, are no marks."""
    words = " ".join(s for symbols in SYMBOLS.values() for s in symbols)
    code = ("import sys; x = (sys.argv[1].encode() + b'\\xff Go buildinf:\\x08\\x02') * 1000;"
            "print('ready', flush=True); sys.stdin.read()")
    with heaplib.Child([sys.executable, "-c", code, words], text=True) as p:
        p.process.stdout.readline()
        seen = unsupported(heaplib.look(p.pid))
        tap.ok(not seen, "words in memory are no marks", seen)


def main():
    newest = None
    with tempfile.TemporaryDirectory() as scratch:
        for name, version, *path in heaplib.fetched(tap, "knowns", "a program"):
            if name == "go":
                seen = check_go(f"go, {version.split('+')[-1]}", *path)
                newest = seen and (*path, seen)
            elif name == "cgo":
                check_cgo(name, *path)
            elif name == "java":
                for collector in "SerialGC", "ParallelGC", "G1GC":
                    check_java(name, version, *path, collector)
            elif name == "scudo":
                check_scudo(version, *path, scratch)
            elif name == "google-tcmalloc":
                check_workerd(version, *path, scratch)
            elif name == "javascriptcore":
                check_bun(version, *path)
            elif name == "v8":
                check_node(version, *path, scratch)
        if newest:
            check_go_files(*newest, scratch)
            check_unprivileged(*newest, scratch)
        check_musl(scratch, "")
        check_musl(scratch, "-static")
        check_symbols(scratch)
        check_none()
    tap.done()


main()
