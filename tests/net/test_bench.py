# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 100
"""tools/bench/run with cases made for the purpose: what it reports, and what it leaves."""
import contextlib
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from weirlab import BUILD, ROOT, Cases, Failure, check, check_equal, need, patience, wait_until

RUN = f"{ROOT}/tools/bench/run"
sys.path[:0] = [f"{ROOT}/tools/bench"]
HEAD = 'NAME = ["rtt"]\nBUDGET = {"quick": 5, "full": 9}\n'
GOOD = HEAD + """
def run(ctx):
    got = ctx.interleave("x", {"weir": iter((2.0, 6.0, 4.0)).__next__,
                               "kernel": iter((1.0, 2.0, 4.0)).__next__})
    yield ctx.row("rtt", "x", "weir", "us", got["weir"], "kernel", got["kernel"], target=">= 1.5")
"""
RAISES = HEAD.replace("rtt", "stream") + "def run(ctx):\n    raise OSError('no such luck')\n"
HALF = HEAD.replace("rtt", "scale") + """
def run(ctx):
    def broken(): raise OSError("out of tune")
    got = ctx.interleave("y", {"weir": lambda: 1.0, "peer": broken})
    return [ctx.row("scale", "y", s, "us", v) for s, v in got.items()]
"""
HANGS = HEAD.replace("5", "1") + """
import time
def run(ctx):
    with ctx.lab() as lab:
        yield ctx.row("rtt", "before", "weir", "us", [1.0])
        print("up", lab.name, flush=True)
        time.sleep(30)
"""


class Result:
    def __init__(self, done, out):
        self.status, self.said = done.returncode, done.stdout + done.stderr
        with open(f"{out}/results.json", encoding="utf-8") as f:
            self.json = json.load(f)
        with open(f"{out}/results.md", encoding="utf-8") as f:
            self.text = f.read()


def write_cases(where, cases):
    for name, text in cases.items():
        with open(f"{where}/case_{name}.py", "w", encoding="utf-8") as f:
            f.write(text)


def bench(*args, **cases):
    with tempfile.TemporaryDirectory() as where:
        write_cases(where, cases)
        done = subprocess.run([RUN, "--build", BUILD, "--cases", where, "--out", where, "--quick",
                               *args], capture_output=True, text=True, check=False,
                              timeout=patience(60))
        return Result(done, where)


def compares_round_by_round(_):
    r = bench(good=GOOD)
    check_equal(r.status, 0, f"status; {r.said}")
    row = r.json["results"]["rtt"][0]
    want = {"case": "x", "system": "weir", "unit": "us", "min": 2.0, "median": 4.0, "max": 6.0,
            "rounds": 3, "ratio_to": "kernel", "ratio": 2.0, "ratio_min": 1.0, "ratio_max": 3.0,
            "met": True}
    check_equal({k: row.get(k) for k in want}, want, "row")
    check("| rtt: x | 4 us | kernel | 2 | >= 1.5 | yes |" in r.text, r.text)


def writes_the_whole_shape(_):
    r = bench(good=GOOD)
    check_equal(r.json["version"], 1, "version")
    check_equal(sorted(r.json["results"]), sorted((
        "syn_path", "ack_accept", "ack_reject", "flow_hit", "pass", "flood_rate", "under_flood",
        "connections", "rtt", "stream", "scale")), "results")
    for key in ("kernel", "cpu", "settings"):
        check(r.json["host"].get(key), f"host has no {key}: {r.json['host']}")


def names_what_failed(_):
    r = bench(good=GOOD, half=HALF, raises=RAISES)
    check_equal(r.status, 1, f"status; {r.said}")
    check_equal(len(r.json["results"]["rtt"]), 1, "the good case's rows")
    check_equal([row["system"] for row in r.json["results"]["scale"]], ["weir"], "the half's rows")
    for why in ("no such luck", "out of tune"):
        check(why in r.text and any(why in f["why"] for f in r.json["failures"]), r.text)


def ends_a_case_that_hangs(_):
    start = time.monotonic()
    r = bench(hangs=HANGS, good=GOOD)
    check(time.monotonic() - start < patience(15), f"{time.monotonic() - start:.1f} s")
    check_equal(r.status, 1, f"status; {r.said}")
    check("not done in its 1 s" in r.text, r.text)
    check_equal(sorted(row["case"] for row in r.json["results"]["rtt"]), ["before", "x"], "rows")
    no_lab(re.search(r"up (\S+)", r.said)[1])


def no_lab(name):
    left = [n for n in os.listdir("/run/netns") if n.startswith(name)]
    check(not left and not os.path.exists(f"/run/weir-lab/{name}"), f"left: {left}")


def interrupted_it_cleans_up(_):
    with tempfile.TemporaryDirectory() as where:
        write_cases(where, {"hangs": HANGS.replace("1, ", "20, ")})
        with open(f"{where}/said", "w+", encoding="utf-8") as said, \
                subprocess.Popen([RUN, "--build", BUILD, "--cases", where, "--out", where,
                                  "--quick"], stdout=said, stderr=said) as proc:
            def up():
                with open(said.name, encoding="utf-8") as f:
                    return re.search(r"^up (\S+)$", f.read(), re.MULTILINE)
            name = wait_until(up, 20, "the case is up")[1]
            proc.send_signal(signal.SIGTERM)
            check_equal(proc.wait(patience(20)), 1, "status")
        no_lab(name)


def keeps_its_cases_within_the_bound(_):
    totals = {"quick": 180, "full": 900}
    for kind, total in totals.items():
        sums = 0
        for name in sorted(os.listdir(f"{ROOT}/tools/bench")):
            if name.startswith("case_") and name.endswith(".py"):
                sums += importlib.import_module(name[:-3]).BUDGET[kind]
        check(0 < sums <= total, f"{kind}: {sums} s of {total}")


def says_which_package_is_missing(_):
    systems = importlib.import_module("systems")
    was, systems.shutil.which = systems.shutil.which, lambda *_, **__: None
    try:
        with systems.synproxy(None):
            pass
        raise AssertionError("synproxy without nft")
    except Failure as e:
        check("nftables" in str(e), e)
    finally:
        systems.shutil.which = was


need()
cases = Cases()
cases.group(contextlib.nullcontext, (
    compares_round_by_round, writes_the_whole_shape, names_what_failed, ends_a_case_that_hangs,
    interrupted_it_cleans_up, keeps_its_cases_within_the_bound, says_which_package_is_missing))
sys.exit(cases.status())
