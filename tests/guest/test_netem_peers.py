# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 100
"""The kernel's TCP as some peers have it: no SACK, no timestamps, other congestion controls."""
import sys

from impair import need_netem
from netem import MOBILE, discard, fixture, sized, transfers
from weirlab import Cases

SIZE = 1 << 16
CONTROLS = ("reno", "bbr", "vegas")


def without(*options):
    """The kernel at both ends, where weir is not."""
    def case(env):
        env.lab.both_ways(MOBILE)
        for end in ("server", "client"):
            env.lab.sysctl(end, **{o: 0 for o in options})
        try:
            transfers(env, case.label, SIZE, evidence=(("rtx_segments",), ("recv_out_of_order",)))
        finally:
            for end in ("server", "client"):
                env.lab.sysctl(end, **{o: 1 for o in options})
    case.label = "mobile-no-" + "-".join(o.removeprefix("tcp_") for o in options)
    return case


def control(name):
    def case(env):
        env.lab.both_ways(MOBILE)
        env.lab.control = name
        try:
            transfers(env, case.label, SIZE, evidence=(("rtx_segments",),))
        except FileNotFoundError:
            print(f"fact netem/{case.label} recovery the kernel has no {name}", flush=True)
        finally:
            env.lab.control = None
    case.label = f"mobile-{name}"
    return case


def other_services(env):
    """sized: what came is answered by as much; discard: all is taken, then the end."""
    env.lab.both_ways(MOBILE)
    sized(env, SIZE, 60)
    discard(env, SIZE, 60)


def main():
    need_netem()
    cases = Cases()
    cases.group(lambda: fixture(SIZE), [
        without("tcp_sack"), without("tcp_timestamps"), without("tcp_sack", "tcp_timestamps"),
        *map(control, CONTROLS), other_services])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
