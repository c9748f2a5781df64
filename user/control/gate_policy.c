/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy into the gate (include/weir/policy.h): made beside the one in force, put in its
 * place by one store, and the old one taken away when no frame is judged by it any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <weir/policy.h>

#include "control/flowmap_bpf.h"
#include "control/gate.h"
#include "control/gate_policy.h"

#define CPU_TO_BE32(x) __builtin_bswap32(x)

/* ---- lists -------------------------------------------------------------------- */

struct tries {
	int fd4, fd6;
};

static void close_tries(struct tries *t)
{
	if (t->fd4 >= 0)
		close(t->fd4);
	if (t->fd6 >= 0)
		close(t->fd6);
	*t = (struct tries){-1, -1};
}

static int enter(const struct tries *t, int family, unsigned list, unsigned len,
		 const uint8_t *addr, uint32_t verdict)
{
	struct weir_acl_key4 k4 = {WEIR_ACL_LIST_BITS + len, CPU_TO_BE32(list), 0};
	struct weir_acl_key6 k6 = {WEIR_ACL_LIST_BITS + len, CPU_TO_BE32(list), {0}};

	if (family == 4) {
		memcpy(&k4.addr, addr, sizeof(k4.addr));
		return bpf_map_update_elem(t->fd4, &k4, &verdict, BPF_ANY);
	}
	memcpy(k6.addr, addr, sizeof(k6.addr));
	return bpf_map_update_elem(t->fd6, &k6, &verdict, BPF_ANY);
}

/* What a list that allows anything makes of all others: a prefix of no length. */
static int enter_rest(const struct tries *t, unsigned list)
{
	static const uint8_t any[16];
	int rc = enter(t, 4, list, 0, any, WEIR_ACL_UNLISTED);

	return rc ? rc : enter(t, 6, list, 0, any, WEIR_ACL_UNLISTED);
}

static int make_tries(struct tries *t, const struct policy *p)
{
	struct bpf_map_create_opts opts = {.sz = sizeof(opts), .map_flags = BPF_F_NO_PREALLOC};
	uint32_t room = (uint32_t)(p->nprefixes + p->nlists);
	unsigned list;
	size_t i;
	int rc = 0;

	t->fd6 = -1;
	t->fd4 = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "weir_acl4", sizeof(struct weir_acl_key4),
				sizeof(uint32_t), room, &opts);
	if (t->fd4 < 0)
		return t->fd4;
	t->fd6 = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "weir_acl6", sizeof(struct weir_acl_key6),
				sizeof(uint32_t), room, &opts);
	if (t->fd6 < 0)
		rc = t->fd6;
	/* First, as a list may say itself what becomes of all others. */
	for (list = 0; !rc && list < p->nlists; list++)
		if (p->lists[list].entries[POLICY_ALLOW])
			rc = enter_rest(t, list);
	for (i = 0; !rc && i < p->nprefixes; i++) {
		const struct policy_prefix *x = &p->prefixes[i];

		rc = enter(t, x->family, x->list, x->len, x->addr,
			   x->verdict == POLICY_ALLOW ? WEIR_ACL_ALLOW : WEIR_ACL_DENY);
	}
	if (rc)
		close_tries(t);
	return rc;
}

/* ---- limits ------------------------------------------------------------------- */

static __be32 mask_word(unsigned len, unsigned word)
{
	unsigned bits = len > 32 * word ? len - 32 * word : 0;

	return bits >= 32 ? 0xffffffff : bits ? CPU_TO_BE32(~0u << (32 - bits)) : 0;
}

static struct weir_source source_of(const struct policy_source *s)
{
	struct weir_source out;
	unsigned w;

	for (w = 0; w < 4; w++) {
		out.mask[0][w] = mask_word(96u + s->len4, w);
		out.mask[1][w] = mask_word(s->len6, w);
	}
	return out;
}

static struct weir_limit limit_of(const struct policy_rate *r)
{
	return (struct weir_limit){
		.per_sec = r->per_sec,
		.burst = r->burst ? r->burst : r->per_sec,
		.by = source_of(&r->by),
	};
}

/*
 * In which counts flows are counted: those that are now as long as what a source is stays
 * the same, else the other ones, begun anew; *fresh says so.
 */
static uint32_t counts_for(struct gate *g, const struct policy *p, bool *fresh)
{
	struct weir_source by = source_of(&p->flow.by);
	struct weir_source_counts *c;

	*fresh = false;
	if (!p->flow_limit)
		return 0;
	if (g->policy.flow_limit && g->counts &&
	    !memcmp(&by, &g->sources[g->counts - 1].by, sizeof(by)))
		return g->counts;
	*fresh = true;
	g->counts = g->counts == 1 ? 2 : 1;
	c = &g->sources[g->counts - 1];
	memset(c->row, 0, sizeof(c->row));
	c->by = by;
	return g->counts;
}

static void fill(struct gate *g, struct weir_policy *to, const struct policy *p, uint32_t counts)
{
	unsigned id;

	to->acl = p->nprefixes > 0;
	to->synack = limit_of(&p->synack);
	to->flow = limit_of(&p->flow);
	to->flow_limit = p->flow_limit;
	to->flow_counts = counts;
	for (id = 0; id < WEIR_MAX_SERVICES; id++)
		to->list[id] = g->services[id].in_use && p->nuses
				       ? (uint16_t)policy_list_of(p, &g->listens[id].addr)
				       : 0;
}

/* ---- into force ------------------------------------------------------------------ */

static void switch_to(struct gate *g, bool any, unsigned which)
{
	uint32_t old = __atomic_load_n(&g->cfg->flags, __ATOMIC_RELAXED), flags;

	do {
		flags = old & ~(uint32_t)(WEIR_CFG_POLICY | WEIR_CFG_POLICY_1);
		flags |= (any ? WEIR_CFG_POLICY : 0) | (which ? WEIR_CFG_POLICY_1 : 0);
	} while (!__atomic_compare_exchange_n(&g->cfg->flags, &old, flags, false, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* The tries' place in the gate's maps; -1: out of it, and returns when nobody is in there. */
static int put_tries(struct gate *g, unsigned which, const struct tries *t)
{
	uint32_t key = which;
	int rc;

	if (!t) {
		bpf_map_delete_elem(g->acl4_fd, &key);
		return bpf_map_delete_elem(g->acl6_fd, &key);
	}
	rc = bpf_map_update_elem(g->acl4_fd, &key, &t->fd4, BPF_ANY);
	return rc ? rc : bpf_map_update_elem(g->acl6_fd, &key, &t->fd6, BPF_ANY);
}

static int make_key(struct gate *g)
{
	if (g->source_key[0] | g->source_key[1])
		return 0;
	return getrandom(g->source_key, 16, 0) == 16 ? 0 : -EIO;
}

/* `p` becomes the gate's own. */
static int apply(struct gate *g, struct policy *p, const struct tries *t, bool *recount)
{
	unsigned which = !(g->cfg->flags & WEIR_CFG_POLICY_1), was = !which;
	uint32_t counts = counts_for(g, p, recount);
	int rc = put_tries(g, which, t);

	if (rc)
		return rc;
	fill(g, &g->policies[which], p, counts);
	__atomic_store_n(&g->cfg->rst_per_sec, p->rst_per_sec, __ATOMIC_RELAXED);
	if (g->flows)
		flowmap_bpf_count(g->flows, counts);
	switch_to(g, !policy_is_empty(p), which);
	put_tries(g, was, NULL);
	policy_free(&g->policy);
	g->policy = *p;
	if (g->acl[0] >= 0) {
		close(g->acl[0]);
		close(g->acl[1]);
	}
	g->acl[0] = t->fd4;
	g->acl[1] = t->fd6;
	return 0;
}

int gate_policy_apply(struct gate *g, const struct policy *p, struct weir_err *err)
{
	bool recount = false;
	struct policy own;
	struct tries t;
	int rc;

	if (policy_copy(&own, p))
		return err_set(err, -ENOMEM, "out of memory");
	rc = policy_check(&own, err);
	if (rc)
		goto free_own;
	rc = make_tries(&t, &own);
	if (!rc)
		rc = make_key(g);
	if (rc) {
		err_set(err, rc, "cannot make the lists of %zu prefixes: %s", own.nprefixes,
			strerror(-rc));
		goto free_own;
	}
	pthread_mutex_lock(&g->lock);
	rc = apply(g, &own, &t, &recount);
	pthread_mutex_unlock(&g->lock);
	if (rc) {
		close_tries(&t);
		err_set(err, rc, "cannot give the lists to the gate: %s", strerror(-rc));
		goto free_own;
	}
	if (recount && g->flows) {
		rc = flowmap_bpf_recount(g->flows);
		if (rc)
			return err_set(err, rc, "cannot count the open flows: %s", strerror(-rc));
	}
	return 0;

free_own:
	policy_free(&own);
	return rc;
}

void gate_policy_listen(struct gate *g, unsigned id)
{
	uint16_t list = 0;

	if (g->policy.nuses)
		list = (uint16_t)policy_list_of(&g->policy, &g->listens[id].addr);
	g->policies[0].list[id] = g->policies[1].list[id] = list;
}
