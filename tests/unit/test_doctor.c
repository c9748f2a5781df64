/* SPDX-License-Identifier: BSD-2-Clause */
/* weir doctor: made-up facts in, verdicts out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor_view.h"
#include "control/doctor.h"

#define PORTS (RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* A machine and a NIC with nothing amiss. */
static struct doctor_facts healthy(void)
{
	struct doctor_facts f;
	struct doctor_system *s = &f.sys;
	struct doctor_nic *n = &f.nic;

	doctor_facts_init(&f, "eth7");
	strcpy(s->release, "6.12.5-cloud");
	s->major = 6;
	s->minor = 12;
	s->btf = s->jit = s->admin = s->ipc_lock = s->clock_synced = 1;
	s->xdp_sockets = s->jit_harden = s->bpf_stats = s->irqbalance = s->conntrack = 0;
	s->huge_pages_off = 0;
	s->cpus = 4;
	strcpy(s->governor, "performance");
	strcpy(s->clock, "tsc");
	strcpy(s->clocks, "tsc hpet acpi_pm");
	s->available = 8ull << 30;
	s->needed = 1ull << 30;
	s->frames = 64 << 20;
	strcpy(n->is.name, "eth7");
	strcpy(n->is.driver, "ice");
	n->is.ifindex = 3;
	n->is.mtu = 1500;
	n->is.rx_queues = 4;
	n->is.up = n->is.carrier = n->is.ethernet = true;
	n->xdp_features = DOCTOR_XDP_NATIVE | DOCTOR_XDP_ZEROCOPY;
	n->max_combined = 16;
	n->rss_rings = 4;
	n->hash4 = n->hash6 = PORTS;
	n->rx_ring = 2048;
	n->rx_ring_max = 8160;
	n->off = (struct doctor_offloads){0};
	n->off.gro = n->off.tx_csum = n->off.tso = n->off.gso = 1;
	n->irqs = n->irq_cpus = 4;
	n->defer_hard_irqs = n->flush_timeout = 0;
	n->hook_known = true;
	n->peer = VETH_NOT;
	return f;
}

/* A veth whose other end behaves. */
static struct doctor_facts healthy_veth(void)
{
	struct doctor_facts f = healthy();

	strcpy(f.nic.is.driver, "veth");
	f.nic.xdp_features = DOCTOR_XDP_NATIVE;
	f.nic.peer = VETH_PEER_XDP;
	f.nic.peer_seen = true;
	strcpy(f.nic.peer_name, "far0");
	strcpy(f.nic.peer_run, "ip netns exec far ");
	f.nic.peer_off = (struct doctor_offloads){0};
	f.nic.irqs = f.nic.irq_cpus = f.nic.rss_rings = f.nic.rx_ring = 0;
	f.nic.hash4 = f.nic.hash6 = DOCTOR_UNKNOWN;
	return f;
}

static const struct doctor_finding *find(const struct doctor_report *r, const char *topic)
{
	for (unsigned i = 0; i < r->n; i++)
		if (!strcmp(r->v[i].topic, topic))
			return &r->v[i];
	return NULL;
}

/* Of the topic: its level, a part of its text, and its command, "" for none. */
static void expect(const struct doctor_facts *f, const char *topic, enum doctor_level level,
		   const char *part, const char *command)
{
	struct doctor_report r;
	const struct doctor_finding *v;

	doctor_judge(f, &r);
	v = find(&r, topic);
	if (!v || v->level != level)
		print_error("%s: %s: %s\n", topic, v ? doctor_level_name(v->level) : "none",
			    v ? v->text : "");
	assert_non_null(v);
	assert_int_equal(v->level, level);
	if (!strstr(v->text, part))
		print_error("%s: %s\n", topic, v->text);
	assert_non_null(strstr(v->text, part));
	assert_string_equal(v->command, command);
}

static void nothing_amiss(void **state)
{
	struct doctor_facts f = healthy();
	struct doctor_report r;

	(void)state;
	doctor_judge(&f, &r);
	for (unsigned i = 0; i < r.n; i++)
		if (r.v[i].level)
			print_error("%s: %s\n", r.v[i].topic, r.v[i].text);
	assert_int_equal(doctor_worst(&r), DOCTOR_OK);
	assert_in_range(r.n, 12, DOCTOR_FINDINGS - 1);
	f = healthy_veth();
	doctor_judge(&f, &r);
	assert_int_equal(doctor_worst(&r), DOCTOR_NOTE); /* a veth copies */
}

/* What cannot be known is no reason to complain. */
static void nothing_known(void **state)
{
	struct doctor_facts f;
	struct doctor_report r;

	(void)state;
	doctor_facts_init(&f, "eth7");
	f.nic.is.ethernet = f.nic.is.up = f.nic.is.carrier = true;
	f.nic.is.rx_queues = 1;
	doctor_judge(&f, &r);
	assert_in_range(doctor_worst(&r), DOCTOR_OK, DOCTOR_NOTE);
}

static void the_kernel(void **state)
{
	struct doctor_facts f = healthy();

	(void)state;
	f.sys.minor = 0;
	expect(&f, "kernel", DOCTOR_BAD, "6.1 or newer", "");
	f.sys.major = 5;
	f.sys.minor = 15;
	expect(&f, "kernel", DOCTOR_BAD, "6.1 or newer", "");
	f.sys.major = 7;
	f.sys.minor = 0;
	expect(&f, "kernel", DOCTOR_OK, "Linux", "");
	f.sys.xdp_sockets = EAFNOSUPPORT;
	expect(&f, "af_xdp", DOCTOR_BAD, "CONFIG_XDP_SOCKETS", "");
	f.sys.xdp_sockets = EPERM;
	expect(&f, "af_xdp", DOCTOR_NOTE, "cannot be tried", "");
	f.sys.btf = 0;
	expect(&f, "btf", DOCTOR_NOTE, "dispatcher", "");
	f.sys.jit = 0;
	expect(&f, "jit", DOCTOR_WARN, "interpreted", "sysctl -w net.core.bpf_jit_enable=1");
	f.sys.jit = 2;
	expect(&f, "jit", DOCTOR_WARN, "log", "sysctl -w net.core.bpf_jit_enable=1");
	f.sys.jit_harden = 2;
	expect(&f, "jit_harden", DOCTOR_NOTE, "blinded", "sysctl -w net.core.bpf_jit_harden=1");
	f.sys.bpf_stats = 1;
	expect(&f, "bpf_stats", DOCTOR_WARN, "timed", "sysctl -w kernel.bpf_stats_enabled=0");
}

static void the_machine(void **state)
{
	struct doctor_facts f = healthy();

	(void)state;
	f.sys.admin = 0;
	expect(&f, "privilege", DOCTOR_NOTE, "CAP_NET_ADMIN", "");
	f.sys.ipc_lock = 0;
	expect(&f, "memlock", DOCTOR_OK, "may be locked", "");
	f.sys.memlock = 8 << 20;
	expect(&f, "memlock", DOCTOR_BAD, "8192 KiB",
	       "ulimit -H -l unlimited && ulimit -l unlimited");
	f.sys.nofile = 1024;
	expect(&f, "nofile", DOCTOR_NOTE, "1024", "ulimit -n 1048576");
	f.sys.available = 1ull << 30;
	expect(&f, "memory", DOCTOR_NOTE, "makes them smaller", "");
	f.sys.huge_pages_off = 1;
	expect(&f, "hugepages", DOCTOR_NOTE, "huge pages",
	       "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
	strcpy(f.sys.clock, "hpet");
	expect(&f, "clock", DOCTOR_WARN, "hpet",
	       "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource");
	strcpy(f.sys.clocks, "hpet acpi_pm");
	expect(&f, "clock", DOCTOR_WARN, "hpet", "");
	f.sys.clock_synced = 0;
	expect(&f, "time", DOCTOR_NOTE, "key file", "timedatectl set-ntp true");
	strcpy(f.sys.governor, "schedutil");
	expect(&f, "governor", DOCTOR_WARN, "schedutil",
	       "for f in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo "
	       "performance >$f; done");
	f.sys.irqbalance = 1;
	expect(&f, "irqbalance", DOCTOR_NOTE, "one CPU", "systemctl disable --now irqbalance");
	f.sys.conntrack = 1;
	expect(&f, "conntrack", DOCTOR_NOTE, "never sees", "");
}

static void what_weir_would_refuse(void **state)
{
	struct doctor_facts f = healthy();

	(void)state;
	strcpy(f.nic.refusal, "eth7: why");
	f.nic.is.up = false;
	expect(&f, "interface", DOCTOR_BAD, "eth7: why", "ip link set eth7 up");
	f.nic.is.up = true;
	f.nic.is.mtu = 9000;
	expect(&f, "interface", DOCTOR_BAD, "eth7: why", "ip link set eth7 mtu 3800");
	f.nic.is.mtu = 300;
	expect(&f, "interface", DOCTOR_BAD, "eth7: why", "ip link set eth7 mtu 1500");
	f.nic.is.mtu = 1500;
	f.nic.is.rx_queues = 128;
	expect(&f, "interface", DOCTOR_BAD, "eth7: why", "ethtool -L eth7 combined 64");
	f.nic.is.loopback = true;
	expect(&f, "interface", DOCTOR_BAD, "eth7: why", "");
	f = healthy();
	f.nic.is.carrier = false;
	expect(&f, "link", DOCTOR_NOTE, "down", "");
}

static void xdp_and_drivers(void **state)
{
	struct doctor_facts f = healthy();

	(void)state;
	f.nic.rp_filter = 1;
	expect(&f, "rp_filter", DOCTOR_OK, "never asks", "");
	expect(&f, "xdp", DOCTOR_OK, "ice has native XDP", "");
	expect(&f, "zerocopy", DOCTOR_OK, "offers", "");
	f.nic.xdp_features = DOCTOR_XDP_NATIVE;
	expect(&f, "zerocopy", DOCTOR_NOTE, "copied", "");
	f.nic.xdp_features = 0;
	expect(&f, "xdp", DOCTOR_WARN, "generic mode", "");
	/* Where the kernel does not say, what is known of the driver counts. */
	f.nic.xdp_features = DOCTOR_UNKNOWN;
	expect(&f, "xdp", DOCTOR_OK, "as far as is known", "");
	strcpy(f.nic.is.driver, "e1000e");
	expect(&f, "xdp", DOCTOR_WARN, "as far as is known", "");
	strcpy(f.nic.is.driver, "acme9000");
	expect(&f, "xdp", DOCTOR_NOTE, "not known", "");
	expect(&f, "zerocopy", DOCTOR_NOTE, "not known", "");
	assert_int_equal(doctor_driver_zerocopy("veth"), 0);
}

static void the_hook(void **state)
{
	struct doctor_facts f = healthy();
	struct hook *h = &f.nic.hook;

	(void)state;
	strcpy(f.nic.hook_text, "program 12 (x)");
	h->kind = HOOK_NETLINK;
	expect(&f, "hook", DOCTOR_BAD, "program 12 (x)", "ip link set dev eth7 xdp off");
	h->generic = true;
	expect(&f, "hook", DOCTOR_BAD, "taken", "ip link set dev eth7 xdpgeneric off");
	h->kind = HOOK_LINK;
	h->link_id = 34;
	expect(&f, "hook", DOCTOR_BAD, "taken", "bpftool link detach id 34");
	strcpy(h->prog, "weir_gate"); /* of one that was killed */
	expect(&f, "hook", DOCTOR_BAD, "taken", "weir detach eth7");
	h->kind = HOOK_HIDDEN;
	expect(&f, "hook", DOCTOR_BAD, "taken", "");
	h->kind = HOOK_DISPATCHER;
	expect(&f, "hook", DOCTOR_NOTE, "seat", "");
	f.nic.weir_runs = true;
	h->by.pid = 77;
	expect(&f, "hook", DOCTOR_OK, "process 77", "");
}

static void queues_and_rings(void **state)
{
	struct doctor_facts f = healthy();

	(void)state;
	f.nic.is.rx_queues = 1;
	expect(&f, "queues", DOCTOR_WARN, "1 RX queue for 4 CPUs", "ethtool -L eth7 combined 4");
	f.nic.max_combined = 2;
	expect(&f, "queues", DOCTOR_WARN, "could be 2", "ethtool -L eth7 combined 2");
	f.nic.max_combined = 0;
	f.nic.max_rx = 8;
	expect(&f, "queues", DOCTOR_WARN, "could be 8", "ethtool -L eth7 rx 4");
	f.nic.is.rx_queues = 16;
	expect(&f, "queues", DOCTOR_NOTE, "workers have several", "");
	f = healthy();
	f.nic.rss_rings = 1;
	expect(&f, "rss", DOCTOR_WARN, "1 of the 4", "ethtool -X eth7 equal 4");
	f.nic.hash4 = RXH_IP_SRC | RXH_IP_DST;
	expect(&f, "hash4", DOCTOR_WARN, "ports", "ethtool -N eth7 rx-flow-hash tcp4 sdfn");
	f.nic.hash6 = 0;
	expect(&f, "hash6", DOCTOR_WARN, "ports", "ethtool -N eth7 rx-flow-hash tcp6 sdfn");
	f.nic.rx_ring = 512;
	expect(&f, "ring", DOCTOR_WARN, "512", "ethtool -G eth7 rx 4096");
	f.nic.rx_ring_max = 1000;
	expect(&f, "ring", DOCTOR_WARN, "1000", "ethtool -G eth7 rx 1000");
	f.nic.rx_ring_max = 512;
	expect(&f, "ring", DOCTOR_OK, "512", "");
	f.nic.irq_cpus = 1;
	expect(&f, "irq", DOCTOR_WARN, "one CPU",
	       "n=0; for i in $(ls /sys/class/net/eth7/device/msi_irqs); do echo $((n++ % "
	       "$(nproc))) >/proc/irq/$i/smp_affinity_list; done");
	f.nic.flush_timeout = 20000;
	expect(&f, "napi", DOCTOR_NOTE, "20000", "echo 0 >/sys/class/net/eth7/gro_flush_timeout");
	f.nic.defer_hard_irqs = 2;
	expect(&f, "napi", DOCTOR_NOTE, "--busy-poll", "");
}

static void offloads(void **state)
{
	struct doctor_facts f = healthy();

	(void)state;
	f.nic.off.rxvlan = 1;
	expect(&f, "rxvlan", DOCTOR_WARN, "VLAN", "ethtool -K eth7 rxvlan off");
	f.nic.off.lro = 1;
	expect(&f, "lro", DOCTOR_BAD, "LRO", "ethtool -K eth7 lro off");
	f.nic.xdp_features = 0;
	expect(&f, "gro", DOCTOR_WARN, "generic", "ethtool -K eth7 gro off");
}

static void veths(void **state)
{
	struct doctor_facts f = healthy_veth();
	const char *mend = "ip netns exec far ethtool -K far0 tx off tso off gso off";

	(void)state;
	expect(&f, "peer_xdp", DOCTOR_OK, "has an XDP program", "");
	expect(&f, "peer", DOCTOR_OK, "far0", "");
	f.nic.peer_off.tx_csum = 1;
	expect(&f, "peer", DOCTOR_BAD, "leaves checksums to", mend);
	f.nic.peer_off.tx_csum = 0;
	/* Native XDP has it turned off anyway. */
	f.nic.peer_off.tso = 1;
	expect(&f, "peer", DOCTOR_OK, "far0", "");
	f.nic.peer = VETH_PEER_BARE;
	expect(&f, "peer_xdp", DOCTOR_WARN, "generic mode", "");
	expect(&f, "peer", DOCTOR_BAD, "leaves segmentation to", mend);
	f.nic.peer_off.tx_csum = 1;
	expect(&f, "peer", DOCTOR_BAD, "checksums and segmentation", mend);
	expect(&f, "gro", DOCTOR_WARN, "generic", "ethtool -K eth7 gro off");
	f.nic.peer_off.txvlan = 1;
	expect(&f, "peer_vlan", DOCTOR_NOTE, "far0",
	       "ip netns exec far ethtool -K far0 txvlan off");
	f.nic.peer_seen = false;
	expect(&f, "peer", DOCTOR_NOTE, "cannot be asked", "");
	/* A veth has as many queues as its other end has. */
	f.nic.is.rx_queues = 1;
	expect(&f, "queues", DOCTOR_OK, "1 RX queue", "");
}

/* Everything wrong at once fits, and every text and command is whole. */
static void all_at_once(void **state)
{
	struct doctor_facts f = healthy_veth();
	struct doctor_report r;

	(void)state;
	memset(f.nic.hook_text, 'h', sizeof(f.nic.hook_text) - 1);
	memset(f.nic.refusal, 'r', sizeof(f.nic.refusal) - 1);
	memset(f.nic.name, 'n', sizeof(f.nic.name) - 1);
	memset(f.nic.peer_run, 'p', sizeof(f.nic.peer_run) - 1);
	f.nic.hook.kind = HOOK_NETLINK;
	f.nic.peer = VETH_PEER_BARE;
	f.nic.peer_off = (struct doctor_offloads){1, 1, 1, 1, 1, 1, 1};
	f.nic.off = (struct doctor_offloads){1, 1, 1, 1, 1, 1, 1};
	f.nic.hash4 = f.nic.hash6 = 0;
	f.nic.rx_ring = 1;
	f.nic.rx_ring_max = 1000000;
	f.nic.rss_rings = 1;
	f.nic.irqs = 9;
	f.nic.irq_cpus = 1;
	f.nic.flush_timeout = 1;
	f.sys = (struct doctor_system){.bpf_stats = 1,
				       .jit_harden = 2,
				       .irqbalance = 1,
				       .conntrack = 1,
				       .cpus = 1,
				       .clock = "hpet",
				       .governor = "powersave",
				       .huge_pages_off = 1};
	doctor_judge(&f, &r);
	assert_int_equal(doctor_worst(&r), DOCTOR_BAD);
	assert_in_range(r.n, 25, DOCTOR_FINDINGS - 1);
	for (unsigned i = 0; i < r.n; i++) {
		assert_in_range(strlen(r.v[i].text), 1, sizeof(r.v[i].text) - 2);
		assert_in_range(strlen(r.v[i].command), 0, sizeof(r.v[i].command) - 2);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(r.v[i].topic, r.v[k].topic);
	}
}

static void printed(void **state)
{
	struct doctor_facts f = healthy();
	struct doctor_report r;
	char *text, *line;
	size_t len;
	FILE *out;
	json_t *o;

	(void)state;
	f.nic.off.lro = f.nic.off.rxvlan = 1;
	doctor_judge(&f, &r);
	out = open_memstream(&text, &len);
	doctor_print(&r, out, false);
	fclose(out);
	assert_int_equal(strncmp(text, "bad   lro          LRO joins", 28), 0);
	assert_non_null(
		strstr(text, "\n                     ethtool -K eth7 lro off\nwarn  rxvlan"));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_in_range(strlen(line), 1, 101);
	free(text);
	o = doctor_json(&r, "eth7");
	assert_string_equal(json_string_value(json_object_get(o, "worst")), "bad");
	assert_int_equal(json_array_size(json_object_get(o, "findings")), r.n);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_amiss),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(the_kernel),
		cmocka_unit_test(the_machine),
		cmocka_unit_test(what_weir_would_refuse),
		cmocka_unit_test(xdp_and_drivers),
		cmocka_unit_test(the_hook),
		cmocka_unit_test(queues_and_rings),
		cmocka_unit_test(offloads),
		cmocka_unit_test(veths),
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(printed),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
