# SPDX-License-Identifier: GPL-2.0-or-later
"""Heaps of CPython's own allocator to look at. Commands on stdin, one a line:

  PATTERN  makes a heap; answers "done"
  subs N   starts N interpreters in threads of their own, which work, write their
           statistics, and sleep; answers "done" or "none"
  stop     writes the statistics and stops the process; answers "done" once it goes on
  count    counts blocks and stops the process; answers how many once it goes on
  churn    works in threads of its own for ever; answers "done"

Statistics are those of sys._debugmallocstats(), on stderr. Nothing is allocated between
them and the stop, or the sleep. Blocks are counted by sys.getallocatedblocks(), whose
answer is the last one that is allocated.
"""
import os
import random
import signal
import sys
import threading
import time

kept = []


def objects(rng, n):
    """Of all size classes, and of sizes beyond them."""
    return [bytes(rng.randrange(1, 470)) if rng.random() < 0.98 else bytes(4000)
            for _ in range(n)]


def fresh(rng):
    """Nothing but what the interpreter itself has."""


def every_nth(rng, n=7):
    kept.append(objects(rng, 60000)[::n])


def few_left(rng):
    every_nth(rng, 3001)


def random_free(rng):
    kept.append([o for o in objects(rng, 60000) if rng.random() < 0.4])


def one_size(rng):
    many = [object() for _ in range(400000)]
    kept.append(many[::100])


def cache_dropped(rng):
    cache = {str(i): [i, float(i), (i,)] for i in range(80000)}
    kept.append(list(cache.items())[::5000])
    cache.clear()


def arenas_returned(rng):
    """Arenas come and go, so that their records are used again out of order."""
    held = [objects(rng, 20000) for _ in range(10)]
    for i in (3, 7, 1, 8):
        held[i] = None
    kept.append(held)
    kept.append(objects(rng, 15000))
    held[5] = held[0] = None


def resized(rng):
    """Pools that were used for other sizes before."""
    for size in (16, 480, 33, 200, 64):
        many = [bytes(size) for _ in range(30000)]
        kept.append(many[::211])


def threads(rng):
    def work(seed):
        every_nth(random.Random(seed), 11)
    many = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in many:
        t.start()
    for t in many:
        t.join()


def numpy(rng):
    import numpy as np
    arrays = [np.arange(i % 900) for i in range(20000)]
    kept.append(arrays[::13])
    kept.append(np.ones(3 << 20, dtype=np.uint8))


PATTERNS = {f.__name__.replace("_", "-"): f for f in (
    fresh, every_nth, few_left, random_free, one_size, cache_dropped, arenas_returned,
    resized, threads, numpy)}

# What they write must not get mixed: the lock is of an open file, not of the process.
SUB = """
import fcntl, functools, os, sys, time
file = os.open("/proc/self/exe", os.O_RDONLY)
unlock = functools.partial(fcntl.flock, file, fcntl.LOCK_UN)
kept = [bytes(i % 400) for i in range(30000)][::3]
fcntl.flock(file, fcntl.LOCK_EX)
sys._debugmallocstats()
unlock()
time.sleep(100000)
"""


def interpreters():
    """How to start an interpreter with an allocator of its own, and run text in it."""
    if sys.version_info < (3, 12):
        return None, None
    try:
        import _interpreters
        return (lambda: _interpreters.create("isolated")), _interpreters.exec
    except ImportError:
        import _xxsubinterpreters
        return _xxsubinterpreters.create, _xxsubinterpreters.run_string


def start_subs(n):
    create, run = interpreters()
    if not create:
        return "none"
    for _ in range(n):
        threading.Thread(target=run, args=(create(), SUB), daemon=True).start()
    return "done"


def stop(pid=os.getpid(), kill=os.kill, number=int(signal.SIGSTOP), stats=sys._debugmallocstats):
    stats()
    kill(pid, number)
    return "done"


def count(pid=os.getpid(), kill=os.kill, number=int(signal.SIGSTOP),
          blocks=sys.getallocatedblocks):
    answer = blocks()
    kill(pid, number)
    return str(answer)


def churn():
    def work(seed):
        rng = random.Random(seed)
        mine = []
        while True:
            mine.append(objects(rng, 2000)[::rng.randrange(1, 9)])
            if len(mine) > 20:
                mine.pop(rng.randrange(20))
    for seed in range(2):
        threading.Thread(target=work, args=(seed,), daemon=True).start()
    return "done"


def command(line):
    word, *args = line.split()
    if word == "stop":
        return stop()
    if word == "count":
        return count()
    if word == "churn":
        return churn()
    if word == "subs":
        return start_subs(int(args[0]))
    PATTERNS[word](random.Random(1))
    return "done"


def main():
    if len(sys.argv) < 2:
        print(*PATTERNS)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        print(command(line), flush=True)


main()
