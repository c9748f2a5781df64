/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include <weir/abi.h>
#include "control/counter_names.h"
#include "control/ctl_policy.h"
#include "control/services.h"

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *services_of(const struct policy *p, unsigned list)
{
	json_t *a = json_array();
	char text[96];
	unsigned i;

	for (i = 0; a && i < p->nuses; i++) {
		if (p->uses[i].list != list)
			continue;
		services_format(&p->uses[i].service, text, sizeof(text));
		json_array_append_new(a, json_string(text));
	}
	return a;
}

static json_t *lists(const struct policy *p)
{
	json_t *a = json_array();
	unsigned i;

	for (i = 0; a && i < p->nlists; i++) {
		const struct policy_list *l = &p->lists[i];

		json_array_append_new(a, json_pack("{sssososo}", "name", l->name, "allow",
						   number(l->entries[POLICY_ALLOW]), "deny",
						   number(l->entries[POLICY_DENY]), "services",
						   services_of(p, i)));
	}
	return a;
}

static json_t *rate(const struct policy_rate *r)
{
	char prefix[16];

	snprintf(prefix, sizeof(prefix), "%u,%u", r->by.len4, r->by.len6);
	return json_pack("{sososs}", "per_sec", number(r->per_sec), "burst",
			 number(r->burst ? r->burst : r->per_sec), "prefix", prefix);
}

static json_t *limits(const struct policy *p)
{
	return json_pack("{sosososososs}", "synack", rate(&p->synack), "flow", rate(&p->flow),
			 "flow_limit", number(p->flow_limit), "max_flows", number(p->max_flows),
			 "rst_per_sec", number(p->rst_per_sec), "denied_flows",
			 p->denied_flows == POLICY_RESET ? "reset" : "keep");
}

static json_t *hits(const uint64_t *v)
{
	static const enum weir_counter of[] = {
		WEIR_C_drop_acl_denied, WEIR_C_drop_acl_unlisted, WEIR_C_drop_synack_rate,
		WEIR_C_drop_flow_rate,	WEIR_C_drop_flow_limit,	  WEIR_C_drop_flows_full,
		WEIR_C_drop_ack_cookie, WEIR_C_rst_sent,
	};
	json_t *o = json_object();
	size_t i;

	for (i = 0; o && i < sizeof(of) / sizeof(of[0]); i++)
		json_object_set_new(o, counter_name(of[i]), number(v[of[i]]));
	return o;
}

static json_t *verdict(const struct policy *p, unsigned list, const struct weir_addr *source)
{
	struct policy_answer a = policy_ask(p, list, source);
	char prefix[64] = "", from[400] = "";

	if (a.by)
		policy_format_prefix(a.by, prefix, sizeof(prefix));
	if (a.by && a.by->file)
		snprintf(from, sizeof(from), "%s:%u", p->files[a.by->file - 1], a.by->line);
	return json_pack("{sssbssss}", "name", p->lists[list].name, "welcome", a.welcome, "prefix",
			 prefix, "from", from);
}

static json_t *test(const struct ctl_policy *c, const struct weir_addr *source)
{
	const struct policy *p = c->policy;
	struct policy_prefix x = {.family = source->family};
	json_t *o, *a = json_array();
	char text[64];
	unsigned i;

	for (i = 0; a && i < p->nlists; i++)
		json_array_append_new(a, verdict(p, i, source));
	memcpy(x.addr, source->addr, sizeof(x.addr));
	policy_format_prefix(&x, text, sizeof(text));
	text[strcspn(text, "/")] = '\0';
	o = json_pack("{ssso}", "source", text, "lists", a);
	if (o && p->synack.per_sec)
		json_object_set_new(o, "synack_tokens", number(c->now.synack_tokens));
	if (o && p->flow.per_sec)
		json_object_set_new(o, "flow_tokens", number(c->now.flow_tokens));
	if (o && p->flow_limit)
		json_object_set_new(o, "flows", number(c->now.flows));
	return o;
}

json_t *ctl_json_policy(const struct ctl_policy *c, const struct weir_addr *source,
			const uint64_t *v)
{
	json_t *o = json_pack("{sisososo}", "version", 1, "lists", lists(c->policy), "limits",
			      limits(c->policy), "hits", hits(v));

	if (o && source)
		json_object_set_new(o, "test", test(c, source));
	return o;
}
