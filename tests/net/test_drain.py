# SPDX-License-Identifier: BSD-2-Clause
"""weir drain: who is there stays, who comes is not answered; undone, limited in time, to the end."""
import contextlib
import json
import subprocess
import sys

from weirlab import WEIR, Env, Failure, Lab, Weir, check, check_equal, patience, run, wait_until


@contextlib.contextmanager
def fixture():
    with Lab() as lab, Weir(lab, ["10.0.0.2:7=echo", "10.0.0.2:8=echo"], "--conns", 1024,
                            "--buffers", 16) as weir:
        yield Env(lab=lab, weir=weir, may_end=True)


def drain(env, *args, ok=(0,)):
    done = env.lab.run("server", WEIR, "drain", "--ctl", env.weir.ctl, *args, ok=ok)
    return done


def asked(env, *args):
    return json.loads(drain(env, "--json", *args).stdout.splitlines()[0])


def echoes(sock, text=b"here"):
    sock.sendall(text)
    check_equal(sock.recv(len(text)), text, "echo")


def unanswered(env, port=7):
    try:
        env.lab.connect(port, timeout=0.7).close()
    except TimeoutError:
        return
    raise Failure("a new connection was let in")


def those_who_are_there_stay(env):
    with env.lab.connect(7) as held:
        echoes(held)
        reply = asked(env)
        check_equal(reply["drain"], {"state": "draining", "exit": False, "left_ms": None}, "reply")
        check_equal(reply["connections"], 1, "connections")
        unanswered(env)
        check(env.weir.counter("drop_draining") > 0, "SYNs are counted")
        echoes(held)
        status = env.weir.status()
        check(status["draining"], "the status says so")
        check_equal(status["drain"]["state"], "draining", "state")
        shown = env.lab.run("server", WEIR, "status", "--ctl", env.weir.ctl).stdout
        check("draining" in shown, f"for people, too: {shown}")


def undone(env):
    reply = asked(env, "--undo")
    check_equal(reply["drain"]["state"], "serving", "state")
    with env.lab.connect(7) as sock:
        echoes(sock)
    check(not env.weir.status()["draining"], "status")


def other_modes_too(env):
    """Where workers answer SYNs, they do not either."""
    for mode in ("never", "auto"):
        env.lab.run("server", WEIR, "mode", mode, "--ctl", env.weir.ctl)
        asked(env)
        unanswered(env)
        asked(env, "--undo")
        with env.lab.connect(7) as sock:
            echoes(sock)
    env.lab.run("server", WEIR, "mode", "always", "--ctl", env.weir.ctl)


def limited(env):
    """What is left at the limit is closed in order, and a drain that came so far can be undone."""
    with env.lab.connect(7) as held:
        echoes(held)
        check(0 < asked(env, "--drain-ms", "600ms")["drain"]["left_ms"] <= 600, "time left")
        held.settimeout(patience(10))
        check_equal(held.recv(1), b"", "closed by FIN")
    wait_until(lambda: env.weir.status()["drain"]["state"] == "closing", 3, "the state")
    unanswered(env)
    asked(env, "--undo")
    with env.lab.connect(7) as sock:
        echoes(sock)


def waits(env):
    with env.lab.connect(7) as held:
        echoes(held)
        with subprocess.Popen(env.lab.argv("server", WEIR, "drain", "--ctl", env.weir.ctl, "--wait"),
                              stdout=subprocess.PIPE, text=True) as waiting:
            line = waiting.stdout.readline()
            check("1 connections" in line, f"said: {line}")
            check(waiting.poll() is None, "it waits")
            held.close()
            check_equal(waiting.wait(patience(10)), 0, "exit status")
            check("empty" in waiting.stdout.read(), "it says so")
    check(env.weir.alive(), "weir goes on")
    asked(env, "--undo")


def refusals(env):
    done = drain(env, "--undo", "--exit", ok=(2,))
    check("--undo goes with no other wish" in done.stderr, done.stderr)


def ends_when_empty(env):
    with env.lab.connect(7) as held:
        echoes(held)
        with subprocess.Popen(env.lab.argv("server", WEIR, "drain", "--ctl", env.weir.ctl, "--exit",
                                           "--wait"), stdout=subprocess.PIPE, text=True) as waiting:
            check("then it ends" in waiting.stdout.readline(), "said")
            unanswered(env)
            echoes(held)
            check(env.weir.alive(), "not while somebody is there")
            held.close()
            check_equal(waiting.wait(patience(15)), 0, "exit status of drain")
    check_equal(env.weir.proc.wait(patience(15)), 0, "exit status of run")
    check(not env.lab.link("server")["xdp"], "the hook is free")


if __name__ == "__main__":
    sys.exit(run(fixture, those_who_are_there_stay, undone, other_modes_too, limited, waits,
                 refusals, ends_when_empty))
