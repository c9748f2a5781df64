# SPDX-License-Identifier: BSD-2-Clause
"""Hand-made frames from end to end: tags, odd segments, blind attacks, junk."""
import contextlib
import random
import sys

from rawtcp import ACK, FIN, PSH, RST, SYN, RawPeer, Wire, mss
from weirlab import check, check_equal, run, serving, site


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"small\n") as root:
        listen = [f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo", "[fd00::2]:7=echo"]
        with serving(listen, "--msl", "1s", root=root) as env, Wire(env.lab) as env.wire:
            yield env


def talk(env, **kwargs):
    """Handshake, echo, close, all by hand."""
    peer = RawPeer(env.wire, 7, **kwargs)
    answer = peer.connect()
    check(answer.good_checksum, "checksum of the SYN-ACK")
    check(answer.window > 0, "a window in the SYN-ACK")
    peer.send(ACK | PSH, b"ping")
    check_equal(peer.read(lambda p: len(p.data) >= 4), b"ping", "echo")
    peer.send(ACK | FIN)
    peer.read(lambda p: p.fin_seen)
    env.weir.wait_quiet(3, but=())
    return answer


def plain(env):
    talk(env)


def plain_ipv6(env):
    talk(env, v6=True)


def with_timestamps(env):
    answer = talk(env, ts=True)
    check(answer.option(8) is not None, "timestamps in the SYN-ACK")


def vlan(env):
    answer = talk(env, vlan=(0x2042,))
    check_equal(answer.vlan, (0x2042,), "tag of the SYN-ACK")


def two_vlans(env):
    answer = talk(env, vlan=(0x0064, 0x6123))
    check_equal(answer.vlan, (0x0064, 0x6123), "tags of the SYN-ACK")


def data_with_the_ack(env):
    """The final ACK was lost; the first data segment carries the cookie as well."""
    peer = RawPeer(env.wire, 7)
    peer.send(SYN, options=mss(1460), ack=0)
    answer = peer.expect(lambda seg: seg.flags & SYN)
    peer.rcv_nxt = (answer.seq + 1) & 0xFFFFFFFF
    peer.send(ACK | PSH, b"first")
    check_equal(peer.read(lambda p: len(p.data) >= 5), b"first", "echo")
    peer.reset()
    env.weir.wait_quiet(2, but=())


def first_segments_lost(env):
    """
    The final ACK and the first data segment are lost, the second comes: it carries no
    cookie that validates, but must not cost the client its connection.
    """
    peer = RawPeer(env.wire, 7)
    peer.send(SYN, options=mss(1460), ack=0)
    answer = peer.expect(lambda seg: seg.flags & SYN)
    peer.rcv_nxt = (answer.seq + 1) & 0xFFFFFFFF
    start = peer.snd_nxt
    peer.send(ACK | PSH, b"second", seq=(start + 5) & 0xFFFFFFFF)
    peer.silence(0.3, lambda seg: seg.flags & RST, "an RST for a connection being made")
    peer.send(ACK | PSH, b"firstsecond")
    check_equal(peer.read(lambda p: len(p.data) >= 11), b"firstsecond", "echo")
    peer.reset()
    env.weir.wait_quiet(2, but=())


def corrupt_data(env):
    """A data segment with a bad checksum opens nothing and is not taken; its retransmission is."""
    peer = RawPeer(env.wire, 7)
    peer.send(SYN, options=mss(1460), ack=0)
    answer = peer.expect(lambda seg: seg.flags & SYN)
    peer.rcv_nxt = (answer.seq + 1) & 0xFFFFFFFF
    opened = env.weir.counter("conn_opened")
    env.wire.send_segment(peer.segment(ACK | PSH, b"wrong"), bad_checksum=True)
    peer.silence(0.4, lambda seg: seg.payload, "an answer to a corrupt segment")
    check_equal(env.weir.counter("conn_opened") - opened, 0, "connections opened by it")
    peer.send(ACK | PSH, b"right")
    check_equal(peer.read(lambda p: len(p.data) >= 5), b"right", "echo")
    peer.reset()
    env.weir.wait_quiet(2, but=())


def out_of_order(env):
    peer = RawPeer(env.wire, 7)
    peer.connect()
    data = bytes(random.randrange(256) for _ in range(5000))
    parts, at = [], 0
    while at < 5000:
        parts.append((at, min(5000, at + random.randrange(50, 1300))))
        at = parts[-1][1]
    random.shuffle(parts)
    start = peer.snd_nxt
    for a, b in parts + parts[:3]:  # some of them twice
        peer.send(ACK, data[max(0, a - 20):b], seq=start + max(0, a - 20))
    peer.snd_nxt = (start + 5000) & 0xFFFFFFFF
    check_equal(peer.read(lambda p: len(p.data) >= 5000), data, "echo")
    peer.reset()
    env.weir.wait_quiet(2, but=())


def blind_attacks(env):
    """RFC 5961: an RST or SYN in the window, not exact, gets a challenge ACK and ends nothing."""
    peer = RawPeer(env.wire, 7)
    peer.connect()
    env.weir.wait_state(peer.sport, "ESTABLISHED")
    for flags, seq in ((RST, peer.snd_nxt + 100), (SYN, peer.snd_nxt + 100), (SYN, peer.snd_nxt)):
        env.wire.drain()
        peer.send(flags, seq=seq)
        challenge = peer.expect(what="a challenge ACK")
        check_equal((challenge.flags, challenge.ack), (ACK, peer.snd_nxt), "the challenge ACK")
    peer.send(RST, seq=peer.snd_nxt - 70000)
    peer.send(ACK | PSH, b"alive")
    check_equal(peer.read(lambda p: len(p.data) >= 5), b"alive", "echo after the attacks")
    peer.send(RST, seq=peer.snd_nxt)
    env.weir.wait_quiet(2, but=())


def ack_of_nothing(env):
    """
    An ACK without flow or cookie reaches no worker; the client of a weir that was
    started again learns it by a reset, on a retransmission at the latest.
    """
    opened = env.weir.counter("conn_opened")
    peer = RawPeer(env.wire, 7)
    peer.snd_nxt, peer.rcv_nxt = 1000, 2000
    answer = None
    for _ in range(10):
        peer.send(ACK, b"hello?", seq=1000)
        got = [seg for _, seg, outgoing in env.wire.drain(0.5) if seg and not outgoing]
        answer = next((seg for seg in got if peer.mine(seg)), None)
        if answer:
            break
    check(answer and answer.flags & RST, f"an RST, not {answer}")
    check_equal(answer.seq, 2000, "sequence number of the RST")
    check_equal(env.weir.counter("conn_opened") - opened, 0, "connections opened")


def odd_syns(env):
    """SYN with FIN or RST, from nowhere, to everybody: no answer, each counted."""
    before = sum(v for k, v in env.weir.counters().items() if k.startswith("drop_"))
    sent = 0
    for flags in (SYN | FIN, SYN | RST, SYN | RST | ACK):
        RawPeer(env.wire, 7, src="10.0.0.88", sport=999).send(flags, ack=0)
        sent += 1
    for src in ("10.0.0.2", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0"):
        RawPeer(env.wire, 7, src=src, sport=999).send(SYN, ack=0)
        sent += 1
    env.wire.silence(lambda seg: seg.dport == 999, 0.4, "an answer to an odd SYN")
    after = sum(v for k, v in env.weir.counters().items() if k.startswith("drop_"))
    check(after - before >= sent, f"{after - before} drops counted for {sent} frames")


def junk(env):
    """Truncated, lying and random frames; then all still works."""
    dice = random.Random(5)
    peer = RawPeer(env.wire, 7)
    peer.connect()
    frames = [seg.frame(env.wire.mac_client, env.wire.mac_server) for seg in
              (peer.segment(ACK, b"x" * 50, options=mss(1400)), peer.segment(SYN, options=mss(1)),
               RawPeer(env.wire, 7, v6=True).segment(SYN, options=mss(1400)))]
    for frame in frames:
        for cut in range(14, len(frame)):
            env.wire.send(frame[:cut])
        for _ in range(3000):
            bad = bytearray(frame)
            for _ in range(dice.randrange(1, 6)):
                bad[dice.randrange(12, len(bad))] = dice.randrange(256)
            env.wire.send(bytes(bad))
    check(env.weir.alive(), "weir is alive")
    for seq in (peer.snd_nxt, peer.snd_nxt + 50):  # some junk is the segment itself
        peer.send(RST, seq=seq)
    env.weir.wait_quiet(5)
    talk(env)


sys.exit(run(fixture, plain, plain_ipv6, with_timestamps, vlan, two_vlans, data_with_the_ack,
             first_segments_lost, corrupt_data, out_of_order, blind_attacks, ack_of_nothing, odd_syns, junk))
