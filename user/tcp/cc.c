/* SPDX-License-Identifier: BSD-2-Clause */
/* What all congestion controls share: the list of them, the initial window. */
#include <string.h>

#include "tcp/tcp_conn.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct tcp_cc *const all[] = {&tcp_cc_cubic, &tcp_cc_reno};

const struct tcp_cc *tcp_cc_at(unsigned i)
{
	return i < LEN(all) ? all[i] : NULL;
}

const char *tcp_cc_name(const struct tcp_cc *cc)
{
	return cc->name;
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const struct tcp_cc *tcp_cc_find(const char *name)
{
	for (unsigned i = 0; i < LEN(all); i++)
		if (same(all[i]->name, name))
			return all[i];
	return NULL;
}

/* RFC 6928 2; RFC 5681 3.1: a lost SYN or SYN-ACK leaves one segment. */
uint32_t tcp_cc_initial_window(const struct tcp_conn *c)
{
	uint32_t mss = c->mss;

	if (c->syn_rtx)
		return mss;
	return u32_min(10 * mss, u32_max(2 * mss, 14600));
}

void tcp_cc_start(struct tcp_conn *c, uint64_t now)
{
	c->cwnd = tcp_cc_initial_window(c);
	c->ssthresh = UINT32_MAX;
	tcp_cc_switch(c, c->cc, now);
}

void tcp_cc_switch(struct tcp_conn *c, const struct tcp_cc *cc, uint64_t now)
{
	c->cc = cc ? cc : &tcp_cc_cubic;
	memset(c->cc_priv, 0, sizeof(c->cc_priv));
	c->cc->init(c, now);
}

/*
 * Whether cwnd is what held the sender back when `flight` was outstanding: a
 * window that was not used says nothing about the path (RFC 7661 4.4, RFC 9438
 * 5.8). In slow start half of it is enough, since it doubles in a round trip.
 */
bool tcp_cc_limited(const struct tcp_conn *c, uint32_t flight)
{
	uint64_t used = c->cwnd < c->ssthresh ? 2ull * flight : (uint64_t)flight + c->mss;

	return used >= c->cwnd;
}
