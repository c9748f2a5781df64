/* SPDX-License-Identifier: BSD-2-Clause */
/* The pool: picks and what becomes of them, the main thread's step, another configuration. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/backends_priv.h"

/* ---- workers ----------------------------------------------------------------------------- */

int backends_pick(struct backends *b, const struct weir_addr *client, uint64_t tried)
{
	for (;;) {
		uint64_t present = __atomic_load_n(&b->present, __ATOMIC_SEQ_CST);
		uint64_t up = __atomic_load_n(&b->up, __ATOMIC_SEQ_CST);
		uint64_t cand = present & up & ~tried;
		struct slot *s;
		unsigned i;

		if (!cand && __atomic_load_n(&b->all_down, __ATOMIC_RELAXED) == PROXY_ALL_DOWN_TRY)
			cand = present & ~tried;
		if (!cand)
			return -EHOSTUNREACH;
		i = balance_choose(b, cand, client);
		s = &b->slot[i];
		__atomic_fetch_add(&s->in_use, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&b->present, __ATOMIC_SEQ_CST) & backend_bit(i)) {
			__atomic_fetch_add(&s->total, 1, __ATOMIC_RELAXED);
			if (!(up & backend_bit(i)))
				backends_count(WEIR_C_backend_tried_down);
			return (int)i;
		}
		/* Removed meanwhile. Each turn rules one out: there are not many. */
		__atomic_fetch_sub(&s->in_use, 1, __ATOMIC_SEQ_CST);
		tried |= backend_bit(i);
	}
}

const struct sockaddr *backends_addr(const struct backends *b, unsigned i, socklen_t *len)
{
	*len = b->slot[i].conf.addrlen;
	return (const struct sockaddr *)&b->slot[i].conf.addr;
}

const char *backends_name(const struct backends *b, unsigned i)
{
	return b->slot[i].conf.name;
}

void backends_connected(struct backends *b, unsigned i, uint64_t took_us)
{
	struct slot *s = &b->slot[i];
	uint64_t old = __atomic_load_n(&s->connect_us, __ATOMIC_RELAXED);

	if (!took_us)
		took_us = 1;
	/* Two at once may lose one of them; it is an average. */
	__atomic_store_n(&s->connect_us, old ? (7 * old + took_us + 7) / 8 : took_us,
			 __ATOMIC_RELAXED);
	if (__atomic_load_n(&s->in_a_row, __ATOMIC_RELAXED))
		__atomic_store_n(&s->in_a_row, 0, __ATOMIC_RELAXED);
}

void backends_failed(struct backends *b, unsigned i, enum backend_failure why)
{
	struct slot *s = &b->slot[i];

	__atomic_fetch_add(&s->failures, 1, __ATOMIC_RELAXED);
	slot_error(b, s, ERROR_CONNECT, why);
	if (why == BACKEND_LOCAL || why == BACKEND_RESET)
		return;
	__atomic_fetch_add(&s->in_a_row, 1, __ATOMIC_RELAXED);
	eject_maybe(b, i);
}

void backends_done(struct backends *b, unsigned i)
{
	__atomic_fetch_sub(&b->slot[i].in_use, 1, __ATOMIC_SEQ_CST);
}

/* ---- the main thread's step ---------------------------------------------------------------- */

static enum backend_state state_of(const struct backends *b, unsigned i)
{
	const struct slot *s = &b->slot[i];

	if (!(b->present & backend_bit(i)))
		return BACKEND_DRAINING;
	if (!s->health.well)
		return BACKEND_DOWN;
	if (__atomic_load_n(&s->ejected_until_us, __ATOMIC_SEQ_CST))
		return BACKEND_EJECTED;
	return BACKEND_UP;
}

static void tell(struct backends *b, struct slot *s, enum backend_state to)
{
	uint64_t up = __atomic_load_n(&b->up, __ATOMIC_SEQ_CST) & b->present;
	char why[96] = "";
	struct backend_change change = {
		.name = s->conf.name,
		.from = s->state,
		.to = to,
		.why = why,
		.up = (unsigned)__builtin_popcountll(up),
		.total = (unsigned)__builtin_popcountll(b->present),
	};

	s->state = to;
	s->since_us = backends_now(b);
	if (to == BACKEND_DOWN || to == BACKEND_EJECTED)
		slot_error_text(s, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "%s",
			 change.from == BACKEND_DOWN ? "its checks pass" : "its time is over");
	if (to != BACKEND_UP)
		backends_count(to == BACKEND_DOWN ? WEIR_C_backend_down : WEIR_C_backend_ejected);
	else
		backends_count(WEIR_C_backend_up);
	if (b->on_change)
		b->on_change(b->on_change_arg, &change);
}

/*
 * The bit of `up` that belongs to a state. One that is set is left alone, since a worker may be
 * taking it out; and what such a worker and this thread made of it together is put right.
 */
static void publish(struct backends *b, unsigned i, enum backend_state state)
{
	bool is_up = __atomic_load_n(&b->up, __ATOMIC_SEQ_CST) & backend_bit(i);

	if (state == BACKEND_UP && !is_up)
		__atomic_fetch_or(&b->up, backend_bit(i), __ATOMIC_SEQ_CST);
	else if (state == BACKEND_DOWN)
		__atomic_fetch_and(&b->up, ~backend_bit(i), __ATOMIC_SEQ_CST);
	else if (state == BACKEND_EJECTED && is_up && !eject_leave(b, i))
		__atomic_store_n(&b->slot[i].ejected_until_us, 0, __ATOMIC_SEQ_CST);
}

static void settle(struct backends *b)
{
	uint64_t rest, set;

	for (rest = b->present; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctzll(rest);
		enum backend_state now = state_of(b, i);

		publish(b, i, now);
		if (now != b->slot[i].state)
			tell(b, &b->slot[i], now);
	}
	set = __atomic_load_n(&b->up, __ATOMIC_SEQ_CST) & b->present;
	if (!set)
		set = b->present;
	if (set != b->sequence_of)
		balance_sequence(b, set);
}

/* Slots are filled before there is a clock: they are what they are since the first step. */
static void begin(struct backends *b, uint64_t now_us)
{
	for (uint64_t rest = b->present; rest; rest &= rest - 1)
		b->slot[__builtin_ctzll(rest)].since_us = now_us;
}

void backends_step(struct backends *b, uint64_t now_us)
{
	if (!b->now_us)
		begin(b, now_us);
	__atomic_store_n(&b->now_us, now_us, __ATOMIC_RELAXED);
	health_step(b);
	eject_step(b);
	settle(b);
}

void backends_on_change(struct backends *b, backend_change_fn fn, void *arg)
{
	b->on_change = fn;
	b->on_change_arg = arg;
}

/* ---- configuration ----------------------------------------------------------------------- */

static int slot_named(const struct backends *b, uint64_t among, const char *name)
{
	for (; among; among &= among - 1) {
		unsigned i = (unsigned)__builtin_ctzll(among);

		if (!strcmp(b->slot[i].conf.name, name))
			return (int)i;
	}
	return -ENOENT;
}

/* Slots that nobody holds: not configured, and not used by what is left of a connection. */
static uint64_t free_slots(const struct backends *b)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < BACKENDS_MAX; i++)
		if (!(b->present & backend_bit(i)) &&
		    !__atomic_load_n(&b->slot[i].in_use, __ATOMIC_SEQ_CST))
			set |= backend_bit(i);
	return set;
}

static void slot_fill(struct backends *b, unsigned i, const struct proxy_backend *conf)
{
	struct slot *s = &b->slot[i];

	health_stop(s);
	memset(&s->total, 0, sizeof(*s) - offsetof(struct slot, total));
	s->conf = *conf;
	s->seed = balance_seed(conf->name);
	s->weight = conf->weight;
	s->state = BACKEND_UP;
	s->since_us = backends_now(b);
	s->health.fd = -1;
	health_start(b, i);
}

/* Configured again while it drained, or no longer: its connections go on as they are. */
static void slot_change(struct backends *b, unsigned i, enum backend_state state)
{
	struct slot *s = &b->slot[i];

	s->state = state;
	s->since_us = backends_now(b);
	health_start(b, i);
	__atomic_store_n(&s->ejected_until_us, 0, __ATOMIC_SEQ_CST);
}

/* The slot that each configured backend has or gets. -EAGAIN: not enough are free. */
static int assign(const struct backends *b, const struct proxy_config *cfg, int *slot)
{
	uint64_t empty = free_slots(b), held = ~empty;

	for (unsigned k = 0; k < cfg->nbackends; k++) {
		slot[k] = slot_named(b, held, cfg->backend[k].name);
		if (slot[k] >= 0)
			continue;
		if (!empty)
			return -EAGAIN;
		slot[k] = __builtin_ctzll(empty);
		empty &= empty - 1;
	}
	return 0;
}

static void settings(struct backends *b, const struct proxy_config *cfg)
{
	b->cfg = *cfg;
	__atomic_store_n(&b->balance, cfg->balance, __ATOMIC_RELAXED);
	__atomic_store_n(&b->all_down, cfg->all_down, __ATOMIC_RELAXED);
	__atomic_store_n(&b->eject_failures, cfg->eject_failures, __ATOMIC_RELAXED);
	__atomic_store_n(&b->eject_us, cfg->eject_ms * 1000, __ATOMIC_RELAXED);
	__atomic_store_n(&b->eject_max_us, cfg->eject_max_ms * 1000, __ATOMIC_RELAXED);
}

int backends_update(struct backends *b, const struct proxy_config *cfg, char *err, size_t errlen)
{
	uint64_t before = b->present, empty = free_slots(b), after = 0, gone;
	int slot[PROXY_MAX_BACKENDS];

	if (assign(b, cfg, slot)) {
		snprintf(err, errlen,
			 "backends that were removed still have connections, and "
			 "there is no room for as many new ones; try again later");
		return -EAGAIN;
	}
	for (unsigned k = 0; k < cfg->nbackends; k++) {
		unsigned i = (unsigned)slot[k];

		if (empty & backend_bit(i))
			slot_fill(b, i, &cfg->backend[k]);
		else if (!(before & backend_bit(i)))
			slot_change(b, i, BACKEND_UP);
		__atomic_store_n(&b->slot[i].weight, cfg->backend[k].weight, __ATOMIC_RELAXED);
		after |= backend_bit(i);
	}
	settings(b, cfg);
	/* First the new ones, so that at no moment there is none. */
	__atomic_fetch_or(&b->up, after & ~before, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->present, after, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&b->up, after, __ATOMIC_SEQ_CST);
	for (gone = before & ~after; gone; gone &= gone - 1)
		slot_change(b, (unsigned)__builtin_ctzll(gone), BACKEND_DRAINING);
	b->sequence_of = 0;
	settle(b);
	return 0;
}

int backends_open(struct backends **out, const struct proxy_config *cfg, char *err, size_t errlen)
{
	struct backends *b;
	int rc;

	rc = proxy_config_check(cfg, err, errlen);
	if (rc)
		return rc;
	b = aligned_alloc(64, sizeof(*b));
	if (!b) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	memset(b, 0, sizeof(*b));
	for (unsigned i = 0; i < BACKENDS_MAX; i++)
		b->slot[i].health.fd = -1;
	rc = backends_update(b, cfg, err, errlen);
	if (rc) {
		free(b);
		return rc;
	}
	*out = b;
	return 0;
}

void backends_close(struct backends *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < BACKENDS_MAX; i++)
		health_stop(&b->slot[i]);
	free(b);
}
