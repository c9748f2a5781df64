/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "control/ctl_json_keys.h"
#include "control/keyfile.h"

static json_t *time_of(int64_t t)
{
	char buf[KEYFILE_TIME_MAX];

	return t == KEYS_NEVER ? json_null() : json_string(keyfile_time(t, buf));
}

static json_t *fingerprint_of(uint64_t f)
{
	char buf[20];

	snprintf(buf, sizeof(buf), "%012" PRIx64, f);
	return json_string(buf);
}

static json_t *row(const struct keys_report_row *k)
{
	return json_pack("{sIsssosososo}", "id", (json_int_t)k->id, "state",
			 keys_state_name(k->state), "fingerprint", fingerprint_of(k->fingerprint),
			 "accept_from", time_of(k->accept_from), "issue_from",
			 time_of(k->issue_from), "retire_at", time_of(k->retire_at));
}

/* A switch comes at the first millisecond of an epoch: the second after, when it is done. */
static json_t *next(const struct keys_report *r)
{
	if (!r->switch_ms)
		return json_null();
	return json_pack("{sIsosI}", "id", (json_int_t)r->key[r->issuing + 1].id, "switch_at",
			 time_of((int64_t)((r->switch_ms + 999) / 1000)), "in_ms",
			 (json_int_t)(r->switch_ms - r->wall_ms));
}

static void add_report(json_t *o, const struct keys_report *r)
{
	json_t *keys = json_array();

	for (unsigned i = 0; keys && i < r->n; i++)
		json_array_append_new(keys, row(&r->key[i]));
	json_object_set_new(o, "fingerprint", fingerprint_of(r->fingerprint));
	json_object_set_new(o, "mtu", json_integer(r->mtu));
	json_object_set_new(o, "wscale", json_integer(r->wscale));
	json_object_set_new(o, "now", time_of((int64_t)(r->wall_ms / 1000)));
	json_object_set_new(o, "issuing", json_integer(r->key[r->issuing].id));
	json_object_set_new(o, "next", next(r));
	json_object_set_new(o, "keys", keys);
}

json_t *ctl_json_keys(const struct keys_status *s)
{
	json_t *o;

	if (!s->path)
		return json_pack("{sisssssI}", "version", 1, "iface", s->iface, "source", "random",
				 "rotate_ms", (json_int_t)s->rotate_ms);
	o = json_pack("{sisssssssssoss?}", "version", 1, "iface", s->iface, "source", "file",
		      "file", s->path, "watch", s->watch, "loaded_at", time_of(s->loaded_at),
		      "file_error", s->error);
	if (o)
		add_report(o, &s->report);
	return o;
}

json_t *ctl_json_key_file(const char *path, const struct keys_report *r)
{
	json_t *o = json_pack("{sisssssI}", "version", 1, "source", "file", "file", path,
			      "skew_tolerated_ms", (json_int_t)KEYS_SKEW_MS);

	if (o)
		add_report(o, r);
	return o;
}
