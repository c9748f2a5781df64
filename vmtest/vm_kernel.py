# SPDX-License-Identifier: BSD-2-Clause
"""
The kernels: Debian's packages, downloaded and unpacked, never installed; or one's own file.

A kernel gets two things made for it, once: an image with those of its modules that tests
may want, which the guest mounts at /lib/modules so that the kernel loads them by itself,
and a small initramfs that can do no more than mount the root.
"""
import dataclasses
import fnmatch
import gzip
import io
import lzma
import os
import re
import shutil
import subprocess
import tarfile

import vm_kernels
from vm_image import TOP, VmError, libraries, make_ext4, need

TABLE = f"{TOP}/vmtest/kernels"
NEWEST = "newest"
# Of the thousands of modules of a generic kernel, those that a guest here could use.
MODULES = re.compile(r"/kernel/(net|lib|crypto|arch/x86/crypto|fs/(ext4|jbd2|mbcache)|"
                     r"drivers/(virtio|ptp|pps|block/virtio_blk|char/hw_random|net/(veth|tun|tap|"
                     r"virtio_net|dummy|ifb|macvlan|net_failover|bonding|vxlan|netdevsim)))[/.]")
# The initramfs: all that stands between the kernel and its root.
TO_BOOT = ("virtio_pci", "virtio_blk", "ext4")
PROGRAMS = ("/bin/sh", "/bin/mount", "/bin/umount", "/bin/mkdir", "/bin/sleep", "/sbin/insmod",
            "/sbin/switch_root", "/bin/cat", "/bin/cp")
# What makes a kernel say more of its own errors.
DEBUG_OPTIONS = re.compile(
    r"^(CONFIG_(KASAN|KCSAN|KMSAN|UBSAN|KFENCE|PROVE_LOCKING|LOCKDEP|DEBUG_LOCKDEP|DEBUG_LIST|"
    r"DEBUG_ATOMIC_SLEEP|DEBUG_PREEMPT|PROVE_RCU|DETECT_HUNG_TASK|DEBUG_OBJECTS|PAGE_POISONING|"
    r"SOFTLOCKUP_DETECTOR|HARDLOCKUP_DETECTOR|SLUB_DEBUG|DEBUG_KMEMLEAK|FAULT_INJECTION|"
    r"PREEMPT_RT))=y$", re.MULTILINE)


@dataclasses.dataclass
class Kernel:
    """A line of vmtest/kernels and, once ready() has returned, its files."""
    name: str
    package: str  # the metapackage, "newest", or the path of one's own kernel
    modules_dir: str = ""  # of one's own kernel
    where: str = ""
    booted: str = ""  # the package that was taken
    release: str = ""
    config: tuple = ()
    debug: bool = False  # with all its own checks, which cost time

    @property
    def image(self):
        return f"{self.where}/vmlinuz"

    @property
    def modules(self):
        return f"{self.where}/modules.ext4"

    @property
    def initrd(self):
        return f"{self.where}/initrd"


def table():
    return [Kernel(k.name, k.package) for k in vm_kernels.read(TABLE).values()]


def find(names):
    """The kernels of these names; all of the table when there is none."""
    known = table()
    for name in names:
        if not any(fnmatch.fnmatch(k.name, name) for k in known):
            raise VmError(f"no kernel {name} in vmtest/kernels, which has: "
                          + " ".join(k.name for k in known))
    return [k for k in known if not names or any(fnmatch.fnmatch(k.name, n) for n in names)]


# ---- packages ------------------------------------------------------------------


def _said(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def newest_package():
    """
    The highest version of the archive. Of its flavours the generic one, the kernel of
    machines: the cloud one is what the other lines of the table are.
    """
    names = re.findall(r"^(linux-image-(\d[\d.]*\S*?)-amd64) ", _said(
        "apt-cache", "search", "--names-only", r"^linux-image-[0-9].*-amd64$"), re.MULTILINE)
    fit = [(tuple(map(int, re.findall(r"\d+", version))), name) for name, version in names
           if re.fullmatch(r"\d+\.\d+\.\d+[-+~.a-z0-9]*", version)
           and not re.search(r"-(cloud|rt|dbg|unsigned)", name)]
    return max(fit)[1] if fit else None


def real_package(meta):
    """The package behind the metapackage: its version is in its name."""
    if meta == NEWEST:
        return newest_package()
    hit = re.search(r"Depends: (linux-image-\S+)", _said("apt-cache", "depends", meta))
    return hit[1] if hit else None


def resolve(meta):
    package = real_package(meta)
    if package is None and os.geteuid() == 0:  # a machine that has no package lists yet
        subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=False)
        package = real_package(meta)
    if package is None:
        raise VmError(f"no kernel package behind {meta}: apt-get update?")
    return package


def download(package, where):
    os.makedirs(where, exist_ok=True)
    done = subprocess.run(["apt-get", "download", "-qq", package], cwd=where, capture_output=True,
                          text=True, check=False)
    found = [f for f in os.listdir(where) if f.endswith(".deb")]
    if done.returncode or not found:
        raise VmError(f"cannot download {package}: {done.stderr.strip()[-300:]}")
    return f"{where}/{found[0]}"


def unpack(deb, where):
    """Kernel, configuration and the modules we want, the latter uncompressed."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as proc:
        with tarfile.open(fileobj=proc.stdout, mode="r|") as tar:
            for member in tar:
                name = member.name.lstrip(".")
                if not member.isfile():
                    continue
                if name.startswith("/boot/vmlinuz-"):
                    _write(f"{where}/vmlinuz", tar.extractfile(member).read())
                elif name.startswith("/boot/config-"):
                    _write(f"{where}/config", tar.extractfile(member).read())
                elif re.search(r"/lib/modules/[^/]+/modules\.", name):
                    _write(f"{where}/root{_under_lib(name)}", tar.extractfile(member).read())
                elif MODULES.search(name) and ".ko" in name:
                    add_module(f"{where}/root{_under_lib(name)}", tar.extractfile(member).read())
    if proc.returncode:
        raise VmError(f"cannot unpack {deb}")


def _under_lib(name):
    return name[name.index("/lib/modules/"):]


def _write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def add_module(path, data):
    if path.endswith(".xz"):
        path, data = path[:-3], lzma.decompress(data)
    elif path.endswith(".gz"):
        path, data = path[:-3], gzip.decompress(data)
    _write(path, data)


# ---- one's own -----------------------------------------------------------------


def release_of(image):
    """The release that a bzImage says it is, by the pointer in its setup header."""
    with open(image, "rb") as f:
        head = f.read(0x10000)
    if head[0x202:0x206] != b"HdrS":
        raise VmError(f"{image} is no bzImage")
    at = int.from_bytes(head[0x20e:0x210], "little") + 0x200
    return head[at:head.index(b"\0", at)].decode(errors="replace").split(" ")[0]


def own_kernel(file, modules):
    """A kernel of the user's; its name is its release."""
    release = release_of(file)
    if modules:
        at = [d for d in (modules, f"{modules}/{release}", f"{modules}/lib/modules/{release}")
              if os.path.isdir(f"{d}/kernel")]
        if not at:
            raise VmError(f"{modules} has no modules of {release}")
        modules = at[0]
    return Kernel(f"own-{release}", os.path.abspath(file), modules_dir=modules or "")


def copy_own(kernel, where):
    shutil.copy(kernel.package, f"{where}/vmlinuz")
    release = release_of(kernel.package)
    beside = os.path.dirname(kernel.package)
    for config in (f"{beside}/config-{release}", f"{beside}/config", f"{beside}/.config"):
        if os.path.exists(config):
            shutil.copy(config, f"{where}/config")
            break
    base = f"{where}/root/lib/modules/{release}"
    os.makedirs(base)
    if not kernel.modules_dir:
        return
    for top, _, files in os.walk(kernel.modules_dir):
        for name in files:
            rel = os.path.relpath(f"{top}/{name}", kernel.modules_dir)
            with open(f"{top}/{name}", "rb") as f:
                if rel.startswith("modules."):
                    _write(f"{base}/{rel}", f.read())
                elif MODULES.search(f"/{rel}") and ".ko" in name:
                    add_module(f"{base}/{rel}", f.read())


# ---- what a guest boots from -----------------------------------------------------


def load_order(root, release, names):
    """The files of the modules, each after those it depends on; without what is built in."""
    files = []
    for name in names:
        done = subprocess.run([need("modprobe", "kmod"), "-d", root, "-S", release,
                               "--show-depends", "--ignore-install", name],
                              capture_output=True, text=True, check=False)
        for hit in re.findall(r"^insmod (\S+)", done.stdout, re.MULTILINE):
            if hit not in files:
                files.append(hit)
    return files


def cpio(source):
    """The files under a directory as a cpio archive that a kernel takes."""
    names = "\n".join(sorted(os.path.relpath(f"{top}/{n}", source)
                             for top, dirs, files in os.walk(source) for n in dirs + files))
    return subprocess.run([need("cpio", "cpio"), "-o", "-H", "newc", "-R", "0:0", "--quiet"],
                          cwd=source, input=names.encode(), capture_output=True, check=True).stdout


def make_initrd(kernel):
    stage = f"{kernel.where}/initrd.d"
    shutil.rmtree(stage, ignore_errors=True)
    for d in ("bin", "dev", "proc", "sys", "run", "root", "modules"):
        os.makedirs(f"{stage}/{d}")
    for path in PROGRAMS:
        shutil.copy(os.path.realpath(path), f"{stage}/bin/{os.path.basename(path)}")
    for lib in libraries(PROGRAMS):
        os.makedirs(os.path.dirname(stage + lib), exist_ok=True)
        shutil.copy(os.path.realpath(lib), stage + lib)
    order = load_order(f"{kernel.where}/root", kernel.release, TO_BOOT)
    for n, path in enumerate(order):
        shutil.copy(path, f"{stage}/modules/{n:02}-{os.path.basename(path)}")
    shutil.copy(f"{TOP}/vmtest/initrd", f"{stage}/init")
    os.chmod(f"{stage}/init", 0o755)
    with open(kernel.initrd + ".new", "wb") as f:
        f.write(gzip.compress(cpio(stage), 1))
    os.replace(kernel.initrd + ".new", kernel.initrd)
    shutil.rmtree(stage)


def prepare(kernel):
    """Downloads or copies it and makes its images, unless that was done before."""
    root = f"{kernel.where}/root"
    if kernel.package.startswith("/"):
        copy_own(kernel, kernel.where)
    else:
        unpack(download(kernel.booted, f"{kernel.where}/pkg"), kernel.where)
        shutil.rmtree(f"{kernel.where}/pkg")
    kernel.release = release_of(kernel.image)
    os.makedirs(f"{root}/lib/modules/{kernel.release}", exist_ok=True)
    subprocess.run([need("depmod", "kmod"), "-b", root, kernel.release], check=False,
                   capture_output=True)
    make_initrd(kernel)
    make_ext4(f"{root}/lib/modules", kernel.modules, margin_mib=4)
    shutil.rmtree(root)


def recipe():
    """Changes when what is made of a package would come out differently."""
    total = io.StringIO()
    for path in (__file__, f"{TOP}/vmtest/initrd"):
        total.write(f"{path} {os.stat(path).st_mtime_ns} {os.stat(path).st_size}\n")
    return total.getvalue()


def ready(kernel, vm):
    """Makes the kernel bootable: vmlinuz, initrd and modules.ext4 under `vm`/NAME/kernel."""
    kernel.where = f"{vm}/{kernel.name}/kernel"
    own = kernel.package.startswith("/")
    kernel.booted = kernel.package if own else resolve(kernel.package)
    want = f"{kernel.booted}\n{kernel.modules_dir}\n{recipe()}"
    if own:
        want += str(os.stat(kernel.package).st_mtime_ns)
    mark = f"{kernel.where}/made-of"
    made = ""
    if os.path.exists(mark):
        with open(mark, encoding="utf-8") as f:
            made = f.read()
    if made != want:
        shutil.rmtree(kernel.where, ignore_errors=True)
        os.makedirs(kernel.where)
        prepare(kernel)
        with open(mark, "w", encoding="utf-8") as f:
            f.write(want)
    kernel.release = release_of(kernel.image)
    if os.path.exists(f"{kernel.where}/config"):
        with open(f"{kernel.where}/config", encoding="utf-8") as f:
            kernel.config = tuple(hit[0] for hit in DEBUG_OPTIONS.findall(f.read()))
    return kernel
