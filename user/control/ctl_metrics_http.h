/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics' endpoint: HTTP on a socket of the host's own, apart from what weir serves.
 *
 *     GET /metrics   as Prometheus reads it (ctl_metrics.h)
 *     GET /healthz   200 while new clients are served, else 503, and why
 *     GET /          what there is
 *
 * One thread drives it, that of the source: poll metrics_fd() for reading, no longer than
 * metrics_wait_ms(), and call metrics_step(). It never blocks. Pages are made at most ten
 * times a second, however many ask; connections are limited, and who sends or reads slowly
 * is cut off.
 */
#ifndef WEIR_CONTROL_CTL_METRICS_HTTP_H
#define WEIR_CONTROL_CTL_METRICS_HTTP_H

#include "control/ctl_source.h"
#include "control/err.h"

#define METRICS_UNIX	    "unix:"
#define METRICS_CONNS	    64
#define METRICS_REQUEST_MAX 8192 /* bytes of a request's head, and what MHD needs for it */
#define METRICS_IDLE_S	    10	 /* without a byte moved */
#define METRICS_LIFE_S	    20	 /* from one answer, or the start, to the next */

struct metrics;

/*
 * `where` is ADDR:PORT, [ADDR]:PORT, *:PORT or unix:PATH; the latter is open to all who can
 * reach the path, like a port. `src` outlives it.
 */
int metrics_open(struct metrics **out, const char *where, const struct ctl_source *src,
		 struct weir_err *err);
/*
 * On another weir's socket, which is at `where`. It stays the caller's, and a path's name the
 * other's until metrics_keep_name() says otherwise.
 */
int metrics_open_on(struct metrics **out, const char *where, int listener,
		    const struct ctl_source *src, struct weir_err *err);
/* Whether the name stays when this is closed. */
void metrics_keep_name(struct metrics *m, bool keep);
/*
 * Another weir accepts from now on, and there is nothing to be told any more: who was accepted
 * here and asks gets the page of a moment ago. Closing is all that may follow.
 */
void metrics_hand_over(struct metrics *m);
int metrics_listener(const struct metrics *m);
/* Whether `where` can be one: 0 or -EINVAL. *a: the address; family 0 and port 0: a path. */
int metrics_parse(const char *where, struct weir_addr *a);

const char *metrics_path(const struct metrics *m); /* of unix:PATH; NULL: it is TCP */
int metrics_fd(const struct metrics *m);
int metrics_wait_ms(const struct metrics *m); /* -1: for as long as nothing is ready */
void metrics_step(struct metrics *m, uint64_t now_us);
void metrics_close(struct metrics *m); /* NULL is fine */

#endif
