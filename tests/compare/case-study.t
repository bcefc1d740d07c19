#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: case-study.t [--write] [DOCUMENT]

Runs the commands of a document, Documentation/case-study.md if none is named, and compares
what they say with what it has: verdicts, advice, functions, and figures within bounds. With
--write: fills in what they print."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from heaplib import FALLOW, TREE
from tap import Tap

DOCUMENT = os.path.join(TREE, "Documentation/case-study.md")
BLOCK = re.compile(r"(?:<!-- once: ([^\n]*) -->\n)?```console\n(.*?)```\n", re.S)
PATIENCE = 300  # seconds until a condition holds, on a machine with much else to do
NOT_PERMITTED = 4
UNITS = {"": 1, "B": 1, "kB": 1 << 10, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
FACTOR, SMALL = 4, 4 << 20  # what grows has grown more where looks take longer
tap = Tap()


class Shell:
    """One bash for the commands of a section, in a directory of its own."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="fallow-case-")
        for name in "build", "scripts":
            os.symlink(os.path.join(TREE, name), os.path.join(self.directory.name, name))
        self.process = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd=self.directory.name, start_new_session=True,
            env={**os.environ, "PATH": f"{os.path.dirname(FALLOW)}:{os.environ['PATH']}"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.directory.cleanup()

    def run(self, command):
        """What it printed, and its exit status: of a pipe, that of its first command."""
        self.process.stdin.write(f'{command}\necho "=== ${{PIPESTATUS[0]}}"\n')
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith("=== "):
                return "".join(lines), int(line.split()[1])
            lines.append(line)
        return "".join(lines), None

    def wait(self, condition):
        end = time.monotonic() + PATIENCE
        while self.run(condition + " 2>/dev/null")[1]:
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        return True


def commands(block):
    """Those of a block, and what the document says that each prints."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.M)
    return list(zip(parts[1::2], parts[2::2]))


ADVICE = re.compile(r"^    -> (.*)")
KNOB = re.compile(r"\b(?:[A-Z]+_[A-Z_]+=?\w*|\w+\(\w*\))")
PATTERNS = {  # what is compared: its name, and its figure
    r"^\S+ +pid \d+ +(RSS) ([\d.]+ \w+)": "{0}",
    r"^()\d+ (\d+) \d+ \d+$": "held",
    r"^(VmRSS):\s+(\d+ kB)": "{0}",
    r"^  ([a-z]+\.[a-z]+|RSS)  +([\d.]+ \w+)": "line {0}",
    r"^  ([a-z-]+) \((?:certain|likely|possible)\)(?:: ([\d.]+ \w+))?": "verdict {0}",
    r"^ +(gives back) (?:at most )?([\d.]+ \w+)": "{0}",
    r"^ +(\w+)\+0x\w+ +\S*/build/\S+()": "function {0}",
    r"^()[0-9a-f]+-[0-9a-f]+ +\S+ +([\d.]+ \w+)": "region",
    r"^  (main|thread) .* ([\d.]+ \w+)  +[\d.]+ \w+$": "returnable in {0}",
}


def facts(text):
    """Name and bytes, None where it has none; the same names as often as they come."""
    out = []
    for line in text.splitlines():
        for advice in ADVICE.findall(line):
            out += [(f"advice {knob}", None) for knob in KNOB.findall(advice)]
        for pattern, name in PATTERNS.items():
            found = re.match(pattern, line)
            if found:
                number, _, unit = (found[2] or "").partition(" ")
                out.append((name.format(found[1]),
                            float(number) * UNITS[unit] if number else None))
                break
    return out


def differs(documented, seen):
    """What of the document is not so."""
    first = [next((n for n, _ in f if n.startswith("verdict")), None) for f in (documented, seen)]
    wrong = [f"{first[1]} comes first"] * (first[0] != first[1])
    left = list(seen)
    for name, figure in documented:
        found = next((f for f in left if f[0] == name), None)
        if found:
            left.remove(found)
        elif figure is None or figure >= SMALL:
            wrong.append(f"{name}: is not said")
        if found and figure is not None and not \
                figure / FACTOR - SMALL <= found[1] <= figure * FACTOR + SMALL:
            wrong.append(f"{name}: {found[1]:.0f}, and {figure:.0f} in the document")
    return wrong


def check(command, documented, printed, status):
    if status == NOT_PERMITTED:
        tap.skip(command, " ".join(printed.split()))
        return
    tap.ok(status == 0, f"{command}: works", f"status {status}: {printed}")
    wanted = facts(documented)
    if wanted:
        wrong = differs(wanted, facts(printed))
        tap.ok(not wrong, f"{command}: says what the document has",
               "\n".join([*wrong, printed, "if that is right: tests/compare/case-study.t --write"]))


def check_promise(printed):
    """RSS before and after the purge, and what was promised: by two looks."""
    before, after = printed
    names = dict(facts(before))
    rss, promised = names.get("RSS", 0), names.get("gives back", 0)
    drop = rss - dict(facts(after)).get("RSS", 0)
    tap.ok(promised and abs(drop - promised) <= max(1 << 20, drop / 1000),
           "the purge gives back what was promised", f"{before}\n{after}")


def tidy(printed):
    """As the document has it: wherever the tree is."""
    lines = printed.replace(TREE, "/src/fallow").rstrip().splitlines()
    return "".join(line.rstrip() + "\n" for line in lines)


def run_block(shell, condition, block):
    """The block, with what its commands print."""
    if condition:
        tap.ok(shell.wait(condition), f"comes to be: {condition}")
    out, seen = "", {}
    for command, documented in commands(block):
        printed, status = shell.run(command)
        check(command, documented, printed, status)
        out += f"$ {command}\n{tidy(printed)}"
        seen[command] = printed
    return out, seen


def run_section(section):
    printed = {}

    def replaced(match):
        out, seen = run_block(shell, match[1], match[2])
        printed.update(seen)
        return match[0].replace(f"console\n{match[2]}", f"console\n{out}")

    with Shell() as shell:
        section = BLOCK.sub(replaced, section)
    looks = [text for command, text in printed.items() if command.startswith("fallow $pid")]
    if any(re.search(r"malloc_trim|/trim$", command) for command in printed):
        check_promise(looks)
    return section


def main():
    write = "--write" in sys.argv[1:]
    document = next((a for a in sys.argv[1:] if not a.startswith("-")), DOCUMENT)
    with open(document, encoding="utf-8") as f:
        text = f.read()
    text = "".join(map(run_section, re.split(r"(?m)^(?=## )", text)))
    if write:
        with open(document, "w", encoding="utf-8") as f:
            f.write(text)
    tap.done()


main()
