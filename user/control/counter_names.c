/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "control/counter_names.h"

enum side { GATE, ENGINE };

static const struct {
	const char *name, *text;
	enum side side;
} counters[WEIR_C_MAX] = {
	[WEIR_C_NONE] = {"", "", ENGINE},
#define COUNTER(n, s, t) [WEIR_C_##n] = {#n, t, s},
#include <weir/counters.def>
#undef COUNTER
};

const char *counter_name(unsigned c)
{
	return c < WEIR_C_MAX ? counters[c].name : "";
}

const char *counter_text(unsigned c)
{
	return c < WEIR_C_MAX ? counters[c].text : "";
}

bool counter_of_gate(unsigned c)
{
	return c < WEIR_C_MAX && counters[c].side == GATE;
}

unsigned counter_by_name(const char *name)
{
	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++)
		if (!strcmp(counters[c].name, name))
			return c;
	return WEIR_C_NONE;
}
