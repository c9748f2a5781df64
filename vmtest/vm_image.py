# SPDX-License-Identifier: BSD-2-Clause
"""
The guests' root: one read-only ext4 image, made of this machine's own files.

It holds the programs of some Debian packages with the libraries they load, Python's
standard library, the tree at /weir and the build's products at /weir/build. Every kernel
boots from the same image; it is made again only when something that went in has changed.
"""
import glob
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"

# Whole packages, so that a test which calls one more of their programs finds it.
PACKAGES = ("bash", "bpftool", "coreutils", "curl", "dash", "diffutils", "ethtool", "findutils",
            "grep", "gzip", "hostname", "iproute2", "kmod", "libc-bin", "mount", "ncurses-base",
            "nftables", "procps", "sed", "tar", "tcpdump", "util-linux")
WANTED_IF_THERE = ("iputils-ping", "less", "mawk", "strace", "util-linux-extra")
# Files that programs open by themselves, which no ldd shows.
EXTRA = ("/etc/protocols", "/etc/services", "/etc/ethertypes", "/etc/passwd", "/etc/group",
         "/etc/hosts", "/etc/nsswitch.conf", "/usr/bin/awk",
         "/usr/lib/x86_64-linux-gnu/libgcc_s.so.1",
         "/usr/lib/x86_64-linux-gnu/bpf/xdp-dispatcher.o")
LEFT_OUT = re.compile(r"^/(usr/(share|include|lib/(systemd|mime|tmpfiles.d|sysusers.d))|var|"
                      r"etc/(init.d|cron.*|default|pam.d|alternatives))/|"
                      r"/(idlelib|ensurepip|lib2to3|pydoc_data|distutils|__pycache__|turtledemo|"
                      r"tkinter|sqlite3|config-3[^/]*)(/|$)")
TREE = ("tests", "tools", "vmtest", "include", "docs")
TREE_LEFT_OUT = ("__pycache__", "corpus", "seeds")
PRODUCTS = ("weir", "weir-flood", "weir-load", "kserver", "progcost", "holder", "bpf/*.o",
            "tests/bpf/test_*", "tests/net/netclient", "tests/net/*.so", "tests/hook/xdphook",
            "tests/guest/wpeer", "packetdrill/*.so")
MOUNT_POINTS = ("proc", "sys", "dev", "run", "tmp", "var", "root", "mnt", "lib/modules")


class VmError(Exception):
    """Something that the run needs and this machine lacks; the message says what to do."""


def need(program, package):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise VmError(f"{program} is missing: apt-get install {package}, or make deps")
    return path


def make_ext4(source, image, margin_mib=16):
    """A file system image of a directory's content, to be mounted read-only."""
    kib = int(subprocess.run(["du", "-sk", "--apparent-size", source], check=True,
                             capture_output=True, text=True).stdout.split()[0])
    inodes = sum(len(d) + len(f) for _, d, f in os.walk(source)) + 100
    blocks = kib * 5 // 4 + inodes * 4 // 2 + margin_mib * 1024
    done = subprocess.run([need("mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-b", "4096",
                           "-O", "^has_journal", "-m", "0", "-N", str(inodes), "-d", source,
                           image + ".new", f"{blocks}k"], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise VmError(f"mke2fs of {image}: {done.stderr.strip()[-300:]}")
    os.replace(image + ".new", image)


# ---- what goes in ------------------------------------------------------------


def package_files(names):
    done = subprocess.run(["dpkg-query", "-L", *names], capture_output=True, text=True, check=False)
    if done.returncode:
        raise VmError("the guests' root is made of Debian packages: "
                      f"{done.stderr.strip()}; make deps")
    for path in sorted(set(done.stdout.splitlines())):
        if path.startswith("/") and not LEFT_OUT.search(path) and not os.path.isdir(path):
            yield path


def installed(names):
    return [n for n in names if os.path.exists(f"/var/lib/dpkg/info/{n}.list")]


def python_packages():
    """Debian's own, whatever python3 this runner is run by."""
    if not os.path.exists(PYTHON):
        raise VmError(f"{PYTHON} is missing: apt-get install python3, or make deps")
    name = os.path.basename(os.path.realpath(PYTHON))
    return ["python3-minimal", f"{name}-minimal", f"lib{name}-minimal", f"lib{name}-stdlib"]


def system_files():
    names = [*PACKAGES, *python_packages(), *installed(WANTED_IF_THERE)]
    return [*package_files(names), *filter(os.path.exists, EXTRA)]


def tree_files(build):
    """(source, path in the guest) of what is ours."""
    found = []
    for room in TREE:
        for where, dirs, files in os.walk(f"{TOP}/{room}"):
            dirs[:] = [d for d in dirs if d not in TREE_LEFT_OUT]
            found += [(f"{where}/{f}", f"/weir/{os.path.relpath(where, TOP)}/{f}") for f in files]
    for pattern in PRODUCTS:
        found += [(f, f"/weir/build/{os.path.relpath(f, build)}")
                  for f in glob.glob(f"{build}/{pattern}") if os.path.isfile(f)]
    if not any(g == "/weir/build/weir" for _, g in found):
        raise VmError(f"{build}/weir is not built: make all tests")
    return sorted(found)


def stamp(ours):
    """Changes when an input of the image does."""
    total = hashlib.sha256(f"{sys.version}".encode())
    for source, dest in [("/var/lib/dpkg/status", ""), *ours]:
        st = os.stat(source)
        total.update(f"{dest}\0{st.st_size}\0{st.st_mtime_ns}\0{st.st_mode}\n".encode())
    return total.hexdigest()


# ---- making it ------------------------------------------------------------------


def is_elf(path):
    try:
        with open(path, "rb") as f:
            return f.read(4) == b"\x7fELF"
    except OSError:
        return False


def libraries(programs):
    """The shared objects that the programs load, the loader included."""
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)
    missing = re.search(r"(\S+) => not found", done.stdout)
    if missing:
        raise VmError(f"a program of the guest needs {missing[1]}, which is not installed")
    return sorted(set(re.findall(r"(/\S+) \(0x", done.stdout)))


class Stage:
    """A directory that becomes the image."""

    def __init__(self, where):
        self.where = where
        shutil.rmtree(where, ignore_errors=True)
        for d in ("bin", "sbin", "lib", "lib64"):
            os.makedirs(f"{where}/usr/{d}")
            os.symlink(f"usr/{d}", f"{where}/{d}")
        for d in MOUNT_POINTS:
            os.makedirs(f"{where}/{d}", exist_ok=True)

    def add(self, source, dest=None):
        dest = self.where + (dest or source)
        os.makedirs(os.path.dirname(dest), exist_ok=True)
        if os.path.lexists(dest):
            return
        if os.path.islink(source):
            target = os.readlink(source)
            if "/" not in target:  # a name beside it: the link itself says more
                os.symlink(target, dest)
                source = os.path.join(os.path.dirname(source), target)
                dest = os.path.join(os.path.dirname(dest), target)
                if os.path.lexists(dest):
                    return
        if os.path.isfile(source):
            shutil.copy2(source, dest)
            os.chmod(dest, stat.S_IMODE(os.stat(source).st_mode) & 0o755 | 0o444)

    def add_programs(self, paths):
        for path in paths:
            self.add(path)
        for lib in libraries([p for p in paths if is_elf(p)]):
            self.add(os.path.realpath(os.path.dirname(lib)) + "/" + os.path.basename(lib))


def compile_python(stage):
    """Byte code of all modules: a guest on TCG would spend seconds on compiling each time."""
    root = stage.where
    subprocess.run([PYTHON, "-m", "compileall", "-q", "-j", "2", "--invalidation-mode",
                    "unchecked-hash", "-s", root, f"{root}/usr/lib", f"{root}/weir"],
                   check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def root_image(build):
    """The path of the root image for this build, made when it has to be."""
    vm = f"{build}/vm"
    image, mark = f"{vm}/root.ext4", f"{vm}/root.stamp"
    ours = tree_files(build)
    want = stamp(ours)
    if os.path.exists(image) and os.path.exists(mark):
        with open(mark, encoding="ascii") as f:
            if f.read() == want:
                return image
    os.makedirs(vm, exist_ok=True)
    if os.path.exists(mark):
        os.unlink(mark)
    stage = Stage(f"{vm}/root")
    stage.add_programs(system_files())
    for source, dest in ours:
        stage.add(source, dest)
    for lib in libraries([s for s, d in ours if d.startswith("/weir/build/") and is_elf(s)
                          and not s.endswith(".o")]):
        stage.add(os.path.realpath(os.path.dirname(lib)) + "/" + os.path.basename(lib))
    compile_python(stage)
    make_ext4(stage.where, image)
    shutil.rmtree(stage.where)
    with open(mark, "w", encoding="ascii") as f:
        f.write(want)
    return image
