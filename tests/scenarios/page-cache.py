#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A database's cache of pages, as large as it was told that it may be: SQLite holds it in
blocks, and nothing is wrong.

 * Verdict: healthy
 * Cure: none
"""
import sqlite3
import sys
import tempfile

with tempfile.NamedTemporaryFile() as file:
    DB = sqlite3.connect(file.name)
    DB.execute("PRAGMA cache_size = -100000")
    DB.execute("CREATE TABLE t (a, b)")
    DB.executemany("INSERT INTO t VALUES (?, ?)", ((i, "x" * 500) for i in range(100000)))
    DB.commit()
    DB.execute("SELECT count(*) FROM t WHERE b LIKE '%y%'").fetchall()
    print("ready", flush=True)
    sys.stdin.read()
