# SPDX-License-Identifier: BSD-2-Clause
"""
Too little memory: a start is refused with the options to lower, or weir runs, with its
defaults made to fit; with its own limits reached it refuses by name, and serves on.
"""
# time-limit: 240
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import time

from weirlab import (NETCLIENT, Cases, Env, Lab, Skip, Weir, check, check_equal, need, patience,
                     scaled, serving, site, wait_until)

MIB = 1 << 20
LOWER = re.compile(r"--(conns|buffers|flows|rx-frames)")


@contextlib.contextmanager
def fixture():
    with site(file__bin=MIB) as root, Lab(queues=2) as lab:
        yield Env(lab=lab, root=root, may_end=True)


class Wrapped(Weir):
    """A weir started by another program; /sys as it is, where the cgroups are."""

    def __init__(self, env, wrap, *args):
        super().__init__(env.lab, [f"10.0.0.2:80=http:{env.root}", "10.0.0.2:7=echo"], *args)
        self.wrap = wrap

    def start(self):
        argv, self.argv = self.argv, [*self.wrap, *self.argv]
        try:
            super().start()
        finally:
            self.argv = argv


def starts_or_says_why(env, wrap, *args):
    """Whether it ran. Either way it ends as it should."""
    weir = Wrapped(env, wrap, *args)
    try:
        with weir as w:
            result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 20000)
            check_equal(result["ok"], 8, f"echo: {result}")
            check_equal(w.stop(), 0, "exit status")
            return True
    except Exception:
        said = weir.last_words
        check_equal(weir.proc.returncode, 1, f"exit status; said: {said}")
        check(LOWER.search(said) and ("ask for" in said), f"what to lower: {said}")
        check("ready" not in said, f"said: {said}")
        return False


def ran_at_last(env, sizes, wrap):
    """Refused below some size, running from there on."""
    ran = [starts_or_says_why(env, wrap(size)) for size in sizes]
    check_equal(ran, sorted(ran), f"with {sizes}")
    check(ran[-1] and not ran[0], f"{ran} with {sizes}")


# ---- what is promised -----------------------------------------------------------


def asks_for_too_much(*args):
    def case(env):
        check(not starts_or_says_why(env, [], *args), "started all the same")
        check(not env.lab.link("server")["xdp"], "a program was left")

    case.label = "too-much" + args[0][1:]
    return case


def address_space(env):
    ran_at_last(env, [n * MIB for n in (32, 64, 128, 192, 256, 384, 640)],
                lambda size: ["prlimit", f"--as={size}"])


def locked_memory(env):
    """Without the privileges to raise the limit, or to be above it."""
    if not shutil.which("setpriv"):
        raise Skip("no setpriv")
    drop = "-ipc_lock,-sys_resource"
    wrap = ["prlimit", "--memlock=65536", "setpriv", f"--bounding-set={drop}",
            f"--inh-caps={drop}"]
    check(not starts_or_says_why(env, wrap), "started with 64 KiB to lock")


# ---- a memory cgroup ----------------------------------------------------------------


def memory_groups():
    """Where a memory cgroup can be made, and the name of its limit: v1, else v2."""
    with open("/proc/self/cgroup", encoding="ascii") as f:
        own = dict(line.strip().split(":", 2)[1:] for line in f)
    for names, path in own.items():
        if "memory" in names.split(","):
            for point in glob.glob("/sys/fs/cgroup/*memory*"):
                return point + path, "memory.limit_in_bytes"
    at = "/sys/fs/cgroup"
    if not os.path.exists(f"{at}/cgroup.controllers"):
        if subprocess.run(["mount", "-t", "cgroup2", "none", at], check=False,
                          capture_output=True).returncode:
            raise Skip("no cgroups are mounted")
    with open(f"{at}/cgroup.controllers", encoding="ascii") as f:
        if "memory" not in f.read().split():
            raise Skip("no memory cgroups")
    with contextlib.suppress(OSError), open(f"{at}/cgroup.subtree_control", "w",
                                            encoding="ascii") as f:
        f.write("+memory")
    return at, "memory.max"


@contextlib.contextmanager
def group():
    """A group of its own: a function that starts what follows in it, with so much memory."""
    parent, limit = memory_groups()
    where = f"{parent}/weir-test-{os.getpid()}"
    try:
        os.mkdir(where)
    except OSError as e:
        raise Skip(f"no memory cgroup can be made: {e}") from None
    try:
        check(os.path.exists(f"{where}/{limit}"), "the group's limit")

        def wrap(size):
            return ["sh", "-c", f"echo {size} >{where}/{limit} && echo $$ >{where}/cgroup.procs "
                    "&& exec \"$@\"", "sh"]

        yield where, wrap
    finally:
        wait_until(lambda: not os.path.exists(where) or rmdir(where), 5, "the group is empty")


def rmdir(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def killed_in(where):
    """By the OOM killer."""
    for name in ("memory.oom_control", "memory.events"):
        with contextlib.suppress(OSError), open(f"{where}/{name}", encoding="ascii") as f:
            return int(re.search(r"^oom_kill (\d+)", f.read(), re.MULTILINE)[1])
    return 0


def memory_cgroup(env):
    with group() as (where, wrap):
        # `ip netns exec` hides the mounts under /sys, as no service manager does.
        env.lab.argv = lambda end, *argv: ["nsenter", f"--net=/run/netns/{env.lab.ns[end]}",
                                           *map(str, argv)]
        try:
            ran_at_last(env, [n * MIB for n in (16, 32, 48, 64, 96, 160)], wrap)
        finally:
            del env.lab.argv
        check_equal(killed_in(where), 0, "processes killed for want of memory")


def load_in_a_memory_cgroup(env):
    """Readers that do not read fill all the buffers there are, and nothing is killed."""
    with group() as (where, wrap):
        lab = env.lab
        lab.argv = lambda end, *argv: ["nsenter", f"--net=/run/netns/{lab.ns[end]}",
                                       *map(str, argv)]
        try:
            with Wrapped(env, wrap(160 * MIB)) as env.weir, lab.connect(7) as held, lab.spawn(
                    "client", NETCLIENT, "zerowin", "10.0.0.2", 80, "--path", "/file.bin",
                    "--conns", scaled(600, least=100), "--time", round(patience(6)),
                    stdout=subprocess.DEVNULL) as client:
                most = 0
                while client.poll() is None:
                    held.sendall(b"served")
                    check_equal(held.recv(100), b"served", "echo")
                    most = max(most, env.weir.status()["memory"]["buffers_used_bytes"])
                    time.sleep(0.2)
                check(most > 4 * MIB, f"{most} bytes in buffers at most")
                check_equal(env.weir.stop(), 0, "exit status")
        finally:
            del lab.argv
        check_equal(killed_in(where), 0, "processes killed for want of memory")


# ---- limits of its own ---------------------------------------------------------------


@contextlib.contextmanager
def small_fixture():
    with site(file__bin=4 * MIB) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], "--conns", 64, "--buffers", 1,
                     "--flows", 256, root=root) as env:
            yield env


def connections_run_out(env):
    """Beyond them nobody is welcomed into a hang; what was there is served, and so are new ones later."""
    before = env.weir.counters()
    with env.lab.connect(7) as held, env.lab.spawn(
            "client", NETCLIENT, "hold", "10.0.0.2", 7, "--conns", 200, "--concurrency", 8,
            "--hold", 4, "--time", 8, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL):
        wait_until(lambda: "nearly used up" in env.weir.log(), 10, "the log says so")
        check(env.weir.counter("drop_conns_full") > before["drop_conns_full"],
              "those that came at once are refused by name")
        env.lab.netclient("echo", 7, "--conns", 4, "--bytes", 10, time_limit=1)
        check(env.weir.counter("drop_flows_full") > before["drop_flows_full"],
              "those that come later are not answered, by name")
        held.sendall(b"served")
        check_equal(held.recv(100), b"served", "echo")
        check(len(env.weir.conns()) <= 64, "connections")
    wait_until(lambda: "there is room again" in env.weir.log(), 40, "the log says so")
    result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 20000)
    check_equal(result["ok"], 8, f"echo: {result}")


def buffers_run_out(env):
    before = env.weir.counters()
    with env.lab.spawn("client", NETCLIENT, "zerowin", "10.0.0.2", 80, "--path", "/file.bin",
                       "--conns", 20, "--time", round(patience(5)), stdout=subprocess.DEVNULL):
        wait_until(lambda: env.weir.counter("send_no_block") > before["send_no_block"], 10,
                   "sends without a buffer are counted")
        wait_until(lambda: "no free buffer" in env.weir.log(), 5, "the log says so")
        result = env.lab.netclient("echo", 7, "--conns", 4, "--bytes", 2000)
        check_equal(result["ok"], 4, f"echo: {result}")
    wait_until(lambda: env.weir.status()["memory"]["buffers_used_bytes"] == 0, 10, "all given back")


need()
cases = Cases()
cases.group(fixture, (asks_for_too_much("--conns", "16777216", "--workers", "2"),
                      asks_for_too_much("--buffers", "1048576"),
                      asks_for_too_much("--flows", "67108864", "--buffers", "524288"),
                      address_space, locked_memory, memory_cgroup, load_in_a_memory_cgroup))
cases.group(small_fixture, (connections_run_out, buffers_run_out))
sys.exit(cases.status())
