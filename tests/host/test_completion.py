# SPDX-License-Identifier: BSD-2-Clause
"""What the shells complete is what weir's subcommands take: each shell runs its script."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tests/net")
from weirlab import WEIR, Cases, check, check_equal, patience  # noqa: E402

BIN = os.path.dirname(os.path.abspath(WEIR))
HOME = tempfile.mkdtemp(prefix="weir-completion-")  # shells may leave caches in it


def run(*argv, **kwargs):
    env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", HOME=HOME)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env,
                          timeout=patience(20), **kwargs)
    check_equal((done.returncode, done.stderr), (0, ""), f"{argv[:3]}: status and errors")
    return done.stdout


def bash_words(line):
    """As readline parts a line: = and : stand alone; the last word may be empty."""
    words = [w for w in re.split(r"\s+|([=:])", line) if w]
    return words + ([""] if line.endswith(" ") else [])


def bash(line, cwd=None):
    words = bash_words(line)
    script = ("set -u; source <(weir completion bash); "
              'spec=$(complete -p weir); [ "$spec" = "complete -F _weir weir" ] || echo "$spec" >&2; '
              f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; "
              # Only a completion that bash itself runs may change its options.
              "compopt() { :; }; "
              "_weir weir; printf '%s\\n' ${COMPREPLY[@]+\"${COMPREPLY[@]}\"}")
    return run("bash", "--norc", "-c", script, cwd=cwd).split()


def zsh(line, cwd=None):
    words = line.split() + ([""] if line.endswith(" ") else [])
    # What zsh's completion would do with the answer is told instead.
    script = ("compdef() { :; }; compset() { :; }; _files() { echo FILES; }; "
              '_describe() { print -l -- "${(@P)2}"; }; '
              "source <(weir completion zsh); "
              f"words=({' '.join(map(shlex.quote, words))}); CURRENT={len(words)}; _weir")
    return [w.split(":")[0] for w in run("zsh", "-f", "-c", script, cwd=cwd).splitlines()]


def fish(line, cwd=None):
    script = f"weir completion fish | source; complete -C {shlex.quote(line)}"
    out = run("fish", "--no-config", "-c", script, cwd=cwd)
    return [w.split("\t")[0] for w in out.splitlines()]


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}


def commands():
    """{words: its --help} of all subcommands, those of weir key too."""
    found = {}
    for name in re.findall(r"^  ([a-z]+) ", run(WEIR, "--help"), re.M):
        text = run(WEIR, name, "--help")
        deeper = set(re.findall(rf"^(?:usage:|      ) weir {name} ([a-z-]+) ", text, re.M))
        if "--" in text.split("\n\n")[0]:
            deeper = set()
        for sub in deeper:
            found[f"{name} {sub}"] = run(WEIR, name, sub, "--help")
        found[name] = text
    check(len(found) > 18 and "key rotate" in found, f"subcommands: {sorted(found)}")
    return found


def options(text):
    return set(re.findall(r"^ {1,6}(?:-\w, )? *(--[a-z0-9-]+)", text, re.M))


def every_option(_):
    """bash offers each subcommand's options, all of them and nothing else."""
    for name, text in commands().items():
        check("--help" in options(text), f"{name} --help: {text[-200:]}")
        check_equal(set(bash(f"weir {name} --")), options(text), f"options of weir {name}")


def every_choice(_):
    """What is offered as a value is taken, and a value that is refused was not offered."""
    for option in ("mode", "xdp-mode", "bursts", "proxy-io", "unknown-ack", "log-level"):
        done = subprocess.run([WEIR, "run", f"--{option}", "nonsense"], capture_output=True,
                              text=True, check=False)
        known = done.stderr.split("none of")[1].split()
        check_equal(bash(f"weir run --{option} "), known, f"choices of --{option}")


def subcommands(shell):
    def case(_):
        known = set(re.findall(r"^  ([a-z]+) ", run(WEIR, "--help"), re.M))
        check_equal(set(SHELLS[shell]("weir ")), known, "subcommands")
        check_equal(SHELLS[shell]("weir rel"), ["reload"], "reload, begun")
        check_equal(sorted(SHELLS[shell]("weir key r")), ["rotate"], "weir key rotate, begun")
        check_equal(SHELLS[shell]("weir fly --"), [], "of no subcommand")
    case.__name__ = f"{shell}_subcommands"
    return case


def values(shell):
    def case(_):
        check_equal(set(SHELLS[shell]("weir run --mode a")), {"always", "auto"}, "--mode a")
        got = SHELLS[shell]("weir run --json --mode=ne")
        check_equal(got, ["never" if shell == "bash" else "--mode=never"], "--mode=ne")
        for line in ("weir run -i ", "weir run --iface ", "weir doctor ", "weir status -i l"):
            check("lo" in SHELLS[shell](line), f"interfaces: {line}")
        check("lo" not in SHELLS[shell]("weir run --listen "), "an interface where none belongs")
    case.__name__ = f"{shell}_values"
    return case


def files(shell):
    def case(_):
        with tempfile.TemporaryDirectory() as where:
            for name in ("a file.conf", "b.conf"):
                with open(f"{where}/{name}", "w", encoding="ascii"):
                    pass
            for line in ("weir run -c b", "weir check b", "weir key check b"):
                got = SHELLS[shell](line, cwd=where)
                check("b.conf" in got or (shell == "zsh" and "FILES" in got), f"{line}: {got}")
    case.__name__ = f"{shell}_files"
    return case


def misuse(_):
    for args in ((), ("tcsh",), ("bash", "zsh"), ("--fly",)):
        done = subprocess.run([WEIR, "completion", *args], capture_output=True, text=True,
                              check=False)
        check_equal((done.returncode, done.stdout), (2, ""), f"completion {args}")
        check_equal(done.stderr.count("\n"), 1, "lines of the error")
    for words in ([], [""], ["run"], ["run", "="], ["run", "=", "="], ["key", "=", ""],
                  ["run", "--", ""], ["run", "-"], ["run", "--=x"], ["x" * 5000, ""],
                  ["run", "--" + "x" * 5000 + "="], ["key", "x" * 5000, ""], ["", "", ""]):
        run(WEIR, "completion", "words", *words)


cases = Cases()
for each in (every_option, every_choice, misuse):
    cases.one(each, None)
for name in SHELLS:
    for made in (subcommands, values, files):
        cases.one(made(name), None)
shutil.rmtree(HOME)
sys.exit(cases.status())
