#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 240
"""
vmtest/run against a QEMU that does what a case wants: how a guest ended is told from what it
left, and nothing is left running, whatever ends the runner. Boots nothing.
"""
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/tests/net", f"{ROOT}/vmtest"]
import vm_shares  # noqa: E402
from weirlab import BUILD, Cases, check, check_equal, wait_until  # noqa: E402

RUN = [sys.executable, f"{ROOT}/vmtest/run"]
TOOLS = ("mke2fs", "cpio", "depmod", "modprobe", "setpriv", "dpkg-query")
JUNIT = (b'<testsuites><testsuite name="bpf/test_x" time="1"><testcase name="a"/></testsuite>'
         b'</testsuites>')
OWN = "own-0.0.1-test"
SHARE = 4  # tests a guest, of a run that can go on
UP = "echo 'weir-vm: up 0.0.1'\n"


def archive(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo("./" + name.replace("__", "."))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Bench:
    """A kernel that is none, and a QEMU that is a shell script."""

    def __init__(self):
        self.where = tempfile.mkdtemp(prefix="weir-vmrun-")
        os.mkdir(f"{self.where}/bin")
        head = bytearray(0x600)
        head[0x202:0x206] = b"HdrS"
        head[0x20e:0x210] = (0x200).to_bytes(2, "little")
        head[0x400:0x410] = b"0.0.1-test (x) #1"[:16]
        with open(f"{self.where}/bzImage", "wb") as f:
            f.write(head)
        self.tests = "bpf/test_clock"
        self.qemu("exit 1")

    def qemu(self, script, left=b""):
        """`left` is what the guest leaves on the results disk."""
        with open(f"{self.where}/left", "wb") as f:
            f.write(left)
        path = f"{self.where}/bin/qemu-system-x86_64"
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n"
                    "disk=$(echo \"$*\" | tr ' ,' '\\n\\n' | "
                    "sed -n 's/^file=\\(.*results.img\\)$/\\1/p')\n"
                    f"echo $$ >{self.where}/pid\necho >>{self.where}/boots\n"
                    f"cat {self.where}/left | dd of=$disk conv=notrunc 2>/dev/null\n{script}\n")
        os.chmod(path, 0o755)

    def start(self, *args, path=None, **kwargs):
        env = dict(os.environ, PATH=path or f"{self.where}/bin:{os.environ['PATH']}")
        return subprocess.Popen([*RUN, "--build", BUILD, "--accel", "tcg", "--kernel",
                                 f"{self.where}/bzImage", *args, self.tests], env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                **kwargs)

    def run(self, *args, **kwargs):
        with self.start(*args, **kwargs) as proc:
            said, _ = proc.communicate(timeout=100)
        return proc.returncode, said

    def pid(self):
        try:
            with open(f"{self.where}/pid", encoding="ascii") as f:
                return int(f.read() or 0)
        except FileNotFoundError:
            return 0


    def boots(self):
        """Since it was asked last."""
        path = f"{self.where}/boots"
        if not os.path.exists(path):
            return 0
        with open(path, encoding="ascii") as f:
            count = len(f.readlines())
        os.unlink(path)
        return count


@contextlib.contextmanager
def bench():
    made = Bench()
    try:
        yield made
    finally:
        shutil.rmtree(made.where)
        shutil.rmtree(f"{BUILD}/vm/{OWN}", ignore_errors=True)


def red(name, says, script, left=b"", *args):
    def case(b):
        b.qemu(script, left)
        status, said = b.run(*args)
        check(says in said, f"'{says}' is not said in:\n{said[-1500:]}")
        check_equal(status, 1, "exit status")

    case.label = "red-" + name
    return case


def green(b):
    b.qemu(UP, archive(junit__xml=JUNIT, rc=b"0\n"))
    status, said = b.run()
    check_equal((status, said.splitlines()[-1]), (0, "1 passed, 0 failed, 0 skipped"), said)


def qemu_missing(b):
    """The rest of this machine's programs, without QEMU's."""
    rest = f"{b.where}/rest"
    os.mkdir(rest)
    for where in os.environ["PATH"].split(":") + ["/usr/sbin", "/sbin"]:
        for name in os.listdir(where) if os.path.isdir(where) else ():
            if not name.startswith("qemu") and not os.path.lexists(f"{rest}/{name}"):
                os.symlink(f"{where}/{name}", f"{rest}/{name}")
    status, said = b.run(path=rest)
    check_equal(status, 1, "exit status")
    check("apt-get install qemu-system-x86" in said, said)


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def ended(by, status):
    """A signal to the runner alone ends the guest too."""
    def case(b):
        if b.pid():
            os.unlink(f"{b.where}/pid")
        b.qemu("exec sleep 100")
        with b.start(start_new_session=True) as proc:
            pid = wait_until(b.pid, 60, "a guest runs")
            time.sleep(0.3)
            proc.send_signal(by)
            said, _ = proc.communicate(timeout=120)
        wait_until(lambda: gone(pid), 5, "QEMU is gone")
        check_equal(proc.returncode, status, f"exit status; {said[-500:]}")

    case.label = f"ended-by-{by.name.lower()}"
    return case


# ---- a run that goes on ------------------------------------------------------------


def left_by(tests, failed=()):
    suites = "".join(f'<testsuite name="{t}" time="1"><testcase name="a">'
                     f'{"<failure/>" if t in failed else ""}</testcase></testsuite>' for t in tests)
    return archive(junit__xml=f"<testsuites>{suites}</testsuites>".encode(),
                   rc=b"%d\n" % bool(failed))


def resumed(b, boots, status, *args):
    """Runs on; so many guests, this exit status."""
    b.boots()
    got, said = b.run("--resume", *args)
    check_equal((b.boots(), got), (boots, status), f"guests and exit status; {said[-1500:]}")
    return said


@contextlib.contextmanager
def shares(b, tests):
    b.tests, before = tests, b.tests
    shutil.rmtree(f"{BUILD}/vm/{OWN}", ignore_errors=True)
    try:
        yield
    finally:
        b.tests = before


def passed_once(b):
    """What passed is not run again, and is told of; what failed is."""
    with shares(b, "bpf/test_x*"):
        b.qemu(UP, left_by(["bpf/test_xsk"], ["bpf/test_xsk"]))
        resumed(b, 1, 1)
        b.qemu(UP, left_by(["bpf/test_xsk"]))
        resumed(b, 1, 0)
        b.qemu("exit 3")
        said = resumed(b, 0, 0)
        check_equal(said.splitlines()[-1], "1 passed, 0 failed, 0 skipped", said)
        check("1 of 1 test programs have passed before" in said, said)


def resumed_otherwise(b):
    """Another weir, another test, another kernel: nothing has passed."""
    with shares(b, "bpf/test_x*"):
        b.qemu(UP, left_by(["bpf/test_xsk"]))
        resumed(b, 1, 0)
        path = f"{BUILD}/vm/{OWN}/veth.1/status.json"
        with open(path, encoding="utf-8") as f:
            status = json.load(f)
        status["marks"]["bpf/test_xsk"] = "0" * 64
        with open(path, "w", encoding="utf-8") as f:
            json.dump(status, f)
        resumed(b, 1, 0)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def what_counts_for_whom(_):
    """A test's file for itself, a module for who comes to it, by others too, and what is else for all."""
    rows = [("tests/net/test_a.py", "import alab", {"net/test_a"}),
            ("tests/net/test_b.py", "import blab", {"net/test_b"}),
            ("build/tests/bpf/test_c", "ELF", {"bpf/test_c"}),
            ("tests/net/alab.py", "from deep import x", {"net/test_a"}),
            ("tests/net/blab.py", "", {"net/test_b"}),
            ("tools/deep.py", "", {"net/test_a"}),
            ("tools/labkit.py", "", {"all"}),
            ("tests/run", "import labkit", {"all"}),
            ("build/weir", "ELF", {"all"}),
            ("tests/unit/x.c", "", set())]
    with tempfile.TemporaryDirectory() as where, unittest.mock.patch("vm_shares.tree_files") as tree:
        tree.return_value = [(f"{where}/{n}", f"/weir/{row[0]}") for n, row in enumerate(rows)]
        for n, (_, text, _) in enumerate(rows):
            write(f"{where}/{n}", text)
        common, own = vm_shares.digests.__wrapped__(BUILD)
        for n, (name, text, whom) in enumerate(rows):
            write(f"{where}/{n}", text + " ")
            now_common, now = vm_shares.digests.__wrapped__(BUILD)
            got = {"all"} if now_common != common else {t for t in own if now[t] != own[t]}
            check_equal(got, whom, f"who is concerned by {name}")
            write(f"{where}/{n}", text)


def complained(b):
    """A complaint of the kernel is of no one test: all of that guest run again."""
    with shares(b, "bpf/test_x*"):
        b.qemu(UP + "echo '[    9.000000] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1'",
               left_by(["bpf/test_xsk"]))
        resumed(b, 1, 1)
        b.qemu(UP, left_by(["bpf/test_xsk"]))
        said = resumed(b, 1, 0)
        check("0 of 1 test programs have passed before" in said, said)


def begun(image):
    """A guest that has left something."""
    try:
        with open(image, "rb") as f:
            return f.read(1) not in (b"", b"\0")
    except OSError:
        return False


def went_on(b):
    """A signal amid the second share, which had left one test's results by then."""
    with shares(b, "bpf/*"):
        tests = subprocess.run([sys.executable, f"{ROOT}/tests/run", "--build", BUILD, "--list",
                                "bpf"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.split()
        b.boots()
        b.qemu(f"[ $(wc -l <{b.where}/boots) -lt 2 ] || exec sleep 100\n{UP}",
               left_by(tests[:SHARE + 1]))
        with b.start("--resume", "--jobs", "1", start_new_session=True) as proc:
            wait_until(lambda: begun(f"{BUILD}/vm/{OWN}/veth.2/results.img"), 100,
                       "the second share")
            proc.send_signal(signal.SIGTERM)
            proc.communicate(timeout=120)
        b.qemu(UP, left_by(tests))
        left = len(tests) - SHARE - 1
        said = resumed(b, -(-left // SHARE), 0)
        check(f"{SHARE + 1} of {len(tests)} test programs have passed before" in said, said)


for tool in TOOLS:
    if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        print(f"{tool} is missing: make deps", file=sys.stderr)
        sys.exit(77)
cases = Cases()
cases.group(bench, [
    green,
    red("garbage", "failed: ended - no result", UP, b"\xff\0garbage" * 9999),
    red("nothing-left", "failed: ended - no result", UP),
    red("half-an-archive", "failed: ended - no result", UP,
        archive(junit__xml=JUNIT, rc=b"0\n")[:700]),
    red("no-status", "failed: ended - no result", UP, archive(junit__xml=JUNIT)),
    red("huge-file", "failed: ended - no result", UP,
        archive(junit__xml=b" " * (17 << 20), rc=b"0\n")),
    red("not-xml", "failed: results - junit.xml: ", UP, archive(junit__xml=b"<testsui", rc=b"0\n")),
    red("panic", "failed: ended - panic", UP + "echo '[1.0] Kernel panic - not syncing: x'"),
    red("qemu-fails", "failed: ended - qemu: status 3", "echo no such machine >&2; exit 3"),
    red("timeout-in-the-guest", "failed: ended - timeout", UP,
        archive(junit__xml=JUNIT, rc=b"124\n")),
    red("timeout", "failed: ended - timeout", "exec sleep 100", b"", "--timeout", "1"),
    red("other-kernel's-modules", "has no modules of 0.0.1-test", "exit 0", b"",
        "--modules", "/tmp"),
    qemu_missing,
    ended(signal.SIGINT, 130), ended(signal.SIGTERM, 143), ended(signal.SIGKILL, -9),
    passed_once, resumed_otherwise, what_counts_for_whom, complained, went_on,
])
sys.exit(cases.status())
