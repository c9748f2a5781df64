# SPDX-License-Identifier: BSD-2-Clause
"""
scale: what an idle connection costs in memory and in CPU, and what one request costs among
many of them, each to a connection drawn at random; and what ten thousand services cost.

Each number of connections has a server of its own, all of them up at once, so that rounds of
requests alternate between them. The clients are tools/bench/holder.c: a million kernel sockets
would need more memory than what is measured.
"""
import contextlib
import json
import os
import tempfile
import time

from labkit import BUILD, Failure, SERVER4

NAME = ["scale"]
BUDGET = {"quick": 24, "full": 120}

SIZES = {"quick": (1000, 10000, 100000), "full": (1000, 10000, 100000, 1000000)}
REQUESTS = {"quick": 30000, "full": 100000}
WINDOW = 64  # requests at once
SERVICES = 10000
HELD = 100000  # fewer fit into the large pages that the first ones brought
WARM = 64  # connections before any is counted
IDLE = {"quick": 1.0, "full": 3.0}
PORT = 7
FIRST_SOURCE = "10.64.0.1"
# Connections beyond those held: the gate stops at 15/16 of what there is.
ROOM = 1.25


class Holder:
    """The clients of one server; see tools/bench/holder.c."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        mac = ":".join(f"{b:02x}" for b in self.lab.mac("server"))
        self.spawned = self.lab.spawn(
            "client", f"{BUILD}/holder", self.lab.iface["client"], SERVER4, PORT, mac,
            FIRST_SOURCE, stdin=-1, stdout=-1, stderr=-1)
        self.proc = self.spawned.__enter__()
        return self

    def __exit__(self, *exc):
        self.spawned.__exit__(*exc)

    def do(self, *command):
        self.proc.stdin.write(" ".join(map(str, command)) + "\n")
        self.proc.stdin.flush()
        line = self.proc.stdout.readline()
        if not line:
            raise Failure(f"{' '.join(map(str, command))}: {self.proc.stderr.read()[-300:]}")
        return json.loads(line)


def resident(pid):
    """Bytes in memory of a process's own."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise Failure("no RssAnon")


def maps(pid):
    """Bytes of kernel memory of the BPF maps that a process holds, each once."""
    seen = {}
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
                info = dict(line.split(":", 1) for line in f if ":" in line)
            if "map_id" in info:
                seen[int(info["map_id"])] = int(info["memlock"])
    return sum(seen.values())


def worker_cpu(pid):
    """Seconds that the worker's thread ran."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
            if f.read().strip() == "weir-0":
                with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as s:
                    return int(s.read().split()[0]) / 1e9
    raise Failure("weir has no thread weir-0")


def listen(stack, services):
    """--listen arguments: the one that is asked, and others at addresses routed here."""
    if services == 1:
        return [f"{SERVER4}:{PORT}=echo"]
    f = stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="weir-services-"))
    f.write(f"{SERVER4}:{PORT}=echo\n")
    f.writelines(f"10.1.{i >> 8}.{i & 255}:{PORT}=echo\n" for i in range(1, services))
    f.flush()
    return ["@" + f.name]


class Site:
    """One weir with n connections and some services."""

    def __init__(self, ctx, stack, n, services=1):
        room = max(131072, int(n * ROOM))
        lab = stack.enter_context(ctx.lab())
        self.ctx, self.n, self.services = ctx, n, services
        start = time.monotonic()
        self.weir = stack.enter_context(ctx.weir(
            lab, listen(stack, services), "--conns", room, "--flows", max(262144, room),
            "--stream-timeout", "60m"))
        self.start_s = time.monotonic() - start
        self.pid = self.weir.proc.pid
        self.holder = stack.enter_context(Holder(lab))
        # What every weir has, whatever is open: frames' buffers, the first blocks.
        self.holder.do("open", WARM, WARM)
        self.holder.do("requests", 20000, WARM // 2)
        empty, kernel = resident(self.pid), maps(self.pid)
        self.opened = self.holder.do("open", n, min(512, n // 64))
        ctx.log(f"{n} connections open: {self.opened}")
        self.bytes = (resident(self.pid) - empty) / (n - WARM)
        self.map_bytes = kernel / max(262144, room)

    def idle(self, seconds):
        """CPU of the worker, nanoseconds per connection and second."""
        before, start = worker_cpu(self.pid), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - start
        return (worker_cpu(self.pid) - before) / took / self.n * 1e9

    def request(self, count):
        """(microseconds of the machine, of the worker, per request; requests a second)"""
        machine, worker = self.ctx.machine_cpu(), worker_cpu(self.pid)
        got = self.holder.do("requests", count, WINDOW)
        if got["resets"]:
            raise Failure(f"{got['resets']} connections were reset")
        return ((self.ctx.machine_cpu() - machine) / count * 1e6,
                (worker_cpu(self.pid) - worker) / count * 1e6, got["per_s"], got["p99_us"])


def name(n):
    return f"{n // 1000000}M" if n >= 1000000 else f"{n // 1000}k"


def rows_of(ctx, sites, idle, requests):
    base = sites[0]
    for s in sites:
        case = name(s.n)
        if s.n >= HELD:
            yield ctx.row("scale", f"memory of an idle connection, {case}", "weir", "bytes",
                          [s.bytes], target="<= 1024", target_of="median",
                          note=f"and {s.map_bytes:.0f} bytes of kernel memory per entry of the "
                          "flow table, preallocated")
        yield ctx.row("scale", f"CPU of idle connections, {case}", "weir",
                      "ns per connection and second", idle[s.n])
        limit = {10000: "<= 1.1", 1000000: "<= 1.5"}.get(s.n)
        for k, unit, what in ((0, "us", "CPU of the machine per request"),
                              (1, "us", "CPU of the worker per request"),
                              (2, "requests/s", "requests")):
            yield ctx.row("scale", f"{what}, {case}", "weir", unit, [r[k] for r in requests[s.n]],
                          ratio_to=f"{name(base.n)}", base=[r[k] for r in requests[base.n]],
                          target=limit if k == 0 else None)
        yield ctx.row("scale", f"opening to {case}", "weir", "connections/s",
                      [s.opened["per_s"]])


def rows_of_services(ctx, few, many, requests):
    case = f"{many.services} services"
    for k, unit, what in ((0, "us", "CPU of the machine per request"),
                          (1, "us", "CPU of the worker per request")):
        yield ctx.row("scale", f"{what}, {case}", "weir", unit, [r[k] for r in requests[case]],
                      ratio_to="1 service", base=[r[k] for r in requests[few.n]],
                      target="<= 1.1" if k == 0 else None)
    yield ctx.row("scale", f"from start to ready, {case}", "weir", "s", [many.start_s],
                  ratio_to="1 service", base=[few.start_s])
    yield ctx.row("scale", f"opening connections, {case}", "weir", "connections/s",
                  [many.opened["per_s"]], ratio_to="1 service", base=[few.opened["per_s"]])


def run(ctx):
    mode = "quick" if ctx.quick else "full"
    with contextlib.ExitStack() as stack:
        sites = [Site(ctx, stack, n) for n in SIZES[mode]]
        time.sleep(0.5)
        idle = {s.n: [s.idle(IDLE[mode])] for s in sites}
        for s in sites:
            s.request(REQUESTS[mode] // 4)
        many = Site(ctx, stack, SIZES[mode][0], SERVICES)
        many.request(REQUESTS[mode] // 4)
        measures = {s.n: (lambda s=s: s.request(REQUESTS[mode])) for s in sites}
        measures[f"{SERVICES} services"] = lambda: many.request(REQUESTS[mode])
        requests = ctx.interleave("requests", measures)
        return [*rows_of(ctx, sites, idle, requests),
                *rows_of_services(ctx, sites[0], many, requests)]
