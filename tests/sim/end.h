/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An end: one connection of the core with its pool and settings, an application,
 * and a tap. It is a node: what arrives goes into tcp_input(), what tcp_output()
 * gives is passed on to `to`.
 *
 * How it opens:
 *
 *     SIM_ACTIVE   SYN_SENT                   (both sides active: simultaneous open)
 *     SIM_LISTEN   LISTEN, SYN_RCVD
 *     SIM_COOKIE   a small gate in front answers SYNs without state and makes the
 *                  connection from the first segment that acknowledges its number
 *
 * At each step: timers bounded, none in the past that does nothing, and no data
 * waiting without one.
 */
#ifndef TESTS_SIM_END_H
#define TESTS_SIM_END_H

#include "app.h"
#include "watch.h"

enum sim_open { SIM_ACTIVE, SIM_LISTEN, SIM_COOKIE };

/* What a box on the path takes out of SYNs. */
#define SIM_NO_SACK   0x01
#define SIM_NO_TS     0x02
#define SIM_NO_WSCALE 0x04
#define SIM_NO_ECN    0x08

struct sim_end_opt {
	enum sim_open how;
	struct tcp_config cfg;
	const char *cc; /* NULL: the core's own choice */
	size_t blocks;
	uint16_t mtu_mss;
	uint8_t strip; /* SIM_NO_*: out of the SYNs that arrive */
	bool rows;     /* TIME_WAIT leaves its connection for a row of 48 bytes */
	bool ecn;
	bool may_die; /* an end by a limit is no failure */
	size_t hog;   /* takes this many blocks away, now and then, for hog_ns */
	uint64_t hog_ns;
};

struct sim_gate {
	bool seen;
	uint32_t iss;
	struct tcp_seg syn;
};

struct sim_end {
	struct sim_node node;
	struct sim_end_opt opt;
	struct tcp_env env;
	struct tcp_config cfg;
	struct tcp_pool pool;
	void *mem;
	struct tcp_conn *c;
	bool started, open; /* c is a connection */
	bool in_row;
	struct tcp_timewait row;
	struct sim_gate gate;
	struct sim_app app;
	struct sim_watch watch;
	struct tcp_block *hogged;
	uint64_t hog_at;
	unsigned hogged_times;
	uint8_t flow, side;
	char name[8];
	uint64_t wake_at; /* the earliest wake that is scheduled */
	uint64_t app_at;
	uint64_t bound_us; /* no timer lies further ahead */
	/* what happened */
	uint64_t segments, data_segments, rejected;
	uint64_t counters[WEIR_C_MAX];
	uint64_t retransmits;
	enum tcp_reason reason;
};

void sim_end_init(struct sim_end *e, struct sim *s, const struct sim_end_opt *opt, uint8_t flow,
		  uint8_t side);
void sim_end_start(struct sim_end *e, uint64_t at);
/* Runs the application and drains the core: after anything that was done to it by hand. */
void sim_end_work(struct sim_end *e);
/* An ICMP error that quotes `f`, a frame of its own: it was larger than `mtu`. */
void sim_end_too_big(struct sim_end *e, const struct sim_frame *f, uint32_t mtu);
/* Whether it has been through all and is CLOSED, its application served. */
bool sim_end_done(const struct sim_end *e);
/* Gives all back; fails the run if a block is missing. */
void sim_end_free(struct sim_end *e);

#endif
