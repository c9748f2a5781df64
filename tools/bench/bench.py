# SPDX-License-Identifier: BSD-2-Clause
"""
What the benchmark's cases stand on. A case is a module tools/bench/case_NAME.py with

    NAME = ["rtt"]                          the results it yields
    BUDGET = {"quick": 20, "full": 60}      seconds, all included
    def run(ctx): ...                       returns rows, or yields them

ctx is a Context. A row is made by ctx.row(); what cannot be measured is said by ctx.fail(), which
makes the run red. Everything that a case starts is a context manager of ctx and ends with it; a
case that is over its time gets a TimeUp, which nothing but the runner may catch.

A figure is compared to its peer round by round (ctx.interleave()), so that what else happens on
the machine meets both.
"""
import contextlib
import json
import os
import statistics
import subprocess
import time

from labkit import FLOOD, KSERVER, LOAD, Failure, Lab, Weir, end_process, wait_until

RESULTS = ("syn_path", "ack_accept", "ack_reject", "flow_hit", "pass", "flood_rate", "under_flood",
           "connections", "rtt", "stream", "scale")
ROW_KEYS = ("case", "system", "unit", "min", "median", "max", "rounds", "ratio_to", "ratio")
ROUNDS = {"quick": 3, "full": 5}


class TimeUp(BaseException):
    """A case's time is over. Not an Exception: a case must not swallow it."""


def digits(value, n=5):
    """A number as it is reported."""
    return float(f"{value:.{n}g}")


def spread(values):
    return {"min": digits(min(values)), "median": digits(statistics.median(values)),
            "max": digits(max(values)), "rounds": len(values)}


def holds(target, value):
    """Is a target such as '>= 0.82' met?"""
    sign, limit = target.split()
    return value >= float(limit) if sign == ">=" else value <= float(limit)


def machine_cpu():
    """
    Busy seconds of all CPUs since boot: what was neither idle nor the hypervisor's. Not the
    sum of the busy fields, which are samples and miss work that timers start.
    """
    with open("/proc/stat", encoding="ascii") as f:
        fields = list(map(int, f.readline().split()[1:9]))
    idle, iowait, steal = fields[3], fields[4], fields[7]
    return time.monotonic() * os.cpu_count() - (idle + iowait + steal) / os.sysconf("SC_CLK_TCK")


class Context:
    def __init__(self, build, quick=False, rounds=None, options=None, log=print):
        self.build, self.quick = build, quick
        self.rounds = rounds or ROUNDS["quick" if quick else "full"]
        self.options = options  # the runner's: peer_xdp, peer_section, peer_setup
        self.log = log
        self.failures = []
        self.module = ""
        self.deadline = time.monotonic() + 1e6
        self.labs = []

    machine_cpu = staticmethod(machine_cpu)

    # ---- time and results ----------------------------------------------------

    def left(self):
        """Seconds of this case's budget that are left."""
        return self.deadline - time.monotonic()

    def fail(self, case, system, why):
        """A figure that is missing, and why."""
        why = " ".join(str(why).split())[:500]
        self.failures.append({"module": self.module, "case": case, "system": system, "why": why})
        self.log(f"FAILED {self.module}: {case}, {system}: {why}")

    def row(self, result, case, system, unit, values, ratio_to=None, base=None, target=None,
            target_of="ratio", **more):
        """
        One line of the results: `values`, one a round, in ratio to `base`, the peer's of the same
        rounds. `target` ('>= 0.82') is what `target_of` ('ratio', 'median'...) should be.
        """
        row = {"result": result, "case": case, "system": system, "unit": unit, **spread(values),
               "ratio_to": ratio_to, "ratio": None, **more}
        if base:
            ratios = [v / b for v, b in zip(values, base) if b]
            if not ratios:
                raise Failure(f"{case}: {ratio_to} measured nothing to compare with")
            row.update(ratio=digits(statistics.median(ratios), 4),
                       ratio_min=digits(min(ratios), 4), ratio_max=digits(max(ratios), 4))
        if target:
            row.update(target=target, target_of=target_of, met=holds(target, row[target_of]))
        return row

    def interleave(self, case, measures, rounds=None, until=0.0):
        """
        Calls each of {system: function} in turn, round after round, as long as `until` seconds
        of the budget stay left; {system: [what it returned]}. A system that raises is failed
        and not asked again; what it gave before does not count.
        """
        rounds = rounds or self.rounds
        got = {system: [] for system in measures}
        longest = 0.0
        for n in range(rounds):
            if n and self.left() - longest < until:
                self.fail(case, "all", f"time for {n} of {rounds} rounds only")
                break
            start = time.monotonic()
            # Every other round the other way round: nobody always comes after the same.
            for system in list(got)[::-1 if n % 2 else 1]:
                try:
                    got[system].append(measures[system]())
                except Exception as e:  # whatever it is, it is this system's
                    self.fail(case, system, e if isinstance(e, Failure) else repr(e))
                    del got[system]
            longest = max(longest, time.monotonic() - start)
        return got

    # ---- what is measured ----------------------------------------------------

    @contextlib.contextmanager
    def lab(self, **options):
        """A lab (tools/labkit.py): queues=1, mtu=1500, clients=0, loss=0, no_peer_xdp=True."""
        lab = Lab(**options)
        self.labs.append(lab)
        with lab:
            yield lab

    @contextlib.contextmanager
    def weir(self, lab, listen, *args, cpu=None):
        """`weir run` at the server's end; listen is a list of ADDR:PORT=APP."""
        with Weir(lab, listen, *args, cpu=cpu) as weir:
            yield weir
            if not weir.alive():
                raise Failure(f"weir ended by itself: {weir.log()[-300:]}")

    @contextlib.contextmanager
    def kserver(self, lab, *args, cpu=None):
        """The kernel's side: `kserver ARGS...` at the server's end, listening."""
        argv = lab.argv("server", *pin(cpu), KSERVER, *args)
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as proc:
            try:
                wait_until(lambda: listening(proc.pid) or proc.poll() is not None, 10,
                           "kserver listens")
                if proc.poll() is not None:
                    raise Failure(f"kserver: {proc.stderr.read()[-300:].strip()}")
                yield proc
                if proc.poll() is not None:
                    raise Failure(f"kserver ended by itself: status {proc.returncode}")
            finally:
                end_process(proc)

    def load(self, lab, pattern, target, *args, timeout=120):
        """weir-load from the client's end; the object that it prints."""
        return self._json(lab, LOAD, *args, "--json", pattern, target, timeout=timeout)

    def flood(self, lab, target, *args, timeout=120):
        """weir-flood from the client's end; the object that it prints."""
        return self._json(lab, *self._flood(lab, target, *args), timeout=timeout)

    @contextlib.contextmanager
    def flooding(self, lab, target, *args):
        """weir-flood in the background: stop() ends it and returns what it printed."""
        argv = lab.argv("client", *self._flood(lab, target, *args))
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as proc:
            try:
                yield Flooding(proc)
            finally:
                end_process(proc)

    @staticmethod
    def _flood(lab, target, *args):
        return [FLOOD, "-i", lab.iface["client"], "--dst", target, "--json", *args]

    @staticmethod
    def _json(lab, *argv, timeout):
        done = lab.run("client", *argv, timeout=timeout)
        return last_object(argv[0], done.stdout)

    def sweep(self):
        """Takes down what a case left; the names of the labs that it was."""
        left = [lab.name for lab in self.labs if os.path.exists(f"/run/weir-lab/{lab.name}")]
        for lab in self.labs:
            if lab.name in left:
                lab.__exit__(None, None, None)
        self.labs = []
        return left


class Flooding:
    def __init__(self, proc):
        self.proc = proc

    def flow(self, seconds):
        """Gives it so long to get going."""
        try:
            self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        self.stop()  # which says why it ended

    def stop(self, patience=20):
        if self.proc.poll() is not None:
            raise Failure(f"weir-flood ended too early: status {self.proc.returncode}, "
                          f"{self.proc.stderr.read()[-300:].strip()}")
        self.proc.terminate()
        out, err = self.proc.communicate(timeout=patience)
        if self.proc.returncode != 0:
            raise Failure(f"weir-flood: status {self.proc.returncode}, {err[-300:].strip()}")
        return last_object("weir-flood", out)


def last_object(who, text):
    lines = text.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        raise Failure(f"{os.path.basename(who)} printed no JSON: {text[-200:]!r}") from None


def pin(cpu):
    return [] if cpu is None else ["taskset", "-c", str(cpu)]


def listening(pid):
    """Is there a TCP listener in the namespace of that process?"""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/net/{table}", encoding="ascii") as f:
                if any(line.split()[3] == "0A" for line in f.readlines()[1:]):
                    return True
    return False


def check_rows(rows):
    """What is wrong with a case's rows, one sentence each."""
    wrong = []
    for row in rows:
        name = f"{row.get('result')}/{row.get('case')}/{row.get('system')}"
        missing = [k for k in ("result", *ROW_KEYS) if k not in row]
        if missing:
            wrong.append(f"row {name}: no {', '.join(missing)}")
        elif row["result"] not in RESULTS:
            wrong.append(f"row {name}: there is no result of that name")
        elif not row["min"] <= row["median"] <= row["max"] or row["rounds"] < 1:
            wrong.append(f"row {name}: min, median, max or rounds make no sense")
    return wrong


