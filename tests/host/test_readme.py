# SPDX-License-Identifier: BSD-2-Clause
"""
README.md: what it has its reader type exists as it is typed there. What the commands do is tested
elsewhere; docs/operating.md is done as a whole by net/test_operating.
"""
import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/tests/net"]
from weirlab import BUILD, Cases, check, check_equal, patience  # noqa: E402

PROGRAMS = ("weir", "weir-flood", "weir-load")


def readme():
    with open(f"{ROOT}/README.md", encoding="utf-8") as f:
        return f.read()


def blocks(kind):
    return [text for lang, text in re.findall(r"^```(\w*)\n(.*?)^```", readme(), re.S | re.M) if lang == kind]


def typed(program):
    """Its calls: lines of blocks and what stands in `…`, cut where the explanation begins."""
    text = "\n".join(re.split(r"   +", line)[0] for block in blocks("") for line in block.splitlines())
    prose = re.sub(r"^```.*?^```", "", readme(), flags=re.S | re.M)
    text += "\n" + "\n".join(re.findall(r"`([^`]+)`", prose))
    return [shlex.split(call) for call in re.findall(
        rf"^(?:tools/lab exec client )?(?:build/)?({program} [^;│\n]+)", text, re.M)]


def help_of(*argv):
    done = subprocess.run([f"{BUILD}/{argv[0]}", *argv[1:], "--help"], capture_output=True, text=True,
                          check=False, timeout=patience(20))
    return done.stdout + done.stderr


def options_are_known(_):
    seen = 0
    for program in PROGRAMS:
        calls = typed(program)
        check(calls, f"README shows no call of {program}")
        for argv in calls:
            command = argv[:2] if program == "weir" and not argv[1].startswith("-") else argv[:1]
            known = help_of(*command)
            check(len(command) == 1 or f"usage: {' '.join(command)}" in known,
                  f"README: {' '.join(argv)}: no such command")
            for word in argv[len(command):]:
                option = re.match(r"--?[a-z][a-z-]*", word)
                check(not option or re.search(rf"(?<![\w-]){option[0]}(?![\w-])", known) or
                      option[0] == "--help", f"README: {' '.join(argv)}: no option {word}")
                seen += bool(option)
    check(seen > 12, f"only {seen} options were looked at")


def subcommands_exist(_):
    listed = set(re.findall(r"^  ([a-z]+) ", help_of("weir"), re.M))
    shown = {argv[1] for argv in typed("weir") if re.match(r"[a-z]+$", argv[1])}
    check_equal(shown - listed, set(), "commands that weir does not have")
    check(len(shown) > 10, f"only {sorted(shown)}")


def targets_exist(_):
    with open(f"{ROOT}/Makefile", encoding="utf-8") as f:
        rules = set(re.findall(r"^([a-z][a-z-]*):", f.read(), re.M))
    wanted = set(re.findall(r"(?:^|`)(?:[A-Z]+=\S+ )?make ([a-z][a-z-]*)", readme(), re.M))
    check_equal(wanted - rules, set(), "targets that the Makefile does not have")
    check({"demo", "test", "deb"} <= wanted, f"only {sorted(wanted)}")


def its_configuration_is_valid(_):
    files = blocks("yaml")
    check(files, "README has no configuration")
    for text in files:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(text)
            f.flush()
            done = subprocess.run([f"{BUILD}/weir", "check", "--elsewhere", f.name], capture_output=True,
                                  text=True, check=False, timeout=patience(20))
            check_equal((done.returncode, done.stderr), (0, ""), "weir check")


def its_links_lead_somewhere(_):
    links = re.findall(r"\]\(([^)#:]+)\)", readme())
    check(len(links) > 8, links)
    for name in links:
        check(os.path.exists(f"{ROOT}/{name}"), f"README: {name} is not there")


cases = Cases()
cases.group(contextlib.nullcontext, (
    options_are_known, subcommands_exist, targets_exist, its_configuration_is_valid,
    its_links_lead_somewhere))
sys.exit(cases.status())
