// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sending by BPF_PROG_TEST_RUN with live frames.
 *
 * A call takes 10-20 ms to set up whatever it sends, so it sends what has fallen
 * due since the last one, at least a twentieth of a second's worth: short bursts
 * at full speed with pauses between them, on the mean at the rate asked for.
 */
#include "flood.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flood.skel.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

#define TICK_SECONDS 0.05

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Returns early on a signal, which is what stops a run. */
static void sleep_until(double when)
{
	struct timespec ts = {.tv_sec = (time_t)when};

	ts.tv_nsec = (long)((when - (double)ts.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

int sender_open(struct sender *s, const struct flood_config *cfg, const char **why)
{
	memset(s, 0, sizeof(*s));
	s->skel = flood_bpf__open_and_load();
	if (!s->skel) {
		*why = errno == EPERM
			       ? "needs root (CAP_BPF and CAP_NET_ADMIN); run it with sudo"
			       : "the kernel refuses the sender program; it needs Linux 5.18";
		return -errno;
	}
	s->skel->bss->config = *cfg;
	return 0;
}

static int send_burst(struct sender *s, uint64_t n)
{
	struct flood_config *cfg = &s->skel->bss->config;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = cfg->frame, .data_size_in = cfg->len,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .repeat = (int)n);

	return bpf_prog_test_run_opts(bpf_program__fd(s->skel->progs.flood_send), &opts);
}

int sender_run(struct sender *s, const struct args *a, const volatile int *stop, const char **why)
{
	const uint64_t burst_min = (uint64_t)((double)a->rate * TICK_SECONDS) + 1;
	uint64_t total = (uint64_t)((double)a->rate * a->seconds), due, sent = 0;
	double start = now(), t = start;
	int err = 0;

	if (a->count && a->count < total)
		total = a->count;
	while (!*stop && sent < total) {
		/* What is due at the end of the coming tick; late calls catch up. */
		due = (uint64_t)((t - start + TICK_SECONDS) * (double)a->rate);
		due = due > total ? total - sent : due - sent;
		if (due > 10 * burst_min)
			due = 10 * burst_min; /* so that a stop is not waited for long */
		if (due) {
			err = send_burst(s, due);
			if (err)
				break;
			sent += due;
		}
		if (now() - start > a->seconds)
			break;
		sleep_until(start + (double)sent / (double)a->rate);
		t = now();
	}
	s->seconds = now() - start;
	if (err == -EINTR || err == -EAGAIN)
		return 0;
	if (err == -EINVAL)
		*why = "the kernel has no live frames for BPF_PROG_TEST_RUN; it needs Linux 5.18";
	else if (err)
		*why = "sending failed";
	return err;
}

uint64_t sender_sent(const struct sender *s)
{
	int n = libbpf_num_possible_cpus(), i;
	uint64_t *v = n > 0 ? calloc((size_t)n, sizeof(*v)) : NULL;
	uint64_t sum = 0;
	uint32_t key = 0;

	if (v && !bpf_map__lookup_elem(s->skel->maps.sent, &key, sizeof(key), v,
				       (size_t)n * sizeof(*v), 0)) {
		for (i = 0; i < n; i++)
			sum += v[i];
	}
	free(v);
	return sum;
}

void sender_close(struct sender *s)
{
	flood_bpf__destroy(s->skel);
	s->skel = NULL;
}
