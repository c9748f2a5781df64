/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request on the control socket: one JSON object on a line of its own.
 *
 *   {"cmd":"ping"}  {"cmd":"status"}  {"cmd":"counters"}
 *   {"cmd":"history","seconds":60}                      optional: the last ones only
 *   {"cmd":"health"}  {"cmd":"keys"}
 *   {"cmd":"backends"}
 *   {"cmd":"conns","state":"ESTABLISHED","port":80}     both filters optional
 *   {"cmd":"trace","port":80,"addr":"10.0.0.1"}         both filters optional
 *   {"cmd":"policy","addr":"192.0.2.1"}                 addr: what becomes of it
 *   {"cmd":"mode","service":"10.0.0.2:80","mode":"auto"}
 *       of that service, or of all; without "mode" it is only shown
 *
 *   {"cmd":"reload"}   the configuration file again (user/cli/run_reload.h)
 *   {"cmd":"drain","limit_ms":N,"exit":true}            both optional
 *   {"cmd":"drain","undo":true}
 *   {"cmd":"handover","abi":N}   to the weir that asks (takeover.h)
 *
 * Members that a command does not know are errors: a misspelt filter must not
 * silently select everything.
 */
#ifndef WEIR_CONTROL_CTL_REQUEST_H
#define WEIR_CONTROL_CTL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>
#include "control/drain.h"

#define CTL_REQUEST_MAX 65536 /* bytes of a request, newline included */

enum ctl_cmd {
	CTL_PING,
	CTL_STATUS,
	CTL_CONNS,
	CTL_COUNTERS,
	CTL_TRACE,
	CTL_MODE,
	CTL_POLICY,
	CTL_HISTORY,
	CTL_HEALTH,
	CTL_KEYS,
	CTL_BACKENDS,
	CTL_RELOAD,
	CTL_DRAIN,
	CTL_HANDOVER,
};

struct ctl_request {
	enum ctl_cmd cmd;
	uint16_t port;			 /* conns, trace: either end's; 0 any */
	int state;			 /* conns: enum weir_tcp_state, -1 any */
	struct weir_trace_filter filter; /* trace */
	struct drain_wish drain;	 /* drain */
	struct weir_addr service;	 /* mode: port 0: all */
	int mode;			 /* mode: enum weir_mode, -1: as it is */
	unsigned seconds;		 /* history: so many at most; 0: all */
	unsigned abi;			 /* handover: TAKEOVER_ABI */
};

/* 0, or -EINVAL with a sentence for the client in `why`. */
int ctl_request_parse(struct ctl_request *req, const char *line, size_t len, char *why,
		      size_t why_len);

/* A state by its name in any case; -1 when there is none such. */
int ctl_state_by_name(const char *name);

/* Fills the filter's family and address from text. 0 or -EINVAL. */
int ctl_filter_addr(struct weir_trace_filter *filter, const char *text);

#endif
