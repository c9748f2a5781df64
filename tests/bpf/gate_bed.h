/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate on a test bench: loaded, not attached, at a time that the test sets,
 * run on one frame at a time (BPF_PROG_TEST_RUN), with a real AF_XDP socket on the
 * loopback of a private namespace for it to redirect to.
 *
 * Port 80 is an any-address service; port 443 one of 10.0.0.2 and fd00::2 alone;
 * port 5000 the local end of an active open.
 */
#ifndef WEIR_TEST_GATE_BED_H
#define WEIR_TEST_GATE_BED_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/cookie.h>
#include <weir/policy.h>
#include "frame.h"
#include "weir.skel.h"

#define BED_MONO_MS 5000000ULL
#define BED_WALL_MS (1800000000000ULL & ~0x3fffULL) /* at the start of an epoch */
#define BED_EPOCH   16384

struct bed {
	struct weir_bpf *skel;
	struct weir_gate_config *cfg;
	int prog;
	struct lo_socket *socket;
	uint64_t seen[WEIR_C_MAX]; /* counters at the last bed_mark() */
	/* the last run's result */
	int act;
	uint8_t out[FRAME_MAX];
	size_t out_len;
};

/* flows: capacity of the flow maps. Exits 77 where a test may not do this. */
void bed_open(struct bed *b, unsigned flows);
void bed_close(struct bed *b);
/* Configuration, clock, modes and flows as bed_open() left them. */
void bed_reset(struct bed *b);

/* What the gate counts is of a CPU: this thread stays on the one it is on. */
void bed_one_cpu(void);

/* For cmocka: the one bed of a test program, with room for 64 flows. */
extern struct bed bed;
int bed_setup(void **state);
int bed_teardown(void **state);
int bed_fresh(void **state); /* before each test: bed_reset() */

int bed_run(struct bed *b, const void *frame, size_t len);
int bed_send(struct bed *b, const struct frame *f); /* builds and runs */

void bed_advance(struct bed *b, uint64_t ms);
uint64_t bed_wall(const struct bed *b);
void bed_socket(struct bed *b, bool present); /* in the XSKMAP or not */
bool bed_flow(struct bed *b, const struct frame *client, struct weir_flow *f);
void bed_enter(struct bed *b, const struct frame *client); /* a flow, as a worker makes one */
struct weir_flow_key6 bed_tuple(const struct frame *client);

/* Counters since the mark: this one and rx_frames moved by n, nothing else. */
void bed_mark(struct bed *b);
uint64_t bed_count(struct bed *b, enum weir_counter c);
#define bed_expect(b, act, c) bed_expect_(b, act, WEIR_C_##c, #c, __FILE__, __LINE__)
void bed_expect_(struct bed *b, int act, enum weir_counter c, const char *name, const char *file,
		 int line);

/* The cookie that the gate must make for this SYN now. */
struct weir_cookie bed_cookie(struct bed *b, const struct frame *syn, const struct frame_layout *l);
/* The SYN-ACK that it must send. */
struct frame bed_syn_ack(struct bed *b, const struct frame *syn, const struct frame_layout *l);
/* The client's ACK to that. */
struct frame bed_ack(const struct frame *syn, const struct frame_layout *l,
		     const struct weir_cookie *c);
/* The last run's output is exactly this frame. */
void bed_expect_frame(struct bed *b, const struct frame *f, const char *what);

#endif
