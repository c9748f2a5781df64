# SPDX-License-Identifier: BSD-2-Clause
"""
weir run --takeover that comes to a bad end: either process killed, or silent, in each phase. Before
the old weir is told to stop it serves on as if nothing had been; after that one of them serves, or
ends with an error that says what to do, and clients are served again.

$WEIR_TAKEOVER_STOP stops a process in a phase; what happens to it then is the test's.
"""
import os
import signal
import sys

from hooklab import link_of
from takeoverlab import begin, chain, echoes, run_cases, said, take_over, wait_ready
from weirlab import check, check_equal, patience, wait_until

BEFORE_GO = ("offered", "prepared")


def held(env):
    """A connection that has been used."""
    sock = env.lab.connect(7)
    talk(sock)
    return sock


def talk(sock):
    sock.sendall(b"here")
    check_equal(sock.recv(4), b"here", "echo")


def is_reset(sock):
    sock.settimeout(patience(3))
    try:
        sock.sendall(b"more")
        return not sock.recv(4)
    except (ConnectionResetError, BrokenPipeError):
        return True


def soon(env):
    """Clients are served again, and go on to be."""
    def tried():
        try:
            echoes(env)
            return True
        except OSError:
            return None

    wait_until(tried, 10, "an echo")
    for _ in range(3):
        echoes(env)


def end_of(proc, seconds=15):
    return proc.wait(patience(seconds))


def kill(w, sig=signal.SIGKILL):
    w.proc.send_signal(sig)
    if sig != signal.SIGKILL:
        w.proc.send_signal(signal.SIGCONT)
    end_of(w.proc)


def new_killed(phase, *args, sig=signal.SIGKILL, anew=False):
    def case(env):
        """The old one serves on; its connections live where it had not been told to stop."""
        with chain(env, *args) as old, held(env) as sock:
            link = link_of(env)
            new = begin(env, stop=phase, anew=anew)
            new.wait_stopped()
            kill(new, sig)
            soon(env)
            check(old.alive(), f"the old one: {old.log()[-300:]}")
            if phase in BEFORE_GO:
                talk(sock)
            else:
                check(is_reset(sock), "its connections are reset")
                said(old, "serving on")
            check_equal(link_of(env), link, "the link")
            check("refused the system call" not in old.log(), old.log()[-300:])
            # All of it once more, and to the end.
            take_over(env)
            soon(env)
            check_equal(env.weir.stop(), 0, "exit status")
            check(not env.lab.link("server")["xdp"], "a free hook")

    case.label = f"new-{signal.Signals(sig).name.lower()[3:]}-{phase}{'-confined' if args else ''}{'-anew' if anew else ''}"
    return case


def old_killed(phase):
    def case(env):
        """Before it has said what it leaves: an error. After: the new one goes on."""
        with chain(env, stop=phase) as old:
            new = begin(env)
            wait_until(lambda: stopped(old) or None, 10, "the old one's phase")
            old.proc.kill()
            end_of(old.proc)
            if phase in ("asked", "offered", "left"):
                check_equal(end_of(new.proc), 1, f"status: {new.log()}")
                said(new, "it has ended")
                check(not env.lab.link("server")["xdp"], "a free hook")
                return
            wait_ready(new)
            env.weir = new
            soon(env)
            check_equal(env.weir.stop(), 0, "exit status")
            check(not env.lab.link("server")["xdp"], "a free hook")

    case.label = f"old-killed-{phase}"
    return case


def stopped(w):
    with open(f"/proc/{w.proc.pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


def too_slow(env):
    """One that wakes up when the old one has long gone on: it learns so, and touches nothing."""
    with chain(env) as old:
        new = begin(env, stop="stopped")
        new.wait_stopped()
        soon(env)  # when its three seconds are over
        said(old, "it says nothing", "serving on")
        new.proc.send_signal(signal.SIGCONT)
        check_equal(end_of(new.proc), 1, "status of the slow one")
        said(new, "serves on itself")
        soon(env)
        check(old.alive(), "the old one serves")
        take_over(env)
        soon(env)


def two_at_once(env):
    """One is refused, the other takes over."""
    with chain(env):
        one = begin(env, stop="prepared")
        one.wait_stopped()
        two = begin(env)
        check_equal(end_of(two.proc), 1, f"status: {two.log()}")
        said(two, f"process {one.proc.pid} is about to take over")
        old = env.weir
        one.proc.send_signal(signal.SIGCONT)
        wait_ready(one)
        check_equal(end_of(old.proc), 0, "the old one's status")
        env.weir = one
        soon(env)


def killed_and_kept(env):
    """--on-crash drop: nothing is left behind by one that dies, and the pin stays the old one's."""
    with chain(env, "--on-crash", "drop", "--pin-dir", env.pins):
        for phase in ("prepared", "attached"):
            new = begin(env, stop=phase)
            new.wait_stopped()
            kill(new)
            soon(env)
            check_equal(len(os.listdir(env.pins)), 1, "pins")
        check_equal(env.weir.stop(), 0, "exit status")
        check_equal(os.listdir(env.pins), [], "pins at the end")


def main():
    phases = ("offered", "prepared", "go", "stopped", "taken", "attached")
    return run_cases([new_killed(phase) for phase in phases] +
                     [new_killed("attached", "--user", "nobody"), new_killed("prepared", sig=signal.SIGINT),
                      new_killed("stopped", "--user", "nobody", anew=True), new_killed("attached", anew=True),
                      old_killed("offered"), old_killed("left"), old_killed("stopped"), old_killed("taken"),
                      too_slow, two_at_once, killed_and_kept])


if __name__ == "__main__":
    sys.exit(main())
