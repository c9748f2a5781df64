# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""What a path may swallow of an opening and of a close: all end as they should, none is left."""
import contextlib
import json
import socket
import sys
import time

from impair import Path, need_netem
from streams import Accepting, End, Files, Wpeer, drive
from weirlab import (BUILD, SERVER4, SERVER6, Cases, Env, Weir, check, check_equal, kserver,
                     site, wait_until)

LOAD = f"{BUILD}/weir-load"
LOSE = "netem loss 100%"
LATE = "netem delay 4s"
DATA = bytes(range(256)) * 40
LIMITS = ("--msl", "1s", "--last-ack", "12s", "--fin-wait-2", "12s", "--user-timeout", "25s",
          "--idle-timeout", "5s")
ADDRESSES = {"ipv4": (SERVER4, "10.0.0.1"), "ipv6": (SERVER6, "fd00::1")}


@contextlib.contextmanager
def serving(*args, peer=None):
    with Files() as files, site(index__html=500) as root, Path() as lab, \
            contextlib.ExitStack() as stack:
        listen = [f"{ip}:{port}={app}" for ip in (SERVER4, f"[{SERVER6}]")
                  for port, app in ((7, "echo"), (80, f"http:{root}"))]
        weir = stack.enter_context(Weir(lab, listen, *LIMITS, *args))
        env = Env(lab=lab, weir=weir, files=files, port=3000)
        if peer:
            env.peer = stack.enter_context(Wpeer(lab, mode=peer))
        yield env


def swallowed(env, way, seconds=0.4):
    """Waits until that direction has lost something, and a little longer."""
    wait_until(lambda: any(q["drops"] for q in env.lab.seen(way).values()), 10,
               f"nothing to lose {way}")
    time.sleep(seconds)


def nothing_left(env):
    env.lab.clear()
    env.weir.wait_quiet(15)
    for end in ("server", "client"):
        wait_until(lambda e=end: not env.lab.run(e, "ss", "-Htn").stdout, 15,
                   f"the kernel's connections gone: {end}")
    counters = env.weir.counters()
    check_equal(counters["conn_closed"], counters["conn_opened"], "connections closed")


# ---- opening -------------------------------------------------------------------------


def lose_syn(env, _to_client, to_server):
    env.lab.impair(to_server, LOSE)
    yield
    swallowed(env, to_server)


def lose_syn_ack(env, to_client, _to_server):
    env.lab.impair(to_client, LOSE)
    yield
    swallowed(env, to_client)


def lose_final_ack(env, to_client, to_server):
    """While the SYN-ACK is under way, its answer's way is closed."""
    env.lab.impair(to_client, LATE)
    yield
    wait_until(lambda: env.lab.seen(to_client)["netem"]["qlen"], 2, "no SYN-ACK")
    env.lab.impair(to_server, LOSE)
    swallowed(env, to_server)


LOSSES = {"syn": lose_syn, "syn-ack": lose_syn_ack, "final-ack": lose_final_ack}


def opening(env, what, ends, reverse=False):
    """ends(): starts both sides. reverse: the client is at the server's end of the lab."""
    steps = LOSSES[what](env, *(("up", "down") if reverse else ("down", "up")))
    next(steps)
    started = ends()
    for _ in steps:
        pass
    env.lab.clear()
    drive(started, 30)
    nothing_left(env)


def kernel_to_weir(what, family):
    def case(env):
        where = (ADDRESSES[family][0], 7)
        opening(env, what, lambda: [End.dial(env.lab, "client", where, what, DATA, DATA)])
    case.label = f"{what}-lost-kernel-to-weir-{family}"
    return case


def weir_to_kernel(what, family, first):
    """first: who speaks first, the other answers when it has all."""
    def case(env):
        env.port += 1
        where = (ADDRESSES[family][0], env.port)
        piece = env.files.piece("few", 5000)

        def ends():
            kernel = (b"", piece[1], "peer") if first == "client" else (piece[1], b"")
            accepting = Accepting(env.lab, "server", where, what, *kernel)
            env.peer.stream("connect", where, *(("half", piece, None) if first == "client" else
                                                ("peer", None, piece)))
            return [accepting, env.peer]
        opening(env, what, ends)
    case.label = f"{what}-lost-weir-to-kernel-{first}-first-{family}"
    return case


def weir_speaks_first(what, mode):
    """
    With a SYN_RCVD the SYN-ACK is sent again. With a cookie a lost final ACK leaves weir with
    nothing to remember, so that it speaks when the client says anything, and be it FIN.
    """
    def case(env):
        env.port += 1
        where = (ADDRESSES["ipv4"][1], env.port)
        piece = env.files.piece("few", 5000)

        def ends():
            env.peer.stream("accept", where, "half", piece, None)
            end = End.dial(env.lab, "server", where, what, b"", piece[1], when="peer")
            if what == "final-ack" and mode == "always":
                end.when = "half"
            return [end, env.peer]
        opening(env, what, ends, reverse=True)
    case.label = f"{what}-lost-weir-speaks-first-{mode}"
    return case


# ---- closing -------------------------------------------------------------------------


def talk(env, port=7, message=b"hello", answer=5):
    sock = env.lab.connect(port, timeout=15)
    sock.sendall(message)
    got = b""
    while len(got) < answer:
        got += sock.recv(4096)
    return sock


def get_and_stay(env):
    """weir closes this one when it has been idle."""
    return talk(env, 80, b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n", 600)


def end_of(sock):
    check_equal(sock.recv(100), b"", "what comes after the peer's end")
    sock.close()


def client_fin_lost(env):
    sock = talk(env)
    env.lab.impair("up", LOSE)
    sock.shutdown(socket.SHUT_WR)
    swallowed(env, "up")
    check_equal(env.weir.state_of(sock.getsockname()[1]), "ESTABLISHED", "state without the FIN")
    env.lab.clear()
    end_of(sock)
    nothing_left(env)


def weir_fin_lost(env):
    """weir is second to close: its FIN and its ACK of the client's are lost."""
    sock = talk(env)
    env.lab.impair("down", LOSE)
    sock.shutdown(socket.SHUT_WR)
    env.weir.wait_state(sock.getsockname()[1], "LAST_ACK", 5)
    swallowed(env, "down")
    env.lab.clear()
    end_of(sock)
    nothing_left(env)


def last_ack_lost(env):
    sock = talk(env)
    env.lab.impair("down", LATE)
    sock.shutdown(socket.SHUT_WR)
    env.weir.wait_state(sock.getsockname()[1], "LAST_ACK", 2)
    env.lab.impair("up", LOSE)
    swallowed(env, "up")
    check_equal(env.weir.state_of(sock.getsockname()[1]), "LAST_ACK", "state without the last ACK")
    env.lab.clear("up")
    end_of(sock)
    nothing_left(env)


def weir_first_fin_lost(env):
    sock = get_and_stay(env)
    env.lab.impair("down", LOSE)
    env.weir.wait_state(sock.getsockname()[1], "FIN_WAIT_1", 10)
    swallowed(env, "down")
    env.lab.clear()
    end_of(sock)
    nothing_left(env)


def weir_first_answer_lost(env):
    """weir's FIN comes through, the client's ACK and FIN do not."""
    sock = get_and_stay(env)
    port = sock.getsockname()[1]
    env.lab.impair("up", LOSE)
    end_of(sock)
    swallowed(env, "up")
    check_equal(env.weir.state_of(port), "FIN_WAIT_1", "state without an answer")
    env.lab.clear()
    nothing_left(env)


def both_fins_lost(env):
    """Neither knows of the other's close: a simultaneous one, over a dead path."""
    sock = get_and_stay(env)
    env.lab.both_ways(LOSE)
    env.weir.wait_state(sock.getsockname()[1], "FIN_WAIT_1", 10)
    sock.shutdown(socket.SHUT_WR)
    swallowed(env, "up")
    swallowed(env, "down")
    env.lab.clear()
    end_of(sock)
    nothing_left(env)


def path_dies(env):
    """One in each state of a close, and one with data: weir's limits end them all."""
    before = env.weir.counters()
    second, data, first = talk(env), talk(env), get_and_stay(env)
    env.lab.impair("down", LOSE)
    second.shutdown(socket.SHUT_WR)
    data.sendall(b"hello again")
    env.weir.wait_state(second.getsockname()[1], "LAST_ACK", 5)
    env.weir.wait_state(first.getsockname()[1], "FIN_WAIT_1", 15)
    env.lab.impair("up", LOSE)
    env.weir.wait_quiet(40)
    after = env.weir.counters()
    ended = {k: after[k] - before[k] for k in after if k.startswith("abort_") and
             after[k] != before[k]}
    check(ended.get("abort_last_ack") and ended.get("abort_user_timeout"), ended)
    check_equal(sum(ended.values()), 3, f"aborted: {ended}")
    for sock in (first, second, data):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    env.lab.clear()


# ---- many ----------------------------------------------------------------------------


def short_to_weir(env):
    env.lab.both_ways("netem loss 20%")
    got = env.lab.netclient("fetch", 80, "--path", "/index.html", "--requests", 200,
                            "--concurrency", 50, "--limit-ms", 60000, time_limit=90)
    check_equal(got["done"] + got["failed"], 200, f"requests: {got}")
    check(got["done"] >= 190, got)
    nothing_left(env)


def short_from_weir(env):
    with kserver(env.lab, "sized", f"{SERVER4}:1081"):
        env.lab.both_ways("netem loss 20%")
        done = env.lab.run("client", LOAD, "--backend", "xdp", "--iface", "weir1", "--outside-lab",
                           "--json", "request", f"{SERVER4}:1081", "--count", 200, "--connections",
                           50, "--timeout", "60s", "--seconds", 80, timeout=120)
        got = json.loads(done.stdout)
        check_equal(got["attempted"], 200, "attempted")
        check_equal(got["succeeded"] + sum(got["failed"].values()), 200, f"ended: {got['failed']}")
        check(got["succeeded"] >= 190, got["failed"])
        check(set(got["failed"]) <= {"connect_timeout", "timeout"}, got["failed"])
    nothing_left(env)


def main():
    need_netem()
    cases = Cases()
    families = ("ipv4", "ipv6")
    cases.group(lambda: serving(peer="always"), [
        *(kernel_to_weir(w, f) for w in LOSSES for f in families),
        *(weir_to_kernel(w, f, s) for w in LOSSES for f, s in zip(families, ("client", "server"))),
        *(weir_speaks_first(w, "always") for w in LOSSES)])
    cases.group(lambda: serving("--mode", "never", peer="never"), [
        *(kernel_to_weir(w, "ipv4") for w in LOSSES),
        *(weir_speaks_first(w, "never") for w in LOSSES)], "syn-rcvd-")
    cases.group(serving, [client_fin_lost, weir_fin_lost, last_ack_lost, weir_first_fin_lost,
                          weir_first_answer_lost, both_fins_lost, path_dies, short_to_weir,
                          short_from_weir])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
