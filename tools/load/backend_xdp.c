// SPDX-License-Identifier: BSD-2-Clause
/*
 * weir's own TCP over AF_XDP as a back end of weir-load: the public library in its
 * callback form, one stack on the interface.
 *
 *     be_conn ──ptr──► slot ◄──state── weir_conn
 *                       │ on the ready list while events wait for the driver
 *
 * A slot is the driver's hold on a connection: hangup() and abort() free it, while the
 * weir_conn lives on until its close is done; on_close() takes the weir_conn away, and
 * the slot stays until the driver lets go. So neither side ever finds the other gone.
 */
#include "backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <weir/weir.h>

#define TIMEWAITS   131072u
#define PORTS	    28000u /* of one address: the kernel's default range */
#define SPARE_FILES 256u
#define CLOSING	    16384u /* beside the driver's: closed by it, and not over */
#define DRAIN_MS    100	   /* between two looks at the time */
#define MIB	    ((uint64_t)1 << 20)
#define BUFFERS_MIB 256u
#define BUFFER_EACH 8192u /* of each connection, above that: a request and its response */

struct slot {
	struct slot *next, *prev; /* ready list; next also of the free list */
	struct be_conn *conn;
	struct weir_conn *wc; /* NULL: it is over */
	uint8_t *rest;	      /* what was unread then */
	size_t rest_len, rest_at;
	unsigned events; /* to be told */
	int error;	 /* errno of its end */
	bool deaf;	 /* BE_IN is not wanted */
};

struct xdp {
	struct weir_stack *stack;
	struct weir_addr remote;
	const volatile int *stop;
	uint64_t timeout_ns;
	bool busy;
	unsigned int open; /* of the stack's connections, whoever holds on to them */
	struct slot ready; /* the list's head */
	struct slot *free;
	struct slot *slots;
};

/* In the connection: whose it is, NULL when the driver has let go. */
struct state {
	struct slot *slot;
};

static char reason[400]; /* what open() points at */

/* ---- events ---------------------------------------------------------------------- */

static struct xdp *backend_of(struct weir_conn *wc)
{
	return weir_conn_arg(wc);
}

static struct slot *slot_of(struct weir_conn *wc)
{
	return ((struct state *)weir_conn_state(wc))->slot;
}

static void tell(struct xdp *x, struct slot *s, unsigned events)
{
	s->events |= events;
	if (s->next)
		return;
	s->prev = x->ready.prev;
	s->next = &x->ready;
	s->prev->next = s->next->prev = s;
}

static void untell(struct slot *s)
{
	s->events = 0;
	if (!s->next)
		return;
	s->prev->next = s->next;
	s->next->prev = s->prev;
	s->next = s->prev = NULL;
}

static int on_open(struct weir_conn *wc, void *arg)
{
	struct slot *s = slot_of(wc);

	if (s)
		tell(arg, s, BE_CONNECTED);
	return 0;
}

static void on_data(struct weir_conn *wc)
{
	struct slot *s = slot_of(wc);

	if (s && !s->deaf)
		tell(backend_of(wc), s, BE_IN);
}

static void on_writable(struct weir_conn *wc)
{
	struct slot *s = slot_of(wc);

	if (s)
		tell(backend_of(wc), s, BE_OUT);
}

/* Both FINs are through: what the driver has not read yet stays to be read. */
static void keep_rest(struct slot *s, struct weir_conn *wc)
{
	size_t n = weir_recv_ready(wc);

	s->rest = n ? malloc(n) : NULL;
	if (s->rest)
		s->rest_len = weir_recv_copy(wc, 0, s->rest, n);
	else if (n)
		s->error = ENOMEM;
}

static void on_close(struct weir_conn *wc, int why)
{
	struct slot *s = slot_of(wc);

	backend_of(wc)->open--;
	if (!s)
		return;
	s->wc = NULL;
	if (!strcmp(weir_reason_name(why), "normal")) {
		keep_rest(s, wc);
	} else {
		s->error = weir_conn_error(wc);
		if (!s->error)
			s->error = ECONNABORTED;
	}
	tell(backend_of(wc), s, s->error ? BE_ERROR : BE_IN);
}

static const struct weir_app app = {
	.name = "weir-load",
	.conn_size = sizeof(struct state),
	.on_open = on_open,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_close = on_close,
};

/* ---- a stack ----------------------------------------------------------------------- */

static int make_slots(struct xdp *x, unsigned int n)
{
	x->slots = calloc(n, sizeof(*x->slots));
	if (!x->slots)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		x->slots[i].prev = x->free;
		x->free = &x->slots[i];
	}
	x->ready.next = x->ready.prev = &x->ready;
	return 0;
}

/*
 * TIME_WAIT gives way to connections: at the bound the oldest go first, and the bound is
 * below what an address has ports, or we may have descriptors for them.
 */
static unsigned int timewaits(const struct be_options *o)
{
	unsigned int locals = o->locals ? o->locals : 1, ports = PORTS, busy;
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_max < ports + SPARE_FILES)
		ports = files.rlim_max > SPARE_FILES ? (unsigned int)files.rlim_max - SPARE_FILES
						     : 1;
	busy = o->conns / locals + ports / 4;
	ports = ports > busy ? ports - busy : 1;
	return ports < TIMEWAITS / locals ? ports * locals : TIMEWAITS;
}

static void set_options(struct weir_stack_options *w, const struct be_options *o)
{
	weir_stack_options_default(w);
	w->mode = WEIR_STACK_NEVER; /* nothing listens */
	w->conns = o->conns + o->conns / 2 + CLOSING;
	w->timewaits = timewaits(o);
	w->flows = w->conns + TIMEWAITS;
	w->buffer_bytes = BUFFERS_MIB * MIB + (uint64_t)o->conns * BUFFER_EACH;
	w->reuse_timewait = true;
	w->busy_poll = o->busy_poll;
	w->nodelay = o->nodelay;
	w->rcvbuf = o->rcvbuf;
	w->sndbuf = o->sndbuf;
}

/*
 * Native XDP, even where the stack would prefer generic since the other end of a veth
 * has no program: what needs one there is the gate's own answers, and a client has none.
 */
static int open_stack(struct weir_stack **s, const struct be_options *o)
{
	struct weir_stack_options w;
	char why[300] = "";
	int err;

	set_options(&w, o);
	w.xdp_mode = 1;
	err = weir_stack_open(s, o->iface, &w, why, sizeof(why));
	if (err == -EOPNOTSUPP || err == -EINVAL || err == -ERANGE || err == -ENOSPC) {
		w.xdp_mode = 2;
		err = weir_stack_open(s, o->iface, &w, why, sizeof(why));
	}
	snprintf(reason, sizeof(reason), "%s%s", why,
		 err == -EBUSY ? "; in a lab: lab up --client-free" : "");
	return err;
}

static void to_weir(struct weir_addr *w, const union be_addr *a)
{
	*w = (struct weir_addr){0};
	if (a->sa.sa_family == AF_INET) {
		w->family = 4;
		w->port = ntohs(a->in.sin_port);
		memcpy(w->addr, &a->in.sin_addr, 4);
	} else {
		w->family = 6;
		w->port = ntohs(a->in6.sin6_port);
		memcpy(w->addr, &a->in6.sin6_addr, 16);
	}
}

static int xdp_open(void **be, const struct be_options *o, const char **why)
{
	struct xdp *x;
	int err;

	*why = "the xdp back end needs --iface IFACE: it takes the whole of an interface";
	if (!o->iface)
		return -EINVAL;
	*why = "the xdp back end needs root: it attaches a program and reads raw frames";
	if (geteuid())
		return -EPERM;
	*why = "out of memory";
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	err = make_slots(x, o->conns);
	if (!err) {
		*why = reason;
		x->busy = o->busy_poll;
		x->stop = o->stop;
		x->timeout_ns = o->timeout_ns;
		to_weir(&x->remote, &o->remote);
		err = open_stack(&x->stack, o);
	}
	if (err) {
		free(x->slots);
		free(x);
		return err;
	}
	*be = x;
	return 0;
}

/*
 * What the driver has hung up may still be on its way: it ends in order, as long as another
 * does so within a response's time. How long thousands take is the machine's affair.
 */
static void xdp_close(void *be)
{
	struct xdp *x = be;
	unsigned int left = x->open;
	uint64_t until = load_now() + x->timeout_ns;

	while (weir_stack_drain(x->stack, DRAIN_MS) == -ETIMEDOUT && *x->stop < 2 &&
	       load_now() < until) {
		if (x->open < left)
			until = load_now() + x->timeout_ns;
		left = x->open;
	}
	weir_stack_close(x->stack);
	free(x->slots);
	free(x);
}

/* ---- connections ---------------------------------------------------------------------- */

static int xdp_connect(void *be, struct be_conn *c, const union be_addr *local)
{
	struct xdp *x = be;
	struct slot *s = x->free;
	struct weir_addr from = {0};
	struct weir_conn *wc;
	int err;

	if (!s)
		return -ENOBUFS;
	if (local)
		to_weir(&from, local);
	err = weir_stack_connect(x->stack, &from, &x->remote, &app, x, &wc);
	if (err)
		return err;
	x->open++;
	x->free = s->prev;
	*s = (struct slot){.conn = c, .wc = wc};
	((struct state *)weir_conn_state(wc))->slot = s;
	c->ptr = s;
	return 0;
}

/* The driver lets go; what of the connection is left ends by itself. */
static void let_go(struct xdp *x, struct slot *s)
{
	if (s->wc)
		((struct state *)weir_conn_state(s->wc))->slot = NULL;
	untell(s);
	free(s->rest);
	s->prev = x->free;
	x->free = s;
}

static void xdp_hangup(void *be, struct be_conn *c)
{
	struct slot *s = c->ptr;

	if (s->wc)
		weir_close(s->wc);
	let_go(be, s);
}

static void xdp_abort(void *be, struct be_conn *c)
{
	struct slot *s = c->ptr;

	if (s->wc)
		weir_abort(s->wc);
	let_go(be, s);
}

static int xdp_shutdown(void *be, struct be_conn *c)
{
	struct slot *s = c->ptr;

	(void)be;
	if (s->wc)
		weir_shutdown(s->wc);
	return -s->error;
}

static int xdp_error(void *be, struct be_conn *c)
{
	(void)be;
	return -((struct slot *)c->ptr)->error;
}

static size_t xdp_unacked(void *be, struct be_conn *c)
{
	const struct slot *s = c->ptr;

	(void)be;
	return s->wc ? weir_send_queued(s->wc) : 0;
}

/* ---- bytes --------------------------------------------------------------------------- */

static ssize_t xdp_send(void *be, struct be_conn *c, const void *buf, size_t len)
{
	struct slot *s = c->ptr;
	size_t n;

	(void)be;
	if (!s->wc)
		return s->error ? -s->error : -EPIPE;
	n = weir_send(s->wc, buf, len);
	return n || !len ? (ssize_t)n : -EAGAIN;
}

static ssize_t recv_rest(struct slot *s, void *buf, size_t len)
{
	size_t n = s->rest_len - s->rest_at;

	if (s->error)
		return -s->error;
	if (n > len)
		n = len;
	if (n)
		memcpy(buf, s->rest + s->rest_at, n);
	s->rest_at += n;
	return (ssize_t)n;
}

static ssize_t xdp_recv(void *be, struct be_conn *c, void *buf, size_t len)
{
	struct slot *s = c->ptr;
	size_t n;

	if (!s->wc) {
		ssize_t got = recv_rest(s, buf, len);

		if (got > 0 && (size_t)got < len)
			tell(be, s, BE_IN); /* the end is still to be told */
		return got;
	}
	n = weir_recv_copy(s->wc, 0, buf, len);
	weir_recv_done(s->wc, n);
	if (n < len && weir_recv_eof(s->wc)) {
		if (!n)
			return 0;
		tell(be, s, BE_IN);
	}
	return n ? (ssize_t)n : -EAGAIN;
}

static void xdp_want_in(void *be, struct be_conn *c, bool wanted)
{
	struct slot *s = c->ptr;

	s->deaf = !wanted;
	if (wanted && (!s->wc || weir_recv_ready(s->wc) || weir_recv_fin(s->wc)))
		tell(be, s, BE_IN);
}

/* ---- waiting --------------------------------------------------------------------------- */

static int collect(struct xdp *x, struct be_event *ev, int max)
{
	int n = 0;

	while (n < max && x->ready.next != &x->ready) {
		struct slot *s = x->ready.next;

		ev[n++] = (struct be_event){.conn = s->conn, .events = s->events};
		untell(s);
	}
	return n;
}

/* Until there is something to do for the stack, or that time is over. */
static int sleep_for(struct xdp *x, uint64_t ns)
{
	struct pollfd p = {.fd = weir_stack_fd(x->stack), .events = POLLIN};
	uint64_t timer = (uint64_t)weir_stack_timeout(x->stack) * 1000000u;
	struct timespec ts;

	if (timer < ns)
		ns = timer;
	if (!ns)
		return 0;
	ts = (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
			       .tv_nsec = (long)(ns % 1000000000u)};
	return ppoll(&p, 1, &ts, NULL) < 0 ? -errno : 0;
}

static int xdp_wait(void *be, struct be_event *ev, int max, uint64_t timeout_ns)
{
	struct xdp *x = be;
	uint64_t until = load_now() + timeout_ns, now;

	for (;;) {
		int err = weir_stack_wait(x->stack, NULL, 0, 0), n;

		if (err < 0)
			return err;
		n = collect(x, ev, max);
		now = n ? 0 : load_now();
		if (n || now >= until)
			return n;
		err = x->busy ? 0 : sleep_for(x, until - now);
		if (err)
			return err;
	}
}

const struct backend backend_xdp = {
	.name = "xdp",
	.open = xdp_open,
	.close = xdp_close,
	.connect = xdp_connect,
	.send = xdp_send,
	.recv = xdp_recv,
	.want_in = xdp_want_in,
	.shutdown = xdp_shutdown,
	.hangup = xdp_hangup,
	.abort = xdp_abort,
	.error = xdp_error,
	.unacked = xdp_unacked,
	.wait = xdp_wait,
};
