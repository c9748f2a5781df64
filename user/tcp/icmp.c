/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors, RFC 9293 3.9.2.2 and RFC 5927: anyone can send them, so one is
 * believed only where it quotes a number that is in flight; and even then all it
 * can do to a connection that is open is to be remembered (RFC 5461 4).
 */
#include "tcp/tcp_conn.h"

/* RFC 5927 4.1. The octet of a window probe is in flight beyond snd_nxt. */
static bool in_flight(const struct tcp_conn *c, uint32_t seq)
{
	if (c->probe_out && seq == c->snd_nxt)
		return true;
	return seq_geq(seq, c->snd_una) && seq_lt(seq, c->snd_nxt);
}

/*
 * Hard errors end a connection that is not open yet: there is nothing to lose, and
 * an application that has another address to try should not wait (RFC 5461 4.1).
 * Soft ones never do (RFC 1122 4.2.3.9).
 */
static void unreachable(struct tcp_conn *c, const struct tcp_icmp *icmp)
{
	c->error = (uint8_t)icmp->error;
	if (icmp->kind == TCP_ICMP_HARD && c->state < WEIR_ESTABLISHED) {
		COUNT(c, icmp_conn_ended);
		tcp_conn_end(c, TCP_END_UNREACHABLE);
		return;
	}
	COUNT(c, icmp_conn_noted);
}

void tcp_icmp(struct tcp_conn *c, const struct tcp_icmp *icmp, uint64_t now)
{
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_CLOSED:
	case WEIR_LISTEN:
	case WEIR_TIME_WAIT:
		COUNT(c, icmp_not_in_flight);
		return;
	default:
		break;
	}
	if (!in_flight(c, icmp->seq)) {
		COUNT(c, icmp_not_in_flight);
		return;
	}
	if (icmp->kind == TCP_ICMP_TOO_BIG)
		tcp_pmtu_claim(c, icmp, now);
	else
		unreachable(c, icmp);
}
