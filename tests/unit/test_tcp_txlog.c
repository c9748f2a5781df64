/* SPDX-License-Identifier: BSD-2-Clause */
/* The log of what is in flight, against one that keeps every unit by itself. */
#include "../random.h"
#include "tcp_fixture.h"
#include "tcp/txlog.h"

#define UNITS 4096 /* at most in flight: few enough for the bound on blocks */
#define UNIT  1024

struct model {
	uint32_t start; /* in units from BASE */
	uint32_t end;
	struct {
		uint32_t xmit;
		uint8_t state;
		bool rtx;
	} u[UNITS];
};

struct rig {
	struct tcp_pool pool;
	struct tcp_txlog log;
	struct model m;
	void *mem;
	uint32_t base; /* sequence number of unit 0 */
	uint64_t rng;
	uint32_t now;
	bool dry; /* splits and chunks may fail: the log may know less */
};

static uint32_t rnd(struct rig *g, uint32_t n)
{
	return (uint32_t)(xorshift64(&g->rng) >> 20) % n;
}

static uint32_t seq(const struct rig *g, uint32_t unit)
{
	return g->base + unit * UNIT;
}

static void check(struct rig *g)
{
	uint32_t at = g->m.start, sacked = 0, lost = 0, known = 0, told = 0;
	struct tx_pos p;

	assert_int_equal(g->log.start, seq(g, g->m.start));
	assert_int_equal(txlog_end(&g->log), seq(g, g->m.end));
	for (bool more = txlog_first(&g->log, &p); more; more = txlog_next(&p)) {
		const struct tx_rec *r = tx_at(&p);

		assert_int_equal(p.start, seq(g, at));
		assert_true(seq_lt(p.start, r->end));
		assert_int_equal(tx_len(&p) % UNIT, 0);
		known += r->state == TX_SACKED ? tx_len(&p) : 0;
		told += r->state == TX_LOST ? tx_len(&p) : 0;
		for (uint32_t n = tx_len(&p) / UNIT; n; n--, at++) {
			sacked += g->m.u[at % UNITS].state == TX_SACKED;
			lost += g->m.u[at % UNITS].state == TX_LOST;
			if (g->dry)
				continue;
			assert_int_equal(r->state, g->m.u[at % UNITS].state);
			if (r->state == TX_OUT) {
				assert_int_equal(r->xmit, g->m.u[at % UNITS].xmit);
				assert_int_equal(r->rtx, g->m.u[at % UNITS].rtx);
			}
		}
	}
	assert_int_equal(at, g->m.end);
	assert_int_equal(g->log.sacked, known);
	assert_int_equal(g->log.lost, told);
	/* What is not known may be less than what is so, never more. */
	assert_true(known <= sacked * UNIT);
	if (!g->dry)
		assert_int_equal(told, lost * UNIT);
	assert_int_equal(g->pool.in_use, g->log.chunks);
	assert_true(g->log.chunks <= 2 + ((g->m.end - g->m.start) * UNIT >> 16));
}

static void send(struct rig *g)
{
	uint32_t n = 1 + rnd(g, 30);

	if (g->m.end + n - g->m.start > UNITS)
		return;
	g->now += rnd(g, 3);
	for (uint32_t i = g->m.end; i < g->m.end + n; i++) {
		g->m.u[i % UNITS].xmit = g->now;
		g->m.u[i % UNITS].state = TX_OUT;
		g->m.u[i % UNITS].rtx = false;
	}
	g->m.end += n;
	txlog_append(&g->log, &g->pool, seq(g, g->m.end), g->now);
}

/* [from, to) becomes `state`, as far as the log can be split. */
static void mark(struct rig *g, enum tx_state state)
{
	uint32_t flight = g->m.end - g->m.start, from, to, before;
	struct tx_pos p;

	if (!flight)
		return;
	from = g->m.start + rnd(g, flight);
	to = from + 1 + rnd(g, u32_min(20, g->m.end - from));
	if (!txlog_find(&g->log, &p, seq(g, from)) ||
	    txlog_split(&g->log, &g->pool, &p, seq(g, from)))
		return;
	if (p.start != seq(g, from) && !txlog_next(&p))
		return;
	before = p.start;
	while (seq_lt(p.start, seq(g, to))) {
		uint32_t first = (p.start - g->base) / UNIT, n;

		if (txlog_split(&g->log, &g->pool, &p, seq(g, to)))
			return;
		n = tx_len(&p) / UNIT;
		/* What arrived does not get lost; nothing is sent again that has arrived. */
		if (tx_at(&p)->state != TX_SACKED) {
			txlog_set(&g->log, &p, state);
			if (state == TX_OUT) {
				tx_at(&p)->rtx = true;
				tx_at(&p)->xmit = g->now;
			}
			for (uint32_t i = first; i < first + n; i++) {
				g->m.u[i % UNITS].state = (uint8_t)state;
				if (state == TX_OUT) {
					g->m.u[i % UNITS].rtx = true;
					g->m.u[i % UNITS].xmit = g->now;
				}
			}
		}
		if (state == TX_SACKED)
			txlog_join(&p, before);
		before = p.start;
		if (!txlog_next(&p))
			return;
	}
}

static void acknowledge(struct rig *g, uint32_t n)
{
	g->m.start += n;
	while (seq_lt(g->log.start, seq(g, g->m.start)))
		txlog_drop(&g->log, &g->pool, seq(g, g->m.start));
}

/* Returns the most blocks it held. */
static unsigned run(uint64_t seed, unsigned blocks)
{
	unsigned most = 0;
	struct rig *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->rng = seed * 0x9e3779b97f4a7c15 + 1;
	g->base = 0xffff0000u;
	g->dry = blocks < 8;
	g->mem = aligned_alloc(64, (size_t)(blocks + 1) * TCP_BLOCK_SIZE);
	assert_non_null(g->mem);
	tcp_pool_init(&g->pool, g->mem, blocks);
	txlog_init(&g->log, g->base);
	for (int i = 0; i < 3000; i++) {
		switch (rnd(g, 8)) {
		case 0:
		case 1:
		case 2:
			send(g);
			break;
		case 3:
			mark(g, TX_SACKED);
			break;
		case 4:
			mark(g, TX_LOST);
			break;
		case 5:
			mark(g, TX_OUT);
			break;
		default:
			if (g->m.end != g->m.start)
				acknowledge(g, rnd(g, u32_min(40, g->m.end - g->m.start) + 1));
		}
		check(g);
		most = u32_max(most, g->log.chunks);
	}
	txlog_clear(&g->log, &g->pool, seq(g, g->m.end));
	assert_int_equal(g->pool.in_use, 0);
	free(g->mem);
	free(g);
	return most;
}

static void agrees_with_the_model(void **state)
{
	unsigned most = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 25; seed++)
		most = u32_max(most, run(seed, 128));
	assert_true(most > 3);
}

/* With few blocks, or none, it knows less, and nothing that is not so. */
static void a_dry_pool_blurs(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 25; seed++)
		run(seed, (unsigned)(seed % 3));
}

/* One burst, acknowledged, takes no block. */
static void a_burst_takes_no_block(void **state)
{
	struct rig g = {0};

	(void)state;
	g.mem = aligned_alloc(64, TCP_BLOCK_SIZE);
	tcp_pool_init(&g.pool, g.mem, 1);
	txlog_init(&g.log, 100);
	for (uint32_t i = 1; i <= 10; i++)
		txlog_append(&g.log, &g.pool, 100 + i * 1000, 7);
	assert_int_equal(g.pool.in_use, 0);
	txlog_append(&g.log, &g.pool, 12000, 8);
	assert_int_equal(g.pool.in_use, 1);
	txlog_drop(&g.log, &g.pool, 5000);
	txlog_drop(&g.log, &g.pool, 10100);
	assert_int_equal(g.pool.in_use, 1);
	txlog_drop(&g.log, &g.pool, 12000);
	assert_int_equal(g.pool.in_use, 0);
	assert_int_equal(txlog_end(&g.log), 12000);
	free(g.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
		cmocka_unit_test(a_dry_pool_blurs),
		cmocka_unit_test(a_burst_takes_no_block),
	};

	return cmocka_run_group_tests_name("tcp_txlog", tests, NULL, NULL);
}
