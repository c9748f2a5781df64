/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "app/app.h"

#define PIECE 4096

bool px_uring(void)
{
	char why[128];

	return bio_choose(BIO_URING, why, sizeof(why)) == BIO_URING;
}

/* The stream's byte at an offset; a client's and a backend's differ. */
static uint8_t byte_at(bool client, uint64_t at)
{
	uint64_t x = (at + 1) * 0x9e3779b97f4a7c15ULL + client;

	return (uint8_t)(x >> 29 ^ x >> 7);
}

static void fill(bool client, uint64_t at, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(client, at + i);
}

static void expect(bool client, uint64_t at, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], byte_at(client, at + i));
}

/* ---- the client -------------------------------------------------------------------- */

static struct cl *cl_of(struct weir_conn *c)
{
	return weir_conn_arg(c);
}

void cl_read(struct cl *cl)
{
	const uint8_t *p;
	size_t n;

	while ((n = weir_recv_peek(cl->c, &p)) > 0) {
		expect(false, cl->got, p, n);
		cl->got += n;
		weir_recv_done(cl->c, n);
	}
	cl->eof = weir_recv_eof(cl->c);
}

static int cl_on_open(struct weir_conn *c, void *arg)
{
	(void)c;
	((struct cl *)arg)->opens++;
	return 0;
}

static void cl_on_data(struct weir_conn *c)
{
	if (!cl_of(c)->hold)
		cl_read(cl_of(c));
}

static void cl_nothing(struct weir_conn *c)
{
	(void)c;
}

static void cl_on_close(struct weir_conn *c, int reason)
{
	struct cl *cl = cl_of(c);

	cl->closes++;
	cl->reason = reason;
	cl->c = NULL;
}

static const struct weir_app cl_app = {
	.name = "client",
	.on_open = cl_on_open,
	.on_data = cl_on_data,
	.on_writable = cl_nothing,
	.on_timer = cl_nothing,
	.on_close = cl_on_close,
};

void cl_open(struct px *x, struct cl *cl)
{
	struct worker_connect o = {
		.remote = {.family = 4, .port = RIG_PORT, .addr = {10, 0, 0, 2}},
		.app = &cl_app,
		.arg = cl,
	};

	memset(cl, 0, sizeof(*cl));
	assert_int_equal(worker_connect(engine_worker(x->p.a->e, 0), &o, &cl->c), 0);
	PX_UNTIL(x, cl->opens == 1);
}

size_t cl_send(struct cl *cl, size_t n)
{
	uint8_t buf[PIECE];
	size_t done = 0;

	while (done < n) {
		size_t len = n - done < PIECE ? n - done : PIECE, took;

		fill(true, cl->sent, buf, len);
		took = weir_send(cl->c, buf, len);
		cl->sent += took;
		done += took;
		if (took < len)
			break;
	}
	return done;
}

/* ---- the backend ----------------------------------------------------------------------- */

int listen_on(const char *path, int backlog, char *where, size_t len)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t n = sizeof(in);
	int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (path) {
		snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "weir-%s-%d", path, getpid());
		n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				strlen(un.sun_path + 1));
		assert_int_equal(bind(fd, (struct sockaddr *)&un, n), 0);
		snprintf(where, len, "unix:@%s", un.sun_path + 1);
	} else {
		assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
		snprintf(where, len, "127.0.0.1:%u", ntohs(in.sin_port));
	}
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

int be_accept(struct px *x)
{
	int fd = -1;

	for (int i = 0; i < 5000 && fd < 0; i++) {
		px_nap(x, i);
		fd = accept4(x->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	assert_true(fd >= 0);
	return fd;
}

ssize_t be_send(int fd, uint64_t *at, size_t n)
{
	uint8_t buf[PIECE];
	size_t done = 0;

	while (done < n) {
		size_t len = n - done < PIECE ? n - done : PIECE;
		ssize_t took;

		fill(false, *at, buf, len);
		took = send(fd, buf, len, MSG_NOSIGNAL);
		if (took < 0)
			return done ? (ssize_t)done : -errno;
		*at += (uint64_t)took;
		done += (size_t)took;
	}
	return (ssize_t)done;
}

/* One read: an error behind some bytes is told once, to the next. */
ssize_t be_recv(int fd, uint64_t *at, size_t n)
{
	static uint8_t buf[65536];
	ssize_t got = recv(fd, buf, n < sizeof(buf) ? n : sizeof(buf), 0);

	if (got < 0)
		return -errno;
	expect(true, *at, buf, (size_t)got);
	*at += (uint64_t)got;
	return got;
}

void be_reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* ---- the whole ----------------------------------------------------------------------------- */

void px_step(struct px *x)
{
	pair_settle(&x->p);
}

void px_pass(struct px *x, uint64_t us)
{
	pair_pass(&x->p, us);
}

void px_nap(struct px *x, int i)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	px_step(x);
	if (i < 3)
		return;
	nanosleep(&ms, NULL);
	px_pass(x, 1000);
}

/* Since the test began: workers' rows outlive them. */
uint64_t px_count(struct px *x, enum weir_counter c)
{
	uint64_t v[WEIR_C_MAX] = {0};

	weir_app_counters(v);
	return v[c] - x->before[c];
}

void px_open_cfg(struct px *x, enum bio_kind io, const char *where, const char *options,
		 const struct rig_config *b)
{
	struct rig_config ca, cb = *b;
	char spec[256], err[256] = "";

	memset(x, 0, sizeof(*x));
	x->io = io;
	x->fds = count_fds();
	x->listener = -1;
	proxy_register();
	proxy_set_io(io);
	weir_app_counters(x->before);
	if (!where || !strcmp(where, PX_UNIX))
		x->listener = listen_on(where, 64, x->where, sizeof(x->where));
	else
		snprintf(x->where, sizeof(x->where), "%s", where);
	snprintf(spec, sizeof(spec), "proxy:%s%s", x->where, options);
	if (weir_app_arg(spec, &x->arg, err, sizeof(err)))
		fail_msg("%s: %s", spec, err);
	pair_config(&ca, true);
	cb.app = weir_app_find("proxy");
	cb.arg = x->arg;
	x->p.a = rig_open(&ca);
	x->p.b = rig_open(&cb);
	px_step(x);
}

void px_open(struct px *x, enum bio_kind io, const char *where, const char *options)
{
	struct rig_config b;

	if (io == BIO_URING && !px_uring())
		skip();
	pair_config(&b, false);
	px_open_cfg(x, io, where, options, &b);
}

void px_close(struct px *x)
{
	pair_close(&x->p);
	weir_app_arg_free(x->arg);
	if (x->listener >= 0)
		close(x->listener);
	/* A ring goes a little later than its last use. */
	for (int i = 0; i < 1000 && count_fds() != x->fds; i++)
		nanosleep(&(const struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(count_fds(), x->fds);
}
