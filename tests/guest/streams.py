# SPDX-License-Identifier: BSD-2-Clause
"""
Streams of which every byte is known, with the kernel's TCP at one end or both.

An End is the kernel's end: a socket of this process in one of the lab's namespaces. A
Wpeer is a process of wpeer.c, libweir's TCP. drive() runs them until all are done: each has
sent all, received exactly what it should and seen the peer's end of stream.
"""
import contextlib
import json
import random
import selectors
import socket
import subprocess
import tempfile
import time

from impair import WPEER
from weirlab import CLIENT4, SERVER4, Failure, check, end_process, patience

PIECE = 1 << 18


def content(size, seed):
    return random.Random(seed).randbytes(size)


def kernel_socket(lab, end, address):
    """With lab.control, if that is set, as its congestion control."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = lab.socket(family, socket.SOCK_STREAM, end=end)
    if lab.control:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, lab.control.encode())
    return sock


class Files:
    """Random bytes that both this process and others can see; a piece for each stream."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="weir-netem-")
        self.known = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.dir.cleanup()

    def piece(self, name, size):
        """(path, bytes): always the same for one name and size."""
        path = f"{self.dir.name}/{name}-{size}"
        if path not in self.known:
            self.known[path] = content(size, path.rsplit("/", 1)[1])
            with open(path, "wb") as f:
                f.write(self.known[path])
        return path, self.known[path]


class End:
    """
    Sends `out`, wants exactly `want`. when: its own stream ends when all is sent (half),
    when all has come too (last), or after the peer's (peer). skip_head: what stands
    before the first empty line is not compared (HTTP).
    """

    def __init__(self, name, sock, out, want, when="half", skip_head=False):
        self.name, self.sock = name, sock
        self.out, self.want = memoryview(out), want
        self.when, self.head = when, bytearray() if skip_head else None
        self.sent = self.got = 0
        self.shut = self.ended = False
        self.error = None
        sock.setblocking(False)

    @classmethod
    def dial(cls, lab, end, address, name, *args, **kwargs):
        sock = kernel_socket(lab, end, address)
        self = cls(name, sock, *args, **kwargs)
        sock.connect_ex(address)
        return self

    @property
    def done(self):
        return self.error is not None or (self.shut and self.ended)

    def wants(self):
        return (selectors.EVENT_READ if not self.ended else 0) | \
            (selectors.EVENT_WRITE if self.sent < len(self.out) or self._may_shut() else 0)

    def step(self, mask):
        try:
            if mask & selectors.EVENT_READ:
                self._receive()
            if mask & selectors.EVENT_WRITE and self.sent < len(self.out):
                self.sent += self.sock.send(self.out[self.sent:self.sent + PIECE])
            if self._may_shut() and (mask & selectors.EVENT_WRITE or self.ended):
                self.sock.shutdown(socket.SHUT_WR)
                self.shut = True
        except BlockingIOError:
            pass
        except OSError as e:
            self.error = e

    def _may_shut(self):
        if self.shut or self.sent < len(self.out):
            return False
        return self.ended or self.when == "half" or \
            (self.when == "last" and self.got == len(self.want))

    def _receive(self):
        data = self.sock.recv(PIECE)
        self.ended = not data
        if self.head is not None and data:
            self.head += data
            parts = self.head.split(b"\r\n\r\n", 1)
            if len(parts) == 1:
                return
            data, self.head = parts[1], None
        if data != self.want[self.got:self.got + len(data)]:
            self.error = Failure(f"{self.name}: wrong bytes after {self.got}")
        self.got += len(data)
        if self.ended and self.got != len(self.want):
            self.error = Failure(f"{self.name}: ended after {self.got} of {len(self.want)} bytes")

    def __str__(self):
        return f"{self.name}: sent {self.sent} of {len(self.out)}, got {self.got} of " \
            f"{len(self.want)}" + (f", {self.error}" if self.error else "")


class Accepting:
    """A listening socket of the kernel; its one connection becomes an End."""

    def __init__(self, lab, end, address, *args, **kwargs):
        self.sock = kernel_socket(lab, end, address)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(address)
        self.sock.listen(8)
        self.sock.setblocking(False)
        self.args, self.kwargs, self.name = args, kwargs, args[0]
        self.error, self.done = None, False

    def wants(self):
        return selectors.EVENT_READ

    def step(self, _):
        try:
            sock, _ = self.sock.accept()
        except BlockingIOError:
            return None
        self.sock.close()
        return End(self.args[0], sock, *self.args[1:], **self.kwargs)

    def __str__(self):
        return f"{self.name}: not accepted"


class Wpeer:
    """libweir's TCP at one end, for as many connections as are asked for."""

    name = "wpeer"

    def __init__(self, lab, end="client", mode="auto"):
        self.lab, self.end, self.mode = lab, end, mode
        self.asked, self.results, self.error, self.answer = 0, [], None, None
        self.rest = b""

    def __enter__(self):
        argv = self.lab.argv(self.end, WPEER, self.lab.iface[self.end], self.mode)
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.sock = self.proc.stdout  # to be waited for
        if self.sock.readline() != b"ready\n":
            end_process(self.proc)
            raise Failure(f"wpeer is not ready, status {self.proc.returncode}")
        return self

    def __exit__(self, *_):
        self.proc.stdin.close()
        try:
            self.proc.wait(patience(10))
        except subprocess.TimeoutExpired:
            end_process(self.proc)
        self.proc.stdout.close()

    def _ask(self, line):
        self.proc.stdin.write(line.encode() + b"\n")

    def stream(self, verb, address, when, send, recv):
        """verb: connect or accept; send and recv: (path, bytes) of Files, or None."""
        pieces = [f"{p[0]} 0 {len(p[1])}" if p else "- 0 0" for p in (send, recv)]
        self._ask(f"{verb} {address[0]} {address[1]} {when} {' '.join(pieces)}")
        self.asked += 1

    def counters(self):
        self.answer = None
        self._ask("counters")
        deadline = time.monotonic() + patience(5)
        while self.answer is None:
            check(time.monotonic() < deadline, "wpeer does not answer")
            self.step(selectors.EVENT_READ)
        return self.answer

    def wants(self):
        return selectors.EVENT_READ

    @property
    def done(self):
        return self.error is not None or len(self.results) == self.asked

    def step(self, _):
        data = self.sock.read(65536)
        if not data:
            self.error = Failure(f"wpeer ended, status {self.proc.wait()}")
        *lines, self.rest = (self.rest + (data or b"")).split(b"\n")
        for line in map(json.loads, lines):
            if "counters" in line:
                self.answer = line["counters"]
                continue
            self.results.append(line)
            if line.get("refused") or line["error"]:
                self.error = Failure(f"wpeer: {line}")

    def __str__(self):
        return f"wpeer: {len(self.results)} of {self.asked} over" + \
            (f", {self.error}" if self.error else "")


class Murmur:
    """
    A datagram now and then in each direction. Gilbert's and Elliott's states change with
    frames, not with time: on a path without other traffic a sender that backs off
    exponentially would meet the same burst of loss for minutes.
    """

    def __init__(self, lab):
        self.socks = [lab.socket(socket.AF_INET, socket.SOCK_DGRAM, end=e)
                      for e in ("server", "client")]
        for mine, theirs, sock in ((SERVER4, CLIENT4, self.socks[0]),
                                   (CLIENT4, SERVER4, self.socks[1])):
            sock.setblocking(False)
            sock.bind((mine, 5000))
            sock.connect((theirs, 5000))

    def close(self):
        for sock in self.socks:
            sock.close()

    def utter(self):
        for sock in self.socks:
            with contextlib.suppress(OSError):
                sock.send(b"?")
                sock.recv(10)


def drive(ends, seconds, murmur=None):
    """
    Runs all to their end; how long that took. A Failure names what stands or went wrong.
    `seconds` are for what the path costs, which is the same on a slow machine.
    """
    seconds += patience(15)
    begun = time.monotonic()
    deadline = begun + seconds
    ends = list(ends)
    with selectors.DefaultSelector() as sel:
        for e in ends:
            sel.register(e.sock, e.wants(), e)
        while sel.get_map():
            for key, mask in sel.select(0.02 if murmur else 0.5):
                _one(sel, ends, key.data, key.fileobj, mask)
            if murmur:
                murmur.utter()
            if any(e.error for e in ends):
                break
            if time.monotonic() > deadline:
                raise Failure(f"not done after {seconds:.0f} s: " +
                              "; ".join(str(e) for e in ends if not e.done))
    bad = [e for e in ends if e.error]
    if bad:
        raise Failure("; ".join(map(str, bad)))
    return time.monotonic() - begun


def _one(sel, ends, end, sock, mask):
    new = end.step(mask)
    if isinstance(new, End):
        sel.unregister(sock)
        ends[ends.index(end)] = new
        sel.register(new.sock, new.wants(), new)
    elif end.done:
        sel.unregister(sock)
        if isinstance(end, End):
            sock.close()
    elif end.wants():
        sel.modify(sock, end.wants(), end)
