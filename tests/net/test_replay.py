# SPDX-License-Identifier: BSD-2-Clause
"""
A cookie opens at most one connection: each segment a client sent, sent again after the
connection has ended, opens nothing and runs no request a second time.
"""
import contextlib
import sys
import time

from rawtcp import SYN, Wire
from weirlab import SERVER6, check, check_equal, patience, reset_close, run, serving, site

MSL = max(1, round(patience(0.4)))  # in TIME_WAIT long enough for a slow machine to see it
PORTS = {"http": 80, "echo": 7}


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"small\n" * 100) as root:
        listen = [f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo", f"[fd00::2]:80=http:{root}",
                  "[fd00::2]:7=echo"]
        with serving(listen, "--msl", f"{MSL}s", root=root) as env, Wire(env.lab) as env.wire:
            yield env


def get(env, close, server="10.0.0.2"):
    """A request; the frames that the client sent, from its SYN to the end."""
    env.wire.drain()
    with env.lab.connect(80, server) as sock:
        port = sock.getsockname()[1]
        sock.sendall(b"GET /small.txt HTTP/1.1\r\nHost: w\r\n" +
                     (b"Connection: close\r\n" if close else b"") + b"\r\n")
        got = b""
        while got.count(b"small\n") < 100:
            got += sock.recv(65536)
        if close:
            check_equal(sock.recv(1), b"", "the end")
    return sent_from(env, port)


def sent_from(env, port, settle=0.2):
    frames = [frame for frame, seg, outgoing in env.wire.drain(settle)
              if outgoing and seg is not None and seg.sport == port]
    check(len(frames) >= 3, f"only {len(frames)} frames of the client were seen")
    return frames


def replay(env, frames, pause=0.01):
    """Sends all of it again, in order, each alone and the first data segment twice."""
    opened, bytes_out = env.weir.counter("conn_opened"), []
    for frame in frames + frames[1:3] + frames[:3]:
        env.wire.send(frame)
        time.sleep(pause)
    for _, seg, outgoing in env.wire.drain(0.6):
        if not outgoing and seg is not None and seg.payload:
            bytes_out.append(seg)
    check(not bytes_out, f"the request ran again: {bytes_out[:2]}")
    check_equal(env.weir.counter("conn_opened") - opened, 0, "connections opened by the replay")
    env.weir.wait_quiet(2)


def after_close(env):
    """The client closed first: nothing of the connection is left but a tombstone."""
    frames = get(env, close=False)
    env.weir.wait_quiet(3, but=())
    replay(env, frames)


def after_close_a_while(env):
    frames = get(env, close=False)
    env.weir.wait_quiet(3, but=())
    time.sleep(3)
    replay(env, frames)


def after_close_ipv6(env):
    frames = get(env, close=False, server=SERVER6)
    env.weir.wait_quiet(3, but=())
    replay(env, frames)


def in_time_wait(env):
    frames = get(env, close=True)
    env.weir.wait_quiet(3)
    check(env.weir.conns("TIME_WAIT"), "a connection in TIME_WAIT")
    replay(env, frames)


def after_time_wait(env):
    frames = get(env, close=True)
    env.weir.wait_quiet(2 * MSL + 3, but=())
    replay(env, frames)


def after_reset(env):
    env.wire.drain()
    sock = env.lab.connect(80)
    port = sock.getsockname()[1]
    sock.sendall(b"GET /small.txt HTTP/1.1\r\nHost: w\r\n\r\n")
    sock.recv(65536)
    reset_close(sock)
    frames = sent_from(env, port)
    env.weir.wait_quiet(3, but=())
    replay(env, frames)


def while_open(env):
    """The same to a connection that lives: answered, not obeyed, and it goes on."""
    env.wire.drain()
    with env.lab.connect(7) as sock:
        sock.sendall(b"once")
        check_equal(sock.recv(10), b"once", "echo")
        frames = sent_from(env, sock.getsockname()[1])
        opened = env.weir.counter("conn_opened")
        for frame in frames:
            env.wire.send(frame)
        sock.sendall(b"more")
        check_equal(sock.recv(10), b"more", "echo after the replay")
        check_equal(env.weir.counter("conn_opened") - opened, 0, "connections opened")
    env.weir.wait_quiet()


def many(env):
    """A hundred connections' segments, all at once."""
    frames = []
    for _ in range(100):
        frames += get_quick(env)
    env.weir.wait_quiet(3, but=())
    replay(env, frames, 0.001)


def get_quick(env):
    env.wire.drain()
    with env.lab.connect(7) as sock:
        port = sock.getsockname()[1]
        sock.sendall(b"q")
        check_equal(sock.recv(1), b"q", "echo")
    found = [(frame, seg) for frame, seg, outgoing in env.wire.drain(0.01)
             if outgoing and seg is not None and seg.sport == port]
    check(found and found[0][1].flags & SYN, "the SYN was seen")
    return [frame for frame, _ in found]


sys.exit(run(fixture, after_close, after_close_a_while, after_close_ipv6, in_time_wait,
             after_time_wait, after_reset, while_open, many))
