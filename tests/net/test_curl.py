# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""curl, unmodified, against the http service."""
import contextlib
import os
import random
import sys
import tempfile

from weirlab import check, check_equal, run, scaled, serving, sha256, site

BASE4, BASE6 = "http://10.0.0.2", "http://[fd00::2]"


@contextlib.contextmanager
def fixture():
    many = {f"m{i}": random.randrange(1, 200000) for i in range(64)}
    with site(small__txt=b"hello, weir\n", big__bin=scaled(100 << 20), mid__bin=300000, empty__txt=b"",
              page__html=b"<html></html>", **many) as root:
        with serving([f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}"], "--msl", "1s",
                     "--header-timeout", "1s", root=root) as env:
            yield env


def content(env, name):
    with open(f"{env.root}/{name}", "rb") as f:
        return f.read()


def small(env):
    check_equal(env.lab.curl(f"{BASE4}/small.txt"), b"hello, weir\n", "body")


def small_ipv6(env):
    check_equal(env.lab.curl("-g", f"{BASE6}/small.txt"), b"hello, weir\n", "body")


def empty(env):
    check_equal(env.lab.curl(f"{BASE4}/empty.txt"), b"", "body")


def large(env):
    with tempfile.NamedTemporaryFile() as out:
        env.lab.curl("-o", out.name, f"{BASE4}/big.bin")
        check_equal(sha256(out.name), sha256(f"{env.root}/big.bin"), "SHA-256 of the largest file")


def keep_alive(env):
    before = env.weir.counter("conn_opened")
    out = env.lab.curl("-w", "%{stderr}%{num_connects}\n", f"{BASE4}/small.txt",
                       f"{BASE4}/mid.bin", f"{BASE4}/small.txt", f"{BASE4}/missing",
                       f"{BASE4}/small.txt")
    check(out.startswith(b"hello, weir\n" + content(env, "mid.bin")), "the bodies in their order")
    check_equal(env.weir.counter("conn_opened") - before, 1, "connections opened")


def parallel(env):
    with tempfile.TemporaryDirectory() as out:
        env.lab.curl("--parallel", "--parallel-immediate", "--parallel-max", 64, "-o",
                     f"{out}/m#1", f"{BASE4}/m[0-63]")
        for i in range(64):
            check_equal(sha256(f"{out}/m{i}"), sha256(f"{env.root}/m{i}"), f"file {i} of 64")


def head(env):
    text = env.lab.curl("-I", f"{BASE4}/mid.bin").decode().lower()
    check(text.startswith("http/1.1 200"), text)
    check("content-length: 300000" in text, text)
    text = env.lab.curl("-I", f"{BASE4}/page.html").decode().lower()
    check("content-type: text/html" in text, text)


def ranges(env):
    whole = content(env, "mid.bin")
    for given, want in (("1000-1999", whole[1000:2000]), ("-500", whole[-500:]),
                        ("299990-", whole[299990:])):
        got = env.lab.curl("-r", given, "-w", "%{http_code}", f"{BASE4}/mid.bin")
        check(got == want + b"206", f"range {given}: {len(got)} bytes, ends {got[-3:]}")
    got = env.lab.curl("-r", "300000-", "-o", "/dev/null", "-w", "%{http_code}", f"{BASE4}/mid.bin")
    check_equal(got, b"416", "a range beyond the end")


def status_of(env, *args):
    return env.lab.curl("-o", "/dev/null", "-w", "%{http_code}", *args).decode()


def refusals(env):
    check_equal(status_of(env, f"{BASE4}/missing"), "404", "missing file")
    check_equal(status_of(env, "-X", "DELETE", f"{BASE4}/small.txt"), "405", "DELETE")
    check_equal(status_of(env, f"{BASE4}/" + "x" * 20000), "414", "a long target")
    check_equal(status_of(env, "-H", "X-Long: " + "y" * 60000, f"{BASE4}/small.txt"), "431",
                "a long header")


def traversal(env):
    secret = os.path.basename(env.weir.dir)
    for path in ("/../" + secret + "/log", "/%2e%2e/" + secret + "/log", "/..%2f" + secret + "/log",
                 "//etc/passwd", "/../../../../etc/passwd"):
        got = env.lab.curl("--path-as-is", "-w", "%{http_code}", f"{BASE4}{path}")
        check(got[-3:] in (b"400", b"403", b"404"), f"{path}: {got[-100:]}")
        check(b"root:" not in got and b"ready" not in got, f"{path} was served")


def pipelined(env):
    with env.lab.connect(80) as sock:
        request = b"GET /%s HTTP/1.1\r\nHost: w\r\n%s\r\n"
        sock.sendall(request % (b"small.txt", b"") + request % (b"missing", b"") +
                     request % (b"small.txt", b"Connection: close\r\n"))
        got = b""
        while data := sock.recv(65536):
            got += data
    check_equal(got.count(b"HTTP/1.1 200 OK\r\n"), 2, "responses 200")
    check_equal(got.count(b"HTTP/1.1 404 "), 1, "responses 404")
    check(got.endswith(b"hello, weir\n"), "the last body last")


def malformed(env):
    """Refused, or ended by the header limit: never served, never kept."""
    for junk in (b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n",
                 b"GET /small.txt HTTP/1.1\r\n\r\n"):
        with env.lab.connect(80) as sock:
            sock.sendall(junk)
            sock.shutdown(1)
            got = b""
            with contextlib.suppress(ConnectionResetError):  # the header limit's way
                while data := sock.recv(65536):
                    got += data
            check(got == b"" or got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 ")),
                  f"{junk[:30]}: {got[:80]}")


def nothing_left(env):
    env.weir.wait_quiet()


sys.exit(run(fixture, small, small_ipv6, empty, large, keep_alive, parallel, head, ranges, refusals,
             traversal, pipelined, malformed, nothing_left))
