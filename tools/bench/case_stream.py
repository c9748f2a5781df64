# SPDX-License-Identifier: BSD-2-Clause
"""
One connection that sends or receives all it can: Gbit/s, and CPU of the whole machine per
Gbit, up (to the server) and down, at MTU 1500 and 3000.

Beside weir is the kernel's TCP with the same service in the same kind of lab: an XDP program in
native mode on both ends of the veth pair and tx, tso, gso off on both, so that neither system
has an offload that the other lacks. weir sends in bursts there, as it does by itself where the
kernel makes the checksums; "weir, frames" is without them. The worker of "weir, busy-poll" never
sleeps, so it is there only while it is measured. "kernel, offloads" has no program on either end
and all offloads on, so that 64 KiB cross the pair at once: what a stack that is not behind an XDP
gate could do.
"""
import contextlib

from labkit import SERVER4

NAME = ["stream"]
BUDGET = {"quick": 30, "full": 160}

PORT = 7
TARGET = ">= 1.3"
SECONDS = {True: ("0.4", "0.1"), False: ("0.7", "0.2")}  # quick: measured, warm-up


def no_offloads(lab):
    lab.run("server", "ethtool", "-K", lab.iface["server"], "tx", "off", "tso", "off", "gso", "off")


@contextlib.contextmanager
def kernel(ctx, mtu):
    with ctx.lab(mtu=mtu) as lab:
        no_offloads(lab)
        lab.run("server", "ip", "link", "set", "dev", lab.iface["server"], "xdpdrv", "obj",
                f"{ctx.build}/bpf/lab_pass.bpf.o", "sec", "xdp.frags")
        with ctx.kserver(lab, "sized", f"{SERVER4}:{PORT}"):
            yield lab


@contextlib.contextmanager
def kernel_offloads(ctx, mtu):
    with ctx.lab(mtu=mtu, no_peer_xdp=True) as lab:
        with ctx.kserver(lab, "sized", f"{SERVER4}:{PORT}"):
            yield lab


@contextlib.contextmanager
def weir(ctx, mtu, *args):
    with ctx.lab(mtu=mtu) as lab:
        no_offloads(lab)
        with ctx.weir(lab, [f"{SERVER4}:{PORT}=sized"], *args):
            yield lab


def measure(ctx, lab, direction):
    """Gbit/s, and CPU seconds per Gbit."""
    seconds, warmup = SECONDS[ctx.quick]
    done = ctx.load(lab, direction, f"{SERVER4}:{PORT}", "--connections", 1, "--seconds", seconds,
                    "--warmup", warmup, "--no-verify")
    gbit = done[f"{direction}_bytes"] * 8e-9
    return done[f"{direction}_gbit_s"], done["cpu"]["machine_s"] / gbit


def measure_polling(ctx, mtu, direction):
    with weir(ctx, mtu, "--busy-poll") as lab:
        return measure(ctx, lab, direction)


def rows(ctx, case, got):
    base = got.get("kernel", [])
    for system, values in got.items():
        if not values or not base:
            continue
        peer = None if system == "kernel" else "kernel"
        for unit, i, better in (("Gbit/s", 0, TARGET), ("CPU s/Gbit", 1, None)):
            yield ctx.row("stream", case, system, unit, [v[i] for v in values], peer,
                          [v[i] for v in base] if peer else None,
                          target=better if system == "weir" else None)


def run(ctx):
    systems = {"kernel": kernel, "weir": weir,
               "weir, frames": lambda c, m: weir(c, m, "--bursts", "off"),
               "kernel, offloads": kernel_offloads}
    for mtu in (1500, 3000):
        with contextlib.ExitStack() as stack:
            labs = {name: stack.enter_context(make(ctx, mtu)) for name, make in systems.items()
                    if not (ctx.quick and name == "weir, frames")}
            for direction in ("up", "down"):
                case = f"{direction}, MTU {mtu}"
                measures = {name: lambda lab=lab, d=direction: measure(ctx, lab, d)
                            for name, lab in labs.items()}
                if not ctx.quick:
                    measures["weir, busy-poll"] = (lambda m=mtu, d=direction:
                                                   measure_polling(ctx, m, d))
                got = ctx.interleave(case, measures)
                yield from rows(ctx, case, got)
