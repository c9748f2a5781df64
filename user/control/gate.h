/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate as the host holds it: the loaded program, its maps and its mapped
 * memory. The only file that knows the skeleton.
 *
 *     gate_open()      loads; nothing is attached
 *     gate_services()  what is ours
 *     gate_bind()      a socket for a queue; all of them before attaching
 */
#ifndef WEIR_CONTROL_GATE_H
#define WEIR_CONTROL_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include "control/err.h"
#include "control/services.h"

struct weir_bpf;

struct gate {
	struct weir_bpf *skel;
	struct weir_gate_config *cfg; /* the gate's own, live */
	uint64_t *heartbeat;	      /* WEIR_MAX_QUEUES cells */
	unsigned cpus;		      /* rows of the counters in use */
	int prog_fd, clock_fd, flows4_fd, flows6_fd, trace_fd;
};

/* flows: capacity of each of the two flow maps. */
int gate_open(struct gate **out, uint32_t flows, weir_log_fn log, struct weir_err *err);
void gate_close(struct gate *g); /* NULL is fine */

int gate_services(struct gate *g, const struct services *s, enum weir_mode mode,
		  struct weir_err *err);
int gate_service_mode(struct gate *g, unsigned service, enum weir_mode mode);
int gate_bind(struct gate *g, unsigned queue, int xsk_fd);

/* Adds all CPUs' rows to v[WEIR_C_MAX]. */
void gate_counters(const struct gate *g, uint64_t *v);
uint64_t gate_counter(const struct gate *g, enum weir_counter c);

void gate_flag(struct gate *g, uint32_t flag, bool on); /* WEIR_CFG_* */
/* filter NULL: the one in force stays. */
void gate_trace(struct gate *g, bool on, const struct weir_trace_filter *filter);

#endif
