# SPDX-License-Identifier: BSD-2-Clause
"""
A page of documentation as something that is done: its commands, the files that it has its reader
write, and what it says that one sees.

A fenced block is one of these, and nothing else may be in a fence:

    ```console [status=N] [retry] [like] [screen=FILE] [shows=FILE]
    server# command             a prompt is the name of a place and # or $; no name: the machine
    > more of it                what is continued by a backslash or a here-document
    what it prints              all of it: … in a line stands for anything within the line, a
                                line of … alone for any lines, none included
    server# ^C                  ends the command that was last begun there, and shows what it
                                has printed since what is shown at its own place

    ```yaml file=/etc/weir/weir.conf
    what is in the file         whose name must stand in the lines before the block

`status=N`: how the block's last command ends; all others with 0. `retry`: until it is as shown, for
a while. `like`: every word with a digit in it stands for any such word, and spaces for spaces.
`screen`: the block's last command is a program with the terminal for itself, and FILE its picture.
`shows`: FILE, a name in the page's directory, is a picture that its last command makes there.
"""
import re

FENCE = re.compile(r"^(\s*)```+\s*(\S*)\s*(.*)$")
PROMPT = re.compile(r"^([a-z]*)[#$] (\S.*)$")
KNOWN = {"status", "retry", "like", "screen", "shows", "file"}


class Wrong(Exception):
    """What is wrong with the page, or with what it says: at which line."""

    def __init__(self, line, why):
        super().__init__(f"{line}: {why}")
        self.line, self.why = line, why


class Step:
    """A command, or a file that is written."""

    def __init__(self, line, place, text, options):
        self.line, self.place, self.text = line, place, text
        self.options = options
        self.expected = []
        self.last = False
        self.held = False  # it is ended by a later ^C, and shows what it shows while it runs

    @property
    def is_file(self):
        return "file" in self.options

    @property
    def is_interrupt(self):
        return self.text == "^C"

    @property
    def status(self):
        return int(self.options.get("status", 0)) if self.last else 0

    def option(self, name):
        """One of those that are the last command's alone."""
        return self.options.get(name) if self.last else None


class Section:
    def __init__(self, name):
        self.name, self.steps = name, []


def sections(text):
    """The page as its sections, each with its steps."""
    found, lines = [Section("start")], text.splitlines()
    at = 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if lines[at].startswith("#"):
            found.append(Section(lines[at].lstrip("# ")))
        elif fence:
            end = at + 1
            while end < len(lines) and not lines[end].strip().startswith("```"):
                end += 1
            if end == len(lines):
                raise Wrong(at + 1, "a block without an end")
            found[-1].steps += block(lines, at, end, fence)
            at = end
        at += 1
    hold(found)
    return [s for s in found if s.steps]


def block(lines, start, end, fence):
    options = dict((o.split("=", 1) + ["yes"])[:2] for o in fence[3].split())
    if set(options) - KNOWN:
        raise Wrong(start + 1, f"unknown options: {' '.join(sorted(set(options) - KNOWN))}")
    body = [line[len(fence[1]):] for line in lines[start + 1:end]]
    if "file" in options:
        if options["file"] not in " ".join(lines[max(0, start - 6):start]):
            raise Wrong(start + 1, f"the text before does not name {options['file']}")
        return [Step(start + 1, "", "\n".join(body) + "\n", options)]
    if fence[2] != "console":
        raise Wrong(start + 1, "neither commands nor a file: nobody would know whether it is right")
    return commands(body, start + 2, options)


def commands(body, first, options):
    steps = []
    for number, line in enumerate(body, first):
        prompt = PROMPT.match(line)
        if prompt:
            steps.append(Step(number, prompt[1], prompt[2], options))
        elif not steps:
            raise Wrong(number, "a block that does not begin with a command")
        elif line.startswith("> ") and not steps[-1].expected:
            steps[-1].text += "\n" + line[2:]
        else:
            steps[-1].expected.append(line)
    if not steps:
        raise Wrong(first - 1, "a block without a command")
    steps[-1].last = True
    return steps


def hold(found):
    """Finds what each ^C ends: the command before it in the same place."""
    before = {}
    for step in (step for section in found for step in section.steps):
        if step.is_interrupt:
            if step.place not in before or before[step.place].is_interrupt:
                raise Wrong(step.line, "^C, and nothing to end")
            before[step.place].held = True
        elif not step.is_file and before.get(step.place) and before[step.place].held:
            raise Wrong(step.line, "a command where another one still runs")
        before[step.place] = step


def pattern(expected, like=False):
    """What is expected as a regular expression for all of the output."""
    parts = []
    for line in expected:
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append("[^\n]*".join(fixed(p, like) for p in line.rstrip().split("…")) + "[ \t]*\n")
    return re.compile("".join(parts) + r"\s*\Z")


def fixed(text, like):
    if not like:
        return re.escape(text)
    return "".join("[ \t]+" if part.isspace() else r"(?=\S*\d)\S+" if re.search(r"\d", part)
                   else re.escape(part) for part in re.split(r"([ \t]+)", text))


def matches(step, output):
    text = "".join(line.rstrip() + "\n" for line in output.splitlines())
    return pattern(step.expected, "like" in step.options).match(text) is not None


def prompts(text):
    """How many commands there are to the eye, counted another way than sections() does."""
    fenced = "\n".join(re.findall(r"^```console.*?\n(.*?)^```", text, re.S | re.M))
    return len(re.findall(r"^[a-z]*[#$] \S", fenced, re.M))
