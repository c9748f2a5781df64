/* SPDX-License-Identifier: BSD-2-Clause */
/* Many sockets, too many sockets, the callback form, and a random walk against a model. */
#include "sock_fixture.h"

#include <stdlib.h>

/* ---- many, and too many -------------------------------------------------------- */

#define MANY 1000

static struct weir_sock *clients[MANY], *servers[MANY];

/* clients[] of a are connected to servers[] of b, which are watched; returns the listener. */
static struct weir_sock *open_many(struct net *n)
{
	struct net_config cfg;
	struct weir_sock *l;
	unsigned accepted = 0;

	net_config_default(&cfg);
	cfg.rig.engine.conns = cfg.socks = 2 * MANY;
	cfg.rig.engine.timewaits = cfg.rig.engine.tombstones = 2 * MANY;
	cfg.rig.frames = 4096;
	net_open(n, &cfg);
	l = net_listen(n, AF_INET, MANY);
	for (int i = 0; i < MANY; i++) {
		clients[i] = net_dial(n, AF_INET);
		if (i % 50 == 49)
			net_run(n);
	}
	while (accepted < MANY && !weir_sock_accept(l, &servers[accepted], NULL, NULL))
		weir_sock_watch(servers[accepted++], POLLIN, NULL);
	assert_int_equal(accepted, MANY);
	return l;
}

static void close_many(struct net *n)
{
	for (int i = 0; i < MANY; i++) {
		sock_close(clients[i]);
		sock_close(servers[i]);
	}
	net_run(n);
	assert_int_equal(rig_conns(n->p.a) + rig_conns(n->p.b), 0);
}

static void a_thousand(void **state)
{
	struct weir_event ev[64];
	struct weir_sock *l;
	struct net n;
	unsigned reported = 0;

	(void)state;
	l = open_many(&n);
	for (int i = 0; i < MANY; i += 10)
		sock_put(clients[i], "one in ten");
	net_run(&n);
	/* Only the ready ones are reported, each once in a round. */
	for (int got = 64; got == 64;) {
		got = weir_stack_wait(n.b, ev, 64, 0);
		reported += (unsigned)got;
		for (int i = 0; i < got; i++)
			sock_expect(ev[i].sock, "one in ten");
	}
	assert_int_equal(reported, MANY / 10);
	close_many(&n);
	sock_close(l);
	net_pass(&n, 60000000);
	rig_expect_clean(n.p.a);
	rig_expect_clean(n.p.b);
	net_close(&n);
}

/* Some in each turn, without sleeping between them; and who has none left is done at once. */
static void a_thousand_drained(void **state)
{
	struct weir_sock *l;
	struct net n;
	unsigned turns;
	char byte;

	(void)state;
	l = open_many(&n);
	assert_int_equal(weir_stack_drain(n.b, 0), -ETIMEDOUT);
	for (turns = 1; turns < MANY && !weir_stack_timeout(n.b); turns++)
		weir_stack_wait(n.b, NULL, 0, 0);
	assert_in_range(turns, 2, MANY - 1);
	net_run(&n);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(weir_sock_read(clients[i], &byte, 1), 0);
	close_many(&n);
	assert_int_equal(weir_stack_drain(n.a, 0), 0);
	sock_close(l);
	net_close(&n);
}

static void no_socket_left(void **state)
{
	struct weir_sock *k[3], *c, *none;
	struct net_config cfg;
	struct net n;

	(void)state;
	net_config_default(&cfg);
	cfg.socks = 2;
	net_open(&n, &cfg);
	k[0] = net_listen(&n, AF_INET, 5);
	k[1] = sock_at(n.b, AF_INET);
	assert_int_equal(weir_sock_open(n.b, AF_INET, &none), -ENFILE);
	/* A client that no socket is left for is told so. */
	c = net_dial(&n, AF_INET);
	net_run(&n);
	assert_int_equal(weir_sock_accept(k[0], &none, NULL, NULL), -EAGAIN);
	assert_int_equal(net_count(&n, true, WEIR_C_sock_full), 1);
	assert_int_equal(weir_sock_read(c, &none, 1), -ECONNRESET);
	sock_close(k[1]);
	sock_close(c);
	c = net_dial(&n, AF_INET);
	net_run(&n);
	sock_close(net_accept(k[0]));
	sock_close(c);
	sock_close(k[0]);
	net_close(&n);
}

static void no_connection_left(void **state)
{
	struct weir_sock *l, *c[3];
	struct addr to = addr_of(AF_INET, 2, NET_PORT);
	struct net_config cfg;
	struct net n;

	(void)state;
	net_config_default(&cfg);
	cfg.rig.engine.conns = 2;
	net_open(&n, &cfg);
	l = net_listen(&n, AF_INET, 5);
	for (int i = 0; i < 2; i++)
		c[i] = net_dial(&n, AF_INET);
	c[2] = sock_at(n.a, AF_INET);
	assert_int_equal(weir_sock_connect(c[2], SA(to)), -ENOBUFS);
	net_run(&n);
	sock_close(c[0]);
	net_run(&n);
	sock_close(net_accept(l));
	net_run(&n);
	assert_int_equal(weir_sock_connect(c[2], SA(to)), -EINPROGRESS);
	net_run(&n);
	assert_int_equal(sock_error(c[2]), 0);
	sock_close(c[1]);
	sock_close(c[2]);
	sock_close(l);
	net_close(&n);
}

/* With all buffers taken writing says EAGAIN, and goes on when there are some again. */
static void no_buffer_left(void **state)
{
	char buf[65536] = {0};
	struct weir_sock *c, *s;
	struct net_config cfg;
	struct weir_event ev;
	size_t sent = 0, got = 0;
	struct net n;
	ssize_t r;

	(void)state;
	net_config_default(&cfg);
	cfg.rig.engine.buffer_bytes = 128 << 10;
	net_open(&n, &cfg);
	net_pair(&n, AF_INET, &c, &s);
	for (int i = 0; i < 20; i++) {
		r = weir_sock_write(c, buf, sizeof(buf));
		sent += r > 0 ? (size_t)r : 0;
		net_pass(&n, 10000);
	}
	assert_int_equal(r, -EAGAIN);
	weir_sock_watch(c, POLLOUT, NULL);
	for (int i = 0; i < 2000 && got < sent; i++) {
		r = weir_sock_read(s, buf, sizeof(buf));
		got += r > 0 ? (size_t)r : 0;
		net_pass(&n, 10000);
	}
	assert_int_equal(got, sent);
	net_pass(&n, 1000000);
	assert_int_equal(weir_stack_wait(n.a, &ev, 1, 0), 1);
	sock_close(c);
	sock_close(s);
	net_close(&n);
}

static void made_of_nothing(void **state)
{
	struct stack_env env = {.socks = 1};
	struct weir_stack *s;

	(void)state;
	assert_int_equal(stack_create(&s, &env), -EINVAL);
	weir_stack_close(NULL);
}

/* ---- the callback form on a stack --------------------------------------------------- */

static struct end server, client;

static void callbacks_beside_sockets(void **state)
{
	struct weir_addr at = {.port = 90}, to = {.family = 4, .port = 90, .addr = {10, 0, 0, 2}};
	struct weir_conn *conn;
	struct weir_sock *k;
	struct addr sa = addr_of(AF_INET, 2, 90);
	struct net n;

	(void)state;
	server = (struct end){.echo = true, .close_on_eof = true};
	client = (struct end){.hello = "hello", .close_on_eof = true};
	net_open(&n, NULL);
	assert_int_equal(weir_stack_serve(n.b, &at, &end_app, &server), 0);
	assert_int_equal(weir_stack_serve(n.b, &at, &end_app, &server), -EADDRINUSE);
	n.serve_err = -ENOSPC;
	at.port = 91;
	assert_int_equal(weir_stack_serve(n.b, &at, &end_app, &server), -ENOSPC);
	n.serve_err = 0;
	assert_int_equal(weir_stack_connect(n.a, NULL, &to, &end_app, &client, &conn), 0);
	net_run(&n);
	assert_int_equal(client.opens, 1);
	assert_memory_equal(client.in, "hello", 5);
	k = sock_at(n.a, AF_INET);
	assert_int_equal(weir_sock_connect(k, SA(sa)), -EINPROGRESS);
	net_run(&n);
	sock_put(k, "from a socket");
	net_run(&n);
	sock_expect(k, "from a socket");
	assert_int_equal(server.opens, 2);
	sock_close(k);
	weir_close(conn);
	net_run(&n);
	assert_int_equal(server.closes, 2);
	/* No listener: told by on_close. */
	to.port = 91;
	assert_int_equal(weir_stack_connect(n.a, NULL, &to, &end_app, &client, NULL), 0);
	net_run(&n);
	assert_int_equal(client.reason, TCP_END_REFUSED);
	/* As weir_stack_close() ends it; the gate's service goes with the stack. */
	n.served[1]--;
	net_close(&n);
}

/* ---- a random walk ------------------------------------------------------------------- */

#define PAIRS 6

/* One direction of a connection, as it must be. */
struct flow {
	uint64_t written, read;
	bool shut, eof;
};

struct duo {
	struct weir_sock *k[2]; /* client, server; NULL: closed */
	struct flow f[2];	/* f[i]: written by end i */
};

static uint32_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static uint8_t pattern(unsigned duo, unsigned dir, uint64_t off)
{
	return (uint8_t)(off * 31 + off / 256 * 7 + duo * 17 + dir * 101);
}

static void put(struct duo *d, unsigned which, unsigned i)
{
	struct flow *f = &d->f[i];
	uint8_t buf[9000];
	size_t len = 1 + rnd(rnd(4) ? 300 : sizeof(buf));
	struct iovec iov[2] = {{buf, len / 3}, {buf + len / 3, len - len / 3}};
	ssize_t n;

	for (size_t j = 0; j < len; j++)
		buf[j] = pattern(which, i, f->written + j);
	n = rnd(3) ? weir_sock_send(d->k[i], buf, len, rnd(5) ? 0 : MSG_MORE)
		   : weir_sock_writev(d->k[i], iov, 2);
	if (f->shut) {
		assert_int_equal(n, -EPIPE);
		return;
	}
	assert_true(n > 0 || n == -EAGAIN);
	f->written += n > 0 ? (uint64_t)n : 0;
}

static void take(struct duo *d, unsigned which, unsigned i)
{
	struct flow *f = &d->f[!i];
	bool peek = rnd(4) == 0;
	uint8_t buf[9000];
	size_t len = 1 + rnd(sizeof(buf));
	size_t said = weir_sock_unread(d->k[i]);
	ssize_t n = weir_sock_recv(d->k[i], buf, len, peek ? MSG_PEEK : 0);

	if (n == 0)
		assert_true(f->shut && f->read == f->written);
	f->eof |= n == 0;
	if (n <= 0) {
		assert_true(n == 0 || n == -EAGAIN);
		assert_int_equal(said, 0);
		return;
	}
	assert_int_equal(n, said < len ? said : len);
	assert_true(f->read + (size_t)n <= f->written);
	for (ssize_t j = 0; j < n; j++)
		assert_int_equal(buf[j], pattern(which, !i, f->read + (uint64_t)j));
	if (!peek)
		f->read += (uint64_t)n;
}

static void shut(struct duo *d, unsigned i)
{
	int err = weir_sock_shutdown(d->k[i], SHUT_WR);

	/* Over once both sides are shut and have told each other. */
	assert_true(err == 0 || (err == -ENOTCONN && d->f[0].shut && d->f[1].shut));
	d->f[i].shut = true;
}

static void retune(struct weir_sock *k)
{
	static const int names[] = {TCP_NODELAY, TCP_QUICKACK, TCP_CORK};

	if (rnd(2))
		opt_set(k, IPPROTO_TCP, names[rnd(3)], (int)rnd(2));
	else
		opt_set(k, SOL_SOCKET, rnd(2) ? SO_RCVBUF : SO_SNDBUF, 4096 << rnd(6));
}

/* Each end that is watched is reported exactly when poll() says that it is ready. */
static void reported(struct weir_stack *s, struct duo *d, unsigned i)
{
	struct weir_event ev[2 * PAIRS];
	int n = weir_stack_wait(s, ev, 2 * PAIRS, 0);
	unsigned ready = 0;

	for (unsigned j = 0; j < PAIRS; j++)
		ready += d[j].k[i] && weir_sock_poll(d[j].k[i]) & (POLLIN | POLLHUP | POLLERR);
	assert_int_equal(n, ready);
}

static bool lossy(struct pair *p, bool to_b, const struct weir_pkt *v)
{
	(void)p;
	(void)to_b;
	(void)v;
	return rnd(20) != 0;
}

static void connect_duo(struct net *n, struct weir_sock *l, struct duo *d)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	d->k[0] = net_dial(n, AF_INET);
	for (int i = 0; i < 1000 && weir_sock_accept(l, &d->k[1], (struct sockaddr *)&a, &len); i++)
		net_pass(n, 100000);
	assert_non_null(d->k[1]);
	for (int i = 0; i < 2; i++)
		weir_sock_watch(d->k[i], POLLIN, d);
}

/* Reads all that is left; then both sides have seen the other's end. */
static void finish(struct net *n, struct duo *d, unsigned which)
{
	for (int i = 0; i < 2; i++) {
		opt_set(d->k[i], IPPROTO_TCP, TCP_CORK, 0);
		shut(d, (unsigned)i);
	}
	for (int round = 0; round < 5000 && !(d->f[0].eof && d->f[1].eof); round++) {
		take(d, which, 0);
		take(d, which, 1);
		net_pass(n, 20000);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_true(d->f[i].eof);
		assert_int_equal(d->f[i].read, d->f[i].written);
		assert_int_equal(sock_error(d->k[i]), 0);
		sock_close(d->k[i]);
	}
}

static void step(struct net *n, struct duo *all)
{
	unsigned which = rnd(PAIRS), i = rnd(2);
	struct duo *d = &all[which];

	switch (rnd(12)) {
	case 0 ... 3:
		put(d, which, i);
		break;
	case 4 ... 7:
		take(d, which, i);
		break;
	case 8:
		retune(d->k[i]);
		break;
	case 9:
		if (rnd(20) == 0)
			shut(d, i);
		break;
	default:
		net_pass(n, rnd(40000));
		reported(n->a, all, 0);
		reported(n->b, all, 1);
	}
}

static void a_random_walk(void **state)
{
	(void)state;
	for (uint32_t run = 1; run <= 12; run++) {
		struct duo all[PAIRS];
		struct weir_sock *l;
		struct net n;

		seed = run * 2654435761u;
		memset(all, 0, sizeof(all));
		net_open(&n, NULL);
		l = net_listen(&n, AF_INET, PAIRS);
		n.p.wire = run % 2 ? lossy : NULL;
		for (unsigned j = 0; j < PAIRS; j++)
			connect_duo(&n, l, &all[j]);
		for (int j = 0; j < 1500; j++)
			step(&n, all);
		for (unsigned j = 0; j < PAIRS; j++)
			finish(&n, &all[j], j);
		sock_close(l);
		n.p.wire = NULL;
		net_pass(&n, 200000000);
		rig_expect_clean(n.p.a);
		rig_expect_clean(n.p.b);
		net_close(&n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand),
		cmocka_unit_test(a_thousand_drained),
		cmocka_unit_test(no_socket_left),
		cmocka_unit_test(no_connection_left),
		cmocka_unit_test(no_buffer_left),
		cmocka_unit_test(made_of_nothing),
		cmocka_unit_test(callbacks_beside_sockets),
		cmocka_unit_test(a_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
