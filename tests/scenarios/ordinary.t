#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ordinary programs under an ordinary load: nothing is wrong with them, and nothing is
said to be; but for what is true of one, which its entry names."""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib
from tap import Tap

tap = Tap()


@contextlib.contextmanager
def child(command, cwd, text=None, **options):
    """Runs it with that much on its standard input, which stays open."""
    with open(os.path.join(cwd, "out"), "wb") as out:
        p = subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=out,
                             stderr=subprocess.STDOUT, **options)
        try:
            if text:
                p.stdin.write(text.encode())
                p.stdin.flush()
            yield p
        finally:
            p.kill()
            p.wait()
            p.stdin.close()


def waits(answer, seconds=20):
    """Whether answer() comes to be true."""
    for _ in range(seconds * 20):
        with contextlib.suppress(OSError):
            if answer():
                return True
        time.sleep(0.05)
    return False


def get(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as f:
        return f.read()


def web(port):
    return waits(lambda: get(port)) and all(get(port) for _ in range(300))


def out_has(d, text):
    with open(os.path.join(d, "out"), "rb") as f:
        return text.encode() in f.read()


NGINX = """
daemon off; master_process off; pid {d}/pid; error_log {d}/err;
events {{}}
http {{ access_log off; client_body_temp_path {d}/b; proxy_temp_path {d}/p;
fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
server {{ listen 127.0.0.1:18081; location / {{ return 200 "{body}"; }} }} }}
"""


def nginx(d):
    with open(f"{d}/conf", "w", encoding="ascii") as f:
        f.write(NGINX.format(d=d, body="x" * 2000))
    found = subprocess.run([os.path.join(HERE, "nginx")], stdout=subprocess.PIPE, text=True,
                           check=False).stdout.strip()
    return [found or "nginx", "-c", f"{d}/conf", "-e", f"{d}/err"], None, lambda: web(18081)


def python_server(_):
    return (["/usr/bin/python3", "-m", "http.server", "18082", "--bind", "127.0.0.1"], None,
            lambda: web(18082))


def sqlite(d):
    sql = ("create table t(a integer primary key, b text);"
           "with recursive n(i) as (select 1 union all select i+1 from n where i < 300000) "
           "insert into t select i, hex(randomblob(20)) from n;"
           "select count(*), 'counted' from t where b like '%AB%';\n")
    return ["sqlite3", f"{d}/db"], sql, lambda: waits(lambda: out_has(d, "counted"))


def bash(d):
    text = "for ((i = 0; i < 200000; i++)); do a[i]=$((i * 7)); done; echo filled\n"
    return ["bash"], text, lambda: waits(lambda: out_has(d, "filled"))


def perl(d):
    text = "$h{$_} = \"value $_\" for 1..200000; print \"filled\\n\"; <STDIN>;"
    return ["perl", "-e", "$| = 1; " + text], None, lambda: waits(lambda: out_has(d, "filled"))


def awk(d):
    text = 'BEGIN { for (i = 0; i < 300000; i++) a[i] = i "x"; print "filled"; fflush(); getline }'
    return ["gawk", text], None, lambda: waits(lambda: out_has(d, "filled"))


def vim(d):
    with open(f"{d}/text", "w", encoding="ascii") as f:
        f.writelines(f"line {i} of a text that somebody edits\n" for i in range(100000))
    return (["vim.tiny", "-u", "NONE", "-n", "-es", f"{d}/text"],
            ":%s/text/TEXT/g\n:g/9999/d\n:write " + d + "/done\n",
            lambda: waits(lambda: os.path.exists(f"{d}/done")))


def compiler(d):
    with open(f"{d}/a.c", "w", encoding="ascii") as f:
        f.writelines(f"int f{i}(int a, int b) {{ return a * {i} + (b ? f{max(i - 1, 0)}(b, a)"
                     f" : a % {i + 1}); }}\n" for i in range(20000))
    cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], stdout=subprocess.PIPE, check=True,
                         text=True).stdout.strip()
    return [cc1, "-quiet", "-O2", f"{d}/a.c", "-o", f"{d}/a.s"], None, lambda: time.sleep(3) or True


def sort(d):
    text = "".join(f"{i * 7919 % 1000003} some words behind it\n" for i in range(400000))
    return ["sort", "-S", "200M", "--parallel=1"], text, lambda: time.sleep(1) or True


def less(d):
    with open(f"{d}/text", "w", encoding="ascii") as f:
        f.writelines(f"line {i}\n" for i in range(200000))
    return (["script", "-qec", f"less {d}/text", "/dev/null"], "G",
            lambda: waits(lambda: out_has(d, "199999")))


PROGRAMS = {  # how it is run; verdicts that are true of it besides
    "nginx": (nginx, ()),
    "python3 -m http.server": (python_server, ()),
    "sqlite3": (sqlite, ()),
    "bash": (bash, ()),
    "perl": (perl, ()),
    "gawk": (awk, ()),
    "vim": (vim, ()),
    # With an allocator of its own, of which nobody knows more than that.
    "cc1": (compiler, ("live-growth", "off-heap-growth", "undetermined")),
    "sort": (sort, ()),
    "less": (less, ()),
}


def check(name, how, true_besides):
    with tempfile.TemporaryDirectory() as d:
        command, text, load = how(d)
        if not shutil.which(command[0]):
            tap.skip(f"{name}: healthy", f"{command[0]} is not installed")
            return
        with child(command, d, text) as p:
            done = load()
            seen = heaplib.look(p.pid, "--after=2s") if p.poll() is None else None
    tap.ok(done and seen, f"{name}: does what it is asked", str((done, p.returncode)))
    if not seen:
        return
    ids = [v["id"] for v in seen["verdicts"]]
    tap.ok(ids[0] == "healthy" or ids[0] in true_besides, f"{name}: healthy",
           str((seen["process"]["rss_bytes"], seen["verdicts"], seen["allocators"])))
    ledger = sum(c["resident_bytes"] for c in seen["ledger"])
    tap.ok(ledger == seen["process"]["rss_bytes"], f"{name}: the ledger adds up to RSS", ledger)


def main():
    for name, (how, true_besides) in PROGRAMS.items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            check(name, how, true_besides)
    tap.done()


main()
