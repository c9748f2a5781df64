# SPDX-License-Identifier: BSD-2-Clause
"""The tools about metrics: the strict reader, the queries, and the dashboard's file itself."""
import json
import math
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/tools", f"{ROOT}/tests/net"]
import promql  # noqa: E402
import promtext  # noqa: E402
from weirlab import Cases, check, check_equal  # noqa: E402

GOOD = """\
# HELP a_total things, with \\\\ and \\n
# TYPE a_total counter
a_total{k="x",l="y\\"z"} 5
a_total 1.5e3
# HELP h_seconds times
# TYPE h_seconds histogram
h_seconds_bucket{le="0.1"} 2
h_seconds_bucket{le="+Inf"} 3
h_seconds_sum 1.25
h_seconds_count 3
"""
BAD = (
    ("a_total 1\n", "not of the family"),
    (GOOD.rstrip("\n"), "does not end"),
    (GOOD.replace("a_total 1.5e3", "b_total 1"), "not of the family"),
    (GOOD.replace("a_total 1.5e3", "a_total -1"), "below 0"),
    (GOOD.replace("a_total 1.5e3", "a_total one"), "no number"),
    (GOOD.replace("a_total 1.5e3", "a_total  1"), "one space"),
    (GOOD.replace("a_total 1.5e3", 'a_total{k="x",l="y\\"z"} 6'), "twice"),
    (GOOD.replace('k="x",', 'k="x",k="y",'), "label k twice"),
    (GOOD.replace('k="x"', 'k=x'), "label at"),
    (GOOD.replace('l="y\\"z"}', 'l="y\\"z"'), "no closing brace"),
    (GOOD.replace("# TYPE a_total counter\n", ""), "not of the family"),
    (GOOD.replace("# HELP a_total things, with \\\\ and \\n\n", ""), "no HELP"),
    (GOOD.replace("counter", "counters"), "TYPE counters"),
    (GOOD.replace('"+Inf"} 3', '"+Inf"} 1'), "buckets fall"),
    (GOOD.replace('h_seconds_bucket{le="+Inf"} 3\n', ""), "no +Inf"),
    (GOOD.replace("h_seconds_count 3", "h_seconds_count 4"), "_count"),
    (GOOD.replace("h_seconds_sum 1.25\n", ""), "_sum"),
    (GOOD + "# HELP a_total again\n# TYPE a_total counter\na_total{z=\"1\"} 1\n", "two pieces"),
    (GOOD + "# HELP c_total nothing\n# TYPE c_total counter\n", "no samples"),
)


def strict_reader(_):
    samples = promtext.samples(promtext.parse(GOOD))
    check_equal(samples["a_total", (("k", "x"), ("l", 'y"z'))], 5, "sample")
    check_equal(samples["a_total", ()], 1500, "sample")
    check_equal(samples["h_seconds_bucket", (("le", "+Inf"),)], 3, "sample")
    for text, why in BAD:
        try:
            promtext.parse(text)
        except promtext.Malformed as e:
            check(why in str(e), f"{e}: {why!r} expected")
        else:
            check(False, f"taken: {why}")


def openmetrics_reader(_):
    text = "# HELP a things\n# TYPE a counter\na_total 5\n# EOF\n"
    check_equal(promtext.samples(promtext.parse(text, True)), {("a_total", ()): 5}, "samples")
    for bad in (text[:-6], text.replace("a_total 5", "a 5")):
        try:
            promtext.parse(bad, True)
        except promtext.Malformed:
            continue
        check(False, f"taken: {bad!r}")


def store():
    s = promql.Store()
    for t in range(0, 11):
        s.add(100 + t, {
            ("c_total", (("w", "0"),)): 10 * t,
            ("c_total", (("w", "1"),)): 5 * t if t < 6 else 5 * (t - 6),  # began anew at 6
            ("g", (("w", "0"),)): t,
            ("h_bucket", (("le", "0.1"),)): 10 * t,
            ("h_bucket", (("le", "0.2"),)): 20 * t,
            ("h_bucket", (("le", "+Inf"),)): 20 * t,
        })
    return s


def queries(_):
    s = store()
    for text, want in (
            ("g", {(("w", "0"),): 10}),
            ('g{w="1"}', {}),
            ('sum(g{w=~"0|1"})', {(): 10}),
            ('g{w!="0"}', {}),
            ('sum(c_total{instance=~".*"})', {(): 120}),
            ('rate(c_total{w="0"}[4s])', {(("w", "0"),): 10}),
            ("sum(rate(c_total[2s])) * 2 + 1", {(): 31}),
            ("sum by (w) (increase(c_total[10s]))", {(("w", "0"),): 100, (("w", "1"),): 45}),
            ("sum(rate(c_total[10s])) by (w)", {(("w", "0"),): 10, (("w", "1"),): 4.5}),
            ("1 - g / g", {(("w", "0"),): 0}),
            ("clamp_min(0 - g, 0)", {(("w", "0"),): 0}),
            ("count(c_total) / 4", {(): 0.5}),
            ("avg(c_total) - min(c_total)", {(): 40}),
            ("histogram_quantile(0.5, sum by (le) (rate(h_bucket[5s])))", {(): 0.1}),
            ("histogram_quantile(0.75, sum by (le) (rate(h_bucket[5s])))", {(): 0.15})):
        got = dict(promql.evaluate(promql.parse(text), s, 110))
        check_equal(set(got), set(want), text)
        for key, value in want.items():
            check(math.isclose(got[key], value, abs_tol=1e-9), f"{text}: {got}, want {want}")
    check_equal(promql.names(promql.parse("sum(rate(a[1m])) / (b + clamp_min(c, 1))")),
                {"a", "b", "c"}, "names")
    for text in ("sum(", "g{w}", "rate(g)[1m]", "g[1x]", "a b", "topk(3, g)", "sum(a, b)", "~"):
        try:
            promql.evaluate(promql.parse(text), s, 110)
        except promql.BadQuery:
            continue
        check(False, f"taken: {text}")


def well_made(_):
    """What Grafana asks of a dashboard that is imported."""
    with open(f"{ROOT}/tools/pkg/grafana-weir.json", encoding="utf-8") as f:
        board = json.load(f)
    check(board["schemaVersion"] >= 37 and board["title"] == "weir" and board["id"] is None, "head")
    variables = {v["name"] for v in board["templating"]["list"]}
    check_equal(variables, {"datasource", "instance"}, "variables")
    ids = [p["id"] for p in board["panels"]]
    check_equal(len(ids), len(set(ids)), "panels' ids")
    taken = set()
    for p in board["panels"]:
        g = p["gridPos"]
        check(g["x"] + g["w"] <= 24, f"{p['title']}: too far right")
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"])
                 for y in range(g["y"], g["y"] + g["h"])}
        check(not cells & taken, f"{p['title']}: over another panel")
        taken |= cells
        for t in p.get("targets", ()):
            check('instance=~"$instance"' in t["expr"], f"{p['title']}: of all instances")
            check_equal(t["datasource"]["uid"], "${datasource}", "data source")


def drawn_without_data(_):
    """Panels whose metrics are missing are drawn as well, and say so."""
    with tempfile.TemporaryDirectory(prefix="weir-dashboard-") as where:
        for t in (1, 2):
            with open(f"{where}/{t}.prom", "w", encoding="utf-8") as f:
                f.write(GOOD)
        out = subprocess.run([f"{ROOT}/tools/dashboard", "render", "--scrapes", where, "--out",
                              f"{where}/out"], capture_output=True, text=True, check=False)
        check_equal(out.returncode, 0, out.stderr)
        made = out.stdout.split()
        check(len(made) > 15, made)
        for path in made:
            with open(path, "rb") as f:
                check_equal(f.read(8), b"\x89PNG\r\n\x1a\n", path)


cases = Cases()
for case in (strict_reader, openmetrics_reader, queries, well_made, drawn_without_data):
    cases.one(case, None)
sys.exit(cases.status())
