# SPDX-License-Identifier: BSD-2-Clause
"""
Every program, subcommand, file and call of the library has its page; what pages say of options,
settings, counters and prototypes is what the program and weir.h have; pages are sound.
"""
import functools
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tests/net")
from weirlab import BUILD, FLOOD, WEIR, Cases, check, check_equal  # noqa: E402

LOAD = f"{BUILD}/weir-load"
MAN = f"{ROOT}/docs/man"
NOT_COMMANDS = {"weir-proxy(8)", "weir-flood(8)"}
# Pages of others, as Debian has them.
ELSEWHERE = set("""accept(2) bind(2) close(2) connect(2) getpeername(2) getsockname(2) listen(2)
    poll(2) shutdown(2) signalfd(2) socket(2) errno(3) sd_notify(3) syslog(3) epoll(7) socket(7) tcp(7)
    ethtool(8) gnuplot(1) ss(8) tcpdump(8) wireshark(1) xdp-loader(8)""".split())


def run(*argv, **kwargs):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **kwargs)
    check_equal((done.returncode, done.stderr), (0, ""), f"{argv[:3]}: status and errors")
    return done.stdout


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


@functools.cache
def names():
    found = re.findall(r"^  ([a-z]+) ", run(WEIR, "--help"), re.M)
    check(len(found) > 14, f"subcommands: {found}")
    return found


def pages():
    """"weir-run(8)": its source, without the ending."""
    found = {}
    for f in sorted(os.listdir(MAN)):
        check(re.fullmatch(r"[\w.-]+\.[1-8]\.scd", f), f"{f} is no page in scdoc")
        name, section = f[:-4].rsplit(".", 1)
        found[f"{name}({section})"] = f"{MAN}/{f[:-4]}"
    return found


@functools.cache
def made(page):
    """A page as it is installed."""
    with open(f"{pages()[page]}.scd", encoding="utf-8") as f:
        return run("scdoc", input=run(f"{ROOT}/tools/man-page", WEIR, stdin=f))


@functools.cache
def shown(page, columns=300):
    return run("groff", "-man", "-Tascii", "-ww", "-P-cbou", f"-rLL={columns}n", "-rIN=4n",
               input=made(page))


def part(page, heading):
    """A section of a page as it is written, or ''."""
    parts = read(f"{pages()[page]}.scd").split(f"\n# {heading}\n")
    return parts[1].split("\n# ")[0] if len(parts) > 1 else ""


def options(text):
    return re.findall(r"^ {1,6}(?:-\w, )? *(--[a-z0-9-]+)", text, re.M)


# ---- commands and programs ----------------------------------------------------------


def every_option(_):
    for name in names():
        page = shown(f"weir-{name}(8)")
        check(f"weir-{name}(8)" in page, f"weir-{name}(8): its title")
        helps = [run(WEIR, name, "--help")]
        if name == "key":
            helps += [run(WEIR, "key", sub, "--help") for sub in
                      re.findall(r"weir key ([a-z-]+) ", helps[0])]
            check_equal(len(helps), 6, "subcommands of weir key")
        known = set(options("".join(helps))) - {"--help"}
        missing = [o for o in sorted(known) if not re.search(rf"{o}(?![a-z0-9-])", page)]
        check_equal(missing, [], f"options that weir-{name}(8) does not name")


def no_others(_):
    """A page of a subcommand that has gone goes, too."""
    found = {page for page in pages() if re.match(r"weir-.*\(8\)", page)}
    check_equal(found - NOT_COMMANDS, {f"weir-{name}(8)" for name in names()}, "pages")


def tools_options(_):
    """Of the programs that have their options described in the page itself."""
    for program, page in ((FLOOD, "weir-flood(8)"), (LOAD, "weir-load(1)")):
        known = options(run(program, "--help"))
        check(len(known) > 15, f"options of {program}: {known}")
        described = re.findall(r"^\*(?:-\w\*, \*)?(--[a-z-]+)\*", part(page, "OPTIONS"), re.M)
        check_equal(sorted(described), sorted(known), page)


def all_commands(_):
    page = shown("weir(8)")
    for name, text in re.findall(r"^  ([a-z]+) +(.+)$", run(WEIR, "--help"), re.M):
        check(re.search(rf"^ *weir-{name}\(8\)\n +{re.escape(text)}$", page, re.M),
              f"weir(8) does not have {name}: {text}")


def all_counters(_):
    page = shown("weir-counters(8)")
    known = re.findall(r'^COUNTER\((\w+), \w+,\s*"(.*)"\)$',
                       read(f"{ROOT}/include/weir/counters.def"), re.M)
    check(len(known) > 150, f"{len(known)} counters")
    words = " ".join(page.split())
    missing = [name for name, text in known if f" {name} {text} " not in words]
    check_equal(missing, [], "counters that weir-counters(8) does not have")


def all_requests(_):
    """Of the control socket, with the members that each takes; version is another ping."""
    source = read(f"{ROOT}/user/control/ctl_request.c")
    rows = re.findall(r'\{"(\w+)", CTL_\w+, ([\w| ]+)\}', source.split("commands[] = {")[1].split("};")[0])
    check(len(rows) > 10, f"requests: {rows}")
    want = {name: {w[5:].lower() for w in with_.split(" | ") if w != "0"} for name, with_ in rows
            if name != "version"}
    want["mode"] |= {"service"}
    want["drain"] = {"limit_ms", "exit"}
    shown_ = [json.loads(line) for line in
              part("weir(8)", "THE CONTROL SOCKET").split("```")[1].strip().splitlines()]
    check_equal({r["cmd"]: set(r) - {"cmd"} for r in shown_}, want, "requests")


def failures_of_loads(_):
    table = read(f"{ROOT}/tools/load/result.h").split("#define LOAD_FAILURES(X)")[1]
    known = re.findall(r'"(\w+)"', table.split("\n\n")[0])
    told = part("weir-load(1)", "JSON").split("by reason:")[1].split("\n\n")[0].replace("\\", "")
    told = re.sub(r"\(.*?\)", "", told, flags=re.S)
    check_equal(sorted(re.findall(r"\w+", told)), sorted(known), "reasons")


# ---- the library ------------------------------------------------------------------------


def c_words(text):
    """Without what is layout."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    return re.sub(r" ?([(),;{}*\[\]]) ?", r"\1", " ".join(text.split()))


def prototypes(text):
    return re.findall(r"(?:(?<=[;{}])|^)[a-z][\w \*]*?\b(?:weir_\w+)\([^;]*\);", c_words(text))


def every_call(_):
    header = read(f"{ROOT}/include/weir/weir.h").split("#pragma GCC visibility pop")[0]
    known = prototypes(header.split("struct weir_conn;", 1)[1])
    check(len(known) > 50, f"calls in weir.h: {len(known)}")
    found = []
    for page in pages():
        if not page.endswith("(3)"):
            continue
        here = prototypes(part(page, "SYNOPSIS").replace("```", ""))
        calls = {re.search(r"(weir_\w+)\(", p)[1] for p in here}
        named = set(re.findall(r"weir_\w+", part(page, "NAME"))) - {"weir_app"}
        check_equal(named, calls, f"calls that {page} names and shows")
        found += here
    check_equal(len(found), len(set(found)), "calls that have two pages")
    check_equal(set(found) ^ set(known), set(), "prototypes of either the pages or weir.h")


def structures(_):
    header = c_words(read(f"{ROOT}/include/weir/weir.h"))
    for page, name in (("weir_app(3)", "weir_app"), ("weir_app(3)", "weir_addr"),
                       ("weir_stack_wait(3)", "weir_event")):
        want = re.search(rf"struct {name}\{{.*?\}};", header)[0]
        check(want in c_words(part(page, "SYNOPSIS")), f"{page}: {want}")
    fields = re.search(r"struct weir_stack_options\{(.*?)\};", header)[1]
    known = re.findall(r"(?<!\()\b(\w+)(?=[,;])|\(\*(\w+)\)", re.sub(r"\([^*].*?\)", "", fields))
    told = re.findall(r"^_[a-z_\\]+_(?:, _[a-z_\\]+_)*$", part("weir_stack_open(3)", "OPTIONS"),
                      re.M)
    check_equal(sorted(f for t in told for f in t.replace("\\", "").replace("_, _", " ")[1:-1].split()),
                sorted(a or b for a, b in known), "options of a stack")


# ---- all pages ------------------------------------------------------------------------


def nothing_unfilled(_):
    for page in pages():
        check(not re.search(r"@(SYNOPSIS|OPTIONS|SETTINGS|COMMANDS|COUNTERS)\b", made(page)),
              f"{page} has a place that is not filled")


def sound(_):
    """In 80 columns, as man shows them in a terminal of that width; shown() refuses warnings."""
    for page in pages():
        long = [line for line in shown(page, 78).splitlines() if len(line) > 80]
        check_equal(long, [], f"lines of {page} that are too long")
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=made(page),
                              capture_output=True, text=True, check=False)
        # Which scdoc makes, and which mean nothing.
        said = [line for line in done.stdout.splitlines()
                if not re.search(r"skipping paragraph macro: PP (after|empty)", line)]
        check_equal(said, [], page)


def links(_):
    """What a page refers to is there; what it sends readers to is not itself."""
    ours = set(pages())
    for page in list(ours):
        if page.endswith("(3)"):
            ours |= {f"{name}(3)" for name in re.findall(r"weir_\w+", part(page, "NAME"))}
    for page in pages():
        text = re.sub(r"[*\\]", "", read(f"{pages()[page]}.scd").split("\n\n", 1)[1])
        for other in re.findall(r"[\w.-]+\([1-8]\)", text):
            check(other in ours | ELSEWHERE, f"{page} refers to {other}")
        also = ["".join(o) for o in re.findall(r"\*([\w.-]+)\*(\([1-8]\))", part(page, "SEE ALSO"))]
        check(also, f"{page} has no SEE ALSO")
        check_equal((len(also), page in also), (len(set(also)), False), f"{page}: SEE ALSO: {also}")


# ---- the file -----------------------------------------------------------------------------


def weir_check(text):
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        done = subprocess.run([WEIR, "check", "--elsewhere", f.name], capture_output=True,
                              text=True, check=False)
    return done.returncode, done.stderr


def the_file(_):
    """weir.conf(5) has the settings that weir takes, all of them; its example is valid."""
    listed = re.findall(r"^ {1,7}([a-z0-9_]+): (?=\S)",
                        shown("weir.conf(5)").split("\nSETTINGS")[1].split("\nEXAMPLES")[0], re.M)
    for at in range(0, len(listed), 4):  # check tells of so many faults, and no more
        names_here = ["no_such_setting", *listed[at:at + 4]]
        _, said = weir_check("".join(f"{name}: [[]]\n" for name in names_here))
        unknown = re.findall(r": ([a-z0-9_]+): no such setting", said)
        check_equal(unknown, ["no_such_setting"], "settings that weir does not know")
    line_only = {"--config", "--listen", "--takeover", "--help"}
    known = {o[2:].replace("-", "_") for o in options(run(WEIR, "run", "--help"))
             if o not in line_only} - {"iface"} | {"interface"}
    check_equal(set(listed), known, "settings in weir.conf(5)")
    check_equal(weir_check(part("weir.conf(5)", "EXAMPLES").split("```\n")[1]), (0, ""),
                "the example")


def what_waits_for_a_restart(_):
    """The rows of the options' table that are not LIVE."""
    table = read(f"{ROOT}/user/cli/run_table.c").split("struct arg run_table[] = {")[1].split("\n};")[0]
    rows = re.findall(r'^\t([A-Z]+)\("([a-z0-9-]+)"(.*?)\),$', table, re.M | re.S)
    known = [{"iface": "interface"}.get(name, name.replace("-", "_")) for kind, name, rest in rows
             if kind != "CALL" and "LIVE" not in rest and "line_only" not in rest]
    check(10 < len(known) < len(rows) - 10, f"settings that wait: {known}")
    told = part("weir.conf(5)", "RELOAD").split("waits for the next start: ")[1].split("\n\n")[0]
    check_equal(re.findall(r"\*(\w+)\*", told.replace("\\", "")), known, "in weir.conf(5)")


def a_wrong_help_is_refused(_):
    """Were help laid out in another way, options would not silently get lost."""
    with tempfile.TemporaryDirectory() as where:
        with open(f"{where}/weir", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nprintf 'usage: weir x\\n\\n      --a  b\\n  ** odd\\n'\n")
        os.chmod(f"{where}/weir", 0o700)
        done = subprocess.run([f"{ROOT}/tools/man-page", f"{where}/weir"], input="@OPTIONS x@\n",
                              capture_output=True, text=True, check=False)
        check(done.returncode and "odd" in done.stderr, f"accepted: {done.stdout}")


cases = Cases()
for case in (every_option, no_others, tools_options, all_commands, all_counters, all_requests,
             failures_of_loads, every_call, structures, nothing_unfilled, sound, links, the_file,
             what_waits_for_a_restart, a_wrong_help_is_refused):
    cases.one(case, None)
sys.exit(cases.status())
