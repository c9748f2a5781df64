/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pd.h"

/* The script's clock begins here, at an edge of the cookie's epochs (2^14 ms). */
#define START_US ((1700000000000ULL >> 14 << 14) * 1000)

struct pd *pd_enter(void *self)
{
	struct pd *pd = self;

	pthread_mutex_lock(&pd->lock);
	pd->looks = 0;
	return pd;
}

ssize_t pd_return(struct pd *pd, ssize_t result)
{
	pthread_mutex_unlock(&pd->lock);
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

static void destroy(void *self)
{
	struct pd *pd = self;

	while (pd->epolls)
		epoll_free(pd, pd->epolls);
	host_close(pd);
	wire_fini(&pd->wire);
	pthread_mutex_destroy(&pd->lock);
	free(pd);
}

static int netdev_send(void *self, const void *buf, size_t count)
{
	struct pd *pd = pd_enter(self);
	struct wire_frame *f = wire_frame_new(buf, count);

	if (!f)
		return (int)pd_return(pd, -EINVAL);
	if (pd->front)
		front_frame(pd, f);
	else
		wire_deliver(&pd->wire, f);
	vtime_turn(pd);
	return (int)pd_return(pd, 0);
}

static int netdev_receive(void *self, void *buf, size_t *count, long long *time_us)
{
	struct pd *pd = pd_enter(self);
	struct wire_frame *f;
	size_t len;

	vtime_turn(pd);
	while (!wire_has_output(&pd->wire) && vtime_step(pd, PD_NEVER))
		;
	f = wire_take(&pd->wire);
	if (!f) {
		*count = 0;
		return (int)pd_return(pd, 0);
	}
	len = f->len - WIRE_ETH;
	*count = len < *count ? len : *count;
	memcpy(buf, f->data + WIRE_ETH, *count);
	*time_us = (long long)f->time_us;
	free(f);
	return (int)pd_return(pd, 0);
}

__attribute__((visibility("default"))) void packetdrill_interface_init(const char *flags,
								       struct pd_interface *ifc)
{
	char why[200] = "out of memory";
	struct pd *pd = calloc(1, sizeof(*pd));

	/* The interface has no way to say no: this is the edge, and it speaks for itself. */
	if (!pd || settings_parse(&pd->set, flags, why, sizeof(why))) {
		fprintf(stderr, "weir: %s\n", why);
		exit(2);
	}
	pthread_mutex_init(&pd->lock, NULL);
	pd->script = pthread_self();
	pd->now_us = START_US;
	wire_init(&pd->wire, pd->set.mtu, &pd->now_us);
	if (host_open(pd, why, sizeof(why))) {
		fprintf(stderr, "weir: %s\n", why);
		exit(pd->set.xdp ? 77 : 1);
	}
	memset(ifc, 0, sizeof(*ifc));
	ifc->self = pd;
	ifc->destroy = destroy;
	ifc->netdev_send = netdev_send;
	ifc->netdev_receive = netdev_receive;
	ifc->usleep = vtime_usleep;
	ifc->gettimeofday = vtime_gettimeofday;
	calls_sock_fill(ifc);
	calls_io_fill(ifc);
	calls_ctl_fill(ifc);
	calls_poll_fill(ifc);
	epoll_fill(ifc);
}
