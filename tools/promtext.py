# SPDX-License-Identifier: BSD-2-Clause
"""
The text that Prometheus scrapes, read strictly: exposition format 0.0.4, and what OpenMetrics
1.0 has differently. What a lenient reader would let pass is an error here: a sample without
its family's TYPE, a family in two pieces, a series twice, buckets that fall.
"""
import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\n]|\\[\\n\"])*)\"")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset"}
ESCAPES = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}


class Malformed(Exception):
    """Where, and what is wrong there."""


class Family:
    """One metric: its samples are {(name, labels): value}, labels a sorted tuple of pairs."""

    def __init__(self, name):
        self.name, self.help, self.type, self.samples = name, None, None, {}


def labels_of(text, where):
    """{a="b",…} without the braces."""
    labels, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        if not m:
            raise Malformed(f"{where}: label at {text[at:at + 30]!r}")
        if m[1] in labels:
            raise Malformed(f"{where}: label {m[1]} twice")
        labels[m[1]] = re.sub(r"\\[\\n\"]", lambda e: ESCAPES[e[0]], m[2])
        at = m.end()
        if at < len(text):
            if text[at] != ",":
                raise Malformed(f"{where}: no comma at {text[at:at + 30]!r}")
            at += 1
    return tuple(sorted(labels.items()))


def number(text, where):
    if text in ("+Inf", "-Inf", "NaN"):
        return float(text)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise Malformed(f"{where}: {text!r} is no number")
    return float(text)


def split_sample(line, where):
    """(name, labels, value)"""
    m = NAME.match(line)
    if not m:
        raise Malformed(f"{where}: {line!r} begins with no name")
    rest = line[m.end():]
    labels = ()
    if rest.startswith("{"):
        end = m.end() + 1
        while end < len(line) and line[end] != "}":
            quoted = LABEL.match(line, end)
            end = quoted.end() if quoted else end + 1
        if end >= len(line):
            raise Malformed(f"{where}: no closing brace")
        labels = labels_of(line[m.end() + 1:end], where)
        rest = line[end + 1:]
    if not rest.startswith(" ") or len(rest.split(" ")) != 2:
        raise Malformed(f"{where}: one space and a value expected after {m[0]}")
    return m[0], labels, number(rest[1:], where)


def belongs(name, family, openmetrics):
    """Whether samples of this name may be in the family."""
    if family.type == "histogram":
        return name in {family.name + s for s in ("_bucket", "_sum", "_count")}
    if family.type == "counter" and openmetrics:
        return name == family.name + "_total"
    return name == family.name


def check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        rest = tuple(p for p in labels if p[0] != "le")
        series.setdefault(rest, {})[(name, dict(labels).get("le"))] = value
    for rest, values in series.items():
        bounds = sorted((float(le), v) for (_, le), v in values.items() if le is not None)
        if not bounds or bounds[-1][0] != math.inf:
            raise Malformed(f"{family.name}{rest}: no +Inf bucket")
        if any(a[1] > b[1] for a, b in zip(bounds, bounds[1:])):
            raise Malformed(f"{family.name}{rest}: buckets fall")
        if values.get((family.name + "_count", None)) != bounds[-1][1]:
            raise Malformed(f"{family.name}{rest}: _count is not the last bucket")
        if (family.name + "_sum", None) not in values:
            raise Malformed(f"{family.name}{rest}: no _sum")


def check_family(family):
    if not family.help or not family.type:
        raise Malformed(f"{family.name}: no HELP or TYPE")
    if not family.samples:
        raise Malformed(f"{family.name}: no samples")
    if family.type == "histogram":
        check_histogram(family)
    if family.type == "counter" and any(not v >= 0 for v in family.samples.values()):
        raise Malformed(f"{family.name}: a counter below 0")


def comment(line, where, families):
    """# HELP or # TYPE; the family it is of."""
    m = re.fullmatch(r"# (HELP|TYPE) (\S+) (.+)", line)
    if not m or not NAME.fullmatch(m[2]):
        raise Malformed(f"{where}: {line!r}")
    last = next(reversed(families.values()), None)
    family = last if last and last.name == m[2] else None
    if not family:
        if m[2] in families:
            raise Malformed(f"{where}: {m[2]} comes in two pieces")
        family = families[m[2]] = Family(m[2])
    if family.samples:
        raise Malformed(f"{where}: {m[1]} after samples")
    if m[1] == "HELP":
        family.help = m[3]
    elif m[3] not in TYPES or family.type:
        raise Malformed(f"{where}: TYPE {m[3]}")
    else:
        family.type = m[3]
    return family


def parse(text, openmetrics=False):
    """{name: Family}, in order."""
    families, family = {}, None
    lines = text.split("\n")
    if lines.pop() != "":
        raise Malformed("the last line does not end")
    if openmetrics and (not lines or lines.pop() != "# EOF"):
        raise Malformed("no # EOF")
    for n, line in enumerate(lines, 1):
        where = f"line {n}"
        if line.startswith("#"):
            family = comment(line, where, families)
            continue
        name, labels, value = split_sample(line, where)
        if not family or not family.type or not belongs(name, family, openmetrics):
            raise Malformed(f"{where}: {name} is not of the family before it")
        if (name, labels) in family.samples:
            raise Malformed(f"{where}: {name}{labels} twice")
        family.samples[name, labels] = value
    for f in families.values():
        check_family(f)
    return families


def samples(families):
    """{(name, labels): value} of all families."""
    return {key: value for f in families.values() for key, value in f.samples.items()}
