# SPDX-License-Identifier: BSD-2-Clause
"""
What is left for a legitimate client while its server is being flooded.

The client connects, sends a request, reads the response and closes, one at a time, the next as
soon as one is done: what it completes in a second is what its user waits for, turned over. A
request succeeds when a complete and correct response is there within three seconds of its start.
Its rate is set against the same system's rate without a flood in the same round. systems.py says
what runs on which CPU.

What the generator can send at most depends on the receiver, with which it shares a CPU. So there is
one more rate, the one at which it floods the kernel's listener at most, for everybody.

In an `inflow` flood all frames are of one valid connection, which is kept open beside the client's,
with random sequence numbers: nearly all of them outside of its window.
"""
import contextlib
import statistics

import systems
from bench import Failure, digits
from systems import CLIENT_SOURCES, FLOOD_CPU, SERVER_CPU, TARGET4

NAME = ["under_flood"]
BUDGET = {"quick": 42, "full": 300}
CONNECTIONS = 1
REQUEST, RESPONSE = 100, 1000  # bytes
WARMUP = 0.1
LEAST, MOST = 0.3, 2.0  # seconds that one measurement may take
OVERHEAD = 0.35  # starting and ending both generators
RAMP = 0.15  # until the flood flows

CALM = ("none", "0")
SYN = [("syn", rate) for rate in ("50k", "100k", "200k", "400k", "800k", "max")]
QUICK = [CALM, ("syn", "max")]
FULL = [CALM, *SYN, ("ack", "max"), ("rst", "max"), ("mixed", "max"), ("inflow", "max")]
ENOUGH = 30000  # requests that a figure should rest on
KERNEL = "syncookies=1"
PUSHED = 0.15  # of its unflooded rate: the kernel's listener is under water


def label(point):
    return "no flood" if point == CALM else f"{point[0].upper()} {point[1]}"


class Sample:
    """One measurement of one system at one point."""

    def __init__(self, load, flood):
        # None at all: the client still waits for one that it began before it was to count.
        self.attempted, self.succeeded = max(load["attempted"], 1), load["succeeded"]
        self.rate = self.succeeded / load["seconds"]
        self.latency = load["response_us"]
        self.failed = load["failed"]
        self.flood_rate = flood["sent"] / flood["seconds"] if flood else 0.0


def measure(ctx, system, point, seconds):
    kind, rate = point
    if point == CALM:
        return Sample(client(ctx, system, seconds), None)
    bound = seconds + 15  # the flood is stopped before; should we die, it stops itself
    args = ["--kind", kind, "--rate", rate, "--bursts", "--seconds", bound, "--cpu", FLOOD_CPU]
    with contextlib.ExitStack() as stack:
        if kind == "inflow":
            held = stack.enter_context(system.lab.connect(80))
            args += ["--flow", "%s:%d" % held.getsockname()]
        flood = stack.enter_context(ctx.flooding(system.lab, TARGET4, *args))
        flood.flow(RAMP)
        load = client(ctx, system, seconds)
        return Sample(load, flood.stop())


def client(ctx, system, seconds):
    return ctx.load(system.lab, "request", TARGET4, "--source", CLIENT_SOURCES, "--connections",
                    CONNECTIONS, "--request", REQUEST, "--response", RESPONSE, "--seconds",
                    f"{seconds:.2f}", "--warmup", WARMUP, "--timeout", "3s", "--cpu", SERVER_CPU,
                    timeout=seconds + 20)


class Collection:
    """{system: {point: [a Sample a round, or None]}}, and who is out."""

    def __init__(self, names, points):
        self.samples = {name: {p: [] for p in points} for name in names}
        self.out = set()

    def take(self, ctx, name, point, function):
        sample = None
        if (name, point) not in self.out and (name, CALM) not in self.out:
            try:
                sample = function()
            except Exception as e:
                ctx.fail(label(point), name, e if isinstance(e, Failure) else repr(e))
                self.out.add((name, point))
        self.samples[name][point].append(sample)


def collect(ctx, all_systems, points):
    """Round after round, point after point, system after system, in the time there is."""
    got = Collection(all_systems, points)
    for name, system in all_systems.items():  # memory that is touched for the first time
        got.take(ctx, name, CALM, lambda s=system: measure(ctx, s, CALM, 3 * LEAST))
        got.samples[name][CALM].clear()
    left = ctx.rounds * len(points) * len(all_systems)
    for n in range(ctx.rounds):
        for point in points:
            for name in list(all_systems)[::-1 if n % 2 else 1]:
                share = (ctx.left() - 6) / left
                left -= 1
                if share < LEAST:
                    ctx.fail("rounds", "all", f"time for {n} of {ctx.rounds} rounds only")
                    return got
                seconds = max(LEAST, min(MOST, share - OVERHEAD - WARMUP))
                got.take(ctx, name, point,
                         lambda s=all_systems[name], p=point, t=seconds: measure(ctx, s, p, t))
    return got


def median_of(samples, key):
    return digits(statistics.median(s.latency[key] for s in samples), 4)


def row_of(ctx, name, point, samples, calm):
    pairs = [(s, c) for s, c in zip(samples, calm) if s and c]
    taken = [s for s, _ in pairs]
    attempted = sum(s.attempted for s in taken)
    failed = {}
    for s in taken:
        for reason, n in s.failed.items():
            if n:
                failed[reason] = failed.get(reason, 0) + n
    answered = [s for s in taken if s.succeeded]
    row = ctx.row("under_flood", label(point), name, "requests/s", [s.rate for s in taken],
                  f"{name}, no flood", [c.rate for _, c in pairs])
    row["share"] = row["ratio"]
    row.update(success=sum(s.succeeded for s in taken) / attempted, attempted=attempted,
               failed=failed, flood=point[0],
               flood_per_s=digits(statistics.median(s.flood_rate for s in taken), 4),
               flood_asked=point[1])
    for key in ("p50", "p99", "p999"):
        row[f"{key}_us"] = median_of(answered, key) if answered else None
    row["note"] = f"{attempted} requests" + (
        "" if attempted >= ENOUGH or ctx.quick else f", less than {ENOUGH}: no time for more")
    return row


def set_targets(ctx, rows):
    """What weir is asked to keep, where the kernel is at 15% and at the generator's limit."""
    by = {(r["system"], r["case"]): r for r in rows}
    kernel = [r for r in rows if r["system"] == KERNEL and r["flood"] == "syn"]
    # Where it never gets so low, the rate at which it gets lowest has to do.
    pushed = next((r["case"] for r in kernel if r["share"] <= PUSHED), None) or \
        min(kernel, key=lambda r: r["share"], default={"case": None})["case"]
    for case, share, success in ((pushed, 0.9, 1.0), ("SYN max", 0.5, 0.9999)):
        row = by.get(("weir", case))
        if not row:
            continue
        why = f"{KERNEL} keeps {by[KERNEL, case]['share']:.3f}" if (KERNEL, case) in by else ""
        wants = [(f"rate at {case}, of its own: >= {share}", "share", share),
                 (f"success at {case}: >= {success}", "success", success)]
        for what, key, limit in wants:
            value = row[key]
            yield {**ctx.row("under_flood", what, "weir", "of 1", [value]),
                   "rounds": row["rounds"], "target": f">= {limit}", "target_of": "median",
                   "met": value >= limit, "note": why}


def run(ctx):
    points = list(QUICK if ctx.quick else FULL)
    makers = [systems.weir, systems.cookies1, systems.synproxy]
    if not ctx.quick:
        makers.insert(2, systems.cookies2)
    if systems.has_peer(ctx):
        makers.append(systems.peer)
    rows = []
    with systems.up(ctx, "under_flood", makers, bind=True) as all_systems:
        if KERNEL in all_systems:
            most = measure(ctx, all_systems[KERNEL], ("syn", "max"), 3 * LEAST).flood_rate
            points.insert(points.index(("syn", "max")), ("syn", f"{most / 1000:.0f}k"))
        got = collect(ctx, all_systems, points)
    for name, of in got.samples.items():
        for point, samples in of.items():
            if any(samples) and any(of[CALM]):
                rows.append(row_of(ctx, name, point, samples, of[CALM]))
    rows.sort(key=lambda r: [label(p) for p in points].index(r["case"]))
    return rows + list(set_targets(ctx, rows))
