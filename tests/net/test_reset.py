# SPDX-License-Identifier: BSD-2-Clause
"""RST in the middle of things: the server survives and keeps nothing."""
import contextlib
import sys

from weirlab import check, check_equal, reset_close, run, serving, site, wait_until


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"small\n", big__bin=20 << 20) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], root=root) as env:
            yield env


def still_serves(env):
    check_equal(env.lab.curl("http://10.0.0.2/small.txt"), b"small\n", "body")


def mid_transfer(env):
    result = env.lab.netclient("rstmid", 80, "--path", "/big.bin", "--bytes", 1 << 20, "--conns",
                               30)
    check_equal(result["done"], 30, result)
    env.weir.wait_quiet(3, but=())
    still_serves(env)


def buffers_come_back(env):
    wait_until(lambda: env.weir.status()["memory"]["buffers_used_bytes"] == 0, 3,
               lambda: f"no buffer in use: {env.weir.status()['memory']}")


def right_after_connect(env):
    for _ in range(20):
        reset_close(env.lab.connect(80))
    env.weir.wait_quiet(3, but=())
    still_serves(env)


def unread_data(env):
    """A close with bytes unread makes the kernel send RST after its data."""
    for _ in range(10):
        sock = env.lab.connect(7, rcvbuf=4096)
        sock.sendall(b"x" * 30000)
        sock.close()
    env.weir.wait_quiet(3, but=())
    still_serves(env)


def flows_are_given_back(env):
    """What is left in the map are tombstones alone."""
    def only_tombstones():
        flows = env.weir.status()["flows"]
        return flows["used"] <= flows["tombstones"]

    wait_until(only_tombstones, 5, lambda: f"only tombstones: {env.weir.status()['flows']}")
    check(env.weir.counter("conn_opened") == env.weir.counter("conn_closed"),
          "as many connections closed as opened")


sys.exit(run(fixture, mid_transfer, buffers_come_back, right_after_connect, unread_data,
             flows_are_given_back))
