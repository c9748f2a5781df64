# SPDX-License-Identifier: BSD-2-Clause
"""
TCP by hand: frames made and read byte by byte over AF_PACKET in a lab's client.

RawPeer plays a host of its own (an address the client's kernel does not have, so
that nothing else answers) and does only what it is told: it acknowledges, closes or
keeps silent when a test says so.
"""
import ipaddress
import random
import select
import socket
import struct
import time

from weirlab import Failure, SERVER4, SERVER6, patience

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
TPID = 0x8100
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_AUXDATA = 263, 8
SO_RCVBUFFORCE = 33
RAW4, RAW6 = "10.0.0.77", "fd00::77"
MASK = 0xFFFFFFFF


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo(src, dst, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, 6, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, 6)


def mss(value):
    return struct.pack("!BBH", 2, 4, value)


def timestamps(value, echo=0):
    return struct.pack("!BBBBII", 1, 1, 8, 10, value & MASK, echo & MASK)


def wscale(shift):
    return struct.pack("!BBBB", 1, 3, 3, shift)


SACK_PERMITTED = b"\x01\x01\x04\x02"


class Segment:
    """A TCP segment with its addresses, both ways between fields and bytes."""

    def __init__(self, src, dst, sport, dport, seq=0, ack=0, flags=ACK, window=65535, options=b"",
                 payload=b"", ttl=64, vlan=(), urgent=0):
        self.src, self.dst, self.sport, self.dport = src, dst, sport, dport
        self.seq, self.ack, self.flags, self.window = seq & MASK, ack & MASK, flags, window
        self.options, self.payload, self.ttl, self.vlan = options, payload, ttl, tuple(vlan)
        self.urgent = urgent

    def tcp_bytes(self, bad_checksum=False):
        src = ipaddress.ip_address(self.src).packed
        dst = ipaddress.ip_address(self.dst).packed
        options = self.options + b"\0" * (-len(self.options) % 4)
        head = struct.pack("!HHIIBBHHH", self.sport, self.dport, self.seq, self.ack,
                           (20 + len(options)) // 4 << 4, self.flags, self.window, 0, self.urgent)
        tcp = head + options + self.payload
        value = checksum(_pseudo(src, dst, len(tcp)) + tcp)
        if bad_checksum:
            value ^= 0x5555
        return tcp[:16] + struct.pack("!H", value) + tcp[18:]

    def frame(self, mac_src, mac_dst, **kwargs):
        tcp = self.tcp_bytes(**kwargs)
        src, dst = ipaddress.ip_address(self.src), ipaddress.ip_address(self.dst)
        if src.version == 4:
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), random.randrange(65536),
                             0x4000, self.ttl, 6, 0, src.packed, dst.packed)
            ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
            kind = ETH_P_IP
        else:
            ip = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), 6, self.ttl, src.packed, dst.packed)
            kind = ETH_P_IPV6
        tags = b"".join(struct.pack("!HH", TPID, tag) for tag in self.vlan)
        return mac_dst + mac_src + tags + struct.pack("!H", kind) + ip + tcp

    @classmethod
    def parse(cls, frame, tags=()):
        """From a frame (whose outer tag the kernel may have taken aside); None: not TCP."""
        at, tags = 12, list(tags)
        kind = int.from_bytes(frame[at:at + 2], "big")
        while kind == TPID:
            tags.append(int.from_bytes(frame[at + 2:at + 4], "big"))
            at += 4
            kind = int.from_bytes(frame[at:at + 2], "big")
        ip = frame[at + 2:]
        if kind == ETH_P_IP and len(ip) >= 20 and ip[9] == 6:
            total, head = int.from_bytes(ip[2:4], "big"), (ip[0] & 15) * 4
            src, dst, ttl = ip[12:16], ip[16:20], ip[8]
            tcp = ip[head:total]
        elif kind == ETH_P_IPV6 and len(ip) >= 40 and ip[6] == 6:
            src, dst, ttl = ip[8:24], ip[24:40], ip[7]
            tcp = ip[40:40 + int.from_bytes(ip[4:6], "big")]
        else:
            return None
        sport, dport, seq, ack, off, flags, window, _, urgent = struct.unpack("!HHIIBBHHH",
                                                                             tcp[:20])
        head = (off >> 4) * 4
        seg = cls(str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst)), sport, dport, seq,
                  ack, flags, window, tcp[20:head], tcp[head:], ttl, tags, urgent)
        seg.good_checksum = checksum(_pseudo(src, dst, len(tcp)) + tcp) == 0
        return seg

    def option(self, kind):
        """The body of an option, or None."""
        at = 0
        while at < len(self.options) and self.options[at] != 0:
            if self.options[at] == 1:
                at += 1
                continue
            size = self.options[at + 1] if at + 1 < len(self.options) else 0
            if size < 2:
                return None
            if self.options[at] == kind:
                return self.options[at + 2:at + size]
            at += size
        return None

    def length(self):
        """What the segment takes of the sequence space."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)

    def __repr__(self):
        names = "".join(n for n, bit in zip("FSRPAUEC", (1, 2, 4, 8, 16, 32, 64, 128))
                        if self.flags & bit)
        return (f"<{self.src}:{self.sport}>{self.dst}:{self.dport} {names} seq={self.seq} "
                f"ack={self.ack} win={self.window} len={len(self.payload)}>")


class Wire:
    """An AF_PACKET socket on the client's end of a lab."""

    def __init__(self, lab):
        self.mac_client, self.mac_server = lab.mac("client"), lab.mac("server")
        # The server's host stack could answer the made-up hosts, too: what it says is seen.
        for address in (RAW4, RAW6):
            lab.run("server", "ip", "neigh", "replace", address, "lladdr", self.mac_client.hex(":"),
                    "dev", lab.iface["server"], ok=None)
        self.sock = lab.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        with lab.inside("client"):
            self.sock.bind((lab.iface["client"], ETH_P_ALL))
        self.sock.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, frame):
        self.sock.send(frame)

    def send_segment(self, segment, **kwargs):
        self.send(segment.frame(self.mac_client, self.mac_server, **kwargs))

    def receive(self, timeout):
        """(frame, tags, was it sent from here), or None when none came in time."""
        if not select.select([self.sock], [], [], max(0, timeout))[0]:
            return None
        frame, extra, _, where = self.sock.recvmsg(65536, 256)
        tags = []
        for level, kind, data in extra:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, tci = struct.unpack("IIIHHHH", data[:20])[0::5]
                if status & 0x10:  # TP_STATUS_VLAN_VALID
                    tags.append(tci)
        return frame, tags, where[2] == PACKET_OUTGOING

    def drain(self, seconds=0.0):
        """Everything that came until now, or for so long: [(frame, segment, outgoing)]."""
        found = []
        deadline = time.monotonic() + seconds
        while True:
            got = self.receive(deadline - time.monotonic())
            if got is None:
                return found
            found.append((got[0], Segment.parse(got[0], got[1]), got[2]))

    def wait_for(self, accept, timeout=2.0, what="a segment"):
        """The first segment from the server that accept() likes."""
        timeout = patience(timeout)
        deadline = time.monotonic() + timeout
        while True:
            got = self.receive(deadline - time.monotonic())
            if got is None:
                raise Failure(f"{what} did not come within {timeout:g} s")
            seg = None if got[2] else Segment.parse(got[0], got[1])
            if seg is not None and accept(seg):
                return seg

    def silence(self, accept, seconds, what="a segment"):
        """Fails when a segment that accept() likes comes from the server."""
        for _, seg, outgoing in self.drain(seconds):
            if not outgoing and seg is not None and accept(seg):
                raise Failure(f"{what} came: {seg}")


class RawPeer:
    """One end of one TCP connection, by hand."""

    def __init__(self, wire, port, v6=False, sport=None, src=None, dst=None, vlan=(), ts=False,
                 window=65535):
        self.wire = wire
        self.src = src or (RAW6 if v6 else RAW4)
        self.dst = dst or (SERVER6 if v6 else SERVER4)
        self.sport, self.dport = sport or random.randrange(20000, 60000), port
        self.vlan, self.ts, self.window = vlan, ts, window
        self.iss = random.randrange(1 << 32)
        self.snd_nxt, self.rcv_nxt = self.iss, 0
        self.ts_recent = 0
        self.data = b""
        self.fin_seen = False

    def mine(self, seg):
        return (seg.src, seg.sport, seg.dst, seg.dport) == (self.dst, self.dport, self.src,
                                                            self.sport)

    def segment(self, flags=ACK, payload=b"", seq=None, ack=None, options=b"", window=None):
        if self.ts and not options:
            options = timestamps(int(time.monotonic() * 1000), self.ts_recent)
        return Segment(self.src, self.dst, self.sport, self.dport,
                       self.snd_nxt if seq is None else seq, self.rcv_nxt if ack is None else ack,
                       flags, self.window if window is None else window, options, payload,
                       vlan=self.vlan)

    def send(self, flags=ACK, payload=b"", **kwargs):
        """Sends a segment at SND.NXT and moves on."""
        seg = self.segment(flags, payload, **kwargs)
        self.wire.send_segment(seg)
        if "seq" not in kwargs:
            self.snd_nxt = (self.snd_nxt + seg.length()) & MASK
        return seg

    def expect(self, accept=lambda seg: True, timeout=2.0, what="an answer"):
        return self.wire.wait_for(lambda seg: self.mine(seg) and accept(seg), timeout, what)

    def silence(self, seconds=0.5, accept=lambda seg: True, what="an answer"):
        self.wire.silence(lambda seg: self.mine(seg) and accept(seg), seconds, what)

    def connect(self, options=mss(1460)):
        """The three-way handshake; returns the SYN-ACK."""
        if self.ts:
            options += timestamps(int(time.monotonic() * 1000))
        self.send(SYN, options=options, ack=0)
        answer = self.expect(lambda seg: seg.flags & (SYN | ACK) == SYN | ACK, what="SYN-ACK")
        if answer.ack != self.snd_nxt:
            raise Failure(f"the SYN-ACK acknowledges {answer.ack}, not {self.snd_nxt}")
        self.rcv_nxt = (answer.seq + 1) & MASK
        if self.ts and answer.option(8):
            self.ts_recent = int.from_bytes(answer.option(8)[:4], "big")
        self.send(ACK)
        return answer

    def take(self, seg):
        """Accounts for a segment that is next in order."""
        if seg.seq != self.rcv_nxt:
            return
        self.data += seg.payload
        self.fin_seen |= bool(seg.flags & FIN)
        self.rcv_nxt = (self.rcv_nxt + seg.length()) & MASK

    def read(self, done, timeout=3.0, acknowledge=True):
        """Takes segments until done(self); acknowledges each unless told otherwise."""
        deadline = time.monotonic() + patience(timeout)
        while not done(self):
            if time.monotonic() > deadline:
                raise Failure(f"no end of the stream: {self.data!r:.200}")
            seg = self.expect(timeout=timeout, what="more of the stream")
            if seg.flags & RST:
                raise Failure(f"reset: {seg}")
            self.take(seg)
            if acknowledge and seg.length():
                self.send(ACK)
        return self.data

    def reset(self):
        self.send(RST | ACK)
