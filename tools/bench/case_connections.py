# SPDX-License-Identifier: BSD-2-Clause
"""
Connections: connect, request of 64 bytes, response of 64, close by the client, four-way. How many
a second, and what one costs the server.

On a veth whoever sends pays for what the receiver's end does with the frame, so neither
process's own time says what a server costs. The whole machine's does, less what the client costs:
that is measured by the same client at the same concurrency against answer.bpf.c, which sends it
the same segments out of XDP without a socket, a process, or any state. Then

    a server's cost = machine's time with it - machine's time with the answerer, per connection

What the answerer itself costs (its hook on the device and some 50 ns a frame) is in what is taken
off from both servers. What a server makes the client do beyond it (more segments, cores that take
its memory from each other) is charged to that server. The cost with the client in it is reported
beside it.

Two placements: client and server on a core each; and both on one, where nothing is lost between
cores and the rate itself is what a second of CPU does.
"""
import contextlib

from labkit import BUILD, Failure, SERVER4

NAME = ["connections"]
BUDGET = {"quick": 18, "full": 90}

AT_ONCE = 64
SECONDS = {"quick": 0.5, "full": 1.5}
TARGET = f"{SERVER4}:7"
REQUEST = 40  # and the protocol's header: 64
RESPONSE = 64
PLACES = {"on two cores": (0, 1), "on one core": (0, 0)}  # server, client
# Tombstones of the last half minute: at this rate more than the default holds.
FLOWS = 1 << 20


class Client:
    def __init__(self, ctx, lab, cpu):
        self.ctx, self.lab, self.cpu = ctx, lab, cpu

    def run(self):
        """{rate, gross}: connections a second, microseconds of the machine for each."""
        seconds = SECONDS["quick" if self.ctx.quick else "full"]
        got = self.ctx.load(self.lab, "request", TARGET, "--connections", AT_ONCE,
                            "--source", "10.0.0.10-10.0.0.209", "--cpu", self.cpu,
                            "--request", REQUEST, "--response", RESPONSE,
                            "--warmup", 0.2, "--seconds", seconds)
        if got["success"] < 0.9999 or not got["succeeded"]:
            raise Failure(f"success {got['success']} of {got['attempted']}: {got['failed']}")
        return {"rate": got["rate_per_s"],
                "gross": got["cpu"]["machine_s"] / got["succeeded"] * 1e6}


@contextlib.contextmanager
def answerer(lab):
    link = ("ip", "link", "set", "dev", lab.iface["server"], "xdpdrv")
    lab.run("server", *link, "obj", f"{BUILD}/bpf/answer.bpf.o", "sec", "xdp")
    try:
        yield
    finally:
        lab.run("server", *link, "off")


def measures(ctx, lab, place):
    server, client_cpu = PLACES[place]
    client = Client(ctx, lab, client_cpu)

    def weir():
        with ctx.weir(lab, [f"{TARGET}=sized"], "--flows", FLOWS, cpu=server):
            return client.run()

    def kernel():
        with ctx.kserver(lab, "sized", TARGET, cpu=server):
            return client.run()

    def alone():
        with answerer(lab):
            return client.run()

    return {"weir": weir, "kernel": kernel, "client alone": alone}


def per_second(got, system, alone):
    """Connections per CPU second of that server; None where noise ate the difference."""
    net = [a["gross"] - b["gross"] for a, b in zip(got[system], alone)]
    if min(net) <= 0:
        raise Failure(f"{system}: the client alone cost more than both: {net}")
    return [1e6 / n for n in net]


def rows(ctx, place, got):
    alone = got["client alone"]
    note = "client's cost %.1f us taken off" % sorted(a["gross"] for a in alone)[len(alone) // 2]
    net = {s: per_second(got, s, alone) for s in ("weir", "kernel")}
    for system, base in (("weir", "kernel"), ("kernel", None)):
        def row(case, unit, values, of, **more):
            return ctx.row("connections", f"{case}, {place}", system, unit, values,
                           ratio_to=base, base=of if base else None, **more)
        yield row("per CPU second of the server", "1/s", net[system], net["kernel"], note=note,
                  **({"target": ">= 2"} if base else {}))
        yield row("per CPU second, client included", "1/s",
                  [1e6 / x["gross"] for x in got[system]], [1e6 / x["gross"] for x in got["kernel"]])
        yield row("rate", "1/s", [x["rate"] for x in got[system]],
                  [x["rate"] for x in got["kernel"]])
    yield ctx.row("connections", f"per CPU second, client included, {place}", "client alone", "1/s",
                  [1e6 / x["gross"] for x in alone])


def run(ctx):
    places = list(PLACES)[:1] if ctx.quick else list(PLACES)
    with ctx.lab(clients=200) as lab:
        # Without these the client's own TIME_WAIT sockets grow, and their cost with them.
        lab.sysctl("client", ip_local_port_range="1024 65535", tcp_max_tw_buckets=4096)
        lab.sysctl("server", tcp_max_syn_backlog=8192)
        lab.run("server", "sysctl", "-qw", "net.core.somaxconn=8192")
        for n, place in enumerate(places):
            later = (len(places) - n - 1) * ctx.left() / (len(places) - n)
            got = ctx.interleave(place, measures(ctx, lab, place), until=later)
            if len(got) == 3:
                yield from rows(ctx, place, got)
