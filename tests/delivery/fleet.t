#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The DaemonSet and the dashboard by what Kubernetes and Grafana themselves say of such: the
types that they publish, to which TypeScript's compiler holds each field and value."""
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.dont_write_bytecode = True
from heaplib import TREE
from tap import Tap

tap = Tap()
DAEMONSET = os.path.join(TREE, "contrib/kubernetes/daemonset.yaml")
DASHBOARD = os.path.join(TREE, "contrib/prometheus/dashboard.json")

# A dashboard has the types of its panels, and what JSON has for an enumerator is its value.
# Queries are Prometheus' own, of which the types know no field.
TYPES = """
import type { DaemonSet } from "kubernetes-types/apps/v1";
import type { Dashboard, Panel } from "@grafana/schema/dist/types/veneer/dashboard.types";
import type { DataQuery } from "@grafana/schema/dist/types/veneer/common.types";
import type * as stat from
    "@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type * as series from
    "@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";
import type * as table from
    "@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen";
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[] :
    T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Query = DataQuery & { expr: string; instant?: boolean; legendFormat?: string;
                           format?: "table" | "time_series" };
type Of<N extends string, O, F> = Omit<Panel<O, F>, "type" | "options" | "targets"> &
    { type: N; options: Partial<O>; targets: Query[] };
type Some = Of<"stat", stat.Options, {}> | Of<"table", table.Options, table.FieldConfig> |
    Of<"timeseries", series.Options, series.FieldConfig>;
type Board = Plain<Omit<Dashboard, "panels"> & { panels: Some[] }>;
"""


def compiled(modules, kind, value):
    """What the compiler has to say of it: nothing, if all is well."""
    with tempfile.TemporaryDirectory() as home:
        os.symlink(modules, os.path.join(home, "node_modules"))
        with open(os.path.join(home, "it.ts"), "w", encoding="utf-8") as f:
            f.write(f"{TYPES}export const it: {kind} = {json.dumps(value, indent=1)};\n")
        done = subprocess.run(["tsc", "--noEmit", "--strict", "--skipLibCheck",
                               "--preserveSymlinks", "it.ts"], cwd=home, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip() if done.returncode else ""


def check(modules, name, kind, value, spoil):
    said = compiled(modules, kind, value)
    tap.ok(not said, f"{name}: as its types say", said)
    for what, change in spoil.items():
        spoiled = copy.deepcopy(value)
        change(spoiled)
        said = compiled(modules, kind, spoiled)
        tap.ok("TS2" in said, f"{name}: {what} would be seen", said)


def containers(daemonset):
    return daemonset["spec"]["template"]["spec"]["containers"]


def main():
    fetched = subprocess.run([os.path.join(HERE, "fleet-types")], stdout=subprocess.PIPE,
                             text=True, check=False)
    if fetched.returncode or not shutil.which("tsc"):
        tap.skip("the types of Kubernetes and Grafana",
                 "no node-typescript, or npm is not there or could not fetch them")
        return
    try:
        import yaml
    except ImportError:
        tap.skip("the types of Kubernetes and Grafana", "no python3-yaml")
        return
    modules = fetched.stdout.strip()
    with open(DAEMONSET, encoding="utf-8") as f:
        daemonset = yaml.safe_load(f)
    with open(DASHBOARD, encoding="utf-8") as f:
        dashboard = json.load(f)
    check(modules, "DaemonSet", "DaemonSet", daemonset, {
        "a field that is none": lambda d: containers(d)[0].update(volumeMount=[]),
        "a value of another type": lambda d: containers(d)[0].update(command="fallow"),
        "a field too few": lambda d: d["spec"].pop("selector")})
    check(modules, "dashboard", "Board", dashboard, {
        "an option of another panel": lambda d: d["panels"][0]["options"].update(legend={}),
        "a value that is none": lambda d: d["panels"][0]["options"].update(colorMode="no")})


main()
tap.done()
