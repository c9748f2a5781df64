/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/ladder_text.h"
#include "cli/trace_json.h"
#include "control/services.h"
#include "control/trace_wire.h"
#include "engine/engine.h"

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *segment(const struct ladder_step *s)
{
	char flags[LADDER_WORD_MAX], label[8], remote[64], local[64];
	json_t *o;

	ladder_flags(s->f.flags, flags);
	ladder_label(s->conn->nr, label);
	services_format(&s->conn->remote, remote, sizeof(remote));
	services_format(&s->conn->local, local, sizeof(local));
	o = json_pack("{ssssssss sosososo soso ss}", "connection", label, "remote", remote, "local",
		      local, "flags", flags, "seq", number(s->f.seq), "ack", number(s->f.ack),
		      "rel_seq", number(s->rel_seq), "rel_ack", number(s->rel_ack), "win",
		      number(s->win), "payload", number(s->f.len), "state",
		      tcp_state_name(s->weir));
	if (o && s->peer_known) {
		json_object_set_new(o, "peer_state", json_string(tcp_state_name(s->peer)));
		json_object_set_new(o, "peer_state_sure", json_boolean(s->peer_sure));
	}
	return o;
}

json_t *trace_json(struct ladder_tracker *t, const struct weir_trace_rec *rec, uint64_t to_wall_ns)
{
	struct ladder_step s;
	json_t *o, *seg;

	o = json_pack("{sisososssossso ss}", "version", 1, "mono_ns", number(rec->mono_ns),
		      "wall_ns", number(rec->mono_ns + to_wall_ns), "where",
		      rec->where == WEIR_TRACE_GATE ? "gate" : "worker", "source",
		      number(rec->source), "dir", rec->dir == WEIR_TRACE_IN ? "in" : "out", "len",
		      number(rec->len), "outcome", trace_outcome_name(rec->outcome));
	if (!o || !ladder_track(t, rec, &s))
		return o;
	seg = segment(&s);
	if (seg)
		json_object_update(o, seg);
	json_decref(seg);
	return o;
}
