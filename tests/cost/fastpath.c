/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What test_fastpath.py counts the instructions of: a worker's turns over packet I/O in
 * memory, each path of a segment by itself. Only what measured() does is counted; the
 * clients' side is not. Says how many units (segments, connections) the turns handled.
 *
 *     fastpath              the cases, each with its unit
 *     fastpath CASE
 *     fastpath --compiler   what built it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../unit/engine_fixture.h"

#define CONNS 8	 /* at once; what is theirs comes in one turn */
#define SEGS  4	 /* segments of one connection in one turn */
#define WARM  40 /* rounds before it counts: past the quick ACKs and slow start */
#define TURNS 100
#define FULL  1448 /* MTU 1500 with timestamps */

struct load {
	struct rig *r;
	struct peer p[CONNS];
	struct weir_conn *conn[CONNS];
	unsigned opened;
	bool counting;
	unsigned long units;
};

static uint8_t payload[FULL];

/* ---- the application -------------------------------------------------------------- */

static int app_open(struct weir_conn *c, void *arg)
{
	struct load *l = arg;

	l->conn[l->opened++ % CONNS] = c;
	return 0;
}

static size_t read_all(struct weir_conn *c)
{
	const uint8_t *p;
	size_t n, total = 0;

	while ((n = weir_recv_peek(c, &p)) > 0) {
		weir_recv_done(c, n);
		total += n;
	}
	return total;
}

static void discard_data(struct weir_conn *c)
{
	read_all(c);
}

static void answer_data(struct weir_conn *c)
{
	if (read_all(c))
		weir_send(c, payload, 200);
	if (weir_recv_eof(c))
		weir_close(c);
}

static const struct weir_app discard_app = {
	.name = "discard",
	.on_open = app_open,
	.on_data = discard_data,
};

static const struct weir_app answer_app = {
	.name = "answer",
	.on_open = app_open,
	.on_data = answer_data,
};

/* ---- the rig ----------------------------------------------------------------------- */

/* The kernel's map is no part of what is measured. */
static int no_lookup(struct flowmap *m, const weir_tuple *t, struct weir_flow *f)
{
	(void)m, (void)t, (void)f;
	return -2;
}

static int no_insert(struct flowmap *m, const weir_tuple *t, const struct weir_flow *f)
{
	(void)m, (void)t, (void)f;
	return 0;
}

static int no_remove(struct flowmap *m, const weir_tuple *t, unsigned n)
{
	(void)m, (void)t, (void)n;
	return 0;
}

static int no_walk(struct flowmap *m, uint64_t *cursor, weir_tuple *t, struct weir_flow *f,
		   unsigned max)
{
	(void)m, (void)t, (void)f, (void)max;
	*cursor = 0;
	return 0;
}

static const struct flowmap_ops no_flows = {no_lookup, no_insert, no_remove, no_walk, NULL};

static void load_open(struct load *l, const struct weir_app *app)
{
	struct rig_config cfg;

	rig_config_default(&cfg);
	cfg.app = app;
	cfg.arg = l;
	l->r = rig_open(&cfg);
	l->r->flows->m.ops = &no_flows;
}

/* A call that returns here: the counting begins and ends with this function. */
static __attribute__((noinline)) void measured(struct rig *r)
{
	worker_poll(engine_worker(r->e, 0), r->now_us);
	__asm__ volatile("" ::: "memory");
}

/* Called through here, no compiler makes a copy of it under another name. */
static void (*volatile const counted)(struct rig *) = measured;

static void turn(struct load *l)
{
	l->r->now_us += 100;
	if (l->counting)
		counted(l->r);
	else
		worker_poll(engine_worker(l->r->e, 0), l->r->now_us);
}

static void connect_all(struct load *l)
{
	for (unsigned i = 0; i < CONNS; i++) {
		peer_init(&l->p[i], l->r, 4, (uint16_t)(2000 + i));
		peer_open(&l->p[i]);
	}
	rig_silent(l->r);
}

static void send_all(struct load *l, uint8_t flags, size_t len)
{
	for (unsigned i = 0; i < CONNS; i++) {
		l->p[i].tsval = (uint32_t)(777000 + (l->r->now_us - RIG_START_US) / 1000);
		peer_send(&l->p[i], flags, payload, len);
	}
}

/* ---- the paths ---------------------------------------------------------------------- */

/* Data in order: input, its consumption, the decision on the ACK and each second one sent. */
static void data_in(struct load *l, size_t len)
{
	load_open(l, &discard_app);
	connect_all(l);
	for (int i = 0; i < WARM + TURNS; i++) {
		l->counting = i >= WARM;
		for (int k = 0; k < SEGS; k++)
			send_all(l, TCP_ACK | TCP_PSH, len);
		turn(l);
		rig_silent(l->r);
		l->units += l->counting ? SEGS * CONNS : 0;
	}
}

static void data_in_full(struct load *l)
{
	data_in(l, FULL);
}

static void data_in_small(struct load *l)
{
	data_in(l, 64);
}

/* What waits for the clients: they take it, and note their next ACK. */
static void take_all(struct load *l)
{
	struct pktio *io = l->r->client[0];
	struct pktio_frame f;

	while (io->ops->rx(io, &f, 1))
		io->ops->release(io, &f, 1);
}

/* Rounds of full segments out and a pure ACK for each second one; one kind is counted. */
static void rounds(struct load *l, bool out)
{
	load_open(l, &discard_app);
	connect_all(l);
	for (int i = 0; i < WARM + TURNS; i++) {
		bool counts = i >= WARM;

		for (unsigned c = 0; c < CONNS; c++) {
			for (int k = 0; k < SEGS; k++)
				assert_int_equal(weir_send(l->conn[c], payload, FULL), FULL);
		}
		l->counting = counts && out;
		turn(l);
		take_all(l);
		for (int k = 0; k < SEGS / 2; k++) {
			for (unsigned c = 0; c < CONNS; c++)
				l->p[c].ack += 2 * FULL;
			send_all(l, TCP_ACK, 0);
		}
		l->counting = counts && !out;
		turn(l);
		assert_true(rig_silent(l->r));
		l->units += counts ? CONNS * (out ? SEGS : SEGS / 2) : 0;
	}
	assert_int_equal(weir_send_queued(l->conn[0]), 0);
}

static void data_out(struct load *l)
{
	rounds(l, true);
}

static void ack_in(struct load *l)
{
	rounds(l, false);
}

/* From the final ACK of a cookie to the end of its tombstone; the client closes first. */
static void connection(struct load *l)
{
	struct engine_status s;

	load_open(l, &answer_app);
	l->counting = true;
	for (int i = 0; i < TURNS; i++) {
		for (unsigned c = 0; c < CONNS; c++) {
			peer_init(&l->p[c], l->r, 4, (uint16_t)(2000 + i * CONNS + c));
			peer_cookie(&l->p[c], false);
		}
		send_all(l, TCP_ACK, 0);
		turn(l);
		send_all(l, TCP_ACK | TCP_PSH, 100);
		turn(l);
		for (unsigned c = 0; c < CONNS; c++)
			l->p[c].ack += 200;
		send_all(l, TCP_ACK | TCP_FIN, 0);
		turn(l);
		for (unsigned c = 0; c < CONNS; c++)
			l->p[c].ack++;
		send_all(l, TCP_ACK, 0);
		turn(l);
		take_all(l);
		l->units += CONNS;
	}
	assert_int_equal(l->opened, l->units);
	assert_int_equal(rig_conns(l->r), 0);
	for (int i = 0; i < 8; i++) {
		l->r->now_us += 5000000;
		turn(l);
	}
	s = rig_status(l->r);
	assert_int_equal(s.tombstones + s.closing, 0);
}

static const struct {
	const char *name, *unit;
	void (*run)(struct load *l);
} cases[] = {
	{"data_in_full", "segment of 1448 bytes received in order", data_in_full},
	{"data_in_small", "segment of 64 bytes received in order", data_in_small},
	{"ack_in", "pure ACK received", ack_in},
	{"data_out", "segment of 1448 bytes sent", data_out},
	{"connection", "connection with a request and its response", connection},
};

#ifdef __clang__
#define COMPILER "clang"
#define VERSION	 __clang_major__
#else
#define COMPILER "gcc"
#define VERSION	 __GNUC__
#endif

int main(int argc, char **argv)
{
	static struct load l;

	if (argc == 2 && !strcmp(argv[1], "--compiler")) {
		printf("%s %d\n", COMPILER, VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc < 2) {
			printf("%s: %s\n", cases[i].name, cases[i].unit);
		} else if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run(&l);
			printf("units %lu\n", l.units);
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
