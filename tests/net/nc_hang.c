/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that hold on: they say nothing, say it slowly, never read, or never
 * close. What is reported is how and when the server ended them.
 *
 *   idle      connects and sends nothing
 *   dribble   sends a request's header, a byte every --interval-ms, never all of it
 *   zerowin   asks for --path and never reads
 *   halfopen  asks for --path with Connection: close, reads to the end, never closes
 */
#include "nc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct hang_way {
	bool request, dribble, read, stay; /* stay: the peer's FIN is not the end */
};

struct hang_conn {
	int fd;
	bool up, eof;
	size_t dribbled;
	uint64_t next_byte;
};

struct hang_run {
	const struct nc_options *o;
	struct hang_way way;
	int ep;
	unsigned left;
	uint64_t start, first_end, last_end, last_eof;
	uint64_t eofs, bytes;
	struct nc_errors errors;
	struct hang_conn *conn;
	char request[1024];
	size_t request_len;
	uint8_t buf[65536];
};

static const char dribble_text[] = "GET / HTTP/1.1\r\nX-Slow: ";

static void hang_end(struct hang_run *r, struct hang_conn *c, int err)
{
	r->last_end = nc_now_us() - r->start;
	if (!r->first_end)
		r->first_end = r->last_end;
	if (err)
		nc_count_error(&r->errors, err);
	close(c->fd);
	c->fd = -1;
	r->left--;
}

/* Which events matter from now on; errors and hang-ups always come. */
static void hang_watch(struct hang_run *r, struct hang_conn *c)
{
	struct epoll_event ev = {.data.ptr = c};

	ev.events = c->eof || !r->way.read ? 0 : EPOLLIN;
	epoll_ctl(r->ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void hang_up(struct hang_run *r, struct hang_conn *c)
{
	int err = nc_socket_error(c->fd);

	c->up = true;
	c->next_byte = nc_now_us();
	if (!err && r->way.request &&
	    send(c->fd, r->request, r->request_len, MSG_NOSIGNAL) != (ssize_t)r->request_len)
		err = errno;
	if (err)
		hang_end(r, c, err);
	else
		hang_watch(r, c);
}

static void hang_event(struct hang_run *r, struct hang_conn *c, uint32_t events)
{
	ssize_t n;

	if (c->fd < 0)
		return;
	if (!c->up) {
		hang_up(r, c);
		return;
	}
	if (events & EPOLLERR) {
		int err = nc_socket_error(c->fd);

		hang_end(r, c, err ? err : ECONNRESET);
		return;
	}
	if (!(events & EPOLLIN))
		return;
	n = recv(c->fd, r->buf, sizeof(r->buf), 0);
	if (n > 0) {
		r->bytes += (uint64_t)n;
	} else if (n < 0 && errno != EAGAIN) {
		hang_end(r, c, errno);
	} else if (n == 0) {
		r->eofs++;
		r->last_eof = nc_now_us() - r->start;
		c->eof = true;
		if (r->way.stay)
			hang_watch(r, c);
		else
			hang_end(r, c, 0);
	}
}

static void hang_dribble(struct hang_run *r)
{
	uint64_t now = nc_now_us();

	for (unsigned i = 0; i < r->o->conns; i++) {
		struct hang_conn *c = &r->conn[i];
		size_t at = c->dribbled < sizeof(dribble_text) - 1 ? c->dribbled
								   : sizeof(dribble_text) - 2;

		if (c->fd < 0 || !c->up || now < c->next_byte)
			continue;
		c->next_byte = now + (uint64_t)r->o->interval_ms * 1000;
		if (send(c->fd, dribble_text + at, 1, MSG_NOSIGNAL) != 1)
			hang_end(r, c, errno);
		else
			c->dribbled++;
	}
}

static int hang_open(struct hang_run *r)
{
	for (unsigned i = 0; i < r->o->conns; i++) {
		struct hang_conn *c = &r->conn[i];
		struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = c};

		c->fd = nc_connect(r->o, i);
		if (c->fd < 0)
			return c->fd;
		r->left++;
		if (epoll_ctl(r->ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
			return -errno;
	}
	return 0;
}

static void hang_loop(struct hang_run *r, uint64_t deadline)
{
	struct epoll_event ev[64];

	while (r->left && nc_now_us() < deadline) {
		int n = epoll_wait(r->ep, ev, 64, 20);

		for (int i = 0; i < n; i++)
			hang_event(r, ev[i].data.ptr, ev[i].events);
		if (r->way.dribble)
			hang_dribble(r);
	}
}

/* All ended by the server within --time: 0. */
static int hang(const struct nc_options *o, struct hang_way way)
{
	struct hang_run *r = calloc(1, sizeof(*r));
	int n, ret = 2;

	if (!r)
		return 2;
	r->o = o;
	r->way = way;
	r->start = nc_now_us();
	r->ep = epoll_create1(EPOLL_CLOEXEC);
	r->conn = calloc(o->conns, sizeof(*r->conn));
	n = snprintf(r->request, sizeof(r->request),
		     "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", o->path, o->host);
	if (r->ep < 0 || !r->conn || n < 0 || (size_t)n >= sizeof(r->request))
		goto out;
	r->request_len = (size_t)n;
	if (nc_need_files(o->conns) < 0 || hang_open(r) < 0)
		goto out;
	hang_loop(r, r->start + (uint64_t)o->time * 1000000);
	printf("{\"conns\": %u, \"left\": %u, \"eofs\": %ju, \"bytes\": %ju, \"first_end_ms\": "
	       "%ju, \"last_end_ms\": %ju, \"last_eof_ms\": %ju, ",
	       o->conns, r->left, (uintmax_t)r->eofs, (uintmax_t)r->bytes,
	       (uintmax_t)r->first_end / 1000, (uintmax_t)r->last_end / 1000,
	       (uintmax_t)r->last_eof / 1000);
	nc_print_errors(&r->errors);
	printf("}\n");
	ret = r->left ? 1 : 0;
out:
	free(r->conn);
	free(r);
	return ret;
}

int nc_idle(const struct nc_options *o)
{
	return hang(o, (struct hang_way){.read = true});
}

int nc_dribble(const struct nc_options *o)
{
	return hang(o, (struct hang_way){.read = true, .dribble = true});
}

int nc_zerowin(const struct nc_options *o)
{
	return hang(o, (struct hang_way){.request = true});
}

int nc_halfopen(const struct nc_options *o)
{
	return hang(o, (struct hang_way){.request = true, .read = true, .stay = true});
}
