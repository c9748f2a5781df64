# SPDX-License-Identifier: BSD-2-Clause
"""weir trace on real connections: as wide as asked, into a file, until it is enough."""
import contextlib
import os
import struct
import subprocess
import sys
import tempfile

from weirlab import WEIR, Cases, Env, Lab, Weir, check, check_equal, need, patience, wait_until

FRAMES = 6  # a connection has more


@contextlib.contextmanager
def fixture():
    with Lab() as lab, Weir(lab, ["10.0.0.2:7=echo"]) as weir, \
            tempfile.TemporaryDirectory(prefix="weir-trace-") as where:
        yield Env(lab=lab, weir=weir, dir=where)


def trace(env, *args):
    """What it prints of a connection that is made once it watches."""
    argv = [WEIR, "trace", "--ctl", env.weir.ctl, "--count", str(FRAMES), *args]
    said = f"{env.dir}/said"
    with open(said, "w", encoding="utf-8") as err, \
            subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=err, text=True) as tool:
        try:
            wait_until(lambda: "watching" in open(said, encoding="utf-8").read(), 5, "a trace")
            env.lab.netclient("echo", 7, "--conns", 1, "--bytes", 100)
            out, _ = tool.communicate(timeout=patience(10))
        finally:
            tool.kill()
    check_equal(tool.returncode, 0, "status")
    return out


def as_wide_as_asked(env):
    for asked in (80, 100, 140):
        out = trace(env, "--ascii", "--width", str(asked))
        check("SYN_SENT" in out, out)
        check_equal(max(map(len, out.splitlines())), asked, "columns")


def no_wider_than_is_read_easily(env):
    check_equal(max(map(len, trace(env, "--ascii").splitlines())), 100, "columns, without a terminal")


def into_a_file(env):
    path = f"{env.dir}/frames.pcap"
    check_equal(trace(env, "--pcap", path, "--quiet"), "", "printed")
    with open(path, "rb") as f:
        head = f.read(24)
    check_equal(struct.unpack("<I", head[:4])[0], 0xa1b23c4d, "pcap, of nanoseconds")
    check(os.path.getsize(path) > 24 + FRAMES * (16 + 54), f"{os.path.getsize(path)} bytes")


need()
cases = Cases()
cases.group(fixture, [as_wide_as_asked, no_wider_than_is_read_easily, into_a_file])
sys.exit(cases.status())
