// SPDX-License-Identifier: BSD-2-Clause
/*
 * echo (RFC 862): sends back what it reads.
 *
 * It consumes only what the send buffer took, so a client that does not read
 * closes its own window. The end of the client's stream goes back as ours, after
 * the last byte: a half-close is carried through.
 */
#include <weir/weir.h>
#include "app/app_arg.h"

struct echo_conn {
	uint64_t last_us; /* when a byte last moved */
	size_t queued;	  /* unacknowledged at that time */
	bool done;	  /* our FIN is queued */
};

static void echo_arm(struct weir_conn *c, struct echo_conn *s, uint64_t limit_ms)
{
	uint64_t gone = (weir_now_us(c) - s->last_us) / 1000;

	if (!weir_send_queued(c) && weir_recv_ready(c))
		weir_conn_timer(c, APP_RETRY_MS); /* no buffer: see APP_RETRY_MS */
	else if (limit_ms)
		weir_conn_timer(c, gone < limit_ms ? limit_ms - gone : 1);
}

static void echo_moved(struct weir_conn *c, struct echo_conn *s)
{
	s->last_us = weir_now_us(c);
	s->queued = weir_send_queued(c);
}

static void echo_run(struct weir_conn *c)
{
	struct echo_conn *s = weir_conn_state(c);
	size_t moved = 0, n, took;
	const uint8_t *p;

	if (s->done)
		return;
	while ((n = weir_recv_peek(c, &p)) > 0) {
		took = weir_send(c, p, n);
		weir_recv_done(c, took);
		moved += took;
		if (took < n)
			break;
	}
	if (moved)
		echo_moved(c, s);
	if (weir_recv_eof(c)) {
		s->done = true;
		weir_conn_timer(c, 0); /* from here the core's own limits hold */
		weir_shutdown(c);
	} else if (weir_recv_ready(c) && !weir_send_queued(c)) {
		weir_conn_timer(c, APP_RETRY_MS);
	}
}

static int echo_open(struct weir_conn *c, void *arg)
{
	(void)arg;
	echo_moved(c, weir_conn_state(c));
	echo_arm(c, weir_conn_state(c), weir_app_limits_of(c)->stream_idle_ms);
	return 0;
}

/* Armed once and moved on here: no timer work per segment. */
static void echo_timer(struct weir_conn *c)
{
	struct echo_conn *s = weir_conn_state(c);
	uint64_t limit_ms = weir_app_limits_of(c)->stream_idle_ms;

	echo_run(c);
	if (s->done)
		return;
	if (weir_send_queued(c) < s->queued)
		echo_moved(c, s);
	if (limit_ms && weir_now_us(c) - s->last_us >= limit_ms * 1000) {
		s->done = true;
		weir_abort_timeout(c);
		return;
	}
	echo_arm(c, s, limit_ms);
}

const struct weir_app weir_app_echo = {
	.name = "echo",
	.conn_size = sizeof(struct echo_conn),
	.on_open = echo_open,
	.on_data = echo_run,
	.on_writable = echo_run,
	.on_timer = echo_timer,
	.on_close = weir_app_ignore_close,
};
