# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark's results for a reader: a Markdown table, and plots of what is a curve."""
import os
import shutil
import subprocess

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


def micros(us):
    if us is None:
        return "–"
    return f"{us / 1000:.3g} ms" if us >= 1000 else f"{us:.3g} µs"


def flood_table(rows):
    """under_flood: a line for each flood and system."""
    lines = ["| flood | system | of its own rate (min–max) | requests/s | success | n | p50 | p99"
             " | p99.9 | frames/s sent |", "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append("| " + " | ".join(map(cell, (
            row["case"], row["system"],
            f"{row['share']:.1%} ({row['ratio_min']:.1%}–{row['ratio_max']:.1%})",
            number(row["median"]), f"{row['success']:.4%}", row["attempted"],
            micros(row["p50_us"]), micros(row["p99_us"]), micros(row["p999_us"]),
            number(row["flood_per_s"]) if row["flood_per_s"] else "–"))) + " |")
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
        curves = [r for r in rows if "flood_asked" in r]
        if curves:
            lines += flood_table(curves) + [""]
        rest = [r for r in rows if "flood_asked" not in r]
        if rest:
            lines += table(rest) + [""]
    return "\n".join(lines)


# ---- plots -------------------------------------------------------------------

ORDER = ("weir", "syncookies=1", "syncookies=2", "nft synproxy", "peer", "reflector")
STYLE = "\n".join(f"set style line {i + 1} lc rgb '{c}' lw 2.5 pt {p} ps 1.3" for i, (c, p) in
                  enumerate((("#d1495b", 7), ("#30638e", 5), ("#00798c", 9), ("#edae49", 11),
                             ("#6d597a", 13), ("#8d99ae", 3))))
COMMON = f"""
{STYLE}
set border 3 lc rgb '#444444'
set tics nomirror
set grid lc rgb '#dddddd'
"""


def by_system(rows):
    systems = {}
    for row in rows:
        systems.setdefault(row["system"], []).append(row)
    return [(ORDER.index(n) + 1, n, systems[n]) for n in ORDER if n in systems]


def flood_plot(rows):
    """Share, success and latency over the rate of a SYN flood, for each system."""
    rows = [r for r in rows if r.get("flood") in ("none", "syn")]
    script, plots = [], {"share": [], "success": [], "p99": []}
    for style, name, of in by_system(rows):
        data = sorted((max(r["flood_per_s"], 2e4), r["share"], r["success"], r["p99_us"]) for r in of)
        block = f"$d{style}"
        script.append(f"{block} << EOD")
        script += [f"{x} {100 * share} {100 * ok} {p99 if p99 else 'NaN'}"
                   for x, share, ok, p99 in data]
        script.append("EOD")
        for column, key in ((2, "share"), (3, "success"), (4, "p99")):
            plots[key].append(f"{block} using 1:{column} with linespoints ls {style} title '{name}'")
    if not plots["share"]:
        return None
    return "\n".join([COMMON, *script, """
set multiplot layout 3,1 title 'A client (connect, request, response, close) during a SYN flood' font ',15'
set logscale x
set xrange [17000:3300000]
set xtics ('none' 20000, '50k' 50000, '100k' 100000, '200k' 200000, '400k' 400000, '800k' 800000, '1.6M' 1600000, '3.2M' 3200000)
set key outside right top
set lmargin 10
set rmargin 20
set ylabel 'requests/s, % of its own'
set yrange [0:*]
plot """ + ", ".join(plots["share"]), """
set ylabel 'success, %'
set yrange [*<99.5:100.02]
set nokey
plot """ + ", ".join(plots["success"]), """
set ylabel 'p99 of the response, us'
set logscale y
set yrange [*:*]
set xlabel 'SYNs sent per second'
plot """ + ", ".join(plots["p99"]), "unset multiplot"])


def rate_plot(rows):
    """SYNs answered per second, IPv4 with Linux's options."""
    rates = {r["system"]: r for r in rows if r["case"] == "IPv4, Linux options"}
    names = [n for n in ORDER if n in rates]
    if not names:
        return None
    data = [f'"{n}" {rates[n]["median"] / 1e6} {rates[n]["min"] / 1e6} {rates[n]["max"] / 1e6}'
            f' {ORDER.index(n) + 1} "{number(rates[n]["median"])}"' for n in names]
    colours = "(" + " : ".join(f"$5=={i + 1} ? {c}" for i, c in enumerate((
        "0xd1495b", "0x30638e", "0x00798c", "0xedae49", "0x6d597a"))) + " : 0x8d99ae)"
    return "\n".join([COMMON, "$d << EOD", *data, "EOD", f"""
set title 'SYNs answered per second, one core for generator and receiver' font ',15'
set ylabel 'million per second'
set yrange [0:*]
set style fill solid 0.9
set boxwidth 0.6
unset key
unset grid
set grid y lc rgb '#dddddd'
plot $d using 0:2:{colours}:xtic(1) with boxes lc rgb variable, \\
     $d using 0:2:3:4 with yerrorbars lc rgb '#222222' lw 1.5 pt 0, \\
     $d using 0:($4):6 with labels offset 0,0.9 notitle
"""])


PLOTS = (("under_flood", flood_plot, "900,1050", "a client during SYN floods"),
         ("flood_rate", rate_plot, "900,500", "SYNs answered per second"))


def draw(out, results):
    """Writes PNG and SVG; [(result, file, what it shows)] and why there is none."""
    made = []
    for name, script_of, size, alt in PLOTS:
        script = script_of(results["results"][name])
        if not script:
            continue
        if not shutil.which("gnuplot"):
            return made, "no plots: gnuplot is missing; install the package gnuplot-nox (make deps)"
        for terminal, suffix in (("pngcairo noenhanced font 'sans,11'", "png"),
                                 ("svg noenhanced font 'sans,11' background '#ffffff'", "svg")):
            script_head = f"set terminal {terminal} size {size}\nset output '{name}.{suffix}'\n"
            done = subprocess.run(["gnuplot"], input=script_head + script, text=True, cwd=out,
                                  capture_output=True, check=False, timeout=60)
            if done.returncode or not os.path.getsize(f"{out}/{name}.{suffix}"):
                return made, f"no plot of {name}: gnuplot said {done.stderr.strip()[-300:]}"
        made.append((name, f"{name}.png", alt))
    return made, None


def write(out, results):
    """results.md and the plots; returns what could not be drawn, or None."""
    plots, why = draw(out, results)
    with open(f"{out}/results.md", "w", encoding="utf-8") as f:
        f.write(markdown(results, plots))
    return why
