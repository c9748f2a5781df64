/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <weir/cookie.h>

#include "control/keys.h"

#define FINGERPRINT_BITS 48

int keys_random(uint64_t secret[2])
{
	ssize_t n = getrandom(secret, 2 * sizeof(*secret), 0);

	return n == (ssize_t)(2 * sizeof(*secret)) ? 0 : n < 0 ? -errno : -EIO;
}

void keys_single(struct key_set *s, const uint64_t secret[2])
{
	s->n = 1;
	s->key[0] =
		(struct key){.id = 1, .secret = {secret[0], secret[1]}, .retire_at = KEYS_NEVER};
}

/* ---- the schedule ------------------------------------------------------------------------- */

static const char *check_after(const struct key *k, const struct key *before)
{
	if (k->id <= before->id)
		return "its id must be above that of the key before it";
	if (k->accept_from < before->accept_from)
		return "its accept_from is before that of the key before it";
	if (k->issue_from - KEYS_LEAD_S < k->accept_from)
		return "it must be accepted 3 s before it issues, or earlier";
	if (k->issue_from - KEYS_SPACING_S < before->issue_from)
		return "it must issue 40 s after the key before it, or later";
	return NULL;
}

const char *keys_check(const struct key_set *s, unsigned *at)
{
	const char *why;

	for (*at = 0; *at < s->n; ++*at) {
		const struct key *k = &s->key[*at];

		if (k->issue_from < k->accept_from)
			return "it issues before it is accepted";
		why = *at ? check_after(k, k - 1) : NULL;
		if (why)
			return why;
		if (*at + 1 == s->n && k->retire_at != KEYS_NEVER)
			return "the newest key cannot retire: retire_at must be `never`";
		if (*at + 1 < s->n && k->retire_at < k[1].issue_from + KEYS_GRACE_S)
			return "it retires less than 60 s after the next key issues";
	}
	return s->n ? NULL : "there is no key";
}

uint64_t keys_first_epoch(const struct key *k)
{
	uint64_t ms = (uint64_t)k->issue_from * 1000;

	return (ms + (1u << WEIR_EPOCH_SHIFT) - 1) >> WEIR_EPOCH_SHIFT;
}

unsigned keys_of_epoch(const struct key_set *s, uint64_t epoch)
{
	unsigned i = s->n - 1;

	while (i > 0 && keys_first_epoch(&s->key[i]) > epoch)
		i--;
	return i;
}

/*
 * The epochs whose cookies are checked about now. The gate's clock may be a jiffy behind the
 * host's; ahead of us are the other nodes, and the time until we look again.
 */
#define BEHIND_MS 128u
#define AHEAD_MS  (KEYS_SKEW_MS + 2500u)

static uint64_t oldest_epoch(uint64_t wall_ms)
{
	return ((wall_ms - BEHIND_MS) >> WEIR_EPOCH_SHIFT) - 1;
}

static uint64_t newest_epoch(uint64_t wall_ms)
{
	return (wall_ms + AHEAD_MS) >> WEIR_EPOCH_SHIFT;
}

static bool passed(int64_t time_s, uint64_t wall_ms)
{
	return time_s != KEYS_NEVER && (uint64_t)time_s <= wall_ms / 1000;
}

enum key_state keys_state(const struct key_set *s, unsigned i, uint64_t wall_ms)
{
	unsigned issuing = keys_of_epoch(s, wall_ms >> WEIR_EPOCH_SHIFT);

	if (passed(s->key[i].retire_at, wall_ms))
		return KEY_RETIRED;
	if (i == issuing)
		return KEY_ISSUING;
	if (i > issuing)
		return passed(s->key[i].accept_from, wall_ms) ? KEY_ACCEPTED : KEY_WAITING;
	return i < keys_of_epoch(s, oldest_epoch(wall_ms)) ? KEY_DONE : KEY_ACCEPTED;
}

const char *keys_state_name(enum key_state state)
{
	static const char *const names[] = {"waiting", "accepted", "issuing", "done", "retired"};

	return names[state];
}

unsigned keys_retire(struct key_set *s, uint64_t wall_ms)
{
	unsigned n = 0;

	while (n + 1 < s->n && passed(s->key[n].retire_at, wall_ms))
		n++;
	if (!n)
		return 0;
	memmove(&s->key[0], &s->key[n], (s->n - n) * sizeof(s->key[0]));
	s->n -= n;
	explicit_bzero(&s->key[s->n], n * sizeof(s->key[0]));
	return n;
}

int keys_add(struct key_set *s, const uint64_t secret[2], int64_t now, int64_t in_s,
	     char why[KEYS_WHY_MAX])
{
	struct key *last = &s->key[s->n - 1], *k = last + 1;
	const char *text;
	unsigned at;

	if (s->n == KEYS_MAX || last->id == UINT32_MAX) {
		snprintf(why, KEYS_WHY_MAX, "there are %d keys already, and none has retired yet",
			 KEYS_MAX);
		return -ENOSPC;
	}
	if (now + in_s < last->issue_from + KEYS_SPACING_S) {
		snprintf(why, KEYS_WHY_MAX,
			 "key %" PRIu32 " has begun to issue just now, or will: the next may in "
			 "%" PRId64 " s, as by --in %" PRId64 "s",
			 last->id, last->issue_from + KEYS_SPACING_S - now,
			 last->issue_from + KEYS_SPACING_S - now);
		return -EAGAIN;
	}
	*k = (struct key){.id = last->id + 1,
			  .secret = {secret[0], secret[1]},
			  .accept_from = now > last->accept_from ? now : last->accept_from,
			  .issue_from = now + in_s,
			  .retire_at = KEYS_NEVER};
	last->retire_at = k->issue_from + KEYS_GRACE_S;
	s->n++;
	text = keys_check(s, &at);
	if (text)
		snprintf(why, KEYS_WHY_MAX, "key %" PRIu32 ": %s", s->key[at].id, text);
	return text ? -EINVAL : 0;
}

void keys_plan(const struct key_set *s, uint64_t wall_ms, struct key_plan *p)
{
	unsigned older = keys_of_epoch(s, oldest_epoch(wall_ms));
	unsigned newer = keys_of_epoch(s, newest_epoch(wall_ms));

	if (newer == older && newer + 1 < s->n && passed(s->key[newer + 1].accept_from, wall_ms))
		newer++;
	p->older = s->key[older].secret;
	p->newer = s->key[newer].secret;
	p->oldest = (uint32_t)oldest_epoch(wall_ms);
	p->now = weir_epoch(wall_ms);
	/* One key's epochs began long ago, so to speak. */
	p->switch_epoch = older == newer ? p->oldest : (uint32_t)keys_first_epoch(&s->key[newer]);
}

/* ---- fingerprints ------------------------------------------------------------------------- */

static uint64_t cut(uint64_t v)
{
	return v >> (64 - FINGERPRINT_BITS);
}

/* Of a length that no cookie's message has, so that it is nobody's MAC. */
uint64_t keys_fingerprint(const struct key *k)
{
	static const char text[] = "weir key fingerprint";
	const __u64 secret[2] = {k->secret[0], k->secret[1]};

	return cut(weir_siphash24(secret, text, sizeof(text) - 1));
}

uint64_t keys_set_fingerprint(const struct key_set *s)
{
	static const __u64 fixed[2] = {0, 0};
	uint64_t words[2 + KEYS_MAX * 5] = {s->mtu, s->wscale}, *w = words + 2;

	for (unsigned i = 0; i < s->n; i++) {
		const struct key *k = &s->key[i];

		*w++ = k->id;
		*w++ = keys_fingerprint(k);
		*w++ = (uint64_t)k->accept_from;
		*w++ = (uint64_t)k->issue_from;
		*w++ = (uint64_t)k->retire_at;
	}
	return cut(weir_siphash24(fixed, words, (size_t)(w - words) * sizeof(*w)));
}
