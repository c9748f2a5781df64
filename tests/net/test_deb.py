# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 300
"""
The Debian packages: made, installed, used, removed and purged in a root of their own.

That root is the machine's, seen through an overlay that only this test has: the package's
dependencies are met, or not, by what Debian has installed, dpkg and the maintainer scripts are
the real ones, and what they leave behind is what remains in the overlay.
"""
import contextlib
import filecmp
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

from weirlab import BUILD, ROOT, Cases, Failure, check, check_equal, make, need, patience

PACKAGES = ("libweir0", "libweir-dev", "weir")
# What dpkg and its triggers keep of any installation.
KEPT = re.compile(r"(var/(lib/dpkg|log|cache)(/.*)?|var|var/lib|etc|etc/ld\.so\.cache"
                  r"|etc/(passwd|group|shadow|gshadow)-|etc/\.pwd\.lock)$")


def sh(*argv, ok=0, **kwargs):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False,
                          timeout=patience(200), **kwargs)
    if done.returncode != ok:
        raise Failure(f"{' '.join(map(str, argv))}: {done.returncode}: "
                      f"{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout + done.stderr


class Machine:
    """The overlay, in a mount and a network namespace of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-deb-")
        self.upper, self.root = f"{self.dir}/upper", f"{self.dir}/root"

    def __enter__(self):
        sh("mount", "-t", "tmpfs", "weir-deb", self.dir)
        for name in ("upper", "work", "root", "packages"):
            os.mkdir(f"{self.dir}/{name}")
        sh("mount", "-t", "overlay", "weir-deb", "-o",
           f"lowerdir=/,upperdir={self.upper},workdir={self.dir}/work", self.root)
        for name in ("proc", "sys", "dev"):
            sh("mount", "--rbind", f"/{name}", f"{self.root}/{name}")
        for name in ("run", "tmp"):
            sh("mount", "-t", "tmpfs", "weir-deb", f"{self.root}/{name}")
        return self

    def __exit__(self, *_):
        sh("umount", "-R", "-l", self.dir)
        os.rmdir(self.dir)

    def run(self, *argv, ok=0):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}
        return sh("chroot", self.root, *argv, ok=ok, env=env)

    def install(self):
        files = []
        for name in PACKAGES:
            [made] = glob.glob(f"{BUILD}/deb/{name}_*.deb")
            files.append("/tmp/" + os.path.basename(shutil.copy(made, f"{self.root}/tmp")))
        return self.run("dpkg", "--install", *files)

    def left(self):
        """What the overlay has that the machine has not, or has otherwise."""
        found = []
        for where, dirs, files in os.walk(self.upper):
            for name in dirs + files:
                path = os.path.join(where, name)
                rel = os.path.relpath(path, self.upper)
                if KEPT.match(rel) or rel in ("run", "tmp", "proc", "sys", "dev"):
                    continue
                mode = os.lstat(path).st_mode
                if stat.S_ISCHR(mode):
                    found.append(f"{rel} (removed)")
                elif not os.path.lexists(f"/{rel}"):
                    found.append(rel)
                elif stat.S_ISREG(mode) and not filecmp.cmp(path, f"/{rel}", shallow=False):
                    found.append(f"{rel} (changed)")
        return sorted(found)


def state(m, name):
    return m.run("dpkg-query", "-W", "-f", "${Status}", name)


def version():
    with open(f"{ROOT}/Makefile", encoding="utf-8") as f:
        return re.search(r"^VERSION := (\S+)", f.read(), re.M)[1]


# ---- one after the other --------------------------------------------------------


def installs(m):
    check_equal(m.left(), [], "in the overlay before")
    m.install()
    for name in PACKAGES:
        check_equal(state(m, name), "install ok installed", name)
    check_equal(m.run("dpkg", "--audit"), "", "dpkg --audit")
    check_equal(m.run("/usr/bin/weir", "--version").strip(), f"weir {version()}", "weir --version")
    listed = m.run("dpkg", "--listfiles", "weir").split()
    for name in ("/etc/weir/weir.conf", "/usr/bin/weir", "/usr/bin/weir-flood",
                 "/usr/share/man/man8/weir.8.gz", "/usr/share/bash-completion/completions/weir",
                 "/usr/share/zsh/vendor-completions/_weir", "/usr/share/doc/weir/copyright",
                 "/usr/share/fish/vendor_completions.d/weir.fish"):
        check(name in listed, f"{name} is not in the package")
    for unit in glob.glob(f"{ROOT}/tools/pkg/weir*.service"):
        name = f"/lib/systemd/system/{os.path.basename(unit)}"
        check(name in listed or f"/usr{name}" in listed, f"{name} is not in the package")


def starts_nothing(m):
    links = glob.glob(f"{m.upper}/etc/systemd/system/**/weir*", recursive=True)
    check_equal(links, [], "units that are enabled")
    running = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has gone, or is another's
            if os.readlink(f"/proc/{pid}/root") == m.root:
                running.append(pid)
    check_equal(running, [], "processes in the root")


def makes_the_user_of_its_units(m):
    names = set()
    for unit in glob.glob(f"{m.root}/lib/systemd/system/weir*.service"):
        with open(unit, encoding="utf-8") as f:
            names |= set(re.findall(r"^ExecStart=.* --user (\S+)", f.read(), re.M))
    check_equal(names, {"weir"}, "users that units name")
    user = m.run("getent", "passwd", "weir")
    check("/nologin" in user, f"the user may log in: {user}")


def is_used(m):
    # As installed it is an example, for addresses that nobody has.
    m.run("/usr/bin/weir", "check", "--elsewhere")
    m.run("/usr/bin/weir", "check", "--elsewhere", "/etc/weir/nosuch.conf", ok=1)
    got = m.run("bash", "--norc", "-c",
                "source /usr/share/bash-completion/completions/weir; "
                "COMP_WORDS=(weir run --xdp-mode nat); COMP_CWORD=3; _weir; "
                'echo "${COMPREPLY[@]}"')
    check_equal(got.strip(), "native", "completed")
    m.run("/usr/bin/weir", "key", "new", "/etc/weir/fleet.key")


def builds_against_the_library(m):
    where = "/usr/share/doc/libweir-dev/examples"
    m.run("make", "-C", where, "OUT=/tmp", "CFLAGS=-O2 -Werror")
    # A call whose page is another's, in the file system as packed; man is not in every root.
    page = m.run("zcat", "/usr/share/man/man3/weir_sock_write.3.gz")
    check("weir_sock_write(" in page, f"weir_sock_write(3): {page[:200]}")
    needed = m.run("ldd", "/tmp/get")
    check(re.search(r"libweir\.so\.0 => /(usr/)?lib/", needed), f"libweir.so.0: {needed}")
    m.run("/tmp/get", ok=2)


def remove(m):
    """dpkg --remove where systemd runs, as far as the scripts can see: what they ask of it."""
    stub, asked = f"{m.root}/tmp/systemctl", f"{m.root}/tmp/asked"
    with open(stub, "w", encoding="ascii") as f:
        f.write('#!/bin/sh\necho "$@" >>/tmp/asked\n')
    os.chmod(stub, 0o755)
    os.makedirs(f"{m.root}/run/systemd/system")
    sh("mount", "--bind", stub, f"{m.root}/usr/bin/systemctl")
    try:
        m.run("dpkg", "--remove", "weir")
    finally:
        sh("umount", f"{m.root}/usr/bin/systemctl")
        os.rmdir(f"{m.root}/run/systemd/system")
    with open(asked, encoding="ascii") as f:
        return [line.split() for line in f]


def keeps_what_was_configured(m):
    """A newer package, too, leaves an edited file as it is; so does a removal."""
    with open(f"{m.root}/etc/weir/weir.conf", "a", encoding="utf-8") as f:
        f.write("# edited\n")
    m.install()
    m.run("grep", "-q", "^# edited", "/etc/weir/weir.conf")
    check_equal(remove(m), [["stop", "weir.service", "weir@*.service"], ["--system", "daemon-reload"]],
                "said to systemd")
    check_equal(state(m, "weir"), "deinstall ok config-files", "weir")
    m.run("grep", "-q", "^# edited", "/etc/weir/weir.conf")
    check(not os.path.exists(f"{m.root}/usr/bin/weir"), "the program is still there")


def leaves_nothing(m):
    m.run("dpkg", "--purge", *reversed(PACKAGES))
    for name in PACKAGES:
        m.run("dpkg-query", "-W", name, ok=1)
    check_equal(m.left(), [], "left in the root")
    check("weir:" not in m.run("cat", "/etc/passwd"), "the user is still there")


def main():
    need()
    if "WEIR_DEB_ROOM" not in os.environ:
        os.environ["WEIR_DEB_ROOM"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--net", "--propagation", "private",
                              sys.executable, *sys.argv])
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    sh(*make("deb"), env=env)
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(Machine())

        @contextlib.contextmanager
        def given():
            yield one

        cases = Cases()
        cases.group(given, [installs, starts_nothing, makes_the_user_of_its_units, is_used,
                            builds_against_the_library, keeps_what_was_configured, leaves_nothing])
    return cases.status()


sys.exit(main())
