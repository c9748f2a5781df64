# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 90
"""weir reload of what is outside of weir: backends, the key file, and files as another user reads them."""
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time

from keylab import key_file
from proxylab import backend, echo
from servers import backends
from weirlab import BUILD, WEIR, Cases, Env, Lab, Weir, check, check_equal, need, wait_until

HOUR = 3600
BASE = """\
interface: {iface}
services:
  - listen: 10.0.0.2:7
    app: echo
"""


class Live(Env):
    """A weir that is run from `path`, in a directory of its own."""

    def write(self, more="", mode=0o644):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.write(BASE.format(iface=self.lab.iface["server"]) + more)
        os.chmod(self.path + ".new", mode)
        os.rename(self.path + ".new", self.path)

    def reload(self):
        done = self.lab.run("server", WEIR, "reload", "--ctl", self.weir.ctl, "--json", ok=(0, 1))
        reply = json.loads(done.stdout)
        check_equal(done.returncode, 0 if reply["reloaded"] else 1, "the exit status")
        return reply

    def taken(self, more=""):
        self.write(more)
        reply = self.reload()
        check(reply["reloaded"], reply)
        check_equal(reply["after_restart"], [], "what waits for a restart")
        return reply["services"]

    def refused(self, said, before=None):
        """Whatever is in the file: it is not taken, for this reason, and all is as before."""
        before = before or self.served()
        reply = self.reload()
        check(not reply["reloaded"], reply)
        check(said in reply["error"], f"{said!r} is not in {reply['error']!r}")
        check("\n" not in reply["error"], reply["error"])
        check_equal(self.served(), before, "services")
        check(self.echoes(), "echo")

    def served(self):
        return {s["listen"]: s["app"] for s in self.weir.status()["services"]}

    def keys(self):
        return json.loads(self.lab.run("server", WEIR, "key", "status", "--ctl", self.weir.ctl,
                                       "--json").stdout)

    def echoes(self):
        with self.lab.connect(7) as sock:
            return answers(sock)


def answers(sock, text=b"anybody there?"):
    sock.sendall(text)
    got = b""
    while len(got) < len(text) and (part := sock.recv(4096)):
        got += part
    return got == text


@contextlib.contextmanager
def live(*args):
    where = tempfile.mkdtemp(prefix="weir-live-")
    os.chmod(where, 0o755)
    try:
        with Lab(queues=2) as lab:
            env = Live(lab=lab, dir=where, path=f"{where}/weir.conf")
            env.write()
            with Weir(lab, [], "-c", env.path, "--msl", "1s", "--drain-ms", "1s", *args) as env.weir:
                yield env
    finally:
        shutil.rmtree(where)


# ---- backends -------------------------------------------------------------------------------


def named(name):
    """Says which one it is, and echoes."""

    def serve(sock):
        sock.sendall(name)
        echo(sock)

    return serve


@contextlib.contextmanager
def proxied():
    with live() as env, backend(env.lab, named(b"a"), port=9001) as env.a, \
            backend(env.lab, named(b"b"), port=9002) as env.b:
        yield env


def through(*ports, options=""):
    text = ", ".join(f"127.0.0.1:{port}" for port in ports)
    return f"  - listen: 10.0.0.2:80\n    proxy: {{ backends: [{text}]{options} }}\n"


def reaches(env):
    with env.lab.connect(80) as sock:
        return sock.recv(1)


def backends_come_and_go(env):
    check_equal(env.taken(through(9001)), {"added": 1, "removed": 0, "changed": 0, "kept": 1}, "added")
    with env.lab.connect(80) as old:
        check_equal(old.recv(1), b"a", "the only one")
        check_equal(env.taken(through(9001, 9002))["changed"], 1, "changes")
        check_equal({reaches(env) for _ in range(4)}, {b"a", b"b"}, "who is reached")
        with env.lab.connect(80) as one, env.lab.connect(80) as other:
            orphan = {sock.recv(1): sock for sock in (one, other)}[b"b"]
            env.taken(through(9001))
            check_equal({reaches(env) for _ in range(4)}, {b"a"}, "who is reached without b")
            check_equal(backends(env.weir)["127.0.0.1:9002"]["state"], "draining", "b")
            check(answers(orphan), "a connection of the removed backend")
        wait_until(lambda: "127.0.0.1:9002" not in backends(env.weir), 10, "b goes with its last one")
        # All of them are others.
        env.taken(through(9002))
        check_equal({reaches(env) for _ in range(4)}, {b"b"}, "who is reached without a")
        check(answers(old), "the oldest connection, through all of it")
    wait_until(lambda: list(backends(env.weir)) == ["127.0.0.1:9002"], 10, "a goes")


def a_backend_that_comes_back(env):
    """Removed and added again while its connection goes on."""
    env.taken(through(9001, 9002))
    with env.lab.connect(80) as one, env.lab.connect(80) as other:
        orphan = {sock.recv(1): sock for sock in (one, other)}[b"b"]
        for _ in range(3):
            env.taken(through(9001))
            env.taken(through(9001, 9002))
        check(answers(orphan), "the connection through all of it")
        check_equal({reaches(env) for _ in range(4)}, {b"a", b"b"}, "who is reached")
        check_equal(backends(env.weir)["127.0.0.1:9002"]["state"], "up", "b")
    wait_until(lambda: all(not b["in_use"] for b in backends(env.weir).values()), 10, "none in use")


def options_change_with_them(env):
    env.taken(through(9001))
    with env.lab.connect(80) as old:
        check_equal(old.recv(1), b"a", "the only one")
        check_equal(env.taken(through(9002, options=", balance: least, connect_timeout: 1s, idle_timeout: 9s"))
                    ["changed"], 1, "changes")
        options = env.weir.ask("backends")["services"][0]["options"]
        check_equal((options["balance"], options["connect-timeout"]), ("least", "1s"), "options")
        check_equal(reaches(env), b"b", "who is reached")
        check(answers(old), "the old connection")


def wrong_backends_change_nothing(env):
    env.taken(through(9001))
    env.write(through(9002, "no-port"))
    env.refused("backends: ")
    env.write(through(9002, options=", balance: fair"))
    env.refused("balance")
    check_equal({reaches(env) for _ in range(3)}, {b"a"}, "who is reached")


def a_service_with_backends_goes(env):
    env.taken(through(9001))
    with env.lab.connect(80) as old:
        check_equal(old.recv(1), b"a", "the only one")
        check_equal(env.taken()["removed"], 1, "removed")
        check(answers(old), "its connection")
        env.taken(through(9002))
        check_equal(reaches(env), b"b", "who is reached by another service there")
        check(answers(old), "its connection still")
    env.taken()


# ---- the key file ---------------------------------------------------------------------------


def make_key(env, name, *secrets, ahead=HOUR, **more):
    """The first in use, any other in an hour."""
    now = int(time.time())
    key_file(f"{env.dir}/{name}", *[(i + 1, now - HOUR, now + ahead * i if i else now - HOUR, None, secret)
                                    for i, secret in enumerate(secrets)], **more)


def using(env, name):
    return f"key_file: {env.dir}/{name}\n"


def random_keys_become_shared_ones(env):
    check_equal(env.keys()["source"], "random", "keys at first")
    for name, more, said in (("none", None, "No such file"), ("shift", {"wscale": 3}, "a restart is needed"),
                             ("open", {}, "chmod 600")):
        if more is not None:
            make_key(env, name, 0x1111, **more)
        if name == "open":
            os.chmod(f"{env.dir}/{name}", 0o644)
        env.write("  - {listen: 10.0.0.2:8007, app: echo}\n" + using(env, name))
        env.refused(said)
        check_equal(env.keys()["source"], "random", f"keys after {name}")
    make_key(env, "first", 0x1111)
    with env.lab.connect(7) as old:
        env.taken(using(env, "first"))
        keys = env.keys()
        check_equal((keys["file"], keys["issuing"]), (f"{env.dir}/first", 1), "keys")
        check(answers(old), "an open connection")
        check(env.echoes(), "echo by the new key")
    env.write()
    env.refused("only by a restart")


def its_name_changes(env):
    make_key(env, "second", 0x1111, 0x2222)
    before = env.keys()
    with env.lab.connect(7) as old:
        env.taken(using(env, "second"))
        keys = env.keys()
        check_equal((keys["file"], keys["next"]["id"]), (f"{env.dir}/second", 2), "keys")
        check(keys["fingerprint"] != before["fingerprint"], "fingerprint")
        check(env.echoes() and answers(old), "old and new connections")
    # The former one may change or go: it is nobody's now. The new one is watched.
    os.unlink(f"{env.dir}/first")
    make_key(env, "second", 0x1111, 0x2222, 0x3333)
    wait_until(lambda: len(env.keys()["keys"]) == 3, 5, lambda: f"the new file is followed: {env.keys()}")
    check_equal(env.keys()["file_error"], None, "of the file that went")
    check(env.echoes(), "echo")


def a_wrong_one_changes_nothing(env):
    good = env.keys()
    make_key(env, "mtu", 0x1111, mtu=9000)
    with open(f"{env.dir}/text", "w", encoding="ascii") as f:
        f.write("weir-key 2\nkeys\n")
    os.chmod(f"{env.dir}/text", 0o600)
    for name, said in (("none", "No such file"), ("mtu", "a restart is needed"), ("text", "text:2: ")):
        env.write("  - {listen: 10.0.0.2:8007, app: echo}\n" + using(env, name))
        env.refused(said)
        keys = env.keys()
        check_equal((keys["file"], keys["fingerprint"]), (good["file"], good["fingerprint"]), name)
    # The name that holds is still the one that is watched.
    make_key(env, "second", 0x1111, 0x2222)
    wait_until(lambda: len(env.keys()["keys"]) == 2, 5, "the file in use is followed")
    env.taken(using(env, "second"))


# ---- as another user ------------------------------------------------------------------------


def make_site(env, name, text, mode=0o755):
    os.mkdir(f"{env.dir}/{name}")
    with open(f"{env.dir}/{name}/a.txt", "wb") as f:
        f.write(text)
    os.chmod(f"{env.dir}/{name}", mode)


def site_of(env, name):
    return f"  - {{listen: 10.0.0.2:80, app: \"http:{env.dir}/{name}\"}}\n"


def get(env):
    return env.lab.curl("http://10.0.0.2/a.txt")


def as_another_user(env):
    for name, text in (("one", b"1"), ("two", b"2")):
        make_site(env, name, text)
        env.taken(site_of(env, name))
        check_equal(get(env), text, f"what is served of {name}")


def what_that_user_cannot_read(env):
    make_site(env, "closed", b"3", mode=0o700)
    for more, mode, said in (("", 0o600, "Permission denied"),
                             (site_of(env, "closed"), 0o644, "Permission denied"),
                             (f"acl_deny: \"@{env.dir}/closed/list\"\n", 0o644, "Permission denied")):
        env.write(more, mode)
        env.refused(said)
        check_equal(get(env), b"2", "what is served")
    os.chmod(f"{env.dir}/closed", 0o755)
    env.taken(site_of(env, "closed"))
    check_equal(get(env), b"3", "once it may be read")


def backends_as_another_user(env):
    with backend(env.lab, named(b"a"), port=9001), backend(env.lab, named(b"b"), port=9002):
        env.taken(through(9001))
        with env.lab.connect(80) as old:
            check_equal(old.recv(1), b"a", "the first")
            env.taken(through(9002, options=", check: tcp, check_interval: 200ms"))
            check_equal(reaches(env), b"b", "the second")
            check(answers(old), "the first one's connection")
            wait_until(lambda: backends(env.weir)["127.0.0.1:9002"]["checks"] > 1, 5, "checks")
        env.taken()


def keys_as_another_user(env):
    make_key(env, "mine", 0x1111)
    env.write(using(env, "mine"))
    env.refused("Permission denied")
    shutil.chown(f"{env.dir}/mine", "nobody")
    env.taken(using(env, "mine"))
    check_equal(env.keys()["file"], f"{env.dir}/mine", "the file")
    check(env.echoes(), "echo")


def nothing_was_forbidden(env):
    lines = [line for line in env.weir.log().splitlines() if "sandbox" in line]
    check_equal(lines, [], "what the sandbox says")


need(f"{BUILD}/weir")
cases = Cases()
cases.group(proxied, (backends_come_and_go, a_backend_that_comes_back, options_change_with_them,
                      wrong_backends_change_nothing, a_service_with_backends_goes))
cases.group(live, (random_keys_become_shared_ones, its_name_changes, a_wrong_one_changes_nothing))
cases.group(lambda: live("--user", "nobody"),
            (as_another_user, what_that_user_cannot_read, backends_as_another_user, keys_as_another_user,
             nothing_was_forbidden))
sys.exit(cases.status())
