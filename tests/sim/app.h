/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the application at an end does, as parameters instead of code, so that a
 * generator can draw them:
 *
 *     bulk              total
 *     both ways         total on either side
 *     on/off            burst bytes, then nothing for pause_ns, and so on
 *     request/response  writes turn_out bytes for every turn_in that it has read;
 *                       who is not `second` begins
 *     half-close        after_eof: says nothing before the other's FIN has come
 *     slow reader       takes read_most bytes every read_ns
 *
 * Every byte is a function of its place in the stream and of who wrote it, and
 * each one read is compared.
 */
#ifndef TESTS_SIM_APP_H
#define TESTS_SIM_APP_H

#include "sim.h"
#include "tcp/tcp.h"

struct sim_app {
	uint64_t total;	 /* to write, then it shuts down; UINT64_MAX: never */
	uint64_t expect; /* to be read: the other's total */
	uint64_t burst, pause_ns;
	uint64_t turn_out, turn_in;
	bool second, after_eof;
	uint64_t read_most, read_ns;
	bool close;	  /* tcp_close() once it has read all; else tcp_shutdown() */
	uint32_t salt;	  /* where in the pattern it writes from, and … */
	uint32_t salt_in; /* … where the other does */
	/* its state */
	uint64_t opened;
	uint64_t written, read;
	bool shut, eof;
};

/* Does what can be done now; returns when it wants to be called again, or SIM_NEVER. */
uint64_t sim_app_run(struct sim_app *a, struct sim *s, struct tcp_conn *c);

#endif
