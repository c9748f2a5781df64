/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flows: the gate only creates entries, the owning worker only deletes them
 * (abi.h). While an entry exists, every frame of its 4-tuple goes to user space.
 */
#ifndef WEIR_GATE_FLOW_H
#define WEIR_GATE_FLOW_H

#include "gate.h"
#include "gate_count.h"
#include "gate_policy.h"

static __always_inline __u64 gate_hash(const struct weir_flow_key6 *t, const int family)
{
	if (family == 4) {
		struct weir_flow_key4 k = weir_tuple_key4(t);

		return weir_tuple_hash4(&k);
	}
	return weir_tuple_hash6(t);
}

/* The count of flows whose tuple meets this one's (include/weir/presence.h). */
static __always_inline __u32 *gate_presence(const struct weir_flow_key6 *t, const int family)
{
	return &weir_presence[weir_presence_cell(gate_hash(t, family))];
}

/* Keys are the maps' own: struct weir_flow_key4 or struct weir_flow_key6. */
static __always_inline int gate_flow_exists(const struct weir_flow_key6 *t, const void *key,
					    const int family)
{
	if (!*gate_presence(t, family))
		return 0;
	if (family == 4)
		return !!bpf_map_lookup_elem(&flows4, key);
	return !!bpf_map_lookup_elem(&flows6, key);
}

/*
 * To the socket of the frame's RX queue. Never to the host's stack, which would
 * reset a connection that it does not know.
 */
static __always_inline int gate_redirect(struct gate *g)
{
	int act = bpf_redirect_map(&xsks, g->ctx->rx_queue_index, XDP_DROP);

	if (act != XDP_REDIRECT)
		return gate_drop(g, WEIR_C_drop_no_socket);
	gate_count(g, WEIR_C_flow_redirected);
	return act;
}

/* The same for what is no flow's, or not its own: with a counter of its own. */
static __always_inline int gate_redirect_as(struct gate *g, enum weir_counter c)
{
	int act = gate_redirect(g);

	if (act == XDP_REDIRECT)
		gate_count(g, c);
	return act;
}

/* An int, as up to 6.3 the upper half of what the helper returns is not its sign. */
static __always_inline int gate_flow_update(const struct gate *g, const int family,
					    const struct weir_flow *f)
{
	if (family == 4)
		return (int)bpf_map_update_elem(&flows4, g->key, f, BPF_NOEXIST);
	return (int)bpf_map_update_elem(&flows6, g->key, f, BPF_NOEXIST);
}

static __always_inline int gate_flow_insert(const struct gate *g, const int family,
					    const struct weir_flow *f)
{
	__u32 *presence = gate_presence(&g->pkt.tuple, family);
	int err;

	__sync_fetch_and_add(presence, 1);
	err = gate_flow_update(g, family, f);
	if (err)
		__sync_fetch_and_add(presence, -1);
	return err;
}

/* A SYN that is not answered by a cookie: the worker's, by the service's mode, or nobody's. */
static __always_inline int gate_syn_otherwise(struct gate *g, int verdict)
{
	if (verdict == WEIR_C_syn_to_worker)
		return gate_redirect_as(g, WEIR_C_syn_to_worker);
	return gate_drop(g, verdict);
}

/*
 * A valid cookie came in. Only a full map keeps the frame out: any other failure
 * leaves the entry to the worker, which knows the cookie too.
 */
static __always_inline int gate_enter(struct gate *g, const int family, struct weir_flow *f)
{
	int err;

	f->owner = g->ctx->rx_queue_index;
	f->created_ms = g->mono_ms;
	err = gate_flow_insert(g, family, f);
	if (err)
		gate_uncount(g, family, f);
	if (!err)
		gate_count(g, WEIR_C_ack_accepted);
	else if (err == -GATE_EEXIST)
		gate_count(g, WEIR_C_ack_accepted_again);
	else if (err == -GATE_E2BIG)
		return gate_drop(g, WEIR_C_drop_flow_map_full);
	else
		gate_count(g, WEIR_C_flow_insert_failed);
	return gate_redirect(g);
}

#endif
