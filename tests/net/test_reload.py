# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 90
"""weir reload: what is served changes under load, and no connection notices."""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

from weirlab import (WEIR, Env, Failure, Lab, Weir, check, check_equal, patience, run, scaled, site,
                     wait_until, while_fetched)

PR_SET_THP_DISABLE = 41
BASE = """\
interface: {iface}
services:
  - listen: ["10.0.0.2:80", "[fd00::2]:80"]
    app: http:{root}
  - listen: 10.0.0.2:7
    app: echo
"""


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"x" * 1000) as root, site(small__txt=b"y" * 1000) as other:
        with Lab(queues=2) as lab:
            path = f"{root}/weir.conf"
            env = Env(lab=lab, root=root, other=other, path=path)
            write(env)
            with Weir(lab, [], "-c", path, "--msl", "1s", "--drain-ms", "1s") as env.weir:
                yield env


def write(env, more="", base=BASE, root=None):
    """As an editor does: a new file in the place of the old one."""
    with open(env.path + ".new", "w", encoding="utf-8") as f:
        f.write(base.format(iface=env.lab.iface["server"], root=root or env.root) + more)
    os.rename(env.path + ".new", env.path)


def reload(env, ok=(0,)):
    done = env.lab.run("server", WEIR, "reload", "--ctl", env.weir.ctl, "--json", ok=ok)
    return json.loads(done.stdout)


def served(env):
    return {s["listen"]: (s["app"], s["mode"]) for s in env.weir.status()["services"]}


@contextlib.contextmanager
def connection(env, port):
    with env.lab.inside("client"):
        sock = socket.create_connection(("10.0.0.2", port), patience(5))
    with sock:
        yield sock


def says(sock, text):
    sock.sendall(text)
    got = b""
    while len(got) < len(text):
        part = sock.recv(4096)
        if not part:
            return False
        got += part
    return got == text


def echoes(env, port):
    with connection(env, port) as sock:
        return says(sock, b"anybody there?")


def refused(env, port):
    try:
        with connection(env, port):
            return False
    except ConnectionRefusedError:
        return True


def services_come_and_go(env):
    before = served(env)
    with connection(env, 7) as old:
        check(says(old, b"before"), "echo before")
        write(env, "  - {listen: 10.0.0.2:8007, app: echo}\n")
        check_equal(reload(env)["services"], {"added": 1, "removed": 0, "changed": 0, "kept": 3}, "one more")
        check(echoes(env, 8007), "the new service")
        with connection(env, 8007) as orphan:
            check(says(orphan, b"mine"), "echo of the new one")
            write(env)
            check_equal(reload(env)["services"], {"added": 0, "removed": 1, "changed": 0, "kept": 3}, "one less")
            wait_until(lambda: refused(env, 8007), 5, "the removed service refuses")
            check(says(orphan, b"still here"), "the connection of a removed service")
        check(says(old, b"after"), "a connection through both")
    check_equal(served(env), before, "services in the end")
    # The same address once more.
    write(env, "  - {listen: 10.0.0.2:8007, app: discard}\n")
    reload(env)
    check_equal(served(env)["10.0.0.2:8007"], ("discard", "always"), "another application there")
    write(env)
    reload(env)


def an_application_changes(env):
    request = b"GET /small.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    with connection(env, 80) as old:
        old.sendall(request)
        wait_until(lambda: b"x" * 1000 in old.recv(65536), 5, "the first answer")
        write(env, root=env.other)
        check_equal(reload(env)["services"], {"added": 0, "removed": 0, "changed": 2, "kept": 1}, "changes")
        for url in ("http://10.0.0.2/small.txt", "http://[fd00::2]/small.txt"):
            check(env.lab.curl("-g", url) == b"y" * 1000, f"{url}: not the new directory")
        old.sendall(request)
        wait_until(lambda: b"x" * 1000 in old.recv(65536), 5, "the old connection's old directory")
    write(env)
    reload(env)
    check(env.lab.curl("http://10.0.0.2/small.txt") == b"x" * 1000, "and back")


def modes_change(env):
    write(env, "    mode: never\nmode: auto\nauto_hold: 7s\n")
    reply = reload(env)
    check_equal(reply["services"], {"added": 0, "removed": 0, "changed": 3, "kept": 0}, "changes")
    check_equal(served(env), {"10.0.0.2:80": ("http", "auto"), "[fd00::2]:80": ("http", "auto"),
                              "10.0.0.2:7": ("echo", "never")}, "modes")
    check(echoes(env, 7), "echo by the worker")
    before = env.weir.counter("syn_answered")
    write(env)
    check_equal(reload(env)["services"]["changed"], 3, "changes back")
    check(echoes(env, 7), "echo by cookie")
    check(env.weir.counter("syn_answered") > before, "the gate answers")


def a_mode_set_by_hand_stays(env):
    """Until the file says something else than it did, not until it is read again."""
    def by_hand(mode, *service):
        env.lab.run("server", WEIR, "mode", "--ctl", env.weir.ctl, *service, mode)

    def modes(service="10.0.0.2:7"):
        return served(env)[service][1]

    write(env, "mode: always\n")
    reload(env)
    by_hand("never", "10.0.0.2:7")
    check_equal(reload(env)["services"], {"added": 0, "removed": 0, "changed": 0, "kept": 3}, "the same file")
    check_equal((modes(), modes("10.0.0.2:80")), ("never", "always"), "modes")
    wait_until(lambda: "10.0.0.2:7: the mode stays never" in env.weir.log(), 3, env.weir.log)
    write(env, "mode: always\nauto_syn_rate: 77\n")
    reload(env)
    check_equal(modes(), "never", "when other settings have changed")
    write(env, "mode: auto\n")
    reload(env)
    check_equal((modes(), modes("10.0.0.2:80")), ("auto", "auto"), "the file has changed")
    by_hand("always")
    write(env, base=BASE + "    mode: never\n")
    reload(env)
    check_equal((modes(), modes("10.0.0.2:80")), ("never", "always"), "one has changed: always is the default")
    by_hand("auto")
    write(env)
    reload(env)
    check_equal((modes(), modes("10.0.0.2:80")), ("always", "auto"), "one has changed back")
    by_hand("always")


def a_wrong_file_changes_nothing(env):
    before = served(env)
    for more, line, column in (("mode: auto\nmsl: soon\n", 8, 6), ("  - {listen: 10.0.0.2:7, app: echo}\n", 7, 14),
                               ("mode: auto\nno_such: 1\n", 8, 1), ("mode: [\n", 8, 1),
                               ("  - {listen: 10.0.0.2:90, app: http:/nowhere}\nmode: auto\n", 7, 32)):
        write(env, more)
        reply = reload(env, ok=(1,))
        check_equal((reply["reloaded"], reply["errors"][0]["line"], reply["errors"][0]["column"]),
                    (False, line, column), more)
        check(f"{env.path}:{line}:{column}: " in reply["error"], reply["error"])
        check_equal(served(env), before, f"services after {more!r}")
    os.unlink(env.path)
    check("No such file" in reload(env, ok=(1,))["error"], "a file that is gone")
    check(echoes(env, 7), "served without a file")
    write(env)
    check_equal(reload(env)["services"]["kept"], 3, "as before")


def the_policy_changes(env):
    """A list of one service, while a connection from the denied client is open."""
    with connection(env, 7) as old:
        write(env, "    deny: [10.0.0.0/24]\nsynack_rate: 1000\n")
        reload(env)
        before = env.weir.counter("syn_answered")
        try:
            with env.lab.inside("client"):
                socket.create_connection(("10.0.0.2", 7), 1).close()
            raise Failure("a denied client was let in")
        except TimeoutError:
            pass
        check_equal(env.weir.counter("syn_answered"), before, "no SYN was answered")
        check(env.lab.curl("http://10.0.0.2/small.txt") == b"x" * 1000, "another service")
        check(says(old, b"open before"), "the open connection")
        write(env)
        reload(env)
        check(echoes(env, 7), "let in again")


def by_signal(env):
    log = env.weir.log()
    write(env, "log_level: debug\n")
    env.weir.proc.send_signal(signal.SIGHUP)
    wait_until(lambda: "reloaded" in env.weir.log()[len(log):], 5, "the log says so")
    write(env, "mode: sometimes\n")
    env.weir.proc.send_signal(signal.SIGHUP)
    wait_until(lambda: f"{env.path}:7:7: mode" in env.weir.log(), 5, "the log points at it")
    write(env)
    reload(env)


def what_waits_for_a_restart_is_named(env):
    write(env, "conns: 1000\nuser_timeout: 7s\nheader_timeout: 9s\n")
    for _ in range(2):
        check_equal(reload(env)["after_restart"], ["conns", "user_timeout"], "settings that wait")
    write(env)
    check_equal(reload(env)["after_restart"], [], "none")


def nothing_is_lost_under_load(env):
    """Eight clients at a time and an open connection, while services come, change and go."""
    variants = ["", "  - {listen: \"*:8007\", app: echo}\n", "mode: never\n", "mode: auto\n",
                "  - {listen: 10.0.0.2:8007, app: sized}\nidle_timeout: 20s\n"]
    with connection(env, 7) as old:
        def one(n):
            write(env, variants[n % len(variants)])
            reload(env)
            check(says(old, b"%d" % n), "the open connection")

        reloads = while_fetched(env, one)
    check(reloads > scaled(10, least=len(variants)), f"only {reloads} reloads")
    write(env)
    reload(env)


def held(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))
    return len(os.listdir(f"/proc/{pid}/fd")), rss


def hundreds_leave_nothing_behind(env):
    def ask(times):
        with socket.socket(socket.AF_UNIX) as ctl:
            ctl.settimeout(patience(5))
            ctl.connect(env.weir.ctl)
            replies = ctl.makefile("r")
            for i in range(times):
                write(env, "  - {listen: 10.0.0.2:8007, app: echo}\n" if i % 2 else "",
                      root=env.other if i % 4 < 2 else env.root)
                ctl.sendall(b'{"cmd":"reload"}\n')
                reply = json.loads(replies.readline())
                check(reply["reloaded"], reply)

    def settled():
        time.sleep(0.5)  # what connections used is given back by the next step
        return held(env.weir.proc.pid)

    pid = env.weir.proc.pid
    ask(100)
    fds, rss = settled()
    ask(400)
    wait_until(lambda: held(pid)[0] <= fds, 5, lambda: f"{held(pid)[0]} descriptors, {fds} before")
    check(settled()[1] < rss + 512, f"{settled()[1]} KiB, {rss} before")
    write(env)
    reload(env)


def without_a_file(env):
    env.weir.stop()
    with Weir(env.lab, ["10.0.0.2:7=echo"]) as weir:
        done = subprocess.run(env.lab.argv("server", WEIR, "reload", "--ctl", weir.ctl),
                              capture_output=True, text=True, check=False, timeout=patience(20))
        check_equal(done.returncode, 1, "status")
        check("without a configuration file" in done.stderr, done.stderr)
        check_equal(weir.stop(signal.SIGHUP), 0, "SIGHUP without a file ends it")
    env.weir.start()


if __name__ == "__main__":
    # Else the kernel may fill up a pool's pages to large ones meanwhile, which looks like a leak.
    check(ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, "no large pages")
    sys.exit(run(fixture, services_come_and_go, an_application_changes, modes_change, a_mode_set_by_hand_stays,
                 a_wrong_file_changes_nothing, the_policy_changes, by_signal, what_waits_for_a_restart_is_named,
                 nothing_is_lost_under_load, hundreds_leave_nothing_behind, without_a_file))
