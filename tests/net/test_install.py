# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 300
"""An installed copy: what is in it, and the examples built against it alone."""
import contextlib
import functools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile

from weirlab import (CLIENT4, CLIENT6, ROOT, SERVER4, SERVER6, Cases, Env, Failure, Lab,
                     check, check_equal, make, need, patience, site, wait_until)

PREFIX = "/usr"


def sh(*argv, **kwargs):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False,
                          timeout=patience(250), **kwargs)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, argv))}: {(done.stdout + done.stderr)[-800:]}")
    return done.stdout


@contextlib.contextmanager
def installed():
    with tempfile.TemporaryDirectory(prefix="weir-install-") as dest:
        sh(*make("install", f"DESTDIR={dest}", f"PREFIX={PREFIX}"))
        env = dict(os.environ, PKG_CONFIG_PATH=f"{dest}{PREFIX}/lib/pkgconfig",
                   PKG_CONFIG_SYSROOT_DIR=dest)
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            env.pop(name, None)
        yield Env(dest=dest, root=dest + PREFIX, env=env)


def functions():
    """What weir.h declares."""
    text = sh("cc", "-E", "-P", f"{ROOT}/include/weir/weir.h")
    return sorted(set(re.findall(r"\b(weir_[a-z0-9_]+) *\(", text)))


# ---- what is in it -----------------------------------------------------------


def files(copy):
    for name in ("bin/weir", "include/weir/weir.h", "lib/libweir.a", "lib/libweir.so",
                 "lib/libweir.so.0", "lib/pkgconfig/weir.pc", "share/man/man8/weir.8",
                 "share/man/man8/weir-run.8", "share/man/man5/weir.conf.5",
                 "share/man/man3/weir.3", "share/doc/weir/examples/echo-server.c",
                 "share/doc/weir/examples/get.c", "share/doc/weir/examples/Makefile",
                 "share/bash-completion/completions/weir", "share/zsh/site-functions/_weir",
                 "share/fish/vendor_completions.d/weir.fish"):
        check(os.path.exists(f"{copy.root}/{name}"), f"{name} is missing")
    headers = os.listdir(f"{copy.root}/include/weir")
    check_equal(headers, ["weir.h"], "headers")


def symbols(copy):
    for name, flags in (("libweir.so.0", ("-D",)), ("libweir.a", ("-g",))):
        out = sh("nm", *flags, "--defined-only", f"{copy.root}/lib/{name}")
        seen = sorted({f[2].split("@")[0] for f in map(str.split, out.splitlines())
                       if len(f) == 3 and f[1] != "A"})
        check_equal(seen, functions(), f"symbols of {name}")


def man_pages(copy):
    where = f"{copy.root}/share/man"
    for name in functions():
        page = f"{where}/man3/{name}.3"
        check(os.path.exists(page), f"no page {name}(3)")
        with open(page, encoding="utf-8") as f:
            text = f.read()
        if text.startswith(".so "):
            with open(f"{where}/{text[4:].strip()}", encoding="utf-8") as f:
                text = f.read()
        known = text.split(".SH SYNOPSIS")[1].split(".SH")[0]
        check(re.search(rf"\b{name}\(", known), f"{name}(3) does not show it")


def man_finds_a_call(copy):
    shown = sh("man", "-M", f"{copy.root}/share/man", "weir_sock_write")
    check("ssize_t weir_sock_write(" in shown, f"man weir_sock_write: {shown[:200]}")


def man_pages_are_sound(copy):
    where = f"{copy.root}/share/man"
    for section in os.listdir(where):
        for page in os.listdir(f"{where}/{section}"):
            path = f"{where}/{section}/{page}"
            said = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", path], cwd=where,
                                  capture_output=True, text=True, check=False).stderr
            check(not said.strip(), f"{page}: {said[:300]}")


def header_alone(copy):
    """Without any other of ours, as C and as C++, with warnings."""
    for compiler, language in (("cc", "c"), ("clang", "c++")):
        sh(compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-x", language,
           f"{copy.root}/include/weir/weir.h")


# ---- the examples ------------------------------------------------------------


def build_examples(copy, static):
    out = f"{copy.dest}/{'static' if static else 'shared'}"
    os.makedirs(out, exist_ok=True)
    sh("make", "-C", f"{copy.root}/share/doc/weir/examples", f"OUT={out}",
       "CFLAGS=-O2 -Werror", *(["STATIC=1"] if static else []), env=copy.env)
    linked = "libweir.so" in sh("ldd", f"{out}/get", env=dict(
        os.environ, LD_LIBRARY_PATH=f"{copy.root}/lib"))
    check_equal(linked, not static, "linked to libweir.so")
    return out


class Example:
    """An example at one end of a lab."""

    def __init__(self, lab, copy, out):
        self.lab, self.out = lab, out
        self.env = dict(os.environ, LD_LIBRARY_PATH=f"{copy.root}/lib")

    def get(self, end, *args, ok=0):
        done = self.lab.run(end, f"{self.out}/get", self.lab.iface[end], *args, ok=None,
                            env=self.env, text=False, timeout=40)
        check_equal(done.returncode, ok, f"status of get ({done.stderr.decode()[-300:]})")
        return done

    @contextlib.contextmanager
    def echo(self, address, port=7):
        argv = self.lab.argv("server", f"{self.out}/echo-server", self.lab.iface["server"],
                             address, port)
        with tempfile.TemporaryFile("w+") as log, subprocess.Popen(
                argv, env=self.env, stderr=log, stdin=subprocess.DEVNULL) as proc:
            def said():
                log.seek(0)
                return log.read()
            try:
                wait_until(lambda: "listening on" in said() or proc.poll() is not None, 15,
                           lambda: f"it listens: {said()}")
                check(proc.poll() is None, f"echo-server ended: {said()}")
                yield proc
                # Ctrl-C: it ends in order, and with 0.
                proc.send_signal(signal.SIGINT)
                check_equal(proc.wait(patience(10)), 0, f"status of echo-server ({said()})")
            finally:
                if proc.poll() is None:
                    proc.kill()


def echo_all(ex, address, servers):
    with ex.echo(address):
        for server in servers:
            got = ex.lab.netclient("echo", 7, "--conns", 40, "--concurrency", 20, "--bytes",
                                   100000, server=server)
            check_equal(got["ok"], 40, f"echoes of {server} ({got})")
    # Nothing stays behind on the interface.
    xdp = ex.lab.link("server")["xdp"]
    check(not xdp, f"still attached: {xdp}")


def echo_ipv4(ex):
    echo_all(ex, "0.0.0.0", [SERVER4])


def echo_both(ex):
    echo_all(ex, "::", [SERVER4, SERVER6])


def echo_one_address(ex):
    echo_all(ex, SERVER6, [SERVER6])


def get_page(ex):
    with site(page__html=random.randbytes(300000)) as root, ex.lab.spawn(
            "client", sys.executable, "-m", "http.server", "8080", "--bind", "::", "--directory",
            root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_until(lambda: ":8080" in ex.lab.run("client", "ss", "-Hltn").stdout, 10, "http.server")
        with open(f"{root}/page.html", "rb") as f:
            page = f.read()
        for host in (CLIENT4, CLIENT6):
            check(ex.get("server", host, 8080, "/page.html").stdout == page, f"page from {host}")


def get_errors(ex):
    done = ex.get("server", CLIENT4, 8081, ok=1)
    check(b"Connection refused" in done.stderr, f"refused: {done.stderr}")
    done = ex.get("server", "10.0.0.77", 80, ok=1)
    check(b"No route to host" in done.stderr, f"no neighbour: {done.stderr}")
    done = ex.lab.run("server", f"{ex.out}/get", "nosuch0", CLIENT4, 80, ok=(1,), env=ex.env)
    check("nosuch0" in done.stderr, f"no such interface: {done.stderr}")
    ex.lab.run("server", f"{ex.out}/get", ok=(2,), env=ex.env)
    with ex.lab.spawn("client", sys.executable, "-m", "http.server", "7",
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        done = ex.lab.run("server", f"{ex.out}/echo-server", ex.lab.iface["server"], "10.9.9.9",
                          7, ok=(1,), env=ex.env)
        check("Cannot assign requested address" in done.stderr, f"foreign: {done.stderr}")


def port_of_the_host(ex):
    """A port that the host's own stack has is not taken from it."""
    with ex.lab.spawn("server", sys.executable, "-m", "http.server", "8080",
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_until(lambda: ":8080" in ex.lab.run("server", "ss", "-Hltn").stdout, 10, "http.server")
        done = ex.lab.run("server", f"{ex.out}/echo-server", ex.lab.iface["server"], "0.0.0.0",
                          8080, ok=(1,), env=ex.env)
        check("Address already in use" in done.stderr, f"in use: {done.stderr}")


def against_each_other(ex):
    """The request comes back; behind its first empty line is what get prints."""
    with ex.echo("::"):
        for host in (SERVER4, SERVER6):
            path = "/ HTTP/1.0\n\n" + "x" * 500
            got = ex.get("client", host, 7, path).stdout
            check(got.startswith(b"x" * 500 + b" HTTP/1.0"), f"echo of {host}: {got[:100]}")


def main():
    need()
    cases = Cases()
    with installed() as copy:
        @contextlib.contextmanager
        def given():
            yield copy

        cases.group(given, [files, symbols, header_alone, man_pages, man_pages_are_sound])
        for static in (False, True):
            @contextlib.contextmanager
            def lab(static=static, **options):
                out = build_examples(copy, static)
                with Lab(**options) as up:
                    yield Example(up, copy, out)

            two_queues = functools.partial(lab, queues=2)
            bare = functools.partial(lab, no_peer_xdp=True)
            name = "static-" if static else "shared-"
            cases.group(two_queues, [echo_ipv4, echo_both, echo_one_address, get_page, get_errors,
                              port_of_the_host], name)
            cases.group(bare, [against_each_other], name)
    return cases.status()


sys.exit(main())
