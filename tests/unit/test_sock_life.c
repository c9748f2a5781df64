/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets from connect() and accept() to their end. */
#include "sock_fixture.h"

static int read_one(struct weir_sock *k)
{
	char b;

	return (int)weir_sock_read(k, &b, 1);
}

static int connect_again(struct weir_sock *c)
{
	struct addr to = addr_of(AF_INET, 2, NET_PORT);

	return weir_sock_connect(c, SA(to));
}

static void talk(struct net *n, int domain)
{
	struct weir_sock *c, *s;

	net_pair(n, domain, &c, &s);
	sock_put(c, "question");
	net_run(n);
	sock_expect(s, "question");
	assert_int_equal(read_one(s), -EAGAIN);
	sock_put(s, "answer");
	net_run(n);
	sock_expect(c, "answer");
	sock_close(c);
	net_run(n);
	assert_int_equal(read_one(s), 0);
	assert_int_equal(read_one(s), 0);
	sock_close(s);
	net_run(n);
	assert_int_equal(rig_conns(n->p.a) + rig_conns(n->p.b), 0);
	net_pass(n, 60000000);
	rig_expect_clean(n->p.a);
	rig_expect_clean(n->p.b);
}

static void a_conversation(void **state)
{
	talk(*state, AF_INET);
	talk(*state, AF_INET6);
}

/* ---- connect() ---------------------------------------------------------------- */

static void connect_in_its_states(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c;

	c = net_dial(n, AF_INET);
	assert_int_equal(connect_again(c), -EALREADY);
	assert_int_equal(read_one(c), -EAGAIN);
	assert_int_equal(weir_sock_write(c, "x", 1), -EAGAIN);
	net_run(n);
	assert_int_equal(connect_again(c), 0);
	assert_int_equal(connect_again(c), -EISCONN);
	assert_int_equal(weir_sock_listen(c, 1), -EINVAL);
	assert_int_equal(connect_again(l), -EISCONN);
	sock_close(c);
	sock_close(l);
}

static void refused_then_again(void **state)
{
	struct net *n = *state;
	struct weir_sock *c = net_dial(n, AF_INET), *l;

	net_run(n);
	assert_int_equal(weir_sock_poll(c) & (POLLERR | POLLHUP | POLLOUT),
			 POLLERR | POLLHUP | POLLOUT);
	assert_int_equal(connect_again(c), -ECONNREFUSED);
	l = net_listen(n, AF_INET, 5);
	assert_int_equal(connect_again(c), -EINPROGRESS);
	net_run(n);
	assert_int_equal(sock_error(c), 0);
	sock_put(c, "hello");
	net_run(n);
	sock_expect(net_accept(l), "hello");
	sock_close(c);
	sock_close(l);
}

/* The error is told once, by whoever asks first. */
static void refused_is_told_once(void **state)
{
	struct net *n = *state;
	struct weir_sock *c = net_dial(n, AF_INET);

	net_run(n);
	assert_int_equal(sock_error(c), ECONNREFUSED);
	assert_int_equal(sock_error(c), 0);
	assert_int_equal(read_one(c), 0);
	assert_int_equal(weir_sock_write(c, "x", 1), -EPIPE);
	sock_close(c);
	c = net_dial(n, AF_INET);
	net_run(n);
	assert_int_equal(read_one(c), -ECONNREFUSED);
	assert_int_equal(sock_error(c), 0);
	sock_close(c);
	c = net_dial(n, AF_INET);
	net_run(n);
	assert_int_equal(weir_sock_write(c, "x", 1), -ECONNREFUSED);
	assert_int_equal(weir_sock_write(c, "x", 1), -EPIPE);
	sock_close(c);
}

/* A port of bind() is kept over a failed connect(), a free one is given back. */
static void ports_of_failed_connects(void **state)
{
	struct net *n = *state;
	struct weir_sock *c = sock_at(n->a, AF_INET);
	struct addr from = addr_of(AF_INET, 1, 4444), name = {.len = sizeof(name.ss)};

	assert_int_equal(weir_sock_bind(c, SA(from)), 0);
	assert_int_equal(connect_again(c), -EINPROGRESS);
	net_run(n);
	assert_int_equal(sock_error(c), ECONNREFUSED);
	assert_int_equal(weir_sock_name(c, (struct sockaddr *)&name.ss, &name.len), 0);
	assert_int_equal(port_of(&name), 4444);
	sock_close(c);
	c = net_dial(n, AF_INET);
	assert_int_equal(weir_sock_name(c, (struct sockaddr *)&name.ss, &name.len), 0);
	assert_true(port_of(&name) >= 32768);
	net_run(n);
	assert_int_equal(sock_error(c), ECONNREFUSED);
	assert_int_equal(weir_sock_name(c, (struct sockaddr *)&name.ss, &name.len), 0);
	assert_int_equal(port_of(&name), 0);
	assert_int_equal(n->p.a->net->taken, 0);
	sock_close(c);
}

static void timed_out(void **state)
{
	struct net *n = *state;
	struct weir_sock *c = sock_at(n->a, AF_INET);

	n->p.cut = true;
	assert_int_equal(opt_set(c, IPPROTO_TCP, TCP_SYNCNT, 2), 0);
	assert_int_equal(connect_again(c), -EINPROGRESS);
	net_pass(n, 60000000);
	assert_int_equal(sock_error(c), ETIMEDOUT);
	sock_close(c);
}

static void no_way_there(void **state)
{
	struct net *n = *state;
	struct weir_sock *c = sock_at(n->a, AF_INET);
	struct addr group = addr_of(AF_INET, 2, NET_PORT), none = addr_of(AF_INET, 0, NET_PORT);
	struct addr port0 = addr_of(AF_INET, 2, 0), v6 = addr_of(AF_INET6, 2, NET_PORT);

	((struct sockaddr_in *)&group.ss)->sin_addr.s_addr = htonl(0xe0000001);
	assert_int_equal(weir_sock_connect(c, SA(group)), -ENETUNREACH);
	assert_int_equal(weir_sock_connect(c, SA(none)), -ENETUNREACH);
	assert_int_equal(weir_sock_connect(c, SA(port0)), -ECONNREFUSED);
	assert_int_equal(weir_sock_connect(c, SA(v6)), -EAFNOSUPPORT);
	n->p.a->net->path_err = -ENETUNREACH;
	assert_int_equal(connect_again(c), -ENETUNREACH);
	/* A neighbour that does not answer is found out later. */
	n->p.a->net->path_err = -EHOSTUNREACH;
	n->p.a->net->agains = 3;
	assert_int_equal(connect_again(c), -EINPROGRESS);
	net_pass(n, 5000000);
	assert_int_equal(sock_error(c), EHOSTUNREACH);
	n->p.a->net->path_err = 0;
	sock_close(c);
}

/* connect() with AF_UNSPEC: as if it were new. */
static void disconnected(void **state)
{
	struct net *n = *state;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct weir_sock *c, *s, *l;

	net_pair(n, AF_INET, &c, &s);
	assert_int_equal(weir_sock_connect(c, &none, sizeof(none)), 0);
	net_run(n);
	assert_int_equal(read_one(s), -ECONNRESET);
	assert_int_equal(read_one(c), -ENOTCONN);
	l = net_listen(n, AF_INET, 5);
	assert_int_equal(connect_again(c), -EINPROGRESS);
	net_run(n);
	sock_close(net_accept(l));
	sock_close(c);
	sock_close(s);
	sock_close(l);
}

/* One local port towards one peer twice: only one of them. */
static void the_same_tuple_twice(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c[2];
	struct addr from = addr_of(AF_INET, 1, 4444);

	for (int i = 0; i < 2; i++) {
		c[i] = sock_at(n->a, AF_INET);
		opt_set(c[i], SOL_SOCKET, SO_REUSEADDR, 1);
		assert_int_equal(weir_sock_bind(c[i], SA(from)), 0);
	}
	assert_int_equal(connect_again(c[0]), -EINPROGRESS);
	assert_int_equal(connect_again(c[1]), -EADDRINUSE);
	net_run(n);
	sock_close(net_accept(l));
	sock_close(c[0]);
	sock_close(c[1]);
	sock_close(l);
}

static void closed_while_connecting(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c, *s;

	c = net_dial(n, AF_INET);
	sock_close(c);
	net_run(n);
	assert_int_equal(weir_sock_accept(l, &s, NULL, NULL), -EAGAIN);
	assert_int_equal(rig_conns(n->p.a), 0);
	c = net_dial(n, AF_INET);
	assert_int_equal(weir_sock_shutdown(c, SHUT_WR), 0);
	assert_int_equal(weir_sock_shutdown(c, SHUT_WR), -ENOTCONN);
	net_run(n);
	assert_int_equal(rig_conns(n->p.a), 0);
	sock_close(c);
	sock_close(l);
}

/* ---- accept() ------------------------------------------------------------------- */

static void accept_in_its_states(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->b, AF_INET), *s;

	assert_int_equal(weir_sock_accept(k, &s, NULL, NULL), -EINVAL);
	assert_int_equal(read_one(k), -ENOTCONN);
	assert_int_equal(weir_sock_write(k, "x", 1), -ENOTCONN);
	assert_int_equal(weir_sock_listen(k, 1), 0);
	assert_int_equal(weir_sock_accept(k, &s, NULL, NULL), -EAGAIN);
	assert_int_equal(read_one(k), -ENOTCONN);
	assert_int_equal(weir_sock_write(k, "x", 1), -ENOTCONN);
	/* It stops listening, and may start again. */
	assert_int_equal(weir_sock_shutdown(k, SHUT_WR), 0);
	assert_int_equal(opt_get(k, SOL_SOCKET, SO_ACCEPTCONN), 1);
	assert_int_equal(weir_sock_shutdown(k, SHUT_RD), 0);
	assert_int_equal(opt_get(k, SOL_SOCKET, SO_ACCEPTCONN), 0);
	assert_int_equal(weir_sock_accept(k, &s, NULL, NULL), -EINVAL);
	assert_int_equal(weir_sock_listen(k, 1), 0);
	sock_close(k);
}

/* With the queue full clients wait, and come in as soon as there is room. */
static void a_full_queue(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 1), *c[4], *s[4];

	for (int i = 0; i < 4; i++) {
		c[i] = net_dial(n, AF_INET);
		net_run(n);
	}
	assert_true(net_count(n, true, WEIR_C_drop_accept_queue) >= 2);
	assert_int_equal(connect_again(c[1]), 0);
	assert_int_equal(connect_again(c[2]), -EALREADY);
	s[0] = net_accept(l);
	s[1] = net_accept(l);
	assert_int_equal(weir_sock_accept(l, &s[2], NULL, NULL), -EAGAIN);
	net_pass(n, 5000000);
	s[2] = net_accept(l);
	s[3] = net_accept(l);
	sock_put(s[3], "at last");
	net_run(n);
	sock_expect(c[3], "at last");
	/* A smaller backlog counts at once. */
	assert_int_equal(weir_sock_listen(l, 0), 0);
	for (int i = 0; i < 4; i++) {
		sock_close(c[i]);
		sock_close(s[i]);
	}
	for (int i = 0; i < 2; i++) {
		c[i] = net_dial(n, AF_INET);
		net_run(n);
	}
	assert_int_equal(connect_again(c[1]), -EALREADY);
	sock_close(c[0]);
	sock_close(c[1]);
	sock_close(l);
}

static void closing_a_listener_resets_who_waits(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c[2], *s;

	for (int i = 0; i < 2; i++)
		c[i] = net_dial(n, AF_INET);
	net_run(n);
	s = net_accept(l);
	sock_close(l);
	net_run(n);
	assert_int_equal(read_one(c[1]), -ECONNRESET);
	sock_put(s, "still here");
	net_run(n);
	sock_expect(c[0], "still here");
	sock_close(c[0]);
	sock_close(c[1]);
	sock_close(s);
}

/* The listener goes while a handshake is under way: nobody is there to take it. */
static void closing_a_listener_in_mid_handshake(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c = net_dial(n, AF_INET);

	n->p.cut = true;
	rig_settle(n->p.a);
	n->p.cut = false;
	net_run(n);
	sock_close(l);
	l = net_listen(n, AF_INET, 5);
	net_run(n);
	sock_close(c);
	sock_close(l);
	net_pass(n, 1000000);
	assert_int_equal(rig_conns(n->p.b), 0);
}

/* Reset while it waited: accept() gives it, reading says what happened. */
static void accepted_after_its_end(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c = net_dial(n, AF_INET), *s;
	struct linger now = {.l_onoff = 1};

	net_run(n);
	sock_put(c, "last words");
	net_run(n);
	assert_int_equal(weir_sock_setopt(c, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	sock_close(c);
	net_run(n);
	s = net_accept(l);
	sock_expect(s, "last words");
	assert_int_equal(read_one(s), -ECONNRESET);
	assert_int_equal(read_one(s), 0);
	sock_close(s);
	sock_close(l);
}

/* ---- ending ------------------------------------------------------------------------ */

static void half_close(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	assert_int_equal(weir_sock_shutdown(c, 99), -EINVAL);
	sock_put(c, "all I say");
	assert_int_equal(weir_sock_shutdown(c, SHUT_WR), 0);
	assert_int_equal(weir_sock_shutdown(c, SHUT_WR), 0);
	assert_int_equal(weir_sock_write(c, "x", 1), -EPIPE);
	net_run(n);
	sock_expect(s, "all I say");
	assert_int_equal(read_one(s), 0);
	for (int i = 0; i < 3; i++) {
		sock_put(s, "much to tell");
		net_pass(n, 50000); /* the second waits for the first one's ACK */
		sock_expect(c, "much to tell");
	}
	sock_close(s);
	net_run(n);
	assert_int_equal(read_one(c), 0);
	assert_int_equal(sock_error(c), 0);
	assert_int_equal(weir_sock_write(c, "x", 1), -EPIPE);
	sock_close(c);
}

static void shut_for_reading(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	sock_put(s, "before");
	net_run(n);
	assert_int_equal(weir_sock_shutdown(c, SHUT_RD), 0);
	sock_expect(c, "before");
	assert_int_equal(read_one(c), 0);
	sock_put(c, "writing goes on");
	net_run(n);
	sock_expect(s, "writing goes on");
	assert_int_equal(weir_sock_shutdown(c, SHUT_RDWR), 0);
	assert_int_equal(weir_sock_write(c, "x", 1), -EPIPE);
	net_run(n);
	assert_int_equal(read_one(s), 0);
	sock_close(c);
	sock_close(s);
}

/* RFC 1122 4.2.2.13, RFC 2525 2.17: unread data is lost, and the peer is told so. */
static void close_with_unread_data_resets(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	sock_put(c, "never read");
	net_run(n);
	sock_close(s);
	net_run(n);
	assert_int_equal(weir_sock_poll(c), POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLRDHUP |
						    POLLHUP | POLLERR);
	assert_int_equal(read_one(c), -ECONNRESET);
	assert_int_equal(read_one(c), 0);
	assert_int_equal(weir_sock_write(c, "x", 1), -EPIPE);
	assert_int_equal(weir_sock_shutdown(c, SHUT_WR), -ENOTCONN);
	sock_close(c);
}

/* What arrives after the close is answered by a reset, too. */
static void data_after_close_resets(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	sock_close(s);
	net_run(n);
	assert_int_equal(read_one(c), 0);
	sock_put(c, "too late");
	net_run(n);
	/* It had sent its FIN: the pipe is broken (EPIPE, as Linux has it). */
	assert_int_equal(weir_sock_write(c, "x", 1), -EPIPE);
	sock_close(c);
}

static void linger_zero_resets(void **state)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	assert_int_equal(weir_sock_setopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	sock_put(c, "not sent any more");
	sock_close(c);
	net_run(n);
	assert_int_equal(sock_error(s), ECONNRESET);
	assert_int_equal(sock_error(s), 0);
	assert_int_equal(rig_conns(n->p.a) + rig_conns(n->p.b), 0);
	sock_close(s);
}

/* With a time it does not block: what is queued is delivered in the background. */
static void linger_delivers_in_the_background(void **state)
{
	struct linger l = {.l_onoff = 1, .l_linger = 5};
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	assert_int_equal(weir_sock_setopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	sock_put(c, "delivered");
	sock_close(c);
	net_run(n);
	sock_expect(s, "delivered");
	assert_int_equal(read_one(s), 0);
	sock_close(s);
}

/* What had arrived before the reset can be read, then comes the error, then the end. */
static void data_before_a_reset_is_read(void **state)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};
	struct net *n = *state;
	struct weir_sock *c, *s;
	char b[3];

	net_pair(n, AF_INET, &c, &s);
	sock_put(c, "abcdef");
	net_run(n);
	weir_sock_setopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	sock_close(c);
	net_run(n);
	assert_int_equal(weir_sock_unread(s), 6);
	assert_int_equal(weir_sock_recv(s, b, 3, MSG_PEEK), 3);
	assert_int_equal(weir_sock_read(s, b, 3), 3);
	assert_memory_equal(b, "abc", 3);
	sock_expect(s, "def");
	assert_int_equal(read_one(s), -ECONNRESET);
	assert_int_equal(read_one(s), 0);
	sock_close(s);
}

/* Both have closed: unread data outlives the connection, up to TIME_WAIT's end and on. */
static void unread_data_outlives_the_connection(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	assert_int_equal(weir_sock_shutdown(s, SHUT_WR), 0);
	net_run(n);
	sock_put(c, "for later");
	sock_close(c);
	net_pass(n, 60000000);
	assert_int_equal(rig_conns(n->p.b), 0);
	sock_expect(s, "for later");
	assert_int_equal(read_one(s), 0);
	assert_int_equal(sock_error(s), 0);
	sock_close(s);
}

/* A stack that goes takes its sockets with it; net_close() checks what they held. */
static void closed_with_everything_open(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c, *s;

	c = net_dial(n, AF_INET);
	net_run(n);
	s = net_accept(l);
	sock_put(c, "unread");
	net_dial(n, AF_INET);
	net_run(n);
	net_dial(n, AF_INET);
	sock_at(n->a, AF_INET6);
	assert_non_null(s);
}

static void drained(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c, *s, *late;

	c = net_dial(n, AF_INET);
	net_run(n);
	s = net_accept(l);
	sock_put(s, "the rest");
	assert_int_equal(weir_stack_drain(n->b, 0), -ETIMEDOUT);
	assert_true(n->drained[1]);
	net_run(n);
	sock_expect(c, "the rest");
	assert_int_equal(read_one(c), 0);
	late = net_dial(n, AF_INET);
	net_run(n);
	assert_int_not_equal(connect_again(late), 0);
	sock_close(late);
	sock_close(c);
	net_run(n);
	assert_int_equal(weir_stack_drain(n->b, 0), 0);
	assert_int_equal(read_one(s), 0);
	sock_close(s);
	sock_close(l);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_conversation),
		T(connect_in_its_states),
		T(refused_then_again),
		T(refused_is_told_once),
		T(ports_of_failed_connects),
		T(timed_out),
		T(no_way_there),
		T(disconnected),
		T(the_same_tuple_twice),
		T(closed_while_connecting),
		T(accept_in_its_states),
		T(a_full_queue),
		T(closing_a_listener_resets_who_waits),
		T(closing_a_listener_in_mid_handshake),
		T(accepted_after_its_end),
		T(half_close),
		T(shut_for_reading),
		T(close_with_unread_data_resets),
		T(data_after_close_resets),
		T(linger_zero_resets),
		T(linger_delivers_in_the_background),
		T(data_before_a_reset_is_read),
		T(unread_data_outlives_the_connection),
		T(closed_with_everything_open),
		T(drained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
