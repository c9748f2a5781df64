/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch: HTTP GETs in a closed loop. A fetch is done when the whole response came,
 * with status 200, the announced length and the expected bytes, within --limit-ms
 * of the start of its connection (of its request on a connection that is re-used).
 */
#include "nc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#define HEADER_MAX 4096
#define CHUNK	   65536

enum fetch_state { FETCH_CONNECT, FETCH_HEADER, FETCH_BODY, FETCH_EOF };

struct fetch_slot {
	int fd;
	enum fetch_state state;
	unsigned served; /* requests done on this connection */
	uint64_t started;
	uint64_t length, got;
	size_t head_len;
	char head[HEADER_MAX + 1];
};

struct fetch_run {
	const struct nc_options *o;
	int ep;
	uint64_t begun, done, opened;
	uint64_t stop_at; /* no new request after this */
	struct nc_errors errors;
	struct nc_samples connect_us, response_us;
	struct fetch_slot *slot;
	char request[1024];
	size_t request_len;
	uint8_t buf[CHUNK];
};

static bool more(const struct fetch_run *r)
{
	if (r->o->requests && r->begun >= r->o->requests)
		return false;
	return nc_now_us() < r->stop_at;
}

static void slot_close(struct fetch_slot *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void slot_connect(struct fetch_run *r, struct fetch_slot *s)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = s};
	int fd;

	r->begun++;
	s->started = nc_now_us();
	s->state = FETCH_CONNECT;
	s->served = 0;
	fd = nc_connect(r->o, (unsigned)r->begun);
	if (fd < 0) {
		nc_count_error(&r->errors, -fd);
		return;
	}
	s->fd = fd;
	if (epoll_ctl(r->ep, EPOLL_CTL_ADD, fd, &ev) < 0) {
		nc_count_error(&r->errors, errno);
		slot_close(s);
	}
}

static int slot_request(struct fetch_run *r, struct fetch_slot *s)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	ssize_t n = send(s->fd, r->request, r->request_len, MSG_NOSIGNAL);

	if (n != (ssize_t)r->request_len)
		return n < 0 ? -errno : -EIO;
	s->state = FETCH_HEADER;
	s->head_len = 0;
	s->got = 0;
	return epoll_ctl(r->ep, EPOLL_CTL_MOD, s->fd, &ev) < 0 ? -errno : 0;
}

/* The response is whole. 1: the connection is used up; 0: goes on; -errno. */
static int slot_done(struct fetch_run *r, struct fetch_slot *s)
{
	r->done++;
	nc_sample(&r->response_us, nc_now_us() - s->started);
	if (r->o->server_close) {
		s->state = FETCH_EOF;
		return 0;
	}
	if (++s->served >= r->o->keepalive || !more(r))
		return 1;
	r->begun++;
	s->started = nc_now_us();
	return slot_request(r, s);
}

/* Where a body is expected each byte is compared. */
static int slot_body(struct fetch_run *r, struct fetch_slot *s, const uint8_t *p, size_t n)
{
	if (n > s->length - s->got)
		return -EBADMSG;
	if (r->o->body && memcmp(p, r->o->body + s->got, n) != 0)
		return -EBADMSG;
	s->got += n;
	return s->got == s->length ? slot_done(r, s) : 0;
}

static int slot_header(struct fetch_run *r, struct fetch_slot *s, size_t n)
{
	char *end, *line;
	size_t head;

	if (s->head_len + n > HEADER_MAX)
		return -EBADMSG;
	memcpy(s->head + s->head_len, r->buf, n);
	s->head_len += n;
	s->head[s->head_len] = '\0';
	end = strstr(s->head, "\r\n\r\n");
	if (!end)
		return 0;
	head = (size_t)(end + 4 - s->head);
	if (strncmp(s->head, "HTTP/1.1 200 ", 13) != 0)
		return -EBADMSG;
	line = strcasestr(s->head, "\r\nContent-Length:");
	if (!line || line > end)
		return -EBADMSG;
	s->length = strtoull(line + 17, NULL, 10);
	if (r->o->body && s->length != r->o->body_len)
		return -EBADMSG;
	s->state = FETCH_BODY;
	return slot_body(r, s, (const uint8_t *)s->head + head, s->head_len - head);
}

static int slot_receive(struct fetch_run *r, struct fetch_slot *s)
{
	size_t room = s->state == FETCH_HEADER ? HEADER_MAX - s->head_len : CHUNK;
	ssize_t n = recv(s->fd, r->buf, room, 0);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return s->state == FETCH_EOF ? 1 : -ENODATA;
	if (s->state == FETCH_HEADER)
		return slot_header(r, s, (size_t)n);
	if (s->state == FETCH_BODY)
		return slot_body(r, s, r->buf, (size_t)n);
	return -EBADMSG;
}

static void slot_event(struct fetch_run *r, struct fetch_slot *s, uint32_t events)
{
	int ret = 0;

	if (s->fd < 0)
		return;
	if (s->state == FETCH_CONNECT) {
		ret = -nc_socket_error(s->fd);
		if (!ret && (events & EPOLLOUT)) {
			r->opened++;
			nc_sample(&r->connect_us, nc_now_us() - s->started);
			ret = slot_request(r, s);
		}
	} else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		ret = slot_receive(r, s);
	}
	if (ret < 0)
		nc_count_error(&r->errors, -ret);
	if (ret)
		slot_close(s);
}

/* Ends what is late, starts what may start; false when nothing is left to do. */
static bool turn(struct fetch_run *r, uint64_t deadline)
{
	uint64_t now = nc_now_us();
	bool busy = false;

	for (unsigned i = 0; i < r->o->concurrency; i++) {
		struct fetch_slot *s = &r->slot[i];

		if (s->fd >= 0 &&
		    (now - s->started > (uint64_t)r->o->limit_ms * 1000 || now >= deadline)) {
			r->errors.timeout++;
			slot_close(s);
		}
		if (s->fd < 0 && now < deadline && more(r))
			slot_connect(r, s);
		busy |= s->fd >= 0;
	}
	return busy || (now < deadline && more(r));
}

static void print_result(struct fetch_run *r, double seconds)
{
	printf("{\"done\": %ju, \"failed\": %ju, \"opened\": %ju, \"seconds\": %.3f, "
	       "\"per_second\": %.1f, ",
	       (uintmax_t)r->done, (uintmax_t)nc_errors_total(&r->errors), (uintmax_t)r->opened,
	       seconds, (double)r->done / seconds);
	nc_print_samples("connect_us", &r->connect_us);
	printf(", ");
	nc_print_samples("response_us", &r->response_us);
	printf(", ");
	nc_print_errors(&r->errors);
	printf("}\n");
}

static int fetch_prepare(struct fetch_run *r, const struct nc_options *o)
{
	int n;

	r->o = o;
	r->stop_at = nc_now_us() + (uint64_t)(o->seconds ? o->seconds : o->time) * 1000000;
	n = snprintf(r->request, sizeof(r->request), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
		     o->path, o->host, o->server_close ? "Connection: close\r\n" : "");
	if (n < 0 || (size_t)n >= sizeof(r->request))
		return -E2BIG;
	r->request_len = (size_t)n;
	r->slot = calloc(o->concurrency, sizeof(*r->slot));
	r->ep = epoll_create1(EPOLL_CLOEXEC);
	if (!r->slot || r->ep < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < o->concurrency; i++)
		r->slot[i].fd = -1;
	return nc_need_files(o->concurrency);
}

int nc_fetch(const struct nc_options *o)
{
	struct fetch_run *r = calloc(1, sizeof(*r));
	uint64_t start = nc_now_us(), deadline = start + (uint64_t)o->time * 1000000;
	struct epoll_event ev[64];
	int ret = 2;

	if (!r || fetch_prepare(r, o) < 0)
		goto out;
	while (turn(r, deadline)) {
		int n = epoll_wait(r->ep, ev, 64, 50);

		for (int i = 0; i < n; i++)
			slot_event(r, ev[i].data.ptr, ev[i].events);
	}
	print_result(r, (double)(nc_now_us() - start) / 1e6);
	ret = nc_errors_total(&r->errors) || !r->done ? 1 : 0;
out:
	if (r) {
		free(r->slot);
		free(r->connect_us.v);
		free(r->response_us.v);
	}
	free(r);
	return ret;
}
