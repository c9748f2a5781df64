/* SPDX-License-Identifier: BSD-2-Clause */
/* The backends of services that have some. */
#include "control/ctl_json.h"
#include "proxy/backends.h"

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *row(const struct backend_status *r)
{
	json_t *o = json_pack("{ss ss si so so so so so so so so so ss}", "backend", r->name,
			      "state", backend_state_name(r->state), "weight", (int)r->weight,
			      "in_use", number(r->in_use), "total", number(r->total), "failures",
			      number(r->failures), "ejections", number(r->ejections), "checks",
			      number(r->checks), "checks_failed", number(r->checks_failed),
			      "state_ms", number(r->for_ms), "connect_us", number(r->connect_us),
			      "check_rtt_us", number(r->check_rtt_us), "last_error", r->last_error);

	if (o && r->state == BACKEND_EJECTED)
		json_object_set_new(o, "back_in_ms", number(r->back_ms));
	if (o && r->last_error[0])
		json_object_set_new(o, "last_error_ms_ago", number(r->error_ms));
	return o;
}

static json_t *options(const struct proxy_config *cfg)
{
	char value[PROXY_PATH_LEN + 16];
	json_t *o = json_object();

	for (unsigned i = 0; o && proxy_option_doc(i); i++) {
		proxy_config_get(cfg, i, value, sizeof(value));
		json_object_set_new(o, proxy_option_doc(i)->name, json_string(value));
	}
	return o;
}

static json_t *pool(const struct ctl_service *s, const struct backends *b)
{
	struct backend_status rows[BACKENDS_MAX];
	unsigned n = backends_status(b, rows, BACKENDS_MAX), up = 0, configured = 0;
	json_t *a = json_array();

	for (unsigned i = 0; a && i < n; i++) {
		up += rows[i].state == BACKEND_UP;
		configured += rows[i].state != BACKEND_DRAINING;
		json_array_append_new(a, row(&rows[i]));
	}
	return json_pack("{ss so si si so}", "listen", s->listen, "options",
			 options(backends_config(b)), "up", (int)up, "configured", (int)configured,
			 "backends", a);
}

json_t *ctl_json_backends(const struct ctl_source *src)
{
	json_t *all = json_array();
	struct ctl_status s = {0};

	src->ops->status(src->ctx, &s);
	for (unsigned i = 0; all && i < s.nservices; i++) {
		const struct backends *b = src->ops->backends(src->ctx, i);

		if (b)
			json_array_append_new(all, pool(&s.services[i], b));
	}
	return json_pack("{siso}", "version", 1, "services", all);
}
