// SPDX-License-Identifier: BSD-2-Clause
/*
 * One connection of a client and its backend's: the callbacks, the connect, the ends that
 * are not the streams' own. Bytes are relay_io.c's.
 *
 *     on_open ─► CONNECTING ─► OPEN ─► DONE: the backend's side is closed
 *                  │  ▲ │                ▲
 *                  │  └─┘ the next one   │ both ends passed, reset, time-out
 *                  └─────────────────────┘ none is left: on_failure
 *
 * The client's side ends with on_close, which frees the relay in whatever state.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/proxy.h"
#include "proxy/proxy_worker.h"

#define AGAIN_MS       10  /* between two tries at a full queue of a UNIX socket */
#define DRAIN_QUIET_MS 200 /* so long after an answer a connection is between two */

struct relay_conn {
	struct relay *r;
};

static struct relay *relay_of(struct weir_conn *c)
{
	return ((struct relay_conn *)weir_conn_state(c))->r;
}

static struct proxy_worker *worker_of(struct weir_conn *c)
{
	return (struct proxy_worker *)weir_loop_get(c);
}

int relay_error(const struct relay *r)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return errno;
	return error;
}

/* Its token is no longer of any descriptor. With `reset` the backend gets an RST. */
static void close_fd(struct proxy_worker *w, struct relay *r, bool reset)
{
	const struct linger now = {.l_onoff = 1};

	if (r->fd < 0)
		return;
	if (reset)
		setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	w->bio->ops->forget(w->bio, relay_token(r));
	close(r->fd);
	r->fd = -1;
	r->gen++;
}

/* The backend's side is over. */
static void leave(struct proxy_worker *w, struct relay *r, bool reset)
{
	close_fd(w, r, reset);
	if (r->flags & RELAY_PICKED)
		backends_done(r->s->backends, r->backend);
	r->flags &= (uint16_t)~RELAY_PICKED;
	r->state = RELAY_DONE;
}

/* ---- connecting ----------------------------------------------------------------------- */

static enum backend_failure failure_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ENOENT: /* a UNIX socket's path */
	case EACCES:
	case EPERM:
		return BACKEND_REFUSED;
	case ETIMEDOUT:
		return BACKEND_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return BACKEND_RESET;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return BACKEND_UNREACHABLE;
	default:
		return BACKEND_LOCAL;
	}
}

static void count_failure(struct proxy_worker *w, enum backend_failure why, int error)
{
	static const enum weir_counter of[] = {
		[BACKEND_REFUSED] = WEIR_C_proxy_connect_refused,
		[BACKEND_TIMEOUT] = WEIR_C_proxy_connect_timeout,
		[BACKEND_RESET] = WEIR_C_proxy_connect_reset,
		[BACKEND_UNREACHABLE] = WEIR_C_proxy_connect_unreachable,
		[BACKEND_LOCAL] = WEIR_C_proxy_connect_local,
	};

	if (error == EMFILE || error == ENFILE)
		proxy_count(w, WEIR_C_proxy_no_descriptor);
	else
		proxy_count(w, of[why]);
}

/* 0: under way. */
static int dial(struct proxy_worker *w, struct relay *r)
{
	const struct sockaddr *a;
	socklen_t len;
	int rc;

	a = backends_addr(r->s->backends, r->backend, &len);
	rc = connect(r->fd, a, len);
	if (rc && errno == EAGAIN && a->sa_family == AF_UNIX) {
		r->state = RELAY_AGAIN;
		weir_conn_timer(r->c, AGAIN_MS);
		return 0;
	}
	if (rc && errno != EINPROGRESS)
		return errno;
	r->state = RELAY_CONNECTING;
	if (!rc) {
		r->flags |= RELAY_OUT;
		relay_due(w, r);
	}
	rc = w->bio->ops->watch(w->bio, r->fd, relay_token(r));
	return rc ? -rc : 0;
}

static int connect_one(struct proxy_worker *w, struct relay *r)
{
	const struct sockaddr *a;
	socklen_t len;
	int one = 1;

	a = backends_addr(r->s->backends, r->backend, &len);
	r->fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		return errno;
	if (r->fd >= w->fd_max)
		return EMFILE;
	if (a->sa_family != AF_UNIX)
		setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r->flags &= RELAY_DUE | RELAY_DRAIN | RELAY_PICKED;
	r->since_us = weir_now_us(r->c);
	weir_conn_timer(r->c, r->s->set.connect_ms);
	return dial(w, r);
}

static void attempt_failed(struct proxy_worker *w, struct relay *r, int error)
{
	enum backend_failure why = failure_of(error);

	count_failure(w, why, error);
	backends_failed(r->s->backends, r->backend, why);
	leave(w, r, true);
}

/* No backend takes it. */
static void give_up(struct proxy_worker *w, struct relay *r)
{
	proxy_count(w, WEIR_C_proxy_unserved);
	r->state = RELAY_DONE;
	weir_conn_timer(r->c, 0);
	if (r->s->set.on_failure == PROXY_FAIL_CLOSE)
		weir_close(r->c);
	else
		weir_abort(r->c);
}

/* Asks one after the other until a connect is under way. `error`: of the one before, 0 none. */
static void attempt(struct proxy_worker *w, struct relay *r, int error)
{
	struct weir_addr client;

	weir_conn_peer(r->c, &client);
	for (;;) {
		int i;

		/* What we lack ourselves another backend does not give us. */
		if (error && (failure_of(error) == BACKEND_LOCAL || r->tries >= r->s->set.retries))
			break;
		if (error)
			r->tries++;
		i = backends_pick(r->s->backends, &client, r->tried);
		if (i < 0) {
			if (!error)
				proxy_count(w, WEIR_C_proxy_no_backend);
			break;
		}
		if (error)
			proxy_count(w, WEIR_C_proxy_retried);
		r->backend = (uint8_t)i;
		r->tried |= 1ULL << i;
		r->flags |= RELAY_PICKED;
		error = connect_one(w, r);
		if (!error)
			return;
		attempt_failed(w, r, error);
	}
	give_up(w, r);
}

static void failed(struct proxy_worker *w, struct relay *r, int error)
{
	attempt_failed(w, r, error);
	attempt(w, r, error);
}

/* ---- time --------------------------------------------------------------------------------- */

/* One deadline, moved on when it has come: no timer work for each byte. */
static void arm(struct relay *r)
{
	uint64_t idle_ms = r->s->set.idle_ms, gone;

	if (r->flags & RELAY_DRAIN) {
		weir_conn_timer(r->c, DRAIN_QUIET_MS);
		return;
	}
	gone = (weir_now_us(r->c) - r->since_us) / 1000;
	if (idle_ms)
		weir_conn_timer(r->c, gone < idle_ms ? idle_ms - gone : 1);
	else
		weir_conn_timer(r->c, 0);
}

static bool nothing_under_way(struct relay *r)
{
	return !weir_send_queued(r->c) && !weir_recv_ready(r->c) && r->head_sent == r->head;
}

static void close_in_order(struct proxy_worker *w, struct relay *r)
{
	leave(w, r, false);
	weir_conn_timer(r->c, 0);
	weir_close(r->c);
}

static void idle_over(struct proxy_worker *w, struct relay *r)
{
	proxy_count(w, WEIR_C_proxy_idle_closed);
	if (nothing_under_way(r)) {
		close_in_order(w, r);
		return;
	}
	leave(w, r, true);
	weir_abort_timeout(r->c);
}

/* Who spoke last was the backend, and it is quiet: no answer is cut. */
static bool between_two(struct relay *r, uint64_t quiet_us)
{
	return r->flags & RELAY_ANSWER && quiet_us >= DRAIN_QUIET_MS * 1000 && nothing_under_way(r);
}

static void open_timer(struct proxy_worker *w, struct relay *r)
{
	uint64_t idle_ms = r->s->set.idle_ms, quiet = weir_now_us(r->c) - r->since_us;

	if (idle_ms && quiet >= idle_ms * 1000) {
		idle_over(w, r);
	} else if (r->flags & RELAY_DRAIN && between_two(r, quiet)) {
		proxy_count(w, WEIR_C_proxy_drained);
		close_in_order(w, r);
	} else {
		arm(r);
	}
}

static void connect_timer(struct proxy_worker *w, struct relay *r)
{
	uint64_t limit_us = r->s->set.connect_ms * 1000, gone = weir_now_us(r->c) - r->since_us;
	int error;

	if (limit_us && gone >= limit_us) {
		failed(w, r, ETIMEDOUT);
	} else if (r->state == RELAY_AGAIN) {
		error = dial(w, r);
		if (error)
			failed(w, r, error);
		else if (r->state == RELAY_CONNECTING)
			weir_conn_timer(r->c, limit_us ? (limit_us - gone + 999) / 1000 : 0);
	} else if (limit_us) {
		weir_conn_timer(r->c, (limit_us - gone + 999) / 1000);
	}
}

/* ---- what relay_io.c finds ------------------------------------------------------------------ */

void relay_connected(struct proxy_worker *w, struct relay *r, int error)
{
	uint64_t now = weir_now_us(r->c);
	struct weir_addr from, to;
	uint8_t head[PP2_MAX];

	if (error) {
		failed(w, r, error);
		return;
	}
	backends_connected(r->s->backends, r->backend, now - r->since_us);
	proxy_count(w, WEIR_C_proxy_connected);
	r->state = RELAY_OPEN;
	r->since_us = now;
	r->pieces = 1;
	/* Until the first word nobody knows who has it: what does not wait for the client. */
	r->flags |= RELAY_ANSWER;
	if (r->s->set.protocol == PROXY_PROTOCOL_V2) {
		weir_conn_peer(r->c, &from);
		weir_conn_local(r->c, &to);
		r->head = (uint8_t)pp2_header(head, sizeof(head), &from, &to);
	}
	arm(r);
}

/*
 * An RST for an RST. Behind its own end the backend's RST says no more than that it does
 * not read on: what it had sent before is not taken back.
 */
void relay_broken(struct proxy_worker *w, struct relay *r, int error)
{
	bool ended = r->flags & RELAY_B_EOF;

	proxy_count(w, error == ECONNRESET || error == EPIPE ? WEIR_C_proxy_backend_reset
							     : WEIR_C_proxy_backend_lost);
	if (!(r->flags & (RELAY_HEARD | RELAY_B_EOF)))
		backends_failed(r->s->backends, r->backend, BACKEND_RESET);
	leave(w, r, false);
	weir_conn_timer(r->c, 0);
	if (ended)
		weir_close(r->c);
	else
		weir_abort(r->c);
}

void relay_finished(struct proxy_worker *w, struct relay *r)
{
	leave(w, r, false);
	weir_conn_timer(r->c, 0); /* from here the core's own limits hold */
}

/* ---- the callbacks ----------------------------------------------------------------------------
 */

static int on_open(struct weir_conn *c, void *arg)
{
	struct relay_conn *s = weir_conn_state(c);
	struct proxy_worker *w = proxy_worker_of(c);
	struct relay *r;

	if (!w)
		return -1;
	r = relay_new(w);
	if (!r) {
		proxy_count(w, WEIR_C_proxy_no_memory);
		return -1;
	}
	r->c = c;
	r->s = weir_app_own(arg);
	s->r = r;
	weir_conn_nodelay(c, true); /* whether to wait for more was for the backend to decide */
	attempt(w, r, 0);
	return 0;
}

static void on_data(struct weir_conn *c)
{
	struct relay *r = relay_of(c);

	if (r->state == RELAY_OPEN && r->flags & RELAY_OUT)
		relay_due(worker_of(c), r);
}

static void on_writable(struct weir_conn *c)
{
	struct relay *r = relay_of(c);

	if (r->state == RELAY_OPEN)
		relay_due(worker_of(c), r);
}

static void on_timer(struct weir_conn *c)
{
	struct proxy_worker *w = worker_of(c);
	struct relay *r = relay_of(c);

	switch ((enum relay_state)r->state) {
	case RELAY_CONNECTING:
	case RELAY_AGAIN:
		connect_timer(w, r);
		break;
	case RELAY_OPEN:
		open_timer(w, r);
		break;
	case RELAY_FREE:
	case RELAY_DONE:
		break;
	}
}

static void on_drain(struct weir_conn *c)
{
	struct relay *r = relay_of(c);

	r->flags |= RELAY_DRAIN;
	if (r->state == RELAY_OPEN)
		arm(r);
}

static void on_close(struct weir_conn *c, int reason)
{
	struct proxy_worker *w = worker_of(c);
	struct relay *r = relay_of(c);
	const char *why = weir_reason_name(reason);
	bool normal = !strcmp(why, "normal");

	if (r->state != RELAY_DONE) {
		if (!strcmp(why, "reset"))
			proxy_count(w, WEIR_C_proxy_client_reset);
		else if (!normal)
			proxy_count(w, WEIR_C_proxy_client_lost);
		leave(w, r, !normal || weir_recv_ready(c));
	}
	proxy_count(w, WEIR_C_proxy_closed);
	relay_free(w, r);
}

const struct weir_app weir_app_proxy = {
	.name = "proxy",
	.conn_size = sizeof(struct relay_conn),
	.on_open = on_open,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_timer = on_timer,
	.on_drain = on_drain,
	.on_close = on_close,
};
