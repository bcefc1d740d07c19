# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration's workload: an HTTP server that answers batches of varying
size and keeps a slowly changing cache.

  demo-server.py serve            listens on loopback; prints its port
  demo-server.py drive PORT MIB   sends it batches until its RSS is MIB
  demo-server.py ask PORT PATH    prints the answer to one request
"""
import ctypes
import http.client
import http.server
import json
import os
import random
import sys
import threading
import time

CACHE_ITEMS = 4000
cache = {}
lock = threading.Lock()


def resident():
    with open("/proc/self/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Rss:"))


def item(rng):
    """A piece of a reply: its size varies from half a kilobyte to a hundred."""
    return bytes(int(rng.paretovariate(0.9) * 600) % 100_000 + 500)


def batch(size, seed):
    """Builds a reply; of what it computes, a little goes to the cache."""
    rng = random.Random(seed)
    parts, total = [], 0
    while total < size:
        parts.append(item(rng))
        total += len(parts[-1])
        if rng.random() < 0.02:
            with lock:
                cache[rng.randrange(CACHE_ITEMS)] = bytes(rng.randrange(600, 3000))
    return total, len(parts)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/trim":
            before = resident()
            ctypes.CDLL(None).malloc_trim(0)
            answer = {"before": before, "after": resident()}
        else:
            with lock:
                answer = {"rss": resident(), "cache": sum(map(len, cache.values()))}
        self.reply(answer)

    def do_POST(self):
        rq = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        total, parts = batch(rq["size"], rq["seed"])
        self.reply({"bytes": total, "parts": parts})

    def reply(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def ask(port, path, body=None, connection=None):
    c = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    c.request("POST" if body else "GET", path, json.dumps(body) if body else None)
    return json.loads(c.getresponse().read())


def client(port, seed, goal, stop):
    """One of several clients, with a connection and thus a thread of its own."""
    rng = random.Random(seed)
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while not stop.is_set():
        ask(port, "/batch", {"size": rng.randrange(goal // 40, goal // 4),
                             "seed": rng.random()}, c)


def drive(port, mib):
    goal, stop = mib << 20, threading.Event()
    clients = [threading.Thread(target=client, args=(port, n, goal, stop)) for n in range(4)]
    begun = time.monotonic()
    for c in clients:
        c.start()
    while True:
        state = ask(port, "/state")
        took = time.monotonic() - begun
        print(f"\r  {took:4.0f} s: RSS {state['rss'] >> 20} MiB, the cache holds "
              f"{state['cache'] / 1048576:.1f} MiB ", end="", file=sys.stderr, flush=True)
        if (state["rss"] >= goal and took > 2) or took > 45:
            break
        time.sleep(0.25)
    stop.set()
    for c in clients:
        c.join()
    print(file=sys.stderr)


def main():
    mode, *rest = sys.argv[1:]
    if mode == "serve":
        serve()
    elif mode == "drive":
        drive(int(rest[0]), int(rest[1]))
    elif mode == "ask":
        answer = ask(int(rest[0]), rest[1])
        print(*answer.values())


if __name__ == "__main__":
    sys.exit(main())
