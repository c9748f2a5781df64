# SPDX-License-Identifier: BSD-2-Clause
"""The closing states, seen in `weir conns --json`, with real and with hand-made clients."""
import contextlib
import sys
import time

from rawtcp import ACK, FIN, SYN, RawPeer, Wire
from weirlab import check, check_equal, reset_close, run, serving, site

MSL = 1
CLOSE = b"GET /small.txt HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"small\n") as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], "--msl", f"{MSL}s",
                     "--sndbuf", 8, root=root) as env, Wire(env.lab) as env.wire:
            yield env


def local_port(sock):
    return sock.getsockname()[1]


def read_all(sock):
    got = b""
    while chunk := sock.recv(65536):
        got += chunk
    return got


def established(env):
    with env.lab.connect(7) as sock:
        env.weir.wait_state(local_port(sock), "ESTABLISHED")
        row = env.weir.conns()[0]
        check_equal(row["remote"], f"10.0.0.1:{local_port(sock)}", "remote")
        check_equal(row["local"], "10.0.0.2:7", "local")
        check_equal(row["service"], "echo", "service")
    env.weir.wait_quiet()


def client_closes_first(env):
    """The server is the passive side: CLOSE_WAIT, LAST_ACK, and no TIME_WAIT."""
    sock = env.lab.connect(7)
    sock.sendall(b"x")
    check_equal(sock.recv(1), b"x", "echo")
    port = local_port(sock)
    sock.close()
    env.weir.wait_quiet(3, but=())
    check_equal(env.weir.state_of(port), None, "state")


def server_closes_first(env):
    """The server is the active side: FIN_WAIT_2 while the client waits, TIME_WAIT for 2 MSL."""
    with env.lab.connect(80) as sock:
        port = local_port(sock)
        sock.sendall(CLOSE)
        check(read_all(sock).endswith(b"small\n"), "the body, then the end")
        env.weir.wait_state(port, "FIN_WAIT_2")
        # The client's FIN comes after this: what lasts from here to the end is TIME_WAIT and more,
        # however late a busy machine lets us look.
        start = time.monotonic()
    env.weir.wait_state(port, "TIME_WAIT")
    env.weir.wait_quiet(2 * MSL + 2, but=())
    took = time.monotonic() - start
    check(took > 2 * MSL - 0.5, f"TIME_WAIT lasted {took:.2f} s with an MSL of {MSL} s")


def syns(env, port):
    """How many SYNs the client has sent from that port since the wire was drained."""
    return sum(1 for _, seg, outgoing in env.wire.drain()
               if outgoing and seg is not None and seg.sport == port and seg.flags & SYN)


def time_wait_is_reused(env):
    """A new SYN from the port that TIME_WAIT holds is answered (RFC 6191)."""
    with env.lab.connect(80) as sock:
        port = local_port(sock)
        sock.sendall(CLOSE)
        read_all(sock)
    env.weir.wait_state(port, "TIME_WAIT")
    env.wire.drain()
    with env.lab.connect(80, source=("10.0.0.1", port)) as sock:
        sock.sendall(CLOSE)
        check(read_all(sock).endswith(b"small\n"), "the body over the same ports")
    check_equal(syns(env, port), 1, "SYNs until one was answered")
    env.weir.wait_quiet(2 * MSL + 2, but=())


def port_is_reused_after_close(env):
    """A client that closed first may come again from the same port at once."""
    port = 31313
    for _ in range(3):
        env.wire.drain()
        sock = env.lab.connect(7, source=("10.0.0.1", port))
        sock.sendall(b"again")
        check_equal(sock.recv(10), b"again", "echo")
        check_equal(syns(env, port), 1, "SYNs until one was answered")
        # An RST spares the client its own TIME_WAIT.
        reset_close(sock)
        env.weir.wait_quiet(3, but=())


def close_wait(env):
    """
    The client's FIN is in while echo has more to send than its window and our send
    buffer take: CLOSE_WAIT until all is out, then LAST_ACK.
    """
    peer = RawPeer(env.wire, 7, window=1000)
    peer.connect()
    for _ in range(30):
        peer.send(ACK, b"d" * 1000)
    peer.send(ACK | FIN)
    env.weir.wait_state(peer.sport, "CLOSE_WAIT")
    check(env.weir.conns("CLOSE_WAIT")[0]["sndq"] > 0, "data that waits in sndq")
    peer.window = 65535
    peer.send(ACK)
    peer.read(lambda p: p.fin_seen, timeout=10)
    check_equal(peer.data, b"d" * 30000, "the echo after the half-close")
    env.weir.wait_quiet(3, but=())


def last_ack(env):
    """Our FIN is not acknowledged: LAST_ACK, with the FIN sent again; then the ACK ends it."""
    peer = RawPeer(env.wire, 7)
    peer.connect()
    peer.send(ACK | FIN)
    fin = peer.expect(lambda seg: seg.flags & FIN, what="our FIN")
    env.weir.wait_state(peer.sport, "LAST_ACK")
    again = peer.expect(lambda seg: seg.flags & FIN, timeout=3, what="our FIN once more")
    check_equal(again.seq, fin.seq, "sequence number of the second FIN")
    peer.take(fin)
    peer.send(ACK)
    env.weir.wait_quiet(3, but=())


def server_fin(env):
    """A raw client whose request the server answered and closed; its FIN not acknowledged."""
    peer = RawPeer(env.wire, 80)
    peer.connect()
    peer.send(ACK, CLOSE)
    peer.read(lambda p: p.fin_seen, acknowledge=False)
    return peer


def fin_wait(env):
    """FIN_WAIT_1 until the FIN is acknowledged, FIN_WAIT_2 until the client closes."""
    peer = server_fin(env)
    env.weir.wait_state(peer.sport, "FIN_WAIT_1")
    peer.send(ACK)
    env.weir.wait_state(peer.sport, "FIN_WAIT_2")
    peer.send(ACK | FIN)
    env.weir.wait_state(peer.sport, "TIME_WAIT")
    answer = peer.expect(lambda seg: seg.ack == peer.snd_nxt, what="the last ACK")
    check_equal(answer.flags & FIN, 0, "FIN in the last ACK")
    env.weir.wait_quiet(2 * MSL + 2, but=())


def simultaneous_close(env):
    """Both FINs cross: CLOSING, then TIME_WAIT."""
    peer = server_fin(env)
    before_fin = (peer.rcv_nxt - 1) & 0xFFFFFFFF
    peer.send(ACK | FIN, ack=before_fin)
    env.weir.wait_state(peer.sport, "CLOSING")
    peer.send(ACK)
    env.weir.wait_state(peer.sport, "TIME_WAIT")
    env.weir.wait_quiet(2 * MSL + 2, but=())


def fin_and_ack_at_once(env):
    """FIN_WAIT_1 goes to TIME_WAIT when one segment acknowledges our FIN and closes."""
    peer = server_fin(env)
    peer.send(ACK | FIN)
    env.weir.wait_state(peer.sport, "TIME_WAIT")
    env.weir.wait_quiet(2 * MSL + 2, but=())


def reset_ends_every_state(env):
    for make in (lambda: server_fin(env), lambda: established_peer(env)):
        peer = make()
        check(env.weir.state_of(peer.sport), "a connection")
        peer.reset()
        env.weir.wait_quiet(2, but=())


def established_peer(env):
    peer = RawPeer(env.wire, 7)
    peer.connect()
    env.weir.wait_state(peer.sport, "ESTABLISHED")
    return peer


sys.exit(run(fixture, established, client_closes_first, server_closes_first, time_wait_is_reused,
             port_is_reused_after_close, close_wait, last_ack, fin_wait, simultaneous_close, fin_and_ack_at_once,
             reset_ends_every_state))
