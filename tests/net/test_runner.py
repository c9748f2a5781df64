# SPDX-License-Identifier: BSD-2-Clause
"""
The runner itself: what it must count as a failure it does. It runs in a tree of its
own, with small programs in place of the tests.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from weirlab import BUILD, ROOT, Cases, Skip, check, check_equal, patience, wait_until

ROOMS = ("tests/unit", "tests/host", "tests/net", "tests/guest", "build/tests/unit")
PLAN = "echo 1..2; echo ok 1 - a; "


class Tree:
    """A copy of the runner, and the programs it is to run."""

    def __enter__(self):
        self.where = tempfile.mkdtemp(prefix="weir-runner-")
        for room in ROOMS:
            os.makedirs(f"{self.where}/{room}")
        for name in ("run", "pool.py", "sandbox.py", "kernlog.py"):
            shutil.copy(f"{ROOT}/tests/{name}", f"{self.where}/tests/{name}")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.where)

    def clear(self):
        for room in ROOMS:
            for name in os.listdir(f"{self.where}/{room}"):
                os.unlink(f"{self.where}/{room}/{name}")

    def unit(self, name, script, source=""):
        """A unit test: its source, and the binary as a shell script."""
        self._write(f"tests/unit/test_{name}.c", source)
        self._write(f"build/tests/unit/test_{name}", f"#!/bin/sh\n{script}\n")

    def script(self, kind, name, script):
        self._write(f"tests/{kind}/test_{name}.sh", script + "\n")

    def _write(self, name, text):
        with open(f"{self.where}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(f"{self.where}/{name}", 0o755)

    def number(self, name):
        """What stands in a file, or 0."""
        if not os.path.exists(f"{self.where}/{name}"):
            return 0
        with open(f"{self.where}/{name}", encoding="ascii") as f:
            return int(f.read() or 0)

    def start(self, *args):
        return subprocess.Popen([sys.executable, f"{self.where}/tests/run", "--build",
                                 f"{self.where}/build", *args], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                env=dict(os.environ, WEIR_PATIENCE="1"))

    def run(self, *args):
        with self.start(*args) as proc:
            said, _ = proc.communicate(timeout=patience(60))
        return proc.returncode, said.rstrip().splitlines(), said


def expect(tree, status, last, *args, says=""):
    got, lines, text = tree.run(*args)
    check_equal(lines[-1], last, f"the last line of:\n{text}")
    check_equal(got, status, "exit status")
    check(says in text, f"'{says}' is not said in:\n{text}")


def unit(name, script, status, last, says="", args=()):
    def case(tree):
        tree.clear()
        tree.unit("one", script)
        expect(tree, status, last, "unit", *args, says=says)

    case.label = "unit-" + name
    return case


def net(name, script, status, last, says="", args=()):
    def case(tree):
        if os.geteuid() != 0:
            raise Skip("needs root")
        tree.clear()
        tree.script("net", "one", script)
        expect(tree, status, last, "net", *args, says=says)

    case.label = "net-" + name
    return case


def host(name, script, status, last, says="", args=()):
    def case(tree):
        tree.clear()
        tree.script("host", "one", script)
        expect(tree, status, last, "host", *args, says=says)

    case.label = "host-" + name
    return case


def not_built(tree):
    tree.clear()
    tree.unit("one", PLAN + "echo ok 2 - b")
    os.unlink(f"{tree.where}/build/tests/unit/test_one")
    expect(tree, 1, "0 passed, 1 failed, 0 skipped", "unit", says="not built")


def nothing_to_run(tree):
    tree.clear()
    expect(tree, 1, "0 passed, 0 failed, 0 skipped", says="no test was run")


def only(tree):
    tree.clear()
    tree.unit("one", "echo 1..1; echo ok 1 - a")
    tree.unit("two", "exit 1")
    expect(tree, 0, "1 passed, 0 failed, 0 skipped", "unit", "--only", "test_one")
    check_equal(tree.run("--list")[1], ["unit/test_one", "unit/test_two"], "--list")


def junit(tree):
    tree.clear()
    tree.unit("one", "printf 'a\\033[1m<&>\\n1..2\\nok 1 - a\\nnot ok 2 - b\\n'; exit 1")
    path = f"{tree.where}/build/tests/junit.xml"
    expect(tree, 1, "1 passed, 1 failed, 0 skipped", "unit", "--junit", path)
    import xml.etree.ElementTree as ET
    suite = ET.parse(path).getroot()[0]
    check_equal((suite.get("tests"), suite.get("failures")), ("2", "1"), "counts in the XML")


def facts(tree):
    """In the XML, before the cases, as a property of the program's suite."""
    tree.clear()
    tree.script("host", "one", "echo ok a; echo 'fact veth/2q/native zero-copy refused: "
                "Operation not supported'; echo 'fact veth/1q/generic echo works'")
    path = f"{tree.where}/build/tests/junit.xml"
    expect(tree, 0, "1 passed, 0 failed, 0 skipped", "host", "--junit", path)
    import xml.etree.ElementTree as ET
    suite = ET.parse(path).getroot()[0]
    check_equal([(p.get("name"), p.get("value")) for p in suite[0]],
                [("fact:veth/1q/generic:echo", "works"),
                 ("fact:veth/2q/native:zero-copy", "refused: Operation not supported")],
                "properties in the XML")


def guest_on_demand(tree):
    """The kind `guest` is run, and listed, when it is named."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    tree.clear()
    tree.script("guest", "one", "echo ok a; echo not ok b - only here; exit 1")
    tree.script("host", "one", "echo ok a")
    expect(tree, 0, "1 passed, 0 failed, 0 skipped")
    check_equal(tree.run("--list")[1], ["host/test_one"], "--list")
    check_equal(tree.run("--list", "guest")[1], ["guest/test_one"], "--list guest")
    expect(tree, 1, "1 passed, 1 failed, 0 skipped", "guest", says="only here")


def time_limit(tree):
    if os.geteuid() != 0:
        raise Skip("needs root")
    tree.clear()
    tree.script("net", "one", "# time-limit: 1\necho ok a\nsleep 100 & sleep 100")
    expect(tree, 1, "1 passed, 1 failed, 0 skipped", "net", says="not done after 1 s")


# ---- several at a time ------------------------------------------------------------


def meet(tree, me, other):
    """A script that passes where the other one runs at the same time."""
    return (f"touch {tree.where}/{me}; n=0; until [ -e {tree.where}/{other} ]; do n=$((n + 1)); "
            f"[ $n -lt 100 ] || {{ echo 'not ok a - alone'; exit 1; }}; sleep 0.02; done; echo ok a")


def at_the_same_time(tree):
    for jobs, passed in ((2, 2), (1, 1)):
        tree.clear()
        tree.script("host", "one", meet(tree, "one", "two"))
        tree.script("host", "two", meet(tree, "two", "one"))
        expect(tree, 2 - passed, f"{passed} passed, {2 - passed} failed, 0 skipped", "--jobs",
               str(jobs), "host")
        for name in ("one", "two"):
            os.unlink(f"{tree.where}/{name}")


def exclusive(tree):
    """Of a script and of a C program; what may take longest is begun first."""
    tree.clear()
    for name in ("one", "two"):
        tree.script("host", name, f"touch {tree.where}/busy-$$; sleep 0.3; rm {tree.where}/busy-$$\n"
                    f"[ ! -e {tree.where}/alone ] && echo ok a")
    alone = (f"touch {tree.where}/alone; sleep 0.3; rm {tree.where}/alone; "
             f"[ -z \"$(ls {tree.where} | grep busy)\" ] && ")
    tree.script("host", "alone", f"# exclusive: for a test\n# time-limit: 500\n{alone} echo ok a")
    tree.unit("alone", f"{alone} echo 1..1; echo ok 1 - a",
              "/* SPDX */\n/*\n * What it is.\n * exclusive: for a test\n */\n")
    tree.unit("last", "echo 1..1; echo ok 1 - a")
    expect(tree, 0, "5 passed, 0 failed, 0 skipped", "--jobs", "4")
    ran = [line.split()[1] for line in tree.run("--jobs", "4")[1] if line.startswith("ok ")]
    check_equal(ran[-2:], ["host/test_alone", "unit/test_alone"], "the last")


def rooms_of_their_own(tree):
    """The same namespace, device and pin at the same time."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    tree.clear()
    for me, other in (("one", "two"), ("two", "one")):
        tree.script("net", me, "set -e; ip netns add x; ip link add x type veth peer name y; "
                    "bpftool map create /sys/fs/bpf/x type array key 4 value 4 entries 1 name x; "
                    f"touch /run/{me}\n[ ! -e /run/{other} ]\n" + meet(tree, me, other) +
                    "; ip link del x; ip netns del x; rm /sys/fs/bpf/x")
    expect(tree, 0, "2 passed, 0 failed, 0 skipped", "net", "--jobs", "2")


def ended(by, status):
    """A signal to the runner alone ends the programs too, and what is known is written."""
    def case(tree):
        tree.clear()
        for name in ("one.pid", "two.pid"):
            if tree.number(name):
                os.unlink(f"{tree.where}/{name}")
        tree.script("host", "done", "# time-limit: 900\necho ok a")
        for name in ("one", "two"):
            tree.script("host", name, f"echo $$ >{tree.where}/{name}.pid; sleep 100 & wait")
        xml = f"{tree.where}/build/junit.xml"
        with tree.start("host", "--jobs", "2", "--junit", xml) as proc:
            pids = [wait_until(lambda name=name: tree.number(f"{name}.pid"), 10, "both run")
                    for name in ("one", "two")]
            proc.send_signal(by)
            said, _ = proc.communicate(timeout=patience(40))
        check_equal(proc.returncode, status, f"exit status; {said}")
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 10, "all ended")
        if status > 0:
            with open(xml, encoding="utf-8") as f:
                check("host/test_done" in f.read(), "what had passed is in the XML")

    case.label = f"ended-by-{by.name.lower()}"
    return case


def kernel_complains(tree):
    """A log of the test's own: the machine's is read by other runs as well."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    tree.clear()
    log = f"{tree.where}/build/tests/unit/kmsg"
    with open(log, "w", encoding="ascii") as f:
        f.write("6,1,1,-;WARNING: before the run\n")
    tree.script("net", "one", f"echo ok a; echo '4,2,2,-;BUG: KASAN: planted' >>{log}")
    expect(tree, 1, "1 passed, 1 failed, 0 skipped", "net", "--kernel-log", log,
           says="kernel-log - BUG: KASAN: planted")


def xdp_left(tree):
    """A program that nothing but a pin of another file system keeps, outside the test's room."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    tree.clear()
    mkdir = f"mkdir {tree.where}/pins && mount -t bpf bpf {tree.where}/pins"
    tree.script("net", "one", f"""echo ok a
        room=$(ps -o ppid= $PPID)
        nsenter -m -t $room sh -c '{mkdir}' &&
        nsenter -m -t $room bpftool prog load {BUILD}/bpf/lab_pass.bpf.o {tree.where}/pins/pass""")
    expect(tree, 1, "1 passed, 1 failed, 0 skipped", "net", says="xdp-left - ")


CASES = [
    unit("passes", PLAN + "echo ok 2 - b", 0, "2 passed, 0 failed, 0 skipped"),
    unit("noise-before-a-case", "echo 1..1; printf 'noise'; echo 'ok 1 - a'", 0,
         "1 passed, 0 failed, 0 skipped"),
    unit("a-case-fails", PLAN + "echo not ok 2 - b; exit 1", 1, "1 passed, 1 failed, 0 skipped"),
    unit("a-case-is-skipped", PLAN + "echo 'not ok 2 # SKIP b'", 0,
         "1 passed, 0 failed, 1 skipped"),
    unit("strict", PLAN + "echo 'not ok 2 # SKIP b'", 1, "1 passed, 0 failed, 1 skipped",
         "--strict", ("--strict",)),
    unit("crash", PLAN + "kill -SEGV $$", 1, "1 passed, 2 failed, 0 skipped", "crash"),
    unit("plan-not-done", PLAN, 1, "1 passed, 1 failed, 0 skipped", "1 of 2 cases"),
    unit("status-alone", PLAN + "echo ok 2 - b; exit 3", 1, "2 passed, 1 failed, 0 skipped",
         "status 3"),
    unit("silence", "true", 1, "0 passed, 1 failed, 0 skipped", "none reported"),
    unit("cannot-run", "echo the reason >&2; exit 77", 0, "0 passed, 0 failed, 1 skipped",
         "the reason"),
    unit("sanitizer", PLAN + "echo ok 2 - b; echo '==1==ERROR: AddressSanitizer: leak' >&2", 1,
         "2 passed, 1 failed, 0 skipped", "AddressSanitizer"),
    unit("undefined", PLAN + "echo ok 2 - b; echo 'x.c:1:2: runtime error: shift' >&2", 1,
         "2 passed, 1 failed, 0 skipped", "runtime error"),
    not_built, nothing_to_run, only, junit, facts, guest_on_demand, time_limit,
    host("fact-shown", "echo ok a; echo 'fact veth/1q/native echo works'", 0,
         "1 passed, 0 failed, 0 skipped", "fact: veth/1q/native echo works", ("--facts",)),
    host("fact-without-value", "echo ok a; echo 'fact veth/1q/native echo'", 1,
         "1 passed, 1 failed, 0 skipped", "not `fact DEVICE FEATURE VALUE`"),
    host("fact-twice-the-same", "echo ok a; echo fact v f yes; echo fact v f yes", 0,
         "1 passed, 0 failed, 0 skipped"),
    host("fact-contradicts-itself", "echo ok a; echo fact v f yes; echo fact v f no", 1,
         "1 passed, 1 failed, 0 skipped", "v f: yes, and then no"),
    net("passes", "echo ok a; echo 'skip b - no b here'", 0, "1 passed, 0 failed, 1 skipped",
        "no b here"),
    net("fails", "echo 'not ok a - why not'; exit 1", 1, "0 passed, 1 failed, 0 skipped",
        "why not"),
    net("namespace-left", "echo ok a; ip netns add left", 1, "1 passed, 1 failed, 0 skipped",
        "namespace-left - left"),
    net("device-left", "echo ok a; ip link add left type veth peer name right", 1,
        "1 passed, 2 failed, 0 skipped", "device-left - left"),
    net("process-left", "echo ok a; setsid sleep 300 >/dev/null 2>&1 &", 1,
        "1 passed, 1 failed, 0 skipped", "process-left - sleep 300"),
    net("pin-left", "echo ok a; bpftool map create /sys/fs/bpf/left type array key 4 value 4 "
        "entries 1 name left", 1, "1 passed, 1 failed, 0 skipped", "pin-left - /sys/fs/bpf/left"),
    kernel_complains, xdp_left, at_the_same_time, exclusive, rooms_of_their_own,
    host("its-process-ends", "echo ok a; kill -9 $PPID", 1, "0 passed, 1 failed, 0 skipped",
         "the process that ran it ended"),
    ended(signal.SIGINT, 1), ended(signal.SIGTERM, 1), ended(signal.SIGKILL, -9),
]
cases = Cases()
cases.group(Tree, CASES)
sys.exit(cases.status())
