/* SPDX-License-Identifier: BSD-2-Clause */
/* Keep-alive, user timeout, and when there is room to write. */
#include "tcp_fixture.h"

static void keepalive(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.keepalive_us = 100 * FX_SEC;
	f = fx_established(&opt);
	fx_send(f, 1);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 1);
	IN(f, .len = 0);
	fx_run(f, 60 * FX_SEC);
	IN(f, .len = 0);
	fx_run(f, 100 * FX_SEC - 1);
	NOTHING(f);
	fx_run(f, 1);
	EXPECT(f, .seq = 1, .ack = 1); /* SND.NXT - 1 */
	IN(f, .len = 0);	       /* alive */
	fx_run(f, 100 * FX_SEC);
	assert_int_equal(fx_waiting(f), 1);
	fx_skip(f);
	fx_run(f, f->cfg.keepalive_probes * f->cfg.keepalive_interval_us - 1);
	STATE(f, ESTABLISHED);
	assert_int_equal(fx_waiting(f), f->cfg.keepalive_probes - 1);
	fx_skip(f);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_KEEPALIVE);
	COUNTED(f, abort_keepalive, 1);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 2, .ack = 1);
	fx_free(f);
}

static void peers_keepalive_is_answered(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .seq = -1);
	EXPECT(f, .seq = 1, .ack = 1);
	IN(f, .seq = -1, .len = 1); /* the old kind, with an octet */
	EXPECT(f, .seq = 1, .ack = 1);
	fx_free(f);
}

static void user_timeout(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_run(f, 500 * FX_SEC);
	STATE(f, ESTABLISHED);
	fx_send(f, 100);
	fx_run(f, f->cfg.user_timeout_us - 1);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 101, .ack = 1);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

static void writable_when_acked(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.sndbuf = 3000;
	f = fx_established(&opt);
	fx_send(f, 5000);
	assert_int_equal(f->sent, 3000);
	assert_int_equal(tcp_send_space(f->c), 0);
	assert_int_equal(tcp_send_queued(f->c), 3000);
	assert_int_equal(fx_events(f), 0);
	fx_skip(f);
	IN(f, .ack = -2000);
	assert_int_equal(fx_events(f), TCP_EV_WRITABLE);
	assert_int_equal(tcp_send_space(f->c), 1000);
	assert_int_equal(tcp_send_queued(f->c), 2000);
	/* The FIN is no byte of it. */
	tcp_shutdown(f->c);
	fx_drain(f);
	fx_skip(f);
	assert_int_equal(tcp_send_queued(f->c), 2000);
	IN(f, .len = 0);
	assert_int_equal(tcp_send_queued(f->c), 0);
	assert_int_equal(fx_events(f), TCP_EV_SENT);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keepalive),
		cmocka_unit_test(peers_keepalive_is_answered),
		cmocka_unit_test(user_timeout),
		cmocka_unit_test(writable_when_acked),
	};

	return cmocka_run_group_tests_name("tcp_keepalive", tests, NULL, NULL);
}
