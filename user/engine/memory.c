/* SPDX-License-Identifier: BSD-2-Clause */
/* What the pools of worker_init() and make_rings() come to when all of them are full. */
#include <string.h>

#include "engine/engine_priv.h"
#include "engine/trace.h"
#include "engine/worker.h"

static uint64_t slab_bytes(size_t size, uint64_t n)
{
	return ((size + 15) & ~(size_t)15) * n;
}

void engine_memory(const struct engine_config *cfg, unsigned mtu, struct engine_memory *m)
{
	uint64_t workers = cfg->workers;
	uint64_t max = (uint64_t)cfg->conns + cfg->timewaits + cfg->tombstones + RESIDUE_CLOSING;

	memset(m, 0, sizeof(*m));
	m->buffers = workers * cfg->buffer_bytes;
	m->conns = workers * slab_bytes(worker_conn_size(cfg), cfg->conns);
	m->residue = workers * (slab_bytes(sizeof(struct timewait), cfg->timewaits) +
				slab_bytes(sizeof(struct tombstone),
					   (uint64_t)cfg->tombstones + RESIDUE_CLOSING) +
				table_bytes_for(max));
	m->rings = workers * (workers - 1) * cfg->handover_slots * (mtu + L2_MAX) +
		   workers * TRACE_SLOTS * sizeof(struct weir_trace_rec);
}
