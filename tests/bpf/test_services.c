/* SPDX-License-Identifier: BSD-2-Clause */
/* What --listen takes and refuses; the modes by name. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "control/services.h"

static struct services s;

static int teardown(void **state)
{
	(void)state;
	services_free(&s);
	return 0;
}

static void add(const char *spec)
{
	struct weir_err err;

	if (services_add(&s, spec, &err))
		fail_msg("%s", err.msg);
}

static void addresses_are_read(void **state)
{
	static const struct {
		const char *text;
		int family;
		unsigned port;
		const char *rest;
	} good[] = {
		{"10.0.0.2:80=http", 4, 80, "=http"},
		{"[fd00::2]:7", 6, 7, ""},
		{"[::ffff:1.2.3.4]:7", 6, 7, ""},
		{"*:65535", 0, 65535, ""},
		{"1.2.3.4:1x", 4, 1, "x"},
	};
	static const char *const bad[] = {
		"",
		":80",
		"80",
		"10.0.0.2",
		"10.0.0.2:",
		"10.0.0.2:0",
		"10.0.0.2:65536",
		"10.0.0.2:-1",
		"10.0.0.2: 80",
		"10.0.0.256:80",
		"10.0.0:80",
		"fd00::2:80",
		"[fd00::2]80",
		"[fd00::2:80",
		"[fd00::2]",
		"[10.0.0.2]:80",
		"[fd00::g]:80",
		"**:80",
		"[]:80",
		"[*]:80",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]:80",
		"10.0.0.2:99999999999999999999",
	};
	struct weir_addr a;
	const char *rest;
	char text[96];
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(services_parse_addr(&a, good[i].text, &rest), 0);
		assert_int_equal(a.family, good[i].family);
		assert_int_equal(a.port, good[i].port);
		assert_string_equal(rest, good[i].rest);
		services_format(&a, text, sizeof(text));
		assert_memory_equal(text, good[i].text, strlen(text));
		/* Nothing may follow where nobody asks for the rest. */
		assert_int_equal(services_parse_addr(&a, good[i].text, NULL), *rest ? -EINVAL : 0);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (services_parse_addr(&a, bad[i], NULL) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void unusable_listens_are_refused(void **state)
{
	static const struct {
		const char *spec, *word;
	} bad[] = {
		{"10.0.0.2:80", "not ADDR:PORT=APP"},
		{"10.0.0.2:80=", "no such application"},
		{"10.0.0.2:80=fly", "no such application"},
		{"10.0.0.2:80=http", "directory"},
		{"10.0.0.2:80=http:/no/such", "/no/such"},
		{"10.0.0.2:80=echo:x", "argument"},
		{"0.0.0.0:80=echo", "*:PORT"},
		{"127.1.2.3:80=echo", "loopback"},
		{"224.0.0.1:80=echo", "multicast"},
		{"255.255.255.255:80=echo", "broadcast"},
		{"[::]:80=echo", "*:PORT"},
		{"[::1]:80=echo", "loopback"},
		{"[ff02::1]:80=echo", "multicast"},
		{"[::ffff:1.2.3.4]:80=echo", "IPv4"},
		{"10.0.0.2:7=discard", "already"},
		{"*:9=echo", "already"},
	};
	struct weir_err err;
	unsigned i;

	(void)state;
	add("10.0.0.2:7=echo");
	add("*:9=discard");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(services_add(&s, bad[i].spec, &err) < 0);
		assert_int_equal(err.status, WEIR_EXIT_UNSUITED);
		if (!strstr(err.msg, bad[i].word))
			fail_msg("'%s' does not say '%s'", err.msg, bad[i].word);
		assert_int_equal(s.n, 2);
	}
}

static void modes_have_names(void **state)
{
	enum weir_mode m;
	unsigned i;

	(void)state;
	for (i = 0; service_mode_names[i]; i++) {
		assert_int_equal(service_mode_parse(&m, service_mode_names[i]), 0);
		assert_int_equal(m, i);
		assert_string_equal(service_mode_name(m), service_mode_names[i]);
	}
	assert_int_equal(i, WEIR_MODE_NEVER + 1);
	assert_string_equal(service_mode_name((enum weir_mode)i), "unknown");
	assert_int_equal(service_mode_parse(&m, "sometimes"), -EINVAL);
	assert_int_equal(service_mode_parse(&m, ""), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test_teardown(unusable_listens_are_refused, teardown),
		cmocka_unit_test(modes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
