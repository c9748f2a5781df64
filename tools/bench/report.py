# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark's results for a reader: a Markdown table, and plots of what is a curve."""

TITLES = {
    "syn_path": "SYN to SYN-ACK in the program",
    "ack_accept": "The ACK that opens a flow, in the program",
    "ack_reject": "An ACK of no flow, in the program",
    "flow_hit": "A flow's frame, in the program",
    "pass": "Frames that are not ours, in the program",
    "flood_rate": "SYNs answered per second",
    "under_flood": "A client during a flood",
    "connections": "Connections",
    "rtt": "One byte there and back",
    "stream": "Streams",
    "scale": "Many connections, many services",
}


def number(value):
    """Four digits, and k or M for what is long."""
    if value is None:
        return "–"
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (limit if unit == 'M' else 1e3):.4g} {unit}"
    return f"{value:.4g}"


def ratio_text(row):
    if row["ratio"] is None:
        return "–"
    text = f"{row['ratio']:.3g} × {row['ratio_to']}"
    if "ratio_min" in row:
        text += f" ({row['ratio_min']:.3g}–{row['ratio_max']:.3g})"
    return text


def target_text(row):
    if "target" not in row:
        return ""
    return f"{row['target']}: {'**met**' if row['met'] else '**missed**'}"


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(rows):
    lines = ["| what | system | median (min–max) | unit | rounds | ratio (min–max) | target | note |",
             "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append("| " + " | ".join(map(cell, (
            row["case"], row["system"],
            f"{number(row['median'])} ({number(row['min'])}–{number(row['max'])})", row["unit"],
            row["rounds"], ratio_text(row), target_text(row), row.get("note", "")))) + " |")
    return lines


def host_lines(host):
    settings = host["settings"]
    return [f"{host['cpu']}, {host['cpus']} CPUs, Linux {host['kernel']}; {host['weir']}"
            f" ({host['commit']}).", "",
            "Settings: " + ", ".join(f"{k} {v}" for k, v in settings.items() if v is not None)
            + ".", ""]


def target_lines(results):
    """The targets alone: what weir is asked to reach, and whether it does."""
    rows = [(name, row) for name, rows in results.items() for row in rows if "target" in row]
    if not rows:
        return []
    lines = ["## Targets", "", "| what | weir | compared to | ratio | target | met |",
             "|---|---|---|---|---|---|"]
    for name, row in rows:
        lines.append("| " + " | ".join(map(cell, (
            f"{name}: {row['case']}" + ("" if row["system"] == "weir" else f", {row['system']}"),
            f"{number(row['median'])} {row['unit']}", row["ratio_to"] or "–",
            number(row["ratio"]), row["target"] +
            ("" if row.get("target_of", "ratio") == "ratio" else f" ({row['target_of']})"),
            "yes" if row["met"] else "**no**"))) + " |")
    return lines + [""]


def markdown(results, plots=()):
    lines = ["# weir beside its peers", "", *host_lines(results["host"]),
             "Each ratio is taken within one round, to the peer measured in the same round; the"
             " median of the rounds, with the least and the greatest.", ""]
    if results["failures"]:
        lines += ["## Not measured", ""]
        lines += [f"- {f['module']}: {f['case']}, {f['system']}: {f['why']}"
                  for f in results["failures"]] + [""]
    lines += target_lines(results["results"])
    for name, rows in results["results"].items():
        if not rows:
            continue
        lines += [f"## {name}: {TITLES[name]}", ""]
        lines += [f"![{alt}]({file})\n" for of, file, alt in plots if of == name]
        lines += table(rows) + [""]
    return "\n".join(lines)


def write(out, results):
    with open(f"{out}/results.md", "w", encoding="utf-8") as f:
        f.write(markdown(results))
