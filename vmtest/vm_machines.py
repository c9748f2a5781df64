# SPDX-License-Identifier: BSD-2-Clause
"""
The machines that a guest can be: processors, memory, network devices.

The devices of `nic` come in pairs, a server's end and a client's end, known by their MAC
addresses: 02:77:00:00:QQ:01 and 02:77:00:00:QQ:02, QQ the number of queue pairs. A pair of one
queue meets in a hub of QEMU; one of more are multiqueue taps on a bridge, in a network
namespace that QEMU alone is in and that goes with it. Guests reach nothing else.
"""
import dataclasses
import os
import shlex
import stat

from vm_image import VmError, need


@dataclasses.dataclass(frozen=True)
class Machine:
    name: str
    cpus: int
    mib: int
    pairs: tuple = ()  # queues of each pair of network devices
    modules: tuple = ("veth",)


MACHINES = {m.name: m for m in (
    Machine("veth", 2, 1536),
    Machine("nic", 4, 2048, (1, 2, 4), ("veth", "virtio_net", "8021q")),
    Machine("small", 1, 192),
)}


def find(name):
    if name not in MACHINES:
        raise VmError(f"no machine {name}; there are: {' '.join(MACHINES)}")
    return MACHINES[name]


def mac(queues, end):
    return f"02:77:00:00:{queues:02x}:{end:02x}"


def device(name, queues, end):
    many = f",mq=on,vectors={2 * queues + 2}" if queues > 1 else ""
    return ["-device", f"virtio-net-pci,netdev={name},mac={mac(queues, end)},romfile={many}"]


def network(machine):
    """QEMU's arguments for the pairs."""
    args = []
    for queues in machine.pairs:
        for end in (1, 2):
            name = f"q{queues}e{end}"
            if queues == 1:
                args += ["-netdev", f"hubport,id={name},hubid={queues}"]
            else:
                args += ["-netdev", f"tap,id={name},ifname={name},queues={queues},script=no,"
                         "downscript=no,vhost=off"]
            args += device(name, queues, end)
    return args


def need_tun():
    """/dev/net/tun, which a container may lack though its kernel has the driver."""
    path = "/dev/net/tun"
    try:
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(10, 200))
        os.close(os.open(path, os.O_RDWR))
    except OSError as e:
        raise VmError(f"machine nic needs {path} for its multiqueue devices: {e.strerror}; "
                      "run as root on a kernel with CONFIG_TUN") from None


def wrapper(machine):
    """What QEMU is started by: for taps, a shell in a network namespace of its own."""
    taps = [q for q in machine.pairs if q > 1]
    if not taps:
        return []
    need_tun()
    steps = []
    for queues in taps:
        bridge = f"br{queues}"
        steps.append(f"ip link add {bridge} type bridge mcast_snooping 0 forward_delay 0")
        steps.append(f"ip link set {bridge} up")
        for end in (1, 2):
            tap = f"q{queues}e{end}"
            steps += [f"ip tuntap add {tap} mode tap multi_queue",
                      f"ip link set {tap} master {bridge} up"]
    quiet = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null"
    script = (f"{quiet}; {' && '.join(steps)} && exec \"$@\"; "
              "echo 'vmtest: no taps for QEMU' >&2; exit 1")
    return [need("unshare", "util-linux"), "--net", "/bin/sh", "-c", script, "sh"]


def shell_words(words):
    return " ".join(map(shlex.quote, words))
