# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 60
"""A bad mobile network, all troubles at once: streams stay byte-exact in both directions."""
import sys

from impair import need_netem
from netem import CSUM, MOBILE, fixture, hit, transfers
from weirlab import Cases


def bad_mobile_network(env):
    env.lab.both_ways(MOBILE)
    transfers(env, "mobile", 1 << 17, evidence=(
        ("rtx_segments",), ("recv_out_of_order",), CSUM))
    hit(env, "up")
    hit(env, "down")


def main():
    need_netem()
    cases = Cases()
    cases.group(lambda: fixture(1 << 17), [bad_mobile_network])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
