# SPDX-License-Identifier: BSD-2-Clause
"""What weir run and weir status say of limits that are too low for what is configured."""
import sys

from weirlab import WEIR, Lab, Weir, check, check_equal, run

SMALL = ("--conns", 2000, "--buffers", 16)


def limits(weir):
    return weir.status()["limits"]


def weir_with(lab, prefix, listen, *args):
    weir = Weir(lab, listen, *args)
    weir.argv = [*prefix, *weir.argv]
    return weir


def told(weir, said):
    """In the log, in JSON and to people, once each; nothing else is."""
    warnings = limits(weir)["warnings"]
    check_equal(len(warnings), 1, f"warnings: {warnings}")
    check(said in warnings[0], f"{said!r} is not in {warnings[0]!r}")
    check_equal(weir.log().count(warnings[0]), 1, f"in the log: {weir.log()}")
    check(warnings[0] in weir.lab.run("server", WEIR, "status", "--ctl", weir.ctl).stdout, "in words")


def descriptors(lab):
    few = ("prlimit", "--nofile=1000:1000", "--")
    with weir_with(lab, few, ["10.0.0.2:80=proxy:127.0.0.1:1"], *SMALL, "--workers", 1) as weir:
        told(weir, "LimitNOFILE=2256")
        check_equal(limits(weir)["nofile"], 1000, "descriptors")
    with weir_with(lab, few, ["10.0.0.2:7=echo"], *SMALL, "--workers", 1) as weir:
        check_equal(limits(weir)["warnings"], [], "warnings where no files are needed")


def cpus(lab):
    with weir_with(lab, ("taskset", "-c", "0"), ["10.0.0.2:7=echo"], *SMALL, "--workers", 2) as weir:
        told(weir, "--workers 1")
        check_equal(limits(weir)["cpus"], 1, "CPUs")


if __name__ == "__main__":
    sys.exit(run(lambda: Lab(queues=2), descriptors, cpus))
