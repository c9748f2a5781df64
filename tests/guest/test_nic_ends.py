# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 60
"""How weir comes and goes on virtio-net, and a device whose number of queues is changed."""
import contextlib
import re
import signal
import sys

from guestlab import Nic, need_nic
from niccases import LIGHT, PORTS, every_queue
from weirlab import (KSERVER, WEIR, Cases, Env, Failure, Weir, check, check_equal, patience,
                     wait_until)


@contextlib.contextmanager
def free(lab):
    yield Env(lab=lab, may_end=True)


def weir(env, mode, *args):
    return Weir(env.lab, ["10.0.0.2:7=echo"], "--xdp-mode", mode, *LIGHT, *args)


def host_serves(env):
    """The host's own stack has the device again, in both directions."""
    link = env.lab.link("server")
    check(not (link["xdp"] or {}).get("prog"), f"a program is left: {link['xdp']}")
    with env.lab.spawn("server", KSERVER, "echo", "10.0.0.2:9"):
        wait_until(lambda: "10.0.0.2:9 " in env.lab.run("server", "ss", "-Hltn").stdout, 5,
                   "kserver listens")
        result = env.lab.netclient("echo", 9, "--conns", 8, "--bytes", 20000)
        check_equal(result["ok"], 8, result)
    try:
        env.lab.connect(7, timeout=patience(5)).close()
    except ConnectionRefusedError:
        return
    raise Failure("a connection to nobody")


def ends(mode, sig, status):
    def case(env):
        features = env.lab.features("server")
        with weir(env, mode) as env.weir, env.lab.connect(7, timeout=patience(5)) as held:
            held.sendall(b"x")
            check_equal(held.recv(1), b"x", "echo")
            check_equal(env.weir.stop(sig), status, "exit status")
        wait_until(lambda: not (env.lab.link("server")["xdp"] or {}).get("prog"), 3, "detached")
        host_serves(env)
        now = env.lab.features("server")
        if mode == "generic":  # by which the kernel turns this one off for good
            now["rx-gro-hw"] = features["rx-gro-hw"]
        check_equal(now, features, "offloads as before")

    case.label = f"{mode}-{sig.name.lower()}"
    return case


def locked_queues(env):
    """Fewer queues than processors: the driver says so, sends under a lock, and all is well."""
    with weir(env, "native") as env.weir:
        said = env.lab.run("server", "dmesg").stdout
        check(re.search(r"XDP request \d+ queues but max is \d+", said), "the driver's word of it")
        result = env.lab.netclient("echo", 7, "--conns", PORTS, "--bytes", 3000)
        check_equal(result["ok"], PORTS, result)


def zero_copy_insisted(env):
    """Refused here; the one line says by which queue, and what the driver said."""
    done = env.lab.run("server", WEIR, "run", "-i", env.lab.iface["server"], "--listen",
                       "10.0.0.2:7=echo", "--xdp-mode", "native", "--zerocopy", *LIGHT, ok=(2,))
    check(re.search(r"queue 0: cannot bind a zero-copy AF_XDP socket: \S", done.stderr), done.stderr)


def native_keeps_queues(env):
    """The driver changes nothing under native XDP, and the operator is told by it."""
    with weir(env, "native") as env.weir:
        done = env.lab.set_channels("server", 1, ok=None)
        check(done.returncode, "queues were taken away from a running weir")
        result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 3000)
        check_equal(result["ok"], 8, result)


def generic_grows(env):
    """Begun with one queue of all: the others are served once they are there."""
    env.lab.set_channels("server", 1)
    with weir(env, "generic") as env.weir:
        check_equal(env.weir.queues, 1, "queues at the start")
        with env.lab.connect(7, timeout=patience(5)) as held:
            env.lab.set_channels("server", env.lab.nqueues)
            wait_until(lambda: env.weir.status()["queues"] == env.lab.nqueues, 5,
                       "the new queues are served")
            check("all are served" in env.weir.log(), "the log says so")
            held.sendall(b"x")
            check_equal(held.recv(1), b"x", "on a connection of before")
        result = env.lab.netclient("echo", 7, "--conns", PORTS, "--bytes", 3000)
        check_equal(result["ok"], PORTS, result)
        every_queue(env)


def cannot_grow_native(env):
    env.lab.set_channels("server", 1)
    try:
        with weir(env, "native") as env.weir:
            check_equal(env.weir.queues, 1, "queues at the start")
            check(env.lab.set_channels("server", env.lab.nqueues, ok=None).returncode,
                  "the driver gave queues to a device with native XDP")
            result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 3000)
            check_equal(result["ok"], 8, result)
    finally:
        env.lab.set_channels("server", env.lab.nqueues)


need_nic()
cases = Cases()
for queues, which in (
        (1, (ends("native", signal.SIGTERM, 0), locked_queues)),
        (2, (ends("native", signal.SIGKILL, -9), ends("generic", signal.SIGKILL, -9),
             ends("generic", signal.SIGTERM, 0), zero_copy_insisted, native_keeps_queues,
             cannot_grow_native, generic_grows)),
        (4, (ends("native", signal.SIGKILL, -9), generic_grows))):
    with Nic(queues, neighbours=True) as lab:
        lab.spread_interrupts()
        cases.group(lambda: free(lab), which, f"{queues}q-")
sys.exit(cases.status())
