# SPDX-License-Identifier: BSD-2-Clause
"""
Pictures of the documentation, as SVG: whether a committed one still shows what is made now. Values
vary from run to run; what they are values of, and how it is laid out, does not.
"""
import os
import re
import shutil

from weirlab import ROOT, Failure, check_equal

RENEW = float(os.environ.get("WEIR_PICTURES") or 0)  # seconds to wait for something to be seen

TEXT = re.compile(r'<text[^>]* y="([\d.]+)"[^>]*>([^<]*)</text>')
PANEL = re.compile(r'<svg class="panel" ([^>]*)>\s*<title>([^<]*)</title>')
_made = []


def labels_of_text(text):
    """What lines of a screen begin with, and what its head shouts; values are none."""
    lines = [line.split() for line in text.splitlines() if line.split()]
    words = [line[0] for line in lines] + [word for line in lines[:1] for word in line if word.isupper()]
    return {word for word in words if re.match(r"[A-Za-z/]{2,}$", word)}


def labels(path):
    """The same of a picture of a terminal."""
    rows = {}
    with open(path, encoding="utf-8") as f:
        for y, words in TEXT.findall(f.read()):
            rows.setdefault(float(y), []).append(words)
    return labels_of_text("\n".join(" ".join(rows[y]) for y in sorted(rows)))


def shows(text, path):
    """Whether a screen has all that a picture of it has."""
    return labels_of_text(text) >= labels(path)


def kind(path):
    """What a picture is of: its panels with their places, or the labels of its screen."""
    with open(path, encoding="utf-8") as f:
        panels = PANEL.findall(f.read())
    return panels or sorted(labels(path))


def current(path, name, where):
    """A picture that was made now, and docs/NAME: of one kind, or the latter is renewed."""
    keep, committed = f"{where}/{os.path.basename(name)}", f"{ROOT}/docs/{name}"
    if path != keep:
        shutil.copy(path, keep)
    _made.append(name)
    if RENEW:
        shutil.copy(keep, committed)
    if not kind(keep):
        raise Failure(f"{keep} shows nothing")
    check_equal(kind(committed), kind(keep), f"docs/{name} shows something else; make pictures renews it")


def made():
    return list(_made)


def references(text):
    return re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
