# SPDX-License-Identifier: BSD-2-Clause
"""
The proxy in front of servers that know nothing of it, by io_uring and by epoll: every byte,
both ends of both streams, resets, back-pressure, backends that come and go.
"""
import contextlib
import hashlib
import os
import socket
import struct
import sys
import tempfile
import threading
import time

from proxylab import backend, echo, echoes, receive
from weirlab import (Cases, Env, Lab, Weir, check, check_equal, need, patience, reset_close, scaled,
                     wait_until)

HELLO, SLOW, SINK, HALF, RESET, CONTROL = 8081, 8082, 8083, 8084, 8085, 8086


def hello(sock):
    """Speaks first, then echoes."""
    sock.sendall(b"220 hello\r\n")
    echo(sock)


def slow(sock):
    """Reads nothing until it is told to, then all; answers with what it got."""
    slow.go.wait(patience(30))
    sock.sendall(hashlib.sha256(receive(sock, 1 << 30)).digest())


def source(sock):
    """Sends as many bytes as it is asked for; notes how far it has come."""
    n, = struct.unpack("!Q", receive(sock, 8))
    data = bytes(range(256)) * 256
    while n:
        n -= sock.send(data[:min(n, len(data))])


def half(sock):
    """Closes its side first, and says on another connection what it read afterwards."""
    sock.sendall(b"bye")
    sock.shutdown(socket.SHUT_WR)
    data = receive(sock, 1 << 30)
    half.read = data


def resetting(sock):
    receive(sock, 4)
    reset_close(sock)


def holding(sock):
    """Notes how the client ended."""
    try:
        holding.end = receive(sock, 1 << 30)
    except ConnectionResetError:
        holding.end = "reset"


@contextlib.contextmanager
def fixture(io):
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab(queues=2))
        where = stack.enter_context(tempfile.TemporaryDirectory(prefix="weir-proxy-"))
        os.chmod(where, 0o755)
        servers = {80: backend(lab, echo), HELLO: backend(lab, hello, port=HELLO),
                   SLOW: backend(lab, slow, port=SLOW), SINK: backend(lab, source, port=SINK),
                   HALF: backend(lab, half, port=HALF), RESET: backend(lab, resetting, port=RESET),
                   CONTROL: backend(lab, holding, port=CONTROL),
                   90: backend(lab, echo, path=f"{where}/sock")}
        servers = {port: stack.enter_context(server) for port, server in servers.items()}
        listen = [f"10.0.0.2:{port}=proxy:{server.where}" for port, server in servers.items()]
        listen += ["[fd00::2]:80=proxy:127.0.0.1:8080", "10.0.0.2:99=proxy:127.0.0.1:9999",
                   "10.0.0.2:98=proxy:127.0.0.1:9999,on-connect-failure=close"]
        weir = stack.enter_context(Weir(lab, listen, "--msl", "1s", "--proxy-io", io,
                                        "--log-level", "info"))
        yield Env(lab=lab, weir=weir, servers=servers, io=io)


def says_how(env):
    want = "io_uring" if env.io == "uring" else "epoll"
    check(f"waited for by {want}" in env.weir.log(), env.weir.log())


def both_ways(env, port=80, server="10.0.0.2", size=8 << 20):
    data = os.urandom(scaled(size))
    with env.lab.connect(port, server=server) as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        got = receive(sock, len(data) + 1)
        sender.join()
    check(got == data, f"{len(got)} of {len(data)} bytes back, the same")


def both_ways_ipv6(env):
    both_ways(env, server="fd00::2")


def both_ways_unix(env):
    both_ways(env, port=90)


def server_speaks_first(env):
    with env.lab.connect(HELLO) as sock:
        check_equal(receive(sock, 11), b"220 hello\r\n", "greeting")
        sock.sendall(b"hi")
        check_equal(receive(sock, 2), b"hi", "echo")


def client_half_closes(env):
    with env.lab.connect(80) as sock:
        sock.sendall(b"x" * 100000)
        sock.shutdown(socket.SHUT_WR)
        check_equal(len(receive(sock, 1 << 20)), 100000, "bytes after our end")


def backend_half_closes(env):
    data, half.read = os.urandom(scaled(2 << 20)), None
    with env.lab.connect(HALF) as sock:
        check_equal(receive(sock, 100), b"bye", "all before the end")
        sock.sendall(data)
    wait_until(lambda: half.read is not None, 5, "the backend read on")
    check(half.read == data, "what was sent after its end")


def client_resets(env):
    holding.end = None
    sock = env.lab.connect(CONTROL)
    sock.sendall(b"some")
    before = env.weir.counter("proxy_client_reset")
    time.sleep(0.1)
    reset_close(sock)
    wait_until(lambda: holding.end is not None, 5, "the end")
    check_equal(holding.end, "reset", "what the backend saw")
    wait_until(lambda: env.weir.counter("proxy_client_reset") > before, 5, "counted")


def client_closes(env):
    holding.end = None
    with env.lab.connect(CONTROL) as sock:
        sock.sendall(b"some")
    wait_until(lambda: holding.end is not None, 5, "the end")
    check_equal(holding.end, b"some", "what the backend saw")


def backend_resets(env):
    with env.lab.connect(RESET) as sock:
        sock.sendall(b"quit")
        try:
            check_equal(sock.recv(10), "a reset", "read")
        except ConnectionResetError:
            pass


def refused(env):
    try:
        with env.lab.connect(99) as sock:
            check_equal(sock.recv(10), "a reset", "read")
    except ConnectionResetError:
        pass
    with env.lab.connect(98) as sock:
        check_equal(sock.recv(10), b"", "the end of the stream, as configured")


def stands_still(env, counter):
    moved = []

    def stands():
        moved.append(env.weir.counter(counter))
        time.sleep(0.3)
        return len(moved) > 1 and moved[-1] == moved[-2]

    wait_until(stands, 20, "the stream stands still")
    memory = env.weir.status()["memory"]
    check(0 < memory["buffers_used_bytes"] < 40 << 20, memory)


def slow_reader_at_the_backend(env):
    """Its bytes stay with the client; weir holds what a receive buffer does."""
    data, slow.go = os.urandom(1 << 20) * scaled(48), threading.Event()
    with env.lab.connect(SLOW, timeout=30) as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        stands_still(env, "proxy_bytes_to_backend")
        slow.go.set()
        check_equal(receive(sock, 32), hashlib.sha256(data).digest(), "hash of what it read")
        sender.join()


def slow_reader_at_the_client(env):
    """What nobody reads is held in bounded buffers, and arrives in the end."""
    size = scaled(64 << 20)
    with env.lab.connect(SINK, rcvbuf=4096, timeout=30) as sock:
        sock.sendall(struct.pack("!Q", size))
        stands_still(env, "proxy_bytes_to_client")
        got = 0
        for i in range(size):
            part = sock.recv(1 << 20)
            if not part:
                break
            check(part == bytes((got + k) % 256 for k in range(len(part))) if i < 20 else True,
                  f"the bytes from {got} on")
            got += len(part)
        check_equal(got, size, "bytes in the end")


def many(env):
    """All at once, each with its own bytes."""
    n = scaled(2000)
    before = env.weir.counter("proxy_connected")
    result = env.lab.netclient("echo", 80, "--conns", n, "--concurrency", n, "--bytes", 2000)
    check(result["ok"] == n, result)
    check_equal(env.weir.counter("proxy_connected") - before, n, "connections relayed")


def backend_comes_back(env):
    """Killed with clients on it, then there again: weir need not be told."""
    server = env.servers[80]
    with env.lab.connect(80) as sock:
        sock.sendall(b"a")
        check_equal(receive(sock, 1), b"a", "echo")
        server.stop()
        with contextlib.suppress(ConnectionResetError):
            check_equal(sock.recv(1), b"", "its end")
    with contextlib.suppress(ConnectionResetError), env.lab.connect(80) as sock:
        check_equal(sock.recv(1), "a reset", "while nobody listens")
    server.start()

    wait_until(lambda: echoes(env.lab, 80), 20, "it serves again")


def descriptors(env):
    return len(os.listdir(f"/proc/{env.weir.proc.pid}/fd"))


def nothing_left(env):
    env.weir.wait_quiet(10)
    wait_until(lambda: not [b for s in env.servers.values() for b in s.socks if b.fileno() >= 0], 10,
               "every backend's connection has ended")
    counters = env.weir.counters()
    check_equal(counters["proxy_closed"], counters["conn_opened"], "relays ended")
    wait_until(lambda: descriptors(env) < 60, 5, lambda: f"{descriptors(env)} descriptors")


CASES = [says_how, both_ways, both_ways_ipv6, both_ways_unix, server_speaks_first, client_half_closes,
         backend_half_closes, client_resets, client_closes, backend_resets, refused,
         slow_reader_at_the_backend, slow_reader_at_the_client, many, backend_comes_back, nothing_left]


def main():
    need()
    cases = Cases()
    for io in ("uring", "epoll"):
        cases.group(lambda: fixture(io), CASES, name=f"{io}-")
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
