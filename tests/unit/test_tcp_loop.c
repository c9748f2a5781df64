/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two engines joined by a path that loses, reorders and duplicates, under
 * virtual time: whatever happens on the way, both read exactly what the other
 * wrote, and both end. The seed of a failure is printed; WEIR_SEED runs it alone.
 */
#include "../random.h"
#include "tcp_fixture.h"

#define BLOCKS	  400
#define IN_FLIGHT 4096
#define END_US	  (3600 * FX_SEC)

struct wire_seg {
	uint64_t at;
	int to;
	size_t len;
	uint8_t bytes[1600];
};

struct end {
	struct tcp_config cfg;
	struct tcp_env env;
	struct tcp_pool pool;
	uint64_t counters[WEIR_C_MAX];
	void *mem;
	struct tcp_conn *c;
	uint64_t to_write, written, read;
	bool shut, eof;
	uint8_t salt;
};

struct loop {
	uint64_t rng, now;
	unsigned loss, dup;		/* per mille */
	bool no_sack, no_ts, no_wscale; /* options that a box on the path removes */
	uint64_t delay, jitter;
	struct end e[2];
	struct wire_seg *wire;
	unsigned n;
	uint64_t segments;
};

static uint64_t rnd(struct loop *l)
{
	return xorshift64(&l->rng);
}

static bool chance(struct loop *l, unsigned per_mille)
{
	return rnd(l) % 1000 < per_mille;
}

static void put_on_wire(struct loop *l, int to, const uint8_t *bytes, size_t len)
{
	struct wire_seg *w;

	if (chance(l, l->loss) || l->n == IN_FLIGHT)
		return;
	w = &l->wire[l->n++];
	w->at = l->now + l->delay + rnd(l) % (l->jitter + 1);
	w->to = to;
	w->len = len;
	memcpy(w->bytes, bytes, len);
}

static void drain(struct loop *l, int i)
{
	uint8_t buf[1600], ecn;
	size_t n;

	while ((n = tcp_output(l->e[i].c, buf, sizeof(buf), &ecn, l->now)) > 0) {
		l->segments++;
		put_on_wire(l, !i, buf, n);
		if (chance(l, l->dup))
			put_on_wire(l, !i, buf, n);
	}
}

/* Reads some, writes some, closes when all is written. */
static void app(struct loop *l, int i)
{
	struct end *e = &l->e[i], *peer = &l->e[!i];
	size_t want = rnd(l) % 20000;
	const uint8_t *p;
	uint8_t *q;

	for (size_t n; want && (n = tcp_recv_peek(e->c, &p)) > 0; want -= n) {
		n = n < want ? n : want;
		for (size_t k = 0; k < n; k++)
			assert_int_equal(p[k], (uint8_t)(fx_byte(e->read + k) ^ peer->salt));
		e->read += n;
		tcp_recv_done(e->c, n, l->now);
	}
	e->eof |= tcp_recv_eof(e->c);
	for (size_t n; e->written < e->to_write && (n = tcp_send_reserve(e->c, &q)) > 0;) {
		if (n > e->to_write - e->written)
			n = (size_t)(e->to_write - e->written);
		for (size_t k = 0; k < n; k++)
			q[k] = (uint8_t)(fx_byte(e->written + k) ^ e->salt);
		tcp_send_commit(e->c, n);
		e->written += n;
	}
	/* In SYN_SENT that would delete the connection (RFC 9293 3.10.4). */
	if (e->written == e->to_write && !e->shut && tcp_get_state(e->c) > WEIR_SYN_SENT) {
		tcp_shutdown(e->c);
		e->shut = true;
	}
}

static void deliver(struct loop *l, unsigned k)
{
	struct wire_seg w = l->wire[k];
	struct tcp_seg seg;

	l->wire[k] = l->wire[--l->n];
	assert_true(tcp_csum_ok(0x1234, w.bytes, w.len));
	assert_int_equal(tcp_seg_parse(&seg, w.bytes, w.len), 0);
	if (seg.flags & TCP_SYN) {
		seg.sack_permitted &= !l->no_sack;
		seg.has_ts &= !l->no_ts;
		if (l->no_wscale)
			seg.wscale = WEIR_WSCALE_NONE;
	}
	tcp_input(l->e[w.to].c, &seg, l->now);
	app(l, w.to);
	drain(l, w.to);
}

/* The next thing that happens; false when nothing is left to happen. */
static bool step(struct loop *l)
{
	uint64_t at = TCP_NEVER;
	unsigned which = 0;
	int timer = -1;

	for (unsigned k = 0; k < l->n; k++)
		if (l->wire[k].at < at)
			at = l->wire[which = k].at;
	for (int i = 0; i < 2; i++)
		if (tcp_next_timeout(l->e[i].c) < at) {
			at = tcp_next_timeout(l->e[i].c);
			timer = i;
		}
	if (at == TCP_NEVER || at > END_US)
		return false;
	l->now = at > l->now ? at : l->now;
	if (timer < 0) {
		deliver(l, which);
		return true;
	}
	tcp_timeout(l->e[timer].c, l->now);
	app(l, timer);
	drain(l, timer);
	return true;
}

static void open_end(struct loop *l, int i)
{
	struct end *e = &l->e[i];

	tcp_config_default(&e->cfg);
	e->cfg.rcvbuf = 2000 + (uint32_t)(rnd(l) % 200000);
	e->cfg.sndbuf = 2000 + (uint32_t)(rnd(l) % 100000);
	e->cfg.wscale = (uint8_t)(rnd(l) % 8);
	e->cfg.nagle = rnd(l) & 1;
	e->cfg.msl_us = 300 * FX_SEC; /* outlives the longest back-off of the other's FIN */
	e->cfg.user_timeout_us = 0;
	e->cfg.persist_limit_us = END_US;
	e->cfg.syn_rcvd_us = END_US;
	e->cfg.last_ack_us = END_US;
	e->mem = aligned_alloc(64, BLOCKS * TCP_BLOCK_SIZE);
	e->c = calloc(1, tcp_conn_size());
	assert_true(e->mem && e->c);
	tcp_pool_init(&e->pool, e->mem, BLOCKS);
	e->env = (struct tcp_env){.cfg = &e->cfg, .pool = &e->pool, .counters = e->counters};
	e->to_write = rnd(l) % 400000;
	e->salt = (uint8_t)rnd(l);
}

static void run(uint64_t seed, bool simultaneous)
{
	struct loop l = {.rng = seed * 0x9e3779b97f4a7c15 + 1, .now = 1};
	struct tcp_open o = {.pseudo = 0x1234, .mtu_mss = 1460};
	bool ok;

	l.wire = calloc(IN_FLIGHT, sizeof(*l.wire));
	l.loss = (unsigned)(rnd(&l) % 4 ? rnd(&l) % 150 : 0);
	l.dup = (unsigned)(rnd(&l) % 50);
	l.no_sack = rnd(&l) % 3 == 0;
	l.no_ts = rnd(&l) % 3 == 0;
	l.no_wscale = rnd(&l) % 3 == 0;
	l.delay = rnd(&l) % 50000;
	l.jitter = rnd(&l) % 2 ? rnd(&l) % 20000 : 0;
	for (int i = 0; i < 2; i++) {
		open_end(&l, i);
		o.env = &l.e[i].env;
		o.lport = (uint16_t)(1000 + i);
		o.rport = (uint16_t)(1000 + !i);
		if (i == 0 || simultaneous)
			tcp_open_active(l.e[i].c, &o, (uint32_t)rnd(&l), (uint32_t)rnd(&l), l.now);
		else
			tcp_open_listen(l.e[i].c, &o, (uint32_t)rnd(&l), l.now);
	}
	drain(&l, 0);
	drain(&l, 1);
	while (step(&l))
		;
	/* What came with the last segment is still there to be read. */
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 100; k++)
			app(&l, i);
	ok = true;
	for (int i = 0; i < 2; i++) {
		struct end *e = &l.e[i];

		ok &= e->eof && e->read == l.e[!i].to_write && tcp_get_state(e->c) == WEIR_CLOSED;
		ok &= tcp_get_reason(e->c) == TCP_END_NORMAL;
	}
	for (int i = 0; i < 2 && !ok; i++)
		print_error("seed %llu%s end %d: %s (%s) read %llu of %llu, wrote %llu, now %llu\n",
			    (unsigned long long)seed, simultaneous ? " simultaneous" : "", i,
			    tcp_state_name(tcp_get_state(l.e[i].c)),
			    tcp_reason_name(tcp_get_reason(l.e[i].c)),
			    (unsigned long long)l.e[i].read, (unsigned long long)l.e[!i].to_write,
			    (unsigned long long)l.e[i].written, (unsigned long long)l.now);
	assert_true(ok);
	for (int i = 0; i < 2; i++) {
		tcp_release(l.e[i].c);
		assert_int_equal(l.e[i].pool.in_use, 0);
		free(l.e[i].c);
		free(l.e[i].mem);
	}
	free(l.wire);
}

static void seeds(bool simultaneous)
{
	const char *one = getenv("WEIR_SEED");
	uint64_t n = 300;

	if (one) {
		run(strtoull(one, NULL, 0), simultaneous);
		return;
	}
	for (uint64_t seed = 1; seed <= n; seed++)
		run(seed, simultaneous);
}

static void client_and_server(void **state)
{
	(void)state;
	seeds(false);
}

static void simultaneous_open(void **state)
{
	(void)state;
	seeds(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_and_server),
		cmocka_unit_test(simultaneous_open),
	};

	return cmocka_run_group_tests_name("tcp_loop", tests, NULL, NULL);
}
