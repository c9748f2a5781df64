# SPDX-License-Identifier: BSD-2-Clause
"""
SYNs answered per second over the veth pair, one core for the generator and for everything that
the receiver does below its sockets.

The ceiling is a program that swaps the addresses of a frame and sends it back. Its answers, like
everybody's, are counted and dropped by XDP at the sender's end. What an answer costs a system over
the reflector is the difference of what a frame costs in all, 1/rate; for weir that is given as
syn_path's warm figure.
"""
import systems
from bench import Failure
from systems import FLOOD_CPU, TARGET4, TARGET6

NAME = ["flood_rate"]
BUDGET = {"quick": 24, "full": 90}
SECONDS = {"quick": 0.5, "full": 1.0}
SHORT = 0.5  # for the other layouts of the full run

HEADLINE = "IPv4, Linux options"
LAYOUTS = {
    HEADLINE: (TARGET4, []),
    "IPv6, Linux options": (TARGET6, []),
    "IPv4, no options": (TARGET4, ["--layout", "none"]),
    "IPv4, Windows options": (TARGET4, ["--layout", "windows"]),
    "IPv4, Linux options, VLAN": (TARGET4, ["--vlan", "5"]),
}
TARGETS = {"reflector": ">= 0.82", "peer": ">= 1.8", "syncookies=1": ">= 10",
           "syncookies=2": ">= 10", "nft synproxy": ">= 10"}


def answered(ctx, system, layout, seconds):
    """Answers per second."""
    target, args = LAYOUTS[layout]
    told = ctx.flood(system.lab, target, "--rate", "max", "--seconds", seconds, "--cpu", FLOOD_CPU,
                     *args)
    # The reflector's answer to a SYN is a SYN, which the generator counts apart.
    n = told["other"] if system.name == "reflector" else told["answered"]
    if not n:
        raise Failure(f"no answer to {told['sent']} SYNs")
    return n / told["seconds"]


def compare(ctx, layout, all_systems, seconds, until):
    """The rows of one layout."""
    got = ctx.interleave(layout, {name: lambda s=s: answered(ctx, s, layout, seconds)
                                  for name, s in all_systems.items()}, until=until)
    ours = got.get("weir")
    ceiling = got.get("reflector")
    for name, rates in got.items():
        if name == "weir":
            for other in got:
                target = TARGETS.get(other) if layout == HEADLINE else None
                if other != "weir":
                    yield ctx.row("flood_rate", layout, "weir", "1/s", ours, other, got[other],
                                  target=target)
        elif name == "reflector" or not ceiling:
            yield ctx.row("flood_rate", layout, name, "1/s", rates)
        else:
            yield ctx.row("flood_rate", layout, name, "1/s", rates, "reflector", ceiling)
    if ceiling:
        for name, rates in got.items():
            if name != "reflector":
                yield warm(ctx, layout, name, rates, ceiling)


def warm(ctx, layout, name, rates, ceiling):
    """ns that a SYN costs more than in the reflector."""
    net = [1e9 / r - 1e9 / c for r, c in zip(rates, ceiling)]
    return ctx.row("syn_path", f"warm: {layout}", name, "ns over the reflector", net)


def run(ctx):
    kind = "quick" if ctx.quick else "full"
    makers = [systems.reflector, systems.weir, systems.cookies1, systems.cookies2,
              systems.synproxy] + ([systems.peer] if systems.has_peer(ctx) else [])
    with systems.up(ctx, "flood_rate", makers) as all_systems:
        yield from compare(ctx, HEADLINE, all_systems, SECONDS[kind], 8)
        if ctx.quick:
            return
        pair = {name: all_systems[name] for name in ("reflector", "weir") if name in all_systems}
        for layout in LAYOUTS:
            if layout != HEADLINE:
                yield from compare(ctx, layout, pair, SHORT, 8)
