# SPDX-License-Identifier: BSD-2-Clause
"""
weir run --takeover where it is run for good: confined as another user, pinned against a kill,
in generic mode, with a key file, with proxied services, with metrics, under a service manager,
after a drain; and what it refuses.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

from hooklab import link_of
from proxylab import backend, echo
from takeoverlab import Clients, begin, chain, echoes, refused, run_cases, said, take_over
from test_service import Manager
from weirlab import ROOT, WEIR, check, check_equal, need, patience, wait_until


def served_all_along(env, times=2, **kwargs):
    with Clients(env.lab, threads=2, **kwargs) as load:
        for _ in range(times):
            load.switch(env)
            load.more()
    load.verdict()


def refusals_of(w):
    return [line for line in w.log().splitlines() if "refused the system call" in line]


def pins(env):
    return os.listdir(env.pins) if os.path.isdir(env.pins) else []


def confined(env):
    """Each as nobody, in its sandbox; the next one begins as root."""
    with chain(env, "--user", "nobody") as first:
        served_all_along(env)
        check_equal(refusals_of(first) + refusals_of(env.weir), [], "refused calls")
        check_equal(env.weir.stop(), 0, "exit status")


def pinned(env):
    """The link stays, and so does its pin as long as the last one wants it."""
    with chain(env, "--on-crash", "drop", "--pin-dir", env.pins, "--user", "nobody"):
        link = link_of(env)
        served_all_along(env, 1)
        check_equal((link_of(env), len(pins(env))), (link, 1), "link and pins")
        # Into another directory, out of it, and back.
        other = f"{env.bpffs}/other"
        argv = [other if a == env.pins else a for a in env.weir.argv]
        take_over(env, argv=argv)
        check_equal((pins(env), len(os.listdir(other))), ([], 1), "pins")
        argv = [{"drop": "pass"}.get(a, a) for a in env.weir.argv]
        take_over(env, argv=argv)
        check_equal(os.listdir(other), [], "pins of who passes")
        argv = [{"pass": "drop"}.get(a, a) for a in env.weir.argv]
        take_over(env, argv=argv)
        check_equal(len(os.listdir(other)), 1, "pins")
        check_equal(link_of(env), link, "the link")
        check_equal(env.weir.stop(), 0, "exit status")
        check_equal(os.listdir(other), [], "pins at the end")
        check(not env.lab.link("server")["xdp"], "a free hook")


def generic(env):
    with chain(env, "--xdp-mode", "generic"):
        served_all_along(env)
        check_equal(env.weir.status()["mode"], "generic", "mode")


def proxied(env):
    with backend(env.lab, echo) as server, \
            chain(env, "--user", "nobody", services=[f"10.0.0.2:80=proxy:{server.where}"]):
        served_all_along(env, port=80)
        check_equal(refusals_of(env.weir), [], "refused calls")


def key_file(env):
    """The same file: cookies of all its nodes go on. Random keys instead would not."""
    with tempfile.TemporaryDirectory(prefix="weir-keys-") as where:
        key = f"{where}/key"
        env.lab.run("server", WEIR, "key", "new", key)
        with chain(env, "--key-file", key):
            served_all_along(env, 1)
            argv = list(env.weir.argv)
            at = argv.index("--key-file")
            del argv[at:at + 2]
            refused(env, argv=argv, words=["random ones"])
    with tempfile.TemporaryDirectory(prefix="weir-keys-") as where, chain(env):
        env.lab.run("server", WEIR, "key", "new", f"{where}/key")
        refused(env, "--key-file", f"{where}/key", words=["random keys"])


def metrics_of(env):
    out = env.lab.run("server", "curl", "-sS", "--max-time", 5, "http://127.0.0.1:9100/healthz", ok=(0,))
    return out.stdout


def metrics(env):
    """At the same place there is no moment without; another is opened anew."""
    with tempfile.TemporaryDirectory(prefix="weir-metrics-") as where, \
            chain(env, "--metrics", "127.0.0.1:9100"):
        with env.lab.spawn("server", "sh", "-c", "while curl -sS -o /dev/null --max-time 5 "
                           "http://127.0.0.1:9100/healthz; do sleep 0.01; done",
                           stdout=subprocess.DEVNULL) as asking:
            for _ in range(3):
                take_over(env)
                check(metrics_of(env), "metrics of the new one")
            check(asking.poll() is None, "somebody was refused")
        path = f"{where}/metrics"
        take_over(env, "--metrics", f"unix:{path}")
        take_over(env)
        check(os.path.exists(path), "the metrics' socket")
        env.lab.run("server", "curl", "-sS", "--unix-socket", path, "http://weir/healthz")
        check_equal(env.weir.stop(), 0, "exit status")
        check(not os.path.exists(path), "the metrics' socket is gone")


def managed(env):
    """The manager hears who is the main process while the old one is still there."""
    with tempfile.TemporaryDirectory(prefix="weir-notify-") as where, Manager(where) as manager, \
            chain(env) as first:
        new = begin(env, argv=["env", f"NOTIFY_SOCKET={manager.path}"] + first.argv, stop="attached")
        new.wait_stopped()
        manager.wait("READY")
        check_equal(manager.heard("MAINPID")[-1], str(new.proc.pid), "MAINPID")
        check(first.alive(), "the old one lives until then")
        new.proc.send_signal(signal.SIGCONT)
        check_equal(first.proc.wait(patience(10)), 0, "status of the old one")
        check(not manager.heard("STOPPING"), "nobody stops")
        check_equal(refusals_of(new), [], "refused calls")
        env.weir = new
        echoes(env)


def after_a_drain(env):
    """Those who are there may end first; the new one answers again."""
    with chain(env):
        env.lab.run("server", WEIR, "drain", "--ctl", env.weir.ctl)
        wait_until(lambda: env.weir.status()["draining"], 3, "draining")
        new = take_over(env)
        said(new, " 0 connections of it were reset")
        check(not new.status()["draining"], "the new one serves")
        echoes(env)


def other_capacities(env):
    """Sizes that cannot change are told, and stay; the rest is the new configuration's."""
    with chain(env):
        argv = [{"8192": "16384", "2048": "512"}.get(a, a) for a in env.weir.argv]
        new = take_over(env, "--rx-frames", 1024, "--listen", "10.0.0.2:9=echo", "--workers", 1, argv=argv)
        said(new, "--flows 16384: the flow tables are taken over as they are, with 8192")
        if not new.anew:
            said(new, "--rx-frames 1024, ", "the buffers are taken over as they are")
        status = new.status()
        check_equal((status["flows"]["capacity"], status["workers"]), (8192, 1), "flows, workers")
        echoes(env, 9)
        echoes(env)
        take_over(env, "--workers", 2)
        echoes(env)


def what_is_refused(env):
    with chain(env) as first:
        other = "generic" if first.mode == "native" else "native"
        refused(env, "--xdp-mode", other, words=["--xdp-mode", "would need it to stop"])
        refused(env, "--xdp-dispatcher", "always", words=["dispatcher"])
        refused(env, "--zerocopy", words=["zero-copy"])
        refused(env, "--wscale", 14, words=["wscale"])
        refused(env, "--workers", 9, words=["--workers 9"])
        refused(env, "--listen", "10.0.0.2:80=proxy:nonsense:::", words=["nonsense"])
        env.lab.run("server", "ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
        env.lab.run("server", "ip", "link", "set", "other0", "up")
        argv = ["other0" if a == env.iface else a for a in first.argv]
        refused(env, argv=argv, words=["that is another interface"])
        refused(env, "--metrics", "203.0.113.1:9100", words=["--metrics"])
        said(first, "has asked to take over, and does not: it has ended")
        check_equal(env.weir.stop(), 0, "exit status")


def nobody_is_there(env):
    done = env.lab.run("server", WEIR, "run", "-i", env.iface, "--listen", "10.0.0.2:7=echo", "--takeover",
                       "--ctl", f"{env.bpffs}/ctl", ok=(1,))
    check("start without --takeover" in done.stderr, f"what to do: {done.stderr}")


def ask(weir, **request):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(patience(5))
    sock.connect(weir.ctl)
    sock.sendall(json.dumps({"cmd": "handover", **request}).encode() + b"\n")
    return sock


def strangers(env):
    """Another version, nonsense, silence: nothing happens, and the next one may."""
    with chain(env):
        with ask(env.weir, abi=99) as sock:
            check("not of your version" in json.loads(sock.recv(4096))["error"], "another version")
        with ask(env.weir) as sock:
            check("not of your version" in json.loads(sock.recv(4096))["error"], "no version")
        with ask(env.weir, abi="x") as sock:
            check("abi" in json.loads(sock.recv(4096))["error"], "no number")
        fds = len(os.listdir(f"/proc/{env.weir.proc.pid}/fd"))
        for junk in (b"", b"{}\n" * 1000, os.urandom(5000)):
            with ask(env.weir, abi=1) as sock:
                check(sock.recv(64), "an offer")
                refused(env, words=["is about to take over"])
                sock.sendall(junk)
            wait_until(lambda: len(os.listdir(f"/proc/{env.weir.proc.pid}/fd")) <= fds or None, 5,
                       "its descriptors closed")
        said(env.weir, "has asked to take over, and does not")
        echoes(env)
        take_over(env)


def main():
    need(f"{ROOT}/tools/lab")
    return run_cases([confined, pinned, generic, proxied, key_file, metrics, managed, after_a_drain,
                      other_capacities, what_is_refused, nobody_is_there, strangers])


if __name__ == "__main__":
    sys.exit(main())
