/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits as the kernel writes them, and what is said of those that are too low. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "control/host_limits.h"
#include "made_files.h"

#define MIB (1ull << 20)

static char dir[64], proc[96];

static void put(const char *name, const char *text)
{
	made_file(dir, name, text);
}

static int setup(void **state)
{
	char text[512];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/weir-limits-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(proc, sizeof(proc), "%s/proc", dir);
	put("proc/self/cgroup", "5:cpu,cpuacct:/c\n4:memory:/m\n0::/a/b\n");
	snprintf(text, sizeof(text),
		 "30 24 0:26 / %s/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		 "31 24 0:27 / %s/mem rw - cgroup cgroup rw,memory\n"
		 "32 24 0:28 / %s/fs rw - cgroup2 cgroup2 rw\n",
		 dir, dir, dir);
	put("proc/self/mountinfo", text);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command); /* NOLINT: a name of ours */
}

/* ---- what they are ------------------------------------------------------------------------ */

static void none_are_set(void **state)
{
	struct host_limits l;

	(void)state;
	put("fs/a/b/memory.max", "max\n");
	put("fs/a/b/cpu.max", "max 100000\n");
	put("mem/m/memory.limit_in_bytes", "9223372036854771712\n");
	put("cpu/c/cpu.cfs_quota_us", "-1\n");
	put("cpu/c/cpu.cfs_period_us", "100000\n");
	host_limits_read(&l, proc);
	assert_true(l.memory == HOST_UNLIMITED);
	assert_true(l.cpu_milli == HOST_UNLIMITED);
	host_limits_read(&l, "/nowhere");
	assert_true(l.memory == HOST_UNLIMITED && l.cpu_milli == HOST_UNLIMITED);
}

static void the_least_of_the_groups_above_holds(void **state)
{
	struct host_limits l;

	(void)state;
	put("fs/a/b/memory.max", "209715200\n");
	put("fs/a/memory.max", "104857600\n");
	put("fs/a/b/cpu.max", "max 100000\n");
	put("fs/a/cpu.max", "50000 100000\n");
	put("fs/cpu.max", "300000 100000\n");
	host_limits_read(&l, proc);
	assert_true(l.memory == 100 * MIB);
	assert_true(l.cpu_milli == 500);
}

static void version_1_has_two_files(void **state)
{
	struct host_limits l;

	(void)state;
	put("mem/m/memory.limit_in_bytes", "20971520\n");
	put("cpu/c/cpu.cfs_quota_us", "150000\n");
	put("cpu/c/cpu.cfs_period_us", "100000\n");
	host_limits_read(&l, proc);
	assert_true(l.memory == 20 * MIB);
	assert_true(l.cpu_milli == 1500);
}

static void nonsense_is_no_limit(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "50000\n",
					    "50000 0\n",
					    "x 100000\n",
					    "99999999999999999999 100000\n",
					    "-1 100000\n",
					    "50000 99999999999\n"};
	struct host_limits l;

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put("fs/a/b/cpu.max", texts[i]);
		put("fs/a/b/memory.max", "much\n");
		host_limits_read(&l, proc);
		assert_true(l.cpu_milli == HOST_UNLIMITED);
		assert_true(l.memory == HOST_UNLIMITED);
	}
}

static void those_of_the_process(void **state)
{
	struct host_limits l;
	struct rlimit r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	r.rlim_cur = 77;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
	host_limits_read(&l, proc);
	assert_int_equal(l.nofile, 77);
	assert_true(l.cpus > 0);
	r.rlim_cur = r.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* ---- whether they will do ------------------------------------------------------------------- */

static const struct host_limits enough = {
	.memlock = 8 * MIB, .nofile = 1000, .memory = 100 * MIB, .cpu_milli = 2000, .cpus = 2};
static const struct host_needs needs = {
	.locked = 8 * MIB, .memory = 100 * MIB, .files = 1000, .workers = 2};

/* The one thing that is said, with what it must have in it. */
static void says(const struct host_limits *l, const char *what, const char *remedy)
{
	struct host_warnings w;

	host_limits_judge(l, &needs, &w);
	assert_int_equal(w.n, 1);
	assert_non_null(strstr(w.text[0], what));
	assert_non_null(strstr(w.text[0], remedy));
	assert_true(strlen(w.text[0]) < sizeof(w.text[0]) - 1);
}

static void what_just_will_do_is_not_spoken_of(void **state)
{
	struct host_limits l = enough;
	struct host_warnings w;

	(void)state;
	host_limits_judge(&l, &needs, &w);
	assert_int_equal(w.n, 0);
	l = (struct host_limits){HOST_UNLIMITED, false,		 HOST_UNLIMITED,
				 HOST_UNLIMITED, HOST_UNLIMITED, 0};
	host_limits_judge(&l, &needs, &w);
	assert_int_equal(w.n, 0);
}

static void each_is_told_with_a_remedy(void **state)
{
	struct host_limits l = enough;

	(void)state;
	l.memlock--;
	says(&l, "RLIMIT_MEMLOCK is 8191 KiB, the AF_XDP sockets' frames are 8192 KiB",
	     "LimitMEMLOCK=infinity");
	l = enough;
	l.nofile = 999;
	says(&l, "RLIMIT_NOFILE is 999, and 1000 descriptors", "LimitNOFILE=1000");
	l = enough;
	l.memory = 50 * MIB;
	says(&l, "memory.max is 50 MiB, the pools come to 100 MiB", "MemoryMax=");
	l = enough;
	l.cpu_milli = 1050;
	says(&l, "cpu.max is 1.05 CPUs for 2 workers", "CPUQuota=200%");
	l = enough;
	l.cpus = 1;
	says(&l, "2 workers have 1 CPU (affinity)", "--workers 1");
}

static void locked_memory_does_not_bind_who_may_lock(void **state)
{
	struct host_limits l = enough;
	struct host_warnings w;

	(void)state;
	l.memlock = 0;
	l.ipc_lock = true;
	host_limits_judge(&l, &needs, &w);
	assert_int_equal(w.n, 0);
}

static void all_of_them_at_once(void **state)
{
	const struct host_limits l = {.cpus = 1};
	const struct host_needs most = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 1000};
	struct host_warnings w;

	(void)state;
	host_limits_judge(&l, &most, &w);
	assert_int_equal(w.n, HOST_WARNINGS);
	for (unsigned i = 0; i < w.n; i++)
		assert_true(strlen(w.text[i]) < sizeof(w.text[i]) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none_are_set, setup, teardown),
		cmocka_unit_test_setup_teardown(the_least_of_the_groups_above_holds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(version_1_has_two_files, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_no_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(those_of_the_process, setup, teardown),
		cmocka_unit_test(what_just_will_do_is_not_spoken_of),
		cmocka_unit_test(each_is_told_with_a_remedy),
		cmocka_unit_test(locked_memory_does_not_bind_who_may_lock),
		cmocka_unit_test(all_of_them_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
