# SPDX-License-Identifier: BSD-2-Clause
"""
Lines as kernels write them: which are complaints, and of what. Those that are none are
what guests say on a good day, or look like a complaint to a careless reader.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/tests", f"{ROOT}/tests/net"]
import kernlog  # noqa: E402
from weirlab import Cases, check_equal  # noqa: E402

COMPLAINTS = {
    "WARN": (
        "WARNING: CPU: 1 PID: 412 at net/core/skbuff.c:6830 skb_release_head_state+0x96/0xd0",
        "WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:3204 rcu_note_context_switch+0x4be/0x540",
        "WARNING: net/xdp/xsk.c:310 at xsk_rcv+0x1/0x2, CPU#0: weir/311",
        "WARNING: stack recursion on stack type 2",
    ),
    "BUG": (
        "BUG: Bad page state in process weir  pfn:10203",
        "BUG: Bad rss-counter state mm:00000000deadbeef type:MM_ANONPAGES val:2",
        "BUG: stack guard page was hit at 000000007e4b0c9c (stack is 00000000a1b2c3d4)",
        "BUG: using smp_processor_id() in preemptible [00000000] code: weir/311",
    ),
    "KASAN": (
        "BUG: KASAN: slab-use-after-free in __xsk_map_redirect+0x1a/0x90",
        "BUG: KASAN: slab-out-of-bounds in veth_xdp_rcv+0x51f/0x9a0 [veth]",
        "KASAN: null-ptr-deref in range [0x0000000000000028-0x000000000000002f]",
    ),
    "KCSAN": ("BUG: KCSAN: data-race in tcp_ack / tcp_sendmsg_locked",),
    "KMSAN": ("BUG: KMSAN: uninit-value in eth_type_trans+0x2f1/0x860",),
    "KFENCE": ("BUG: KFENCE: use-after-free read in xp_free+0x12/0x40",
               "BUG: KFENCE: memory corruption in kfree_skbmem+0x4a/0x70"),
    "UBSAN": ("UBSAN: array-index-out-of-bounds in drivers/net/veth.c:412:19",
              "UBSAN: shift-out-of-bounds in net/sched/sch_netem.c:210:12"),
    "lockdep": (
        "WARNING: possible circular locking dependency detected",
        "WARNING: possible recursive locking detected",
        "WARNING: possible irq lock inversion dependency detected",
        "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
        "WARNING: inconsistent lock state",
        "WARNING: bad unlock balance detected!",
        "WARNING: weir/311 still has locks held!",
        "[ BUG: Invalid wait context ]",
        "DEBUG_LOCKS_WARN_ON(1)",
        "INFO: trying to register non-static key.",
        "BUG: MAX_LOCKDEP_CHAINS too low!",
    ),
    "RCU usage": ("WARNING: suspicious RCU usage",),
    "RCU stall": (
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-... } 21 jiffies s: 125",
        "rcu: rcu_preempt kthread starved for 5250 jiffies! g2541 f0x0 RCU_GP_WAIT_FQS(5)",
    ),
    "soft lockup": ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [weir:412]",),
    "hard lockup": ("NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",
                    "watchdog: Watchdog detected hard LOCKUP on cpu 1"),
    "workqueue lockup": (
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",),
    "hung task": ("INFO: task kworker/u4:2:41 blocked for more than 120 seconds.",),
    "sleep in atomic context": (
        "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580",
        "BUG: scheduling while atomic: weir/311/0x00000002"),
    "refcount": ("refcount_t: underflow; use-after-free.",
                 "refcount_t: addition on 0; use-after-free."),
    "list corruption": (
        "list_del corruption. prev->next should be ffff8880045a1a08, but was dead000000000100.",
        "list_add corruption. next->prev should be prev (ffffffff82e1), but was 0000."),
    "slab corruption": ("BUG kmalloc-64 (Not tainted): Poison overwritten",
                        "BUG skbuff_head_cache (Tainted: G    B   W  ): Redzone overwritten"),
    "kernel BUG": ("kernel BUG at net/core/skbuff.c:110!",),
    "bad access": (
        "BUG: kernel NULL pointer dereference, address: 0000000000000028",
        "BUG: unable to handle page fault for address: ffffc90000403000",
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000028"),
    "general protection": (
        "general protection fault, probably for non-canonical address 0xdead000000000122: 0000",),
    "Oops": ("Oops: 0002 [#1] PREEMPT SMP PTI", "divide error: 0000 [#1] PREEMPT SMP NOPTI",
             "invalid opcode: 0000 [#2] SMP"),
    "panic": ("Kernel panic - not syncing: sysrq triggered crash",
              "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
              "traps: PANIC: double fault, error_code: 0x0"),
    "crash of a program": (
        "weir[311]: segfault at 28 ip 000055d0c2a4f1c3 sp 00007ffd error 4 in weir[55d0c2a3f000]",
        "traps: netclient[412] general protection fault ip:7f1 sp:7f2 error:0 in libc.so.6"),
    "memory leak": ("kmemleak: 5 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",),
    "device kept": ("unregister_netdevice: waiting for weir0 to become free. Usage count = 2",),
    "transmit timeout": ("NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 0 timed out",),
    "virtio ring": ("virtio_net virtio3: output.0:id 0 is not a head!",
                    "net eth0: Unexpected TXQ (0) queue failure: -5"),
    "out of memory": (
        "Out of memory: Killed process 311 (weir) total-vm:812345kB, anon-rss:151234kB",
        "python3 invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0",
        "weir: page allocation failure: order:5, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)"),
    "stack trace": ("Call Trace:", "Call trace:"),
}

NONE = (
    "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via "
    "Spectre v2 BHB attacks!",
    "RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data "
    "leaks possible!",
    "Spectre V2 : Mitigation: Retpolines",
    "MDS CPU bug present and SMT on, data leak possible. See https://www.kernel.org/doc/html/",
    "Linux version 6.1.0-28-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 12.2.0)",
    "Kernel command line: console=ttyS0 panic=-1 oops=panic nowatchdog",
    "[Firmware Bug]: TSC doesn't count with P0 frequency!",
    "ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND",
    "kasan: KernelAddressSanitizer initialized (generic)",
    "kfence: initialized - using 2097152 bytes for 255 objects at 0x(____ptrval____)",
    "kcsan: enabled early", "KCSAN selftest: 3/3 tests passed",
    "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "rcu: RCU lockdep checking is enabled.", "rcu: \tRCU debug extended QS entry/exit.",
    "rcu: Hierarchical SRCU implementation.", "INFO: lockdep is turned off.",
    "Good, all 261 testcases passed! |",
    "virtio_net virtio0: XDP request 5 queues but max is 2. XDP_TX and XDP_REDIRECT will operate "
    "in a slower locked tx mode.",
    "TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.",
    "clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable",
    "workqueue: drain_vmap_area_work hogged CPU for >10000us 4 times, consider switching to "
    "WQ_UNBOUND",
    "hrtimer: interrupt took 5523671 ns",
    "perf: interrupt took too long (2503 > 2500), lowering kernel.perf_event_max_sample_rate",
    "sched: RT throttling activated", "smpboot: CPU 1 is now offline",
    "weir0: renamed from veth7a", "audit: type=1400 audit(1.0:2): apparmor=\"DEBUG:\" x",
    "bpf_prog: DEBUG: x", "signal: max sigframe size: 11952",
)

CONSOLE = """\
[    0.000000] Linux version 6.1.0-28-cloud-amd64
ok   bpf/test_gate              12.0 s  40 passed
FAIL net/test_runner             8.0 s  30 passed, 1 failed
    | WARNING: planted by a test
    failed: kernel-log - BUG: KASAN: planted
ok   net/test_e[   12.345678] WARNING: CPU: 0 PID: 9 at net/core/dev.c:1 dev+0x1/0x2
[   12.345679] Modules linked in: veth
[   12.345680] Call Trace:
[   12.345681]  <TASK>
cho             3.0 s  2 passed
[   99.000001][  T311] BUG: KASAN: slab-out-of-bounds in veth_xdp_rcv+0x51f/0x9a0 [veth]
[   99.000002][    C1] Call Trace:
Kernel panic - not syncing: no time stamp
"""


def each_complaint(_):
    for name, lines in COMPLAINTS.items():
        for line in lines:
            check_equal(kernlog.complaint(line, "veth"), name, line)


def every_phrase_is_covered(_):
    check_equal(sorted(COMPLAINTS), sorted(name for name, _ in kernlog.COMPLAINTS), "names")


def good_days(_):
    for line in NONE:
        check_equal(kernlog.complaint(line, "veth"), None, line)


def programs_of_others(_):
    """On a machine that is not a guest, whose program crashed is not known."""
    for name in kernlog.OF_PROGRAMS:
        for line in COMPLAINTS[name]:
            check_equal(kernlog.complaint(line), None, line)


def every_allowance_is_needed(_):
    """Each lets through a line of this corpus that would be a complaint without it."""
    corpus = list(NONE) + [line for lines in COMPLAINTS.values() for line in lines]
    for phrase, machine, _, why in kernlog.ALLOWED:
        hits = [line for line in corpus if phrase.search(line) and
                any(p.search(line) for _, p in kernlog.COMPLAINTS)]
        check_equal(bool(hits), True, f"an example of '{why}'")
        for line in hits:
            check_equal(kernlog.complaint(line, machine or "veth"), None, f"{machine}: {line}")


def memory_on_the_small_machine_alone(_):
    line = COMPLAINTS["out of memory"][1]
    check_equal([kernlog.complaint(line, m) for m in ("small", "veth", None)],
                [None, "out of memory", None], line)
    log = [f"[    1.000000] {text}"
           for text in (line, "Call Trace:", "WARNING: CPU: 0 PID: 1 at a")]
    check_equal([n for _, n, _ in kernlog.scan(log, "small")], ["WARN"], "on small")
    check_equal([n for _, n, _ in kernlog.scan(log, "veth")], ["out of memory", "WARN"], "on veth")


def console(_):
    """What programs print is theirs; what interrupts them is the kernel's."""
    found = kernlog.scan(CONSOLE.splitlines(), "veth")
    check_equal([(i, n) for i, n, _ in found], [(5, "WARN"), (10, "KASAN"), (12, "panic")], "found")
    check_equal(found[0][2], "WARNING: CPU: 0 PID: 9 at net/core/dev.c:1 dev+0x1/0x2", "the text")


def a_trace_without_a_headline(_):
    log = ["[    1.000000] weir 311 unheard of", "[    1.000001] Call Trace:"]
    check_equal([n for _, n, _ in kernlog.scan(log)], ["stack trace"], "alone")
    log = log[:1] * kernlog.TRACE_REACH + log
    log[0] = "[    0.500000] WARNING: CPU: 0 PID: 1 at a"
    check_equal(len(kernlog.scan(log)), 2, "far from any headline")


cases = Cases()
for case in (each_complaint, every_phrase_is_covered, good_days, programs_of_others,
             every_allowance_is_needed,
             memory_on_the_small_machine_alone, console, a_trace_without_a_headline):
    cases.one(case, None)
sys.exit(cases.status())
