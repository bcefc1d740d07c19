# SPDX-License-Identifier: GPL-2.0-or-later
"""The batch server under each cure, side by side: its resident set over time, and how
much it gets done."""
import glob
import os
import statistics
import subprocess
import sys
import tempfile
import time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import heaplib

SERVER = os.path.join(heaplib.BIN, "batch-server")
SECONDS = 120
APART = 2  # seconds between beginnings: bursts do not fall together
TRIM = 5
MIB = 1 << 20


def library(name):
    return next(iter(glob.glob(f"/usr/lib/*/{name}")), None)


def tunable(name, value):
    return {"GLIBC_TUNABLES": f"glibc.malloc.{name}={value}"}


def cures():
    """Name, what is added to the environment, to the command line; the package, if any."""
    arena = {"MALLOC_ARENA_MAX": "1"}
    return [
        ("glibc, as it is", {}, [], "libc6"),
        ("MALLOC_ARENA_MAX=1", arena, [], "libc6"),
        (f"malloc_trim(0) every {TRIM} s", {}, [str(TRIM)], "libc6"),
        ("both of these", arena, [str(TRIM)], "libc6"),
        ("trim_threshold=128 KiB", tunable("trim_threshold", 128 << 10), [], "libc6"),
        ("mmap_threshold=32 KiB", tunable("mmap_threshold", 32 << 10), [], "libc6"),
        ("jemalloc", {"LD_PRELOAD": library("libjemalloc.so.2")}, [], "libjemalloc2"),
        ("tcmalloc", {"LD_PRELOAD": library("libtcmalloc_minimal.so.4")}, [],
         "libtcmalloc-minimal4"),
        ("mimalloc", {"LD_PRELOAD": library("libmimalloc.so.2.0")}, [], "libmimalloc2.0"),
    ]


def version(package):
    run = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return run.stdout or "?"


class Server:
    def __init__(self, name, env, words, package):
        self.name, self.env, self.words, self.package = name, env, words, package
        self.begun, self.samples = time.monotonic(), []
        self.out = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([SERVER, str(SECONDS), *words], stdout=self.out,
                                        stdin=subprocess.DEVNULL, env={**os.environ, **env})

    def sample(self):
        try:
            with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as f:
                rss = next(int(line.split()[1]) for line in f if line.startswith("Rss:"))
        except (OSError, StopIteration):
            return  # it has just ended
        self.samples.append((time.monotonic() - self.begun, rss / 1024))

    def result(self):
        """As JSON keeps it."""
        status = self.process.wait()
        self.out.seek(0)
        lines = [list(map(int, line.split())) for line in self.out]
        self.out.close()
        if status or not lines:
            sys.exit(f"compare: the server under {self.name} ended with status {status}")
        # The second half: what came first has settled.
        late = [rss for t, rss in self.samples if t > SECONDS / 2]
        _, _, batches, cpu = lines[-1]
        return {"name": self.name, "package": self.package, "version": version(self.package),
                "setting": " ".join(f"{k}={v}" for k, v in self.env.items()),
                "samples": self.samples, "live": [(s, held / MIB) for s, held, *_ in lines],
                "mean": statistics.mean(late), "most": max(late), "least": min(late),
                "rate": batches / cpu * 1000}


def watch(servers, seconds):
    """Takes samples for so long, or until all have ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(s.process.poll() is None for s in servers):
        for s in servers:
            if s.process.poll() is None:
                s.sample()
        time.sleep(0.5)


def run():
    """All at once: whatever else the machine does, it does to all of them."""
    servers = []
    for cure in cures():
        if None in cure[1].values():
            sys.exit(f"compare: {cure[3]} is not installed: apt-get install {cure[3]}")
        servers.append(Server(*cure))
        watch(servers, APART)
    watch(servers, SECONDS * 10)
    return [s.result() for s in servers]


def draw(results, path):
    """One small drawing a cure, and glibc's own in each: to be told apart by shape."""
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    pyplot.rcParams.update({"svg.hashsalt": "fallow", "svg.fonttype": "none", "font.size": 9})
    figure, axes = pyplot.subplots(3, 3, figsize=(9.6, 7.2), sharex=True, sharey=True)
    plain = results[0]["samples"]
    for axis, r in zip(axes.flat, results):
        axis.fill_between(*zip(*r["live"]), color="0.75", linewidth=0, label="blocks in use")
        axis.plot(*zip(*plain), color="0.5", linestyle=":", label="RSS, glibc as it is")
        axis.plot(*zip(*r["samples"]), color="black", linewidth=1.4, label="RSS")
        axis.set_title(f"{r['name']}\nmean {r['mean']:.0f} MiB", fontsize=9, loc="left")
    axes.flat[0].set_ylim(0, 1.05 * max(rss for r in results for _, rss in r["samples"]))
    axes.flat[0].set_xlim(0, SECONDS)
    figure.supxlabel("seconds", fontsize=9)
    figure.supylabel("MiB", fontsize=9)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(path, metadata={"Date": None})
    with open(path, encoding="utf-8") as f:
        head, *rest = [line.rstrip() for line in f]
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{head}\n<!-- SPDX-License-Identifier: GPL-2.0-or-later; generated by "
                "scripts/compare -->\n" + "\n".join(rest) + "\n")
