# SPDX-License-Identifier: BSD-2-Clause
"""A kernel client's echo: random data of random sizes, both ways at once, byte-exact."""
import functools
import os
import socket
import sys

from weirlab import SERVER6, check, check_equal, patience, run, scaled, serving

fixture = functools.partial(serving, ["10.0.0.2:7=echo", "[fd00::2]:7=echo", "10.0.0.2:9=discard"],
                            "--msl", "1s")


def echo(env, *args, **kwargs):
    result = env.lab.netclient("echo", kwargs.pop("port", 7), *args, **kwargs)
    check(result["ok"] == result["conns"], result)


def random_sizes(env):
    echo(env, "--conns", 40, "--bytes", 300000, "--seed", 7)


def random_sizes_ipv6(env):
    echo(env, "--conns", 10, "--bytes", 300000, "--seed", 11, server=SERVER6)


def one_large(env):
    echo(env, "--bytes", scaled(30 << 20))


def every_small_size(env):
    """Streams of 1 to 64 bytes, one connection each."""
    for size in range(1, 65):
        echo(env, "--bytes", size, "--seed", size)


def short_connections(env):
    echo(env, "--conns", scaled(2000), "--concurrency", 32, "--bytes", 100)


def discard(env):
    echo(env, "--conns", 4, "--bytes", scaled(5 << 20), "--discard", port=9)


def one_byte_writes(env):
    data = os.urandom(500)
    with env.lab.connect(7) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        for byte in data:
            sock.sendall(bytes([byte]))
        while len(got) < len(data):
            got += sock.recv(4096)
    check(got == data, "the bytes in their order")


def half_close(env):
    """The client's FIN ends its stream, not the answer to what came before it."""
    data = os.urandom(200000)
    with env.lab.connect(7, rcvbuf=8192) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
    check(got == data, f"{len(got)} of {len(data)} bytes after the half-close")


def fin_without_data(env):
    with env.lab.connect(7) as sock:
        sock.shutdown(socket.SHUT_WR)
        check_equal(sock.recv(10), b"", "end of stream")


def pause_between(env):
    """Idle for longer than the delayed ACK and the RTO, then on."""
    with env.lab.connect(7) as sock:
        for data in (b"before", b"after"):
            sock.sendall(data)
            check_equal(sock.recv(100), data, "echo")
            sock.settimeout(0.7)
            try:
                check_equal(sock.recv(1), b"nothing", "bytes while idle")
            except TimeoutError:
                sock.settimeout(patience(5))


def nothing_left(env):
    env.weir.wait_quiet()
    check_equal(env.weir.counter("drop_frame_csum"), 0, "checksum errors")


sys.exit(run(fixture, random_sizes, random_sizes_ipv6, one_large, every_small_size,
             short_connections, discard, one_byte_writes, half_close, fin_without_data,
             pause_between, nothing_left))
