/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/gate_inherit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <weir/presence.h>

static int info_of(int fd, struct bpf_map_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len);
}

static bool is_flows(int fd, uint32_t key_size, uint32_t flows)
{
	struct bpf_map_info info;

	return !info_of(fd, &info) && info.type == BPF_MAP_TYPE_HASH && info.key_size == key_size &&
	       info.value_size == sizeof(struct weir_flow) && info.max_entries == flows;
}

int gate_inherit_check(const struct gate_maps *maps, uint32_t flows, struct weir_err *err)
{
	if (is_flows(maps->flows4_fd, sizeof(struct weir_flow_key4), flows) &&
	    is_flows(maps->flows6_fd, sizeof(struct weir_flow_key6), flows))
		return 0;
	return err_unsuited(err, -EINVAL,
			    "--takeover: the flow tables of the running weir are not of this "
			    "version: stop it, and start without --takeover");
}

int gate_cells_open(struct gate_cells *c, int bss_fd, uint64_t off, struct weir_err *err)
{
	const uint64_t size = WEIR_PRESENCE_CELLS * sizeof(uint32_t);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct bpf_map_info info;
	void *map;

	memset(c, 0, sizeof(*c));
	if (info_of(bss_fd, &info) || info.type != BPF_MAP_TYPE_ARRAY || info.max_entries != 1 ||
	    off % sizeof(uint32_t) || off > info.value_size || info.value_size - off < size)
		return err_unsuited(err, -EINVAL,
				    "--takeover: the running weir's memory is not of this version");
	c->len = (info.value_size + page - 1) / page * page;
	c->seen = malloc(size);
	map = c->seen ? mmap(NULL, c->len, PROT_READ, MAP_SHARED, bss_fd, 0) : MAP_FAILED;
	if (map == MAP_FAILED) {
		gate_cells_close(c);
		return err_set(err, -ENOMEM, "--takeover: cannot map the running weir's memory: %s",
			       strerror(errno));
	}
	c->map = map;
	c->cells = (const uint32_t *)(c->map + off);
	return 0;
}

void gate_cells_close(struct gate_cells *c)
{
	if (c->map)
		munmap((void *)c->map, c->len);
	free(c->seen);
	memset(c, 0, sizeof(*c));
}

void gate_inherit_begin(struct gate *g, struct gate_cells *c)
{
	unsigned i;

	for (i = 0; i < WEIR_PRESENCE_CELLS; i++) {
		c->seen[i] = __atomic_load_n(&c->cells[i], __ATOMIC_SEQ_CST);
		g->presence[i] = c->seen[i] + GATE_BIAS;
	}
}

uint64_t gate_inherit_end(struct gate *g, const struct gate_cells *c)
{
	uint64_t since = 0;
	unsigned i;

	gate_wait_for_frames(g);
	for (i = 0; i < WEIR_PRESENCE_CELLS; i++) {
		uint32_t now = __atomic_load_n(&c->cells[i], __ATOMIC_SEQ_CST) - c->seen[i];

		since += now;
		__atomic_fetch_add(&g->presence[i], now - GATE_BIAS, __ATOMIC_SEQ_CST);
	}
	return since;
}

void gate_presence_unsure(struct gate *g)
{
	unsigned i;

	if (g->presence_bias)
		return;
	g->presence_bias = GATE_BIAS;
	for (i = 0; i < WEIR_PRESENCE_CELLS; i++)
		__atomic_fetch_add(&g->presence[i], GATE_BIAS, __ATOMIC_SEQ_CST);
}
