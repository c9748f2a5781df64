# SPDX-License-Identifier: BSD-2-Clause
"""
vmtest/kernels, read: a line a kernel, `name  package  expect  cannot`; `-` stands for an
empty column.

  expect   FEATURE=VALUE or DEVICE-PATTERN:FEATURE=VALUE, comma between them: what tests
           say of that feature begins with VALUE
  cannot   KIND/NAME:CASE patterns, comma between them: cases that this kernel cannot run.
           The reason stands above the line, as `# PATTERN: reason` for one of them or as
           `# NAME: reason` for all the others

A line of the name `*` has what is expected of every kernel below it.
"""
import fnmatch
import re

from vm_facts import DEVICE


class Expectation:
    """Of every fact about a feature, on the devices that match; paths and figures are none."""

    def __init__(self, text):
        key, sep, self.prefix = text.partition("=")
        device, colon, feature = key.rpartition(":")
        self.device, self.feature, self.text = device if colon else "*", feature, text
        if not sep or not feature or not self.prefix:
            raise ValueError(f"not FEATURE=VALUE: {text}")

    def about(self, device, feature):
        return (feature == self.feature and bool(DEVICE.match(device)) and
                fnmatch.fnmatchcase(device, self.device))

    def holds(self, value):
        return value.startswith(self.prefix)


class Kernel:
    def __init__(self, name, package, expect="-", cannot="-", reasons=None):
        self.name, self.package = name, package
        self.expect = [Expectation(t) for t in _items(expect)]
        reasons = reasons or {}
        self.cannot = {p: reasons.get(p, reasons.get(name, "")) for p in _items(cannot)}


def _items(column):
    return [t for t in column.split(",") if t and t != "-"]


def parse(lines):
    """{name: Kernel}; ValueError says which line is wrong."""
    kernels, reasons, of_all = {}, {}, []
    for number, line in enumerate(lines, 1):
        line = line.strip()
        hit = re.match(r"#\s+(\S+): (.+)$", line)
        if hit:
            reasons[hit[1]] = hit[2]
        elif line and not line.startswith("#"):
            columns = line.split()
            if not 2 <= len(columns) <= 4:
                raise ValueError(f"line {number}: name, package, expect, cannot: {line}")
            try:
                kernel = Kernel(*columns, reasons=reasons)
            except ValueError as e:
                raise ValueError(f"line {number}: {e}") from None
            for pattern, reason in kernel.cannot.items():
                if not reason:
                    raise ValueError(f"line {number}: no reason above it for {pattern}")
            if kernel.name == "*":
                of_all = kernel.expect
            else:
                kernel.expect = of_all + kernel.expect
                kernels[kernel.name] = kernel
            reasons = {}
    return kernels


def read(path):
    with open(path, encoding="utf-8") as f:
        return parse(f)
