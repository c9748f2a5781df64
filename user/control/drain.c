/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/drain.h"

#define HANDSHAKE_US 1000000 /* a round trip, and some */

void drain_wish(struct drain *d, const struct drain_wish *w, uint64_t now_us)
{
	if (w->undo) {
		*d = (struct drain){.state = DRAIN_NONE};
		return;
	}
	d->exit = w->exit;
	d->limit_us = DRAIN_UNLIMITED;
	if (w->limit_ms < (DRAIN_UNLIMITED - now_us) / 1000)
		d->limit_us = now_us + w->limit_ms * 1000;
	if (d->state != DRAIN_NONE)
		return;
	d->state = DRAIN_WAITING;
	d->since_us = now_us;
}

bool drain_turn(struct drain *d, uint64_t now_us)
{
	if (d->state != DRAIN_WAITING || now_us < d->limit_us)
		return false;
	d->state = DRAIN_CLOSING;
	return true;
}

bool drain_over(const struct drain *d, uint64_t open, uint64_t now_us)
{
	return d->state != DRAIN_NONE && d->exit && !open && now_us - d->since_us >= HANDSHAKE_US;
}

uint64_t drain_left_ms(const struct drain *d, uint64_t now_us)
{
	if (d->state == DRAIN_NONE || d->limit_us == DRAIN_UNLIMITED)
		return DRAIN_UNLIMITED;
	return d->limit_us > now_us ? (d->limit_us - now_us) / 1000 : 0;
}

const char *drain_name(enum drain_state state)
{
	static const char *const names[] = {"serving", "draining", "closing"};

	return names[state];
}
