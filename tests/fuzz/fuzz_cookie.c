/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cookie: what was made is accepted for its lifetime with the options that were
 * offered, and nothing else is. The input is a program over one tuple: SYNs make
 * cookies and time goes by; then an ACK is put together, from one of them with bits
 * changed or from raw numbers. A reference remembers what was made: whatever
 * validates must be in it, or be a guess that no other key would have taken.
 */
#include "fuzz.h"

#include <weir/cookie.h>

#define MADE	   32
#define OTHER_KEYS 16

struct made {
	struct weir_flow_key6 t;
	uint32_t isn;
	struct weir_syn_opts o;
	struct weir_cookie c;
	uint64_t at_ms;
	uint64_t key[2];
};

struct state {
	struct weir_gate_config cfg;
	uint64_t wall_ms;
	struct weir_flow_key6 t;
	struct made made[MADE];
	unsigned n;
};

static void set_tuple(struct state *s, struct in *in)
{
	uint8_t bits = in8(in);

	memset(&s->t, 0, sizeof(s->t));
	s->t.raddr[2] = s->t.laddr[2] = weir_htonl(0xffff);
	if (bits & 1)
		s->t.raddr[0] = s->t.laddr[0] = weir_htonl(0xfd000000);
	s->t.raddr[3] = weir_htonl(in8(in));
	s->t.laddr[3] = weir_htonl(in8(in));
	s->t.rport = weir_htons(in8(in));
	s->t.lport = weir_htons(bits >> 1);
}

static void make(struct state *s, struct in *in)
{
	struct made *m = &s->made[s->n % MADE];
	uint8_t bits = in8(in);

	memset(m, 0, sizeof(*m));
	m->t = s->t;
	m->isn = in32(in);
	m->o.mss = in16(in);
	m->o.wscale = in8(in);
	m->o.flags = bits & 7;
	m->o.tsval = bits & WEIR_OPT_TS ? in32(in) : 0;
	m->at_ms = s->wall_ms;
	memcpy(m->key, weir_epoch_key(&s->cfg.keys, weir_epoch(s->wall_ms)), sizeof(m->key));
	weir_cookie_make_tuple(&s->cfg, s->wall_ms, &s->t, m->isn, &m->o, &m->c);
	s->n++;
}

static uint8_t clamped(uint8_t wscale)
{
	return wscale == WEIR_WSCALE_NONE ? wscale : wscale > 14 ? 14 : wscale;
}

/* What is agreed on is what was offered, and the MSS is never rounded up. */
static void check_flow(const struct made *m, const struct weir_flow *f)
{
	uint16_t mss = m->o.mss ? m->o.mss : weir_tuple_is_v4(&m->t) ? 536 : 1220;

	REQUIRE(f->iss == m->c.iss && f->irs == m->isn);
	REQUIRE(f->mss <= mss || (mss < 64 && f->mss == 64));
	REQUIRE(f->wscale == (m->o.wscale == 15 ? 14 : clamped(m->o.wscale)));
	REQUIRE(f->flags == (m->o.flags & (WEIR_OPT_SACK | WEIR_OPT_TS | WEIR_OPT_ECN)));
}

static const struct made *find(const struct state *s, uint32_t seq, uint32_t ack, bool ts,
			       uint32_t tsecr)
{
	for (unsigned i = 0; i < MADE && i < s->n; i++) {
		const struct made *m = &s->made[i];

		if (memcmp(&m->t, &s->t, sizeof(s->t)) || m->isn != seq - 1 || m->c.iss != ack - 1)
			continue;
		if (!(m->o.flags & WEIR_OPT_TS) != !ts)
			continue;
		/* Of TSval only the options are the cookie's; the rest is a clock. */
		if (ts && (m->c.tsval ^ tsecr) & WEIR_CK_LOW)
			continue;
		return m;
	}
	return NULL;
}

/* What an ACK brings: numbers as they are, or those of a cookie made, XORed with these. */
struct claim {
	const struct made *base; /* NULL: as they are */
	uint32_t seq, ack, tsecr;
	bool ts;
};

static bool valid_under(const struct weir_gate_config *cfg, const struct state *s,
			const struct claim *c, struct weir_flow *f)
{
	uint32_t seq = c->seq, ack = c->ack, tsecr = c->tsecr;

	if (c->base) {
		seq ^= c->base->isn + 1;
		ack ^= c->base->c.iss + 1;
		tsecr ^= c->base->c.tsval;
	}
	return weir_cookie_check_tuple(cfg, s->wall_ms, &s->t, seq, ack, c->ts, 1, tsecr, f);
}

/*
 * One guess in 2^22 is right, and a fuzzer makes more. But it is right under one key:
 * a flaw in what is covered by the MAC, or in how it is compared, is right under all.
 */
static bool by_chance(const struct state *s, const struct claim *claim)
{
	unsigned right = 0;

	for (uint64_t i = 1; i <= OTHER_KEYS; i++) {
		struct weir_gate_config cfg = s->cfg, then = s->cfg;
		struct claim c = *claim;
		struct weir_flow f;
		struct made m;

		cfg.keys.key[0][0] ^= i;
		cfg.keys.key[1][0] ^= i;
		if (c.base) {
			m = *c.base;
			c.base = &m;
			for (unsigned k = 0; k < 4; k++)
				then.keys.key[k / 2][k % 2] = m.key[k % 2] ^ (k % 2 ? 0 : i);
			weir_cookie_make_tuple(&then, m.at_ms, &m.t, m.isn, &m.o, &m.c);
		}
		right += valid_under(&cfg, s, &c, &f);
	}
	return right <= 1;
}

static bool check_ack(struct state *s, const struct claim *c)
{
	const struct made *m;
	struct weir_flow f = {0};

	if (!valid_under(&s->cfg, s, c, &f))
		return false;
	m = find(s, f.irs + 1, f.iss + 1, c->ts, f.ts_ours);
	if (!m) {
		REQUIRE(by_chance(s, c)); /* forged */
		return true;
	}
	REQUIRE(s->wall_ms - m->at_ms < WEIR_COOKIE_LIFE_MS);
	check_flow(m, &f);
	return true;
}

/* One made before, with the bits of a mask turned over in one of its numbers. */
static void ack_near(struct state *s, struct in *in)
{
	const struct made *m = &s->made[in8(in) % MADE];
	uint8_t which = in8(in);
	uint32_t mask = in32(in);
	struct claim c = {
		.base = m,
		.seq = (which & 3) == 1 ? mask : 0,
		.ack = (which & 3) == 2 ? mask : 0,
		.tsecr = (which & 3) == 3 ? mask : 0,
		.ts = !(m->o.flags & WEIR_OPT_TS) == !!(which & 4),
	};
	uint64_t *key;
	bool valid;

	valid = check_ack(s, &c);
	if (which & 7 || s->n == 0 || memcmp(&m->t, &s->t, sizeof(s->t)))
		return;
	/* Untouched, its key not replaced, and of this epoch or the one before: good. */
	key = (uint64_t *)weir_epoch_key(&s->cfg.keys, weir_epoch(m->at_ms));
	if (m->at_ms && weir_epoch(s->wall_ms) - weir_epoch(m->at_ms) <= 1 &&
	    s->wall_ms >= m->at_ms && !memcmp(key, m->key, sizeof(m->key)))
		REQUIRE(valid);
}

static void ack_raw(struct state *s, struct in *in)
{
	struct claim c = {0};

	c.seq = in32(in);
	c.ack = in32(in);
	c.ts = in8(in) & 1;
	c.tsecr = in32(in);
	check_ack(s, &c);
}

/* As control/keys.c does: the other key is new, from a later epoch on. */
static void rotate(struct state *s, struct in *in)
{
	uint64_t newer = s->cfg.keys.schedule >> 32, at = weir_epoch(s->wall_ms) + 2;

	/* Not before the last switch is out of every cookie's life. */
	if ((int32_t)(weir_epoch(s->wall_ms) - (uint32_t)s->cfg.keys.schedule) < 2)
		return;
	newer ^= 1;
	s->cfg.keys.key[newer & 1][0] = in64(in);
	s->cfg.keys.key[newer & 1][1] ^= 1 + in8(in);
	s->cfg.keys.schedule = newer << 32 | at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct in in = {data, len};
	struct state s = {.wall_ms = 1800000000000ull};

	s.cfg.keys.key[0][0] = in64(&in);
	s.cfg.keys.key[0][1] = 0x123456789abcdefull;
	weir_mss_classes(s.cfg.mss_class, 1280 + in8(&in) * 32u);
	set_tuple(&s, &in);
	for (unsigned i = 0; in.left && i < 200; i++) {
		switch (in8(&in) % 7) {
		case 0:
			set_tuple(&s, &in);
			break;
		case 1:
			make(&s, &in);
			break;
		case 2:
			s.wall_ms += in16(&in);
			break;
		case 3:
		case 4:
			ack_near(&s, &in);
			break;
		case 5:
			ack_raw(&s, &in);
			break;
		default:
			rotate(&s, &in);
		}
	}
	return 0;
}
