# SPDX-License-Identifier: BSD-2-Clause
"""
Weirs that take over from each other, for the net tests of it, and clients that nobody helps.

    with lab() as env, chain(env):
        take_over(env)          # env.weir is the new one; the old one has ended as it should
        refused(env, ARGS, words=...)
"""
import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from weirlab import Cases, Env, Failure, Lab, Weir, check, check_equal, patience, scaled, wait_until

SERVICES = ["10.0.0.2:7=echo"]
# Before 6.4 no process can have another one's sockets: they are opened anew.
OLD_KERNEL = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) < (6, 4)
SMALL = ["--flows", 8192, "--conns", 2048, "--buffers", 16]


@contextlib.contextmanager
def lab(queues=2, **options):
    """With a BPF file system that all in it see."""
    with tempfile.TemporaryDirectory(prefix="weir-takeover-") as bpffs:
        os.chmod(bpffs, 0o755)
        subprocess.run(["mount", "-t", "bpf", "bpf", bpffs], check=True)
        try:
            with Lab(queues=queues, **options) as the_lab:
                the_lab.sysctl("client", ip_local_port_range="60000 65535")  # Clients have the others
                yield Env(lab=the_lab, iface=the_lab.iface["server"], bpffs=bpffs,
                          pins=f"{bpffs}/weir", may_end=True)
        finally:
            subprocess.run(["umount", bpffs], check=False)


# ---- a weir and its successors ------------------------------------------------------


class Successor(Weir):
    """One that takes over; what it says is in a log of its own."""

    def __init__(self, old, *args, stop=None, argv=None, anew=False):
        self.old = old
        self.lab, self.dir, self.ctl = old.lab, old.dir, old.ctl
        self.last_words = ""
        self.generation = getattr(old, "generation", 0) + 1
        self.log_path = f"{self.dir}/log{self.generation}-{time.monotonic_ns()}"
        self.argv = list(argv or old.argv)
        if "--takeover" not in self.argv:
            self.argv.append("--takeover")
        self.argv += map(str, args)
        self.anew = anew or OLD_KERNEL
        self.env = ["env", f"WEIR_TAKEOVER_STOP={stop or ''}",
                    f"WEIR_TAKEOVER_SOCKETS={'anew' if anew else ''}"]

    def begin(self):
        with open(self.log_path, "wb") as log:
            self.proc = subprocess.Popen(self.lab.argv("server", *self.env, *self.argv), stderr=log,
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
        raise Failure(f"it ended with {w.proc.returncode}: {w.log()[-500:]}; the old one "
                      f"({w.old.proc.poll()}): {w.old.log()[-500:]}")


def take_over(env, *args, **kwargs):
    """The next weir, serving; the one before it has ended as it should."""
    old, new = env.weir, begin(env, *args, **kwargs)
    wait_ready(new)
    check_equal(old.proc.wait(patience(15)), 0, f"status of the old one: {old.log()[-300:]}")
    said(old, f"handed over to process {new.proc.pid}")
    said(new, f"took over from process {old.proc.pid}")
    check_equal("were opened anew" in new.log(), new.anew, "sockets opened anew")
    env.weir = new
    return new


def said(w, *words):
    for word in words:
        check(str(word) in w.log(), f"'{word}' in: {w.log()[-600:]}")


def echoes(env, port=7):
    with env.lab.connect(port) as sock:
        sock.sendall(b"here")
        check_equal(sock.recv(4), b"here", "echo")


def refused(env, *args, words=(), status=(1, 2), **kwargs):
    """A takeover that is refused, and changes nothing."""
    new = begin(env, *args, **kwargs)
    check(new.ended() in status, f"status {new.proc.returncode}: {new.log()}")
    said(new, *words)
    check(env.weir.alive(), f"the old one runs: {env.weir.log()[-300:]}")
    echoes(env)
    return new


# ---- clients that nobody helps --------------------------------------------------------


class Clients:
    """
    Connections one after the other from several threads, each with one request. No port comes
    twice within half a minute: its handshake would be a worker's, and be lost with it. (Left to
    connect(), one may: before Linux 6.3 it begins anew anywhere every ten seconds.)
    """

    ports = itertools.cycle(range(1024, 60000))

    def __init__(self, lab, threads=4, port=7, request=b"x" * 32, answer=None):
        self.lab, self.port, self.request = lab, port, request
        self.answer = answer or (lambda sock: sock.recv(64) == request)
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.rows = []  # (thread, begun, connected or None, ended, what)
        self.switches = []  # (from, to, connections reset)
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(scaled(threads))]

    def once(self, thread):
        begun, connected = time.monotonic(), None
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(patience(10))
            sock.bind(("", next(self.ports)))
            sock.connect(("10.0.0.2", self.port))
            connected = time.monotonic()
            sock.sendall(self.request)
            what = "ok" if self.answer(sock) else "short"
        except OSError as e:
            what = type(e).__name__
        ended = time.monotonic()
        # No TIME_WAIT that would use up the ports.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        return thread, begun, connected, ended, what

    def run(self, thread):
        with self.lab.inside("client"):
            while not self.over.is_set():
                row = self.once(thread)
                with self.lock:
                    self.rows.append(row)
                time.sleep(patience(0.004))

    def __enter__(self):
        for t in self.threads:
            t.start()
        wait_until(lambda: len(self.rows) > 20, 10, "clients")
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()

    def more(self, n=20):
        """Waits until so many more have come and gone."""
        now = len(self.rows)
        wait_until(lambda: len(self.rows) > now + n or None, 15, "more clients")

    def switch(self, env, *args, **kwargs):
        begun = time.monotonic()
        new = take_over(env, *args, **kwargs)
        reset = int(re.search(r"(\d+) connections of it were reset", new.log())[1])
        self.switches.append((begun, time.monotonic(), reset))
        return new

    def verdict(self):
        """
        Nobody's connect() fails. Who has no answer was open while a switch was on; and they are
        no more than those that the weir before it says that it has reset.
        """
        with self.lock:
            rows = list(self.rows)
        bad = [r for r in rows if r[2] is None]
        check(not bad, f"{len(bad)} connects of {len(rows)} failed: {bad[:5]}")
        lost = [r for r in rows if r[4] != "ok"]
        for begun, ended, reset in self.switches:
            here = [r for r in lost if r[2] <= ended and r[3] >= begun]
            check(len(here) <= reset, f"{len(here)} without an answer, {reset} reset: {here}")
            lost = [r for r in lost if r not in here]
        check(not lost, f"{len(lost)} of {len(rows)} without an answer, and no switch was on: {lost[:5]}")
        self.total, self.lost = len(rows), sum(r[4] != "ok" for r in rows)
        self.connect_s = max(r[2] - r[1] for r in rows)
        self.answer_s = max(r[3] - r[2] for r in rows if r[4] == "ok")


# ---- which cases -----------------------------------------------------------------------


def run_cases(those):
    cases = Cases()
    cases.group(lab, those)
    return cases.status()
