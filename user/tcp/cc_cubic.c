/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CUBIC, RFC 9438, with HyStart++, RFC 9406, in the first slow start.
 *
 *     W_cubic(t) = C (t - K)^3 + W_max          K = cbrt((W_max - cwnd_epoch) / C)
 *
 * in segments and seconds there, in bytes and milliseconds here, C = 0.4 and
 * beta = 0.7. t stands still while cwnd is not what limits the sender (5.8).
 */
#include "tcp/cc_cubic.h"
#include "tcp/tcp_conn.h"

/* beta = 7 / 10; alpha = 3 (1 - beta) / (1 + beta) = 9 / 17 */
#define BETA(x) ((uint32_t)((uint64_t)(x)*7 / 10))
#define T_MAX	320000 /* ms: beyond it any window is at TCP_CC_MAX */

struct cubic {
	uint32_t w_max, cwnd_prior; /* bytes */
	bool epoch_on : 1, k_zero : 1, hystart_off : 1, css : 1, undo_epoch_on : 1;
	uint8_t samples, css_rounds;
	union {
		struct {
			uint32_t k, epoch, last; /* ms */
			uint32_t w_est, est_acked, frac;
		};
		struct { /* HyStart++: before the first epoch */
			uint32_t round_end, last_min, cur_min, css_base;
		};
	};
	struct {
		uint32_t w_max, cwnd_prior;
	} undo;
};

_Static_assert(sizeof(struct cubic) <= TCP_CC_PRIV * sizeof(uint32_t), "it fits");

static struct cubic *cubic(struct tcp_conn *c)
{
	return (struct cubic *)(void *)c->cc_priv;
}

/* ---- arithmetic --------------------------------------------------------------------- */

/* The largest y with y^3 <= x: one bit of the root for each three of x. */
uint32_t tcp_cbrt(uint64_t x)
{
	uint64_t y = 0, b;

	for (int s = 63; s >= 0; s -= 3) {
		y *= 2;
		b = 3 * y * (y + 1) + 1;
		if (x >> s >= b) {
			x -= b << s;
			y++;
		}
	}
	return (uint32_t)y;
}

/* K in ms: cbrt(bytes / (mss C)) s. bytes <= 2^30, so nothing overflows. */
uint32_t tcp_cubic_k(uint32_t bytes, uint32_t mss)
{
	return tcp_cbrt((uint64_t)u32_min(bytes, TCP_CC_MAX) * 2500000000u / mss);
}

/* C d^3 in bytes, d in ms. Beyond 26 s d^3 loses its last three digits first. */
static uint64_t rise(uint32_t d, uint32_t mss)
{
	uint64_t d3;

	d = u32_min(d, T_MAX);
	d3 = (uint64_t)d * d * d;
	return d < 26000 ? d3 * mss * 4 / 10000000000u : d3 / 1000 * mss * 4 / 10000000u;
}

/* W_cubic(t), bytes, between 0 and TCP_CC_MAX. */
uint32_t tcp_cubic_window(uint32_t t, uint32_t k, uint32_t w_max, uint32_t mss)
{
	uint64_t d = rise(t > k ? t - k : k - t, mss), w;

	if (t < k)
		return d < w_max ? w_max - (uint32_t)d : 0;
	w = w_max + d;
	return w < TCP_CC_MAX ? (uint32_t)w : TCP_CC_MAX;
}

/* ---- slow start: RFC 9406 4.2 ----------------------------------------------------------- */

#define MIN_RTT_THRESH	   4000
#define MAX_RTT_THRESH	   16000
#define N_RTT_SAMPLE	   8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS	   5
#define L_UNPACED	   8
#define NO_RTT		   UINT32_MAX

static void hystart_round(struct tcp_conn *c, struct cubic *q)
{
	q->round_end = c->snd_nxt;
	q->last_min = q->cur_min;
	q->cur_min = NO_RTT;
	q->samples = 0;
	if (q->css)
		q->css_rounds++;
}

static void hystart_reset(struct tcp_conn *c, struct cubic *q)
{
	q->css = false;
	q->css_rounds = 0;
	q->cur_min = q->css_base = NO_RTT;
	hystart_round(c, q);
}

/* Whether slow start is over: five rounds of conservative growth have passed. */
static bool hystart(struct tcp_conn *c, struct cubic *q, uint32_t rtt)
{
	uint32_t thresh;

	if (rtt) {
		q->cur_min = u32_min(q->cur_min, rtt);
		if (q->samples < UINT8_MAX)
			q->samples++;
	}
	if (q->samples >= N_RTT_SAMPLE && q->cur_min != NO_RTT) {
		if (q->css && q->cur_min < q->css_base) {
			q->css = false; /* it was jitter: slow start goes on */
			q->css_base = NO_RTT;
		} else if (!q->css && q->last_min != NO_RTT) {
			thresh = u32_min(u32_max(q->last_min / 8, MIN_RTT_THRESH), MAX_RTT_THRESH);
			if (q->cur_min >= q->last_min + thresh) {
				q->css = true;
				q->css_base = q->cur_min;
				q->css_rounds = 0;
			}
		}
	}
	if (seq_gt(c->snd_una, q->round_end))
		hystart_round(c, q);
	return q->css && q->css_rounds >= CSS_ROUNDS;
}

static void slow_start(struct tcp_conn *c, struct cubic *q, const struct tcp_cc_ack *a)
{
	uint32_t n = u32_min(a->acked, L_UNPACED * (uint32_t)c->mss);
	bool first = c->ssthresh == UINT32_MAX && !q->hystart_off;

	if (c->recovery == TCP_REC_LOSS)
		n = u32_min(n, c->mss); /* RFC 3465 2.3 */
	if (first && hystart(c, q, a->rtt_us)) {
		c->ssthresh = c->cwnd;
		q->hystart_off = true;
		q->k_zero = true;
		return;
	}
	c->cwnd += first && q->css ? n / CSS_GROWTH_DIVISOR : n;
}

/* ---- congestion avoidance: RFC 9438 4.2 to 4.5 -------------------------------------------- */

/* 4.2; 4.8 and 4.10: from cwnd, where no loss has said what W_max is. */
static void begin_epoch(struct tcp_conn *c, struct cubic *q, uint32_t now)
{
	q->epoch_on = true;
	q->hystart_off = true;
	q->epoch = q->last = now;
	q->est_acked = q->frac = 0;
	q->w_est = c->cwnd;
	if (q->k_zero || q->w_max <= c->cwnd) {
		q->w_max = c->cwnd;
		q->cwnd_prior = c->cwnd;
		q->k = 0;
	} else {
		q->k = tcp_cubic_k(q->w_max - c->cwnd, c->mss);
	}
	q->k_zero = false;
}

/* 4.3: W_est grows by alpha segments a window; by one where it has been before. */
static void reno_friendly(struct tcp_conn *c, struct cubic *q, uint32_t acked)
{
	uint64_t n = acked;

	if (q->w_est < q->cwnd_prior)
		n = n * 9 / 17;
	q->est_acked += (uint32_t)n;
	if (q->est_acked >= c->cwnd) {
		q->est_acked -= c->cwnd;
		q->w_est = u32_min(q->w_est + c->mss, TCP_CC_MAX);
	}
}

static void avoidance(struct tcp_conn *c, struct cubic *q, const struct tcp_cc_ack *a)
{
	uint32_t now = (uint32_t)(a->now / 1000), acked = u32_min(a->acked, c->cwnd);
	uint32_t t = now - q->epoch, w, target;
	uint64_t step;

	q->last = now;
	reno_friendly(c, q, acked);
	w = tcp_cubic_window(t, q->k, q->w_max, c->mss);
	if (w < q->w_est) {
		c->cwnd = u32_max(c->cwnd, q->w_est);
		return;
	}
	/* 4.4, 4.5: towards W_cubic of the next round trip, by half of cwnd at most. */
	w = tcp_cubic_window(t + c->srtt8 / 8000, q->k, q->w_max, c->mss);
	target = u32_min(u32_max(w, c->cwnd), c->cwnd + c->cwnd / 2);
	step = (uint64_t)(target - c->cwnd) * acked + q->frac;
	q->frac = (uint32_t)(step % c->cwnd);
	c->cwnd += (uint32_t)(step / c->cwnd);
}

static void cubic_acked(struct tcp_conn *c, const struct tcp_cc_ack *a)
{
	struct cubic *q = cubic(c);
	uint32_t now = (uint32_t)(a->now / 1000);

	if (!tcp_cc_limited(c, a->flight)) {
		if (q->epoch_on) {
			q->epoch += now - q->last;
			q->last = now;
		}
		return;
	}
	if (c->cwnd < c->ssthresh) {
		slow_start(c, q, a);
	} else {
		if (!q->epoch_on)
			begin_epoch(c, q, now);
		avoidance(c, q, a);
	}
	c->cwnd = u32_min(c->cwnd, TCP_CC_MAX);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* 4.6, 4.7 */
static void decrease(struct tcp_conn *c, struct cubic *q)
{
	q->undo.w_max = q->w_max;
	q->undo.cwnd_prior = q->cwnd_prior;
	q->undo_epoch_on = q->epoch_on;
	q->cwnd_prior = c->cwnd;
	/* Fast convergence: a flow that has less than before makes room. */
	q->w_max = c->cwnd < q->w_max ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd;
	c->ssthresh = u32_max(BETA(c->cwnd), 2u * c->mss);
	q->epoch_on = false;
	q->hystart_off = true;
}

static void cubic_init(struct tcp_conn *c, uint64_t now)
{
	(void)now;
	hystart_reset(c, cubic(c));
}

static void cubic_loss(struct tcp_conn *c, bool ecn, uint64_t now)
{
	struct cubic *q = cubic(c);

	(void)now;
	decrease(c, q);
	q->k_zero = false;
	if (ecn)
		c->cwnd = c->ssthresh;
}

/* 4.8 */
static void cubic_rto(struct tcp_conn *c, bool first, uint64_t now)
{
	struct cubic *q = cubic(c);

	(void)now;
	if (first)
		decrease(c, q);
	q->k_zero = true;
	c->cwnd = c->mss;
}

/* RFC 5681 4.1; the next epoch begins with what is sent then. */
static void cubic_idle(struct tcp_conn *c, uint64_t now)
{
	struct cubic *q = cubic(c);
	uint32_t ms = (uint32_t)(now / 1000);

	if (q->epoch_on) {
		q->epoch += ms - q->last;
		q->last = ms;
	}
	c->cwnd = u32_min(c->cwnd, tcp_cc_initial_window(c));
}

/*
 * 4.9. K, the epoch and W_est stay where they are until the next epoch begins. Where
 * one has begun meanwhile, another does, from the window that was given back.
 */
static void cubic_undo(struct tcp_conn *c, uint64_t now)
{
	struct cubic *q = cubic(c);

	q->w_max = q->undo.w_max;
	q->cwnd_prior = q->undo.cwnd_prior;
	q->k_zero = false;
	if (c->ssthresh == UINT32_MAX) {
		q->epoch_on = q->hystart_off = false;
		hystart_reset(c, q);
	} else {
		q->epoch_on = q->undo_epoch_on && !q->epoch_on;
		q->last = (uint32_t)(now / 1000);
	}
}

const struct tcp_cc tcp_cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.acked = cubic_acked,
	.loss = cubic_loss,
	.rto = cubic_rto,
	.idle = cubic_idle,
	.undo = cubic_undo,
};
