/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two connections and what lies between them, a line a segment, as the figures of
 * RFC 9293 3.5 and 3.6 are drawn:
 *
 *     struct duel d = duel_new(iss_a, iss_b);
 *     CROSS(&d, A, SYN, 0, 0);              A sends exactly this, B gets it
 *     LOST(&d, B, SYN | ACK, 0, 1);         B sends it, nobody gets it
 *     STATES(&d, ESTABLISHED, SYN_RCVD);
 *     duel_free(&d);                        no segment is left, no block leaked
 *
 * Numbers are relative to who sends: 0 is the SYN, 1 the first octet or the FIN;
 * `ack` is relative to the other. What a test injects (INJECT) is addressed the same
 * way. The figures are played for initial numbers on both sides of each wrap.
 */
#ifndef TESTS_DUEL_H
#define TESTS_DUEL_H

#include "tcp_fixture.h"

enum side { A, B };

struct duel {
	struct fx *end[2];
	uint32_t iss[2];
	uint64_t now;
};

/* Both with a TCB to be opened, CLOSED; the clocks are one. */
struct duel duel_new(uint32_t iss_a, uint32_t iss_b);
void duel_free(struct duel *d);
void duel_active(struct duel *d, enum side s);
void duel_listen(struct duel *d, enum side s);
/* Forgets all: a host that crashed and is up again. */
void duel_crash(struct duel *d, enum side s, uint32_t new_iss);
void duel_send(struct duel *d, enum side s, uint32_t len);
void duel_shutdown(struct duel *d, enum side s);
void duel_pass(struct duel *d, uint64_t us);
/* To ESTABLISHED on both sides, A actively. */
void duel_up(struct duel *d);

struct duel_seg {
	uint8_t flags;
	uint32_t seq, ack, len;
};
enum duel_fate { DUEL_CROSS, DUEL_LOSE, DUEL_KEEP };
void duel_expect(struct duel *d, enum side from, enum duel_fate fate, const struct duel_seg *s,
		 const char *file, int line);
/* The last kept one arrives, and may again. */
void duel_deliver_kept(struct duel *d, enum side from);
void duel_inject(struct duel *d, enum side from, const struct duel_seg *s);
void duel_states(struct duel *d, const char *a, const char *b, const char *file, int line);

/* A line gives as many numbers as it has; the rest are 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define DUEL_(d, from, fate, ...)                                                                  \
	duel_expect(d, from, fate, &(const struct duel_seg){__VA_ARGS__}, __FILE__, __LINE__)
#define CROSS(d, from, ...)  DUEL_(d, from, DUEL_CROSS, __VA_ARGS__)
#define LOST(d, from, ...)   DUEL_(d, from, DUEL_LOSE, __VA_ARGS__)
#define KEPT(d, from, ...)   DUEL_(d, from, DUEL_KEEP, __VA_ARGS__)
#define INJECT(d, from, ...) duel_inject(d, from, &(const struct duel_seg){__VA_ARGS__})
#define STATES(d, a, b)	     duel_states(d, #a, #b, __FILE__, __LINE__)

#define SYN TCP_SYN
#define ACK TCP_ACK
#define FIN TCP_FIN
#define RST TCP_RST
#define PSH TCP_PSH

/* Runs play() with the initial numbers before, at and after the wrap, and mid-way. */
void duel_each_wrap(void (*play)(struct duel *d));

#endif
