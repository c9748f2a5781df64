# SPDX-License-Identifier: BSD-2-Clause
"""
The room in which tests/run works, and what must not be left in it.

As root the runner moves into a mount and a network namespace of its own, with a
private /run and a private bpffs: named namespaces, control sockets and pins of a
run meet nobody else's, and die with the runner whatever ends it. Processes that
lose their parent are handed to the runner (PR_SET_CHILD_SUBREAPER), so that it
finds the ones a test forgot by asking for its own children.
"""
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import time

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2
PR_SET_CHILD_SUBREAPER = 36
# How much slower than usual this machine is: every time limit of a run is multiplied by it.
PATIENCE = float(os.environ.get("WEIR_PATIENCE") or 1)

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(_libc, name)(*args) != 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{name}: {os.strerror(err)}")


def _mount(kind, where):
    os.makedirs(where, exist_ok=True)
    _call("mount", kind.encode(), where.encode(), kind.encode(), 0, None)


def adopt_orphans():
    _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter():
    """Moves this process into the private room (root)."""
    _call("unshare", CLONE_NEWNS | CLONE_NEWNET)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _mount("tmpfs", "/run")
    os.makedirs("/run/netns")
    if os.path.isdir("/sys/fs/bpf"):
        _mount("bpf", "/sys/fs/bpf")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _children():
    """Live children of this process: (pid, command)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                stat = f.read()
            fields = stat[stat.rindex(")") + 2:].split()
            if int(fields[1]) != os.getpid() or fields[0] == "Z":
                continue
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                cmd = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except (OSError, ValueError):
            continue
        found.append((int(entry), cmd or f"pid {entry}"))
    return found


def reap(grace=2.0):
    """
    Ends the processes that a finished test left and returns their commands. To be
    called when no child of this process is wanted any more.
    """
    deadline = time.monotonic() + grace * PATIENCE
    while True:
        _wait_all()
        left = _children()
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    deadline = time.monotonic() + 5 * PATIENCE
    orphans = left  # of one that is ended here are the next
    while orphans and time.monotonic() < deadline:
        for pid, _ in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
        _wait_all()
        orphans = _children()
    return [cmd for _, cmd in left]


def _wait_all():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def namespaces():
    """Named namespaces; in the private room all of them are the run's own."""
    try:
        return sorted(os.listdir("/run/netns"))
    except OSError:
        return []


def remove_namespaces(names):
    for name in names:
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def devices():
    """Devices of the runner's own namespace, apart from lo."""
    out = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=False)
    links = json.loads(out.stdout or "[]")
    return sorted(link["ifname"] for link in links if link.get("link_type") != "loopback")


def remove_devices(names):
    for name in names:
        subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)


def pins():
    """Pinned objects; the kernel's own iterators (*.debug) are in every bpffs."""
    found = []
    for where, _, files in os.walk("/sys/fs/bpf"):
        found += [os.path.join(where, f) for f in files if not f.endswith(".debug")]
    return sorted(found)


def remove_pins(paths):
    for path in paths:
        os.unlink(path)


def xdp_programs():
    """{id: name} of the XDP programs loaded in the whole machine."""
    tool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not tool:
        return {}
    out = subprocess.run([tool, "-j", "prog", "list"], capture_output=True, text=True, check=False)
    try:
        progs = json.loads(out.stdout)
    except ValueError:
        return {}
    return {p["id"]: p.get("name", "?") for p in progs if p.get("type") == "xdp"}


def xdp_left(before, grace=4.0):
    """
    XDP programs that were not there before, stay, and are not held outside this run;
    an unload is deferred by the kernel, hence the grace.
    """
    deadline = time.monotonic() + grace * PATIENCE
    left = None
    while left is None or (left and time.monotonic() < deadline):
        held = _held_elsewhere()
        new = {i: n for i, n in xdp_programs().items() if i not in before and i not in held}
        left = new if left is None else {i: n for i, n in left.items() if i in new}
        if left:
            time.sleep(0.3)
    return [f"{name} (id {i})" for i, name in sorted(left.items())]


def _held_elsewhere():
    """Ids of programs that others' processes have open or others' devices run."""
    held, rooms = set(), {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fdinfo"):
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as f:
                    held.update(int(i) for i in re.findall(r"prog_id:\s+(\d+)", f.read()))
            _rooms_of(pid, rooms)
        except OSError:
            continue
    for room in rooms.values():
        out = subprocess.run(["nsenter", f"--net={room}", "ip", "-j", "link"],
                             capture_output=True, text=True, check=False)
        held.update(int(i) for i in re.findall(r'"prog":\{"id":(\d+)', out.stdout))
    return held


def _rooms_of(pid, rooms):
    """Adds {inode: path} of the namespaces that a process is in or sees by name."""
    if os.path.samefile(f"/proc/{pid}/root/run", "/run"):
        return  # this run's own
    rooms.setdefault(os.stat(f"/proc/{pid}/ns/net").st_ino, f"/proc/{pid}/ns/net")
    named = f"/proc/{pid}/root/run/netns"
    for name in os.listdir(named) if os.path.isdir(named) else ():
        rooms.setdefault(os.stat(f"{named}/{name}").st_ino, f"{named}/{name}")
