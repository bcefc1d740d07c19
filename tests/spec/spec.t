#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The netlink specification against the kernel's schema of such, and against the
module's header: every name and number of the one is in the other. The header is
read by the compiler. Usage: spec.t [YNL], the folder that ynl-source made."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import yaml
import jsonschema
from tap import Tap

TREE = os.path.join(HERE, "../..")
SPEC = os.path.join(TREE, "Documentation/netlink/specs/fallow.yaml")
INCLUDE = os.path.join(TREE, "kmod/include/uapi")
HEADER = os.path.join(INCLUDE, "linux/fallow.h")
# What no specification has: places in an enum, macros with arguments, the guard
# against a second inclusion.
NO_NAME = re.compile(r"_UNSPEC$|^__|^FALLOW_(CMD|A_\w+)_MAX$|^_UAPI_")
# What is of no message.
NOT_NETLINK = {"FALLOW_DEVICE", "FALLOW_IOC_TARGET", "FALLOW_IOC_GATHER", "FALLOW_GATHER_MAX",
               "fallow_gather"}

tap = Tap()
with open(SPEC, encoding="utf-8") as f:
    spec = yaml.safe_load(f)


def c_name(name):
    return name.replace("-", "_").upper()


def numbered(items, first):
    """(item, number) of a list where a number follows from the one before."""
    number = first
    for item in items:
        item = item if isinstance(item, dict) else {"name": item}
        number = item.get("value", number)
        yield item, number
        number += 1


def spec_attributes():
    """(name in C, set, attribute, number), those that sets share more than once."""
    for s in spec["attribute-sets"]:
        for a, number in numbered(s["attributes"], 1):
            prefix = a.get("name-prefix", s["name-prefix"])
            yield c_name(prefix + a["name"]), s, a, number


def spec_names():
    """Numbers and texts by name in C."""
    out = {c_name(spec["c-family-name"]): spec["name"],
           c_name(spec["c-version-name"]): spec["version"]}

    def add(name, value):
        if out.setdefault(name, value) != value:
            out[name] = f"{out[name]} and {value}"
    for d in spec["definitions"]:
        if d["type"] == "const":
            add(c_name(f"fallow-{d['name']}"), d["value"])
        elif d["type"] in ("enum", "flags"):
            prefix = d.get("name-prefix", f"fallow-{d['name']}-")
            for e, number in numbered(d["entries"], d.get("value-start", 0)):
                add(c_name(prefix + e["name"]),
                    1 << number if d["type"] == "flags" else number)
    for name, _, _, number in spec_attributes():
        add(name, number)
    for op, number in numbered(spec["operations"]["list"], 1):
        add(c_name(spec["operations"]["name-prefix"] + op["name"]), number)
    return out


def header_text(comments=False):
    with open(HEADER, encoding="utf-8") as f:
        text = f.read()
    return text if comments else re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def header_words(text):
    """Names that stand for a number or a text, and the texts."""
    defines = dict(re.findall(r"^#define\s+(\w+)[ \t]+(.+)$", text, flags=re.M))
    enums = re.findall(r"enum \w+ \{(.*?)\}", text, flags=re.S)
    names = [n for body in enums for n in re.findall(r"^\s*(\w+)", body, flags=re.M)]
    names = [n for n in [*defines, *names] if not NO_NAME.search(n) and n not in NOT_NETLINK]
    texts = {n: defines[n].strip('"') for n in names if defines.get(n, "").startswith('"')}
    return names, texts


def by_compiler(expressions):
    """The values of expressions, with the header."""
    lines = [f'\tprintf("%llu\\n", (unsigned long long)({e}));' for e in expressions]
    source = "#include <stddef.h>\n#include <stdio.h>\n#include <linux/fallow.h>\n" \
             "int main(void)\n{\n" + "\n".join(lines) + "\n\treturn 0;\n}\n"
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["gcc", f"-I{INCLUDE}", "-x", "c", "-", "-o", f"{d}/numbers"],
                       input=source, text=True, check=True)
        out = subprocess.run([f"{d}/numbers"], check=True, stdout=subprocess.PIPE, text=True)
    return dict(zip(expressions, map(int, out.stdout.split())))


def header_names():
    names, texts = header_words(header_text())
    return by_compiler([n for n in names if n not in texts]) | texts


def check_schema(ynl):
    if not ynl:
        tap.skip("it is what the kernel's schema wants", "no linux-source package")
        return
    with open(f"{ynl}/Documentation/netlink/{spec['protocol']}.yaml", encoding="utf-8") as f:
        schema = yaml.safe_load(f)
    errors = jsonschema.Draft7Validator(schema).iter_errors(spec)
    tap.ok(not (wrong := [e.message for e in errors]), "it is what the kernel's schema wants",
           "\n".join(wrong))


def check_names():
    here, there = spec_names(), header_names()
    tap.ok(len(there) > 100, "the header has names", len(there))
    for a, b, name in ((there, here, "every name of the header is in the specification"),
                       (here, there, "every name of the specification is in the header")):
        tap.ok(not a.keys() - b.keys(), name, "\n".join(sorted(a.keys() - b.keys())))
    wrong = [f"{n}: {here[n]}, header {there[n]}" for n in here.keys() & there.keys()
             if here[n] != there[n]]
    tap.ok(not wrong, "and their numbers are equal", "\n".join(wrong))


def check_structs():
    size = {"u32": 4, "u64": 8}
    want = {}
    for d in spec["definitions"]:
        if d["type"] != "struct":
            continue
        at, struct = 0, f"struct fallow_{d['name']}"
        for m in d["members"]:
            want[f"offsetof({struct}, {m['name']})"] = at
            want[f"sizeof((({struct} *)0)->{m['name']})"] = size[m["type"]]
            at += size[m["type"]]
        want[f"sizeof({struct})"] = at
    got = by_compiler(list(want))
    tap.ok(got == want, "structures are laid out as it says", f"{got}\n{want}")
    here = {e for e in want if e.startswith("sizeof(struct")}
    there = {f"sizeof(struct {n})"
             for n in re.findall(r"^struct (\w+) \{", header_text(), flags=re.M)
             if n not in NOT_NETLINK}
    tap.ok(here == there, "and both have the same", f"{here} {there}")


def check_sets():
    clashes, types = [], {}
    for s in spec["attribute-sets"]:
        numbers = [n for _, n in numbered(s["attributes"], 1)]
        if len(numbers) != len(set(numbers)):
            clashes.append(s["name"])
    for name, s, a, _ in spec_attributes():
        types.setdefault(name, set()).add(a["type"])
        if (a["name"].startswith("req-")) != (name.startswith("FALLOW_A_REQ_")):
            clashes.append(f"{s['name']}: {a['name']}")
    tap.ok(not clashes, "requests and replies do not clash in a set", "\n".join(clashes))
    tap.ok(all(len(t) == 1 for t in types.values()), "an attribute has one type", types)
    told = dict(re.findall(r"@(FALLOW_A_\w+): (?:__)?(u32|u64|string|array|padding)\b",
                           header_text(comments=True)))
    # Counts are, unless the header says otherwise.
    wrong = [f"{n}: {min(t)}" for n, t in types.items()
             if min(t).replace("binary", "array").replace("pad", "padding") != told.get(n, "u64")]
    tap.ok(not wrong, "and the one that the header tells", "\n".join(wrong))


def check_operations():
    sets = {s["name"]: {a["name"] for a in s["attributes"] if a["type"] != "pad"}
            for s in spec["attribute-sets"]}
    used = {name: set() for name in sets}
    for op in spec["operations"]["list"]:
        modes = [op[m] for m in ("do", "dump") if m in op]
        for m in modes:
            for way in ("request", "reply"):
                used[op["attribute-set"]].update(m.get(way, {}).get("attributes", []))
    # The set of requests is what the others take from as well.
    sets["req"] -= {"req-start", "req-end", "req-ranges", "req-state-mask", "req-flags"}
    tap.ok(used == sets, "each attribute is of an operation",
           "\n".join(f"{n}: {used[n] ^ sets[n]}" for n in sets if used[n] != sets[n]))


def check_docs():
    things = [*spec["definitions"], *spec["attribute-sets"], *spec["operations"]["list"]]
    for d in spec["definitions"]:
        things += d.get("entries", []) + d.get("members", [])
    for s in spec["attribute-sets"]:
        things += s["attributes"]
    bare = [t if isinstance(t, str) else t["name"] for t in things
            if isinstance(t, str) or not t.get("doc", "").strip()]
    tap.ok(not bare, "everything has a description", "\n".join(bare))


def generated(ynl, work):
    """What gcc says of a client in C that Linux's generator makes."""
    generator = next(p for p in (f"{ynl}/tools/net/ynl/pyynl/ynl_gen_c.py",
                                 f"{ynl}/tools/net/ynl/ynl-gen-c.py") if os.path.exists(p))
    # It wants a kernel's tree around it, and of one licence alone makes something.
    copy = f"{work}/Documentation/netlink/specs/fallow.yaml"
    os.makedirs(os.path.dirname(copy))
    shutil.copy(f"{ynl}/Documentation/netlink/{spec['protocol']}.yaml",
                f"{work}/Documentation/netlink")
    with open(f"{work}/MAINTAINERS", "w", encoding="utf-8"):
        pass
    with open(SPEC, encoding="utf-8") as f, open(copy, "w", encoding="utf-8") as to:
        to.write("# SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)\n")
        to.write(f.read().split("\n", 1)[1])
    for kind, name in (("--header", "fallow-user.h"), ("--source", "fallow-user.c")):
        subprocess.run([sys.executable, generator, "--spec", copy, "--mode", "user", kind, "-o",
                        f"{work}/{name}"], check=True, timeout=60, cwd=work,
                       env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    return subprocess.run(["gcc", "-Wall", "-c", f"-I{ynl}/tools/net/ynl/lib", f"-I{work}",
                           f"-I{INCLUDE}", "-o", f"{work}/x.o", f"{work}/fallow-user.c"],
                          stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)


def check_generated(ynl):
    name = "a client in C is generated from it, and compiles with the header"
    if not ynl:
        tap.skip(name, "no linux-source package")
        return
    with tempfile.TemporaryDirectory() as d:
        c = generated(os.path.abspath(ynl), d)
        tap.ok(c.returncode == 0 and not c.stdout, name, c.stdout)


YNL = sys.argv[1] if len(sys.argv) > 1 else None
check_schema(YNL)
check_names()
check_structs()
check_sets()
check_operations()
check_docs()
check_generated(YNL)
tap.done()
