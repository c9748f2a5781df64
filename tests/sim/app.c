/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "app.h"

/* A prime, so that no power of two and no segment size hides a shift. */
#define PERIOD 65521
#define MARGIN TCP_BLOCK_SIZE

static const uint8_t *pattern(uint64_t off, uint32_t salt)
{
	static uint8_t bytes[PERIOD + MARGIN];
	static bool made;
	uint64_t rng = 1;

	for (size_t i = 0; !made && i < PERIOD; i++)
		bytes[i] = (uint8_t)sim_rand(&rng);
	if (!made)
		memcpy(bytes + PERIOD, bytes, MARGIN);
	made = true;
	return bytes + (off + salt) % PERIOD;
}

/* How much it may have written, or read, by now, at `most` bytes every `ns`. */
static uint64_t paced(const struct sim_app *a, const struct sim *s, uint64_t most, uint64_t ns,
		      bool at_once)
{
	return most * ((s->now - a->opened) / ns + at_once);
}

static uint64_t next_tick(const struct sim_app *a, const struct sim *s, uint64_t ns)
{
	return a->opened + ((s->now - a->opened) / ns + 1) * ns;
}

static void take(struct sim_app *a, struct sim *s, struct tcp_conn *c)
{
	uint64_t limit = a->read_most ? paced(a, s, a->read_most, a->read_ns, false) : UINT64_MAX;
	const uint8_t *p;
	size_t n;

	while (a->read < limit && (n = tcp_recv_peek(c, &p)) > 0) {
		n = n < limit - a->read ? n : (size_t)(limit - a->read);
		n = n < MARGIN ? n : MARGIN;
		if (memcmp(p, pattern(a->read, a->salt_in), n))
			sim_fail(s, "other bytes than were sent, within [%llu, %llu)",
				 (unsigned long long)a->read, (unsigned long long)a->read + n);
		a->read += n;
		tcp_recv_done(c, n, sim_us(s));
	}
	if (!a->eof && tcp_recv_eof(c)) {
		a->eof = true;
		if (a->read != a->expect)
			sim_fail(s, "end of stream after %llu of %llu bytes",
				 (unsigned long long)a->read, (unsigned long long)a->expect);
	}
	if (a->read > a->expect)
		sim_fail(s, "more bytes than were sent");
}

static uint64_t may_write(const struct sim_app *a, const struct sim *s)
{
	uint64_t limit = a->total, n;

	if (a->after_eof && !a->eof)
		return 0;
	if (a->burst) {
		n = paced(a, s, a->burst, a->pause_ns, true);
		limit = n < limit ? n : limit;
	}
	if (a->turn_out) {
		n = a->turn_out * (a->read / a->turn_in + !a->second);
		limit = n < limit ? n : limit;
	}
	return limit;
}

static void give(struct sim_app *a, const struct sim *s, struct tcp_conn *c)
{
	uint64_t limit = may_write(a, s);
	uint8_t *p;
	size_t n;

	while (a->written < limit && (n = tcp_send_reserve(c, &p)) > 0) {
		n = n < limit - a->written ? n : (size_t)(limit - a->written);
		n = n < MARGIN ? n : MARGIN;
		memcpy(p, pattern(a->written, a->salt), n);
		tcp_send_commit(c, n);
		a->written += n;
	}
}

static void finish(struct sim_app *a, const struct sim *s, struct tcp_conn *c)
{
	bool done = a->written == a->total && (!a->after_eof || a->eof);

	/* In SYN_SENT that would delete the connection (RFC 9293 3.10.4). */
	if (!done || tcp_get_state(c) <= WEIR_SYN_SENT)
		return;
	if (!a->shut && !a->close) {
		tcp_shutdown(c);
		a->shut = true;
	} else if (!a->shut && a->read == a->expect) {
		tcp_close(c, sim_us(s));
		a->shut = true;
	}
}

uint64_t sim_app_run(struct sim_app *a, struct sim *s, struct tcp_conn *c)
{
	uint64_t at = SIM_NEVER, tick;

	if (!a->opened && tcp_get_state(c) < WEIR_SYN_RCVD)
		return SIM_NEVER;
	if (!a->opened)
		a->opened = s->now;
	take(a, s, c);
	give(a, s, c);
	finish(a, s, c);
	if (a->read_most && !a->eof && !(a->shut && a->close))
		at = next_tick(a, s, a->read_ns);
	if (a->burst && a->written < a->total) {
		tick = next_tick(a, s, a->pause_ns);
		at = tick < at ? tick : at;
	}
	return at;
}
