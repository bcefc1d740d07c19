# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs in tests/scenarios: what their heads say, and how they are run."""
import glob
import os
import re
import shlex
import time
import heaplib
import maplib

SOURCES = os.path.join(heaplib.HERE, "scenarios")
BUILT = os.path.join(os.path.dirname(heaplib.BIN), "scenarios")


def variables(words):
    """NAME=VALUE …, as a dictionary."""
    return dict(w.split("=", 1) for w in shlex.split(words))


def heads(path):
    """The facts of a program, and those of each of its other environments."""
    with open(path, encoding="utf-8") as f:
        head = f.read().partition("*/")[0].partition('"""\nimport')[0]
    facts = dict(re.findall(r"^ \* (Verdict|After|Env|Needs|Cure|Cause|Maps|Idle): (.*)$", head, re.M))
    about = re.search(r'(?:/\*|""")\n(?! \* SPDX)(.*?)\n(?: \*)?\n', head, re.S)[1]
    facts["About"] = " ".join(about.replace("\n *", "\n").split()).lstrip("* ")
    yield facts
    for other in re.findall(r"^ \* Also: (.*)$", head, re.M):
        yield {**facts, "Env": other, "Title": f" with {other}"}


def linux():
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])


class Scenario:
    def __init__(self, path, facts):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.source, self.is_python = path, path.endswith(".py")
        self.command = path if self.is_python else os.path.join(BUILT, self.name)
        self.verdict, self.after = facts["Verdict"], facts.get("After")
        self.needs = facts.get("Needs")
        self.about, self.cause = facts["About"], facts.get("Cause")
        self.maps = facts.get("Maps", "").split()
        self.idle = None
        if "Idle" in facts:
            words = facts["Idle"].replace("none", "").split()
            self.idle = dict(word.partition("=")[::2] for word in words)
        self.env = variables(facts.get("Env", ""))
        self.cure, _, self.words = facts["Cure"].partition(" ")
        self.title = self.name + facts.get("Title", "")

    def missing(self):
        """Why it cannot be run here; None if it can."""
        if self.needs == "swap" and not maplib.has_swap():
            return "no swap device here"
        if self.needs == "disk" and "FALLOW_GUEST" in os.environ and \
                not os.path.ismount("/var/tmp"):
            return "no file system of a disk here"
        if self.needs == "MADV_COLLAPSE" and linux() < (6, 1):
            return "this kernel has no MADV_COLLAPSE"
        for key, value in self.env.items():
            name = re.search(r"LIB\((.*)\)", value)
            found = name and glob.glob(f"/usr/lib/*/{name[1]}")
            if name and not found:
                return f"{name[1]} is not installed"
            if found:
                self.env[key] = found[0]
        preloaded = variables(self.words).get("LD_PRELOAD") if "=" in self.words else None
        if preloaded and not glob.glob(f"/usr/lib/*/{preloaded}"):
            return f"{preloaded} is not installed"
        return None

    def run(self, env=None):
        return Run(self, env or {})


class DidNotBegin(Exception):
    """What the program needs could not be had."""


class Run(heaplib.Child):
    def __init__(self, scenario, env):
        super().__init__([scenario.command], text=True, bufsize=1,
                         env={**os.environ, **scenario.env, **env})
        answer = self.process.stdout.readline().split()
        if not answer:
            self.__exit__()
            raise DidNotBegin(f"{scenario.name} ended with {self.process.returncode}")
        if answer[0] == "pid":
            self.pid = int(answer[1])
            time.sleep(0.3)

    def tell(self):
        self.process.stdin.write("cure\n")
        self.process.stdout.readline()


def scenarios(variants=False):
    """All there are, by name of their file; once, or once in each environment."""
    paths = [p for e in ("c", "py") for p in glob.glob(os.path.join(SOURCES, f"*.{e}"))]
    found = [Scenario(path, facts) for path in sorted(paths) for facts in heads(path)]
    return [s for s in found if variants or s.title == s.name]
