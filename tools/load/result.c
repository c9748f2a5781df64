// SPDX-License-Identifier: BSD-2-Clause
#include "result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *const load_failure_names[LOAD_FAILURE_MAX] = {
#define X(id, name) name,
	LOAD_FAILURES(X)
#undef X
};

enum load_failure load_failure_of(int err)
{
	switch (-err) {
	case ECONNREFUSED:
		return LOAD_REFUSED;
	case ECONNRESET:
	case EPIPE:
	case ECONNABORTED:
		return LOAD_RESET;
	case ETIMEDOUT:
		return LOAD_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return LOAD_UNREACHABLE;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
		return LOAD_LOCAL_PORTS;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
		return LOAD_LOCAL_LIMIT;
	default:
		return LOAD_OTHER;
	}
}

uint64_t tally_failed(const struct tally *t)
{
	uint64_t n = 0;

	for (int i = 0; i < LOAD_FAILURE_MAX; i++)
		n += t->failed[i];
	return n;
}

double tally_seconds(const struct tally *t)
{
	return (double)(t->end - t->begin) / 1e9;
}

void tally_merge(struct tally *into, const struct tally *from)
{
	if (!from->begin)
		return;
	into->attempted += from->attempted;
	into->succeeded += from->succeeded;
	for (int i = 0; i < LOAD_FAILURE_MAX; i++)
		into->failed[i] += from->failed[i];
	into->completed += from->completed;
	into->opened += from->opened;
	into->waited += from->waited;
	into->up += from->up;
	into->down += from->down;
	if (from->peak > into->peak)
		into->peak = from->peak;
	if (!into->begin)
		into->begin = into->end = from->begin;
	into->end += from->end - from->begin;
	into->cpu.machine_s += from->cpu.machine_s;
	into->cpu.self_s += from->cpu.self_s;
	hist_merge(&into->connect, &from->connect);
	hist_merge(&into->response, &from->response);
	hist_merge(&into->delay, &from->delay);
}

/* Of the first line of /proc/stat all but idle, iowait and what a hypervisor took. */
static double machine(void)
{
	unsigned long long user, nice, sys, idle, iowait, irq, softirq;
	double s = 0;
	FILE *f = fopen("/proc/stat", "re");

	if (!f)
		return 0;
	if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &iowait,
		   &irq, &softirq) == 7)
		s = (double)(user + nice + sys + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
	fclose(f);
	return s;
}

void cpu_times_now(struct cpu_times *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	t->self_s = (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	t->machine_s = machine();
}
