/* SPDX-License-Identifier: BSD-2-Clause */
/* A pool of backends under a clock that the test moves, and what it told of. */
#ifndef WEIR_POOL_FIXTURE_H
#define WEIR_POOL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <weir/abi.h>
#include "proxy/backends.h"

#define POOL_CHANGES 32

extern struct pool {
	struct backends *b;
	struct proxy_config cfg; /* last put in force */
	uint64_t now;
	struct backend_status rows[BACKENDS_MAX];
	struct {
		char text[160];
	} change[POOL_CHANGES];
	unsigned nchanges;
} pool;

void pool_configure(const char *spec); /* cfg alone */
void pool_open(const char *spec);
void pool_update(const char *spec);
void pool_close(void);
void pool_pass(uint64_t ms);

struct weir_addr pool_client_of(unsigned n);
int pool_pick(uint64_t tried);
/* Picks slot i, whatever the balance says, by ruling the others out. */
void pool_fail_at(unsigned i, unsigned times, enum backend_failure why);

/* The next changes that were told of, in their order, and no more. */
void pool_expect_change(const char *text);
/* The order of the next picks by their port's last digit; each ends at once. */
void pool_expect_turns(const char *want);
/* Of the next n picks, so many are of the backend with this last digit. */
void pool_expect_share(unsigned n, char digit, unsigned want);
const struct backend_status *pool_row(const char *name);
uint64_t pool_counter(enum weir_counter c);

#endif
