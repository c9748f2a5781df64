/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The server's side of the sized protocol (sized.h), whatever moves its bytes: where a
 * connection is, and what the bytes that came mean. Each function is a step; none waits.
 */
#ifndef WEIR_SIZED_SERVER_H
#define WEIR_SIZED_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <weir/sized.h>

/* Where a connection is. All zero: before its first request. */
struct sized_course {
	__u64 in, out; /* left of the request and of its response */
	__u64 at;      /* next byte of the response */
	__u8 have;     /* of the header */
	bool stream;
	unsigned char head[SIZED_HEADER_LEN];
};

/* Is it the client's turn? Behind a request that is not answered yet its bytes wait. */
static inline bool sized_receives(const struct sized_course *c)
{
	return c->in || !c->out || c->stream;
}

static inline bool sized_sends(const struct sized_course *c)
{
	return c->out && (c->stream || !c->in);
}

/* The client will send no more: is that the connection's end, or only its request's? */
static inline bool sized_ends(const struct sized_course *c)
{
	return c->stream || c->in || !c->out;
}

static inline bool sized_begin(struct sized_course *c)
{
	struct sized_header h;

	if (sized_get(c->head, &h))
		return false;
	c->have = 0;
	c->stream = h.flags & SIZED_STREAM;
	c->in = h.in;
	c->out = h.out;
	c->at = 0;
	return true;
}

/* Takes in received bytes while it receives; how many, 0: this is not the protocol. */
static inline size_t sized_take(struct sized_course *c, const unsigned char *p, size_t len)
{
	size_t n;

	if (c->in) {
		n = c->in < len ? (size_t)c->in : len;
		if (c->in != SIZED_ENDLESS)
			c->in -= n;
		return n;
	}
	if (c->out)
		return 0; /* a stream, and more than was announced */
	n = SIZED_HEADER_LEN - (size_t)c->have;
	n = n < len ? n : len;
	memcpy(c->head + c->have, p, n);
	c->have = (__u8)(c->have + n);
	return c->have < SIZED_HEADER_LEN || sized_begin(c) ? n : 0;
}

static inline void sized_sent(struct sized_course *c, size_t n)
{
	c->at += n;
	if (c->out != SIZED_ENDLESS)
		c->out -= n;
}

#endif
