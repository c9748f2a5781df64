# SPDX-License-Identifier: BSD-2-Clause
"""
Two weirs with one key file behind a spreader: each finishes what the other began, also with
clocks apart and while the key changes; and what a new route does to what is open.
"""
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time

from keylab import ANYCAST, Clock, ClockWeir, Fleet, iso, key_file
from labkit import PATIENCE
from weirlab import BUILD, Cases, Env, check, check_equal, need, patience, scaled, wait_until

LOAD = f"{BUILD}/weir-load"
HOUR = 3600
APART_MS = 900


@contextlib.contextmanager
def fleet():
    """The second node's clock is ahead by 0.9 s; an epoch begins 7 s after the start."""
    where = tempfile.mkdtemp(prefix="weir-fleet-")
    try:
        with Fleet() as f, Clock(before_edge=7) as clock, \
                Clock(like=clock, ahead_ms=APART_MS) as ahead:
            paths = [f"{where}/key{n}" for n in (1, 2)]
            # A SYN for what is in TIME_WAIT is answered by that node alone: no port comes again.
            f.sysctl("client", tcp_tw_reuse=0)
            for path in paths:
                key_file(path, (1, clock.now() - HOUR, clock.now() - HOUR, None, 0x1111))
            listen = [f"{ANYCAST}:80=sized", f"{ANYCAST}:7=echo"]
            with ClockWeir(f.nodes[0], listen, clock, "--key-file", paths[0]) as one, \
                    ClockWeir(f.nodes[1], listen, ahead, "--key-file", paths[1]) as two:
                yield Env(fleet=f, nodes=(one, two), weir=one, paths=paths, clock=clock)
    finally:
        shutil.rmtree(where)


def total(env, name):
    return [node.counter(name) for node in env.nodes]


@contextlib.contextmanager
def load(env, seconds):
    """Requests from the client for so long; what came of them in the list that is given."""
    result = []
    with env.fleet.spawn("client", LOAD, "--outside-lab", "--rate", scaled(400), "--seconds", seconds,
                         "--json", "request", f"{ANYCAST}:80", stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE) as proc:
        yield result
        out, said = proc.communicate(timeout=patience(seconds + 20))
        check(out, said[-400:])
        result.append(json.loads(out))


def all_good(env, got):
    failed = {k: n for k, n in got["failed"].items() if n}
    refusals = [{k: n for k, n in node.counters().items() if n and k.startswith(("drop", "rst"))}
                for node in env.nodes]
    check_equal(failed, {}, f"failed; refusals of the nodes: {refusals}")
    check(got["succeeded"] > 50 / PATIENCE, got)


def echo(sock, text=b"hello"):
    sock.sendall(text)
    check_equal(sock.recv(100), text, "echo")


# ---- handshakes -----------------------------------------------------------------------------


def the_key_changes_at_an_epochs_edge(env):
    """
    Every SYN goes to any node, the rest of its flow to the other or the same; meanwhile the
    file gets a key, is copied, and that key takes over, 0.9 s earlier on one node.
    """
    env.fleet.spread("mixed")
    refused = total(env, "drop_ack_cookie")
    with load(env, round(patience(14))) as result:
        env.clock.weir("key", "rotate", env.paths[0], "--in", f"{round(patience(3))}s")
        shutil.copy(env.paths[0], env.paths[1])
        want = env.clock.weir("key", "show-id", env.paths[0], "--fingerprint").stdout.strip()
        for node, path in zip(env.nodes, env.paths):
            wait_until(lambda n=node: n.keys()["fingerprint"] == want, 3, "the file is loaded")
            node.key("check", path, "--expect", want, "--ctl", node.ctl)
        check_equal([n.keys()["issuing"] for n in env.nodes], [1, 1], "before the edge")
        wait_until(lambda: [n.keys()["issuing"] for n in env.nodes] == [2, 2], 20, "key 2 issues")
    all_good(env, result[0])
    check_equal(total(env, "drop_ack_cookie"), refused, "cookies refused")
    for node in env.nodes:
        check(node.counter("syn_answered") > 10, "both nodes answer SYNs")
        check(node.counter("ack_accepted") > 10, "both nodes accept cookies")
        check("came late" not in node.log(), node.log())


def each_finishes_the_others_handshakes(env):
    for rule, opener, finisher in (("crossed 1-2", 0, 1), ("crossed 2-1", 1, 0)):
        env.fleet.spread(rule)
        answered, accepted = total(env, "syn_answered"), total(env, "ack_accepted")
        with load(env, 1) as result:
            pass
        all_good(env, result[0])
        n = result[0]["succeeded"]
        check(total(env, "syn_answered")[opener] - answered[opener] >= n, f"{rule}: SYNs answered")
        check_equal(total(env, "syn_answered")[finisher], answered[finisher], f"{rule}: by the other")
        check(total(env, "ack_accepted")[finisher] - accepted[finisher] >= n, f"{rule}: accepted")
        check_equal(total(env, "ack_accepted")[opener], accepted[opener], f"{rule}: by the other")


# ---- what is open when the route changes ----------------------------------------------------


def handshakes_survive_a_new_route(env):
    """The SYN-ACK has come by the old route, all else goes by the new one."""
    env.fleet.spread("crossed 1-2")
    with env.fleet.connect(7, ANYCAST) as sock:
        echo(sock)
        check_equal([len(n.conns("ESTABLISHED")) for n in env.nodes], [0, 1], "connections")


def connections_do_not(env):
    """
    The new node knows nothing of it: what the client sends is not answered at first, then,
    once it has been sent again for three seconds, by an RST.
    """
    env.fleet.spread("node 1")
    with env.fleet.connect(7, ANYCAST, timeout=15) as sock:
        echo(sock)
        env.fleet.spread("node 2")
        before = time.monotonic()
        sock.sendall(b"are you there?")
        try:
            check_equal(sock.recv(100), "an RST", "what comes")
        except ConnectionResetError:
            took = time.monotonic() - before
        check(took > 2, f"reset after {took:.1f} s")
        print(f"# the client saw ECONNRESET {took:.1f} s after it sent", flush=True)
        # Its old node has it still, until a timer of its own ends it.
        check_equal([len(n.conns("ESTABLISHED")) for n in env.nodes], [1, 0], "connections")


def a_flap_of_a_second_harms_nobody(env):
    env.fleet.spread("node 1")
    with env.fleet.connect(7, ANYCAST, timeout=15) as sock:
        echo(sock)
        env.fleet.spread("node 2")
        sock.sendall(b"sent into the void")
        time.sleep(1)
        env.fleet.spread("node 1")
        check_equal(sock.recv(100), b"sent into the void", "echo, after the client sent it again")


def equal_routes_of_a_router(env):
    """ECMP by the kernel: flows spread, and those of the node that stays go on."""
    env.fleet.ecmp(1, 2)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(env.fleet.connect(7, ANYCAST)) for _ in range(16)]
        for sock in socks:
            echo(sock)
        owner = {row["remote"].rsplit(":", 1)[1]: n for n, node in enumerate(env.nodes)
                 for row in node.conns("ESTABLISHED")}
        mine = [owner[str(s.getsockname()[1])] for s in socks]
        check(0 < sum(mine) < 16, f"all on one node: {mine}")
        env.fleet.ecmp(2)
        for sock, node in zip(socks, mine):
            if node == 1:
                echo(sock)
        with env.fleet.connect(7, ANYCAST) as sock:
            echo(sock)


# ---- a node that missed the file ------------------------------------------------------------


def a_node_that_missed_the_file(env):
    """
    It can be told before the key issues. After, what one began the other refuses, and what
    begins and ends on one node goes on; with the file everything does.
    """
    now = env.clock.now()
    old = [k for k in env.nodes[0].keys()["keys"]]
    new_id = old[-1]["id"] + 1
    env.clock.weir("key", "rotate", env.paths[0], "--in", "60m")
    want = env.clock.weir("key", "show-id", env.paths[0], "--fingerprint").stdout.strip()
    wait_until(lambda: env.nodes[0].keys()["fingerprint"] == want, 3, "the file is loaded")
    done = env.nodes[1].key("check", env.paths[1], "--expect", want, "--ctl", env.nodes[1].ctl,
                            ok=(1,))
    check("not " + want in done.stderr, done.stderr)
    # As if that hour had passed: the key has begun to issue, on one node.
    with open(env.paths[0], encoding="ascii") as f:
        text = f.read().splitlines()
    last = text[-1].split()
    check_equal(last[1], str(new_id), "the newest key")
    last[3], last[5] = iso(now - 200), iso(now - 100)
    prev = text[-2].split()
    prev[3], prev[5], prev[7] = iso(now - 400), iso(now - 300), iso(now + HOUR)
    with open(env.paths[0], "w", encoding="ascii") as f:
        f.write("\n".join([*text[:4], " ".join(prev), " ".join(last)]) + "\n")
    wait_until(lambda: env.nodes[0].keys()["issuing"] == new_id, 5,
               lambda: f"the new key issues: {env.nodes[0].keys()}")

    env.fleet.spread("flows")
    for _ in range(scaled(10, least=4)):
        with env.fleet.connect(7, ANYCAST) as sock:
            echo(sock)
    env.fleet.spread("crossed 1-2")
    refused = total(env, "drop_ack_cookie")
    with env.fleet.connect(7, ANYCAST, timeout=1) as sock:
        sock.sendall(b"x")
        try:
            check_equal(sock.recv(1), "nothing", "what a refused client hears")
        except (TimeoutError, ConnectionResetError):
            pass
    check(total(env, "drop_ack_cookie")[1] > refused[1], "the refusal is counted")
    shutil.copy(env.paths[0], env.paths[1])
    wait_until(lambda: env.nodes[1].keys()["issuing"] == new_id, 5, "the file has come")
    check("came late" in env.nodes[1].log(), env.nodes[1].log())
    with env.fleet.connect(7, ANYCAST) as sock:
        echo(sock)


need(LOAD)
cases = Cases()
cases.group(fleet, (the_key_changes_at_an_epochs_edge, each_finishes_the_others_handshakes,
                    handshakes_survive_a_new_route, connections_do_not,
                    a_flap_of_a_second_harms_nobody, equal_routes_of_a_router,
                    a_node_that_missed_the_file))
sys.exit(cases.status())
