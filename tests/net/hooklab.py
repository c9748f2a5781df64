# SPDX-License-Identifier: BSD-2-Clause
"""
An XDP hook with several users, for the tests of it on veths and on NICs: what others do
there (tests/hook/xdphook), a weir beside them, and the case of all in one dispatcher.

An Env has lab, iface (the server's), device (DRIVER/QUEUES, for facts), bpffs, and weir.
"""
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time

from weirlab import BUILD, WEIR, Env, Failure, Skip, Weir, check, check_equal

XDPHOOK = f"{BUILD}/tests/hook/xdphook"
FOREIGN = f"{BUILD}/bpf/foreign.bpf.o"
NO_FREPLACE = 77
VERIFIER_STEPS = 500_000  # half of what kernels allow, as for the gate by itself
SERVICES = ["10.0.0.2:7=echo", "10.0.0.2:9=echo"]


# ---- the other users of the hook --------------------------------------------------


def hook(env, command, *args, ok=(0,)):
    return env.lab.run("server", XDPHOOK, command, env.iface, *args, ok=ok)


@contextlib.contextmanager
def holding(env, command, *args):
    """One that holds something until the block ends."""
    with env.lab.spawn("server", XDPHOOK, command, env.iface, *args, stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE) as proc:
        check_equal(proc.stdout.readline(), "ready\n", f"xdphook {command}")
        yield proc
        check(proc.poll() is None, f"xdphook {command} was disturbed")


def join(env, prog, prio, mode="native"):
    done = hook(env, "join", FOREIGN, prog, mode, prio, ok=(0, 1, NO_FREPLACE))
    if done.returncode == NO_FREPLACE:
        raise Skip("this kernel takes no programs into a dispatcher (freplace)")
    check_equal(done.returncode, 0, f"join: {done.stderr}")


def programs(env):
    """Who is in the dispatcher: {name: (priority, id, frags or linear, steps)}, in order."""
    rows = [line.split() for line in hook(env, "list").stdout.splitlines()]
    return {name: (int(prio), int(ident), frags, int(steps))
            for prio, name, ident, frags, steps in rows}


def seen(env, prog):
    return int(env.lab.run("server", XDPHOOK, "count", programs(env)[prog][1]).stdout)


def xdp(env):
    return env.lab.link("server")["xdp"]


def link_of(env):
    """The id of the bpf_link on the interface."""
    ident = xdp(env)["prog"]["id"]
    links = env.lab.run("server", "bpftool", "link", "show").stdout
    found = re.search(rf"^(\d+): xdp  prog {ident} ", links, re.MULTILINE)
    check(found, f"a link of program {ident} among: {links}")
    return int(found[1])


def clear(env):
    """Whatever a case has left on the interface."""
    env.lab.run("server", XDPHOOK, "off", env.iface, ok=None)
    for mode in ("xdpgeneric", "xdpdrv"):
        env.lab.run("server", "ip", "link", "set", "dev", env.iface, mode, "off", ok=None)


# ---- weir --------------------------------------------------------------------------


@contextlib.contextmanager
def weir(env, *args):
    with Weir(env.lab, SERVICES, "--flows", 4096, "--conns", 1024, "--buffers", 16,
              *args) as env.weir:
        env.ended = False
        yield env.weir
        check(env.ended or env.weir.alive(), f"weir ended by itself: {env.weir.log()[-300:]}")


def stop(env, sig=signal.SIGTERM, status=0):
    env.ended = True
    check_equal(env.weir.stop(sig), status, "exit status")


def says(text, *words):
    for word in words:
        check(str(word) in text, f"'{word}' in: {text}")


def echoes(env, port=7):
    with env.lab.connect(port) as sock:
        sock.sendall(b"hook")
        check_equal(sock.recv(4), b"hook", "echo")


def unanswered(env, port, seconds=1.5):
    start = time.monotonic()
    try:
        env.lab.connect(port, timeout=seconds).close()
    except TimeoutError:
        return
    except ConnectionRefusedError:
        raise Failure(f"port {port} is refused after {time.monotonic() - start:.2f} s") from None
    raise Failure(f"port {port} answers")


def pinged(env):
    env.lab.run("client", "curl", "-s", "--max-time", 5, "http://10.0.0.2:1/", ok=(7,))


# ---- the dispatcher ------------------------------------------------------------------


def coexists(mode):
    """A filter in front, somebody behind: each sees what it should, and stays when weir goes."""
    def case(env):
        join(env, "front", 10, mode)
        join(env, "behind", 90, mode)
        before = xdp(env)
        try:
            with weir(env):
                check_equal(env.weir.mode, mode, "the dispatcher's mode")
                check_equal(list(programs(env)), ["front", "weir_gate", "behind"], "their order")
                check_equal(env.weir.status()["hook"], "dispatcher", "hook of the status")
                steps = programs(env)["weir_gate"][3]
                check(0 < steps <= VERIFIER_STEPS, f"{steps} steps of the verifier, at most "
                                                   f"{VERIFIER_STEPS}")
                print(f"# the verifier took {steps} steps", flush=True)
                start = seen(env, "front"), seen(env, "behind")
                for _ in range(3):
                    echoes(env)
                front, behind = (seen(env, "front") - start[0], seen(env, "behind") - start[1])
                check(front >= 9, f"the filter in front saw {front} frames")
                check(behind < 6, f"{behind} frames came behind the gate")
                pinged(env)  # not ours: passes all three to the host's stack
                check(seen(env, "behind") > start[1] + behind, "what is not ours goes on")
                unanswered(env, 9)  # the filter's
                check_equal(env.weir.counter("ack_accepted"), 3, "connections")
                stop(env)
            check_equal(list(programs(env)), ["front", "behind"], "who is left")
            check(xdp(env)["mode"] == before["mode"], "the mode of the hook")
            print(f"fact {env.device}/{mode} dispatcher coexists", flush=True)
        finally:
            clear(env)

    case.label = f"coexists-{mode}"
    return case


@contextlib.contextmanager
def hooked(lab_of, device):
    """A lab, and a BPF file system that all in it see; lab_of() makes the lab."""
    with tempfile.TemporaryDirectory(prefix="weir-hook-") as bpffs:
        subprocess.run(["mount", "-t", "bpf", "bpf", bpffs], check=True)
        try:
            os.environ["LIBXDP_BPFFS"] = bpffs
            with lab_of() as lab:
                yield Env(lab=lab, iface=lab.iface["server"], device=device, bpffs=bpffs,
                          may_end=True)
        finally:
            os.environ.pop("LIBXDP_BPFFS", None)
            subprocess.run(["umount", bpffs], check=False)


def refused(env, *args):
    """`weir run` says no, with status 2, in one line."""
    done = env.lab.run("server", WEIR, "run", "-i", env.iface, "--listen", SERVICES[0], *args,
                       ok=None, timeout=20)
    check_equal(done.returncode, 2, f"exit status; {done.stderr}")
    lines = [line for line in done.stderr.splitlines() if line.startswith("weir run: ")]
    check_equal(len(lines), 1, f"lines of refusal in {done.stderr}")
    return lines[0]


def refusal(env):
    """Why this kernel has no dispatcher with the gate in it, or None."""
    try:
        join(env, "front", 10)
    except Skip as e:
        return str(e)
    clear(env)
    try:
        with weir(env, "--xdp-dispatcher", "always"):
            return None
    except Failure as e:
        if "does not take the gate" not in str(e):
            raise
        return "this kernel wants libxdp 1.5.5 for programs that change a packet's length"
    finally:
        clear(env)


def has_freplace(fixture, device):
    """Whether there can be dispatchers, with the gate in them. A kernel that takes none is a
    fact (vmtest/kernels has what is expected), and must be told the operator: no_dispatcher()."""
    with fixture() as env:
        why = refusal(env)
    if why:
        for mode in ("native", "generic"):
            print(f"fact {device}/{mode} dispatcher refused: {why}", flush=True)
    return not why


def no_dispatcher(env):
    """Where the kernel takes no programs, or not the gate, nothing is left by the trial."""
    text = refused(env, "--xdp-dispatcher", "always")
    says(text, "no seat in libxdp's dispatcher")
    check(re.search("kernel (takes no programs|does not take the gate)", text), text)
    check(not xdp(env), "nothing is left on the hook")
