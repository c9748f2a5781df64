# SPDX-License-Identifier: BSD-2-Clause
"""
The keys of one weir: its file rotated under load and replaced in every way, and what the
operator is told.
"""
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

from keylab import Clock, ClockWeir, iso, key_file
from labkit import PATIENCE
from weirlab import BUILD, Cases, Env, Lab, check, check_equal, need, patience, scaled, wait_until

LOAD = f"{BUILD}/weir-load"
HOUR = 3600


@contextlib.contextmanager
def key_dir():
    where = tempfile.mkdtemp(prefix="weir-keys-")
    try:
        yield where
    finally:
        shutil.rmtree(where)


@contextlib.contextmanager
def serving_with(*args, env=(), arg=None, owner=None):
    """A weir with a key file of one key, which it has had for an hour."""
    with key_dir() as where, Clock() as clock, Lab() as lab:
        path = f"{where}/weir.key"
        key_file(path, (1, clock.now() - HOUR, clock.now() - HOUR, None, 0x1111))
        if owner:
            shutil.chown(where, owner)
            shutil.chown(path, owner)
        weir = ClockWeir(lab, ["10.0.0.2:80=sized", "10.0.0.2:7=echo"], clock, "--key-file",
                         arg or path, "--msl", "1s", *args)
        weir.argv = ["env", *[v.format(where) for v in env], *weir.argv]
        with weir:
            yield Env(lab=lab, weir=weir, path=path, dir=where, clock=clock)


def issuing(env):
    return env.weir.keys()["issuing"]


def wait_loaded(env, fingerprint, seconds=5):
    wait_until(lambda: env.weir.keys()["fingerprint"] == fingerprint, seconds,
               lambda: f"the file is loaded; weir has {env.weir.keys()}")


def fingerprint(env):
    return env.clock.weir("key", "show-id", env.path, "--fingerprint").stdout.strip()


def echo(env):
    with env.lab.connect(7) as sock:
        sock.sendall(b"hello")
        check_equal(sock.recv(100), b"hello", "echo")


# ---- rotation -------------------------------------------------------------------------------


def leap_until(env, key):
    """The clock goes ahead in steps that are followed at once, until that key issues."""
    for _ in range(40):
        if issuing(env) == key:
            return
        env.clock.base += 3000
        env.clock.write()
        now = iso(env.clock.now() - 0.5)
        wait_until(lambda now=now: env.weir.keys()["now"] >= now, 5, "the clock is followed")
    check_equal(issuing(env), key, "the key that issues")


def nobody_is_refused_over_rotations(env):
    """Two of them, some seven epochs, while clients come all the time."""
    env.lab.sysctl("client", tcp_tw_reuse=1, ip_local_port_range="10000 60999")
    before = env.weir.counters()
    with env.lab.spawn("client", LOAD, "--rate", scaled(300), "--count", scaled(100000), "--seconds",
                       60, "--json", "request", "10.0.0.2:80", stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) as load:
        for key, wait in ((2, f"{round(patience(3))}s"), (3, "40s")):
            said = env.clock.weir("key", "rotate", env.path, "--in", wait).stdout
            check(f"key {key} issues from" in said, said)
            wait_loaded(env, fingerprint(env))
            check_equal(env.weir.keys()["next"]["id"], key, "the next key")
            check_equal(issuing(env), key - 1, "the key until then")
            leap_until(env, key)
            echo(env)
        time.sleep(1)
        load.send_signal(signal.SIGINT)
        out, said = load.communicate(timeout=patience(20))
    got = json.loads(out)
    got["failed"].pop("interrupted", None)  # by us
    check_equal(got["failed"], {k: 0 for k in got["failed"]}, f"failed; {said[-300:]}")
    check(got["succeeded"] > 500 / PATIENCE, got)
    after = env.weir.counters()
    check_equal(after["drop_ack_cookie"] - before["drop_ack_cookie"], 0, "cookies refused")
    # A port that comes again within TIME_WAIT begins anew there, without a cookie.
    opened = sum(after[c] - before[c] for c in ("ack_accepted", "conn_reopened"))
    check(opened >= got["succeeded"], f"{opened} opened, {got['succeeded']} succeeded")


def what_has_retired_goes(env):
    """From memory at its time, from the file with the next rotation."""
    now = env.clock.now()
    key_file(env.path, (1, now - HOUR, now - HOUR, now + patience(5), 0x1111),
             (2, now - 200, now - 100, None, 0x2222))
    wait_loaded(env, fingerprint(env))
    check_equal([k["id"] for k in env.weir.keys()["keys"]], [1, 2], "keys")
    wait_until(lambda: [k["id"] for k in env.weir.keys()["keys"]] == [2], 10, "key 1 retires")
    check("have retired" in env.weir.log(), env.weir.log())
    check_equal(env.weir.keys()["fingerprint"], fingerprint(env), "the file's fingerprint")
    env.clock.weir("key", "rotate", env.path, "--in", "60m")
    wait_loaded(env, fingerprint(env))
    with open(env.path, encoding="ascii") as f:
        text = f.read()
    check("\nkey 2 " in text and "\nkey 3 " in text, text)
    check("\nkey 1 " not in text, "a retired key is in the file")
    check_equal(stat.S_IMODE(os.stat(env.path).st_mode), 0o600, "the file's mode")
    echo(env)


# ---- the file -------------------------------------------------------------------------------


def any_replacement_is_seen(env):
    """In place, by rename, by links swapped; without a cookie refused, as the key stays."""
    old = env.clock.now() - HOUR
    first = (1, old, old, None, 0x1111)

    def two(secret):
        later = env.clock.now() + HOUR
        return ((1, old, old, later + HOUR, 0x1111), (2, env.clock.now(), later, None, secret))

    key_file(env.path, *two(2))  # renamed
    wait_loaded(env, fingerprint(env))
    key_file(f"{env.dir}/other", *two(3))
    with open(f"{env.dir}/other", encoding="ascii") as f:
        text = f.read()
    with open(env.path, "w", encoding="ascii") as f:  # in place, in two halves
        f.write(text[:100])
        f.flush()
        time.sleep(0.1)
        f.write(text[100:])
    wait_loaded(env, fingerprint(env))
    for name, secret in (("a", 4), ("b", 5)):
        os.mkdir(f"{env.dir}/{name}")
        key_file(f"{env.dir}/{name}/key", *two(secret))
    os.symlink("a", f"{env.dir}/data")
    os.symlink("data/key", f"{env.dir}/link")
    os.rename(f"{env.dir}/link", env.path)  # a link in its place
    wait_loaded(env, fingerprint(env))
    os.symlink("b", f"{env.dir}/link")
    os.rename(f"{env.dir}/link", f"{env.dir}/data")  # a link on its way swapped
    wait_loaded(env, fingerprint(env))
    os.unlink(env.path)
    wait_until(lambda: "it is gone" in (env.weir.keys()["file_error"] or ""), 5, "the loss is told")
    echo(env)
    key_file(env.path, first)
    wait_loaded(env, fingerprint(env))
    check_equal(env.weir.keys()["file_error"], None, "the error, once the file is good again")
    echo(env)
    check("came late" not in env.weir.log(), env.weir.log())


def what_is_wrong_changes_nothing(env):
    good = fingerprint(env)
    with open(env.path, encoding="ascii") as f:
        text = f.read()
    for bad, said in ((text.replace("issue_from", "issues_from"), "weir.key:4: expected `issue_from`"),
                      (text.replace("wscale 7", "wscale 8"), "a restart is needed"),
                      (text.replace("mtu 1500", "mtu 9000"), "a restart is needed"),
                      ("", "ends too early")):
        with open(env.path, "w", encoding="ascii") as f:
            f.write(bad)
        wait_until(lambda said=said: said in (env.weir.keys()["file_error"] or ""), 5,
                   lambda said=said: f"{said}: {env.weir.keys()['error']}")
        check(said in env.weir.log() and "the keys stay as they are" in env.weir.log(), said)
        check_equal(env.weir.keys()["fingerprint"], good, "the keys in use")
    check("0000000000001111" not in env.weir.log(), "a secret in the log")
    os.chmod(env.path, 0o644)
    wait_until(lambda: "chmod 600" in (env.weir.keys()["file_error"] or ""), 5, "others can read it")
    check_equal(env.weir.key("check", env.path, "--ctl", env.weir.ctl, ok=None).returncode, 1,
                "weir key check of a bad file")
    os.chmod(env.path, 0o600)
    with open(env.path, "w", encoding="ascii") as f:
        f.write(text)
    wait_until(lambda: not env.weir.keys()["file_error"], 5, "good again")
    done = env.weir.key("check", env.path, "--ctl", env.weir.ctl, "--expect", good)
    check("good" in done.stdout, done.stdout)
    echo(env)


def a_file_that_comes_late_is_told(env):
    old = env.clock.now() - HOUR
    key_file(env.path, (1, old, old, old + HOUR, 0x1111), (2, old + 60, old + 120, None, 0x2222))
    wait_loaded(env, fingerprint(env))
    wait_until(lambda: "came late" in env.weir.log(), 5, "that it came late is logged")
    check_equal(issuing(env), 2, "the key that issues")
    echo(env)


def credentials(env):
    """--key-file credential:NAME, for a file that its directory's access list opens to us."""
    check_equal(env.weir.keys()["file"], f"{env.dir}/weir.key", "the file")
    os.chmod(env.path, 0o440)
    env.clock.weir("key", "check", env.path, ok=(1,))
    time.sleep(0.5)
    check_equal(env.weir.keys()["file_error"], None, "what weir says of mode 0440 there")
    echo(env)


def a_file_of_the_user_that_weir_becomes(env):
    """Read as root at the start, as that user when it changes; its owner is kept."""
    owner = os.stat(env.path).st_uid
    check(owner != 0, "the file is root's")
    env.clock.weir("key", "rotate", env.path, "--in", "60m")
    check_equal(os.stat(env.path).st_uid, owner, "the owner after the rotation")
    wait_loaded(env, fingerprint(env))
    os.chown(env.path, 0, 0)
    wait_until(lambda: "Permission denied" in (env.weir.keys()["file_error"] or ""), 5,
               lambda: f"a file of root's cannot be read: {env.weir.keys()}")
    check_equal(env.weir.keys()["fingerprint"], fingerprint(env), "the keys in use")
    echo(env)


# ---- the command ----------------------------------------------------------------------------


def commands(_):
    with key_dir() as where, Clock() as clock:
        path = f"{where}/key"
        clock.weir("key", "new", path, "--mtu", 9000, "--wscale", 5)
        check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "the file's mode")
        check("there already" in clock.weir("key", "new", path, ok=(1,)).stderr, "no second new")
        for words, status in ((("fly",), 2), (("new",), 2), (("rotate", path, path), 2),
                              (("rotate", path, "--in", "1s"), 2), (("rotate", path, "--in", "3s"), 1),
                              (("rotate", f"{where}/none"), 2), (("show-id", f"{where}/none"), 2),
                              (("status", "--ctl", f"{where}/none"), 1),
                              (("check", path, "--expect", "000000000000"), 1)):
            done = clock.weir("key", *words, ok=(status,))
            lines = [line for line in done.stderr.splitlines() if "warning" not in line]
            check(len(lines) == 1 and lines[0].startswith("weir key"), f"{words}: {done.stderr}")
        for words in ((), ("new",), ("rotate",), ("show-id",), ("check",), ("status",)):
            check("usage: weir key" in clock.weir("key", *words, "--help").stdout, words)
        clock.weir("key", "rotate", path, "--in", "40s")
        shown = json.loads(clock.weir("key", "show-id", path, "--json").stdout)
        check_equal([k["state"] for k in shown["keys"]], ["issuing", "accepted"], "states")
        check_equal((shown["mtu"], shown["wscale"], shown["next"]["id"]), (9000, 5, 2), "shown")
        print_of = clock.weir("key", "show-id", path, "--fingerprint").stdout.strip()
        check_equal(print_of, shown["fingerprint"], "fingerprint")
        clock.weir("key", "check", path, "--expect", print_of)
        with open(path, encoding="ascii") as f:
            secrets = [word for line in f if line.startswith("key ") for word in line.split()[-2:]]
        check_equal(len(secrets), 4, "secrets in the file")
        text = clock.weir("key", "show-id", path).stdout + json.dumps(shown)
        check(not any(s in text for s in secrets), "a secret is shown")


def weirs_that_will_not_start(lab):
    """A clock that is behind the file, and a credential where there are none."""
    with key_dir() as where, Clock() as clock:
        path = f"{where}/key"
        key_file(path, (1, clock.now() + HOUR, clock.now() + HOUR, None, 1))
        for arg, said in ((path, "is that right?"), ("credential:key", "CREDENTIALS_DIRECTORY"),
                          (f"{where}/none", "No such file")):
            done = subprocess.run(lab.argv("server", *clock.env(), f"{BUILD}/weir", "run", "-i",
                                           "weir0", "--listen", "10.0.0.2:7=echo", "--key-file", arg),
                                  capture_output=True, text=True, check=False, timeout=patience(20))
            check_equal(done.returncode, 2, f"exit status: {done.stderr}")
            check(said in done.stderr and done.stderr.count("\n") == 1, done.stderr)


def random_keys(lab):
    with Clock() as clock, ClockWeir(lab, ["10.0.0.2:7=echo"], clock) as weir:
        reply = weir.keys()
        check_equal((reply["source"], reply["rotate_ms"]), ("random", 600000), "keys")
        check("random keys" in weir.key("status", "--ctl", weir.ctl).stdout, "in words")


need(LOAD)
cases = Cases()
cases.group(serving_with, (nobody_is_refused_over_rotations, what_has_retired_goes))
cases.group(serving_with, (any_replacement_is_seen, what_is_wrong_changes_nothing,
                           a_file_that_comes_late_is_told))
cases.group(lambda: serving_with(env=("CREDENTIALS_DIRECTORY={}",), arg="credential:weir.key"),
            (credentials,))
cases.group(lambda: serving_with("--user", "nobody", owner="nobody"),
            (a_file_of_the_user_that_weir_becomes,))
cases.group(Lab, (commands, weirs_that_will_not_start, random_keys))
sys.exit(cases.status())
