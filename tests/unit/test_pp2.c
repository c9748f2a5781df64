/* SPDX-License-Identifier: BSD-2-Clause */
/* The header of the PROXY protocol, version 2, byte by byte (its specification, 2.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proxy/pp2.h"

#define SIGNATURE "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"

static const struct weir_addr client4 = {4, 56324, {192, 168, 0, 1}};
static const struct weir_addr server4 = {4, 443, {192, 168, 0, 11}};
static const struct weir_addr client6 = {6, 0xfedc, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
static const struct weir_addr server6 = {6, 80, {0xfd, [15] = 2}};

static void ipv4(void **state)
{
	static const char want[] = SIGNATURE "\x21\x11\x00\x0C"
					     "\xC0\xA8\x00\x01\xC0\xA8\x00\x0B"
					     "\xDC\x04\x01\xBB";
	uint8_t out[PP2_MAX];

	(void)state;
	assert_int_equal(pp2_header(out, sizeof(out), &client4, &server4), 28);
	assert_memory_equal(out, want, 28);
}

static void ipv6(void **state)
{
	static const char want[] = SIGNATURE "\x21\x21\x00\x24"
					     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
					     "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02"
					     "\xFE\xDC\x00\x50";
	uint8_t out[PP2_MAX];

	(void)state;
	assert_int_equal(pp2_header(out, sizeof(out), &client6, &server6), PP2_MAX);
	assert_memory_equal(out, want, PP2_MAX);
}

static void our_own_connections_are_local(void **state)
{
	uint8_t out[PP2_MAX];

	(void)state;
	assert_int_equal(pp2_header(out, sizeof(out), NULL, NULL), 16);
	assert_memory_equal(out, SIGNATURE "\x20\x00\x00\x00", 16);
}

static void what_does_not_fit_is_not_written(void **state)
{
	static const struct weir_addr any = {0};
	uint8_t out[PP2_MAX + 1];

	(void)state;
	memset(out, 0xee, sizeof(out));
	assert_int_equal(pp2_header(out, 15, NULL, NULL), 0);
	assert_int_equal(pp2_header(out, 27, &client4, &server4), 0);
	assert_int_equal(pp2_header(out, 51, &client6, &server6), 0);
	assert_int_equal(pp2_header(out, sizeof(out), &client4, &server6), 0);
	assert_int_equal(pp2_header(out, sizeof(out), &any, &any), 0);
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], 0xee);
	assert_int_equal(pp2_header(out, 28, &client4, &server4), 28);
	assert_int_equal(out[28], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(our_own_connections_are_local),
		cmocka_unit_test(what_does_not_fit_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
