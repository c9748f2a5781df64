/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients with a TCP of their own, and the applications of the engine's tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "engine_fixture.h"

/* The stream's byte at an offset; another stream for every port. */
static uint8_t pattern(uint16_t port, uint64_t offset)
{
	uint64_t x = (offset + 1) * 0x9e3779b97f4a7c15ULL + port;

	return (uint8_t)(x >> 29 ^ x >> 7);
}

void bulk_init(struct bulk *b, struct rig *r, uint16_t port, uint64_t bytes)
{
	size_t mem = 4 << 20;
	struct weir_flow f;
	struct tcp_open o;

	memset(b, 0, sizeof(*b));
	peer_init(&b->p, r, 4, port);
	b->p.queue = port % r->cfg.queues;
	peer_cookie(&b->p, true);
	b->to_send = bytes;
	b->tcp = calloc(1, tcp_conn_size());
	b->mem = aligned_alloc(64, mem);
	assert_true(b->tcp && b->mem);
	tcp_pool_init(&b->pool, b->mem, mem / TCP_BLOCK_SIZE);
	tcp_config_default(&b->cfg);
	b->cfg.msl_us = 100000;
	b->cfg.wscale = 7; /* as its cookie says */
	b->env = (struct tcp_env){.cfg = &b->cfg, .pool = &b->pool, .counters = b->counters};
	/* The client's end of the handshake that the gate finished. */
	f = (struct weir_flow){
		.iss = b->p.isn,
		.irs = b->p.cookie,
		.ts_ours = b->p.tsval,
		.ts_peer = b->p.tsecr,
		.mss = 1460,
		.wscale = r->gate.wscale,
		.flags = WEIR_OPT_SACK | WEIR_OPT_TS,
	};
	o = (struct tcp_open){
		.env = &b->env,
		.pseudo = tcp_pseudo_sum(&b->p.t.raddr[3], &b->p.t.laddr[3], 4),
		.lport = weir_ntohs(b->p.t.rport),
		.rport = weir_ntohs(b->p.t.lport),
		.mtu_mss = (uint16_t)(r->cfg.mtu - 40),
	};
	tcp_open_cookie(b->tcp, &o, &f, r->now_us);
}

void bulk_fini(struct bulk *b)
{
	tcp_release(b->tcp);
	assert_int_equal(b->pool.in_use, 0);
	free(b->tcp);
	free(b->mem);
}

/* Ethernet and IP before a segment. */
static size_t wrap(struct bulk *b, uint8_t *frame, size_t len)
{
	uint8_t head[2048];
	size_t hlen = peer_build(&b->p, head, TCP_ACK, 0, 0, NULL, 0);
	struct weir_pkt v;

	assert_int_equal(weir_pkt_parse(head, hlen, &v), WEIR_PKT_OK);
	memmove(frame + v.l4_off, frame, len);
	memcpy(frame, head, v.l4_off);
	weir_store16(frame + v.l3_off + 2, weir_htons(v.l4_off - v.l3_off + len));
	frame_fix_checksums(frame, v.l4_off + len);
	return v.l4_off + len;
}

static void send_due(struct bulk *b)
{
	struct rig *r = b->p.r;
	uint8_t frame[2048], ecn;
	size_t len;

	for (int i = 0; i < 32; i++) {
		unsigned q = b->p.queue;
		struct pktio_frame f;

		/* No room: nothing is taken from the TCP that could not be sent. */
		if (b->hop && b->frames / b->hop % 2)
			q = (q + 1) % r->cfg.queues;
		if (!r->client[q]->ops->tx_reserve(r->client[q], &f, 1))
			return;
		r->client[q]->ops->tx_cancel(r->client[q], &f, 1);
		len = tcp_output(b->tcp, frame, 1800, &ecn, r->now_us);
		if (!len)
			return;
		len = wrap(b, frame, len);
		rig_inject(r, q, frame, len);
		b->frames++;
	}
}

static void use_stream(struct bulk *b)
{
	uint16_t port = weir_ntohs(b->p.t.rport);
	const uint8_t *in;
	uint8_t *out;
	size_t n;

	while (b->sent < b->to_send && (n = tcp_send_reserve(b->tcp, &out)) > 0) {
		if (n > b->to_send - b->sent)
			n = b->to_send - b->sent;
		for (size_t i = 0; i < n; i++)
			out[i] = pattern(port, b->sent + i);
		tcp_send_commit(b->tcp, n);
		b->sent += n;
	}
	while ((n = tcp_recv_peek(b->tcp, &in)) > 0) {
		for (size_t i = 0; i < n; i++)
			b->wrong = b->wrong || in[i] != pattern(port, b->received + i);
		b->received += n;
		tcp_recv_done(b->tcp, n, b->p.r->now_us);
	}
	if (b->sent == b->to_send && !b->shut) {
		tcp_shutdown(b->tcp);
		b->shut = true;
	}
}

static void receive_all(struct rig *r, struct bulk *all, unsigned n)
{
	for (unsigned q = 0; q < r->cfg.queues; q++) {
		struct pktio_frame f;

		while (r->client[q]->ops->rx(r->client[q], &f, 1)) {
			struct weir_pkt v;
			struct tcp_seg seg;

			assert_int_equal(weir_pkt_parse(f.data, f.len, &v), WEIR_PKT_OK);
			assert_int_equal(weir_csum_tcp(f.data, &v), WEIR_CSUM_GOOD);
			assert_int_equal(tcp_seg_parse(&seg, f.data + v.l4_off, v.end - v.l4_off),
					 0);
			for (unsigned i = 0; i < n; i++) {
				if (all[i].p.t.rport == v.tuple.lport)
					tcp_input(all[i].tcp, &seg, r->now_us);
			}
			r->client[q]->ops->release(r->client[q], &f, 1);
		}
	}
}

static bool bulk_done(const struct bulk *b)
{
	enum weir_tcp_state s = tcp_get_state(b->tcp);

	return s == WEIR_TIME_WAIT || s == WEIR_CLOSED;
}

bool bulk_run(struct rig *r, struct bulk *all, unsigned n, uint64_t limit_us)
{
	uint64_t until = r->now_us + limit_us;
	unsigned done = 0;

	for (; r->now_us < until && (done < n || rig_conns(r)); r->now_us += 500) {
		done = 0;
		for (unsigned i = 0; i < n; i++) {
			if (tcp_next_timeout(all[i].tcp) <= r->now_us)
				tcp_timeout(all[i].tcp, r->now_us);
			use_stream(&all[i]);
			send_due(&all[i]);
		}
		rig_poll(r);
		receive_all(r, all, n);
		for (unsigned i = 0; i < n; i++) {
			use_stream(&all[i]);
			done += bulk_done(&all[i]);
		}
	}
	return done == n && !rig_conns(r);
}

/* ---- applications -------------------------------------------------------------------- */

static int echo_open(struct weir_conn *c, void *arg)
{
	struct echo_log *log = arg;

	if (!log)
		return 0;
	log->opens++;
	if (log->timer_ms)
		weir_conn_timer(c, log->timer_ms);
	if (log->shutdown_on_open)
		weir_shutdown(c);
	if (log->greeting) {
		weir_send(c, log->greeting, strlen(log->greeting));
		weir_close(c);
	}
	return log->refuse;
}

static void echo_pump(struct weir_conn *c)
{
	struct echo_log *log = weir_conn_arg(c);
	const uint8_t *p;
	size_t n;

	while ((n = weir_recv_peek(c, &p)) > 0) {
		size_t took = weir_send(c, p, n);

		weir_recv_done(c, took);
		if (took < n) {
			if (log)
				log->shorts++;
			return;
		}
	}
	if (weir_recv_eof(c) && !(log && log->keep_open))
		weir_close(c);
}

static void echo_data(struct weir_conn *c)
{
	struct echo_log *log = weir_conn_arg(c);

	if (log) {
		log->datas++;
		if (log->sleep_ms)
			nanosleep(&(struct timespec){log->sleep_ms / 1000,
						     log->sleep_ms % 1000 * 1000000},
				  NULL);
		if (log->hold)
			return;
		if (log->close_on_data)
			weir_close(c);
		if (log->abort_on_data)
			weir_abort(c);
		if (log->abort_timeout_on_data)
			weir_abort_timeout(c);
	}
	echo_pump(c);
}

static void echo_writable(struct weir_conn *c)
{
	struct echo_log *log = weir_conn_arg(c);

	if (log)
		log->writables++;
	echo_pump(c);
}

static void echo_timer(struct weir_conn *c)
{
	struct echo_log *log = weir_conn_arg(c);

	log->timers++;
	echo_pump(c);
}

static void echo_close(struct weir_conn *c, int reason)
{
	struct echo_log *log = weir_conn_arg(c);

	if (!log)
		return;
	log->closes++;
	log->last_reason = reason;
}

const struct weir_app echo_test_app = {
	.name = "echo",
	.conn_size = 64,
	.on_open = echo_open,
	.on_data = echo_data,
	.on_writable = echo_writable,
	.on_timer = echo_timer,
	.on_close = echo_close,
};

static void source_more(struct weir_conn *c)
{
	const struct source_log *log = weir_conn_arg(c);
	uint64_t *sent = weir_conn_state(c);
	struct weir_addr peer;
	uint8_t *p;
	size_t n;

	weir_conn_peer(c, &peer);
	while (*sent < log->bytes) {
		n = weir_send_reserve(c, &p);
		if (!n)
			return;
		if (n > log->bytes - *sent)
			n = log->bytes - *sent;
		for (size_t i = 0; i < n; i++)
			p[i] = pattern(peer.port, *sent + i);
		weir_send_commit(c, n);
		*sent += n;
	}
	weir_close(c);
}

static int source_open(struct weir_conn *c, void *arg)
{
	(void)arg;
	source_more(c);
	return 0;
}

const struct weir_app source_test_app = {
	.name = "source",
	.conn_size = sizeof(uint64_t),
	.on_open = source_open,
	.on_writable = source_more,
};
