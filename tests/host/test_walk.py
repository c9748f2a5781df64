# SPDX-License-Identifier: BSD-2-Clause
"""
How tests/net/walk.py reads a page and compares what is printed: a walk must not pass by looking at
nothing, and what is wrong is named with its line.
"""
import contextlib
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/tests/net"]
import walk  # noqa: E402
from weirlab import Cases, check, check_equal  # noqa: E402

PAGE = """\
# A page

Write this to `/etc/x.conf`:

```yaml file=/etc/x.conf
a: 1
```

## Do it

```console status=1
# one
out
server# two \\
> three
client# run it
begun
…
client# ^C
ended
# last
```
"""


def steps(text):
    return [step for section in walk.sections(text) for step in section.steps]


def a_page_is_read(_):
    check_equal([s.name for s in walk.sections(PAGE)], ["A page", "Do it"], "sections")
    conf, one, two, held, end, last = steps(PAGE)
    check_equal((conf.line, conf.is_file, conf.text), (5, True, "a: 1\n"), "the file")
    check_equal((one.line, one.place, one.text, one.expected), (12, "", "one", ["out"]), "the first")
    check_equal((two.place, two.text, two.expected), ("server", "two \\\nthree", []), "the continued")
    check_equal((held.held, held.expected), (True, ["begun", "…"]), "the one that is held")
    check_equal((end.is_interrupt, end.held, end.expected), (True, False, ["ended"]), "its end")
    check_equal([s.status for s in (one, end, last)], [0, 0, 1], "status: the last one's alone")
    check_equal(walk.prompts(PAGE), 5, "commands, to the eye")


def nothing_is_left_unread(_):
    for text, line in (("```\n# one\n```\n", 1), ("\n```sh\none\n```\n", 2),
                       ("```console\nno prompt\n```\n", 2), ("```console\n```\n", 1),
                       ("```console\n# one\n", 1), ("```console retyr\n# one\n```\n", 1),
                       ("Another file:\n\n```yaml file=/etc/x.conf\na: 1\n```\n", 3),
                       ("```console\nserver# ^C\n```\n", 2),
                       ("```console\nserver# one\nserver# ^C\nserver# ^C\n```\n", 4)):
        try:
            walk.sections(text)
        except walk.Wrong as e:
            check_equal(e.line, line, f"the line that is named for {text!r}")
        else:
            check(False, f"nothing is said of {text!r}")


def same(expected, output, options=""):
    shown = f"{expected}\n" if expected else ""
    step = steps(f"```console {options}\n# x\n{shown}```\n")[0]
    return walk.matches(step, output)


def what_is_printed_is_compared(_):
    for expected, output in (("a\nb", "a\nb\n"), ("a…c", "a b c\n"), ("a\n…", "a\n"), ("a\n…", "a\nb\nc\n"),
                             ("…\nc", "a\nb\nc\n"), ("…\nb\n…", "a\nb\nc\n"), ("a  ", "a\n"), ("", ""),
                             ("a.*(b", "a.*(b\n")):
        check(same(expected, output), f"{output!r} is not {expected!r}")
    for expected, output in (("a", ""), ("", "a\n"), ("a", "a\nb\n"), ("b", "a\nb\n"), ("a…c", "a\nc\n"),
                             ("a\n…\nc", "a\nb\n"), ("a", "ab\n"), ("a.c", "abc\n"), ("a 1", "a 2\n")):
        check(not same(expected, output), f"{output!r} is {expected!r}")


def figures_are_like_others(_):
    check(same("sent  12 in 1.5 s", "sent 40513 in 12.25 s\n", "like"), "other figures")
    check(same("RTT  0.3ms  of …", "RTT 11us   of this\n", "like"), "another unit")
    for output in ("sent many in 1.5 s\n", "got 12 in 1.5 s\n", "sent 12 in 1.5 s, again\n", "sent\n"):
        check(not same("sent  12 in 1.5 s", output, "like"), output)


def the_guide_has_what_it_walks_by(_):
    with open(f"{ROOT}/docs/operating.md", encoding="utf-8") as f:
        text = f.read()
    found = steps(text)
    check_equal(sum(not s.is_file for s in found), walk.prompts(text), "commands")
    check({s.place for s in found} == {"", "server", "client"}, "its three places")
    check(not re.search(r"^```(?!console|\w+ file=|$)", text, re.M), "a block that is not walked")


cases = Cases()
cases.group(contextlib.nullcontext, (
    a_page_is_read, nothing_is_left_unread, what_is_printed_is_compared,
    figures_are_like_others, the_guide_has_what_it_walks_by))
sys.exit(cases.status())
