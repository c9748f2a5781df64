// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sized protocol (include/weir/sized.h): takes as much as the client announces and
 * answers with as much as it asks for. What measures the stack, so it does nothing more.
 */
#include <pthread.h>
#include <string.h>

#include <weir/sized.h>
#include <weir/weir.h>
#include "app/app_arg.h"

struct sized_conn {
	uint64_t last_us; /* when a byte last moved */
	size_t queued;	  /* unacknowledged at that time */
	uint64_t in, out; /* left of the request and of its response */
	uint64_t at;	  /* next byte of the response */
	uint8_t have;	  /* of the header */
	bool stream;
	bool done; /* our FIN is queued, or it is over */
	uint8_t head[SIZED_HEADER_LEN];
};

static uint8_t table[SIZED_TABLE];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill(void)
{
	sized_fill(table);
}

static void moved(struct weir_conn *c, struct sized_conn *s)
{
	s->last_us = weir_now_us(c);
	s->queued = weir_send_queued(c);
}

/* Is it the client's turn? Behind a request that is not answered yet its bytes wait. */
static bool receives(const struct sized_conn *s)
{
	return s->in || !s->out || s->stream;
}

static bool begin(struct sized_conn *s)
{
	struct sized_header h;

	if (sized_get(s->head, &h))
		return false;
	s->have = 0;
	s->stream = h.flags & SIZED_STREAM;
	s->in = h.in;
	s->out = h.out;
	s->at = 0;
	return true;
}

/* One contiguous piece; how much of it was taken, 0: not the protocol. */
static size_t take(struct sized_conn *s, const uint8_t *p, size_t len)
{
	size_t n;

	if (s->in) {
		n = s->in < len ? (size_t)s->in : len;
		if (s->in != SIZED_ENDLESS)
			s->in -= n;
		return n;
	}
	if (s->out)
		return 0; /* a stream, and more than was announced */
	n = SIZED_HEADER_LEN - s->have;
	n = n < len ? n : len;
	memcpy(s->head + s->have, p, n);
	s->have = (uint8_t)(s->have + n);
	return s->have < SIZED_HEADER_LEN || begin(s) ? n : 0;
}

static bool get(struct weir_conn *c, struct sized_conn *s)
{
	const uint8_t *p;
	bool any = false;
	size_t len, n;

	while (receives(s) && (len = weir_recv_peek(c, &p)) > 0) {
		n = take(s, p, len);
		if (!n) {
			weir_app_count(WEIR_C_sized_bad);
			s->done = true;
			weir_abort(c);
			return false;
		}
		weir_recv_done(c, n);
		any = true;
	}
	return any;
}

/* Writes straight into the send queue's blocks. */
static bool put(struct weir_conn *c, struct sized_conn *s)
{
	bool any = false;
	uint8_t *p;
	size_t n;

	while (s->out && (s->stream || !s->in) && (n = weir_send_reserve(c, &p)) > 0) {
		n = n < SIZED_WINDOW ? n : SIZED_WINDOW;
		n = n < s->out ? n : (size_t)s->out;
		memcpy(p, sized_at(table, s->at), n);
		weir_send_commit(c, n);
		s->at += n;
		if (s->out != SIZED_ENDLESS)
			s->out -= n;
		any = true;
	}
	return any;
}

static void sized_run(struct weir_conn *c)
{
	struct sized_conn *s = weir_conn_state(c);
	bool got, sent, any = false;

	if (s->done)
		return;
	do { /* with the response out, the next request may be in already */
		got = get(c, s);
		if (s->done)
			return;
		sent = put(c, s);
		any = any || got || sent;
	} while (sent && !s->out && weir_recv_ready(c));
	if (any)
		moved(c, s);
	/* The end of a stream's client ends it where it is, that of another its request. */
	if (weir_recv_eof(c) && (s->stream || s->in || !s->out)) {
		s->done = true;
		weir_conn_timer(c, 0); /* from here the core's own limits hold */
		weir_close(c);
	} else if (s->out && (s->stream || !s->in) && !weir_send_queued(c)) {
		weir_conn_timer(c, APP_RETRY_MS);
	}
}

static int sized_open(struct weir_conn *c, void *arg)
{
	uint64_t limit_ms = weir_app_limits_of(c)->stream_idle_ms;

	(void)arg;
	pthread_once(&table_once, fill);
	moved(c, weir_conn_state(c));
	if (limit_ms)
		weir_conn_timer(c, limit_ms);
	return 0;
}

/* Armed once and moved on here: no timer work per segment. */
static void sized_timer(struct weir_conn *c)
{
	struct sized_conn *s = weir_conn_state(c);
	uint64_t limit_ms = weir_app_limits_of(c)->stream_idle_ms, gone;

	sized_run(c);
	if (s->done)
		return;
	if (weir_send_queued(c) < s->queued)
		moved(c, s);
	gone = (weir_now_us(c) - s->last_us) / 1000;
	if (limit_ms && gone >= limit_ms) {
		s->done = true;
		weir_abort_timeout(c);
	} else if (s->out && !weir_send_queued(c)) {
		weir_conn_timer(c, APP_RETRY_MS); /* no buffer */
	} else if (limit_ms) {
		weir_conn_timer(c, limit_ms - gone);
	}
}

const struct weir_app weir_app_sized = {
	.name = "sized",
	.conn_size = sizeof(struct sized_conn),
	.on_open = sized_open,
	.on_data = sized_run,
	.on_writable = sized_run,
	.on_timer = sized_timer,
	.on_close = weir_app_ignore_close,
};
