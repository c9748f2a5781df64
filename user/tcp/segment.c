/* SPDX-License-Identifier: BSD-2-Clause */
/* A segment as it looks on the wire: header, options, payload, checksum. */
#include <string.h>

#include "tcp/csum.h"
#include "tcp/tcp_conn.h"

#define HEADER	     20
#define TS_SPACE     12 /* two NOPs and the option: RFC 7323 appendix A */
#define IPPROTO_TCP_ 6

enum { OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK_OK = 4, OPT_SACK = 5, OPT_TS = 8 };

static void put16(uint8_t *p, uint16_t v)
{
	weir_store16(p, weir_htons(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	weir_store32(p, weir_htonl(v));
}

/* ---- checksums ---------------------------------------------------------------- */

uint32_t tcp_pseudo_sum(const void *addr1, const void *addr2, size_t addr_len)
{
	uint64_t sum = csum_add64(csum_bytes(addr1, addr_len), csum_bytes(addr2, addr_len));

	return (uint32_t)csum_fold(sum) + weir_htons(IPPROTO_TCP_);
}

bool tcp_csum_ok(uint32_t pseudo, const void *tcp, size_t len)
{
	uint64_t sum = csum_bytes(tcp, len);

	sum = csum_add64(sum, (uint64_t)pseudo + weir_htons((uint16_t)len));
	return csum_fold(sum) == 0xffff;
}

/* The field must be zero; `payload` bytes follow the header and sum to payload_sum. */
void tcp_csum_write(uint8_t *buf, uint32_t pseudo, size_t header, uint64_t payload_sum,
		    size_t payload)
{
	uint64_t sum = (uint64_t)pseudo + weir_htons((uint16_t)(header + payload));

	sum = csum_add64(sum, csum_add64(payload_sum, csum_bytes(buf, header)));
	weir_store16(buf + 16, (uint16_t)~csum_fold(sum));
}

/* ---- header and options -------------------------------------------------------- */

void tcp_header_write(uint8_t *buf, uint16_t lport, uint16_t rport, uint32_t seq, uint32_t ack,
		      uint8_t flags, uint16_t wnd, size_t header)
{
	put16(buf, lport);
	put16(buf + 2, rport);
	put32(buf + 4, seq);
	put32(buf + 8, ack);
	buf[12] = (uint8_t)(header / 4 << 4);
	buf[13] = flags;
	put16(buf + 14, wnd);
	put32(buf + 16, 0); /* checksum, urgent pointer */
}

size_t tcp_ts_write(uint8_t *p, uint32_t tsval, uint32_t tsecr)
{
	p[0] = p[1] = OPT_NOP;
	p[2] = OPT_TS;
	p[3] = 10;
	put32(p + 4, tsval);
	put32(p + 8, tsecr);
	return TS_SPACE;
}

/* In the order of Linux, as the gate's SYN-ACK has them (bpf/gate_reply.h). */
static size_t syn_options(const struct tcp_conn *c, uint8_t *p, bool ack, uint64_t now)
{
	/* Of a passive open it is half of the cookie: one sent again must say the same. */
	uint32_t tsval = c->passive ? c->ts_ours : tcp_ts_now(c, now);
	uint8_t *q = p;

	q[0] = OPT_MSS;
	q[1] = 4;
	put16(q + 2, tcp_advmss(c));
	q += 4;
	if (c->ts_ok) {
		tcp_ts_write(q, tsval, ack ? c->ts_recent : 0);
		if (c->sack_ok) { /* in place of the two NOPs */
			q[0] = OPT_SACK_OK;
			q[1] = 2;
		}
		q += TS_SPACE;
	} else if (c->sack_ok) {
		q[0] = q[1] = OPT_NOP;
		q[2] = OPT_SACK_OK;
		q[3] = 2;
		q += 4;
	}
	if (c->wscale_ok) {
		q[0] = OPT_NOP;
		q[1] = OPT_WSCALE;
		q[2] = 3;
		q[3] = c->env->cfg->wscale;
		q += 4;
	}
	return (size_t)(q - p);
}

static uint32_t sack_blocks(const struct tcp_conn *c)
{
	uint32_t n = c->sack_ok && c->islands ? c->islands->n : 0;

	n += c->dsack;
	return u32_min(n, c->ts_ok ? 3 : TCP_MAX_SACK);
}

/*
 * RFC 2883 4: a duplicate first. RFC 2018 4: then the range last added to, then
 * those added to before it; so the island around a duplicate follows it.
 */
static size_t sack_option(const struct tcp_conn *c, uint8_t *p, uint32_t max)
{
	const struct tcp_ranges *rs = c->islands;
	const struct tcp_range *told[TCP_MAX_SACK];
	uint32_t n = 0;

	if (c->dsack) {
		put32(p + 4, c->dsack_start);
		put32(p + 8, c->dsack_end);
		told[n++] = NULL;
	}
	for (uint32_t i = 0; rs && i < rs->nrecent + rs->n && n < max; i++) {
		/* First the recent ones, then, to fill up, whatever there is. */
		const struct tcp_range *r =
			i < rs->nrecent ? ranges_after(rs, rs->recent[i]) : &rs->r[i - rs->nrecent];
		bool again = !r;

		if (i < rs->nrecent && r && seq_gt(r->start, rs->recent[i]))
			again = true; /* that range is no more */
		for (uint32_t j = 0; j < n; j++)
			again |= told[j] == r;
		if (again)
			continue;
		put32(p + 4 + 8 * n, r->start);
		put32(p + 8 + 8 * n, r->end);
		told[n++] = r;
	}
	p[0] = p[1] = OPT_NOP;
	p[2] = OPT_SACK;
	p[3] = (uint8_t)(2 + 8 * n);
	return 4 + 8 * n;
}

static size_t options(const struct tcp_conn *c, uint8_t *p, uint8_t flags, uint64_t now)
{
	size_t n = 0;
	uint32_t blocks = sack_blocks(c);

	if (flags & TCP_SYN)
		return syn_options(c, p, flags & TCP_ACK, now);
	/* RFC 7323 3.2: in an RST, too; where it acknowledges nothing, it has nothing to echo. */
	if (c->ts_ok && (flags & (TCP_RST | TCP_ACK)) != TCP_RST)
		n += tcp_ts_write(p, tcp_ts_now(c, now), c->ts_recent);
	if (blocks && !(flags & TCP_RST))
		n += sack_option(c, p + n, blocks);
	return n;
}

/* What a segment may carry beside its options (RFC 6691). */
uint32_t tcp_eff_mss(const struct tcp_conn *c)
{
	uint32_t blocks = sack_blocks(c);

	return c->mss - (c->ts_ok ? TS_SPACE : 0) - (blocks ? 4 + 8 * blocks : 0);
}

/* ---- the whole ------------------------------------------------------------------ */

/* Returns its length; the checksum is still zero. */
static size_t write_header(struct tcp_conn *c, uint8_t *buf, const struct tcp_out *o, uint64_t now)
{
	size_t header = HEADER + options(c, buf + HEADER, o->flags, now);
	uint32_t ack = o->flags & TCP_ACK ? c->rcv_nxt : 0;
	uint8_t flags = o->flags;
	uint16_t wnd = 0, urg;

	if (!(flags & TCP_RST))
		wnd = tcp_window_field(c, flags & TCP_SYN);
	urg = flags & (TCP_SYN | TCP_RST) ? 0 : tcp_urg_field(c, o->seq);
	if (urg)
		flags |= TCP_URG;
	if (c->ece_due && (flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK)
		flags |= TCP_ECE;
	tcp_header_write(buf, c->lport, c->rport, o->seq, ack, flags, wnd, header);
	put16(buf + 18, urg);
	if (flags & TCP_ACK && !(flags & TCP_RST)) {
		c->last_ack = ack;
		c->ack_due = false;
		c->dsack = false;
		c->t_ack = TCP_NEVER;
	}
	return header;
}

/* Where the payload begins in the send queue. */
static uint64_t payload_off(const struct tcp_conn *c, const struct tcp_out *o)
{
	return c->sndq.base + (o->seq - (c->iss + 1 + (uint32_t)c->sndq.base));
}

size_t tcp_segment_write(struct tcp_conn *c, uint8_t *buf, const struct tcp_out *o, uint64_t now)
{
	size_t header = write_header(c, buf, o, now);
	uint64_t sum = 0;

	if (o->len)
		sum = sendq_copy(&c->sndq, o->who, payload_off(c, o), buf + header, o->len);
	tcp_csum_write(buf, c->pseudo, header, sum, o->len);
	return header + o->len;
}

size_t tcp_burst_write(struct tcp_conn *c, uint8_t *buf, const struct tcp_out *o,
		       struct tcp_burst *b, uint64_t now)
{
	size_t header = write_header(c, buf, o, now), done, n;
	uint64_t off = payload_off(c, o);
	const struct tcp_block *blk = sendq_at(&c->sndq, o->who, off);

	b->len = o->len;
	b->n = 0;
	for (done = 0; done < o->len; done += n, blk = blk->next) {
		size_t at = (off + done) % TCP_BLOCK_DATA;

		n = TCP_BLOCK_DATA - at;
		if (n > o->len - done)
			n = o->len - done;
		b->piece[b->n++] = (struct tcp_piece){blk->data + at, n};
	}
	weir_store16(buf + 16,
		     csum_fold((uint64_t)c->pseudo + weir_htons((uint16_t)(header + o->len))));
	return header;
}
