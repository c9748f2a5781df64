/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cli/log.h"
#include "cli/run_reload.h"
#include "control/instance_reload.h"

#define WAITING_MAX 64

static json_t *refused(const struct run_args *next, const char *file, const char *why)
{
	log_msg(LOG_ERR, "not reloaded, nothing has changed: %s", why);
	return json_pack("{s:i,s:b,s:s,s:s,s:o}", "version", 1, "reloaded", 0, "error", why, "file",
			 file, "errors", conf_json(&next->conf));
}

static json_t *waiting_names(const struct run_reload *r, const struct run_args *next, char *text,
			     size_t len)
{
	const char *names[WAITING_MAX];
	unsigned n = run_args_waiting(r->first, next, names, WAITING_MAX);
	json_t *list = json_array();
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < n && i < WAITING_MAX && list; i++) {
		char *name = strdup(names[i]);

		for (char *p = name; p && *p; p++)
			*p = *p == '-' ? '_' : *p;
		json_array_append_new(list, json_string(name ? name : ""));
		if (used < len)
			used += (size_t)snprintf(text + used, len - used, " %s", name ? name : "");
		free(name);
	}
	return list;
}

/*
 * The instance has texts of the arguments that it was opened with, and the services of the
 * last ones.
 */
static void adopt(struct run_reload *r, struct run_args *next)
{
	if (r->now == r->first) {
		services_free(&r->first->services);
	} else {
		run_args_free(r->now);
		free(r->now);
	}
	r->now = next;
	r->drain_us = next->drain_ms * 1000;
	log_set_level(next->log_level);
	log_set_format(next->log_format);
}

static json_t *accepted(struct run_reload *r, const struct instance_changes *n, json_t *waiting,
			const char *names)
{
	log_msg(LOG_NOTICE,
		"reloaded %s: %u services added, %u removed, %u changed, %u as before%s%s",
		r->now->file, n->added, n->removed, n->changed, n->kept,
		names[0] ? "; after a restart:" : "", names);
	return json_pack("{s:i,s:b,s:s,s:{s:i,s:i,s:i,s:i},s:o}", "version", 1, "reloaded", 1,
			 "file", r->now->file, "services", "added", (int)n->added, "removed",
			 (int)n->removed, "changed", (int)n->changed, "kept", (int)n->kept,
			 "after_restart", waiting);
}

json_t *run_reload(void *arg)
{
	struct run_reload *r = arg;
	struct run_args *next;
	struct instance_changes n;
	struct weir_err err;
	char text[1024];
	json_t *reply;

	if (!r->first->file)
		return json_pack("{s:i,s:b,s:s}", "version", 1, "reloaded", 0, "error",
				 "weir run was started without a configuration file (-c FILE)");
	next = calloc(1, sizeof(*next));
	if (!next)
		return NULL;
	if (run_args_again(next, r->first)) {
		conf_first(&next->conf, text, sizeof(text));
	} else if (instance_reload(r->inst, &next->cfg, &n, &err)) {
		snprintf(text, sizeof(text), "%s: %s", r->first->file, err.msg);
	} else {
		json_t *waiting = waiting_names(r, next, text, sizeof(text));

		adopt(r, next);
		return accepted(r, &n, waiting, text);
	}
	reply = refused(next, r->first->file, text);
	run_args_free(next);
	free(next);
	return reply;
}

void run_reload_free(struct run_reload *r)
{
	if (r->now == r->first)
		return;
	run_args_free(r->now);
	free(r->now);
}
