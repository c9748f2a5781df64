# SPDX-License-Identifier: BSD-2-Clause
"""
The whole set takes hours. It runs in shares, a few tests a guest, each with a directory of its
own, BUILD/vm/KERNEL/MACHINE.N: who interrupts it loses half a minute, whose machine goes down the
shares that were under way.
A run that is resumed takes over what passed, as long as a guest would do the same again: weir and
all that a test uses are known by their content, the kernel by its package and its checks.
"""
import functools
import glob
import hashlib
import json
import os
import re
import shutil
import xml.etree.ElementTree as ET

import vm_judge
import vm_results
from vm_guest import checks
from vm_image import tree_files

TESTS = 4  # a share: minutes under emulation, beside which a boot is short
# A test's own files count for it alone, a module of Python for those that name it (what is for all
# may, too), the rest for all; not what no guest runs.
OWN = re.compile(r"/weir/(?:build/)?tests/(bpf|net|guest)/(test_\w+)\.?\w*$")
MODULE = re.compile(r"/weir/(?:tests/(?:net|guest)|tools)/(?!test_)(\w+)\.py$")
COMMON = re.compile(r"/weir/(build/|tools/|include/|vmtest/init$|"
                    r"tests/(bpf/|net/|guest/|hook/|packetdrill/|[^/]+$))")
# What a guest may have against it while what passed in it has passed: it was not its end, or of
# other tests. Anything else, a kernel's complaint above all, is of no one test.
OF_OTHERS = {"ended", "exit", "unexpected-skip"}


def named(text, modules):
    """Which modules this text and theirs name, by whatever means it comes to them."""
    found, left = set(), [text]
    while left:
        words = set(re.findall(rb"\w+", left.pop()))
        new = {m for m in modules if m.encode() in words} - found
        found |= new
        left += [modules[m] for m in new]
    return found


@functools.lru_cache(1)
def digests(build):
    """(of what all tests use, {KIND/NAME: of its own files and its modules})"""
    common, modules, own = {}, {}, {}
    for source, dest in tree_files(build):
        if not COMMON.match(dest):
            continue
        with open(source, "rb") as f:
            text = f.read()
        if hit := OWN.match(dest):
            own.setdefault(f"{hit[1]}/{hit[2]}", {})[dest] = text
        elif hit := MODULE.match(dest):
            modules[hit[1]] = text
        else:
            common[dest] = text
    return _digest(common, modules), {test: _digest(files, modules) for test, files in own.items()}


def _digest(files, modules):
    used = set().union(*(named(text, modules) for text in files.values()))
    total = hashlib.sha256()
    for name, text in sorted({**files, **{m: modules[m] for m in used}}.items()):
        total.update(f"{name} {hashlib.sha256(text).hexdigest()}\n".encode())
    return total.hexdigest()


def marks(build, kernel):
    """{test: what it is on this kernel}; status.json has what it was when it ran."""
    common, own = digests(build)
    on = " ".join([kernel.booted, kernel.release, *checks(kernel), common])
    return {t: hashlib.sha256(f"{on} {o}".encode()).hexdigest() for t, o in own.items()}


def directories(vm, kernel, machine):
    """In the order in which they were made."""
    found = [d for d in glob.glob(f"{vm}/{kernel.name}/{machine}.*") if d.rsplit(".", 1)[1].isdigit()]
    return sorted(found, key=lambda d: int(d.rsplit(".", 1)[1]))


def split(tests, vm, kernel, machine):
    """[(directory, tests)], behind those that there are."""
    there = directories(vm, kernel, machine)
    first = 1 + (int(there[-1].rsplit(".", 1)[1]) if there else 0)
    return [(f"{vm}/{kernel.name}/{machine}.{first + n}", tests[i:i + TESTS])
            for n, i in enumerate(range(0, len(tests), TESTS))]


def forget(vm, kernel, machine):
    for where in directories(vm, kernel, machine):
        shutil.rmtree(where)


def resume(vm, kernel, machine, wanted, kernels):
    """
    The directories of earlier shares, and which tests passed in them. wanted: the marks of now.
    All that is not among these is gone from the directories.
    """
    kept, passed = [], set()
    for where in directories(vm, kernel, machine):
        good = _passed(where, wanted, kernels) - passed
        if good:
            _keep(where, good)
            kept.append(where)
            passed |= good
        else:
            shutil.rmtree(where)
    return kept, passed


def _passed(where, wanted, kernels):
    guest = vm_results.read_guest(where)
    against = {f.what for f in vm_judge.judge([guest], kernels)}
    if against - OF_OTHERS or any(c.test == "run/room" for c in guest.cases):
        return set()
    bad = {c.test for c in guest.cases if c.result not in ("passed", "absent")}
    was = guest.status.get("marks") or {}
    return {t for t in guest.tests() - bad if t in wanted and was.get(t) == wanted[t]}


def _keep(where, good):
    tree = ET.parse(f"{where}/junit.xml")
    for suite in list(tree.getroot()):
        if suite.get("name") not in good:
            tree.getroot().remove(suite)
    tree.write(f"{where}/junit.xml", encoding="utf-8", xml_declaration=True)
    with open(f"{where}/status.json", encoding="utf-8") as f:
        status = json.load(f)
    status.update(ended="done", rc=0)
    with open(f"{where}/status.json.new", "w", encoding="utf-8") as f:
        json.dump(status, f, indent=1)
        f.write("\n")
    os.replace(f"{where}/status.json.new", f"{where}/status.json")
