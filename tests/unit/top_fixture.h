/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies of a weir made up for `weir top`: what it would say after `s` seconds of a flood. */
#ifndef TESTS_UNIT_TOP_FIXTURE_H
#define TESTS_UNIT_TOP_FIXTURE_H

#include <jansson.h>

#include "cli/top_model.h"

struct top_bed {
	unsigned queues, workers, services;
	unsigned pid;
	unsigned age_s; /* of weir at second 0 */
};

json_t *top_bed_status(const struct top_bed *b, unsigned s);
json_t *top_bed_counters(const struct top_bed *b, unsigned s);
/* The last `seconds` (0: all) at second s: SYN/s grows by 100 a second. */
json_t *top_bed_history(const struct top_bed *b, unsigned s, unsigned seconds);

/* An update, with the history that the model asks for. */
bool top_bed_update(struct top_model *m, const struct top_bed *b, unsigned s);

#endif
