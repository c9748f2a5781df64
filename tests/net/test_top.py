# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""weir top: on a terminal under a flood, line by line, and when what it looks at goes."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

from weirlab import (FLOOD, ROOT, WEIR, Cases, Env, Lab, Weir, check, check_equal, need, patience,
                     scaled, wait_until)

from labkit import LOAD
from terminal import Terminal

RATE = scaled(20000)
# A slow machine floods with pauses.
AUTO = ("--mode", "auto", "--auto-syn-rate", RATE // 20, "--auto-hold", f"{round(patience(10))}s")
RATES = ("syn_per_s", "cookies_per_s", "accepted_per_s", "refused_per_s", "rx_bytes_per_s")


@contextlib.contextmanager
def fixture():
    """A weir that has been flooded for some seconds, and still is."""
    listen = ["10.0.0.2:80=sized", "10.0.0.2:7=echo", "[fd00::2]:80=sized"]
    with Lab(queues=2) as lab, Weir(lab, listen, *AUTO) as weir:
        flood = ["-i", lab.iface["client"], "--dst", "10.0.0.2:80", "--rate", RATE, "--kind",
                 "syn=80,ack=20", "--seconds", patience(100)]
        with lab.spawn("client", FLOOD, *flood, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL):
            with lab.connect(7) as sock:
                sock.sendall(b"hello")
                wait_until(lambda: history(weir)["seconds"] >= 4, 15, "four seconds of history")
                yield Env(lab=lab, weir=weir)


def history(weir):
    """As the control socket has it."""
    with weir.lab.inside("server"):
        return ask(weir, {"cmd": "history"})


def ask(weir, request):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(patience(5))
        sock.connect(weir.ctl)
        sock.sendall(json.dumps(request).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            more = sock.recv(65536)
            check(more, "the control socket was closed")
            data += more
    return json.loads(data)


def top(given, *args, **kwargs):
    return Terminal([WEIR, "top", "--ctl", given.weir.ctl, *args],
                    wrap=lambda argv: given.lab.argv("server", *argv), **kwargs)


def run_top(env, *args, ok=(0,), environment=()):
    return env.lab.run("server", "env", *environment, WEIR, "top", "--ctl", env.weir.ctl, *args,
                       ok=ok)


# ---- what there is to be seen ------------------------------------------------------------


def history_is_kept(env):
    h = history(env.weir)
    check(h["taken"] >= h["seconds"] == len(h["series"]["syn_per_s"]), h["taken"])
    check(max(h["series"]["cookies_per_s"]) > RATE / 8, h["series"]["cookies_per_s"])
    check(max(h["series"]["refused_per_s"]) > RATE / 40, h["series"]["refused_per_s"])
    check_equal(len(h["cpu_permille"]), 2, "workers")
    check_equal(h["workers"], 2, "workers")
    check(sum(map(sum, h["cpu_permille"])) > 0, "no worker has used any CPU time")
    check_equal(len(ask(env.weir, {"cmd": "history", "seconds": 2})["series"]["flows"]), 2, "two")


def floods_are_told(env):
    """By these names weir top looks for them."""
    events = env.weir.status()["events"]
    for name in ("syn_flood", "ack_flood", "ring_drops"):
        check("active" in events[name], events)


def once(env):
    out = run_top(env, "--once", environment=["LC_ALL=C.UTF-8"]).stdout
    lines = out.splitlines()
    check("\x1b" not in out and "q quit" not in out, out)
    check(lines[0].startswith(f" weir {env.lab.iface['server']}  {env.weir.mode}"), lines[0])
    check("FLOOD" in lines[0], lines[0])
    check(re.search(r"^SYN/s +[1-9]", out, re.M) and "█" in out, out)
    check(re.search(r"^ +[1-9]\S* +\S+ +drop_ack_cookie", out, re.M), out)
    check("ESTABLISHED 1" in out and "10.0.0.2:80" in out and "gate, cookies" in out, out)
    ascii_only = run_top(env, "--once", environment=["LC_ALL=C"]).stdout
    check(ascii_only.isascii() and "#" in ascii_only, ascii_only)


def json_streams(env):
    with env.lab.spawn("server", WEIR, "top", "--ctl", env.weir.ctl, "--json", "--interval",
                       "300ms", stdout=subprocess.PIPE) as proc:
        samples = [json.loads(proc.stdout.readline()) for _ in range(3)]
    for sample in samples:
        check_equal(sample["version"], 1, "version")
        check(all(name in sample["rates"] for name in RATES), sample["rates"])
        check_equal(len(sample["workers"]), 2, "workers")
        check(sample["flood"], "no flood")
        check_equal(sample["connections"]["ESTABLISHED"], 1, "connections")
    check(max(s["rates"]["cookies_per_s"] for s in samples) > RATE / 8, samples)
    check(max(s["refused_per_s"]["drop_ack_cookie"] for s in samples) > RATE / 40, samples)
    one = json.loads(run_top(env, "--once", "--json").stdout)
    check_equal(one["iface"], env.lab.iface["server"], "interface")


def on_a_terminal(env):
    with top(env) as term:
        term.wait(lambda text: re.search(r"^SYN/s +[1-9].*█", text, re.M), patience(10))
        lines = term.wait("drop_ack_cookie").splitlines()
        check_equal(len(lines), 24, "lines")
        check("FLOOD" in lines[0] and "q quit" in lines[-1], lines)
        check(term.screen.ever_colored and not term.screen.cursor_shown, "colours, no cursor")
        check(any(c.bg is not None for c in term.screen.cells[0]), "a coloured head")
        term.press("2")
        term.wait("cookie is not ours")
        check("ESTABLISHED" not in term.text(), term.text())
        term.press("s")
        term.wait("s by total")
        term.press("3")
        term.wait("services: 3")
        term.press("h")
        term.wait("scroll a list")
        term.press("1")
        term.wait("ESTABLISHED")
        term.press("+")
        term.wait("+- 2 s")
        term.press("--")
        term.wait("+- 0.5 s")
        term.press("q")
        check_equal(term.wait_end(patience(5)), 0, "status")
        check(term.restored(), "the terminal is as it was")


def picture(env):
    """For the documentation: WEIR_PICTURES=SECONDS looks longer, and renews the committed one."""
    seconds = float(os.environ.get("WEIR_PICTURES") or 0)
    load = ["request", "10.0.0.2:80", "--rate", scaled(150), "--seconds", 100]
    with env.lab.spawn("client", LOAD, *load, stdout=subprocess.DEVNULL), \
            top(env, rows=32, cols=100) as term:
        term.wait(lambda text: re.search(r"^accepted +[1-9].*█", text, re.M), patience(10))
        if seconds:
            burst = ["-i", env.lab.iface["client"], "--dst", "10.0.0.2:80", "--rate", 3 * RATE]
            time.sleep(seconds / 3)
            env.lab.run("client", FLOOD, *burst, "--seconds", seconds / 3)
            time.sleep(seconds / 3)
        path = f"{ROOT}/docs/img/weir-top.svg" if seconds else f"{env.weir.dir}/weir-top.svg"
        text = term.text()
        term.svg(path, "weir top under a SYN flood")
    with open(path, encoding="utf-8") as f:
        drawn = f.read()
    words = re.findall(r"[\w./]+", text)
    check(all(word in drawn for word in words), "all that is on the screen is in the picture")
    check("#e05561" in drawn and drawn.count("<rect") > 3, "the picture's colours")


def other_sizes(env):
    with top(env, rows=10, cols=40) as term:
        term.wait("ESTABLISHED 1")
        check(all(len(line) <= 40 for line in term.text().splitlines()), term.text())
        term.resize(60, 200)
        term.wait(lambda text: len(text.splitlines()) == 60 and "peak" in text)
        term.resize(3, 12)
        term.wait(lambda text: text.startswith(" weir"))
        term.resize(24, 80)
        term.wait("drop_ack_cookie")
        check(term.proc.poll() is None, "still there")


def stands_still(env):
    with top(env, "--interval", "200ms") as term:
        term.wait("FLOOD")
        term.press("p")
        still = body(term.wait("PAUSED"))
        time.sleep(1)
        check_equal(body(term.text()), still, "the screen while paused")
        term.press("p")
        term.wait(lambda text: "PAUSED" not in text and body(text) != still)


def body(text):
    return text.splitlines()[1:-1]


def without_colors(env):
    with top(env, env={"NO_COLOR": "1"}) as term:
        term.wait("FLOOD")
        check(not term.screen.ever_colored, "coloured all the same")
    with top(env, env={"LC_ALL": "C"}) as term:
        check(term.wait(lambda text: "drop_ack" in text and "#" in text).isascii(), term.text())
    with top(env, "--interval", "300ms", rows=60, env={"TERM": "dumb"}) as term:
        term.wait(lambda text: text.count("SYN/s") >= 2)
        check(b"\x1b" not in term.raw, term.raw)
        term.press("\x03")
        check_equal(term.wait_end(patience(5)), 0, "status")


def a_silent_weir(env):
    """Stopped, it keeps its socket and says nothing."""
    with top(env, "--interval", "200ms") as term:
        term.wait("FLOOD")
        env.weir.proc.send_signal(signal.SIGSTOP)
        try:
            term.wait("weir has not answered for", patience(15))
            term.press("2")
            term.wait("cookie is not ours")
        finally:
            env.weir.proc.send_signal(signal.SIGCONT)
        term.wait(lambda text: "not answered" not in text)


def signals(env):
    for name, end in (("Ctrl-C", lambda t: t.press("\x03")), ("SIGTERM", lambda t: t.signal(15)),
                      ("SIGHUP", lambda t: t.signal(1))):
        with top(env) as term:
            term.wait("FLOOD")
            check(term.screen.alternate, "it has the screen")
            end(term)
            term.wait_end(patience(5))
            check(term.restored(), f"the terminal after {name}")


# ---- when there is none -------------------------------------------------------------------


def refusals(env):
    done = run_top(env, ok=(2,))
    check("--once or --json" in done.stderr, done.stderr)
    done = env.lab.run("server", WEIR, "top", "--ctl", "/nonexistent", "--once", ok=(1,))
    check("no weir answers at /nonexistent" in done.stderr, done.stderr)
    done = run_top(env, "--interval", "10ms", ok=(2,))
    check("interval" in done.stderr, done.stderr)


def survives_restarts(env):
    """The last one: it kills weir."""
    env.may_end = True
    with top(env, "--interval", "300ms") as term, \
            env.lab.spawn("server", WEIR, "top", "--ctl", env.weir.ctl, "--json", "--interval",
                          "300ms", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as stream:
        before = json.loads(stream.stdout.readline())["pid"]
        term.wait("FLOOD")
        env.weir.proc.kill()
        env.weir.proc.wait()
        text = term.wait("weir has gone", patience(10))
        check("GONE" in text.splitlines()[0] and "10.0.0.2:80" in text, text)
        env.weir.start()
        term.wait("weir was restarted", patience(20))
        term.wait(lambda text: "GONE" not in text and re.search(r"^SYN/s +[1-9]", text, re.M),
                  patience(20))
        samples = iter(lambda: json.loads(stream.stdout.readline()), None)
        check(any(s["pid"] != before for s, _ in zip(samples, range(50))), "the stream went on")
        term.press("q")
        check_equal(term.wait_end(patience(5)), 0, "status")
        check(term.restored(), "the terminal is as it was")


need(FLOOD, LOAD)
cases = Cases()
cases.group(fixture, (history_is_kept, floods_are_told, once, json_streams, on_a_terminal, other_sizes, picture,
                      stands_still, without_colors, a_silent_weir, signals, refusals, survives_restarts))
sys.exit(cases.status())
