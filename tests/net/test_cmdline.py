# SPDX-License-Identifier: BSD-2-Clause
"""A bad command line, or an interface that will not do: one clear line and exit status 2."""
import subprocess
import sys
import time

from weirlab import WEIR, Cases, Lab, Weir, check, check_equal, need, patience

ECHO = "10.0.0.2:7=echo"
BAD = {
    "no-arguments": [],
    "unknown-command": ["fly"],
    "unknown-option": ["run", "-i", "weir0", "--listen", ECHO, "--fly"],
    "no-interface": ["run", "--listen", ECHO],
    "no-listen": ["run", "-i", "weir0"],
    "interface-without-value": ["run", "--listen", ECHO, "-i"],
    "interface-missing": ["run", "-i", "nosuch0", "--listen", ECHO],
    "interface-name-long": ["run", "-i", "x" * 40, "--listen", ECHO],
    "listen-without-app": ["run", "-i", "weir0", "--listen", "10.0.0.2:7"],
    "listen-unknown-app": ["run", "-i", "weir0", "--listen", "10.0.0.2:7=fly"],
    "listen-bad-port": ["run", "-i", "weir0", "--listen", "10.0.0.2:70000=echo"],
    "listen-port-zero": ["run", "-i", "weir0", "--listen", "10.0.0.2:0=echo"],
    "listen-bad-address": ["run", "-i", "weir0", "--listen", "10.0.0.256:7=echo"],
    "listen-bad-ipv6": ["run", "-i", "weir0", "--listen", "[fd00::g]:7=echo"],
    "listen-twice": ["run", "-i", "weir0", "--listen", ECHO, "--listen", ECHO],
    "listen-empty": ["run", "-i", "weir0", "--listen", ""],
    "http-without-directory": ["run", "-i", "weir0", "--listen", "10.0.0.2:80=http"],
    "http-no-such-directory": ["run", "-i", "weir0", "--listen", "10.0.0.2:80=http:/no/such"],
    "echo-with-argument": ["run", "-i", "weir0", "--listen", "10.0.0.2:7=echo:x"],
    "bad-mode": ["run", "-i", "weir0", "--listen", ECHO, "--mode", "sometimes"],
    "bad-xdp-mode": ["run", "-i", "weir0", "--listen", ECHO, "--xdp-mode", "warp"],
    "bad-msl": ["run", "-i", "weir0", "--listen", ECHO, "--msl", "soon"],
    "negative-msl": ["run", "-i", "weir0", "--listen", ECHO, "--msl", "-1"],
    "too-many-queues": ["run", "-i", "weir0", "--listen", ECHO, "--queues", "9"],
    "zero-queues": ["run", "-i", "weir0", "--listen", ECHO, "--queues", "0"],
    "stray-argument": ["run", "-i", "weir0", "--listen", ECHO, "stray"],
    "status-unknown-option": ["status", "--fly"],
    "conns-unknown-option": ["conns", "--fly"],
    "counters-stray-argument": ["counters", "stray"],
}


def run_weir(lab, *args):
    start = time.monotonic()
    done = subprocess.run(lab.argv("server", WEIR, *args), capture_output=True, text=True,
                          check=False, timeout=patience(20))
    return done, time.monotonic() - start


def one_line_status_2(done, took):
    check_equal(done.returncode, 2, f"exit status ({done.stderr.strip()[:300]})")
    lines = done.stderr.rstrip("\n").split("\n")
    check(len(lines) == 1 and lines[0], f"{len(lines)} lines: {done.stderr[:400]}")
    check(len(lines[0]) < 400, "the line is long")
    check_equal(done.stdout, "", "standard output")
    check(took < patience(5), f"took {took:.1f} s")


def bad(label, args):
    def case(lab):
        done, took = run_weir(lab, *args)
        if label == "no-arguments":  # the place for the whole usage
            check_equal(done.returncode, 2, "exit status")
            return
        one_line_status_2(done, took)

    case.label = label
    return case


def help_and_version(lab):
    for args in (["--help"], ["help"], ["run", "--help"], ["status", "--help"], ["conns", "--help"],
                 ["counters", "--help"], ["trace", "--help"]):
        done, _ = run_weir(lab, *args)
        check(done.returncode == 0 and "usage" in done.stdout.lower(), f"{args}: {done}")
    done, _ = run_weir(lab, "--version")
    check(done.returncode == 0 and done.stdout.startswith("weir "), f"--version: {done}")


def port_taken(lab):
    """A port another weir serves on this interface is refused, by name."""
    with Weir(lab, [ECHO]) as first:
        done, took = run_weir(lab, "run", "-i", lab.iface["server"], "--listen", ECHO, "--ctl",
                              f"{first.dir}/second")
        one_line_status_2(done, took)
        check("7" in done.stderr or lab.iface["server"] in done.stderr, done.stderr)
        with lab.connect(7) as sock:
            sock.sendall(b"still here")
            check_equal(sock.recv(100), b"still here", "echo of the first weir")


def loopback_without_addresses(lab):
    """Whatever it says of an interface down, it says it in one line."""
    lab.run("server", "ip", "link", "set", lab.iface["server"], "down")
    try:
        done, took = run_weir(lab, "run", "-i", lab.iface["server"], "--listen", ECHO)
        one_line_status_2(done, took)
    finally:
        lab.run("server", "ip", "link", "set", lab.iface["server"], "up")


def nobody_to_ask(lab):
    """status, conns, counters where no weir runs: exit status 1 and one line."""
    for command in ("status", "conns", "counters"):
        done, _ = run_weir(lab, command, "--ctl", "/tmp/no-such-weir.sock")
        check_equal(done.returncode, 1, f"exit status of weir {command}")
        check_equal(done.stderr.count("\n"), 1, f"lines of weir {command}: {done.stderr}")


need()
cases = Cases()
cases.group(Lab, [bad(label, args) for label, args in BAD.items()] +
            [help_and_version, port_taken, loopback_without_addresses, nobody_to_ask])
sys.exit(cases.status())
