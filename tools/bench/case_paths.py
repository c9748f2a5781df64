# SPDX-License-Identifier: BSD-2-Clause
"""What one frame costs in the gate, by progcost: ns net of an empty program.

Ratios are of the same run: a SYN of any kind to the plain one over IPv4 (or to the
peer's program, where one is given), the other paths to a frame that is passed on.
"""
import json
import subprocess

from bench import holds

NAME = ["syn_path", "ack_accept", "ack_reject", "flow_hit", "pass"]
BUDGET = {"quick": 18, "full": 60}

PLAIN = ("syn_path", "linux-ipv4")
PASSED = ("pass", "ipv4")


def command(ctx):
    cmd = [f"{ctx.build}/progcost", "--rounds", "9" if ctx.quick else "25"]
    options = getattr(ctx, "options", None)
    peer = getattr(options, "peer_xdp", None)
    if peer:
        section = getattr(options, "peer_section", None) or "xdp"
        cmd += ["--peer-xdp", str(peer), "--peer-section", section]
    return cmd


def reference(row, by_name):
    """The row that this one is set against, and how that is called."""
    if row["system"] == "weir":
        peer = by_name.get((row["result"], row["case"], "peer"))
        if peer:
            return peer, "peer"
    name = PLAIN if row["result"] == "syn_path" else PASSED
    return by_name[name + ("weir",)], "/".join(name)


def target(row):
    """What this row should be, and of which of its figures that is said."""
    if row["system"] != "weir" or row["flows"] > 1:
        return None
    name = (row["result"], row["case"])
    if row["result"] == "syn_path" and name != PLAIN:
        same_but_family = row["case"] == "linux-ipv6"
        return ("<= 1.3", "ratio") if same_but_family else ("<= 1.5", "ratio")
    fixed = {PLAIN: "<= 90", ("ack_reject", "ipv4"): "<= 80", ("flow_hit", "ipv4-1"): "<= 60"}
    return (fixed[name], "median") if name in fixed else None


def rate(row, by_name):
    """Adds the ratio: of medians, and the least and the largest of the single rounds."""
    other, name = reference(row, by_name)
    each = [a / b for a, b in zip(row["each"], other["each"]) if b > 0]
    row["ratio_to"] = name
    row["ratio"] = round(row["median"] / other["median"], 3)
    if each:
        row["ratio_min"], row["ratio_max"] = round(min(each), 3), round(max(each), 3)
    wants = target(row)
    if wants and (wants[1] == "median" or row["ratio_to"] == "/".join(PLAIN)):
        row["target"], row["target_of"] = wants
        row["met"] = holds(wants[0], row[wants[1]])


def run(ctx):
    out = subprocess.run(command(ctx), stdout=subprocess.PIPE, timeout=170, check=True)
    rows = json.loads(out.stdout)["rows"]
    by_name = {(r["result"], r["case"], r["system"]): r for r in rows}
    # A reflector costs the same whatever it reflects.
    rows = [r for r in rows if r["system"] != "reflector" or r["case"].startswith("linux-ipv")]
    for row in rows:
        rate(row, by_name)
    for row in rows:
        del row["each"]
        for key in ("min", "median", "max"):
            row[key] = round(row[key], 1)
        if row["result"] == "flow_hit" or row["flows"] > 1:
            row["note"] = f"{row['flows']} flows, at random" if row["flows"] > 1 else "one flow"
    return rows
