/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readiness, level-triggered. The stack's list holds every watched socket that is
 * ready, and some that were: they leave it when weir_stack_wait() looks at them.
 *
 *     watched and ready  =>  on the list
 *
 * What can make a socket ready calls ready_check(); what makes it unready need not.
 */
#include <poll.h>

#include "sock/sock.h"

static unsigned readable(const struct weir_sock *k)
{
	size_t unread = sock_unread(k);
	uint64_t mark;

	if (k->rd_shut || k->state == SOCK_ENDED || (k->conn && weir_recv_fin(k->conn)))
		return POLLIN | POLLRDNORM;
	/* An urgent octet that is not read in line does not count. */
	if (unread == 1 && !k->oobinline && sock_oob_mark(k, &mark) && mark == 0)
		return 0;
	return unread ? POLLIN | POLLRDNORM : 0;
}

static unsigned writable(struct weir_sock *k)
{
	uint8_t *p;

	if (k->wr_shut || !k->conn || weir_send_space(k->conn))
		return POLLOUT | POLLWRNORM;
	/* Has the engine tell when there is room. */
	return weir_send_reserve(k->conn, &p) ? POLLOUT | POLLWRNORM : 0;
}

/* As Linux's tcp_poll() answers. */
unsigned weir_sock_poll(struct weir_sock *k)
{
	bool rd_shut = k->rd_shut, fin = k->conn && weir_recv_fin(k->conn);
	unsigned ev = 0;

	switch ((enum sock_state)k->state) {
	case SOCK_LISTEN:
		return k->queued ? POLLIN | POLLRDNORM : 0;
	case SOCK_CONNECTING:
		return k->error ? POLLERR : 0;
	case SOCK_FRESH:
		ev = POLLHUP | POLLOUT | POLLWRNORM;
		if (k->was_connecting)
			ev |= POLLIN | POLLRDNORM | POLLRDHUP;
		break;
	case SOCK_ENDED:
		ev = POLLHUP | POLLRDHUP | POLLOUT | POLLWRNORM | readable(k);
		if (sock_oob_ready(k))
			ev |= POLLPRI;
		break;
	case SOCK_CONNECTED:
		ev = readable(k) | writable(k);
		if (rd_shut || fin)
			ev |= POLLRDHUP;
		if ((rd_shut || fin) && k->wr_shut)
			ev |= POLLHUP;
		if (sock_oob_ready(k))
			ev |= POLLPRI;
		break;
	}
	return k->error ? ev | POLLERR : ev;
}

static unsigned wanted(struct weir_sock *k)
{
	return k->watch ? weir_sock_poll(k) & (k->watch | POLLERR | POLLHUP) : 0;
}

void ready_check(struct weir_sock *k)
{
	if (!list_linked(&k->ready) && wanted(k))
		list_add_tail(&k->s->ready, &k->ready);
}

void weir_sock_watch(struct weir_sock *k, unsigned events, void *arg)
{
	k->watch = (uint16_t)events;
	k->arg = arg;
	ready_check(k);
}

/* Each socket on the list is looked at once at most; those reported go to its end. */
int ready_collect(struct weir_stack *s, struct weir_event *ev, int max)
{
	struct list reported, *n;
	int filled = 0;

	list_init(&reported);
	while (filled < max && (n = list_pop(&s->ready))) {
		struct weir_sock *k = CONTAINER_OF(n, struct weir_sock, ready);
		unsigned events = wanted(k);

		if (!events)
			continue;
		list_add_tail(&reported, n);
		ev[filled++] = (struct weir_event){.sock = k, .arg = k->arg, .events = events};
	}
	list_splice_tail(&s->ready, &reported);
	return filled;
}
