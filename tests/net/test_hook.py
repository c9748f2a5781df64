# SPDX-License-Identifier: BSD-2-Clause
"""
Somebody else on the XDP hook. A plain program is named and left alone; libxdp's dispatcher
is joined, and left as it was; two weirs in one namespace, and on one interface; and who
takes the gate off its hook, or has its queue.
"""
# time-limit: 420
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

from hooklab import (FOREIGN, SERVICES, XDPHOOK, clear, coexists, echoes, has_freplace, holding,
                     hook, hooked, join, link_of, no_dispatcher, pinged, programs, refused, says, stop,
                     unanswered, weir, xdp)
from weirlab import WEIR, Cases, Failure, Lab, Weir, check, check_equal, need, wait_until


# ---- weir --------------------------------------------------------------------------


def advice(text):
    """The command that the message gives, run as it stands."""
    return re.search(r"`([^`]+)`", text)[1].split()


def put_back(env, times):
    wait_until(lambda: env.weir.status()["hook_lost"] >= times, 5,
               lambda: f"the gate put back: {env.weir.log()[-300:]}")


def ended(env):
    """Its exit status, once it ends by itself."""
    env.ended = True
    return env.weir.proc.wait(30)


# ---- a plain program ------------------------------------------------------------------


def netlink_program(mode):
    def case(env):
        hook(env, "netlink", FOREIGN, "front", mode)
        try:
            ident = xdp(env)["prog"]["id"]
            text = refused(env)
            says(text, env.iface, f"program {ident} (front)", mode, "netlink")
            check_equal(xdp(env)["prog"]["id"], ident, "the program on the hook")
            env.lab.run("server", *advice(text))
            check(not xdp(env), "the advice frees the hook")
            with weir(env):
                echoes(env)
        finally:
            clear(env)

    case.label = f"netlink-program-{mode}"
    return case


def link_program(mode):
    def case(env):
        with holding(env, "link", FOREIGN, "front", mode) as proc:
            ident, link = xdp(env)["prog"]["id"], link_of(env)
            text = refused(env)
            says(text, f"program {ident} (front)", mode, f"bpf_link {link}", f"process {proc.pid}",
                 "xdphook")
            check_equal(xdp(env)["prog"]["id"], ident, "the program on the hook")
            env.lab.run("server", *advice(text))
            check(not xdp(env), "the advice frees the hook")
        with weir(env):
            echoes(env)

    case.label = f"link-program-{mode}"
    return case


def second_weir_on_the_interface(env):
    with weir(env) as first:
        text = refused(env)
        says(text, "another weir", f"process {first.proc.pid}")
        echoes(env)
        check(first.alive(), "the first is unharmed")


def queue_taken(env):
    with holding(env, "queue", 0) as proc:
        text = refused(env)
        says(text, "queue 0", "another AF_XDP socket has this queue")
        sockets = env.lab.run("server", "ss", "-H", "--xdp", ok=None)
        if env.iface in sockets.stdout:
            says(text, f"process {proc.pid} (xdphook)")
        else:  # a kernel without XDP_SOCKETS_DIAG cannot say whose it is
            check("process" not in text, f"nobody is named: {text}")
    check(not xdp(env), "nothing is left on the hook")


# ---- taken off ---------------------------------------------------------------------------


def link_detached(env):
    with weir(env):
        with env.lab.connect(7) as held:
            held.sendall(b"a")
            check_equal(held.recv(1), b"a", "echo")
            env.lab.run("server", "bpftool", "link", "detach", "id", link_of(env))
            put_back(env, 1)
            says(env.weir.log(), "somebody took the gate off the XDP hook")
            held.sendall(b"b")
            check_equal(held.recv(1), b"b", "the connection goes on")
        echoes(env)
        says(env.lab.run("server", WEIR, "status", "--ctl", env.weir.ctl).stdout,
             "taken off and put back: 1")


def hook_stolen(env):
    with weir(env):
        link = link_of(env)
        env.weir.proc.send_signal(signal.SIGSTOP)
        env.lab.run("server", "bpftool", "link", "detach", "id", link)
        hook(env, "netlink", FOREIGN, "front", "native")
        try:
            env.weir.proc.send_signal(signal.SIGCONT)
            check_equal(ended(env), 1, "exit status")
            # Its name is for root, which weir no longer is.
            says(env.weir.log(), "the gate was taken off the XDP hook",
                 f"bpftool prog show id {xdp(env)['prog']['id']}")
            check(xdp(env), "the other's program stays")
        finally:
            clear(env)


def no_fight_for_ever(env):
    with weir(env) as w:
        while w.alive():
            with contextlib.suppress(Failure, TypeError):  # it is off at present
                env.lab.run("server", "bpftool", "link", "detach", "id", link_of(env))
            time.sleep(0.05)
        check_equal(ended(env), 1, "exit status")
        log = w.log()
        check_equal(log.count("put back"), 5, f"times that it was put back: {log}")
        says(log, "giving up")


# ---- two interfaces ---------------------------------------------------------------------


@contextlib.contextmanager
def second_pair(env):
    """Another veth pair between the same two ends."""
    s, c = env.lab.ns["server"], env.lab.ns["client"]
    env.lab.run("server", "ip", "link", "add", "hook1", "netns", s, "type", "veth", "peer",
                "name", "hook2", "netns", c)
    try:
        for end, name, addr in (("server", "hook1", "10.0.1.2/24"),
                                ("client", "hook2", "10.0.1.1/24")):
            env.lab.run(end, "ip", "addr", "add", addr, "dev", name)
            env.lab.run(end, "ip", "link", "set", name, "up")
        env.lab.run("client", "ethtool", "-K", "hook2", "tx", "off")
        yield "hook1"
    finally:
        env.lab.run("server", "ip", "link", "del", "hook1", ok=None)


class DefaultSocket(Weir):
    """With the control socket where the other commands look for it."""

    def __init__(self, lab, iface, listen, *args):
        super().__init__(lab, listen, *args)
        at = self.argv.index("--ctl")
        del self.argv[at:at + 2]
        self.argv[self.argv.index("-i") + 1] = iface
        self.iface = iface

    def ask(self, command):
        done = self.lab.run("server", WEIR, command, "-i", self.iface, "--json")
        return json.loads(done.stdout)


def two_weirs_on_two_interfaces(env):
    small = ("--flows", 4096, "--conns", 1024, "--buffers", 16)
    with second_pair(env) as other, \
            DefaultSocket(env.lab, env.iface, ["10.0.0.2:7=echo"], *small) as a, \
            DefaultSocket(env.lab, other, ["10.0.1.2:7=echo"], *small) as b:
        for server in ("10.0.0.2", "10.0.1.2", "10.0.1.2"):
            with env.lab.connect(7, server) as sock:
                sock.sendall(b"x")
                check_equal(sock.recv(1), b"x", f"echo of {server}")
        check_equal((a.counter("ack_accepted"), b.counter("ack_accepted")), (1, 2),
                    "connections of each")
        text = env.lab.run("server", WEIR, "status").stdout
        says(text, f"pid {a.proc.pid}", f"pid {b.proc.pid}", f"{env.iface}, XDP", f"{other}, XDP")
        lines = env.lab.run("server", WEIR, "status", "--json").stdout.splitlines()
        check_equal(len(lines), 2, "an object a line")
        done = env.lab.run("server", WEIR, "conns", ok=(2,))
        says(done.stderr, "several weirs", "-i IFACE")
        check_equal(b.stop(), 0, "exit status of one")
        with env.lab.connect(7) as sock:
            sock.sendall(b"y")
            check_equal(sock.recv(1), b"y", "the other serves on")


# ---- the dispatcher ---------------------------------------------------------------------------


def others_come_and_go(env):
    """The dispatcher is swapped under open connections, which notice nothing."""
    with weir(env, "--xdp-dispatcher", "always") as w, env.lab.connect(7) as held:
        check_equal(list(programs(env)), ["weir_gate"], "alone at first")
        for i, step in enumerate((lambda: join(env, "front", 10), lambda: join(env, "behind", 90),
                                  lambda: hook(env, "leave", "front"),
                                  lambda: hook(env, "leave", "behind"))):
            step()
            byte = bytes([65 + i])
            held.sendall(byte)
            check_equal(held.recv(1), byte, "echo")
        time.sleep(0.5)
        check_equal(w.status()["hook_lost"], 0, "times that weir thought it was taken off")
        stop(env)
    check(not xdp(env), "the last one takes the dispatcher away")


def dispatcher_taken_off(how):
    def case(env):
        join(env, "front", 10)
        try:
            with weir(env):
                if how == "unload":
                    hook(env, "off")
                elif how == "leave":
                    hook(env, "leave", "weir_gate")
                else:
                    env.lab.run("server", "ip", "link", "set", "dev", env.iface, "xdp", "off")
                put_back(env, 1)
                want = ["front", "weir_gate"] if how == "leave" else ["weir_gate"]
                check_equal(list(programs(env)), want, "programs")
                echoes(env)
                stop(env)
            left = subprocess.run(["find", env.bpffs, "-name", "dispatch-*"], check=True,
                                  capture_output=True, text=True).stdout.split()
            check_equal(len(left), how == "leave", f"pins of dispatchers: {left}")
        finally:
            clear(env)

    case.label = f"dispatcher-{how}"
    return case


def killed_in_the_dispatcher(then):
    """Its seat stays, and closes the services; all else goes on. Then it is taken out."""
    def case(env):
        join(env, "front", 10)
        try:
            with weir(env) as w:
                echoes(env)
                stop(env, signal.SIGKILL, -signal.SIGKILL)
                time.sleep(2.5)  # the gate's patience with silent workers
                check_equal(list(programs(env)), ["front", "weir_gate"], "what is left")
                unanswered(env, 7)
                pinged(env)
                if then == "run":
                    w.start()
                    check_equal(list(programs(env)), ["front", "weir_gate"], "a new one")
                    says(w.log(), "what a killed weir had left")
                    text = env.lab.run("server", WEIR, "detach", env.iface, ok=(1,)).stderr
                    says(text, f"process {w.proc.pid}")
                    echoes(env)
                    stop(env)
                else:
                    env.lab.run("server", WEIR, "detach", env.iface)
                    done = env.lab.run("server", WEIR, "detach", env.iface)
                    says(done.stdout, "nothing")
            check_equal(list(programs(env)), ["front"], "who is left")
        finally:
            clear(env)

    case.label = f"killed-then-{then}"
    return case


def second_weir_in_the_dispatcher(env):
    with weir(env, "--xdp-dispatcher", "always") as first:
        text = refused(env)
        says(text, "another weir", f"process {first.proc.pid}")
        check_equal(list(programs(env)), ["weir_gate"], "who is in it")
        echoes(env)


def frags_are_given_up(env):
    """A dispatcher takes multi-buffer frames while all of its programs do."""
    join(env, "front_frags", 10)
    try:
        check_equal(programs(env)["front_frags"][2], "frags", "a dispatcher for frags")
        with weir(env):
            check_equal(programs(env)["weir_gate"][2], "linear", "with the gate in it")
            echoes(env)
        check_equal(programs(env)["front_frags"][2], "frags", "without the gate again")
    finally:
        clear(env)


def not_joined(env):
    join(env, "front", 10)
    try:
        says(refused(env, "--xdp-dispatcher", "never"), "libxdp's dispatcher",
             "--xdp-dispatcher auto")
        says(refused(env, "--xdp-mode", "generic"), "--xdp-mode must be the dispatcher's")
        check_equal(list(programs(env)), ["front"], "who is in it")
    finally:
        clear(env)


def without_a_bpf_file_system(env):
    """As inside `ip netns exec`, where /sys is another."""
    os.environ["LIBXDP_BPFFS"] = "/sys/fs/bpf"
    try:
        says(refused(env, "--xdp-dispatcher", "always"), "needs a BPF file system",
             "LIBXDP_BPFFS=DIR")
    finally:
        os.environ["LIBXDP_BPFFS"] = env.bpffs
    check(not xdp(env), "nothing is left on the hook")
    with weir(env):  # and the usual way does without one
        echoes(env)


def without_its_object(env):
    """libxdp's own file is missing."""
    os.environ["LIBXDP_OBJECT_PATH"] = env.bpffs
    try:
        says(refused(env, "--xdp-dispatcher", "always"), "no seat in libxdp's dispatcher",
             "xdp-dispatcher.o is not there", "libxdp1")
    finally:
        del os.environ["LIBXDP_OBJECT_PATH"]
    check(not xdp(env), "nothing is left on the hook")


# ---- the program ------------------------------------------------------------------------------


PLAIN = [
    netlink_program("native"), netlink_program("generic"), link_program("native"),
    link_program("generic"), second_weir_on_the_interface, queue_taken, link_detached,
    hook_stolen, no_fight_for_ever, two_weirs_on_two_interfaces, without_a_bpf_file_system,
    without_its_object]
SHARED = [
    coexists("native"), coexists("generic"), others_come_and_go, dispatcher_taken_off("unload"),
    dispatcher_taken_off("xdp-off"), dispatcher_taken_off("leave"),
    killed_in_the_dispatcher("run"), killed_in_the_dispatcher("detach"),
    second_weir_in_the_dispatcher, frags_are_given_up, not_joined]


def fixture():
    return hooked(Lab, "veth/1q")


need(XDPHOOK)
cases = Cases()
cases.group(fixture, PLAIN + (SHARED if has_freplace(fixture, "veth/1q") else [no_dispatcher]))
sys.exit(cases.status())
