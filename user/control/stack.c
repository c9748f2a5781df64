/* SPDX-License-Identifier: BSD-2-Clause */
/* weir_stack_open(): a stack on a real interface, its engine turned by the caller. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/gate_serve.h"
#include "control/instance_priv.h"
#include "sock/stack.h"

#define TOMBSTONES 65536
#define STATE_MAX  256 /* of applications in the callback form: weir_app(3) */
#define SPARE	   64  /* sockets beside the connections': listeners, and those not connected */

struct real {
	struct weir_instance *inst;
	struct weir_stack_options o;
	struct services none;
	uint64_t step_us; /* next */
	int epoll_fd;
	struct gate_serve serve;
};

/*
 * The instance's log function has no argument of its own. What it logs for a stack it
 * says during a call of that stack's.
 */
static __thread const struct weir_stack_options *speaking;

static void log_line(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void log_line(int level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (!speaking || !speaking->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	speaking->log(speaking->log_arg, level, line);
}

void weir_stack_options_default(struct weir_stack_options *o)
{
	*o = (struct weir_stack_options){
		.size = sizeof(*o),
		.mode = WEIR_STACK_AUTO,
		.conns = 16384,
		.buffer_bytes = 64 << 20,
		.flows = 65536,
		.msl_ms = 30000,
		.timewaits = 16384,
	};
}

/* ---- what the stack asks its surroundings ------------------------------------------ */

static uint64_t real_now(void *arg)
{
	(void)arg;
	return clock_mono_ns() / 1000;
}

static int real_wait(void *arg, uint64_t us)
{
	struct real *r = arg;
	struct epoll_event ev;
	int ms = us < 1000000 ? (int)((us + 999) / 1000) : 1000;

	if (r->o.busy_poll)
		ms = 0;
	return epoll_wait(r->epoll_fd, &ev, 1, ms) < 0 && errno == EINTR ? -EINTR : 0;
}

static int real_fd(void *arg)
{
	return ((struct real *)arg)->epoll_fd;
}

static int real_step(void *arg)
{
	struct real *r = arg;
	uint64_t now = real_now(r);

	if (now < r->step_us)
		return 0;
	r->step_us = now + INSTANCE_STEP_MS * 1000;
	speaking = &r->o;
	return instance_step(r->inst, now);
}

/* The kernel knows whether an address is this host's, on whichever of its interfaces. */
static int real_may_bind(void *arg, const struct weir_addr *a)
{
	struct real *r = arg;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_scope_id = r->inst->nif.ifindex};
	int fd = socket(a->family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (a->family == 4) {
		memcpy(&in.sin_addr, a->addr, 4);
		rc = bind(fd, (struct sockaddr *)&in, sizeof(in)) ? -errno : 0;
	} else {
		memcpy(&in6.sin6_addr, a->addr, 16);
		rc = bind(fd, (struct sockaddr *)&in6, sizeof(in6)) ? -errno : 0;
	}
	close(fd);
	return rc;
}

static int real_serve(void *arg, const struct weir_addr *a)
{
	return gate_serve(&((struct real *)arg)->serve, a);
}

static void real_unserve(void *arg, const struct weir_addr *a)
{
	gate_unserve(&((struct real *)arg)->serve, a);
}

static void real_drain(void *arg)
{
	instance_drain(((struct real *)arg)->inst);
}

static void real_destroy(void *arg)
{
	struct real *r = arg;

	speaking = &r->o;
	instance_close(r->inst);
	speaking = NULL;
	close(r->epoll_fd);
	free(r);
}

/* ---- making one -------------------------------------------------------------------- */

static int refuse(char *why, size_t len, int rc, const char *text)
{
	if (why && len)
		snprintf(why, len, "%s", text);
	return rc;
}

/* Options of a program that was built with an older weir.h: what it lacks is as by default. */
static int take_options(struct real *r, const struct weir_stack_options *o, char *why, size_t len)
{
	weir_stack_options_default(&r->o);
	if (!o)
		return 0;
	if (o->size < sizeof(o->size) || o->size > sizeof(*o))
		return refuse(why, len, -EINVAL,
			      "options of another version of the library: set them up by "
			      "weir_stack_options_default()");
	memcpy(&r->o, o, o->size);
	if ((unsigned)r->o.mode > WEIR_STACK_NEVER || r->o.xdp_mode < 0 || r->o.xdp_mode > 2)
		return refuse(why, len, -EINVAL, "options: no such mode");
	if (!r->o.conns || !r->o.flows || !r->o.timewaits || r->o.buffer_bytes < 1 << 20)
		return refuse(why, len, -EINVAL,
			      "options: conns, flows and timewaits must not be 0, nor buffer_bytes "
			      "less than 1 MiB");
	return 0;
}

static enum xdp_mode xdp_mode_of(int asked)
{
	return asked == 1 ? XDP_MODE_NATIVE : asked == 2 ? XDP_MODE_GENERIC : XDP_MODE_AUTO;
}

static enum weir_mode mode_of(enum weir_stack_mode m)
{
	return m == WEIR_STACK_ALWAYS ? WEIR_MODE_ALWAYS
	       : m == WEIR_STACK_AUTO ? WEIR_MODE_AUTO
				      : WEIR_MODE_NEVER;
}

static void tcp_options(struct tcp_config *t, const struct weir_stack_options *o)
{
	t->msl_us = (uint64_t)o->msl_ms * 1000;
	t->nagle = !o->nodelay;
	if (o->rcvbuf)
		t->rcvbuf = t->rcvbuf_max = o->rcvbuf;
	if (o->sndbuf)
		t->sndbuf = t->sndbuf_max = o->sndbuf;
}

static int open_instance(struct real *r, const char *iface, struct weir_err *err)
{
	struct instance_config c;

	instance_config_default(&c);
	if (strlen(iface) >= sizeof(c.iface))
		return err_unsuited(err, -ENODEV, "%s: no such interface", iface);
	strcpy(c.iface, iface);
	c.xdp_mode = xdp_mode_of(r->o.xdp_mode);
	c.mode.mode = mode_of(r->o.mode);
	c.flows = r->o.flows;
	c.fit_conns = c.fit_buffers = c.fit_flows = false;
	c.key_file = r->o.key_file;
	c.services = &r->none;
	c.log = log_line;
	c.caller_driven = true;
	c.engine.workers = 1;
	c.engine.conns = r->o.conns;
	c.engine.timewaits = r->o.timewaits;
	c.engine.reuse_timewait = r->o.reuse_timewait;
	c.engine.tombstones = TOMBSTONES;
	c.engine.buffer_bytes = r->o.buffer_bytes;
	c.engine.state_max = STATE_MAX;
	c.engine.rst_unknown = true; /* a listener of one family; what the gate cannot know */
	tcp_options(&c.engine.tcp, &r->o);
	return instance_open(&r->inst, &c, err);
}

/* Readable when any queue has frames. */
static int watch_queues(struct real *r)
{
	struct epoll_event ev = {.events = EPOLLIN};

	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd < 0)
		return -errno;
	for (unsigned q = 0; q < r->inst->queues; q++) {
		struct pktio *io = r->inst->priv->io[q];

		if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, io->ops->fd(io), &ev))
			return -errno;
	}
	return 0;
}

static int make_stack(struct weir_stack **out, struct real *r)
{
	const struct stack_env env = {
		.engine = r->inst->engine,
		.tcp = &r->inst->cfg.engine.tcp,
		.net = r->inst->priv->net,
		.socks = r->o.conns + SPARE,
		.arg = r,
		.now = real_now,
		.wait = real_wait,
		.fd = real_fd,
		.step = real_step,
		.may_bind = real_may_bind,
		.serve = real_serve,
		.unserve = real_unserve,
		.drain = real_drain,
		.destroy = real_destroy,
		.real_time = true,
	};
	int rc = watch_queues(r);

	r->serve.gate = r->inst->gate;
	r->serve.mode = r->inst->cfg.mode;
	return rc ? rc : stack_create(out, &env);
}

int weir_stack_open(struct weir_stack **out, const char *iface, const struct weir_stack_options *o,
		    char *why, size_t why_len)
{
	struct real *r = calloc(1, sizeof(*r));
	struct weir_err err = {0};
	int rc;

	if (!r)
		return refuse(why, why_len, -ENOMEM, "out of memory");
	r->epoll_fd = -1;
	rc = take_options(r, o, why, why_len);
	if (rc)
		goto fail;
	speaking = &r->o;
	rc = open_instance(r, iface, &err);
	if (rc) {
		refuse(why, why_len, rc, err.msg);
		goto fail;
	}
	rc = make_stack(out, r);
	if (!rc)
		return 0;
	refuse(why, why_len, rc, "out of memory or descriptors");
	instance_close(r->inst);
fail:
	speaking = NULL;
	if (r->epoll_fd >= 0)
		close(r->epoll_fd);
	free(r);
	return rc;
}
