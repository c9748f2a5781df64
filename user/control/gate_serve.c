/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "control/gate_serve.h"
#include "engine/addr.h"

#define ANY    0x01
#define ANY_V4 0x02
#define ANY_V6 0x04

static uint8_t any_kind(const struct weir_addr *a)
{
	if (!a->family)
		return ANY;
	if (!addr_is_any(a))
		return 0;
	return a->family == 4 ? ANY_V4 : ANY_V6;
}

int gate_serve(struct gate_serve *s, const struct weir_addr *a)
{
	uint8_t kind = any_kind(a), *any = &s->any[a->port];
	const struct weir_addr port = {.port = a->port};
	int id = 0;

	if (*any & kind)
		return -EADDRINUSE;
	if (!kind || !*any)
		id = gate_listen(s->gate, kind ? &port : a, &s->mode);
	if (id < 0)
		return id == -EEXIST ? -EADDRINUSE : id;
	*any |= kind;
	return 0;
}

void gate_unserve(struct gate_serve *s, const struct weir_addr *a)
{
	uint8_t kind = any_kind(a), *any = &s->any[a->port];
	const struct weir_addr port = {.port = a->port};
	struct weir_service *v;

	*any &= (uint8_t)~kind;
	if (kind && *any)
		return;
	v = gate_service_at(s->gate, kind ? &port : a);
	if (v)
		gate_unlisten(s->gate, (unsigned)(v - s->gate->services));
}
