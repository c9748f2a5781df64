# SPDX-License-Identifier: BSD-2-Clause
"""
Ping-pong: one byte there and back on a connection that stays, one at a time; client and server on
a core each. Once with both sides asleep while nothing comes, once with both spinning.
"""
from labkit import Failure, SERVER4

NAME = ["rtt"]
BUDGET = {"quick": 18, "full": 60}

SECONDS = {"quick": 0.6, "full": 1.5}
TARGET = f"{SERVER4}:7"
SERVER, CLIENT = 0, 1
MODES = {"sleeping": (), "busy-polling": ("--busy-poll",)}


def ping(ctx, lab, extra):
    got = ctx.load(lab, "pingpong", TARGET, "--connections", 1, "--cpu", CLIENT, *extra,
                   "--warmup", 0.2, "--seconds", SECONDS["quick" if ctx.quick else "full"])
    if got["success"] < 1 or got["response_us"]["n"] < 1000:
        raise Failure(f"success {got['success']} of {got['attempted']}: {got['failed']}")
    return {"p50": got["response_us"]["p50"], "p99": got["response_us"]["p99"],
            "cpu": got["cpu"]["machine_s"] / got["succeeded"] * 1e6}


def measures(ctx, lab, extra):
    def weir():
        with ctx.weir(lab, [f"{TARGET}=echo"], *extra, cpu=SERVER):
            return ping(ctx, lab, extra)

    def kernel():
        with ctx.kserver(lab, "echo", TARGET, *extra, cpu=SERVER):
            return ping(ctx, lab, extra)

    return {"weir": weir, "kernel": kernel}


def rows(ctx, mode, got):
    kernel = got["kernel"]
    for figure, unit in (("p50", "us"), ("p99", "us"), ("cpu", "us of CPU")):
        target = {"target": "<= 1"} if figure != "cpu" else {}
        base = [x[figure] for x in kernel]
        yield ctx.row("rtt", f"{figure}, {mode}", "weir", unit, [x[figure] for x in got["weir"]],
                      ratio_to="kernel", base=base, **target)
        yield ctx.row("rtt", f"{figure}, {mode}", "kernel", unit, base)


def run(ctx):
    with ctx.lab() as lab:
        for n, (mode, extra) in enumerate(MODES.items()):
            later = (len(MODES) - n - 1) * ctx.left() / (len(MODES) - n)
            got = ctx.interleave(mode, measures(ctx, lab, extra), until=later)
            if len(got) == 2:
                yield from rows(ctx, mode, got)
