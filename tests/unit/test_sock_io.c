/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes in and out of a socket, urgent ones included. */
#include "sock_fixture.h"

#include <limits.h>
#include <stdlib.h>

struct talk {
	struct net n;
	struct weir_sock *c, *s;
};

static int setup(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	assert_non_null(t);
	net_open(&t->n, NULL);
	net_pair(&t->n, AF_INET, &t->c, &t->s);
	opt_set(t->c, IPPROTO_TCP, TCP_NODELAY, 1);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct talk *t = *state;

	sock_close(t->c);
	sock_close(t->s);
	net_close(&t->n);
	free(t);
	return 0;
}

static ssize_t recv_into(struct weir_sock *k, char *buf, size_t len, int flags)
{
	memset(buf, '.', len);
	return weir_sock_recv(k, buf, len, flags);
}

static void flags_are_checked(void **state)
{
	struct talk *t = *state;
	char b[4];

	assert_int_equal(weir_sock_recv(t->s, b, 1, MSG_ERRQUEUE), -EOPNOTSUPP);
	assert_int_equal(weir_sock_send(t->c, b, 1, MSG_CONFIRM), -EOPNOTSUPP);
	assert_int_equal(weir_sock_recv(t->s, b, 1, MSG_DONTWAIT | MSG_WAITALL), -EAGAIN);
	assert_int_equal(weir_sock_recv(t->s, b, SIZE_MAX, 0), -EINVAL);
	assert_int_equal(weir_sock_send(t->c, b, SIZE_MAX, 0), -EINVAL);
	assert_int_equal(weir_sock_send(t->c, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), 1);
	assert_int_equal(weir_sock_send(t->c, "", 0, 0), 0);
	assert_int_equal(weir_sock_read(t->s, b, 0), 0);
}

static void in_pieces(void **state)
{
	struct talk *t = *state;
	char b[4];

	sock_put(t->c, "abcdefg");
	net_run(&t->n);
	assert_int_equal(weir_sock_unread(t->s), 7);
	assert_int_equal(recv_into(t->s, b, 3, 0), 3);
	assert_memory_equal(b, "abc", 3);
	assert_int_equal(recv_into(t->s, b, 4, 0), 4);
	assert_memory_equal(b, "defg", 4);
	assert_int_equal(weir_sock_unread(t->s), 0);
	assert_int_equal(recv_into(t->s, b, 4, 0), -EAGAIN);
}

static void peeked(void **state)
{
	struct talk *t = *state;
	char b[8];

	assert_int_equal(recv_into(t->s, b, 3, MSG_PEEK), -EAGAIN);
	sock_put(t->c, "abc");
	net_run(&t->n);
	assert_int_equal(recv_into(t->s, b, 8, MSG_PEEK), 3);
	assert_int_equal(recv_into(t->s, b, 2, MSG_PEEK), 2);
	assert_memory_equal(b, "ab", 2);
	sock_expect(t->s, "abc");
}

/* MSG_TRUNC of TCP: the bytes are counted and thrown away (tcp(7)). */
static void thrown_away(void **state)
{
	struct talk *t = *state;

	sock_put(t->c, "abcdef");
	net_run(&t->n);
	assert_int_equal(weir_sock_recv(t->s, NULL, 4, MSG_TRUNC), 4);
	sock_expect(t->s, "ef");
}

static void in_vectors(void **state)
{
	struct talk *t = *state;
	char a[2], b[3], c[4];
	char one[] = "one", two[] = "two!";
	struct iovec out[3] = {{one, 3}, {NULL, 0}, {two, 4}};
	struct iovec in[3] = {{a, 2}, {b, 3}, {c, 4}};

	assert_int_equal(weir_sock_writev(t->c, out, 3), 7);
	net_run(&t->n);
	assert_int_equal(weir_sock_readv(t->s, in, 3), 7);
	assert_memory_equal(a, "on", 2);
	assert_memory_equal(b, "etw", 3);
	assert_memory_equal(c, "o!", 2);
	assert_int_equal(weir_sock_readv(t->s, in, -1), -EINVAL);
	assert_int_equal(weir_sock_writev(t->c, out, IOV_MAX + 1), -EINVAL);
	in[0].iov_len = in[1].iov_len = SSIZE_MAX;
	assert_int_equal(weir_sock_readv(t->s, in, 2), -EINVAL);
}

/* The send buffer holds so much; what is taken arrives, what is not is tried again. */
static void partial_writes(void **state)
{
	struct talk *t = *state;
	size_t size = 20000, taken;
	char *buf = malloc(size), *got = malloc(size);
	size_t have = 0;
	ssize_t n;

	assert_int_equal(opt_set(t->c, SOL_SOCKET, SO_SNDBUF, 8192), 0);
	for (size_t i = 0; i < size; i++)
		buf[i] = (char)(i * 7 + i / 251);
	taken = (size_t)weir_sock_write(t->c, buf, size);
	assert_int_equal(taken, 8192);
	assert_int_equal(weir_sock_write(t->c, buf, 1), -EAGAIN);
	assert_int_equal(weir_sock_unsent(t->c), 8192);
	while (have < size) {
		net_pass(&t->n, 50000);
		while ((n = weir_sock_read(t->s, got + have, size - have)) > 0)
			have += (size_t)n;
		n = weir_sock_write(t->c, buf + taken, size - taken);
		taken += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(taken, size);
	assert_memory_equal(buf, got, size);
	net_pass(&t->n, 50000);
	assert_int_equal(weir_sock_unsent(t->c), 0);
	free(buf);
	free(got);
}

/* A reader that does not read closes the window; reading opens it again. */
static void a_full_window(void **state)
{
	struct talk *t = *state;
	char buf[4096] = {0};
	size_t sent = 0, got = 0;
	ssize_t n;

	assert_int_equal(opt_set(t->s, SOL_SOCKET, SO_RCVBUF, 16384), 0);
	for (int i = 0; i < 200; i++) {
		n = weir_sock_write(t->c, buf, sizeof(buf));
		sent += n > 0 ? (size_t)n : 0;
		net_pass(&t->n, 10000);
	}
	assert_int_equal(n, -EAGAIN);
	while (got < sent) {
		n = weir_sock_read(t->s, buf, sizeof(buf));
		got += n > 0 ? (size_t)n : 0;
		net_pass(&t->n, 100000);
	}
	assert_int_equal(got, sent);
}

/* MSG_MORE holds a partial segment back until the rest has come. */
static void more_to_come(void **state)
{
	struct talk *t = *state;

	assert_int_equal(weir_sock_send(t->c, "head ", 5, MSG_MORE), 5);
	net_run(&t->n);
	assert_int_equal(weir_sock_unread(t->s), 0);
	sock_put(t->c, "body");
	net_run(&t->n);
	sock_expect(t->s, "head body");
	/* TCP_CORK does so until it is taken off. */
	assert_int_equal(opt_set(t->c, IPPROTO_TCP, TCP_CORK, 1), 0);
	sock_put(t->c, "one ");
	sock_put(t->c, "two");
	net_run(&t->n);
	assert_int_equal(weir_sock_unread(t->s), 0);
	assert_int_equal(opt_set(t->c, IPPROTO_TCP, TCP_CORK, 0), 0);
	net_run(&t->n);
	sock_expect(t->s, "one two");
}

/* ---- the urgent octet ---------------------------------------------------------- */

static void urgent_out_of_band(void **state)
{
	struct talk *t = *state;
	char b[8];

	assert_int_equal(recv_into(t->s, b, 1, MSG_OOB), -EINVAL);
	assert_int_equal(weir_sock_poll(t->s) & POLLPRI, 0);
	assert_int_equal(weir_sock_send(t->c, "ab!", 3, MSG_OOB), 3);
	sock_put(t->c, "cd");
	net_run(&t->n);
	assert_int_equal(weir_sock_poll(t->s) & POLLPRI, POLLPRI);
	assert_int_equal(weir_sock_atmark(t->s), 0);
	assert_int_equal(weir_sock_unread(t->s), 2);
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB | MSG_PEEK), 1);
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), 1);
	assert_int_equal(b[0], '!');
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), -EINVAL);
	assert_int_equal(weir_sock_poll(t->s) & POLLPRI, 0);
	/* A read stops at the mark, the next one goes on behind the octet. */
	sock_expect(t->s, "ab");
	assert_int_equal(weir_sock_atmark(t->s), 1);
	sock_expect(t->s, "cd");
	assert_int_equal(weir_sock_atmark(t->s), 0);
}

static void urgent_in_line(void **state)
{
	struct talk *t = *state;
	char b[8];

	assert_int_equal(opt_set(t->s, SOL_SOCKET, SO_OOBINLINE, 1), 0);
	assert_int_equal(weir_sock_send(t->c, "ab!", 3, MSG_OOB), 3);
	sock_put(t->c, "cd");
	net_run(&t->n);
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), -EINVAL);
	assert_int_equal(weir_sock_unread(t->s), 5);
	assert_int_equal(weir_sock_poll(t->s) & POLLPRI, POLLPRI);
	sock_expect(t->s, "ab");
	assert_int_equal(weir_sock_atmark(t->s), 1);
	sock_expect(t->s, "!cd");
	assert_int_equal(weir_sock_poll(t->s) & POLLPRI, 0);
}

/* Passed over without being asked for, it is gone. */
static void urgent_not_asked_for(void **state)
{
	struct talk *t = *state;
	char b[8];

	assert_int_equal(weir_sock_send(t->c, "!", 1, MSG_OOB), 1);
	net_run(&t->n);
	/* Nothing to read but the octet itself. */
	assert_int_equal(weir_sock_poll(t->s) & (POLLIN | POLLPRI), POLLPRI);
	assert_int_equal(recv_into(t->s, b, 8, 0), -EAGAIN);
	sock_put(t->c, "x");
	net_run(&t->n);
	sock_expect(t->s, "x");
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), -EINVAL);
	assert_int_equal(weir_sock_poll(t->s) & POLLPRI, 0);
}

/* The mark is announced before its octet arrives: not yet, but soon. */
static void urgent_under_way(void **state)
{
	struct talk *t = *state;
	char buf[4096] = {0}, b[8];
	ssize_t n = 0;

	assert_int_equal(opt_set(t->s, SOL_SOCKET, SO_RCVBUF, 4096), 0);
	for (int i = 0; i < 100 && n >= 0; i++) {
		n = weir_sock_write(t->c, buf, sizeof(buf));
		net_pass(&t->n, 20000);
		if (weir_sock_unsent(t->c) > 4096)
			break;
	}
	assert_int_equal(weir_sock_send(t->c, "!", 1, MSG_OOB), 1);
	net_pass(&t->n, 2000000); /* a probe of the closed window carries the pointer */
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), -EAGAIN);
	for (int i = 0; i < 1000 && weir_sock_recv(t->s, b, 8, MSG_OOB) == -EAGAIN; i++) {
		weir_sock_read(t->s, buf, sizeof(buf));
		net_pass(&t->n, 100000);
	}
	assert_int_equal(b[0], '!');
}

/* A second mark while the first octet waits: that one is passed over. */
static void urgent_twice(void **state)
{
	struct talk *t = *state;
	char b[8];

	assert_int_equal(weir_sock_send(t->c, "1", 1, MSG_OOB), 1);
	net_run(&t->n);
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), 1);
	assert_int_equal(b[0], '1');
	assert_int_equal(weir_sock_send(t->c, "ab2", 3, MSG_OOB), 3);
	net_run(&t->n);
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), 1);
	assert_int_equal(b[0], '2');
	sock_expect(t->s, "ab");
	assert_int_equal(recv_into(t->s, b, 8, 0), -EAGAIN);
}

/* What is urgent outlives the connection like the rest. */
static void urgent_after_the_end(void **state)
{
	struct talk *t = *state;
	char b[8];

	weir_sock_shutdown(t->s, SHUT_WR);
	net_run(&t->n);
	assert_int_equal(weir_sock_send(t->c, "ab!", 3, MSG_OOB), 3);
	sock_put(t->c, "cd");
	weir_sock_shutdown(t->c, SHUT_WR);
	net_pass(&t->n, 60000000);
	assert_int_equal(weir_sock_poll(t->s) & (POLLPRI | POLLHUP), POLLPRI | POLLHUP);
	assert_int_equal(recv_into(t->s, b, 8, MSG_OOB), 1);
	assert_int_equal(b[0], '!');
	sock_expect(t->s, "ab");
	sock_expect(t->s, "cd");
	assert_int_equal(recv_into(t->s, b, 8, 0), 0);
}

/* An octet that MSG_OOB took was read: closing is no reason for a reset. */
static void urgent_taken_then_closed(void **state)
{
	struct talk *t = *state;
	struct weir_sock *c, *s;
	char b[8];

	net_pair(&t->n, AF_INET, &c, &s);
	assert_int_equal(weir_sock_send(c, "!", 1, MSG_OOB), 1);
	net_run(&t->n);
	assert_int_equal(recv_into(s, b, 8, MSG_OOB), 1);
	sock_close(s);
	net_run(&t->n);
	assert_int_equal(recv_into(c, b, 8, 0), 0);
	sock_close(c);
	net_pair(&t->n, AF_INET, &c, &s);
	assert_int_equal(weir_sock_send(c, "!", 1, MSG_OOB), 1);
	net_run(&t->n);
	sock_close(s);
	net_run(&t->n);
	assert_int_equal(recv_into(c, b, 8, 0), -ECONNRESET);
	sock_close(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(flags_are_checked),
		T(in_pieces),
		T(peeked),
		T(thrown_away),
		T(in_vectors),
		T(partial_writes),
		T(a_full_window),
		T(more_to_come),
		T(urgent_out_of_band),
		T(urgent_in_line),
		T(urgent_not_asked_for),
		T(urgent_under_way),
		T(urgent_twice),
		T(urgent_after_the_end),
		T(urgent_taken_then_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
