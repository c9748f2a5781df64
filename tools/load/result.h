/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of it all, by phase.
 *
 * An attempt belongs to the phase in which it should have begun, and ends as exactly one
 * success or failure:
 *
 *     attempted = succeeded + sum(failed)
 *
 * The rate is of what was completed while the phase lasted, whenever it had begun.
 */
#ifndef LOAD_RESULT_H
#define LOAD_RESULT_H

#include <stdint.h>

#include "hist.h"
#include "sched.h"

#define LOAD_FAILURES(X)                                                                           \
	X(TIMEOUT, "timeout") /* not complete in time */                                           \
	X(CONNECT_TIMEOUT, "connect_timeout")                                                      \
	X(REFUSED, "refused")                                                                      \
	X(RESET, "reset")                                                                          \
	X(CLOSED, "closed") /* the server ended its stream too early */                            \
	X(WRONG, "wrong")   /* other bytes, or more than asked for */                              \
	X(UNREACHABLE, "unreachable")                                                              \
	X(LOCAL_PORTS, "local_ports")	/* no local port is left */                                \
	X(LOCAL_LIMIT, "local_limit")	/* no descriptor, memory or buffer here */                 \
	X(CLIENT_LIMIT, "client_limit") /* overdue: all connections were busy all the time */      \
	X(NOT_OPENED, "not_opened")	/* setting up took too long */                             \
	X(INTERRUPTED, "interrupted")                                                              \
	X(OTHER, "other")

enum load_failure {
#define X(id, name) LOAD_##id,
	LOAD_FAILURES(X)
#undef X
		LOAD_FAILURE_MAX,
};

extern const char *const load_failure_names[LOAD_FAILURE_MAX];
enum load_failure load_failure_of(int err); /* of an -errno */

struct cpu_times {
	double machine_s; /* busy, all CPUs; only differences mean something */
	double self_s;	  /* this process, user and system */
};
void cpu_times_now(struct cpu_times *t);

struct tally {
	uint64_t attempted, succeeded;
	uint64_t failed[LOAD_FAILURE_MAX];
	uint64_t completed;  /* successes while the phase lasted, for the rate */
	uint64_t opened;     /* connections */
	uint64_t waited;     /* open loop: arrivals that found all connections busy */
	uint64_t up, down;   /* bytes of payload and headers, while it lasted */
	unsigned int peak;   /* connections at once */
	uint64_t begin, end; /* ns; begin 0: never */
	struct cpu_times cpu;
	struct hist connect, response;
	struct hist delay; /* open loop: from when it should begin to when it did */
};

uint64_t tally_failed(const struct tally *t);
double tally_seconds(const struct tally *t);
/* Both one after the other. */
void tally_merge(struct tally *into, const struct tally *from);

/* A point of the run's course, some tens of them. */
struct sample {
	double at_s;
	uint64_t completed, failed;
	double rate, p50_us, p90_us, p99_us, p999_us;
};
#define SAMPLES_MAX 4096

struct result {
	struct tally *phase; /* one for each of the args' phases, the warm-up's too */
	unsigned int phases;
	struct sample *sample;
	unsigned int samples;
	bool interrupted;
};

#endif
