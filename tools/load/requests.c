// SPDX-License-Identifier: BSD-2-Clause
/* What goes over a connection: headers, patterns, single bytes; and whether it came back. */
#include "driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct sized_header header(const struct load_args *a)
{
	struct sized_header h = {.in = a->request, .out = a->response};

	if (a->info->stream) {
		h.flags = SIZED_STREAM;
		h.in = a->info->up ? SIZED_ENDLESS : 0;
		h.out = a->info->down ? SIZED_ENDLESS : 0;
	}
	return h;
}

/* As the pattern of sized.h, with larger contiguous pieces: fewer calls for a stream. */
#define WINDOW (64 * 1024u)
#define TURNS  64

static void more(struct driver *d, struct conn *c, unsigned int what)
{
	d->again += !c->again;
	c->again |= (uint8_t)what;
}

/* Header and as much of the payload as fits behind it, so that most requests are one send. */
int requests_init(struct driver *d)
{
	struct sized_header h = header(d->a);

	d->table = malloc(SIZED_PERIOD + WINDOW);
	d->request = malloc(SIZED_HEADER_LEN + SIZED_WINDOW);
	d->buf = malloc(LOAD_BUF);
	if (!d->table || !d->request || !d->buf)
		return -ENOMEM;
	for (uint32_t k = 0; k < SIZED_PERIOD + WINDOW; k++)
		d->table[k] = sized_byte(k);
	sized_put(d->request, &h);
	memcpy(d->request + SIZED_HEADER_LEN, d->table, SIZED_WINDOW);
	d->send_len = h.in == SIZED_ENDLESS ? SIZED_ENDLESS : SIZED_HEADER_LEN + h.in;
	d->recv_len = h.out;
	d->head_len = h.in < SIZED_WINDOW ? (size_t)d->send_len : SIZED_HEADER_LEN + SIZED_WINDOW;
	if (d->a->pattern == LOAD_PINGPONG)
		d->send_len = d->recv_len = d->head_len = 1;
	return 0;
}

void requests_free(struct driver *d)
{
	free(d->table);
	free(d->request);
	free(d->buf);
}

static void count_up(struct driver *d, uint64_t n)
{
	if (d->running && d->now_phase < d->r->phases)
		d->r->phase[d->now_phase].up += n;
}

static void count_down(struct driver *d, uint64_t n)
{
	if (d->running && d->now_phase < d->r->phases)
		d->r->phase[d->now_phase].down += n;
}

void requests_send(struct driver *d, struct conn *c)
{
	const unsigned char *p;
	uint64_t left;
	ssize_t n;

	for (int i = 0; c->send_at < d->send_len && !c->fin; i++) {
		if (i == TURNS) {
			more(d, c, BE_OUT);
			return;
		}
		left = d->send_len - c->send_at;
		if (c->send_at < d->head_len) {
			p = d->request + c->send_at;
			left = d->head_len - c->send_at;
		} else {
			p = sized_at(d->table, c->send_at - SIZED_HEADER_LEN);
			left = left < WINDOW ? left : WINDOW;
		}
		n = d->be->send(d->ctx, &c->be, p, (size_t)left);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			conn_fail(d, c, load_failure_of((int)n));
			return;
		}
		c->send_at += (uint64_t)n;
		count_up(d, (uint64_t)n);
	}
}

/* Is this what byte recv_at and those after it should be? */
static bool correct(const struct driver *d, const struct conn *c, const unsigned char *p, size_t n)
{
	size_t at = 0, piece;

	if (d->a->no_verify)
		return true;
	if (d->a->pattern == LOAD_PINGPONG)
		return *p == *d->request;
	for (; at < n; at += piece) {
		piece = n - at < SIZED_WINDOW ? n - at : SIZED_WINDOW;
		if (memcmp(p + at, sized_at(d->table, c->recv_at + at), piece) != 0)
			return false;
	}
	return true;
}

/* Takes n received bytes; false: the connection is no longer. */
static bool take(struct driver *d, struct conn *c, size_t n)
{
	if (c->state != CONN_BUSY || n > d->recv_len - c->recv_at || !correct(d, c, d->buf, n)) {
		conn_fail(d, c, LOAD_WRONG);
		return false;
	}
	c->recv_at += n;
	count_down(d, n);
	if (c->recv_at < d->recv_len)
		return true;
	if (c->send_at < d->send_len) { /* an answer to half a question */
		conn_fail(d, c, LOAD_WRONG);
		return false;
	}
	conn_succeed(d, c);
	return c->state == CONN_READY;
}

/* One piece. 1: there may be more, 0: not now, or the connection is no longer. */
static int recv_some(struct driver *d, struct conn *c, size_t want)
{
	ssize_t n = d->be->recv(d->ctx, &c->be, d->buf, want);

	if (n == -EAGAIN)
		return 0;
	if (n < 0) {
		conn_fail(d, c, load_failure_of((int)n));
		return 0;
	}
	if (!n) {
		if (c->fin)
			conn_succeed(d, c);
		else
			conn_fail(d, c, LOAD_CLOSED);
		return 0;
	}
	return take(d, c, (size_t)n) && ((size_t)n == want || c->end);
}

void requests_recv(struct driver *d, struct conn *c)
{
	for (int i = 0; i < TURNS; i++)
		if (!recv_some(d, c, LOAD_BUF))
			return;
	more(d, c, BE_IN);
}

void requests_slow_tick(struct driver *d, struct conn *c)
{
	uint64_t want = d->a->read_rate * SLOW_TICK_NS / 1000000000u;

	want = want < 1 ? 1 : want;
	want = want < LOAD_BUF ? want : LOAD_BUF;
	recv_some(d, c, (size_t)want);
}
