# SPDX-License-Identifier: BSD-2-Clause
"""
A lab and what runs in it, for the network tests and the benchmarks.

    with Lab(queues=2) as lab, Weir(lab, ["10.0.0.2:7=echo"]) as weir:
        lab.run("client", "ping", "-c", 1, SERVER4)

Everything is a context manager and unwinds on SIGTERM too; only processes that were
started here are signalled, by pid. $WEIR_BUILD says where the programs are, $WEIR_LAB what
the labs' names begin with, $WEIR_PATIENCE how much slower than usual the machine is.
"""
import contextlib
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get("WEIR_BUILD", f"{ROOT}/build"))
WEIR = f"{BUILD}/weir"
KSERVER = f"{BUILD}/kserver"
LOAD = f"{BUILD}/weir-load"
FLOOD = f"{BUILD}/weir-flood"
LAB = f"{ROOT}/tools/lab"
PATIENCE = float(os.environ.get("WEIR_PATIENCE") or 1)

SERVER4, SERVER6 = "10.0.0.2", "fd00::2"
CLIENT4, CLIENT6 = "10.0.0.1", "fd00::1"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_labs = 0


class Failure(Exception):
    """A case's expectation was not met."""


class Skip(Exception):
    """A case cannot run here."""


def patience(seconds):
    """
    A deadline, for a machine of this speed. It bounds a failure: how long something takes
    that is itself under test (a protocol's timer, a pause) is no deadline. What is given
    here as `seconds` or `timeout` is stretched here already.
    """
    return seconds * PATIENCE


def scaled(n, least=1):
    """The size of a load, for a machine of this speed; what is asserted of it stays."""
    return max(least, int(n / PATIENCE))


def check(condition, why):
    if not condition:
        raise Failure(why)


def check_equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {got!r}, want {want!r}")


def wait_until(condition, seconds, why):
    """Polls until condition() is true and returns what it returned."""
    seconds = patience(seconds)
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds:g} s: {why() if callable(why) else why}")
        time.sleep(0.02)


def make(*args):
    """make in the tree, as a command; two tests that find something to build do not both do it."""
    os.makedirs(BUILD, exist_ok=True)
    return ["flock", f"{BUILD}/.make", "make", "-C", ROOT, f"BUILD={BUILD}", *args]


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def end_process(proc, seconds=5):
    """Ends a child of ours, the hard way when it does not listen."""
    if proc.poll() is not None:
        return
    proc.send_signal(signal.SIGCONT)
    proc.terminate()
    try:
        proc.wait(patience(seconds))
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait()


class Lab:
    """Two namespaces and a veth pair, by tools/lab."""

    def __init__(self, queues=1, mtu=1500, **options):
        global _labs
        _labs += 1
        self.name = f"{os.environ.get('WEIR_LAB', 't')[:12]}{os.getpid()}-{_labs}"
        self.args = ["--queues", str(queues), "--mtu", str(mtu)]
        for key, value in options.items():
            self.args.append("--" + key.replace("_", "-"))
            if value is not True:
                self.args.append(str(value))

    def __enter__(self):
        self._lab("up", "--build", BUILD, *self.args)
        env = dict(line.split("=", 1) for line in self._lab("env").splitlines())
        self.ns = {"server": env["LAB_SERVER_NS"], "client": env["LAB_CLIENT_NS"]}
        self.iface = {"server": env["LAB_SERVER_IF"], "client": env["LAB_CLIENT_IF"]}
        return self

    def __exit__(self, *_):
        subprocess.run([LAB, "down", "--name", self.name], check=False,
                       timeout=patience(60))

    def _lab(self, command, *args):
        done = subprocess.run([LAB, command, "--name", self.name, *args], capture_output=True,
                              text=True, check=False, timeout=patience(60))
        if done.returncode:
            raise Failure(f"lab {command}: {done.stderr.strip()}")
        return done.stdout

    def argv(self, end, *argv):
        return ["ip", "netns", "exec", self.ns[end], *map(str, argv)]

    def run(self, end, *argv, timeout=60, ok=(0,), **kwargs):
        """Runs a command at one end; its output as text."""
        kwargs.setdefault("text", True)
        timeout = patience(timeout)
        try:
            done = subprocess.run(self.argv(end, *argv), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False,
                                  timeout=timeout, **kwargs)
        except subprocess.TimeoutExpired:
            raise Failure(f"{argv[0]} not done after {timeout:g} s: {argv}") from None
        if ok is not None and done.returncode not in ok:
            raise Failure(f"{' '.join(map(str, argv))[:200]}: status {done.returncode}, "
                          f"{str(done.stderr)[-400:].strip()} {str(done.stdout)[-400:].strip()}")
        return done

    @contextlib.contextmanager
    def spawn(self, end, *argv, **kwargs):
        """A command in the background, ended with the block."""
        with subprocess.Popen(self.argv(end, *argv), text=True, **kwargs) as proc:
            try:
                yield proc
            finally:
                end_process(proc)

    def curl(self, *args, timeout=60, ok=(0,)):
        """curl at the client: the bytes of the body."""
        return self.run("client", "curl", "-sS", "--max-time", patience(timeout), *args, ok=ok,
                        timeout=timeout + 5, text=False).stdout

    def sysctl(self, end, **values):
        for key, value in values.items():
            self.run(end, "sysctl", "-qw", f"net.ipv4.{key}={value}")

    @contextlib.contextmanager
    def inside(self, end):
        """Within the block this thread is in that end's namespace."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.ns[end]}", os.O_RDONLY)
        try:
            _setns(there)
            yield
        finally:
            _setns(own)
            os.close(there)
            os.close(own)

    def socket(self, *args, end="client"):
        """A Python socket that lives at one end."""
        with self.inside(end):
            return socket.socket(*args)

    def connect(self, port, server=SERVER4, source=None, rcvbuf=None, timeout=5):
        sock = self.socket(socket.AF_INET6 if ":" in server else socket.AF_INET,
                           socket.SOCK_STREAM)
        sock.settimeout(patience(timeout))
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
        sock.connect((server, port))
        return sock

    def mac(self, end):
        links = json.loads(self.run(end, "ip", "-j", "link", "show", self.iface[end]).stdout)
        return bytes.fromhex(links[0]["address"].replace(":", ""))

    def link(self, end):
        """What the interface is like: flags, features, attached programs."""
        show = self.run(end, "ip", "-j", "-d", "link", "show", self.iface[end]).stdout
        link = json.loads(show)[0]
        features = self.run(end, "ethtool", "-k", self.iface[end]).stdout
        return {"mtu": link["mtu"], "flags": link["flags"], "xdp": link.get("xdp"),
                "promiscuity": link.get("promiscuity"), "features": features}


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        err = ctypes.get_errno()
        raise OSError(err, f"setns: {os.strerror(err)}")


class Whole:
    """A context that is entered whole or not at all: what enter() fails at is undone."""

    def __enter__(self):
        try:
            self.enter()
        except BaseException:
            self.__exit__()
            raise
        return self


class Weir(Whole):
    """`weir run` at the server's end, ready when the block begins."""

    READY = re.compile(r"\bready iface=(\S+) mode=(\w+) queues=(\d+) xsk=(\w+)")

    def __init__(self, lab, listen, *args, cpu=None):
        self.lab = lab
        self.dir = tempfile.mkdtemp(prefix="weir-test-")
        self.ctl = f"{self.dir}/ctl"
        self.log_path = f"{self.dir}/log"
        self.last_words = ""
        self.argv = [] if cpu is None else ["taskset", "-c", str(cpu)]
        self.argv += [WEIR, "run", "-i", lab.iface["server"], "--ctl", self.ctl]
        for where in listen:
            self.argv += ["--listen", where]
        self.argv += map(str, args)

    def enter(self):
        self.start()

    def __exit__(self, *_):
        if hasattr(self, "proc"):
            end_process(self.proc, 15)
            self.last_words = self.log()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        with open(self.log_path, "wb") as log:
            self.proc = subprocess.Popen(self.lab.argv("server", *self.argv), stderr=log,
                                         stdout=log, stdin=subprocess.DEVNULL)
        ready = wait_until(lambda: self.READY.search(self.log()) or self.proc.poll() is not None,
                           15, lambda: f"ready; log: {self.log()[-500:]}")
        if ready is True:
            raise Failure(f"weir run ended with {self.proc.returncode}: {self.log()[-500:]}")
        self.mode, self.queues, self.xsk = ready[2], int(ready[3]), ready[4]

    def log(self):
        if not os.path.exists(self.log_path):
            return self.last_words
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def alive(self):
        return self.proc.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=20):
        """Signals weir and returns its exit status."""
        self.proc.send_signal(sig)
        try:
            return self.proc.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            raise Failure(f"weir still runs {patience(seconds):g} s after {sig.name}") from None

    def ask(self, command):
        """What weir says; asked again where a worker was too busy to answer at once."""
        until = time.monotonic() + patience(2)
        while True:
            done = self._asked(command)
            if "did not answer" not in done.stderr or time.monotonic() > until:
                break
        if done.returncode:
            raise Failure(f"weir {command}: status {done.returncode}, {done.stderr.strip()}")
        reply = json.loads(done.stdout)
        check_equal(reply.get("version"), 1, f"version of weir {command} --json")
        return reply

    def _asked(self, command):
        return subprocess.run(self.lab.argv("server", WEIR, command, "--ctl", self.ctl, "--json"),
                              capture_output=True, text=True, check=False, timeout=patience(30))

    def status(self):
        return self.ask("status")

    def conns(self, state=None):
        rows = self.ask("conns")["conns"]
        return [r for r in rows if state in (None, r["state"])]

    def counters(self):
        reply = self.ask("counters")
        return reply.get("counters", reply)

    def moved(self, before):
        """By how much each counter has moved since, of those that have."""
        return {name: value - before[name] for name, value in self.counters().items()
                if value != before[name]}

    def counter(self, name):
        values = self.counters()
        check(name in values, f"no counter is called {name}")
        return values[name]

    def state_of(self, port):
        """The state of the connection from the client's port, or None."""
        for row in self.conns():
            if row["remote"].rsplit(":", 1)[1] == str(port):
                return row["state"]
        return None

    def wait_state(self, port, state, seconds=3):
        seen = []

        def reached():
            now = self.state_of(port)
            if not seen or seen[-1] != now:
                seen.append(now)
            return now == state

        wait_until(lambda: reached() or None, seconds, lambda: f"{state}; states seen: {seen}")

    def wait_quiet(self, seconds=5, but=("TIME_WAIT",)):
        """Waits until no connection is left, apart from those in the states `but`."""
        left = []

        def quiet():
            left[:] = [f"{r['remote']} {r['state']}" for r in self.conns() if r["state"] not in but]
            return not left

        wait_until(quiet, seconds, lambda: f"connections gone; left: {left[:10]}")

    def explain(self):
        """For the report of a failed case."""
        text = [f"weir's log: {line}" for line in self.log().splitlines()[-25:]]
        if self.alive():
            with contextlib.suppress(Exception):
                text.append("counters: " + ", ".join(
                    f"{k}={v}" for k, v in sorted(self.counters().items()) if v and k != "version"))
            with contextlib.suppress(Exception):
                text += [f"conn: {row}" for row in self.conns()[:5]]
        else:
            text.append(f"weir ended with status {self.proc.returncode}")
        return text
