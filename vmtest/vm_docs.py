# SPDX-License-Identifier: BSD-2-Clause
"""
docs/kernels.md from the results of a whole run: sorted, and without anything that differs
from run to run, so that a run which finds nothing new changes nothing. Its last line is a
digest of the rest: who types into the file is found out by tests/host/test_vmtest.py.
"""
import hashlib
import os

from vm_facts import DEVICE, lasting, split

HEAD = """\
# Kernels

What weir can do on which kernel and driver. `make vmtest-facts`, and `make vmtest-full`, which
runs all tests, generate this file from what the tests found out in QEMU guests (`fact` lines of
`tests/net` and `tests/guest`); nothing in it is typed, and a test holds it against the digest in
its last line. What must stay so is the column `expect` of `vmtest/kernels`: a run that finds
something else fails.
"""
FEATURES = ("attach", "af-xdp", "zero-copy", "multi-buffer", "bursts", "dispatcher", "echo",
            "syn-flood")
# Always in the table, so that it also tells what no kernel has.
SANITIZERS = ("CONFIG_KASAN", "CONFIG_KCSAN", "CONFIG_PROVE_LOCKING", "CONFIG_LOCKDEP",
              "CONFIG_DEBUG_ATOMIC_SLEEP", "CONFIG_KFENCE")
HOST = "this host"


class Row:
    """A kernel as the tables see it."""

    def __init__(self, name, release, facts, guests=()):
        self.name, self.release, self.facts, self.guests = name, release, facts, list(guests)

    def lists(self, key):
        """All that the guests' status.json has in lists of that name."""
        return sorted({v for g in self.guests for v in g.status.get(key) or ()})


def rows_of(guests, kernels, host=None):
    """In the order of vmtest/kernels, then others, then the host."""
    names = list(dict.fromkeys(g.kernel for g in guests))
    order = [n for n in kernels if n in names] + sorted(n for n in names if n not in kernels)
    rows = []
    for name in order:
        of = sorted((g for g in guests if g.kernel == name), key=lambda g: g.machine)
        facts = {(d, f): v for g in of for d, f, v, _ in g.facts if lasting(d, v)}
        rows.append(Row(name, of[0].status.get("release") or "?", facts, of))
    if host is not None:
        facts = {(d, f): v for d, f, v, _ in host.facts if lasting(d, v)}
        rows.append(Row(HOST, host.status["release"], facts))
    return rows


def markdown(rows):
    cells = [[str(c).replace("|", "\\|") for c in row] for row in rows]
    return "\n".join(["| " + " | ".join(cells[0]) + " |", "|" + "---|" * len(cells[0])] +
                     ["| " + " | ".join(row) + " |" for row in cells[1:]])


def features_of(rows, driver):
    seen = {f for r in rows for d, f in r.facts if d.split("/")[0] == driver}
    return [f for f in FEATURES if f in seen] + sorted(seen - set(FEATURES))


def driver_table(rows, driver, notes):
    """A row a kernel, queue count and mode; a reason is a number in `notes`."""
    features = features_of(rows, driver)
    table = [("kernel", "queues", "XDP", *features)]
    for row in rows:
        devices = {d for d, _ in row.facts if d.split("/")[0] == driver}
        for device in sorted(devices, key=_device_order):
            _, queues, mode = DEVICE.match(device).groups()
            table.append((row.name, queues, mode,
                          *(_cell(row.facts.get((device, f)), notes) for f in features)))
    return markdown(table)


def _device_order(device):
    _, queues, mode = DEVICE.match(device).groups()
    return int(queues), mode != "native", mode


def _cell(value, notes):
    head, why = split(value or "")
    return f"{head} ({notes.index(why) + 1})" if why else head


def works_section(rows):
    drivers = sorted({d.split("/")[0] for r in rows for d, _ in r.facts})
    notes = sorted({split(v)[1] for r in rows for v in r.facts.values() if split(v)[1]})
    text = ["## What works where\n",
            "A number stands for what the kernel or weir said, below the tables; an empty field",
            "for what no test asks there.\n"]
    for driver in drivers:
        text += [f"### {driver}\n", driver_table(rows, driver, notes) + "\n"]
    text += [f"{n}. {note}" for n, note in enumerate(notes, 1)]
    return "\n".join(text) + "\n"


def absent_section(rows):
    table = [("kernel", "test", "cases", "why")]
    for row in rows:
        groups = {}
        for c in (c for g in row.guests for c in g.cases if c.result == "absent"):
            groups.setdefault((c.test, c.why), set()).add(c.name)
        table += [(row.name, test, ", ".join(f"`{n}`" for n in sorted(names)), why)
                  for (test, why), names in sorted(groups.items())]
    body = markdown(table) if len(table) > 1 else "Every test runs on every kernel."
    return f"## What a kernel cannot run\n\n{body}\n"


def counts_section(rows):
    table = [("kernel", "release", "machine", "tests", "cases passed", "not on this kernel")]
    for row in rows:
        table += [(row.name, row.release, g.machine, len({c.test for c in g.cases}),
                   g.count("passed"), g.count("absent")) for g in row.guests]
        if not row.guests:
            table.append((row.name, row.release, "", "", "", ""))
    return f"## What was run\n\n{markdown(table)}\n"


def debug_section(rows):
    rows = [r for r in rows if r.guests]
    built = {r.name: r.lists("config") for r in rows}
    options = list(SANITIZERS) + sorted({o for of in built.values() for o in of} - set(SANITIZERS))
    table = [("option", *built)]
    table += [(f"`{o}`", *("yes" if o in of else "" for of in built.values())) for o in options]
    switched = {r.name: r.lists("debug") for r in rows}
    table += [(f"`{o}`, at boot", *("yes" if o in of else "" for of in switched.values()))
              for o in sorted({o for of in switched.values() for o in of})]
    lacking = [o for o in SANITIZERS if not any(o in of for of in built.values())]
    text = [f"## What the kernels check of themselves\n\n{markdown(table)}\n",
            "A guest's whole log is searched for what these say: one complaint fails the run."]
    if lacking:
        text.append(f"None of these kernels has {', '.join(f'`{o}`' for o in lacking)}; a kernel\n"
                    "of one's own that has is run by `vmtest/run --kernel FILE --modules DIR`.")
    return "\n".join(text) + "\n"


def generate(guests, kernels, host=None):
    rows = rows_of(guests, kernels, host)
    body = "\n".join((HEAD, works_section(rows), absent_section(rows), counts_section(rows),
                      debug_section(rows)))
    return f"{body}\n{digest_line(body)}\n"


def digest_line(body):
    return f"<!-- generated: sha256 {hashlib.sha256(body.encode()).hexdigest()} -->"


def untouched(text):
    """Whether a file is as generate() made it."""
    body, newline, last = text.rstrip("\n").rpartition("\n")
    return newline == "\n" and last == digest_line(body)


def write(path, guests, kernels, host=None):
    text = generate(guests, kernels, host)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)
