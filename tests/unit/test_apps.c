// SPDX-License-Identifier: BSD-2-Clause
/* Specs: which service, which argument, what is said when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "app/app.h"
#include "app/app_arg.h"
#include "app_fixture.h"

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(weir_app_find("echo"), &weir_app_echo);
	assert_ptr_equal(weir_app_find("discard"), &weir_app_discard);
	assert_ptr_equal(weir_app_find("http"), &weir_app_http);
	assert_ptr_equal(weir_app_find("http:/srv"), &weir_app_http);
	assert_null(weir_app_find(""));
	assert_null(weir_app_find("ech"));
	assert_null(weir_app_find("echoes"));
	assert_null(weir_app_find(":/srv"));
}

static void test_tables_are_full(void **state)
{
	static const char *const names[] = {"echo", "discard", "http", "sized"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct weir_app *a = weir_app_find(names[i]);

		assert_true(a->on_open && a->on_data && a->on_writable && a->on_timer &&
			    a->on_close);
		assert_in_range(a->conn_size, 1, 160);
	}
}

static void expect_error(const char *spec, int want, const char *text)
{
	void *arg = NULL;
	char err[128] = "";

	assert_int_equal(weir_app_arg(spec, &arg, err, sizeof(err)), want);
	assert_string_equal(err, text);
	assert_null(arg);
}

static void test_bad_specs(void **state)
{
	(void)state;
	expect_error("ftp:/srv", -EINVAL,
		     "unknown service 'ftp:/srv': there are echo, discard, sized, http:DIR");
	expect_error("echo:x", -EINVAL, "service 'echo' takes no argument");
	expect_error("discard:", -EINVAL, "service 'discard' takes no argument");
	expect_error("http", -EINVAL, "service 'http' needs a directory: http:DIR");
	expect_error("http:", -EINVAL, "service 'http' needs a directory: http:DIR");
	expect_error("http:/no/such/place", -ENOENT,
		     "cannot serve directory '/no/such/place': No such file or directory");
	expect_error("http:/proc/self/status", -ENOTDIR,
		     "cannot serve directory '/proc/self/status': Not a directory");
}

static void test_args_and_limits(void **state)
{
	static const char *const specs[] = {"echo", "discard", "http:/", "sized"};
	struct weir_app_limits l;
	char err[128];

	(void)state;
	weir_app_limits_default(&l);
	assert_int_equal(l.header_ms, 10000);
	assert_int_equal(l.idle_ms, 30000);
	l.header_ms = 77;
	for (size_t i = 0; i < 4; i++) {
		struct weir_conn c;
		void *arg = NULL;

		assert_int_equal(weir_app_arg(specs[i], &arg, err, sizeof(err)), 0);
		weir_app_set_limits(arg, &l);
		fx_open(&c, weir_app_find(specs[i]), arg);
		assert_int_equal(weir_app_limits_of(&c)->header_ms, 77);
		fx_free(&c);
		weir_app_arg_free(arg);
	}
	weir_app_arg_free(NULL);
}

/* ---- an application of another room ---------------------------------------------- */

struct guest {
	char text[16];
	uint64_t stepped;
};

static int guest_arg(const char *text, void **own, char *err, size_t errlen)
{
	struct guest *g;

	if (!*text) {
		snprintf(err, errlen, "guest: of what?");
		return -EINVAL;
	}
	g = calloc(1, sizeof(*g));
	assert_non_null(g);
	snprintf(g->text, sizeof(g->text), "%s", text);
	*own = g;
	return 0;
}

static void guest_step(void *own, uint64_t now_us)
{
	((struct guest *)own)->stepped = now_us;
}

static int guest_update(void *own, const void *from, char *err, size_t errlen)
{
	(void)err;
	(void)errlen;
	memcpy(((struct guest *)own)->text, ((const struct guest *)from)->text, 16);
	return 0;
}

static void guest_counters(uint64_t *v)
{
	v[WEIR_C_sized_bad] += 7;
}

static void test_another_rooms_application(void **state)
{
	static const struct weir_app app = {.name = "guest"};
	static const struct weir_app_kind kind = {
		.app = &app,
		.usage = "guest:NAME",
		.arg = guest_arg,
		.arg_free = free,
		.step = guest_step,
		.update = guest_update,
		.counters = guest_counters,
	};
	uint64_t before[WEIR_C_MAX] = {0}, after[WEIR_C_MAX] = {0};
	void *arg, *other, *echo;
	char err[64];

	(void)state;
	assert_null(weir_app_find("guest:x"));
	weir_app_counters(before);
	weir_app_add(&kind);
	weir_app_add(&kind);
	weir_app_counters(after);
	assert_int_equal(after[WEIR_C_sized_bad] - before[WEIR_C_sized_bad], 7);
	assert_ptr_equal(weir_app_find("guest:x"), &app);
	assert_string_equal(weir_app_usage(), "echo, discard, sized, http:DIR, guest:NAME");
	expect_error("guest", -EINVAL, "guest: of what?");
	assert_int_equal(weir_app_arg("guest:one:two", &arg, err, sizeof(err)), 0);
	assert_int_equal(weir_app_arg("guest:three", &other, err, sizeof(err)), 0);
	assert_int_equal(weir_app_arg("echo", &echo, err, sizeof(err)), 0);
	assert_string_equal(((struct guest *)weir_app_own(arg))->text, "one:two");
	weir_app_step(arg, 42);
	assert_int_equal(((struct guest *)weir_app_own(arg))->stepped, 42);
	weir_app_step(echo, 42);
	assert_int_equal(weir_app_update(arg, other, err, sizeof(err)), 0);
	assert_string_equal(((struct guest *)weir_app_own(arg))->text, "three");
	assert_int_equal(weir_app_update(arg, echo, err, sizeof(err)), -EOPNOTSUPP);
	assert_int_equal(weir_app_update(echo, echo, err, sizeof(err)), -EOPNOTSUPP);
	assert_null(weir_app_own(echo));
	assert_null(weir_app_own(NULL));
	weir_app_arg_free(arg);
	weir_app_arg_free(other);
	weir_app_arg_free(echo);
}

/* Without an argument echo and discard have defaults; http has nothing to serve. */
static void test_no_arg(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_echo, NULL);
	assert_int_equal(weir_app_limits_of(&c)->header_ms, 10000);
	fx_free(&c);
	fx_init(&c, &weir_app_http, NULL);
	assert_int_not_equal(weir_app_http.on_open(&c, NULL), 0);
	fx_free(&c);
}

static void test_counters_add(void **state)
{
	uint64_t v[WEIR_C_MAX] = {0};

	(void)state;
	weir_app_counters(v);
	v[WEIR_C_conn_opened] = 5;
	weir_app_count(WEIR_C_http_stalled);
	weir_app_counters(v);
	assert_int_equal(v[WEIR_C_http_stalled], 1);
	assert_int_equal(v[WEIR_C_conn_opened], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_tables_are_full),
		cmocka_unit_test(test_bad_specs),
		cmocka_unit_test(test_args_and_limits),
		cmocka_unit_test(test_no_arg),
		cmocka_unit_test(test_another_rooms_application),
		cmocka_unit_test(test_counters_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
