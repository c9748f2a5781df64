/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <weir/presence.h>

#include "../../tools/lo_socket.h"
#include "gate_bed.h"
#include "netns.h"

/* ---- configuration -------------------------------------------------------- */

static void put_service(struct bed *b, const char *addr, uint16_t port, uint32_t id)
{
	struct weir_service_key key = {.port = htons(port)};

	inet_pton(AF_INET6, addr, key.addr);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(b->skel->maps.services), &key, &id, 0), 0);
}

static void configure(struct bed *b)
{
	struct weir_gate_config *c = b->cfg;

	memset(c, 0, sizeof(*c));
	c->clock.fixed = 1;
	c->clock.fixed_ms = BED_MONO_MS;
	c->clock.wall_offset_ms = BED_WALL_MS - BED_MONO_MS;
	c->keys.key[0][0] = 0x0706050403020100ULL;
	c->keys.key[0][1] = 0x0f0e0d0c0b0a0908ULL;
	c->keys.key[1][0] = 0x1122334455667788ULL;
	c->keys.key[1][1] = 0x99aabbccddeeff00ULL;
	weir_mss_classes(c->mss_class, 1500);
	c->window = 65535;
	c->mss4 = 1460;
	c->mss6 = 1440;
	c->wscale = 7;
	c->ttl = 64;
	memcpy(c->mac, frame_syn(4).dmac, 6);
}

/* What automatic mode remembers of SYNs, on all CPUs. */
static void forget_syns(struct bed *b)
{
	int fd = bpf_map__fd(b->skel->maps.auto_syns), cpus = libbpf_num_possible_cpus();
	void *zero;
	uint32_t i;

	assert_true(cpus > 0);
	zero = calloc((size_t)cpus, bpf_map__value_size(b->skel->maps.auto_syns));
	assert_non_null(zero);
	for (i = 0; i < 2; i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, zero, 0), 0);
	free(zero);
}

static void reset_services(struct bed *b)
{
	struct weir_service *s = b->skel->bss->weir_services;
	unsigned i;

	for (i = 0; i < 2; i++) {
		memset(&s[i], 0, sizeof(s[i]));
		s[i].in_use = 1;
		s[i].syn_per_sec = 1000;
		s[i].hold_ms = 10000;
	}
	forget_syns(b);
}

static void add_services(struct bed *b)
{
	static const uint16_t addressed[] = {443, 0};
	unsigned i;

	reset_services(b);
	b->skel->bss->weir_ports[80] = 1;
	b->skel->bss->weir_ports[443] = WEIR_PORT_ADDRESSED;
	b->skel->bss->weir_ports[5000] = WEIR_PORT_ACTIVE;
	for (i = 0; i < 2; i++) {
		put_service(b, "::ffff:10.0.0.2", addressed[i], 1);
		put_service(b, "fd00::2", addressed[i], 1);
	}
}

/* ---- the socket ------------------------------------------------------------- */

void bed_socket(struct bed *b, bool present)
{
	int map = bpf_map__fd(b->skel->maps.xsks), fd = lo_socket_fd(b->socket);
	uint32_t queue = 0;

	if (present)
		assert_int_equal(bpf_map_update_elem(map, &queue, &fd, 0), 0);
	else
		assert_int_equal(bpf_map_delete_elem(map, &queue), 0);
}

/* ---- life --------------------------------------------------------------------- */

void bed_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

void bed_open(struct bed *b, unsigned flows)
{
	int err;

	memset(b, 0, sizeof(*b));
	netns_private();
	b->skel = weir_bpf__open();
	assert_non_null(b->skel);
	bpf_map__set_max_entries(b->skel->maps.flows4, flows);
	bpf_map__set_max_entries(b->skel->maps.flows6, flows);
	err = weir_bpf__load(b->skel);
	if (err == -EPERM) {
		fprintf(stderr, "SKIP: loading a BPF program needs root\n");
		exit(77);
	}
	assert_int_equal(err, 0);
	b->cfg = &b->skel->bss->weir_cfg;
	b->prog = bpf_program__fd(b->skel->progs.weir_gate);
	configure(b);
	add_services(b);
	assert_int_equal(lo_socket_open(&b->socket), 0);
	bed_socket(b, true);
	bed_mark(b);
}

static void empty_map(int fd, size_t key_size)
{
	uint8_t key[64];

	assert_true(key_size <= sizeof(key));
	while (!bpf_map_get_next_key(fd, NULL, key))
		assert_int_equal(bpf_map_delete_elem(fd, key), 0);
}

/* Whatever a test did, each cell counts the flows that are there (weir/presence.h). */
static void check_presence(struct bed *b)
{
	int fd4 = bpf_map__fd(b->skel->maps.flows4), fd6 = bpf_map__fd(b->skel->maps.flows6);
	uint32_t *presence = b->skel->bss->weir_presence;
	struct weir_flow_key4 k4;
	struct weir_flow_key6 k6;
	void *at;

	for (at = NULL; !bpf_map_get_next_key(fd4, at, &k4); at = &k4)
		presence[weir_presence_cell(weir_tuple_hash4(&k4))]--;
	for (at = NULL; !bpf_map_get_next_key(fd6, at, &k6); at = &k6)
		presence[weir_presence_cell(weir_tuple_hash6(&k6))]--;
	for (unsigned i = 0; i < WEIR_PRESENCE_CELLS; i++)
		assert_int_equal(presence[i], 0);
}

void bed_reset(struct bed *b)
{
	check_presence(b);
	configure(b);
	reset_services(b);
	empty_map(bpf_map__fd(b->skel->maps.flows4), sizeof(struct weir_flow_key4));
	empty_map(bpf_map__fd(b->skel->maps.flows6), sizeof(struct weir_flow_key6));
	bed_mark(b);
}

void bed_close(struct bed *b)
{
	check_presence(b);
	lo_socket_close(b->socket);
	weir_bpf__destroy(b->skel);
}

/* ---- for cmocka ------------------------------------------------------------- */

struct bed bed;

int bed_setup(void **state)
{
	(void)state;
	bed_open(&bed, 64);
	return 0;
}

int bed_teardown(void **state)
{
	(void)state;
	bed_close(&bed);
	return 0;
}

int bed_fresh(void **state)
{
	(void)state;
	bed_reset(&bed);
	return 0;
}

/* ---- running --------------------------------------------------------------------- */

int bed_run(struct bed *b, const void *frame, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)len,
		    .data_out = b->out, .data_size_out = sizeof(b->out), .repeat = 1);
	int err = bpf_prog_test_run_opts(b->prog, &o);

	assert_int_equal(err, 0);
	b->act = (int)o.retval;
	b->out_len = o.data_size_out;
	return b->act;
}

int bed_send(struct bed *b, const struct frame *f)
{
	uint8_t buf[FRAME_MAX];

	return bed_run(b, buf, frame_build(f, buf));
}

void bed_advance(struct bed *b, uint64_t ms)
{
	b->cfg->clock.fixed_ms += ms;
}

uint64_t bed_wall(const struct bed *b)
{
	return b->cfg->clock.fixed_ms + b->cfg->clock.wall_offset_ms;
}

/* ---- counters ------------------------------------------------------------------------ */

static uint64_t total(struct bed *b, unsigned c)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < WEIR_MAX_CPUS; i++)
		n += b->skel->bss->weir_counters[i].v[c];
	return n;
}

void bed_mark(struct bed *b)
{
	unsigned c;

	for (c = 0; c < WEIR_C_MAX; c++)
		b->seen[c] = total(b, c);
}

uint64_t bed_count(struct bed *b, enum weir_counter c)
{
	return total(b, c) - b->seen[c];
}

static const char *counter_name(unsigned c)
{
	static const char *const names[] = {
		"none",
#define COUNTER(name, side, text) #name,
#include <weir/counters.def>
#undef COUNTER
	};

	return names[c];
}

static uint64_t wanted(enum weir_counter c, unsigned other)
{
	if (other == c || other == WEIR_C_rx_frames)
		return 1;
	return other == WEIR_C_flow_redirected &&
	       (c == WEIR_C_ack_accepted || c == WEIR_C_syn_to_worker ||
		c == WEIR_C_icmp_redirected);
}

void bed_expect_(struct bed *b, int act, enum weir_counter c, const char *name, const char *file,
		 int line)
{
	unsigned i;

	for (i = 1; i < WEIR_C_MAX; i++) {
		uint64_t n = bed_count(b, i);

		if (n == wanted(c, i) || i == WEIR_C_csum_partial_accepted)
			continue;
		print_error("expected %s, but %s moved by %llu\n", name, counter_name(i),
			    (unsigned long long)n);
		_fail(file, line);
	}
	if (b->act != act) {
		print_error("expected action %d (%s), got %d\n", act, name, b->act);
		_fail(file, line);
	}
	bed_mark(b);
}

/* ---- flows ----------------------------------------------------------------------------- */

struct weir_flow_key6 bed_tuple(const struct frame *client)
{
	struct weir_flow_key6 t = {.rport = htons(client->sport), .lport = htons(client->dport)};

	if (client->family == 6) {
		memcpy(t.raddr, client->src, 16);
		memcpy(t.laddr, client->dst, 16);
	} else {
		t.raddr[2] = t.laddr[2] = htonl(0xffff);
		memcpy(&t.raddr[3], client->src, 4);
		memcpy(&t.laddr[3], client->dst, 4);
	}
	return t;
}

bool bed_flow(struct bed *b, const struct frame *client, struct weir_flow *f)
{
	struct weir_flow_key6 t = bed_tuple(client);
	struct weir_flow_key4 k = weir_tuple_key4(&t);

	if (client->family == 4)
		return !bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.flows4), &k, f);
	return !bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.flows6), &t, f);
}

/* Again and again is once. */
void bed_enter(struct bed *b, const struct frame *client)
{
	struct weir_flow_key6 t = bed_tuple(client);
	struct weir_flow_key4 k = weir_tuple_key4(&t);
	bool v4 = client->family == 4;
	uint64_t hash = v4 ? weir_tuple_hash4(&k) : weir_tuple_hash6(&t);
	int fd = bpf_map__fd(v4 ? b->skel->maps.flows4 : b->skel->maps.flows6), err;
	const struct weir_flow f = {.mss = 1460};

	err = bpf_map_update_elem(fd, v4 ? (const void *)&k : &t, &f, BPF_NOEXIST);
	assert_true(!err || err == -EEXIST);
	if (!err)
		b->skel->bss->weir_presence[weir_presence_cell(hash)]++;
}

/* ---- the handshake as it must be ----------------------------------------------------------- */

struct weir_cookie bed_cookie(struct bed *b, const struct frame *syn, const struct frame_layout *l)
{
	struct weir_flow_key6 t = bed_tuple(syn);
	const struct weir_syn_opts o = {
		.mss = l->mss,
		.wscale = l->wscale < 0 ? WEIR_WSCALE_NONE : (uint8_t)l->wscale,
		.flags = (uint8_t)((l->sack ? WEIR_OPT_SACK : 0) | (l->ts ? WEIR_OPT_TS : 0) |
				   ((syn->flags & (ECE | CWR)) == (ECE | CWR) ? WEIR_OPT_ECN : 0)),
		.tsval = l->tsval,
	};
	struct weir_cookie c;

	weir_cookie_make_tuple(b->cfg, bed_wall(b), &t, syn->seq, &o, &c);
	return c;
}

static size_t put_bytes(uint8_t *o, size_t at, const uint8_t *bytes, size_t n)
{
	memcpy(o + at, bytes, n);
	return at + n;
}

static size_t put_be32(uint8_t *o, size_t at, uint32_t v)
{
	const uint32_t be = htonl(v);

	return put_bytes(o, at, (const uint8_t *)&be, 4);
}

struct frame bed_syn_ack(struct bed *b, const struct frame *syn, const struct frame_layout *l)
{
	const uint16_t mss = syn->family == 4 ? b->cfg->mss4 : b->cfg->mss6;
	struct weir_cookie c = bed_cookie(b, syn, l);
	struct frame a = frame_answer(syn, SYN | ACK, c.iss, syn->seq + 1);
	size_t n;

	if ((syn->flags & (ECE | CWR)) == (ECE | CWR))
		a.flags |= ECE;
	a.id = 0;
	a.ttl = b->cfg->ttl;
	a.window = b->cfg->window;
	n = put_be32(a.opts, 0, 0x02040000u | mss);
	if (l->ts) {
		n = put_be32(a.opts, n, l->sack ? 0x0402080a : 0x0101080a);
		n = put_be32(a.opts, n, c.tsval);
		n = put_be32(a.opts, n, l->tsval);
	} else if (l->sack) {
		n = put_be32(a.opts, n, 0x01010402);
	}
	if (l->wscale >= 0)
		n = put_be32(a.opts, n, 0x01030300u | b->cfg->wscale);
	a.opts_len = n;
	return a;
}

struct frame bed_ack(const struct frame *syn, const struct frame_layout *l,
		     const struct weir_cookie *c)
{
	struct frame a = *syn;

	a.flags = ACK;
	a.seq = syn->seq + 1;
	a.ack = c->iss + 1;
	a.opts_len = 0;
	if (l->ts)
		frame_timestamps(&a, l->tsval + 5, c->tsval);
	return a;
}

void bed_expect_frame(struct bed *b, const struct frame *f, const char *what)
{
	uint8_t want[FRAME_MAX];
	size_t len = frame_build(f, want);
	size_t i;

	if (b->out_len != len)
		print_error("%s: %zu bytes, expected %zu\n", what, b->out_len, len);
	assert_int_equal(b->out_len, len);
	for (i = 0; i < len; i++)
		if (b->out[i] != want[i])
			print_error("%s: byte %zu is %02x, expected %02x\n", what, i, b->out[i],
				    want[i]);
	assert_memory_equal(b->out, want, len);
}
