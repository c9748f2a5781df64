/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TIME_WAIT, in the connection and moved out of it: every case is run both ways
 * and must give the same answer.
 */
#include "tcp_fixture.h"

static const struct fx_opt with_ts = {
	.ts = true,
	.mss = FX_MSS,
	.rcvbuf = 65535,
	.sndbuf = 65536,
	.blocks = 64,
};

/* In these, our FIN was octet 1 and the peer's too. */
#define NXT 2u

struct answer {
	enum tcp_tw_verdict verdict;
	uint64_t expires_us;
};

/* Feeds `seg` to the connection and to its small form; both must agree. */
static struct answer feed(struct fx *f, const struct tcp_seg *seg)
{
	struct tcp_timewait tw;
	struct tcp_seg reply;
	struct answer a;
	uint8_t out[128];
	uint32_t iss = 0;
	size_t len;

	tcp_timewait_from(f->c, &tw);
	a.verdict = tcp_timewait_input(&tw, &f->env, seg, f->now, out, &len, &iss);
	a.expires_us = tw.expires_us;
	tcp_input(f->c, seg, f->now);
	fx_drain(f);
	if (a.verdict == TCP_TW_REOPEN) {
		assert_int_equal(len, 0);
		assert_int_equal(iss, FX_ISS + NXT);
		COUNTED(f, timewait_reopened, 1);
	}
	STATE(f, TIME_WAIT);
	assert_int_equal(f->c->t_life, tw.expires_us);
	assert_int_equal(fx_waiting(f), a.verdict == TCP_TW_REPLY);
	if (a.verdict == TCP_TW_REPLY) {
		const struct fx_out *o = fx_pop(f);

		assert_int_equal(len, o->len);
		assert_memory_equal(out, o->bytes, len);
		assert_true(tcp_csum_ok(f->open.pseudo, out, len));
		assert_int_equal(tcp_seg_parse(&reply, out, len), 0);
		assert_int_equal(reply.flags, TCP_ACK);
		assert_int_equal(reply.seq, FX_ISS + NXT);
		assert_int_equal(reply.ack, FX_IRS + NXT);
		assert_int_equal(reply.has_ts, f->opt.ts);
	}
	return a;
}

static struct tcp_seg segment(const struct fx *f, uint8_t flags, uint32_t seq, int32_t ts)
{
	return (struct tcp_seg){
		.sport = 40000,
		.dport = 80,
		.seq = FX_IRS + seq,
		.ack = FX_ISS + NXT,
		.flags = flags,
		.wnd = 1000,
		.wscale = WEIR_WSCALE_NONE,
		.has_ts = f->opt.ts,
		.tsval = FX_TS_PEER + (uint32_t)ts,
		.tsecr = FX_TS_OURS,
		.payload = (const uint8_t *)"abcdefgh",
	};
}

static enum tcp_tw_verdict verdict(const struct fx_opt *opt, uint8_t flags, uint32_t seq,
				   int32_t ts, uint32_t len)
{
	struct fx *f = fx_time_wait(opt);
	struct tcp_seg s = segment(f, flags, seq, ts);
	enum tcp_tw_verdict v;

	s.len = len;
	v = feed(f, &s).verdict;
	fx_free(f);
	return v;
}

static void fin_again_is_acked_and_restarts(void **state)
{
	struct fx *f = fx_time_wait(NULL);
	struct tcp_seg s = segment(f, TCP_FIN | TCP_ACK, NXT - 1, 0);
	struct answer a;

	(void)state;
	fx_run(f, 20 * FX_SEC);
	a = feed(f, &s);
	assert_int_equal(a.verdict, TCP_TW_REPLY);
	assert_int_equal(a.expires_us, f->now + 2 * f->cfg.msl_us);
	fx_run(f, 2 * f->cfg.msl_us - 1);
	STATE(f, TIME_WAIT);
	fx_run(f, 1);
	STATE(f, CLOSED);
	fx_free(f);
}

static void a_newer_fin_is_echoed(void **state)
{
	(void)state;
	assert_int_equal(verdict(&with_ts, TCP_FIN | TCP_ACK, NXT - 1, 5, 0), TCP_TW_REPLY);
}

static void an_old_fin_does_not_restart(void **state)
{
	struct fx *f = fx_time_wait(&with_ts);
	struct tcp_seg s = segment(f, TCP_FIN | TCP_ACK, NXT - 1, -5);
	uint64_t expires = f->c->t_life;
	struct answer a;

	(void)state;
	fx_run(f, 20 * FX_SEC);
	a = feed(f, &s);
	assert_int_equal(a.verdict, TCP_TW_REPLY);
	assert_int_equal(a.expires_us, expires);
	fx_free(f);
}

/* RFC 1337 */
static void rst_does_not_end_it(void **state)
{
	(void)state;
	assert_int_equal(verdict(NULL, TCP_RST, NXT, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(NULL, TCP_RST | TCP_ACK, NXT, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(&with_ts, TCP_RST, NXT, 5, 0), TCP_TW_DROP);
}

static void other_segments(void **state)
{
	(void)state;
	assert_int_equal(verdict(NULL, TCP_ACK, NXT, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(NULL, TCP_ACK, NXT + 9, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(NULL, TCP_ACK, NXT - 1, 0, 0), TCP_TW_REPLY); /* keep-alive */
	assert_int_equal(verdict(NULL, TCP_ACK, NXT - 1, 0, 8), TCP_TW_REPLY);
	assert_int_equal(verdict(NULL, TCP_ACK, NXT, 0, 8), TCP_TW_REPLY);
	assert_int_equal(verdict(NULL, TCP_SYN | TCP_ACK, NXT + 100, 0, 0), TCP_TW_REPLY);
}

/* RFC 6191 2, RFC 9293 3.6.1 */
static void a_newer_syn_reopens(void **state)
{
	(void)state;
	/* without timestamps: by the number */
	assert_int_equal(verdict(NULL, TCP_SYN, NXT + 1, 0, 0), TCP_TW_REOPEN);
	assert_int_equal(verdict(NULL, TCP_SYN, NXT, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(NULL, TCP_SYN, NXT - 1, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(NULL, TCP_SYN, NXT + 0x80000001u, 0, 0), TCP_TW_DROP);
	/* with: by the timestamp, whatever the number */
	assert_int_equal(verdict(&with_ts, TCP_SYN, NXT - 1000, 1, 0), TCP_TW_REOPEN);
	assert_int_equal(verdict(&with_ts, TCP_SYN, NXT + 1000, -1, 0), TCP_TW_DROP);
	assert_int_equal(verdict(&with_ts, TCP_SYN, NXT + 1000, 0, 0), TCP_TW_REOPEN);
	assert_int_equal(verdict(&with_ts, TCP_SYN, NXT - 1000, 0, 0), TCP_TW_DROP);
}

static void timestamps_on_one_side_only(void **state)
{
	struct fx *f = fx_time_wait(NULL);
	struct tcp_seg s = segment(f, TCP_SYN, NXT - 1000, 0);

	(void)state;
	s.has_ts = true; /* new, where the old had none */
	assert_int_equal(feed(f, &s).verdict, TCP_TW_REOPEN);
	fx_free(f);
	f = fx_time_wait(&with_ts);
	s = segment(f, TCP_SYN, NXT - 1000, 0);
	s.has_ts = false;
	assert_int_equal(feed(f, &s).verdict, TCP_TW_DROP);
	s.seq = FX_IRS + NXT + 1;
	assert_int_equal(feed(f, &s).verdict, TCP_TW_REOPEN);
	fx_free(f);
}

static void reopened_is_a_whole_connection(void **state)
{
	struct fx *f = fx_time_wait(&with_ts);
	struct tcp_seg s = segment(f, TCP_SYN, NXT + 5000, 10);

	(void)state;
	s.mss = 700;
	assert_int_equal(feed(f, &s).verdict, TCP_TW_REOPEN);
	tcp_release(f->c);
	tcp_open_passive(f->c, &f->open, &s, FX_ISS + NXT + 70000, FX_TS_OURS + 9000, f->now);
	fx_drain(f);
	assert_int_equal(fx_waiting(f), 1);
	assert_int_equal(f->q[f->qhead % 1024].seg.seq, FX_ISS + NXT + 70000);
	fx_skip(f);
	assert_int_equal(f->c->mss, 700);
	s.flags = TCP_ACK;
	s.seq++;
	s.ack = f->c->iss + 1;
	tcp_input(f->c, &s, f->now);
	STATE(f, ESTABLISHED);
	fx_free(f);
}

static void unread_data_outlives_the_close(void **state)
{
	struct fx *f = fx_fin_wait_2(NULL);

	(void)state;
	IN(f, .len = 300, .flags = TCP_FIN | TCP_ACK);
	STATE(f, TIME_WAIT);
	EXPECT(f, .seq = 2, .ack = 302);
	fx_read(f, 300);
	assert_true(tcp_recv_eof(f->c));
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

/* 3.10.7.4, fifth: within the window, but without ACK: dropped and not answered. */
static void without_ack_is_dropped(void **state)
{
	(void)state;
	assert_int_equal(verdict(NULL, TCP_FIN, NXT, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(NULL, TCP_FIN, NXT + 1, 0, 0), TCP_TW_DROP);
	assert_int_equal(verdict(NULL, TCP_PSH, NXT, 0, 5), TCP_TW_DROP);
	/* First comes the sequence number: below the window it is answered. */
	assert_int_equal(verdict(NULL, TCP_FIN, 1, 0, 0), TCP_TW_REPLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_ack_is_dropped),
		cmocka_unit_test(fin_again_is_acked_and_restarts),
		cmocka_unit_test(a_newer_fin_is_echoed),
		cmocka_unit_test(an_old_fin_does_not_restart),
		cmocka_unit_test(rst_does_not_end_it),
		cmocka_unit_test(other_segments),
		cmocka_unit_test(a_newer_syn_reopens),
		cmocka_unit_test(timestamps_on_one_side_only),
		cmocka_unit_test(reopened_is_a_whole_connection),
		cmocka_unit_test(unread_data_outlives_the_close),
	};

	return cmocka_run_group_tests_name("tcp_timewait", tests, NULL, NULL);
}
