# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 240
"""weir-load over AF_XDP: every pattern against both servers, many connections, ways to end."""
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

from weirlab import (BUILD, KSERVER, Cases, Env, Lab, Weir, briefly, check, check_equal, kserver,
                     need, paced, patience, scaled, wait_until)

LOAD = f"{BUILD}/weir-load"
XDP = ("--backend", "xdp", "--iface", "weir1")
# name: sized, echo
SERVERS = {"weir": ("10.0.0.2:80", "10.0.0.2:7"), "weir6": ("[fd00::2]:80", "[fd00::2]:7"),
           "kernel": ("10.0.0.2:8080", "10.0.0.2:8007"),
           "kernel6": ("[fd00::2]:8080", "[fd00::2]:8007")}


@contextlib.contextmanager
def fixture():
    """The client's end is bare, so weir is told that a program will be there in time."""
    listen = [f"{ip}:{port}={app}" for ip in ("10.0.0.2", "[fd00::2]")
              for port, app in ((80, "sized"), (7, "echo"), (9, "discard"))]
    with Lab(client_free=True, clients=20) as lab, \
            Weir(lab, listen, "--xdp-mode", "native") as weir, \
            contextlib.ExitStack() as stack:
        sized = stack.enter_context(kserver(lab, "sized", SERVERS["kernel"][0]))
        for service, where in (("echo", SERVERS["kernel"][1]), ("sized", SERVERS["kernel6"][0]),
                               ("echo", SERVERS["kernel6"][1])):
            stack.enter_context(kserver(lab, service, where))
        yield Env(lab=lab, weir=weir, sized=sized)


def parse(text, what):
    got = json.loads(text)
    for part in [got] + got["phases"]:
        check_equal(part["attempted"], part["succeeded"] + sum(part["failed"].values()),
                    f"{what}: attempted")
    return got


def no_program(env, what):
    link = json.loads(env.lab.run("client", "ip", "-j", "link", "show", "weir1").stdout)[0]
    check("xdp" not in link, f"{what}: a program is left on the interface")


def load(env, *args, ok=(0,), timeout=60, within=()):
    done = env.lab.run("client", *within, LOAD, "--json", *XDP, *args, timeout=timeout, ok=ok)
    no_program(env, args)
    return parse(done.stdout, " ".join(map(str, args)))


def all_good(got):
    check(got["attempted"] > 0 and got["succeeded"] == got["attempted"],
          f"{got['pattern']}: {got['succeeded']} of {got['attempted']}, {got['failed']}")
    check_equal(got["backend"], "xdp", "back end")
    return got


def pattern_cases(server):
    sized, echo = SERVERS[server]

    def pattern(name, *args, to=sized, responses=True):
        def case(env):
            got = all_good(briefly(load, env, name, to, *args))
            check_equal(got["response_us"]["n"], got["succeeded"] if responses else 0, "responses")
            check(got["connect_us"]["n"] > 0, got)
            for way, names in (("up_bytes", ("up", "both")), ("down_bytes", ("down", "both"))):
                check(name not in names or got[way] > 1 << 20, f"{way}: {got[way]}")
        case.label = f"{server}-{name}{'-'.join(map(str, ('',) + args))}"
        return case

    return [pattern("connect", responses=False),
            pattern("connect", "--rate", 500, responses=False),
            pattern("request"),
            pattern("request", "--rate", 500, "--request", "20k", "--response", "100k"),
            pattern("requests", "--connections", 50),
            pattern("requests", "--rate", 2000, "--request", 3000, "--response", "17k"),
            pattern("pingpong", to=echo),
            pattern("pingpong", "--busy-poll", "--connections", 1, to=echo),
            pattern("up", responses=False),
            pattern("down", "--connections", 3, responses=False),
            pattern("both", "--connections", 2, responses=False),
            pattern("idle", "--connections", 300, responses=False),
            pattern("slow", "--warmup", 0, "--response", "100k", "--read-rate", "400k")]


# ---- many -------------------------------------------------------------------


MANY = scaled(20000)
SPREAD = ("--source", "10.0.0.10-10.0.0.29", "--connections", MANY, "--timeout",
          f"{patience(10):g}s")


def resets_of_the_client(env):
    """(those that weir took, those that the client's kernel sent, SYNs that weir doubted)"""
    lines = env.lab.run("client", "cat", "/proc/net/snmp").stdout.splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    counters = env.weir.counters()
    return (counters["rst_accepted"], int(values[names.index("OutRsts")]),
            counters["syn_challenged"] + counters["drop_paws"])


def twenty_thousand(env, target):
    """
    Held, used in their turn, and closed in order: weir-load resets nobody. Its last ACK may be
    lost in a full ring: when it has gone with its program, the kernel answers the FIN that weir
    sends again, by a reset of its own. A SYN that meets what is left of such a connection is
    answered by an ACK, which weir-load resets, as RFC 9293 3.10.7.3 has it.
    """
    before = resets_of_the_client(env)
    for pattern in ("idle", "requests"):
        got = all_good(load(env, pattern, target, "--seconds", patience(2), *SPREAD))
        check_equal((got["opened"], got["concurrent_peak"]), (MANY, MANY), pattern)
    check(got["succeeded"] > MANY, f"requests: {got['succeeded']}")
    env.weir.wait_quiet(20)
    taken, kernel, doubted = (a - b for a, b in zip(resets_of_the_client(env), before))
    check(taken <= kernel + doubted, f"{taken} resets from the client, {kernel} of them from its "
          f"kernel, {doubted} SYNs doubted")


def twenty_thousand_to_weir(env):
    twenty_thousand(env, "10.0.0.2:80")


def twenty_thousand_to_the_kernel(env):
    """As many descriptors as one process may have there: in two servers."""
    with kserver(env.lab, "sized", "10.0.0.2:8081"):
        held = ("--connections", MANY // 2, "--timeout", f"{patience(10):g}s", "--seconds",
                patience(2))
        for pattern in ("idle", "requests"):
            got = all_good(load(env, pattern, "10.0.0.2:8081", "--source", "10.0.0.10-10.0.0.13",
                                *held))
            check_equal(got["concurrent_peak"], MANY // 2, pattern)


def slow_to_close(env):
    """Each of two servers' ends comes later than the one before: none is reset meanwhile."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(env.lab.socket(end="server"))
        listener.bind(("10.0.0.2", 8083))
        listener.listen()
        listener.settimeout(patience(10))
        argv = env.lab.argv("client", LOAD, "--json", *XDP, "idle", "10.0.0.2:8083", "--connections",
                            2, "--seconds", 0.3)
        client = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        conns = [stack.enter_context(listener.accept()[0]) for _ in range(2)]
        for conn in conns:
            conn.settimeout(patience(10))
            check_equal(conn.recv(1), b"", "the client's end")
        for conn, pause in zip(conns, (1, 1.6)):
            time.sleep(pause)
            check_equal(conn.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0, "reset")
            conn.close()
        out, _ = client.communicate(timeout=patience(10))
    all_good(parse(out, "slow to close"))


def one_address_for_long(env):
    """
    More connections than an address has ports, or on a slow machine than there may be descriptors
    for them: TIME_WAIT gives them back in time.
    """
    count = scaled(60000)
    files = min(count // 2, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    got = all_good(load(env, "connect", "10.0.0.2:80", "--count", count, "--seconds",
                        patience(50), "--connections", 100, "--rate", scaled(8000), timeout=120,
                        within=("sh", "-c", f'ulimit -n {files} && exec "$@"', "sh")))
    check_equal(got["attempted"], count, "connects")


def sources(env):
    argv = env.lab.argv("client", LOAD, *XDP, "idle", "10.0.0.2:9", "--connections", 30,
                        "--seconds", 3, "--source", "10.0.0.10-10.0.0.12", "--json")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
        wait_until(lambda: len(env.weir.conns("ESTABLISHED")) >= 30, 3, "30 connections")
        rows = env.weir.conns("ESTABLISHED")
        out, _ = client.communicate(timeout=patience(30))
    all_good(parse(out, "sources"))
    by = [r["remote"].rsplit(":", 1)[0] for r in rows]
    check_equal({ip: by.count(ip) for ip in set(by)},
                {f"10.0.0.{n}": 10 for n in (10, 11, 12)}, "sources")


# ---- failures ---------------------------------------------------------------


def failures_by_name(env):
    for args, why in ((("request", "10.0.0.2:81", "--count", 20), "refused"),
                      (("request", "10.0.0.2:9", "--count", 20, "--timeout",
                        f"{round(patience(200))}ms"), "timeout"),
                      (("request", "10.0.0.2:7", "--count", 20), "wrong"),
                      (("request", "192.0.2.1:80", "--count", 4), "unreachable"),
                      (("request", "10.0.0.2:80", "--count", 4, "--source", "10.0.0.200"),
                       "local_ports"),
                      (("request", "10.0.0.77:80", "--count", 4, "--timeout", "300ms"),
                       "connect_timeout"),
                      (("request", "10.0.0.78:80", "--count", 4, "--timeout", "8s"),
                       "unreachable")):
        got = load(env, *args)
        check_equal(got["failed"], {why: got["attempted"]}, " ".join(map(str, args)))


def lost_connections_fail_what_is_under_way(env):
    with kserver(env.lab, "sized", "10.0.0.2:8082") as proc:
        argv = env.lab.argv("client", LOAD, "--json", *XDP, "requests", "10.0.0.2:8082",
                            *paced("--seconds", 3), "--connections", 20)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
            wait_until(lambda: env.lab.run("server", "ss", "-Htn", "state", "established",
                                           "sport = :8082").stdout.count("\n") >= 20, 10,
                       "20 connections")
            time.sleep(patience(1))
            proc.send_signal(signal.SIGKILL)
            proc.wait()
            with kserver(env.lab, "sized", "10.0.0.2:8082"):
                out, _ = client.communicate(timeout=patience(30))
    got = parse(out, "server gone")
    check(got["failed"] and set(got["failed"]) <= {"reset", "closed", "refused"}, got["failed"])
    check(got["opened"] >= 40 and got["succeeded"] > scaled(100), got)


def refuses(env, *args, says, status=(1, 2)):
    done = env.lab.run("client", LOAD, *args, "10.0.0.2:80", ok=status)
    check(says in done.stderr and done.stderr.count("\n") == 1, f"{args}: {done.stderr!r}")


def refusals(env):
    refuses(env, "--backend", "xdp", "request", says="--iface")
    refuses(env, "--backend", "xdp", "--iface", "nix0", "request", says="nix0")
    done = env.lab.run("client", "setpriv", "--reuid=65534", "--clear-groups", LOAD, *XDP,
                       "--outside-lab", "request", "10.0.0.2:80", ok=(1,))
    check("needs root" in done.stderr, done.stderr)
    no_program(env, "refused")


def an_interface_that_is_taken(env):
    obj = os.path.join(BUILD, "bpf", "lab_pass.bpf.o")
    env.lab.run("client", "ip", "link", "set", "weir1", "xdpdrv", "obj", obj, "sec", "xdp.frags")
    try:
        refuses(env, *XDP, "request", says="lab up --client-free", status=(1,))
    finally:
        env.lab.run("client", "ip", "link", "set", "weir1", "xdp", "off")


# ---- the end ----------------------------------------------------------------


def interrupted(env):
    for pattern, args in (("request", ()), ("requests", ("--rate", "1k")), ("both", ()),
                          ("idle", ("--connections", 50)), ("pingpong", ("--busy-poll",))):
        target = "10.0.0.2:7" if pattern == "pingpong" else "10.0.0.2:80"
        argv = env.lab.argv("client", LOAD, "--json", *XDP, pattern, target, "--seconds", patience(30),
                            *args)
        before = env.weir.counter("conn_opened")
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
            wait_until(lambda: env.weir.counter("conn_opened") > before, 10, "the first connection")
            time.sleep(patience(1.2))
            begun = time.monotonic()
            client.send_signal(signal.SIGINT)
            out, _ = client.communicate(timeout=patience(15))
        check(time.monotonic() - begun < patience(10), f"{pattern}: {time.monotonic() - begun} s")
        check_equal(client.returncode, 0, f"{pattern}: status")
        got = parse(out, f"{pattern} interrupted")
        check(got["interrupted"] is True and got["succeeded"] > 0, got)
        check(set(got["failed"]) <= {"interrupted"}, got["failed"])
        no_program(env, pattern)


def killed(env):
    argv = env.lab.argv("client", LOAD, *XDP, "requests", "10.0.0.2:80", "--seconds", 30)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as client:
        wait_until(lambda: env.weir.conns("ESTABLISHED"), 5, "connections")
        client.send_signal(signal.SIGKILL)
        client.wait()
    wait_until(lambda: "xdp" not in env.lab.run("client", "ip", "link", "show", "weir1").stdout, 3,
               "the program gone with its process")
    all_good(load(env, "request", "10.0.0.2:80", "--count", 100))


def the_interface_goes(env):
    argv = env.lab.argv("client", LOAD, *XDP, "requests", "10.0.0.2:80", "--seconds", 30)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as client:
        wait_until(lambda: env.weir.conns("ESTABLISHED"), 5, "connections")
        env.lab.run("client", "ip", "link", "del", "weir1")
        _, said = client.communicate(timeout=patience(15))
    check_equal(client.returncode, 1, "status")
    check("No such device" in said, said)
    env.may_end = True


def main():
    need(LOAD, KSERVER)
    cases = Cases()
    every = [case for server in SERVERS for case in pattern_cases(server)]
    cases.group(fixture, every + [
        sources, slow_to_close, twenty_thousand_to_weir, twenty_thousand_to_the_kernel,
        one_address_for_long, failures_by_name, lost_connections_fail_what_is_under_way, refusals,
        an_interface_that_is_taken, interrupted, killed, the_interface_goes])
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
