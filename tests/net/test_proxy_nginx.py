# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""nginx behind weir: HTTP/1.1, HTTP/2 and TLS passed through; flooded; killed and restarted."""
import contextlib
import hashlib
import os
import sys

from servers import Nginx, backends, behind, flooded, nothing_stays, wait_state
from weirlab import Cases, Lab, check, check_equal, need, wait_until

LARGE = 40 << 20
BOTH = ("10.0.0.2", "[fd00::2]")


@contextlib.contextmanager
def fixture():
    with Lab() as lab, Nginx(lab) as nginx:
        www = f"{nginx.dir}/www"
        with open(f"{www}/large", "wb") as f:
            f.write(os.urandom(LARGE))
        with open(f"{www}/small.txt", "wb") as f:
            f.write(b"small\n" * 100)
        listen = [f"*:80=proxy:{nginx.http}", f"*:443=proxy:{nginx.https}",
                  f"*:81=proxy:unix:{nginx.unix}",
                  f"*:82=proxy:{nginx.http},127.0.0.1:1,check=http:/health,check-interval=200ms,"
                  "check-timeout=1s,check-fall=2",
                  f"*:83=proxy:{nginx.v2},proxy-protocol=v2"]
        with behind(lab, nginx, listen, "--msl", "1s", www=www) as env:
            yield env


def curl(env, *args, **kwargs):
    return env.lab.curl("-g", "--cacert", f"{env.server.dir}/cert.pem", *args, **kwargs)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def keep_alive(env):
    for host in BOTH:
        said = curl(env, "-w", "%{num_connects} ", *[f"http://{host}/small.txt"] * 5,
                    *["-o", "/dev/null"] * 5).decode().split()
        check_equal(said, ["1", "0", "0", "0", "0"], f"connections of five requests to {host}")


def range_of_a_file(env):
    with open(f"{env.www}/large", "rb") as f:
        f.seek(1000003)
        want = f.read(70001)
    check(curl(env, "-r", "1000003-1070003", "http://10.0.0.2/large") == want, "the range")


def large_file(env):
    want = digest(f"{env.www}/large")
    for url in ("http://10.0.0.2/large", "http://[fd00::2]:81/large", "https://10.0.0.2/large"):
        got = hashlib.sha256(curl(env, "--http1.1", url)).hexdigest()
        check_equal(got, want, f"sha256 of {url}")


def upload(env):
    curl(env, "-T", f"{env.www}/large", "http://10.0.0.2/up/large")
    check_equal(digest(f"{env.www}/up/large"), digest(f"{env.www}/large"), "sha256 of the upload")


def tls_passed_through(env):
    for host in BOTH:
        check_equal(curl(env, "--http1.1", f"https://{host}/protocol"), b"HTTP/1.1\n", host)


def http2(env):
    for host in BOTH:
        check_equal(curl(env, "--http2", f"https://{host}/protocol"), b"HTTP/2.0\n", host)
    # Many streams of one connection, most of them waiting for each other's windows.
    urls = [arg for n in range(12) for arg in ("-o", f"{env.server.dir}/h2.{n}",
                                                 f"https://10.0.0.2/large?{n}")]
    curl(env, "--http2", "-Z", "--parallel-max", "12", "-r", "0-2999999", *urls)
    with open(f"{env.www}/large", "rb") as f:
        want = f.read(3000000)
    for n in range(12):
        with open(f"{env.server.dir}/h2.{n}", "rb") as f:
            check(f.read() == want, f"stream {n}")


def the_client_is_known(env):
    for host in BOTH:
        seen, local = curl(env, "-w", "%{local_ip} %{local_port}",
                           f"http://{host}:83/").decode().splitlines()
        check_equal(seen, local, f"the client of {host} as nginx sees it")


def under_flood(env):
    with flooded(env, 80), flooded(env, 443, "fd00::2"):
        for n in range(10):
            host = BOTH[n % 2]
            curl(env, "-o", "/dev/null", f"http://{host}/small.txt", f"https://{host}/small.txt",
                 "-o", "/dev/null")
        check(len(curl(env, "-r", "0-4999999", "https://10.0.0.2/large")) == 5000000, "large")


def checked_by_http(env):
    wait_state(env.weir, "127.0.0.1:1", "down")
    for _ in range(4):
        curl(env, "-o", "/dev/null", "http://10.0.0.2:82/small.txt")
    down = backends(env.weir)["127.0.0.1:1"]
    check_equal(down["last_error"], "check: Connection refused", "why it is down")
    check_equal(down["in_use"], 0, "connections to one that is down")


def killed_and_restarted(env):
    env.server.kill()
    # curl: 7 could not connect, 52 nothing came, 55 and 56 a reset
    for url in ("http://10.0.0.2/small.txt", "https://10.0.0.2/", "http://10.0.0.2:81/"):
        done = env.lab.run("client", "curl", "-sk", "--max-time", 5, url, ok=None)
        check(done.returncode in (7, 35, 52, 55, 56), f"curl {url}: {done.returncode}")
    check(env.weir.counter("proxy_connect_refused") > 0, "refused connects are counted")
    env.server.start()
    # The only one of its service is not ejected: the next connection is served.
    check_equal(len(curl(env, "http://10.0.0.2/small.txt")), 600, "the page after the restart")
    check_equal(len(curl(env, "http://10.0.0.2:81/small.txt")), 600, "the same by the socket")
    wait_until(lambda: env.lab.run("client", "curl", "-s", "--max-time", 5,
                                   "http://10.0.0.2:82/small.txt", ok=None).returncode == 0, 10,
               "the checked one is back")


need()
cases = Cases()
cases.group(fixture, (keep_alive, range_of_a_file, large_file, upload, tls_passed_through, http2,
                      the_client_is_known, under_flood, checked_by_http, killed_and_restarted, nothing_stays))
sys.exit(cases.status())
