# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""The metrics endpoint: scraped under a flood and by many, and what events say of the flood."""
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

from weirlab import (FLOOD, WEIR, Cases, Env, Lab, Weir, check, check_equal, need, patience, scaled,
                     serving, site, wait_until)
import promtext

PORT = 9190
RATE, SECONDS = scaled(50000), 8
ROOM = 64  # connections that the endpoint takes at once


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"x" * 1000) as root:
        with serving([f"10.0.0.2:80=http:{root}", "[fd00::2]:7=echo"], "--msl", "1s", "--metrics",
                     f"127.0.0.1:{PORT}", "--log-format", "json", "--event-syn-rate",
                     RATE // 10, "--event-after", "2s", "--event-hold", "2s", root=root) as env:
            yield env


def connect(env):
    sock = env.lab.socket(socket.AF_INET, socket.SOCK_STREAM, end="server")
    sock.settimeout(patience(10))
    sock.connect(("127.0.0.1", PORT))
    return sock


def read_all(sock):
    data = b""
    while True:
        more = sock.recv(65536)
        if not more:
            return data
        data += more


def request(env, raw):
    """All that comes back of a request, until the other end closes."""
    with connect(env) as sock:
        sock.sendall(raw)
        return read_all(sock)


def get(env, path, *headers):
    """(status, headers, body)"""
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    head, _, body = request(env, "\r\n".join(lines).encode()).partition(b"\r\n\r\n")
    check(head.startswith(b"HTTP/1.1 "), head[:100])
    return int(head[9:12]), head.decode(), body.decode()


def scrape(env):
    status, head, body = get(env, "/metrics")
    check_equal(status, 200, "status")
    check("text/plain; version=0.0.4" in head, head)
    return promtext.samples(promtext.parse(body))


def total(values, name):
    return sum(v for (n, _), v in values.items() if n == f"weir_{name}_total")


def one(values, name, **labels):
    return values[name, tuple(sorted(labels.items()))]


def well_formed(env):
    env.lab.curl("http://10.0.0.2/small.txt")
    for accept, openmetrics in (("text/plain", False), ("application/openmetrics-text", True)):
        _, head, body = get(env, "/metrics", f"Accept: {accept}")
        check(("openmetrics" in head) == openmetrics, head)
        families = promtext.parse(body, openmetrics)
        check(len(families) > 150, f"{len(families)} families")
    info = [dict(labels) for (n, labels) in scrape(env) if n == "weir_interface_info"]
    check_equal(info[0]["iface"], env.lab.iface["server"], "interface")
    check_equal(get(env, "/healthz")[0], 200, "/healthz")
    check("/metrics" in get(env, "/")[2], "no index")
    check_equal(get(env, "/nowhere")[0], 404, "status")


def counters_agree(env):
    """At rest: what `weir counters` says, counter for counter."""
    env.weir.wait_quiet()
    moving = {"rx_frames", "pass_not_ours"}  # what the client's stack says on its own

    def agree():
        before = env.weir.counters()
        values = scrape(env)
        after = env.weir.counters()
        if {k: v for k, v in before.items() if k not in moving} != \
           {k: v for k, v in after.items() if k not in moving}:
            return False
        for name, count in after.items():
            if name not in moving:
                check_equal(total(values, name), count, name)
        status = env.weir.status()
        for state, n in status["connections"].items():
            check_equal(one(values, "weir_connections", state=state), n, state)
        return True

    wait_until(agree, 10, "counters at rest")


def by_many(env):
    """A hundred at once, one that reads nothing, one that does not finish, and nonsense."""
    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(connect(env))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        with contextlib.suppress(OSError):  # a limit of requests ahead may end it
            for _ in range(50):
                slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        half = stack.enter_context(connect(env))
        half.sendall(b"GET /metrics HT")
        for raw in (b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n",
                    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx",
                    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"):
            nonsense = stack.enter_context(connect(env))
            with contextlib.suppress(OSError):
                nonsense.sendall(raw)
        many = [stack.enter_context(connect(env)) for _ in range(100)]
        for sock in many[:ROOM // 2]:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for sock in many[:ROOM // 2]:
            promtext.parse(read_all(sock).partition(b"\r\n\r\n")[2].decode())
        # The rest say nothing. Meanwhile clients are served, and the control socket answers.
        check_equal(env.lab.curl("http://10.0.0.2/small.txt"), b"x" * 1000, "the file")
        check(env.weir.status()["uptime_s"] >= 0, "status")
    wait_until(lambda: get(env, "/healthz")[0] == 200, 15, "the endpoint after all have left")


def under_flood(env):
    before = scrape(env)
    with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:80",
                       "--rate", RATE, "--seconds", SECONDS, "--json", stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) as flood:
        seen = []
        while flood.poll() is None:
            check_equal(env.lab.curl("http://10.0.0.2/small.txt"), b"x" * 1000, "the file")
            seen.append(scrape(env))
            check_equal(get(env, "/healthz")[0], 200, "/healthz")
            time.sleep(0.2)
    check(len(seen) >= 3, f"{len(seen)} scrapes in {SECONDS} s")
    key = ("weir_event_active", (("event", "syn_flood"),))
    check(any(values[key] == 1 for values in seen), "no scrape says that there is a flood")
    grown = total(seen[-1], "syn_answered") - total(before, "syn_answered")
    check(grown > scaled(20000) * 3, f"{grown} SYNs answered")
    for older, newer in zip(seen, seen[1:]):
        check(total(newer, "syn_answered") >= total(older, "syn_answered"), "a counter fell")
    wait_until(lambda: scrape(env)[key] == 0, 15, "the flood's end")
    values = scrape(env)
    check_equal(one(values, "weir_events_total", event="syn_flood"), 1, "floods")
    for name, least in (("weir_rtt_seconds", len(seen)),
                        ("weir_handshake_cookie_seconds", len(seen) // 4)):
        check(values[f"{name}_count", ()] >= least, f"{name} of {len(seen)} fetches")
    check_equal(env.weir.status()["events"]["syn_flood"], {"active": False, "times": 1}, "status")


def events_in_the_log(env):
    lines = [json.loads(line) for line in env.weir.log().splitlines()]
    for line in lines:
        check({"time", "level", "message"} <= set(line), line)
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"]), line)
    ready = [line for line in lines if line.get("event") == "ready"]
    check_equal([r["queues"] for r in ready], [env.weir.queues], "queues of ready")
    began, ended = ([line for line in lines if line.get("event") == name]
                    for name in ("flood_began", "flood_ended"))
    check_equal((len(began), len(ended)), (1, 1), "floods that began and ended")
    check_equal(began[0]["level"], "warning", "level")
    end = ended[0]
    check(end["duration_ms"] >= 2000 and end["peak_per_sec"] >= RATE // 10, end)
    check(end["syn_answered"] > scaled(50000) and end["unconfirmed_percent"] > 90, end)
    check(0 < end["accepted"] < end["syn_answered"], end)


def health_while_draining(env):
    """A client that does not leave: the drain waits, and load balancers are told."""
    with Weir(env.lab, ["10.0.0.2:7=echo"], "--metrics", f"127.0.0.1:{PORT}") as weir:
        with env.lab.connect(7) as sock:
            sock.sendall(b"hello")
            check_equal(sock.recv(10), b"hello", "echo")
            check_equal(get(env, "/healthz")[0], 200, "/healthz")
            weir.proc.terminate()
            wait_until(lambda: get(env, "/healthz")[0] == 503, 4, "503 while draining")
            check("draining" in get(env, "/healthz")[2], "why")
        check_equal(weir.stop(), 0, "status")
        check("refused the system call" not in weir.log(), weir.log())


def by_a_path(env):
    """unix:PATH, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="weir-metrics-") as where:
        path = f"{where}/metrics"
        with Weir(env.lab, ["10.0.0.2:7=echo"], "--metrics", f"unix:{path}") as weir:
            out = env.lab.run("server", "curl", "-sS", "--unix-socket", path, "http://x/metrics")
            check("weir_flows" in promtext.parse(out.stdout), "no flows")
            check_equal(weir.stop(), 0, "status")
        check(not os.path.exists(path), "the socket stays behind")


def refused(env):
    """A place that the gate would take, and what is none."""
    for where, why in (("10.0.0.2:80", "that is the service"), ("*:80", "that is the service"),
                       ("nonsense", "not ADDR:PORT"), ("unix:x", "not ADDR:PORT")):
        done = env.lab.run("server", WEIR, "run", "-i", env.lab.iface["server"], "--listen",
                           "10.0.0.2:80=echo", "--metrics", where, ok=(2,))
        check(why in done.stderr, done.stderr)


@contextlib.contextmanager
def lab_alone():
    with Lab() as lab:
        yield Env(lab=lab)


need(FLOOD)
cases = Cases()
cases.group(fixture, (well_formed, by_many, under_flood, counters_agree, events_in_the_log))
cases.group(lab_alone, (health_while_draining, by_a_path, refused))
sys.exit(cases.status())
