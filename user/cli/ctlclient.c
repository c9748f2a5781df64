/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/ctlclient.h"
#include "control/ctl.h"
#include "control/ctl_socket.h"

#define REPLY_TIMEOUT_MS 10000
#define LINE_MAX_BYTES	 (64u << 20)
#define READ_BYTES	 65536u

static void __attribute__((format(printf, 2, 3)))
say(const struct ctlclient *cc, const char *fmt, ...)
{
	va_list ap;

	if (cc->quiet)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

static void say_absent(const struct ctlclient *cc, int rc, const struct ctl_target *t,
		       const char *path)
{
	if (rc == -ENOTUNIQ)
		say(cc,
		    "weir %s: several weirs run in this network namespace: "
		    "name one with -i IFACE\n",
		    cc->cmd);
	else if (rc == -EACCES || rc == -EPERM)
		say(cc, "weir %s: no permission to talk to weir: run as root\n", cc->cmd);
	else if (t->ctl)
		say(cc, "weir %s: no weir answers at %s: %s\n", cc->cmd, path, strerror(-rc));
	else if (t->iface)
		say(cc, "weir %s: no weir runs on %s in this network namespace\n", cc->cmd,
		    t->iface);
	else if (rc == -ENOENT)
		say(cc, "weir %s: no weir runs in this network namespace\n", cc->cmd);
	else
		say(cc, "weir %s: cannot find a running weir: %s\n", cc->cmd, strerror(-rc));
}

int ctlclient_open(struct ctlclient *cc, const char *cmd, const struct ctl_target *t)
{
	char path[PATH_MAX];
	int rc = 0;

	memset(cc, 0, sizeof(*cc));
	cc->cmd = cmd;
	cc->quiet = t->quiet;
	cc->fd = -1;
	if (t->ctl)
		snprintf(path, sizeof(path), "%s", t->ctl);
	else
		rc = ctl_default_path(path, sizeof(path), t->iface);
	if (!rc) {
		cc->fd = ctl_socket_connect(path);
		rc = cc->fd < 0 ? cc->fd : 0;
	}
	if (!rc)
		return 0;
	say_absent(cc, rc, t, path);
	return rc == -ENOTUNIQ ? 2 : 1;
}

void ctlclient_close(struct ctlclient *cc)
{
	if (cc->fd >= 0)
		close(cc->fd);
	free(cc->buf);
	cc->fd = -1;
	cc->buf = NULL;
}

int ctlclient_send(struct ctlclient *cc, json_t *req)
{
	char *text = req ? json_dumps(req, JSON_COMPACT) : NULL;
	size_t at = 0, len;
	int rc = 0;

	json_decref(req);
	if (!text) {
		say(cc, "weir %s: out of memory\n", cc->cmd);
		return -ENOMEM;
	}
	len = strlen(text);
	text[len++] = '\n'; /* in the place of the NUL */
	while (at < len && !rc) {
		ssize_t n = send(cc->fd, text + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	free(text);
	if (rc)
		say(cc, "weir %s: weir does not listen: %s\n", cc->cmd, strerror(-rc));
	return rc;
}

static int make_room(struct ctlclient *cc)
{
	size_t cap = cc->cap ? cc->cap : READ_BYTES;
	char *p;

	if (cc->at > 0) {
		memmove(cc->buf, cc->buf + cc->at, cc->len);
		cc->at = 0;
	}
	if (cc->buf && cc->cap - cc->len >= READ_BYTES / 2)
		return 0;
	while (cap - cc->len < READ_BYTES)
		cap *= 2;
	if (cap > LINE_MAX_BYTES)
		return -EMSGSIZE;
	p = realloc(cc->buf, cap);
	if (!p)
		return -ENOMEM;
	cc->buf = p;
	cc->cap = cap;
	return 0;
}

/* 1: got some, 0: time-out or signal, negative: over. */
static int receive(struct ctlclient *cc, int timeout_ms)
{
	struct pollfd p = {.fd = cc->fd, .events = POLLIN};
	ssize_t n;
	int rc;

	rc = make_room(cc);
	if (rc)
		return rc;
	rc = poll(&p, 1, timeout_ms);
	if (rc < 0)
		return errno == EINTR ? 0 : -errno;
	if (rc == 0)
		return 0;
	n = recv(cc->fd, cc->buf + cc->len, cc->cap - cc->len, 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	cc->len += (size_t)n;
	return n > 0 ? 1 : -EPIPE;
}

int ctlclient_line(struct ctlclient *cc, char **line, size_t *len, int timeout_ms)
{
	size_t looked = 0;

	for (;;) {
		char *nl = NULL;
		int rc;

		if (cc->len > looked)
			nl = memchr(cc->buf + cc->at + looked, '\n', cc->len - looked);
		if (nl) {
			*line = cc->buf + cc->at;
			*len = (size_t)(nl - *line);
			*nl = '\0';
			cc->at += *len + 1;
			cc->len -= *len + 1;
			return 1;
		}
		looked = cc->len;
		rc = receive(cc, timeout_ms);
		if (rc <= 0)
			return rc;
	}
}

int ctlclient_bytes(struct ctlclient *cc, const char **data, size_t *len)
{
	int rc = cc->len ? 1 : receive(cc, REPLY_TIMEOUT_MS);

	if (rc <= 0) {
		say(cc, "weir %s: weir stopped answering\n", cc->cmd);
		return rc ? rc : -ETIMEDOUT;
	}
	*data = cc->buf + cc->at;
	*len = cc->len;
	cc->at = cc->len = 0;
	return 0;
}

const char *ctl_error_of(const json_t *reply)
{
	return json_string_value(json_object_get(reply, "error"));
}

static json_t *parse_reply(struct ctlclient *cc, const char *line, size_t len)
{
	json_error_t err;
	json_t *reply = json_loadb(line, len, 0, &err);

	if (reply && !ctl_error_of(reply))
		return reply;
	say(cc, "weir %s: %s\n", cc->cmd,
	    reply ? ctl_error_of(reply) : "weir answered something else than JSON");
	json_decref(reply);
	return NULL;
}

json_t *ctlclient_call(struct ctlclient *cc, json_t *req, bool raw, int *status)
{
	json_t *reply;
	size_t len;
	char *line;
	int rc;

	*status = 1;
	if (ctlclient_send(cc, req))
		return NULL;
	rc = ctlclient_line(cc, &line, &len, cc->timeout_ms ? cc->timeout_ms : REPLY_TIMEOUT_MS);
	if (rc <= 0) {
		say(cc, "weir %s: weir does not answer\n", cc->cmd);
		return NULL;
	}
	reply = parse_reply(cc, line, len);
	if (!reply)
		return NULL;
	*status = 0;
	if (!raw)
		return reply;
	json_decref(reply);
	puts(line);
	return NULL;
}

json_t *ctlclient_ask(const char *cmd, const struct ctl_target *t, json_t *req, int *status)
{
	struct ctlclient cc;
	json_t *reply;

	*status = ctlclient_open(&cc, cmd, t);
	if (*status) {
		json_decref(req);
		return NULL;
	}
	reply = ctlclient_call(&cc, req, t->json, status);
	ctlclient_close(&cc);
	return reply;
}

bool ctl_colors(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}
