#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The module by Linux's own netlink client, tools/net/ynl, which knows of it what
Documentation/netlink/specs/fallow.yaml says, against our client and smaps. Runs in
a guest with the module loaded, as root. Usage: ynl.t [YNL], the folder that
tests/spec/ynl-source made."""
import errno
import json
import mmap
import os
import signal
import subprocess
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import genl
import maplib
from tap import Tap

tap = Tap()
if len(sys.argv) < 2 or not os.path.isdir(sys.argv[1]):
    tap.skip("Linux's netlink client", "no linux-source package of 6.6 or newer")
    tap.done()
TREE = os.path.join(HERE, "../..")
SPEC = os.path.join(TREE, "Documentation/netlink/specs/fallow.yaml")
KERNEL = os.path.abspath(sys.argv[1])
YNL = next(p for p in (f"{KERNEL}/tools/net/ynl/pyynl", f"{KERNEL}/tools/net/ynl")
           if os.path.exists(f"{p}/cli.py"))
SCHEMA = f"{KERNEL}/Documentation/netlink/genetlink-legacy.yaml"
sys.dont_write_bytecode = True
sys.path.insert(0, YNL)
from lib import NlError, YnlFamily

SMAPS = [("rss", ["Rss"]), ("anon", ["Anonymous"]), ("dirty", ["Shared_Dirty", "Private_Dirty"]),
         ("shared", ["Shared_Clean", "Shared_Dirty"]), ("referenced", ["Referenced"]),
         ("anon-huge", ["AnonHugePages"]), ("lazyfree", ["LazyFree"]), ("swap", ["Swap"])]


def family():
    return YnlFamily(SPEC, SCHEMA)


def parameter(name):
    with open(f"/sys/module/fallow/parameters/{name}", encoding="ascii") as f:
        return int(f.read())


def refused(name, want, call, *texts):
    try:
        call()
    except NlError as e:
        good = e.error == want and all(t in str(e) for t in texts)
        tap.ok(good, name, f"{errno.errorcode.get(e.error, e.error)}: {e}")
    else:
        tap.ok(False, name, "it was accepted")


def check_cli():
    out = subprocess.run([sys.executable, f"{YNL}/cli.py", "--spec", SPEC, "--schema", SCHEMA,
                          "--do", "get-info", "--output-json"], stdout=subprocess.PIPE, check=True)
    info = json.loads(out.stdout)
    ours = genl.Client().info()
    tap.ok(len(info) == len(ours) == len(genl.INFO) - 2, "cli.py: all of GET_INFO", info)
    tap.ok(info["page-size"] == mmap.PAGESIZE, "cli.py: page size", info)
    tap.ok(info["lock-budget-us"] == parameter("lock_budget_us") and
           info["age-max-bytes"] == parameter("age_max_mb") << 20, "cli.py: parameters", info)
    caps = int.from_bytes(ours[genl.INFO["CAPS"]], sys.byteorder)
    want = {k[4:].lower().replace("_", "-") for k, bit in genl.C.items()
            if k.startswith("CAP_") and caps & bit}
    tap.ok(set(info["caps"]) == want, "cli.py: capabilities by name", (info["caps"], want))
    out = subprocess.run([sys.executable, f"{YNL}/cli.py", "--spec", SPEC, "--schema", SCHEMA,
                          "--dump", "get-vma", "--json", '{"req-pid": 2}'],
                         stdout=subprocess.PIPE, text=True)
    tap.ok(out.returncode == 1 and "no memory of its own" in out.stdout,
           "cli.py: an error is told in words", out.stdout)


def kernel_policies():
    """By command and mode: what the kernel says it checks of each attribute."""
    nlctrl = YnlFamily(f"{KERNEL}/Documentation/netlink/specs/nlctrl.yaml", SCHEMA)
    # Its specification has these two the wrong way round (enum netlink_policy_type_attr).
    attrs = nlctrl.attr_sets["policy-attrs"]
    attrs.attrs_by_val.update({11: attrs["pad"], 12: attrs["mask"]})
    modes, policies = {}, {}
    for m in nlctrl.dump("getpolicy", {"family-name": "fallow"}):
        if "op-policy" in m:
            op = m["op-policy"]
            modes.update({(op["op-id"], k): op[k] for k in ("do", "dump") if k in op})
        if "policy" in m:
            attr = m["policy"]
            policies.setdefault(attr["policy-id"], {})[attr["attr-id"]] = attr
    return {k: policies.get(n, {}) for k, n in modes.items()}


def differs(attr, told):
    """How the policy of an attribute is not what the specification says."""
    checks = attr.get("checks", {})
    want = {"type": attr["type"]}
    if "min" in checks:
        want["min-value-u"] = checks["min"]
    if "max-len" in checks:
        want["max-length"] = checks["max-len"]
    if "flags-mask" in checks:
        want["mask"] = attr.family.consts[checks["flags-mask"]].get_mask()
    return {k: (v, told.get(k)) for k, v in want.items() if told.get(k) != v}


def check_policies():
    ynl, wrong = family(), []
    kernel = kernel_policies()
    modes = {(op.value, m): op for op in ynl.ops.values() for m in ("do", "dump") if m in op}
    tap.ok(kernel.keys() == modes.keys(), "the commands are those of the specification",
           (kernel.keys(), modes.keys()))
    for at, op in modes.items():
        takes = {op.attr_set[name] for name in op[at[1]].get("request", {}).get("attributes", [])}
        if {a.value for a in takes} != kernel.get(at, {}).keys():
            wrong.append(f"{op.name} takes {kernel.get(at)}")
            continue
        wrong += [f"{op.name}: {a.name}: {d}" for a in takes if (d := differs(a, kernel[at][a.value]))]
    tap.ok(not wrong, "each takes what the specification says, and checks it", "\n".join(wrong))


def check_vmas(pid):
    theirs = family().dump("get-vma", {"req-pid": pid})
    ours = genl.Client().vma_counts(pid)
    names = {n: n.lower().replace("_", "-") for n in genl.VMA if n not in ("UNSPEC", "PAD")}
    small = ("FLAGS", "DEV_MAJOR", "DEV_MINOR", "NAME")
    wrong = [f"{o['START']:x}: {n}: {v.get(y, 0)}, ours {o[n]}" for v, o in zip(theirs, ours)
             for n, y in names.items() if n not in small and v.get(y, 0) != o[n]]
    tap.ok(len(theirs) == len(ours) and not wrong, "GET_VMA: all counts, as by our client",
           "\n".join(wrong[:10]))
    smaps = [v for v in maplib.smaps(pid) if v["name"] != "[vsyscall]"]
    wrong = [f"{s['start']}: {y}: {v.get(y, 0)}, smaps {s}" for v, s in zip(theirs, smaps)
             for y, lines in SMAPS if v.get(y, 0) != sum(s[n] for n in lines)]
    wrong += [f"{s['start']}: {v}" for v, s in zip(theirs, smaps)
              if (v["start"], v["end"]) != (int(s["start"], 16), int(s["end"], 16)) or
              v.get("name", "") != s["name"] or ("write" in v["flags"]) != (s["perms"][1] == "w") or
              ("shared" in v["flags"]) != (s["perms"][3] == "s")]
    tap.ok(len(theirs) == len(smaps) and not wrong, "and as by smaps", "\n".join(wrong[:10]))
    some = theirs[len(theirs) // 2]
    one = family().dump("get-vma", {"req-pid": pid, "req-start": some["start"],
                                    "req-end": some["end"]})
    tap.ok([v["start"] for v in one] == [some["start"]], "GET_VMA: of a range", one)
    return theirs


def extents(ynl, request):
    """(start, pages, state), as the specification lays an extent out."""
    out, size = [], 16
    for m in ynl.dump("get-pages", request):
        raw = m["extents"]
        for i in range(0, len(raw), size):
            e = ynl._decode_struct(raw[i:i + size], "extent")
            out.append((e["start"], e["pages"], e["state"]))
    return out


def check_pages(pid, vmas):
    ynl, ours = family(), genl.Client()
    want, got = genl.between_equals(lambda: ours.pages(pid),
                                    lambda: extents(ynl, {"req-pid": pid}))
    tap.ok(got == want, "GET_PAGES: of all", set(got) ^ set(want))
    ranges = [(v["start"], v["end"]) for v in vmas if v.get("rss")][::2]
    packed = b"".join(ynl._encode_struct("range", {"start": a, "end": b}) for a, b in ranges)
    request = {"req-pid": pid, "req-ranges": packed, "req-flags": ["zero-test"]}
    want, got = genl.between_equals(
        lambda: ours.pages(pid, ranges, flags=genl.C["REQ_ZERO_TEST"]),
        lambda: extents(ynl, request))
    tap.ok(got and got == want, "GET_PAGES: of ranges, with the zero test", set(got) ^ set(want))
    resident = genl.C["STATE_RESIDENT"]
    got = extents(ynl, {"req-pid": pid, "req-ranges": packed, "req-state-mask": resident})
    want = sum(v["rss"] for v in vmas if (v["start"], v["end"]) in ranges)
    tap.ok(sum(p for _, p, s in got if s == resident) * mmap.PAGESIZE == want,
           "GET_PAGES: what is resident adds up")


def check_age(pid):
    ynl, other = family(), family()
    if "age" not in ynl.do("get-info", {})["caps"]:
        tap.skip("AGE_START", "this kernel cannot")
        return
    ynl.do("age-start", {"req-pid": pid, "req-interval-ms": 20})
    tap.ok(ynl.do("get-info", {})["trackers"] == 1, "AGE_START: there is a tracker")
    refused("AGE_START: one tracker a process", errno.EBUSY,
            lambda: other.do("age-start", {"req-pid": pid, "req-interval-ms": 20}),
            "tracked already")
    refused("AGE_STOP: not of another's", errno.ENOENT,
            lambda: other.do("age-stop", {"req-pid": pid}), "this socket does not track")
    while True:
        first = ynl.dump("get-pages", {"req-pid": pid})[0]
        if first["harvests"] > 2:
            break
    tap.ok(first["age-flags"] == set(), "GET_PAGES: how far the ages are", first["age-flags"])
    shift = genl.C["STATE_AGE_SHIFT"]
    ages = {s >> shift for _, _, s in extents(ynl, {"req-pid": pid})}
    tap.ok(max(ages) > 1, "a stopped process grows old", ages)
    ynl.do("age-stop", {"req-pid": pid})
    tap.ok(ynl.do("get-info", {})["trackers"] == 0, "AGE_STOP: there is none")


def check_errors(pid):
    ynl = family()
    refused("no process id", errno.EINVAL, lambda: ynl.dump("get-vma", {}), "process id is missing")
    refused("process 0", errno.ERANGE, lambda: ynl.dump("get-vma", {"req-pid": 0}), ".req-pid")
    refused("an attribute of another command", errno.EINVAL,
            lambda: ynl.do("age-stop", {"req-pid": pid, "req-start": 1}), ".req-start")
    refused("too short an interval", errno.ERANGE,
            lambda: ynl.do("age-start", {"req-pid": pid, "req-interval-ms": 9}), ".req-interval-ms")
    refused("too long an interval", errno.EINVAL,
            lambda: ynl.do("age-start", {"req-pid": pid, "req-interval-ms": 3600001}), "too long")
    refused("an unknown flag", errno.EINVAL,
            lambda: ynl.dump("get-pages", {"req-pid": pid, "req-flags": 2}), ".req-flags")
    refused("a range upside down", errno.EINVAL, lambda: ynl.dump(
        "get-pages", {"req-pid": pid, "req-ranges": bytes(16)}), "ranges are empty")
    child = os.fork()
    if not child:
        os.setresuid(65534, 65534, 65534)
        try:
            family().dump("get-vma", {"req-pid": pid})
        except NlError as e:
            os._exit(0 if e.error == errno.EPERM and "CAP_SYS_PTRACE" in str(e) else 1)
        os._exit(2)
    tap.ok(os.waitpid(child, 0)[1] == 0, "without CAP_SYS_PTRACE: EPERM, and why")


signal.alarm(600)
maplib.still_kernel()
check_cli()
check_policies()
with maplib.Maps("pages thp shmem file mlock zero fork".split()) as w:
    os.kill(w.pid, signal.SIGSTOP)
    maplib.wait_state(w.pid, "T")
    found = check_vmas(w.pid)
    check_pages(w.pid, found)
    check_age(w.pid)
    check_errors(w.pid)
tap.done()
