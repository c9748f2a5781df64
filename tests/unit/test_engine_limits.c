/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounds: pools that are full, flows that nobody claims, what a connection costs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "engine_fixture.h"

static struct echo_log echo;

static struct rig *small(unsigned conns, unsigned timewaits, unsigned tombstones)
{
	struct rig_config cfg;

	memset(&echo, 0, sizeof(echo));
	rig_config_default(&cfg);
	cfg.arg = &echo;
	cfg.engine.conns = conns;
	cfg.engine.timewaits = timewaits;
	cfg.engine.tombstones = tombstones;
	return rig_open(&cfg);
}

static bool entered(struct rig *r, const struct peer *p)
{
	struct weir_flow f;

	return r->flows->m.ops->lookup(&r->flows->m, &p->t, &f) == 0;
}

static void connections_full(void **state)
{
	struct rig *r = small(2, 16, 16);
	struct peer p[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		peer_init(&p[i], r, 4, (uint16_t)(4000 + i));
	peer_open(&p[0]);
	peer_open(&p[1]);
	peer_cookie(&p[2], true);
	peer_send(&p[2], TCP_ACK, NULL, 0);
	rig_settle(r);
	assert_int_equal(rig_conns(r), 2);
	assert_int_equal(rig_count(r, WEIR_C_drop_conns_full), 1);
	/* There is room again, and the client's first data still opens it. */
	peer_send(&p[0], TCP_RST, NULL, 0);
	rig_settle(r);
	peer_echo(&p[2], "patience");
	rig_close(r);
}

static void oldest_tombstone_goes_first(void **state)
{
	struct rig *r = small(16, 16, 4);
	struct peer p[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		peer_init(&p[i], r, 4, (uint16_t)(4000 + i));
		peer_open(&p[i]);
		peer_send(&p[i], TCP_RST, NULL, 0);
		rig_settle(r);
	}
	assert_int_equal(rig_status(r).tombstones, 4);
	assert_int_equal(rig_count(r, WEIR_C_tombstone_evicted), 2);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(entered(r, &p[i]), i >= 2);
	rig_pass(r, 40000000);
	assert_int_equal(rig_status(r).tombstones, 0);
	assert_int_equal(r->flows->n, 0);
	rig_close(r);
}

static void oldest_time_wait_goes_first(void **state)
{
	struct rig *r = small(16, 2, 16);
	struct peer p[3];

	(void)state;
	echo.close_on_data = true;
	for (unsigned i = 0; i < 3; i++) {
		peer_init(&p[i], r, 4, (uint16_t)(4000 + i));
		peer_open(&p[i]);
		peer_send(&p[i], TCP_ACK, "x", 1);
		rig_settle(r);
		peer_take(&p[i]);
		peer_send(&p[i], TCP_ACK | TCP_FIN, NULL, 0);
		rig_settle(r);
		rig_silent(r);
	}
	assert_int_equal(rig_state(r, WEIR_TIME_WAIT), 2);
	assert_int_equal(rig_count(r, WEIR_C_timewait_evicted), 1);
	assert_int_equal(rig_status(r).tombstones, 1);
	peer_replay(&p[0]); /* what it left still knows its cookie */
	assert_int_equal(echo.opens, 3);
	rig_close(r);
}

/* More flows end than fit while the map refuses deletes: bounded, counted, swept later. */
static void deletes_fail_for_long(void **state)
{
	enum { N = 300 };
	struct rig *r = small(16, 16, 4);
	struct peer p;

	(void)state;
	r->flows->remove_err = -EIO;
	for (unsigned i = 0; i < N; i++) {
		peer_init(&p, r, 4, (uint16_t)(4000 + i));
		peer_open(&p);
		peer_send(&p, TCP_RST, NULL, 0);
		rig_settle(r);
	}
	assert_int_equal(rig_conns(r), 0);
	assert_int_equal(rig_status(r).tombstones, 4);
	assert_true(rig_count(r, WEIR_C_flow_forgotten) > 0);
	assert_int_equal(r->flows->n, N);
	r->flows->remove_err = 0;
	rig_pass(r, 60000000);
	assert_int_equal(r->flows->n, 0);
	assert_int_equal(rig_status(r).closing, 0);
	rig_close(r);
}

static void unclaimed_flows_are_swept(void **state)
{
	struct rig *r = small(16, 16, 16);
	struct peer p, live;

	(void)state;
	peer_init(&live, r, 4, 3999);
	peer_open(&live);
	for (unsigned i = 0; i < 500; i++) {
		peer_init(&p, r, 4, (uint16_t)(4000 + i));
		peer_cookie(&p, true);
	}
	rig_pass(r, WEIR_COOKIE_LIFE_MS * 1000ULL);
	assert_int_equal(r->flows->n, 501);
	rig_pass(r, 10000000);
	assert_int_equal(r->flows->n, 1);
	assert_int_equal(rig_count(r, WEIR_C_flow_swept), 500);
	assert_true(entered(r, &live));
	peer_echo(&live, "still here");
	rig_close(r);
}

/* Fewer buffers than connections that want to send: all get their turn in the end. */
static void buffers_used_up(void **state)
{
	enum { N = 12 };
	struct source_log log = {.bytes = 50000};
	struct rig_config cfg;
	struct bulk b[N];
	struct rig *r;

	(void)state;
	rig_config_default(&cfg);
	cfg.engine.buffer_bytes = 8 * TCP_BLOCK_SIZE;
	cfg.app = &source_test_app;
	cfg.arg = &log;
	r = rig_open(&cfg);
	for (unsigned i = 0; i < N; i++)
		bulk_init(&b[i], r, (uint16_t)(4000 + i), 0);
	assert_true(bulk_run(r, b, N, 600000000));
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(b[i].received, log.bytes);
		assert_false(b[i].wrong);
		bulk_fini(&b[i]);
	}
	assert_true(rig_count(r, WEIR_C_send_no_block) > 0);
	assert_int_equal(rig_status(r).buffer_bytes_total, 8 * TCP_BLOCK_SIZE);
	rig_close(r);
}

/* Few frames to send in: nothing is lost, it takes longer. */
static void back_pressure_of_the_device(void **state)
{
	struct rig_config cfg;
	struct bulk b[8];
	struct rig *r;

	(void)state;
	rig_config_default(&cfg);
	cfg.frames = 4;
	r = rig_open(&cfg);
	for (unsigned i = 0; i < 8; i++)
		bulk_init(&b[i], r, (uint16_t)(4000 + i), 60000);
	assert_true(bulk_run(r, b, 8, 600000000));
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(b[i].received, 60000);
		assert_false(b[i].wrong);
		bulk_fini(&b[i]);
	}
	assert_true(rig_count(r, WEIR_C_tx_stalled) > 0);
	rig_close(r);
}

#if defined(__SANITIZE_ADDRESS__)
#define IS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_ASAN 1
#endif
#endif
#ifndef IS_ASAN
#define IS_ASAN 0
#endif

static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t total, rss = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu %zu", &total, &rss), 2);
	fclose(f);
	return rss * 4096;
}

static void hundred_thousand_connections(void **state)
{
	enum { N = 100000 };
	struct rig_config cfg;
	struct engine_status s;
	struct rig *r;
	struct peer p;
	size_t before, after;

	(void)state;
	rig_config_default(&cfg);
	engine_config_default(&cfg.engine);
	cfg.flows = N;
	r = rig_open(&cfg);
	before = resident();
	for (unsigned i = 0; i < N; i++) {
		peer_init(&p, r, 4, (uint16_t)(1 + i % 50000));
		p.t.raddr[3] = weir_htonl(0x0a000001 + (i / 50000 << 8));
		peer_cookie(&p, false);
		peer_send(&p, TCP_ACK, NULL, 0);
		if (i % 100 == 99)
			rig_poll(r);
	}
	rig_settle(r);
	after = resident();
	s = rig_status(r);
	assert_int_equal(s.states[WEIR_ESTABLISHED], N);
	assert_int_equal(s.buffer_bytes_used, 0); /* idle connections hold no block */
	assert_in_range(s.per_connection_bytes, 256, 1024);
	/* Idle ones cost what status says, and some of the rig's; with ASan the shadow, too. */
	if (!IS_ASAN)
		assert_in_range((after - before) / N, 256, s.per_connection_bytes + 64);
	rig_pass(r, 2000000);
	peer_echo(&p, "the last of many");
	rig_close(r);
}

static void bad_configurations(void **state)
{
	struct engine_config cfg;
	struct weir_gate_config gate = {0};
	struct pktio *ends[2];
	struct engine *e;
	struct engine_env env = {.nqueues = 1, .gate = &gate};
	struct weir_addr a = {.family = 4, .port = 80, .addr = {10, 0, 0, 2}};

	(void)state;
	assert_int_equal(pktio_mem_pair(ends, 8, 1500), 0);
	env.queues = ends;
	engine_config_default(&cfg);
	assert_int_equal(engine_create(&e, &cfg, &env), -EINVAL); /* no flows map */
	env.flows = &flowmap_mem_new(8)->m;
	cfg.workers = 2;
	assert_int_equal(engine_create(&e, &cfg, &env), -EINVAL); /* more than queues */
	cfg.workers = 1;
	assert_int_equal(engine_create(&e, &cfg, &env), 0);
	assert_int_equal(engine_listen(e, &a, &echo_test_app, NULL), 0);
	assert_int_equal(engine_listen(e, &a, &echo_test_app, NULL), -EADDRINUSE);
	a.port = 0;
	assert_int_equal(engine_listen(e, &a, &echo_test_app, NULL), -EINVAL);
	a.port = 80;
	a.family = 0; /* any, beside the exact one */
	assert_int_equal(engine_listen(e, &a, &echo_test_app, NULL), 0);
	engine_destroy(e);
	flowmap_mem_free((struct flowmap_mem *)env.flows);
	ends[0]->ops->close(ends[0]);
	ends[1]->ops->close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_full),
		cmocka_unit_test(oldest_tombstone_goes_first),
		cmocka_unit_test(oldest_time_wait_goes_first),
		cmocka_unit_test(deletes_fail_for_long),
		cmocka_unit_test(unclaimed_flows_are_swept),
		cmocka_unit_test(buffers_used_up),
		cmocka_unit_test(back_pressure_of_the_device),
		cmocka_unit_test(hundred_thousand_connections),
		cmocka_unit_test(bad_configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
