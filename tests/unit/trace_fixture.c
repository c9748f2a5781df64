/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "trace_fixture.h"

static uint8_t *put16(uint8_t *p, unsigned v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v & 0xffff);
}

static uint8_t *ip4(uint8_t *p, const struct trace_seg *s, unsigned tcp_len)
{
	static const uint8_t addr[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};

	memset(p, 0, 12);
	p[0] = 0x45;
	put16(p + 2, 20 + tcp_len);
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, addr[s->out], 4);
	memcpy(p + 16, addr[!s->out], 4);
	return p + 20;
}

static uint8_t *ip6(uint8_t *p, const struct trace_seg *s, unsigned tcp_len)
{
	static const uint8_t addr[2][16] = {{0xfd, [15] = 1}, {0xfd, [15] = 2}};

	memset(p, 0, 8);
	p[0] = 0x60;
	put16(p + 4, tcp_len);
	p[6] = 6;
	p[7] = 64;
	memcpy(p + 8, addr[s->out], 16);
	memcpy(p + 24, addr[!s->out], 16);
	return p + 40;
}

static uint8_t *options(uint8_t *p, const struct trace_seg *s)
{
	p = put32(p, 0x020405b4);
	p = put32(p, 0x0402080a);
	p = put32(p, s->out ? 2000 : 1000);
	p = put32(p, s->out ? 1000 : 0);
	return put32(p, s->out ? 0x01030308 : 0x01030307);
}

void trace_make(struct weir_trace_rec *rec, const struct trace_seg *s)
{
	unsigned header = s->syn_options ? 40 : 20;
	uint16_t port = s->port ? s->port : 40000;
	uint8_t *p;

	memset(rec, 0, sizeof(*rec));
	rec->mono_ns = 5000000000ull + s->us * 1000;
	rec->where = s->gate ? WEIR_TRACE_GATE : WEIR_TRACE_WORKER;
	rec->dir = s->out ? WEIR_TRACE_OUT : WEIR_TRACE_IN;
	rec->outcome = s->outcome;
	rec->state_after = s->state;
	p = put16(rec->data + 12, s->v6 ? 0x86dd : 0x0800);
	p = s->v6 ? ip6(p, s, header + s->len) : ip4(p, s, header + s->len);
	p = put16(p, s->out ? 80 : port);
	p = put16(p, s->out ? port : 80);
	p = put32(p, s->seq);
	p = put32(p, s->ack);
	p = put16(p, header / 4 << 12 | s->flags);
	p = put16(p, s->wnd);
	p = put32(p, 0);
	if (s->syn_options)
		p = options(p, s);
	rec->len = (uint16_t)(p - rec->data + s->len);
	rec->caplen = rec->len < WEIR_TRACE_SNAP ? rec->len : WEIR_TRACE_SNAP;
	memset(p, 'x', (size_t)(rec->data + rec->caplen - p));
}
