/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

static const struct frame_layout *const layout = &frame_layouts[0];

struct policy_bed pb;

struct weir_service *pb_service(unsigned id)
{
	return &bed.skel->bss->weir_services[id];
}

int pb_setup(void **state)
{
	(void)state;
	bed_one_cpu();
	bed_open(&bed, 1024);
	pthread_mutex_init(&pb.gate.lock, NULL);
	pb.gate.cfg = bed.cfg;
	pb.gate.services = pb_service(0);
	pb.gate.listens[PORT_80].addr.port = 80;
	pb.gate.listens[PORT_443].addr = (struct weir_addr){4, 443, {10, 0, 0, 2}};
	pb.gate.acl[0].v4 = bpf_map__fd(bed.skel->maps.acl4_0);
	pb.gate.acl[0].v6 = bpf_map__fd(bed.skel->maps.acl6_0);
	pb.gate.acl[1].v4 = bpf_map__fd(bed.skel->maps.acl4_1);
	pb.gate.acl[1].v6 = bpf_map__fd(bed.skel->maps.acl6_1);
	pb.gate.acl_outer = bpf_map__fd(bed.skel->maps.acl4);
	pb.gate.policies = bed.skel->bss->weir_policies;
	pb.gate.sources = bed.skel->bss->weir_sources;
	pb.gate.buckets = &bed.skel->bss->weir_buckets[0][0];
	pb.gate.source_key = (uint64_t *)bed.skel->bss->weir_source_key;
	pb.gate.flows = &pb.flows;
	return policy_default(&pb.gate.policy);
}

void pb_start_over(void)
{
	struct weir_err err;

	policy_free(&pb.p);
	assert_int_equal(policy_default(&pb.p), 0);
	assert_int_equal(gate_policy_apply(&pb.gate, &pb.p, &err), 0);
	bed_reset(&bed);
	memset(bed.skel->bss->weir_buckets, 0, sizeof(bed.skel->bss->weir_buckets));
	flowmap_bpf_init(&pb.flows, bpf_map__fd(bed.skel->maps.flows4),
			 bpf_map__fd(bed.skel->maps.flows6), bed.skel->bss->weir_presence);
	flow_counts_init(&pb.flows.counts, pb.gate.sources, pb.gate.source_key);
	pb.p.rst_per_sec = 0;
}

int pb_fresh(void **state)
{
	(void)state;
	pb_start_over();
	return 0;
}

void pb_in_force(void)
{
	struct weir_err err;
	int rc = gate_policy_apply(&pb.gate, &pb.p, &err);

	if (rc)
		print_error("%s\n", err.msg);
	assert_int_equal(rc, 0);
}

void pb_list(enum policy_verdict v, const char *text)
{
	struct weir_err err;

	assert_int_equal(policy_add_arg(&pb.p, v, text, &err), 0);
}

struct frame pb_syn_from(unsigned way, const char *v4, const char *v6)
{
	struct frame f = frame_syn(way & 1 ? 6 : 4);

	f.vlans = way & 2 ? 2 : 0;
	f.tpid[0] = f.tpid[1] = 0x8100;
	frame_addr(f.src, way & 1 ? v6 : v4);
	frame_opts(&f, layout->opts, layout->opts_len);
	return f;
}

struct frame pb_ack_to(const struct frame *syn)
{
	struct weir_cookie c = bed_cookie(&bed, syn, layout);

	return bed_ack(syn, layout, &c);
}

void expect_dropped_(const struct frame *f, enum weir_counter c, const char *name, const char *file,
		     int line)
{
	bed_send(&bed, f);
	bed_expect_(&bed, XDP_DROP, c, name, file, line);
	bed_expect_frame(&bed, f, name);
}

void expect_cookie_(const struct frame *f, const char *file, int line)
{
	struct frame answer = bed_syn_ack(&bed, f, layout);

	bed_send(&bed, f);
	bed_expect_(&bed, XDP_TX, WEIR_C_syn_answered, "syn_answered", file, line);
	bed_expect_frame(&bed, &answer, "SYN-ACK");
}

void expect_to_worker_(const struct frame *f, const char *file, int line)
{
	bed_send(&bed, f);
	bed_expect_(&bed, XDP_REDIRECT, WEIR_C_syn_to_worker, "syn_to_worker", file, line);
}

void expect_flow_(const struct frame *syn, const char *file, int line)
{
	struct frame ack = pb_ack_to(syn);
	struct weir_flow flow;

	bed_send(&bed, &ack);
	bed_expect_(&bed, XDP_REDIRECT, WEIR_C_ack_accepted, "ack_accepted", file, line);
	bed_expect_frame(&bed, &ack, "final ACK");
	assert_true(bed_flow(&bed, syn, &flow));
}

void pb_remove_flow(const struct frame *syn)
{
	weir_tuple t = bed_tuple(syn);

	assert_int_equal(pb.flows.map.ops->remove(&pb.flows.map, &t, 1), 0);
}

void pb_set_alive(const struct frame *syn, bool alive)
{
	weir_tuple t = bed_tuple(syn);

	pb.flows.map.ops->alive(&pb.flows.map, &t, alive);
}

unsigned pb_counted(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WEIR_SOURCE_CELLS; i++)
		n += pb.gate.sources[pb.gate.counts - 1].row[2][i];
	return n;
}
