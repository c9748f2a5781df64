/* SPDX-License-Identifier: BSD-2-Clause */
/* From frames to connections and back: who is let in, and where answers go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "engine_fixture.h"

/* ---- letting in --------------------------------------------------------------------- */

static void open_and_echo(struct echo_rig *s, int family, unsigned vlans, bool ts)
{
	struct peer p;

	peer_init(&p, s->r, family, 4000);
	p.vlans = vlans;
	p.ts = ts;
	peer_open(&p);
	assert_int_equal(rig_state(s->r, WEIR_ESTABLISHED), 1);
	assert_int_equal(s->log.opens, 1);
	peer_echo(&p, "hello");
	peer_echo(&p, "again");
	assert_int_equal(s->r->flows->lookups, 0); /* the cookie said it all */
}

static void echo_v4(void **state)
{
	open_and_echo(*state, 4, 0, true);
}

static void echo_v6(void **state)
{
	open_and_echo(*state, 6, 0, true);
}

static void echo_without_timestamps(void **state)
{
	open_and_echo(*state, 4, 0, false);
}

static void echo_in_a_vlan(void **state)
{
	open_and_echo(*state, 4, 1, true);
}

static void echo_in_two_vlans(void **state)
{
	open_and_echo(*state, 6, 2, false);
}

/* The final ACK was lost: the first data carries the same cookie. */
static void first_data_opens(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true);
	peer_echo(&p, "no ACK before");
	assert_int_equal(s->log.opens, 1);
	assert_int_equal(s->r->flows->lookups, 0);
}

/* The first data was lost too: what comes later has no cookie, but a flow entry. */
static void later_data_opens_from_the_entry(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	struct got g;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true);
	peer_send_at(&p, TCP_ACK, p.seq + 5, p.ack, "later", 5);
	rig_settle(s->r);
	assert_int_equal(s->r->flows->lookups, 1);
	assert_int_equal(rig_state(s->r, WEIR_ESTABLISHED), 1);
	assert_true(peer_recv(&p, &g)); /* a duplicate ACK asks for the first five */
	assert_int_equal(g.seg.ack, p.seq);
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, "first", 5);
	rig_settle(s->r);
	while (peer_recv(&p, &g) && !g.seg.len)
		;
	assert_int_equal(g.seg.len, 10);
	assert_memory_equal(g.payload, "firstlater", 10);
}

/* ---- not letting in ------------------------------------------------------------------- */

static void expect_nothing(struct echo_rig *s, enum weir_counter why, uint64_t n)
{
	rig_settle(s->r);
	assert_int_equal(rig_conns(s->r), 0);
	assert_int_equal(s->log.opens, 0);
	assert_int_equal(rig_count(s->r, why), n);
	assert_true(rig_silent(s->r));
}

static void bad_checksum_opens_nothing(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	uint8_t frame[2048];
	size_t len;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true);
	len = peer_build(&p, frame, TCP_ACK, p.seq, p.ack, "data", 4);
	frame[len - 1] ^= 1;
	rig_inject(s->r, 0, frame, len);
	expect_nothing(s, WEIR_C_drop_frame_csum, 1);
	len = peer_build(&p, frame, TCP_ACK, p.seq, p.ack, "data", 4);
	frame[14 + 8] ^= 1; /* TTL: only the IP header's checksum covers it */
	rig_inject(s->r, 0, frame, len);
	expect_nothing(s, WEIR_C_drop_frame_csum, 2);
}

static size_t build_partial(struct peer *p, uint8_t *frame)
{
	size_t len = peer_build(p, frame, TCP_ACK, p->seq, p->ack, "data", 4);
	struct weir_pkt v;
	uint64_t sum;

	assert_int_equal(weir_pkt_parse(frame, len, &v), WEIR_PKT_OK);
	sum = weir_csum_addr(&v.tuple, v.family) + weir_csum_proto(v.end - v.l4_off);
	weir_store16(frame + v.l4_off + 16, weir_csum_fold(sum));
	return len;
}

static void partial_checksum_as_configured(void **state)
{
	struct echo_rig *s = *state;
	struct rig_config cfg = s->r->cfg;
	struct rig *accepts;
	struct peer p;
	uint8_t frame[2048];

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true);
	rig_inject(s->r, 0, frame, build_partial(&p, frame));
	expect_nothing(s, WEIR_C_drop_frame_partial_csum, 1);

	cfg.engine.accept_partial_csum = true;
	accepts = rig_open(&cfg);
	peer_init(&p, accepts, 4, 4000);
	peer_cookie(&p, true);
	rig_inject(accepts, 0, frame, build_partial(&p, frame));
	rig_settle(accepts);
	assert_int_equal(rig_conns(accepts), 1);
	rig_close(accepts);
}

static void flags_that_open_nothing(void **state)
{
	static const uint8_t flags[] = {TCP_SYN,	   TCP_RST, TCP_RST | TCP_ACK,
					TCP_SYN | TCP_ACK, 0,	    TCP_FIN};
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true); /* even though the flow is known */
	for (unsigned i = 0; i < sizeof(flags); i++) {
		peer_send_at(&p, flags[i], p.seq, p.ack, NULL, 0);
		expect_nothing(s, WEIR_C_drop_unknown_flow, i + 1);
	}
}

static void wrong_cookies_open_nothing(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, false);
	peer_send_at(&p, TCP_ACK, p.seq, p.ack ^ 0x80000000, NULL, 0);
	expect_nothing(s, WEIR_C_drop_unknown_flow, 1);
	peer_send_at(&p, TCP_ACK, p.seq + 1, p.ack, NULL, 0);
	expect_nothing(s, WEIR_C_drop_unknown_flow, 2);
	s->r->now_us += WEIR_COOKIE_LIFE_MS * 1000ULL;
	peer_send_at(&p, TCP_ACK, p.seq, p.ack, NULL, 0);
	expect_nothing(s, WEIR_C_drop_unknown_flow, 3);
}

static void no_listener(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	p.t.lport = weir_htons(RIG_OTHER_PORT);
	peer_cookie(&p, true);
	peer_send(&p, TCP_ACK, NULL, 0);
	expect_nothing(s, WEIR_C_drop_no_listener, 1);
}

/* A unicast datagram in a group frame is not for us to answer (RFC 1122 4.2.3.10). */
static void group_address_of_layer_2(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	uint8_t frame[2048];
	size_t len;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true);
	len = peer_build(&p, frame, TCP_ACK, p.seq, p.ack, NULL, 0);
	memset(frame, 0xff, 6);
	rig_inject(s->r, 0, frame, len);
	expect_nothing(s, WEIR_C_drop_frame_malformed, 1);
}

/* ::ffff:a.b.c.d on the wire must not be taken for the IPv4 flow of that name. */
static void mapped_address_in_ipv6(void **state)
{
	struct echo_rig *s = *state;
	struct peer p4, p;
	uint8_t frame[2048];
	size_t len;

	peer_init(&p4, s->r, 4, 4000);
	peer_init(&p, s->r, 6, 4000);
	p.t.raddr[0] = p.t.laddr[0] = 0;
	p.t.raddr[1] = p.t.laddr[1] = 0;
	p.t.raddr[2] = p.t.laddr[2] = 0; /* as IPv6, then made a mapped one */
	p.t.raddr[3] = p4.t.raddr[3];
	p.t.laddr[3] = p4.t.laddr[3];
	peer_cookie(&p4, true);
	p.seq = p4.seq;
	p.ack = p4.ack;
	p.tsval = p4.tsval;
	p.tsecr = p4.tsecr;
	len = peer_build(&p, frame, TCP_ACK, p.seq, p.ack, NULL, 0);
	memset(frame + 14 + 8 + 10, 0xff, 2);
	memset(frame + 14 + 24 + 10, 0xff, 2);
	frame_fix_checksums(frame, len);
	rig_inject(s->r, 0, frame, len);
	expect_nothing(s, WEIR_C_drop_frame_malformed, 1);
}

/* Cut at every byte, and every byte changed: a counted drop or nothing worse. */
static void truncated_and_mangled(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	uint8_t frame[2048], bad[2048];
	size_t len;

	peer_init(&p, s->r, 6, 4000);
	p.vlans = 1;
	peer_cookie(&p, true);
	len = peer_build(&p, frame, TCP_ACK | TCP_PSH, p.seq, p.ack, "payload", 7);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut + 1); /* so that ASan sees an over-read */

		memcpy(exact, frame, cut);
		rig_inject(s->r, 0, exact, cut);
		free(exact);
		rig_settle(s->r);
	}
	expect_nothing(s, WEIR_C_drop_frame_malformed, len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(bad, frame, len);
			bad[i] ^= (uint8_t)(1 << bit);
			rig_inject(s->r, 0, bad, len);
		}
		rig_settle(s->r);
	}
	/* Bits that no checksum covers (addresses of layer 2, flow label…) may open it. */
	assert_true(s->log.opens <= 1);
	assert_true(rig_count(s->r, WEIR_C_drop_frame_csum) > 50);
}

/* ---- where answers go ------------------------------------------------------------------ */

/* An answer follows the peer to another link-layer address, but not a forger. */
static void l2_follows_acceptable_segments(void **state)
{
	struct echo_rig *s = *state;
	struct peer p, forger;
	struct got g;

	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_echo(&p, "one");
	forger = p;
	forger.mac[5] = 0x66;
	peer_send_at(&forger, TCP_ACK, p.seq + 0x40000000, p.ack, "evil", 4);
	peer_send_at(&forger, TCP_ACK, p.seq - 2, p.ack, "e", 1);
	rig_settle(s->r);
	while (peer_recv(&p, &g))
		assert_memory_equal(g.frame, p.mac, 6);
	p.mac[5] = 0x07;
	peer_send(&p, TCP_ACK | TCP_PSH, "two", 3);
	rig_settle(s->r);
	assert_true(peer_recv(&p, &g));
	assert_memory_equal(g.frame, p.mac, 6);
}

/* The link-layer addresses that frames to the peer's port have within a time, a bit each. */
#define TO_TRUE	 1
#define TO_WRONG 2

static unsigned sent_to(struct echo_rig *s, struct peer *p, const uint8_t *right, uint64_t us)
{
	unsigned seen = 0;
	struct got g;

	rig_settle(s->r);
	rig_pass(s->r, us);
	while (peer_recv(p, &g))
		seen |= memcmp(g.frame, right, 6) ? TO_WRONG : TO_TRUE;
	return seen;
}

/* A connection of which one good segment came from a broken address. */
static struct peer misled(struct echo_rig *s, uint8_t right[6])
{
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_echo(&p, "one");
	memcpy(right, p.mac, 6);
	p.mac[3] ^= 0x10;
	peer_send(&p, TCP_ACK | TCP_PSH, "two", 3);
	assert_int_equal(sent_to(s, &p, right, 0), TO_WRONG);
	memcpy(p.mac, right, 6);
	return p;
}

/* The peer got none of it and is silent: repeats find it. */
static void a_broken_address_costs_two_timeouts(void **state)
{
	uint8_t right[6];
	struct peer p = misled(*state, right);

	assert_true(sent_to(*state, &p, right, 10 * 1000000ULL) & TO_TRUE);
	p.ack += 3;
	peer_echo(&p, "three");
}

/* The peer repeats its own, in which nothing is new, and hears that it has come. */
static void a_repeat_brings_the_old_address_back(void **state)
{
	uint8_t right[6];
	struct peer p = misled(*state, right);

	peer_send_at(&p, TCP_ACK | TCP_PSH, p.seq - 3, p.ack, "two", 3);
	assert_int_equal(sent_to(*state, &p, right, 0), TO_TRUE);
}

/* From the old address, with numbers that its peer would not send. */
static void a_forger_brings_nothing_back(void **state)
{
	struct echo_rig *s = *state;
	uint8_t right[6];
	struct peer p = misled(s, right);

	peer_send_at(&p, TCP_ACK, p.seq - (1u << 30), p.ack, "evil", 4);
	peer_send_at(&p, TCP_ACK, p.seq, p.ack + (1u << 20), "evil", 4);
	peer_send_at(&p, TCP_ACK, p.seq + (1u << 30), p.ack, "evil", 4);
	peer_send_at(&p, TCP_RST, p.seq - 3, 0, NULL, 0);
	assert_int_equal(sent_to(s, &p, right, 0) & TO_TRUE, 0);
}

/* A peer that has moved for good is heard twice from there; losses change nothing then. */
static void a_peer_that_moved_has_moved(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_echo(&p, "one");
	p.mac[5] = 0x07;
	peer_echo(&p, "two");
	peer_send(&p, TCP_ACK | TCP_PSH, "three", 5);
	assert_int_equal(sent_to(s, &p, p.mac, 20 * 1000000ULL), TO_TRUE);
}

/* One worker, two queues: answers leave on the flow's queue, wherever its frames come in. */
static void answers_on_the_owners_queue(void **state)
{
	struct echo_rig *s = *state;
	struct rig_config cfg = s->r->cfg;
	struct rig *r;
	struct peer p;
	struct got g;

	cfg.queues = 2;
	r = rig_open(&cfg);
	peer_init(&p, r, 4, 4000);
	p.queue = 1;
	peer_cookie(&p, true);
	p.queue = 0;
	peer_send_at(&p, TCP_ACK, p.seq + 5, p.ack, "later", 5);
	rig_settle(r);
	assert_false(peer_recv(&p, &g));
	p.queue = 1;
	assert_true(peer_recv(&p, &g));
	rig_close(r);
}

static void exact_address_before_any(void **state)
{
	struct echo_log exact = {0};
	struct weir_addr a = {.family = 4, .port = RIG_PORT, .addr = {10, 0, 0, 2}};
	struct echo_rig *s = *state;
	struct peer p4, p6;

	assert_int_equal(engine_listen(s->r->e, &a, &echo_test_app, &exact), 0);
	peer_init(&p4, s->r, 4, 4000);
	peer_init(&p6, s->r, 6, 4000);
	peer_open(&p4);
	peer_open(&p6);
	assert_int_equal(exact.opens, 1);
	assert_int_equal(s->log.opens, 1);
	engine_stop(s->r->e); /* while `exact` lives */
}

/* ---- all the time ----------------------------------------------------------------------- */

/* Any flags, numbers near the right ones, any options: nothing breaks, nothing leaks. */
static void hostile_segments(void **state)
{
	static const uint8_t flags[] = {TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN,
					TCP_RST, TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK | TCP_URG,
					0xff,	 0,	  TCP_RST | TCP_ACK, TCP_FIN};
	struct echo_rig *s = *state;
	struct peer p[4];
	uint8_t frame[2048], data[300];

	srand(4711);
	for (unsigned i = 0; i < 4; i++) {
		peer_init(&p[i], s->r, i % 2 ? 4 : 6, (uint16_t)(4000 + i));
		peer_open(&p[i]);
	}
	for (int n = 0; n < 20000; n++) {
		struct peer *x = &p[rand() % 4];
		uint32_t seq = x->seq + (uint32_t)(rand() % 64 - 16);
		uint32_t ack = x->ack + (uint32_t)(rand() % 64 - 16);
		size_t dlen = (size_t)rand() % sizeof(data), len;

		for (size_t i = 0; i < dlen; i++)
			data[i] = (uint8_t)rand();
		x->wnd = (uint16_t)rand();
		x->tsval += (uint32_t)rand() % 3;
		len = peer_build(x, frame, flags[(unsigned)rand() % sizeof(flags)], seq, ack, data,
				 dlen);
		if (rand() % 4 == 0) { /* whatever is where the options were */
			for (int i = 0; i < 12; i++)
				frame[len - dlen - 12 + (size_t)i] = (uint8_t)(rand() % 12);
			frame_fix_checksums(frame, len);
		}
		rig_inject(s->r, 0, frame, len);
		s->r->now_us += (uint64_t)rand() % 20000;
		rig_poll(s->r);
		if (rand() % 200 == 0) {
			peer_cookie(x, false);
			peer_send(x, TCP_ACK, NULL, 0);
		}
		rig_silent(s->r);
	}
	assert_true(rig_count(s->r, WEIR_C_conn_opened) >= 4);
	engine_stop(s->r->e);
	assert_int_equal(s->log.opens, s->log.closes);
	assert_int_equal(rig_conns(s->r), 0);
	assert_int_equal(rig_status(s->r).buffer_bytes_used, 0);
}

static void heartbeat_at_least_every_250_ms(void **state)
{
	struct echo_rig *s = *state;

	rig_settle(s->r);
	assert_int_equal(s->r->heartbeat[0], rig_gate_ms(s->r));
	for (int i = 0; i < 8; i++) {
		s->r->now_us += 125000;
		rig_poll(s->r);
		assert_true(rig_gate_ms(s->r) - s->r->heartbeat[0] <= 250);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, echo_rig_setup, echo_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(echo_v4),
		T(echo_v6),
		T(echo_without_timestamps),
		T(echo_in_a_vlan),
		T(echo_in_two_vlans),
		T(first_data_opens),
		T(later_data_opens_from_the_entry),
		T(bad_checksum_opens_nothing),
		T(partial_checksum_as_configured),
		T(flags_that_open_nothing),
		T(wrong_cookies_open_nothing),
		T(no_listener),
		T(group_address_of_layer_2),
		T(mapped_address_in_ipv6),
		T(truncated_and_mangled),
		T(l2_follows_acceptable_segments),
		T(a_broken_address_costs_two_timeouts),
		T(a_repeat_brings_the_old_address_back),
		T(a_forger_brings_nothing_back),
		T(a_peer_that_moved_has_moved),
		T(answers_on_the_owners_queue),
		T(exact_address_before_any),
		T(hostile_segments),
		T(heartbeat_at_least_every_250_ms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
