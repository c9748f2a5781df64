/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hold: opens --conns connections from the --src addresses and keeps them. Says
 * `held N` on standard output and waits for a line on standard input (at most
 * --hold seconds); then sends a byte on each and expects it back; says what came of
 * it, waits for another line (or the input's end) and closes.
 */
#include "nc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum hold_state { HOLD_NONE, HOLD_CONNECTING, HOLD_UP, HOLD_ASKED };

struct hold_conn {
	int fd;
	enum hold_state state;
};

struct hold_run {
	const struct nc_options *o;
	int ep;
	unsigned started, connecting, opened, asked, answered;
	struct nc_errors errors;
	struct hold_conn *conn;
};

static uint8_t byte_of(const struct hold_run *r, const struct hold_conn *c)
{
	return (uint8_t)((c - r->conn) * 7 + 1);
}

static void hold_fail(struct hold_run *r, struct hold_conn *c, int err)
{
	nc_count_error(&r->errors, err);
	if (c->state == HOLD_CONNECTING)
		r->connecting--;
	if (c->state == HOLD_ASKED)
		r->asked--;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = HOLD_NONE;
}

static void hold_start(struct hold_run *r)
{
	struct hold_conn *c = &r->conn[r->started];
	struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = c};

	c->fd = nc_connect(r->o, r->started++);
	if (c->fd < 0) {
		hold_fail(r, c, -c->fd);
		return;
	}
	c->state = HOLD_CONNECTING;
	r->connecting++;
	if (epoll_ctl(r->ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		hold_fail(r, c, errno);
}

static void hold_event(struct hold_run *r, struct hold_conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	uint8_t got[2];
	ssize_t n;
	int err;

	if (c->state == HOLD_CONNECTING) {
		err = nc_socket_error(c->fd);
		if (err) {
			hold_fail(r, c, err);
			return;
		}
		r->connecting--;
		r->opened++;
		c->state = HOLD_UP;
		epoll_ctl(r->ep, EPOLL_CTL_MOD, c->fd, &ev);
		return;
	}
	if (c->fd < 0)
		return;
	n = recv(c->fd, got, sizeof(got), 0);
	if (n < 0) {
		if (errno != EAGAIN)
			hold_fail(r, c, errno);
	} else if (n == 0) {
		hold_fail(r, c, ENODATA);
	} else if (c->state != HOLD_ASKED || n != 1 || got[0] != byte_of(r, c)) {
		hold_fail(r, c, EBADMSG);
	} else {
		c->state = HOLD_UP;
		r->asked--;
		r->answered++;
	}
}

static void hold_wait(struct hold_run *r, int ms)
{
	struct epoll_event ev[256];
	int n = epoll_wait(r->ep, ev, 256, ms);

	for (int i = 0; i < n; i++)
		hold_event(r, ev[i].data.ptr);
}

static void hold_open(struct hold_run *r, uint64_t deadline)
{
	while ((r->started < r->o->conns || r->connecting) && nc_now_us() < deadline) {
		while (r->started < r->o->conns && r->connecting < r->o->concurrency)
			hold_start(r);
		hold_wait(r, 20);
	}
}

static void hold_pause(struct hold_run *r, uint64_t deadline)
{
	uint64_t until = nc_now_us() + (uint64_t)r->o->hold * 1000000;
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	fflush(stdout);
	while (nc_now_us() < until && nc_now_us() < deadline) {
		hold_wait(r, 0);
		if (poll(&in, 1, 50) > 0) {
			char line;

			while (read(STDIN_FILENO, &line, 1) == 1 && line != '\n')
				;
			return;
		}
	}
}

static void hold_ask(struct hold_run *r, uint64_t deadline)
{
	for (unsigned i = 0; i < r->started; i++) {
		struct hold_conn *c = &r->conn[i];
		uint8_t b = byte_of(r, c);

		if (c->state != HOLD_UP)
			continue;
		if (send(c->fd, &b, 1, MSG_NOSIGNAL) != 1) {
			hold_fail(r, c, errno);
			continue;
		}
		c->state = HOLD_ASKED;
		r->asked++;
		while (r->asked >= r->o->concurrency && nc_now_us() < deadline)
			hold_wait(r, 20);
	}
	while (r->asked && nc_now_us() < deadline)
		hold_wait(r, 20);
	r->errors.timeout += r->asked;
}

/*
 * At a pace: beyond tcp_max_orphans the kernel sends an RST in place of the FIN,
 * once, and a lost one leaves the server with a connection that nobody ends.
 */
static void hold_close(struct hold_run *r)
{
	for (unsigned i = 0; i < r->started; i++) {
		if (r->conn[i].fd < 0)
			continue;
		if (r->o->reset)
			nc_linger0(r->conn[i].fd);
		close(r->conn[i].fd);
		if (i % 32 == 31)
			usleep(10000);
	}
}

int nc_hold(const struct nc_options *o)
{
	struct hold_run r = {.o = o, .ep = epoll_create1(EPOLL_CLOEXEC)};
	uint64_t start = nc_now_us(), deadline = start + (uint64_t)o->time * 1000000;
	uint64_t opened_at, asked_at;

	r.conn = calloc(o->conns, sizeof(*r.conn));
	if (!r.conn || r.ep < 0 || nc_need_files(o->conns) < 0) {
		perror("netclient: hold");
		free(r.conn);
		return 2;
	}
	hold_open(&r, deadline);
	opened_at = nc_now_us();
	printf("held %u\n", r.opened);
	hold_pause(&r, deadline);
	asked_at = nc_now_us();
	hold_ask(&r, deadline);
	printf("{\"conns\": %u, \"opened\": %u, \"answered\": %u, \"open_seconds\": %.3f, "
	       "\"ask_seconds\": %.3f, ",
	       o->conns, r.opened, r.answered, (double)(opened_at - start) / 1e6,
	       (double)(nc_now_us() - asked_at) / 1e6);
	nc_print_errors(&r.errors);
	printf("}\n");
	hold_pause(&r, deadline);
	hold_close(&r);
	free(r.conn);
	return r.answered == o->conns ? 0 : 1;
}
