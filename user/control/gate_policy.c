/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy into the gate (include/weir/policy.h): made beside the one in force, put in its
 * place by one store, and the old one taken away when no frame is judged by it any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <weir/policy.h>

#include "control/flowmap_bpf.h"
#include "control/gate.h"
#include "control/gate_policy.h"

#define CPU_TO_BE32(x) __builtin_bswap32(x)

/* ---- lists -------------------------------------------------------------------- */

static int enter(const struct gate *g, unsigned which, int family, unsigned list, unsigned len,
		 const uint8_t *addr, uint32_t verdict)
{
	struct weir_acl_key4 k4 = {WEIR_ACL_LIST_BITS + len, CPU_TO_BE32(list), 0};
	struct weir_acl_key6 k6 = {WEIR_ACL_LIST_BITS + len, CPU_TO_BE32(list), {0}};

	if (family == 4) {
		memcpy(&k4.addr, addr, sizeof(k4.addr));
		return bpf_map_update_elem(g->acl[which].v4, &k4, &verdict, BPF_ANY);
	}
	memcpy(k6.addr, addr, sizeof(k6.addr));
	return bpf_map_update_elem(g->acl[which].v6, &k6, &verdict, BPF_ANY);
}

/* What a list that allows anything makes of all others: a prefix of no length. */
static int enter_rest(const struct gate *g, unsigned which, unsigned list)
{
	static const uint8_t any[16];
	int rc = enter(g, which, 4, list, 0, any, WEIR_ACL_UNLISTED);

	return rc ? rc : enter(g, which, 6, list, 0, any, WEIR_ACL_UNLISTED);
}

static int empty_trie(int fd)
{
	struct weir_acl_key6 key; /* the larger of the two */
	int rc = 0;

	while (!rc && !bpf_map_get_next_key(fd, NULL, &key))
		rc = bpf_map_delete_elem(fd, &key);
	return rc;
}

/* Those of the policy that is not in force. */
static int fill_tries(const struct gate *g, unsigned which, const struct policy *p)
{
	int rc = empty_trie(g->acl[which].v4);
	unsigned list;
	size_t i;

	if (!rc)
		rc = empty_trie(g->acl[which].v6);
	/* First, as a list may say itself what becomes of all others. */
	for (list = 0; !rc && list < p->nlists; list++)
		if (p->lists[list].entries[POLICY_ALLOW])
			rc = enter_rest(g, which, list);
	for (i = 0; !rc && i < p->nprefixes; i++) {
		const struct policy_prefix *x = &p->prefixes[i];

		rc = enter(g, which, x->family, x->list, x->len, x->addr,
			   x->verdict == POLICY_ALLOW ? WEIR_ACL_ALLOW : WEIR_ACL_DENY);
	}
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

static int make_key(struct gate *g)
{
	if (g->source_key[0] | g->source_key[1])
		return 0;
	return getrandom(g->source_key, 16, 0) == 16 ? 0 : -EIO;
}

/* `p` becomes the gate's own. */
static void put_into_force(struct gate *g, struct policy *p, unsigned which, bool *recount)
{
	uint32_t counts = counts_for(g, p, recount);

	fill(g, &g->policies[which], p, counts);
	__atomic_store_n(&g->cfg->rst_per_sec, p->rst_per_sec, __ATOMIC_RELAXED);
	if (g->flows)
		flowmap_bpf_count(g->flows, counts);
	switch_to(g, !policy_is_empty(p), which);
	gate_wait_for_frames(g); /* no frame is judged by the other one any more */
	policy_free(&g->policy);
	g->policy = *p;
}

int gate_policy_apply(struct gate *g, const struct policy *p, struct weir_err *err)
{
	unsigned which = !(g->cfg->flags & WEIR_CFG_POLICY_1);
	bool recount = false;
	struct policy own;
	int rc;

	if (policy_copy(&own, p))
		return err_set(err, -ENOMEM, "out of memory");
	rc = policy_check(&own, err);
	if (rc)
		goto free_own;
	rc = make_key(g);
	if (!rc)
		rc = fill_tries(g, which, &own);
	if (rc) {
		err_set(err, rc, "cannot make the lists of %zu prefixes: %s", own.nprefixes,
			strerror(-rc));
		goto free_own;
	}
	pthread_mutex_lock(&g->lock);
	put_into_force(g, &own, which, &recount);
	pthread_mutex_unlock(&g->lock);
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

/* ---- looking in --------------------------------------------------------------------- */

static void source_key(const struct weir_addr *a, __be32 key[4])
{
	memset(key, 0, 16);
	if (a->family == 4) {
		key[2] = CPU_TO_BE32(0xffff);
		memcpy(&key[3], a->addr, 4);
	} else {
		memcpy(key, a->addr, 16);
	}
}

static uint32_t tokens_left(const struct gate *g, const struct weir_limit *l,
			    enum weir_bucket_table table, bool v6, const __be32 key[4],
			    uint64_t now_ms)
{
	uint64_t hash = weir_source_hash((const __u64 *)g->source_key, l->by.mask[v6], key);
	const struct weir_bucket_set *set =
		&g->buckets[(unsigned)table * WEIR_BUCKET_SETS + weir_bucket_index(hash)];
	unsigned i;

	for (i = 0; i < WEIR_BUCKET_WAYS; i++)
		if (set->way[i].tag == weir_bucket_tag(hash))
			return (uint32_t)(weir_bucket_credit(&set->way[i], l, now_ms) /
					  WEIR_BUCKET_TOKEN);
	return l->burst;
}

static uint32_t flows_of(const struct gate *g, bool v6, const __be32 key[4])
{
	const struct weir_source_counts *c = &g->sources[g->counts - 1];
	uint64_t hash = weir_source_hash((const __u64 *)g->source_key, c->by.mask[v6], key);
	uint32_t least = UINT32_MAX;
	unsigned row;

	for (row = 0; row < WEIR_SOURCE_ROWS; row++) {
		uint32_t n = c->row[row][weir_source_cell(hash, row)];

		least = n < least ? n : least;
	}
	return least;
}

void gate_policy_now(const struct gate *g, const struct weir_addr *source, uint64_t now_ms,
		     struct policy_source_now *now)
{
	const struct weir_policy *p = &g->policies[g->cfg->flags & WEIR_CFG_POLICY_1 ? 1 : 0];
	bool v6 = source->family == 6;
	__be32 key[4];

	memset(now, 0, sizeof(*now));
	source_key(source, key);
	if (p->synack.per_sec)
		now->synack_tokens =
			tokens_left(g, &p->synack, WEIR_BUCKETS_SYNACK, v6, key, now_ms);
	if (p->flow.per_sec)
		now->flow_tokens = tokens_left(g, &p->flow, WEIR_BUCKETS_FLOW, v6, key, now_ms);
	if (p->flow_limit)
		now->flows = flows_of(g, v6, key);
}

/* 0: none says anything of it. */
static uint32_t look_up(const struct gate *g, unsigned which, unsigned list,
			const struct weir_addr *a)
{
	struct weir_acl_key4 k4 = {WEIR_ACL_LIST_BITS + 32, CPU_TO_BE32(list), 0};
	struct weir_acl_key6 k6 = {WEIR_ACL_LIST_BITS + 128, CPU_TO_BE32(list), {0}};
	uint32_t verdict = 0;
	int rc;

	memcpy(&k4.addr, a->addr, sizeof(k4.addr));
	memcpy(k6.addr, a->addr, sizeof(k6.addr));
	rc = a->family == 4 ? bpf_map_lookup_elem(g->acl[which].v4, &k4, &verdict)
			    : bpf_map_lookup_elem(g->acl[which].v6, &k6, &verdict);
	return rc ? 0 : verdict;
}

/* By the address itself, or any of that port: as the gate finds it. */
static unsigned list_of(struct gate *g, unsigned which, const struct weir_addr *local)
{
	const struct weir_addr any = {.port = local->port};
	const struct weir_service *s = gate_service_at(g, local);

	if (!s)
		s = gate_service_at(g, &any);
	return s ? g->policies[which].list[s - g->services] : 0;
}

bool gate_policy_welcome(struct gate *g, const struct weir_addr *local,
			 const struct weir_addr *source)
{
	unsigned which = g->cfg->flags & WEIR_CFG_POLICY_1 ? 1 : 0, list;

	if (!g->policies[which].acl)
		return true;
	if (look_up(g, which, 0, source) > WEIR_ACL_ALLOW)
		return false;
	list = list_of(g, which, local);
	return !list || look_up(g, which, list, source) <= WEIR_ACL_ALLOW;
}

void gate_policy_listen(struct gate *g, unsigned id)
{
	uint16_t list = 0;

	if (g->policy.nuses)
		list = (uint16_t)policy_list_of(&g->policy, &g->listens[id].addr);
	g->policies[0].list[id] = g->policies[1].list[id] = list;
}
