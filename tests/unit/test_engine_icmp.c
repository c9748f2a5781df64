/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP errors that reach a worker: whom they are about, and what they may do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/icmp.h>
#include "engine/conn_api.h"
#include "engine_fixture.h"

/* The last error sent. */
static struct {
	uint8_t frame[2048];
	size_t len;
} last;

static bool swallow;

static bool watch(struct pair *p, bool to_b, const struct weir_pkt *v)
{
	(void)p;
	(void)v;
	return !(to_b && swallow);
}

static int setup(void **state)
{
	pair_setup(state);
	((struct pair *)*state)->wire = watch;
	swallow = false;
	return 0;
}

struct quote {
	int family;
	uint8_t type, code;
	uint32_t mtu;
	uint32_t seq;
};

static void checksum(uint8_t *f, size_t off, size_t end, uint64_t sum)
{
	weir_store16(f + off + 2, 0);
	weir_store16(f + off + 2, (__u16)~weir_csum_fold(weir_csum_bytes(f + off, end - off, sum)));
}

/* An error from a router on the way, that quotes a segment of the tuple `t` (ours: local). */
static size_t build(uint8_t *f, const weir_tuple *t, const struct quote *q)
{
	bool v4 = q->family == 4;
	size_t ip = 14, iplen = v4 ? 20 : 40, icmp = ip + iplen, in = icmp + 8, tcp = in + iplen;
	size_t end = tcp + 20;
	struct weir_flow_key6 outer = *t;

	memset(f, 0, end);
	memcpy(f, (const uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9}, 12);
	weir_store16(f + 12, weir_htons(v4 ? WEIR_ETH_P_IP : WEIR_ETH_P_IPV6));
	f[icmp] = q->type;
	f[icmp + 1] = q->code;
	if (v4)
		weir_store16(f + icmp + 6, weir_htons(q->mtu));
	else
		weir_store32(f + icmp + 4, weir_htonl(q->mtu));
	if (v4) {
		outer.raddr[3] = weir_htonl(0x0a0000fe);
		memcpy(f + ip, (const uint8_t[]){0x45, 0, 0, (uint8_t)(end - ip), [8] = 60, 1}, 10);
		weir_store32(f + ip + 12, outer.raddr[3]);
		weir_store32(f + ip + 16, t->laddr[3]);
		weir_store16(f + ip + 10, (__u16)~weir_csum_fold(weir_csum_bytes(f + ip, 20, 0)));
		memcpy(f + in, (const uint8_t[]){0x45, 0, 5, 0xdc, [8] = 60, 6}, 10);
		weir_store32(f + in + 12, t->laddr[3]);
		weir_store32(f + in + 16, t->raddr[3]);
	} else {
		outer.raddr[3] = weir_htonl(0xfe);
		f[ip] = f[in] = 0x60;
		weir_store16(f + ip + 4, weir_htons(end - icmp));
		f[ip + 6] = WEIR_PROTO_ICMPV6;
		f[ip + 7] = f[in + 7] = 60;
		memcpy(f + ip + 8, outer.raddr, 16);
		memcpy(f + ip + 24, t->laddr, 16);
		weir_store16(f + in + 4, weir_htons(1440));
		f[in + 6] = WEIR_PROTO_TCP;
		memcpy(f + in + 8, t->laddr, 16);
		memcpy(f + in + 24, t->raddr, 16);
	}
	weir_store16(f + tcp, t->lport);
	weir_store16(f + tcp + 2, t->rport);
	weir_store32(f + tcp + 4, weir_htonl(q->seq));
	checksum(f, icmp, end,
		 v4 ? 0
		    : weir_csum_addr(&outer, 6) + weir_htonl(end - icmp) +
				 weir_htonl(WEIR_PROTO_ICMPV6));
	return end;
}

static void tuple_of_conn(struct weir_conn *c, weir_tuple *t)
{
	struct weir_addr l, r;

	memset(t, 0, sizeof(*t));
	weir_conn_local(c, &l);
	weir_conn_peer(c, &r);
	t->lport = weir_htons(l.port);
	t->rport = weir_htons(r.port);
	if (l.family == 4) {
		t->laddr[2] = t->raddr[2] = weir_htonl(0xffff);
		memcpy(&t->laddr[3], l.addr, 4);
		memcpy(&t->raddr[3], r.addr, 4);
	} else {
		memcpy(t->laddr, l.addr, 16);
		memcpy(t->raddr, r.addr, 16);
	}
}

/* To a, about a segment of its connection; seq counts from what is unacknowledged. */
static void send_error(struct pair *p, struct weir_conn *c, struct quote q, unsigned queue)
{
	struct tcp_info info;
	weir_tuple t;

	conn_info(c, &info);
	q.seq += info.snd_una;
	tuple_of_conn(c, &t);
	last.len = build(last.frame, &t, &q);
	rig_inject(p->a, queue, last.frame, last.len);
	pair_settle(p);
}

static struct weir_conn *syn_sent(struct pair *p, int family)
{
	struct weir_conn *c;

	swallow = true;
	assert_int_equal(pair_connect(p, family, &c), 0);
	pair_settle(p);
	return c;
}

/* ---- while opening ------------------------------------------------------------------ */

static void hard_error_ends_a_connect(void **state)
{
	static const struct {
		struct quote q;
		int error;
	} hard[] = {
		{{4, 3, 3, 0, 0}, ECONNREFUSED}, /* port unreachable */
		{{4, 3, 2, 0, 0}, ENOPROTOOPT},	 /* protocol unreachable */
		{{6, 1, 4, 0, 0}, ECONNREFUSED}, /* port unreachable */
		{{6, 1, 1, 0, 0}, EACCES},	 /* prohibited */
	};
	struct pair *p = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct weir_conn *c = syn_sent(p, hard[i].q.family);

		send_error(p, c, hard[i].q, 0);
		assert_int_equal(p->ea.closes, i + 1);
		assert_int_equal(p->ea.error, hard[i].error);
		rig_expect_clean(p->a);
	}
	assert_int_equal(rig_count(p->a, WEIR_C_icmp_taken), 4);
	assert_int_equal(p->ea.opens, 0);
}

static void soft_error_is_told_and_the_connect_goes_on(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c = syn_sent(p, 4);

	send_error(p, c, (struct quote){4, 3, 1, 0, 0}, 0); /* host unreachable */
	assert_int_equal(p->ea.closes, 0);
	assert_int_equal(p->ea.event_bits & CONN_EV_ERROR, CONN_EV_ERROR);
	assert_int_equal(weir_conn_error(c), EHOSTUNREACH);
	swallow = false;
	pair_pass(p, 2 * SECOND);
	assert_int_equal(p->ea.opens, 1);
	assert_int_equal(weir_conn_error(c), 0);
}

static void not_in_flight_not_believed(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c = syn_sent(p, 4);

	send_error(p, c, (struct quote){4, 3, 3, 0, 1000}, 0);
	send_error(p, c, (struct quote){4, 3, 3, 0, -1u}, 0);
	assert_int_equal(p->ea.closes, 0);
	assert_int_equal(rig_state(p->a, WEIR_SYN_SENT), 1);
}

static void error_on_another_queue(void **state)
{
	struct rig_config cfg;
	struct pair p;

	(void)state;
	pair_config(&cfg, true);
	cfg.queues = cfg.engine.workers = 2;
	pair_open(&p, &cfg, NULL);
	p.wire = watch;
	send_error(&p, syn_sent(&p, 4), (struct quote){4, 3, 3, 0, 0}, 1);
	assert_int_equal(rig_count(p.a, WEIR_C_handover_received), 1);
	assert_int_equal(p.ea.closes, 1);
	assert_int_equal(p.ea.error, ECONNREFUSED);
	/* Nobody's there either: dropped by the first to look. */
	rig_inject(p.a, 1, last.frame, last.len);
	rig_settle(p.a);
	assert_int_equal(rig_count(p.a, WEIR_C_drop_icmp_unknown), 1);
	pair_close(&p);
}

/* In SYN_RCVD: back to LISTEN, and the application hears nothing of it. */
static void hard_error_in_syn_rcvd(void **state)
{
	struct echo_rig s;
	struct rig_config cfg;
	uint8_t frame[256];
	struct peer p;
	struct got g;
	size_t len;

	(void)state;
	memset(&s, 0, sizeof(s));
	rig_config_default(&cfg);
	cfg.arg = &s.log;
	s.r = rig_open(&cfg);
	peer_init(&p, s.r, 4, 4000);
	peer_send_at(&p, TCP_SYN, p.isn, 0, NULL, 0);
	rig_settle(s.r);
	assert_true(peer_recv(&p, &g));
	len = build(frame, &p.t, &(struct quote){4, 3, 3, 0, g.seg.seq});
	rig_inject(s.r, 0, frame, len);
	rig_settle(s.r);
	assert_int_equal(rig_conns(s.r), 0);
	assert_int_equal(s.r->flows->n, 0);
	assert_int_equal(s.log.opens + s.log.closes, 0);
	rig_close(s.r);
}

/* ---- once open ------------------------------------------------------------------------- */

/* RFC 5927 5.2: an open connection is not ended by ICMP. */
static void hard_error_is_soft_once_open(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c = pair_up(p, 6);

	swallow = true;
	assert_int_equal(weir_send(c, "x", 1), 1);
	pair_settle(p);
	send_error(p, c, (struct quote){6, 1, 4, 0, 0}, 0);
	assert_int_equal(p->ea.closes, 0);
	assert_int_equal(rig_state(p->a, WEIR_ESTABLISHED), 1);
}

static void frag_needed(struct pair *p, int family, struct quote q, uint32_t mss)
{
	struct weir_conn *c = pair_up(p, family);
	static const char data[1400];
	struct tcp_info info;

	swallow = true;
	assert_int_equal(weir_send(c, data, sizeof(data)), sizeof(data));
	pair_settle(p);
	send_error(p, c, q, 0);
	conn_info(c, &info);
	assert_int_equal(info.mss, mss);
	swallow = false;
	pair_pass(p, 2 * SECOND);
	assert_int_equal(p->ea.len, sizeof(data));
}

static void frag_needed_v4(void **state)
{
	frag_needed(*state, 4, (struct quote){4, 3, 4, 1200, 0}, 1160);
}

static void too_big_v6(void **state)
{
	frag_needed(*state, 6, (struct quote){6, 2, 0, 1280, 0}, 1220);
}

/* ---- about nothing ----------------------------------------------------------------------- */

static void about_what_is_over(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c = pair_up(p, 4);
	struct quote q = {4, 3, 3, 0, 0};
	weir_tuple t;

	tuple_of_conn(c, &t);
	weir_close(c);
	pair_settle(p);
	assert_int_equal(rig_state(p->a, WEIR_TIME_WAIT), 1);
	last.len = build(last.frame, &t, &q);
	rig_inject(p->a, 0, last.frame, last.len);
	pair_settle(p);
	assert_int_equal(rig_count(p->a, WEIR_C_drop_icmp_unknown), 1);
	assert_int_equal(rig_state(p->a, WEIR_TIME_WAIT), 1);
	pair_pass(p, 20 * SECOND);
	rig_inject(p->a, 0, last.frame, last.len);
	pair_settle(p);
	assert_int_equal(rig_count(p->a, WEIR_C_drop_icmp_unknown), 2);
}

static void malformed(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c = syn_sent(p, 4);
	size_t len;

	send_error(p, c, (struct quote){4, 8, 0, 0, 0}, 0); /* an echo request */
	assert_int_equal(rig_count(p->a, WEIR_C_drop_frame_malformed), 1);
	send_error(p, c, (struct quote){4, 3, 1, 0, 0}, 0);
	assert_int_equal(rig_count(p->a, WEIR_C_icmp_taken), 1);
	last.frame[last.len - 1] ^= 1;
	rig_inject(p->a, 0, last.frame, last.len);
	last.frame[last.len - 1] ^= 1;
	last.frame[0] |= 1;
	rig_inject(p->a, 0, last.frame, last.len);
	pair_settle(p);
	assert_int_equal(rig_count(p->a, WEIR_C_drop_frame_malformed), 3);
	last.frame[0] ^= 1;
	for (len = 14; len < last.len; len++)
		rig_inject(p->a, 0, last.frame, len);
	pair_settle(p);
	assert_int_equal(rig_count(p->a, WEIR_C_icmp_taken), 1);
	assert_int_equal(rig_count(p->a, WEIR_C_drop_frame_malformed), 3 + last.len - 14);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(hard_error_ends_a_connect),
		T(soft_error_is_told_and_the_connect_goes_on),
		T(not_in_flight_not_believed),
		cmocka_unit_test(error_on_another_queue),
		cmocka_unit_test(hard_error_in_syn_rcvd),
		T(hard_error_is_soft_once_open),
		T(frag_needed_v4),
		T(too_big_v6),
		T(about_what_is_over),
		T(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
