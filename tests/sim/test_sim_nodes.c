/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulator itself: nodes do to frames what they say, a tap finds what it is for. */
#include "check.h"
#include "watch.h"
#include "wire.h"
#include "world.h"

#define FRAMES 20000

struct sink {
	struct sim_node node;
	uint64_t n, last, damaged, late, marked;
	uint64_t seen[FRAMES]; /* when it came after it was sent, and 1 ns */
};

static void sink_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sink *k = (struct sink *)n;

	k->n++;
	k->late += f->id < k->last;
	k->last = f->id;
	k->marked += f->ecn == SIM_CE;
	k->damaged += f->damaged;
	assert_int_equal(tcp_csum_ok(SIM_PSEUDO, f->bytes, f->len), !f->damaged);
	if (f->id < FRAMES)
		k->seen[f->id] = n->sim->now - f->sent + 1;
	sim_frame_free(n->sim, f);
}

static const struct sim_node_ops sink_ops = {"sink", sink_arrive, sink_arrive};

struct bed {
	struct sim s;
	struct sink sink;
	struct sim_node *first;
};

static struct bed *bed_new(void)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	sim_init(&b->s, 7);
	sim_node_init(&b->sink.node, &b->s, &sink_ops);
	return b;
}

static void bed_free(struct bed *b)
{
	sim_free(&b->s);
	assert_int_equal(b->s.in_flight, 0);
	free(b);
}

/* `n` frames of `data` bytes, one every `gap`. */
static void feed(struct bed *b, struct sim_node *to, unsigned n, uint16_t data, uint64_t gap)
{
	static const uint8_t payload[1460];

	to->to = &b->sink.node;
	for (unsigned i = 0; i < n; i++) {
		struct sim_frame *f = sim_frame_new(&b->s);

		sim_build(f, &(struct tcp_seg){.seq = i,
					       .flags = TCP_ACK,
					       .len = data,
					       .payload = payload,
					       .ip_ecn = 2});
		to->ops->arrive(to, f);
		sim_run(&b->s, b->s.now + gap);
		b->s.now += b->s.nheap ? 0 : gap;
	}
	sim_run(&b->s, SIM_NEVER - 1);
}

static void delay_delays(void **state)
{
	struct bed *b = bed_new();
	struct sim_delay n;

	(void)state;
	sim_delay_init(&n, &b->s, 50 * SIM_MS);
	feed(b, &n.node, 100, 1000, SIM_MS);
	assert_int_equal(b->sink.n, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(b->sink.seen[i], 50 * SIM_MS + 1);
	bed_free(b);
}

/* 1000 bytes on the wire at 8 Mbit/s: a millisecond each, five in the queue. */
static void bottleneck_has_its_rate_and_its_queue(void **state)
{
	struct bed *b = bed_new();
	struct sim_bottleneck n;

	(void)state;
	sim_bottleneck_init(&n, &b->s, 8000000, 5000, 2000);
	feed(b, &n.node, 100, 1000 - 54, SIM_MS / 2);
	assert_int_equal(b->sink.seen[0], SIM_MS + 1);
	assert_int_equal(n.most, 5000);
	assert_true(b->sink.seen[7] > 4 * SIM_MS && b->sink.seen[7] <= 5 * SIM_MS + 1);
	/* In 50 ms came 100; 50 have been sent, five were left. */
	assert_in_range(n.node.dropped, 44, 46);
	assert_int_equal(b->sink.n + n.node.dropped, 100);
	assert_int_equal(b->sink.late, 0);
	assert_true(n.marked > 40 && n.marked == b->sink.marked);
	bed_free(b);
}

static void loss_has_its_share(void **state)
{
	struct bed *b = bed_new();
	struct sim_loss n;

	(void)state;
	sim_loss_init(&n, &b->s, 30000);
	feed(b, &n.node, FRAMES, 10, SIM_US);
	assert_in_range(n.node.dropped, 520, 680); /* 600, and three deviations of 24 */
	bed_free(b);
}

/* Bad for 5 frames of 105 on average, and losses stand together. */
static void bursts_are_bursts(void **state)
{
	struct bed *b = bed_new();
	struct sim_loss n;
	unsigned runs = 0;

	(void)state;
	sim_burst_init(&n, &b->s, 10000, 200000, 1000000);
	feed(b, &n.node, FRAMES, 10, SIM_US);
	for (int i = 1; i < FRAMES; i++)
		runs += !b->sink.seen[i] && b->sink.seen[i - 1];
	assert_in_range(n.node.dropped, 750, 1150);
	assert_in_range(n.node.dropped / runs, 4, 6);
	bed_free(b);
}

static void reordering_duplicating_corrupting(void **state)
{
	struct bed *b = bed_new();
	struct sim_reorder r;
	struct sim_duplicate d;
	struct sim_corrupt c;

	(void)state;
	sim_reorder_init(&r, &b->s, 100000, 10 * SIM_MS);
	feed(b, &r.node, 1000, 100, SIM_MS);
	assert_int_equal(b->sink.n, 1000);
	assert_in_range(b->sink.late, 50, 120);
	sim_duplicate_init(&d, &b->s, 100000, SIM_MS);
	feed(b, &d.node, 1000, 100, SIM_MS);
	assert_in_range(b->sink.n, 2060, 2140);
	sim_corrupt_init(&c, &b->s, 500000);
	feed(b, &c.node, 10000, 100, SIM_US);
	assert_in_range(b->sink.damaged, 4800, 5200); /* the sink has looked at each checksum */
	bed_free(b);
}

static void dropper_counts_and_hole_measures(void **state)
{
	struct bed *b = bed_new();
	struct sim_dropper d;
	struct sim_hole h;

	(void)state;
	sim_dropper_init(&d, &b->s, 5, 14);
	feed(b, &d.node, 5, 0, SIM_US); /* these have no data */
	feed(b, &d.node, 20, 100, SIM_US);
	assert_int_equal(b->sink.n, 15);
	sim_hole_init(&h, &b->s, 1400, NULL, NULL, 0);
	feed(b, &h.node, 3, 1360, SIM_US);
	assert_int_equal(b->sink.n, 18);
	feed(b, &h.node, 3, 1361, SIM_US);
	assert_int_equal(b->sink.n, 18);
	bed_free(b);
}

/* ---- the tap ------------------------------------------------------------------------ */

struct tap {
	struct sim s;
	struct sim_watch w;
};

/* A template as in tcp_fixture.h: what is 0 stands for what would be next. */
static void tap_segment(struct tap *t, bool leaves, struct tcp_seg seg)
{
	static const uint8_t payload[2000];
	struct sim_frame f;
	struct tcp_seg s;

	seg.flags = seg.flags ? seg.flags : TCP_ACK;
	seg.seq = seg.seq ? seg.seq : leaves ? 2001 : 5001;
	seg.ack = seg.ack ? seg.ack : leaves ? 5501 : 1001;
	seg.wnd = seg.wnd ? seg.wnd : 8000;
	seg.wscale = WEIR_WSCALE_NONE;
	seg.payload = payload;
	memset(&f, 0, offsetof(struct sim_frame, bytes));
	sim_build(&f, &seg);
	assert_int_equal(tcp_seg_parse(&s, f.bytes, f.len), 0);
	if (leaves)
		sim_watch_out(&t->w, &f, &s, 1001);
	else
		sim_watch_in(&t->w, &s);
}

#define OUT(t, ...) tap_segment(t, true, (struct tcp_seg){__VA_ARGS__})
#define IN(t, ...)  tap_segment(t, false, (struct tcp_seg){__VA_ARGS__})

/* A handshake: ours from 1000, the peer's from 5000, 8000 bytes offered. */
static struct tap *tap_new(void)
{
	struct tap *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	sim_init(&t->s, 1);
	sim_watch_init(&t->w, &t->s, "tap", 1460);
	OUT(t, .flags = TCP_SYN, .seq = 1000, .mss = 1460, .sack_permitted = true);
	IN(t, .flags = TCP_SYN | TCP_ACK, .seq = 5000, .mss = 1000, .sack_permitted = true);
	OUT(t, .seq = 1001, .ack = 5001);
	OUT(t, .seq = 1001, .ack = 5001, .len = 1000);
	IN(t, .len = 500);
	IN(t, .seq = 6001, .len = 500);
	OUT(t, .seq = 2001, .nsack = 1, .sack[0] = {6001, 6501});
	CHECK(!t->s.failed, "%s", t->s.why);
	return t;
}

static void expect_broken(struct tap *t, const char *rule)
{
	CHECK(t->s.failed && strstr(t->s.why, rule), "wanted \"%s\", found \"%s\"", rule, t->s.why);
	free(t);
}

#define BREAKS(rule, ...)                                                                          \
	do {                                                                                       \
		struct tap *t = tap_new();                                                         \
		OUT(t, __VA_ARGS__);                                                               \
		expect_broken(t, rule);                                                            \
	} while (0)

static void the_tap_finds_each_broken_rule(void **state)
{
	(void)state;
	BREAKS("a gap before it", .seq = 2002, .len = 10);
	BREAKS("sent again after its ACK", .seq = 1000, .len = 10);
	BREAKS("larger than the MSS", .len = 1001);
	BREAKS("the ACK went back", .ack = 5500);
	BREAKS("what has not arrived", .ack = 5502);
	BREAKS("edge went back", .wnd = 7499);
	BREAKS("an empty SACK block", .nsack = 1, .sack[0] = {6100, 6100});
	BREAKS("SACKs what has not arrived", .nsack = 1, .sack[0] = {6001, 6502});
	BREAKS("SACK blocks that touch", .nsack = 2, .sack[0] = {6001, 6101},
	       .sack[1] = {6101, 6501});
	BREAKS("SACKs below the ACK", .nsack = 2, .sack[0] = {6001, 6501}, .sack[1] = {5001, 5101});
	BREAKS("timestamps on some", .has_ts = true);
	BREAKS("ECN-capable", .len = 10, .ip_ecn = 2);
	BREAKS("no ACK", .flags = TCP_PSH, .len = 10);
	BREAKS("two initial numbers", .flags = TCP_SYN, .seq = 999, .mss = 1460);
	BREAKS("MSS announced", .flags = TCP_SYN, .seq = 1000, .mss = 1461);
}

static void the_tap_knows_the_window(void **state)
{
	struct tap *t = tap_new();

	(void)state;
	for (uint32_t seq = 2001; seq < 9001; seq += 1000)
		OUT(t, .seq = seq, .len = 1000);
	/* A probe, a FIN: may. */
	OUT(t, .seq = 9001, .len = 1);
	CHECK(!t->s.failed, "%s", t->s.why);
	OUT(t, .seq = 9001, .len = 2);
	expect_broken(t, "beyond the window");
	t = tap_new();
	OUT(t, .seq = 2001, .len = 10, .flags = TCP_ACK | TCP_FIN);
	OUT(t, .seq = 2012);
	CHECK(!t->s.failed, "%s", t->s.why);
	OUT(t, .seq = 2011, .len = 1);
	expect_broken(t, "data after the FIN");
}

static void a_repeat_is_a_repeat(void **state)
{
	struct tap *t = tap_new();

	(void)state;
	/* RFC 2883: below the ACK; or within the second block. */
	OUT(t, .seq = 2001, .nsack = 2, .sack[0] = {5101, 5201}, .sack[1] = {6001, 6501});
	OUT(t, .seq = 2001, .nsack = 2, .sack[0] = {6101, 6201}, .sack[1] = {6001, 6501});
	CHECK(!t->s.failed, "%s", t->s.why);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delay_delays),
		cmocka_unit_test(bottleneck_has_its_rate_and_its_queue),
		cmocka_unit_test(loss_has_its_share),
		cmocka_unit_test(bursts_are_bursts),
		cmocka_unit_test(reordering_duplicating_corrupting),
		cmocka_unit_test(dropper_counts_and_hole_measures),
		cmocka_unit_test(the_tap_finds_each_broken_rule),
		cmocka_unit_test(the_tap_knows_the_window),
		cmocka_unit_test(a_repeat_is_a_repeat),
	};

	return cmocka_run_group_tests_name("sim_nodes", tests, NULL, NULL);
}
