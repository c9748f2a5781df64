# SPDX-License-Identifier: BSD-2-Clause
"""How weir ends: in order on SIGTERM and SIGINT, and cleanly on kill -9 too."""
import contextlib
import signal
import socket
import subprocess
import sys
import time

from weirlab import (NETCLIENT, WEIR, Env, Failure, Lab, Weir, check, check_equal, patience, run, scaled,
                     site, wait_until)


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"small\n", file__bin=scaled(12 << 20)) as root, Lab(queues=2) as lab:
        env = Env(lab=lab, root=root, before=lab.link("server"))
        yield env


@contextlib.contextmanager
def weir(env, *args):
    with Weir(env.lab, [f"10.0.0.2:80=http:{env.root}", "10.0.0.2:7=echo"], *args) as env.weir:
        env.may_end = True
        yield env.weir


def interface_as_it_was(env):
    wait_until(lambda: env.lab.link("server") == env.before, 3,
               lambda: f"the interface as it was: {env.lab.link('server')} / {env.before}")


def refused(env):
    """The host's stack answers, and there is no listener."""
    start = time.monotonic()
    try:
        env.lab.connect(80).close()
    except ConnectionRefusedError:
        check(time.monotonic() - start < patience(1), "refused at once")
        return
    raise Failure("a connection to nobody")


def ends_with(sig):
    def case(env):
        with weir(env) as w:
            check_equal(env.lab.curl("http://10.0.0.2/small.txt"), b"small\n", "body")
            check(env.lab.link("server")["xdp"], "a program on the interface while weir runs")
            check_equal(w.stop(sig), 0, "exit status")
            interface_as_it_was(env)
            refused(env)

    case.label = sig.name.lower()
    return case


def killed(env):
    with weir(env) as w:
        with env.lab.connect(7) as held:
            held.sendall(b"x")
            check_equal(held.recv(1), b"x", "echo")
            check_equal(w.stop(signal.SIGKILL), -signal.SIGKILL, "exit status")
            interface_as_it_was(env)
            refused(env)
            held.sendall(b"y")
            try:
                check_equal(held.recv(1), b"", "nothing from a host that knows nothing of it")
            except ConnectionResetError:
                pass
        pins = subprocess.run(["find", "/sys/fs/bpf", "-type", "f", "!", "-name",
                               "*.debug"], capture_output=True, text=True,
                              check=False).stdout
        check_equal(pins, "", "pins")


def starts_again_after_kill(env):
    with weir(env) as w:
        w.stop(signal.SIGKILL)
        w.start()
        check_equal(env.lab.curl("http://10.0.0.2/small.txt"), b"small\n", "body")
        check_equal(w.stop(), 0, "exit status")


def killed_under_load_with_its_own_socket(env):
    """Nothing of the one is in the other's way, at the usual control socket either."""
    with weir(env) as w:
        w.stop()
        at = w.argv.index("--ctl")
        del w.argv[at:at + 2]
        w.start()
        for _ in range(3):
            with env.lab.spawn("client", NETCLIENT, "slowread", "10.0.0.2", 80, "--path",
                               "/file.bin", "--body", f"{env.root}/file.bin", "--rate", 6 << 20,
                               "--time", 5, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                time.sleep(0.3)
                check_equal(w.stop(signal.SIGKILL), -signal.SIGKILL, "exit status")
                w.start()
                check_equal(env.lab.curl("http://10.0.0.2/small.txt"), b"small\n", "body")
                done = env.lab.run("server", WEIR, "status", "-i", env.lab.iface["server"], "--json")
                check('"version":1' in done.stdout, done.stdout[:200])
        check_equal(w.stop(), 0, "exit status")
    interface_as_it_was(env)


def drains(env):
    """A download under way at SIGTERM comes to its end, in order; new ones are not let in."""
    with weir(env) as w:
        with env.lab.spawn("client", NETCLIENT, "slowread", "10.0.0.2", 80, "--path", "/file.bin",
                           "--body", f"{env.root}/file.bin", "--rate", scaled(6 << 20), "--time",
                           round(patience(20)), stdout=subprocess.PIPE) as client:
            wait_until(lambda: w.conns("ESTABLISHED"), 5, "the download has begun")
            time.sleep(0.6)
            check(client.poll() is None, "the download was over too soon")
            w.proc.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            check(w.alive(), "weir waits for the download")
            out, _ = client.communicate(timeout=patience(25))
        check_equal(client.returncode, 0, out)
        check_equal(w.proc.wait(patience(15)), 0, "exit status")
    interface_as_it_was(env)


def idle_connections_are_closed(env):
    with weir(env) as w, env.lab.connect(7) as sock:
        sock.sendall(b"x")
        sock.recv(1)
        w.proc.send_signal(signal.SIGTERM)
        check_equal(sock.recv(1), b"", "the end of the stream")
        sock.close()
        check_equal(w.proc.wait(patience(10)), 0, "exit status")


def drain_is_bounded(env):
    """A client that never closes does not keep weir; it is reset in the end."""
    with weir(env, "--drain-ms", "2s") as w, env.lab.connect(7) as sock:
        sock.sendall(b"x")
        sock.recv(1)
        start = time.monotonic()
        check_equal(w.stop(signal.SIGTERM, 10), 0, "exit status")
        took = time.monotonic() - start
        check(took < patience(5), f"took {took:.1f} s with a drain of 2 s")
        check_equal(sock.recv(1), b"", "the end of the stream")
        time.sleep(0.2)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        check(error in (104, 32), f"a reset at the end of the drain, not error {error}")


def second_signal_hurries(env):
    with weir(env) as w, env.lab.connect(7) as sock:
        sock.sendall(b"x")
        sock.recv(1)
        w.proc.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        start = time.monotonic()
        w.stop(signal.SIGTERM, 10)
        check(time.monotonic() - start < patience(2), "the second signal ends the drain")
    interface_as_it_was(env)


sys.exit(run(fixture, ends_with(signal.SIGTERM), ends_with(signal.SIGINT), killed,
             starts_again_after_kill, killed_under_load_with_its_own_socket, drains, idle_connections_are_closed, drain_is_bounded,
             second_signal_hurries))
