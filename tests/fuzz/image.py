#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: image.py PID FILE

Writes the memory of a stopped process to a file: its mappings, which pages are there,
and what is in those that can be written to. Nothing that is not resident is read.
The form is what tests/fuzz/image.c reads."""
import struct
import sys

PAGE = 4096
PRESENT, SWAP, EXCLUSIVE = 1 << 63, 1 << 62, 1 << 56
RESIDENT, SHARED, SWAPPED = 1, 2, 3  # enum page_presence
HEAD = struct.Struct("<8sIIII")
ENTRY = struct.Struct("<QII")


class Mapping:
    def __init__(self, line):
        self.line = line
        words = line.split(maxsplit=5)
        self.start, self.end = (int(n, 16) for n in words[0].split("-"))
        self.perms = words[1]
        self.name = words[5] if len(words) > 5 else ""
        self.counts = {}
        self.flags = ""

    def text(self):
        return f"{self.counts['Rss']} {self.counts['Swap']}| {self.flags}|{self.line}\n"

    def is_wanted(self):
        """What a heap, or the roots of one, may be in."""
        own = self.name in ("[heap]", "[stack]") or self.name.startswith("[anon")
        return self.perms[3] == "p" and self.perms[1] == "w" and \
            (own or not self.name.startswith("["))


def mappings(pid):
    out = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            key, *rest = line.split()
            if not key.endswith(":"):
                out.append(Mapping(line.rstrip("\n")))
            elif key == "VmFlags:":
                out[-1].flags = " ".join(rest)
            elif rest[-1] == "kB":
                out[-1].counts[key[:-1]] = int(rest[0]) * 1024
    return out


def pages(mapping, pagemap, mem):
    """Address and presence of the pages that are there, and what is in them."""
    pagemap.seek(mapping.start // PAGE * 8)
    n = (mapping.end - mapping.start) // PAGE
    for i, (entry,) in enumerate(struct.iter_unpack("<Q", pagemap.read(n * 8))):
        at = mapping.start + i * PAGE
        if entry & PRESENT:
            mem.seek(at)
            yield at | (RESIDENT if entry & EXCLUSIVE else SHARED), mem.read(PAGE)
        elif entry & SWAP:
            yield at | SWAPPED, bytes(PAGE)


def take(pid, path):
    found = mappings(pid)
    text = "".join(m.text() for m in found).encode(errors="surrogateescape")
    text += bytes(8 - len(text) % 8)
    contents, entries = {}, []
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for m in filter(Mapping.is_wanted, found):
            for at, data in pages(m, pagemap, mem):
                entries.append((at, contents.setdefault(data, len(contents))))
    with open(path, "wb") as out:
        out.write(HEAD.pack(b"fallowim", len(text), len(entries), len(contents), 0))
        out.write(text)
        for at, content in entries:
            out.write(ENTRY.pack(at, content, 0))
        for data in contents:
            out.write(data)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    take(int(sys.argv[1]), sys.argv[2])
