// SPDX-License-Identifier: BSD-2-Clause
#include "result.h"
#include "backend.h"

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

/*
 * All time but what /proc/stat calls idle, waiting for a disk, or stolen by a hypervisor.
 * Idle time is measured there; busy time is sampled by the tick, and work that a timer
 * starts, as an open loop's, ends before the next one sees it.
 */
static double machine(void)
{
	double wall = (double)load_now() / 1e9 * (double)sysconf(_SC_NPROCESSORS_ONLN);
	unsigned long long idle, iowait, steal;
	double s = 0;
	FILE *f = fopen("/proc/stat", "re");

	if (!f)
		return 0;
	if (fscanf(f, "cpu %*u %*u %*u %llu %llu %*u %*u %llu", &idle, &iowait, &steal) == 3)
		s = wall - (double)(idle + iowait + steal) / (double)sysconf(_SC_CLK_TCK);
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
