/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frame costs in the gate: one frame a BPF_PROG_TEST_RUN, the time by the
 * kernel's own statistics (run_time_ns / run_cnt), net of an empty program.
 *
 *	cost_frames.c	the frames of clients, each from a source of its own
 *	cost_gate.c	the gate as `weir run` sets it up, not attached
 *	cost_cases.c	what is measured
 *	progcost.c	arguments, rounds, JSON
 *
 * A case runs a batch of frames that are made anew each round, so that neither the
 * branch predictor nor the caches know a source.
 */
#ifndef WEIR_BENCH_COST_H
#define WEIR_BENCH_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>

#define COST_FRAME 160 /* bytes, at most */
#define COST_BATCH 2000

#define COST_PORT	80 /* the service's */
#define COST_OTHER_PORT 22 /* not ours */

/* ---- frames ------------------------------------------------------------------ */

enum cost_layout { LAYOUT_NONE, LAYOUT_LINUX, LAYOUT_WINDOWS, LAYOUT_MACOS, LAYOUT_TS };

struct cost_frame {
	uint16_t len;
	uint8_t bytes[COST_FRAME];
};

/* What a frame says; the rest is the same for all. */
struct cost_spec {
	int family;
	unsigned vlans;
	enum cost_layout layout;
	uint8_t flags;
	uint16_t dport;
	uint16_t sport;
	uint32_t source; /* the host part of its address */
	uint32_t seq, ack, tsval, tsecr;
};

extern const uint8_t cost_mac[6]; /* the gate's device */

void cost_build(const struct cost_spec *s, struct cost_frame *f);
struct weir_flow_key6 cost_tuple(const struct cost_spec *s);
uint64_t cost_random(void);

/* ---- the gate ---------------------------------------------------------------- */

struct weir_bpf;

struct cost_gate {
	struct weir_bpf *skel;
	int prog;
};

/* What a policy has the gate look at; the limits are never reached. */
#define COST_LISTS  1 /* ten thousand prefixes that keep nobody out */
#define COST_DENIED 2 /* such, and one that keeps everybody out */
#define COST_SYNACK 4 /* SYN-ACKs by source */
#define COST_FLOWS  8 /* new flows, and flows open, by source */

/*
 * A gate in which so many flows live, in each family: those of cost_flow(). Its AF_XDP
 * socket is on the loopback of this process's network namespace. 0 or -errno.
 */
int cost_gate_open(struct cost_gate *g, uint32_t flows);
/* Once, before frames are run: COST_*. 0 or -errno. */
int cost_gate_policy(struct cost_gate *g, unsigned policy);
void cost_gate_close(struct cost_gate *g);
/* Deletes all flows. */
int cost_gate_forget(struct cost_gate *g);
/* A segment of flow i. */
struct cost_spec cost_flow(int family, uint32_t i);

/*
 * ns per run of a program over the batch; negative: -errno. Runs must end in `want` (-1:
 * in anything), or -EPROTO; but one in a thousand need not, as a guessed cookie of 22 bits
 * is right once in a while.
 */
double cost_measure(int prog, const struct cost_frame *f, unsigned n, int want);
/* One run; the frame that came out replaces *f. The verdict, or -errno. */
int cost_once(int prog, struct cost_frame *f);

/* ---- cases --------------------------------------------------------------------- */

struct cost_case {
	const char *result; /* syn_path, ack_accept, ack_reject, flow_hit, pass */
	char name[48];
	int family;
	unsigned vlans;
	enum cost_layout layout;
	uint32_t flows; /* that live meanwhile */
	int want;	/* the verdict */
	/* Makes frame i; 0 or -errno. */
	int (*make)(const struct cost_case *c, const struct cost_gate *g, struct cost_frame *f);
	unsigned policy; /* COST_* */
};

/* All of them; *n is set. */
const struct cost_case *cost_cases(unsigned *n);

#endif
