/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp_flight.h"

void flight_send(struct fx *f, unsigned cwnd, unsigned n)
{
	f->c->cwnd = cwnd * FX_MSS;
	fx_send(f, n * tcp_eff_mss(f->c));
	assert_int_equal(fx_waiting(f), n);
	fx_skip(f);
}

struct fx *flight(const struct fx_opt *opt, unsigned cwnd, unsigned n)
{
	struct fx *f = fx_established(opt);

	fx_wide(f);
	flight_send(f, cwnd, n);
	return f;
}

unsigned flight_left(struct fx *f)
{
	unsigned n = fx_waiting(f);

	fx_skip(f);
	return n;
}
