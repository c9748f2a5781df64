/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulator by hand:
 *
 *     sim --seed N [-v]     one random world; -v shows its segments
 *     sim --seeds N         worlds 1 to N
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int usage(void)
{
	fputs("usage: sim --seed N [-v] | --seeds N[-M]\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'S'},
		{"verbose", no_argument, NULL, 'v'},
		{0},
	};
	uint64_t from = 0, to = 0;
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
		case 'v':
			verbose = true;
			break;
		default:
			return usage();
		}
	}
	if (!to)
		return usage();
	return from == to ? one(from, verbose) : many(from, to);
}
