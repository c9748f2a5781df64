/* SPDX-License-Identifier: BSD-2-Clause */
/* How a SYN looks: its options, and what it says of ECN (RFC 3168 6.1.1). */
#include "tcp_fixture.h"

/* ---- how a SYN looks ----------------------------------------------------------- */

static const struct fx_opt all_options =
	FX_OPT(.ts = true, .sack = true, .wscale = true, .peer_shift = 2);

static void expect_options(const struct fx_out *o, const char *hex)
{
	char text[128] = "";

	for (size_t i = 20; i < o->len; i++)
		snprintf(text + 2 * (i - 20), 3, "%02x", o->bytes[i]);
	assert_string_equal(text, hex);
}

/* The same bytes in the same order as the gate's SYN-ACK: RFC 7323 appendix A, Linux. */
static void syn_options_are_laid_out_as_the_gates(void **state)
{
	struct fx_opt opt = all_options;
	struct fx *f = fx_new(&opt);

	(void)state;
	tcp_open_active(f->c, &f->open, FX_ISS, 0x01020304, f->now);
	fx_drain(f);
	/* MSS 1460; SACK-permitted and TS (0x01020304, 0); NOP, window scale 7 */
	expect_options(fx_pop(f), "020405b4"
				  "0402080a0102030400000000"
				  "01030307");
	fx_free(f);
	for (int i = 0; i < 8; i++) {
		static const char *const want[8] = {
			"020405b4",
			"020405b4"
			"01010402",
			"020405b4"
			"0101080a00001388fffffff0",
			"020405b4"
			"0402080a00001388fffffff0",
			"020405b4"
			"01030307",
			"020405b4"
			"01010402"
			"01030307",
			"020405b4"
			"0101080a00001388fffffff0"
			"01030307",
			"020405b4"
			"0402080a00001388fffffff0"
			"01030307",
		};

		opt.sack = i & 1;
		opt.ts = i & 2;
		opt.wscale = i & 4;
		f = fx_new(&opt);
		tcp_open_listen(f->c, &f->open, FX_ISS, f->now);
		f->c->ts_ours = FX_TS_OURS;
		IN(f, .flags = TCP_SYN);
		expect_options(fx_pop(f), want[i]);
		fx_free(f);
	}
}

/* TCP_MAXSEG: what we name, and what we send. */
static void maxseg_bounds_both_ways(void **state)
{
	struct tcp_opts o = fx_opts();
	struct fx_opt opt = fx_opt_default;
	struct tcp_info info;
	struct fx *f;

	(void)state;
	o.maxseg = 700;
	opt.opts = &o;
	f = fx_new(&opt);
	tcp_open_active(f->c, &f->open, FX_ISS, FX_TS_OURS, f->now);
	fx_drain(f);
	assert_int_equal(fx_pop(f)->seg.mss, 700);
	IN(f, .flags = TCP_SYN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 1);
	fx_send(f, 1000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 700);
	EXPECT(f, .flags = TCP_PSH | TCP_ACK, .seq = 701, .ack = 1, .len = 300);
	tcp_get_info(f->c, &info);
	assert_int_equal(info.advmss, 700);
	assert_int_equal(info.mss, 700);
	fx_free(f);
}

/* RFC 9293 3.7.1 (MUST-15): 536 where the peer names none, 1220 over IPv6. */
static void default_mss_by_family(void **state)
{
	struct fx_opt opt = fx_opt_default;

	(void)state;
	opt.mss = 0;
	for (int v6 = 0; v6 < 2; v6++) {
		struct fx *f;

		opt.mss_default = v6 ? 1220 : 536;
		f = fx_syn_sent(&opt);
		IN(f, .flags = TCP_SYN | TCP_ACK);
		fx_skip(f);
		assert_int_equal(f->c->mss, opt.mss_default);
		fx_free(f);
		f = fx_established(&opt);
		assert_int_equal(f->c->mss, opt.mss_default);
		fx_free(f);
	}
}

/* ---- ECN: RFC 3168 6.1.1 -------------------------------------------------------- */

#define SETUP_SYN     (TCP_SYN | TCP_ECE | TCP_CWR)
#define SETUP_SYN_ACK (TCP_SYN | TCP_ACK | TCP_ECE)

static struct fx *ecn_syn_sent(void)
{
	static struct tcp_opts o;
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	o = fx_opts();
	o.ecn = true;
	opt.opts = &o;
	f = fx_new(&opt);
	tcp_open_active(f->c, &f->open, FX_ISS, FX_TS_OURS, f->now);
	fx_drain(f);
	EXPECT(f, .flags = SETUP_SYN);
	return f;
}

static void ecn_is_agreed_on_by_setup_segments_alone(void **state)
{
	static const struct {
		uint8_t answer;
		bool ok;
	} t[] = {
		{SETUP_SYN_ACK, true},
		{TCP_SYN | TCP_ACK, false},
		{SETUP_SYN_ACK | TCP_CWR, false}, /* a box that reflects what it got */
		{TCP_SYN | TCP_ACK | TCP_CWR, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct fx *f = ecn_syn_sent();

		IN(f, .flags = t[i].answer);
		EXPECT(f, .seq = 1, .ack = 1);
		assert_int_equal(f->c->ecn_ok, t[i].ok);
		fx_free(f);
	}
	/* Nothing offered, nothing accepted. */
	struct fx *f = fx_syn_sent(NULL);

	IN(f, .flags = SETUP_SYN_ACK);
	assert_false(f->c->ecn_ok);
	fx_skip(f);
	fx_free(f);
}

/* 6.1.1.1: boxes that drop ECN-setup SYNs let the next one through. */
static void ecn_falls_back_on_the_repeated_syn(void **state)
{
	struct fx *f = ecn_syn_sent();

	(void)state;
	fx_run(f, FX_SEC);
	EXPECT(f, .flags = TCP_SYN);
	IN(f, .flags = TCP_SYN | TCP_ACK);
	assert_false(f->c->ecn_ok);
	fx_skip(f);
	fx_free(f);
	/* As the responder: the fallback is believed. */
	f = fx_listen(NULL);
	IN(f, .flags = SETUP_SYN);
	EXPECT(f, .flags = SETUP_SYN_ACK, .ack = 1);
	IN(f, .flags = TCP_SYN, .seq = -1, .in_place = true);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	IN(f, .len = 0);
	assert_false(f->c->ecn_ok);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syn_options_are_laid_out_as_the_gates),
		cmocka_unit_test(maxseg_bounds_both_ways),
		cmocka_unit_test(default_mss_by_family),
		cmocka_unit_test(ecn_is_agreed_on_by_setup_segments_alone),
		cmocka_unit_test(ecn_falls_back_on_the_repeated_syn),
	};

	return cmocka_run_group_tests_name("tcp_syn", tests, NULL, NULL);
}
