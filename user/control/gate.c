/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <weir/policy.h>

#include "control/gate.h"
#include "weir.skel.h"

/* libbpf's callback has no argument of its own. */
static weir_log_fn libbpf_log;

/* What fails is said in one line of ours; this is for who looks closer. */
static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text, *line, *save;

	(void)level;
	if (!libbpf_log || vasprintf(&text, fmt, ap) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		libbpf_log(LOG_DEBUG, "%s", line);
	free(text);
	return 0;
}

static int explain_load(int rc, struct weir_err *err)
{
	switch (rc) {
	case -EPERM:
		return err_set(err, rc,
			       "loading the gate is not permitted: run as root, or with CAP_BPF, "
			       "CAP_NET_ADMIN and CAP_NET_RAW");
	case -ENOMEM:
		return err_set(err, rc, "no memory for the flow table; ask for fewer --flows");
	case -ENOSYS:
	case -EINVAL:
	case -EACCES:
	case -E2BIG: /* the verifier's three */
		return err_set(
			err, rc,
			"this kernel does not take the gate (Linux 6.1 or later with BPF and "
			"XDP_SOCKETS is needed); --log-level debug says more");
	}
	return err_set(err, rc, "cannot load the gate: %s; --log-level debug says more",
		       strerror(-rc));
}

static void policy_maps(struct gate *g)
{
	g->acl[0].v4 = bpf_map__fd(g->skel->maps.acl4_0);
	g->acl[0].v6 = bpf_map__fd(g->skel->maps.acl6_0);
	g->acl[1].v4 = bpf_map__fd(g->skel->maps.acl4_1);
	g->acl[1].v6 = bpf_map__fd(g->skel->maps.acl6_1);
	g->acl_outer = bpf_map__fd(g->skel->maps.acl4);
	g->policies = g->skel->bss->weir_policies;
	g->sources = g->skel->bss->weir_sources;
	g->buckets = &g->skel->bss->weir_buckets[0][0];
	g->source_key = (uint64_t *)g->skel->bss->weir_source_key;
}

/* The skeleton's flow maps: of so many entries, or another gate's. */
static int flow_maps(struct gate *g, uint32_t flows, const struct gate_maps *others)
{
	int rc;

	if (!others) {
		bpf_map__set_max_entries(g->skel->maps.flows4, flows);
		bpf_map__set_max_entries(g->skel->maps.flows6, flows);
		return 0;
	}
	rc = bpf_map__reuse_fd(g->skel->maps.flows4, others->flows4_fd);
	return rc ? rc : bpf_map__reuse_fd(g->skel->maps.flows6, others->flows6_fd);
}

int gate_open(struct gate **out, uint32_t flows, weir_log_fn log, struct weir_err *err)
{
	return gate_open_on(out, flows, NULL, log, err);
}

int gate_open_on(struct gate **out, uint32_t flows, const struct gate_maps *others, weir_log_fn log,
		 struct weir_err *err)
{
	struct gate *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&g->lock, NULL);
	libbpf_log = log;
	libbpf_set_print(print_libbpf);
	g->skel = weir_bpf__open();
	if (!g->skel) {
		rc = explain_load(errno ? -errno : -ENOMEM, err);
		goto fail;
	}
	rc = flow_maps(g, flows, others);
	if (!rc)
		rc = weir_bpf__load(g->skel);
	if (rc) {
		explain_load(rc, err);
		goto fail;
	}
	rc = libbpf_num_possible_cpus();
	g->cpus = rc > 0 && rc < WEIR_MAX_CPUS ? (unsigned)rc : WEIR_MAX_CPUS;
	g->cfg = &g->skel->bss->weir_cfg;
	g->heartbeat = (uint64_t *)g->skel->bss->weir_heartbeat;
	g->presence = g->skel->bss->weir_presence;
	g->bss_fd = bpf_map__fd(g->skel->maps.bss);
	g->presence_off = (size_t)((uint8_t *)g->presence - (uint8_t *)g->skel->bss);
	g->prog_fd = bpf_program__fd(g->skel->progs.weir_gate);
	g->clock_fd = bpf_program__fd(g->skel->progs.weir_clock_now);
	g->flows4_fd = bpf_map__fd(g->skel->maps.flows4);
	g->flows6_fd = bpf_map__fd(g->skel->maps.flows6);
	g->trace_fd = bpf_map__fd(g->skel->maps.trace);
	g->ports = g->skel->bss->weir_ports;
	g->services = g->skel->bss->weir_services;
	g->services_fd = bpf_map__fd(g->skel->maps.services);
	policy_maps(g);
	rc = policy_default(&g->policy);
	if (rc) {
		err_set(err, rc, "out of memory");
		goto fail;
	}
	*out = g;
	return 0;
fail:
	gate_close(g);
	return rc;
}

void gate_close(struct gate *g)
{
	if (!g)
		return;
	weir_bpf__destroy(g->again);
	weir_bpf__destroy(g->skel);
	policy_free(&g->policy);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static int share_maps(struct bpf_object *to, const struct bpf_object *from)
{
	struct bpf_map *a = NULL, *b = NULL;
	int rc = 0;

	/* Two times the same object: the same maps in the same order. */
	while (!rc && (a = bpf_object__next_map(from, a)) && (b = bpf_object__next_map(to, b)))
		rc = bpf_map__reuse_fd(b, bpf_map__fd(a));
	return rc;
}

struct bpf_object *gate_again(struct gate *g)
{
	int rc;

	weir_bpf__destroy(g->again);
	g->again = weir_bpf__open();
	if (!g->again)
		return NULL;
	rc = share_maps(g->again->obj, g->skel->obj);
	if (!rc)
		rc = bpf_program__set_autoload(g->again->progs.weir_clock_now, false);
	if (!rc)
		return g->again->obj;
	weir_bpf__destroy(g->again);
	g->again = NULL;
	errno = -rc;
	return NULL;
}

int gate_bind(struct gate *g, unsigned queue, int xsk_fd)
{
	uint32_t key = queue;

	return bpf_map_update_elem(bpf_map__fd(g->skel->maps.xsks), &key, &xsk_fd, 0);
}

void gate_wait_for_frames(const struct gate *g)
{
	uint32_t key = 0;

	/* An update of a map of maps waits for the programs that may have read it. */
	bpf_map_update_elem(g->acl_outer, &key, &g->acl[0].v4, BPF_ANY);
}

uint64_t gate_counter(const struct gate *g, enum weir_counter c)
{
	const struct weir_counter_row *rows = g->skel->bss->weir_counters;
	uint64_t sum = 0;
	unsigned cpu;

	for (cpu = 0; cpu < g->cpus; cpu++)
		sum += __atomic_load_n(&rows[cpu].v[c], __ATOMIC_RELAXED);
	return sum;
}

void gate_counters(const struct gate *g, uint64_t *v)
{
	const struct weir_counter_row *rows = g->skel->bss->weir_counters;
	unsigned cpu, c;

	for (cpu = 0; cpu < g->cpus; cpu++) {
		for (c = 0; c < WEIR_C_MAX; c++)
			v[c] += __atomic_load_n(&rows[cpu].v[c], __ATOMIC_RELAXED);
	}
}

void gate_flag(struct gate *g, uint32_t flag, bool on)
{
	if (on)
		__atomic_fetch_or(&g->cfg->flags, flag, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&g->cfg->flags, ~flag, __ATOMIC_RELAXED);
}

void gate_trace(struct gate *g, bool on, const struct weir_trace_filter *filter)
{
	/* Off while the filter changes: a record of half a filter would mislead. */
	__atomic_store_n(&g->cfg->trace, 0, __ATOMIC_SEQ_CST);
	if (filter)
		g->cfg->trace_filter = *filter;
	__atomic_store_n(&g->cfg->trace, on, __ATOMIC_SEQ_CST);
}
