/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp/tcp_conn.h"

size_t tcp_reset_for(const struct tcp_seg *seg, uint32_t pseudo, uint8_t *out)
{
	bool has_ack = seg->flags & TCP_ACK;
	uint32_t seq = has_ack ? seg->ack : 0;
	uint32_t ack = has_ack ? 0 : seg->seq + seg_span(seg);

	if (seg->flags & TCP_RST)
		return 0;
	tcp_header_write(out, seg->dport, seg->sport, seq, ack,
			 has_ack ? TCP_RST : TCP_RST | TCP_ACK, 0, 20);
	tcp_csum_write(out, pseudo, 20, 0, 0);
	return 20;
}
