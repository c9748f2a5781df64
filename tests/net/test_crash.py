# SPDX-License-Identifier: BSD-2-Clause
"""
kill -9 under load (--on-crash): `pass` gives the host's stack its traffic back; `drop` keeps
what is for the services from it, until a new weir takes over without a gap, or weir detach.

The witness is the host itself: a real listener of its kernel at the address of a service, and
its count of TCP segments, while SYNs keep coming.
"""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from hooklab import echoes, link_of, says, unanswered, xdp
from weirlab import (FLOOD, NETCLIENT, ROOT, WEIR, Cases, Env, Lab, Weir, check, check_equal, need, patience,
                     scaled, site, wait_until)

HEARTBEAT = 2  # seconds until the gate takes silent workers for dead


# ---- a lab, a BPF file system that all in it see, and its host ---------------------------


@contextlib.contextmanager
def lab():
    with tempfile.TemporaryDirectory(prefix="weir-crash-") as bpffs, \
            site(file__bin=scaled(12 << 20)) as root:
        os.chmod(root, 0o755)
        subprocess.run(["mount", "-t", "bpf", "bpf", bpffs], check=True)
        try:
            with Lab(queues=2) as the_lab:
                yield Env(lab=the_lab, iface=the_lab.iface["server"], bpffs=bpffs, root=root,
                          pins=f"{bpffs}/weir", may_end=True)
        finally:
            subprocess.run(["umount", bpffs], check=False)


@contextlib.contextmanager
def weir(env, *args):
    with Weir(env.lab, ["10.0.0.2:7=echo", f"10.0.0.2:80=http:{env.root}"], "--pin-dir", env.pins,
              "--flows", 4096, "--conns", 1024, "--buffers", 16, *args) as env.weir:
        try:
            yield env.weir
        finally:
            env.lab.run("server", WEIR, "detach", env.iface, "--pin-dir", env.pins, ok=None)


@contextlib.contextmanager
def listener(env, port=7):
    """The host's own, which nobody reaches while the gate is there."""
    with env.lab.socket(socket.AF_INET, socket.SOCK_STREAM, end="server") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("10.0.0.2", port))
        sock.listen(64)
        sock.setblocking(False)
        yield sock


def heard(sock):
    try:
        sock.accept()[0].close()
        return True
    except BlockingIOError:
        return False


def segments(env):
    """TCP segments that the host's stack has seen, of either family."""
    out = env.lab.run("server", "cat", "/proc/net/snmp").stdout
    names, values = [line.split() for line in out.splitlines() if line.startswith("Tcp:")]
    return int(dict(zip(names, values))["InSegs"])


@contextlib.contextmanager
def load(env, seconds=25):
    """SYNs without end, and a download under way."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:7",
                       "--rate", scaled(20000), "--seconds", round(patience(seconds)), **quiet) as flood, \
            env.lab.spawn("client", NETCLIENT, "slowread", "10.0.0.2", 80, "--path", "/file.bin",
                          "--body", f"{env.root}/file.bin", "--rate", scaled(1 << 20), "--time",
                          round(patience(seconds)), **quiet):
        wait_until(lambda: env.weir.counter("syn_answered") > 500 and env.weir.conns(), 5,
                   "a flood and a download")
        yield
        check(flood.poll() is None, "SYNs came all the time")


def datagram_arrives(env):
    with env.lab.socket(socket.AF_INET, socket.SOCK_DGRAM, end="server") as server, \
            env.lab.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        server.bind(("10.0.0.2", 7))
        server.settimeout(patience(3))
        client.sendto(b"not TCP", ("10.0.0.2", 7))
        check_equal(server.recv(64), b"not TCP", "a datagram")


def pins(env):
    return os.listdir(env.pins) if os.path.isdir(env.pins) else []


def kill(env):
    check_equal(env.weir.stop(signal.SIGKILL), -signal.SIGKILL, "exit status")


def detach(env, *args, ok=(0,)):
    return env.lab.run("server", WEIR, "detach", env.iface, "--pin-dir", env.pins, *args, ok=ok)


def open_again(env, host):
    """The hook is free, nothing is pinned, and the host's stack answers for its own."""
    wait_until(lambda: not xdp(env), 3, "a free hook")
    check_equal(pins(env), [], "pins")
    env.lab.connect(7).close()
    wait_until(lambda: heard(host), 3, "the host's listener is reached")
    try:
        env.lab.connect(80).close()
        raise AssertionError("a connection to nobody")
    except ConnectionRefusedError:
        pass


def unit_caps():
    with open(f"{ROOT}/tools/pkg/weir.service", encoding="utf-8") as f:
        line = next(line for line in f if line.startswith("CapabilityBoundingSet="))
    return [cap.removeprefix("CAP_").lower() for cap in line.split("=", 1)[1].split()]


# ---- cases --------------------------------------------------------------------------------


def passes(env):
    with weir(env) as w, listener(env) as host:
        with load(env):
            before = segments(env)
            check_equal(w.stop(signal.SIGKILL), -signal.SIGKILL, "exit status")
            wait_until(lambda: segments(env) > before, 3, "SYNs reach the host")
        open_again(env, host)


def drops(mode):
    def case(env):
        with weir(env, "--on-crash", "drop", "--xdp-mode", mode) as w, listener(env) as host:
            link = link_of(env)
            with load(env):
                before = segments(env)
                kill(env)
                time.sleep(HEARTBEAT + 0.5)
                unanswered(env, 7)
                unanswered(env, 80)
                datagram_arrives(env)
                check_equal(link_of(env), link, "the link")
                check_equal(len(pins(env)), 1, "pins")
                w.start()  # the SYNs go on meanwhile
                says(w.log(), "taking it over", mode)
                echoes(env)
                check_equal(link_of(env), link, "the link, of the new weir")
                check_equal(segments(env) - before, 0, "segments that the host saw in all that")
            check(not heard(host), "the host's listener was reached")
            check_equal(w.stop(), 0, "exit status")
            open_again(env, host)

    case.label = f"drops-{mode}"
    return case


def other_ports_stay_open(env):
    with weir(env, "--on-crash", "drop"), listener(env, 8000) as host:
        kill(env)
        env.lab.connect(8000).close()
        wait_until(lambda: heard(host), 3, "a port of the host's")


def detach_takes_it_off(env):
    with weir(env, "--on-crash", "drop") as w, listener(env) as host:
        done = detach(env, ok=(1,))
        says(done.stderr, f"process {w.proc.pid}", "stop that")
        echoes(env)
        kill(env)
        done = detach(env, "--pin-dir", f"{env.bpffs}/other", ok=(1,))
        says(done.stderr, "no pin of it", "--pin-dir")
        says(detach(env).stdout, "taken off")
        open_again(env, host)
        says(detach(env).stdout, "nothing of a killed weir")


def names_what_was_left(env):
    """Whoever cannot take it over is told what it is."""
    with weir(env, "--on-crash", "drop") as w:
        kill(env)
        for args in (("--pin-dir", f"{env.bpffs}/other"), ("--xdp-dispatcher", "always"),
                     ("--xdp-mode", "generic" if w.mode == "native" else "native")):
            done = env.lab.run("server", WEIR, "run", "-i", env.iface, "--listen", "10.0.0.2:7=echo",
                               "--pin-dir", env.pins, *args, ok=(2,))
            says(done.stderr, "--on-crash drop", f"weir detach {env.iface}")
        check_equal(len(pins(env)), 1, "pins")


def pass_takes_over_too(env):
    with weir(env, "--on-crash", "drop") as w, listener(env) as host:
        kill(env)
        w.argv[w.argv.index("drop")] = "pass"
        w.start()
        check_equal(pins(env), [], "pins")
        echoes(env)
        kill(env)
        open_again(env, host)


def a_failed_start_leaves_it(env):
    with weir(env, "--on-crash", "drop"):
        link = link_of(env)
        kill(env)
        before = segments(env)
        done = env.lab.run("server", WEIR, "run", "-i", env.iface, "--listen", "10.0.0.2:7=echo",
                           "--pin-dir", env.pins, "--ctl", f"{env.root}/none/ctl", ok=(1, 2))
        says(done.stderr, "taking it over", "none/ctl")
        check_equal(link_of(env), link, "the link")
        check_equal(len(pins(env)), 1, "pins")
        time.sleep(HEARTBEAT + 0.5)
        unanswered(env, 7)
        check_equal(segments(env), before, "segments that the host saw")


def stale_pins_go(env):
    with weir(env, "--on-crash", "drop") as w:
        for again in (lambda: says(detach(env).stdout, "removed the pin"), w.start):
            kill(env)
            env.lab.run("server", "bpftool", "link", "detach", "id", link_of(env))
            check_equal(len(pins(env)), 1, "pins")
            again()
            if not w.alive():
                w.start()
        says(w.log(), "removed the pin")
        check_equal(len(pins(env)), 1, "pins")
        echoes(env)
        check_equal(w.stop(), 0, "exit status")
        check_equal(pins(env), [], "pins")


def restart(w):
    """As a service: its runtime directory is root's again."""
    with contextlib.suppress(FileNotFoundError):
        os.lchown(w.ctl, 0, 0)
    w.start()


def as_a_service(env):
    """
    With no more rights than the systemd unit gives, and confined, in a file system that it may
    not enter: pinned again when it is put back, taken over, and removed.
    """
    os.chmod(env.bpffs, 0o700)
    with weir(env, "--on-crash", "drop", "--user", "nobody") as w:
        w.stop()
        # ipc_lock: for LimitMEMLOCK.
        caps = ["-all", "+ipc_lock", *(f"+{cap}" for cap in unit_caps())]
        w.argv[:0] = ["setpriv", "--bounding-set", ",".join(caps)]
        restart(w)
        first = link_of(env)
        env.lab.run("server", "bpftool", "link", "detach", "id", first)
        wait_until(lambda: w.status()["hook_lost"], 5, "the hook put back")
        check(link_of(env) != first, "another link")
        check_equal(len(pins(env)), 1, "pins")
        for _ in range(2):
            kill(env)
            check(xdp(env), "the gate stays")
            restart(w)
            says(w.log(), "taking it over")
            echoes(env)
        check_equal(w.stop(), 0, "exit status")
        check("refused" not in w.log(), f"refused: {w.log()[-400:]}")
        check_equal(pins(env), [], "pins")
        check(not xdp(env), "a free hook")


def no_bpffs(env):
    """`ip netns exec` has hidden that of /sys."""
    for args in ((), ("--pin-dir", f"{env.root}/weir"), ("--pin-dir", env.root)):
        done = env.lab.run("server", WEIR, "run", "-i", env.iface, "--listen", "10.0.0.2:7=echo",
                           "--on-crash", "drop", *args, ok=(2,))
        says(done.stderr, "mount -t bpf bpf /sys/fs/bpf", "--pin-dir")
    check(not os.path.exists(f"{env.root}/weir"), "a directory was made elsewhere")
    check(not xdp(env), "a free hook")


def main():
    need(FLOOD)
    cases = Cases()
    cases.group(lab, [passes, drops("native"), drops("generic"), other_ports_stay_open,
                      detach_takes_it_off, names_what_was_left, pass_takes_over_too,
                      a_failed_start_leaves_it, stale_pins_go, as_a_service, no_bpffs])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
