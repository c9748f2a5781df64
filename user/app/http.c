// SPDX-License-Identifier: BSD-2-Clause
/* http: static files over the callbacks of weir.h. See http.h for the states. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "app/app_arg.h"
#include "app/http.h"

/* Files from here on are read ahead by the kernel. */
#define READAHEAD_MIN (256 * 1024)

/* ---- deadlines and ends -------------------------------------------------- */

static void arm(struct weir_conn *c, struct http_conn *s, enum http_timer t)
{
	const struct weir_app_limits *l = weir_app_limits_of(c);
	const uint64_t ms[] = {
		[HTTP_T_NONE] = 0,
		[HTTP_T_HEADER] = l->header_ms,
		[HTTP_T_IDLE] = l->idle_ms,
		[HTTP_T_STALL] = l->stall_ms,
		[HTTP_T_LINGER] = l->linger_ms,
		[HTTP_T_RETRY] = APP_RETRY_MS,
	};

	s->timer = t;
	weir_conn_timer(c, ms[t]);
}

static void close_file(struct http_conn *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* Nothing may touch the connection after one of these three. */
static void end(struct weir_conn *c, struct http_conn *s)
{
	arm(c, s, HTTP_T_NONE);
	close_file(s);
	s->state = HTTP_DONE;
}

static void end_in_order(struct weir_conn *c, struct http_conn *s)
{
	end(c, s);
	weir_close(c);
}

static void end_late(struct weir_conn *c, struct http_conn *s, enum weir_counter why)
{
	weir_app_count(why);
	end(c, s);
	weir_abort_timeout(c);
}

/*
 * The promised length cannot be kept any more. An RST is the only way left to
 * tell the client that what it has is not the file.
 */
static void end_broken(struct weir_conn *c, struct http_conn *s, enum weir_counter why)
{
	weir_app_count(why);
	end(c, s);
	weir_abort(c);
}

/* ---- reading a request --------------------------------------------------- */

static void refuse(struct weir_conn *c, struct http_conn *s, int status)
{
	const struct weir_app_arg *arg = weir_conn_arg(c);

	s->reply.status = (uint16_t)status;
	s->reply.date = (int64_t)arg->clock();
	s->reply.flags |= HTTP_F_CLOSE;
	s->state = HTTP_REPLY;
}

/* A whole head: from here on the response is decided. */
static void request(struct weir_conn *c, struct http_conn *s, const char *head)
{
	const struct weir_app_arg *arg = weir_conn_arg(c);
	struct http_request r;
	int status;

	s->head_len = s->scan.seen;
	status = http_parse(&r, head, s->head_len);
	s->reply.flags = (r.method == HTTP_HEAD ? HTTP_F_HEAD : 0) | (r.minor ? 0 : HTTP_F_OLD);
	if (status) {
		refuse(c, s, status);
		return;
	}
	/*
	 * RFC 9110 10.1.1: with the final status at once the client may leave the
	 * body out, and nothing says whether it did: what follows is not framed.
	 */
	if (!r.keep_alive || s->last || (r.expect_continue && r.content_length))
		s->reply.flags |= HTTP_F_CLOSE;
	s->skip = (uint32_t)r.content_length;
	s->fd = http_answer(&s->reply, &r, arg->dirfd, (int64_t)arg->clock());
	s->off = s->reply.first;
	s->left = s->fd >= 0 ? s->reply.len : 0;
	if (s->reply.status == 503)
		weir_app_count(WEIR_C_http_no_descriptor);
	if (s->left >= READAHEAD_MIN)
		posix_fadvise(s->fd, (off_t)s->off, (off_t)s->left, POSIX_FADV_SEQUENTIAL);
	s->state = HTTP_REPLY;
}

/* Reads on through the body of a request that is answered. True: it is over. */
static bool skip_body(struct weir_conn *c, struct http_conn *s)
{
	size_t n = weir_recv_ready(c);

	if (s->head_len || !s->skip)
		return !s->skip;
	if (n > s->skip)
		n = s->skip;
	weir_recv_done(c, n);
	s->skip -= (uint32_t)n;
	return !s->skip;
}

/*
 * What is ready is no whole request: wait under the deadline that fits. Behind a
 * FIN the rest of it will not come.
 */
static bool read_wait(struct weir_conn *c, struct http_conn *s)
{
	if (weir_recv_fin(c))
		end_in_order(c, s);
	else if ((s->scan.seen || s->skip) && s->timer != HTTP_T_HEADER)
		arm(c, s, HTTP_T_HEADER);
	return false;
}

static bool read_request(struct weir_conn *c, struct http_conn *s)
{
	uint8_t head[HTTP_HEAD_MAX];
	size_t from = s->scan.seen, n;
	bool skipping = s->skip;

	if (!skip_body(c, s))
		return read_wait(c, s);
	if (skipping)
		arm(c, s, HTTP_T_IDLE);
	n = weir_recv_copy(c, from, head + from, sizeof(head) - from);
	switch (http_scan(&s->scan, head + from, n)) {
	case HTTP_SCAN_MORE:
		return read_wait(c, s);
	case HTTP_SCAN_EMPTY: /* RFC 9112 2.2 */
		weir_recv_done(c, s->scan.seen);
		s->scan = (struct http_scan){0};
		return true;
	case HTTP_SCAN_ERROR:
		s->reply.flags = 0;
		refuse(c, s, s->scan.status);
		return true;
	case HTTP_SCAN_HEAD:
		break;
	}
	if (from) /* the beginning came earlier */
		weir_recv_copy(c, 0, head, from);
	request(c, s, (const char *)head);
	return true;
}

/* ---- answering ----------------------------------------------------------- */

/* Stopped for want of room. `moved`: some bytes were taken first. */
static bool blocked(struct weir_conn *c, struct http_conn *s, bool moved)
{
	if (!weir_send_queued(c)) {
		arm(c, s, HTTP_T_RETRY);
	} else if (moved || s->timer != HTTP_T_STALL) {
		s->queued = (uint32_t)weir_send_queued(c);
		arm(c, s, HTTP_T_STALL);
	}
	return false;
}

static bool finished(struct weir_conn *c, struct http_conn *s)
{
	close_file(s);
	s->scan = (struct http_scan){0};
	s->sent = 0;
	if (!(s->reply.flags & HTTP_F_CLOSE) && !s->last) {
		s->state = HTTP_READ;
		arm(c, s, s->skip ? HTTP_T_HEADER : HTTP_T_IDLE);
		return true;
	}
	/*
	 * Closing both ways at once would answer what the client still sends with
	 * an RST, which may overtake the response (RFC 9112 9.6): half-close, read on.
	 */
	s->state = HTTP_LINGER;
	s->drained = 0;
	arm(c, s, HTTP_T_LINGER);
	weir_shutdown(c);
	return true;
}

static bool send_reply(struct weir_conn *c, struct http_conn *s)
{
	char head[HTTP_HEAD_MAX], text[HTTP_REPLY_MAX];
	struct http_request r, *redirect = NULL;
	size_t len, n;

	if (s->reply.status == 301) {
		weir_recv_copy(c, 0, head, s->head_len);
		http_parse(&r, head, s->head_len);
		redirect = &r;
	}
	len = http_reply_text(&s->reply, redirect, text);
	n = weir_send(c, text + s->sent, len - s->sent);
	s->sent += (uint16_t)n;
	if (s->sent < len)
		return blocked(c, s, n > 0);
	weir_recv_done(c, s->head_len);
	s->head_len = 0;
	skip_body(c, s);
	s->state = HTTP_FILE;
	return true;
}

static bool send_file(struct weir_conn *c, struct http_conn *s)
{
	bool moved = false;
	uint8_t *p;

	while (s->left) {
		size_t room = weir_send_reserve(c, &p);
		ssize_t n;

		if (!room)
			return blocked(c, s, moved);
		n = pread(s->fd, p, room < s->left ? room : s->left, (off_t)s->off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			end_broken(c, s, n ? WEIR_C_http_file_error : WEIR_C_http_file_shrunk);
			return false;
		}
		weir_send_commit(c, (size_t)n);
		s->off += (uint64_t)n;
		s->left -= (uint64_t)n;
		moved = true;
	}
	return finished(c, s);
}

static bool linger(struct weir_conn *c, struct http_conn *s)
{
	size_t n = weir_recv_ready(c);

	weir_recv_done(c, n);
	s->drained += (uint32_t)n;
	if (weir_recv_eof(c) || s->drained > HTTP_DRAIN_MAX)
		end_in_order(c, s);
	return false;
}

/* ---- the callbacks ------------------------------------------------------- */

static void http_run(struct weir_conn *c)
{
	struct http_conn *s = weir_conn_state(c);
	bool more = true;

	if (s->state == HTTP_FILE)
		skip_body(c, s);
	while (more) {
		switch ((enum http_state)s->state) {
		case HTTP_READ:
			more = read_request(c, s);
			break;
		case HTTP_REPLY:
			more = send_reply(c, s);
			break;
		case HTTP_FILE:
			more = send_file(c, s);
			break;
		case HTTP_LINGER:
			more = linger(c, s);
			break;
		case HTTP_DONE:
			return;
		}
	}
}

static int http_open(struct weir_conn *c, void *arg)
{
	struct http_conn *s = weir_conn_state(c);

	s->fd = -1;
	if (!arg)
		return -1;
	arm(c, s, HTTP_T_HEADER); /* a client that connects and says nothing, too */
	return 0;
}

/* A response is out or on its way and the client has been silent since. */
static void http_stalled(struct weir_conn *c, struct http_conn *s)
{
	size_t queued = weir_send_queued(c);

	if (s->state == HTTP_READ && !queued) {
		weir_app_count(WEIR_C_http_idle_closed);
		end_in_order(c, s);
	} else if (queued && queued >= s->queued) {
		end_late(c, s, WEIR_C_http_stalled);
	} else {
		s->queued = (uint32_t)queued;
		arm(c, s, HTTP_T_STALL);
		http_run(c);
	}
}

static void http_timer(struct weir_conn *c)
{
	struct http_conn *s = weir_conn_state(c);
	enum http_timer was = s->timer;

	s->timer = HTTP_T_NONE;
	switch (was) {
	case HTTP_T_NONE:
		break;
	case HTTP_T_HEADER:
		end_late(c, s, WEIR_C_http_header_timeout);
		break;
	case HTTP_T_IDLE:
		s->queued = UINT32_MAX;
		http_stalled(c, s);
		break;
	case HTTP_T_STALL:
		http_stalled(c, s);
		break;
	case HTTP_T_LINGER:
		end_in_order(c, s);
		break;
	case HTTP_T_RETRY:
		http_run(c);
		break;
	}
}

/* Between requests there is nothing to finish; a request that has begun is answered. */
static void http_drain(struct weir_conn *c)
{
	struct http_conn *s = weir_conn_state(c);

	s->last = true;
	if (s->state == HTTP_READ && !s->skip && !weir_recv_ready(c))
		end_in_order(c, s);
}

static void http_close(struct weir_conn *c, int reason)
{
	(void)reason;
	close_file(weir_conn_state(c));
}

const struct weir_app weir_app_http = {
	.name = "http",
	.conn_size = sizeof(struct http_conn),
	.on_open = http_open,
	.on_data = http_run,
	.on_writable = http_run,
	.on_timer = http_timer,
	.on_drain = http_drain,
	.on_close = http_close,
};
