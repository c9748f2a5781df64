# SPDX-License-Identifier: BSD-2-Clause
"""What each RX queue and worker does, and a device that gets more queues while weir runs."""
import contextlib
import functools
import sys

from weirlab import (Cases, Env, Lab, Weir, check, check_equal, need, serving, wait_until)

CONNS = 64  # from as many ports: a queue that none of them hashes to is one chance in 10^8


def fixture(queues, *args):
    return functools.partial(serving, ["10.0.0.2:7=echo"], *args, queues=queues)


def adds_up(env):
    """The figures of all queues and workers are those of the whole."""
    result = env.lab.netclient("echo", 7, "--conns", CONNS, "--bytes", 2000)
    check_equal(result["ok"], CONNS, result)
    status = {}

    def told():
        status.update(env.weir.status())
        return sum(q["rx_frames"] for q in status["per_queue"]) == \
            env.weir.counter("worker_rx_frames") >= 3 * CONNS

    wait_until(told, 3, lambda: f"the queues' frames add up: {status['per_queue']}")
    queues = range(status["queues"])
    check_equal([q["queue"] for q in status["per_queue"]], list(queues), "queues")
    check_equal([q["worker"] for q in status["per_queue"]],
                [q % status["workers"] for q in queues], "their workers")
    check_equal([w["worker"] for w in status["per_worker"]], list(range(status["workers"])),
                "workers")
    for name in ("handover_sent", "handover_received"):
        check_equal(sum(w[name] for w in status["per_worker"]), env.weir.counter(name), name)
    return status


def spread(env):
    for row in adds_up(env)["per_queue"]:
        check(row["rx_frames"] > 0 and row["xsk"] == "copy", f"nothing came in on {row}")


def owners(env):
    """A connection is its worker's, whose count it is in."""
    socks = [env.lab.connect(7) for _ in range(16)]
    for sock in socks:
        sock.sendall(b"x")
        sock.recv(1)
    try:
        rows = env.weir.conns("ESTABLISHED")
        check_equal(len(rows), len(socks), "connections")
        for worker in env.weir.status()["per_worker"]:
            check_equal(worker["connections"],
                        sum(r["worker"] == worker["worker"] for r in rows), worker)
    finally:
        for sock in socks:
            sock.close()


def zero_copy_refused(env):
    check(env.weir.status()["zero_copy"].startswith("refused: "), env.weir.status()["zero_copy"])


@contextlib.contextmanager
def growing(*args):
    """A device of two queues, one of them in use when weir starts."""
    with Lab(queues=2) as lab:
        for end in ("server", "client"):
            lab.run(end, "ethtool", "-L", lab.iface[end], "rx", 1, "tx", 1)
        with Weir(lab, ["10.0.0.2:7=echo"], *args) as weir:
            yield Env(lab=lab, weir=weir)


def set_queues(lab, end, *counts):
    return lab.run(end, "ethtool", "-L", lab.iface[end], *counts, ok=None).returncode == 0


def two_queues(lab):
    # A peer with a program never gets more than it has queues to receive on.
    for end, *counts in (("server", "rx", 2), ("client", "rx", 2, "tx", 2), ("server", "tx", 2)):
        check(set_queues(lab, end, *counts), f"{end} {counts}")


def grows(env):
    """Where the new queue has the program: it is served, and so is who was there before."""
    check_equal(env.weir.queues, 1, "queues at the start")
    with env.lab.connect(7) as held:
        two_queues(env.lab)
        wait_until(lambda: env.weir.status()["queues"] == 2, 5, "the second queue is served")
        check("2 RX queues now, 1 before: all are served" in env.weir.log(), "the log says so")
        held.sendall(b"x")
        check_equal(held.recv(1), b"x", "on a connection of before")
    check_equal(adds_up(env)["queues"], 2, "queues")


def grows_without_program(env):
    """Native on a veth: the kernel gives the new queue no program, so all weir can do is say so."""
    two_queues(env.lab)
    wait_until(lambda: "restart weir" in env.weir.log(), 5, "the log says what to do")


def cannot_shrink(env):
    """The kernel does not take a queue from an AF_XDP socket."""
    check(not set_queues(env.lab, "server", "rx", 1, "tx", 1), "a served queue was taken away")
    result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 2000)
    check_equal(result["ok"], 8, result)


def refused(option, *says):
    def case(lab):
        done = lab.run("server", Weir(lab, []).argv[0], "run", "-i", lab.iface["server"],
                       "--listen", "10.0.0.2:7=echo", *option, ok=(2,), timeout=10)
        for text in says:
            check(text in done.stderr, f"{text!r} in: {done.stderr}")

    case.label = "zerocopy-" + says[0].split()[0].strip("-:")
    return case


@contextlib.contextmanager
def lab_alone():
    with Lab() as lab:
        yield lab


need()
cases = Cases()
cases.group(fixture(4, "--workers", 2), (spread, owners, zero_copy_refused, cannot_shrink))
# In generic mode a veth gives all to queue 0.
cases.group(fixture(2, "--xdp-mode", "generic"), (adds_up,), "generic-")
cases.group(growing, (grows_without_program,))
cases.group(functools.partial(growing, "--xdp-mode", "generic"), (grows,), "generic-")
cases.group(lab_alone, (refused(("--zerocopy",), "zero-copy", "Operation not supported"),
                        refused(("--zerocopy", "--xdp-mode", "generic"), "generic XDP copies"),
                        refused(("--zerocopy", "--copy"), "not both")))
sys.exit(cases.status())
