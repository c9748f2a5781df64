# SPDX-License-Identifier: BSD-2-Clause
"""
weir run --takeover: a new weir takes the place of one that runs, and no new connection is
refused meanwhile.

Clients connect without end, each connection with one request that nobody repeats. A connect()
that fails is a failure of the hand-over, and so is an answer that does not come to one that was
not open while a switch began; those that were are reset, and counted.
"""
import contextlib
import os
import re
import subprocess
import sys

from rawtcp import ACK, RST, SYN, RawPeer, Wire, mss
from takeoverlab import Clients, chain, echoes, run_cases, said, take_over
from weirlab import FLOOD, check, check_equal, need, patience, scaled, wait_until

TAKEOVERS = 20


def held_no_more(sock):
    sock.settimeout(patience(3))
    try:
        return not sock.recv(4)
    except ConnectionResetError:
        return True


def one(env):
    """An open connection is reset; hook, control socket and flows are the new one's."""
    with chain(env), env.lab.connect(7) as held:
        held.sendall(b"here")
        check_equal(held.recv(4), b"here", "echo")
        before = env.lab.link("server")["xdp"]["prog"]["id"]
        new = take_over(env)
        check(held_no_more(held), "the open connection lives")
        said(new, "1 connections of it were reset")
        check(env.lab.link("server")["xdp"]["prog"]["id"] != before, "another gate")
        echoes(env)
        wait_until(lambda: new.status()["flows"]["used"] <= 2, 5, "the flows are counted")
        check_equal(new.stop(), 0, "exit status")
        check(not os.path.exists(new.ctl), "the control socket is gone")
        check(not env.lab.link("server")["xdp"], "a free hook")


def memory_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        kib = int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
    return kib, len(os.listdir(f"/proc/{pid}/fd"))


def pause_of(w):
    return float(re.search(r"nobody read frames for ([\d.]+) ms", w.log())[1])


def twenty_in_a_row(env):
    """Each takes over from the one before it, while clients come without end."""
    with chain(env), Clients(env.lab) as load:
        use, pauses = [], []
        for _ in range(TAKEOVERS):
            new = load.switch(env)
            load.more()
            pauses.append(pause_of(new))
            use.append(memory_of(new.proc.pid))
        load.verdict()
        print(f"# {TAKEOVERS} takeovers: {load.total} connections, {load.lost} without an answer; nobody read "
              f"for {min(pauses):.0f} to {max(pauses):.0f} ms, median {sorted(pauses)[TAKEOVERS // 2]:.0f}; the "
              f"longest connect() {load.connect_s * 1000:.0f} ms, answer {load.answer_s * 1000:.0f} ms")
        check(max(n for _, n in use) <= use[0][1] + 2, f"descriptors grow: {use}")
        check(use[-1][0] < use[0][0] * 1.3 + 4096, f"memory grows: {use}")


def sockets_anew(env):
    """As before Linux 6.4: what comes in between the sockets is sent again, and nobody is refused."""
    with chain(env), Clients(env.lab) as load:
        for i in range(6):
            load.switch(env, anew=i != 3)
            load.more()
        load.verdict()
        said(env.weir, "were opened anew")


def under_flood(env):
    """Good clients are served as without it."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with chain(env), env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:7",
                                   "--rate", scaled(20000), "--seconds", round(patience(25)), **quiet) as flood:
        wait_until(lambda: env.weir.counter("syn_answered") > 1000, 5, "a flood")
        with Clients(env.lab, threads=2) as load:
            for _ in range(4):
                load.switch(env)
                load.more()
        check(flood.poll() is None, "SYNs came all the time")
        load.verdict()


def handshake_across(env):
    """The SYN-ACK of the old weir, the final ACK to the new one; and a replay to the old's flow."""
    with chain(env), Wire(env.lab) as wire:
        fresh = [RawPeer(wire, 7, ts=i % 2) for i in range(4)]
        for p in fresh:
            p.send(SYN, options=mss(1460) + (b"" if not p.ts else b"\x01\x01\x08\x0a" + bytes(7) + b"\x01" + bytes(4)),
                   ack=0)
            answer = p.expect(lambda seg: seg.flags & (SYN | ACK) == SYN | ACK, what="SYN-ACK")
            p.rcv_nxt = (answer.seq + 1) & 0xFFFFFFFF
            if p.ts:
                p.ts_recent = int.from_bytes(answer.option(8)[:4], "big")
        had = RawPeer(wire, 7)
        had.connect()
        first = had.send(payload=b"once")
        had.read(lambda p: p.data == b"once")
        new = take_over(env)
        had.expect(lambda seg: seg.flags & RST, what="the old weir's RST")
        for p in fresh:
            p.send(ACK)
            p.send(payload=b"twice")
            p.read(lambda p: p.data == b"twice")
        check_equal(new.counter("ack_accepted"), len(fresh), "final ACKs accepted")
        wire.send_segment(first)
        had.silence(what="an answer to the replay")
        had.send(payload=b"more")
        had.expect(lambda seg: seg.flags & RST, what="the RST for who has missed the first")


def half_open_across(env):
    """Where workers answer SYNs: a SYN_RCVD of the old weir is finished by the new one."""
    with chain(env, "--mode", "never"), Wire(env.lab) as wire:
        p = RawPeer(wire, 7)
        p.send(SYN, options=mss(1460), ack=0)
        answer = p.expect(lambda seg: seg.flags & (SYN | ACK) == SYN | ACK, what="SYN-ACK")
        p.rcv_nxt = (answer.seq + 1) & 0xFFFFFFFF
        take_over(env)
        p.silence(0.2, lambda seg: seg.flags & RST, what="an RST")
        p.send(ACK)
        p.send(payload=b"here")
        p.read(lambda p: p.data == b"here")


def served(env):
    try:
        with env.lab.connect(7, timeout=0.5) as sock:
            sock.sendall(b"here")
            return sock.recv(4) == b"here"
    except (TimeoutError, ConnectionResetError):
        return False


def flow_limit(env):
    """Flows by source: the old weir's count no more, those of now do."""
    with chain(env, "--flow-limit", 3):
        for _ in range(3):
            with contextlib.ExitStack() as stack:
                for _ in range(3):
                    sock = stack.enter_context(env.lab.connect(7))
                    sock.sendall(b"here")
                    check_equal(sock.recv(4), b"here", "echo")
                check(not served(env), "a fourth one is let in")
                take_over(env)


def main():
    need(FLOOD)
    return run_cases([one, twenty_in_a_row, sockets_anew, under_flood, handshake_across, half_open_across, flow_limit])


if __name__ == "__main__":
    sys.exit(main())
