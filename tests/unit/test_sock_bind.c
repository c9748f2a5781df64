/* SPDX-License-Identifier: BSD-2-Clause */
/* bind(), names and listen(): who may have which address. */
#include "sock_fixture.h"

static int bind_to(struct weir_sock *k, int domain, unsigned host, uint16_t port)
{
	struct addr a = addr_of(domain, host, port);

	return weir_sock_bind(k, SA(a));
}

static struct addr name_of(struct weir_sock *k)
{
	struct addr a = {.len = sizeof(a.ss)};

	assert_int_equal(weir_sock_name(k, (struct sockaddr *)&a.ss, &a.len), 0);
	return a;
}

static void refused_arguments(void **state)
{
	struct net *n = *state;
	struct weir_sock *k4 = sock_at(n->a, AF_INET), *k6 = sock_at(n->a, AF_INET6), *none;
	struct addr v4 = addr_of(AF_INET, 1, 80), v6 = addr_of(AF_INET6, 1, 80);

	assert_int_equal(weir_sock_open(n->a, AF_UNIX, &none), -EAFNOSUPPORT);
	assert_int_equal(weir_sock_bind(k4, NULL, 0), -EINVAL);
	assert_int_equal(weir_sock_bind(k4, SA(v6)), -EAFNOSUPPORT);
	assert_int_equal(weir_sock_bind(k6, SA(v4)), -EAFNOSUPPORT);
	v4.len--;
	assert_int_equal(weir_sock_bind(k4, SA(v4)), -EINVAL);
	v6.len = 20;
	assert_int_equal(weir_sock_bind(k6, SA(v6)), -EINVAL);
	assert_int_equal(bind_to(k4, AF_INET, 99, 80), -EADDRNOTAVAIL);
	v6.len = 24; /* without a scope */
	assert_int_equal(weir_sock_bind(k6, SA(v6)), 0);
	sock_close(k4);
	sock_close(k6);
}

static void bound_only_once(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->a, AF_INET);
	struct addr a;

	assert_int_equal(bind_to(k, AF_INET, 1, 80), 0);
	assert_int_equal(bind_to(k, AF_INET, 1, 81), -EINVAL);
	a = name_of(k);
	assert_int_equal(port_of(&a), 80);
	sock_close(k);
	assert_int_equal(n->p.a->net->taken, 0);
}

/* Each row: two binds on one port, and what the second says. */
static void in_use(void **state)
{
	static const struct {
		int domain1;
		unsigned host1;
		int domain2;
		unsigned host2;
		bool reuse1, reuse2, v6only1, v6only2;
		int second;
	} rows[] = {
		{AF_INET, 0, AF_INET, 0, false, false, false, false, -EADDRINUSE},
		{AF_INET, 0, AF_INET, 1, false, false, false, false, -EADDRINUSE},
		{AF_INET, 1, AF_INET, 0, false, false, false, false, -EADDRINUSE},
		{AF_INET, 1, AF_INET, 1, false, false, false, false, -EADDRINUSE},
		{AF_INET, 1, AF_INET, 7, false, false, false, false, 0},
		{AF_INET, 1, AF_INET, 1, true, false, false, false, -EADDRINUSE},
		{AF_INET, 1, AF_INET, 1, false, true, false, false, -EADDRINUSE},
		{AF_INET, 1, AF_INET, 1, true, true, false, false, 0},
		{AF_INET, 0, AF_INET6, 0, false, false, false, false, -EADDRINUSE},
		{AF_INET, 0, AF_INET6, 0, false, false, false, true, 0},
		{AF_INET6, 0, AF_INET, 0, false, false, false, false, -EADDRINUSE},
		{AF_INET6, 0, AF_INET, 1, false, false, true, false, 0},
		{AF_INET6, 0, AF_INET6, 1, false, false, true, false, -EADDRINUSE},
		{AF_INET6, 1, AF_INET, 1, false, false, false, false, 0},
		{AF_INET6, 1, AF_INET6, 1, true, true, false, false, 0},
	};
	struct net *n = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_sock *a = sock_at(n->a, rows[i].domain1);
		struct weir_sock *b = sock_at(n->a, rows[i].domain2);

		opt_set(a, SOL_SOCKET, SO_REUSEADDR, rows[i].reuse1);
		opt_set(b, SOL_SOCKET, SO_REUSEADDR, rows[i].reuse2);
		if (rows[i].v6only1)
			assert_int_equal(opt_set(a, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
		if (rows[i].v6only2)
			assert_int_equal(opt_set(b, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
		assert_int_equal(bind_to(a, rows[i].domain1, rows[i].host1, 80), 0);
		if (bind_to(b, rows[i].domain2, rows[i].host2, 80) != rows[i].second)
			fail_msg("row %zu", i);
		sock_close(a);
		sock_close(b);
	}
	assert_int_equal(n->p.a->net->taken, 0);
}

/* Two that share a port: one may listen, and nobody binds beside it then. */
static void one_listener_a_port(void **state)
{
	struct net *n = *state;
	struct weir_sock *a = sock_at(n->b, AF_INET), *b = sock_at(n->b, AF_INET);
	struct weir_sock *c = sock_at(n->b, AF_INET);

	opt_set(a, SOL_SOCKET, SO_REUSEADDR, 1);
	opt_set(b, SOL_SOCKET, SO_REUSEADDR, 1);
	opt_set(c, SOL_SOCKET, SO_REUSEADDR, 1);
	assert_int_equal(bind_to(a, AF_INET, 0, 80), 0);
	assert_int_equal(bind_to(b, AF_INET, 0, 80), 0);
	assert_int_equal(weir_sock_listen(a, 1), 0);
	assert_int_equal(weir_sock_listen(b, 1), -EADDRINUSE);
	assert_int_equal(bind_to(c, AF_INET, 2, 80), -EADDRINUSE);
	assert_int_equal(n->served[1], 1);
	sock_close(a);
	assert_int_equal(weir_sock_listen(b, 1), 0);
	sock_close(b);
	sock_close(c);
	assert_int_equal(n->served[1], 0);
}

/* 0.0.0.0 and :: of IPv6 alone listen on one port, each takes its own. */
static void a_listener_for_each_family(void **state)
{
	struct net *n = *state;
	struct weir_sock *l4 = sock_at(n->b, AF_INET), *l6 = sock_at(n->b, AF_INET6), *c4, *c6, *s;

	assert_int_equal(opt_set(l6, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	assert_int_equal(bind_to(l4, AF_INET, 0, NET_PORT), 0);
	assert_int_equal(bind_to(l6, AF_INET6, 0, NET_PORT), 0);
	assert_int_equal(weir_sock_listen(l4, 5), 0);
	assert_int_equal(weir_sock_listen(l6, 5), 0);
	c4 = net_dial(n, AF_INET);
	net_run(n);
	assert_int_equal(weir_sock_accept(l6, &s, NULL, NULL), -EAGAIN);
	sock_close(net_accept(l4));
	c6 = net_dial(n, AF_INET6);
	net_run(n);
	assert_int_equal(weir_sock_accept(l4, &s, NULL, NULL), -EAGAIN);
	sock_close(net_accept(l6));
	sock_close(c4);
	sock_close(c6);
	sock_close(l4);
	/* With its listener gone IPv4 is refused, not given to the other one. */
	c4 = net_dial(n, AF_INET);
	net_run(n);
	assert_int_equal(sock_error(c4), ECONNREFUSED);
	sock_close(c4);
	sock_close(l6);
}

/* An IPv6 listener takes IPv4, and shows it as ::ffff:a.b.c.d. */
static void mapped_addresses(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET6, 5), *c = net_dial(n, AF_INET), *s;
	struct sockaddr_in6 in6;
	struct addr me, peer;
	socklen_t len = sizeof(in6);

	net_run(n);
	assert_int_equal(weir_sock_accept(l, &s, (struct sockaddr *)&in6, &len), 0);
	assert_int_equal(len, sizeof(in6));
	assert_int_equal(in6.sin6_family, AF_INET6);
	assert_true(IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr));
	assert_int_equal(in6.sin6_addr.s6_addr[15], 1);
	me = name_of(c);
	assert_int_equal(ntohs(in6.sin6_port), port_of(&me));
	assert_int_equal(me.ss.ss_family, AF_INET);
	peer = name_of(s);
	assert_int_equal(peer.ss.ss_family, AF_INET6);
	assert_int_equal(port_of(&peer), NET_PORT);
	sock_close(s);
	sock_close(c);
	/* The other way: an IPv6 socket that connects to a mapped address. */
	c = sock_at(n->a, AF_INET6);
	in6.sin6_addr.s6_addr[15] = 2;
	in6.sin6_port = htons(NET_PORT);
	assert_int_equal(weir_sock_connect(c, (struct sockaddr *)&in6, len), -EINPROGRESS);
	net_run(n);
	assert_int_equal(weir_sock_connect(c, (struct sockaddr *)&in6, len), 0);
	sock_close(net_accept(l));
	sock_close(c);
	c = sock_at(n->a, AF_INET6);
	assert_int_equal(opt_set(c, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	assert_int_equal(weir_sock_connect(c, (struct sockaddr *)&in6, len), -ENETUNREACH);
	assert_int_equal(weir_sock_bind(c, (struct sockaddr *)&in6, len), -EINVAL);
	sock_close(c);
	sock_close(l);
}

static void names(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->a, AF_INET), *c, *s;
	struct addr a = name_of(k), cut = {.len = 4};

	assert_int_equal(a.len, sizeof(struct sockaddr_in));
	assert_int_equal(port_of(&a), 0);
	assert_int_equal(weir_sock_name(k, NULL, &a.len), -EINVAL);
	assert_int_equal(weir_sock_peer(k, (struct sockaddr *)&a.ss, &a.len), -ENOTCONN);
	sock_close(k);
	net_pair(n, AF_INET, &c, &s);
	a.len = sizeof(a.ss);
	assert_int_equal(weir_sock_peer(c, (struct sockaddr *)&a.ss, &a.len), 0);
	assert_int_equal(port_of(&a), NET_PORT);
	/* As much as there is room for, and the whole length. */
	assert_int_equal(weir_sock_peer(c, (struct sockaddr *)&cut.ss, &cut.len), 0);
	assert_int_equal(cut.len, sizeof(struct sockaddr_in));
	assert_int_equal(port_of(&cut), NET_PORT);
	assert_int_equal(((struct sockaddr_in *)&cut.ss)->sin_addr.s_addr, 0);
	sock_close(c);
	sock_close(s);
}

/* Neither bind() nor listen() is needed for a port: a free one is taken. */
static void ephemeral_ports(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->b, AF_INET), *b = sock_at(n->b, AF_INET6);
	struct addr a;

	assert_int_equal(weir_sock_listen(k, 1), 0);
	a = name_of(k);
	assert_true(port_of(&a) >= 1024);
	assert_int_equal(bind_to(b, AF_INET6, 0, 0), 0);
	a = name_of(b);
	assert_true(port_of(&a) >= 1024);
	assert_int_equal(n->p.b->net->taken, 2);
	sock_close(k);
	sock_close(b);
	assert_int_equal(n->p.b->net->taken, 0);
}

/* What an accepted connection has of its listener's port keeps others off, as on Linux. */
static void a_connection_holds_its_port(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = sock_at(n->b, AF_INET), *c, *s, *k = sock_at(n->b, AF_INET);

	assert_int_equal(bind_to(l, AF_INET, 0, NET_PORT), 0);
	assert_int_equal(weir_sock_listen(l, 1), 0);
	c = net_dial(n, AF_INET);
	net_run(n);
	s = net_accept(l);
	sock_close(l);
	assert_int_equal(bind_to(k, AF_INET, 0, NET_PORT), -EADDRINUSE);
	opt_set(k, SOL_SOCKET, SO_REUSEADDR, 1);
	assert_int_equal(bind_to(k, AF_INET, 0, NET_PORT), -EADDRINUSE);
	opt_set(s, SOL_SOCKET, SO_REUSEADDR, 1);
	assert_int_equal(bind_to(k, AF_INET, 0, NET_PORT), 0);
	assert_int_equal(weir_sock_listen(k, 1), 0);
	sock_close(k);
	sock_close(c);
	sock_close(s);
}

static void a_gate_that_says_no(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->b, AF_INET), *s;

	assert_int_equal(bind_to(k, AF_INET, 0, NET_PORT), 0);
	n->serve_err = -ENOSPC;
	assert_int_equal(weir_sock_listen(k, 1), -ENOSPC);
	assert_int_equal(weir_sock_accept(k, &s, NULL, NULL), -EINVAL);
	n->serve_err = 0;
	assert_int_equal(weir_sock_listen(k, 1), 0);
	sock_close(k);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(refused_arguments),
		T(bound_only_once),
		T(in_use),
		T(one_listener_a_port),
		T(a_listener_for_each_family),
		T(mapped_addresses),
		T(names),
		T(ephemeral_ports),
		T(a_connection_holds_its_port),
		T(a_gate_that_says_no),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
