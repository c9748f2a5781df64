# SPDX-License-Identifier: BSD-2-Clause
"""weir health: what a routing daemon's check is told, in each state that a weir can be in."""
import json
import signal
import subprocess
import sys

from weirlab import WEIR, Cases, Lab, Weir, check, check_equal, need, patience, wait_until

ECHO = "10.0.0.2:7=echo"


def health(lab, *args):
    return subprocess.run(lab.argv("server", WEIR, "health", *args), capture_output=True,
                          text=True, check=False, timeout=patience(20))


def healthy_while_it_serves(lab):
    with Weir(lab, [ECHO]) as weir:
        done = health(lab, "--ctl", weir.ctl)
        check_equal((done.returncode, done.stdout), (0, "weir0: healthy\n"), "weir health")
        reply = json.loads(health(lab, "--ctl", weir.ctl, "--json").stdout)
        check(reply["healthy"] is True and reply["reason"] is None, reply)
        check(reply["heartbeat_age_ms"] < patience(2000), reply)


def not_while_it_drains(lab):
    """A connection is open: the drain lasts, and who asks is sent elsewhere."""
    with Weir(lab, [ECHO], "--drain-ms", "20s") as weir, lab.connect(7) as sock:
        sock.sendall(b"x")
        check_equal(sock.recv(1), b"x", "echo")
        weir.proc.send_signal(signal.SIGTERM)
        wait_until(lambda: health(lab, "--ctl", weir.ctl).returncode == 1, 5, "draining told")
        done = health(lab, "--ctl", weir.ctl)
        check_equal((done.returncode, done.stdout), (1, "weir0: not healthy: draining\n"),
                    "weir health")
        reply = json.loads(health(lab, "--ctl", weir.ctl, "--json").stdout)
        check(reply["healthy"] is False and reply["draining"] is True, reply)


def not_when_it_is_silent_or_absent(lab):
    with Weir(lab, [ECHO]) as weir:
        weir.proc.send_signal(signal.SIGSTOP)
        done = health(lab, "--ctl", weir.ctl, "--timeout", "300ms")
        check_equal((done.returncode, done.stdout), (1, ""), "a stopped weir")
        check("does not answer" in done.stderr and done.stderr.count("\n") == 1, done.stderr)
        weir.proc.send_signal(signal.SIGCONT)
        wait_until(lambda: health(lab, "--ctl", weir.ctl).returncode == 0, 5, "healthy again")
        ctl = weir.ctl
    done = health(lab, "--ctl", ctl)
    check_equal((done.returncode, done.stderr.count("\n")), (1, 1), "no weir any more")


def all_that_run_here(lab):
    """Without a name: the default sockets of this network namespace."""
    check_equal(health(lab).returncode, 1, "none runs")
    with Weir(lab, [ECHO]) as weir:
        weir.stop()
        weir.argv[weir.argv.index("--ctl"):weir.argv.index("--ctl") + 2] = []
        weir.start()
        done = health(lab)
        check_equal((done.returncode, done.stdout), (0, "weir0: healthy\n"), "the only one")
        check_equal(health(lab, "-i", "weir0").returncode, 0, "by its interface")
        check_equal(health(lab, "-i", "nosuch0").returncode, 1, "of another interface")
    check_equal(health(lab, "stray").returncode, 2, "a stray word")


need()
cases = Cases()
cases.group(Lab, (healthy_while_it_serves, not_while_it_drains, not_when_it_is_silent_or_absent,
                  all_that_run_here))
sys.exit(cases.status())
