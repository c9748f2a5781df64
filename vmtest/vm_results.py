# SPDX-License-Identifier: BSD-2-Clause
"""
What a guest left behind, read: DIR/status.json (by the runner), DIR/junit.xml (by tests/run
in the guest), DIR/console.log, and DIR/dmesg, where the kernel's log reached its end: it has
the messages that no console shows. A guest may have left less than that; what is missing is a
problem of the guest, not an exception.
"""
import json
import os
import re
import xml.etree.ElementTree as ET


class Case:
    """One result of one test: passed, failed or skipped; `why` is what the test said."""

    def __init__(self, test, name, result, why=""):
        self.test, self.name, self.result, self.why = test, name, result, why

    def label(self):
        return f"{self.test}:{self.name}"


class Guest:
    """One kernel on one machine: a boot, or all that its tests took."""

    def __init__(self, kernel, machine, status, console=(), dmesg=()):
        self.kernel, self.machine, self.status = kernel, machine, status
        self.console, self.dmesg = list(console), list(dmesg)
        self.cases = []
        self.seconds = {}  # test: seconds
        self.output = {}  # test: what a failed one printed
        self.facts = []  # (device, feature, value, test)
        self.problems = []  # (what, why): of the guest, not of a test in it

    def label(self):
        return f"{self.kernel}/{self.machine}"

    def count(self, result):
        return sum(1 for c in self.cases if c.result == result)

    def tests(self):
        return {c.test for c in self.cases}

    def add(self, later):
        """What a later guest found on the same kernel and machine."""
        for mine, its in ((self.console, later.console), (self.dmesg, later.dmesg),
                          (self.cases, later.cases), (self.facts, later.facts),
                          (self.problems, later.problems)):
            mine.extend(its)
        self.seconds.update(later.seconds)
        self.output.update(later.output)
        for key in ("boot_seconds", "seconds"):
            of = [g.status.get(key) for g in (self, later)]
            self.status[key] = round(sum(of), 1) if None not in of else of[of[0] is None]


def read_guests(paths):
    """One of all boots of a kernel on a machine."""
    guests = {}
    for guest in map(read_guest, paths):
        known = guests.setdefault(guest.label(), guest)
        if known is not guest:
            known.add(guest)
    return list(guests.values())


def read_guest(path):
    """A guest by its directory, BUILD/vm/KERNEL/MACHINE or a share's, MACHINE.N."""
    path = os.path.abspath(path)
    problems = []
    status = _read_status(f"{path}/status.json", problems)
    guest = Guest(status.get("kernel") or os.path.basename(os.path.dirname(path)),
                  status.get("machine") or os.path.basename(path).split(".")[0], status,
                  _read_log(f"{path}/console.log"), _read_log(f"{path}/dmesg"))
    guest.problems = problems
    ended = status.get("ended")
    if ended not in (None, "done"):
        guest.problems.append(("ended", str(ended)))
    _read_junit(f"{path}/junit.xml", guest, ended)
    if ended == "done" and status.get("rc") != 0 and not guest.count("failed"):
        why = f"status {status.get('rc')} of tests/run, and no case failed"
        guest.problems.append(("exit", why))
    return guest


def _read_status(path, problems):
    try:
        with open(path, encoding="utf-8") as f:
            return dict(json.load(f))
    except (OSError, ValueError, TypeError) as e:
        problems.append(("status", f"status.json: {e}"))
        return {}


def _read_log(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return [printable(line) for line in f.read().rstrip("\n").split("\n")]
    except OSError:
        return []


def printable(line):
    """A console's line without colours, carriage returns and what no file should hold."""
    line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
    return re.sub(r"[^\t\x20-\ud7ff]", "", line)


def _read_junit(path, guest, ended):
    """An unreadable file says nothing new about a guest that did not reach its end."""
    try:
        suites = list(ET.parse(path).getroot())
    except (OSError, ET.ParseError) as e:
        if ended in (None, "done"):
            guest.problems.append(("results", f"junit.xml: {e}"))
        return
    for suite in suites:
        test = suite.get("name", "?")
        guest.seconds[test] = float(suite.get("time") or 0)
        for element in suite:
            if element.tag == "testcase":
                guest.cases.append(_case(test, element))
            elif element.tag == "properties":
                guest.facts += _facts(test, element)
            elif element.tag == "system-out":
                guest.output[test] = element.text or ""
    if ended == "done" and not guest.cases:
        guest.problems.append(("results", "no test was run"))


def _case(test, element):
    for tag, result in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        verdict = element.find(tag)
        if verdict is not None:
            return Case(test, element.get("name", "?"), result, verdict.get("message") or "")
    return Case(test, element.get("name", "?"), "passed")


def _facts(test, properties):
    for p in properties:
        kind, _, rest = p.get("name", "").partition(":")
        device, _, feature = rest.partition(":")
        if kind == "fact" and feature:
            yield device, feature, p.get("value", ""), test


def read_host(path):
    """The facts of tests/run's --junit on this machine, as of a guest that was not booted."""
    host = Guest("host", "host", {"release": os.uname().release})
    _read_junit(path, host, None)
    return host
