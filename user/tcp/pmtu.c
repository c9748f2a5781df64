/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How large a segment the path takes: by ICMP (RFC 1191, RFC 8201), by what is
 * lost where ICMP is filtered (RFC 4821), and upwards again by probing.
 *
 *     mss = min(peer_mss, advmss, path_mss)          path_mss 0: no limit known
 *
 * Sizes are of segments with their TCP options, as an MSS counts them; `headers`
 * are IP's and TCP's without options.
 *
 * A reduction is no sign of congestion (RFC 8201 5.4): what was too big is sent
 * again at once, in smaller pieces, and cwnd stays (tcp_recovery_resend()).
 *
 * The floor. IPv6 has its own, 1280 (RFC 8200 5), and a claim below it is void
 * (RFC 8201 4). IPv4 routers may go down to 68, which would let a forged message
 * make every segment carry more headers than data (RFC 5927 7). Believed is 552 at
 * the least, Linux's bound too: what is below was a serial line.
 */
#include "tcp/tcp_conn.h"

#define FLOOR_V4       552
#define FLOOR_V6       1280
#define BASE_V4	       1200 /* RFC 8899 5.1.2: what is all but certain to pass */
#define AGE	       36   /* RFC 1191 6.3: ten minutes, then look for more */
#define SEARCH_STEP    32   /* a search that has come this close is over (RFC 4821 7.3) */
#define HOLE_RTOS      2    /* timeouts in a row that make a black hole… */
#define HOLE_RTOS_OLD  4    /* …where segments of this size had passed before */
#define HOLE_RTOS_DEEP 6    /* …below what all but every path takes */

static uint32_t headers(const struct tcp_conn *c)
{
	return c->v6 ? 60 : 40;
}

static uint16_t floor_mss(const struct tcp_conn *c)
{
	return (uint16_t)((c->v6 ? FLOOR_V6 : FLOOR_V4) - headers(c));
}

static uint16_t base_mss(const struct tcp_conn *c)
{
	return (uint16_t)((c->v6 ? FLOOR_V6 : BASE_V4) - headers(c));
}

/* What the ends allow, whatever lies between them. */
static uint16_t limit_mss(const struct tcp_conn *c)
{
	return (uint16_t)u32_min(u32_max(c->peer_mss, TCP_MSS_MIN), tcp_advmss(c));
}

/* The largest segment we send, options included. */
void tcp_mss_update(struct tcp_conn *c)
{
	uint16_t limit = limit_mss(c);

	c->mss = c->path_mss && c->path_mss < limit ? c->path_mss : limit;
	c->full_out = false;
}

/* 16.8 s: path_at's. */
static uint16_t units(uint64_t now)
{
	return (uint16_t)(now >> 24);
}

static void set_path(struct tcp_conn *c, uint16_t mss, uint64_t now)
{
	c->path_mss = mss;
	c->path_at = units(now);
	c->pend_mss = 0;
	tcp_mss_update(c);
	if (mss >= limit_mss(c))
		c->path_mss = 0;
}

static void reduce(struct tcp_conn *c, uint16_t mss, uint64_t now)
{
	set_path(c, mss, now);
	c->acked_mss = (uint16_t)u32_min(c->acked_mss, c->mss);
	c->probe_mss = c->probe_high = 0;
}

/* RFC 4821: searches from below, without waiting for anything to be lost. */
void tcp_pmtu_init(struct tcp_conn *c)
{
	if (c->env->cfg->mtu_probe)
		c->path_mss = base_mss(c);
}

/* ---- ICMP ------------------------------------------------------------------------ */

/* RFC 1191 7.1: of routers that do not say how much they take. */
static uint32_t plateau_below(uint32_t mtu)
{
	static const uint16_t plateaus[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508};
	unsigned i = 0;

	while (i < sizeof(plateaus) / sizeof(plateaus[0]) - 1 && plateaus[i] >= mtu)
		i++;
	return plateaus[i];
}

/* A router on the way of the probe says what it would take: the next probe's size. */
static bool answers_probe(struct tcp_conn *c, const struct tcp_icmp *icmp, uint32_t mss,
			  uint64_t now)
{
	if (!c->probe_mss || icmp->seq != c->probe_seq || mss <= c->mss || mss >= c->probe_mss)
		return false;
	c->probe_high = (uint16_t)mss;
	c->probe_mss = 0;
	c->path_at = 0;
	COUNT(c, pmtu_probe_lost);
	tcp_recovery_resend(c, c->probe_seq + c->probe_len, now);
	return true;
}

/*
 * RFC 5927 7.2: a path that has carried segments as large is not expected to take
 * less. The claim then waits for a timeout of what it speaks of to bear it out, and
 * an acknowledgment refutes it.
 */
void tcp_pmtu_claim(struct tcp_conn *c, const struct tcp_icmp *icmp, uint64_t now)
{
	uint32_t hdr = icmp->headers ? icmp->headers : headers(c);
	uint32_t mtu = icmp->mtu ? icmp->mtu : plateau_below(c->mss + hdr), mss;

	if ((c->v6 && mtu < FLOOR_V6) || c->state < WEIR_ESTABLISHED) {
		COUNT(c, icmp_mtu_ignored);
		return;
	}
	mss = u32_max(mtu, floor_mss(c) + hdr) - hdr;
	if (answers_probe(c, icmp, mss, now))
		return;
	if (mss >= c->mss) {
		COUNT(c, icmp_mtu_ignored);
	} else if (mss < c->acked_mss) {
		COUNT(c, icmp_mtu_deferred);
		c->pend_mss = (uint16_t)mss;
		c->probe_seq = icmp->seq;
		c->probe_mss = 0;
	} else {
		COUNT(c, icmp_mtu_reduced);
		reduce(c, (uint16_t)mss, now);
		tcp_recovery_resend(c, c->snd_nxt, now);
	}
}

/* ---- what ACKs and timeouts tell ---------------------------------------------------- */

/* A segment leaves; `again`: not for the first time. */
void tcp_pmtu_sent(struct tcp_conn *c, uint32_t seq, uint32_t len, bool again)
{
	if (again) {
		c->full_out = false; /* an ACK would not tell which of the two arrived */
	} else if (!c->full_out && len == tcp_eff_mss(c) && c->acked_mss < c->mss) {
		c->full_out = true;
		c->full_seq = seq + len;
	}
}

static void probe_passed(struct tcp_conn *c, uint64_t now)
{
	uint16_t mss = c->probe_mss;

	COUNT(c, pmtu_probe_passed);
	c->probe_mss = 0;
	c->acked_mss = mss;
	set_path(c, mss, now);
	/* The search goes on at once while there is a way to go. */
	if (c->env->cfg->mtu_probe && c->probe_high > mss + SEARCH_STEP)
		c->path_at = 0;
	else
		c->probe_high = 0;
}

void tcp_pmtu_acked(struct tcp_conn *c, uint64_t now)
{
	if (c->full_out && seq_geq(c->snd_una, c->full_seq)) {
		c->full_out = false;
		c->acked_mss = c->mss;
	}
	c->full_rtos = 0;
	if (c->pend_mss && seq_gt(c->snd_una, c->probe_seq)) {
		c->pend_mss = 0;
		COUNT(c, icmp_mtu_refuted);
	}
	if (c->probe_mss && seq_geq(c->snd_una, c->probe_seq + c->probe_len))
		probe_passed(c, now);
}

/*
 * The retransmission timer. True: what was lost was too big, as a router had said,
 * and goes again in smaller pieces. Else, after a few timeouts, smaller ones are
 * tried (RFC 4821 7.7), first the size that all but every path takes, then the
 * floor; that changes nothing about the timeout itself. What counts is the segment
 * that is sent again and again, be it a full one or not: a request larger than the
 * path takes would else go unanswered for ever.
 */
bool tcp_pmtu_rto(struct tcp_conn *c, uint64_t now)
{
	bool passed = c->acked_mss >= c->mss;
	uint32_t few = passed ? HOLE_RTOS_OLD : HOLE_RTOS;
	uint32_t payload = tcp_eff_mss(c), size;

	size = u32_min(tcp_flight(c), payload) + c->mss - payload;
	if (size <= base_mss(c))
		few = HOLE_RTOS_DEEP;
	/* What a closed window holds is no hole. */
	if (c->snd_wnd && c->full_rtos < UINT8_MAX)
		c->full_rtos++;
	if (c->probe_mss) {
		c->probe_mss = 0;
		c->path_at = units(now);
	}
	if (c->pend_mss) {
		COUNT(c, icmp_mtu_reduced);
		reduce(c, c->pend_mss, now);
		tcp_recovery_resend(c, c->snd_nxt, now);
		return true;
	}
	if (c->full_rtos < few || size <= floor_mss(c))
		return false;
	COUNT(c, pmtu_black_hole);
	reduce(c, size > base_mss(c) ? base_mss(c) : floor_mss(c), now);
	/* An outage looks the same: what had passed is tried as soon as data flows again. */
	if (passed)
		c->path_at = 0;
	return false;
}

/* ---- upwards ------------------------------------------------------------------------- */

static bool due(const struct tcp_conn *c, uint64_t now)
{
	uint16_t age = (uint16_t)(units(now) - c->path_at);

	return c->path_mss && c->path_mss < limit_mss(c) && !c->probe_mss && !c->pend_mss &&
	       (!c->path_at || age >= AGE);
}

/*
 * The payload of a probe that may go now, as one segment of new data; 0: none. Three
 * more segments must follow it, so that its loss is found without a timeout
 * (RFC 4821 7.4).
 */
uint32_t tcp_pmtu_probe_len(const struct tcp_conn *c, uint32_t queued, uint32_t wnd, uint64_t now)
{
	uint32_t size = c->probe_high ? c->probe_high : limit_mss(c), len;

	if (!due(c, now) || c->recovery != TCP_REC_OPEN || c->log.sacked || c->dupacks)
		return 0;
	len = size - (c->mss - tcp_eff_mss(c));
	if (u32_min(queued, wnd) < len + 3 * c->mss || !tcp_cwnd_allows(c, len + 3 * c->mss))
		return 0;
	return len;
}

void tcp_pmtu_probe_sent(struct tcp_conn *c, uint32_t seq, uint32_t len)
{
	c->probe_mss = (uint16_t)(len + c->mss - tcp_eff_mss(c));
	c->probe_seq = seq;
	c->probe_len = (uint16_t)len;
	COUNT(c, pmtu_probe_sent);
}

/*
 * Called where a loss is about to be taken for congestion. If the probe, and nothing
 * but the probe, is lost, it was its size (RFC 4821 7.5): the data goes again in
 * segments that are known to pass, and true says that the loss is dealt with.
 */
bool tcp_pmtu_probe_lost(struct tcp_conn *c, uint64_t now)
{
	uint16_t tried = c->probe_mss;

	if (!tried)
		return false;
	c->probe_mss = 0;
	c->path_at = units(now);
	if (c->probe_seq != c->snd_una)
		return false;
	if (!c->newreno && c->log.lost != c->probe_len)
		return false;
	COUNT(c, pmtu_probe_lost);
	if (c->env->cfg->mtu_probe) {
		c->probe_high = (uint16_t)((c->mss + tried) / 2);
		if (c->probe_high > c->mss + SEARCH_STEP)
			c->path_at = 0;
		else
			c->probe_high = 0;
	}
	tcp_recovery_resend(c, c->probe_seq + c->probe_len, now);
	return true;
}
