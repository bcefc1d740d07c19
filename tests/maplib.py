# SPDX-License-Identifier: GPL-2.0-or-later
"""Address-space workloads, smaps, and the tool's view of them."""
import contextlib
import ctypes
import json
import os
import re
import subprocess
import time

from heaplib import BIN, FALLOW

MAPS = os.path.join(BIN, "maps")
HEADER = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) (\S+) (\S+) (\d+) *(.*)$")

# The kernel's own page, in nobody's address space: smaps lists it, the tool does not.
VSYSCALL = "[vsyscall]"


class Maps:
    def __init__(self, modes, cwd="/tmp", before=None, program=MAPS):
        """@before is called in the new process before it becomes the workload."""
        self.process = subprocess.Popen([program, *modes], cwd=cwd,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=before)
        self.pid = self.process.pid
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def smaps(pid):
    out = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            # Keys begin with a capital letter.
            head = not line[0].isupper() and HEADER.match(line.rstrip("\n"))
            if head:
                out.append({"start": hex(int(head[1], 16)), "end": hex(int(head[2], 16)),
                            "perms": head[3], "offset": int(head[4], 16), "dev": head[5],
                            "inode": int(head[6]), "name": head[7]})
            elif line.startswith("VmFlags:"):
                out[-1]["VmFlags"] = set(line.split()[1:])
            elif line.endswith(" kB\n"):
                key, value = line.split(":")
                out[-1][key] = int(value.split()[0]) * 1024
    return out


# Of a huge page, as the workloads have them ...
HUGE = 2 << 20


def has_huge():
    """... which get small ones where the kernel's are larger."""
    with open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", encoding="ascii") as f:
        return int(f.read()) == HUGE


# What smaps says, how the tool says it, and the error that rounding to KiB allows.
FIELDS = [
    (["Rss"], lambda r: r["rss_bytes"], 0),
    (["Pss"], lambda r: r["pss_bytes"], 1024),
    (["Pss_Dirty"], lambda r: r["pss_dirty_bytes"], 1024),
    (["Shared_Clean"], lambda r: r["shared_bytes"] - r["shared_dirty_bytes"], 0),
    (["Shared_Dirty"], lambda r: r["shared_dirty_bytes"], 0),
    (["Private_Clean"], lambda r: r["private_bytes"] - r["dirty_bytes"] + r["shared_dirty_bytes"],
     0),
    (["Private_Dirty"], lambda r: r["dirty_bytes"] - r["shared_dirty_bytes"], 0),
    (["Referenced"], lambda r: r["referenced_bytes"], 0),
    (["Anonymous"], lambda r: r["anon_bytes"], 0),
    (["KSM"], lambda r: r["ksm_bytes"], 0),
    (["LazyFree"], lambda r: r["lazyfree_bytes"], 0),
    (["AnonHugePages"], lambda r: r["anon_huge_bytes"], 0),
    (["ShmemPmdMapped"], lambda r: r["shmem_huge_bytes"], 0),
    (["FilePmdMapped"], lambda r: r["file_huge_bytes"], 0),
    (["Shared_Hugetlb", "Private_Hugetlb"], lambda r: r["hugetlb_bytes"], 0),
    (["Swap"], lambda r: r["swap_bytes"], 0),
    (["Locked"], lambda r: r["locked_bytes"], 1024),
]

# Flags by name, and their codes in VmFlags.
FLAGS = {"locked": {"lo"}, "hugetlb": {"ht"}, "hugepage": {"hg"}, "nohugepage": {"nh"},
         "mergeable": {"mg"}, "growsdown": {"gd"}, "dontfork": {"dc"}, "noreserve": {"nr"},
         "uffd": {"um", "uw", "ui"}, "pfnmap": {"pf", "mm"}, "io": {"io"}}

# What changes when somebody else maps, or reads, the same file.
OF_OTHERS = {"Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean",
             "Private_Dirty", "Referenced", "Locked"}


# In every process, the same pages.
KERNELS_OWN = {"[vdso]", "[vvar]", "[vvar_vclock]"}


def mapped_by_tool():
    """Files that the tool maps while it looks, which changes their sharing."""
    out = subprocess.run(["ldd", FALLOW], text=True, stdout=subprocess.PIPE, check=True).stdout
    return {os.path.realpath(word) for word in out.split() if word.startswith("/")} | KERNELS_OWN


def misses_holes(vma):
    """Of a private writable mapping of shmem smaps missed what is on swap beneath absent
    page tables, taking addresses for page numbers, until 10c848c8b480 (Linux 5.16)."""
    release = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])
    return release < (5, 16) and vma["perms"].endswith("w-p") and vma["name"].startswith("/memfd:")


def fields_of(vma, alone):
    """The fields that must agree. @alone: nothing else runs here but the tool."""
    others = vma["name"] in MAPPED_BY_TOOL if alone else \
        vma["name"].startswith("/") or vma["name"] in KERNELS_OWN
    unsure = OF_OTHERS if others else set()
    if misses_holes(vma):
        unsure = unsure | {"Swap"}
    return [f for f in FIELDS if all(line in vma for line in f[0]) and not unsure.intersection(f[0])]


def differences(r, looks, source, alone):
    """How the tool's region differs from all of smaps' looks at the same mapping."""
    vma = looks[0]
    for key in ("perms", "offset", "dev", "inode"):
        if r[key] != vma[key]:
            yield f"{key} {r[key]}, maps {vma[key]}"
    if r["name"].replace("\n", "\\012") != vma["name"]:
        yield f"name {r['name']!r}"
    for flag, codes in FLAGS.items():
        if (flag in r["flags"]) != any(codes & v["VmFlags"] for v in looks):
            yield f"flag {flag} {flag in r['flags']}, VmFlags {vma['VmFlags']}"
    for lines, tell, slack in fields_of(vma, alone):
        want = {sum(v[line] for line in lines) for v in looks}
        try:
            got = tell(r)
        except TypeError:
            got = -1  # null
        if not any(0 <= got - w <= slack for w in want):
            yield f"{'+'.join(lines)} {got}, smaps {want}"
    if source == "kmod" and sum(r["reclaim"].values()) != r["rss_bytes"]:
        yield f"reclaimable split {r['reclaim']} of {r['rss_bytes']}"


def compare(regions, before, after, source, alone=True):
    """What differs, as text, from smaps before the look and from smaps after
    it: the kernel finishes MADV_FREE and page-out in batches, on its own time."""
    wrong = []
    seen = {(r["start"], r["end"]): r for r in regions}
    for vma, then in zip(before, after):
        if vma["name"] == VSYSCALL:
            continue
        r = seen.pop((vma["start"], vma["end"]), None)
        where = f"{vma['start']}-{vma['end']} {vma['name']}"
        if r is None:
            wrong.append(f"{where}: missing")
        else:
            wrong += [f"{where}: {d}" for d in differences(r, [vma, then], source, alone)]
    return wrong + [f"{r[0]}-{r[1]}: not in smaps" for r in seen]


def fallow(command, pid, *options):
    out = subprocess.run([FALLOW, command, str(pid), "--json", *options], check=True,
                         stdout=subprocess.PIPE, timeout=300).stdout
    return json.loads(out)


def info():
    out = subprocess.run([FALLOW, "info", "--json"], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)


def wait_state(pid, state):
    while True:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            if f.read().rsplit(")", 1)[1].split()[0] == state:
                return
        time.sleep(0.001)


def start_ksm():
    try:
        with open("/sys/kernel/mm/ksm/sleep_millisecs", "w", encoding="ascii") as f:
            f.write("10")
        with open("/sys/kernel/mm/ksm/run", "w", encoding="ascii") as f:
            f.write("1")
        return True
    except OSError:
        return False


MAPPED_BY_TOOL = mapped_by_tool()


def still_kernel():
    """khugepaged makes huge pages of small ones, and DAMON_STAT clears accessed bits, in
    their own time, which is not our doing. A guest may be told to leave that; a machine of
    somebody's may not."""
    if "FALLOW_GUEST" not in os.environ:
        return
    for path, value in (
            ("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "100000000"),
            ("/sys/module/damon_stat/parameters/enabled", "N")):
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as f:
                f.write(value)


def reclaim(group, size):
    """Has the kernel reclaim so much of a cgroup, or what there is. Before 5.19: by a limit
    that is lifted again."""
    if os.path.exists(f"{group}/memory.reclaim"):
        with contextlib.suppress(OSError), open(f"{group}/memory.reclaim", "w",
                                                encoding="ascii") as f:
            f.write(str(size))
        return
    with open(f"{group}/memory.current", encoding="ascii") as f:
        limits = max(0, int(f.read()) - size), "max"
    for limit in limits:
        with open(f"{group}/memory.high", "w", encoding="ascii") as f:
            f.write(str(limit))


def page_out(pid, ranges):
    """Has the kernel reclaim these ranges of a process: MADV_PAGEOUT, as if it had asked."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(434, pid, 0)  # pidfd_open
    for i in range(0, len(ranges), 1024):
        some = [n for start, end in ranges[i:i + 1024] for n in (start, end - start)]
        iov = (ctypes.c_uint64 * len(some))(*some)
        libc.syscall(440, fd, iov, ctypes.c_size_t(len(some) // 2), 21, 0)
    os.close(fd)


def make_disk(path, size):
    """Has a guest, all of whose files are in memory, mount a file system of a disk there."""
    disk = f"/tmp/fallow-disk-{os.path.basename(path)}"
    os.makedirs(path, exist_ok=True)
    with open(disk, "wb") as f:
        f.truncate(size)
    for module in ("loop", "ext4"):
        subprocess.run(["modprobe", "-q", module], check=False)
    return all(subprocess.run(command, check=False).returncode == 0 for command in (
        ["mkfs.ext4", "-q", "-F", disk], ["mount", "-o", "loop", disk, path]))


def has_swap():
    try:
        with open("/proc/swaps", encoding="ascii") as f:
            return len(f.readlines()) > 1
    except OSError:
        return False
