/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "end.h"
#include "wire.h"

#define MOST_AT_ONCE 20000 /* segments out of one drain */
#define MOST_HOGGED  1000

static struct tcp_conn *conn_new(void)
{
	void *p = calloc(1, tcp_conn_size());

	if (!p)
		abort();
	return p;
}

static struct tcp_open open_args(const struct sim_end *e)
{
	return (struct tcp_open){
		.env = &e->env,
		.pseudo = SIM_PSEUDO,
		.lport = (uint16_t)(1000 + 2 * e->flow + e->side),
		.rport = (uint16_t)(1000 + 2 * e->flow + !e->side),
		.mtu_mss = e->opt.mtu_mss,
		.mss_default = 536,
	};
}

/* ---- what leaves ------------------------------------------------------------------ */

static void show(struct sim_end *e, const struct sim_frame *f, bool leaves)
{
	uint32_t iss = e->watch.iss, irs = e->watch.irs;
	struct tcp_info info;
	char text[240];

	if (!e->node.sim->verbose)
		return;
	sim_describe(f, leaves ? iss : irs, leaves ? irs : iss, text, sizeof(text));
	printf("%4llu.%06llu %-4s %-5s #%llu %s", (unsigned long long)(e->node.sim->now / SIM_SEC),
	       (unsigned long long)(e->node.sim->now % SIM_SEC / SIM_US), e->name,
	       leaves ? "sends" : "gets", (unsigned long long)f->id, text);
	if (leaves && e->open) {
		tcp_get_info(e->c, &info);
		printf(" | cwnd %u ssthresh %u flight %u recovery %u", info.cwnd, info.ssthresh,
		       info.snd_nxt - info.snd_una, info.recovery);
	}
	putchar('\n');
}

static void send_frame(struct sim_end *e, struct sim_frame *f, uint32_t una)
{
	struct sim *s = e->node.sim;
	struct tcp_seg seg;

	f->flow = e->flow;
	f->side = e->side;
	sim_hash(s, &s->now, sizeof(s->now));
	sim_hash(s, f->bytes, f->len < 60 ? f->len : 60);
	if (!tcp_csum_ok(SIM_PSEUDO, f->bytes, f->len) || tcp_seg_parse(&seg, f->bytes, f->len)) {
		sim_fail(s, "%s sent what cannot be read", e->name);
	} else {
		f->data = seg.len;
		e->segments++;
		e->data_segments += seg.len > 0;
		show(e, f, true);
		sim_watch_out(&e->watch, f, &seg, una);
	}
	sim_pass(&e->node, f);
}

static void drain(struct sim_end *e)
{
	struct sim *s = e->node.sim;
	unsigned n = 0;

	while (!s->failed) {
		struct sim_frame *f = sim_frame_new(s);
		struct tcp_info info;

		f->len = (uint32_t)tcp_output(e->c, f->bytes, sizeof(f->bytes), &f->ecn, sim_us(s));
		if (!f->len) {
			sim_frame_free(s, f);
			return;
		}
		tcp_get_info(e->c, &info);
		send_frame(e, f, info.snd_una);
		if (++n > MOST_AT_ONCE)
			sim_fail(s, "%s does not stop sending", e->name);
	}
}

static void send_reply(struct sim_end *e, const uint8_t *bytes, size_t len)
{
	struct sim_frame *f = sim_frame_new(e->node.sim);

	memcpy(f->bytes, bytes, len);
	f->len = (uint32_t)len;
	send_frame(e, f, e->watch.snd_max);
}

/* ---- timers ------------------------------------------------------------------------- */

static void wake(struct sim_end *e, uint64_t at)
{
	if (at < e->node.sim->now)
		at = e->node.sim->now;
	if (at >= e->wake_at)
		return;
	e->wake_at = at;
	sim_at(&e->node, at, NULL);
}

static uint64_t core_at(struct sim_end *e)
{
	struct sim *s = e->node.sim;
	uint64_t us;

	if (e->in_row)
		return e->row.expires_us * SIM_US;
	if (!e->open)
		return SIM_NEVER;
	us = tcp_next_timeout(e->c);
	if (us == TCP_NEVER) {
		if (tcp_send_queued(e->c) && tcp_get_state(e->c) != WEIR_CLOSED)
			sim_fail(s, "%s has data to send and no timer in %s", e->name,
				 tcp_state_name(tcp_get_state(e->c)));
		return SIM_NEVER;
	}
	if (us > sim_us(s) + e->bound_us)
		sim_fail(s, "%s has a timer %llu us ahead", e->name,
			 (unsigned long long)(us - sim_us(s)));
	return us * SIM_US;
}

/* ---- a pool that others use, too ------------------------------------------------------ */

static void give_back(struct sim_end *e)
{
	struct tcp_block *b;

	while ((b = e->hogged)) {
		e->hogged = b->next;
		tcp_pool_put(&e->pool, b);
	}
}

/* For as long as there is something to be disturbed, but not for ever. */
static bool hogging(const struct sim_end *e)
{
	return e->opt.hog && e->hogged_times < MOST_HOGGED &&
	       !(e->app.eof && e->app.shut && !tcp_send_queued(e->c));
}

static void hog(struct sim_end *e)
{
	struct sim *s = e->node.sim;
	struct tcp_block *b;

	if (!hogging(e) || e->hogged) {
		if (s->now >= e->hog_at)
			give_back(e);
	} else if (s->now >= e->hog_at) {
		e->hogged_times++;
		for (size_t i = 0; i < e->opt.hog && (b = tcp_pool_get(&e->pool)); i++) {
			b->next = e->hogged;
			e->hogged = b;
		}
	}
	if (s->now >= e->hog_at)
		e->hog_at = s->now + 1 + sim_below(&e->node.rng, 2 * e->opt.hog_ns);
}

/* ---- the end's own steps ---------------------------------------------------------------- */

static void to_row(struct sim_end *e)
{
	if (!e->opt.rows || tcp_get_state(e->c) != WEIR_TIME_WAIT || !e->app.eof)
		return;
	tcp_timewait_from(e->c, &e->row);
	tcp_release(e->c);
	e->in_row = true;
	e->open = false;
}

static void account(struct sim_end *e)
{
	struct tcp_info info;

	tcp_get_info(e->c, &info);
	e->retransmits = info.retransmits;
	e->reason = info.reason;
	if (info.reason > TCP_END_NORMAL && !e->opt.may_die)
		sim_fail(e->node.sim, "%s ended by %s", e->name, tcp_reason_name(info.reason));
}

void sim_end_work(struct sim_end *e)
{
	struct sim *s = e->node.sim;
	uint64_t at;

	if (e->open) {
		hog(e);
		e->app_at = sim_app_run(&e->app, s, e->c);
		drain(e);
		if (tcp_events(e->c) & (TCP_EV_ENDED | TCP_EV_EOF)) {
			e->app_at = sim_app_run(&e->app, s, e->c);
			drain(e);
		}
		if (tcp_get_reason(e->c)) {
			account(e);
			to_row(e);
		}
	}
	at = core_at(e);
	if (e->open && e->app_at < at && e->reason <= TCP_END_NORMAL)
		at = e->app_at;
	if (e->open && (hogging(e) || e->hogged) && e->hog_at < at)
		at = e->hog_at;
	if (at != SIM_NEVER)
		wake(e, at);
}

static void start(struct sim_end *e)
{
	struct sim *s = e->node.sim;
	struct tcp_open o = open_args(e);
	uint32_t iss = (uint32_t)sim_rand(&e->node.rng), ts = (uint32_t)sim_rand(&e->node.rng);

	e->started = true;
	e->gate.iss = iss;
	if (e->opt.how == SIM_ACTIVE)
		tcp_open_active(e->c, &o, iss, ts, sim_us(s));
	else if (e->opt.how == SIM_LISTEN)
		tcp_open_listen(e->c, &o, iss, sim_us(s));
	e->open = e->opt.how != SIM_COOKIE;
}

static void end_due(struct sim_node *n, struct sim_frame *f)
{
	struct sim_end *e = (struct sim_end *)n;
	struct sim *s = n->sim;

	(void)f;
	if (s->now != e->wake_at)
		return; /* an earlier one came between */
	e->wake_at = SIM_NEVER;
	if (e->in_row && e->row.expires_us <= sim_us(s))
		e->in_row = false;
	else if (e->open)
		tcp_timeout(e->c, sim_us(s));
	else if (!e->started)
		start(e);
	sim_end_work(e);
}

/* ---- the gate of SIM_COOKIE --------------------------------------------------------------- */

static void gate_syn(struct sim_end *e, const struct tcp_seg *syn)
{
	struct sim *s = e->node.sim;
	struct tcp_seg answer = {
		.sport = syn->dport,
		.dport = syn->sport,
		.seq = e->gate.iss,
		.ack = syn->seq + 1,
		.flags = TCP_SYN | TCP_ACK,
		.wnd = (uint16_t)(e->cfg.rcvbuf < 65535 ? e->cfg.rcvbuf : 65535),
		.mss = e->opt.mtu_mss,
		.wscale = syn->wscale == WEIR_WSCALE_NONE ? WEIR_WSCALE_NONE : e->cfg.wscale,
		.sack_permitted = syn->sack_permitted,
		.has_ts = syn->has_ts,
		.tsval = e->gate.iss + (uint32_t)(sim_us(s) / 1000),
		.tsecr = syn->tsval,
	};
	struct sim_frame *f = sim_frame_new(s);

	e->gate.seen = true;
	e->gate.syn = *syn;
	if ((syn->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR))
		answer.flags |= TCP_ECE;
	sim_build(f, &answer);
	send_frame(e, f, e->gate.iss);
}

static void gate_ack(struct sim_end *e, const struct tcp_seg *seg)
{
	const struct tcp_seg *syn = &e->gate.syn;
	struct tcp_open o = open_args(e);
	struct weir_flow flow = {
		.iss = e->gate.iss,
		.irs = syn->seq,
		.ts_ours = seg->tsecr,
		.ts_peer = seg->tsval,
		.mss = syn->mss ? syn->mss : 536,
		.wscale = syn->wscale,
	};

	if (syn->sack_permitted)
		flow.flags |= WEIR_OPT_SACK;
	if (syn->has_ts)
		flow.flags |= WEIR_OPT_TS;
	if ((syn->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR))
		flow.flags |= WEIR_OPT_ECN;
	tcp_open_cookie(e->c, &o, &flow, sim_us(e->node.sim));
	e->open = true;
}

/* Whether the segment goes on to a connection. */
static bool gate_input(struct sim_end *e, const struct tcp_seg *seg)
{
	if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN)
		gate_syn(e, seg);
	/* The cookie holds the number of the SYN, and what carries it follows that. */
	else if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_ACK && e->gate.seen &&
		 seg->ack == e->gate.iss + 1 && seg->seq == e->gate.syn.seq + 1)
		gate_ack(e, seg);
	return e->open;
}

/* ---- what arrives --------------------------------------------------------------------------- */

static void box(const struct sim_end *e, struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_SYN))
		return;
	if (e->opt.strip & SIM_NO_SACK)
		seg->sack_permitted = false;
	if (e->opt.strip & SIM_NO_TS)
		seg->has_ts = false;
	if (e->opt.strip & SIM_NO_WSCALE)
		seg->wscale = WEIR_WSCALE_NONE;
	if (e->opt.strip & SIM_NO_ECN)
		seg->flags &= (uint8_t) ~(TCP_ECE | TCP_CWR);
}

static void row_input(struct sim_end *e, const struct tcp_seg *seg)
{
	struct sim *s = e->node.sim;
	uint8_t out[128];
	size_t len = 0;
	uint32_t iss;

	switch (tcp_timewait_input(&e->row, &e->env, seg, sim_us(s), out, &len, &iss)) {
	case TCP_TW_REPLY:
		send_reply(e, out, len);
		break;
	case TCP_TW_REOPEN:
		sim_fail(s, "%s would re-open", e->name);
		break;
	case TCP_TW_DROP:
		break;
	}
}

static void take(struct sim_end *e, struct tcp_seg *seg)
{
	struct sim *s = e->node.sim;
	uint8_t out[64];
	size_t len;

	box(e, seg);
	sim_watch_in(&e->watch, seg);
	if (e->in_row) {
		row_input(e, seg);
	} else if (e->row.lport) { /* the row has gone: CLOSED */
		len = tcp_reset_for(seg, SIM_PSEUDO, out);
		if (len)
			send_reply(e, out, len);
	} else if (e->open || (e->opt.how == SIM_COOKIE && gate_input(e, seg))) {
		tcp_input(e->c, seg, sim_us(s));
	}
	sim_end_work(e);
}

static void end_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_end *e = (struct sim_end *)n;
	bool ok = tcp_csum_ok(SIM_PSEUDO, f->bytes, f->len);
	struct tcp_seg seg;

	show(e, f, false);
	if (ok == f->damaged)
		sim_fail(n->sim, "%s takes a %s frame for a %s one", e->name,
			 f->damaged ? "damaged" : "good", ok ? "good" : "damaged");
	if (!ok) {
		e->rejected++;
	} else if (tcp_seg_parse(&seg, f->bytes, f->len)) {
		sim_fail(n->sim, "%s cannot read a frame", e->name);
	} else {
		seg.ip_ecn = f->ecn;
		take(e, &seg);
	}
	sim_frame_free(n->sim, f);
}

void sim_end_too_big(struct sim_end *e, const struct sim_frame *f, uint32_t mtu)
{
	struct tcp_icmp icmp = {
		.kind = TCP_ICMP_TOO_BIG, .error = EMSGSIZE, .mtu = mtu, .headers = 40};
	struct tcp_seg seg;

	if (!e->open || tcp_seg_parse(&seg, f->bytes, f->len))
		return;
	icmp.seq = seg.seq;
	tcp_icmp(e->c, &icmp, sim_us(e->node.sim));
	sim_end_work(e);
}

static const struct sim_node_ops end_ops = {"end", end_arrive, end_due};

/* ---- making, ending ----------------------------------------------------------------------------
 */

static uint64_t longest_timer(const struct tcp_config *cfg)
{
	const uint64_t all[] = {
		2 * cfg->msl_us,      cfg->rto_max_us,	     cfg->rto_initial_us,
		cfg->syn_rcvd_us,     cfg->fin_wait_2_us,    cfg->last_ack_us,
		cfg->delack_us,	      cfg->persist_limit_us, cfg->keepalive_idle_us,
		cfg->user_timeout_us,
	};
	uint64_t most = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		most = all[i] > most ? all[i] : most;
	return most;
}

void sim_end_init(struct sim_end *e, struct sim *s, const struct sim_end_opt *opt, uint8_t flow,
		  uint8_t side)
{
	memset(e, 0, sizeof(*e));
	sim_node_init(&e->node, s, &end_ops);
	e->opt = *opt;
	e->cfg = opt->cfg;
	e->cfg.ecn = opt->ecn;
	if (opt->cc)
		e->cfg.cc = tcp_cc_find(opt->cc);
	e->flow = flow;
	e->side = side;
	snprintf(e->name, sizeof(e->name), "%c%u", side ? 'B' : 'A', flow);
	e->mem = aligned_alloc(64, opt->blocks * TCP_BLOCK_SIZE);
	if (!e->mem)
		abort();
	tcp_pool_init(&e->pool, e->mem, opt->blocks);
	e->env = (struct tcp_env){.cfg = &e->cfg, .pool = &e->pool, .counters = e->counters};
	e->c = conn_new();
	e->wake_at = e->app_at = SIM_NEVER;
	e->bound_us = longest_timer(&e->cfg) + 1;
	sim_watch_init(&e->watch, s, e->name, opt->mtu_mss);
}

void sim_end_start(struct sim_end *e, uint64_t at)
{
	wake(e, at);
}

bool sim_end_done(const struct sim_end *e)
{
	if (!e->started || e->in_row || (!e->open && !e->row.lport))
		return false;
	if (e->open && tcp_get_state(e->c) != WEIR_CLOSED)
		return false;
	return e->reason > TCP_END_NORMAL || (e->app.eof && e->app.shut);
}

void sim_end_free(struct sim_end *e)
{
	if (e->open)
		tcp_release(e->c);
	give_back(e);
	if (e->pool.in_use)
		sim_fail(e->node.sim, "%s leaves %zu blocks of its pool", e->name, e->pool.in_use);
	free(e->c);
	free(e->mem);
	e->c = NULL;
	e->mem = NULL;
}
