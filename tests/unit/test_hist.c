/* SPDX-License-Identifier: BSD-2-Clause */
/* Histograms of times: the buckets, and what is put into them. */
#include "engine_fixture.h"
#include "tcp_fixture.h"

static uint64_t count(const struct tcp_hist *h)
{
	uint64_t n = 0;

	for (unsigned b = 0; b < TCP_HIST_BUCKETS; b++)
		n += h->n[b];
	return n;
}

static void buckets_meet_without_a_gap(void **state)
{
	(void)state;
	assert_int_equal(tcp_hist_bound(0), 16);
	assert_int_equal(tcp_hist_bound(1), 24);
	assert_int_equal(tcp_hist_bound(2), 32);
	assert_int_equal(tcp_hist_bound(TCP_HIST_BOUNDS - 1), 1u << TCP_HIST_HIGH);
	assert_int_equal(tcp_hist_bucket(0), 0);
	for (unsigned b = 0; b < TCP_HIST_BOUNDS; b++) {
		uint64_t bound = tcp_hist_bound(b);

		assert_int_equal(tcp_hist_bucket(bound), b);
		assert_int_equal(tcp_hist_bucket(bound + 1), b + 1);
		if (b)
			assert_true(bound > tcp_hist_bound(b - 1));
	}
	assert_int_equal(tcp_hist_bucket(UINT64_MAX), TCP_HIST_BUCKETS - 1);
}

static void sums_and_counts(void **state)
{
	struct tcp_hist h = {0};

	(void)state;
	tcp_hist_add(&h, 17);
	tcp_hist_add(&h, 24);
	tcp_hist_add(&h, 3600000000ull);
	assert_int_equal(h.sum_us, 3600000041ull);
	assert_int_equal(h.n[1], 2);
	assert_int_equal(h.n[TCP_HIST_BUCKETS - 1], 1);
	assert_int_equal(count(&h), 3);
}

static void round_trips_of_segments_sent_once(void **state)
{
	struct fx *f = fx_established(&fx_opt_default);
	struct tcp_hist rtt = {0};

	(void)state;
	f->env.rtt = &rtt;
	fx_send(f, 100);
	fx_skip(f);
	fx_run(f, 5 * FX_MS);
	IN(f, .len = 0);
	assert_int_equal(count(&rtt), 1);
	assert_int_equal(rtt.n[tcp_hist_bucket(5 * FX_MS)], 1);
	/* Sent twice: whose ACK it is cannot be told (Karn). */
	fx_send(f, 100);
	fx_run(f, 2 * FX_SEC);
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(tcp_send_queued(f->c), 0);
	assert_int_equal(count(&rtt), 1);
	fx_free(f);
}

/* From the SYN on, whatever it took: here the first SYN-ACK was lost. */
static void handshakes_of_syn_rcvd(void **state)
{
	struct fx *f = fx_listen(&fx_opt_default);
	struct tcp_hist times = {0};

	(void)state;
	f->env.handshake = &times;
	IN(f, .flags = TCP_SYN);
	fx_run(f, 1200 * FX_MS);
	fx_skip(f);
	IN(f, .len = 0);
	STATE(f, ESTABLISHED);
	assert_int_equal(count(&times), 1);
	assert_int_equal(times.n[tcp_hist_bucket(1200 * FX_MS)], 1);
	fx_free(f);
}

static void a_cookies_time_is_that_of_its_echo(void **state)
{
	static struct end end;
	struct rig_config cfg;
	struct engine_times t;
	struct rig *r;
	struct peer p;

	(void)state;
	rig_config_default(&cfg);
	cfg.app = &end_app;
	cfg.arg = &end;
	r = rig_open(&cfg);
	for (int ts = 0; ts < 2; ts++) {
		peer_init(&p, r, ts ? 6 : 4, (uint16_t)(4000 + ts));
		p.ts = ts;
		peer_cookie(&p, true);
		rig_pass(r, 300 * FX_MS);
		peer_send(&p, TCP_ACK, NULL, 0);
		rig_settle(r);
	}
	assert_int_equal(rig_state(r, WEIR_ESTABLISHED), 2);
	engine_get_times(r->e, &t);
	assert_int_equal(count(&t.cookie), 1);
	assert_in_range(t.cookie.sum_us, 300 * FX_MS, 365 * FX_MS);
	assert_int_equal(count(&t.handshake), 0);
	for (int i = 1; i <= ENGINE_COOKIES_TIMED; i++) {
		peer_init(&p, r, 4, (uint16_t)(5000 + i));
		p.ts = true;
		peer_open(&p);
	}
	engine_get_times(r->e, &t);
	assert_int_equal(count(&t.cookie), 2);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_meet_without_a_gap),
		cmocka_unit_test(sums_and_counts),
		cmocka_unit_test(round_trips_of_segments_sent_once),
		cmocka_unit_test(handshakes_of_syn_rcvd),
		cmocka_unit_test(a_cookies_time_is_that_of_its_echo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
