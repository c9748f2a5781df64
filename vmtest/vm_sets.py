# SPDX-License-Identifier: BSD-2-Clause
"""vmtest/sets: which test runs on which machine."""
import fnmatch
import subprocess
import sys

from vm_image import TOP, VmError

TABLE = f"{TOP}/vmtest/sets"
KINDS = ("bpf", "net", "guest")
# Ours to call, never part of a set: tests/guest/test_inject makes the faults.
INJECT = "guest/test_inject"


def table():
    """[(set, machine, pattern)]"""
    lines = []
    with open(TABLE, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            words = line.split("#", 1)[0].split()
            if words and len(words) != 3:
                raise VmError(f"vmtest/sets:{number}: want SET MACHINE PATTERN")
            if words:
                lines.append(tuple(words))
    return lines


def all_tests(build):
    done = subprocess.run([sys.executable, f"{TOP}/tests/run", "--build", build, "--list", *KINDS],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise VmError(f"tests/run --list: {done.stderr.strip()}")
    return done.stdout.split()


def matching(pattern, tests):
    hits = [t for t in tests if fnmatch.fnmatch(t, pattern)]
    if not hits:
        raise VmError(f"vmtest/sets: {pattern} is no test that there is")
    return hits


def of_set(name, build):
    """{machine: tests} of a set."""
    tests = all_tests(build)
    left_out = {t for in_set, _, p in table() if in_set == "none" for t in matching(p, tests)}
    plan = {}
    for in_set, machine, pattern in table():
        if in_set not in ("smoke", name):
            continue
        hits = [t for t in matching(pattern, tests) if t != INJECT and t not in left_out]
        mine = plan.setdefault(machine, [])
        mine += [t for t in hits if t not in mine]
    return plan


def of_patterns(patterns, build, machine=None):
    """{machine: tests} of what was asked for by name: each where a set has it, else on veth."""
    tests, plan = all_tests(build), {}
    for pattern in patterns:
        hits = [t for t in tests if fnmatch.fnmatch(t, pattern)]
        if not hits:
            raise VmError(f"no test {pattern}; tests/run --list names them, e.g. bpf/test_xsk")
        for test in hits:
            where = [machine] if machine else [m for s, m, p in table()
                                               if s != "none" and fnmatch.fnmatch(test, p)]
            for m in where or ["veth"]:
                mine = plan.setdefault(m, [])
                if test not in mine:
                    mine.append(test)
    return plan
