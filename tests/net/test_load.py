# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 240
"""weir-load: every pattern against both servers, honest times, no sample lost, refusals."""
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from weirlab import (BUILD, KSERVER, ROOT, Cases, Env, Lab, Weir, briefly, check, check_equal,
                     kserver, need, patience, scaled, wait_until)

LOAD = f"{BUILD}/weir-load"
TIMES = {"n", "min", "p50", "p90", "p99", "p999", "max", "mean"}
# name: sized, echo, something that takes all and says nothing
SERVERS = {"weir": ("10.0.0.2:80", "10.0.0.2:7", "10.0.0.2:9"),
           "weir6": ("[fd00::2]:80", "[fd00::2]:7", "[fd00::2]:9"),
           "kernel": ("10.0.0.2:8080", "10.0.0.2:8007", "10.0.0.2:8009")}


@contextlib.contextmanager
def fixture():
    listen = [f"{ip}:{port}={app}" for ip in ("10.0.0.2", "[fd00::2]")
              for port, app in ((80, "sized"), (7, "echo"), (9, "discard"))]
    with Lab(clients=3) as lab, Weir(lab, listen, "--msl", "1s") as weir, \
            kserver(lab, "sized", SERVERS["kernel"][0]) as sized, \
            kserver(lab, "echo", SERVERS["kernel"][1]), \
            kserver(lab, "discard", SERVERS["kernel"][2]):
        # A minute's TIME_WAIT would keep more ports than there are.
        lab.sysctl("client", tcp_tw_reuse=1, ip_local_port_range="10000 60999")
        yield Env(lab=lab, weir=weir, sized=sized)


def whole(got, what):
    """What must be true of every report."""
    for part in [got] + got["phases"]:
        check_equal(part["attempted"], part["succeeded"] + sum(part["failed"].values()),
                    f"{what}: attempted")
        for key in ("connect_us", "response_us", "start_delay_us"):
            q = part[key]
            check_equal(set(q), TIMES, f"{what}: {key}")
            rising = [q[k] for k in ("min", "p50", "p90", "p99", "p999", "max")]
            check(rising == sorted(rising), f"{what}: {key} {q}")
            check(q["n"] == 0 or q["min"] > 0 or key == "start_delay_us", f"{what}: {key} {q}")
    return got


def load(env, *args, ok=(0,)):
    done = env.lab.run("client", LOAD, "--json", *args, timeout=60, ok=ok)
    return whole(json.loads(done.stdout), " ".join(map(str, args)))


def all_good(got):
    check(got["attempted"] > 0 and got["succeeded"] == got["attempted"],
          f"{got['pattern']}: {got['succeeded']} of {got['attempted']}, {got['failed']}")
    return got


def pattern_cases(server):
    sized, echo, silent = SERVERS[server]

    def pattern(name, *args, to=sized, responses=True):
        def case(env):
            got = all_good(briefly(load, env, name, to, *args))
            check_equal(got["pattern"], name, "pattern")
            check_equal(got["response_us"]["n"], got["succeeded"] if responses else 0, "responses")
            check(got["connect_us"]["n"] > 0, got)
            if name in ("up", "both"):
                check(got["up_bytes"] > 1 << 20, f"up: {got['up_bytes']} bytes")
            if name in ("down", "both"):
                check(got["down_bytes"] > 1 << 20, f"down: {got['down_bytes']} bytes")
        case.label = f"{server}-{name}{'-'.join(map(str, ('',) + args))}"
        return case

    # An address has some 28,000 ports, and each of these takes one for a minute.
    # Those with a count end with it; a SYN that was lost is sent again after a second.
    return [pattern("connect", "--count", 1000, "--seconds", 5, responses=False),
            pattern("connect", "--rate", 500, to=silent, responses=False),
            pattern("request", "--count", 1000, "--seconds", 5),
            pattern("request", "--rate", 500, "--request", "20k", "--response", "100k"),
            pattern("requests", "--connections", 50),
            pattern("requests", "--rate", 2000, "--request", 3000, "--response", "17k"),
            pattern("pingpong", to=echo),
            pattern("pingpong", "--busy-poll", "--connections", 1, to=echo),
            pattern("up", responses=False),
            pattern("down", "--connections", 3, responses=False),
            pattern("both", "--connections", 2, responses=False),
            pattern("idle", "--connections", 300, to=silent, responses=False),
            pattern("slow", "--warmup", 0, "--response", "100k", "--read-rate", "400k")]


def json_shape(env):
    got = load(env, "request", "10.0.0.2:80", "--seconds", 0.3)
    want = {"version": int, "pattern": str, "backend": str, "target": str, "connections": int,
            "timeout_s": float, "interrupted": bool, "seconds": float, "attempted": int,
            "succeeded": int, "failed": dict, "success": float, "rate_per_s": float,
            "concurrent_peak": int, "opened": int, "waited_for_connection": int,
            "connect_us": dict, "response_us": dict, "start_delay_us": dict, "up_bytes": int,
            "down_bytes": int, "up_gbit_s": float, "down_gbit_s": float, "cpu": dict,
            "phases": list}
    check_equal({k: type(v) for k, v in got.items()}, want, "members")
    check_equal(set(got["cpu"]), {"machine_s", "self_s"}, "cpu")
    check(got["cpu"]["self_s"] > 0, got["cpu"])
    check(0.29 < got["seconds"] < 1.5, got["seconds"])


def open_loop_begins_them_all(env):
    got = all_good(load(env, "request", "10.0.0.2:80", "--phase", "300:1:first", "--phase",
                        "700:0.5:second", "--warmup", 0.2))
    check_equal([p["attempted"] for p in got["phases"]], [300, 350], "attempts by phase")
    check_equal([p["label"] for p in got["phases"]], ["first", "second"], "labels")
    check_equal([p["rate_asked"] for p in got["phases"]], [300, 700], "rates")
    check_equal(got["attempted"], 650, "attempts")
    check_equal(got["start_delay_us"]["n"], 650, "starts")


def counted(env):
    for pattern, more in (("request", ()), ("requests", ()), ("connect", ("--rate", 2000))):
        got = all_good(load(env, pattern, "10.0.0.2:80", "--count", 123, *more))
        check_equal(got["attempted"], 123, pattern)


def stalled(env, pattern, *args):
    """
    A second in which the server does nothing, in the middle of three: a third of the
    requests should have begun in it, and have waited for what was left of it.
    """
    rate = scaled(500)
    argv = env.lab.argv("client", LOAD, "--json", pattern, "10.0.0.2:8080", "--rate", rate,
                        "--seconds", 3, *args)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as proc:
        time.sleep(1)
        env.sized.send_signal(signal.SIGSTOP)
        try:
            time.sleep(1)
        finally:
            env.sized.send_signal(signal.SIGCONT)
        out, _ = proc.communicate(timeout=patience(30))
    got = all_good(whole(json.loads(out), "stalled"))
    check_equal(got["attempted"], 3 * rate, "requests")
    q = got["response_us"]
    check_equal(q["n"], 3 * rate, "responses")
    # A quarter of the stalled third (8% of all) waited for 750 ms or more, half of it for 500.
    check(q["p50"] < 400e3, f"p50 {q}")
    check(q["p90"] > 500e3, f"p90 {q}")
    check(900e3 < q["p99"] < 2500e3, f"p99 {q}")
    return got


def a_stall_shows_with_its_weight(env):
    stalled(env, "request")


def a_stall_behind_one_connection_shows_as_well(env):
    got = stalled(env, "requests", "--connections", 1)
    check(got["waited_for_connection"] > scaled(300), got["waited_for_connection"])
    check(got["start_delay_us"]["p90"] > 400e3, got["start_delay_us"])


def overdue(env):
    """No answer ever, one connection, a fifth of a second each: most never get their turn."""
    got = load(env, "requests", "10.0.0.2:9", "--rate", 100, "--seconds", 1, "--connections", 1,
               "--timeout", "200ms")
    check_equal(got["attempted"], 100, "requests")
    check_equal(set(got["failed"]) - {"connect_timeout"}, {"timeout", "client_limit"}, "failures")
    check(got["failed"]["client_limit"] > 50, got["failed"])


def failures_by_name(env):
    for args, why in ((("request", "10.0.0.2:81", "--count", 20), "refused"),
                      (("request", "10.0.0.2:9", "--count", 20, "--timeout", "200ms"), "timeout"),
                      (("request", "10.0.0.2:7", "--count", 20), "wrong"),
                      (("request", "10.0.0.2:8007", "--count", 20), "wrong"),
                      (("request", "10.0.0.77:80", "--count", 4, "--timeout", "300ms"),
                       "connect_timeout")):
        got = load(env, *args)
        check_equal(got["failed"], {why: got["attempted"]}, " ".join(map(str, args)))
        check_equal(got["success"], 0, "success")


def no_verify(env):
    """Echo gives back the header, which is not the pattern; unlooked at, it will do."""
    all_good(load(env, "request", "10.0.0.2:8007", "--response", 24, "--count", 10, "--no-verify"))


def connected(env, port):
    """To the kernel's listener on it."""
    return len(env.lab.run("server", "ss", "-Htn", "state", "established", f"sport = :{port}").stdout.splitlines())


def lost_connections_fail_what_is_under_way(env):
    """A server that goes away: every request is accounted for, and a new one serves again."""
    with kserver(env.lab, "sized", "10.0.0.2:8081") as proc:
        argv = env.lab.argv("client", LOAD, "--json", "requests", "10.0.0.2:8081", "--seconds", 3,
                            "--connections", 20)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
            wait_until(lambda: connected(env, 8081) >= 20, 10, "20 connections")
            time.sleep(0.5)
            proc.send_signal(signal.SIGKILL)
            proc.wait()
            with kserver(env.lab, "sized", "10.0.0.2:8081"):
                out, _ = client.communicate(timeout=patience(30))
    got = whole(json.loads(out), "server gone")
    check(got["failed"] and set(got["failed"]) <= {"reset", "closed", "refused"}, got["failed"])
    check(got["opened"] >= 40 and got["succeeded"] > 100, got)


def sources(env):
    argv = env.lab.argv("client", LOAD, "idle", "10.0.0.2:9", "--connections", 30, "--seconds", 3,
                        "--source", "10.0.0.10-10.0.0.12", "--json")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
        wait_until(lambda: len(env.weir.conns("ESTABLISHED")) >= 30, 3, "30 connections")
        rows = env.weir.conns("ESTABLISHED")
        out, _ = client.communicate(timeout=patience(30))
    got = all_good(whole(json.loads(out), "sources"))
    check_equal((got["attempted"], got["opened"], got["concurrent_peak"]), (30, 30, 30), "idle")
    by = [r["remote"].rsplit(":", 1)[0] for r in rows]
    check_equal({ip: by.count(ip) for ip in set(by)},
                {f"10.0.0.{n}": 10 for n in (10, 11, 12)}, "sources")


def interrupted(env):
    for pattern, args in (("request", ()), ("requests", ("--rate", "1k")), ("both", ()),
                          ("idle", ("--connections", 50)), ("slow", ())):
        argv = env.lab.argv("client", LOAD, "--json", pattern, "10.0.0.2:80", "--seconds", 30,
                            *args)
        before = env.weir.counter("conn_opened")
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
            wait_until(lambda: env.weir.counter("conn_opened") > before, 10, "the first connection")
            time.sleep(0.7)
            begun = time.monotonic()
            client.send_signal(signal.SIGINT)
            out, _ = client.communicate(timeout=patience(10))
        check(time.monotonic() - begun < patience(8), f"{pattern}: {time.monotonic() - begun} s")
        check_equal(client.returncode, 0, f"{pattern}: status")
        got = whole(json.loads(out), f"{pattern} interrupted")
        check(got["interrupted"] is True and got["attempted"] > 0, got)
        check(got["succeeded"] > 0 or pattern == "slow", got)
        check(set(got["failed"]) <= {"interrupted"}, got["failed"])


def nothing_is_left(env):
    """Closed in order, both ends: weir has reset nobody and keeps nothing."""
    env.weir.wait_quiet()
    before = env.weir.counters()
    all_good(load(env, "request", "10.0.0.2:80", "--seconds", 0.5))
    env.weir.wait_quiet()
    after = env.weir.counters()
    check_equal(after["rst_accepted"], before["rst_accepted"], "resets from the client")


def the_machine_is_at_least_as_busy(env):
    """Short work begun by a timer is what a sampling clock would not see."""
    got = load(env, "request", "10.0.0.2:80", "--rate", "1k", "--seconds", 1.5)
    check(got["cpu"]["machine_s"] > 0.9 * got["cpu"]["self_s"] - 0.05, got["cpu"])


def plots(env):
    with tempfile.TemporaryDirectory() as where:
        if not shutil.which("gnuplot"):  # as in the guests: it is said, and nothing is left
            done = env.lab.run("client", LOAD, "request", "10.0.0.2:80", "--count", 10, "--plot",
                               f"{where}/b.png", ok=(1,))
            check("gnuplot is missing" in done.stderr, done.stderr)
        for name, magic in (("a.html", b"<!DOCTYPE html>"), ("b.png", b"\x89PNG")):
            if name == "b.png" and not shutil.which("gnuplot"):
                continue
            env.lab.run("client", LOAD, "request", "10.0.0.2:80", "--phase", "200:0.3:no flood",
                        "--phase", "400:0.3:it's & <more>", "--plot", f"{where}/{name}")
            with open(f"{where}/{name}", "rb") as f:
                data = f.read()
            check(data.startswith(magic) and len(data) > 2000, f"{name}: {data[:60]}")
        env.lab.run("client", LOAD, "request", "10.0.0.2:80", "--seconds", 0.3, "--plot",
                    f"{where}/none/a.html", ok=(1,))


def text_and_progress(env):
    done = env.lab.run("client", LOAD, "request", "10.0.0.2:80", "--seconds", 0.5, "--progress")
    check("succeeded (100.0000 %)" in done.stdout, done.stdout)
    check("p99" in done.stdout and "connect" in done.stdout, done.stdout)
    check("/s" in done.stderr and "p50" in done.stderr, done.stderr)


def refuses_to_leave_the_lab(env):
    for to in ("192.0.2.1:80", "[2001:db8::1]:80"):
        done = subprocess.run([LOAD, "connect", to], capture_output=True, text=True, check=False,
                              timeout=patience(10))
        check_equal(done.returncode, 2, f"{to} from outside a lab")
        check("--outside-lab" in done.stderr and not done.stdout, done.stderr)
    done = subprocess.run([LOAD, "connect", "127.0.0.1:1", "--count", "1", "--json"],
                          capture_output=True, text=True, check=False, timeout=patience(10))
    check_equal(done.returncode, 0, f"loopback: {done.stderr}")
    check_equal(json.loads(done.stdout)["failed"], {"refused": 1}, "loopback")
    done = env.lab.run("client", LOAD, "fetch", "10.0.0.2:80", ok=(2,))
    check("fetch" in done.stderr, done.stderr)


need(LOAD, KSERVER)
cases = Cases()
cases.group(fixture, [c for s in SERVERS for c in pattern_cases(s)] + [
    json_shape, open_loop_begins_them_all, counted, a_stall_shows_with_its_weight,
    a_stall_behind_one_connection_shows_as_well, overdue, failures_by_name, no_verify,
    lost_connections_fail_what_is_under_way, sources, interrupted, nothing_is_left,
    the_machine_is_at_least_as_busy, plots,
    text_and_progress, refuses_to_leave_the_lab])
sys.exit(cases.status())
