# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""Redis behind weir, by TCP and by a UNIX socket: pipelines, large values, subscribers."""
import contextlib
import sys

from servers import Redis, behind, flooded, nothing_stays
from weirlab import Cases, Lab, check, check_equal, need, scaled, wait_until

HOSTS = ("10.0.0.2", "fd00::2")


@contextlib.contextmanager
def fixture():
    with Lab(queues=2) as lab, Redis(lab) as redis:
        listen = [f"*:6379=proxy:{redis.tcp}", f"*:6380=proxy:unix:{redis.unix}"]
        with behind(lab, redis, listen, "--msl", "1s") as env:
            yield env


def cli(env, *args, host="10.0.0.2", port=6379, **kwargs):
    return env.lab.run("client", "redis-cli", "-h", host, "-p", port, *args, **kwargs).stdout


def one_at_a_time(env):
    for n, host in enumerate(HOSTS):
        for port in (6379, 6380):
            key = f"key{n}{port}"
            check_equal(cli(env, "set", key, "value", host=host, port=port), "OK\n", "set")
            check_equal(cli(env, "get", key, host=host, port=port), "value\n", "get")


def benchmark(env, port, requests, *args):
    out = env.lab.run("client", "redis-benchmark", "-h", "10.0.0.2", "-p", port, "-c", 20, "-n",
                      requests, "-t", "set,get,incr,lrange_100", "--csv", *args, timeout=90).stdout
    names = [line.split(",")[0].strip('"') for line in out.splitlines()[1:]]
    check("SET" in names and "GET" in names and "INCR" in names, out)


def pipelined(env):
    benchmark(env, 6379, scaled(10000), "-P", 32)
    benchmark(env, 6380, scaled(10000), "-P", 32)


def all_of_a_pipeline_is_answered(env):
    """Sent in one go without reading: both ways stand still before it is over."""
    n = 60000
    sock = env.lab.connect(6379, timeout=60)
    with sock, sock.makefile("rb") as answers:
        sock.sendall(b"DEL counter\r\n")
        check(answers.readline().startswith(b":"), "DEL")
        sock.sendall(b"INCR counter\r\n" * n)
        for want in range(1, n + 1):
            line = answers.readline()
            if line != b":%d\r\n" % want:
                check_equal(line, b":%d\r\n" % want, "answer")


def large_values(env):
    value = bytes(i * 7 % 251 for i in range(1 << 16)) * 128
    for port, key in ((6379, "large"), (6380, "larger")):
        sock = env.lab.connect(port, timeout=60)
        with sock, sock.makefile("rb") as answers:
            sock.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" %
                         (len(key), key.encode(), len(value), value))
            check_equal(answers.readline(), b"+OK\r\n", "SET")
            sock.sendall(b"GET %s\r\n" % key.encode())
            check_equal(answers.readline(), b"$%d\r\n" % len(value), "length")
            check(answers.read(len(value) + 2) == value + b"\r\n", "the value that comes back")


def under_flood(env):
    with flooded(env, 6379), flooded(env, 6379, "fd00::2"):
        benchmark(env, 6379, scaled(3000), "-P", 8)
        for n in range(20):
            check_equal(cli(env, "incr", "flooded", host=HOSTS[n % 2]), f"{n + 1}\n", "incr")


def killed_and_restarted(env):
    """A subscriber that waits is told that the server has gone; the next client is served."""
    with env.lab.connect(6379, timeout=10) as waiting:
        waiting.sendall(b"SUBSCRIBE news\r\n")
        wait_until(lambda: cli(env, "pubsub", "numsub", "news") == "news\n1\n", 5, "subscribed")
        cli(env, "publish", "news", "hello")
        got = b""
        while b"hello" not in got:
            got += waiting.recv(1000)
        env.server.kill()
        with contextlib.suppress(ConnectionResetError):
            check_equal(waiting.recv(1000), b"", "the end of the stream, if it was not reset")
    done = env.lab.run("client", "redis-cli", "-h", "10.0.0.2", "get", "key0", ok=None)
    check("Error" in done.stdout + done.stderr or "reset" in done.stdout + done.stderr,
          f"nobody answered: {done.stdout}{done.stderr}")
    env.server.start()
    check_equal(cli(env, "set", "key", "anew"), "OK\n", "set after the restart")
    check_equal(cli(env, "get", "key", port=6380), "anew\n", "by the socket")


need()
cases = Cases()
cases.group(fixture, (one_at_a_time, pipelined, all_of_a_pipeline_is_answered, large_values,
                      under_flood, killed_and_restarted, nothing_stays))
sys.exit(cases.status())
