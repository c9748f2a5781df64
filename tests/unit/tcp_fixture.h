/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection with virtual time and a peer made of single segments.
 *
 *     struct fx *f = fx_established(NULL);
 *     IN(f, .len = 100);                        a segment arrives
 *     EXPECT(f, .ack = 101);                    exactly one leaves, like this
 *     NOTHING(f);                               and no other
 *     fx_free(f);                               nothing leaked, all was expected
 *
 * An arriving segment is a template (in order, acknowledges all, flag ACK, the
 * peer's window) with overrides: .seq and .ack are signed distances from it.
 * In an expected segment .seq is relative to our ISS and .ack to the peer's, so
 * that 1 is the first byte; unset they are "snd_nxt before payload" and "rcv_nxt"
 * as the connection has them. Both initial numbers lie just below 2^32: every
 * test wraps.
 *
 * Payload is a pattern by stream offset; every segment that leaves has its
 * checksum and its payload verified. Time runs by fx_run(), which fires timers on
 * the way and collects what they send.
 */
#ifndef TESTS_TCP_FIXTURE_H
#define TESTS_TCP_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcp/tcp.h"
#include "tcp/tcp_conn.h"

#define PSH_ACK (TCP_PSH | TCP_ACK)

#define FX_ISS	   0xffffff00u
#define FX_IRS	   0xfffffe00u
#define FX_MSS	   1000
#define FX_WND	   20000
#define FX_TS_OURS 5000u
#define FX_TS_PEER 0xfffffff0u
#define FX_MS	   1000ull
#define FX_SEC	   1000000ull

/* What the handshake agrees on, and the sizes; fx_opt_default is without options. */
struct fx_opt {
	bool ts, sack, ecn, wscale, nagle;
	bool mtu_probe;
	bool quick; /* the first segments are acknowledged one by one */
	uint8_t peer_shift;
	uint16_t mss;
	uint32_t rcvbuf, sndbuf, blocks;
	uint64_t keepalive_us;
	const struct tcp_cc *cc;	 /* NULL: the default */
	uint32_t rcvbuf_max, sndbuf_max; /* 0: no auto-tuning */
	uint16_t mss_default;
	const struct tcp_opts *opts; /* fx_opts() and changes */
};
extern const struct fx_opt fx_opt_default;

/* The default's sizes and what is named; a sender's are larger than its peer's window. */
#define FX_OPT(...)                                                                                \
	{                                                                                          \
		FX_SIZES(65536, 512), __VA_ARGS__                                                  \
	}
#define FX_OPT_SENDER(...)                                                                         \
	{                                                                                          \
		FX_SIZES(1 << 20, 1024), __VA_ARGS__                                               \
	}
#define FX_SIZES(snd, n) .mss = FX_MSS, .rcvbuf = 65535, .sndbuf = (snd), .blocks = (n)

struct fx_out {
	struct tcp_seg seg;
	uint8_t ecn;
	uint64_t at;
	uint8_t bytes[4096];
	size_t len;
};

struct fx {
	struct tcp_config cfg;
	struct tcp_env env;
	struct tcp_pool pool;
	struct tcp_open open;
	struct fx_opt opt;
	uint64_t counters[WEIR_C_MAX];
	void *mem;
	struct tcp_conn *c;
	uint64_t now;
	uint32_t events;
	uint32_t peer_ts;
	uint16_t peer_wnd;
	uint64_t sent; /* bytes of pattern given to tcp_send() */
	uint64_t read;
	uint32_t burst; /* what tcp_output_burst() may take, which is cut apart here; 0: not used */
	unsigned bursts;	/* that it took */
	uint64_t seed;		/* printed when bytes differ; 0: none */
	struct tcp_block *held; /* by fx_hold() */
	struct fx_out *q;
	unsigned qhead, qtail;
};

struct fx_seg {
	int32_t seq, ack; /* distances from the template */
	uint8_t flags;	  /* 0: ACK */
	uint32_t len;
	uint16_t wnd; /* 0: f->peer_wnd */
	bool zero_wnd, no_ts;
	bool bare;	/* no flags at all */
	bool in_place;	/* a SYN within the connection: no options, not at the IRS */
	int32_t ts;	/* distance from the peer's clock */
	uint32_t tsecr; /* 0: our latest */
	uint8_t ip_ecn, nsack;
	uint16_t urg;
	uint32_t sack[8]; /* relative to our ISS: start, end, ... */
};

struct fx_expect {
	uint8_t flags; /* 0: ACK */
	uint32_t seq, ack, len;
	uint32_t wnd; /* 0: not looked at */
	bool wnd_zero;
	uint8_t nsack;
	uint32_t sack[8]; /* relative to the peer's ISS */
};

struct tcp_opts fx_opts(void); /* what a connection of the fixture has by default */
struct fx *fx_new(const struct fx_opt *opt);
struct fx *fx_closed(const struct fx_opt *opt);
struct fx *fx_listen(const struct fx_opt *opt);
struct fx *fx_syn_sent(const struct fx_opt *opt);
struct fx *fx_syn_rcvd(const struct fx_opt *opt);
struct fx *fx_established(const struct fx_opt *opt);
struct fx *fx_fin_wait_1(const struct fx_opt *opt);
struct fx *fx_fin_wait_2(const struct fx_opt *opt);
struct fx *fx_close_wait(const struct fx_opt *opt);
struct fx *fx_closing(const struct fx_opt *opt);
struct fx *fx_last_ack(const struct fx_opt *opt);
struct fx *fx_time_wait(const struct fx_opt *opt);
void fx_free(struct fx *f);
/* Whatever has left and leaves yet is acknowledged, and no longer looked at; then the end. */
void fx_finish(struct fx *f);

void fx_in(struct fx *f, const struct fx_seg *s);
void fx_expect(struct fx *f, const struct fx_expect *e, const char *file, int line);
void fx_nothing(struct fx *f, const char *file, int line);
unsigned fx_waiting(const struct fx *f);
void fx_skip(struct fx *f); /* forgets what has left and was not looked at */
struct fx_out *fx_pop(struct fx *f);

void fx_wide(struct fx *f); /* the peer's window is no limit from now on */
/* Takes up to n blocks of the pool, as others would: how many; and gives up to n back. */
unsigned fx_hold(struct fx *f, unsigned n);
void fx_give_back(struct fx *f, unsigned n);
void fx_run(struct fx *f, uint64_t us);
void fx_drain(struct fx *f);
void fx_send(struct fx *f, size_t n);
void fx_read(struct fx *f, size_t n); /* reads and verifies n bytes */
/* An ICMP error that quotes our number `seq`, relative to our ISS. */
void fx_icmp(struct fx *f, enum tcp_icmp_kind kind, int error, uint32_t seq, uint32_t mtu);
void fx_user_timeout(struct fx *f, uint64_t us);
uint32_t fx_events(struct fx *f); /* since last asked */
uint8_t fx_byte(uint64_t off);	  /* the pattern */

#define IN(f, ...)	    fx_in(f, &(const struct fx_seg){__VA_ARGS__})
#define EXPECT(f, ...)	    fx_expect(f, &(const struct fx_expect){__VA_ARGS__}, __FILE__, __LINE__)
#define NOTHING(f)	    fx_nothing(f, __FILE__, __LINE__)
#define STATE(f, name)	    assert_string_equal(tcp_state_name(tcp_get_state((f)->c)), #name)
#define COUNTED(f, name, n) assert_int_equal((f)->counters[WEIR_C_##name], n)

#endif
