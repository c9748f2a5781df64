# SPDX-License-Identifier: BSD-2-Clause
"""What a weir on a NIC is asked, whatever the number of its queues and the mode of XDP."""
import contextlib
import functools
import os
import socket

from weirlab import (SERVER4, SERVER6, Cases, Env, Weir, check, check_equal, check_file, patience,
                     site, wait_until)

# An emulated machine takes a while to clear the memory of the default sizes.
LIGHT = ("--conns", 4096, "--flows", 16384, "--buffers", 16, "--rx-frames", 1024, "--tx-frames", 512)
XDP_DRV, XDP_SKB = 1, 2  # XDP_ATTACHED_*, as iproute2 shows them
PORTS = 48  # connections, each from a port of its own, so that every queue gets some
SIZE = 300000


@contextlib.contextmanager
def served(lab, mode, *args):
    """A weir on a lab that is up: the fixture of one group of cases."""
    with site(file__bin=SIZE) as root:
        listen = ["10.0.0.2:7=echo", "[fd00::2]:7=echo", f"10.0.0.2:80=http:{root}",
                  f"[fd00::2]:80=http:{root}"]
        with Weir(lab, listen, "--xdp-mode", mode, "--msl", "1s", *LIGHT, *args) as weir:
            yield Env(lab=lab, weir=weir, root=root, mode=mode)


def group(cases, lab, mode, *which, args=()):
    cases.group(functools.partial(served, lab, mode, *args), which, f"{lab.nqueues}q-{mode}-")


def attached(env):
    """As asked for: the mode, a socket and a worker for each queue, and status says the same."""
    queues, cpus = env.lab.nqueues, os.cpu_count()
    check_equal((env.weir.mode, env.weir.queues, env.weir.xsk), (env.mode, queues, "copy"), "ready")
    check_equal(env.lab.link("server")["xdp"]["mode"],
                XDP_DRV if env.mode == "native" else XDP_SKB, "mode of the attached program")
    status = env.weir.status()
    check_equal((status["mode"], status["queues"], status["workers"]),
                (env.mode, queues, min(queues, cpus)), "status")
    check_equal([(q["queue"], q["worker"], q["xsk"]) for q in status["per_queue"]],
                [(q, q % status["workers"], "copy") for q in range(queues)], "a worker a queue")
    said = "refused: " if env.mode == "native" else "not tried: generic XDP has none"
    check(status["zero_copy"].startswith(said), status["zero_copy"])


def echo(env):
    """Many connections from many ports over IPv4, some over IPv6."""
    for server, conns in ((SERVER4, PORTS), (SERVER6, PORTS // 3)):
        result = env.lab.netclient("echo", 7, "--conns", conns, "--bytes", 3000, server=server)
        check_equal((result["ok"], result["bytes"]), (conns, conns * 3000), result)


def http(env):
    check_file(env)


def every_queue(env):
    """Every queue has carried some of it, and the workers got all that the queues did."""
    status = {}

    def told():
        status.update(env.weir.status())
        return sum(q["rx_frames"] for q in status["per_queue"]) == \
            env.weir.counter("worker_rx_frames") > 0

    wait_until(told, 5, lambda: f"the queues' frames add up: {status['per_queue']}")
    for row in status["per_queue"]:
        check(row["rx_frames"] > 0 and row["tx_frames"] > 0, f"nothing went by {row}")
        check(row["rx_ring_full"] == row["rx_fill_empty"] == 0, f"frames were lost: {row}")


# ---- flows that wander -------------------------------------------------------------


class Steer:
    """
    Makes a flow come in by a queue of choice. The host's tap device gives a flow's frames
    to the queue that the guest last sent one of that flow by; so one is sent, made up, with
    all CPUs told to send by that queue. Its checksum is wrong and nobody takes it.
    """

    def __init__(self, lab):
        from rawtcp import Segment
        self.lab, self.segment = lab, Segment
        self.sysfs = f"/sys/class/net/{lab.iface['server']}/queues"
        self.kept = self._shell(f"cd {self.sysfs}; grep . tx-*/xps_cpus").split()

    def _shell(self, line):
        return self.lab.run("server", "sh", "-ec", line).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for line in self.kept:
            path, value = line.split(":")
            self._shell(f"echo {value} >{self.sysfs}/{path}")

    def to(self, queue, port):
        everyone = f"{(1 << os.cpu_count()) - 1:x}"
        self._shell("; ".join(f"echo {everyone if q == queue else 0} >{self.sysfs}/tx-{q}/xps_cpus"
                              for q in range(self.lab.nqueues)))
        frame = self.segment(SERVER4, "10.0.0.1", 7, port).frame(
            self.lab.mac("server"), self.lab.mac("client"), bad_checksum=True)
        with self.lab.socket(socket.AF_PACKET, socket.SOCK_RAW, 0, end="server") as sock:
            with self.lab.inside("server"):
                sock.bind((self.lab.iface["server"], 0))
            sock.send(frame)


def wanders(env):
    """One connection comes in by each queue in turn, and its one worker serves it throughout."""
    with env.lab.connect(7) as sock, Steer(env.lab) as steer:
        sock.settimeout(patience(5))
        port = sock.getsockname()[1]
        sock.sendall(b"x")
        check_equal(sock.recv(1), b"x", "echo")
        owner = next(r["worker"] for r in env.weir.conns("ESTABLISHED")
                     if r["remote"].endswith(f":{port}"))
        for queue in range(env.lab.nqueues):
            before = env.weir.status()
            steer.to(queue, port)
            sock.sendall(b"abc")
            check_equal(sock.recv(3), b"abc", f"echo by queue {queue}")
            wait_until(lambda: moved(env, before, queue, owner), 3,
                       lambda: f"by queue {queue}, handed to {owner}: {env.weir.status()}")
        rows = [r for r in env.weir.conns() if r["remote"].endswith(f":{port}")]
        check_equal([r["worker"] for r in rows], [owner], "its worker, and its only one")


def moved(env, before, queue, owner):
    """Whether the queue had a frame more, and its worker gave it away if it is another's."""
    now = env.weir.status()
    worker = now["per_queue"][queue]["worker"]
    by_queue = now["per_queue"][queue]["rx_frames"] > before["per_queue"][queue]["rx_frames"]
    given = now["per_worker"][worker]["handover_sent"] - before["per_worker"][worker]["handover_sent"]
    got = now["per_worker"][owner]["handover_received"] - \
        before["per_worker"][owner]["handover_received"]
    return by_queue and (worker == owner or (given > 0 and got > 0))


def on_pairs(plan, options=None):
    """
    A whole program. plan: {queues: [(mode, cases)]}; the lab stands for all modes of a pair.
    """
    from guestlab import Nic
    cases = Cases()
    for queues, modes in plan.items():
        with Nic(queues, neighbours=True, **(options or {})) as lab:
            lab.spread_interrupts()
            for mode, which in modes:
                group(cases, lab, mode, *which)
    return cases.status()
