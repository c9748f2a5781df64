# SPDX-License-Identifier: BSD-2-Clause
"""What a person, and a machine, is shown of the guests' results: lines, a table, JUnit XML."""
import xml.etree.ElementTree as ET

OUTPUT_LINES = 120  # of a failed test's output


def indented(lines):
    return [f"    | {line}" for line in lines]


def guest_lines(guest, findings):
    """One guest as tests/run shows one program."""
    bad = guest.count("failed") + len(findings)
    counts = f"{guest.count('passed')} passed"
    if bad:
        counts += f", {bad} failed"
    if guest.count("absent"):
        counts += f", {guest.count('absent')} not on this kernel"
    seconds = float(guest.status.get("seconds") or 0)
    lines = [f"{'FAIL' if bad else 'ok':4} {guest.label():28} {seconds:6.1f} s  {counts}"]
    for test in dict.fromkeys(c.test for c in guest.cases if c.result == "failed"):
        output = guest.output.get(test, "").rstrip().splitlines()
        lines += indented(output[-OUTPUT_LINES:])
        lines += [f"    failed: {c.label()}{' - ' + c.why if c.why else ''}"
                  for c in guest.cases if c.test == test and c.result == "failed"]
    for finding in findings:
        lines += finding_lines(finding)
    return lines


def finding_lines(finding):
    return indented(finding.tail) + [f"    failed: {finding.what} - {finding.why}"]


def columns(rows):
    """Rows of text, aligned; numbers to the right."""
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(rows[0]))]
    number = [all(isinstance(r[i], (int, float)) for r in rows[1:]) for i in range(len(rows[0]))]
    return ["  ".join(f"{str(v):>{w}}" if n else f"{str(v):<{w}}"
                      for v, w, n in zip(row, widths, number)).rstrip() for row in rows]


def table(guests, findings):
    rows = [("kernel", "release", "machine", "accel", "boot s", "all s", "passed", "failed",
             "skipped")]
    for g in guests:
        extra = sum(1 for f in findings if f.where == g.label())
        rows.append((g.kernel, g.status.get("release") or "?", g.machine,
                     g.status.get("accel") or "?", g.status.get("boot_seconds", "?"),
                     g.status.get("seconds", "?"),
                     g.count("passed"), g.count("failed") + extra, g.count("absent")))
    return columns(rows)


def absent_lines(guests):
    """What a kernel cannot run: one line a kernel, test and reason."""
    groups = {}
    for g in guests:
        for c in g.cases:
            if c.result == "absent":
                groups.setdefault((g.kernel, c.test, c.why), set()).add(c.name)
    return [f"  not on this kernel: {kernel} {test}: {', '.join(sorted(names))} - {why}"
            for (kernel, test, why), names in groups.items()]


def fact_lines(guests):
    """What the tests found out, and on which kernels."""
    said = {}
    for g in guests:
        for device, feature, value, _ in g.facts:
            said.setdefault((device, feature), {}).setdefault(value, []).append(g.kernel)
    rows = [(f"  {device}", feature, value, ", ".join(dict.fromkeys(kernels)))
            for (device, feature), values in sorted(said.items())
            for value, kernels in values.items()]
    return ["", *columns([("  device", "feature", "found", "on"), *rows])] if rows else []


def write_junit(path, guests, findings):
    """All guests' results; a suite is named KERNEL/MACHINE/KIND/NAME."""
    root = ET.Element("testsuites")
    for g in guests:
        for test in dict.fromkeys(c.test for c in g.cases):
            _suite(root, g, test)
    for where in dict.fromkeys(f.where for f in findings):
        of = [f for f in findings if f.where == where and f.what != "unexpected-skip"]
        suite = ET.Element("testsuite", name=f"{where}/vmtest", tests=str(len(of)),
                           failures=str(len(of)), skipped="0")
        for f in of:
            case = ET.SubElement(suite, "testcase", classname=f"{where}/vmtest", name=f.what)
            ET.SubElement(case, "failure", message=f.why).text = "\n".join(f.tail)
        if of:
            root.append(suite)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _suite(root, guest, test):
    cases = [c for c in guest.cases if c.test == test]
    name = f"{guest.label()}/{test}"
    bad = sum(1 for c in cases if c.result in ("failed", "skipped"))
    suite = ET.SubElement(root, "testsuite", name=name, tests=str(len(cases)), failures=str(bad),
                          skipped=str(sum(1 for c in cases if c.result == "absent")),
                          time=f"{guest.seconds.get(test, 0):.3f}")
    facts = [f for f in guest.facts if f[3] == test]
    if facts:
        properties = ET.SubElement(suite, "properties")
        for device, feature, value, _ in facts:
            ET.SubElement(properties, "property", name=f"fact:{device}:{feature}", value=value)
    for c in cases:
        element = ET.SubElement(suite, "testcase", classname=name, name=c.name)
        if c.result == "absent":
            ET.SubElement(element, "skipped", message=f"not on this kernel: {c.why}")
        elif c.result == "skipped":
            ET.SubElement(element, "failure", message=f"unexpected skip: {c.why}")
        elif c.result == "failed":
            ET.SubElement(element, "failure", message=c.why)
    if test in guest.output:
        ET.SubElement(suite, "system-out").text = guest.output[test]


def lines(guests, findings):
    """All that is said of a run, but its last line."""
    said = []
    for g in guests:
        said += guest_lines(g, [f for f in findings if f.where == g.label()])
    labels = {g.label() for g in guests}
    for where in dict.fromkeys(f.where for f in findings if f.where not in labels):
        said.append(f"FAIL {where}")
        for f in findings:
            if f.where == where:
                said += finding_lines(f)
    if guests:
        said += [*fact_lines(guests), "", *table(guests, findings), *absent_lines(guests)]
    return said
