/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slowread: fetches --path at --rate bytes per second, compares each byte with
 * --body, pauses --stall seconds after --stall-after bytes, and stops after --bytes.
 * rstmid: fetches --path and resets the connection after --bytes.
 */
#include "nc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct slow_run {
	const struct nc_options *o;
	int fd;
	uint64_t deadline;
	uint64_t got; /* body bytes */
	uint64_t length;
	bool stalled;
};

static int wait_for(struct slow_run *r, short events)
{
	struct pollfd p = {.fd = r->fd, .events = events};
	uint64_t now = nc_now_us();

	if (now >= r->deadline || poll(&p, 1, (int)((r->deadline - now) / 1000) + 1) <= 0)
		return -ETIMEDOUT;
	return 0;
}

static int slow_open(struct slow_run *r, unsigned index)
{
	char request[1024];
	int err, n;

	n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", r->o->path,
		     r->o->host);
	if (n < 0 || (size_t)n >= sizeof(request))
		return -E2BIG;
	r->got = r->length = 0;
	r->fd = nc_connect(r->o, index);
	if (r->fd < 0)
		return r->fd;
	err = wait_for(r, POLLOUT);
	if (!err)
		err = -nc_socket_error(r->fd);
	if (!err && send(r->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		err = -errno;
	return err;
}

/* Reads the header byte by byte, so that the body starts at the next read. */
static int slow_header(struct slow_run *r)
{
	char head[4096], *line;
	size_t len = 0;

	while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
		ssize_t n;
		int err = wait_for(r, POLLIN);

		if (err)
			return err;
		if (len == sizeof(head) - 1)
			return -EBADMSG;
		n = recv(r->fd, head + len, 1, 0);
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		len++;
	}
	head[len] = '\0';
	line = strcasestr(head, "\r\nContent-Length:");
	if (strncmp(head, "HTTP/1.1 200 ", 13) != 0 || !line)
		return -EBADMSG;
	r->length = strtoull(line + 17, NULL, 10);
	return r->o->body && r->length != r->o->body_len ? -EBADMSG : 0;
}

/* Sleeps until `got` bytes are due at the wanted rate. */
static void slow_pace(struct slow_run *r, uint64_t started)
{
	uint64_t due, now;

	if (r->o->stall_after && !r->stalled && r->got >= r->o->stall_after) {
		r->stalled = true;
		printf("stalled %ju\n", (uintmax_t)r->got);
		fflush(stdout);
		sleep(r->o->stall);
	}
	if (!r->o->rate)
		return;
	due = started + r->got * 1000000 / r->o->rate;
	now = nc_now_us();
	if (due > now)
		usleep((useconds_t)(due - now));
}

/* Reads the body to its end or to --bytes. 0 or -errno. */
static int slow_body(struct slow_run *r)
{
	static uint8_t buf[65536];
	uint64_t started = nc_now_us();
	uint64_t until = r->o->bytes && r->o->bytes < r->length ? r->o->bytes : r->length;

	while (r->got < until) {
		uint64_t left = until - r->got;
		size_t want = sizeof(buf) < left ? sizeof(buf) : (size_t)left;
		int err = wait_for(r, POLLIN);
		ssize_t n;

		if (err)
			return err;
		n = recv(r->fd, buf, want, 0);
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		if (r->o->body && memcmp(buf, r->o->body + r->got, (size_t)n) != 0)
			return -EBADMSG;
		r->got += (uint64_t)n;
		slow_pace(r, started);
	}
	return 0;
}

static int slow_fetch(struct slow_run *r, unsigned i)
{
	int err = slow_open(r, i);

	if (!err)
		err = slow_header(r);
	return err ? err : slow_body(r);
}

int nc_slowread(const struct nc_options *o)
{
	struct slow_run r = {.o = o, .fd = -1};
	struct nc_errors errors = {0};
	uint64_t start = nc_now_us();
	int err;

	r.deadline = start + (uint64_t)o->time * 1000000;
	err = slow_fetch(&r, 0);
	if (err)
		nc_count_error(&errors, -err);
	if (r.fd >= 0)
		close(r.fd);
	printf("{\"bytes\": %ju, \"length\": %ju, \"ok\": %s, \"seconds\": %.3f, ",
	       (uintmax_t)r.got, (uintmax_t)r.length, err ? "false" : "true",
	       (double)(nc_now_us() - start) / 1e6);
	nc_print_errors(&errors);
	printf("}\n");
	return err ? 1 : 0;
}

int nc_rstmid(const struct nc_options *o)
{
	struct slow_run r = {.o = o, .fd = -1};
	struct nc_errors errors = {0};
	unsigned done = 0;

	r.deadline = nc_now_us() + (uint64_t)o->time * 1000000;
	for (unsigned i = 0; i < o->conns; i++) {
		int err = slow_fetch(&r, i);

		if (err)
			nc_count_error(&errors, -err);
		else
			done++;
		if (r.fd >= 0) {
			nc_linger0(r.fd);
			close(r.fd);
		}
	}
	printf("{\"conns\": %u, \"done\": %u, ", o->conns, done);
	nc_print_errors(&errors);
	printf("}\n");
	return done == o->conns ? 0 : 1;
}
