# SPDX-License-Identifier: BSD-2-Clause
"""
Some pieces of work at a time, each in a process of its own.

    for item, result in pool.each(items, work, jobs, alone): ...

work(item) runs in a child, which is free to change what a process is (namespaces, signals), and
returns something to be pickled; each() yields the results as they come, None for a child that
ended without one. An item for which alone(item) holds runs while no other does, after the rest.
When the consumer stops early (Ctrl-C, SIGTERM) the children are asked to end and waited for, and
a child whose parent was killed is asked by the kernel.
"""
import ctypes
import os
import pickle
import selectors
import signal
import sys
import time
import traceback

PR_SET_PDEATHSIG = 1
PATIENCE = float(os.environ.get("WEIR_PATIENCE") or 1)
GRACE = 30  # seconds for children that are asked to end

_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    def __init__(self, item, work):
        self.item, self.said = item, bytearray()
        self.fd, theirs = os.pipe()
        sys.stdout.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.fd)
            _be_child(parent, item, work, theirs)
        os.close(theirs)

    def read(self):
        """What it has said; False at its end."""
        data = os.read(self.fd, 1 << 16)
        self.said += data
        return bool(data)

    def result(self):
        """To be asked once, after its end."""
        os.close(self.fd)
        os.waitpid(self.pid, 0)
        return pickle.loads(self.said) if self.said else None


def _be_child(parent, item, work, fd):
    """Never returns: what stands above it on the stack is the parent's."""
    status = 1
    try:
        # The parent tells us; not SIG_IGN, which programs that work() starts would inherit.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() == parent:
            said = pickle.dumps(work(item))
            while said:
                said = said[os.write(fd, said):]
            status = 0
    except SystemExit:
        pass
    except BaseException:  # pylint: disable=broad-exception-caught # there is nobody above
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def each(items, work, jobs, alone=lambda item: False):
    waiting = sorted(items, key=alone)  # stable: the order is kept in both parts
    running = {}
    try:
        with selectors.DefaultSelector() as sel:
            while waiting or running:
                while waiting and len(running) < jobs and not (running and alone(waiting[0])):
                    child = Child(waiting.pop(0), work)
                    running[child.fd] = child
                    sel.register(child.fd, selectors.EVENT_READ)
                for key, _ in sel.select():
                    child = running[key.fd]
                    if child.read():
                        continue
                    sel.unregister(key.fd)
                    del running[key.fd]
                    yield child.item, child.result()
    finally:
        _end(running.values())


def _end(children):
    """Asks, waits, and insists."""
    left = {child.pid for child in children}
    for pid in left:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE * PATIENCE
    while left:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        left = {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0] == 0}
        time.sleep(0.02)
