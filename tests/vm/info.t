#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tool says of the module and of itself: to root, to others, and when
the module is gone. In a guest with the module loaded, as root."""
import json
import os
import shutil
import subprocess
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import maplib
from genl import C, INFO, Client, u32, REQ, CMD
from heaplib import BIN, FALLOW
from tap import Tap

tap = Tap()
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
CAPS = {"pinned": "PINNED", "soft_dirty": "SOFT_DIRTY", "anon_name": "ANON_NAME",
        "idle_flag": "IDLE_FLAG", "guard": "GUARD", "swap_limit": "SWAP_LIMIT",
        "cont": "CONT", "age": "AGE", "read": "READ"}


def check_root():
    out = maplib.info()
    mine = out["sources"]["kmod"]
    tap.ok(out["source"] == "kmod" and mine["usable"] and mine["reason"] is None,
           "root: auto takes the module", out["source"])
    raw = Client().info()
    caps = int.from_bytes(raw[INFO["CAPS"]], "little")
    for key, bit in CAPS.items():
        can = mine["abilities"][key]
        tap.ok(can["available"] == bool(caps & C["CAP_" + bit]) and
               (can["reason"] is None) == can["available"], f"ability {key}", can)
    tap.ok(mine["abilities"]["device"]["available"], "the device can be used",
           mine["abilities"]["device"])
    module = out["module"]
    for key, name in (("lock_budget_us", "LOCK_BUDGET_US"), ("age_max_bytes", "AGE_MAX_BYTES"),
                      ("page_size_bytes", "PAGE_SIZE")):
        tap.ok(module[key] == int.from_bytes(raw[INFO[name]], "little"), f"{key} is the module's",
               module[key])
    text = subprocess.run([FALLOW, "info"], check=True, text=True, stdout=subprocess.PIPE).stdout
    tap.ok(max(map(len, text.splitlines())) <= 100, "the text is 100 columns wide at most", text)


def check_costs():
    before = maplib.info()["module"]
    maplib.fallow("regions", os.getpid(), "--source=kmod")
    after = maplib.info()["module"]
    tap.ok(all(after[k] > before[k] for k in ("slices", "pages", "walk_ns")) and
           after["lock_max_ns"] > 0, "a look is counted", f"{before}\n{after}")
    client = Client()
    client.call(client.family, CMD["AGE_START"],
                u32(REQ["PID"], os.getpid()) + u32(REQ["INTERVAL_MS"], 100), 4)
    during = maplib.info()["module"]
    tap.ok(during["trackers"] == 1 and during["age_bytes"] > 0, "a tracker is counted", during)
    client.sock.close()


def as_nobody(directory, *command):
    out = subprocess.run([*NOBODY, os.path.join(directory, "fallow"), *command], check=False,
                         text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return out.returncode, out.stdout, out.stderr


def check_nobody(directory):
    status, text, _ = as_nobody(directory, "info", "--json")
    out = json.loads(text)
    mine = out["sources"]["kmod"]
    tap.ok(status == 0 and out["source"] == "procfs" and out["module"] and not mine["usable"]
           and "CAP_SYS_PTRACE" in mine["reason"], "nobody: auto takes /proc, and why", mine)
    tap.ok(not mine["abilities"]["device"]["available"], "nobody: no device",
           mine["abilities"]["device"])
    able = out["sources"]["procfs"]["abilities"]
    for key in ("frame_numbers", "kpageflags", "other_users"):
        tap.ok(not able[key]["available"] and able[key]["reason"], f"nobody: no {key}, and why",
               able[key])
    own = subprocess.Popen([*NOBODY, os.path.join(directory, "maps"), "pages"], cwd="/tmp",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    own.stdout.readline()
    status, text, error = as_nobody(directory, "regions", "--source=kmod", str(own.pid))
    tap.ok(status == 4 and "CAP_SYS_PTRACE" in error, "nobody: the module refuses", error)
    status, text, error = as_nobody(directory, "regions", "--json", str(own.pid))
    tap.ok(status == 0 and json.loads(text)["source"] == "procfs",
           "nobody: one's own process, by /proc", error)
    own.kill()
    own.wait()


def check_gone():
    subprocess.run(["rmmod", "fallow"], check=True)
    out = maplib.info()
    mine = out["sources"]["kmod"]
    tap.ok(out["source"] == "procfs" and out["module"] is None and "not loaded" in mine["reason"],
           "without the module: said, and /proc is taken", mine)


def check_kernel():
    able = maplib.info()["sources"]["procfs"]["abilities"]
    version = tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2])
    tap.ok(able["pagemap_scan"]["available"] == (version >= (6, 7)),
           "PAGEMAP_SCAN from 6.7 on", able["pagemap_scan"])
    unknown = maplib.info()["sources"]["procfs"]["unknown"]
    tap.ok(("pss_dirty" in unknown) == (version < (6, 0)) and
           ("ksm" in unknown) == (version < (6, 8)), "lines that smaps has", unknown)


check_root()
check_costs()
check_kernel()
DIR = "/run/nobody"
os.mkdir(DIR, 0o755)
shutil.copy(FALLOW, os.path.join(DIR, "fallow"))
shutil.copy(os.path.join(BIN, "maps"), DIR)
check_nobody(DIR)
check_gone()
tap.done()
