# SPDX-License-Identifier: BSD-2-Clause
"""
What of the guests' results is a failure besides a failed case: a complaint of a kernel, a
guest that did not reach its end, a skip that vmtest/kernels does not list, an entry of
that list which is not true, and a fact that is not what is expected of the kernel.
"""
import fnmatch
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import kernlog  # noqa: E402
from vm_facts import lasting  # noqa: E402

TAIL = 60  # lines of the console that a complaint is shown with
BEFORE = 15  # of these, above it


class Finding:
    """A failure that no test reported; `tail` is what of the console explains it."""

    def __init__(self, where, what, why, tail=()):
        self.where, self.what, self.why, self.tail = where, what, why, list(tail)


def judge(guests, kernels, full=False):
    """
    [Finding], and turns the skips that are known beforehand into the result "absent", with
    the listed reason. `full`: every test that knows facts ran, so that what nobody spoke of is missing.
    """
    found = []
    for guest in guests:
        found += _ended(guest) + _complaints(guest) + _skips(guest, kernels.get(guest.kernel))
    for name in dict.fromkeys(g.kernel for g in guests):
        of = [g for g in guests if g.kernel == name]
        complete = full and not any(g.problems for g in of)
        found += _one_voice(name, of)
        if name in kernels:
            found += _expected(kernels[name], of, complete)
            found += _listed(kernels[name], of, complete)
    return found


def _ended(guest):
    shown = guest.console[-TAIL:]
    return [Finding(guest.label(), what, why, () if i else shown)
            for i, (what, why) in enumerate(guest.problems)]


def _complaints(guest):
    """Of the console, and what the kernel's log has besides."""
    found, told = [], set()
    for log in (guest.console, guest.dmesg):
        of, shown = kernlog.scan(log, guest.machine), 0
        for i, name, text in ((i, n, t.strip()) for i, n, t in of if t.strip() not in told):
            begin = max(shown, i - BEFORE)
            end = min(len(log), i - BEFORE + TAIL)
            found.append(Finding(guest.label(), "kernel-log", f"{name}: {text}",
                                 log[begin:end] if begin <= i else ()))
            shown = max(shown, end)
        told |= {text.strip() for _, _, text in of}
    return found


def _skips(guest, kernel):
    found = []
    for case in guest.cases:
        if case.result != "skipped":
            continue
        reason = _reason(case, kernel)
        if reason is None:
            found.append(Finding(guest.label(), "unexpected-skip",
                                 f"{case.label()}{': ' + case.why if case.why else ''}"))
        else:
            case.result, case.why = "absent", reason
    return found


def _reason(case, kernel):
    for pattern, reason in kernel.cannot.items() if kernel else ():
        if fnmatch.fnmatchcase(case.label(), pattern):
            return reason
    return None


def _listed(kernel, guests, complete):
    """The list of what a kernel cannot run is true: all of it is skipped."""
    found = []
    for pattern in kernel.cannot:
        cases = [(g, c) for g in guests for c in g.cases
                 if fnmatch.fnmatchcase(c.label(), pattern)]
        found += [Finding(g.label(), "listed-but-passes", f"{c.label()}: vmtest/kernels says that "
                          f"this kernel cannot run {pattern}") for g, c in cases
                  if c.result == "passed"]
        if complete and not cases:
            found.append(Finding(kernel.name, "listed-but-unknown",
                                 f"{pattern}: no test has such a case"))
    return found


def _one_voice(name, guests):
    said, found = {}, []
    for guest in guests:
        for device, feature, value, test in (f for f in guest.facts if lasting(f[0], f[2])):
            who = f"{guest.machine}/{test}"
            first, by = said.setdefault((device, feature), (value, who))
            if first != value:
                found.append(Finding(name, "fact-contradicted", f"{device} {feature}: "
                                     f"{first} ({by}), and {value} ({who})"))
    return found


def _expected(kernel, guests, complete):
    facts = list(dict.fromkeys(f[:3] for g in guests for f in g.facts))
    found = []
    for e in kernel.expect:
        about = [f for f in facts if e.about(f[0], f[1])]
        found += [Finding(kernel.name, "fact-unexpected", f"{device} {feature}: {value}, "
                          f"where vmtest/kernels expects {e.text}")
                  for device, feature, value in about if not e.holds(value)]
        if complete and not about:
            found.append(Finding(kernel.name, "fact-missing", f"{e.text}: no test said anything"))
    return found
