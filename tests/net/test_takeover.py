# SPDX-License-Identifier: BSD-2-Clause
"""
weir run --takeover: a new weir takes the place of one that runs, and no new connection is
refused meanwhile.

Clients connect without end, each connection with one request that nobody repeats. What counts
is what they see: a connect() that fails, or an answer that does not come to whoever connected
after the switch, is a failure of the hand-over.
"""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from weirlab import (FLOOD, Cases, Env, Failure, Lab, Weir, check, check_equal, need, patience, scaled,
                     wait_until)

SERVICES = ["10.0.0.2:7=echo"]
SMALL = ["--flows", 8192, "--conns", 2048, "--buffers", 16]
TAKEOVERS = 20


# ---- a weir and its successors ------------------------------------------------------


class Successor(Weir):
    """One that takes over; what it says is in a log of its own."""

    def __init__(self, old, *args, stop=None, argv=None):
        self.lab, self.dir, self.ctl = old.lab, old.dir, old.ctl
        self.last_words = ""
        self.generation = getattr(old, "generation", 0) + 1
        self.log_path = f"{self.dir}/log{self.generation}-{time.monotonic_ns()}"
        self.argv = list(argv or old.argv)
        if "--takeover" not in self.argv:
            self.argv.append("--takeover")
        self.argv += map(str, args)
        if stop:
            self.argv[:0] = ["env", f"WEIR_TAKEOVER_STOP={stop}"]

    def begin(self):
        with open(self.log_path, "wb") as log:
            self.proc = subprocess.Popen(self.lab.argv("server", *self.argv), stderr=log,
                                         stdout=log, stdin=subprocess.DEVNULL)

    def stopped(self):
        """Whether it has come to the phase that it is to stop in."""
        with open(f"/proc/{self.proc.pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"

    def wait_stopped(self):
        wait_until(lambda: self.stopped() or None, 10, lambda: f"its phase: {self.log()[-300:]}")

    def ended(self, seconds=15):
        try:
            return self.proc.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            raise Failure(f"it still runs: {self.log()[-400:]}") from None


@contextlib.contextmanager
def chain(env, *args, services=None, stop=None):
    """The first weir; env.weir is the one that serves, and what was begun is ended."""
    with Weir(env.lab, services or SERVICES, *SMALL, *args) as first:
        if stop:
            first.stop()
            first.argv[:0] = ["env", f"WEIR_TAKEOVER_STOP={stop}"]
            first.start()
            first.argv[:2] = []
        env.weir, env.begun = first, []
        try:
            yield first
        finally:
            for w in env.begun:
                if w.proc.poll() is None:
                    w.proc.send_signal(signal.SIGCONT)
                    w.proc.kill()
                    w.proc.wait()


def begin(env, *args, **kwargs):
    w = Successor(env.weir, *args, **kwargs)
    w.begin()
    env.begun.append(w)
    return w


def wait_ready(w):
    done = wait_until(lambda: w.READY.search(w.log()) or w.proc.poll() is not None, 15,
                      lambda: f"ready; log: {w.log()[-500:]}")
    if done is True:
        raise Failure(f"it ended with {w.proc.returncode}: {w.log()[-500:]}")


def take_over(env, *args, **kwargs):
    """The next weir, serving; the one before it has ended as it should."""
    old, new = env.weir, begin(env, *args, **kwargs)
    wait_ready(new)
    check_equal(old.proc.wait(patience(15)), 0, f"status of the old one: {old.log()[-300:]}")
    said(old, f"handed over to process {new.proc.pid}")
    said(new, f"took over from process {old.proc.pid}")
    env.weir = new
    return new


def said(w, *words):
    for word in words:
        check(str(word) in w.log(), f"'{word}' in: {w.log()[-600:]}")


def echoes(env, port=7):
    with env.lab.connect(port) as sock:
        sock.sendall(b"here")
        check_equal(sock.recv(4), b"here", "echo")


def refused(env, *args, words=(), status=(1, 2)):
    """A takeover that is refused, and changes nothing."""
    new = begin(env, *args)
    check(new.ended() in status, f"status {new.proc.returncode}: {new.log()}")
    said(new, *words)
    check(env.weir.alive(), f"the old one runs: {env.weir.log()[-300:]}")
    echoes(env)
    return new


# ---- clients that nobody helps --------------------------------------------------------


class Clients:
    """Connections one after the other from several threads, each with one request."""

    def __init__(self, lab, threads=4, port=7, request=b"x" * 32, answer=None):
        self.lab, self.port, self.request = lab, port, request
        self.answer = answer or (lambda sock: sock.recv(64) == request)
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.rows = []  # (begun, connected or None, ended, what)
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def once(self):
        begun, connected = time.monotonic(), None
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(patience(10))
            sock.connect(("10.0.0.2", self.port))
            connected = time.monotonic()
            sock.sendall(self.request)
            what = "ok" if self.answer(sock) else "short"
        except OSError as e:
            what = type(e).__name__
        finally:
            # No TIME_WAIT that would use up the ports.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        return begun, connected, time.monotonic(), what

    def run(self):
        with self.lab.inside("client"):
            while not self.over.is_set():
                row = self.once()
                with self.lock:
                    self.rows.append(row)
                time.sleep(0.001)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()

    def done(self):
        with self.lock:
            return list(self.rows)

    def verdict(self, switches):
        """
        Nobody is refused, and who connected outside of a switch, (GO at the earliest, serving
        at the latest), has its answer.
        """
        rows = self.done()
        bad = [r for r in rows if r[1] is None]
        check(not bad, f"{len(bad)} connects of {len(rows)} failed: {bad[:5]}")
        lost = [r for r in rows if r[3] != "ok"]
        unfair = [r for r in lost if not any(r[1] <= at <= r[2] + 0.001 for at in switches)]
        check(not unfair, f"{len(unfair)} of {len(rows)} connected after a switch, without an answer: "
                          f"{unfair[:5]}; switches {switches[:30]}")
        return len(rows), len(lost), max(r[1] - r[0] for r in rows)


# ---- cases -----------------------------------------------------------------------------


def one(env):
    with chain(env), env.lab.connect(7) as held:
        held.sendall(b"here")
        check_equal(held.recv(4), b"here", "echo")
        new = take_over(env)
        try:
            held.settimeout(patience(3))
            check_equal(held.recv(4), None, "what an open connection gets")
        except ConnectionResetError:
            pass
        said(new, "1 connections of it were reset")
        echoes(env)
        check_equal(env.weir.stop(), 0, "exit status")
        check(not os.path.exists(env.weir.ctl), "the control socket is gone")


@contextlib.contextmanager
def lab():
    with Lab(queues=2) as the_lab:
        yield Env(lab=the_lab, iface=the_lab.iface["server"], may_end=True)


def main():
    cases = Cases()
    cases.group(lab, [one])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
