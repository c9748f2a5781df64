/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The sized protocol: a client says how much it sends and how much it wants back.
 * `weir run --listen ADDR:PORT=sized` and `kserver sized` serve it, weir-load asks.
 *
 *      0        4        8                16               24
 *     ┌────────┬────────┬────────────────┬────────────────┬──────── ─ ─
 *     │ magic  │ flags  │ in             │ out            │ in bytes…
 *     └────────┴────────┴────────────────┴────────────────┴──────── ─ ─
 *
 * All numbers are big-endian. The header and `in` bytes go to the server; when the
 * last of them is in, the server answers with `out` bytes, and the next header may
 * follow (or be sent ahead). The client closes; a client that only ends its stream
 * still gets the answers it asked for, then the server's end.
 *
 * With SIZED_STREAM the server sends from the header on, while it receives. There the
 * end of the client's stream is the end of both: the server stops where it is, lets
 * out what it has queued, and ends its own. SIZED_ENDLESS stands for "until then".
 *
 * A wrong magic or an unknown flag gets a reset.
 *
 * Payload in either direction is the pattern, from its first byte in each request
 * and in each response: byte k is sized_byte(k). Its period is prime, so that a lost,
 * repeated or displaced piece of any usual size shows, and it is short enough to
 * send from, and compare with, a table that stays in the first-level cache.
 */
#ifndef WEIR_SIZED_H
#define WEIR_SIZED_H

#ifdef __cplusplus
extern "C" {
#endif

#include <linux/types.h>

#define SIZED_MAGIC   0x57454952u /* "WEIR" */
#define SIZED_STREAM  0x00000001u
#define SIZED_ENDLESS (~0ull)

#define SIZED_HEADER_LEN 24

struct sized_header {
	__u32 flags;
	__u64 in, out;
};

static inline void sized_put32(unsigned char *p, __u32 v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

static inline __u32 sized_get32(const unsigned char *p)
{
	return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

static inline void sized_put(unsigned char p[SIZED_HEADER_LEN], const struct sized_header *h)
{
	sized_put32(p, SIZED_MAGIC);
	sized_put32(p + 4, h->flags);
	sized_put32(p + 8, (__u32)(h->in >> 32));
	sized_put32(p + 12, (__u32)h->in);
	sized_put32(p + 16, (__u32)(h->out >> 32));
	sized_put32(p + 20, (__u32)h->out);
}

/* 0, or -1 when this is no header that the server may answer. */
static inline int sized_get(const unsigned char p[SIZED_HEADER_LEN], struct sized_header *h)
{
	h->flags = sized_get32(p + 4);
	h->in = (__u64)sized_get32(p + 8) << 32 | sized_get32(p + 12);
	h->out = (__u64)sized_get32(p + 16) << 32 | sized_get32(p + 20);
	return sized_get32(p) == SIZED_MAGIC && !(h->flags & ~SIZED_STREAM) ? 0 : -1;
}

/* ---- the pattern ------------------------------------------------------------ */

#define SIZED_PERIOD 4093u
#define SIZED_WINDOW 16384u /* from any position of the period, so much is contiguous */
#define SIZED_TABLE  (SIZED_PERIOD + SIZED_WINDOW)

static inline unsigned char sized_byte(__u64 k)
{
	return (unsigned char)(((__u32)(k % SIZED_PERIOD) * 2654435761u) >> 24);
}

static inline void sized_fill(unsigned char table[SIZED_TABLE])
{
	for (__u32 k = 0; k < SIZED_TABLE; k++)
		table[k] = sized_byte(k);
}

/* Where byte k and the SIZED_WINDOW - 1 after it are in a filled table. */
static inline const unsigned char *sized_at(const unsigned char table[SIZED_TABLE], __u64 k)
{
	return table + k % SIZED_PERIOD;
}

#ifdef __cplusplus
}
#endif

#endif
