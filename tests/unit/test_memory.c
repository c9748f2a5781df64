/* SPDX-License-Identifier: BSD-2-Clause */
/* What is available, by files as the kernel writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/memory.h"
#include "made_files.h"

#define MIB (1ull << 20)

static char dir[64], proc[96];

static void put(const char *name, const char *text)
{
	made_file(dir, name, text);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/weir-memory-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(proc, sizeof(proc), "%s/proc", dir);
	put("proc/meminfo", "MemTotal:     2048000 kB\nMemFree:        1024 kB\n"
			    "MemAvailable:  1024000 kB\nBuffers:           0 kB\n");
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command); /* NOLINT: a name of ours */
}

static void v2(const char *group, const char *root)
{
	char text[512];

	put("proc/self/cgroup", group);
	snprintf(text, sizeof(text),
		 "24 1 0:22 / /sys rw,nosuid - sysfs sysfs rw\n"
		 "31 24 0:27 %s %s/fs rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
		 root, dir);
	put("proc/self/mountinfo", text);
}

static void without_cgroups_it_is_the_machines(void **state)
{
	(void)state;
	assert_true(memory_available(proc) == 1000 * MIB);
	assert_true(memory_available("/nowhere") == UINT64_MAX);
}

static void the_least_of_all_groups_above_holds(void **state)
{
	(void)state;
	v2("0::/a/b\n", "/");
	put("fs/a/b/memory.max", "max\n");
	put("fs/a/memory.max", "104857600\n");
	put("fs/a/memory.current", "52428800\n");
	assert_true(memory_available(proc) == 50 * MIB);
	put("fs/a/b/memory.max", "20971520\n");
	put("fs/a/b/memory.current", "10485760\n");
	assert_true(memory_available(proc) == 10 * MIB);
	put("fs/a/b/memory.current", "30000000\n");
	assert_true(memory_available(proc) == 0);
}

static void files_that_are_cached_do_not_count(void **state)
{
	(void)state;
	v2("0::/a\n", "/");
	put("fs/a/memory.max", "104857600\n");
	put("fs/a/memory.current", "104857600\n");
	put("fs/a/memory.stat", "anon 1\nactive_file 7\ninactive_file 20971520\n");
	assert_true(memory_available(proc) == 20 * MIB);
}

static void a_container_sees_its_part_of_the_path(void **state)
{
	(void)state;
	v2("0::/docker/abc/x\n", "/docker/abc");
	put("fs/x/memory.max", "20971520\n");
	put("fs/x/memory.current", "0\n");
	assert_true(memory_available(proc) == 20 * MIB);
	v2("0::/\n", "/");
	put("fs/memory.max", "10485760\n");
	put("fs/memory.current", "0\n");
	assert_true(memory_available(proc) == 10 * MIB);
}

static void version_1_has_its_own_hierarchy(void **state)
{
	char text[512];

	(void)state;
	put("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/a\n0::/\n");
	snprintf(text, sizeof(text),
		 "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuacct\n"
		 "31 24 0:27 / %s/v1 rw - cgroup cgroup rw,cpu,memory\n",
		 dir);
	put("proc/self/mountinfo", text);
	put("v1/a/memory.limit_in_bytes", "20971520\n");
	put("v1/a/memory.usage_in_bytes", "12582912\n");
	put("v1/a/memory.stat", "inactive_file 5\ntotal_inactive_file 2097152\n");
	put("v1/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
	put("v1/memory.usage_in_bytes", "12582912\n");
	assert_true(memory_available(proc) == 10 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_cgroups_it_is_the_machines, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_least_of_all_groups_above_holds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(files_that_are_cached_do_not_count, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_container_sees_its_part_of_the_path, setup,
						teardown),
		cmocka_unit_test_setup_teardown(version_1_has_its_own_hierarchy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
