/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking backends how they are, from the main thread's step: at most one connection a backend
 * at a time, nothing blocks. What is ours (no descriptor left) is no verdict on them.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "proxy/backends_priv.h"
#include "proxy/pp2.h"

#define STATUS_LINE 12 /* "HTTP/1.1 200" */
#define READ_ON	    16384

static void end(const struct backends *b, struct health *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	h->next_us = h->began_us + b->cfg.check_interval_ms * 1000;
}

/* The first one decides alone: nothing is known of the backend then. */
static void verdict(struct backends *b, struct slot *s, bool good)
{
	struct health *h = &s->health;
	unsigned limit = good ? b->cfg.check_rise : b->cfg.check_fall;
	bool first = !h->checks++;

	end(b, h);
	h->failed += !good;
	if (!good)
		backends_count(WEIR_C_backend_check_failed);
	if (good == h->well) {
		h->row = 0;
		return;
	}
	if (++h->row < limit && !first)
		return;
	h->well = good;
	h->row = 0;
	if (good) {
		__atomic_store_n(&s->in_a_row, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->ejected_until_us, 0, __ATOMIC_SEQ_CST);
	}
}

static void failed(struct backends *b, struct slot *s, enum backend_error kind, int detail)
{
	slot_error(b, s, kind, (unsigned)detail);
	verdict(b, s, false);
}

static void passed(struct backends *b, struct slot *s)
{
	socklen_t len = sizeof(struct tcp_info);
	struct tcp_info info = {0};

	if (s->conf.addr.ss_family != AF_UNIX &&
	    !getsockopt(s->health.fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		s->health.rtt_us = info.tcpi_rtt ? info.tcpi_rtt : 1;
	verdict(b, s, true);
}

static bool is_ours(int e)
{
	return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM || e == EADDRNOTAVAIL;
}

static void no_connection(struct backends *b, struct slot *s, int e)
{
	if (!is_ours(e)) {
		failed(b, s, ERROR_CHECK_CONNECT, e);
		return;
	}
	slot_error(b, s, ERROR_CHECK_CONNECT, (unsigned)e);
	end(b, &s->health);
}

/* What is to be said fits any socket's empty buffer, so a part of it is an error as well. */
static bool say(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static size_t request(const struct backends *b, const struct slot *s, char *buf, size_t len)
{
	const char *host = s->conf.addr.ss_family == AF_UNIX ? "localhost" : s->conf.name;

	return (size_t)snprintf(buf, len,
				"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: weir/" WEIR_VERSION
				"\r\nAccept: */*\r\nConnection: close\r\n\r\n",
				b->cfg.check_path, host);
}

static void connected(struct backends *b, struct slot *s)
{
	char buf[PP2_MAX + PROXY_PATH_LEN + PROXY_NAME_LEN + 128];
	socklen_t elen = sizeof(int);
	size_t len = 0;
	int e = 0;

	if (getsockopt(s->health.fd, SOL_SOCKET, SO_ERROR, &e, &elen))
		e = errno;
	if (e) {
		no_connection(b, s, e);
		return;
	}
	if (b->cfg.protocol == PROXY_PROTOCOL_V2)
		len = pp2_header((uint8_t *)buf, sizeof(buf), NULL, NULL);
	if (b->cfg.check == PROXY_CHECK_HTTP)
		len += request(b, s, buf + len, sizeof(buf) - len);
	if (len && !say(s->health.fd, buf, len))
		failed(b, s, ERROR_CHECK_CLOSED, 0);
	else if (b->cfg.check == PROXY_CHECK_HTTP)
		s->health.stage = HEALTH_READING;
	else
		passed(b, s);
}

/* A server whose page is not read before the close would log that it was reset. */
static void read_on(int fd)
{
	char rest[2048];

	for (size_t n = 0; n < READ_ON; n += sizeof(rest))
		if (recv(fd, rest, sizeof(rest), 0) <= 0)
			return;
}

static void judge(struct backends *b, struct slot *s)
{
	const char *a = s->health.answer;
	int status = 0;

	for (int i = 9; i < STATUS_LINE && status >= 0; i++)
		status = a[i] >= '0' && a[i] <= '9' ? 10 * status + a[i] - '0' : -1;
	if (memcmp(a, "HTTP/1.", 7) || a[8] != ' ' || status < 100) {
		failed(b, s, ERROR_CHECK_ANSWER, 0);
		return;
	}
	read_on(s->health.fd);
	if (status >= 200 && status <= 399)
		passed(b, s);
	else
		failed(b, s, ERROR_CHECK_STATUS, status);
}

static void read_answer(struct backends *b, struct slot *s)
{
	struct health *h = &s->health;
	ssize_t n;

	while (h->got < STATUS_LINE) {
		n = recv(h->fd, h->answer + h->got, STATUS_LINE - h->got, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			failed(b, s, ERROR_CHECK_CLOSED, 0);
			return;
		}
		h->got += (size_t)n;
	}
	judge(b, s);
}

static void proceed(struct backends *b, struct slot *s)
{
	struct health *h = &s->health;
	struct pollfd p = {.fd = h->fd, .events = POLLOUT};

	if (h->stage == HEALTH_CONNECTING && poll(&p, 1, 0) > 0)
		connected(b, s);
	if (h->fd >= 0 && h->stage == HEALTH_READING)
		read_answer(b, s);
	if (h->fd >= 0 && backends_now(b) - h->began_us >= b->cfg.check_timeout_ms * 1000)
		failed(b, s, ERROR_CHECK_TIMEOUT, 0);
}

static void begin(struct backends *b, struct slot *s)
{
	const struct sockaddr *a = (const struct sockaddr *)&s->conf.addr;
	struct health *h = &s->health;

	h->began_us = backends_now(b);
	h->stage = HEALTH_CONNECTING;
	h->got = 0;
	h->fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (h->fd < 0 || (connect(h->fd, a, s->conf.addrlen) && errno != EINPROGRESS))
		no_connection(b, s, errno);
	else
		proceed(b, s);
}

void health_stop(struct slot *s)
{
	if (s->health.fd >= 0)
		close(s->health.fd);
	memset(&s->health, 0, sizeof(s->health));
	s->health.fd = -1;
	s->health.well = true;
}

/* Spread over the interval, or over a second when that is shorter: the first ones tell much. */
void health_start(struct backends *b, unsigned i)
{
	uint64_t ms = b->cfg.check_interval_ms < 1000 ? b->cfg.check_interval_ms : 1000;

	health_stop(&b->slot[i]);
	b->slot[i].health.next_us = backends_now(b) + i * ms * 1000 / BACKENDS_MAX;
}

void health_step(struct backends *b)
{
	uint64_t rest;

	for (rest = b->present; rest; rest &= rest - 1) {
		struct slot *s = &b->slot[__builtin_ctzll(rest)];

		if (b->cfg.check == PROXY_CHECK_NONE) {
			if (s->health.fd >= 0 || !s->health.well)
				health_stop(s);
		} else if (s->health.fd >= 0) {
			proceed(b, s);
		} else if (backends_now(b) >= s->health.next_us) {
			begin(b, s);
		}
	}
}
