/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One epoll set holds the listener, the clients and, while a trace is on, a
 * timer. A step handles what is ready and returns; a client's job goes on when
 * the client has taken enough to make room.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "control/ctl_client.h"
#include "control/ctl_json.h"
#include "control/ctl_json_keys.h"
#include "control/ctl_server.h"
#include "control/ctl_socket.h"
#include "control/trace_frame.h"
#include "control/trace_wire.h"

#define TRACE_PERIOD_NS 2000000L /* the rings are read this often */
#define TRACE_PER_STEP	8192	 /* records, so that a step ends */
#define STEP_EVENTS	(CTL_MAX_CLIENTS + 2)
#define ACCEPTS		8 /* per step */

struct ctl {
	struct ctl_source src;
	int ep, listener, timer;
	uint64_t now_us;
	bool tracing;
	struct weir_trace_filter filter; /* in force */
	unsigned budget;		 /* records left in this poll */
	struct ctl_client clients[CTL_MAX_CLIENTS];
	char path[PATH_MAX];
	struct json_t *(*reload)(void *arg); /* NULL: there is nothing to reload */
	void *reload_arg;
	/* NULL: nobody can take over */
	int (*give)(void *arg, int sock, unsigned abi, char *why, size_t len);
	void *give_arg;
	bool keep_name;
};

int ctl_fd(const struct ctl *c)
{
	return c->ep;
}

const char *ctl_path(const struct ctl *c)
{
	return c->path;
}

int ctl_give(const struct ctl *c, uid_t uid, gid_t gid)
{
	bool own_dir = !strncmp(c->path, CTL_DIR "/", sizeof(CTL_DIR));

	if (lchown(c->path, uid, gid) || (own_dir && lchown(CTL_DIR, uid, gid)))
		return -errno;
	return 0;
}

const struct ctl_source *ctl_server_source(const struct ctl *c)
{
	return &c->src;
}

void *ctl_server_ctx(const struct ctl *c)
{
	return c->src.ctx;
}

/* ---- the trace, shared by the clients that asked for one ------------------------- */

/* The narrowest filter that serves every tracing client; how many there are. */
static unsigned trace_wish(const struct ctl *c, struct weir_trace_filter *f)
{
	unsigned n = 0;

	memset(f, 0, sizeof(*f));
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		const struct ctl_client *cl = &c->clients[i];

		if (cl->fd < 0 || cl->job != CTL_JOB_TRACE)
			continue;
		if (n++ == 0)
			*f = cl->req.filter;
		else if (memcmp(f, &cl->req.filter, sizeof(*f)))
			memset(f, 0, sizeof(*f));
	}
	return n;
}

static void trace_timer(struct ctl *c, bool on)
{
	const struct itimerspec every = {.it_interval.tv_nsec = on ? TRACE_PERIOD_NS : 0,
					 .it_value.tv_nsec = on ? TRACE_PERIOD_NS : 0};

	timerfd_settime(c->timer, 0, &every, NULL);
}

/* Brings gate and engine to what the clients want now. 0 or -errno. */
static int trace_update(struct ctl *c)
{
	struct weir_trace_filter want;
	unsigned n = trace_wish(c, &want);
	int rc = 0;

	if (!n) {
		if (c->tracing)
			c->src.ops->trace_stop(c->src.ctx);
		c->tracing = false;
	} else if (!c->tracing || memcmp(&want, &c->filter, sizeof(want))) {
		rc = c->src.ops->trace_start(c->src.ctx, &want);
		if (!rc) {
			c->filter = want;
			c->tracing = true;
		}
	}
	trace_timer(c, c->tracing);
	return rc;
}

/*
 * While nobody has room the records wait in the rings, which are larger than
 * out[]; what overflows there is counted as lost.
 */
static bool trace_room(const struct ctl *c)
{
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		const struct ctl_client *cl = &c->clients[i];

		if (cl->fd >= 0 && cl->job == CTL_JOB_TRACE &&
		    ctl_client_room(cl) >= CTL_TRACE_BATCH * TRACE_WIRE_MAX)
			return true;
	}
	return false;
}

static bool trace_sink(void *arg, const struct weir_trace_rec *rec)
{
	struct trace_frame f;
	struct ctl *c = arg;

	trace_frame_parse(&f, rec->data,
			  rec->caplen < WEIR_TRACE_SNAP ? rec->caplen : WEIR_TRACE_SNAP);
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		struct ctl_client *cl = &c->clients[i];

		if (cl->fd >= 0 && cl->job == CTL_JOB_TRACE &&
		    trace_frame_match(&f, &cl->req.filter))
			ctl_client_trace(cl, rec);
	}
	return --c->budget > 0 && trace_room(c);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void trace_begin(struct ctl *c, struct ctl_client *cl)
{
	int rc;

	cl->job = CTL_JOB_TRACE;
	rc = trace_update(c);
	if (!rc) {
		ctl_client_reply(cl, ctl_json_trace_head(clock_ns(CLOCK_MONOTONIC),
							 clock_ns(CLOCK_REALTIME)));
		return;
	}
	cl->job = CTL_JOB_NONE;
	ctl_client_reply(cl, ctl_json_error("the trace cannot be switched on"));
}

/* ---- clients --------------------------------------------------------------------- */

static void drop_client(struct ctl *c, struct ctl_client *cl)
{
	bool traced = cl->job == CTL_JOB_TRACE;

	ctl_client_free(cl);
	if (traced)
		trace_update(c);
}

/* A free slot; at the bound the client that has been silent longest gives way. */
static struct ctl_client *slot(struct ctl *c)
{
	struct ctl_client *oldest = NULL;

	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		struct ctl_client *cl = &c->clients[i];

		if (cl->fd < 0)
			return cl;
		if (cl->job == CTL_JOB_NONE && (!oldest || cl->active_us < oldest->active_us))
			oldest = cl;
	}
	if (oldest)
		drop_client(c, oldest);
	return oldest;
}

static void refuse(int fd, const char *text)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "{\"version\":1,\"error\":\"%s\"}\n", text);

	/* A fresh socket's buffer takes a line; if not, closing says enough. */
	if (send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < n)
		errno = 0;
	close(fd);
}

static void accept_one(struct ctl *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct ctl_client *cl;

	if (!ctl_socket_peer_ok(fd)) {
		refuse(fd, "permission denied");
		return;
	}
	cl = slot(c);
	if (!cl) {
		refuse(fd, "too many clients");
		return;
	}
	if (ctl_client_init(cl, fd, c->now_us)) {
		refuse(fd, "out of memory");
		return;
	}
	cl->armed = ev.events;
	ev.data.ptr = cl;
	if (epoll_ctl(c->ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		ctl_client_free(cl);
}

static void accept_clients(struct ctl *c)
{
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		accept_one(c, fd);
	}
}

/* Which service a mode request means: its index, -1 for all, -ENOENT. */
static int mode_service(const struct ctl_status *s, const struct ctl_request *req)
{
	char want[96];

	if (!req->service.port)
		return -1;
	services_format(&req->service, want, sizeof(want));
	for (unsigned i = 0; i < s->nservices; i++)
		if (!strcmp(want, s->services[i].listen))
			return (int)i;
	return -ENOENT;
}

static json_t *mode_request(struct ctl *c, const struct ctl_request *req)
{
	struct ctl_status s = {0};
	int only, rc = 0;

	c->src.ops->status(c->src.ctx, &s);
	only = mode_service(&s, req);
	if (only == -ENOENT)
		return ctl_json_error("no such service is listened on");
	for (unsigned i = 0; req->mode >= 0 && i < s.nservices && !rc; i++)
		if (only < 0 || i == (unsigned)only)
			rc = c->src.ops->set_mode(c->src.ctx, i, (enum weir_mode)req->mode);
	if (rc)
		return ctl_json_error("the mode cannot be changed");
	c->src.ops->status(c->src.ctx, &s);
	return ctl_json_mode(&s, only);
}

static json_t *keys_request(struct ctl *c)
{
	struct keys_status s = {0};

	c->src.ops->keys(c->src.ctx, &s);
	return ctl_json_keys(&s);
}

static json_t *policy_request(struct ctl *c, const struct ctl_request *req)
{
	struct weir_addr source = {.family = (uint8_t)req->filter.family};
	uint64_t v[WEIR_C_MAX] = {0};
	struct ctl_policy p = {0};

	memcpy(source.addr, req->filter.addr, sizeof(source.addr));
	c->src.ops->policy(c->src.ctx, source.family ? &source : NULL, &p);
	c->src.ops->counters(c->src.ctx, v);
	return ctl_json_policy(&p, source.family ? &source : NULL, v);
}

static json_t *reload_request(struct ctl *c)
{
	return c->reload ? c->reload(c->reload_arg)
			 : ctl_json_error("there is no configuration file to be read again");
}

/* Its connection goes on in other hands, and by other rules. */
static void handover_request(struct ctl *c, struct ctl_client *cl, const struct ctl_request *req)
{
	char why[200] = "this weir cannot hand over";
	int sock = c->give ? fcntl(cl->fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (sock >= 0 && !c->give(c->give_arg, sock, req->abi, why, sizeof(why))) {
		epoll_ctl(c->ep, EPOLL_CTL_DEL, cl->fd, NULL);
		cl->broken = true; /* to us */
		return;
	}
	if (sock >= 0)
		close(sock);
	ctl_client_reply(cl, ctl_json_error(why));
}

static void start_request(struct ctl *c, struct ctl_client *cl, const struct ctl_request *req)
{
	uint64_t v[WEIR_C_MAX] = {0};
	struct ctl_status s = {0};
	struct ctl_health h = {0};

	cl->req = *req;
	switch (req->cmd) {
	case CTL_PING:
		ctl_client_reply(cl, ctl_json_ping());
		break;
	case CTL_STATUS:
		c->src.ops->status(c->src.ctx, &s);
		ctl_client_reply(cl, ctl_json_status(&s));
		break;
	case CTL_COUNTERS:
		c->src.ops->counters(c->src.ctx, v);
		ctl_client_reply(cl, ctl_json_counters(v));
		break;
	case CTL_HISTORY:
		ctl_client_reply(cl,
				 ctl_json_history(c->src.ops->history(c->src.ctx), req->seconds));
		break;
	case CTL_KEYS:
		ctl_client_reply(cl, keys_request(c));
		break;
	case CTL_HEALTH:
		c->src.ops->health(c->src.ctx, &h);
		ctl_client_reply(cl, ctl_json_health(&h));
		break;
	case CTL_BACKENDS:
		ctl_client_reply(cl, ctl_json_backends(&c->src));
		break;
	case CTL_RELOAD:
		ctl_client_reply(cl, reload_request(c));
		break;
	case CTL_CONNS:
		ctl_client_conns_start(cl);
		break;
	case CTL_MODE:
		ctl_client_reply(cl, mode_request(c, req));
		break;
	case CTL_POLICY:
		ctl_client_reply(cl, policy_request(c, req));
		break;
	case CTL_DRAIN:
		c->src.ops->drain(c->src.ctx, &req->drain);
		c->src.ops->status(c->src.ctx, &s);
		ctl_client_reply(cl, ctl_json_drain(&s));
		break;
	case CTL_HANDOVER:
		handover_request(c, cl, req);
		break;
	case CTL_TRACE:
		trace_begin(c, cl);
		break;
	}
}

/* Requests are taken only while half of out[] is free: no reply can overflow it. */
static void serve(struct ctl *c, struct ctl_client *cl)
{
	struct ctl_request req;

	if (cl->job == CTL_JOB_CONNS)
		ctl_client_conns_step(cl, &c->src);
	while (cl->job == CTL_JOB_NONE && !cl->broken && ctl_client_room(cl) >= CTL_OUT_MAX / 2) {
		int rc = ctl_client_request(cl, &req);

		if (!rc)
			break;
		if (rc > 0)
			start_request(c, cl, &req);
	}
}

static bool finished(const struct ctl_client *cl)
{
	if (cl->job == CTL_JOB_TRACE)
		return cl->eof || cl->broken;
	return cl->out_len == 0 && cl->job == CTL_JOB_NONE && (cl->eof || cl->broken);
}

static bool rearm(struct ctl *c, struct ctl_client *cl)
{
	struct epoll_event ev = {.data.ptr = cl};

	if (!cl->eof && !cl->broken && cl->in_len < CTL_REQUEST_MAX)
		ev.events |= EPOLLIN;
	if (cl->out_len > 0 || cl->job == CTL_JOB_CONNS)
		ev.events |= EPOLLOUT;
	if (ev.events == cl->armed)
		return true;
	cl->armed = ev.events;
	return !epoll_ctl(c->ep, EPOLL_CTL_MOD, cl->fd, &ev);
}

/* Whatever became possible for this client; afterwards it may be gone. */
static void client_turn(struct ctl *c, struct ctl_client *cl, uint32_t events)
{
	if (events & EPOLLERR || (events & EPOLLHUP && cl->job == CTL_JOB_TRACE))
		goto gone;
	if (events)
		cl->active_us = c->now_us;
	if (events & (EPOLLIN | EPOLLHUP) && !cl->eof && !ctl_client_read(cl))
		goto gone;
	serve(c, cl);
	if (!ctl_client_write(cl) || finished(cl) || !rearm(c, cl))
		goto gone;
	return;
gone:
	drop_client(c, cl);
}

static void trace_turn(struct ctl *c)
{
	uint64_t ticks, lost;

	if (read(c->timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
		return;
	if (!c->tracing || !trace_room(c))
		return;
	c->budget = TRACE_PER_STEP;
	lost = c->src.ops->trace_poll(c->src.ctx, trace_sink, c);
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		struct ctl_client *cl = &c->clients[i];

		if (cl->fd < 0 || cl->job != CTL_JOB_TRACE)
			continue;
		ctl_client_trace_lost(cl, lost);
		client_turn(c, cl, 0);
	}
}

void ctl_step(struct ctl *c, uint64_t now_us)
{
	struct epoll_event ev[STEP_EVENTS];
	int n;

	c->now_us = now_us;
	n = epoll_wait(c->ep, ev, STEP_EVENTS, 0);
	for (int i = 0; i < n; i++) {
		struct ctl_client *cl = ev[i].data.ptr;

		/* A client earlier in this batch may have been dropped. */
		if (cl && cl->fd >= 0)
			client_turn(c, cl, ev[i].events);
	}
	trace_turn(c);
	accept_clients(c);
}

/* ---- opening and closing ---------------------------------------------------------- */

static int watch(int ep, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

int ctl_server_open(struct ctl **out, const struct ctl_source *src, const char *path,
		    struct weir_err *err)
{
	return ctl_server_open_on(out, src, path, -1, err);
}

int ctl_server_open_on(struct ctl **out, const struct ctl_source *src, const char *path,
		       int listener, struct weir_err *err)
{
	struct ctl *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->src = *src;
	c->ep = c->timer = -1;
	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		c->clients[i].fd = -1;
	c->keep_name = listener >= 0;
	c->listener =
		listener >= 0 ? fcntl(listener, F_DUPFD_CLOEXEC, 0) : ctl_socket_listen(path, err);
	if (c->listener < 0) {
		rc = listener >= 0 ? err_set(err, -errno, "the control socket: %s", strerror(errno))
				   : c->listener;
		goto free_ctl;
	}
	snprintf(c->path, sizeof(c->path), "%s", path);
	c->ep = epoll_create1(EPOLL_CLOEXEC);
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->ep < 0 || c->timer < 0 || watch(c->ep, c->listener) || watch(c->ep, c->timer)) {
		rc = err_set(err, -errno, "cannot set up the control socket: %s", strerror(errno));
		goto close_all;
	}
	*out = c;
	return 0;

close_all:
	if (c->timer >= 0)
		close(c->timer);
	if (c->ep >= 0)
		close(c->ep);
	if (!c->keep_name)
		unlink(c->path);
	close(c->listener);
free_ctl:
	free(c);
	return rc;
}

void ctl_on_reload(struct ctl *c, struct json_t *(*reload)(void *arg), void *arg)
{
	c->reload = reload;
	c->reload_arg = arg;
}

void ctl_on_handover(struct ctl *c,
		     int (*give)(void *arg, int sock, unsigned abi, char *why, size_t len),
		     void *arg)
{
	c->give = give;
	c->give_arg = arg;
}

void ctl_keep_name(struct ctl *c, bool keep)
{
	c->keep_name = keep;
}

int ctl_listener(const struct ctl *c)
{
	return c->listener;
}

void ctl_server_close(struct ctl *c)
{
	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		if (c->clients[i].fd >= 0)
			drop_client(c, &c->clients[i]);
	/* The name first: while the listener lives nobody else takes it as stale. */
	if (!c->keep_name)
		unlink(c->path);
	close(c->listener);
	close(c->timer);
	close(c->ep);
	free(c);
}
