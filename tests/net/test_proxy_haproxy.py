# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""
HAProxy behind weir, told the clients' addresses by PROXY v2; balancing between three, health
checks as LOCAL connections; flooded; killed and restarted.
"""
import contextlib
import sys

from servers import Haproxy, behind, flooded, nothing_stays, wait_state
from weirlab import CLIENT4, CLIENT6, Cases, Lab, check, check_equal, need, wait_until

V2 = "proxy-protocol=v2"


@contextlib.contextmanager
def fixture():
    with Lab() as lab, Haproxy(lab) as h:
        three = f"{h.a},{h.b},unix:{h.unix},{V2}"
        listen = [f"*:80=proxy:{h.a},{V2}", f"*:81=proxy:{three},eject-time=1s",
                  f"*:82=proxy:{three},balance=hash", f"*:83=proxy:{three},balance=least",
                  f"*:84=proxy:{h.b},{V2},check=http,check-interval=200ms,check-timeout=1s",
                  f"*:85=proxy:{h.b},{V2},check=tcp,check-interval=200ms,check-timeout=1s",
                  f"*:86=proxy:{h.a}"]
        with behind(lab, h, listen, "--msl", "1s") as env:
            yield env


def ask(env, port, host="10.0.0.2", *args):
    """What the backend saw, and from where curl came."""
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    out = env.lab.curl("-g", "-w", "%{local_ip} %{local_port}", *args, url).decode().splitlines()
    name, src, sport, dst, dport = out[0].split()
    return name, (src, sport), (dst, dport), tuple(out[1].split())


def addresses_of_clients(env):
    for host, client in (("10.0.0.2", CLIENT4), ("fd00::2", CLIENT6)):
        for _ in range(5):
            _, src, dst, local = ask(env, 80, host)
            check_equal(src, local, f"the client of {host} as the backend sees it")
            check_equal(src[0], client, "its address")
            check_equal(dst, (host, "80"), "where it connected to")


def without_the_header_haproxy_refuses(env):
    done = env.lab.run("client", "curl", "-s", "--max-time", 5, "http://10.0.0.2:86/", ok=None)
    check(done.returncode != 0, f"curl was answered: {done.stdout}")


def in_turn(env):
    names = [ask(env, 81)[0] for _ in range(9)]
    check_equal(sorted(names), sorted("abc" * 3), "nine requests to three")
    check(all(a != b for a, b in zip(names, names[1:])), f"one after the other: {names}")


def by_client(env):
    for host in ("10.0.0.2", "fd00::2"):
        names = {ask(env, 82, host)[0] for _ in range(6)}
        check_equal(len(names), 1, f"backends of one client of {host}: {names}")


def to_the_least_used(env):
    """Connections that are held open spread evenly, whatever comes and goes between them."""
    held = []
    try:
        for n in range(1, 10):
            held.append(env.lab.connect(83))
            ask(env, 83)
            # The curl's connection counts until weir has seen its end: later than curl.
            wait_until(lambda n=n: sum(used(env, "*:83").values()) == n, 5,
                       lambda: used(env, "*:83"))
        check_equal(sorted(used(env, "*:83").values()), [3, 3, 3], "connections in use")
    finally:
        for sock in held:
            sock.close()


def used(env, listen):
    for service in env.weir.ask("backends")["services"]:
        if service["listen"] == listen:
            return {b["backend"]: b["in_use"] for b in service["backends"]}
    return {}


def checks_are_local_connections(env):
    """HAProxy says of a connection whose header it does not understand; of these it does not."""
    for listen in ("*:84", "*:85"):
        def good(listen=listen):
            for service in env.weir.ask("backends")["services"]:
                if service["listen"] == listen:
                    b = service["backends"][0]
                    return b["checks"] >= 5 and not b["checks_failed"]
            return False
        wait_until(good, 10, lambda: f"five good checks: {env.weir.ask('backends')}")
    check("bad PROXY" not in env.server.said().lower(), env.server.said())


def under_flood(env):
    with flooded(env, 80), flooded(env, 81, "fd00::2"):
        for n in range(15):
            host = ("10.0.0.2", "fd00::2")[n % 2]
            _, src, _, local = ask(env, 80 + n % 2, host)
            check_equal(src, local, f"the client of {host} in a flood")


def killed_and_restarted(env):
    env.server.kill()
    done = env.lab.run("client", "curl", "-s", "--max-time", 5, "http://10.0.0.2:80/", ok=None)
    check(done.returncode != 0, "curl was answered by nobody")
    wait_until(lambda: env.weir.ask("backends")["services"][4]["backends"][0]["state"] == "down",
               10, "the check sees it")
    env.server.start()
    for port in (80, 81, 82, 83, 84, 85):
        wait_until(lambda port=port: env.lab.run(
            "client", "curl", "-s", "--max-time", 5, f"http://10.0.0.2:{port}/",
            ok=None).returncode == 0, 10, f"port {port} is served again")
    wait_state(env.weir, env.server.b, "up")


need()
cases = Cases()
cases.group(fixture, (addresses_of_clients, without_the_header_haproxy_refuses, in_turn, by_client,
                      to_the_least_used, checks_are_local_connections, under_flood,
                      killed_and_restarted, nothing_stays))
sys.exit(cases.status())
