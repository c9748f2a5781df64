// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sized protocol (include/weir/sized.h): takes as much as the client announces and
 * answers with as much as it asks for. What measures the stack, so it does nothing more.
 */
#include <pthread.h>
#include <string.h>

#include <weir/sized_server.h>
#include <weir/weir.h>
#include "app/app_arg.h"

struct sized_conn {
	uint64_t last_us; /* when a byte last moved */
	size_t queued;	  /* unacknowledged at that time */
	struct sized_course course;
	bool done; /* our FIN is queued, or it is over */
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

static bool get(struct weir_conn *c, struct sized_conn *s)
{
	const uint8_t *p;
	bool any = false;
	size_t len, n;

	while (sized_receives(&s->course) && (len = weir_recv_peek(c, &p)) > 0) {
		n = sized_take(&s->course, p, len);
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

	while (sized_sends(&s->course) && (n = weir_send_reserve(c, &p)) > 0) {
		n = n < SIZED_WINDOW ? n : SIZED_WINDOW;
		n = n < s->course.out ? n : (size_t)s->course.out;
		memcpy(p, sized_at(table, s->course.at), n);
		weir_send_commit(c, n);
		sized_sent(&s->course, n);
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
	} while (sent && !s->course.out && weir_recv_ready(c));
	if (any)
		moved(c, s);
	/* The end of a stream's client ends it where it is, that of another its request. */
	if (weir_recv_eof(c) && sized_ends(&s->course)) {
		s->done = true;
		weir_conn_timer(c, 0); /* from here the core's own limits hold */
		weir_close(c);
	} else if (sized_sends(&s->course) && !weir_send_queued(c)) {
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
	} else if (s->course.out && !weir_send_queued(c)) {
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
