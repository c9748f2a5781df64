#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Instructions of a worker per segment and per connection, by callgrind, held against
fastpath.txt. A count does not depend on the machine's speed or load, only on the code
and on the compiler, so it can fail a test where a time cannot.

  tests/cost/test_fastpath.py           compares: more than 5% above a figure fails
  tests/cost/test_fastpath.py --write   measures, prints, and writes the figures anew
"""
import os
import re
import shutil
import subprocess
import sys

ROOM = 0.05
HERE = os.path.dirname(os.path.abspath(__file__))
FIGURES = os.path.join(HERE, "fastpath.txt")
PROGRAM = os.path.join(os.environ.get("WEIR_BUILD", "build"), "tests/cost/fastpath")
HEADER = """\
# Instructions per unit, by callgrind: tests/cost/test_fastpath.py --write
# compiler: {}
"""


def compiler():
    """As the program itself names it: figures of one say nothing about another."""
    return subprocess.run([PROGRAM, "--compiler"], check=True, capture_output=True,
                          text=True).stdout.strip()


def cases():
    out = subprocess.run([PROGRAM], check=True, capture_output=True, text=True).stdout
    return dict(line.split(": ", 1) for line in out.splitlines())


def measure(case):
    """Instructions per unit of a case."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=measured",
         "--callgrind-out-file=/dev/null", PROGRAM, case],
        check=False, capture_output=True, text=True)
    units = re.search(r"^units (\d+)$", done.stdout, re.MULTILINE)
    total = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not units or not total or not int(total[1]):
        raise RuntimeError(f"{case}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return int(total[1]) / int(units[1])


def committed():
    """(compiler, {case: instructions})"""
    of, figures = None, {}
    with open(FIGURES, encoding="utf-8") as f:
        for line in f:
            if line.startswith("# compiler: "):
                of = line.split(": ", 1)[1].strip()
            elif not line.startswith("#") and line.strip():
                case, count = line.split()
                figures[case] = int(count)
    return of, figures


def write():
    with open(FIGURES + ".new", "w", encoding="utf-8") as f:
        f.write(HEADER.format(compiler()))
        for case, unit in cases().items():
            count = round(measure(case))
            print(f"{case} {count} instructions per {unit}")
            f.write(f"{case} {count}\n")
    os.rename(FIGURES + ".new", FIGURES)


def judge(case, unit, now, was):
    if was is None:
        return f"not ok {case} - {now:.0f} instructions per {unit}; no figure in fastpath.txt"
    text = f"{now:.0f} instructions per {unit}, committed {was} ({now / was - 1:+.1%})"
    if now > was * (1 + ROOM):
        return (f"not ok {case} - {text}: over the {ROOM:.0%} of room; save them elsewhere, or "
                "say in the commit what they buy and run tests/cost/test_fastpath.py --write")
    if now < was * (1 - ROOM):
        print(f"{case}: {text}; keep it so: tests/cost/test_fastpath.py --write")
    return f"ok {case} - {text}"


def compare():
    of, figures = committed()
    if compiler() != of:
        print(f"skip fastpath - built by {compiler()}, the figures are of {of}")
        return 77
    bad = False
    for case, unit in cases().items():
        line = judge(case, unit, measure(case), figures.pop(case, None))
        print(line, flush=True)
        bad = bad or line.startswith("not ok")
    for case in figures:
        print(f"not ok {case} - has a figure in fastpath.txt and is measured nowhere")
        bad = True
    return int(bad)


def main():
    if not shutil.which("valgrind"):
        print("skip fastpath - valgrind is not installed (make deps)")
        return 77
    if sys.argv[1:] == ["--write"]:
        write()
        return 0
    if sys.argv[1:]:
        sys.exit(__doc__.strip())
    return compare()


if __name__ == "__main__":
    sys.exit(main())
