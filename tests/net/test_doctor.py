# SPDX-License-Identifier: BSD-2-Clause
"""weir doctor: what is wrong in a lab is found, and the command that it gives mends it."""
import contextlib
import json
import os
import subprocess
import sys

from weirlab import WEIR, Cases, Env, Lab, Weir, check, check_equal, need, patience, wait_until

SHELL_TIME = 20


@contextlib.contextmanager
def fixture():
    with Lab(queues=2) as lab:
        yield Env(lab=lab, iface=lab.iface["server"])


@contextlib.contextmanager
def bare():
    with Lab(queues=2, no_peer_xdp=True) as lab:
        yield Env(lab=lab, iface=lab.iface["server"])


def doctor(env, ok=(0, 1)):
    """The findings by topic, and the exit status."""
    done = env.lab.run("server", WEIR, "doctor", env.iface, "--json", ok=ok)
    report = json.loads(done.stdout)
    check_equal(report["version"], 1, "version")
    check_equal(report["iface"], env.iface, "interface")
    levels = ("ok", "note", "warn", "bad")
    check_equal(report["worst"], max((f["level"] for f in report["findings"]), key=levels.index),
                "worst")
    check_equal(done.returncode, int(report["worst"] == "bad"), "status")
    return {f["topic"]: f for f in report["findings"]}, done.returncode


def shell(env, command):
    """As an operator would run it, at the server."""
    done = subprocess.run(env.lab.argv("server", "sh", "-c", command), capture_output=True,
                          text=True, check=False, timeout=patience(SHELL_TIME))
    check(done.returncode == 0, f"{command}: {done.stderr}")


def found_and_mended(env, topic, level, status=None):
    found, code = doctor(env)
    check(topic in found, f"{topic} not found: {sorted(found)}")
    check_equal(found[topic]["level"], level, f"{topic}: {found[topic]['text']}")
    check_equal(code, int(level == "bad") if status is None else status, "status")
    shell(env, found[topic]["command"])
    found, _ = doctor(env)
    check(topic not in found or found[topic]["level"] == "ok", f"after its command: {found[topic]}"
          if topic in found else "")


# ---- the cases --------------------------------------------------------------------------------


def content(env):
    found, status = doctor(env, ok=(0,))
    for topic in ("kernel", "af_xdp", "interface", "hook", "peer", "peer_xdp", "queues", "rxvlan"):
        check_equal(found[topic]["level"], "ok", found[topic]["text"])
    check_equal(status, 0, "status")


def interface_down(env):
    env.lab.run("server", "ip", "link", "set", env.iface, "down")
    found_and_mended(env, "interface", "bad")


def mtu_too_large(env):
    env.lab.run("server", "ip", "link", "set", env.iface, "mtu", 9000)
    found_and_mended(env, "interface", "bad")
    env.lab.run("server", "ip", "link", "set", env.iface, "mtu", 1500)


def vlan_tags_taken_off(env):
    env.lab.run("server", "ethtool", "-K", env.iface, "rxvlan", "on")
    found_and_mended(env, "rxvlan", "warn", 0)


def peer_leaves_checksums(env):
    env.lab.run("client", "ethtool", "-K", env.lab.iface["client"], "tx", "on")
    found_and_mended(env, "peer", "bad")


def hook_taken(env):
    env.lab.run("server", "ip", "link", "set", "dev", env.iface, "xdpgeneric", "obj",
                f"{WEIR.rsplit('/', 1)[0]}/bpf/lab_pass.bpf.o", "sec", "xdp.frags")
    found_and_mended(env, "hook", "bad")
    content(env)


def weir_on_it(env):
    with Weir(env.lab, ["10.0.0.2:7=echo"]) as weir:
        found, _ = doctor(env, ok=(0,))
        check_equal(found["hook"]["level"], "ok", found["hook"]["text"])
        check(str(weir.proc.pid) in found["hook"]["text"], found["hook"]["text"])


def late_flush(env):
    path = f"/sys/class/net/{env.iface}/gro_flush_timeout"
    shell(env, f"echo 20000 >{path}")
    found_and_mended(env, "napi", "note", 0)


def few_may_be_locked(env):
    """Without CAP_IPC_LOCK and CAP_SYS_RESOURCE, as in a unit that was given too little."""
    run = ["setpriv", "--bounding-set=-ipc_lock,-sys_resource",
           "--inh-caps=-ipc_lock,-sys_resource", "prlimit", "--memlock=65536:65536",
           WEIR, "doctor", env.iface, "--json"]
    done = env.lab.run("server", *run, ok=(0, 1))
    found = {f["topic"]: f for f in json.loads(done.stdout)["findings"]}
    check_equal(found["memlock"]["level"], "bad", found["memlock"]["text"])
    check_equal(done.returncode, 1, "status")


def for_people(env):
    done = env.lab.run("server", WEIR, "doctor", env.iface)
    check("\x1b" not in done.stdout, done.stdout)
    check("ok    interface" in done.stdout and "veth" in done.stdout, done.stdout)
    for args, why in (((), "one interface"), (("a", "b"), "one interface"),
                      (("nope0",), "no such interface")):
        done = env.lab.run("server", WEIR, "doctor", *args, ok=(2,))
        check(why in done.stderr, done.stderr)
    done = env.lab.run("server", WEIR, "doctor", "lo", ok=(1,))
    check("loopback" in done.stdout, done.stdout)


def container_like(env):
    """The other end as a container has it: without a program, with all offloads."""
    found, status = doctor(env)
    check_equal(status, 1, "status")
    check_equal(found["peer_xdp"]["level"], "warn", found["peer_xdp"]["text"])
    check("checksums and segmentation" in found["peer"]["text"], found["peer"]["text"])
    check(env.lab.ns["client"] in found["peer"]["command"], found["peer"]["command"])
    found_and_mended(env, "peer", "bad")
    if "gro" in found:
        found_and_mended(env, "gro", "warn", 0)
    # And it was worth it: without the option for such peers.
    with Weir(env.lab, ["10.0.0.2:7=echo"]) as weir:
        check_equal(weir.mode, "generic", "mode")
        result = env.lab.netclient("echo", 7, "--conns", 2, "--bytes", 200000, time_limit=30)
        check_equal(result["ok"], 2, result)
        check_equal(weir.counter("drop_csum_partial"), 0, "partial checksums")


def peer_in_a_container(env):
    """A namespace without a name: a process stands for it."""
    with env.lab.spawn("server", "unshare", "-n", "sleep", "60") as inside:
        other = f"/proc/{inside.pid}/ns/net"
        wait_until(lambda: os.readlink(other) not in (os.readlink("/proc/self/ns/net"), netns(env)),
                   5, "a namespace of its own")
        env.lab.run("server", "ip", "link", "add", "box0", "type", "veth", "peer", "name", "box1",
                    "netns", inside.pid)
        env.lab.run("server", "ip", "link", "set", "box0", "up")
        box = Env(lab=env.lab, iface="box0")
        found, _ = doctor(box)
        check(f"nsenter -t {inside.pid} -n ethtool -K box1" in found["peer"]["command"],
              found["peer"])
        found_and_mended(box, "peer", "bad")
        env.lab.run("server", "ip", "link", "del", "box0")


def netns(env):
    return env.lab.run("server", "readlink", "/proc/self/ns/net").stdout.strip()


need()
cases = Cases()
cases.group(fixture, (content, interface_down, mtu_too_large, vlan_tags_taken_off,
                      peer_leaves_checksums, hook_taken, weir_on_it, late_flush,
                      few_may_be_locked, for_people, peer_in_a_container))
cases.group(bare, (container_like,))
sys.exit(cases.status())
