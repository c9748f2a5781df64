# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""PostgreSQL behind weir: queries, results larger than any buffer, a crash and its recovery."""
import contextlib
import subprocess
import sys

from servers import Postgres, backends, behind, flooded
from weirlab import Cases, Lab, check, check_equal, need, wait_until

HOSTS = ("10.0.0.2", "fd00::2")


@contextlib.contextmanager
def fixture():
    with Lab() as lab, Postgres(lab) as postgres:
        with behind(lab, postgres, [f"*:5432=proxy:{postgres.tcp},idle-timeout=0"], "--msl",
                    "1s", "--mode", "auto") as env:
            yield env


def a_query(env):
    for host in HOSTS:
        check_equal(env.server.psql("select 6 * 7", host=host).stdout, "42\n", host)


def tables_and_transactions(env):
    env.server.psql("create table t (n int primary key, text text); insert into t "
                    "select i, repeat('x', 200) from generate_series(1, 20000) i")
    check_equal(env.server.psql("select count(*), sum(n) from t").stdout, "20000|200010000\n",
                "what is in it")
    done = env.server.psql("begin; delete from t; select 1 / 0; commit", ok=None)
    check(done.returncode != 0 and "division by zero" in done.stderr, done.stderr)
    check_equal(env.server.psql("select count(*) from t").stdout, "20000\n", "rolled back")


def a_large_result(env):
    rows = env.server.psql("select n, text from t order by n").stdout.splitlines()
    check_equal(len(rows), 20000, "rows")
    check_equal(rows[12344], "12345|" + "x" * 200, "one of them")


def under_flood(env):
    with flooded(env, 5432), flooded(env, 5432, "fd00::2"):
        for n in range(6):
            check_equal(env.server.psql(f"select {n} + 1", host=HOSTS[n % 2]).stdout, f"{n + 1}\n",
                        "a query in the flood")


def killed_and_restarted(env):
    with env.lab.spawn("client", "psql", "-X", "-w", "-h", "10.0.0.2", "-U", "postgres", "-c",
                       "select pg_sleep(100)", "postgres", stderr=subprocess.DEVNULL) as waiting:
        wait_until(lambda: "pg_sleep" in env.server.psql(
            "select query from pg_stat_activity where pid <> pg_backend_pid()").stdout, 10,
            "a query that waits")
        env.server.kill()
        wait_until(lambda: waiting.poll() is not None, 10, "psql sees that the server has gone")
        check_equal(waiting.returncode, 2, "its status: the connection went bad")
    check(env.server.psql("select 1", ok=None).returncode != 0, "nobody answers")
    env.server.start()
    wait_until(lambda: env.server.psql("select count(*) from t", ok=None).stdout == "20000\n", 20,
               "recovered")


def nothing_stays(env):
    # What the flood had opened before it was one takes its time to be given up.
    env.weir.wait_quiet(10, but=("TIME_WAIT", "SYN_RCVD"))
    for name, b in backends(env.weir).items():
        check_equal(b["in_use"], 0, f"connections of {name}")


need()
cases = Cases()
cases.group(fixture, (a_query, tables_and_transactions, a_large_result, under_flood,
                      killed_and_restarted, nothing_stays))
sys.exit(cases.status())
