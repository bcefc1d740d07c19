#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: record.t [KILLS]

Recordings: what is read back is what was looked at, and whatever happens to the program,
the disk and the processes, what was recorded is there. SQLite itself says whether a file
is sound and how much is in it.
"""
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..")]
sys.dont_write_bytecode = True
import heaplib
from tap import Tap

tap = Tap()
FALLOW = heaplib.FALLOW


def fallow(*args, **options):
    return subprocess.run([FALLOW, *map(str, args)], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **options)


def ask(path, sql):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def count(path):
    try:
        return ask(path, "SELECT count(*) FROM look")[0][0]
    except sqlite3.OperationalError:  # not there yet
        return 0


def sound(path):
    return ask(path, "PRAGMA integrity_check") == [("ok",)]


def eventually(what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def recorder(*args):
    # Whoever runs this may ignore Ctrl-C, as what is in the background does.
    p = subprocess.Popen([FALLOW, "record", *map(str, args)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        yield p
    finally:
        p.kill()
        p.communicate()


def record_until(path, looks, *args):
    """Records until there are so many looks, and ends that as Ctrl-C does."""
    with recorder(*args, "-o", path) as p:
        enough = eventually(lambda: count(path) >= looks)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate()
        return enough, p.returncode, out, err


def programs():
    """A shell command each, and until when it is not ready."""
    bin_ = heaplib.BIN
    yield "free blocks", [os.path.join(bin_, "heap"), "random-free", "2", "20"]
    yield "mappings", [os.path.join(bin_, "changes")]
    yield "Python", [sys.executable, "-c", "x = [str(i) for i in range(9999)]\n"
                                           "print('ready', flush=True)\ninput()"]


def started(command):
    child = heaplib.Child(command, stderr=subprocess.DEVNULL)
    child.process.stdout.readline()
    return child


def read_back(directory):
    """A look in a file is shown as it was: to the byte."""
    path = os.path.join(directory, "snapshot")
    for name, command in programs():
        with started(command) as child:
            for view, *options in ["report"], ["regions"], ["heap", "--show-data"]:
                live = fallow(view, "--json", *options, child.pid).stdout
                with open(path, "wb") as f:
                    f.write(live)
                again = fallow(view, "--json", path)
                tap.ok(live and again.stdout == live and not again.returncode,
                       f"{name}: {view} of a file is that of the process", again.stderr)
            text = fallow("heap", path).stdout.decode()
            tap.ok(f"pid {child.pid}" in text and "  recorded 20" in text,
                   f"{name}: text says that it is recorded", text)


def one_process(directory):
    path = os.path.join(directory, "one")
    with started([os.path.join(heaplib.BIN, "changes")]) as child:
        enough, status, out, err = record_until(path, 5, child.pid, "-i", "50ms")
        child.process.stdin.write(b"go\n")
        child.process.stdin.flush()
        child.process.stdout.readline()
        record_until(path, count(path) + 3, child.pid, "-i", "50ms")
        live = heaplib.look(child.pid)
    tap.ok(enough and not status and not err and f" in {path}" in out,
           "Ctrl-C ends it in order", f"{status} {out}{err}")
    fallow("report", path)
    tap.ok(set(os.listdir(directory)) == {"snapshot", "one"}
           and os.stat(path).st_mode & 0o777 == 0o600,
           "the file is alone, and its owner's", os.listdir(directory))
    n = count(path)
    tap.ok(sound(path), "it is sound")
    rows = ask(path, "SELECT rss, time, heap_used + heap_returnable + heap_held + "
                     "heap_metadata + heap_unread + anon_other + stack_live + stack_dead + "
                     "file_clean + file_dirty + shmem FROM look ORDER BY id")
    looks = [json.loads(fallow("snapshot", f"{path}@{i + 1}", "-o", "/dev/stdout").stdout
                        or fallow("report", "--json", f"{path}@{i + 1}").stdout)
             for i in range(n)]
    tap.ok(all(rss == total == look["process"]["rss_bytes"] for (rss, _, total), look
               in zip(rows, looks)), "the columns are the ledger of each look", rows)
    tap.ok([t for _, t, _ in rows] == sorted(t for _, t, _ in rows)
           and all(look["process"]["pid"] == child.pid for look in looks),
           "looks are in order, and of the process")
    addressing(path, n, looks)
    changes(path, looks, live)
    schemas(path, looks)


def addressing(path, n, looks):
    def time_of(where):
        out = fallow("report", "--json", where)
        return json.loads(out.stdout)["time"] if out.stdout else out.stderr.decode()
    last = looks[-1]["time"]
    tap.ok(time_of(path) == time_of(f"{path}@-1") == time_of(f"{path}@{n}") == last
           and time_of(f"{path}@1") == time_of(f"{path}@-{n}") == looks[0]["time"],
           "looks by number", last)
    tap.ok(time_of(f"{path}@{looks[0]['process']['pid']}:-1") == last
           and time_of(f"{path}@changes:-1") == last, "and by process")
    tap.ok(time_of(f"{path}@2199-01-01T00:00") == last, "and by time")
    for wrong, status, said in [("@0", 1, f"looks are from 1 to {n}"),
                                (f"@{n + 1}", 1, "looks are from"), ("@x", 2, "no look such"),
                                ("@nobody:-1", 3, 'no process "nobody" is in it'),
                                ("@1990-01-01T00:00", 1, "all looks were later")]:
        r = fallow("report", path + wrong)
        tap.ok(r.returncode == status and said in r.stderr.decode() and not r.stdout,
               f"{wrong} is refused", f"{r.returncode} {r.stderr}")
    for option in "--freeze", "--quick", "--source=procfs":
        r = fallow("report", path, option)
        tap.ok(r.returncode == 2 and b"is a look in a file" in r.stderr,
               f"{option} is for a process", r.stderr)
    r = fallow("trace", path)
    tap.ok(r.returncode and not r.stdout and r.stderr.count(b"\n") == 1,
           "trace says that it takes none", r.stderr)


def changes(path, looks, live):
    r = fallow("diff", "--json", f"{path}@1", f"{path}@-1")
    diff = json.loads(r.stdout or "{}")
    grown = looks[-1]["process"]["rss_bytes"] - looks[0]["process"]["rss_bytes"]
    tap.ok(grown and sum(c["change_bytes"] for c in diff.get("ledger", [])) == grown,
           "diff of two looks is the growth between them", r.stderr)
    same = {r["start"] for r in looks[-1]["regions"]} == {r["start"] for r in live["regions"]}
    tap.ok(same, "the last look has the mappings that the process has")


def schemas(path, looks):
    if subprocess.run(["/usr/bin/python3", "-c", "import jsonschema"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        tap.skip("looks of a recording are as the schema says", "no python3-jsonschema")
        return
    for look in looks[0], looks[-1]:
        wrong = heaplib.against_schema(look)
        tap.ok(not wrong, "a look of a recording is as the schema says", wrong)
    info = json.loads(fallow("info", "--json", path).stdout)
    wrong = heaplib.against_schema(info, "fallow-recording.schema.json")
    tap.ok(not wrong and info["processes"][0]["looks"] == len(looks),
           "what is in a recording, too", wrong)


def killed(directory, kills):
    """kill -9 at any moment: nothing that was there is lost."""
    path = os.path.join(directory, "killed")
    rng = random.Random(1)
    had, lost, unsound, grew = 0, 0, 0, 0
    with started([os.path.join(heaplib.BIN, "changes")]) as child:
        for i in range(kills):
            with recorder(child.pid, "-o", path, "-i", "1ms", "--keep=4M") as p:
                # Every tenth one gets to a look, however slow the machine is.
                if not i % 10:
                    eventually(lambda: count(path) > had)
                time.sleep(rng.uniform(0, 0.06))
                p.kill()
            now = count(path)
            lost += now < had
            grew += now > had
            had = now
            if not i % 20:
                unsound += not sound(path)
    tap.ok(not lost and grew >= kills // 10, f"{kills} times kill -9: no look is lost",
           f"{lost} times lost, {grew} times grown, {had} looks")
    tap.ok(not unsound and sound(path), "and the file is sound")
    bad = [i for i in range(0, had, max(1, had // 40))
           if not fallow("report", "--json", f"{path}@{i + 1}").stdout]
    tap.ok(not bad, "and its looks can be read", bad)


def interrupted(directory):
    """What is read while it is being written, and right after a kill, by the log beside."""
    path = os.path.join(directory, "read")
    with started([os.path.join(heaplib.BIN, "changes")]) as child:
        with recorder(child.pid, "-o", path, "-i", "5ms") as p:
            eventually(lambda: count(path) > 3)
            reads = [fallow("report", path) for _ in range(10)]
            p.kill()
        left = fallow("report", f"{path}@-1")
    tap.ok(all(r.stdout and not r.stderr for r in [*reads, left]),
           "it is read while it is written, and after a kill", reads[0].stderr)
    path = os.path.join(directory, "begun")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    with heaplib.Child(["sleep", "600"]) as child:
        enough, status, _, err = record_until(path, 1, child.pid, "-i", "10ms")
    tap.ok(enough and not status, "one that was killed before its tables were made is begun "
           "again", err)


def begun_together(directory):
    """Several that begin one new file at once add to the same recording."""
    wrong = []
    with heaplib.Child(["sleep", "600"]) as child:
        for i in range(6):
            path = os.path.join(directory, f"together{i}")
            command = [FALLOW, "record", str(child.pid), "-o", path, "-i", "10ms", "--for",
                       "200ms"]
            all_ = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     text=True) for _ in range(4)]
            told = [(*p.communicate(), p.returncode) for p in all_]
            looks = sum(int(out.split()[0]) for out, _, _ in told if out)
            if any(status for *_, status in told) or looks != count(path) or not sound(path):
                wrong.append((told, count(path)))
    tap.ok(not wrong, "four that begin one file at once: all looks of all are in it", wrong[:1])


def full_disk(directory):
    place = os.path.join(directory, "full")
    os.mkdir(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place],
                      check=False, stderr=subprocess.DEVNULL).returncode:
        tap.skip("a full disk", "no tmpfs can be mounted here")
        return
    path = os.path.join(place, "f")
    try:
        with started([os.path.join(heaplib.BIN, "changes")]) as child:
            r = fallow("record", child.pid, "-o", path, "-i", "1ms")
        said = r.stderr.decode()
        tap.ok(r.returncode == 1 and "the disk is full" in said and said.count("\n") == 1,
               "a disk that is full is said", f"{r.returncode} {said}")
        left = fallow("report", path)
        tap.ok(left.stdout and not left.returncode, "what was recorded can be read",
               left.stderr)
        n = json.loads(fallow("info", "--json", path).stdout)["processes"][0]["looks"]
        each = [fallow("report", f"{path}@{i + 1}").returncode for i in range(0, n, 7)]
        tap.ok(n > 3 and not any(each), "each of its looks", f"{n} looks, {each}")
    finally:
        subprocess.run(["umount", "-l", place], check=False)


def new_program(directory):
    path = os.path.join(directory, "exec")
    with heaplib.Child(["sh", "-c", "read x; exec sleep 600"]) as child:
        with recorder(child.pid, "-o", path, "-i", "20ms") as p:
            eventually(lambda: count(path) > 1)
            child.process.stdin.write(b"\n")
            child.process.stdin.flush()
            renamed = eventually(lambda: ask(path, "SELECT comm FROM process")
                                 == [("sleep",)])
            before = count(path)
            went_on = eventually(lambda: count(path) > before + 1)
            running = p.poll() is None
            child.process.kill()
            _, err = p.communicate()
    tap.ok(renamed and went_on and running, "a process that becomes another program: one "
           "process, and looks go on", err)
    first, last = (json.loads(fallow("report", "--json", f"{path}@{i}").stdout)["process"]
                   for i in (1, -1))
    tap.ok((first["comm"], last["comm"]) == ("sh", "sleep")
           and os.path.basename(last["exe"]) == "sleep", "each look names its program", last)
    tap.ok(p.returncode == 3 and "no such process" in err, "its end ends it: status 3",
           f"{p.returncode} {err}")


def conditions(directory):
    path = os.path.join(directory, "when")
    with heaplib.Child([os.path.join(heaplib.BIN, "grow"), "20", "60"]) as child:
        enough, *rest = record_until(path, 2, child.pid, "-i", "20ms", "--when=rss>24M")
    rows = ask(path, "SELECT rss, why FROM look ORDER BY id") if enough else []
    # What the condition goes by lags a little behind what is looked at, or before it.
    tap.ok(enough and all(rss > 20 << 20 and why == "rss>24M" for rss, why in rows),
           "--when: looks from there on, that say why", f"{rows} {rest}")
    path = os.path.join(directory, "never")
    with heaplib.Child(["sleep", "600"]) as child:
        r = fallow("record", child.pid, "-o", path, "-i", "10ms", "--for", "300ms",
                   "--when=rss>1T", "--when=growth>1G/s")
        tap.ok(not r.returncode and not count(path), "no look where no condition holds",
               r.stderr)
        r = fallow("record", child.pid, "-o", path, "-i", "10ms", "--for", "2s",
                   "--rate=2/1h")
        tap.ok(not r.returncode and count(path) <= 2 and b"left out by --rate" in r.stdout,
               "--rate: no more than that", f"{count(path)} {r.stdout}")
        empty = fallow("report", os.path.join(directory, "never2"))
    tap.ok(empty.returncode == 3, "a file that is not there is no process")


def everything():
    """The inner half of all(): in a pid namespace of its own."""
    path = os.path.join(sys.argv[2], "all")
    steady = [subprocess.Popen(["sleep", "600"]) for _ in range(5)]
    with recorder("--all", "-o", path, "-i", "10ms") as p:
        for _ in range(250):
            short = [subprocess.Popen(["/bin/true"]) for _ in range(20)]
            for child in short:
                child.wait()
        seen = eventually(lambda: count(path) and {s.pid for s in steady} <= {
            pid for pid, in ask(path, "SELECT pid FROM process")})
        p.send_signal(signal.SIGINT)
        out, err = p.communicate()
    print(json.dumps({"seen": seen, "status": p.returncode, "out": out, "err": err,
                      "steady": [s.pid for s in steady], "self": os.getpid()}))
    for s in steady:
        s.kill()


def all_processes(directory):
    r = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                        sys.executable, os.path.abspath(__file__), "--all", directory],
                       check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if r.returncode:
        tap.skip("5,000 processes that come and go", "no pid namespace can be made here")
        return
    path, told = os.path.join(directory, "all"), json.loads(r.stdout.splitlines()[-1])
    tap.ok(told["seen"] and not told["status"], "--all: 5,000 come and go, and the others "
           "are recorded", told)
    tap.ok(sound(path), "the file is sound")
    mixed = ask(path, "SELECT pid, count(DISTINCT starttime) n FROM process GROUP BY pid "
                      "HAVING n < count(*)")
    wrong = [pid for pid in told["steady"]
             if json.loads(fallow("report", "--json", f"{path}@{pid}:-1").stdout)
             ["process"]["comm"] != "sleep"]
    tap.ok(not mixed and not wrong, "no process is taken for another", f"{mixed} {wrong}")
    r = fallow("report", path)
    tap.ok(r.returncode == 2 and b"processes are in it: name one" in r.stderr,
           "which of them is meant has to be said", r.stderr)


def refused(directory):
    """Files that are no recordings, or not ours."""
    other = os.path.join(directory, "other")
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE x (y)")
    text = os.path.join(directory, "text")
    with open(text, "w", encoding="ascii") as f:
        f.write("hello\n")
    with heaplib.Child(["sleep", "600"]) as child:
        for name, path, said in [("another database", other, "no recording"),
                                 ("a text", text, "not a database"),
                                 ("a folder", directory, "is no file"),
                                 ("no folder", os.path.join(directory, "no/f"), "No such file")]:
            r = fallow("record", child.pid, "-o", path, "--for", "100ms")
            tap.ok(r.returncode == 1 and said in r.stderr.decode(),
                   f"nothing is recorded to {name}", r.stderr)
        if os.geteuid():
            tap.skip("nor to a file of somebody else", "not root")
            return
        theirs = os.path.join(directory, "theirs")
        with open(theirs, "wb"):
            os.chown(theirs, 65534, 65534)
        journal = os.path.join(directory, "new-journal")
        with open(journal, "wb"):
            os.chown(journal, 65534, 65534)
        for path in theirs, os.path.join(directory, "new"):
            r = fallow("record", child.pid, "-o", path, "--for", "100ms")
            tap.ok(r.returncode == 1 and b"others can write to it" in r.stderr,
                   "nor to a file of somebody else, nor beside one", r.stderr)


def forged(directory):
    """Recordings that were changed: an error, or a look, and nothing else."""
    path, copy = os.path.join(directory, "one"), os.path.join(directory, "forged")
    with open(path, "rb") as f:
        good = f.read()
    rng = random.Random(2)
    odd = []
    for i in range(300):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 4, 40))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if not i % 5:
            del data[rng.randrange(len(data)):]
        with open(copy, "wb") as f:
            f.write(data)
        r = fallow(*rng.choice((["report"], ["info"], ["heap", "--json"])), copy, timeout=60)
        if r.returncode not in (0, 1, 2, 3) or (r.returncode and r.stderr.count(b"\n") != 1):
            odd.append((i, r.returncode, r.stderr))
    tap.ok(not odd, "300 damaged files: an error in a line, or a look", odd[:3])
    for name, sql in [("a view", "ALTER TABLE look RENAME TO l; CREATE VIEW look AS "
                                 "SELECT * FROM l"),
                      ("a trigger", "CREATE TRIGGER t AFTER INSERT ON look BEGIN "
                                    "DELETE FROM process; END"),
                      ("another column", "ALTER TABLE process ADD COLUMN x"),
                      ("bases in a ring", "UPDATE look SET base = id"),
                      ("no looks", "DELETE FROM look"),
                      ("a year that no clock shows", "UPDATE look SET time = 1 << 62"),
                      ("a look before the boot", "UPDATE look SET uptime = -1"),
                      ("no zstd", "UPDATE look SET base = 0, json = 'x'"),
                      ("numbers for texts", "UPDATE process SET comm = 1, boot = NULL, "
                                            "pid = 'x'; UPDATE look SET json = 7")]:
        with open(copy, "wb") as f:
            f.write(good)
        with contextlib.closing(sqlite3.connect(copy)) as db:
            db.executescript(sql)
        r = fallow("report", f"{copy}@-1")
        tap.ok(r.returncode == 1 and not r.stdout and r.stderr.count(b"\n") == 1,
               f"{name}: refused", f"{r.returncode} {r.stderr}")


def main():
    if sys.argv[1:2] == ["--all"]:
        everything()
        return
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as directory:
        read_back(directory)
        one_process(directory)
        forged(directory)
        refused(directory)
        interrupted(directory)
        begun_together(directory)
        new_program(directory)
        conditions(directory)
        full_disk(directory)
        all_processes(directory)
        killed(directory, kills)
    tap.done()


main()
