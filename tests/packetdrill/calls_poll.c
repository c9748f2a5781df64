/* SPDX-License-Identifier: BSD-2-Clause */
/* poll(2), and what no TCP stack by itself has: pipe, splice. */
#include <errno.h>

#include "pd.h"

static ssize_t op_poll(struct pd *pd, struct pd_call *c)
{
	struct pollfd *fds = c->arg;
	ssize_t n = 0;

	for (int i = 0; i < c->niov; i++) {
		struct pd_fd *f = fds[i].fd < 0 ? NULL : fds_get(pd, fds[i].fd);
		short always = POLLERR | POLLHUP;

		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		if (!f)
			fds[i].revents = POLLNVAL;
		else if (f->sock)
			fds[i].revents =
				(short)weir_sock_poll(f->sock) & (short)(fds[i].events | always);
		n += fds[i].revents != 0;
	}
	return n ? n : -EAGAIN;
}

static int c_poll(void *self, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct pd *pd = pd_enter(self);
	struct pd_call c = {.op = op_poll, .arg = fds, .niov = (int)n};
	ssize_t r;

	c.deadline_us = pd_deadline(pd, timeout_ms);
	r = vtime_call(pd, &c, timeout_ms == 0);
	return (int)pd_return(pd, r == -EAGAIN ? 0 : r);
}

static int c_pipe(void *self, int fds[2])
{
	(void)fds;
	return (int)pd_return(pd_enter(self), -ENOSYS);
}

static int c_splice(void *self, int in, loff_t *in_off, int out, loff_t *out_off, size_t len,
		    unsigned flags)
{
	(void)in;
	(void)in_off;
	(void)out;
	(void)out_off;
	(void)len;
	(void)flags;
	return (int)pd_return(pd_enter(self), -ENOSYS);
}

void calls_poll_fill(struct pd_interface *ifc)
{
	ifc->poll = c_poll;
	ifc->pipe = c_pipe;
	ifc->splice = c_splice;
}
