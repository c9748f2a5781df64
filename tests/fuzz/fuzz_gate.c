/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate in the kernel against the gate on the host: the same frames, in the same
 * order, at the same time, with the same keys, go to bpf/weir.bpf.c as the kernel runs
 * it (BPF_PROG_TEST_RUN) and to the same source compiled for the host under the
 * sanitizers (gate_host.c). After each frame the action, the frame that is left, every
 * counter, every flow entry and what automatic mode remembers must be equal.
 *
 * The input is a program: SYNs of real stacks, ACKs to the SYN-ACKs that came, ICMP,
 * mangled and raw frames, time, modes, flags, keys, policies. Needs root; without it, it fails.
 */
#include "fuzz.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <weir/packet.h>
#include "../bpf/gate_bed.h"
#include "gate_host.h"
#include "gate_rules.h"

#define FLOWS	8
#define CLIENTS 4
#define CAP	3520 /* what the kernel's test run has behind the headroom */

struct client {
	struct frame syn;
	const struct frame_layout *layout;
	uint32_t iss, tsval; /* of the SYN-ACK */
	bool answered;
};

static struct gate_host_view host;
static struct client clients[CLIENTS];

/* A static variable of the program, which the skeleton does not name. */
static void clear(const char *name)
{
	const struct btf *btf = bpf_object__btf(bed.skel->obj);
	int sec = btf__find_by_name_kind(btf, ".bss", BTF_KIND_DATASEC);
	const struct btf_type *t = btf__type_by_id(btf, (__u32)sec);
	const struct btf_var_secinfo *v = btf_var_secinfos(t);

	for (unsigned i = 0; i < btf_vlen(t); i++, v++) {
		const struct btf_type *var = btf__type_by_id(btf, v->type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), name))
			continue;
		memset((uint8_t *)bed.skel->bss + v->offset, 0, v->size);
		return;
	}
	REQUIRE(!"no such variable");
}

/* ---- both at the same start -------------------------------------------------- */

static void add_service(const char *addr, uint16_t port)
{
	struct weir_service_key key = {.port = weir_htons(port)};

	memcpy(key.addr, addr, 16);
	gate_host_service(&key, 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	cpu_set_t one;

	(void)argc;
	(void)argv;
	if (geteuid() != 0) {
		fprintf(stderr, "fuzz_gate: loading the gate needs root\n");
		exit(1);
	}
	/* Rows and buckets are of a CPU: stay on the one that the host's side has. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	REQUIRE(!sched_setaffinity(0, sizeof(one), &one));
	bed_open(&bed, FLOWS);
	host = gate_host_view();
	return 0;
}

static void begin(void)
{
	static const char v4[16] = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02";
	static const char v6[16] = "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02";

	bed_reset(&bed);
	clear("gate_buckets");
	clear("gate_refused");
	memset(&bed.skel->bss->weir_counters[0], 0, sizeof(bed.skel->bss->weir_counters[0]));
	gate_host_reset(FLOWS, true);
	rules_begin(&host);
	add_service(v4, 443);
	add_service(v4, 0);
	add_service(v6, 443);
	add_service(v6, 0);
	memcpy(host.ports, bed.skel->bss->weir_ports, sizeof(bed.skel->bss->weir_ports));
	memcpy(host.services, bed.skel->bss->weir_services, 2 * sizeof(struct weir_service));
	memset(clients, 0, sizeof(clients));
}

/* ---- equal? ---------------------------------------------------------------------- */

static void check_flows(int family)
{
	unsigned n = gate_host_flows(family), kernel = 0;
	int fd = bpf_map__fd(family == 4 ? bed.skel->maps.flows4 : bed.skel->maps.flows6);
	struct weir_flow_key6 key, next;
	struct weir_flow ours, theirs;
	void *at = NULL;

	for (unsigned i = 0; i < n; i++) {
		gate_host_flow(family, i, &key, &ours);
		REQUIRE(!bpf_map_lookup_elem(fd, &key, &theirs));
		REQUIRE(!memcmp(&ours, &theirs, sizeof(ours)));
	}
	while (kernel <= n && !bpf_map_get_next_key(fd, at, &next)) {
		kernel++;
		key = next;
		at = &key;
	}
	REQUIRE(kernel == n);
}

static void check_counters(void)
{
	for (unsigned c = 1; c < WEIR_C_MAX; c++) {
		if (bed.skel->bss->weir_counters[0].v[c] == host.counters[c])
			continue;
		fprintf(stderr, "counter %u: kernel %llu, host %llu\n", c,
			(unsigned long long)bed.skel->bss->weir_counters[0].v[c],
			(unsigned long long)host.counters[c]);
		abort();
	}
}

/* Whom the SYN-ACK answers, and with what. */
static void learn(const uint8_t *frame, size_t len)
{
	uint32_t tsval = 0;
	struct weir_pkt v;

	if (weir_pkt_parse(frame, len, &v) || (v.flags & (SYN | ACK)) != (SYN | ACK))
		return;
	for (uint32_t at = v.l4_off + 20; at + 10 <= v.payload_off; at++)
		if (frame[at] == 8 && frame[at + 1] == 10)
			tsval = weir_ntohl(weir_load32(frame + at + 2));
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		if (!c->layout || c->syn.sport != weir_ntohs(v.tuple.lport) ||
		    c->syn.family != v.family)
			continue;
		c->iss = v.seq;
		c->tsval = tsval;
		c->answered = true;
	}
}

static void run(const uint8_t *frame, size_t len)
{
	uint8_t ours[FRAME_MAX];
	size_t n = len;
	int act;

	if (len < 14 || len > 1600)
		return;
	memcpy(ours, frame, len);
	*host.cfg = *bed.cfg;
	bed_run(&bed, frame, len);
	act = gate_host_run(ours, &n, CAP);
	REQUIRE(act == bed.act);
	REQUIRE(n == bed.out_len);
	REQUIRE(!memcmp(ours, bed.out, n));
	check_counters();
	check_flows(4);
	check_flows(6);
	REQUIRE(!memcmp(host.services, bed.skel->bss->weir_services,
			2 * sizeof(struct weir_service)));
	if (act == XDP_TX)
		learn(bed.out, bed.out_len);
}

static void send_frame(const struct frame *f)
{
	uint8_t buf[FRAME_MAX];

	run(buf, frame_build(f, buf));
}

/* ---- frames --------------------------------------------------------------------------- */

static struct frame syn_of(struct client *c, unsigned i, struct in *in)
{
	static const uint16_t ports[] = {80, 443, 5000, 22};
	uint8_t bits = in8(in);
	struct frame f = frame_syn(bits & 1 ? 6 : 4);

	c->layout = &frame_layouts[in8(in) % frame_nlayouts];
	f.sport = (uint16_t)(40000 + i);
	f.dport = ports[bits >> 1 & 3];
	f.seq = in32(in);
	f.vlans = bits >> 3 & 3;
	if (f.vlans > 2)
		f.vlans = 0;
	for (unsigned v = 0; v < f.vlans; v++)
		f.tpid[v] = 0x8100;
	if (bits & 32)
		f.flags |= ECE | CWR;
	frame_opts(&f, c->layout->opts, c->layout->opts_len);
	return f;
}

static void send_syn(struct client *c, unsigned i, struct in *in)
{
	c->syn = syn_of(c, i, in);
	c->answered = false;
	send_frame(&c->syn);
}

/* The final ACK or the first data, as it should be or with some number wrong. */
static void send_ack(const struct client *c, struct in *in)
{
	static const uint8_t data[256] = "GET /";
	uint8_t bits = in8(in);
	struct frame f = c->syn;

	if (!c->layout)
		return;
	f.flags = ACK | (bits & 1 ? FIN : 0) | (bits & 2 ? PSH : 0);
	f.seq++;
	f.ack = c->iss + 1;
	f.opts_len = 0;
	if (c->layout->ts && !(bits & 4))
		frame_timestamps(&f, c->layout->tsval + 1, c->tsval);
	f.data = data;
	f.data_len = bits & 8 ? in8(in) : 0;
	if (bits & 16)
		f.seq += (uint32_t)(int16_t)in16(in);
	if (bits & 32)
		f.ack ^= in32(in);
	if (bits & 64)
		f.flags = in8(in);
	send_frame(&f);
}

static void send_mangled(const struct client *c, struct in *in)
{
	uint8_t buf[FRAME_MAX], n = in8(in);
	struct frame f = c->layout ? c->syn : frame_syn(4);
	size_t len = frame_build(&f, buf);

	for (unsigned i = 0; i < (n & 7u); i++) {
		size_t at = in8(in) % len;

		buf[at] = in8(in);
	}
	if (n & 8)
		frame_fix_ip(&f, buf);
	if (n & 16)
		frame_fix_tcp(&f, buf);
	if (n & 32)
		frame_partial(&f, buf);
	if (n & 64)
		len = in8(in) % (len + 1);
	run(buf, len);
}

/* Shapes that a byte or two will not make. */
static void send_shaped(const struct client *c, struct in *in)
{
	static const uint8_t options[40] = {0x94, 4, 0, 0, 1, 1, 1, 1};
	static const uint8_t kinds[] = {0, 43, 44, 51, 60};
	struct frame f = c->layout ? c->syn : frame_syn(4);
	uint8_t bits = in8(in);

	if (f.family == 4) {
		f.ip_opts = options;
		f.ip_opts_len = (size_t)(bits & 7) * 4;
		f.frag = bits & 8 ? in16(in) : f.frag;
	} else {
		f.exts = bits & 7;
		for (unsigned i = 0; i < f.exts; i++) {
			f.ext[i].type = kinds[in8(in) % sizeof(kinds)];
			f.ext[i].len = f.ext[i].type == 44 ? 0 : in8(in) & 1;
			f.ext[i].frag = f.ext[i].type == 44 ? in8(in) & 1 : 0;
		}
	}
	if (bits & 16)
		f.flags = in8(in);
	if (bits & 32)
		f.padding = in8(in) & 63;
	if (bits & 64)
		memcpy(f.src, f.dst, 16);
	if (bits & 128)
		f.src[0] = in8(in);
	send_frame(&f);
}

static void send_icmp(const struct client *c, struct in *in)
{
	uint8_t raw[FRAME_MAX], type, code;
	struct frame answer, f;
	uint32_t rest;

	if (!c->layout)
		return;
	answer = frame_answer(&c->syn, ACK, c->iss + 1, c->syn.seq + 1);
	type = in8(in) & 1 ? in8(in) & 15 : 3;
	code = in8(in) & 15;
	rest = in16(in);
	f = frame_icmp(&answer, type, code, rest, in8(in) % 100, raw);
	send_frame(&f);
}

/* ---- what the host's side changes -------------------------------------------------------- */

static void configure(struct in *in)
{
	struct weir_gate_config *c = bed.cfg;
	uint8_t bits = in8(in);

	c->flags = (c->flags & ~7u) | (bits & 7);
	c->rst_per_sec = bits & 8 ? in8(in) : 0;
	c->heartbeat_max_ms = bits & 16 ? 2000 : 0;
	if (bits & 32)
		c->keys.schedule = (uint64_t)(in8(in) & 1) << 32 |
				   ((bed_wall(&bed) >> WEIR_EPOCH_SHIFT) + in8(in) % 3);
	if (bits & 64)
		c->mac[5] ^= 1;
}

static void change_service(struct in *in)
{
	uint8_t bits = in8(in);
	unsigned i = bits & 1;
	struct weir_service *s = &bed.skel->bss->weir_services[i];

	s->mode = (bits >> 1) % 3;
	s->syn_per_sec = in8(in);
	s->hold_ms = in16(in);
	s->pressure_ms = bits & 128 ? bed.cfg->clock.fixed_ms : s->pressure_ms;
	host.services[i] = *s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct in in = {data, len};

	begin();
	for (unsigned i = 0; in.left && i < 60; i++) {
		uint8_t op = in8(&in);
		unsigned who = op >> 6;
		size_t n;

		switch ((op & 63) % 9) {
		case 0:
			send_syn(&clients[who], who, &in);
			break;
		case 1:
		case 2:
			send_ack(&clients[who], &in);
			break;
		case 3:
			send_mangled(&clients[who], &in);
			break;
		case 4:
			send_shaped(&clients[who], &in);
			break;
		case 5:
			send_icmp(&clients[who], &in);
			break;
		case 6:
			bed_advance(&bed, in16(&in));
			break;
		case 7:
			if (who == 3)
				rules_change(&host, &in);
			else if (who)
				configure(&in);
			else
				change_service(&in);
			break;
		default:
			n = in16(&in) % 1600;
			data = in_bytes(&in, &n);
			run(data, n);
		}
	}
	rules_check(&host);
	return 0;
}
