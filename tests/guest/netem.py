# SPDX-License-Identifier: BSD-2-Clause
"""
What the netem tests share: a Path with weir at the server's end and libweir at the client's,
three transfers over it, and the same three between kernels.

    echo     kernel client, server echoes: both directions at once, half-closed by the client
    fetch    kernel client, server sends a file by HTTP
    dial     libweir client, kernel server: streams up, down, and both at once

Each is made of streams over IPv4 and IPv6 and is byte-exact; its goodput is told as a ratio
to that of the kernel in the weir's place, through the same path. A ratio proves nothing,
the path being random and the machine slow, so it is never asserted.
"""
import contextlib
import struct

from impair import Path
from streams import Accepting, End, Files, Murmur, Wpeer, drive
from weirlab import KSERVER, SERVER4, SERVER6, Env, Weir, check, check_equal, wait_until

SERVERS = (SERVER4, SERVER6)
KERNEL_ECHO, KERNEL_HTTP = 1007, 1080
# Slow, late, out of order, with bursts of loss, copies and broken bits.
MOBILE = ("netem delay 40ms 20ms 25% loss gemodel 1% 30% 100% 0% duplicate 1% corrupt 0.5% "
          "rate 10mbit limit 100")
HEADER = b"GET /%s HTTP/1.0\r\n\r\n"
RECOVERY = ("rtx_segments", "rtx_timeouts", "rtx_fast", "rtx_lost", "rtx_undone", "probe_tail",
            "tlp_mended", "sack_duplicate", "recv_out_of_order", "drop_seq_duplicate",
            "ecn_reduced", "ecn_ce_received")
CSUM = ("drop_frame_csum", "drop_frame_malformed", "drop_ip_csum", "drop_tcp_csum",
        "drop_frame_partial_csum", "drop_csum_partial")


@contextlib.contextmanager
def site(files, size):
    """weir on weir0, libweir on weir1, the kernel's servers beside weir on other ports."""
    path, _ = files.piece("file", size)
    root, name = path.rsplit("/", 1)
    listen = [f"{ip}:{port}={app}" for ip in (SERVER4, f"[{SERVER6}]")
              for port, app in ((7, "echo"), (80, f"http:{root}"), (9, "discard"), (81, "sized"))]
    with Path() as lab, contextlib.ExitStack() as stack:
        # A request that is lost again and again is not to meet the application's limit.
        weir = stack.enter_context(Weir(lab, listen, "--msl", "1s", "--header-timeout", "5m"))
        peer = stack.enter_context(Wpeer(lab))
        for ip in SERVERS:
            where = f"[{ip}]" if ":" in ip else ip
            for argv in (("echo", f"{where}:{KERNEL_ECHO}"), (ip, KERNEL_HTTP, path)):
                stack.enter_context(lab.spawn("server", KSERVER, *argv))
        wait_until(lambda: lab.run("server", "ss", "-Hltn").stdout.count("LISTEN") >= 4, 10,
                   "kserver listens")
        murmur = stack.enter_context(contextlib.closing(Murmur(lab)))
        yield Env(lab=lab, weir=weir, peer=peer, files=files, page=name, accepted=2000,
                  murmur=murmur)


def echo(env, streams, size, port, seconds):
    _, data = env.files.piece("echo", size * streams)
    pieces = [data[i * size:(i + 1) * size] for i in range(streams)]
    ends = [End.dial(env.lab, "client", (SERVERS[i % 2], port), f"echo {i}", p, p)
            for i, p in enumerate(pieces)]
    return drive(ends, seconds, env.murmur), 2 * size * streams


def fetch(env, streams, port, seconds, page):
    _, data = env.files.piece("file", int(env.page.rsplit("-", 1)[1]))
    ends = [End.dial(env.lab, "client", (SERVERS[i % 2], port), f"fetch {i}", HEADER % page, data,
                     skip_head=True) for i in range(streams)]
    return drive(ends, seconds, env.murmur), len(data) * streams


def sized(env, size, seconds):
    """include/weir/sized.h: announced bytes one way, asked-for bytes back, with its pattern."""
    period = bytes(((k * 2654435761) & 0xffffffff) >> 24 for k in range(4093))
    answer = (period * (size // len(period) + 1))[:size]
    head = struct.pack(">IIQQ", 0x57454952, 0, size, size)
    drive([End.dial(env.lab, "client", (ip, 81), f"sized {ip}", head + bytes(size), answer)
           for ip in SERVERS], seconds, env.murmur)


def discard(env, size, seconds):
    drive([End.dial(env.lab, "client", (ip, 9), f"discard {ip}", bytes(size), b"")
           for ip in SERVERS], seconds, env.murmur)


def directions(env, size):
    """(to the server, to the client, who ends first): up, down, both, over each family."""
    up, down = env.files.piece("up", size), env.files.piece("down", size)
    return [(SERVERS[i % 2], *way) for i, way in enumerate(
        [(up, None, "half"), (up, None, "half"), (None, down, "peer"), (None, down, "peer"),
         (up, down, "half"), (up, down, "last")])]


def dial(env, size, seconds, by_weir):
    ends, total = [], 0
    for ip, up, down, when in directions(env, size):
        env.accepted += 1
        address = (ip, env.accepted)
        name = f"dial {ip} {when}"
        there = (down[1] if down else b"", up[1] if up else b"")
        ends.append(Accepting(env.lab, "server", address, name, *there))
        if by_weir:
            env.peer.stream("connect", address, when, up, down)
        else:
            ends.append(End.dial(env.lab, "client", address, name, *reversed(there), when=when))
        total += sum(map(len, there))
    if by_weir:
        ends.append(env.peer)
    return drive(ends, seconds, env.murmur), total


# ---- one path, all transfers ---------------------------------------------------------


def counted(env):
    total = dict(env.weir.counters())
    for name, n in env.peer.counters().items():
        total[name] = total.get(name, 0) + n
    return total


def transfers(env, name, size, seconds=60, evidence=(), streams=4):
    """
    All three, each followed by the kernel's own. `evidence`: groups of counters, of each of
    which one must have moved, or the path was not as bad as it was meant to be.
    """
    before = counted(env)
    for what, by_weir, by_kernel in (
            ("echo", lambda: echo(env, streams, size, 7, seconds),
             lambda: echo(env, streams, size, KERNEL_ECHO, seconds)),
            ("fetch", lambda: fetch(env, streams, 80, seconds, env.page.encode()),
             lambda: fetch(env, streams, KERNEL_HTTP, seconds, b"")),
            ("dial", lambda: dial(env, size, seconds, True),
             lambda: dial(env, size, seconds, False))):
        took, total = by_weir()
        reference, same = by_kernel()
        check_equal(total, same, "bytes")
        print(f"fact netem/{name} {what} {reference / took:.2f} of the kernel's goodput, "
              f"{total / took / 1e6:.2f} and {total / reference / 1e6:.2f} MB/s", flush=True)
    env.weir.wait_quiet(10)
    after = counted(env)
    moved = {k: after[k] - before.get(k, 0) for k in after if after[k] != before.get(k, 0)}
    did = ", ".join(f"{k} {moved[k]}" for k in RECOVERY if k in moved)
    print(f"fact netem/{name} recovery {did or 'nothing to do'}", flush=True)
    for group in evidence:
        check(any(moved.get(c) for c in group), f"none of {group} moved: {moved}")
    check_equal(moved.get("conn_opened"), 2 * streams + 6, "connections opened by weir")


def hit(env, way, what="drops"):
    """The qdisc of that direction did what it is there for."""
    seen = env.lab.seen(way)
    check(any(q.get(what) for q in seen.values()), f"{way}: no {what} in {seen}")


@contextlib.contextmanager
def fixture(size=1 << 18):
    with Files() as files, site(files, size) as env:
        yield env
