/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When requests are due. A run is a sequence of phases, back to back; one with a rate has
 * arrival k at begin + k / rate, whatever became of the arrivals before it: who measures
 * from there cannot leave out the time that a slow server, or a slow client, made others
 * wait (coordinated omission). A phase without a rate is a closed loop: whoever is free
 * begins.
 *
 * Arrivals are only computed, never stored, so any number of them may be overdue. They
 * stay in the phase they were due in.
 */
#ifndef LOAD_SCHED_H
#define LOAD_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_PHASES 64
#define SCHED_NONE   UINT64_MAX

struct phase {
	double rate; /* arrivals per second; 0: closed loop */
	uint64_t ns; /* how long */
	bool warmup; /* not reported */
	char label[32];
};

struct sched {
	const struct phase *phase;
	unsigned int n;
	uint64_t begin[SCHED_PHASES + 1]; /* of each phase; [n]: the end */
	unsigned int at;		  /* the phase of the next arrival */
	uint64_t k;			  /* its number in there */
};

void sched_start(struct sched *s, const struct phase *phase, unsigned int n, uint64_t now);
/* The phase that `now` is in; n after the end. */
unsigned int sched_phase(const struct sched *s, uint64_t now);
/* When the next arrival is due, and in which phase; SCHED_NONE: there is none left. */
uint64_t sched_due(struct sched *s, unsigned int *phase);
void sched_take(struct sched *s); /* the one that sched_due() told */
/* All ends at `now`; what was due before may still be taken. */
void sched_stop(struct sched *s, uint64_t now);

#endif
