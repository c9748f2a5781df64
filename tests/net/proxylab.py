# SPDX-License-Identifier: BSD-2-Clause
"""
Servers behind the proxy, for its net tests: threads of this program in the namespace of the
lab's server, on its loopback or a UNIX socket.

    with backend(lab, echo) as server, Weir(lab, [f"10.0.0.2:80=proxy:{server.where}"]): ...
"""
import contextlib
import os
import socket
import threading

from weirlab import patience


class Backend:
    """Gives each connection that it accepts to a thread that runs `serve`."""

    def __init__(self, lab, serve, port=8080, path=None, backlog=4096):
        self.lab, self.serve, self.port, self.path, self.backlog = lab, serve, port, path, backlog
        self.where = f"unix:{path}" if path else f"127.0.0.1:{port}"
        self.accepted, self.socks, self.threads, self.errors = 0, [], [], []
        self.listener = None

    def start(self):
        family = socket.AF_UNIX if self.path else socket.AF_INET
        self.listener = self.lab.socket(family, socket.SOCK_STREAM, end="server")
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.path or ("127.0.0.1", self.port))
        self.listener.listen(self.backlog)
        self._spawn(self._accept, self.listener)

    def stop(self):
        """As a process that is killed: nobody listens, connections end."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(patience(10))
        self.socks, self.threads = [], []
        if self.path:
            os.unlink(self.path)

    def _spawn(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self, listener):
        while True:
            try:
                sock = listener.accept()[0]
            except OSError:
                return
            self.accepted += 1
            self.socks.append(sock)
            self._spawn(self._one, sock)

    def _one(self, sock):
        try:
            sock.settimeout(patience(30))
            self.serve(sock)
        except OSError as e:
            self.errors.append(e)
        finally:
            sock.close()


@contextlib.contextmanager
def backend(lab, serve, **options):
    """A running one; `lo` of a new namespace is down at first."""
    lab.run("server", "ip", "link", "set", "lo", "up")
    one = Backend(lab, serve, **options)
    one.start()
    try:
        yield one
    finally:
        one.stop()


def echo(sock):
    while data := sock.recv(1 << 16):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def receive(sock, n):
    """Exactly n bytes, or all until the end."""
    got = bytearray()
    while len(got) < n:
        data = sock.recv(min(n - len(got), 1 << 20))
        if not data:
            break
        got += data
    return bytes(got)


def echoes(lab, port):
    """Whether who connects now is served: a byte comes back."""
    with contextlib.suppress(OSError), lab.connect(port) as sock:
        sock.sendall(b"b")
        return receive(sock, 1) == b"b"
    return False
