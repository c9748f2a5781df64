/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole world drawn from a seed: path, settings, applications. */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include "world.h"

struct sim_verdict {
	bool failed;
	char why[256];
	uint64_t hash;
	uint64_t segments, rejected, dropped, retransmits, timeouts;
	uint64_t took_ns; /* of virtual time */
};

void sim_random(uint64_t seed, bool verbose, struct sim_verdict *v);

#endif
