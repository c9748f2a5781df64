/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP_INFO: what the core knows, in the kernel's layout and units. */
#include "sock/linux_tcp.h"

#include <string.h>

#include "sock/sock.h"

/* <netinet/tcp.h>'s numbers of the states, which TCP_INFO gives. */
static uint8_t linux_state(enum weir_tcp_state s)
{
	static const uint8_t number[WEIR_TCP_NSTATES] = {
		[WEIR_CLOSED] = 7,     [WEIR_LISTEN] = 10,     [WEIR_SYN_SENT] = 2,
		[WEIR_SYN_RCVD] = 3,   [WEIR_ESTABLISHED] = 1, [WEIR_FIN_WAIT_1] = 4,
		[WEIR_FIN_WAIT_2] = 5, [WEIR_CLOSE_WAIT] = 8,  [WEIR_CLOSING] = 11,
		[WEIR_LAST_ACK] = 9,   [WEIR_TIME_WAIT] = 6,
	};

	return number[s];
}

static uint8_t options(const struct tcp_info *t)
{
	return (uint8_t)((t->ts ? TCPI_OPT_TIMESTAMPS : 0) | (t->sack ? TCPI_OPT_SACK : 0) |
			 (t->wscale ? TCPI_OPT_WSCALE : 0) | (t->ecn ? TCPI_OPT_ECN : 0));
}

static uint32_t segments(uint32_t bytes, uint32_t mss)
{
	return mss ? (bytes + mss - 1) / mss : 0;
}

static void fill(struct linux_tcp_info *o, const struct tcp_info *t)
{
	o->tcpi_ca_state = t->recovery;
	o->tcpi_retransmits = t->backoff;
	o->tcpi_probes = t->probes;
	o->tcpi_backoff = t->backoff;
	o->tcpi_options = options(t);
	o->tcpi_snd_wscale = t->snd_wscale & 15;
	o->tcpi_rcv_wscale = t->rcv_wscale & 15;
	o->tcpi_rto = t->rto_us;
	o->tcpi_snd_mss = t->mss;
	o->tcpi_rcv_mss = t->rcv_mss;
	o->tcpi_advmss = t->advmss;
	o->tcpi_pmtu = t->pmtu;
	/* What Linux counts in segments. */
	o->tcpi_unacked = segments(t->snd_nxt - t->snd_una, t->mss);
	o->tcpi_sacked = segments(t->sacked, t->mss);
	o->tcpi_lost = segments(t->lost, t->mss);
	o->tcpi_snd_cwnd = segments(t->cwnd, t->mss);
	o->tcpi_snd_ssthresh = segments(t->ssthresh, t->mss);
	o->tcpi_total_retrans = (uint32_t)t->retransmits;
	o->tcpi_rtt = t->srtt_us;
	o->tcpi_rttvar = t->rttvar_us;
	o->tcpi_min_rtt = t->min_rtt_us;
	o->tcpi_rcv_rtt = t->rcv_rtt_us;
	o->tcpi_rcv_space = t->rcv_space;
	o->tcpi_reordering = 3; /* RFC 8985 counts in time; the threshold of RFC 5681 */
	o->tcpi_bytes_acked = t->bytes_out;
	o->tcpi_bytes_received = t->bytes_in;
	if (t->sndq > t->snd_nxt - t->snd_una)
		o->tcpi_notsent_bytes = t->sndq - (t->snd_nxt - t->snd_una);
	o->tcpi_snd_wnd = t->snd_wnd;
}

void sock_info(const struct weir_sock *k, void *v, socklen_t *len)
{
	struct linux_tcp_info out;
	struct tcp_info t;

	memset(&out, 0, sizeof(out));
	if (k->conn) {
		conn_info(k->conn, &t);
		fill(&out, &t);
		out.tcpi_state = linux_state(t.state);
	} else {
		if (k->last)
			fill(&out, k->last);
		out.tcpi_state = linux_state(k->state == SOCK_LISTEN ? WEIR_LISTEN : WEIR_CLOSED);
	}
	if (k->state == SOCK_LISTEN) {
		/* As Linux: the queue and its bound. */
		out.tcpi_unacked = k->queued;
		out.tcpi_sacked = k->backlog;
	}
	if (*len > sizeof(out))
		*len = sizeof(out);
	memcpy(v, &out, *len);
}
