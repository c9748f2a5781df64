# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""sshd behind weir in mode auto: the server speaks first; logins by key, also in a flood."""
import contextlib
import hashlib
import os
import subprocess
import sys

from servers import Sshd, backends, behind, flooded
from weirlab import Cases, Lab, check, check_equal, need, patience, wait_until

BYTES = 8 << 20


@contextlib.contextmanager
def fixture():
    with Lab() as lab, Sshd(lab) as sshd:
        with open(f"{sshd.dir}/data", "wb") as f:
            f.write(os.urandom(BYTES))
        with behind(lab, sshd, [f"*:22=proxy:{sshd.tcp}"], "--msl", "1s", "--mode",
                    "auto") as env:
            yield env


def the_server_speaks_first(env):
    for host in ("10.0.0.2", "fd00::2"):
        with env.lab.connect(22, server=host) as sock:
            check(sock.recv(100).startswith(b"SSH-2.0-OpenSSH"), f"the banner over {host}")


def a_command(env):
    for host in ("10.0.0.2", "fd00::2"):
        done = env.server.ssh("echo", "$((6 * 7));", "exit", "3", host=host, ok=(3,))
        check_equal(done.stdout, "42\n", f"what the command says over {host}")


def bytes_both_ways(env):
    path = f"{env.server.dir}/data"
    with open(path, "rb") as f:
        want = hashlib.sha256(f.read()).hexdigest()
    got = env.server.ssh("cat", path, text=False).stdout
    check_equal(hashlib.sha256(got).hexdigest(), want, "sha256 of what came")
    with open(path, "rb") as f:
        # The end of what is sent goes through, or the command would wait for ever.
        done = subprocess.run(env.lab.argv("client", *ssh_argv(env), "sha256sum"), stdin=f,
                              capture_output=True, text=True, check=False, timeout=patience(60))
    check_equal(done.stdout.split()[:1], [want], f"sha256 of what was sent ({done.stderr})")


def ssh_argv(env):
    return ["ssh", "-F", "none", "-i", f"{env.server.dir}/client", "-o",
            "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={env.server.dir}/known", "-o",
            "BatchMode=yes", "-o", "LogLevel=ERROR", "root@10.0.0.2"]


def under_flood(env):
    with flooded(env, 22):
        check(env.weir.ask("mode")["services"][0]["cookies"], "the gate answers now")
        for _ in range(3):
            check_equal(env.server.ssh("echo", "in").stdout, "in\n", "a login in the flood")
        with env.lab.connect(22, server="fd00::2") as sock:
            check(sock.recv(100).startswith(b"SSH-2.0-OpenSSH"), "the banner over IPv6")


def killed_and_restarted(env):
    with env.lab.spawn("client", *ssh_argv(env), "echo here; sleep 100", stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) as session:
        check_equal(session.stdout.readline(), "here\n", "a session")
        env.server.kill()
        check_equal(session.wait(patience(10)), 255, "ssh's status when the server has gone")
    done = env.server.ssh("true", ok=None)
    check_equal(done.returncode, 255, "nobody to log in at")
    env.server.start()
    check_equal(env.server.ssh("echo", "again").stdout, "again\n", "a login after the restart")


def nothing_stays(env):
    # What the flood had opened before it was one takes its time to be given up.
    env.weir.wait_quiet(10, but=("TIME_WAIT", "SYN_RCVD"))
    wait_until(lambda: not any(b["in_use"] for b in backends(env.weir).values()), 5,
               lambda: f"in use: {backends(env.weir)}")


need()
cases = Cases()
cases.group(fixture, (the_server_speaks_first, a_command, bytes_both_ways, under_flood,
                      killed_and_restarted, nothing_stays))
sys.exit(cases.status())
