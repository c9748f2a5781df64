// SPDX-License-Identifier: BSD-2-Clause
#include "sched.h"

void sched_start(struct sched *s, const struct phase *phase, unsigned int n, uint64_t now)
{
	*s = (struct sched){.phase = phase, .n = n};
	s->begin[0] = now;
	for (unsigned int i = 0; i < n; i++)
		s->begin[i + 1] = s->begin[i] + phase[i].ns;
}

unsigned int sched_phase(const struct sched *s, uint64_t now)
{
	unsigned int i = 0;

	while (i < s->n && now >= s->begin[i + 1])
		i++;
	return i;
}

uint64_t sched_due(struct sched *s, unsigned int *phase)
{
	uint64_t due;

	for (; s->at < s->n; s->at++, s->k = 0) {
		const struct phase *p = &s->phase[s->at];

		if (p->rate <= 0)
			continue;
		due = s->begin[s->at] + (uint64_t)((double)s->k * (1e9 / p->rate));
		if (due >= s->begin[s->at + 1])
			continue;
		*phase = s->at;
		return due;
	}
	return SCHED_NONE;
}

void sched_take(struct sched *s)
{
	s->k++;
}

void sched_stop(struct sched *s, uint64_t now)
{
	for (unsigned int i = 0; i <= s->n; i++)
		if (s->begin[i] > now)
			s->begin[i] = now;
}
