/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy.h"

int policy_default(struct policy *p)
{
	*p = (struct policy){
		.synack.by = POLICY_SYNACK_PREFIX,
		.flow.by = POLICY_FLOW_PREFIX,
		.rst_per_sec = POLICY_RST_PER_SEC,
	};
	return policy_list(p, "") < 0 ? -ENOMEM : 0;
}

void policy_free(struct policy *p)
{
	free(p->prefixes);
	free(p->lists);
	free(p->uses);
	while (p->nfiles)
		free(p->files[--p->nfiles]);
	free(p->files);
	memset(p, 0, sizeof(*p));
}

static int copy_files(struct policy *to, const struct policy *from)
{
	to->files = calloc(from->nfiles + 1, sizeof(*to->files));
	while (to->files && to->nfiles < from->nfiles) {
		to->files[to->nfiles] = strdup(from->files[to->nfiles]);
		if (!to->files[to->nfiles])
			return -ENOMEM;
		to->nfiles++;
	}
	return to->files ? 0 : -ENOMEM;
}

/* Never of no bytes, so that NULL means no memory. */
static void *copy_of(const void *from, size_t n, size_t size)
{
	void *to = calloc(n + 1, size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

int policy_copy(struct policy *to, const struct policy *from)
{
	*to = *from;
	to->files = NULL;
	to->nfiles = 0;
	to->room = from->nprefixes;
	to->prefixes = copy_of(from->prefixes, from->nprefixes, sizeof(*to->prefixes));
	to->lists = copy_of(from->lists, from->nlists, sizeof(*to->lists));
	to->uses = copy_of(from->uses, from->nuses, sizeof(*to->uses));
	if (to->prefixes && to->lists && to->uses && !copy_files(to, from))
		return 0;
	policy_free(to);
	return -ENOMEM;
}

int policy_list(struct policy *p, const char *name)
{
	struct policy_list *more;
	unsigned i;

	for (i = 0; i < p->nlists; i++)
		if (!strcmp(p->lists[i].name, name))
			return (int)i;
	if (strlen(name) >= sizeof(more->name) || p->nlists > UINT16_MAX)
		return -EINVAL;
	more = reallocarray(p->lists, p->nlists + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->lists = more;
	memset(&more[p->nlists], 0, sizeof(*more));
	strcpy(more[p->nlists].name, name);
	return (int)p->nlists++;
}

static bool same_addr(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	       (!a->family || !memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16));
}

unsigned policy_list_of(const struct policy *p, const struct weir_addr *service)
{
	unsigned i;

	for (i = 0; i < p->nuses; i++)
		if (same_addr(&p->uses[i].service, service))
			return p->uses[i].list;
	return 0;
}

int policy_use(struct policy *p, const struct weir_addr *service, unsigned list)
{
	unsigned has = policy_list_of(p, service);
	struct policy_use *more;

	if (has || !list)
		return has == list ? 0 : -EEXIST;
	more = reallocarray(p->uses, p->nuses + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->uses = more;
	p->uses[p->nuses++] = (struct policy_use){.service = *service, .list = (uint16_t)list};
	return 0;
}
