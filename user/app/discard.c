// SPDX-License-Identifier: BSD-2-Clause
/* discard (RFC 863): reads and throws away; the end of the stream closes. */
#include <weir/weir.h>
#include "app/app_arg.h"
#include "app/discard.h"

static void discard_data(struct weir_conn *c)
{
	struct discard_conn *s = weir_conn_state(c);
	const uint8_t *p;
	size_t n;

	if (s->done)
		return;
	while ((n = weir_recv_peek(c, &p)) > 0) {
		weir_recv_done(c, n);
		s->last_us = weir_now_us(c);
		s->bytes += n;
	}
	if (weir_recv_eof(c)) {
		s->done = true;
		weir_conn_timer(c, 0);
		weir_close(c);
	}
}

static int discard_open(struct weir_conn *c, void *arg)
{
	struct discard_conn *s = weir_conn_state(c);
	uint64_t limit_ms = weir_app_limits_of(c)->stream_idle_ms;

	(void)arg;
	s->last_us = weir_now_us(c);
	if (limit_ms)
		weir_conn_timer(c, limit_ms);
	return 0;
}

static void discard_timer(struct weir_conn *c)
{
	struct discard_conn *s = weir_conn_state(c);
	uint64_t limit_ms = weir_app_limits_of(c)->stream_idle_ms;
	uint64_t gone = (weir_now_us(c) - s->last_us) / 1000;

	if (s->done || !limit_ms)
		return;
	if (gone < limit_ms) {
		weir_conn_timer(c, limit_ms - gone);
		return;
	}
	s->done = true;
	weir_abort_timeout(c);
}

const struct weir_app weir_app_discard = {
	.name = "discard",
	.conn_size = sizeof(struct discard_conn),
	.on_open = discard_open,
	.on_data = discard_data,
	.on_writable = weir_app_ignore,
	.on_timer = discard_timer,
	.on_close = weir_app_ignore_close,
};
