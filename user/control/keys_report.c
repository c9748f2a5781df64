/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include <weir/cookie.h>

#include "control/keys_report.h"

void keys_report(struct keys_report *r, const struct key_set *s, uint64_t wall_ms)
{
	memset(r, 0, sizeof(*r));
	r->fingerprint = keys_set_fingerprint(s);
	r->wall_ms = wall_ms;
	r->mtu = s->mtu;
	r->wscale = s->wscale;
	r->n = s->n;
	for (unsigned i = 0; i < s->n; i++) {
		const struct key *k = &s->key[i];

		r->key[i] = (struct keys_report_row){.id = k->id,
						     .fingerprint = keys_fingerprint(k),
						     .state = keys_state(s, i, wall_ms),
						     .accept_from = k->accept_from,
						     .issue_from = k->issue_from,
						     .retire_at = k->retire_at};
	}
	r->issuing = keys_of_epoch(s, wall_ms >> WEIR_EPOCH_SHIFT);
	if (r->issuing + 1 < s->n)
		r->switch_ms = keys_first_epoch(&s->key[r->issuing + 1]) << WEIR_EPOCH_SHIFT;
}
