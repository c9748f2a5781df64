/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cookie's keys: which of them holds in which epoch, and how they get into the gate.
 *
 * Without a key file a weir makes random keys, and new ones now and then: keys_init(),
 * keys_rotate(). Nodes that stand in for each other share a file (keyfile.h) of several
 * keys, each with three times (UTC, seconds since 1970):
 *
 *	accept_from	from then on a node has the key in its gate, so that it can check
 *			cookies made with it
 *	issue_from	from the first epoch that begins then or later the key makes the
 *			cookies, and those of its epochs are checked with it alone
 *	retire_at	nobody needs it any more: it is wiped from memory, and from the
 *			file by the next `weir key rotate`
 *
 * Every epoch has one key (weir/cookie.h), which the file alone decides: the one with the
 * latest issue_from that is not after the epoch's beginning, else the first. Nodes whose
 * clocks differ therefore never disagree about an epoch's key, only for a moment about which
 * epoch it is; and a validator still computes one MAC. What that asks of a file, so that two
 * slots of struct weir_keyring are enough and nobody is refused, keys_check() holds it to:
 *
 *   - ids rise, and so do accept_from and issue_from;
 *   - a key is accepted KEYS_LEAD_S before it issues at the latest: the nodes' clocks may
 *     differ by KEYS_SKEW_MS, and a node looks at file and schedule once a second. In between
 *     lies the time in which the file must have reached every node;
 *   - one issue_from comes KEYS_SPACING_S after the other at the earliest: more than two
 *     epochs, so that those whose cookies are alive have two keys at most;
 *   - a key retires KEYS_GRACE_S after its successor's issue_from at the earliest: up to an
 *     epoch until the switch, two until the last cookie has died, and the clocks' difference;
 *   - the newest key never retires: something has to make the cookies.
 *
 * The clocks. A node that is ahead makes cookies of an epoch that has not begun elsewhere. By
 * weir_gate_clock.skew_ms its peers check them all the same, as long as it is ahead by no more
 * than KEYS_SKEW_MS; beyond that, and beyond the time that the ACK takes, those of an epoch's
 * first moments are refused where the epoch has not begun. A cookie lives at least an epoch
 * less twice that bound.
 *
 * A node that misses a file goes on with the keys it has: until issue_from nobody can tell,
 * after it the node refuses the others' cookies and they refuse its own, while handshakes that
 * begin and end on one node go on. As soon as it gets the file its epochs have the right keys.
 */
#ifndef WEIR_CONTROL_KEYS_H
#define WEIR_CONTROL_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include "control/err.h"

#define KEYS_MAX       8
#define KEYS_SKEW_MS   1024
#define KEYS_LEAD_S    3
#define KEYS_SPACING_S 40
#define KEYS_GRACE_S   60
#define KEYS_NEVER     INT64_MAX /* retire_at */

struct key {
	uint32_t id; /* from 1 */
	uint64_t secret[2];
	int64_t accept_from, issue_from, retire_at;
};

/* With what else a validator needs: it holds for all of them. */
struct key_set {
	unsigned n;
	struct key key[KEYS_MAX]; /* in order of their ids */
	uint32_t mtu;		  /* the MSS classes are this MTU's */
	uint8_t wscale;		  /* our window scale */
};

/* A fresh secret. 0 or -errno. */
int keys_random(uint64_t secret[2]);

/* One key for all times. */
void keys_single(struct key_set *s, const uint64_t secret[2]);

/* NULL, or what is wrong with the times of key *at (index). */
const char *keys_check(const struct key_set *s, unsigned *at);

/* The first epoch of which a key makes the cookies. */
uint64_t keys_first_epoch(const struct key *k);
/* Index of the key of an epoch (not cut to 32 bits). */
unsigned keys_of_epoch(const struct key_set *s, uint64_t epoch);

enum key_state {
	KEY_WAITING,  /* until accept_from */
	KEY_ACCEPTED, /* cookies made with it are good */
	KEY_ISSUING,
	KEY_DONE,    /* no cookie of it lives any more */
	KEY_RETIRED, /* the time has come to forget it */
};
enum key_state keys_state(const struct key_set *s, unsigned i, uint64_t wall_ms);
const char *keys_state_name(enum key_state state);

/* Wipes those that are retired; how many. */
unsigned keys_retire(struct key_set *s, uint64_t wall_ms);

/*
 * A key to be accepted from `now` on (s since 1970) and to issue `in_s` later; the newest of
 * before retires after that. 0, or -errno with a sentence in `why`.
 */
#define KEYS_WHY_MAX 160
int keys_add(struct key_set *s, const uint64_t secret[2], int64_t now, int64_t in_s,
	     char why[KEYS_WHY_MAX]);

/*
 * What operators compare between nodes: 48 bits that depend on the secret (a PRF's output
 * under it: they reveal nothing of it), or on all that a set says.
 */
uint64_t keys_fingerprint(const struct key *k);
uint64_t keys_set_fingerprint(const struct key_set *s);

/*
 * What the gate needs at a time: the keys of the epochs whose cookies are checked about then,
 * two at most, and the one to come once it is accepted. Epochs are cut to 32 bits.
 */
struct key_plan {
	const uint64_t *older, *newer; /* into the set; the same where one key is all */
	uint32_t switch_epoch;	       /* the first of the newer */
	uint32_t oldest, now;	       /* epochs */
};
void keys_plan(const struct key_set *s, uint64_t wall_ms, struct key_plan *p);

/* ---- the gate's ring ---------------------------------------------------------------------- */

/* Before attaching: every epoch has this key. */
void keys_init(struct weir_keyring *ring, const uint64_t secret[2], uint32_t epoch);

/*
 * Live. Switches to a new key two epochs from now; -EAGAIN while the last switch is
 * less than an epoch past.
 */
int keys_rotate(struct weir_keyring *ring, const uint64_t secret[2], uint32_t epoch);

/*
 * Live, once a second: the two slots as the set wants them at this time. True if one of the
 * epochs whose cookies live had another key until now: what was made with that is refused.
 */
bool keys_apply(struct weir_keyring *ring, const struct key_set *s, uint64_t wall_ms);

#endif
