/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include <weir/seq.h>
#include "wire.h"

static void put16(uint8_t *p, uint32_t v)
{
	weir_store16(p, weir_htons((uint16_t)v));
}

static void put32(uint8_t *p, uint32_t v)
{
	weir_store32(p, weir_htonl(v));
}

/* Of RFC 1071, the slow way. */
static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = weir_htons(SIM_PSEUDO) + (uint32_t)len;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint8_t *syn_options(uint8_t *q, const struct tcp_seg *seg)
{
	if (seg->mss) {
		*q++ = 2;
		*q++ = 4;
		put16(q, seg->mss);
		q += 2;
	}
	if (seg->wscale != WEIR_WSCALE_NONE) {
		*q++ = 1;
		*q++ = 3;
		*q++ = 3;
		*q++ = seg->wscale;
	}
	if (seg->sack_permitted) {
		memcpy(q, "\1\1\4\2", 4);
		q += 4;
	}
	return q;
}

static uint8_t *options(uint8_t *q, const struct tcp_seg *seg)
{
	if (seg->flags & TCP_SYN)
		q = syn_options(q, seg);
	if (seg->has_ts) {
		memcpy(q, "\1\1\10\12", 4);
		put32(q + 4, seg->tsval);
		put32(q + 8, seg->tsecr);
		q += 12;
	}
	if (seg->nsack) {
		memcpy(q, "\1\1\5", 3);
		q[3] = (uint8_t)(2 + 8 * seg->nsack);
		q += 4;
		for (int i = 0; i < seg->nsack; i++, q += 8) {
			put32(q, seg->sack[i].start);
			put32(q + 4, seg->sack[i].end);
		}
	}
	return q;
}

void sim_build(struct sim_frame *f, const struct tcp_seg *seg)
{
	uint8_t *p = f->bytes, *q = options(p + 20, seg);

	put16(p, seg->sport);
	put16(p + 2, seg->dport);
	put32(p + 4, seg->seq);
	put32(p + 8, seg->ack);
	p[12] = (uint8_t)((q - p) / 4 << 4);
	p[13] = seg->flags;
	put16(p + 14, seg->wnd);
	put16(p + 16, 0);
	put16(p + 18, seg->urg);
	if (seg->len)
		memcpy(q, seg->payload, seg->len);
	f->len = (uint32_t)(q - p) + seg->len;
	f->data = seg->len;
	f->ecn = seg->ip_ecn;
	put16(p + 16, checksum(p, f->len));
}

static int add(char *to, size_t cap, int n, const char *fmt, uint32_t a, uint32_t b)
{
	int more;

	if (n < 0 || (size_t)n >= cap)
		return n;
	more = snprintf(to + n, cap - (size_t)n, fmt, a, b);
	return n + more;
}

void sim_describe(const struct sim_frame *f, uint32_t iss, uint32_t irs, char *to, size_t cap)
{
	static const char names[] = "FSRPAUEC";
	struct tcp_seg s;
	char flags[9] = "";
	int n = 0;

	if (tcp_seg_parse(&s, f->bytes, f->len)) {
		snprintf(to, cap, "unreadable");
		return;
	}
	for (int i = 0; i < 8; i++)
		if (s.flags & 1 << i)
			flags[n++] = names[i];
	n = snprintf(to, cap, "%-3s ", flags);
	n = add(to, cap, n, "%u:%u", s.seq - iss, s.seq + s.len - iss);
	n = add(to, cap, n, "(%u) ack %u", s.len, s.flags & TCP_ACK ? s.ack - irs : 0);
	n = add(to, cap, n, " win %u ecn %u", s.wnd, f->ecn);
	if (s.mss)
		n = add(to, cap, n, " mss %u ws %u", s.mss, s.wscale);
	if (s.has_ts)
		n = add(to, cap, n, " ts %u %u", s.tsval, s.tsecr);
	for (int i = 0; i < s.nsack; i++)
		n = add(to, cap, n, " sack %u-%u", s.sack[i].start - irs, s.sack[i].end - irs);
}

void sim_trace(struct sim *s, const char *who, const struct sim_frame *f, const char *what)
{
	if (!s->verbose)
		return;
	printf("%4llu.%06llu %-4c %-10s #%llu %s\n", (unsigned long long)(s->now / SIM_SEC),
	       (unsigned long long)(s->now % SIM_SEC / SIM_US), f->side ? 'B' : 'A', who,
	       (unsigned long long)f->id, what);
}
