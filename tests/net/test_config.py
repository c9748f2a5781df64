# SPDX-License-Identifier: BSD-2-Clause
"""The configuration file: what weir check says of it, and weir run from it."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

from weirlab import (ROOT, WEIR, Env, Lab, Weir, check, check_equal, patience, run, site)

TEN_LINES = """\
interface: {iface}
services:
  - listen: ["10.0.0.2:80", "[fd00::2]:80"]
    app: http:{root}
  - listen: 10.0.0.2:7
    app: echo
    mode: never
log_level: info
msl: 1s
drain_ms: 2s
"""

# A file, and what is said of it, at which line and column.
WRONG = [
    ("interfase: lo\nservices: [{listen: \"*:7\", app: echo}]\n", 1, 1, "is interface meant?"),
    ("interface: lo\nservices:\n  - listen: *:80\n    app: echo\n", 3, 14, "need quotes"),
    ("interface: lo\nservices:\n  - listen: [1, 2\n    app: echo\n", 4, 8, "did not find"),
    ("interface: lo\nqueues: 900\nservices: [{listen: \"*:7\", app: echo}]\n", 2, 9, "from 1 to 64"),
    ("interface: lo\nservices:\n- {listen: 10.0.0.2:7, app: echo}\n- {listen: 10.0.0.2:7, app: echo}\n",
     4, 12, "already"),
    ("interface: nosuch0\nservices: [{listen: \"*:7\", app: echo}]\n", 1, 12, "no such interface"),
]


def weir(*args, stdin=None):
    return subprocess.run([WEIR, *args], capture_output=True, text=True, check=False, stdin=stdin,
                          timeout=patience(20))


@contextlib.contextmanager
def config(text):
    with tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="weir-test-") as f:
        f.write(text)
        f.flush()
        yield f.name


@contextlib.contextmanager
def fixture():
    with site(file__bin=100000) as root, Lab() as lab:
        with config(TEN_LINES.format(iface=lab.iface["server"], root=root)) as path:
            yield Env(lab=lab, root=root, path=path)


def the_example_is_valid(_):
    done = weir("check", "--elsewhere", f"{ROOT}/tools/pkg/weir.conf")
    check_equal(done.returncode, 0, f"status ({done.stderr})")


def wrong_files_are_pointed_at(_):
    for text, line, column, words in WRONG:
        with config(text) as path:
            done = weir("check", path)
            check_equal(done.returncode, 1, f"status for {text!r}")
            first = done.stderr.splitlines()
            check(first[0].startswith(f"{path}:{line}:{column}: ") and words in first[0], done.stderr)
            check_equal(first[1].strip(), text.splitlines()[line - 1].strip(), "the line")
            check_equal(first[2], " " * (4 + column - 1) + "^", "the caret")
            reply = json.loads(weir("check", "--json", path).stdout)
            error = reply["errors"][0]
            check_equal((reply["valid"], error["line"], error["column"]), (False, line, column), text)
            check(words in error["message"], error)


def files_that_are_none(_):
    check_equal(weir("check", "/nowhere/weir.conf").returncode, 1, "status without a file")
    check("No such file" in weir("check", "/nowhere/weir.conf").stderr, "why")
    for path in ("/", "/dev/zero"):
        check_equal(weir("check", path).returncode, 1, path)
    check_equal(weir("check", "a", "b").returncode, 2, "status for two files")
    check_equal(weir("check", "--help").returncode, 0, "status of --help")


def a_wrong_file_is_not_run(env):
    with config("interface: lo\nservices: 3\n") as path:
        done = weir("run", "-c", path)
        check_equal(done.returncode, 2, "status")
        check(f"{path}:2:11: " in done.stderr, done.stderr)
    check_equal(env.lab.run("server", WEIR, "check", env.path).stdout.split(":")[1], " valid", "valid")


def ten_lines_serve(env):
    with Weir(env.lab, [], "-c", env.path) as run_weir:
        with open(f"{env.root}/file.bin", "rb") as f:
            want = f.read()
        check(env.lab.curl("http://10.0.0.2/file.bin") == want, "the file over IPv4")
        check(env.lab.curl("-g", "http://[fd00::2]/file.bin") == want, "the file over IPv6")
        modes = {s["listen"]: s["mode"] for s in run_weir.status()["services"]}
        check_equal(modes, {"10.0.0.2:80": "always", "[fd00::2]:80": "always", "10.0.0.2:7": "never"},
                    "modes")
        result = env.lab.netclient("echo", 7, "--conns", 3, "--bytes", 1000)
        check_equal(result["ok"], 3, result)


def the_command_line_goes_before_it(env):
    with Weir(env.lab, ["10.0.0.2:9=discard"], "-c", env.path, "--mode", "auto") as run_weir:
        modes = {s["listen"]: s["mode"] for s in run_weir.status()["services"]}
        check_equal(modes, {"10.0.0.2:80": "auto", "[fd00::2]:80": "auto", "10.0.0.2:7": "never",
                            "10.0.0.2:9": "auto"}, "modes")


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(run(fixture, the_example_is_valid, wrong_files_are_pointed_at, files_that_are_none,
                 a_wrong_file_is_not_run, ten_lines_serve, the_command_line_goes_before_it))
