/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emptying a weir that goes on running.
 *
 *     serving --drain--> draining --limit over--> closing
 *        ^                  |                        |
 *        +------ undo ------+------------------------+
 *
 * While it drains SYNs go unanswered, counted in drop_draining, handshakes that have begun are
 * finished, and connections go on until they end. In closing those that are left are closed in
 * order, as when weir stops. A SYN is not refused by an RST: a fleet's router is about to send
 * its repetition, a second later, to another node, where an RST would be the client's failure.
 */
#ifndef WEIR_CONTROL_DRAIN_H
#define WEIR_CONTROL_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

enum drain_state { DRAIN_NONE, DRAIN_WAITING, DRAIN_CLOSING };

#define DRAIN_UNLIMITED UINT64_MAX

struct drain_wish {
	bool undo;
	bool exit;	   /* weir ends when it is empty */
	uint64_t limit_ms; /* until what is left is closed; DRAIN_UNLIMITED */
};

struct drain {
	enum drain_state state;
	bool exit;
	uint64_t since_us; /* CLOCK_MONOTONIC */
	uint64_t limit_us; /* DRAIN_UNLIMITED */
};

/* A wish changes the state that `d` is in; it may be made anew at any time. */
void drain_wish(struct drain *d, const struct drain_wish *w, uint64_t now_us);

/* What time brings about: true when the state has changed. */
bool drain_turn(struct drain *d, uint64_t now_us);

/*
 * Whether weir may end, `open` connections being there. Not before who had our SYN-ACK as it
 * began has had the time to answer it.
 */
bool drain_over(const struct drain *d, uint64_t open, uint64_t now_us);

/* Until the limit; DRAIN_UNLIMITED: there is none. */
uint64_t drain_left_ms(const struct drain *d, uint64_t now_us);

const char *drain_name(enum drain_state state); /* "serving", "draining", "closing" */

#endif
