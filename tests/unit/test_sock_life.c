/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets: listening, connecting, accepting, ending. */
#include "sock_fixture.h"

#include <stdlib.h>

static int setup(void **state)
{
	struct net *n = malloc(sizeof(*n));

	assert_non_null(n);
	net_open(n, NULL);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	net_close(*state);
	free(*state);
	return 0;
}

static void talk(struct net *n, int domain)
{
	struct weir_sock *c, *s;
	char b;

	net_pair(n, domain, &c, &s);
	sock_put(c, "question");
	net_run(n);
	sock_expect(s, "question");
	assert_int_equal(weir_sock_read(s, &b, 1), -EAGAIN);
	sock_put(s, "answer");
	net_run(n);
	sock_expect(c, "answer");
	sock_close(c);
	net_run(n);
	assert_int_equal(weir_sock_read(s, &b, 1), 0);
	assert_int_equal(weir_sock_read(s, &b, 1), 0);
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_conversation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
