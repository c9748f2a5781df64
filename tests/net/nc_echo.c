/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo: connections that send pseudo-random bytes in writes of random sizes, read
 * in reads of random sizes at the same time, close their sending side and expect
 * each byte back, then the end of the stream.
 */
#include "nc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHUNK 65536

struct echo_conn {
	int fd;
	bool up, half_closed;
	uint64_t seed, dice;
	uint64_t sent, received;
};

struct echo_run {
	const struct nc_options *o;
	int ep;
	unsigned started, ended, ok;
	uint64_t bytes;
	struct nc_errors errors;
	uint8_t buf[CHUNK], want[CHUNK];
};

/* Half of the sizes are small, so that segments of all lengths occur. */
static size_t random_size(struct echo_conn *c, uint64_t most)
{
	uint64_t r = nc_random(&c->dice);
	size_t n = (size_t)(r & 1 ? (r >> 8) % 200 : (r >> 8) % CHUNK) + 1;

	return n < most ? n : (size_t)most;
}

static int echo_start(struct echo_run *r)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT};
	struct echo_conn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->seed = r->o->seed + r->started;
	c->dice = c->seed * 31;
	c->fd = nc_connect(r->o, r->started);
	r->started++;
	if (c->fd < 0) {
		err = c->fd;
		goto fail;
	}
	ev.data.ptr = c;
	if (epoll_ctl(r->ep, EPOLL_CTL_ADD, c->fd, &ev) < 0) {
		err = -errno;
		close(c->fd);
		goto fail;
	}
	return 0;
fail:
	free(c);
	r->ended++;
	nc_count_error(&r->errors, -err);
	return 0;
}

static void echo_end(struct echo_run *r, struct echo_conn *c, int err)
{
	if (err)
		nc_count_error(&r->errors, err);
	else
		r->ok++;
	r->bytes += c->received;
	r->ended++;
	close(c->fd);
	free(c);
}

/* Sends one random write; once all is sent, half-closes. 0 or -errno. */
static int echo_send(struct echo_run *r, struct echo_conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	uint64_t left = r->o->bytes - c->sent;
	ssize_t n;

	if (left) {
		size_t want = random_size(c, left);

		nc_pattern(c->seed, c->sent, r->buf, want);
		n = send(c->fd, r->buf, want, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->sent += (uint64_t)n;
	}
	if (c->sent < r->o->bytes)
		return 0;
	if (shutdown(c->fd, SHUT_WR) < 0)
		return -errno;
	c->half_closed = true;
	return epoll_ctl(r->ep, EPOLL_CTL_MOD, c->fd, &ev) < 0 ? -errno : 0;
}

/* 1: the stream ended where it should; 0: go on; -errno. */
static int echo_receive(struct echo_run *r, struct echo_conn *c)
{
	uint64_t expect = r->o->discard ? 0 : r->o->bytes;
	ssize_t n = recv(c->fd, r->buf, random_size(c, CHUNK), 0);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return c->received == expect && c->half_closed ? 1 : -ENODATA;
	if (c->received + (uint64_t)n > (r->o->discard ? 0 : c->sent))
		return -EBADMSG;
	nc_pattern(c->seed, c->received, r->want, (size_t)n);
	if (memcmp(r->buf, r->want, (size_t)n) != 0)
		return -EBADMSG;
	c->received += (uint64_t)n;
	return 0;
}

static void echo_event(struct echo_run *r, struct echo_conn *c, uint32_t events)
{
	int done = 0;

	if (!c->up) {
		done = -nc_socket_error(c->fd);
		c->up = true;
	}
	if (!done && (events & EPOLLIN))
		done = echo_receive(r, c);
	if (!done && (events & EPOLLOUT) && !c->half_closed)
		done = echo_send(r, c);
	if (!done && (events & EPOLLERR))
		done = -nc_socket_error(c->fd);
	if (done)
		echo_end(r, c, done < 0 ? -done : 0);
}

static int echo_loop(struct echo_run *r, uint64_t deadline)
{
	struct epoll_event ev[64];

	while (r->ended < r->o->conns) {
		uint64_t now = nc_now_us();
		int n;

		if (now >= deadline)
			return -ETIMEDOUT;
		while (r->started < r->o->conns && r->started - r->ended < r->o->concurrency) {
			n = echo_start(r);
			if (n < 0)
				return n;
		}
		n = epoll_wait(r->ep, ev, 64, (int)((deadline - now) / 1000) + 1);
		for (int i = 0; i < n; i++)
			echo_event(r, ev[i].data.ptr, ev[i].events);
	}
	return 0;
}

int nc_echo(const struct nc_options *o)
{
	struct echo_run *r = calloc(1, sizeof(*r));
	uint64_t start = nc_now_us();
	double seconds;
	int err, ret = 2;

	if (!r || nc_need_files(o->concurrency) < 0)
		goto out;
	r->o = o;
	r->ep = epoll_create1(EPOLL_CLOEXEC);
	if (r->ep < 0)
		goto out;
	err = echo_loop(r, start + (uint64_t)o->time * 1000000);
	r->errors.timeout += err ? o->conns - r->ended : 0;
	seconds = (double)(nc_now_us() - start) / 1e6;
	ret = r->ok == o->conns ? 0 : 1;
	printf("{\"conns\": %u, \"ok\": %u, \"bytes\": %ju, \"seconds\": %.3f, ", o->conns, r->ok,
	       (uintmax_t)r->bytes, seconds);
	nc_print_errors(&r->errors);
	printf("}\n");
out:
	free(r);
	return ret;
}
