/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies as text: prefixes, lists, files, what is wrong with them, and what they answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/policy.h"
#include "control/services.h"

static struct policy p;
static struct weir_err err;

static int setup(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	return policy_default(&p);
}

static int teardown(void **state)
{
	(void)state;
	policy_free(&p);
	return 0;
}

static void expect_error(int rc, int want, const char *text)
{
	assert_int_equal(rc, want);
	if (strcmp(err.msg, text))
		print_error("said: %s\nwant: %s\n", err.msg, text);
	assert_string_equal(err.msg, text);
	assert_int_equal(err.status, WEIR_EXIT_UNSUITED);
}

static struct weir_addr addr(const char *text)
{
	struct weir_addr a = {.family = strchr(text, ':') ? 6 : 4};

	assert_int_equal(inet_pton(a.family == 6 ? AF_INET6 : AF_INET, text, a.addr), 1);
	return a;
}

static bool welcome(unsigned list, const char *text)
{
	struct weir_addr a = addr(text);

	return policy_ask(&p, list, &a).welcome;
}

static void add(enum policy_verdict v, const char *text)
{
	assert_int_equal(policy_add_arg(&p, v, text, &err), 0);
}

/* A file of this content; its path, with an @ in front. */
static const char *file(const char *content)
{
	static char path[64];
	FILE *f;
	int fd;

	strcpy(path, "@/tmp/weir-test-policy-XXXXXX");
	fd = mkstemp(path + 1);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	fputs(content, f);
	fclose(f);
	return path;
}

static void prefixes_and_what_is_none(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *back;
	} cases[] = {
		{"192.0.2.0/24", 0, "192.0.2.0/24"},
		{"192.0.2.7", 0, "192.0.2.7/32"},
		{"0.0.0.0/0", 0, "0.0.0.0/0"},
		{"10.64.0.0/10", 0, "10.64.0.0/10"},
		{"2001:db8::/32", 0, "2001:db8::/32"},
		{"2001:DB8:0:0::1", 0, "2001:db8::1/128"},
		{"::/0", 0, "::/0"},
		{"fe00::/7", 0, "fe00::/7"},
		{"192.0.2.1/24", -ERANGE, NULL},
		{"10.65.0.0/10", -ERANGE, NULL},
		{"2001:db8::1/64", -ERANGE, NULL},
		{"192.0.2.0/33", -EINVAL, NULL},
		{"::/129", -EINVAL, NULL},
		{"192.0.2.0/", -EINVAL, NULL},
		{"192.0.2.0/-1", -EINVAL, NULL},
		{"192.0.2.0/ 8", -EINVAL, NULL},
		{"192.0.2.0/8x", -EINVAL, NULL},
		{"192.0.2.0/0000000008", -EINVAL, NULL},
		{"192.0.2", -EINVAL, NULL},
		{"host", -EINVAL, NULL},
		{"", -EINVAL, NULL},
		{"/8", -EINVAL, NULL},
		{"2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff:0000:1111:2222:3333/32", -EINVAL, NULL},
	};
	struct policy_prefix x;
	char back[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (policy_parse_prefix(&x, cases[i].text) != cases[i].rc)
			print_error("%s\n", cases[i].text);
		assert_int_equal(policy_parse_prefix(&x, cases[i].text), cases[i].rc);
		if (cases[i].rc)
			continue;
		policy_format_prefix(&x, back, sizeof(back));
		assert_string_equal(back, cases[i].back);
	}
}

static void lengths_of_sources(void **state)
{
	static const char *const bad[] = {"",	    "0",       "33", "24,", "24,0",
					  "24,129", "24,56,1", "x",  "-1"};
	struct policy_source s = {.len4 = 32, .len6 = 64};
	size_t i;

	(void)state;
	assert_int_equal(policy_parse_source(&s, "24"), 0);
	assert_int_equal(s.len4, 24);
	assert_int_equal(s.len6, 64);
	assert_int_equal(policy_parse_source(&s, "1,128"), 0);
	assert_int_equal(s.len4, 1);
	assert_int_equal(s.len6, 128);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(policy_parse_source(&s, bad[i]), -EINVAL);
	assert_int_equal(s.len6, 128);
}

static void without_lists_everybody_is_welcome(void **state)
{
	(void)state;
	assert_true(policy_is_empty(&p));
	assert_int_equal(policy_check(&p, &err), 0);
	assert_true(welcome(0, "192.0.2.1"));
	assert_true(welcome(0, "2001:db8::1"));
}

static void the_longest_prefix_wins(void **state)
{
	(void)state;
	add(POLICY_DENY, "192.0.2.0/24");
	add(POLICY_ALLOW, "192.0.2.64/26");
	add(POLICY_DENY, "192.0.2.65");
	assert_int_equal(policy_check(&p, &err), 0);
	assert_false(policy_is_empty(&p));
	assert_false(welcome(0, "192.0.2.1"));
	assert_true(welcome(0, "192.0.2.64"));
	assert_false(welcome(0, "192.0.2.65"));
	assert_true(welcome(0, "192.0.2.127"));
	assert_false(welcome(0, "192.0.2.128"));
}

static void what_an_allow_list_does_not_name_stays_out(void **state)
{
	(void)state;
	add(POLICY_DENY, "192.0.2.0/24");
	assert_true(welcome(0, "198.51.100.1"));
	assert_true(welcome(0, "2001:db8::1"));
	add(POLICY_ALLOW, "203.0.113.0/24");
	assert_true(welcome(0, "203.0.113.9"));
	assert_false(welcome(0, "198.51.100.1"));
	assert_false(welcome(0, "2001:db8::1"));
	add(POLICY_ALLOW, "::/0");
	assert_true(welcome(0, "2001:db8::1"));
}

static void a_service_has_a_list_of_its_own(void **state)
{
	struct weir_addr ssh = {.family = 4, .port = 22, .addr = {10, 0, 0, 2}};
	struct weir_addr web = {.family = 4, .port = 80, .addr = {10, 0, 0, 2}};
	struct weir_addr any = {.port = 22};
	int list;

	(void)state;
	add(POLICY_ALLOW, "10.0.0.2:22=192.0.2.0/24");
	add(POLICY_DENY, "10.0.0.2:22=192.0.2.7");
	add(POLICY_ALLOW, "[fd00::2]:22=2001:db8::/32");
	add(POLICY_ALLOW, "*:22=::/0");
	assert_int_equal(p.nlists, 4);
	list = policy_list(&p, "10.0.0.2:22");
	assert_int_equal(policy_list_of(&p, &ssh), list);
	assert_int_equal(policy_list_of(&p, &web), 0);
	assert_string_equal(p.lists[policy_list_of(&p, &any)].name, "*:22");
	assert_true(welcome((unsigned)list, "192.0.2.1"));
	assert_false(welcome((unsigned)list, "192.0.2.7"));
	assert_false(welcome((unsigned)list, "198.51.100.1"));
	assert_true(welcome(0, "198.51.100.1"));
	assert_int_equal(policy_use(&p, &ssh, (unsigned)list), 0);
	assert_int_equal(policy_use(&p, &ssh, 2), -EEXIST);
	expect_error(policy_add_arg(&p, POLICY_DENY, "10.0.0.2=1.2.3.4", &err), -EINVAL,
		     "10.0.0.2=1.2.3.4: not [ADDR:PORT=]PREFIX or [ADDR:PORT=]@FILE");
}

static void a_file_has_one_a_line(void **state)
{
	const char *path = file("# those\n\n192.0.2.0/24\n  2001:db8::/32\t # and these\r\n"
				"198.51.100.9");

	(void)state;
	add(POLICY_DENY, path);
	assert_int_equal(policy_check(&p, &err), 0);
	assert_int_equal(p.nprefixes, 3);
	assert_int_equal(p.lists[0].entries[POLICY_DENY], 3);
	assert_false(welcome(0, "192.0.2.9"));
	assert_false(welcome(0, "2001:db8:1::"));
	assert_false(welcome(0, "198.51.100.9"));
	assert_true(welcome(0, "198.51.100.8"));
	unlink(path + 1);
}

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *content, *error;
	} cases[] = {
		{"10.0.0.0/8\n\n192.0.2.1/24\n",
		 "3: 192.0.2.1/24: bits are set behind its length: 192.0.2.0/24"},
		{"# x\n2001:db8::1/32", "2: 2001:db8::1/32: bits are set behind its length: "
					"2001:db8::/32"},
		{"example.org\n", "1: example.org: no prefix, as 192.0.2.0/24, 2001:db8::/32 or "
				  "192.0.2.7"},
		{"10.0.0.0/8 10.1.0.0/16\n",
		 "1: 10.0.0.0/8 10.1.0.0/16: no prefix, as 192.0.2.0/24, 2001:db8::/32 or "
		 "192.0.2.7"},
	};
	char want[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *path = file(cases[i].content);

		snprintf(want, sizeof(want), "%s:%s", path + 1, cases[i].error);
		expect_error(policy_add(&p, 0, POLICY_DENY, path, &err), -EINVAL, want);
		unlink(path + 1);
	}
	expect_error(policy_add(&p, 0, POLICY_DENY, "@/nowhere/list", &err), -ENOENT,
		     "/nowhere/list: No such file or directory");
}

static void a_line_has_an_end(void **state)
{
	char content[2000], want[100];
	const char *path;

	(void)state;
	memset(content, '1', sizeof(content) - 1);
	content[sizeof(content) - 1] = '\0';
	path = file(content);
	snprintf(want, sizeof(want), "%s:1: the line is too long", path + 1);
	expect_error(policy_add(&p, 0, POLICY_ALLOW, path, &err), -EINVAL, want);
	unlink(path + 1);
}

static void nothing_is_listed_twice(void **state)
{
	const char *path = file("192.0.2.0/24\n10.0.0.0/8\n192.0.2.0/24\n");
	char want[200];

	(void)state;
	add(POLICY_DENY, path);
	snprintf(want, sizeof(want), "%s:3: 192.0.2.0/24 is listed twice, first at %s:1", path + 1,
		 path + 1);
	expect_error(policy_check(&p, &err), -EEXIST, want);
	unlink(path + 1);
}

static void nothing_is_allowed_and_denied(void **state)
{
	(void)state;
	add(POLICY_DENY, "2001:db8::/32");
	add(POLICY_ALLOW, "2001:db8::/32");
	expect_error(policy_check(&p, &err), -EEXIST, "2001:db8::/32 is both allowed and denied");
}

/* The same in two lists, or with another length, is something else. */
static void what_differs_is_no_duplicate(void **state)
{
	(void)state;
	add(POLICY_DENY, "10.0.0.0/8");
	add(POLICY_DENY, "10.0.0.0/16");
	add(POLICY_DENY, "a00::/8");
	add(POLICY_ALLOW, "*:80=10.0.0.0/8");
	assert_int_equal(policy_check(&p, &err), 0);
}

static void limits_have_bounds(void **state)
{
	(void)state;
	p.synack.per_sec = 1000001;
	expect_error(policy_check(&p, &err), -ERANGE, "the limit of SYN-ACKs is at most 1000000");
	p.synack.per_sec = 10;
	p.flow.by.len4 = 33;
	expect_error(policy_check(&p, &err), -ERANGE,
		     "new flows: a prefix has 1 to 32 bits for IPv4, 1 to 128 for IPv6");
}

static void a_copy_is_its_own(void **state)
{
	const char *path = file("192.0.2.0/24\n");
	struct policy q;

	(void)state;
	add(POLICY_DENY, path);
	unlink(path + 1);
	add(POLICY_ALLOW, "*:22=10.0.0.0/8");
	p.flow_limit = 7;
	assert_int_equal(policy_copy(&q, &p), 0);
	policy_free(&p);
	p = q;
	assert_false(welcome(0, "192.0.2.1"));
	assert_false(welcome(1, "192.0.2.1"));
	assert_int_equal(p.flow_limit, 7);
	assert_string_equal(p.files[0], path + 1);
	add(POLICY_DENY, "192.0.3.0/24"); /* and can grow */
	assert_false(welcome(0, "192.0.3.1"));
}

static void many_prefixes(void **state)
{
	char text[32];
	unsigned i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.0/24", i >> 8, i & 255);
		add(POLICY_DENY, text);
	}
	assert_int_equal(policy_check(&p, &err), 0);
	assert_int_equal(p.lists[0].entries[POLICY_DENY], 20000);
	assert_false(welcome(0, "10.78.31.1"));
	assert_true(welcome(0, "10.78.32.1"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(prefixes_and_what_is_none),
		T(lengths_of_sources),
		T(without_lists_everybody_is_welcome),
		T(the_longest_prefix_wins),
		T(what_an_allow_list_does_not_name_stays_out),
		T(a_service_has_a_list_of_its_own),
		T(a_file_has_one_a_line),
		T(errors_name_file_and_line),
		T(a_line_has_an_end),
		T(nothing_is_listed_twice),
		T(nothing_is_allowed_and_denied),
		T(what_differs_is_no_duplicate),
		T(limits_have_bounds),
		T(a_copy_is_its_own),
		T(many_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
