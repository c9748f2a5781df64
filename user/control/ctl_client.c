/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/ctl_client.h"
#include "control/ctl_json.h"
#include "control/trace_wire.h"

int ctl_client_init(struct ctl_client *c, int fd, uint64_t now_us)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->in = malloc(CTL_REQUEST_MAX);
	c->out = malloc(CTL_OUT_MAX);
	c->out_cap = CTL_OUT_MAX;
	if (!c->in || !c->out) {
		ctl_client_free(c);
		return -ENOMEM;
	}
	c->fd = fd;
	c->active_us = now_us;
	return 0;
}

void ctl_client_free(struct ctl_client *c)
{
	free(c->in);
	free(c->out);
	if (c->fd >= 0)
		close(c->fd);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

/* ---- bytes in and out --------------------------------------------------------- */

bool ctl_client_read(struct ctl_client *c)
{
	ssize_t n;

	if (c->in_len == CTL_REQUEST_MAX)
		return true;
	n = recv(c->fd, c->in + c->in_len, CTL_REQUEST_MAX - c->in_len, MSG_DONTWAIT);
	if (n > 0)
		c->in_len += (size_t)n;
	else if (n == 0)
		c->eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		return false;
	return true;
}

bool ctl_client_write(struct ctl_client *c)
{
	while (c->out_len > 0) {
		ssize_t n =
			send(c->fd, c->out + c->out_at, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_at += (size_t)n;
		c->out_len -= (size_t)n;
	}
	c->out_at = 0;
	return true;
}

size_t ctl_client_room(const struct ctl_client *c)
{
	return c->out_len < CTL_OUT_MAX ? CTL_OUT_MAX - c->out_len : 0;
}

void ctl_client_put(struct ctl_client *c, const char *data, size_t len)
{
	if (len > c->out_cap - c->out_len) {
		c->broken = true;
		return;
	}
	if (c->out_at + c->out_len + len > c->out_cap) {
		memmove(c->out, c->out + c->out_at, c->out_len);
		c->out_at = 0;
	}
	memcpy(c->out + c->out_at + c->out_len, data, len);
	c->out_len += len;
}

static bool make_room(struct ctl_client *c, size_t len)
{
	char *out;

	if (len <= c->out_cap - c->out_len)
		return true;
	out = realloc(c->out, c->out_at + c->out_len + len);
	if (!out)
		return false;
	c->out = out;
	c->out_cap = c->out_at + c->out_len + len;
	return true;
}

void ctl_client_reply(struct ctl_client *c, json_t *reply)
{
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	if (text && make_room(c, strlen(text) + 1)) {
		ctl_client_put(c, text, strlen(text));
		ctl_client_put(c, "\n", 1);
	} else {
		c->broken = true;
	}
	free(text);
	json_decref(reply);
}

/* ---- requests ------------------------------------------------------------------ */

int ctl_client_request(struct ctl_client *c, struct ctl_request *req)
{
	char why[200];
	size_t len;
	char *nl;
	int rc;

	if (c->broken)
		return 0;
	nl = memchr(c->in, '\n', c->in_len);
	if (!nl) {
		if (c->in_len < CTL_REQUEST_MAX)
			return 0;
		ctl_client_reply(c, ctl_json_error("the request is longer than 65536 bytes"));
		c->broken = true;
		return -EINVAL;
	}
	len = (size_t)(nl - c->in);
	rc = ctl_request_parse(req, c->in, len, why, sizeof(why));
	c->in_len -= len + 1;
	memmove(c->in, nl + 1, c->in_len);
	if (!rc)
		return 1;
	ctl_client_reply(c, ctl_json_error(why));
	return rc;
}

/* ---- conns: rows while there is room -------------------------------------------- */

void ctl_client_conns_start(struct ctl_client *c)
{
	static const char head[] = "{\"version\":1,\"conns\":[";

	memset(&c->conns, 0, sizeof(c->conns));
	c->job = CTL_JOB_CONNS;
	ctl_client_put(c, head, sizeof(head) - 1);
}

static bool wanted(const struct ctl_request *req, const struct engine_conn_row *row)
{
	if (req->state >= 0 && (int)row->tcp.state != req->state)
		return false;
	return !req->port || row->local.port == req->port || row->remote.port == req->port;
}

static void put_row(struct ctl_client *c, const struct engine_conn_row *row)
{
	json_t *o = ctl_json_conn(row);
	char buf[CTL_ROW_MAX];
	size_t n = o ? json_dumpb(o, buf, sizeof(buf), JSON_COMPACT) : 0;

	json_decref(o);
	if (n == 0 || n >= sizeof(buf)) {
		c->broken = true;
		return;
	}
	if (c->conns.any)
		ctl_client_put(c, ",", 1);
	ctl_client_put(c, buf, n);
	c->conns.any = true;
}

static void conns_end(struct ctl_client *c, const struct ctl_source *src)
{
	json_t *silent = json_array();
	char *text;

	for (unsigned w = 0; w < src->workers && w < 64; w++)
		if (c->conns.unanswered >> w & 1)
			json_array_append_new(silent, json_integer(w));
	text = json_dumps(silent, JSON_COMPACT);
	json_decref(silent);
	if (text) {
		ctl_client_put(c, "],\"unanswered_workers\":", 23);
		ctl_client_put(c, text, strlen(text));
		ctl_client_put(c, "}\n", 2);
	} else {
		c->broken = true;
	}
	free(text);
	c->job = CTL_JOB_NONE;
}

void ctl_client_conns_step(struct ctl_client *c, const struct ctl_source *src)
{
	struct engine_conn_row rows[CTL_ROW_BATCH];
	int n;

	/* The closing bracket and the list of silent workers need room, too. */
	if (ctl_client_room(c) < (CTL_ROW_BATCH + 1) * CTL_ROW_MAX)
		return;
	if (c->conns.worker >= src->workers || c->broken) {
		conns_end(c, src);
		return;
	}
	n = src->ops->conns(src->ctx, c->conns.worker, &c->conns.cursor, rows, CTL_ROW_BATCH);
	for (int i = 0; i < n && i < CTL_ROW_BATCH; i++)
		if (wanted(&c->req, &rows[i]))
			put_row(c, &rows[i]);
	if (n < 0)
		c->conns.unanswered |= 1ull << (c->conns.worker & 63);
	if (n < 0 || c->conns.cursor == UINT64_MAX) {
		c->conns.worker++;
		c->conns.cursor = 0;
	}
}

/* ---- trace: records while there is room ----------------------------------------- */

static bool trace_room(const struct ctl_client *c)
{
	return ctl_client_room(c) >= 2 * TRACE_WIRE_MAX;
}

void ctl_client_trace_lost(struct ctl_client *c, uint64_t n)
{
	char line[TRACE_WIRE_MAX];

	c->lost += n;
	if (!c->lost || !trace_room(c))
		return;
	ctl_client_put(c, line, trace_wire_lost(line, sizeof(line), c->lost));
	c->lost = 0;
}

void ctl_client_trace(struct ctl_client *c, const struct weir_trace_rec *rec)
{
	char line[TRACE_WIRE_MAX];

	/* A burst may be more than out[] holds: give a fast reader its chance. */
	if (!trace_room(c) && !ctl_client_write(c))
		c->broken = true;
	ctl_client_trace_lost(c, 0);
	if (!trace_room(c))
		c->lost++;
	else
		ctl_client_put(c, line, trace_wire_format(line, sizeof(line), rec));
}
