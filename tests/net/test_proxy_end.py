# SPDX-License-Identifier: BSD-2-Clause
"""How weir ends with relays on it, and what it does without a descriptor left for one."""
import contextlib
import os
import signal
import sys
import threading
import time

from proxylab import backend, echo, echoes, receive
from weirlab import Cases, Env, Lab, Weir, check, check_equal, need, patience, wait_until

ANSWER = os.urandom(300000)


def late(sock):
    """Answers each request, when it is let."""
    while receive(sock, 4):
        late.go.wait(patience(30))
        sock.sendall(ANSWER)


@contextlib.contextmanager
def fixture(io, *prefix):
    with Lab() as lab, backend(lab, late) as server, backend(lab, echo, port=8081) as quick:
        weir = Weir(lab, [f"10.0.0.2:80=proxy:{server.where}", f"10.0.0.2:81=proxy:{quick.where}"],
                    "--proxy-io", io, "--drain-ms", f"{patience(10):g}s", "--msl", "1s")
        weir.argv = [*prefix, *weir.argv]
        with weir:
            yield Env(lab=lab, weir=weir, server=server, quick=quick, may_end=True)


def answers_are_finished(env):
    """An answer that is owed arrives whole; who is between two requests is closed in order."""
    late.go = threading.Event()
    with env.lab.connect(80, timeout=15) as waiting, env.lab.connect(81) as idle:
        idle.sendall(b"ping")
        check_equal(receive(idle, 4), b"ping", "echo")
        waiting.sendall(b"GET.")
        wait_until(lambda: env.weir.counter("proxy_bytes_to_backend") == 8, 5, "the request is out")
        env.weir.proc.send_signal(signal.SIGTERM)
        check_equal(idle.recv(1), b"", "the end of the idle one")
        idle.close()
        check(env.weir.alive(), "waits for the answer")
        late.go.set()
        got = receive(waiting, len(ANSWER) + 1)
        check(got == ANSWER, f"{len(got)} bytes of the answer, then the end")
        waiting.close()
        check_equal(env.weir.proc.wait(patience(15)), 0, "exit status")


def killed(env):
    """Its backends see the end of their connections; so do, by RST, its clients."""
    late.go = threading.Event()
    with env.lab.connect(81) as sock:
        sock.sendall(b"ping")
        check_equal(receive(sock, 4), b"ping", "echo")
        env.weir.proc.kill()
        env.weir.proc.wait()
        wait_until(lambda: all(b.fileno() < 0 for b in env.quick.socks), 5, "the backend's end")


def without_descriptors(env):
    """Those beyond the limit are reset and counted; with room again, others are served."""
    held, refused = [], 0
    with contextlib.ExitStack() as stack:
        for _ in range(120):
            try:
                sock = stack.enter_context(env.lab.connect(81))
                sock.sendall(b"a")
                if receive(sock, 1) == b"a":
                    held.append(sock)
                else:
                    refused += 1
            except ConnectionResetError:
                refused += 1
        check(len(held) > 10 and refused > 10, f"{len(held)} served, {refused} refused")
        check_equal(env.weir.counter("proxy_no_descriptor"), refused, "counted")
    env.weir.wait_quiet()
    wait_until(lambda: echoes(env.lab, 81), 5, "served again")
    check(env.weir.alive(), "weir lives")
    time.sleep(0.1)


def main():
    need()
    cases = Cases()
    for io in ("uring", "epoll"):
        for case in (answers_are_finished, killed):
            cases.group(lambda: fixture(io), [case], name=f"{io}-")
        cases.group(lambda: fixture(io, "prlimit", "--nofile=100:100"), [without_descriptors],
                    name=f"{io}-")
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
