/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of `weir run`, each a row of a table, and the values that it fills. */
#ifndef WEIR_CLI_RUN_TABLE_H
#define WEIR_CLI_RUN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/args.h"
#include "control/instance.h"
#include "control/policy.h"
#include "control/services.h"

/* What the table fills, before it is checked and put where it belongs. */
struct run_raw {
	const char *iface, *key_file, *ctl, *metrics;
	const char *user, *pin_dir;
	unsigned mode, xdp_mode, share, bursts, log_level, log_format;
	unsigned sandbox, on_crash;
	unsigned proxy_io;
	uint64_t auto_syn_rate, auto_hold;
	bool copy, zerocopy, busy_poll, accept_partial, takeover;
	uint64_t xdp_prio, queues, workers, rx_frames, tx_frames;
	uint64_t conns, flows, buffers, rcvbuf, sndbuf, wscale;
	uint64_t msl, rto_max, user_timeout, fin_wait_2, last_ack, persist, keepalive;
	struct weir_app_limits limits;
	uint64_t drain, rotate;
	uint64_t event_syn, event_ack, event_drops, event_after, event_hold;
	struct services *services;
	struct policy *policy;
	uint64_t synack_rate, synack_burst, flow_rate, flow_burst, flow_limit, max_flows, rst_rate;
	unsigned unknown_ack, denied_flows;
	const char *file;
};

/* One is filled at a time, in one thread: the table can name its places. */
extern struct run_raw run_raw;
extern const struct arg run_table[];

/* As it is before anything is given. */
void run_raw_default(struct run_raw *r, const struct instance_config *c);

#endif
