/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/log_limit.h"

#include <stddef.h>
#include <stdio.h>

/* A bucket that is full and owes no word says nothing that a new one would not. */
static bool idle(const struct log_kind *k, uint64_t now_us)
{
	return !k->key || (k->full_at <= now_us && !k->held);
}

static struct log_kind *find(struct log_limit *l, const void *key, uint64_t now_us)
{
	struct log_kind *unused = NULL;

	for (unsigned i = 0; i < LOG_KINDS; i++) {
		if (l->kinds[i].key == key)
			return &l->kinds[i];
		if (!unused && idle(&l->kinds[i], now_us))
			unused = &l->kinds[i];
	}
	if (unused)
		*unused = (struct log_kind){.key = key};
	return unused;
}

/* Each message puts off the moment at which the bucket is full by one refill. */
static bool take(struct log_kind *k, uint64_t now_us)
{
	uint64_t from = k->full_at > now_us ? k->full_at : now_us;

	if (from + LOG_REFILL_US > now_us + (uint64_t)LOG_BURST * LOG_REFILL_US)
		return false;
	k->full_at = from + LOG_REFILL_US;
	return true;
}

bool log_limit_pass(struct log_limit *l, const void *key, int level, const char *text,
		    uint64_t now_us, uint32_t *held)
{
	struct log_kind *k = find(l, key, now_us);

	*held = 0;
	if (!k)
		return true;
	if (take(k, now_us)) {
		*held = k->held;
		k->held = 0;
		return true;
	}
	k->held++;
	k->level = level;
	snprintf(k->like, sizeof(k->like), "%s", text);
	return false;
}

const struct log_kind *log_limit_held(struct log_limit *l, uint64_t now_us, uint32_t *held)
{
	for (unsigned i = 0; i < LOG_KINDS; i++) {
		struct log_kind *k = &l->kinds[i];

		if (!k->key || !k->held || !take(k, now_us))
			continue;
		*held = k->held;
		k->held = 0;
		return k;
	}
	return NULL;
}
