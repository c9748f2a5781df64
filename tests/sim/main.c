/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulator by hand:
 *
 *     sim --seed N [-v]     one random world; -v shows its segments
 *     sim --seeds N[-M]     worlds 1 to N, or N to M
 *     sim --golden          the table of golden.txt
 *     sim --cell CC,MBIT,RTT_MS,LOSS_PPM,BUFFER_PCT,MARK_PCT,FLOWS,FROM_S,TO_S[,SEED]
 *                           flows without end over one bottleneck; -v as above
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "measure.h"
#include "random.h"

static int one(uint64_t seed, bool verbose)
{
	struct sim_verdict v;

	sim_random(seed, verbose, &v);
	printf("seed %llu: %s%s\n", (unsigned long long)seed, v.failed ? "FAILED " : "ok", v.why);
	printf("  %llu segments, %llu dropped, %llu rejected, %llu sent again, %llu timeouts, "
	       "%llu.%03llu s, hash %016llx\n",
	       (unsigned long long)v.segments, (unsigned long long)v.dropped,
	       (unsigned long long)v.rejected, (unsigned long long)v.retransmits,
	       (unsigned long long)v.timeouts, (unsigned long long)(v.took_ns / SIM_SEC),
	       (unsigned long long)(v.took_ns % SIM_SEC / SIM_MS), (unsigned long long)v.hash);
	return v.failed;
}

static int many(uint64_t from, uint64_t to)
{
	uint64_t bad = 0, segments = 0;
	struct sim_verdict v;

	for (uint64_t seed = from; seed <= to; seed++) {
		sim_random(seed, false, &v);
		segments += v.segments;
		if (v.failed)
			printf("seed %llu: %s\n", (unsigned long long)seed, v.why);
		bad += v.failed;
	}
	printf("%llu of %llu failed, %llu segments\n", (unsigned long long)bad,
	       (unsigned long long)(to - from + 1), (unsigned long long)segments);
	return bad > 0;
}

static int cell(const char *text, bool verbose)
{
	unsigned long long v[9] = {[8] = 1};
	struct sim_measure m;
	char cc[16];
	int n = sscanf(text, "%15[^,],%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu", cc, &v[0],
		       &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8]);

	if (n < 9 || v[5] < 1 || v[5] > SIM_FLOWS || !tcp_cc_find(cc))
		return 2;
	sim_measure(&(struct sim_cell){.cc = cc,
				       .rate = v[0] * 1000000,
				       .rtt = v[1] * SIM_MS,
				       .loss = (uint32_t)v[2],
				       .buffer_pct = (uint32_t)v[3],
				       .mark_pct = (uint32_t)v[4],
				       .flows = (unsigned)v[5],
				       .from = v[6] * SIM_SEC,
				       .to = v[7] * SIM_SEC,
				       .stagger = SIM_SEC,
				       .seed = v[8],
				       .verbose = verbose},
		    &m);
	printf("%s share %u.%02u%% jain %u again %llu timeouts %llu dropped %llu marked %llu "
	       "queue %u%s%s\n",
	       cc, m.share / 100, m.share % 100, sim_jain(m.bytes, (unsigned)v[5]),
	       (unsigned long long)m.again, (unsigned long long)m.timeouts,
	       (unsigned long long)m.dropped, (unsigned long long)m.marked, m.queue_most,
	       m.failed ? " FAILED " : "", m.why);
	return m.failed;
}

static int usage(void)
{
	fputs("usage: sim --seed N [-v] | --seeds N[-M] | --golden | --cell …\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 'S'},
		{"cell", required_argument, NULL, 'c'}, {"golden", no_argument, NULL, 'g'},
		{"verbose", no_argument, NULL, 'v'},	{0},
	};
	uint64_t from = 0, to = 0;
	const char *text = NULL;
	bool verbose = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "v", opts, NULL)) != -1) {
		switch (c) {
		case 's':
			from = to = strtoull(optarg, NULL, 0);
			break;
		case 'S':
			to = strtoull(optarg, &end, 0);
			from = *end == '-' ? to : 1;
			if (*end == '-')
				to = strtoull(end + 1, NULL, 0);
			break;
		case 'c':
			text = optarg;
			break;
		case 'g':
			return sim_golden(stdout) ? 1 : 0;
		case 'v':
			verbose = true;
			break;
		default:
			return usage();
		}
	}
	if (text)
		return cell(text, verbose);
	if (!to)
		return usage();
	return from == to ? one(from, verbose) : many(from, to);
}
