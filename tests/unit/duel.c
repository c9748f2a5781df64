/* SPDX-License-Identifier: BSD-2-Clause */
#include "duel.h"

static struct fx_out kept[2];

static void fresh(struct duel *d, enum side s)
{
	d->end[s] = fx_new(NULL);
	d->end[s]->now = d->now;
	/* CLOSED without a connection: what arrives is answered by RST. */
	tcp_open_listen(d->end[s]->c, &d->end[s]->open, d->iss[s], d->now);
	tcp_abort(d->end[s]->c, TCP_END_NONE);
	tcp_events(d->end[s]->c);
}

struct duel duel_new(uint32_t iss_a, uint32_t iss_b)
{
	struct duel d = {.iss = {iss_a, iss_b}, .now = 1000 * FX_SEC};

	fresh(&d, A);
	fresh(&d, B);
	return d;
}

void duel_free(struct duel *d)
{
	fx_free(d->end[A]);
	fx_free(d->end[B]);
}

void duel_active(struct duel *d, enum side s)
{
	struct fx *f = d->end[s];

	tcp_open_active(f->c, &f->open, d->iss[s], FX_TS_OURS, d->now);
	fx_drain(f);
}

void duel_listen(struct duel *d, enum side s)
{
	struct fx *f = d->end[s];

	tcp_open_listen(f->c, &f->open, d->iss[s], d->now);
}

void duel_crash(struct duel *d, enum side s, uint32_t new_iss)
{
	fx_skip(d->end[s]);
	fx_free(d->end[s]);
	d->iss[s] = new_iss;
	fresh(d, s);
}

void duel_send(struct duel *d, enum side s, uint32_t len)
{
	fx_send(d->end[s], len);
}

void duel_shutdown(struct duel *d, enum side s)
{
	tcp_shutdown(d->end[s]->c);
	fx_drain(d->end[s]);
}

void duel_pass(struct duel *d, uint64_t us)
{
	fx_run(d->end[A], us);
	fx_run(d->end[B], us);
	d->now += us;
}

static void arrive(struct duel *d, enum side to, const struct tcp_seg *s)
{
	struct fx *f = d->end[to];

	/* Without acknowledging the first segments one by one: the figures do not. */
	f->c->quick = 0;
	tcp_input(f->c, s, d->now);
	f->c->quick = 0;
	fx_drain(f);
}

void duel_expect(struct duel *d, enum side from, enum duel_fate fate, const struct duel_seg *s,
		 const char *file, int line)
{
	struct fx *f = d->end[from];
	uint32_t seq, ack;
	struct fx_out *o;

	if (!fx_waiting(f)) {
		print_error("%s:%d: nothing was sent\n", file, line);
		_fail(file, line);
		return;
	}
	o = fx_pop(f);
	seq = o->seg.seq - d->iss[from];
	ack = o->seg.flags & ACK ? o->seg.ack - d->iss[!from] : s->ack;
	if (o->seg.flags != s->flags || seq != s->seq || ack != s->ack || o->seg.len != s->len) {
		print_error("%s:%d: got flags %02x seq %u ack %u len %u\n", file, line,
			    o->seg.flags, seq, ack, o->seg.len);
		_fail(file, line);
	}
	/* The ports are the fixture's on both sides. */
	if (fate == DUEL_KEEP)
		kept[from] = *o;
	if (fate == DUEL_CROSS)
		arrive(d, !from, &o->seg);
}

void duel_deliver_kept(struct duel *d, enum side from)
{
	struct tcp_seg s;

	/* The payload points into the copy. */
	assert_int_equal(tcp_seg_parse(&s, kept[from].bytes, kept[from].len), 0);
	arrive(d, !from, &s);
}

void duel_inject(struct duel *d, enum side from, const struct duel_seg *s)
{
	const struct tcp_seg seg = {
		.seq = d->iss[from] + s->seq,
		.ack = d->iss[!from] + s->ack,
		.flags = s->flags,
		.wnd = FX_WND,
		.wscale = WEIR_WSCALE_NONE,
	};

	arrive(d, !from, &seg);
}

void duel_states(struct duel *d, const char *a, const char *b, const char *file, int line)
{
	const char *got_a = tcp_state_name(tcp_get_state(d->end[A]->c));
	const char *got_b = tcp_state_name(tcp_get_state(d->end[B]->c));

	if (!strcmp(got_a, a) && !strcmp(got_b, b))
		return;
	print_error("%s:%d: %s and %s, expected %s and %s\n", file, line, got_a, got_b, a, b);
	_fail(file, line);
}

void duel_up(struct duel *d)
{
	duel_listen(d, B);
	duel_active(d, A);
	CROSS(d, A, SYN, 0);
	CROSS(d, B, SYN | ACK, 0, 1);
	CROSS(d, A, ACK, 1, 1);
	STATES(d, ESTABLISHED, ESTABLISHED);
}

void duel_each_wrap(void (*play)(struct duel *d))
{
	static const uint32_t iss[] = {0xffffffff, 0xfffffffe, 0xfffffffd, 0xffffffff - 150,
				       0,	   0x7fffffff, 0x12345678};

	for (size_t a = 0; a < sizeof(iss) / sizeof(iss[0]); a++) {
		for (size_t b = 0; b < sizeof(iss) / sizeof(iss[0]); b++) {
			struct duel d = duel_new(iss[a], iss[b]);

			play(&d);
			duel_free(&d);
		}
	}
}
