/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/ctl.h"
#include "control/ctl_socket.h"
#include "control/takeover_priv.h"

#define REFUSAL_MAX 1024 /* bytes of its line */

static int connect_to(struct takeover *t, const char *ctl, const char *iface, struct weir_err *err)
{
	char buf[PATH_MAX];
	int rc = 0;

	if (!ctl)
		rc = ctl_default_path(buf, sizeof(buf), iface);
	if (rc)
		return err_set(err, rc, "no name for the control socket: %s", strerror(-rc));
	ctl = ctl ? ctl : buf;
	t->sock = ctl_socket_connect(ctl);
	if (t->sock == -ENOENT || t->sock == -ECONNREFUSED)
		return err_set(
			err, t->sock,
			"--takeover: no weir runs on %s (nobody answers at %s): start without "
			"--takeover",
			iface, ctl);
	if (t->sock < 0)
		return err_set(err, t->sock, "--takeover: %s: %s", ctl, strerror(-t->sock));
	return 0;
}

/* A refusal is a line of JSON, as any other's. */
static int refused(struct takeover *t, struct weir_err *err)
{
	char line[REFUSAL_MAX];
	size_t n = 0;
	json_t *reply;
	const char *why;

	while (n < sizeof(line) && recv(t->sock, &line[n], 1, MSG_DONTWAIT) == 1 && line[n] != '\n')
		n++;
	reply = json_loadb(line, n, 0, NULL);
	why = json_string_value(json_object_get(reply, "error"));
	err_set(err, -EPERM, "--takeover: the running weir refuses: %.300s",
		!why ? "it does not say why"
		: strstr(why, "unknown command \"")
			? "its version cannot: stop it, and start without "
			  "--takeover"
			: why);
	json_decref(reply);
	return -EPERM;
}

static int ask(struct takeover *t, struct weir_err *err)
{
	struct timeval tv = {.tv_sec = TAKEOVER_OFFER_MS / 1000};
	char line[80], first;
	int n = snprintf(line, sizeof(line), "{\"cmd\":\"handover\",\"abi\":%d}\n", TAKEOVER_ABI);

	setsockopt(t->sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (send(t->sock, line, (size_t)n, MSG_NOSIGNAL) != n)
		return takeover_ended(err, -ECONNRESET, "asked");
	switch (recv(t->sock, &first, 1, MSG_PEEK)) {
	case 1:
		return first == '{' ? refused(t, err) : 0;
	case 0:
		return takeover_ended(err, -ECONNRESET, "asked");
	}
	return takeover_ended(err, errno == EAGAIN ? -ETIMEDOUT : -errno, "asked");
}

int takeover_ask(struct takeover **out, const char *ctl, const char *iface, struct weir_err *err)
{
	struct takeover *t = calloc(1, sizeof(*t));
	unsigned i;
	int rc;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->sock = -1;
	for (i = 0; i < TAKEOVER_FDS; i++)
		t->fd[i] = -1;
	for (i = 0; i < WEIR_MAX_QUEUES; i++)
		t->queue[i].sock = t->queue[i].area = -1;
	rc = connect_to(t, ctl, iface, err);
	if (!rc)
		rc = ask(t, err);
	if (!rc) {
		rc = takeover_offers(t);
		if (rc)
			takeover_ended(err, rc, "asked");
	}
	if (rc) {
		takeover_free(t);
		return rc;
	}
	takeover_phase("offered");
	*out = t;
	return 0;
}
