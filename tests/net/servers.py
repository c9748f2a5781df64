# SPDX-License-Identifier: BSD-2-Clause
"""
Servers of Debian's packages at the lab's server end, behind a weir that proxies to them. Each
runs in a directory of its own, on loopback or a UNIX socket, and is ended by its pid.

    with Lab() as lab, Nginx(lab) as nginx, Weir(lab, [f"10.0.0.2:80=proxy:{nginx.http}"]): …
"""
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from weirlab import (FLOOD, WEIR, Env, Failure, Weir, Whole, check, check_equal, end_process,
                     patience, scaled, wait_until)

FLOOD_RATE = scaled(50000)


def find(*programs):
    """The programs' paths, or the end of this test with 77."""
    found = []
    for name in programs:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        for at in sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}")):
            path = path or at
        if not path:
            print(f"{name} is missing: make deps", file=sys.stderr)
            sys.exit(77)
        found.append(path)
    return found if len(found) > 1 else found[0]


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def certificate(where):
    """A key and a certificate for 10.0.0.2 and fd00::2, signed by itself: key.pem, cert.pem."""
    subprocess.run([find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=weir",
                    "-addext", "subjectAltName=IP:10.0.0.2,IP:fd00::2", "-keyout",
                    f"{where}/key.pem", "-out", f"{where}/cert.pem"], check=True,
                   capture_output=True, timeout=patience(30))


def descendants(pid):
    """What a process has forked, and they in turn: pids with the times they began at."""
    children, began = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
                began[int(entry)] = fields[19]
    found, todo = [], [pid]
    while todo:
        todo += children.get(todo[0], [])
        found += [(child, began[child]) for child in children.get(todo.pop(0), [])]
    return found


def end_all(processes):
    """Kills those that are still who they were, and waits until they have gone."""
    def left():
        return [p for p in processes if started(p[0]) == p[1]]

    for pid, _ in left():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not left(), 5, f"ended: {processes}")


def started(pid):
    """When a process began; None when there is none, or only what its parent has to reap."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    return None


class Server(Whole):
    """A process at the server's end. Subclasses give argv() and the address it is ready at."""

    ready_at = ()

    def __init__(self, lab):
        self.lab = lab
        self.dir = tempfile.mkdtemp(prefix="weir-server-")
        os.chmod(self.dir, 0o755)
        self.proc = None

    def enter(self):
        self.prepare()
        self.start()

    def __exit__(self, *_):
        if self.proc:
            forked = descendants(self.proc.pid)
            end_process(self.proc)
            end_all(forked)
        shutil.rmtree(self.dir, ignore_errors=True)

    def prepare(self):
        """Writes what the server is told."""

    def said(self):
        with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def start(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.proc = subprocess.Popen(self.lab.argv("server", *self.argv()), stdout=log,
                                         stderr=log, stdin=subprocess.DEVNULL)
        name = type(self).__name__
        wait_until(lambda: self.listens() or self.proc.poll() is not None, 20,
                   lambda: f"{name} listens; log: {self.said()[-500:]}")
        if self.proc.poll() is not None:
            raise Failure(f"{name} ended with {self.proc.returncode}: {self.said()[-500:]}")

    def listens(self):
        lines = self.lab.run("server", "ss", "-Hltnx").stdout
        return all(f"{at} " in lines for at in self.ready_at)

    def kill(self):
        """As a crash: all of it at once, what it forked too."""
        forked = descendants(self.proc.pid)
        self.proc.kill()
        self.proc.wait(patience(10))
        end_all(forked)
        wait_until(lambda: not self.listens(), 5, f"{type(self).__name__} is gone")


class Nginx(Server):
    http, https, v2, unix = "127.0.0.1:8080", "127.0.0.1:8443", "127.0.0.1:8081", None
    ready_at = (http, https, v2)

    def prepare(self):
        self.unix = f"{self.dir}/http.sock"
        os.makedirs(f"{self.dir}/www/up")
        os.chmod(f"{self.dir}/www/up", 0o777)
        certificate(self.dir)
        write(f"{self.dir}/conf", f"""
daemon off; master_process off; user root;
pid {self.dir}/pid; error_log stderr notice;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_max_body_size 0;
    client_body_temp_path {self.dir}/body; proxy_temp_path {self.dir}/proxy;
    fastcgi_temp_path {self.dir}/fcgi; uwsgi_temp_path {self.dir}/uwsgi;
    scgi_temp_path {self.dir}/scgi;
    server {{
        listen {self.v2} proxy_protocol;
        set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
        return 200 "$remote_addr $remote_port\n";
    }}
    server {{
        listen {self.http}; listen unix:{self.unix};
        listen {self.https} ssl http2;
        ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;
        root {self.dir}/www;
        location /up/ {{ dav_methods PUT; }}
        location = /health {{ return 204; }}
        location = /protocol {{ return 200 "$server_protocol\n"; }}
    }}
}}
""")

    def start(self):
        # A socket that a killed one left behind is in the way.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.unix)
        super().start()

    def argv(self):
        return [find("nginx"), "-c", f"{self.dir}/conf", "-p", self.dir, "-e", "stderr"]


class Haproxy(Server):
    """Three that tell whom they see: two on TCP, one on a UNIX socket; all want PROXY v2."""

    def __init__(self, lab, port=9001):
        super().__init__(lab)
        self.a, self.b = self.ready_at = f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"
        self.unix = f"{self.dir}/c.sock"

    def prepare(self):
        config = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
"""
        for name, bind in (("a", self.a), ("b", self.b), ("c", f"unix@{self.unix} mode 666")):
            config += f"""
frontend {name}
    bind {bind} accept-proxy
    http-request return status 200 content-type text/plain lf-string "{name} %[src] %[src_port] %[dst] %[dst_port]\\n"
"""
        write(f"{self.dir}/conf", config)

    def argv(self):
        return [find("haproxy"), "-db", "-f", f"{self.dir}/conf"]


class Redis(Server):
    tcp = "127.0.0.1:6379"
    ready_at = (tcp,)

    def prepare(self):
        self.unix = f"{self.dir}/redis.sock"

    def argv(self):
        return [find("redis-server"), "--bind", "127.0.0.1", "--port", "6379", "--unixsocket",
                self.unix, "--unixsocketperm", "777", "--save", "", "--appendonly", "no",
                "--dir", self.dir]


class Sshd(Server):
    tcp = "127.0.0.1:2222"
    ready_at = (tcp,)

    def prepare(self):
        keygen = find("ssh-keygen")
        for name in ("host", "client"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", f"{self.dir}/{name}"],
                           check=True, timeout=patience(20))
        os.makedirs("/run/sshd", exist_ok=True)
        shutil.copy(f"{self.dir}/client.pub", f"{self.dir}/authorized")
        write(f"{self.dir}/conf", f"""
ListenAddress 127.0.0.1:2222
HostKey {self.dir}/host
AuthorizedKeysFile {self.dir}/authorized
PidFile {self.dir}/pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
""")

    def argv(self):
        return [find("sshd"), "-D", "-e", "-f", f"{self.dir}/conf"]

    def ssh(self, *command, host="10.0.0.2", options=(), **kwargs):
        return self.lab.run("client", find("ssh"), "-F", "none", "-i", f"{self.dir}/client",
                            "-p", 22, "-o", "StrictHostKeyChecking=no", "-o",
                            f"UserKnownHostsFile={self.dir}/known", "-o", "BatchMode=yes", "-o",
                            "LogLevel=ERROR", *options, f"root@{host}", *command, **kwargs)


class Postgres(Server):
    tcp = "127.0.0.1:5432"
    ready_at = (tcp,)
    USER = "postgres"

    def prepare(self):
        as_user = ["setpriv", f"--reuid={self.USER}", f"--regid={self.USER}", "--clear-groups"]
        self.as_user = as_user
        os.makedirs(f"{self.dir}/data")
        shutil.chown(f"{self.dir}/data", self.USER, self.USER)
        done = subprocess.run([*as_user, find("initdb"), "-D", f"{self.dir}/data", "-A", "trust",
                               "-U", "postgres", "--no-sync", "--no-locale"], cwd="/",
                              capture_output=True, text=True, check=False, timeout=patience(60))
        if done.returncode:
            raise Failure(f"initdb: {done.stderr[-500:]}")

    def argv(self):
        return [*self.as_user, find("postgres"), "-D", f"{self.dir}/data", "-h", "127.0.0.1",
                "-p", "5432", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c",
                "max_connections=40", "-c", "shared_buffers=16MB"]

    def psql(self, query, *args, host="10.0.0.2", **kwargs):
        return self.lab.run("client", find("psql"), "-X", "-w", "-A", "-t", "-h", host, "-p",
                            5432, "-U", "postgres", "-v", "ON_ERROR_STOP=1", *args, "-c", query,
                            "postgres", **kwargs)


@contextlib.contextmanager
def behind(lab, server, listen, *args, **kwargs):
    """A weir before a server that runs, with both in the report of a failed case."""
    with Weir(lab, listen, *args) as weir:
        yield Env(lab=lab, weir=weir, server=server, **kwargs)


@contextlib.contextmanager
def flooded(env, port, host="10.0.0.2"):
    """Within the block a SYN flood meets that port, and goes on being answered."""
    before = env.weir.counter("syn_answered")
    dst = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def answered():
        return env.weir.counter("syn_answered") - before

    with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", dst, "--rate",
                       FLOOD_RATE, "--seconds", round(patience(30)), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) as flood:
        wait_until(lambda: answered() > FLOOD_RATE / 4, 10,
                   lambda: f"{answered()} SYNs of a flood answered")
        first = answered()
        yield
        check(flood.poll() is None, f"the flood ended early: {flood.stderr}")
    check(answered() > first, f"no SYN answered after the first {first}")


def backends(weir):
    """What `weir backends` says, each backend of all services by its name."""
    return {b["backend"]: b for s in weir.ask("backends")["services"] for b in s["backends"]}


def table(weir):
    """The same as people see it."""
    return weir.lab.run("server", WEIR, "backends", "--ctl", weir.ctl).stdout


def wait_state(weir, name, state, seconds=10):
    wait_until(lambda: backends(weir)[name]["state"] == state, seconds,
               lambda: f"{name} is {state}: {json.dumps(backends(weir)[name])}")


def nothing_stays(env):
    """The last case of a group: no connection is left at weir, and none counts at a backend."""
    env.weir.wait_quiet(10)
    for name, b in backends(env.weir).items():
        check_equal(b["in_use"], 0, f"connections of {name}")
