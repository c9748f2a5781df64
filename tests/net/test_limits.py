# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""
Clients that hold on: each of them is ended at its limit, and each end has a counter.
The limits are short here; the clients would stay for a minute.
"""
import contextlib
import sys
import time

from rawtcp import ACK, FIN, RST, RawPeer, Wire
from weirlab import check, check_equal, patience, run, serving, site, wait_until

LIMITS = {"--header-timeout": 2, "--idle-timeout": 3, "--stream-timeout": 3,
          "--fin-wait-2": 2, "--last-ack": 3, "--persist": 3,
          "--user-timeout": 6}
STAY = 20


@contextlib.contextmanager
def fixture():
    args = [word for name, seconds in LIMITS.items() for word in (name, f"{seconds}s")]
    with site(small__txt=b"small\n", big__bin=30 << 20) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], "--msl", "1s", *args,
                     root=root) as env, Wire(env.lab) as env.wire:
            yield env


@contextlib.contextmanager
def counted(env, name, times):
    before = env.weir.counter(name)
    yield
    wait_until(lambda: env.weir.counter(name) - before >= times, 2,
               lambda: f"{name} rose by {env.weir.counter(name) - before}, not {times}")
    check_equal(env.weir.counter(name) - before, times, name)


def ended_by_reset(result, conns, earliest, latest):
    check_equal(result["left"], 0, f"connections that still stand: {result}")
    check_equal(result["errors"]["reset"], conns, f"resets: {result}")
    check(earliest * 1000 <= result["first_end_ms"], f"earlier than {earliest} s: {result}")
    check(result["last_end_ms"] <= patience(latest) * 1000, f"later than {latest} s: {result}")


def slow_header(env):
    """A byte of the header now and then does not keep the connection."""
    with counted(env, "http_header_timeout", 5):
        result = env.lab.netclient("dribble", 80, "--conns", 5, "--interval-ms", 200,
                                   time_limit=STAY)
        ended_by_reset(result, 5, 1.9, 4)


def no_request(env):
    """A connection that never says anything is closed, in order or by a reset."""
    result = env.lab.netclient("idle", 80, "--conns", 5, time_limit=STAY)
    check_equal(result["left"], 0, result)
    check(1900 <= result["first_end_ms"] and result["last_end_ms"] < patience(6000), result)
    env.weir.wait_quiet(6, but=())


def idle_between_requests(env):
    with counted(env, "http_idle_closed", 1), env.lab.connect(80, timeout=STAY) as sock:
        sock.sendall(b"GET /small.txt HTTP/1.1\r\nHost: w\r\n\r\n")
        start = time.monotonic()
        while sock.recv(65536):
            pass
        took = time.monotonic() - start
        check(2.5 < took < patience(5), f"closed after {took:.1f} s")
    env.weir.wait_quiet(6, but=())


def idle_stream(env):
    """echo: not a byte moved."""
    with counted(env, "abort_app_timeout", 1), env.lab.connect(7, timeout=STAY) as sock:
        start = time.monotonic()
        try:
            check_equal(sock.recv(1), b"", "the end")
        except ConnectionResetError:
            pass
        took = time.monotonic() - start
        check(2.5 < took < patience(6), f"ended after {took:.1f} s")
    env.weir.wait_quiet(6, but=())


def never_closes(env):
    """We have closed, the client reads to the end and keeps its side: FIN_WAIT_2 is bounded."""
    with counted(env, "abort_fin_wait_2", 5):
        result = env.lab.netclient("halfopen", 80, "--path", "/small.txt", "--conns", 5,
                                   time_limit=STAY)
        check_equal(result["eofs"], 5, result)
        check_equal(result["left"], 0, f"connections that still stand: {result}")
        check_equal(result["errors"]["reset"], 5, f"resets: {result}")
        check(result["last_end_ms"] < patience(9000), result)
    env.weir.wait_quiet(3, but=())


def vanishes_at_the_end(env):
    """The client's FIN came, our FIN is never acknowledged: LAST_ACK is bounded."""
    with counted(env, "abort_last_ack", 1):
        peer = RawPeer(env.wire, 7)
        peer.connect()
        peer.send(ACK | FIN)
        env.weir.wait_state(peer.sport, "LAST_ACK")
        env.weir.wait_quiet(8, but=())


def vanishes_when_closing(env):
    """The same in CLOSING."""
    with counted(env, "abort_last_ack", 1):
        peer = RawPeer(env.wire, 80)
        peer.connect()
        peer.send(ACK, b"GET /small.txt HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")
        peer.read(lambda p: p.fin_seen, acknowledge=False)
        peer.send(ACK | FIN, ack=(peer.rcv_nxt - 1) & 0xFFFFFFFF)
        env.weir.wait_state(peer.sport, "CLOSING")
        env.weir.wait_quiet(8, but=())


def shut_window(env):
    """A window held shut, each probe answered: ended at the persist limit."""
    with counted(env, "abort_persist", 1):
        peer = RawPeer(env.wire, 7, window=3)
        peer.connect()
        peer.send(ACK, b"echo")
        peer.read(lambda p: p.data == b"ech", acknowledge=False)
        peer.window = 0
        deadline = time.monotonic() + patience(STAY)
        peer.send(ACK)
        while time.monotonic() < deadline:
            seg = peer.expect(timeout=8, what="a probe, or the RST at the end")
            if seg.flags & RST:
                break
            peer.send(ACK)
    env.weir.wait_quiet(3, but=())


def never_reads(env):
    """The same by a kernel client, which takes back a part of the window it had offered."""
    with counted(env, "abort_persist", 3):
        result = env.lab.netclient("zerowin", 80, "--path", "/big.bin", "--conns", 3, "--rcvbuf",
                                   16384, time_limit=STAY)
        ended_by_reset(result, 3, 2.5, 12)
    env.weir.wait_quiet(3, but=())


def window_opens_in_time(env):
    """A pause shorter than the limit is a slow reader's right."""
    with env.lab.connect(80, rcvbuf=16384, timeout=STAY) as sock:
        sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: w\r\n\r\n")
        time.sleep(1.5)
        got = 0
        while got < 1 << 20:
            got += len(sock.recv(65536))
    env.weir.wait_quiet(6)


def vanishes_with_data_out(env):
    """Data is never acknowledged: the user timeout ends it, with an RST."""
    peer = RawPeer(env.wire, 80)
    peer.connect()
    peer.send(ACK, b"GET /small.txt HTTP/1.1\r\nHost: w\r\n\r\n")
    with counted(env, "abort_user_timeout", 1):
        peer.expect(lambda seg: seg.flags & RST, timeout=15, what="the RST at the end")
        env.weir.wait_quiet(3, but=())


def buffers_come_back(env):
    wait_until(lambda: env.weir.status()["memory"]["buffers_used_bytes"] == 0, 2,
               lambda: f"no buffer in use: {env.weir.status()['memory']}")


sys.exit(run(fixture, slow_header, no_request, idle_between_requests, idle_stream, never_closes,
             vanishes_at_the_end, vanishes_when_closing, shut_window, never_reads, window_opens_in_time,
             vanishes_with_data_out, buffers_come_back))
