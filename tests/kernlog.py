# SPDX-License-Identifier: BSD-2-Clause
"""
What in a kernel's log is a complaint, and which lines that look like one are not.

tests/run holds /dev/kmsg against this, vmtest the console of a guest. A kernel speaks of
its own defects in a few set phrases; each has a line in COMPLAINTS. What a phrase also
hits without a defect is in ALLOWED, with the reason. Nothing else is let through.
"""
import re

# (what it is, the phrase). The first that matches names the complaint.
COMPLAINTS = tuple((name, re.compile(phrase)) for name, phrase in (
    ("panic", r"Kernel panic - not syncing|\bPANIC: "),
    ("KASAN", r"\bBUG: KASAN: |KASAN: null-ptr-deref|KASAN: maybe wild"),
    ("KCSAN", r"\bBUG: KCSAN: "),
    ("KMSAN", r"\bBUG: KMSAN: "),
    ("KFENCE", r"\bBUG: KFENCE: "),
    ("UBSAN", r"\bUBSAN: [a-z-]+"),
    ("lockdep", r"possible (circular|recursive) locking|possible irq lock inversion|"
                r"inconsistent lock state|-unsafe lock order|bad unlock balance|"
                r"held lock freed|still has locks held|lock held when returning|"
                r"Invalid wait context|DEBUG_LOCKS_WARN_ON|register non-static key|"
                r"Nested lock was not taken|MAX_LOCKDEP|MAX_LOCK_DEPTH"),
    ("RCU usage", r"suspicious RCU usage|Illegal context switch in RCU|"
                  r"Voluntary context switch within RCU"),
    ("RCU stall", r"\brcu\w*: .*(self-detected stall|detected stalls|expedited stalls)|"
                  r"\brcu\w*_?\w* kthread (starved|timer wakeup didn't happen)"),
    ("soft lockup", r"soft lockup - CPU"),
    ("hard lockup", r"hard LOCKUP"),
    ("workqueue lockup", r"workqueue lockup"),
    ("hung task", r"blocked for more than \d+ seconds"),
    ("sleep in atomic context", r"sleeping function called from invalid context|"
                                r"scheduling while atomic"),
    ("refcount", r"\brefcount_t: "),
    ("list corruption", r"\blist_(add|del) corruption"),
    ("slab corruption", r"\bBUG \S+ \((Not tainted|Tainted)"),
    ("kernel BUG", r"kernel BUG at "),
    ("crash of a program", r"\btraps: \S+\[\d+\] |\]: segfault at |^\S+\[\d+\]: segfault at "),
    ("bad access", r"[Uu]nable to handle |kernel NULL pointer dereference"),
    ("general protection", r"general protection fault"),
    ("Oops", r"\bOops\b|: [0-9a-f]{4,16} \[#\d+\]"),
    ("memory leak", r"kmemleak: \d+ new suspected memory leaks"),
    ("device kept", r"unregister_netdevice: waiting for \S+ to become free"),
    ("transmit timeout", r"NETDEV WATCHDOG: "),
    ("virtio ring", r"\bvirtio\S*: .*(is not a head|out of range)|Unexpected TXQ .* failure"),
    ("out of memory", r"Out of memory: Killed process|invoked oom-killer|"
                      r"page allocation failure|SLUB: Unable to allocate memory"),
    ("BUG", r"\bBUG: "),
    ("WARN", r"\bWARNING: "),
    ("stack trace", r"^\s*Call [Tt]race:"),
))

# Of programs, not of the kernel: a complaint where all programs are ours, in a guest.
OF_PROGRAMS = ("crash of a program", "out of memory")

# (a line that is no complaint, on which machine of vmtest (None: anywhere), whether a
# stack trace follows it, why it is none)
ALLOWED = tuple((re.compile(phrase), *rest) for phrase, *rest in (
    (r"^Spectre V2 : WARNING: Unprivileged eBPF is enabled", None, False,
     "what the booted CPU model is open to, said once at boot"),
    (r"^RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable", None, False,
     "what the booted CPU model is open to, said once at boot"),
    (r"Out of memory: Killed process|invoked oom-killer|page allocation failure|"
     r"SLUB: Unable to allocate memory", "small", True,
     "a guest without memory is what that machine is for; its tests judge what was killed"),
))

# A trace belongs to the complaint above it; so far above, at most, that one stands.
TRACE_REACH = 60

_STAMP = re.compile(r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ")


def allowed(text, machine=None):
    """(whether a trace follows, why it is no complaint); None when nothing lets it through."""
    for phrase, where, traced, why in ALLOWED:
        if where in (None, machine) and phrase.search(text):
            return traced, why
    return None


def complaint(text, machine=None):
    """
    What a message of the kernel (without its time stamp) complains of, or None. machine:
    of vmtest; None on a machine that is not ours alone.
    """
    for name, phrase in COMPLAINTS:
        if phrase.search(text):
            mine = machine is not None or name not in OF_PROGRAMS
            return name if mine and not allowed(text, machine) else None
    return None


def message(line):
    """
    The kernel's message in a line of a console, or None: programs write there as well, and
    a message may stand behind what a program had not ended yet. Without a time stamp only
    what stands at the line's begin is taken for the kernel's.
    """
    stamps = list(_STAMP.finditer(line))
    if stamps:
        return line[stamps[-1].end():]
    return line if _UNSTAMPED.match(line) else None


_UNSTAMPED = re.compile(r"WARNING: |BUG: |Kernel panic - |Oops: |INFO: task |rcu: INFO: |"
                        r"general protection fault|watchdog: |UBSAN: ")


def scan(lines, machine=None):
    """
    The complaints of a console: [(index of the line, what it is, the message)]. Lines of
    one complaint's own block (its trace, its second headline) are not told again.
    """
    found, quiet_until = [], -1
    for i, line in enumerate(lines):
        text = message(line.rstrip("\r\n"))
        if text is None:
            continue
        excuse = allowed(text, machine)
        if excuse:
            quiet_until = max(quiet_until, i + TRACE_REACH if excuse[0] else -1)
            continue
        name = complaint(text, machine)
        if name is None or (name == "stack trace" and i <= quiet_until):
            continue
        found.append((i, name, text))
        quiet_until = i + TRACE_REACH
    return found
