# SPDX-License-Identifier: BSD-2-Clause
"""
weir as a service: what the service manager is told, the watchdog, and the unit files; systemd is
not running here, its notification socket is the test's.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from weirlab import BUILD, ROOT, WEIR, Cases, Env, Lab, Skip, Weir, check, check_equal, need, patience, wait_until

INTRUDER = f"{BUILD}/tests/net/libintruder.so"
UNITS = ("weir.service", "weir@.service")
SMALL = ["--conns", 1024, "--buffers", 16]


class Manager:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, where):
        self.path = f"{where}/notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.setblocking(False)
        self.told = []  # {KEY: value} each

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def listen(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.sock.recv(65536).decode()
                self.told.append(dict(line.split("=", 1) for line in text.splitlines()))
        return self.told

    def heard(self, key):
        return [m[key] for m in self.listen() if key in m]

    def wait(self, key, seconds=5):
        return wait_until(lambda: self.heard(key), seconds, lambda: f"{key}; told: {self.told}")[-1]


class ServiceWeir(Weir):
    def __init__(self, lab, listen, *args, environ=(), prefix=()):
        super().__init__(lab, listen, *args)
        self.hang = f"{self.dir}/hang"
        self.argv = ["env", *environ, *prefix] + self.argv


@contextlib.contextmanager
def service(*args, watchdog_ms=0, prefix=(), user=None):
    with tempfile.TemporaryDirectory(prefix="weir-service-") as where, Manager(where) as manager, \
            Lab() as lab:
        environ = [f"NOTIFY_SOCKET={manager.path}"]
        os.chmod(where, 0o755)
        os.chmod(manager.path, 0o777)
        if watchdog_ms:
            environ += [f"WATCHDOG_USEC={watchdog_ms * 1000}", f"LD_PRELOAD={INTRUDER}",
                        f"INTRUDER_HANG={where}/hang"]
        with ServiceWeir(lab, ["10.0.0.2:7=echo"], *SMALL, *args, environ=environ, prefix=prefix) as weir:
            yield Env(lab=lab, weir=weir, manager=manager, hang=f"{where}/hang", may_end=True)


# ---- notifications ---------------------------------------------------------------------


def ready_is_told(env):
    check_equal(env.manager.wait("READY"), "1", "READY")
    check_equal(env.manager.wait("MAINPID"), str(env.weir.proc.pid), "MAINPID")
    check(env.lab.iface["server"] in env.manager.wait("STATUS"), "STATUS names the interface")
    check(not env.manager.heard("WATCHDOG"), "nobody watches")


def draining_is_told(env):
    env.lab.run("server", WEIR, "drain", "--ctl", env.weir.ctl)
    wait_until(lambda: "draining" in env.manager.wait("STATUS"), 5, "STATUS while draining")
    env.lab.run("server", WEIR, "drain", "--undo", "--ctl", env.weir.ctl)
    wait_until(lambda: "serving" in env.manager.wait("STATUS"), 5, "STATUS afterwards")


def stopping_is_told(env):
    check_equal(env.weir.stop(signal.SIGTERM), 0, "exit status")
    check_equal(env.manager.wait("STOPPING"), "1", "STOPPING")


def failure_is_not_ready(env):
    """A second weir on the interface: no READY, and a status that is not 0."""
    done = env.lab.run("server", "env", f"NOTIFY_SOCKET={env.manager.path}", WEIR, "run", "-i",
                       env.lab.iface["server"], "-l", "10.0.0.2:8=echo", ok=(1, 2))
    check("another weir" in done.stderr, f"said: {done.stderr}")
    check_equal(len(env.manager.heard("READY")), 1, "READY of the first alone")


# ---- the watchdog ------------------------------------------------------------------------


def watchdog_is_fed(env):
    wait_until(lambda: len(env.manager.heard("WATCHDOG")) >= 4, 10, "four signs of life")


def not_when_workers_stand(env):
    """Whose main loop answers: it is the workers that serve."""
    with open(env.hang, "w", encoding="ascii"):
        pass
    time.sleep(patience(2.5))  # what a silent worker is allowed
    before = len(env.manager.heard("WATCHDOG"))
    check(env.weir.status()["pid"], "the main loop answers")
    time.sleep(1.5)
    check_equal(len(env.manager.heard("WATCHDOG")), before, "signs of life of a weir that serves nobody")
    os.unlink(env.hang)
    wait_until(lambda: len(env.manager.heard("WATCHDOG")) > before, 10, "signs of life again")


# ---- the unit files ------------------------------------------------------------------------


def unit(name):
    with open(f"{ROOT}/tools/pkg/{name}", encoding="utf-8") as f:
        return f.read()


def setting(text, key):
    return " ".join(re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)).split()


def with_our_weir(name, where):
    path = f"{where}/{name.replace('@.', '@eth0.')}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(unit(name).replace("/usr/bin/weir", WEIR))
    return path


def analyze(*args):
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, check=False,
                          timeout=patience(60))


def units_are_valid(_):
    with tempfile.TemporaryDirectory() as where:
        for name in UNITS:
            done = analyze("verify", "--man=no", with_our_weir(name, where))
            check_equal((done.returncode, done.stderr), (0, ""), f"systemd-analyze verify {name}")


def units_expose_little(_):
    with tempfile.TemporaryDirectory() as where:
        for name in UNITS:
            done = analyze("security", "--offline=yes", "--threshold=35", "--no-pager",
                           with_our_weir(name, where))
            check_equal(done.returncode, 0, f"exposure of {name} above 3.5: {done.stdout[-100:]}")


def units_differ_in_the_file(_):
    one, many = (unit(name).splitlines() for name in UNITS)
    check_equal(len(one), len(many), "lines")
    for a, b in zip(one, many):
        check(a == b or a.startswith(("#", "Description=", "ExecStart=")), f"{a!r} and {b!r}")


def unit_leaves_time_to_drain(_):
    text = unit("weir.service")
    check(int(setting(text, "TimeoutStopSec")[0][:-1]) > 5, "TimeoutStopSec and --drain-ms")
    check_equal(setting(text, "LimitMEMLOCK"), ["infinity"], "LimitMEMLOCK")


@contextlib.contextmanager
def capabilities_of_the_unit_suffice():
    caps = [c.lower().removeprefix("cap_") for c in setting(unit("weir.service"), "CapabilityBoundingSet")]
    caps.append("ipc_lock")  # in place of LimitMEMLOCK, which not every test machine can raise
    prefix = ["setpriv", "--no-new-privs", "--bounding-set", "-all," + ",".join(f"+{c}" for c in caps)]
    with tempfile.TemporaryDirectory(prefix="weir-service-") as where:
        os.chmod(where, 0o755)
        key = f"{where}/key"  # of who is to read it again
        subprocess.run([WEIR, "key", "new", key], check=True, stdout=subprocess.DEVNULL)
        shutil.chown(key, "nobody")
        with service("--user", "nobody", "--key-file", key, prefix=prefix) as env:
            yield env


def serves_with_them(env):
    with env.lab.connect(7) as sock:
        sock.sendall(b"unit")
        check_equal(sock.recv(4), b"unit", "echo")
    check_equal(env.manager.wait("READY"), "1", "READY, as another user")
    check("refused" not in env.weir.log(), env.weir.log())


def main():
    need(INTRUDER)
    cases = Cases()
    cases.group(service, [ready_is_told, failure_is_not_ready, draining_is_told, stopping_is_told])
    cases.group(lambda: service(watchdog_ms=600), [watchdog_is_fed, not_when_workers_stand])
    cases.group(contextlib.nullcontext, [units_are_valid, units_expose_little, units_differ_in_the_file,
                                         unit_leaves_time_to_drain])
    cases.group(capabilities_of_the_unit_suffice, [serves_with_them])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
