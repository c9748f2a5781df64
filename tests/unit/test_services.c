/* SPDX-License-Identifier: BSD-2-Clause */
/* --listen @FILE: as many services as there are ids for. */
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

#include "control/services.h"

static struct services s;
static struct weir_err err;

static int listen_file(const char *text)
{
	char spec[] = "@/tmp/weir-services-XXXXXX";
	int fd = mkstemp(spec + 1), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	rc = services_add(&s, spec, &err);
	unlink(spec + 1);
	return rc;
}

static void a_file_of_services(void **state)
{
	(void)state;
	assert_int_equal(listen_file("# ours\n\n10.0.0.2:7=echo\r\n*:9=discard\n[fd00::2]:7=echo"),
			 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[0].text, "10.0.0.2:7");
	assert_string_equal(s.v[2].text, "[fd00::2]:7");
	assert_int_equal(services_add(&s, "[fd00::2]:7=discard", &err), -EEXIST);
	assert_int_equal(listen_file("10.0.0.2:8=echo\n10.0.0.2:9=nonsense\n"), -EINVAL);
	assert_non_null(strstr(err.msg, "nonsense"));
	assert_int_equal(services_add(&s, "@/nowhere/to/be/found", &err), -ENOENT);
	services_free(&s);
}

static void no_more_than_the_gate_has_ids(void **state)
{
	char spec[64];

	(void)state;
	for (int i = 0; i < WEIR_MAX_SERVICES; i++) {
		snprintf(spec, sizeof(spec), "10.%d.%d.%d:7=echo", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(services_add(&s, spec, &err), 0);
		assert_int_equal(services_add(&s, spec, &err),
				 i + 1 < WEIR_MAX_SERVICES ? -EEXIST : -E2BIG);
	}
	assert_int_equal(services_add(&s, "10.9.9.9:7=echo", &err), -E2BIG);
	services_free(&s);
	assert_int_equal(services_add(&s, "10.0.0.1:7=echo", &err), 0);
	services_free(&s);
}

/* Own settings go before those of all, and who speaks first is not answered by cookies. */
static void the_mode_of_a_service(void **state)
{
	struct service_mode common = {WEIR_MODE_ALWAYS, 1000, 10000}, m;
	struct service v = {.mode = {WEIR_MODE_NEVER, 7, 9}};

	(void)state;
	m = service_mode_of(&v, &common);
	assert_memory_equal(&m, &common, sizeof(m));
	v.speaks_first = true;
	assert_int_equal(service_mode_of(&v, &common).mode, WEIR_MODE_AUTO);
	common.mode = WEIR_MODE_NEVER;
	assert_int_equal(service_mode_of(&v, &common).mode, WEIR_MODE_NEVER);
	v.mode.mode = WEIR_MODE_ALWAYS;
	v.own = SERVICE_OWN_MODE;
	m = service_mode_of(&v, &common);
	assert_int_equal(m.mode, WEIR_MODE_ALWAYS);
	assert_int_equal(m.syn_per_sec, 1000);
	v.own = SERVICE_OWN_RATE | SERVICE_OWN_HOLD;
	m = service_mode_of(&v, &common);
	assert_int_equal(m.mode, WEIR_MODE_NEVER);
	assert_int_equal(m.syn_per_sec, 7);
	assert_int_equal(m.hold_ms, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_services),
		cmocka_unit_test(the_mode_of_a_service),
		cmocka_unit_test(no_more_than_the_gate_has_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
