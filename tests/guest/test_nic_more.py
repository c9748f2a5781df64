# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""weir on virtio-net, all that test_nic leaves out: every number of queues in either mode,
a SYN flood beside a good client, the closes as a tcpdump at the client's end sees them."""
import contextlib
import errno
import json
import re
import signal
import socket
import subprocess
import sys
import time

from guestlab import need_nic
from niccases import attached, echo, every_queue, http, on_pairs, wanders
from weirlab import FLOOD, check, check_equal, patience, reset_close, wait_until

RATE, SECONDS = 500, 5  # emulation is slow, and so is its client


def flood(env):
    """Spoofed SYNs from the other end are answered and forgotten; the good client is served."""
    before = env.weir.counters()
    with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:80",
                       "--backend", "xsk", "--rate", RATE, "--seconds", SECONDS, "--json",
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE) as proc:
        wait_until(lambda: env.weir.counter("syn_answered") > before["syn_answered"] + 100, 5,
                   "the flood is answered")
        fetch = env.lab.netclient("fetch", 80, "--path", "/file.bin", "--requests", 3,
                                  "--concurrency", 1, "--body", f"{env.root}/file.bin")
        out, err = proc.communicate(timeout=patience(SECONDS + 20))
    check_equal(proc.returncode, 0, f"weir-flood: {err[-300:]}")
    after, status = env.weir.counters(), env.weir.status()
    check((fetch["failed"], fetch["done"]) == (0, 3), fetch)
    answered = after["syn_answered"] - before["syn_answered"]
    sent = json.loads(out)["sent"]
    check(answered > sent / 2, f"{answered} SYNs answered of {sent}")
    check_equal(status["connections"]["SYN_RCVD"], 0, "half-open connections")
    check_equal(after["conn_opened"] - before["conn_opened"], fetch["opened"], "connections opened")


@contextlib.contextmanager
def tcpdump(lab, port):
    """Lines of what the client's end sees of a port, filled in when the block ends."""
    lines = []
    with lab.spawn("client", "tcpdump", "-Z", "root", "-i", lab.iface["client"], "-nn", "-tt", "-S",
                   "-U", "-l", "--immediate-mode", "tcp", "and", "port", port,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE) as proc:
        for line in proc.stderr:
            if "listening on" in line:
                break
        yield lines
        time.sleep(patience(0.1))
        proc.send_signal(signal.SIGINT)
        lines += proc.communicate(timeout=patience(5))[0].splitlines()


def flags_seen(lines):
    """[(sent by the server?, flags, seq, ack)]"""
    found = []
    for line in lines:
        hit = re.search(r" (\S+)\.(\d+) > \S+: Flags \[(\S+)\](?:, seq (\d+)(?::(\d+))?)?"
                        r"(?:.*?ack (\d+))?", line)
        if hit:
            found.append((hit[2] == "7", hit[3], int(hit[5] or hit[4] or 0), int(hit[6] or 0)))
    return found


def four_way_close(env):
    """FIN from the client, its ACK, FIN from weir, and the client's ACK of that."""
    with tcpdump(env.lab, 7) as lines:
        sock = env.lab.connect(7)
        sock.sendall(b"hello")
        check_equal(sock.recv(5), b"hello", "echo")
        sock.shutdown(socket.SHUT_WR)
        check_equal(sock.recv(1), b"", "the end of the stream")
        sock.close()
        time.sleep(patience(0.1))
    seen = flags_seen(lines)
    names = [(server, flags) for server, flags, _, _ in seen]
    check_equal(names[:2], [(False, "S"), (True, "S.")], f"handshake; all: {lines}")
    fins = [(server, seq, ack) for server, flags, seq, ack in seen if "F" in flags]
    check_equal([server for server, _, _ in fins], [False, True], f"FINs; all: {lines}")
    check(any(server and ack == fins[0][1] + 1 for server, _, _, ack in seen),
          f"weir acknowledges the FIN: {lines}")
    check(any(not server and ack == fins[1][1] + 1 for server, _, _, ack in seen),
          f"the client acknowledges weir's: {lines}")
    check(not any("R" in flags for _, flags in names), f"a reset: {lines}")


def resets(env):
    """A client's RST ends the connection; nobody answers it."""
    with tcpdump(env.lab, 7) as lines:
        sock = env.lab.connect(7)
        port = sock.getsockname()[1]
        sock.sendall(b"x")
        sock.recv(1)
        reset_close(sock)
        wait_until(lambda: env.weir.state_of(port) is None, 3, "the connection is gone")
    names = [(server, flags) for server, flags, _, _ in flags_seen(lines)]
    check(names and names[-1][0] is False and "R" in names[-1][1], f"the RST is the last: {lines}")


def weir_resets(env):
    """A connection of before a restart: what goes on coming in is refused."""
    with tcpdump(env.lab, 7) as lines, env.lab.connect(7) as sock:
        sock.sendall(b"x")
        sock.recv(1)
        env.weir.stop(signal.SIGKILL)
        env.weir.start()
        sock.sendall(b"y")
        wait_until(lambda: sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) ==
                   errno.ECONNRESET, 8, "the reset")
    names = [(server, flags) for server, flags, _, _ in flags_seen(lines)]
    check(any(server and "R" in flags for server, flags in names), f"an RST from weir: {lines}")


need_nic()
sys.exit(on_pairs({
    1: [("native", (flood, four_way_close, resets)),
        ("generic", (attached, echo, http, every_queue))],
    2: [("native", (flood, four_way_close)), ("generic", (echo, every_queue, wanders, flood))],
    4: [("native", (http, flood, four_way_close, resets, weir_resets)),
        ("generic", (attached, echo, http, every_queue, wanders, flood))],
}))
