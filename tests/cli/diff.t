#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: diff.t [MUTATIONS]

fallow snapshot and diff: a process that changes by known amounts in known places, held
against its smaps and what it asked malloc for; and snapshots that are forged."""
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..")]
sys.dont_write_bytecode = True
import heaplib
from heaplib import BIN, FALLOW
from maplib import smaps
from tap import Tap

tap = Tap()
MIB = 1 << 20
SLOTS, SLOT = 0x1000000000, 1 << 30
GONE, MOVED, ELSEWHERE, GROWN, SPLIT, MERGED, NEW, SHMEM, EMPTIED, RESERVED = range(10)
# What tests/workloads/changes does with its mappings, and how their residents change.
CHANGES = {GONE: ("gone", -6), ELSEWHERE: ("moved", 0), GROWN: ("grew", 4), SPLIT: ("split", 0),
           MERGED: ("merged", 0), NEW: ("new", 7), SHMEM: ("same", 3), EMPTIED: ("same", -4),
           RESERVED: ("new", 0)}
FREED, GROWTH = (4096 // 2, 1000), (8192, 2000)


class Changes(heaplib.Child):
    def __init__(self, **options):
        super().__init__([os.path.join(BIN, "changes")], **options)
        self.process.stdout.readline()

    def change(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


def run(*args, timeout=120):
    return subprocess.run([FALLOW, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, check=False, text=True, errors="surrogateescape")


def snapshot(pid, path):
    subprocess.run([FALLOW, "snapshot", str(pid), "-o", path], check=True)


def diff(a, b):
    return json.loads(subprocess.run([FALLOW, "diff", a, b, "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)


def wrong_sums(d):
    """The three views that add up, and what does not."""
    views = {
        "rss": d["now"]["rss_bytes"] - d["before"]["rss_bytes"],
        "ledger": sum(c["change_bytes"] for c in d["ledger"]),
        "allocators": sum(a["change"]["resident_bytes"] for a in d["allocators"]) +
                      d["no_allocator"]["change_bytes"],
        "regions": sum(r["change_bytes"] for r in d["regions"])}
    arenas = [(a["name"], key) for a in d["allocators"] for key, sum_of in a["change"].items()
              if sum_of is not None and a["arenas"] and
              sum(r["change"][key] for r in a["arenas"]) != sum_of]
    resident = d["unchanged"]["resident_bytes"] + sum(
        r["now"]["resident_bytes"] for r in d["regions"] if r["now"])
    if set(views.values()) != {d["rss"]["change_bytes"]} or arenas or \
            resident != d["now"]["rss_bytes"]:
        return f"{views} {arenas} {resident}"
    order = [r["change_bytes"] for r in d["regions"]]
    return "" if order == sorted(order, reverse=True) else f"order {order}"


def slot_of(region):
    """Which mapping of the workload a region is, by where it is, or was."""
    start = int((region["now"] or region["before"])["start"], 16)
    return (start - SLOTS) // SLOT if SLOTS <= start < SLOTS + 10 * SLOT else None


def rss_in(looks, slot):
    start = SLOTS + slot * SLOT
    return sum(v["Rss"] for v in looks if start <= int(v["start"], 16) < start + SLOT)


def chunk(size):
    """Of glibc's on 64 bits: a header word, then 16-byte steps."""
    return (size + 8 + 15) // 16 * 16


def check_regions(name, d, before, after):
    seen = {slot_of(r): r for r in d["regions"]}
    told = {slot: (r["what"], r["change_bytes"]) for slot, r in seen.items() if slot is not None}
    want = {slot: (what, mib * MIB) for slot, (what, mib) in CHANGES.items()}
    tap.ok(told == want, f"{name}: each mapping, what became of it and by how much",
           f"{told}\n{want}")
    by_kernel = {slot: rss_in(after, slot) - rss_in(before, slot) for slot in CHANGES}
    by_kernel[ELSEWHERE] -= rss_in(before, MOVED)
    tap.ok(by_kernel == {slot: change for slot, (_, change) in told.items()},
           f"{name}: as smaps has them", f"{by_kernel}\n{told}")
    moved, split, merged = (seen[slot] for slot in (ELSEWHERE, SPLIT, MERGED))
    tap.ok(moved["before"]["start"] == hex(SLOTS + MOVED * SLOT) and
           (split["before"]["regions"], split["now"]["regions"]) == (1, 3) and
           (merged["before"]["regions"], merged["now"]["regions"]) == (3, 1),
           f"{name}: where it was, and of how many", f"{moved}\n{split}\n{merged}")


def check_heap(name, d):
    glibc = next(a for a in d["allocators"] if a["name"] == "glibc")
    live = GROWTH[0] * chunk(GROWTH[1]) - FREED[0] * chunk(FREED[1])
    free = FREED[0] * chunk(FREED[1])
    main = next(a for a in glibc["arenas"] if a["kind"] == "main")
    tap.ok(glibc["change"]["live_bytes"] == main["change"]["live_bytes"] == live,
           f"{name}: live bytes of the heap, to the byte", glibc["change"])
    tap.ok(glibc["change"]["stranded_bytes"] > free * 9 // 10,
           f"{name}: what was freed between live blocks is stranded", glibc["change"])
    settings = {s["name"]: (s["before"], s["now"]) for s in glibc["settings_changed"]}
    tap.ok(settings.get("trim_threshold") == (128 << 10, 1 << 20),
           f"{name}: a setting that changed", settings)
    classes = {c["class"]: c["change_bytes"] for c in d["ledger"]}
    tap.ok(classes["anon.other"] == 1 * MIB and classes["shmem"] == 3 * MIB and
           classes["heap.used"] + classes["heap.held"] + classes["heap.returnable"] >=
           GROWTH[0] * chunk(GROWTH[1]) - MIB, f"{name}: the ledger by class", classes)


def check_sums(name, d, before, after):
    wrong = wrong_sums(d)
    rss = [sum(v["Rss"] for v in look) for look in (before, after)]
    tap.ok(not wrong, f"{name}: by class, by allocator, by region: each adds up to the RSS", wrong)
    tap.ok([d["before"]["rss_bytes"], d["now"]["rss_bytes"]] == rss,
           f"{name}: the RSS is that of smaps", f"{d['rss']} {rss}")
    schema = heaplib.against_schema(d, "fallow-diff.schema.json")
    if "No module named" in schema:
        tap.skip(f"{name}: as the schema says", "no python3-jsonschema")
    else:
        tap.ok(not schema, f"{name}: as the schema says", schema)


def compare_files(home):
    a, b = os.path.join(home, "a"), os.path.join(home, "b")
    with Changes() as w:
        before = smaps(w.pid)
        snapshot(w.pid, a)
        w.change()
        after = smaps(w.pid)
        snapshot(w.pid, b)
    d = diff(a, b)
    check_regions("two snapshots", d, before, after)
    check_heap("two snapshots", d)
    check_sums("two snapshots", d, before, after)
    tap.ok(d["same_process"] and d["same_host"] and d["interval_ns"] > 0 and
           abs(d["rss"]["bytes_per_minute"] * d["interval_ns"] / 60e9 -
               d["rss"]["change_bytes"]) < 1024, "two snapshots: how far apart, how fast", d["rss"])
    back = diff(b, a)
    tap.ok(back["interval_ns"] is None and back["rss"]["bytes_per_minute"] is None and
           back["rss"]["change_bytes"] == -d["rss"]["change_bytes"],
           "two snapshots in wrong order: no rates", back["rss"])
    text = run("diff", b, a)
    tap.ok(text.returncode == 0 and "not taken before the second" in text.stdout and
           "/min" not in text.stdout, "... and that is said", text.stdout)
    return a, b, d


def wait_for_pause(process):
    """Until it sleeps between its looks; where that is not shown to us, two seconds."""
    for _ in range(6000 if PAUSES_SHOW else 200):
        with contextlib.suppress(OSError), open(f"/proc/{process.pid}/wchan",
                                                encoding="ascii") as f:
            if "poll" in f.read() or process.poll() is not None:
                return
        time.sleep(0.01)


def pauses_show():
    with subprocess.Popen(["sleep", "10"]) as p:
        time.sleep(0.5)
        with open(f"/proc/{p.pid}/wchan", encoding="ascii") as f:
            shown = "nanosleep" in f.read()
        p.kill()
    return shown


PAUSES_SHOW = pauses_show()


def compare_live(of_files):
    for seconds in (3, 20):
        with Changes() as w:
            before = smaps(w.pid)
            p = subprocess.Popen([FALLOW, "diff", str(w.pid), f"--after={seconds}s", "--json"],
                                 stdout=subprocess.PIPE)
            wait_for_pause(p)
            w.change()
            in_time = p.poll() is None
            after = smaps(w.pid)
            out = p.communicate()[0]
        d = json.loads(out)
        # On a machine that stood still meanwhile the change came too late, or in part.
        if in_time and d["now"]["rss_bytes"] == sum(v["Rss"] for v in after):
            break
    check_regions("--after", d, before, after)
    check_sums("--after", d, before, after)

    def essence(x):
        return ({slot_of(r): (r["what"], r["change_bytes"]) for r in x["regions"]
                 if slot_of(r) is not None},
                [(a["name"], a["change"], a["settings_changed"]) for a in x["allocators"]])
    tap.ok(essence(d) == essence(of_files), "--after tells what two snapshots tell",
           f"{essence(d)}\n{essence(of_files)}")


def same_from_both_sides(home):
    """A process that stands still: a look and the file of a look are the same."""
    a, b = os.path.join(home, "still-a"), os.path.join(home, "still-b")
    with Changes() as w:
        os.kill(w.pid, signal.SIGSTOP)
        wait_stopped(w.pid)
        snapshot(w.pid, a)
        snapshot(w.pid, b)
        live = json.loads(run("diff", str(w.pid), "--after=200ms", "--json").stdout)
    files = diff(a, b)
    for d in live, files:
        for part in d["before"], d["now"]:
            part.pop("time")
        d.pop("interval_ns")
    tap.ok(live == files, "a look and the file of it are compared alike", f"{live}\n{files}")
    tap.ok(not files["regions"] and not files["rss"]["change_bytes"] and all(
        not change for a in files["allocators"] for change in a["change"].values()),
        "nothing changed, and nothing is told", files)


def wait_stopped(pid):
    while heaplib.state_of(f"/proc/{pid}") != "T":
        time.sleep(0.01)


UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
SIZE = r"([+-]?[0-9,]+(?:\.[0-9])?) (B|KiB|MiB)"


def sizes(line):
    return [float(n.replace(",", "")) * UNITS[unit] for n, unit in re.findall(SIZE, line)]


def check_text(a, b):
    out = run("diff", a, b)
    tables = out.stdout.split("\n\n")
    tap.ok(out.returncode == 0 and len(tables) >= 4, "three tables", out.stdout)
    for table, column in zip(tables[1:4], (2, 0, 0)):
        lines = [line for line in table.splitlines()[1:] if not line.startswith("    ")]
        changes = [sizes(line[:80])[column] for line in lines]
        slack = sum(max(abs(c) * 0.06, 52) if abs(c) < MIB else 0.051 * MIB for c in changes)
        tap.ok(lines[-1].strip().startswith("RSS") and
               abs(sum(changes[:-1]) - changes[-1]) <= slack,
               f"what is shown and the others add up: {table.split()[0]}", table)
    tap.ok(re.search(r"  gone ", out.stdout) and re.search(r"others .* 1 moved", out.stdout) and
           "setting trim_threshold was 128.0 KiB, is 1.0 MiB" in out.stdout,
           "moves and settings are told", out.stdout)
    grown = [line for line in tables[3].splitlines() if re.search(r"  (new|grew|same) ", line)]
    tap.ok(grown and sizes(grown[0][:60])[0] == max(sizes(line[:60])[0] for line in grown),
           "growth first", tables[3])


def origins(a, home):
    """Another process, host and boot, by files that say so."""
    with open(a, encoding="utf-8") as f:
        base = json.load(f)

    def against(name, **changes):
        other = json.loads(json.dumps(base))
        other["uptime_ns"] += 60 * 10**9
        for key, value in changes.items():
            if key in other["process"]:
                other["process"][key] = value
            elif value is None:
                other.pop(key, None)
            else:
                other[key] = value
        path = os.path.join(home, name)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(other, f)
        return diff(a, path), run("diff", a, path).stdout

    d, text = against("later")
    tap.ok(d["same_process"] and d["interval_ns"] == 60 * 10**9 and "another" not in text,
           "a minute later", text)
    d, text = against("reused", starttime=base["process"]["starttime"] + 1)
    tap.ok(not d["same_process"] and d["rss"]["bytes_per_minute"] is None and
           "another process of the same pid" in re.sub(r"\s+", " ", text), "a pid that was reused",
           text)
    d, text = against("other", pid=4242, comm="e\x1b[31mvil")
    tap.ok(not d["same_process"] and "pid 4242" in text and "\x1b" not in text and
           not [r for r in d["regions"] if r["what"] in ("new", "gone")],
           "another process: regions are matched by what they are", text)
    d, text = against("renamed", comm="python3")
    tap.ok(d["same_process"] and "before it was called changes" in text,
           "a process that calls itself something else", text)
    d, text = against("boot", boot_id="0" * 8, host="elsewhere", time="2036-01-01T00:00:00.000Z")
    tap.ok(not d["same_host"] and not d["same_process"] and "another host" in text and
           d["interval_ns"] > 86400 * 10**9, "another host", text)
    d, text = against("old", boot_id=None, uptime_ns=None, time="2036-01-01T00:00:00.000Z")
    tap.ok(d["same_process"] and d["interval_ns"] > 86400 * 10**9,
           "a snapshot without a boot: by host and time", text)
    with open(os.path.join(home, "sorted"), "w", encoding="utf-8") as f:
        json.dump(base, f, sort_keys=True)
    tap.ok(not diff(a, os.path.join(home, "sorted"))["regions"],
           "members in another order are the same snapshot", "")


def replaced(path, *keys):
    """A function that puts a value at a place of a snapshot."""
    def put(snap, value):
        at = snap
        for key in keys[:-1]:
            at = at[key]
        if value is DELETE:
            del at[keys[-1]]
        else:
            at[keys[-1]] = value
        return path
    return put


DELETE = object()
# Place, value, what the message says.
FORGED = [
    (("schema",), "fallow.snapshot/2", r'"fallow.snapshot/2": this fallow reads fallow.snapshot/1'),
    (("schema",), DELETE, "no snapshot: it does not say"),
    (("schema",), "fallow.info/1", "fallow.info/1"),
    (("time",), "yesterday", '"time" is no time'),
    (("time",), "9999-01-01T00:00:00.000Z", "1970 to 2199"),
    (("boot_id",), "x" * 99, "UUID"),
    (("uptime_ns",), -1, '"uptime_ns" is no integer from 0'),
    (("process",), [], '"process" is no object'),
    (("process", "pid"), 1 << 40, '"pid" is no integer'),
    (("process", "comm"), None, '"comm" is no string'),
    (("process", "rss_bytes"), 1 << 62, '"rss_bytes" is no integer'),
    (("process", "rss_bytes"), 4096, "does not add up"),
    (("ledger",), {}, '"ledger" is no list'),
    (("ledger", 0, "class"), "heap.lost", 'no class is named "heap.lost"'),
    (("ledger", 0, "class"), "shmem", "shmem is there twice"),
    (("ledger", 0), DELETE, "not all classes"),
    (("ledger", 0, "resident_bytes"), -4096, r"ledger\[0\]: \"resident_bytes\""),
    (("ledger", 0, "resident_bytes"), 1.5, r"ledger\[0\]: \"resident_bytes\""),
    (("ledger", 0, "resident_bytes"), None, r"ledger\[0\]: \"resident_bytes\""),
    (("allocators",), [{}] * 65, "65 elements, of at most 64"),
    (("allocators", 0), 7, r"allocators\[0\]: no object"),
    (("allocators", 0, "status"), "fine", 'no status is named "fine"'),
    (("allocators", 0, "settings", "x"), "y", '"x" is no integer'),
    (("allocators", 0, "settings"), {str(i): i for i in range(300)}, "more than 256"),
    (("allocators", 0, "arenas", 0, "address"), "7f00", "no address"),
    (("allocators", 0, "arenas", 0, "resident_bytes"), 1, "do not add up"),
    (("allocators", 0, "arenas"), [], "do not add up"),
    (("regions",), DELETE, '"regions" is missing'),
    (("regions",), {}, r"one of \[ is missing"),
    (("regions", 1), None, r"regions\[1\]: no object"),
    (("regions", 1, "start"), "0xffffffffffffffffff", r"regions\[1\]: \"start\" is no address"),
    (("regions", 1, "end"), "0x10", r"regions\[1\]: it does not end"),
    (("regions", 1, "end"), "0xffffffffffffffff", "too high"),
    (("regions", 1, "perms"), "rwxrwx", '"perms" are none'),
    (("regions", 1, "classes"), {"shmem": 1 << 50}, "more of it is resident"),
    (("regions", 1, "classes"), {"lost": 1}, 'no class is named "lost"'),
    (("regions", 1, "name"), 5, '"name" is no string'),
    (("regions", 1, "name"), "x" * (300 << 10), "a value of more than 256 KiB"),
    (("warnings",), [5], "a warning is no string"),
]


def rejected(path, pattern, command="diff"):
    """What is wrong with how a file is refused; None if nothing is."""
    r = run(command, path, *[path] * (command == "diff"))
    if r.returncode != 1 or r.stdout or r.stderr.count("\n") != 1 or \
            not r.stderr.startswith("fallow: ") or not re.search(pattern, r.stderr):
        return f"{pattern}: status {r.returncode}, {r.stdout[:200]!r}, {r.stderr[:500]!r}"
    return None


def idle(snap, path):
    """More of it than is resident; a diff does not read that."""
    for what, of, key, value in [
            ("more of heap.used is idle than", snap["ledger"][0], "idle_bytes", 1 << 50),
            (r"regions\[0\]: more of it is idle", snap["regions"][0], "idle", {"shmem": 1 << 50})]:
        of[key], before = value, of.get(key)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(snap, f)
        yield rejected(path, what, "report")
        of[key] = before


def forged(a, home):
    path = os.path.join(home, "forged")
    with open(a, encoding="utf-8") as f:
        text = f.read()
    wrong = []
    for keys, value, pattern in FORGED:
        snap = json.loads(text)
        replaced(path, *keys)(snap, value)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(snap, f)
        wrong.append(rejected(path, pattern))
        if keys[0] == "regions":
            wrong.append(rejected(path, pattern, "report"))
    wrong += idle(json.loads(text), path)
    raw = {b"": "no JSON object", b"{": "no JSON", b"\0" * 9: "no JSON object",
           b"SQLite format 3\0": "not a database", text.encode() + b"{}": "behind it",
           b"{" * 4000: "no JSON", b'{"a":' + b"[" * 5000: "no JSON",
           text.encode()[:-9]: "no JSON", b'{"schema":1,"schema":2}': '"schema" twice',
           b'{"a":' + b"9" * 30 + b"}": "no JSON", b'{"a":1e999}': "no JSON",
           b'{"regions":[],"regions":[]}': '"regions" twice',
           b'{"process":{"pid":1,"pid":2}}': "duplicate", b'{"a":"' + b"x" * (17 << 20) + b'"}':
           "a value of more than", b'{"a\x1b[31m":\xff}': r"no JSON"}
    for content, pattern in raw.items():
        with open(path, "wb") as f:
            f.write(content)
        wrong.append(rejected(path, pattern))
    wrong += [rejected("/no/such/file", "No such file"), rejected(home, "Is a directory"),
              rejected("/dev/zero", "no JSON object")]
    with open(path, "wb") as f:
        f.write(b"{")
        f.truncate(1100 * MIB)
    wrong.append(rejected(path, "at most 1024 MiB"))
    wrong = [w for w in wrong if w]
    tap.ok(not wrong, f"{len(FORGED) + len(raw) + 4} files that are forged or broken, each refused "
           "with what is wrong", "\n".join(wrong))


VALUES = [0, 1, -1, 4096, 1 << 56, (1 << 56) + 1, (1 << 63) - 1, -(1 << 63), 1.5, None, "", "x",
          "0x0", "0xfffffffffffff000", "\x1b[2J", [], {}, True, "rw-p", "heap.used"]


def places(j, keys=()):
    if isinstance(j, (dict, list)):
        for key in j if isinstance(j, dict) else range(len(j)):
            yield keys + (key,)
            yield from places(j[key], keys + (key,))


def mutated(rng, text, everywhere):
    if rng.random() < 0.3:
        raw = bytearray(text.encode())
        for _ in range(rng.randrange(1, 9)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw[:rng.randrange(len(raw))] if rng.random() < 0.3 else raw)
    snap = json.loads(text)
    for _ in range(rng.randrange(1, 5)):
        with contextlib.suppress(KeyError, IndexError, TypeError):
            replaced("", *rng.choice(everywhere))(snap, rng.choice([*VALUES, DELETE]))
    return json.dumps(snap).encode()


def mutations(a, home, n):
    rng = random.Random(20261128)
    path = os.path.join(home, "mutated")
    with open(a, encoding="utf-8") as f:
        text = f.read()
    everywhere = list(places(json.loads(text)))
    wrong, taken = [], 0
    for i in range(n):
        with open(path, "wb") as f:
            f.write(mutated(rng, text, everywhere))
        r = run("diff", *rng.sample((a, path), 2), "--json")
        if r.returncode not in (0, 1) or r.stderr.count("\n") != r.returncode:
            wrong.append(f"{i}: status {r.returncode} {r.stderr[:300]!r}")
        elif not r.returncode:
            taken += 1
            wrong += [f"{i}: {w}" for w in [wrong_sums(json.loads(r.stdout))] if w]
    tap.ok(not wrong and taken, f"{n} snapshots changed at random: refused, or they add up",
           "\n".join(wrong[:20]))
    print(f"# {taken} of them were taken", flush=True)


def ends():
    with Changes() as w:
        p = subprocess.Popen([FALLOW, "diff", str(w.pid), "--after=5s"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        wait_for_pause(p)
        w.process.kill()
        w.process.wait()
        out, err = p.communicate()
    tap.ok(p.returncode == 3 and not out and err.count("\n") == 1,
           "a process that ends between two looks", f"{p.returncode} {out} {err}")


# In a pid namespace of its own, where nobody else takes the pid.
REUSE = """
set -e
bin=$1 fallow=$2
"$bin" < <(sleep 300) >/dev/null & first=$!
sleep 0.5
"$fallow" diff $first --after=6s >/dev/null 2>err & look=$!
for i in $(seq $3); do
	! grep -q poll /proc/$look/wchan || break
	sleep 0.1
done
kill -KILL $first
wait $first || true
echo $((first - 1)) >/proc/sys/kernel/ns_last_pid
sleep 100 & second=$!
[ $first = $second ] || { echo "pids $first $second"; exit 77; }
status=0
wait $look || status=$?
kill $second
echo "status=$status $(cat err)"
"""


def reuse(home):
    name = "a pid that is another's at the second look"
    r = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                        "bash", "-c", REUSE, "-", os.path.join(BIN, "changes"), FALLOW,
                        "400" if PAUSES_SHOW else "20"],
                       cwd=home, text=True, check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    if r.returncode:
        tap.skip(name, "no pid can be chosen here: " + (r.stdout.splitlines() or ["?"])[-1])
        return
    tap.ok("status=3" in r.stdout, name, r.stdout)


def main():
    with tempfile.TemporaryDirectory() as home:
        a, b, d = compare_files(home)
        check_text(a, b)
        compare_live(d)
        same_from_both_sides(home)
        origins(a, home)
        forged(a, home)
        mutations(a, home, int(sys.argv[1]) if len(sys.argv) > 1 else 300)
        ends()
        reuse(home)
    tap.done()


main()
