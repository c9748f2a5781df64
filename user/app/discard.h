/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of a discard connection, for those who ask how much came. */
#ifndef WEIR_APP_DISCARD_H
#define WEIR_APP_DISCARD_H

#include <stdbool.h>
#include <stdint.h>

struct discard_conn {
	uint64_t last_us; /* when a byte last came */
	uint64_t bytes;
	bool done;
};

#endif
