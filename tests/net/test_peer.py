# SPDX-License-Identifier: BSD-2-Clause
"""A veth peer without an XDP program, as a container has it: generic mode, partial checksums."""
import contextlib
import functools
import sys

from weirlab import Cases, check, check_equal, need, serving, site


@contextlib.contextmanager
def fixture(*args):
    with site(file__bin=3000000) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], *args, root=root,
                     no_peer_xdp=True) as env:
            yield env


def falls_back_to_generic(env):
    check_equal(env.weir.mode, "generic", "mode")
    check_equal(env.weir.status()["mode"], "generic", "mode in status")
    check("generic" in env.weir.log().replace("mode=generic", ""), "the log says why")


def serves(env):
    with open(f"{env.root}/file.bin", "rb") as f:
        check(env.lab.curl("http://10.0.0.2/file.bin") == f.read(), "the file")


def upload(env):
    """The client's offloads are on: its large writes may leave as one super-packet."""
    result = env.lab.netclient("echo", 7, "--conns", 2, "--bytes", 200000, time_limit=30)
    check(result["ok"] == 2, result)


def partial_checksums_are_counted(env):
    """Without the option the SYN's checksum fails, and the counter and the log say which kind."""
    out = env.lab.curl("--connect-timeout", 2, "http://10.0.0.2/file.bin", ok=(28, 7))
    check_equal(out, b"", "body")
    check(env.weir.counter("drop_csum_partial") > 0, "drop_csum_partial")
    check("--accept-partial-csum" in env.weir.log(), "the log names the option")


need()
cases = Cases()
cases.group(functools.partial(fixture, "--accept-partial-csum"),
            (falls_back_to_generic, serves, upload))
cases.group(fixture, (partial_checksums_are_counted,))
cases.group(functools.partial(fixture, "--xdp-mode", "generic", "--accept-partial-csum"),
            (serves,), "asked-for-")
sys.exit(cases.status())
