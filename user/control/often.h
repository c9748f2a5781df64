/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How often something happened in a row, each time within a bound of the time before.
 * Times are of any clock that does not go back, in microseconds; it may begin at 0. Zeroed
 * memory is a row that has not begun.
 */
#ifndef WEIR_CONTROL_OFTEN_H
#define WEIR_CONTROL_OFTEN_H

#include <stdint.h>

struct often {
	uint64_t last_us;
	unsigned times;
};

/* It happened now: the how manieth time in a row, 1 for the first. */
static inline unsigned often_again(struct often *o, uint64_t now_us, uint64_t within_us)
{
	o->times = o->times && now_us - o->last_us < within_us ? o->times + 1 : 1;
	o->last_us = now_us;
	return o->times;
}

#endif
