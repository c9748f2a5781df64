# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 60
"""Frames on virtio-net that are not plain: checksums left to the device, VLAN tags, MTUs."""
import functools
import sys

from guestlab import Nic, need_nic, pairs
from niccases import LIGHT, PORTS, SIZE, served
from weirlab import WEIR, Cases, Weir, check, check_equal, patience, wait_until

BYTES = 60000


def upload(env, **kwargs):
    result = env.lab.netclient("echo", 7, "--conns", 4, "--bytes", BYTES, **kwargs)
    check_equal(result["ok"], 4, result)


def made_by_the_driver(env):
    """
    Native XDP: the driver gives the offloads of its receiving side up, and the other machine's
    host makes the checksums and the segments that the sender had left to be made.
    """
    check_equal(env.lab.features("client")["tx-checksum-ip-generic"], "on", "the client's offload")
    upload(env)
    counters = env.weir.counters()
    for name in ("drop_csum_partial", "drop_frame_partial_csum", "drop_tcp_csum", "drop_frame_csum",
                 "xsk_rx_dropped"):
        check_equal(counters[name], 0, name)


def left_to_nobody(env):
    """Generic XDP: they come as they are, and the operator is told which two commands help."""
    out = env.lab.curl("--connect-timeout", 2, "http://10.0.0.2/file.bin", ok=(28, 7))
    check_equal(out, b"", "body")
    check(env.weir.counter("drop_csum_partial") > 0, "drop_csum_partial")
    wait_until(lambda: "--accept-partial-csum" in env.weir.log(), 3, "the log names the option")
    check("ethtool -K DEVICE tx off" in env.weir.log(), "and what the sender can do")


def sender_makes_them(env):
    """What the log said helps, on a weir that runs."""
    env.lab.run("client", "ethtool", "-K", env.lab.iface["client"], "tx", "off")
    try:
        upload(env)
    finally:
        env.lab.run("client", "ethtool", "-K", env.lab.iface["client"], "tx", "on", "tso", "on")


def accepted(env):
    """The other way: trusted. Small enough not to be one super-packet, which 6.1 cannot take."""
    result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 1000)
    check_equal(result["ok"], 8, result)
    check(env.weir.counter("csum_partial_accepted") > 0, "csum_partial_accepted")


def in_a_vlan(lab):
    """An unmodified client in VLAN 5, its tags in the frames; the device lets that VLAN in."""
    for end, address in (("server", "10.0.5.2"), ("client", "10.0.5.1")):
        dev = lab.iface[end]
        lab.run(end, "sh", "-ec", f"ip link add link {dev} name v5 type vlan id 5; "
                f"ip addr add {address}/24 dev v5; ip link set v5 up")
    try:
        for mode in ("native", "generic"):
            with Weir(lab, ["10.0.5.2:7=echo"], "--xdp-mode", mode, *LIGHT) as weir:
                result = lab.netclient("echo", 7, "--conns", PORTS // 3, "--bytes", 3000,
                                       server="10.0.5.2")
                check_equal(result["ok"], PORTS // 3, f"{mode}: {result}")
                check(weir.counter("syn_answered") >= PORTS // 3, f"{mode}: not by the gate")
    finally:
        for end in ("server", "client"):
            lab.run(end, "ip", "link", "del", "v5", ok=None)


def larger_mtu(env):
    """Frames of twice the usual size, in one buffer each."""
    check_equal(len(env.lab.curl("http://10.0.0.2/file.bin")), SIZE, "bytes of the file")
    upload(env)
    with env.lab.connect(7, timeout=patience(5)) as sock:
        sock.sendall(b"x")
        sock.recv(1)
        check(env.weir.conns("ESTABLISHED")[0]["mss"] > 2900, env.weir.conns())


def too_large_mtu(lab):
    """Of no use to the gate, and said so before anything is touched."""
    lab.ip("server", "link", "set", lab.iface["server"], "mtu", 9000)
    done = lab.run("server", WEIR, "run", "-i", lab.iface["server"], "--listen", "10.0.0.2:7=echo",
                   ok=(2,))
    check("MTU 9000 does not fit one XDP buffer" in done.stderr, done.stderr)


need_nic()
cases = Cases()
many = max(pairs())
with Nic(many, neighbours=True, offloads=True) as nic:
    cases.group(functools.partial(served, nic, "native"), (made_by_the_driver,))
    cases.group(functools.partial(served, nic, "generic"), (left_to_nobody, sender_makes_them))
    cases.group(functools.partial(served, nic, "generic", "--accept-partial-csum"), (accepted,))
with Nic(many) as nic:
    cases.one(in_a_vlan, nic)
with Nic(1, neighbours=True, mtu=3000) as nic:
    for xdp in ("native", "generic"):
        cases.group(functools.partial(served, nic, xdp), (larger_mtu,), f"{xdp}-")
    cases.one(too_large_mtu, nic)
sys.exit(cases.status())
