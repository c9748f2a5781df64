/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weir-flood's parts: what was asked for (args.c), who it goes to (target.c), the
 * frame (frame.c), sending it (sender.c), counting what comes back (answers.c).
 *
 * Functions that can fail return 0 or -errno; with a `why` they also point it at
 * one sentence for the operator.
 */
#ifndef FLOOD_H
#define FLOOD_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "flood_abi.h"

struct args {
	char ifname[IF_NAMESIZE];
	int family;		 /* AF_INET or AF_INET6 */
	struct in6_addr dst;	 /* IPv4 in the first four bytes */
	uint16_t port;		 /* host order */
	struct in6_addr src_net; /* as dst */
	unsigned int src_len;
	unsigned char dst_mac[6];
	bool have_dst_mac;
	bool ack;	    /* bare ACKs instead of SYNs */
	bool plain_options; /* no TCP options instead of Linux's */
	uint64_t rate;	    /* frames per second */
	double seconds;
	uint64_t count; /* stop after so many; 0: rate * seconds */
	int cpu;	/* pin to it; -1: do not */
	bool json;
	bool outside_lab;
};

/* 0, or 1 when help was asked for and given, or -EINVAL with one line on stderr. */
int args_parse(struct args *a, int argc, char **argv);

/* ---- target.c */

struct target {
	int ifindex;
	unsigned char src_mac[6];
	unsigned char dst_mac[6];
};

/* Finds the interface, and the destination's MAC by asking for it. */
int target_resolve(const struct args *a, struct target *t, const char **why);
/* Frames that the interface could not give to its peer so far. */
uint32_t target_tx_dropped(const struct args *a);

/* ---- frame.c */

/* The template and everything else the sender program needs. */
void frame_build(const struct args *a, const struct target *t, struct flood_config *cfg);

/* ---- sender.c */

struct flood_bpf;

struct sender {
	struct flood_bpf *skel;
	double seconds; /* from the first frame to the last */
};

int sender_open(struct sender *s, const struct flood_config *cfg, const char **why);
/* Sends at a->rate until a->seconds or a->count is reached or *stop is set. */
int sender_run(struct sender *s, const struct args *a, const volatile int *stop, const char **why);
uint64_t sender_sent(const struct sender *s);
void sender_close(struct sender *s);

/* ---- answers.c */

struct lab_pass_bpf;

struct answers {
	bool known; /* false: another program is on the interface, nothing is counted */
	int config_fd;
	int count_fd;
	struct lab_pass_bpf *skel; /* our own program, where there was none */
	uint64_t syn_ack, rst, other;
	uint64_t base_syn_ack, base_rst, base_other; /* counted before we came */
};

/* Counts and drops, from now on, what comes back to the sources of the flood. */
int answers_open(struct answers *w, const struct args *a, int ifindex, const char **why);
/* Reads the counts into syn_ack, rst and other. */
void answers_read(struct answers *w);
/* Leaves the interface as it was. */
void answers_close(struct answers *w);

#endif
