#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What is made of the guests' results: failures that only show from outside, a table, JUnit
XML, and docs/kernels.md. vmtest/run calls main() at its end; as a program it looks again
at what a run left:

  vmtest/report.py [--build DIR] [--full] [--docs FILE] [DIR...]
"""
import argparse
import glob
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import vm_docs  # noqa: E402
import vm_judge  # noqa: E402
import vm_kernels  # noqa: E402
import vm_results  # noqa: E402
import vm_show  # noqa: E402

KERNELS = os.path.join(HERE, "kernels")


def main(result_dirs, kernels_file=KERNELS, *, full=False, docs=None, junit=None, host=None,
         out=None):
    """
    Reports on the guests whose results are in result_dirs (BUILD/vm/KERNEL/MACHINE each,
    or MACHINE.N, which are one guest) and returns the exit status. full: all tests that know facts ran on these kernels;
    docs: the file that the tables are generated into, when all is well; junit: by default
    BUILD/vm/junit.xml; host: a JUnit file of tests/run on this machine, a row in the docs.
    """
    out = out or sys.stdout
    kernels = vm_kernels.read(kernels_file)
    guests = vm_results.read_guests(result_dirs)
    findings = vm_judge.judge(guests, kernels, full)
    if guests:
        vm_show.write_junit(junit or f"{os.path.abspath(result_dirs[0])}/../../junit.xml", guests,
                            findings)
    passed = sum(g.count("passed") for g in guests)
    failed = sum(g.count("failed") for g in guests) + len(findings)
    if passed + failed == 0:
        findings.append(vm_judge.Finding("vmtest", "nothing", "no test was run"))
        failed = 1
    say = vm_show.lines(guests, findings)
    if docs and (failed or not full or set(kernels) - {g.kernel for g in guests}):
        say.append(f"{docs} is left as it is: it tells of whole runs of all kernels that passed")
    elif docs:
        vm_docs.write(docs, guests, kernels, vm_results.read_host(host) if host else None)
        say.append(f"{docs} is written")
    say.append(f"{passed} passed, {failed} failed, 0 skipped")
    print("\n".join(say), file=out, flush=True)
    return 1 if failed else 0


def command_line():
    parser = argparse.ArgumentParser(description="Reports again on what vmtest/run left.")
    parser.add_argument("--build", default="build", metavar="DIR", help="whose vm/ to read")
    parser.add_argument("--kernels", default=KERNELS, metavar="FILE", help="what is expected")
    parser.add_argument("--full", action="store_true", help="nothing was left out of the set facts or full")
    parser.add_argument("--docs", metavar="FILE", help="generate the tables into this file")
    parser.add_argument("--junit", metavar="FILE", help="all results (BUILD/vm/junit.xml)")
    parser.add_argument("--host", metavar="FILE", help="this machine's own results, for the docs")
    parser.add_argument("dirs", nargs="*", metavar="DIR", help="BUILD/vm/KERNEL/MACHINE")
    args = parser.parse_args()
    dirs = args.dirs or sorted(os.path.dirname(p)
                               for p in glob.glob(f"{args.build}/vm/*/*/status.json"))
    return main(dirs, args.kernels, full=args.full, docs=args.docs, junit=args.junit,
                host=args.host)


if __name__ == "__main__":
    sys.exit(command_line())
