/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches every connection of a test program for changes of state, and aborts on
 * one that user/tcp/transitions.def does not have.
 *
 * The linker puts the functions of fsm_watch.c around those of tcp.h that may
 * change a state (--wrap, FSM_WRAP in the Makefile), so nothing has to be called:
 * all unit tests and fuzzers are watched, whoever calls the core. A segment is a
 * sequence of events, and what it did must be a path through the table.
 */
#ifndef TESTS_FSM_WATCH_H
#define TESTS_FSM_WATCH_H

#include <stdbool.h>

#include <weir/abi.h>

enum fsm_event {
	FSM_listen,
	FSM_active,
	FSM_syn_in,
	FSM_cookie,
	FSM_syn,
	FSM_syn_ack,
	FSM_ack,
	FSM_text,
	FSM_fin,
	FSM_rst,
	FSM_close,
	FSM_abort,
	FSM_timeout,
	FSM_icmp,
};

struct fsm_row {
	enum weir_tcp_state from;
	enum fsm_event event;
	enum weir_tcp_state to;
	const char *text; /* "SYN_SENT syn SYN_RCVD" */
};

unsigned fsm_rows(void);
const struct fsm_row *fsm_row(unsigned i);
/* How often this program has taken the row. */
unsigned fsm_taken(unsigned i);
/* Whether the events, in this order, can lead there; each may also do nothing. */
bool fsm_legal(enum weir_tcp_state from, const enum fsm_event *events, unsigned n,
	       enum weir_tcp_state to);

#endif
