#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fallow export as Prometheus sees it: its own checkers, and a server that scrapes
node_exporter's textfile collector, on the loopback address alone."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..")]
sys.dont_write_bytecode = True
from heaplib import FALLOW, TREE
from tap import Tap

tap = Tap()
RULES = os.path.join(TREE, "contrib/prometheus/fallow.rules.yml")
NAME = 'a"b\\c{d}'  # of a process; a newline is cut off by the kernel's own file


def run(*args, **options):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)


def passes(name, *args, **options):
    done = run(*args, **options)
    tap.ok(done.returncode == 0, name, done.stdout)


def export(*args):
    return subprocess.run([FALLOW, "export", *args], stdout=subprocess.PIPE, check=True,
                          text=True).stdout


@contextlib.contextmanager
def target():
    """A process with a heap, an odd name, and nothing that changes."""
    code = (f"open('/proc/self/comm', 'w').write({NAME!r}); kept = [bytes(3000) for _ in "
            "range(30000)]; del kept[::2]; import time; print('', flush=True); time.sleep(3600)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        try:
            yield process.pid
        finally:
            process.kill()


def rss(pid):
    """By smaps: the zero pages of others are none of it."""
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as f:
        return 1024 * sum(int(n) for n in re.findall(r"^Rss: *(\d+) kB$", f.read(), re.M))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server on a port of the loopback address, once it answers there at /metrics."""

    def __init__(self, home, *command):
        self.home = home
        self.command = command
        self.process = None

    def __enter__(self):
        for _ in range(3):  # another program may take the port first
            self.address = f"127.0.0.1:{free_port()}"
            with open(os.path.join(self.home, "log"), "wb") as log:
                self.process = subprocess.Popen(
                    [*self.command, f"--web.listen-address={self.address}"], cwd=self.home,
                    stdout=log, stderr=log)
            while self.process.poll() is None:
                with contextlib.suppress(OSError):
                    self.get("/metrics")
                    return self
                time.sleep(0.1)
        with open(os.path.join(self.home, "log"), encoding="utf-8") as log:
            raise RuntimeError(f"{self.command[0]} ended: {log.read()[-2000:]}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def get(self, path, **query):
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()

    def query(self, expr):
        try:
            answer = json.loads(self.get("/api/v1/query", query=expr))
        except urllib.error.HTTPError as err:
            return err.read().decode()
        return answer["data"]["result"]

    def number(self, expr, seconds=120):
        """Its one value, as soon as there is one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.query(expr)
            if len(found) == 1:
                return float(found[0]["value"][1])
            time.sleep(0.5)
        return None


def check_text(promtool, pid):
    text = export(str(pid))
    passes("promtool check metrics: a process", promtool, "check", "metrics", input=text)
    everything = export("--all", "--top=5", "--quick")
    passes("promtool check metrics: a node", promtool, "check", "metrics", input=everything)
    passes("promtool check rules", promtool, "check", "rules", RULES)
    passes("promtool test rules", promtool, "test", "rules",
           RULES.replace(".rules.yml", ".rules.test.yml"))
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError:
        tap.skip("it is OpenMetrics", "no python3-prometheus-client")
        return
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    tap.ok(all(s.labels.get("comm", NAME) == NAME for s in samples), "a name is escaped", text)
    kept = sum(s.value for s in samples if s.name == "fallow_process_resident_bytes")
    tap.ok(kept == rss(pid), "it is OpenMetrics, and adds up to smaps' Rss",
           f"{kept} and {rss(pid)}")


def queries(dashboard):
    for panel in dashboard["panels"]:
        for one in panel["targets"]:
            expr = one["expr"]
            for variable in ("instance", "comm"):
                expr = expr.replace(f"${variable}", ".*")
            yield panel["title"], expr


def check_scraped(server, pid, report):
    of = f'{{pid="{pid}"}}'
    ledger = {l["class"]: l["resident_bytes"] for l in report["ledger"]}
    total = server.number(f"sum(fallow_process_resident_bytes{of})")
    tap.ok(total == rss(pid), "the classes add up to smaps' Rss", f"{total} and {rss(pid)}")
    told = {r["metric"]["class"]: float(r["value"][1])
            for r in server.query(f"fallow_process_resident_bytes{of}")}
    tap.ok(told == ledger, "each class is the report's", f"{told}\n{ledger}")
    summed = server.number(f"process:fallow_resident_bytes:sum{of}")
    tap.ok(summed == total, "the recording rule", summed)
    name = server.query(f"fallow_process_info{of}")[0]["metric"]
    tap.ok(name["comm"] == NAME, "the name is the process' own", name)
    glibc = next(a for a in report["allocators"] if a["name"] == "glibc")
    for what in "live", "free", "stranded", "returnable", "fallow", "resident":
        value = server.number(f'fallow_allocator_{what}_bytes{{pid="{pid}",allocator="glibc"}}')
        tap.ok(value == glibc[f"{what}_bytes"], f"glibc: {what}",
               f"{value}, not {glibc[f'{what}_bytes']}")
    failed = server.number("node_textfile_scrape_error")
    tap.ok(failed == 0, "node_exporter has no complaint", failed)
    with open(os.path.join(TREE, "contrib/prometheus/dashboard.json"), encoding="utf-8") as f:
        for title, expr in queries(json.load(f)):
            found = server.query(expr)
            tap.ok(isinstance(found, list) and found, f"the dashboard has {title}",
                   f"{expr}\n{found}")


def scrape(programs, home, pid):
    metrics = os.path.join(home, "metrics")
    os.mkdir(metrics)
    file = os.path.join(metrics, "fallow.prom")
    subprocess.run([FALLOW, "export", str(pid), "-o", file], check=True)
    report = json.loads(subprocess.run([FALLOW, "report", "--json", str(pid)], check=True,
                                       stdout=subprocess.PIPE).stdout)
    with Server(home, os.path.join(programs, "prometheus-node-exporter"),
                "--collector.disable-defaults", "--collector.textfile",
                f"--collector.textfile.directory={metrics}") as node:
        config = os.path.join(home, "prometheus.json")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                       "rule_files": [RULES],
                       "scrape_configs": [{"job_name": "node", "static_configs": [
                           {"targets": [node.address]}]}]}, f)
        with Server(home, os.path.join(programs, "prometheus"), f"--config.file={config}",
                    f"--storage.tsdb.path={home}/data") as server:
            check_scraped(server, pid, report)


def main():
    fetched = subprocess.run([os.path.join(HERE, "prometheus")], stdout=subprocess.PIPE,
                             text=True, check=False)
    if fetched.returncode:
        tap.skip("Prometheus", "its packages cannot be fetched")
        return
    programs = fetched.stdout.strip()
    with tempfile.TemporaryDirectory() as home, target() as pid:
        check_text(os.path.join(programs, "promtool"), pid)
        scrape(programs, home, pid)


main()
tap.done()
