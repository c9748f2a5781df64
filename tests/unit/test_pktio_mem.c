/* SPDX-License-Identifier: BSD-2-Clause */
/* Packet I/O in memory: no frame is lost or forged; impaired: by the seed, as asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "net/pktio_impair.h"
#include "net/pktio_mem.h"

static void send_one(struct pktio *io, uint32_t value)
{
	struct pktio_frame f;

	assert_int_equal(io->ops->tx_reserve(io, &f, 1), 1);
	assert_true(f.cap >= 1514);
	memcpy(f.data, &value, sizeof(value));
	f.len = 60;
	io->ops->tx_submit(io, &f, 1);
	io->ops->flush(io);
}

static uint32_t value_of(const struct pktio_frame *f)
{
	uint32_t v;

	memcpy(&v, f->data, sizeof(v));
	return v;
}

static void in_order_and_bounded(void **state)
{
	struct pktio *end[2];
	struct pktio_frame f[16], t[16];
	struct pktio_stats s;

	(void)state;
	assert_int_equal(pktio_mem_pair(end, 8, 1500), 0);
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 8; i++)
			send_one(end[0], round * 8 + i);
		assert_int_equal(end[0]->ops->tx_reserve(end[0], t, 4), 0);
		assert_int_equal(end[1]->ops->rx(end[1], f, 16), 8);
		for (uint32_t i = 0; i < 8; i++)
			assert_int_equal(value_of(&f[i]), round * 8 + i);
		/* lent frames are not the sender's; back in any order they are */
		assert_int_equal(end[0]->ops->tx_reserve(end[0], t, 1), 0);
		end[1]->ops->release(end[1], &f[5], 3);
		end[1]->ops->release(end[1], &f[0], 5);
	}
	assert_int_equal(end[1]->ops->rx(end[1], f, 16), 0);
	end[0]->ops->stats(end[0], &s);
	assert_int_equal(s.tx_frames, 400);
	assert_int_equal(s.tx_full, 100);
	end[0]->ops->close(end[0]);
	end[1]->ops->close(end[1]);
}

static void cancelled_frames_come_back(void **state)
{
	struct pktio *end[2];
	struct pktio_frame t[8];

	(void)state;
	assert_int_equal(pktio_mem_pair(end, 8, 1500), 0);
	for (int round = 0; round < 10; round++) {
		assert_int_equal(end[1]->ops->tx_reserve(end[1], t, 8), 8);
		end[1]->ops->tx_cancel(end[1], t, 8);
	}
	end[1]->ops->close(end[1]);
	end[0]->ops->close(end[0]);
}

struct tally {
	struct impair_stats stats;
	unsigned got[2000];
	unsigned total, disorder;
};

static void through(const struct impair_config *cfg, struct tally *t)
{
	struct pktio *end[2], *io;
	struct pktio_frame f[PKTIO_BATCH];
	uint32_t last = 0;

	memset(t, 0, sizeof(*t));
	assert_int_equal(pktio_mem_pair(end, 64, 1500), 0);
	assert_int_equal(pktio_impair(&io, end[1], cfg), 0);
	for (uint32_t i = 0; i < 2000 + 50; i++) {
		unsigned n;

		if (i < 2000)
			send_one(end[0], i);
		n = io->ops->rx(io, f, PKTIO_BATCH);
		for (unsigned k = 0; k < n; k++) {
			uint32_t v = value_of(&f[k]);

			assert_in_range(v, 0, 1999);
			t->got[v]++;
			t->total++;
			t->disorder += v < last;
			last = v;
		}
		io->ops->release(io, f, n);
	}
	pktio_impair_stats(io, &t->stats);
	io->ops->close(io);
	end[0]->ops->close(end[0]);
}

static void impaired_as_asked(void **state)
{
	const struct impair_config cfg = {
		.seed = 42,
		.loss_ppm = 200000,
		.dup_ppm = 100000,
		.reorder_ppm = 100000,
		.reorder_max = 5,
	};
	static struct tally a, b;
	unsigned missing = 0;

	(void)state;
	through(&cfg, &a);
	through(&cfg, &b);
	assert_memory_equal(&a, &b, sizeof(a)); /* the seed decides */
	for (unsigned i = 0; i < 2000; i++)
		missing += !a.got[i];
	assert_int_equal(missing, a.stats.lost);
	assert_in_range(a.stats.lost, 300, 500);
	assert_in_range(a.stats.duplicated, 100, 220);
	assert_int_equal(a.total, 2000 - a.stats.lost + a.stats.duplicated);
	assert_in_range(a.disorder, 50, 300);
}

static void unimpaired_passes_all(void **state)
{
	const struct impair_config cfg = {.seed = 1};
	static struct tally t;

	(void)state;
	through(&cfg, &t);
	assert_int_equal(t.total, 2000);
	assert_int_equal(t.disorder, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_and_bounded),
		cmocka_unit_test(cancelled_frames_come_back),
		cmocka_unit_test(impaired_as_asked),
		cmocka_unit_test(unimpaired_passes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
