/* SPDX-License-Identifier: BSD-2-Clause */
/* Readiness: what poll() says, and what weir_stack_wait() reports. */
#include "sock_fixture.h"

#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

/* What Linux's tcp_poll() says in each state. */
static void poll_in_each_state(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = sock_at(n->b, AF_INET), *c, *s;

	assert_int_equal(weir_sock_poll(l), OUT | POLLHUP);
	sock_close(l);
	l = net_listen(n, AF_INET, 5);
	assert_int_equal(weir_sock_poll(l), 0);
	c = net_dial(n, AF_INET);
	assert_int_equal(weir_sock_poll(c), 0);
	net_run(n);
	assert_int_equal(weir_sock_poll(c), OUT);
	assert_int_equal(weir_sock_poll(l), IN);
	s = net_accept(l);
	assert_int_equal(weir_sock_poll(l), 0);
	assert_int_equal(weir_sock_poll(s), OUT);
	sock_put(c, "x");
	net_run(n);
	assert_int_equal(weir_sock_poll(s), IN | OUT);
	sock_expect(s, "x");
	assert_int_equal(weir_sock_poll(s), OUT);
	weir_sock_shutdown(c, SHUT_WR);
	assert_int_equal(weir_sock_poll(c), OUT);
	net_run(n);
	assert_int_equal(weir_sock_poll(s), IN | OUT | POLLRDHUP);
	weir_sock_shutdown(s, SHUT_WR);
	assert_int_equal(weir_sock_poll(s), IN | OUT | POLLRDHUP | POLLHUP);
	net_run(n);
	assert_int_equal(weir_sock_poll(c), IN | OUT | POLLRDHUP | POLLHUP);
	assert_int_equal(weir_sock_poll(s), IN | OUT | POLLRDHUP | POLLHUP);
	sock_close(c);
	sock_close(s);
	sock_close(l);
}

static void shut_for_reading(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	weir_sock_shutdown(c, SHUT_RD);
	assert_int_equal(weir_sock_poll(c), IN | OUT | POLLRDHUP);
	weir_sock_shutdown(c, SHUT_WR);
	assert_int_equal(weir_sock_poll(c), IN | OUT | POLLRDHUP | POLLHUP);
	sock_close(c);
	sock_close(s);
}

/* No POLLOUT while the buffer is full, and it comes back by itself. */
static void writable_again(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;
	struct weir_event ev;
	char buf[8192] = {0};

	net_pair(n, AF_INET, &c, &s);
	opt_set(c, SOL_SOCKET, SO_SNDBUF, 8192);
	weir_sock_watch(c, POLLOUT, NULL);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 1);
	assert_int_equal(weir_sock_write(c, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(weir_sock_poll(c), 0);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 0);
	net_pass(n, 100000);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 1);
	assert_int_equal(ev.events, POLLOUT);
	sock_close(c);
	sock_close(s);
}

/* Room for a part of it is enough, and is told while the rest still waits. */
static void writable_in_part(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;
	struct weir_event ev;
	char buf[16384] = {0};

	net_pair(n, AF_INET, &c, &s);
	opt_set(s, SOL_SOCKET, SO_RCVBUF, 4096);
	opt_set(c, SOL_SOCKET, SO_SNDBUF, sizeof(buf));
	for (int i = 0; i < 50; i++) {
		weir_sock_write(c, buf, sizeof(buf) - weir_sock_unsent(c));
		net_pass(n, 20000);
	}
	assert_int_equal(weir_sock_unsent(c), sizeof(buf));
	weir_sock_watch(c, POLLOUT, NULL);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 0);
	while (weir_sock_unsent(c) == sizeof(buf)) {
		weir_sock_recv(s, NULL, sizeof(buf), MSG_TRUNC);
		net_pass(n, 100000);
	}
	assert_true(weir_sock_unsent(c) > 0);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 1);
	assert_int_equal(ev.events, POLLOUT);
	sock_close(c);
	sock_close(s);
}

static void level_triggered(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;
	struct weir_event ev[4];

	net_pair(n, AF_INET, &c, &s);
	weir_sock_watch(s, POLLIN, &ev);
	assert_int_equal(weir_stack_wait(n->b, ev, 4, 0), 0);
	sock_put(c, "ab");
	net_run(n);
	for (int i = 0; i < 3; i++) {
		memset(ev, 0, sizeof(ev));
		assert_int_equal(weir_stack_wait(n->b, ev, 4, 0), 1);
		assert_ptr_equal(ev[0].sock, s);
		assert_ptr_equal(ev[0].arg, &ev);
		assert_int_equal(ev[0].events, POLLIN);
	}
	sock_expect(s, "ab");
	assert_int_equal(weir_stack_wait(n->b, ev, 4, 0), 0);
	/* Watched anew while it is ready: reported without anything new happening. */
	weir_sock_watch(s, 0, NULL);
	sock_put(c, "cd");
	net_pass(n, 100000);
	assert_int_equal(weir_stack_wait(n->b, ev, 4, 0), 0);
	weir_sock_watch(s, POLLIN | POLLOUT, NULL);
	assert_int_equal(weir_stack_wait(n->b, ev, 4, 0), 1);
	assert_int_equal(ev[0].events, POLLIN | POLLOUT);
	assert_int_equal(weir_stack_timeout(n->b), 0);
	/* Closed sockets are not reported. */
	sock_close(s);
	assert_int_equal(weir_stack_wait(n->b, ev, 4, 0), 0);
	sock_close(c);
}

/* Errors and hang-up are reported whatever is watched for. */
static void errors_always(void **state)
{
	struct net *n = *state;
	struct linger now = {.l_onoff = 1};
	struct weir_sock *c, *s;
	struct weir_event ev;

	net_pair(n, AF_INET, &c, &s);
	weir_sock_watch(s, POLLPRI, NULL);
	weir_sock_setopt(c, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	sock_close(c);
	net_run(n);
	assert_int_equal(weir_stack_wait(n->b, &ev, 1, 0), 1);
	assert_int_equal(ev.events, POLLERR | POLLHUP);
	assert_int_equal(sock_error(s), ECONNRESET);
	assert_int_equal(weir_stack_wait(n->b, &ev, 1, 0), 1);
	assert_int_equal(ev.events, POLLHUP);
	sock_close(s);
	s = net_dial(n, AF_INET);
	weir_sock_watch(s, POLLPRI, NULL);
	net_run(n);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 1);
	assert_int_equal(ev.events, POLLERR | POLLHUP);
	sock_close(s);
}

static void connected_and_accepted(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 5), *c = net_dial(n, AF_INET);
	struct weir_event ev;

	weir_sock_watch(l, POLLIN, NULL);
	weir_sock_watch(c, POLLOUT | POLLIN, NULL);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 0);
	net_run(n);
	assert_int_equal(weir_stack_wait(n->a, &ev, 1, 0), 1);
	assert_int_equal(ev.events, POLLOUT);
	assert_int_equal(weir_stack_wait(n->b, &ev, 1, 0), 1);
	assert_ptr_equal(ev.sock, l);
	sock_close(net_accept(l));
	assert_int_equal(weir_stack_wait(n->b, &ev, 1, 0), 0);
	sock_close(c);
	sock_close(l);
}

static void urgent(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;
	struct weir_event ev;

	net_pair(n, AF_INET, &c, &s);
	weir_sock_watch(s, POLLPRI, NULL);
	weir_sock_send(c, "!", 1, MSG_OOB);
	net_run(n);
	assert_int_equal(weir_stack_wait(n->b, &ev, 1, 0), 1);
	assert_int_equal(ev.events, POLLPRI);
	sock_close(c);
	sock_close(s);
}

/* More are ready than there is room for: all get their turn. */
static void turns(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 20), *c[10], *s[10];
	unsigned seen[10] = {0};
	struct weir_event ev[3];

	for (size_t i = 0; i < 10; i++) {
		c[i] = net_dial(n, AF_INET);
		net_run(n);
		s[i] = net_accept(l);
		weir_sock_watch(s[i], POLLIN, (void *)i);
		sock_put(c[i], "x");
	}
	net_run(n);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(weir_stack_wait(n->b, ev, 3, 0), 3);
		for (int j = 0; j < 3; j++)
			seen[(size_t)ev[j].arg]++;
	}
	for (int i = 0; i < 10; i++) {
		assert_int_equal(seen[i], 6);
		sock_close(c[i]);
		sock_close(s[i]);
	}
	assert_int_equal(weir_stack_wait(n->b, NULL, 1, 0), -EINVAL);
	assert_int_equal(weir_stack_wait(n->b, ev, -1, 0), -EINVAL);
	assert_int_equal(weir_stack_wait(n->b, NULL, 0, 0), 0);
	sock_close(l);
}

/* For a loop of one's own: no descriptor here, but the time of the next turn. */
static void timers_are_told(void **state)
{
	struct net *n = *state;
	struct weir_sock *c = net_dial(n, AF_INET);

	assert_int_equal(weir_stack_fd(n->a), -ENOTSUP);
	assert_int_equal(weir_stack_timeout(n->a), 0); /* the SYN is due */
	n->p.cut = true;
	net_run(n);
	assert_true(weir_stack_timeout(n->a) > 0);
	assert_true(weir_stack_timeout(n->a) <= 200);
	sock_close(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(poll_in_each_state),	   T(shut_for_reading), T(writable_again),
		T(writable_in_part),	   T(level_triggered),	T(errors_always),
		T(connected_and_accepted), T(urgent),		T(turns),
		T(timers_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
