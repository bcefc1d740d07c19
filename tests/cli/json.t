#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON of each command that has --json, and of what is kept in files, against the schema
that it names, by jsonschema; and the schemas: each is one, and lets nothing else in."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.dont_write_bytecode = True
import heaplib
from tap import Tap

tap = Tap()


def fallow(*args):
    return subprocess.run([heaplib.FALLOW, *args], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, check=False).stdout


def read_schemas():
    for path in sorted(glob.glob(os.path.join(heaplib.TREE, "Documentation/*.schema.json"))):
        with open(path, encoding="utf-8") as f:
            schema = json.load(f)
        yield schema["title"], schema


def open_objects(part, path="#"):
    """Where a schema tells of an object's members, and takes others, too."""
    if isinstance(part, list):
        for i, one in enumerate(part):
            yield from open_objects(one, f"{path}/{i}")
    elif isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and \
                part.get("additionalProperties") is not False:
            yield path
        for name, one in part.items():
            yield from open_objects(one, f"{path}/{name}")


def check_schemas(jsonschema, schemas):
    for name, schema in schemas.items():
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
            wrong = list(open_objects(schema))
        except jsonschema.SchemaError as e:
            wrong = e.message
        tap.ok(not wrong, f"{name}: a schema, and a closed one", wrong)


def check(jsonschema, schemas, name, text):
    """Of text that is an object, or one a line."""
    try:
        shown = [json.loads(text)]
    except ValueError:
        shown = [json.loads(line) for line in text.splitlines()]
    wrong = [f"{list(e.path)}: {e.message[:300]}" for one in shown for e in
             jsonschema.Draft202012Validator(schemas[one["schema"]]).iter_errors(one)]
    tap.ok(shown and not wrong, f"{name}: as the schema says", wrong[:3])


def first_lines(n, *args):
    """Of a command that goes on and on."""
    with subprocess.Popen([heaplib.FALLOW, *args], stdout=subprocess.PIPE, text=True) as p:
        lines = [p.stdout.readline() for _ in range(n)]
        p.terminate()
        p.stdout.read()
    return "".join(lines)


def shown(pid, home):
    """By command, what it shows. That of trace, which not all systems let look, is held to
    its schema by tests/trace."""
    recording, kept = os.path.join(home, "recording"), os.path.join(home, "kept")
    fallow("record", pid, "-o", recording, "-i", "100ms", "--for=1s")
    fallow("snapshot", pid, "-o", kept)
    with open(kept, encoding="utf-8") as f:
        yield "snapshot", f.read()
    for command in "report", "regions", "heap":
        yield command, fallow(command, "--json", pid)
        yield f"{command} of a recording", fallow(command, "--json", recording)
    yield "report of a look twice", fallow("report", "--json", "--after=1s", pid)
    yield "heap with first bytes", fallow("heap", "--json", "--show-data", pid)
    yield "watch", first_lines(2, "watch", "--json", "-i", "200ms", pid)
    yield "top", fallow("top", "--json")
    yield "diff", fallow("diff", "--json", "--after=1s", pid)
    yield "diff of files", fallow("diff", "--json", recording + "@1", kept)
    yield "info", fallow("info", "--json")
    yield "info of a recording", fallow("info", "--json", recording)
    yield "export", fallow("export", "--format=json", pid, kept)


def main():
    try:
        import jsonschema
    except ImportError:
        tap.skip("JSON as the schemas say", "no python3-jsonschema")
        return
    schemas = dict(read_schemas())
    check_schemas(jsonschema, schemas)
    seen = {"trace"}
    with heaplib.Workload(heaplib.native(), "random-free", 2, 1) as w, \
            tempfile.TemporaryDirectory() as home:
        for name, text in shown(str(w.pid), home):
            check(jsonschema, schemas, name, text)
            seen.add(name.split()[0])
    have = {command for command in re.findall(r"^  ([a-z]+) ", fallow("--help"), re.M)
            if re.search(r"^  (-j, )?--json", fallow(command, "--help"), re.M)}
    tap.ok(have and have <= seen, "no command is left out", have - seen)


main()
tap.done()
