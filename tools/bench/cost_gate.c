// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <weir/clock.h>
#include <weir/cookie.h>
#include <weir/policy.h>
#include <weir/presence.h>

#include "../lo_socket.h"
#include "cost.h"
#include "weir.skel.h"

#define BULK  4096
#define FLOWS 262144 /* what `weir run` asks for */

/* The gate's time runs on jiffies, as it does when attached. */
static int set_clock(struct cost_gate *g, struct weir_gate_clock *c)
{
	struct weir_clock_sample s = {0};
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = &s, .ctx_size_in = sizeof(s));
	struct timespec tick, wall;

	if (bpf_prog_test_run_opts(bpf_program__fd(g->skel->progs.weir_clock_now), &o))
		return -errno;
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	clock_gettime(CLOCK_REALTIME, &wall);
	c->base_jiffies = s.jiffies;
	c->tick_mult = ((uint64_t)tick.tv_nsec << 20) / 1000000;
	c->wall_offset_ms = (uint64_t)wall.tv_sec * 1000;
	return 0;
}

/* As user/control/instance.c does it. */
static int configure(struct cost_gate *g)
{
	struct weir_gate_config *c = &g->skel->bss->weir_cfg;
	int i;

	for (i = 0; i < 4; i++)
		c->keys.key[i / 2][i % 2] = cost_random();
	weir_mss_classes(c->mss_class, 1500);
	c->heartbeat_max_ms = 2000;
	c->rst_per_sec = 100;
	c->window = 65535;
	c->mss4 = 1460;
	c->mss6 = 1440;
	c->wscale = 7;
	c->ttl = 64;
	memcpy(c->mac, cost_mac, 6);
	g->skel->bss->weir_heartbeat[0] = 3600000; /* the worker lives, an hour ahead */
	g->skel->bss->weir_services[0].in_use = 1;
	g->skel->bss->weir_ports[COST_PORT] = 1;
	return set_clock(g, &c->clock);
}

/* A redirect needs someone to go to: one socket for all gates. */
static int bind_socket(struct cost_gate *g)
{
	static struct lo_socket *s;
	uint32_t queue = 0;
	int rc = s ? 0 : lo_socket_open(&s), fd;

	if (rc)
		return rc;
	fd = lo_socket_fd(s);
	return bpf_map_update_elem(bpf_map__fd(g->skel->maps.xsks), &queue, &fd, 0);
}

/* ---- flows ----------------------------------------------------------------------- */

struct cost_spec cost_flow(int family, uint32_t i)
{
	return (struct cost_spec){
		.family = family,
		.layout = LAYOUT_TS,
		.flags = 0x10,
		.dport = COST_PORT,
		.sport = (uint16_t)(1024 + i * 7919 % 60000),
		.source = i,
		.seq = (uint32_t)cost_random(),
		.ack = (uint32_t)cost_random(),
	};
}

static int flows_fd(const struct cost_gate *g, int family)
{
	return bpf_map__fd(family == 4 ? g->skel->maps.flows4 : g->skel->maps.flows6);
}

/* The key of flow i, which is about to be entered: counted (include/weir/presence.h). */
static size_t new_key(const struct cost_gate *g, int family, uint32_t i, void *key)
{
	const struct cost_spec s = cost_flow(family, i);
	const struct weir_flow_key6 t = cost_tuple(&s);
	const struct weir_flow_key4 k = weir_tuple_key4(&t);
	uint64_t hash = family == 4 ? weir_tuple_hash4(&k) : weir_tuple_hash6(&t);

	g->skel->bss->weir_presence[weir_presence_cell(hash)]++;
	if (family == 4)
		memcpy(key, &k, sizeof(k));
	else
		memcpy(key, &t, sizeof(t));
	return family == 4 ? sizeof(k) : sizeof(t);
}

static int add_flows(const struct cost_gate *g, int family, uint32_t n)
{
	static uint8_t keys[BULK * sizeof(struct weir_flow_key6)];
	static struct weir_flow flows[BULK];
	LIBBPF_OPTS(bpf_map_batch_opts, o);
	uint32_t i, count;

	for (i = 0; i < n; i += count) {
		size_t at = 0;

		for (count = 0; count < BULK && i + count < n; count++)
			at += new_key(g, family, i + count, keys + at);
		if (bpf_map_update_batch(flows_fd(g, family), keys, flows, &count, &o))
			return -errno;
	}
	return 0;
}

/* The next key is asked for before this one goes: without it, every search begins anew. */
static int delete_all(int fd)
{
	uint8_t key[2][sizeof(struct weir_flow_key6)];
	unsigned at = 0;
	bool more = !bpf_map_get_next_key(fd, NULL, key[0]);

	while (more) {
		more = !bpf_map_get_next_key(fd, key[at], key[!at]);
		if (bpf_map_delete_elem(fd, key[at]))
			return -errno;
		at = !at;
	}
	return 0;
}

int cost_gate_forget(struct cost_gate *g)
{
	int rc = delete_all(flows_fd(g, 4));

	if (!rc)
		rc = delete_all(flows_fd(g, 6));
	if (rc)
		return rc;
	memset(g->skel->bss->weir_presence, 0, sizeof(g->skel->bss->weir_presence));
	return 0;
}

/* ---- policy ---------------------------------------------------------------------- */

/* The longest prefix of a source, or with len 0 all of its family. */
static int add_prefix(const struct cost_gate *g, const struct cost_spec *s, bool all,
		      uint32_t verdict)
{
	const struct weir_flow_key6 t = cost_tuple(s);
	struct weir_acl_key4 k4 = {WEIR_ACL_LIST_BITS + (all ? 0 : 32), 0, t.raddr[3]};
	struct weir_acl_key6 k6 = {WEIR_ACL_LIST_BITS + (all ? 0 : 128), 0, {0}};

	memcpy(k6.addr, t.raddr, sizeof(k6.addr));
	if (s->family == 4)
		return bpf_map_update_elem(bpf_map__fd(g->skel->maps.acl4_0), &k4, &verdict, 0);
	return bpf_map_update_elem(bpf_map__fd(g->skel->maps.acl6_0), &k6, &verdict, 0);
}

/* Among the strangers' own addresses (cost_cases.c): nearly all are looked for in vain. */
static int add_lists(const struct cost_gate *g, int family, bool denied)
{
	struct cost_spec s = {.family = family};
	unsigned i;
	int rc = 0;

	for (i = 0; i < 10000 && !rc; i++) {
		s.source = 0x200000 | (uint32_t)(cost_random() & 0x1fffff);
		rc = add_prefix(g, &s, false, denied ? WEIR_ACL_DENY : WEIR_ACL_ALLOW);
	}
	return rc || !denied ? rc : add_prefix(g, &s, true, WEIR_ACL_DENY);
}

static struct weir_limit no_matter(const uint32_t *mask4, uint32_t mask6)
{
	struct weir_limit l = {.per_sec = 1000000, .burst = 1000000};

	memset(l.by.mask, 0xff, sizeof(l.by.mask));
	l.by.mask[0][3] = htonl(*mask4);
	l.by.mask[1][1] = htonl(mask6);
	l.by.mask[1][2] = l.by.mask[1][3] = 0;
	return l;
}

int cost_gate_policy(struct cost_gate *g, unsigned policy)
{
	static const uint32_t by24 = 0xffffff00, by32 = 0xffffffff;
	struct weir_policy *p = &g->skel->bss->weir_policies[0];
	int rc = 0;

	if (!policy)
		return 0;
	g->skel->bss->weir_source_key[0] = cost_random();
	g->skel->bss->weir_source_key[1] = cost_random();
	p->acl = !!(policy & (COST_LISTS | COST_DENIED));
	if (p->acl)
		rc = add_lists(g, 4, policy & COST_DENIED);
	if (p->acl && !rc)
		rc = add_lists(g, 6, policy & COST_DENIED);
	if (policy & COST_SYNACK)
		p->synack = no_matter(&by24, 0xffffff00);
	if (policy & COST_FLOWS) {
		p->flow = no_matter(&by32, 0xffffffff);
		p->flow_limit = 1000000;
		p->flow_counts = 1;
		g->skel->bss->weir_sources[0].by = p->flow.by;
	}
	g->skel->bss->weir_cfg.flags |= WEIR_CFG_POLICY;
	return rc;
}

/* ---- life ------------------------------------------------------------------------ */

int cost_gate_open(struct cost_gate *g, uint32_t flows)
{
	uint32_t capacity = flows < FLOWS ? FLOWS : flows + flows / 16;
	int rc;

	g->skel = weir_bpf__open();
	if (!g->skel)
		return -errno;
	bpf_map__set_max_entries(g->skel->maps.flows4, capacity);
	bpf_map__set_max_entries(g->skel->maps.flows6, capacity);
	rc = weir_bpf__load(g->skel);
	if (!rc)
		rc = configure(g);
	if (!rc)
		rc = bind_socket(g);
	if (!rc)
		rc = add_flows(g, 4, flows);
	if (!rc)
		rc = add_flows(g, 6, flows);
	if (rc)
		cost_gate_close(g);
	else
		g->prog = bpf_program__fd(g->skel->progs.weir_gate);
	return rc;
}

void cost_gate_close(struct cost_gate *g)
{
	weir_bpf__destroy(g->skel);
	g->skel = NULL;
}

/* ---- running ------------------------------------------------------------------------ */

static int stats(int prog, struct bpf_prog_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, len);
	return bpf_obj_get_info_by_fd(prog, info, &len);
}

double cost_measure(int prog, const struct cost_frame *f, unsigned n, int want)
{
	struct bpf_prog_info before, after;
	unsigned i, others = 0;

	if (stats(prog, &before))
		return -errno;
	for (i = 0; i < n; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f[i].bytes, .data_size_in = f[i].len,
			    .repeat = 1);

		if (bpf_prog_test_run_opts(prog, &o))
			return -errno;
		others += want >= 0 && (int)o.retval != want;
	}
	if (others > n / 1000)
		return -EPROTO;
	if (stats(prog, &after))
		return -errno;
	return (double)(after.run_time_ns - before.run_time_ns) /
	       (double)(after.run_cnt - before.run_cnt);
}

int cost_once(int prog, struct cost_frame *f)
{
	struct cost_frame out;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->bytes, .data_size_in = f->len,
		    .data_out = out.bytes, .data_size_out = sizeof(out.bytes), .repeat = 1);

	if (bpf_prog_test_run_opts(prog, &o))
		return -errno;
	out.len = (uint16_t)o.data_size_out;
	*f = out;
	return (int)o.retval;
}
