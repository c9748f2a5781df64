/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The proxy in a random order of everything that can happen to some clients and backends at
 * once: what arrives is right to the byte, and in the end nothing is left of any of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../random.h"
#include "proxy/backends.h"
#include "proxy_fixture.h"

#define CLIENTS	 12
#define BACKENDS 64
#define STEPS	 1500

struct be {
	int fd; /* -1: none */
	bool shut;
	uint64_t sent, got;
};

struct world {
	struct px x;
	struct cl cl[CLIENTS];
	bool shut[CLIENTS];
	struct be be[BACKENDS];
	uint64_t rng;
};

static unsigned rnd(struct world *w, unsigned n)
{
	return (unsigned)(xorshift64(&w->rng) >> 20) % n;
}

static void take_in(struct world *w)
{
	int fd = accept4(w->x.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (unsigned i = 0; i < BACKENDS; i++) {
		if (w->be[i].fd >= 0)
			continue;
		w->be[i] = (struct be){.fd = fd};
		return;
	}
	be_reset(fd);
}

static void of_client(struct world *w, unsigned i)
{
	struct cl *cl = &w->cl[i];

	if (!cl->c) {
		if (cl->opens == cl->closes) {
			cl_open(&w->x, cl);
			w->shut[i] = false;
		}
		return;
	}
	switch (rnd(w, 16)) {
	case 0:
		weir_abort(cl->c);
		break;
	case 1:
		weir_shutdown(cl->c);
		w->shut[i] = true;
		break;
	case 2:
		weir_close(cl->c);
		w->shut[i] = cl->hold = true; /* there is nothing to read any more */
		break;
	case 3:
		cl->hold = !cl->hold;
		if (!cl->hold)
			cl_read(cl);
		break;
	default:
		if (!w->shut[i])
			cl_send(cl, 1 + rnd(w, rnd(w, 4) ? 3000 : 300000));
	}
}

static void end(struct be *b, bool reset)
{
	if (reset)
		be_reset(b->fd);
	else
		close(b->fd);
	b->fd = -1;
}

static void of_backend(struct world *w, struct be *b)
{
	ssize_t n;

	if (b->fd < 0)
		return;
	switch (rnd(w, 16)) {
	case 0:
		end(b, true);
		break;
	case 1:
		end(b, false);
		break;
	case 2:
		shutdown(b->fd, SHUT_WR);
		b->shut = true;
		break;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		n = be_recv(b->fd, &b->got, 1 + rnd(w, 200000));
		if (n < 0 && n != -EAGAIN)
			end(b, false);
		break;
	default:
		if (!b->shut)
			be_send(b->fd, &b->sent, 1 + rnd(w, rnd(w, 4) ? 3000 : 300000));
	}
}

static void one(struct world *w)
{
	switch (rnd(w, 8)) {
	case 0:
		px_pass(&w->x, rnd(w, 100000));
		break;
	case 1:
		take_in(w);
		break;
	case 2:
	case 3:
	case 4:
		of_client(w, rnd(w, CLIENTS));
		break;
	default:
		of_backend(w, &w->be[rnd(w, BACKENDS)]);
	}
	/* Not after each: callbacks, notices and closes of several meet in one turn. */
	if (rnd(w, 3))
		px_step(&w->x);
	else if (rnd(w, 2))
		rig_poll(w->x.p.b);
}

static void nothing_is_left(struct world *w)
{
	struct backend_status s[4];

	for (unsigned i = 0; i < CLIENTS; i++)
		if (w->cl[i].c)
			weir_abort(w->cl[i].c);
	px_step(&w->x);
	px_pass(&w->x, 120 * SECOND);
	for (unsigned i = 0; i < BACKENDS; i++)
		if (w->be[i].fd >= 0)
			end(&w->be[i], false);
	px_pass(&w->x, SECOND);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(w->cl[i].opens, w->cl[i].closes);
	assert_int_equal(rig_conns(w->x.p.b), 0);
	assert_int_equal(rig_status(w->x.p.b).buffer_bytes_used, 0);
	assert_int_equal(backends_status(proxy_backends(w->x.arg), s, 4), 1);
	assert_int_equal(s[0].in_use, 0);
	assert_int_equal(px_count(&w->x, WEIR_C_proxy_closed),
			 rig_count(w->x.p.b, WEIR_C_conn_opened));
}

/*
 * Two cores over a path without delay go on for ever at one moment where each segment is
 * dropped for want of a buffer and its ACK brings the next copy: a path holds so much.
 */
static bool narrow(struct pair *p, bool to_b, const struct weir_pkt *v)
{
	static uint64_t now;

	(void)to_b;
	(void)v;
	if (now != p->a->now_us)
		p->left = 1000;
	now = p->a->now_us;
	if (p->left)
		p->left--;
	return p->left;
}

static void world(enum bio_kind io, const char *where, uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct rig_config cfg;

	if (io == BIO_URING && !px_uring())
		skip();
	assert_non_null(w);
	w->rng = seed;
	for (unsigned i = 0; i < BACKENDS; i++)
		w->be[i].fd = -1;
	pair_config(&cfg, false);
	if (seed % 3 == 0)
		cfg.engine.buffer_bytes = 128 << 10; /* a pool that runs dry */
	px_open_cfg(&w->x, io, where, ",idle-timeout=20s,eject-failures=0", &cfg);
	w->x.p.wire = narrow;
	for (unsigned i = 0; i < STEPS; i++)
		one(w);
	w->x.p.wire = NULL;
	nothing_is_left(w);
	px_close(&w->x);
	free(w);
}

static void of_tcp(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		world(BIO_EPOLL, NULL, seed);
		world(BIO_URING, NULL, seed);
	}
}

static void of_unix(void **state)
{
	(void)state;
	for (uint64_t seed = 11; seed <= 16; seed++) {
		world(BIO_EPOLL, PX_UNIX, seed);
		world(BIO_URING, PX_UNIX, seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_tcp),
		cmocka_unit_test(of_unix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
