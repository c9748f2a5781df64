/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/instance_metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/gate.h"
#include "control/instance_priv.h"

/* A sandbox may have taken /proc away: then it is left out. */
static uint64_t resident_bytes(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t process_cpu_us(void)
{
	struct rusage r;

	if (getrusage(RUSAGE_SELF, &r))
		return 0;
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

void instance_metrics(const struct weir_instance *inst, struct ctl_metrics *m)
{
	memset(m, 0, sizeof(*m));
	m->resident_bytes = resident_bytes();
	m->cpu_us = process_cpu_us();
	gate_counters(inst->gate, m->gate_counters);
	instance_counters(inst, m->counters);
	for (unsigned w = 0; w < engine_workers(inst->engine); w++)
		m->worker_counters[w] = engine_worker_counters(inst->engine, w);
	engine_get_times(inst->engine, &m->times);
}
