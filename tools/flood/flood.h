/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weir-flood's parts: what was asked for (args.c, values.c, mix.c), who it goes to
 * (target.c), the frames (frame.c), sending them (sender.c, by live.c or xsk.c),
 * counting what comes back (answers.c), saying so (report.c).
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

enum flood_kind {
	KIND_SYN,
	KIND_ACK,
	KIND_RST,
	KIND_SYN_ACK,
	KIND_FIN,
	KIND_INFLOW, /* ACKs within one connection, outside of its window */
	KINDS
};

enum flood_layout { LAYOUT_LINUX, LAYOUT_WINDOWS, LAYOUT_MACOS, LAYOUT_NONE, LAYOUTS };

#define MIX_MAX 8

/* Shares of the kinds or layouts; at least one is not zero. */
struct mix {
	unsigned int share[MIX_MAX];
};

/* Ports, host order, both ends included. */
struct ports {
	uint16_t lo, hi;
};

enum flood_backend { BACKEND_LIVE, BACKEND_XSK };

struct args {
	char ifname[IF_NAMESIZE];
	int family;	     /* AF_INET or AF_INET6 */
	struct in6_addr dst; /* IPv4 in the first four bytes */
	struct ports dst_port;
	struct in6_addr src_net; /* as dst */
	unsigned int src_len;	 /* 0: not given, the default of the family */
	int src_family;
	struct ports src_port;
	int flow_family; /* 0: no flow was named */
	struct in6_addr flow;
	struct ports flow_port;
	bool have_seq;
	uint32_t seq;	  /* around which --kind inflow draws */
	uint16_t vlan[2]; /* outer, inner */
	unsigned int vlans;
	unsigned char dst_mac[6];
	bool have_dst_mac;
	struct mix kinds, layouts;
	const char *kind_text; /* as it was asked for */
	enum flood_backend backend;
	unsigned int queue; /* of BACKEND_XSK */
	uint64_t rate;	    /* frames per second; 0: as fast as it goes */
	double seconds;
	uint64_t count; /* stop after so many; 0: rate * seconds */
	uint64_t seed;	/* of what is drawn; 0: from the kernel */
	int cpu;	/* pin to it; -1: do not */
	bool json;
	bool progress;
	bool bursts; /* no gaps between the frames of a tick */
	bool outside_lab;
};

/* 0, or 1 when help was asked for and given, or -EINVAL with one line on stderr. */
int args_parse(struct args *a, int argc, char **argv);

/* ---- values.c: one value of the command line; 0, or -EINVAL when it is none */

/* Above 0 and up to max; with k or M after it when scaled. */
int parse_number(const char *s, double max, bool scaled, double *out);
int parse_count(const char *s, double max, uint64_t *out);
int parse_integer(const char *s, unsigned long max, unsigned long *out);
/* PORT or LO-HI. */
int parse_ports(const char *s, struct ports *p);
/* 10.0.0.2:80, [fd00::2]:80, and ports as above. */
int parse_endpoint(const char *s, int *family, struct in6_addr *addr, struct ports *p);
/* IPv4 /8 to /32, IPv6 /32 to /128. */
int parse_net(const char *s, int *family, struct in6_addr *net, unsigned int *len);
int parse_mac(const char *s, unsigned char *mac);

/* ---- mix.c */

/* A name, or name=share,name=share..., or `mixed`. */
int mix_parse_kinds(const char *s, struct mix *m);
int mix_parse_layouts(const char *s, struct mix *m);
const char *mix_kind_name(enum flood_kind kind);

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

/* The templates and everything else the sender program needs. */
void flood_build(const struct args *a, const struct target *t, struct flood_config *cfg);

/* ---- sender.c */

struct sender;

/* What puts frames onto the wire. */
struct backend {
	const char *name;
	/* Sets s->tick. */
	int (*open)(struct sender *s, const struct args *a, const char **why);
	/* Sends n frames, fewer when *stop is set; 0, or -errno. */
	int (*burst)(struct sender *s, uint64_t n, const volatile int *stop);
	/* How many were sent of a template, at any time and from any thread. */
	uint64_t (*sent)(const struct sender *s, unsigned int template);
	void (*close)(struct sender *s);
};

extern const struct backend backend_live, backend_xsk;

struct sender {
	const struct backend *be;
	struct flood_config cfg;
	uint64_t seed;
	double tick;	 /* seconds from one burst to the next, when there is a rate */
	double seconds;	 /* from the first frame to the last */
	uint64_t errors; /* frames that could not be sent */
	void *own;	 /* the back end's */
};

int sender_open(struct sender *s, const struct args *a, const struct target *t, const char **why);
/* Sends at a->rate until a->seconds or a->count is reached or *stop is set. */
int sender_run(struct sender *s, const struct args *a, const volatile int *stop, const char **why);
uint64_t sender_sent(const struct sender *s, uint64_t by_kind[KINDS]);
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

/* ---- report.c */

struct result {
	uint64_t sent;
	uint64_t by_kind[KINDS];
	uint64_t errors;
	uint32_t dropped; /* at the interface: the peer's ring was full or not there */
	double seconds;
	bool interrupted;
};

int report_json(const struct args *a, const struct result *r, const struct answers *w);
void report_text(const struct args *a, const struct result *r, const struct answers *w);

struct progress;

/* A line each second on stderr, from a thread of its own. NULL: out of memory. */
struct progress *progress_start(const struct sender *s, const struct answers *w);
void progress_stop(struct progress *p);

#endif
