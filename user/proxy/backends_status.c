/* SPDX-License-Identifier: BSD-2-Clause */
/* What the pool tells of itself. */
#include <stdio.h>
#include <string.h>

#include "proxy/backends_priv.h"

/* Of all pools: they are rare, so that one row serves all threads. */
static uint64_t counts[WEIR_C_MAX];

void backends_count(enum weir_counter which)
{
	__atomic_fetch_add(&counts[which], 1, __ATOMIC_RELAXED);
}

void backends_counters(uint64_t *v)
{
	for (size_t i = 0; i < WEIR_C_MAX; i++)
		v[i] += __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
}

const struct proxy_config *backends_config(const struct backends *b)
{
	return &b->cfg;
}

static uint64_t get(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

const char *backend_state_name(enum backend_state state)
{
	static const char *const names[] = {"up", "down", "ejected", "draining"};

	return state <= BACKEND_DRAINING ? names[state] : "unknown";
}

const char *backend_failure_name(enum backend_failure why)
{
	static const char *const names[] = {"connection refused", "connect timed out",
					    "reset before it answered", "unreachable",
					    "no descriptor, port or memory left here"};

	return why <= BACKEND_LOCAL ? names[why] : "unknown";
}

void slot_error(struct backends *b, struct slot *s, enum backend_error kind, unsigned detail)
{
	__atomic_store_n(&s->error, (uint32_t)kind << 16 | (detail & 0xffff), __ATOMIC_RELAXED);
	__atomic_store_n(&s->error_us, backends_now(b), __ATOMIC_RELAXED);
}

void slot_error_text(const struct slot *s, char *buf, size_t len)
{
	uint32_t e = __atomic_load_n(&s->error, __ATOMIC_RELAXED);
	unsigned detail = e & 0xffff;

	switch ((enum backend_error)(e >> 16)) {
	case ERROR_CONNECT:
		snprintf(buf, len, "%s", backend_failure_name((enum backend_failure)detail));
		break;
	case ERROR_CHECK_CONNECT:
		snprintf(buf, len, "check: %s", strerror((int)detail));
		break;
	case ERROR_CHECK_TIMEOUT:
		snprintf(buf, len, "check: timed out");
		break;
	case ERROR_CHECK_CLOSED:
		snprintf(buf, len, "check: closed without an answer");
		break;
	case ERROR_CHECK_STATUS:
		snprintf(buf, len, "check: HTTP status %u", detail);
		break;
	case ERROR_CHECK_ANSWER:
		snprintf(buf, len, "check: the answer is not HTTP");
		break;
	default:
		snprintf(buf, len, "%s", "");
	}
}

static uint64_t since_ms(uint64_t now_us, uint64_t then_us)
{
	return now_us > then_us ? (now_us - then_us) / 1000 : 0;
}

static void fill(const struct backends *b, unsigned i, struct backend_status *r)
{
	const struct slot *s = &b->slot[i];
	uint64_t now = backends_now(b), until = get(&s->ejected_until_us);

	memset(r, 0, sizeof(*r));
	memcpy(r->name, s->conf.name, sizeof(r->name));
	r->weight = s->weight;
	r->state = b->present & backend_bit(i) ? s->state : BACKEND_DRAINING;
	r->in_use = get(&s->in_use);
	r->total = get(&s->total);
	r->failures = get(&s->failures);
	r->ejections = get(&s->ejections);
	r->checks = s->health.checks;
	r->checks_failed = s->health.failed;
	r->check_rtt_us = s->health.rtt_us;
	r->for_ms = since_ms(now, s->since_us);
	if (r->state == BACKEND_EJECTED)
		r->back_ms = since_ms(until, now);
	r->connect_us = get(&s->connect_us);
	slot_error_text(s, r->last_error, sizeof(r->last_error));
	r->error_ms = r->last_error[0] ? since_ms(now, get(&s->error_us)) : 0;
}

unsigned backends_status(const struct backends *b, struct backend_status *rows, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BACKENDS_MAX; i++) {
		if (!(b->present & backend_bit(i)) && !get(&b->slot[i].in_use))
			continue;
		if (n < max)
			fill(b, i, &rows[n]);
		n++;
	}
	return n;
}
