/* SPDX-License-Identifier: BSD-2-Clause */
#include "golden.h"
#include "measure.h"

static const char *const algorithms[] = {"reno", "cubic"};
static const unsigned rates[] = {1, 10, 100};	   /* Mbit/s */
static const unsigned rtts[] = {10, 50, 200};	   /* ms */
static const unsigned losses[] = {0, 1000, 10000}; /* millionths */
static const unsigned buffers[] = {25, 100};	   /* percent of rate * RTT */

static int row(FILE *out, const struct sim_cell *c)
{
	struct sim_measure m;
	uint32_t jain;

	sim_measure(c, &m);
	fprintf(out, "%-5s %4u %4u  %u.%02u  %4u  %4u %6u.%02u", c->cc,
		(unsigned)(c->rate / 1000000), (unsigned)(c->rtt / SIM_MS), c->loss / 10000,
		c->loss / 100 % 100, c->buffer_pct, c->mark_pct, m.share / 100, m.share % 100);
	fprintf(out, " %6llu %5llu %6llu %6llu", (unsigned long long)m.again,
		(unsigned long long)m.timeouts, (unsigned long long)m.dropped,
		(unsigned long long)m.marked);
	jain = sim_jain(m.bytes, c->flows);
	if (c->flows > 1)
		fprintf(out, "  %u.%04u", jain / 10000, jain % 10000);
	fprintf(out, "%s%s\n", m.failed ? "  FAILED " : "", m.why);
	return m.failed ? -1 : 0;
}

static struct sim_cell cell(const char *cc, unsigned rate, unsigned rtt)
{
	return (struct sim_cell){.cc = cc,
				 .rate = rate * 1000000ull,
				 .rtt = rtt * SIM_MS,
				 .buffer_pct = 100,
				 .from = 5 * SIM_SEC,
				 .to = 25 * SIM_SEC,
				 .flows = 1,
				 .seed = 1};
}

/* The next digit of a number counted in mixed bases: one loop for all cells. */
static unsigned pick(unsigned *i, const unsigned *list, unsigned n)
{
	unsigned v = list[*i % n];

	*i /= n;
	return v;
}

static int alone(FILE *out, const char *cc)
{
	int err = 0;

	for (unsigned i = 0; i < 2 * 3 * 3 * 3; i++) {
		unsigned k = i, buffer = pick(&k, buffers, 2), loss = pick(&k, losses, 3);
		unsigned rtt = pick(&k, rtts, 3), rate = pick(&k, rates, 3);
		struct sim_cell c = cell(cc, rate, rtt);

		c.loss = loss;
		c.buffer_pct = buffer;
		err |= row(out, &c);
	}
	return err;
}

static int marking(FILE *out, const char *cc)
{
	int err = 0;

	for (unsigned i = 0; i < 3 * 3; i++) {
		unsigned k = i, rtt = pick(&k, rtts, 3), rate = pick(&k, rates, 3);
		struct sim_cell c = cell(cc, rate, rtt);

		c.mark_pct = 20;
		err |= row(out, &c);
	}
	return err;
}

static int beside(FILE *out, const char *cc)
{
	static const unsigned queues[] = {50, 100}, near[] = {10, 50}, fast[] = {10, 100};
	int err = 0;

	for (unsigned i = 0; i < 2 * 2 * 2; i++) {
		unsigned k = i, buffer = pick(&k, queues, 2);
		unsigned rtt = pick(&k, near, 2), rate = pick(&k, fast, 2);
		struct sim_cell c = cell(cc, rate, rtt);

		c.buffer_pct = buffer;
		c.flows = 2;
		c.stagger = SIM_SEC;
		c.from = 0;
		c.to = 60 * SIM_SEC;
		err |= row(out, &c);
	}
	return err;
}

int sim_golden(FILE *out)
{
	int err = 0;

	fputs("# Goodput as a share of the payload ceiling of the bottleneck, 5 to 25 s after the\n"
	      "# start; a fair share of two flows over 60 s. Made by `make golden`: see golden.h.\n"
	      "# cc  Mb/s  ms  loss%  buf%  mark  share%  again   RTO   lost marked  Jain\n",
	      out);
	for (int i = 0; i < 2; i++) {
		err |= alone(out, algorithms[i]);
		err |= marking(out, algorithms[i]);
		err |= beside(out, algorithms[i]);
	}
	return err;
}
