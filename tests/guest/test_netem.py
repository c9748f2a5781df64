# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 200
"""One kind of trouble at a time between weir's TCP and the kernel's: streams stay byte-exact."""
import functools
import sys

from impair import need_netem
from netem import CSUM, fixture, hit, transfers
from weirlab import Cases, check

RTX = (("rtx_segments",),)
OUT_OF_ORDER = (("recv_out_of_order",),)
TWICE = (("drop_seq_duplicate",), ("sack_duplicate",))
# name, both directions' qdisc, bytes of a stream, what must have happened
TROUBLES = (
    ("loss-1%", "netem loss 1%", 1 << 18, RTX),
    ("loss-5%", "netem loss 5%", 1 << 18, RTX + OUT_OF_ORDER),
    ("loss-20%", "netem loss 20%", 1 << 14, RTX + (("rtx_timeouts", "rtx_lost"),)),
    # On 2 % of the frames into a state that loses all, and out of it on every fourth.
    ("loss-bursts", "netem loss gemodel 2% 25% 100% 0%", 1 << 17, RTX),
    ("delay-1ms", "netem delay 1ms", 1 << 18, ()),
    # Each frame has its own delay, so one overtakes the other.
    ("delay-50ms-jitter", "netem delay 50ms 10ms 25%", 1 << 18, OUT_OF_ORDER),
    ("delay-200ms-jitter", "netem delay 200ms 40ms 25%", 1 << 18, OUT_OF_ORDER),
    ("reorder-25%", "netem delay 10ms reorder 25% 50%", 1 << 18, OUT_OF_ORDER),
    ("reorder-gap", "netem delay 10ms reorder 100% gap 5", 1 << 18, OUT_OF_ORDER),
    ("duplicate-5%", "netem duplicate 5%", 1 << 18, TWICE),
    ("corrupt-2%", "netem corrupt 2%", 1 << 18, (CSUM,) + RTX),
    ("rate-netem", "netem rate 10mbit delay 5ms limit 20", 1 << 17, RTX),
    ("rate-tbf", "tbf rate 10mbit burst 6k limit 20k", 1 << 17, RTX),
)


def trouble(name, qdisc, size, evidence):
    def case(env):
        env.lab.both_ways(qdisc)
        transfers(env, name, size, evidence=evidence)
        if "loss" in name or "rate" in name:
            hit(env, "up")
            hit(env, "down")
    case.label = name
    return case


def ecn(env, name, *qdisc):
    """Both ends offer ECN: what would be dropped is marked, and the senders slow down."""
    for end in ("server", "client"):
        env.lab.sysctl(end, tcp_ecn=1)
    try:
        env.lab.both_ways(*qdisc)
        transfers(env, name, 1 << 18, evidence=(("ecn_ce_received",), ("ecn_reduced",)))
    finally:
        for end in ("server", "client"):
            env.lab.sysctl(end, tcp_ecn=2)


def ecn_marks(env):
    ecn(env, "ecn-marks", "netem loss 2% ecn delay 2ms")


def ecn_fq_codel(env):
    ecn(env, "ecn-fq_codel", "tbf rate 20mbit burst 6k limit 400k",
        "fq_codel ecn target 2ms interval 20ms")
    for way in ("up", "down"):
        seen = env.lab.seen(way)
        check(seen["fq_codel"].get("ecn_mark"), f"{way}: no marks in {seen}")


def main():
    need_netem()
    cases = Cases()
    for size in sorted({row[2] for row in TROUBLES}):
        cases.group(functools.partial(fixture, size),
                    [trouble(*row) for row in TROUBLES if row[2] == size])
    cases.group(fixture, [ecn_marks, ecn_fq_codel])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
