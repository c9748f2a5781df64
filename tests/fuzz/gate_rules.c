/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>

#include "../bpf/gate_bed.h"
#include "gate_rules.h"

#define RULES 60 /* of each policy and family */

static bool used; /* since the beginning: comparing takes its time */

void rules_begin(const struct gate_host_view *host)
{
	if (!used && host->source_key[0])
		return;
	used = false;
	host->source_key[0] = bed.skel->bss->weir_source_key[0] = 0x1234567890abcdef;
	host->source_key[1] = bed.skel->bss->weir_source_key[1] = 0xfedcba0987654321;
	memset(bed.skel->bss->weir_buckets, 0, sizeof(bed.skel->bss->weir_buckets));
	memset(bed.skel->bss->weir_sources, 0, sizeof(bed.skel->bss->weir_sources));
	memset(host->buckets, 0, sizeof(bed.skel->bss->weir_buckets));
	memset(host->sources, 0, sizeof(bed.skel->bss->weir_sources));
	memset(bed.skel->bss->weir_policies, 0, sizeof(bed.skel->bss->weir_policies));
	memset(host->policies, 0, sizeof(bed.skel->bss->weir_policies));
}

/* Near the addresses that clients have: prefixes of theirs, a bit turned here and there. */
static struct weir_acl_key6 rule(int family, struct in *in, uint32_t *verdict)
{
	static const uint8_t v4[16] = {10, 0, 0, 1};
	static const uint8_t v6[16] = {0xfd, [15] = 1};
	unsigned max = family == 4 ? 32 : 128, bit;
	struct weir_acl_key6 k = {0};
	uint8_t *a = (uint8_t *)k.addr, bits = in8(in);

	memcpy(a, family == 4 ? v4 : v6, 16);
	if (bits & 1)
		a[in8(in) % (max / 8)] ^= in8(in);
	bit = in8(in) % (max + 1);
	k.prefixlen = WEIR_ACL_LIST_BITS + bit;
	k.list = bits & 2 ? weir_htonl(1) : 0;
	for (; bit < 128; bit++)
		a[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	*verdict = bits >> 2 & 3;
	return k;
}

static void enter_lists(int family, unsigned which, struct in *in)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	size_t size = family == 4 ? sizeof(struct weir_acl_key4) : sizeof(struct weir_acl_key6);
	int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "fuzz_acl", (uint32_t)size, 4, RULES, &opts);
	int outer = bpf_map__fd(family == 4 ? bed.skel->maps.acl4 : bed.skel->maps.acl6);
	unsigned n = in8(in) % 8;

	REQUIRE(fd >= 0);
	while (n--) {
		uint32_t verdict, had;
		struct weir_acl_key6 k = rule(family, in, &verdict);

		if (!gate_host_rule(family, which, &k, verdict))
			break;
		REQUIRE(!bpf_map_update_elem(fd, &k, &verdict, BPF_ANY));
		REQUIRE(!bpf_map_lookup_elem(fd, &k, &had));
	}
	REQUIRE(!bpf_map_update_elem(outer, &which, &fd, BPF_ANY));
	close(fd);
}

static struct weir_source source(struct in *in)
{
	struct weir_source s;

	for (unsigned i = 0; i < 8; i++)
		s.mask[i / 4][i % 4] = in8(in) & 1 ? 0xffffffff : in8(in);
	return s;
}

static struct weir_limit limit(struct in *in)
{
	struct weir_limit l = {.per_sec = in8(in) & 7, .burst = 1 + (in8(in) & 3)};

	l.by = source(in);
	return l;
}

/* A policy is made once for each place: tries on the host's side only grow. */
void rules_change(const struct gate_host_view *host, struct in *in)
{
	uint8_t bits = in8(in);
	unsigned which = bits & 1;
	struct weir_policy *p = &bed.skel->bss->weir_policies[which];

	used = true;
	bed.cfg->flags &= ~(uint32_t)(WEIR_CFG_POLICY | WEIR_CFG_POLICY_1);
	bed.cfg->flags |= (bits & 2 ? 0 : WEIR_CFG_POLICY) | (which ? WEIR_CFG_POLICY_1 : 0);
	if (p->pad)
		return;
	p->pad = 1;
	p->acl = bits >> 2 & 1;
	if (p->acl) {
		enter_lists(4, which, in);
		enter_lists(6, which, in);
	}
	p->list[0] = bits >> 3 & 1;
	p->synack = limit(in);
	p->flow = limit(in);
	p->flow_limit = bits & 16 ? 0 : in8(in) & 3;
	p->flow_counts = p->flow_limit ? 1 + (bits >> 5 & 1) : 0;
	if (p->flow_counts)
		bed.skel->bss->weir_sources[p->flow_counts - 1].by =
			host->sources[p->flow_counts - 1].by = p->flow.by;
	host->policies[which] = *p;
}

void rules_check(const struct gate_host_view *host)
{
	if (!used)
		return;
	REQUIRE(!memcmp(host->buckets, bed.skel->bss->weir_buckets,
			sizeof(bed.skel->bss->weir_buckets)));
	REQUIRE(!memcmp(host->sources, bed.skel->bss->weir_sources,
			sizeof(bed.skel->bss->weir_sources)));
}
