/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/netports.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/portrange.h"

#define PROBES	32  /* of the pool, before it grows */
#define CURSORS 256 /* a power of two */

struct port {
	int fd; /* + 1: 0 is none */
	uint32_t refs;
	uint32_t pos; /* in its group's pool, + 1 */
	uint8_t group;
	bool shared;
};

struct pool {
	unsigned n, room, idle;
	uint32_t cursor[CURSORS]; /* by pair of ends */
	uint16_t *ports;
};

struct netports {
	netops_port_fn fn;
	void *arg;
	struct pool pools[WEIR_MAX_QUEUES];
	uint16_t choice[65536]; /* of ports without number, in the order of trying */
	unsigned choices, next;
	struct port ports[65536];
};

/* ---- the kernel's word --------------------------------------------------------------- */

static int bind_any(int family, uint16_t port)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct sockaddr *a =
		family == AF_INET ? (const struct sockaddr *)&a4 : (const struct sockaddr *)&a6;
	socklen_t len = family == AF_INET ? sizeof(a4) : sizeof(a6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), zero = 0, err;

	if (fd < 0)
		return -errno;
	/* Both families: the gate knows a port by its number alone. */
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (!bind(fd, a, len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* A descriptor that holds the port, or -errno. */
static int reserve(uint16_t port)
{
	int fd = bind_any(AF_INET6, port);

	return fd == -EAFNOSUPPORT ? bind_any(AF_INET, port) : fd; /* ipv6.disable=1 */
}

/* One that neither we have nor anybody else. */
static int reserve_any(struct netports *s, uint16_t *port)
{
	int fd = -EADDRINUSE;

	if (s->next >= s->choices) { /* the host's settings may have changed */
		s->choices = portrange_read(s->choice);
		portrange_shuffle(s->choice, s->choices);
		s->next = 0;
	}
	for (unsigned i = 0; i < s->choices && fd == -EADDRINUSE; i++) {
		*port = s->choice[s->next++ % s->choices];
		if (!s->ports[*port].fd)
			fd = reserve(*port);
	}
	/* With a port of one's own choice that is another matter. */
	return fd == -EADDRINUSE ? -EADDRNOTAVAIL : fd;
}

static int hold(struct netports *s, uint16_t *port, bool shared)
{
	int fd = *port ? reserve(*port) : reserve_any(s, port);
	struct port *p;

	if (fd < 0)
		return fd;
	p = &s->ports[*port];
	p->fd = fd + 1;
	p->refs = 1;
	p->shared = shared;
	if (s->fn)
		s->fn(s->arg, *port, true);
	return 0;
}

static void give_back(struct netports *s, uint16_t port)
{
	struct port *p = &s->ports[port];

	if (s->fn)
		s->fn(s->arg, port, false);
	close(p->fd - 1);
	p->fd = 0;
}

/* ---- the pool ------------------------------------------------------------------------- */

static int make_room(struct pool *q)
{
	unsigned room = q->room ? q->room * 2 : 64;
	uint16_t *ports;

	if (q->n < q->room)
		return 0;
	ports = realloc(q->ports, room * sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	q->ports = ports;
	q->room = room;
	return 0;
}

static void leave(struct netports *s, struct port *p)
{
	struct pool *q = &s->pools[p->group];
	uint16_t last = q->ports[--q->n];

	q->ports[p->pos - 1] = last;
	s->ports[last].pos = p->pos;
	p->pos = 0;
}

/* The next of `max` in the pool that fits. */
static bool pick_pooled(struct netports *s, uint16_t *port, const struct net_want *want,
			unsigned max)
{
	struct pool *q = &s->pools[want->group];
	uint32_t *at = &q->cursor[want->hash & (CURSORS - 1)];

	for (unsigned i = 0; i < max; i++) {
		uint16_t candidate;
		enum net_fit fit;

		*at = *at < q->n ? *at : 0;
		candidate = q->ports[*at];
		fit = want->fits(want->arg, candidate);
		if (fit == NET_SOON && max < q->n)
			return false; /* those behind it were used later */
		++*at;
		if (fit != NET_FITS)
			continue;
		q->idle -= !s->ports[candidate].refs++;
		*port = candidate;
		return true;
	}
	return false;
}

int netports_pick(struct netports *s, uint16_t *port, const struct net_want *want)
{
	struct pool *q = &s->pools[want->group];
	int err;

	if (pick_pooled(s, port, want, q->n < PROBES ? q->n : PROBES))
		return 0;
	*port = 0;
	err = make_room(q);
	if (!err)
		err = hold(s, port, true);
	if (err)
		return pick_pooled(s, port, want, q->n) ? 0 : err;
	q->ports[q->n++] = *port;
	s->ports[*port].pos = q->n;
	s->ports[*port].group = want->group;
	return 0;
}

int netports_take(struct netports *s, uint16_t *port, bool shared)
{
	struct port *p = &s->ports[*port];

	if (!*port || !p->fd)
		return hold(s, port, shared);
	if (!p->refs) { /* waits in the pool */
		leave(s, p);
		s->pools[p->group].idle--;
		p->shared = shared;
	} else if (!shared || !p->shared) {
		return -EADDRINUSE;
	}
	p->refs++;
	return 0;
}

void netports_put(struct netports *s, uint16_t port)
{
	struct port *p = &s->ports[port];

	if (!p->refs || --p->refs)
		return;
	if (p->pos && s->pools[p->group].idle < NETPORTS_IDLE) {
		s->pools[p->group].idle++;
		return;
	}
	if (p->pos)
		leave(s, p);
	give_back(s, port);
}

/* ---- opening --------------------------------------------------------------------------- */

struct netports *netports_new(netops_port_fn fn, void *arg)
{
	struct netports *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fn = fn;
	s->arg = arg;
	return s;
}

void netports_free(struct netports *s)
{
	for (unsigned i = 0; s && i < 65536; i++) {
		if (s->ports[i].fd)
			close(s->ports[i].fd - 1);
	}
	for (unsigned i = 0; s && i < WEIR_MAX_QUEUES; i++)
		free(s->pools[i].ports);
	free(s);
}
