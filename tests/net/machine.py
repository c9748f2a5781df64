# SPDX-License-Identifier: BSD-2-Clause
"""
A Debian machine to be installed on: this one, seen through an overlay, with a systemd of its own,
in namespaces of its own. What is done there stays there and ends with it.

    with Machine() as machine:
        shell = machine.shell("ip", "netns", "exec", "weir-s")
        status, output = shell.run("weir status", 10)
"""
import contextlib
import fcntl
import os
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

from servers import descendants
from weirlab import BUILD, ROOT, Failure, patience, wait_until

HOME = "/root/weir"  # the source tree there
ENV = {"TERM": "xterm", "HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
       "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": "cat",
       "SYSTEMD_COLORS": "0", "SYSTEMD_URLIFY": "0", "SYSTEMD_LOG_COLOR": "0"}
# What runs as process 1 there, before it becomes systemd. Nothing that the machine has enabled
# starts, nor what would set the kernel's own parameters, as that kernel is everybody's.
BOOT = r"""
set -eu
dir=$1 tree=$2 build=$3 home=$4
mount -t tmpfs weir-docs "$dir"
mkdir "$dir"/root "$dir"/upper "$dir"/work "$dir"/upper-tree "$dir"/work-tree
mount -t overlay weir-docs -o lowerdir=/,upperdir="$dir/upper",workdir="$dir/work" "$dir/root"
cd "$dir/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t bpf bpf sys/fs/bpf
mount -t tmpfs weir-docs dev
for node in null zero full random urandom tty; do
	touch "dev/$node"
	mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts devpts -o newinstance,ptmxmode=666,mode=620 dev/pts
ln -s pts/ptmx dev/ptmx
mkdir -p ".$home"
mount -t overlay weir-docs -o lowerdir="$tree",upperdir="$dir/upper-tree",workdir="$dir/work-tree" ".$home"
mkdir -p ".$home/build"
mount --bind "$build" ".$home/build"
mount -t tmpfs weir-docs run
mount -t tmpfs weir-docs tmp
find etc/systemd/system -name '*.wants' -exec rm -rf {} +
find usr/lib/systemd/system/sysinit.target.wants -type l ! -name 'systemd-journal*' -delete
rm -f usr/sbin/policy-rc.d
echo 5f5eb5f5eb5f5eb5f5eb5f5eb5f5eb55 >etc/machine-id
printf '[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n' >etc/systemd/system/docs.target
mkdir -p run/systemd/system/weir.service.d
printf '%b' "$5" >run/systemd/system/weir.service.d/docs.conf
hostname server
ip link set lo up
exec chroot . /lib/systemd/systemd --system --unit=docs.target
"""


def unlimited_memlock():
    """Whether this machine lets its root lift the limit that the unit lifts."""
    here = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    done = subprocess.run(["prlimit", "--memlock=unlimited:unlimited", "true"], capture_output=True,
                          check=False)
    return here[1] == resource.RLIM_INFINITY or done.returncode == 0


class Cgroup:
    """Where systemd's services are put: below a group of this process's own."""

    def __enter__(self):
        self.mount = tempfile.mkdtemp(prefix="weir-docs-cgroup-")
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", self.mount], check=True)
        self.path = f"{self.mount}/weir-docs-{os.getpid()}"
        os.mkdir(self.path)
        return self

    def join(self):
        with open(f"{self.path}/cgroup.procs", "w", encoding="ascii") as f:
            f.write("0")

    def __exit__(self, *_):
        def empty():
            with open(f"{self.path}/cgroup.events", encoding="ascii") as f:
                return "populated 0" in f.read()

        with contextlib.suppress(Failure):
            wait_until(empty, 10, "the group is empty")
        for where, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(where)
        subprocess.run(["umount", self.mount], check=True)
        os.rmdir(self.mount)


class Machine:
    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.pid = None

    def __enter__(self):
        with self.stack:
            self.boot()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def boot(self):
        cgroup = self.stack.enter_context(Cgroup())
        where = tempfile.mkdtemp(prefix="weir-docs-")
        self.stack.callback(os.rmdir, where)
        more = "" if unlimited_memlock() else r"[Service]\nCapabilityBoundingSet=CAP_IPC_LOCK\n"
        log = self.stack.enter_context(tempfile.TemporaryFile("w+"))
        proc = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork",
             "--kill-child", "--propagation", "private", "bash", "-c", BOOT, "boot", where, ROOT,
             BUILD, HOME, more], env={**ENV, "container": "weir"}, preexec_fn=cgroup.join,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.stack.callback(self.halt, proc)

        def up():
            if proc.poll() is not None:
                log.seek(0)
                raise Failure(f"the machine does not boot: {log.read()[-500:]}")
            self.pid = self.pid or next((pid for pid, _ in descendants(proc.pid)), None)
            return self.pid and self.ask("systemctl", "is-system-running") in ("running", "degraded")

        wait_until(up, 30, lambda: f"systemd runs: {self.ask('systemctl', '--failed')}")

    @staticmethod
    def halt(proc):
        proc.kill()  # and the machine's process 1 with it, and all else there with that
        proc.wait()

    def argv(self, *argv):
        """A command there, for this machine's own."""
        env = [f"{key}={value}" for key, value in ENV.items()]
        return ["nsenter", "--target", str(self.pid), "--all", "--root", "env", "-i",
                f"--chdir={HOME}", *env, *argv]

    def ask(self, *argv):
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, check=False,
                              timeout=patience(30))
        return done.stdout.strip()

    def path(self, name):
        """One of its files, as it is seen from here."""
        return f"/proc/{self.pid}/root{os.path.normpath(os.path.join(HOME, name))}"

    @contextlib.contextmanager
    def shell(self, *where):
        with Shell(self.argv(*where, "bash", "--norc", "--noediting", "-i")) as shell:
            yield shell


class Shell:
    """An interactive shell on a terminal of its own: what is printed there, and how it ended."""

    DONE = re.compile(r"\x01(\d+)\x02")
    JOBS = re.compile(r"^\[\d+\]\S? .*\n", re.M)
    COLOR = re.compile(r"\x1b\[[0-9;]*m")

    def __init__(self, argv):
        self.argv, self.raw = argv, b""

    def __enter__(self):
        self.fd, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        mode = termios.tcgetattr(side)
        mode[3] &= ~termios.ECHO
        mode[3] |= termios.NOFLSH  # what was printed before a ^C and is not read yet stays
        termios.tcsetattr(side, termios.TCSANOW, mode)
        self.proc = subprocess.Popen(self.argv, stdin=side, stdout=side, stderr=side,
                                     start_new_session=True,
                                     preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(side)
        self.write("set +Hm; PS2=; PS1=$'\\x01$?\\x02'")
        self.end(10)
        return self

    def __exit__(self, *_):
        self.proc.send_signal(signal.SIGHUP)
        try:
            self.proc.wait(patience(5))
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        os.close(self.fd)

    def write(self, text):
        self.raw = b""
        os.write(self.fd, text.encode() + b"\n")

    def interrupt(self):
        os.write(self.fd, b"\x03")

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.raw += os.read(self.fd, 65536)

    @property
    def seen(self):
        return self.raw.decode(errors="replace")

    def output(self):
        """What was printed since, without colours and what the shell itself says of its jobs."""
        text = self.COLOR.sub("", self.DONE.split(self.seen)[0].replace("\r\n", "\n"))
        return self.JOBS.sub("", text)

    def end(self, seconds):
        """Waits for the prompt; how the command ended and what it printed."""
        self.until(lambda: self.DONE.search(self.seen), seconds, "the command has ended")
        return int(self.DONE.search(self.seen)[1]), self.output()

    def until(self, condition, seconds, why):
        deadline = time.monotonic() + patience(seconds)
        while not condition():
            if time.monotonic() > deadline:
                raise Failure(f"not within {patience(seconds):g} s: {why}; seen:\n{self.output()}")
            self.read(0.1)

    def run(self, command, seconds):
        self.write(command)
        return self.end(seconds)
