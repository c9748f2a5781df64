/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts that the panes of `weir top` are made of: how many rows each wants, and it in them. */
#ifndef WEIR_CLI_TOP_SECTIONS_H
#define WEIR_CLI_TOP_SECTIONS_H

#include "cli/top_layout.h"

struct top_section {
	unsigned min;
	bool headed; /* its first row is a heading */
	/* Rows to show all of it; 0: there is nothing to show. */
	unsigned (*want)(const struct top_model *m, unsigned cols);
	/* `rows` is 1 and more, maybe less than min. */
	void (*draw)(struct top_screen *s, const struct top_model *m, const struct top_view *v,
		     unsigned row, unsigned rows);
};

/* Rows that the charts of top_section_rates can take beyond one each. */
#define TOP_CHARTS_MAX 11

extern const struct top_section top_section_rates, top_section_traffic, top_section_flows,
	top_section_states, top_section_cpu, top_section_machine, top_section_queues,
	top_section_refused, top_section_services;

#endif
