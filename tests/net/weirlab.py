# SPDX-License-Identifier: BSD-2-Clause
"""
What the network tests stand on: a lab, a weir in it (tools/labkit.py), clients, and cases.

    with Lab(queues=2) as lab, Weir(lab, ["10.0.0.2:7=echo"]) as weir:
        result = lab.netclient("echo", 7, "--conns", 10, "--bytes", 100000)

A test program defines cases and ends with `sys.exit(run(...))`.
"""
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import labkit  # noqa: E402
from labkit import (BUILD, CLIENT4, CLIENT6, FLOOD, KSERVER, LAB, ROOT, SERVER4, SERVER6, WEIR,  # noqa: E402,F401
                    Failure, Skip, Weir, Whole, check, check_equal, end_process, make, patience, scaled, sha256,
                    wait_until)

NETCLIENT = f"{BUILD}/tests/net/netclient"


class Lab(labkit.Lab):
    """A lab with the tests' own client."""

    def netclient(self, command, port, *args, server=SERVER4, time_limit=60, ok=(0, 1)):
        done = self.run("client", NETCLIENT, command, server, port, "--time",
                        round(patience(time_limit)), "--limit-ms", round(patience(3000)), *args,
                        timeout=time_limit + 10, ok=ok)
        result = json.loads(done.stdout.strip().splitlines()[-1])
        if done.stderr:
            result["said"] = done.stderr.strip()[-300:]
        return result


@contextlib.contextmanager
def site(**files):
    """
    A directory to serve: NAME=bytes, or NAME=size for random content; `__` in a
    name stands for the dot.
    """
    with tempfile.TemporaryDirectory(prefix="weir-site-") as where:
        for name, content in files.items():
            with open(f"{where}/{name.replace('__', '.')}", "wb") as f:
                if isinstance(content, int):
                    for _ in range(content // (1 << 20)):
                        f.write(os.urandom(1 << 20))
                    content = os.urandom(content % (1 << 20))
                f.write(content)
        yield where


def sparse(path, size):
    with open(path, "wb") as f:
        f.truncate(size)


# ---- what clients do ----------------------------------------------------------


def check_file(env):
    """The site's file.bin, by curl over IPv4 and IPv6."""
    with open(f"{env.root}/file.bin", "rb") as f:
        want = f.read()
    check(env.lab.curl("http://10.0.0.2/file.bin") == want, "the file over IPv4")
    check(env.lab.curl("-g", "http://[fd00::2]/file.bin") == want, "the file over IPv6")


def reset_close(sock):
    """Closes it with an RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# ---- cases -------------------------------------------------------------------


def need(*paths):
    """Ends the program with 77 when it cannot run."""
    if os.geteuid() != 0:
        print("needs root", file=sys.stderr)
        sys.exit(77)
    for path in (WEIR, NETCLIENT) + paths:
        if not os.access(path, os.X_OK):
            print(f"{path} is not built", file=sys.stderr)
            sys.exit(77)


class Cases:
    """Runs cases and reports them; counts what failed."""

    def __init__(self):
        self.failed = 0
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(1))

    def group(self, fixture, cases, name=""):
        """
        Runs each case with what fixture() gives. The fixture is shared by the cases
        until one fails; then the next gets a fresh one.
        """
        left = list(cases)
        while left:
            try:
                with fixture() as given:
                    while left:
                        case = left.pop(0)
                        if not self.one(case, given, name):
                            break
            except Exception as e:  # the fixture's own trouble
                self.report(False, name + (case_name(left.pop(0)) if left else "fixture-end"), e)
                for case in left:
                    self.report(False, name + case_name(case), Failure("no lab or no weir"), brief=True)
                return

    def one(self, case, given, name=""):
        label = name + case_name(case)
        try:
            case(given)
            weir = given if isinstance(given, Weir) else getattr(given, "weir", None)
            if weir is not None and not getattr(given, "may_end", False):
                check(weir.alive(), f"weir ended with status {weir.proc.returncode}")
        except Skip as e:
            print(f"skip {label} - {e}", flush=True)
        except Exception as e:
            self.report(False, label, e, given)
            return False
        else:
            self.report(True, label)
        return True

    def report(self, good, label, error=None, given=None, brief=False):
        if good:
            print(f"ok {label}", flush=True)
            return
        self.failed += 1
        why = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, Failure):
            why = f"{type(error).__name__}: {why}"
        print(f"not ok {label} - {why}", flush=True)
        if brief:
            return
        for line in traceback.format_exception(error)[-3:]:
            for part in line.rstrip().splitlines():
                print(f"#   {part}")
        weir = given if isinstance(given, Weir) else getattr(given, "weir", None)
        for line in weir.explain() if weir is not None else []:
            print(f"#   {line}")
        sys.stdout.flush()

    def status(self):
        return 1 if self.failed else 0


def case_name(case):
    return getattr(case, "label", None) or case.__name__.replace("_", "-")


class Env:
    """What a fixture gives to its cases: lab, weir and whatever else."""

    def __init__(self, **given):
        self.__dict__.update(given)


@contextlib.contextmanager
def serving(listen, *args, root=None, weir_class=Weir, **lab_options):
    """A lab with a weir: the fixture of most tests."""
    with Lab(**lab_options) as lab, weir_class(lab, listen, *args) as weir:
        yield Env(lab=lab, weir=weir, root=root)


def run(fixture, *cases):
    """One group of cases, as a whole program."""
    need()
    all_cases = Cases()
    all_cases.group(fixture, cases)
    return all_cases.status()


def while_fetched(env, step):
    """Eight clients fetch /small.txt, and all get it, while STEP(n) is called; how often it was."""
    results, steps = [], 0
    clients = threading.Thread(target=lambda: results.append(env.lab.netclient(
        "fetch", 80, "--path", "/small.txt", "--seconds", max(4, round(patience(2))),
        "--concurrency", 8, "--body", f"{env.root}/small.txt")))
    clients.start()
    while clients.is_alive():
        step(steps)
        steps += 1
    clients.join()
    check(results and results[0]["failed"] == 0 and results[0]["done"] > scaled(100), results)
    return steps


def paced(*args):
    """Arguments of weir-load as a machine of this speed can carry them out."""
    how = {"--rate": scaled, "--seconds": patience}
    return [how[before](arg) if before in how else arg for before, arg in zip(("", *args), args)]


def briefly(load, env, pattern, to, *args):
    """What load() reports of half a second; of four if the machine stood still for all of that."""
    def run(seconds):
        return load(env, pattern, to, "--timeout", f"{patience(3):g}s",
                    *paced("--seconds", seconds, "--warmup", 0.1, *args))

    got = run(0.5)
    return got if got["attempted"] else run(4)


@contextlib.contextmanager
def kserver(lab, service, where):
    """The kernel's side at the server's end, once it listens at `where` (ADDR:PORT)."""
    with lab.spawn("server", KSERVER, service, where, stderr=subprocess.PIPE) as proc:
        wait_until(lambda: f"{where} " in lab.run("server", "ss", "-Hltn").stdout, 5,
                   f"kserver {service} listens")
        yield proc
