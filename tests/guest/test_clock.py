# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 200
"""
The machine's clock is set while weir serves: handshakes that have begun are completed, new
clients are let in, and what is open goes on with timestamps that never go back (RFC 7323 5).
"""
import contextlib
import os
import secrets
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from rawtcp import ACK, RST, SYN, RawPeer, Wire, timestamps, mss  # noqa: E402
from weirlab import Cases, check, check_equal, need, serving, wait_until  # noqa: E402

HOUR = 3600
KEY = f"weir-key 1\nkey {secrets.token_hex(8)} {secrets.token_hex(8)}\nmtu 1500\nwscale 7\n"
WEEK = 7 * 24 * HOUR


def set_clock(by):
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME) + by)


@contextlib.contextmanager
def clock_moved(by):
    """Set, and set back by as much: other tests need the time, too."""
    set_clock(by)
    try:
        yield
    finally:
        set_clock(-by)


def fixture(*args):
    @contextlib.contextmanager
    def make():
        with serving(["10.0.0.2:7=echo"], *args) as env, Wire(env.lab) as env.wire:
            yield env
    return make


@contextlib.contextmanager
def shared_key():
    with tempfile.NamedTemporaryFile("w", prefix="weir-key-", suffix=".key") as f:
        f.write(KEY)
        f.flush()
        with fixture("--key-file", f.name)() as env:
            yield env


def begin(env):
    """A SYN, answered: the rest is to come."""
    peer = RawPeer(env.wire, 7, ts=True)
    peer.send(SYN, options=mss(1460) + timestamps(1000), ack=0)
    answer = peer.expect(lambda seg: seg.flags & (SYN | ACK) == SYN | ACK, 5, "SYN-ACK")
    peer.rcv_nxt = (answer.seq + 1) & 0xFFFFFFFF
    take_time(peer, answer)
    return peer


def take_time(peer, seg):
    """TSval must not be below the one before."""
    value = int.from_bytes(seg.option(8)[:4], "big")
    if peer.ts_recent:
        check((value - peer.ts_recent) & 0xFFFFFFFF < 1 << 31,
              f"TSval {value} after {peer.ts_recent}")
    peer.ts_recent = value


def say(peer, text):
    """Says it once, and again as TCP would, until the echo comes."""
    peer.data = b""
    start = peer.snd_nxt
    peer.send(ACK, text)
    for _ in range(5):
        try:
            seg = peer.expect(lambda seg: seg.payload or seg.flags & RST, 3, "the echo")
            break
        except Exception:
            peer.send(ACK, text, seq=start)
    else:
        raise AssertionError("no echo")
    check(not seg.flags & RST, f"a reset: {seg}")
    take_time(peer, seg)
    peer.take(seg)
    check_equal(peer.data, text, "echo")
    peer.send(ACK)


def jump(by, name, late=True):
    """`late`: what was begun before may be completed long after."""
    def case(env):
        held = begin(env)
        held.send(ACK)
        say(held, b"open before")
        peers = [held, begin(env)] + [begin(env)] * late
        before = env.weir.counters()["conn_opened"]
        with clock_moved(by):
            peers[1].send(ACK)
            say(peers[1], b"begun before")
            # Once weir has looked at the clock, and longer than that.
            time.sleep(2)
            say(held, b"still open")
            for peer in peers[2:]:
                peer.send(ACK)
                say(peer, b"begun before, and late")
            with env.lab.connect(7, timeout=20) as sock:
                sock.sendall(b"new")
                check_equal(sock.recv(10), b"new", "echo to a new client")
            say(held, b"open to the end")
        say(held, b"and after")
        wait_until(lambda: env.weir.counters()["conn_opened"] == before + len(peers), 3,
                   lambda: f"connections: {env.weir.counters()['conn_opened']}, {before} before")
        for peer in peers:
            peer.reset()
        check_equal(env.weir.counter("drop_ack_cookie"), 0, "cookies refused")

    case.label = name
    return case


def nodes_agree_after_a_step(env):
    """With a shared key the gate follows: SYNs wait, by name, and then all goes on."""
    with clock_moved(HOUR):
        wait_until(lambda: "the system clock was set ahead" in env.weir.log(), 5, "weir says so")
        with env.lab.connect(7, timeout=20) as sock:
            sock.sendall(b"new")
            check_equal(sock.recv(10), b"new", "echo to a client that came meanwhile")
        peer = begin(env)
        peer.send(ACK)
        say(peer, b"a cookie of the new time")
        peer.reset()
    wait_until(lambda: "the system clock was set back" in env.weir.log(), 5, "weir says so")
    with env.lab.connect(7, timeout=20) as sock:
        sock.sendall(b"back")
        check_equal(sock.recv(10), b"back", "echo after a step back")


def main():
    if "WEIR_VM" not in os.environ:
        print("sets the machine's clock: in a guest alone", file=sys.stderr)
        return 77
    need()
    cases = Cases()
    cases.group(fixture(), (jump(HOUR, "an-hour-ahead"), jump(-HOUR, "an-hour-back"),
                            jump(WEEK, "a-week-ahead"), jump(-WEEK, "a-week-back")))
    cases.group(shared_key, (jump(HOUR, "shared-key-an-hour-ahead", late=False),))
    cases.group(shared_key, (nodes_agree_after_a_step,))
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
