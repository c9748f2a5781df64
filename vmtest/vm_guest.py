# SPDX-License-Identifier: BSD-2-Clause
"""
One guest: QEMU from its start to its end, and what came back.

The console goes to console.log, line by line to this terminal too; the results come through
a raw disk on which the guest leaves a tar archive. QEMU dies with this process, whatever
ends that (setpriv --pdeathsig).
"""
import dataclasses
import fcntl
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import vm_kernel
import vm_machines
from vm_image import need

RESULTS_MIB = 32
TIMED_OUT = 124  # what timeout(1) in the guest says
LEFT = ("junit.xml", "rc", "dmesg")
FILE_LIMIT = 16 << 20  # of what a guest leaves; more is not ours
UP = b"weir-vm: up "
PANIC = re.compile(rb"Kernel panic - not syncing")
# Warnings are to be seen; a panic or an oops ends the guest. Emulation on a busy machine
# is slow enough to look like a lockup, or to boot without a working timer.
CMDLINE = ("no_timer_check console=ttyS0 loglevel=5 panic=-1 oops=panic panic_on_warn=0 "
           "sysctl.kernel.hung_task_timeout_secs=120 sysctl.kernel.watchdog_thresh=60 "
           "rcupdate.rcu_cpu_stall_timeout=120 random.trust_cpu=on net.ifnames=0")
# What emulation is slow at: a string instruction goes byte by byte where a processor is said to
# be fast at that, and code at another address in each process is translated for each anew.
TCG_CPU = "max,-erms,-fsrm"
TCG_CMDLINE = "norandmaps"
# Checks that a kernel has built in and leaves off: the cheap, and those of --debug.
CHECKS = {"CONFIG_KFENCE": "kfence.sample_interval=100"}
THOROUGH = {"CONFIG_SLUB_DEBUG": "slub_debug=FZP", "CONFIG_PAGE_POISONING": "page_poison=1"}
TRIAL_SECONDS = 15
PATIENCE = {"tcg": 10, "kvm": 1}

STOP = threading.Event()  # the run is over: guests of all threads end


@dataclasses.dataclass
class Job:
    """What a guest is to do; becomes /run/job there."""
    action: str = "test"
    only: tuple = ()
    kinds: tuple = ()
    inject: str = ""
    marks: dict = dataclasses.field(default_factory=dict)  # of vm_shares; not for the guest
    rows: int = 24
    columns: int = 80

    def text(self, kernel, machine, accel, seconds=0):
        return "".join(f"{k}={vm_machines.shell_words([v])}\n" for k, v in {
            "action": self.action, "only": vm_machines.shell_words(self.only),
            "kinds": " ".join(self.kinds), "inject": self.inject, "kernel": kernel.name,
            "machine": machine.name, "seconds": str(seconds), "modules": " ".join(machine.modules),
            "patience": str(PATIENCE[accel]), "rows": str(self.rows),
            "columns": str(self.columns)}.items())


# ---- the accelerator ------------------------------------------------------------


def qemu():
    return need("qemu-system-x86_64", "qemu-system-x86")


def base(accel, cpus, mib):
    how, cpu = ("tcg,thread=multi", TCG_CPU) if accel == "tcg" else (accel, "max")
    return [need("setpriv", "util-linux"), "--pdeathsig", "KILL", qemu(), "-M", "q35",
            "-cpu", cpu, "-accel", how, "-smp", str(cpus), "-m", str(mib), "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot"]


def _kvm_boots(kernel):
    """
    Some machines have the device node and no kernel boots under it. A guest that comes
    as far as its first process is the proof.
    """
    argv = [*base("kvm", 1, 512), "-nic", "none", "-kernel", kernel.image, "-initrd", kernel.initrd,
            "-append", CMDLINE + " weir.trial", "-serial", "stdio"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as proc:
        try:
            said, _ = proc.communicate(timeout=TRIAL_SECONDS)
        except subprocess.TimeoutExpired:
            proc.kill()
            said, _ = proc.communicate()
    return b"weir-vm: alive" in said


def choose_accel(asked, kernel, vm):
    """tcg or kvm. What a trial said holds until this machine is booted again."""
    if asked != "auto":
        return asked
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        key = f"{f.read().strip()} {kernel.release} "
    mark = f"{vm}/kvm-trial"
    if os.path.exists(mark):
        with open(mark, encoding="ascii") as f:
            known = f.read()
        if known.startswith(key):
            return known[len(key):].strip()
    accel = "kvm" if _kvm_boots(kernel) else "tcg"
    with open(mark, "w", encoding="ascii") as f:
        f.write(f"{key}{accel}\n")
    return accel


# ---- a guest ---------------------------------------------------------------------


def drive(number, path, readonly):
    only = "on" if readonly else "off"
    return ["-drive", f"if=none,id=d{number},file={path.replace(',', ',,')},format=raw,"
                      f"readonly={only},cache=unsafe", "-device", f"virtio-blk-pci,drive=d{number}"]


def checks(kernel):
    """What to say on the command line for the checks that the kernel has."""
    of = {**CHECKS, **THOROUGH} if kernel.debug else CHECKS
    return [word for option, word in of.items() if option in kernel.config]


def command(kernel, machine, accel, root, where):
    words = [CMDLINE, *([TCG_CMDLINE] if accel == "tcg" else []), *checks(kernel)]
    argv = [*vm_machines.wrapper(machine), *base(accel, machine.cpus, machine.mib),
            "-kernel", kernel.image, "-initrd", f"{where}/initrd", "-append", " ".join(words),
            *drive(0, root, True), *drive(1, f"{where}/results.img", False)]
    if os.path.exists(kernel.modules):
        argv += drive(2, kernel.modules, True)
    network = vm_machines.network(machine)
    return argv + (network or ["-nic", "none"])


def make_initrd(kernel, job, path):
    """The kernel's own with the job behind it; a kernel takes archives one after another."""
    with tempfile.TemporaryDirectory() as stage:
        with open(f"{stage}/job", "w", encoding="utf-8") as f:
            f.write(job)
        extra = vm_kernel.cpio(stage)
    with open(kernel.initrd, "rb") as f, open(path, "wb") as out:
        shutil.copyfileobj(f, out)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(extra)


def prepare(kernel, machine, accel, job, where, seconds=0):
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    make_initrd(kernel, job.text(kernel, machine, accel, seconds), f"{where}/initrd")
    with open(f"{where}/results.img", "wb") as f:
        f.truncate(RESULTS_MIB << 20)


class Console:
    """Reads a guest's console: into a file, to the terminal, and for what it means."""

    def __init__(self, path, prefix, quiet):
        self.file = open(path, "wb")
        self.prefix, self.quiet = prefix, quiet
        self.rest = b""
        self.up = None  # when the guest's init was there
        self.panic = False

    def feed(self, data):
        self.file.write(data)
        self.file.flush()
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.line(line.rstrip(b"\r"))
        self.rest = self.rest[-65536:]

    def line(self, line):
        if self.up is None and UP in line:
            self.up = time.monotonic()
        if PANIC.search(line):
            self.panic = True
        if not self.quiet:
            text = re.sub(r"[^\t\x20-\x7e\xa0-\uffff]", "", line.decode(errors="replace"))
            print(f"{self.prefix}{text}", flush=True)

    def close(self):
        self.line(self.rest)
        self.file.close()


def run_qemu(argv, console, seconds):
    """Until QEMU ends or the time is over. Its exit status; None: out of time."""
    deadline = time.monotonic() + seconds
    with subprocess.Popen([*argv, "-serial", "stdio"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as proc:
        try:
            with selectors.DefaultSelector() as sel:
                sel.register(proc.stdout, selectors.EVENT_READ)
                while time.monotonic() < deadline and not STOP.is_set():
                    if not sel.select(min(1, max(0, deadline - time.monotonic()))):
                        continue
                    data = os.read(proc.stdout.fileno(), 65536)
                    if not data:
                        return proc.wait(10)
                    console.feed(data)
            return None
        finally:
            proc.kill()


def take_results(where):
    """
    The files that the guest left on the disk; {} when it left nothing readable. Names
    are ours, sizes are bounded: what a guest writes is not trusted.
    """
    found = {}
    try:
        with tarfile.open(f"{where}/results.img", "r:") as tar:
            for member in tar:
                name = os.path.basename(member.name)
                if member.isfile() and name in LEFT and member.size <= FILE_LIMIT:
                    found[name] = tar.extractfile(member).read()
    except (tarfile.TarError, OSError, EOFError, ValueError):
        pass
    return found


def how_it_ended(status, console, results):
    if STOP.is_set():
        return "interrupted"
    if status is None:
        return "timeout"
    if console.panic:
        return "panic"
    if status != 0:
        return f"qemu: status {status}"
    if "junit.xml" not in results or not results.get("rc", b"").strip().isdigit():
        return "no result"
    if int(results["rc"]) == TIMED_OUT:
        return "timeout"
    return "done"


def run(kernel, machine, accel, root, job, where, seconds, quiet):
    """Boots a guest, waits for its end and leaves console.log, junit.xml, status.json."""
    os.makedirs(os.path.dirname(where), exist_ok=True)
    with open(f"{where}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two runs the later waits
        return _run(kernel, machine, accel, root, job, where, seconds, quiet)


def _run(kernel, machine, accel, root, job, where, seconds, quiet):
    prepare(kernel, machine, accel, job, where, seconds)
    console = Console(f"{where}/console.log", f"{kernel.name} {machine.name}| ", quiet)
    argv = command(kernel, machine, accel, root, where)
    start = time.monotonic()
    try:
        status = run_qemu(argv, console, seconds)
    finally:
        console.close()
    took = time.monotonic() - start
    results = take_results(where)
    for name in ("junit.xml", "dmesg"):
        if name in results:
            with open(f"{where}/{name}", "wb") as f:
                f.write(results[name])
    os.unlink(f"{where}/results.img")
    os.unlink(f"{where}/initrd")
    ended = how_it_ended(status, console, results)
    write_status(where, kernel, machine, accel, ended, {
        "boot_seconds": round(console.up - start, 1) if console.up else None,
        "seconds": round(took, 1), "limit_seconds": seconds,
        "rc": int(results["rc"]) if ended == "done" else None, "marks": job.marks})
    return ended


def write_status(where, kernel, machine, accel, ended, more):
    os.makedirs(where, exist_ok=True)
    with open(f"{where}/status.json", "w", encoding="utf-8") as f:
        json.dump({"kernel": kernel.name, "release": kernel.release, "package": kernel.booted,
                   "machine": machine.name, "accel": accel, "ended": ended,
                   "config": list(kernel.config), "debug": checks(kernel), **more}, f, indent=1)
        f.write("\n")


def shell(kernel, machine, accel, root, vm):
    """An interactive guest on this terminal; ends when its shell does."""
    where = f"{vm}/{kernel.name}/shell"
    size = shutil.get_terminal_size()
    prepare(kernel, machine, accel, Job("shell", rows=size.lines, columns=size.columns), where)
    argv = [*command(kernel, machine, accel, root, where), "-serial", "mon:stdio"]
    try:
        with subprocess.Popen(argv) as proc:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the guest's
            return proc.wait()
    finally:
        if sys.stdin.isatty():
            subprocess.run(["stty", "sane"], check=False)
        shutil.rmtree(where, ignore_errors=True)
