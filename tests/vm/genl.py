# SPDX-License-Identifier: GPL-2.0-or-later
"""A generic netlink client of its own, to talk to the module without the tool."""
import os
import re
import socket
import struct

NETLINK_GENERIC, SOL_NETLINK = 16, 270
NETLINK_EXT_ACK = 11
REQUEST, ACK, DUMP = 1, 4, 0x300
DUMP_INTR = 0x10
ERROR, DONE = 2, 3
HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = os.path.join(HERE, "../../kmod/include/uapi/linux/fallow.h")


def enum(prefix):
    """Numbers of an enum in the module's header, by name without the prefix."""
    with open(HEADER, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    for body in re.findall(r"enum \w+ \{(.*?)\}", text, flags=re.S):
        out, number = {}, 0
        for name, value in re.findall(r"(\w+)(?: = (\d+))?\s*(?:,|$)", body):
            if name.startswith("__"):
                break
            number = int(value or number)
            out[name[len(prefix):]] = number
            number += 1
        if body.split()[0] == prefix + "UNSPEC,":
            return out
    raise KeyError(prefix)


def constants():
    """The header's plain constants, by name."""
    with open(HEADER, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    out = {}
    for name, value in re.findall(r"^#define\s+FALLOW_(\w+)\s+(.+)$", text, flags=re.M):
        number = re.fullmatch(r"\(?(\d+)(?:U|ULL)?(?: << (\w+)\))?", value.strip())
        if number:
            shift = (number[2] or "0").removeprefix("FALLOW_")
            out[name] = int(number[1]) << out.get(shift, int(shift) if shift.isdigit() else 0)
    return out


CMD, REQ, INFO, VMA, PAGES = map(enum, ("FALLOW_CMD_", "FALLOW_A_REQ_", "FALLOW_A_INFO_",
                                        "FALLOW_A_VMA_", "FALLOW_A_PAGES_"))
C = constants()


class Refused(Exception):
    def __init__(self, errno, text):
        super().__init__(errno, text)
        self.errno = errno
        self.text = text


def attr(kind, data):
    raw = struct.pack("HH", len(data) + 4, kind) + data
    return raw + bytes(-len(raw) % 4)


def u32(kind, n):
    return attr(kind, struct.pack("I", n))


def u64(kind, n):
    return attr(kind, struct.pack("Q", n))


def parse_attrs(data):
    out = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("HH", data)
        out[kind & 0x3fff] = data[4:size]
        data = data[(size + 3) & ~3:]
    return out


def split(data):
    """(size, type, flags, sequence number, body) of each message of a datagram."""
    while data:
        size, kind, flags, seq, _ = struct.unpack_from("IHHII", data)
        if not 16 <= size <= len(data):
            raise ValueError(f"a message of {size} bytes in {len(data)}: {data[:64].hex()}")
        yield size, kind, flags, seq, data[16:size]
        data = data[(size + 3) & ~3:]


def message(family, cmd, payload, flags, seq):
    body = struct.pack("BBH", cmd, 1, 0) + payload
    return struct.pack("IHHII", len(body) + 16, family, REQUEST | flags, seq, 0) + body


def send(sock, family, cmd, payload, flags, seq):
    sock.send(message(family, cmd, payload, flags, seq))


class Client:
    def __init__(self, receive_buffer=None):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.settimeout(60)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.seq = 0
        self.interrupted = False
        family = self.call(16, 3, attr(2, b"fallow\0"), ACK)
        self.family = struct.unpack("H", family[0][1])[0]

    def send(self, family, cmd, payload, flags):
        self.seq += 1
        send(self.sock, family, cmd, payload, flags, self.seq)

    def messages(self):
        """Attributes of each message until the answer is over; Refused."""
        while True:
            for size, kind, flags, _, body in split(self.sock.recv(1 << 17)):
                self.interrupted |= bool(flags & DUMP_INTR)
                if kind in (ERROR, DONE):
                    errno = -struct.unpack_from("i", body)[0] if size >= 20 else 0
                    if errno:
                        raise Refused(errno, self.extack(body, kind, flags))
                    return
                yield parse_attrs(body[4:])

    @staticmethod
    def extack(body, kind, flags):
        if not flags & 0x200:
            return ""
        at = 4
        if kind == ERROR:
            at = 20 if flags & 0x100 else 4 + struct.unpack_from("I", body, 4)[0]
        return parse_attrs(body[at:]).get(1, b"\0")[:-1].decode()

    def call(self, family, cmd, payload, flags):
        self.send(family, cmd, payload, flags)
        return list(self.messages())

    def info(self, payload=b""):
        return self.call(self.family, CMD["GET_INFO"], payload, ACK)[0]

    def start_dump(self, payload, cmd="GET_VMA"):
        self.interrupted = False
        self.send(self.family, CMD[cmd], payload, DUMP)

    def vmas(self, pid, *more):
        self.start_dump(u32(REQ["PID"], pid) + b"".join(more))
        return [tuple(struct.unpack("Q", m[VMA[k]])[0] for k in ("START", "END"))
                for m in self.messages()]

    def vma_counts(self, pid, *more):
        """The counts of each VMA as a dictionary, those of nothing being 0."""
        self.start_dump(u32(REQ["PID"], pid) + b"".join(more))
        return [{name: struct.unpack("Q", m[a])[0] if len(m.get(a, b"")) == 8 else 0
                 for name, a in VMA.items()} for m in self.messages()]

    def pages(self, pid, ranges=None, mask=None, flags=None):
        """Extents (start, pages, state); self.harvests and self.age_flags are set."""
        self.harvests = self.age_flags = None
        payload = u32(REQ["PID"], pid)
        if ranges is not None:
            payload += attr(REQ["RANGES"], b"".join(struct.pack("QQ", *r) for r in ranges))
        if mask is not None:
            payload += u32(REQ["STATE_MASK"], mask)
        if flags is not None:
            payload += u32(REQ["FLAGS"], flags)
        self.start_dump(payload, "GET_PAGES")
        out = []
        for m in self.messages():
            if PAGES["HARVESTS"] in m:
                self.harvests = struct.unpack("Q", m[PAGES["HARVESTS"]])[0]
                self.age_flags = struct.unpack("I", m[PAGES["AGE_FLAGS"]])[0]
            out += struct.iter_unpack("QII", m[PAGES["EXTENTS"]])
        return out

    def age_start(self, pid, interval_ms):
        self.call(self.family, CMD["AGE_START"],
                  u32(REQ["PID"], pid) + u32(REQ["INTERVAL_MS"], interval_ms), ACK)

    def age_stop(self, pid):
        self.call(self.family, CMD["AGE_STOP"], u32(REQ["PID"], pid), ACK)


def between_equals(look, other):
    """What @look says before and after, and @other between: what others do to pages that
    a target shares with them shows in it, too."""
    for _ in range(20):
        before, between = look(), other()
        if look() == before:
            break
    return before, between
