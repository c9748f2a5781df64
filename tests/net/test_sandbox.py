# SPDX-License-Identifier: BSD-2-Clause
"""
What weir may still do once it runs. A preloaded library (tests/net/preload/intruder.c) plays
somebody who has got into it, in its main thread and in a worker; and all that changes while
weir runs goes on to work, as another user, with nothing refused.
"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from weirlab import (BUILD, WEIR, Cases, Env, Lab, Weir, check, check_equal, check_file, need, serving,
                     site, wait_until)

INTRUDER = f"{BUILD}/tests/net/libintruder.so"
NET_RAW, IPC_LOCK = 1 << 13, 1 << 14
NOBODY = 65534

# What each attempt must come to: in the main thread, in a worker.
REFUSED = {name: ("EPERM", "EPERM") for name in (
    "create", "write", "execve", "execveat", "fork", "kill", "ptrace", "process_vm_readv", "bpf-load",
    "bpf-map", "unshare", "setns", "mount", "keyctl", "init_module", "setresuid", "code", "sniff", "raw", "alg")}
REFUSED["create2"] = ("EACCES", "EACCES")  # Landlock: the filter cannot look into its argument
REFUSED["remove"] = ("EACCES", "EACCES")
REFUSED["read"] = ("OK", "OK")
REFUSED["xdp"] = ("OK", "EPERM")  # the main thread needs one for a new queue


class IntrudedWeir(Weir):
    def __init__(self, lab, listen, *args, **kwargs):
        super().__init__(lab, listen, *args, **kwargs)
        self.door = f"{self.dir}/door"
        self.room = tempfile.mkdtemp(prefix="weir-victim-")  # not weir's
        self.victim = f"{self.room}/victim"
        os.chmod(self.dir, 0o755)
        os.chmod(self.room, 0o755)
        self.argv = ["env", f"LD_PRELOAD={INTRUDER}", f"INTRUDER_AT={self.door}",
                     f"INTRUDER_VICTIM={self.victim}"] + self.argv

    def __exit__(self, *args):
        super().__exit__(*args)
        shutil.rmtree(self.room, ignore_errors=True)

    def intrude(self):
        """{(thread, what): result}, of the main thread and one worker at least."""
        for file in (self.victim, self.door):
            with open(file, "w", encoding="ascii"):
                pass
        wait_until(lambda: all(f"intruder: {who} done" in self.log() for who in ("main", "worker")),
                   5, lambda: f"intruders at work: {self.log()[-300:]}")
        return {(who, what): how for who, what, how in
                re.findall(r"^intruder: (\w+) (\S+) (\w+)", self.log(), re.MULTILINE)}


def echoes(env, port=7):
    with env.lab.connect(port) as sock:
        sock.sendall(b"still")
        check_equal(sock.recv(5), b"still", "echo")


# ---- the filter holds -----------------------------------------------------------------


def intruder_finds_nothing(env):
    got = env.weir.intrude()
    for what, (main, worker) in REFUSED.items():
        check_equal(got.get(("main", what)), main, f"{what} in the main thread")
        check_equal(got.get(("worker", what)), worker, f"{what} in a worker")
    check(not os.path.exists("/tmp/weir-intruder"), "a file was made")
    echoes(env)
    check(env.weir.alive(), "weir lives")


def refusals_are_named(env):
    wait_until(lambda: "refused the system call execve" in env.weir.log(), 3,
               lambda: f"execve in the log: {env.weir.log()[-500:]}")
    check("--sandbox off" in env.weir.log(), "what to do")


def threads(pid):
    """{thread's name: its /proc status}."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status", encoding="utf-8") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        found["main" if int(tid) == pid else status["Name"]] = status
    return found


def rights_of_threads(env):
    who = threads(env.weir.proc.pid)
    check(len(who) >= 2, f"threads: {list(who)}")
    for name, status in who.items():
        allowed = NET_RAW | IPC_LOCK if name == "main" else 0
        for kind in ("CapEff", "CapPrm"):
            check(not int(status[kind], 16) & ~allowed, f"{kind} of {name}: {status[kind]}")
        for kind in ("CapInh", "CapAmb", "CapBnd"):
            check_equal(int(status[kind], 16), 0, f"{kind} of {name}")
        check_equal(status["NoNewPrivs"], "1", f"no_new_privs of {name}")
        check_equal(status["Seccomp"], "2", f"a filter in {name}")
        check_equal(set(status["Uid"].split()), {str(env.uid)}, f"user of {name}")
        check_equal(set(status["Gid"].split()), {str(env.gid)}, f"group of {name}")


# ---- nothing needed is refused ------------------------------------------------------------


def nothing_refused(env):
    check("sandbox refused" not in env.weir.log(), f"refused: {env.weir.log()[-500:]}")


def said(env, text):
    wait_until(lambda: text in env.weir.log(), 5, lambda: f"'{text}' in: {env.weir.log()[-400:]}")


def serves_files(env):
    check_file(env)
    check_equal(env.lab.curl("-o", "/dev/null", "-w", "%{http_code}", "http://10.0.0.2/none"), b"404",
                "a file that is not there")


def modes_and_trace(env):
    tool = env.lab.argv("server", WEIR)
    with open(f"{env.weir.dir}/trace", "w", encoding="utf-8") as out, \
            subprocess.Popen([*tool, "trace", "--ctl", env.weir.ctl, "--json"], stdout=out,
                             stderr=subprocess.DEVNULL) as trace:
        try:
            for mode in ("never", "auto", "always"):
                subprocess.run([*tool, "mode", mode, "--ctl", env.weir.ctl], check=True,
                               stdout=subprocess.DEVNULL)
                wait_until(lambda: echoes(env) or os.path.getsize(out.name), 5, "a trace")
        finally:
            trace.terminate()


def link_and_mtu(env):
    env.lab.run("server", "ip", "link", "set", env.iface, "down")
    said(env, "the link is down")
    env.lab.run("server", "ip", "link", "set", env.iface, "up")
    said(env, "the link is up again")
    env.lab.run("server", "ip", "link", "set", env.iface, "mtu", 1400)
    said(env, "the MTU is 1400 now")
    echoes(env)


def new_queues(env):
    # A peer with a program never gets more than it has queues to receive on.
    for end, counts in (("server", ("rx", 2)), ("client", ("rx", 2, "tx", 2)), ("server", ("tx", 2))):
        env.lab.run(end, "ethtool", "-L", env.lab.iface[end], *counts)
    said(env, "2 RX queues now, 1 before: all are served")
    check_equal(env.weir.status()["queues"], 2, "queues")
    for _ in range(8):
        echoes(env)


def hook_put_back(env):
    ident = env.lab.link("server")["xdp"]["prog"]["id"]
    links = env.lab.run("server", "bpftool", "link", "show").stdout
    link = re.search(rf"^(\d+): xdp  prog {ident} ", links, re.MULTILINE)[1]
    env.lab.run("server", "bpftool", "link", "detach", "id", link)
    wait_until(lambda: env.weir.status()["hook_lost"], 5, "the hook put back")
    echoes(env)


def keys_rotate(env):
    said(env, "a new key from the epoch after the next")
    echoes(env)


def ends_as_it_should(env):
    nothing_refused(env)
    env.may_end = True
    check_equal(env.weir.stop(signal.SIGTERM), 0, "exit status")
    nothing_refused(env)
    check(not env.lab.link("server")["xdp"], "the hook is free")


# ---- the default control socket; off; who cannot -------------------------------------------


def default_socket_goes(env):
    where = "/run/weir"
    proc = env.lab.argv("server", WEIR, "run", "-i", env.iface, "-l", "10.0.0.2:7=echo", "--user", "nobody")
    for _ in range(2):  # its directory is nobody's the second time
        with subprocess.Popen(proc, stderr=subprocess.PIPE, text=True) as weir:
            while "ready" not in (line := weir.stderr.readline()):
                check(line, "weir run ended")
            check(os.listdir(where), "a socket")
            env.lab.run("server", WEIR, "status")
            weir.terminate()
            weir.stderr.read()
            check_equal(weir.wait(20), 0, "exit status")
        check_equal([name for name in os.listdir(where) if name.endswith(f"-{env.iface}.sock")], [],
                    "sockets left")


def off(env):
    with Weir(env.lab, ["10.0.0.2:7=echo"], "--sandbox", "off") as weir:
        status = threads(weir.proc.pid)
        check_equal({s["Seccomp"] for s in status.values()}, {"0"}, "filters")
        with env.lab.connect(7) as sock:
            sock.sendall(b"x")
            check_equal(sock.recv(1), b"x", "echo")


def unknown_user(env):
    done = env.lab.run("server", WEIR, "run", "-i", env.iface, "-l", "10.0.0.2:7=echo", "--user",
                       "no-such-user", ok=(2,))
    check("no such user" in done.stderr, f"said: {done.stderr}")


@contextlib.contextmanager
def intruded(*args, uid=0, gid=0):
    with serving(["10.0.0.2:7=echo"], "--conns", 1024, "--buffers", 16, *args,
                 weir_class=IntrudedWeir) as env:
        env.uid, env.gid = uid, gid
        yield env


@contextlib.contextmanager
def changing():
    """Generic XDP, where a veth's new queue can be served; one of two in use at the start."""
    with site(file__bin=300000) as root, Lab(queues=2) as lab:
        os.chmod(root, 0o755)
        for end in ("server", "client"):
            lab.run(end, "ethtool", "-L", lab.iface[end], "rx", 1, "tx", 1)
        with Weir(lab, ["*:80=http:" + root, "10.0.0.2:7=echo"], "--user", "nobody", "--rotate",
                  "2s", "--log-level", "debug", "--xdp-mode", "generic", "--conns", 1024,
                  "--buffers", 16) as weir:
            yield Env(lab=lab, weir=weir, root=root, iface=lab.iface["server"])


@contextlib.contextmanager
def bare():
    with Lab() as lab:
        yield Env(lab=lab, iface=lab.iface["server"])


def main():
    need(INTRUDER)
    cases = Cases()
    cases.group(intruded, [rights_of_threads, intruder_finds_nothing, refusals_are_named], "as-root-")
    cases.group(lambda: intruded("--user", "nobody", uid=NOBODY, gid=NOBODY),
                [rights_of_threads, intruder_finds_nothing, refusals_are_named], "as-nobody-")
    cases.group(changing, [serves_files, modes_and_trace, new_queues, link_and_mtu, keys_rotate,
                           hook_put_back, ends_as_it_should])
    cases.group(bare, [default_socket_goes, off, unknown_user])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
