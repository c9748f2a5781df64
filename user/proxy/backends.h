/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backends of one proxy service: who is up, who is next, who is in use.
 *
 *     workers      pick ─► connect ─► connected or failed ─► … ─► done
 *     main thread  step (checks, the end of ejections, changes told), update (reload)
 *
 * A backend lives in a slot, whose index is what workers hold. A slot stays the same backend
 * for as long as a connection uses it, removed from the configuration or not:
 *
 *     in_use(i) > 0  ⇒  backends_addr(i) does not change
 *
 * A backend gets new connections while it is *up*: its checks do not say otherwise (or it has
 * none) and it is not ejected. Ejection is passive: `eject_failures` connects failed in a row.
 * It never takes the last one that is up. When checks have taken all of them down, `all_down`
 * decides.
 *
 * Picks are wait-free: a bounded number of steps, no lock, whatever other threads do.
 */
#ifndef WEIR_PROXY_BACKENDS_H
#define WEIR_PROXY_BACKENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <weir/weir.h>
#include "proxy/proxy_spec.h"

/* Slots: as many again as backends, so that all may be replaced while the old ones drain. */
#define BACKENDS_MAX 64

struct backends;

enum backend_failure {
	BACKEND_REFUSED, /* RST to the SYN, no such UNIX socket */
	BACKEND_TIMEOUT, /* no answer within the connect timeout */
	/* Connected, then reset before it had sent a byte. Clients can bring that about, so it
	 * ejects nobody. */
	BACKEND_RESET,
	BACKEND_UNREACHABLE, /* no route, ICMP */
	BACKEND_LOCAL,	     /* ours: no descriptor, port or memory left; ejects nobody */
};

enum backend_state {
	BACKEND_UP,
	BACKEND_DOWN,	  /* by its checks */
	BACKEND_EJECTED,  /* by failed connects, for a time */
	BACKEND_DRAINING, /* no longer configured; its connections go on */
};

/* 0 or -errno with a line for the operator in `err`. */
int backends_open(struct backends **out, const struct proxy_config *cfg, char *err, size_t errlen);
/* No worker uses it any more. NULL is fine. */
void backends_close(struct backends *b);

/* ---- workers, any thread ------------------------------------------------------------- */

/*
 * The backend for a connection of `client`, which then counts as using it, or -EHOSTUNREACH.
 * tried: bit i for each index tried for this connection already; they are not given again.
 */
int backends_pick(struct backends *b, const struct weir_addr *client, uint64_t tried);
/* Every pick is ended by exactly one of these: the connection has ended, or came to nothing. */
void backends_done(struct backends *b, unsigned i);
/* Between pick and done: it is connected, after so long. */
void backends_connected(struct backends *b, unsigned i, uint64_t took_us);
/* Between pick and done: it is not, or (BACKEND_RESET) it ended before it had sent a byte. */
void backends_failed(struct backends *b, unsigned i, enum backend_failure why);

const struct sockaddr *backends_addr(const struct backends *b, unsigned i, socklen_t *len);
const char *backends_name(const struct backends *b, unsigned i); /* for messages */

/* ---- main thread ------------------------------------------------------------------------- */

/* Some five times a second: monotonic time. Never blocks. */
void backends_step(struct backends *b, uint64_t now_us);

/*
 * Another configuration: what stays keeps its state and connections, what is gone drains.
 * 0; -EAGAIN when too many removed ones still have connections; nothing has changed then.
 */
int backends_update(struct backends *b, const struct proxy_config *cfg, char *err, size_t errlen);

/* Called from backends_step() for each change of state. */
struct backend_change {
	const char *name;
	enum backend_state from, to;
	const char *why;    /* "connection refused", "2 checks passed", … */
	unsigned up, total; /* after it, of the configured ones */
};
typedef void (*backend_change_fn)(void *arg, const struct backend_change *change);
void backends_on_change(struct backends *b, backend_change_fn fn, void *arg);

struct backend_status {
	char name[PROXY_NAME_LEN];
	unsigned weight;
	enum backend_state state;
	uint64_t in_use, total, failures; /* connections now, picks ever, failed ones of them */
	uint64_t ejections, checks, checks_failed;
	uint64_t for_ms;       /* in this state */
	uint64_t back_ms;      /* ejected: until it may come back */
	uint64_t connect_us;   /* smoothed time of connects, 0: none yet */
	uint64_t check_rtt_us; /* round trip, as the last good check saw it; 0: none, or UNIX */
	char last_error[64];   /* "" none */
	uint64_t error_ms;     /* how long ago that was */
};
/* How many there are, draining ones included; the first `max` in rows. */
unsigned backends_status(const struct backends *b, struct backend_status *rows, unsigned max);
const char *backend_state_name(enum backend_state state); /* "up", "down", "ejected", "draining" */
const char *backend_failure_name(enum backend_failure why);

/* As it was last set. */
const struct proxy_config *backends_config(const struct backends *b);

/* Adds the outcomes named backend_* in counters.def, of all pools, to v[WEIR_C_MAX]. Any thread. */
void backends_counters(uint64_t *v);

#endif
