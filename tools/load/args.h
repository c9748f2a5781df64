/* SPDX-License-Identifier: BSD-2-Clause */
/* What weir-load was asked for. */
#ifndef LOAD_ARGS_H
#define LOAD_ARGS_H

#include "backend.h"
#include "sched.h"

enum load_pattern {
	LOAD_CONNECT,
	LOAD_REQUEST,
	LOAD_REQUESTS,
	LOAD_PINGPONG,
	LOAD_UP,
	LOAD_DOWN,
	LOAD_BOTH,
	LOAD_IDLE,
	LOAD_SLOW,
};

struct load_pattern_info {
	const char *name;
	bool keep;   /* connections are opened before the first phase and kept */
	bool stream; /* and move bytes as fast as they go */
	bool up, down;
};
extern const struct load_pattern_info load_patterns[];

#define LOAD_LOCALS_MAX 65536

struct load_args {
	enum load_pattern pattern;
	const struct load_pattern_info *info;
	bool xdp; /* which back end */
	const char *iface;
	union be_addr remote;
	union be_addr source; /* the first of them; sa_family 0: none said */
	unsigned int sources;
	unsigned int connections;
	double rate;
	double seconds, warmup;
	uint64_t count; /* 0: no limit */
	uint64_t timeout_ns;
	uint64_t request, response; /* bytes */
	uint64_t read_rate;	    /* slow: bytes per second and connection */
	int cpu;		    /* -1: any */
	bool busy_poll, no_verify, progress, json, outside_lab;
	const char *plot;
	struct phase phase[SCHED_PHASES];
	unsigned int phases; /* the warm-up included */
};

/*
 * 0; 1 when help was asked for and given; or -EINVAL with one line on stderr. `sources` is
 * checked against the family of `remote`, defaults are filled in, phases made.
 */
int load_args_parse(struct load_args *a, int argc, char **argv);

/* The i-th local address, i < a->sources. */
union be_addr load_args_source(const struct load_args *a, unsigned int i);

#endif
