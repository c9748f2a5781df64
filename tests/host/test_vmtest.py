# SPDX-License-Identifier: BSD-2-Clause
"""
What vmtest makes of guests' results, from results written here: nothing is booted. What
must turn a run red does, by name; docs/kernels.md comes out the same from the same facts.
"""
import io
import json
import os
import re
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ET

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/vmtest", f"{ROOT}/tests", f"{ROOT}/tests/net"]
import report  # noqa: E402
import vm_docs  # noqa: E402
import vm_guest  # noqa: E402
import vm_kernel  # noqa: E402
import vm_kernels  # noqa: E402
from weirlab import Cases, check, check_equal  # noqa: E402

KERNELS = """\
# 6.1: no multi-buffer before 6.6
6.1  linux-image-a  zero-copy=refused,veth/*:multi-buffer=refused  bpf/test_xsk:large_*
6.12 linux-image-b  zero-copy=refused  -
"""
BOOT = "[    0.000000] Linux version 6.1.0\n[    1.000000] Spectre V2 : Mitigation: Retpolines\n"
WARN = "[   12.000000] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 f+0x1/0x2\n"
FACTS = {"fact:veth/1q/native:zero-copy": "refused: Operation not supported",
         "fact:veth/1q/native:multi-buffer": "refused: Invalid argument",
         "fact:veth/1q/native:af-xdp": "copy"}


class Results:
    """BUILD/vm with guests, each as its runner would have left it."""

    def __enter__(self):
        self.where = tempfile.mkdtemp(prefix="weir-vmtest-")
        self.dirs = []
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.where)

    def write(self, name, text):
        with open(f"{self.where}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
        return f"{self.where}/{name}"

    def guest(self, kernel="6.1", machine="veth", tests=None, facts=None, console=BOOT, dmesg=BOOT,
              share="", **status):
        """tests: {KIND/NAME: {case: None passed, "!why" failed, "why" skipped}}; None: no file."""
        name = f"{kernel}/{machine}{share}"
        os.makedirs(f"{self.where}/{name}")
        self.dirs.append(f"{self.where}/{name}")
        self.write(f"{name}/console.log", console)
        self.write(f"{name}/dmesg", dmesg)
        self.write(f"{name}/status.json", json.dumps({
            "kernel": kernel, "release": kernel + ".0-cloud", "package": "p", "machine": machine,
            "accel": "tcg", "boot_seconds": 4.2, "seconds": 61.5, "ended": "done", "rc": 0,
            "config": ["CONFIG_SLUB_DEBUG"], "debug": ["slub_debug=FZP"], **status}))
        if tests is not None:
            self._junit(f"{self.where}/{name}/junit.xml", tests, facts or {})

    @staticmethod
    def _junit(path, tests, facts):
        suites = ET.Element("testsuites")
        for test, outcome in tests.items():
            suite = ET.SubElement(suites, "testsuite", name=test, time="1.5")
            properties = ET.SubElement(suite, "properties")
            for name, value in facts.items():
                ET.SubElement(properties, "property", name=name, value=value)
            facts = {}
            for case, why in outcome.items():
                element = ET.SubElement(suite, "testcase", classname=test, name=case)
                if why is not None:
                    tag = "failure" if why.startswith("!") else "skipped"
                    ET.SubElement(element, tag, message=why.lstrip("!"))
            ET.SubElement(suite, "system-out").text = "what the test printed"
        ET.ElementTree(suites).write(path)

    def good(self):
        self.guest("6.1", tests={"bpf/test_xsk": {"bind": None, "large_frames": ""}}, facts=FACTS)
        self.guest("6.12", tests={"bpf/test_xsk": {"bind": None, "large_frames": None}},
                   facts={**FACTS, "fact:veth/1q/native:multi-buffer": "works"})
        return self

    def report(self, **options):
        out = io.StringIO()
        kernels = self.write("kernels", options.pop("kernels", KERNELS))
        status = report.main(self.dirs, kernels, junit=f"{self.where}/junit.xml", out=out,
                             **options)
        return status, out.getvalue()


def red(name, says, failed=1, passed=1, full=False, kernels=KERNELS, **guest):
    """A guest of which exactly this is a failure."""
    def case(_):
        with Results() as r:
            r.guest(**{"tests": {"net/test_a": {"a": None}}, **guest})
            status, text = r.report(full=full, kernels=kernels)
            check(says in text, f"'{says}' is not said in:\n{text}")
            check_equal(text.splitlines()[-1], f"{passed} passed, {failed} failed, 0 skipped",
                        f"the last line of:\n{text}")
            check_equal(status, 1, "exit status")

    case.label = "red-" + name
    return case


def green(_):
    with Results() as r:
        status, text = r.good().report(full=True)
        check_equal(text.splitlines()[-1], "3 passed, 0 failed, 0 skipped", text)
        check_equal(status, 0, "exit status")
        for part in ("6.1     6.1.0-cloud   veth     tcg       4.2   61.5       1       0        1",
                     "  veth/1q/native  af-xdp        copy                              6.1, 6.12",
                     "  veth/1q/native  multi-buffer  works                             6.12",
                     "not on this kernel: 6.1 bpf/test_xsk: large_frames - no multi-buffer before"):
            check(part in text, f"'{part}' is not said in:\n{text}")


def no_guest(_):
    with Results() as r:
        status, text = r.report()
        check_equal((status, text.splitlines()[-1]), (1, "0 passed, 1 failed, 0 skipped"), text)


def kernel_without_a_line(_):
    """One's own kernel has no expectations; a skip on it is a failure all the same."""
    with Results() as r:
        r.guest("own-7.0", tests={"net/test_a": {"a": None}}, facts=FACTS)
        check_equal(r.report(full=True)[0], 0, "exit status")
    with Results() as r:
        r.guest("own-7.0", tests={"net/test_a": {"a": None, "b": "no module"}})
        check_equal(r.report()[0], 1, "exit status")


def tail_of_the_log(_):
    """Sixty lines with the complaint among them, and no line twice."""
    console = "".join(f"[    1.{i:06}] line {i}\n" for i in range(200))
    console += WARN + WARN.replace("dev.c:1", "dev.c:2")
    console += "".join(f"[   20.{i:06}] after {i}\n" for i in range(200))
    with Results() as r:
        r.guest(tests={"net/test_a": {"a": None}}, console=console)
        text = r.report()[1]
    shown = [line for line in text.splitlines() if line.startswith("    | ")]
    check_equal(len(shown), 60, text)
    check_equal(len(set(shown)), len(shown), "lines that differ")
    check(shown[15].endswith("f+0x1/0x2") and "line 185" in shown[0], shown[0])


def guests_that_disagree(_):
    with Results() as r:
        r.guest(tests={"net/test_a": {"a": None}},
                facts={**FACTS, "fact:netem/loss:download": "0.97 of the kernel's goodput"})
        r.guest(machine="nic", tests={"guest/test_nic": {"a": None}},
                facts={"fact:veth/1q/native:af-xdp": "zero-copy",
                       "fact:netem/loss:download": "1.02 of the kernel's goodput"})
        status, text = r.report()
        check_equal((status, text.splitlines()[-1]), (1, "2 passed, 1 failed, 0 skipped"), text)
        check("fact-contradicted - veth/1q/native af-xdp: copy (veth/net/test_a), and zero-copy "
              "(nic/guest/test_nic)" in text, text)


def shares_are_one(_):
    """Guests of one kernel and machine are one in the table; each fact and failure counts."""
    with Results() as r:
        r.guest(share=".1", tests={"bpf/test_xsk": {"large_frames": "", "bind": None}}, facts=FACTS)
        r.guest(share=".2", tests={"net/test_a": {"a": None, "b": None}}, seconds=30.1)
        docs = f"{r.where}/kernels.md"
        status, said = r.report(full=True, docs=docs, kernels=KERNELS.split("6.12 ")[0])
        check_equal((status, said.splitlines()[-1]), (0, "3 passed, 0 failed, 0 skipped"), said)
        check_equal(len(re.findall("^6.1 .* veth .* 91.6 ", said, re.MULTILINE)), 1, said)
        with open(docs, encoding="utf-8") as f:
            check("| 6.1 | 6.1.0-cloud | veth | 2 | 3 | 1 |" in f.read(), "the docs")
        r.guest(share=".3", tests={"net/test_c": {"a": "!broke"}}, console=BOOT + WARN)
        status, said = r.report()
        check_equal((status, said.splitlines()[-1]), (1, "3 passed, 2 failed, 0 skipped"), said)


def figures_are_not_features(_):
    """`zero-copy=refused` is about devices: on a path a word of the same name tells how it went."""
    with Results() as r:
        r.guest(tests={"net/test_a": {"a": None}},
                facts={**FACTS, "fact:netem/mobile:zero-copy": "0.97 of the kernel's goodput"})
        status, text = r.report()
        check_equal((status, text.splitlines()[-1]), (0, "1 passed, 0 failed, 0 skipped"), text)


def junit(_):
    with Results() as r:
        r.guest(tests={"net/test_a": {"a": None, "b": "!broke", "c": "no c"},
                       "bpf/test_xsk": {"large_frames": ""}}, facts=FACTS, console=BOOT + WARN)
        r.report()
        suites = {s.get("name"): s for s in ET.parse(f"{r.where}/junit.xml").getroot()}
    check_equal(list(suites), ["6.1/veth/net/test_a", "6.1/veth/bpf/test_xsk", "6.1/veth/vmtest"],
                "suites")
    counts = {n: tuple(s.get(k) for k in ("tests", "failures", "skipped"))
              for n, s in suites.items()}
    check_equal(counts, {"6.1/veth/net/test_a": ("3", "2", "0"),
                         "6.1/veth/bpf/test_xsk": ("1", "0", "1"),
                         "6.1/veth/vmtest": ("1", "1", "0")}, "tests, failures, skipped")
    first = suites["6.1/veth/net/test_a"]
    check_equal([p.get("name") for p in first[0]], list(FACTS), "properties")
    check_equal([f.get("message") for f in first.iter("failure")],
                ["broke", "unexpected skip: no c"], "failures")
    check("WARNING: CPU" in suites["6.1/veth/vmtest"][0][0].text, "the log's tail")


def kernels_file(_):
    for text, says in (("6.1 a b=c d/e:f extra", "line 1"), ("6.1", "line 1"),
                       ("# x\n6.1 a novalue", "line 2: not FEATURE=VALUE"),
                       ("6.1 a - bpf/test_x:y", "no reason above it for bpf/test_x:y"),
                       ("# 6.1: why\n6.1 a\n6.12 a - b/c:d", "line 3: no reason")):
        try:
            vm_kernels.parse(text.splitlines())
        except ValueError as e:
            check(says in str(e), f"{text}: {e}")
        else:
            raise AssertionError(f"taken: {text}")
    known = vm_kernels.parse(["# 6.1: most", "#  bpf/x:b*: this one", "6.1 p - bpf/x:a,bpf/x:b*"])
    check_equal(known["6.1"].cannot, {"bpf/x:a": "most", "bpf/x:b*": "this one"}, "reasons")
    known = vm_kernels.parse(["* - a=b,c=d", "6.1 p e=f", "6.12 q"])
    check_equal({name: [e.text for e in k.expect] for name, k in known.items()},
                {"6.1": ["a=b", "c=d", "e=f"], "6.12": ["a=b", "c=d"]}, "expected of all")
    one = vm_kernels.Expectation("virtio_net/*/native:af-xdp=copy")
    check_equal([one.about("virtio_net/2q/native", "af-xdp"), one.about("veth/2q/native", "af-xdp"),
                 one.about("virtio_net/2q/native", "echo"), one.holds("copy"),
                 one.holds("zero-copy")],
                [True, False, False, True, False], one.text)


def docs(_):
    """The same from the same facts; read again, found untouched; left alone after a failure."""
    texts = []
    for order in (1, -1):
        with Results() as r:
            r.good()
            r.guest(machine="nic", seconds=order, boot_seconds=order,
                    tests={"guest/test_nic": {"a": None}},
                    facts={"fact:virtio_net/2q/generic:goodput": f"{order + 5} Mbit/s",
                           "fact:virtio_net/10q/native:attach": "works",
                           "fact:netem/loss:recovery": "none needed" if order > 0 else "some",
                           "fact:virtio_net/2q/native:attach": "works",
                           "fact:virtio_net/2q/native:multi-buffer": "refused: eth2: too large",
                           "fact:virtio_net/10q/native:multi-buffer": "refused: eth4: too large"})
            r.dirs = r.dirs[::order]
            path = f"{r.where}/kernels.md"
            check_equal(r.report(full=True, docs=path)[0], 0, "exit status")
            with open(path, encoding="utf-8") as f:
                texts.append(f.read())
            os.unlink(path)
            r.guest("6.12", "nic", tests={"guest/test_nic": {"a": "!b"}})
            check("is left as it is" in r.report(full=True, docs=path)[1], "not written")
            check(not os.path.exists(path), "written after a failure")
    check_equal(texts[0], texts[1], "twice")
    text = texts[0]
    for part in ("| kernel | queues | XDP | af-xdp | zero-copy | multi-buffer |",
                 "| 6.1 | 1 | native | copy | refused (3) | refused (2) |",
                 "| 6.12 | 1 | native | copy | refused (3) | works |",
                 "1. IFACE: too large\n2. Invalid argument\n3. Operation not supported",
                 "| 6.1 | 2 | native | works | refused (1) |\n| 6.1 | 10 | native | works |",
                 "| 6.1 | bpf/test_xsk | `large_frames` | no multi-buffer before 6.6 |",
                 "| 6.1 | 6.1.0-cloud | nic | 1 | 1 | 0 |", "| `CONFIG_SLUB_DEBUG` | yes | yes |",
                 "| `slub_debug=FZP`, at boot | yes | yes |",
                 "None of these kernels has `CONFIG_KASAN`"):
        check(part in text, f"'{part}' is not in:\n{text}")
    check("goodput" not in text and "recovery" not in text, "how something went, in the docs")
    check(vm_docs.untouched(text), "untouched")
    check(not vm_docs.untouched(text.replace("copy", "zero-copy", 1)), "a typed word is found out")


def docs_of_less(_):
    """Neither a smoke run nor a run of one kernel replaces what a whole run found."""
    with Results() as r:
        path = f"{r.good().where}/kernels.md"
        check_equal(r.report(docs=path)[0], 0, "exit status")
        check(not os.path.exists(path), "written after a smoke run")
        del r.dirs[1]
        check("is left as it is" in r.report(full=True, docs=path)[1], "not written")
        check(not os.path.exists(path), "written after a run of one kernel")


def own_checks(_):
    """A kernel is told to check itself with what it has: by little, or as far as it can."""
    for config, debug, want in (
            ((), True, []), (("CONFIG_SLUB_DEBUG",), False, []),
            (("CONFIG_SLUB_DEBUG",), True, ["slub_debug=FZP"]),
            (("CONFIG_SLUB_DEBUG", "CONFIG_KFENCE"), False, ["kfence.sample_interval=100"])):
        kernel = vm_kernel.Kernel("x", "p", config=config, debug=debug)
        check_equal(vm_guest.checks(kernel), want, f"{config} {debug}")


def host_row(_):
    with Results() as r:
        r.good()
        r._junit(f"{r.where}/host.xml", {"net/test_a": {"a": None}}, FACTS)
        path = f"{r.where}/kernels.md"
        r.report(full=True, docs=path, host=f"{r.where}/host.xml")
        with open(path, encoding="utf-8") as f:
            text = f.read()
    check("| this host | 1 | native | copy |" in text, text)
    check(f"| this host | {os.uname().release} |" in text, text)


def the_tree(_):
    """The list of kernels can be read, and nobody has typed into docs/kernels.md."""
    check(vm_kernels.read(f"{ROOT}/vmtest/kernels"), "no kernel in vmtest/kernels")
    path = f"{ROOT}/docs/kernels.md"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            check(vm_docs.untouched(f.read()), "docs/kernels.md is generated: make vmtest-facts")


CASES = [
    green, no_guest, kernel_without_a_line,
    red("case", "failed: net/test_a:b - broke", tests={"net/test_a": {"a": None, "b": "!broke"}}),
    red("case-output", "    | what the test printed", tests={"net/test_a": {"a": None, "b": "!b"}}),
    red("unexpected-skip", "failed: unexpected-skip - net/test_a:b: no b",
        tests={"net/test_a": {"a": None, "b": "no b"}}),
    red("listed-but-passes", "failed: listed-but-passes - bpf/test_xsk:large_frames",
        tests={"bpf/test_xsk": {"large_frames": None}}),
    red("listed-but-unknown", "failed: listed-but-unknown - bpf/test_xsk:large_*", full=True,
        facts=FACTS),
    red("fact-unexpected", "failed: fact-unexpected - veth/1q/native zero-copy: granted",
        facts={"fact:veth/1q/native:zero-copy": "granted"}),
    red("fact-missing", "failed: fact-missing - veth/*:multi-buffer=refused", full=True,
        tests={"bpf/test_xsk": {"a": None, "large_frames": ""}},
        facts={"fact:veth/1q/native:zero-copy": "refused"}),
    red("exit", "failed: exit - status 1 of tests/run", rc=1),
    red("timeout", "failed: ended - timeout", ended="timeout", tests=None, passed=0),
    red("timeout-tail", "    | [    1.000000] Spectre V2", ended="timeout", tests=None, passed=0),
    red("qemu", "failed: ended - qemu: no such file", ended="qemu: no such file"),
    red("panic", "failed: kernel-log - panic: Kernel panic - not syncing: x", ended="panic",
        tests=None, passed=0, failed=2,
        console=BOOT + "[    2.000000] Kernel panic - not syncing: x\n"),
    red("no-results", "failed: results - junit.xml: ", tests=None, passed=0),
    red("no-tests", "failed: results - no test was run", tests={}, passed=0),
    red("warn", "failed: kernel-log - WARN: WARNING: CPU: 0 PID: 1 at net/core/dev.c:1",
        console=BOOT + WARN),
    red("warn-amid-output", "failed: kernel-log - WARN: ", console=BOOT + "ok   net/te" + WARN),
    red("warn-in-both-logs", "failed: kernel-log - WARN: ", console=BOOT + WARN, dmesg=BOOT + WARN),
    red("crash-in-one-log", "failed: kernel-log - crash of a program: weir[311]: segfault",
        dmesg=BOOT + "[   12.000000] weir[311]: segfault at 28 ip 0055 sp 007f error 4 in weir\n"),
    red("kasan", "failed: kernel-log - KASAN: BUG: KASAN: slab-use-after-free in f",
        console=BOOT + "[   12.000000][   T31] BUG: KASAN: slab-use-after-free in f\r\n"),
    tail_of_the_log, guests_that_disagree, shares_are_one, figures_are_not_features, junit, kernels_file, docs,
    docs_of_less, own_checks, host_row, the_tree,
]
cases = Cases()
for case in CASES:
    cases.one(case, None)
sys.exit(cases.status())
