# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 240
"""weir-flood itself: what arrives at the other end, and what it says; test_flood_rate: how fast."""
import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys

from rawtcp import checksum
from weirlab import (FLOOD, Cases, Env, Failure, Lab, check, check_equal, need, patience, scaled,
                     wait_until)

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, SO_RCVBUFFORCE = 0x0003, 263, 8, 33
FLAGS = {"syn": 0x02, "ack": 0x10, "rst": 0x04, "syn-ack": 0x12, "fin": 0x11}
# Option kinds of a SYN in order, window, TTL: default installations at an MTU of 1500.
LAYOUTS = {
    "linux": ("2-4-8-1-3", 64240, 64),
    "windows": ("2-1-3-1-1-4", 64240, 128),
    "macos": ("2-1-3-1-1-8-4-0-0", 65535, 64),
    "none": ("", 64240, 64),
}
BACKENDS = ("live", "xsk")


@contextlib.contextmanager
def fixture():
    with Lab() as lab:
        yield Env(lab=lab)


def flood(env, *args, dst="10.0.0.2:80"):
    done = env.lab.run("client", FLOOD, "-i", env.lab.iface["client"], "--dst", dst, "--json",
                       *args)
    return json.loads(done.stdout)


def kinds_of(options):
    """The kinds of TCP options as they lie there, each end and each NOP by itself."""
    found = []
    while options:
        found.append(str(options[0]))
        options = options[1 if options[0] < 2 else options[1]:]
    return "-".join(found)


class Frame:
    """A TCP frame as it arrived, its checksums already verified."""

    def __init__(self, data, tags):
        self.tags = list(tags)
        at = 12
        while data[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
            self.tags.append((int.from_bytes(data[at:at + 2], "big"),
                              int.from_bytes(data[at + 2:at + 4], "big")))
            at += 4
        ip = data[at + 2:]
        if ip[0] >> 4 == 4:
            check_equal(checksum(ip[:20]), 0, "IP header checksum")
            size, self.ttl = int.from_bytes(ip[2:4], "big"), ip[8]
            addresses, self.src, tcp = ip[12:20], ip[12:16], ip[20:size]
            pseudo = addresses + struct.pack("!BBH", 0, 6, len(tcp))
        else:
            size, self.ttl = int.from_bytes(ip[4:6], "big") + 40, ip[7]
            addresses, self.src, tcp = ip[8:40], ip[8:24], ip[40:size]
            pseudo = addresses + struct.pack("!IHBB", len(tcp), 0, 0, 6)
        check_equal(len(ip), size, "frame's length")
        check_equal(checksum(pseudo + tcp), 0, "TCP checksum")
        self.sport, self.dport, self.seq, self.ack = struct.unpack("!HHII", tcp[:12])
        self.flags, self.window = tcp[13], int.from_bytes(tcp[14:16], "big")
        self.kinds = kinds_of(tcp[20:])


def is_tcp(data):
    at = 12
    while data[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    kind = data[at:at + 2]
    return ((kind == b"\x08\x00" and data[at + 2 + 9] == 6) or
            (kind == b"\x86\xdd" and data[at + 2 + 6] == 6))


@contextlib.contextmanager
def listening(env):
    """A packet socket at the server's end, before anything is sent."""
    sock = env.lab.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL), end="server")
    with contextlib.closing(sock):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        with env.lab.inside("server"):
            sock.bind((env.lab.iface["server"], ETH_P_ALL))
        yield sock


def received(sock):
    """Everything that came in; the kernel keeps the outer tag beside the frame."""
    frames = []
    sock.settimeout(0.3)
    with contextlib.suppress(socket.timeout):
        while True:
            data, extra, _, addr = sock.recvmsg(2000, 200)
            if addr[2] == socket.PACKET_OUTGOING or not is_tcp(data):
                continue
            status, tci, tpid = 0, 0, 0
            for _, what, value in extra:
                if what == PACKET_AUXDATA:
                    status, tci, tpid = struct.unpack("=I12xHH", value[:20])
            frames.append(Frame(data, [(tpid, tci)] if status & 0x10 else []))
    return frames


def seen(env, *args, **kw):
    """Floods, and returns (what arrived, what it said); a busy machine gets three tries."""
    for _ in range(3):
        with listening(env) as sock:
            out = flood(env, "--rate", scaled(5000), *args, **kw)
            frames = received(sock)
        if len(frames) == out["sent"]:
            return frames, out
    raise Failure(f"{len(frames)} frames arrived of {out}")


def kinds_arrive(env):
    for backend in BACKENDS:
        for dst in ("10.0.0.2:80", "[fd00::2]:80"):
            frames, out = seen(env, "--count", 1024, "--kind",
                               "syn=4,ack=1,rst=1,syn-ack=1,fin=1", "--backend", backend, dst=dst)
            for kind, flags in FLAGS.items():
                got = sum(f.flags == flags for f in frames)
                check_equal(got, 512 if kind == "syn" else 128, f"{backend} {dst} {kind}")
                check_equal(out["by_kind"][kind], got, f"by_kind of {kind}")
            check(all(f.ack == 0 for f in frames if not f.flags & 0x10), "an ACK number, no ACK")
            check(len({f.seq for f in frames}) > 1000, "sequence numbers repeat")


def layouts_arrive(env):
    for layout, (kinds, window, ttl) in LAYOUTS.items():
        frames, _ = seen(env, "--count", 100, "--layout", layout)
        check_equal({(f.kinds, f.window, f.ttl) for f in frames}, {(kinds, window, ttl)}, layout)
    frames, _ = seen(env, "--count", 1024, "--layout", "mixed")
    for layout, (kinds, _, _) in LAYOUTS.items():
        share = sum(f.kinds == kinds for f in frames)
        check(share == 0 if layout == "none" else 341 <= share <= 342, f"{layout}: {share}")


def tags_arrive(env):
    for dst in ("10.0.0.2:80", "[fd00::2]:80"):
        frames, _ = seen(env, "--count", 100, "--vlan", 5, dst=dst)
        check(all(f.tags == [(0x8100, 5)] for f in frames), f"{frames[0].tags}")
        frames, _ = seen(env, "--count", 100, "--vlan", "100,5", dst=dst)
        check(all(f.tags == [(0x88a8, 100), (0x8100, 5)] for f in frames), f"{frames[0].tags}")


def ranges_are_kept(env):
    frames, _ = seen(env, "--count", 2000, "--src-net", "203.0.113.64/29", "--src-port", "5-6",
                     "--dst-port", "80-82")
    check_equal({tuple(f.src) for f in frames}, {(203, 0, 113, 64 + i) for i in range(8)}, "sources")
    check_equal({f.sport for f in frames}, {5, 6}, "source ports")
    check_equal({f.dport for f in frames}, {80, 81, 82}, "destination ports")
    frames, _ = seen(env, "--count", 500, "--src-net", "2001:db8::/32", dst="[fd00::2]:80")
    check(all(f.src[:4] == bytes.fromhex("20010db8") for f in frames), "IPv6 prefix")
    check(len({f.src[4:8] for f in frames}) > 400, "the rest of it is not drawn")
    frames, _ = seen(env, "--count", 100, "--src-net", "2001:db8::4/127", dst="[fd00::2]:80")
    check_equal({f.src[15] for f in frames}, {4, 5}, "IPv6 /127")


def answers_are_counted_alike(env):
    """No listener: the kernel resets what it can. Prefixes on both sides of 64 bits too."""
    for backend in BACKENDS:
        for dst, net in (("10.0.0.2:80", "198.18.0.0/15"), ("[fd00::2]:80", "2001:2::/40"),
                         ("[fd00::2]:80", "2001:2::/100")):
            for _ in range(3):
                out = flood(env, "--rate", scaled(5000), "--count", 2000, "--src-net", net, "--backend",
                            backend, dst=dst)
                if out["reset"] == 2000:
                    break
            check(out["reset"] == 2000 and out["answered"] == 0 == out["answer_rate"], f"{out}")


def inflow_harms_nothing(env):
    with env.lab.socket(socket.AF_INET, socket.SOCK_STREAM, end="server") as listener:
        listener.bind(("10.0.0.2", 80))
        listener.listen()
        with env.lab.connect(80) as client:
            server, (addr, port) = listener.accept()
            with server:
                frames, out = seen(env, "--count", 500, "--kind", "inflow", "--flow",
                                   f"{addr}:{port}")
                flow = [f for f in frames if f.sport == port and f.flags == 0x10]
                check(len(flow) >= 500 and len(flow) == len(frames), "segments of others")
                check(max((f.seq - flow[0].seq + 0x10000) % 2**32 for f in flow) < 0x20000, "seq")
                check(out["answered"] is None and out["by_kind"] == {"inflow": 500}, f"{out}")
                client.sendall(b"still here")
                check_equal(server.recv(100), b"still here", "the connection")


# ---- what it says ----------------------------------------------------------------


def json_has_its_shape(env):
    want = {"version": int, "kind": str, "backend": str, "address": str, "port": int,
            "rate_asked": int, "seconds": float, "sent": int, "by_kind": dict, "errors": int,
            "dropped_at_interface": int, "rate_per_s": float, "sent_per_s": float,
            "interrupted": bool, "answered": int, "reset": int, "other": int,
            "answer_rate": float, "answered_ratio": float, "answered_per_s": float}
    for backend in BACKENDS:
        out = flood(env, "--count", 100, "--backend", backend)
        check_equal({k: type(v) for k, v in out.items()}, want, backend)
        check_equal((out["version"], out["kind"], out["backend"], out["sent"], out["errors"]),
                    (1, "syn", backend, 100, 0), backend)
    out = flood(env, "--rate", "max", "--seconds", 0.3)
    check(out["rate_asked"] is None and 0.25 < out["seconds"] < 3 and out["sent"] > 1000, f"{out}")


def interrupted_says_what_was_sent(env):
    for backend in BACKENDS:
        for rate in ("20k", "max"):
            with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst",
                               "10.0.0.2:80", "--rate", rate, "--backend", backend, "--progress",
                               "--seconds", 60, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE) as proc:
                line = proc.stderr.readline()
                check("k/s" in line and "answered" in line, f"progress: {line!r}")
                proc.send_signal(signal.SIGINT)
                out, _ = proc.communicate(timeout=patience(20))
            check_equal(proc.returncode, 0, f"{backend} {rate}: status")
            check(out.startswith("sent ") and "interrupted" in out and "answered" in out, out)


def programs(env):
    listed = json.loads(env.lab.run("client", "bpftool", "-j", "prog", "show").stdout)
    return {p["id"] for p in listed if p.get("name") == "flood_send"}


def killed_leaves_nothing(_):
    with Lab(no_peer_xdp=True) as lab:
        env = Env(lab=lab)
        before = programs(env)
        with lab.spawn("client", FLOOD, "-i", lab.iface["client"], "--dst", "10.0.0.2:80",
                       "--seconds", 60, stdout=subprocess.DEVNULL) as proc:
            ours = wait_until(lambda: lab.link("client")["xdp"] and programs(env) - before, 10,
                              "no program while it runs")
            proc.kill()
            proc.wait()
        wait_until(lambda: not ours & programs(env), 10, "its program is still loaded")
        check(not lab.link("client")["xdp"], "a program is attached")


def refuses(env):
    done = subprocess.run([FLOOD, "-i", "lo", "--dst", "127.0.0.1:80", "--count", "1"],
                          capture_output=True, text=True, check=False, timeout=patience(20))
    check(done.returncode == 2 and "--outside-lab" in done.stderr, f"{done}")
    for args, status, what in (
            (("--backend", "xsk", "--queue", "9"), 1, "queue"),
            (("--cpu", "1000"), 1, "CPU"),
            (("--kind", "inflow"), 2, "--flow"),
            (("--vlan", "5000"), 2, "--vlan")):
        done = env.lab.run("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:80",
                           *args, ok=None)
        check(done.returncode == status and what in done.stderr and
              done.stderr.count("\n") == 1, f"{args}: {done}")


need(FLOOD)
cases = Cases()
cases.group(fixture, (kinds_arrive, layouts_arrive, tags_arrive, ranges_are_kept,
                      answers_are_counted_alike, inflow_harms_nothing, json_has_its_shape,
                      interrupted_says_what_was_sent, killed_leaves_nothing, refuses))
sys.exit(cases.status())
