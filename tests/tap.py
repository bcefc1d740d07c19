# SPDX-License-Identifier: GPL-2.0-or-later
"""Test Anything Protocol, as far as the tests need it."""
import sys


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, name, facts=""):
        self.count += 1
        name = name.replace("#", "no. ")
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        if not good:
            self.failed += 1
            for line in str(facts).splitlines():
                print(f"# {line}", flush=True)
        return good

    def skip(self, name, why):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {why}", flush=True)

    def done(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)
