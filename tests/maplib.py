# SPDX-License-Identifier: GPL-2.0-or-later
"""Address-space workloads, smaps, and the tool's view of them."""
import json
import os
import re
import subprocess
import time

from heaplib import BIN, FALLOW

MAPS = os.path.join(BIN, "maps")
HEADER = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)$")


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
            head = HEADER.match(line.rstrip("\n"))
            if head:
                out.append({"start": hex(int(head[1], 16)), "end": hex(int(head[2], 16)),
                            "perms": head[3], "name": head[4]})
            elif line.endswith(" kB\n"):
                key, value = line.split(":")
                out[-1][key] = int(value.split()[0]) * 1024
    return out


def fallow(command, pid, *options):
    out = subprocess.run([FALLOW, command, str(pid), "--json", *options], check=True,
                         stdout=subprocess.PIPE, timeout=300).stdout
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
