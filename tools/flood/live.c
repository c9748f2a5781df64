// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sending by BPF_PROG_TEST_RUN with live frames.
 *
 * A call takes 10-30 ms whatever it sends: it enters the program into the kernel's XDP
 * dispatcher and takes it out again, and waits for an RCU grace period each time. A
 * program that is attached somewhere is there already. So it is attached, to the
 * loopback of a namespace which has nothing else and which no frame ever enters; then a
 * call takes some 100 us, and bursts can be a millisecond apart.
 */
#include "flood.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "flood.skel.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

#define TICK	  0.002
#define TICK_SLOW 0.05 /* when the program cannot be held in the dispatcher */
#define BATCH	  64   /* 256 can overrun the peer's ring; more than 64 is no faster */
#define LO_INDEX  1    /* of every namespace's loopback */

struct live {
	struct flood_bpf *skel;
	int prog_fd;
	int netns_fd, link_fd; /* what holds the program in the dispatcher; or -1 */
};

/* A thread of its own, as it changes its namespace. */
static void *hold(void *arg)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_SKB_MODE);
	struct live *l = arg;

	if (unshare(CLONE_NEWNET))
		return NULL;
	l->netns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	l->link_fd = bpf_link_create(l->prog_fd, LO_INDEX, BPF_XDP, &opts);
	return NULL;
}

static void hold_in_dispatcher(struct live *l)
{
	pthread_t thread;

	l->netns_fd = l->link_fd = -1;
	if (!pthread_create(&thread, NULL, hold, l))
		pthread_join(thread, NULL);
}

static int live_open(struct sender *s, const struct args *a, const char **why)
{
	struct live *l = calloc(1, sizeof(*l));
	int err;

	(void)a;
	if (!l)
		return -ENOMEM;
	l->skel = flood_bpf__open_and_load();
	if (!l->skel) {
		err = -errno;
		*why = err == -EPERM ? "needs root (CAP_BPF and CAP_NET_ADMIN); run it with sudo"
				     : "the kernel refuses the sender program; it needs Linux 5.18";
		free(l);
		return err;
	}
	l->prog_fd = bpf_program__fd(l->skel->progs.flood_send);
	l->skel->bss->config = s->cfg;
	l->skel->bss->rng = s->seed;
	hold_in_dispatcher(l);
	s->tick = l->link_fd >= 0 && l->netns_fd >= 0 ? TICK : TICK_SLOW;
	s->own = l;
	return 0;
}

static int live_burst(struct sender *s, uint64_t n, const volatile int *stop)
{
	struct live *l = s->own;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = s->cfg.tpl[0].word,
		    .data_size_in = s->cfg.len, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .repeat = (int)n, .batch_size = BATCH);
	int err = bpf_prog_test_run_opts(l->prog_fd, &opts);

	s->errors = __atomic_load_n(&l->skel->bss->unsent, __ATOMIC_RELAXED);
	if (*stop && (err == -EINTR || err == -EAGAIN))
		return 0;
	return err;
}

static uint64_t live_sent(const struct sender *s, unsigned int template)
{
	const struct live *l = s->own;

	return __atomic_load_n(&l->skel->bss->sent[template], __ATOMIC_RELAXED);
}

static void live_close(struct sender *s)
{
	struct live *l = s->own;

	if (l->link_fd >= 0)
		close(l->link_fd);
	if (l->netns_fd >= 0)
		close(l->netns_fd);
	flood_bpf__destroy(l->skel);
	free(l);
}

const struct backend backend_live = {
	.name = "live",
	.open = live_open,
	.burst = live_burst,
	.sent = live_sent,
	.close = live_close,
};
