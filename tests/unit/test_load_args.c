// SPDX-License-Identifier: BSD-2-Clause
/* weir-load: the command line, and when requests are due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../tools/load/args.h"
#include "../../tools/load/parse.h"

static struct load_args a;

#define WORDS 64

/* Words separated by single spaces; what is said goes nowhere. */
static int parse(const char *line)
{
	static char copy[512];
	char name[] = "weir-load", *argv[WORDS] = {name}, *rest = copy, *word;
	int argc = 1, err, keep = dup(2), null = open("/dev/null", O_WRONLY);

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " "))) {
		assert_in_range(argc, 1, WORDS - 1);
		argv[argc++] = word;
	}
	dup2(null, 2);
	err = load_args_parse(&a, argc, argv);
	dup2(keep, 2);
	close(keep);
	close(null);
	return err;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("request 10.0.0.2:80"), 0);
	assert_int_equal(a.pattern, LOAD_REQUEST);
	assert_false(a.xdp);
	assert_int_equal(a.remote.in.sin_addr.s_addr, htonl(0x0a000002));
	assert_int_equal(ntohs(a.remote.in.sin_port), 80);
	assert_int_equal(a.timeout_ns, 3000000000);
	assert_int_equal(a.connections, 16);
	assert_int_equal(a.response, 64);
	assert_int_equal(a.phases, 1);
	assert_int_equal(a.phase[0].ns, 10000000000);
	assert_true(a.phase[0].rate == 0 && !a.phase[0].warmup);
	assert_int_equal(parse("connect [fd00::2]:443 --rate 1k"), 0);
	assert_int_equal(a.remote.sa.sa_family, AF_INET6);
	assert_int_equal(ntohs(a.remote.in6.sin6_port), 443);
	assert_int_equal(a.connections, 10000);
	assert_true(a.phase[0].rate == 1000);
	assert_int_equal(parse("slow 127.0.0.1:1"), 0);
	assert_int_equal(a.response, 262144);
	assert_int_equal(a.timeout_ns, 7000000000); /* 3 s, and 4 s of reading */
}

static void test_all(void **state)
{
	(void)state;
	assert_int_equal(
		parse("--backend xdp --iface weir1 --source 10.0.0.10-10.0.0.19"
		      " --connections 2k --rate 0.5M --seconds 500ms --warmup 1s --count 3M"
		      " --timeout 250ms --request 1k --response 2M --cpu 1 --busy-poll"
		      " --no-verify --progress --json --plot x.html --outside-lab"
		      " requests 10.0.0.2:80"),
		0);
	assert_true(a.xdp);
	assert_int_equal(a.sources, 10);
	assert_int_equal(load_args_source(&a, 9).in.sin_addr.s_addr, htonl(0x0a000013));
	assert_int_equal(a.connections, 2000);
	assert_int_equal(a.count, 3000000);
	assert_int_equal(a.timeout_ns, 250000000);
	assert_int_equal(a.request, 1024);
	assert_int_equal(a.response, 2 << 20);
	assert_int_equal(a.cpu, 1);
	assert_true(a.busy_poll && a.no_verify && a.progress && a.json && a.outside_lab);
	assert_int_equal(a.phases, 2);
	assert_true(a.phase[0].warmup && a.phase[0].ns == 1000000000 && a.phase[0].rate == 5e5);
	assert_true(!a.phase[1].warmup && a.phase[1].ns == 500000000 && a.phase[1].rate == 5e5);
	assert_int_equal(parse("request 10.0.0.2:80 --phase 1k:2:flood:at:3 --phase 0:3s"), 0);
	assert_int_equal(a.phases, 2);
	assert_string_equal(a.phase[0].label, "flood:at:3");
	assert_int_equal(a.phase[1].ns, 3000000000);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"request",
		"10.0.0.2:80",
		"fetch 10.0.0.2:80",
		"request 10.0.0.2",
		"request 10.0.0.2:0",
		"request 10.0.0.2:65536",
		"request 10.0.0.2:8x",
		"request fd00::2:80",
		"request [10.0.0.2]:80",
		"request [fd00::2]80",
		"request [fd00::2]",
		"request :80",
		"request 10.0.0.2:80 more",
		"request 10.0.0.2:80 --rate 0",
		"request 10.0.0.2:80 --rate -1",
		"request 10.0.0.2:80 --rate nan",
		"request 10.0.0.2:80 --rate 1e9",
		"request 10.0.0.2:80 --rate 5q",
		"request 10.0.0.2:80 --seconds 0",
		"request 10.0.0.2:80 --seconds 3601",
		"request 10.0.0.2:80 --seconds inf",
		"request 10.0.0.2:80 --timeout 0",
		"request 10.0.0.2:80 --connections 0",
		"request 10.0.0.2:80 --count 0",
		"request 10.0.0.2:80 --response 0",
		"request 10.0.0.2:80 --response 1.5",
		"request 10.0.0.2:80 --response 2T",
		"request 10.0.0.2:80 --plot x.gif",
		"request 10.0.0.2:80 --plot x",
		"request 10.0.0.2:80 --phase 1k",
		"request 10.0.0.2:80 --phase 1k:0",
		"request 10.0.0.2:80 --phase 1k:1 --rate 5",
		"request 10.0.0.2:80 --phase 1k:1 --seconds 5",
		"idle 10.0.0.2:80 --rate 5",
		"up 10.0.0.2:80 --phase 0:5",
		"request 10.0.0.2:80 --source fd00::1",
		"request 10.0.0.2:80 --backend dpdk",
		"request 10.0.0.2:80 --backend xdp",
		"request 10.0.0.2:80 --iface eth0",
		"request 10.0.0.2:80 --cpu -1",
		"request 10.0.0.2:80 --frobnicate",
		"request 10.0.0.2:80 --rate 0x10",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
}

static void range(const char *s, int want, unsigned int n, const char *first)
{
	char text[INET6_ADDRSTRLEN];
	union be_addr f;
	unsigned int got = 0;

	assert_int_equal(parse_range(s, 65536, &f, &got), want);
	if (want)
		return;
	assert_int_equal(got, n);
	inet_ntop(f.sa.sa_family,
		  f.sa.sa_family == AF_INET ? (void *)&f.in.sin_addr : (void *)&f.in6.sin6_addr,
		  text, sizeof(text));
	assert_string_equal(text, first);
}

static void test_ranges(void **state)
{
	(void)state;
	range("10.0.0.1", 0, 1, "10.0.0.1");
	range("10.0.0.1-10.0.1.0", 0, 256, "10.0.0.1");
	range("10.0.0.0/24", 0, 254, "10.0.0.1");
	range("10.0.0.4/31", 0, 2, "10.0.0.4");
	range("10.0.0.4/32", 0, 1, "10.0.0.4");
	range("fd00::/120", 0, 256, "fd00::");
	range("fd00::10-fd00::1f", 0, 16, "fd00::10");
	range("10.0.0.1/24", -EINVAL, 0, NULL);
	range("10.0.0.0/8", -EINVAL, 0, NULL);
	range("10.0.0.9-10.0.0.1", -EINVAL, 0, NULL);
	range("10.0.0.1-fd00::1", -EINVAL, 0, NULL);
	range("fd00::1-fd01::2", -EINVAL, 0, NULL);
	range("10.0.0.1-", -EINVAL, 0, NULL);
	range("10.0.0.0/", -EINVAL, 0, NULL);
	range("10.0.0.0/33", -EINVAL, 0, NULL);
	range("fd00::/64", -EINVAL, 0, NULL);
}

/* Arrival k is due at begin + k / rate, whenever it is taken. */
static void test_schedule(void **state)
{
	static const struct phase phase[] = {
		{.rate = 3, .ns = 1000000000},
		{.rate = 0, .ns = 1000000000},
		{.rate = 1000, .ns = 500000000},
	};
	const uint64_t at = 5000000000;
	unsigned int p = 9;
	struct sched s;

	(void)state;
	sched_start(&s, phase, 3, at);
	assert_int_equal(sched_phase(&s, at), 0);
	assert_int_equal(sched_phase(&s, at + 999999999), 0);
	assert_int_equal(sched_phase(&s, at + 1000000000), 1);
	assert_int_equal(sched_phase(&s, at + 2499999999), 2);
	assert_int_equal(sched_phase(&s, at + 2500000000), 3);
	for (uint64_t k = 0; k < 3; k++) {
		assert_int_equal(sched_due(&s, &p), at + k * 1000000000 / 3);
		assert_int_equal(sched_due(&s, &p), at + k * 1000000000 / 3); /* not yet taken */
		assert_int_equal(p, 0);
		sched_take(&s);
	}
	for (uint64_t k = 0; k < 500; k++) {
		uint64_t want = at + 2000000000 + k * 1000000, got = sched_due(&s, &p);

		assert_true(got + 1 >= want && got <= want);
		assert_int_equal(p, 2);
		sched_take(&s);
	}
	assert_true(sched_due(&s, &p) == SCHED_NONE);
}

/* No drift: after a minute at an odd rate the count is right to one. */
static void test_schedule_long(void **state)
{
	const struct phase phase = {.rate = 333333.3, .ns = 60000000000};
	struct sched s;
	unsigned int p;
	uint64_t n = 0;

	(void)state;
	sched_start(&s, &phase, 1, 1);
	for (; sched_due(&s, &p) != SCHED_NONE; n++)
		sched_take(&s);
	assert_in_range(n, 19999997, 19999999);
}

static void test_schedule_stop(void **state)
{
	const struct phase phase[] = {{.rate = 1000, .ns = 1000000000},
				      {.rate = 1000, .ns = 1000000000}};
	unsigned int p, n = 0;
	struct sched s;

	(void)state;
	sched_start(&s, phase, 2, 0);
	sched_stop(&s, 100000000);
	assert_int_equal(sched_phase(&s, 100000000), 2);
	for (; sched_due(&s, &p) != SCHED_NONE; n++)
		sched_take(&s);
	assert_int_equal(n, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_all),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_schedule),      cmocka_unit_test(test_schedule_long),
		cmocka_unit_test(test_schedule_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
