# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 300
"""
docs/operating.md, done from top to bottom as its reader would: a Debian machine (machine.py) is
installed on, configured, flooded, upgraded and left clean; each command of the page is run as it
is printed there, and prints what is shown there (walk.py). A section is a case.

Its pictures come from here, too: compared with those of the page, in what they are pictures of,
and with WEIR_PICTURES set they are renewed.
"""
import contextlib
import os
import shutil
import sys
import time

import pictures
import walk
from machine import Machine
from terminal import Terminal
from weirlab import BUILD, FLOOD, ROOT, Cases, Failure, case_name, check, check_equal, need, patience

PAGE = "docs/operating.md"
MADE = f"{BUILD}/screenshots/operating"
LEAST = 80  # commands: what the page is made of must not be lost sight of
SECONDS = 120
RETRY = 20


class Walker:
    def __init__(self, machine, stack):
        self.machine, self.stack = machine, stack
        self.shells, self.done = {}, 0

    def shell(self, place):
        """The machine's own shell, or one at an end of its lab."""
        if place not in self.shells:
            where = ("tools/lab", "exec", place) if place else ()
            self.shells[place] = self.stack.enter_context(self.machine.shell(*where))
        return self.shells[place]

    def step(self, step):
        if step.is_file:
            return self.write(step)
        self.done += 1
        try:
            if step.option("screen"):
                return self.screen(step)
            return self.command(step)
        except (Failure, TimeoutError) as e:
            raise Failure(f"{PAGE}:{step.line}: {step.place}# {step.text}: {e}") from None

    def write(self, step):
        path = self.machine.path(step.options["file"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(step.text)

    def command(self, step):
        shell = self.shell(step.place)
        if step.held:
            shell.write(step.text)
            shell.until(lambda: walk.matches(step, shell.output()) or shell.DONE.search(shell.seen),
                        SECONDS, "it prints what is shown")
            check(not shell.DONE.search(shell.seen), f"it has ended: {shell.output()}")
            shell.raw = b""
            return
        deadline = time.monotonic() + patience(RETRY)
        while True:
            if step.is_interrupt:
                shell.interrupt()
                status, output = shell.end(SECONDS)
            else:
                status, output = shell.run(step.text, SECONDS)
            good = status == step.status and walk.matches(step, output)
            if good or "retry" not in step.options or time.monotonic() > deadline:
                break
            time.sleep(0.3)
        check_equal(status, step.status, f"status; it printed:\n{output}")
        check(good, f"it printed:\n{output}and the page shows:\n" + "\n".join(step.expected))
        if step.option("shows"):
            pictures.current(self.machine.path(f"docs/{step.option('shows')}"), step.option("shows"), MADE)

    def screen(self, step):
        """A program that has the terminal; what there is to be seen is seen after a while."""
        name = step.option("screen")
        where = ("tools/lab", "exec", step.place) if step.place else ()
        with Terminal(self.machine.argv(*where, *step.text.split()), rows=30, cols=100) as term:
            made = f"{MADE}/{os.path.basename(name)}"
            term.wait(lambda text: pictures.RENEW or pictures.shows(text, f"{ROOT}/docs/{name}"),
                      patience(RETRY))
            time.sleep(pictures.RENEW)
            term.text()
            term.svg(made, step.text)
            term.press("q")
            check_equal(term.wait_end(patience(5)), 0, "status")
        pictures.current(made, name, MADE)


@contextlib.contextmanager
def fixture():
    shutil.rmtree(MADE, ignore_errors=True)
    os.makedirs(MADE)
    with contextlib.ExitStack() as stack:
        machine = stack.enter_context(Machine())
        yield Walker(machine, stack)


def case(section):
    def run(walker):
        for step in section.steps:
            walker.step(step)

    run.label = "-".join("".join(c if c.isalnum() else " " for c in section.name.lower()).split())
    return run


def all_was_done(text):
    def nothing_was_left_out(walker):
        check_equal(walker.done, walk.prompts(text), "commands that were run, of those printed")
        check(walker.done >= LEAST, f"{walker.done} commands: the page has lost what it was")
        shown = set(pictures.references(text))
        check_equal(shown, set(pictures.made()), "pictures of the page, and pictures made by its commands")

    return nothing_was_left_out


def main():
    need(FLOOD)
    with open(f"{ROOT}/{PAGE}", encoding="utf-8") as f:
        text = f.read()
    sections = walk.sections(text)
    cases = Cases()
    left = [case(s) for s in sections] + [all_was_done(text)]
    with fixture() as walker:
        while left and cases.one(left.pop(0), walker):
            pass
    for never in left:
        cases.report(False, case_name(never), Failure("the walk ended before"), brief=True)
    return cases.status()


sys.exit(main())
