/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate's tables of what is ours, changed live by the host. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>

#include "control/gate.h"

static const struct service_mode always = {WEIR_MODE_ALWAYS, 1000, 10000};
static const struct service_mode automatic = {WEIR_MODE_AUTO, 7, 70};
static struct gate *gate;

static void quiet(int level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static int setup(void **state)
{
	struct weir_err err;

	(void)state;
	if (gate_open(&gate, 16, quiet, &err)) {
		fprintf(stderr, "SKIP: %s\n", err.msg);
		exit(77);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gate_close(gate);
	return 0;
}

static struct weir_addr addr(const char *text)
{
	struct weir_addr a;

	assert_int_equal(services_parse_addr(&a, text, NULL), 0);
	return a;
}

static int add(const char *text, const struct service_mode *m)
{
	struct weir_addr a = addr(text);

	return gate_listen(gate, &a, m);
}

/* The id under which the gate finds this address, -1 for none. */
static int64_t entry(const char *host, unsigned port)
{
	struct weir_service_key k = {.port = htons((uint16_t)port)};
	uint32_t id;

	assert_int_equal(inet_pton(AF_INET6, host, k.addr), 1);
	return bpf_map_lookup_elem(gate->services_fd, &k, &id) ? -1 : (int64_t)id;
}

static void expect_only_ports(const uint16_t (*want)[2], size_t n)
{
	unsigned port;
	size_t i;

	for (port = 0; port < 65536; port++) {
		uint16_t v = 0;

		for (i = 0; i < n; i++)
			v = want[i][0] == port ? want[i][1] : v;
		if (gate->ports[port] != v)
			fail_msg("port %u is %#x, not %#x", port, gate->ports[port], v);
	}
}

static void the_tables_say_what_is_listened_on(void **state)
{
	static const uint16_t ports[][2] = {
		{7, WEIR_PORT_ADDRESSED | 2}, {9, WEIR_PORT_ADDRESSED}, {80, 4}};
	static const char *const specs[] = {"10.0.0.2:7=echo", "*:7=discard", "[fd00::2]:9=echo",
					    "*:80=echo"};
	static struct services s;
	struct weir_err err;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(services_add(&s, specs[i], &err), 0);
	assert_int_equal(gate_services(gate, &s, &automatic, &err), 0);
	expect_only_ports(ports, 3);
	for (i = 0; i < WEIR_MAX_SERVICES; i++)
		assert_int_equal(gate->services[i].in_use, i < 4);
	for (i = 0; i < 4; i++) {
		assert_int_equal(gate->services[i].mode, WEIR_MODE_AUTO);
		assert_int_equal(gate->services[i].syn_per_sec, 7);
		assert_int_equal(gate->services[i].hold_ms, 70);
		assert_ptr_equal(gate_service_at(gate, &s.v[i].addr), &gate->services[i]);
	}
	/* Per addressed service its own key, and one for TCP without readable ports. */
	assert_int_equal(entry("::ffff:10.0.0.2", 7), 0);
	assert_int_equal(entry("::ffff:10.0.0.2", 0), 0);
	assert_int_equal(entry("fd00::2", 9), 2);
	assert_int_equal(entry("fd00::2", 0), 2);
	services_free(&s);
}

static void a_service_is_there_once(void **state)
{
	struct weir_addr other = addr("10.0.0.2:8");

	(void)state;
	assert_int_equal(add("10.0.0.2:7", &always), 0);
	assert_int_equal(add("*:7", &always), 1);
	assert_int_equal(add("10.0.0.2:7", &always), -EEXIST);
	assert_int_equal(add("*:7", &always), -EEXIST);
	assert_null(gate_service_at(gate, &other));
}

static void a_service_goes_and_its_flows_stay_ours(void **state)
{
	static const uint16_t left[][2] = {{7, WEIR_PORT_ACTIVE | WEIR_PORT_ADDRESSED},
					   {80, WEIR_PORT_ACTIVE}};
	static const uint16_t none[][2] = {{7, WEIR_PORT_ACTIVE}, {80, WEIR_PORT_ACTIVE}};

	(void)state;
	assert_int_equal(add("10.0.0.2:7", &always), 0);
	assert_int_equal(add("10.0.0.3:7", &always), 1);
	assert_int_equal(add("*:80", &always), 2);
	gate_unlisten(gate, 2);
	gate_unlisten(gate, 0);
	assert_int_equal(entry("::ffff:10.0.0.2", 7), -1);
	assert_int_equal(entry("::ffff:10.0.0.2", 0), -1);
	assert_int_equal(entry("::ffff:10.0.0.3", 7), 1);
	expect_only_ports(left, 2);
	gate_unlisten(gate, 1);
	expect_only_ports(none, 2);
	gate_unlisten(gate, 1); /* not there any more: nothing */
	gate_unlisten(gate, 99999);

	/* Its id and its port are free for others. */
	assert_int_equal(add("*:80", &automatic), 0);
	assert_int_equal(gate->ports[80], WEIR_PORT_ACTIVE | 1);
}

static void an_address_stays_with_its_last_service(void **state)
{
	(void)state;
	assert_int_equal(add("[fd00::2]:7", &always), 0);
	assert_int_equal(add("[fd00::2]:8", &always), 1);
	gate_unlisten(gate, 1);
	assert_int_equal(entry("fd00::2", 0), 0);
	gate_unlisten(gate, 0);
	assert_int_equal(entry("fd00::2", 0), -1);
}

static void no_more_than_fit(void **state)
{
	struct weir_addr a = addr("*:1");
	int i;

	(void)state;
	for (i = 0; i < WEIR_MAX_SERVICES; i++, a.port++)
		assert_int_equal(gate_listen(gate, &a, &always), i);
	assert_int_equal(gate_listen(gate, &a, &always), -ENOSPC);
	gate_unlisten(gate, 500);
	assert_int_equal(gate_listen(gate, &a, &always), 500);
}

static void modes_change_live(void **state)
{
	struct weir_service *s = gate->services;

	(void)state;
	assert_int_equal(gate_service_mode(gate, 0, WEIR_MODE_NEVER), -EINVAL);
	assert_int_equal(add("*:80", &automatic), 0);
	s->cookies_ms = 77;
	assert_int_equal(gate_service_mode(gate, 0, WEIR_MODE_AUTO), 0);
	assert_int_equal(s->cookies_ms, 77); /* nothing has changed */
	assert_int_equal(gate_service_mode(gate, 0, WEIR_MODE_NEVER), 0);
	assert_int_equal(s->mode, WEIR_MODE_NEVER);
	assert_int_equal(gate_service_mode(gate, 0, WEIR_MODE_AUTO), 0);
	assert_int_equal(s->cookies_ms, 0); /* begins with the workers */
	assert_int_equal(gate_service_mode(gate, 0, (enum weir_mode)3), -EINVAL);
	assert_int_equal(gate_service_mode(gate, 1, WEIR_MODE_AUTO), -EINVAL);
	assert_int_equal(gate_service_mode(gate, WEIR_MAX_SERVICES, WEIR_MODE_AUTO), -EINVAL);
}

static void active_ports_are_counted(void **state)
{
	(void)state;
	gate_port_active(gate, 40000, false); /* not on: nothing */
	assert_int_equal(gate->ports[40000], 0);
	gate_port_active(gate, 40000, true);
	gate_port_active(gate, 40000, true);
	gate_port_active(gate, 40000, false);
	assert_int_equal(gate->ports[40000], WEIR_PORT_ACTIVE);
	gate_port_active(gate, 40000, false);
	assert_int_equal(gate->ports[40000], 0);

	/* Beside a service, and after one. */
	assert_int_equal(add("*:80", &always), 0);
	gate_port_active(gate, 80, true);
	assert_int_equal(gate->ports[80], WEIR_PORT_ACTIVE | 1);
	gate_port_active(gate, 80, false);
	assert_int_equal(gate->ports[80], 1);
	gate_port_active(gate, 80, true);
	gate_unlisten(gate, 0);
	gate_port_active(gate, 80, false);
	gate_port_active(gate, 80, false);
	assert_int_equal(gate->ports[80], WEIR_PORT_ACTIVE);
}

static void *busy(void *arg)
{
	unsigned i, port = 40000 + (unsigned)(uintptr_t)arg % 2;
	struct weir_addr a = {.family = 0, .port = (uint16_t)(100 + (uintptr_t)arg)};

	for (i = 0; i < 2000; i++) {
		int id = gate_listen(gate, &a, &always);

		gate_port_active(gate, (uint16_t)port, true);
		if (id >= 0)
			gate_unlisten(gate, (unsigned)id);
		gate_port_active(gate, (uint16_t)port, false);
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
	static const uint16_t left[][2] = {{100, WEIR_PORT_ACTIVE},
					   {101, WEIR_PORT_ACTIVE},
					   {102, WEIR_PORT_ACTIVE},
					   {103, WEIR_PORT_ACTIVE}};
	pthread_t t[4];
	uintptr_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, busy, (void *)i), 0);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	expect_only_ports(left, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_tables_say_what_is_listened_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_service_is_there_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_service_goes_and_its_flows_stay_ours, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_address_stays_with_its_last_service, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_more_than_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(modes_change_live, setup, teardown),
		cmocka_unit_test_setup_teardown(active_ports_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_do_not_disturb_each_other, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
