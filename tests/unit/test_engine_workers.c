/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several workers: frames that come in on another queue than their flow's, and
 * transfers byte for byte under loss, duplication and reordering.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/cookie.h>
#include "engine/handover.h"
#include "engine_fixture.h"

static struct echo_log echo;
static struct rig *r;
static struct peer p; /* on queue 0 until it says otherwise */

static void two(unsigned handover_slots)
{
	struct rig_config cfg;

	memset(&echo, 0, sizeof(echo));
	rig_config_default(&cfg);
	cfg.arg = &echo;
	cfg.queues = 2;
	cfg.engine.workers = 2;
	cfg.engine.handover_slots = handover_slots;
	r = rig_open(&cfg);
	peer_init(&p, r, 4, 4000);
}

static int setup(void **state)
{
	(void)state;
	two(64);
	return 0;
}

static int setup_small(void **state)
{
	(void)state;
	two(4);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(r);
	return 0;
}

/* Sends on the other queue than the flow's; answers still come on the flow's. */
static void send_astray(uint8_t flags, const void *data, size_t len)
{
	p.queue ^= 1;
	peer_send(&p, flags, data, len);
	p.queue ^= 1;
}

static void frames_on_the_wrong_queue(void **state)
{
	struct got g;

	(void)state;
	p.queue = 1;
	peer_open(&p);
	assert_int_equal(r->flows->lookups, 1); /* who owns it? */
	peer_echo(&p, "on its queue");
	send_astray(TCP_ACK, "astray", 6);
	rig_settle(r);
	assert_true(peer_recv(&p, &g));
	assert_int_equal(g.seg.len, 6);
	assert_memory_equal(g.payload, "astray", 6);
	assert_int_equal(rig_count(r, WEIR_C_handover_sent), 1);
	assert_int_equal(rig_count(r, WEIR_C_handover_received), 1);
	assert_int_equal(echo.opens, 1);
	assert_int_equal(rig_conns(r), 1);
}

/* The entry is the other worker's and its first frame comes to us: not ours to open. */
static void opening_segment_on_the_wrong_queue(void **state)
{
	(void)state;
	peer_init(&p, r, 6, 4000);
	p.queue = 1;
	peer_cookie(&p, true);
	p.queue = 0;
	peer_send(&p, TCP_ACK, NULL, 0);
	p.queue = 1;
	rig_settle(r);
	assert_int_equal(rig_conns(r), 1);
	assert_int_equal(rig_count(r, WEIR_C_handover_sent), 1);
	peer_echo(&p, "owner answers");
}

/* A queue that the device got later: served, told of, and beaten for, by whose turn it is. */
static void another_queue(void **state)
{
	struct engine_queue_status q;
	struct engine_worker_status w;

	(void)state;
	peer_open(&p);
	rig_add_queue(r);
	rig_pass(r, SECOND);
	assert_int_equal(r->heartbeat[2], r->heartbeat[0]);
	p.queue = 2; /* the connection's owner is worker 0, as queue 2's is */
	peer_send(&p, TCP_ACK, "x", 1);
	p.queue = 0;
	rig_pass(r, SECOND);
	assert_int_equal(rig_count(r, WEIR_C_handover_sent), 0);
	engine_get_queue(r->e, 2, &q);
	assert_int_equal(q.worker, 0);
	assert_int_equal(q.rx_frames, 1);
	engine_get_worker(r->e, 0, &w);
	assert_int_equal(w.conns, 1);
	rig_add_queue(r); /* worker 1's */
	p.queue = 3;
	peer_send(&p, TCP_ACK, "y", 1);
	p.queue = 0;
	rig_pass(r, SECOND);
	engine_get_worker(r->e, 0, &w);
	assert_int_equal(w.handover_received, 1);
	engine_get_worker(r->e, 1, &w);
	assert_int_equal(w.handover_sent, 1);
	assert_int_equal(w.rx_frames, 1);
	/* And a flow that begins there. */
	peer_init(&p, r, 4, 4001);
	p.queue = 3;
	peer_open(&p);
	peer_echo(&p, "on a queue that is new");
	engine_get_queue(r->e, 3, &q);
	assert_int_equal(q.worker, 1);
	assert_int_equal(rig_conns(r), 2);
}

/* No entry, good cookie, the same segment on both queues at once: one connection. */
static void both_claim_one_wins(void **state)
{
	(void)state;
	peer_cookie(&p, false);
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, NULL, 0);
	p.queue = 1;
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, NULL, 0);
	rig_settle(r);
	assert_int_equal(rig_conns(r), 1);
	assert_int_equal(echo.opens, 1);
	assert_int_equal(rig_count(r, WEIR_C_flow_inserted), 1);
	assert_int_equal(r->flows->n, 1);
}

/* The other worker's insert came between our lookup and ours: it is the owner. */
static void claim_comes_too_late(void **state)
{
	(void)state;
	peer_open(&p);
	r->flows->lookup_misses = 1;
	p.queue = 1;
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, NULL, 0);
	rig_settle(r);
	assert_int_equal(r->flows->inserts, 2); /* the gate's and the refused one */
	assert_int_equal(rig_count(r, WEIR_C_flow_inserted), 0);
	assert_int_equal(rig_count(r, WEIR_C_handover_received), 1);
	assert_int_equal(rig_conns(r), 1);
}

static struct weir_flow *flow_of_peer(void)
{
	for (unsigned i = 0; i < r->flows->cap; i++) {
		if (r->flows->e[i].used && !memcmp(&r->flows->e[i].t, &p.t, sizeof(p.t)))
			return &r->flows->e[i].f;
	}
	return NULL;
}

/* The entry changed hands while its frame was on the ring: no frame goes to and fro. */
static void handed_over_once_only(void **state)
{
	(void)state;
	p.queue = 1;
	peer_cookie(&p, true);
	p.queue = 0;
	peer_send(&p, TCP_ACK, NULL, 0);
	worker_poll(engine_worker(r->e, 0), r->now_us);
	assert_int_equal(rig_count(r, WEIR_C_handover_sent), 1);
	flow_of_peer()->owner = 0;
	rig_settle(r);
	assert_int_equal(rig_count(r, WEIR_C_handover_sent), 1);
	assert_int_equal(rig_count(r, WEIR_C_drop_unknown_flow), 1);
	assert_int_equal(rig_conns(r), 0);
}

/* A live connection's entry is nobody else's to sweep, however old. */
static void the_other_workers_flows_are_not_swept(void **state)
{
	(void)state;
	p.queue = 1;
	peer_open(&p);
	rig_pass(r, 2 * WEIR_COOKIE_LIFE_MS * 1000ULL);
	assert_non_null(flow_of_peer());
	assert_int_equal(rig_count(r, WEIR_C_flow_swept), 0);
	peer_echo(&p, "alive");
}

static void claim_fails(void **state)
{
	(void)state;
	peer_cookie(&p, false);
	r->flows->insert_err = -E2BIG;
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, NULL, 0);
	rig_settle(r);
	assert_int_equal(rig_count(r, WEIR_C_drop_claim_flows_full), 1);
	r->flows->insert_err = -EIO;
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, NULL, 0);
	rig_settle(r);
	assert_int_equal(rig_count(r, WEIR_C_drop_flowmap_error), 1);
	r->flows->insert_err = 0;
	r->flows->lookup_err = -EIO;
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, NULL, 0);
	rig_settle(r);
	assert_int_equal(rig_count(r, WEIR_C_drop_flowmap_error), 2);
	assert_int_equal(rig_conns(r), 0);
}

/* A full ring is a counted drop, and the peer's TCP sends again. */
static void ring_full(void **state)
{
	struct worker *w0 = engine_worker(r->e, 0);

	(void)state;
	p.queue = 1;
	peer_open(&p);
	for (int i = 0; i < 6; i++)
		send_astray(TCP_ACK, "x", 1);
	worker_poll(w0, r->now_us);
	assert_int_equal(rig_count(r, WEIR_C_drop_handover_full), 2);
	assert_int_equal(rig_count(r, WEIR_C_handover_sent), 4);
	rig_settle(r);
	assert_int_equal(rig_count(r, WEIR_C_handover_received), 4);
}

/* Replays on the other queue: the owner's tombstone is asked. */
static void replay_on_the_wrong_queue(void **state)
{
	(void)state;
	p.queue = 1;
	peer_open(&p);
	peer_echo(&p, "request");
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(r);
	assert_int_equal(echo.closes, 1);
	p.queue = 0;
	peer_replay(&p);
	p.queue = 1;
	peer_replay(&p);
	assert_int_equal(echo.opens, 1);
	assert_int_equal(rig_conns(r), 0);
}

static void handover_ring(void **state)
{
	struct handover h;
	uint8_t frame[100];
	uint32_t len = 0;

	(void)state;
	assert_int_equal(handover_init(&h, 0, 100), -EINVAL);
	assert_int_equal(handover_init(&h, 3, 100), 0); /* four slots */
	assert_null(handover_peek(&h, &len));
	for (unsigned round = 0; round < 100; round++) {
		for (uint8_t i = 0; i < 4; i++) {
			memset(frame, i, sizeof(frame));
			assert_true(handover_push(&h, frame, 50 + i));
		}
		assert_false(handover_push(&h, frame, 1));
		for (uint8_t i = 0; i < 4; i++) {
			const uint8_t *at = handover_peek(&h, &len);

			assert_int_equal(len, 50 + i);
			assert_int_equal(at[49 + i], i);
			handover_pop(&h);
		}
	}
	assert_false(handover_push(&h, frame, h.slot_size));
	handover_fini(&h);
}

/* ---- transfers ---------------------------------------------------------------------- */

static void transfer(unsigned queues, const struct impair_config *impair, unsigned hop,
		     uint64_t bytes)
{
	enum { N = 6 };
	struct rig_config cfg;
	struct bulk b[N];

	rig_config_default(&cfg);
	cfg.queues = cfg.engine.workers = queues;
	cfg.impair = impair;
	r = rig_open(&cfg);
	for (unsigned i = 0; i < N; i++) {
		bulk_init(&b[i], r, (uint16_t)(4000 + i), bytes);
		b[i].hop = hop;
	}
	assert_true(bulk_run(r, b, N, 3600000000ULL));
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(b[i].received, bytes);
		assert_false(b[i].wrong);
		bulk_fini(&b[i]);
	}
	if (hop && queues > 1)
		assert_true(rig_count(r, WEIR_C_handover_received) > 0);
	rig_pass(r, 1000000);
	assert_int_equal(rig_conns(r), 0);
	assert_int_equal(rig_status(r).buffer_bytes_used, 0);
	rig_close(r);
}

static void transfer_clean(void **state)
{
	(void)state;
	transfer(1, NULL, 0, 2000000);
}

static void transfer_lossy(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		const struct impair_config im = {
			.seed = seed * 77,
			.loss_ppm = 50000,
			.dup_ppm = 20000,
			.reorder_ppm = 50000,
			.reorder_max = 4,
		};

		transfer(1, &im, 0, 100000);
	}
}

/* Two queues, every fifth frame lost, flows that change queue all the time. */
static void transfer_two_queues_20_percent(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		const struct impair_config im = {.seed = seed * 1009, .loss_ppm = 200000};

		transfer(2, &im, 7, 50000);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frames_on_the_wrong_queue),
		T(opening_segment_on_the_wrong_queue),
		T(both_claim_one_wins),
		T(claim_comes_too_late),
		T(handed_over_once_only),
		T(the_other_workers_flows_are_not_swept),
		T(claim_fails),
		cmocka_unit_test_setup_teardown(ring_full, setup_small, teardown),
		T(replay_on_the_wrong_queue),
		T(another_queue),
		cmocka_unit_test(handover_ring),
		cmocka_unit_test(transfer_clean),
		cmocka_unit_test(transfer_lossy),
		cmocka_unit_test(transfer_two_queues_20_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
