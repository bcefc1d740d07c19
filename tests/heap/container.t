#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes in a root of another Debian release, with namespaces of their own: decoded
as any other. What is at the same paths in the tool's root is something else, and nobody
takes the one for the other."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import heaplib
from tap import Tap

tap = Tap()
ARCH = subprocess.run(["gcc", "-print-multiarch"], text=True, check=True,
                      stdout=subprocess.PIPE).stdout.strip()
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
PATIENCE = 60  # seconds


class Container:
    """A folder of its own, in ours and in the container's root, which has the C library of
    a release and what else was fetched with it."""

    def __init__(self, directory, release):
        os.chmod(directory, 0o755)
        self.directory = directory
        self.root = os.path.join(directory, "root")
        os.makedirs(self.root + directory)
        for name in "lib", "lib64":
            os.symlink(f"usr/{name}", os.path.join(self.root, name))
        for name in f"lib/{ARCH}", "lib64":
            shutil.copytree(os.path.join(release, "usr", name),
                            os.path.join(self.root, "usr", name), symlinks=True)

    def put(self, path, decoy):
        """@path, and @decoy in our root, as programs of one name: which."""
        name = os.path.join(self.directory, "program")
        shutil.copy(decoy, name)
        shutil.copy(path, self.root + name)
        return name

    def command(self, preload=None):
        env = ["--setenv", "LD_PRELOAD", preload] if preload else []
        return ["bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--bind", self.root,
                "/", *env]


@contextlib.contextmanager
def container(release):
    with tempfile.TemporaryDirectory() as directory:
        yield Container(directory, release)


@contextlib.contextmanager
def overlaid(c, paths):
    """Its root is an overlay now, in which @paths are copies of what is below."""
    layers = os.path.join(c.directory, "layers")
    os.mkdir(layers)
    subprocess.run(["mount", "-t", "tmpfs", "none", layers], check=True)
    below, c.root = c.root, os.path.join(layers, "root")
    try:
        for name in "upper", "work", "root":
            os.mkdir(os.path.join(layers, name))
        options = f"lowerdir={below},upperdir={layers}/upper,workdir={layers}/work"
        subprocess.run(["mount", "-t", "overlay", "none", "-o", options, c.root], check=True)
        for path in paths:
            os.chmod(c.root + path, 0o1755)
        yield
    finally:
        subprocess.run(["umount", "--lazy", "--recursive", layers], check=True)


def inner(p):
    """The process in the container, by its number here."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        out = subprocess.run(["pgrep", "-P", str(p.process.pid)], text=True, check=False,
                             stdout=subprocess.PIPE).stdout.split()
        if out:
            return int(out[0])
        time.sleep(0.01)
    raise TimeoutError("no process in the container")


def release_of(path):
    return path.split("/usr/lib/")[0]


def subjects():
    """Allocator, name, library in a release, that release."""
    for glibc in [g for g in heaplib.glibcs(tap) if g.prefix][-1:]:
        yield "glibc", glibc.name, None, release_of(glibc.prefix[-1])
    for allocator, fetched in (("jemalloc", heaplib.jemallocs), ("mimalloc", heaplib.mimallocs),
                               ("gperftools", heaplib.tcmallocs)):
        found = [(name, rest[-2]) for name, *rest in fetched(tap)]
        for name, library in found[-1:]:
            yield allocator, name, library, release_of(library)


def check(allocator, name, library, release, mode):
    name = f"{name} in a container, {mode}"
    workload = "heap" if allocator == "glibc" else allocator
    preload = library and library[len(release):]
    with container(release) as c, contextlib.ExitStack() as stack:
        program = c.put(os.path.join(heaplib.BIN, workload), os.path.join(heaplib.BIN, "blocks"))
        if mode == "overlaid":
            files = program, preload, f"/usr/lib/{ARCH}/libc.so.6"
            stack.enter_context(overlaid(c, filter(None, files)))
        start = heaplib.Glibc(name, c.command(preload), program)
        with heaplib.Workload(start, "small" if allocator == "mimalloc" else "mixed", 2, 7) as w:
            w.pid = inner(w)
            w.work()
            own = heaplib.own_free(allocator, w)
            with w.stopped():
                snapshot, rss = w.look(), w.rss()
            with open(f"/proc/{w.pid}/maps", encoding="utf-8") as f:
                mapped = {line.split()[5] for line in f if len(line.split()) > 5}
    seen = {a["name"]: a for a in snapshot["allocators"]}
    ledger = sum(c["resident_bytes"] for c in snapshot["ledger"])
    facts = f"{own} {ledger} {rss}\n{seen}"
    tap.ok(allocator in seen and seen[allocator]["status"] == "exact" and
           seen[allocator]["own_free_bytes"] == own, f"{name}: exact", facts)
    tap.ok(ledger == rss, f"{name}: the ledger adds up to RSS", facts)
    tap.ok(set(seen) <= {allocator, "glibc"}, f"{name}: nothing else", facts)
    # In our root, that path has another version's.
    if allocator == "glibc":
        tap.ok(seen["glibc"]["version"] == name.split()[1], f"{name}: its version", facts)
    names = {r["name"] for r in snapshot["regions"] if r["name"].startswith("/")}
    tap.ok(snapshot["process"]["exe"] == program and program in names and names <= mapped,
           f"{name}: paths are the container's", f"{names} {mapped}")


def look(c, p, user):
    """By root, or by the process' owner, to whom links to mapped files are closed."""
    tool = shutil.copy(heaplib.FALLOW, c.directory)
    return json.loads(subprocess.run([*user, tool, "report", "--json", str(inner(p))],
                                     check=True, stdout=subprocess.PIPE).stdout)


def check_decoys(release, version, go):
    """Of two programs of one path, what is said is of the one that runs."""
    plain = os.path.join(heaplib.BIN, "blocks")
    for user, who in ([], "root"), (NOBODY, "its owner"):
        for program, decoy, want in (go, plain, ["go"]), (plain, go, []):
            name = f"a namesake of {os.path.basename(program)}, seen by {who}"
            with container(release) as c:
                path = c.put(program, decoy)
                with heaplib.Child([*user, *c.command(), path, "p"]) as p:
                    seen = settle(lambda: look(c, p, user), path, want)
            found = [a for a in seen if a["status"] == "unsupported"]
            tap.ok([a["name"] for a in found] == want and
                   all(a["version"].startswith("go1.") for a in found), f"{name}: what it is", seen)
            glibc = [a["version"] for a in seen if a["name"] == "glibc"]
            tap.ok(want or glibc == [version], f"{name}: the version of its C library", seen)


def settle(take, path, want):
    """The allocators, once the program is up: what is wanted, or glibc."""
    begun = time.monotonic()
    while True:
        snapshot = take()
        seen = snapshot["allocators"]
        if snapshot["process"]["exe"] == path and \
                {a["name"] for a in seen} >= set(want or ["glibc"]) or \
                time.monotonic() - begun > PATIENCE:
            return seen
        time.sleep(0.1)


def can_run():
    """Why there can be no containers here; "" if there can."""
    if os.getuid() or not shutil.which("bwrap") or not shutil.which("setpriv"):
        return "it takes root, bwrap and setpriv"
    try_it = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "/bin/true"]
    for user in [], NOBODY:
        run = subprocess.run([*user, *try_it], stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            return f"no namespaces can be made here: {run.stderr.strip()}"
    return ""


def main():
    why = can_run()
    if why:
        tap.skip("containers", why)
        tap.done()
    found = list(subjects())
    for subject in found:
        for mode in "plain", "overlaid":
            check(*subject, mode)
    glibcs = [s for s in found if s[0] == "glibc"]
    programs = [path for name, _, path in heaplib.fetched(tap, "knowns", "a program")
                if name == "go"]
    if glibcs and programs:
        _, name, _, release = glibcs[-1]
        check_decoys(release, name.split()[1], programs[-1])
    tap.done()


main()
