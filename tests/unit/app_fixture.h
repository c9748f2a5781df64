/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection in memory, for applications: every function of weir.h over two
 * byte strings and a clock. It replaces the engine at link time, so it is a
 * header for the one file of a program that includes it (and for the fuzzer).
 *
 * It is stricter than the engine. Contiguous pieces are as short as asked for and
 * live in allocations of exactly their size, so that a sanitizer sees one byte too
 * far; on_writable comes only after room had run out; a call that a contract
 * forbids ends the program.
 *
 *     in:   |· consumed ·|· ready (in_pos..in_len) ·|         then FIN if in_fin
 *     out:  |· acknowledged ·|· queued (acked..out_len) ·|    at most sndbuf queued
 */
#ifndef WEIR_TESTS_APP_FIXTURE_H
#define WEIR_TESTS_APP_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/loop.h>
#include <weir/weir.h>
#include "../require.h"

struct weir_conn {
	const struct weir_app *app;
	void *arg, *state;
	uint8_t *in, *out;
	size_t in_pos, in_len, in_cap, out_len, out_cap, acked;
	size_t piece; /* longest contiguous piece of either buffer */
	size_t sndbuf;
	uint8_t *peeked, *reserved;
	size_t reserved_len;
	size_t max_queued; /* seen so far */
	bool in_fin;
	bool want_room; /* a send found none: on_writable is due */
	bool starved;	/* the worker has no buffer */
	bool shut, closed, aborted, timed_out, ended;
	uint64_t now_us, timer_at; /* timer_at 0: none */
};

static inline void fx_append(uint8_t **buf, size_t *len, size_t *cap, const void *p, size_t n)
{
	if (*len + n >= *cap) {
		*cap = 2 * (*len + n) + 64;
		*buf = realloc(*buf, *cap);
		REQUIRE(*buf);
	}
	if (n)
		memcpy(*buf + *len, p, n);
	*len += n;
	(*buf)[*len] = '\0'; /* for string comparisons */
}

/* ---- weir.h over it ------------------------------------------------------- */

const char *weir_reason_name(int reason)
{
	(void)reason;
	return "test";
}

void *weir_conn_state(struct weir_conn *c)
{
	return c->state;
}

void *weir_conn_arg(struct weir_conn *c)
{
	return c->arg;
}

uint64_t weir_now_us(struct weir_conn *c)
{
	return c->now_us;
}

void weir_conn_peer(struct weir_conn *c, struct weir_addr *a)
{
	(void)c;
	*a = (struct weir_addr){.family = 4, .port = 40000, .addr = {10, 0, 0, 1}};
}

void weir_conn_local(struct weir_conn *c, struct weir_addr *a)
{
	(void)c;
	*a = (struct weir_addr){.family = 4, .port = 80, .addr = {10, 0, 0, 2}};
}

size_t weir_recv_ready(struct weir_conn *c)
{
	REQUIRE(!c->aborted);
	return c->in_len - c->in_pos;
}

size_t weir_recv_peek(struct weir_conn *c, const uint8_t **p)
{
	size_t n = weir_recv_ready(c);

	free(c->peeked);
	c->peeked = NULL;
	n = n < c->piece ? n : c->piece;
	if (!n)
		return 0;
	c->peeked = malloc(n);
	REQUIRE(c->peeked);
	memcpy(c->peeked, c->in + c->in_pos, n);
	*p = c->peeked;
	return n;
}

int weir_recv_peekv(struct weir_conn *c, struct iovec *iov, int max)
{
	const uint8_t *p = NULL;
	size_t n = max ? weir_recv_peek(c, &p) : 0;

	if (n)
		*iov = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	return n > 0;
}

size_t weir_recv_copy(struct weir_conn *c, size_t offset, void *buf, size_t len)
{
	size_t ready = weir_recv_ready(c);
	size_t n = offset < ready ? ready - offset : 0;

	n = n < len ? n : len;
	if (n)
		memcpy(buf, c->in + c->in_pos + offset, n);
	return n;
}

void weir_recv_done(struct weir_conn *c, size_t n)
{
	REQUIRE(n <= weir_recv_ready(c));
	c->in_pos += n;
	free(c->peeked);
	c->peeked = NULL;
}

bool weir_recv_eof(struct weir_conn *c)
{
	return !weir_recv_ready(c) && c->in_fin;
}

bool weir_recv_fin(struct weir_conn *c)
{
	return c->in_fin;
}

size_t weir_send_queued(struct weir_conn *c)
{
	REQUIRE(!c->aborted);
	return c->out_len - c->acked;
}

size_t weir_send_space(struct weir_conn *c)
{
	size_t room = c->sndbuf - weir_send_queued(c);

	if (c->shut || c->closed)
		return 0;
	if (!room || c->starved)
		c->want_room = true;
	return c->starved ? 0 : room;
}

size_t weir_send_reserve(struct weir_conn *c, uint8_t **p)
{
	size_t n = weir_send_space(c);

	free(c->reserved);
	c->reserved = NULL;
	c->reserved_len = n < c->piece ? n : c->piece;
	if (!c->reserved_len)
		return 0;
	c->reserved = malloc(c->reserved_len);
	REQUIRE(c->reserved);
	*p = c->reserved;
	return c->reserved_len;
}

int weir_send_reservev(struct weir_conn *c, struct iovec *iov, int max)
{
	uint8_t *p = NULL;
	size_t n = max ? weir_send_reserve(c, &p) : 0;

	if (n)
		*iov = (struct iovec){.iov_base = p, .iov_len = n};
	return n > 0;
}

void weir_send_commit(struct weir_conn *c, size_t n)
{
	REQUIRE(n <= c->reserved_len);
	fx_append(&c->out, &c->out_len, &c->out_cap, c->reserved, n);
	free(c->reserved);
	c->reserved = NULL;
	c->reserved_len = 0;
	if (c->out_len - c->acked > c->max_queued)
		c->max_queued = c->out_len - c->acked;
}

size_t weir_send(struct weir_conn *c, const void *data, size_t len)
{
	size_t done = 0, n;
	uint8_t *p;

	while (done < len && (n = weir_send_reserve(c, &p)) > 0) {
		n = n < len - done ? n : len - done;
		memcpy(p, (const uint8_t *)data + done, n);
		weir_send_commit(c, n);
		done += n;
	}
	return done;
}

void weir_shutdown(struct weir_conn *c)
{
	REQUIRE(!c->aborted);
	c->shut = true;
}

void weir_close(struct weir_conn *c)
{
	REQUIRE(!c->aborted);
	c->shut = c->closed = true;
}

void weir_abort(struct weir_conn *c)
{
	REQUIRE(!c->aborted);
	c->aborted = true;
}

void weir_abort_timeout(struct weir_conn *c)
{
	weir_abort(c);
	c->timed_out = true;
}

void weir_conn_nodelay(struct weir_conn *c, bool on)
{
	(void)c;
	(void)on;
}

struct weir_loop *weir_loop_get(struct weir_conn *c)
{
	(void)c;
	return NULL;
}

void weir_loop_set(struct weir_conn *c, struct weir_loop *l)
{
	(void)c;
	(void)l;
}

int weir_conn_error(struct weir_conn *c)
{
	(void)c;
	return 0;
}

void weir_conn_timer(struct weir_conn *c, uint64_t ms)
{
	REQUIRE(!c->aborted);
	c->timer_at = ms ? c->now_us + ms * 1000 : 0;
}

/* ---- the peer and the engine ---------------------------------------------- */

/* What a callback left on the stack must not serve the next one. */
static __attribute__((noinline, unused)) void fx_dirty_stack(void)
{
	uint8_t junk[32768];

	memset(junk, 0xa5, sizeof(junk));
	__asm__ volatile("" : : "r"(junk) : "memory"); /* keeps the memset */
}

/* Once aborted, the engine's next call is the last one. */
static inline void fx_settle(struct weir_conn *c)
{
	if (!c->aborted || c->ended)
		return;
	c->ended = true;
	c->timer_at = 0;
	c->app->on_close(c, 0);
}

static inline void fx_init(struct weir_conn *c, const struct weir_app *app, void *arg)
{
	*c = (struct weir_conn){.app = app, .arg = arg, .piece = 2032, .sndbuf = 65536};
	c->now_us = 1000000;
	if (app->conn_size) {
		c->state = calloc(1, app->conn_size);
		REQUIRE(c->state);
	}
}

static inline void fx_open(struct weir_conn *c, const struct weir_app *app, void *arg)
{
	fx_init(c, app, arg);
	REQUIRE(app->on_open(c, arg) == 0);
}

/* Bytes from the peer, in one segment. */
static inline void fx_feed(struct weir_conn *c, const void *data, size_t len)
{
	if (c->ended)
		return;
	fx_dirty_stack();
	fx_append(&c->in, &c->in_len, &c->in_cap, data, len);
	c->app->on_data(c);
	fx_settle(c);
}

static inline void fx_feed_str(struct weir_conn *c, const char *s)
{
	fx_feed(c, s, strlen(s));
}

static inline void fx_fin(struct weir_conn *c)
{
	if (c->ended)
		return;
	c->in_fin = true;
	c->app->on_data(c);
	fx_settle(c);
}

/* The peer acknowledges up to n bytes. Returns how many there were. */
static inline size_t fx_ack(struct weir_conn *c, size_t n)
{
	size_t queued = c->out_len - c->acked;

	if (c->ended)
		return 0;
	n = n < queued ? n : queued;
	c->acked += n;
	if (n && c->want_room && !c->starved) {
		c->want_room = false;
		c->app->on_writable(c);
		fx_settle(c);
	}
	return n;
}

static inline void fx_ack_all(struct weir_conn *c)
{
	while (fx_ack(c, SIZE_MAX))
		;
}

/* Time passes; the timer fires on the way as often as it is due. */
static inline void fx_advance(struct weir_conn *c, uint64_t ms)
{
	uint64_t until = c->now_us + ms * 1000;

	while (!c->ended && c->timer_at && c->timer_at <= until) {
		c->now_us = c->timer_at;
		c->timer_at = 0;
		c->app->on_timer(c);
		fx_settle(c);
	}
	c->now_us = until;
}

/* weir is told to stop. */
static inline void fx_drain(struct weir_conn *c)
{
	c->app->on_drain(c);
	fx_settle(c);
}

static inline void fx_free(struct weir_conn *c)
{
	if (!c->ended)
		c->app->on_close(c, 0);
	free(c->in);
	free(c->out);
	free(c->peeked);
	free(c->reserved);
	free(c->state);
}

#endif
