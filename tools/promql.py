# SPDX-License-Identifier: BSD-2-Clause
"""
As much of PromQL as the dashboard's queries use, over scrapes kept in memory: selectors,
rate() and increase(), histogram_quantile(), sum, min, max, avg and count with by, arithmetic.

    store = Store(); store.add(time, promtext.samples(promtext.parse(text)))
    evaluate(parse("sum(rate(weir_rx_frames_total[10s]))"), store, time)
        -> [(labels, value), …]

rate() is the plain quotient over what lies in the range, without Prometheus's extrapolation.
"""
import math
import re

TOKEN = re.compile(r"""\s*(?:
    (?P<number>[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)(?![a-zA-Z_0-9])
  | (?P<range>\[[^\]]*\])
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<op>=~|!~|!=|[-+*/(){},=])
)""", re.VERBOSE)
AGGREGATES = {"sum": sum, "min": min, "max": max, "count": len,
              "avg": lambda v: sum(v) / len(v)}
FUNCTIONS = {"rate", "increase", "histogram_quantile", "clamp_max", "clamp_min"}
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
STALE_S = 300  # an older sample is none


class BadQuery(Exception):
    """What is not understood, and where."""


class Store:
    """Scrapes: {(name, labels): [(time, value), …]}, in order of time."""

    def __init__(self):
        self.series, self.times = {}, []

    def add(self, when, samples):
        self.times.append(when)
        for key, value in samples.items():
            self.series.setdefault(key, []).append((when, value))


# ---- parsing ---------------------------------------------------------------------------


def tokens_of(text):
    at, out = 0, []
    text = text.rstrip()
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise BadQuery(f"at {text[at:at + 20]!r} of {text!r}")
        out.append((m.lastgroup, m[m.lastgroup]))
        at = m.end()
    return out + [("end", "")]


def seconds(text):
    m = re.fullmatch(r"([0-9]+)(ms|s|m|h|d)", text)
    if not m:
        raise BadQuery(f"the range [{text}]")
    return int(m[1]) * UNITS[m[2]]


class Parser:
    """Gives nested tuples: (kind, …)."""

    def __init__(self, text):
        self.text, self.tokens, self.at = text, tokens_of(text), 0

    def peek(self):
        return self.tokens[self.at]

    def take(self, value=None, kind=None):
        token = self.tokens[self.at]
        if (value is not None and token[1] != value) or (kind and token[0] != kind):
            raise BadQuery(f"{value or kind} expected, not {token[1]!r}, in {self.text!r}")
        self.at += 1
        return token[1]

    def whole(self):
        node = self.sum()
        self.take(kind="end")
        return node

    def sum(self):
        node = self.product()
        while self.peek()[1] in ("+", "-"):
            node = ("binary", self.take(), node, self.product())
        return node

    def product(self):
        node = self.atom()
        while self.peek()[1] in ("*", "/"):
            node = ("binary", self.take(), node, self.atom())
        return node

    def atom(self):
        kind, value = self.peek()
        if kind == "number":
            return ("number", float(self.take()))
        if value == "(":
            self.take("(")
            node = self.sum()
            self.take(")")
            return node
        name = self.take(kind="name")
        if name in AGGREGATES:
            return self.aggregate(name)
        if name in FUNCTIONS and self.peek()[1] == "(":
            return ("call", name, self.arguments())
        return self.selector(name)

    def arguments(self):
        self.take("(")
        args = [self.sum()]
        while self.peek()[1] == ",":
            self.take(",")
            args.append(self.sum())
        self.take(")")
        return args

    def by(self):
        labels = []
        self.take("by")
        self.take("(")
        while self.peek()[1] != ")":
            labels.append(self.take(kind="name"))
            if self.peek()[1] == ",":
                self.take(",")
        self.take(")")
        return tuple(labels)

    def aggregate(self, name):
        labels = self.by() if self.peek()[1] == "by" else None
        args = self.arguments()
        if labels is None:
            labels = self.by() if self.peek()[1] == "by" else ()
        if len(args) != 1:
            raise BadQuery(f"{name} of one thing only, in {self.text!r}")
        return ("aggregate", name, labels, args[0])

    def selector(self, name):
        matchers, span = [], None
        if self.peek()[1] == "{":
            self.take("{")
            while self.peek()[1] != "}":
                label = self.take(kind="name")
                op = self.take(kind="op")
                matchers.append((label, op, self.take(kind="string")[1:-1]))
                if self.peek()[1] == ",":
                    self.take(",")
            self.take("}")
        if self.peek()[0] == "range":
            span = seconds(self.take()[1:-1])
        return ("selector", name, tuple(matchers), span)


def parse(text):
    return Parser(text).whole()


def names(node):
    """The metrics that a parsed query reads."""
    if node[0] == "selector":
        return {node[1]}
    children = {"binary": node[2:], "aggregate": node[3:], "call": node[2:][0] if len(node) > 2
                else ()}.get(node[0], ())
    return set().union(*(names(n) for n in children))


# ---- evaluating --------------------------------------------------------------------------


def matches(labels, matchers):
    have = dict(labels)
    for label, op, want in matchers:
        value = have.get(label, "")
        same = re.fullmatch(want, value) is not None if "~" in op else value == want
        if same == op.startswith("!"):
            return False
    return True


def select(node, store, until):
    """[(labels, samples in the range)], of an instant the last one."""
    _, name, matchers, span = node
    out = []
    for (series, labels), samples in store.series.items():
        if series != name or not matches(labels, matchers):
            continue
        since = until - (span or STALE_S)
        inside = [s for s in samples if since <= s[0] <= until]
        if inside:
            out.append((labels, inside if span else inside[-1:]))
    return out


def increase(samples):
    """A counter that fell began anew."""
    return sum(b - a if b >= a else b for (_, a), (_, b) in zip(samples, samples[1:]))


def call_rate(name, args, store, when):
    if args[0][0] != "selector" or not args[0][3]:
        raise BadQuery(f"{name}() of a range")
    out = []
    for labels, samples in select(args[0], store, when):
        elapsed = samples[-1][0] - samples[0][0]
        if len(samples) > 1 and elapsed > 0:
            out.append((labels, increase(samples) / (elapsed if name == "rate" else 1)))
    return out


def quantile(q, buckets):
    """As Prometheus does: linear within the bucket, the highest finite bound beyond."""
    buckets = sorted(buckets)
    total = buckets[-1][1]
    if not total or buckets[-1][0] != math.inf:
        return math.nan
    rank, below, lower = q * total, 0, 0.0
    for bound, count in buckets:
        if count >= rank and count > below:
            if bound == math.inf:
                return lower
            return lower + (bound - lower) * (rank - below) / (count - below)
        below, lower = count, bound
    return lower


def call_quantile(args, store, when):
    groups = {}
    for labels, value in evaluate(args[1], store, when):
        rest = tuple(p for p in labels if p[0] != "le")
        groups.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    return [(rest, quantile(args[0][1], buckets)) for rest, buckets in groups.items()]


def call(name, args, store, when):
    if name in ("rate", "increase"):
        return call_rate(name, args, store, when)
    if name == "histogram_quantile":
        return call_quantile(args, store, when)
    clamp = min if name == "clamp_max" else max
    return [(labels, clamp(v, args[1][1])) for labels, v in evaluate(args[0], store, when)]


def aggregate(name, by, node, store, when):
    groups = {}
    for labels, value in evaluate(node, store, when):
        key = tuple(p for p in labels if p[0] in by)
        groups.setdefault(key, []).append(value)
    return [(key, AGGREGATES[name](values)) for key, values in groups.items()]


def arithmetic(op, a, b):
    if op == "/":
        return a / b if b else math.nan
    return {"+": a + b, "-": a - b, "*": a * b}[op]


def binary(op, left, right, store, when):
    a, b = evaluate(left, store, when), evaluate(right, store, when)
    if left[0] == "number":
        return [(labels, arithmetic(op, left[1], v)) for labels, v in b]
    if right[0] == "number":
        return [(labels, arithmetic(op, v, right[1])) for labels, v in a]
    other = dict(b)
    return [(labels, arithmetic(op, v, other[labels])) for labels, v in a if labels in other]


def evaluate(node, store, when):
    """[(labels, value)] at a time; a number is one without labels."""
    kind = node[0]
    if kind == "number":
        return [((), node[1])]
    if kind == "selector":
        return [(labels, samples[-1][1]) for labels, samples in select(node, store, when)]
    if kind == "call":
        return call(node[1], node[2], store, when)
    if kind == "aggregate":
        return aggregate(node[1], node[2], node[3], store, when)
    return binary(node[1], node[2], node[3], store, when)
