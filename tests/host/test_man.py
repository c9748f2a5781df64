# SPDX-License-Identifier: BSD-2-Clause
"""Every subcommand has its page, made from its own help, with each option; the file has one, too."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tests/net")
from weirlab import WEIR, Cases, check, check_equal  # noqa: E402

MAN = f"{ROOT}/docs/man"


def run(*argv, **kwargs):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **kwargs)
    check_equal((done.returncode, done.stderr), (0, ""), f"{argv[:3]}: status and errors")
    return done.stdout


def names():
    found = re.findall(r"^  ([a-z]+) ", run(WEIR, "--help"), re.M)
    check(len(found) > 14, f"subcommands: {found}")
    return found


def made(name, page=None):
    """A page as it is installed, and as it is read."""
    page = page or f"{MAN}/weir-{name}.8"
    if os.path.exists(f"{page}.scd"):
        with open(f"{page}.scd", encoding="utf-8") as f:
            filled = run(f"{ROOT}/tools/man-page", WEIR, stdin=f)
        text = run("scdoc", input=filled)
    else:
        check(os.path.exists(page), f"weir {name} has no page")
        with open(page, encoding="utf-8") as f:
            text = f.read()
    with tempfile.NamedTemporaryFile("w", suffix=".8", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        shown = run("groff", "-mandoc", "-Tascii", "-ww", "-P-cbou", "-rLL=300n", "-rIN=4n", f.name)
    return text, shown


def options(text):
    return re.findall(r"^ {1,6}(?:-\w, )? *(--[a-z0-9-]+)", text, re.M)


def every_option(_):
    for name in names():
        _, shown = made(name)
        check(f"weir-{name}(8)".lower() in shown.lower(), f"weir-{name}(8): its title")
        helps = [run(WEIR, name, "--help")]
        if name == "key":
            helps += [run(WEIR, "key", sub, "--help") for sub in
                      re.findall(r"weir key ([a-z-]+) ", helps[0])]
            check_equal(len(helps), 6, "subcommands of weir key")
        known = set(options("".join(helps))) - {"--help"}
        missing = [o for o in sorted(known) if not re.search(rf"{o}(?![a-z0-9-])", shown)]
        check_equal(missing, [], f"options that weir-{name}(8) does not name")


def no_others(_):
    """A page of a subcommand that has gone goes, too."""
    pages = {f[5:].split(".")[0] for f in os.listdir(MAN) if re.match(r"weir-.*\.8\.scd$", f)}
    check_equal(pages - set(names()), set(), "pages of nothing")


def nothing_unfilled(_):
    for name in names():
        text, _ = made(name)
        check(not re.search(r"@(SYNOPSIS|OPTIONS|SETTINGS)\b", text),
              f"weir-{name}(8) has a place that is not filled")


def links(_):
    """What a page refers to is there, if it is weir's."""
    ours = {f"weir-{n}" for n in names()} | {"weir"}
    ours |= {f.split(".")[0] for f in os.listdir(MAN)}
    for name in names():
        for other in re.findall(r"\b(weir[a-z-]*)\(8\)", made(name)[1]):
            check(other in ours, f"weir-{name}(8) refers to {other}(8)")


def weir_check(text):
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        done = subprocess.run([WEIR, "check", "--elsewhere", f.name], capture_output=True,
                              text=True, check=False)
    return done.returncode, done.stderr


def the_file(_):
    """weir.conf(5) has the settings that weir takes, all of them; its example is valid."""
    _, shown = made("conf", f"{MAN}/weir.conf.5")
    listed = re.findall(r"^ {1,7}([a-z0-9_]+): (?=\S)",
                        shown.split("\nSETTINGS")[1].split("\nEXAMPLES")[0], re.M)
    for at in range(0, len(listed), 4):  # check tells of so many faults, and no more
        names_here = ["no_such_setting", *listed[at:at + 4]]
        _, said = weir_check("".join(f"{name}: [[]]\n" for name in names_here))
        unknown = re.findall(r": ([a-z0-9_]+): no such setting", said)
        check_equal(unknown, ["no_such_setting"], "settings that weir does not know")
    line_only = {"--config", "--listen", "--help"}
    known = {o[2:].replace("-", "_") for o in options(run(WEIR, "run", "--help"))
             if o not in line_only} - {"iface"} | {"interface"}
    check_equal(set(listed), known, "settings in weir.conf(5)")
    with open(f"{MAN}/weir.conf.5.scd", encoding="utf-8") as f:
        example = f.read().split("```\n")[1]
    check_equal(weir_check(example), (0, ""), "the example")


def what_waits_for_a_restart(_):
    """The rows of the options' table that are not LIVE."""
    with open(f"{ROOT}/user/cli/run_args.c", encoding="utf-8") as f:
        table = f.read().split("struct arg table[] = {")[1].split("\n};")[0]
    rows = re.findall(r'^\t([A-Z]+)\("([a-z0-9-]+)"(.*?)\),$', table, re.M | re.S)
    known = [{"iface": "interface"}.get(name, name.replace("-", "_")) for kind, name, rest in rows
             if kind != "CALL" and "LIVE" not in rest and name != "config"]
    check(10 < len(known) < len(rows) - 10, f"settings that wait: {known}")
    with open(f"{MAN}/weir.conf.5.scd", encoding="utf-8") as f:
        told = f.read().split("waits for the next start: ")[1].split("\n\n")[0]
    check_equal(re.findall(r"\*(\w+)\*", told.replace("\\", "")), known, "in weir.conf(5)")


def a_wrong_help_is_refused(_):
    """Were help laid out in another way, options would not silently get lost."""
    with tempfile.TemporaryDirectory() as where:
        with open(f"{where}/weir", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nprintf 'usage: weir x\\n\\n      --a  b\\n  ** odd\\n'\n")
        os.chmod(f"{where}/weir", 0o700)
        done = subprocess.run([f"{ROOT}/tools/man-page", f"{where}/weir"], input="@OPTIONS x@\n",
                              capture_output=True, text=True, check=False)
        check(done.returncode and "odd" in done.stderr, f"accepted: {done.stdout}")


cases = Cases()
for case in (every_option, no_others, nothing_unfilled, links, the_file, what_waits_for_a_restart,
             a_wrong_help_is_refused):
    cases.one(case, None)
sys.exit(cases.status())
