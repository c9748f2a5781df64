/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters' names and texts as counters.def gives them. */
#ifndef WEIR_CONTROL_COUNTER_NAMES_H
#define WEIR_CONTROL_COUNTER_NAMES_H

#include <stdbool.h>

#include <weir/abi.h>

/* For WEIR_C_NONE and numbers out of range: "". */
const char *counter_name(unsigned c);
const char *counter_text(unsigned c);
bool counter_of_gate(unsigned c);
/* WEIR_C_NONE when there is none. */
unsigned counter_by_name(const char *name);

#endif
