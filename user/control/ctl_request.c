/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <weir/why.h>
#include "control/ctl_request.h"
#include "control/services.h"
#include "tcp/tcp.h"

#define WITH_PORT    0x1
#define WITH_STATE   0x2
#define WITH_ADDR    0x4
#define WITH_MODE    0x8
#define WITH_SECONDS 0x10
#define WITH_DRAIN   0x20
#define WITH_ABI     0x40

static const struct {
	const char *name;
	enum ctl_cmd cmd;
	unsigned members;
} commands[] = {
	{"ping", CTL_PING, 0},
	{"version", CTL_PING, 0},
	{"status", CTL_STATUS, 0},
	{"counters", CTL_COUNTERS, 0},
	{"history", CTL_HISTORY, WITH_SECONDS},
	{"conns", CTL_CONNS, WITH_PORT | WITH_STATE},
	{"trace", CTL_TRACE, WITH_PORT | WITH_ADDR},
	{"mode", CTL_MODE, WITH_MODE},
	{"policy", CTL_POLICY, WITH_ADDR},
	{"health", CTL_HEALTH, 0},
	{"keys", CTL_KEYS, 0},
	{"backends", CTL_BACKENDS, 0},
	{"reload", CTL_RELOAD, 0},
	{"drain", CTL_DRAIN, WITH_DRAIN},
	{"handover", CTL_HANDOVER, WITH_ABI},
};

int ctl_state_by_name(const char *name)
{
	for (int s = 0; s < WEIR_TCP_NSTATES; s++)
		if (!strcasecmp(name, tcp_state_name(s)))
			return s;
	return -1;
}

int ctl_filter_addr(struct weir_trace_filter *filter, const char *text)
{
	memset(filter->addr, 0, sizeof(filter->addr));
	if (inet_pton(AF_INET, text, filter->addr) == 1)
		filter->family = 4;
	else if (inet_pton(AF_INET6, text, filter->addr) == 1)
		filter->family = 6;
	else
		return -EINVAL;
	return 0;
}

static int mode_member(struct ctl_request *req, const char *key, const char *s, const struct why *w)
{
	enum weir_mode mode;

	if (!strcmp(key, "service"))
		return !s || services_parse_addr(&req->service, s, NULL)
			       ? why_not(w, "service is not ADDR:PORT, as 10.0.0.2:80 or *:7")
			       : 0;
	if (!s || service_mode_parse(&mode, s))
		return why_not(w, "mode is none of always, auto, never");
	req->mode = (int)mode;
	return 0;
}

/* -ENOENT: not one of these. */
static int drain_member(struct drain_wish *d, const char *key, const json_t *v, const struct why *w)
{
	if (!strcmp(key, "limit_ms")) {
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return why_not(w, "limit_ms is not a number of milliseconds");
		d->limit_ms = (uint64_t)json_integer_value(v);
		return 0;
	}
	if (strcmp(key, "exit") && strcmp(key, "undo"))
		return -ENOENT;
	if (!json_is_boolean(v))
		return why_not(w, "%s is not true or false", key);
	*(*key == 'e' ? &d->exit : &d->undo) = json_is_true(v);
	return 0;
}

static int member(struct ctl_request *req, unsigned allowed, const char *key, const json_t *v,
		  const struct why *w)
{
	const char *s = json_string_value(v);

	if (!strcmp(key, "cmd") || !strcmp(key, "version"))
		return 0;
	if (!strcmp(key, "port") && allowed & WITH_PORT) {
		json_int_t port = json_integer_value(v);

		if (!json_is_integer(v) || port < 1 || port > 65535)
			return why_not(w, "port is not a number from 1 to 65535");
		req->port = (uint16_t)port;
		req->filter.port = htons(req->port);
		return 0;
	}
	if (!strcmp(key, "state") && allowed & WITH_STATE) {
		req->state = s ? ctl_state_by_name(s) : -1;
		return req->state < 0 ? why_not(w, "state is not the name of a TCP state") : 0;
	}
	if (!strcmp(key, "addr") && allowed & WITH_ADDR) {
		if (!s || ctl_filter_addr(&req->filter, s))
			return why_not(w, "addr is not an IPv4 or IPv6 address");
		return 0;
	}
	if ((!strcmp(key, "service") || !strcmp(key, "mode")) && allowed & WITH_MODE)
		return mode_member(req, key, s, w);
	if (!strcmp(key, "seconds") && allowed & WITH_SECONDS) {
		json_int_t seconds = json_integer_value(v);

		if (!json_is_integer(v) || seconds < 1 || seconds > 86400)
			return why_not(w, "seconds is not a number from 1 to 86400");
		req->seconds = (unsigned)seconds;
		return 0;
	}
	if (!strcmp(key, "abi") && allowed & WITH_ABI) {
		json_int_t abi = json_integer_value(v);

		if (!json_is_integer(v) || abi < 1 || abi > INT_MAX)
			return why_not(w, "abi is not the number of a version");
		req->abi = (unsigned)abi;
		return 0;
	}
	if (allowed & WITH_DRAIN) {
		int rc = drain_member(&req->drain, key, v, w);

		if (rc != -ENOENT)
			return rc;
	}
	return why_not(w, "this command takes no member \"%.32s\"", key);
}

static int from_object(struct ctl_request *req, json_t *obj, const struct why *w)
{
	const char *cmd = json_string_value(json_object_get(obj, "cmd")), *key;
	size_t n = sizeof(commands) / sizeof(commands[0]), i;
	json_t *v;

	if (!cmd)
		return why_not(w, "not an object with a \"cmd\"");
	for (i = 0; i < n; i++)
		if (!strcmp(cmd, commands[i].name))
			break;
	if (i == n)
		return why_not(w, "unknown command \"%.32s\"", cmd);
	req->cmd = commands[i].cmd;
	json_object_foreach(obj, key, v)
	{
		int rc = member(req, commands[i].members, key, v, w);

		if (rc)
			return rc;
	}
	return 0;
}

int ctl_request_parse(struct ctl_request *req, const char *line, size_t len, char *why,
		      size_t why_len)
{
	const struct why w = {why, why_len};
	json_error_t err;
	json_t *obj;
	int rc;

	memset(req, 0, sizeof(*req));
	req->state = req->mode = -1;
	req->drain.limit_ms = DRAIN_UNLIMITED;
	obj = json_loadb(line, len, JSON_REJECT_DUPLICATES, &err);
	if (!obj)
		return why_not(&w, "not JSON: %.120s", err.text);
	rc = from_object(req, obj, &w);
	json_decref(obj);
	return rc;
}
