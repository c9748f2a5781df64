/* SPDX-License-Identifier: BSD-2-Clause */
/* D-SACK at the receiver, RFC 2883, with the examples of its section 4. */
#include "tcp_fixture.h"

static const struct fx_opt with_sack = FX_OPT(.sack = true);

/* The segments of the examples are 500 bytes, the stream begins at 1. */
static struct fx *received(uint32_t n)
{
	struct fx *f = fx_established(&with_sack);

	for (uint32_t i = 0; i < n; i += 500)
		IN(f, .len = 500);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	return f;
}

/* 4.1.1: a duplicate segment, nothing else amiss: reported once. */
static void duplicate_below_the_ack(void **state)
{
	struct fx *f = received(1000);

	(void)state;
	IN(f, .seq = -500, .len = 500);
	EXPECT(f, .ack = 1001, .nsack = 1, .sack = {501, 1001});
	IN(f, .len = 500);
	fx_run(f, 50 * FX_MS);
	EXPECT(f, .ack = 1501);
	fx_free(f);
}

/* 4.1.2: while a hole is open, the islands follow. */
static void duplicate_with_islands(void **state)
{
	struct fx *f = received(1000);

	(void)state;
	IN(f, .seq = 500, .len = 500);
	EXPECT(f, .ack = 1001, .nsack = 1, .sack = {1501, 2001});
	IN(f, .seq = -1000, .len = 500);
	EXPECT(f, .ack = 1001, .nsack = 2, .sack = {1, 501, 1501, 2001});
	fx_free(f);
}

/* 4.1.3: an out-of-order segment twice: the second block is the island around it. */
static void duplicate_of_an_island(void **state)
{
	struct fx *f = received(1000);

	(void)state;
	IN(f, .seq = 500, .len = 1000);
	EXPECT(f, .ack = 1001, .nsack = 1, .sack = {1501, 2501});
	IN(f, .seq = 2500, .len = 500);
	EXPECT(f, .ack = 1001, .nsack = 2, .sack = {3501, 4001, 1501, 2501});
	IN(f, .seq = 1000, .len = 500);
	EXPECT(f, .ack = 1001, .nsack = 3, .sack = {2001, 2501, 1501, 2501, 3501, 4001});
	fx_free(f);
}

/* 4.2.1: old and new in one segment; the old part is the duplicate. */
static void partial_duplicate_below(void **state)
{
	struct fx *f = received(1000);

	(void)state;
	IN(f, .seq = -300, .len = 1000);
	EXPECT(f, .ack = 1701, .nsack = 1, .sack = {701, 1001});
	fx_free(f);
}

/* 4.2.2: the same beyond the ACK, and 4.2.3: two duplicate parts: the first. */
static void partial_duplicate_beyond(void **state)
{
	struct fx *f = received(1000);

	(void)state;
	IN(f, .seq = 500, .len = 500);
	fx_skip(f);
	IN(f, .seq = 300, .len = 500);
	EXPECT(f, .ack = 1001, .nsack = 2, .sack = {1501, 1801, 1301, 2001});
	IN(f, .seq = 1500, .len = 100);
	fx_skip(f);
	IN(f, .seq = 600, .len = 1000);
	EXPECT(f, .ack = 1001, .nsack = 2, .sack = {1601, 2001, 1301, 2601});
	fx_free(f);
}

/* What fills the hole overlaps the island behind it: below the ACK by now. */
static void duplicate_in_what_fills_the_hole(void **state)
{
	struct fx *f = received(1000);

	(void)state;
	IN(f, .seq = 500, .len = 500);
	fx_skip(f);
	IN(f, .len = 700);
	EXPECT(f, .ack = 2001, .nsack = 1, .sack = {1501, 1701});
	fx_free(f);
}

/* With timestamps there is room for three, the duplicate included (RFC 2883 4). */
/* A segment that repeats both what was acknowledged and an island: the first of the two. */
static void duplicates_on_both_sides_of_the_hole(void **state)
{
	struct fx *f = received(1000);

	(void)state;
	IN(f, .seq = 500, .len = 500);
	EXPECT(f, .ack = 1001, .nsack = 1, .sack = {1501, 2001});
	IN(f, .seq = -500, .len = 2000);
	EXPECT(f, .ack = 2501, .nsack = 1, .sack = {501, 1001});
	fx_free(f);
}

static void room_with_timestamps(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.ts = true;
	f = fx_established(&opt);
	IN(f, .len = 500);
	for (int i = 1; i < 5; i++)
		IN(f, .seq = i * 1000, .len = 500);
	fx_skip(f);
	IN(f, .seq = -500, .len = 500);
	EXPECT(f, .ack = 501, .nsack = 3, .sack = {1, 501, 4501, 5001, 3501, 4001});
	fx_free(f);
}

/* The FIN takes a number, and is repeated like data. */
static void duplicate_fin(void **state)
{
	struct fx *f = fx_close_wait(&with_sack);

	(void)state;
	IN(f, .seq = -1, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 2, .nsack = 1, .sack = {1, 2});
	fx_free(f);
}

/* A segment dropped by PAWS was a duplicate all the same. */
static void duplicate_with_an_old_timestamp(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.ts = true;
	f = fx_established(&opt);
	IN(f, .len = 500, .ts = 100);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	IN(f, .seq = -500, .len = 500, .ts = 50);
	COUNTED(f, drop_paws, 1);
	EXPECT(f, .ack = 501, .nsack = 1, .sack = {1, 501});
	fx_free(f);
}

static void no_dsack_without_sack(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .len = 500);
	IN(f, .seq = -500, .len = 500);
	EXPECT(f, .ack = 501);
	IN(f, .seq = -1); /* a keep-alive is no duplicate of anything */
	EXPECT(f, .ack = 501);
	fx_free(f);
}

/* The report rides on data, and leaves room for itself. */
static void dsack_on_a_data_segment(void **state)
{
	struct fx *f = received(1000);
	struct tcp_seg dup = {.sport = 40000, .dport = 80, .flags = TCP_ACK, .wnd = FX_WND};
	static const uint8_t old[500];

	(void)state;
	dup.seq = f->c->rcv_nxt - 500;
	dup.ack = f->c->snd_nxt;
	dup.len = 500;
	dup.payload = old;
	tcp_input(f->c, &dup, f->now);
	fx_send(f, 2000);
	EXPECT(f, .seq = 1, .len = 988, .nsack = 1, .sack = {501, 1001});
	EXPECT(f, .seq = 989, .len = 1000);
	fx_skip(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicate_below_the_ack),
		cmocka_unit_test(duplicate_with_islands),
		cmocka_unit_test(duplicate_of_an_island),
		cmocka_unit_test(partial_duplicate_below),
		cmocka_unit_test(partial_duplicate_beyond),
		cmocka_unit_test(duplicate_in_what_fills_the_hole),
		cmocka_unit_test(duplicates_on_both_sides_of_the_hole),
		cmocka_unit_test(room_with_timestamps),
		cmocka_unit_test(duplicate_fin),
		cmocka_unit_test(duplicate_with_an_old_timestamp),
		cmocka_unit_test(no_dsack_without_sack),
		cmocka_unit_test(dsack_on_a_data_segment),
	};

	return cmocka_run_group_tests_name("tcp_dsack", tests, NULL, NULL);
}
