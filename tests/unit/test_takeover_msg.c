/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hand-over's messages: whole in any pieces, and from a stranger: lengths, numbers and
 * descriptors that are not as said are refused, and no descriptor stays behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/takeover_msg.h"
#include "fds.h"

/* A head as it is on the wire. */
struct head {
	uint32_t magic;
	uint16_t type, nfds;
	uint32_t len;
};

struct pipe_of {
	int out, in;
	unsigned fds; /* before */
	struct takeover_msg m;
};

static int setup(void **state)
{
	struct pipe_of *p = calloc(1, sizeof(*p));
	int sv[2];

	assert_non_null(p);
	p->fds = count_fds();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	p->out = sv[0];
	p->in = sv[1];
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pipe_of *p = *state;

	if (p->out >= 0)
		close(p->out);
	close(p->in);
	assert_int_equal(count_fds(), p->fds);
	free(p);
	return 0;
}

/* Bytes with descriptors, whatever they say. */
static void raw(struct pipe_of *p, const void *data, size_t len, unsigned nfds)
{
	struct iovec iov = {(void *)data, len};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(32 * sizeof(int))];
	} u = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd[32];

	assert_true(nfds <= 32);
	for (unsigned i = 0; i < nfds; i++)
		fd[i] = STDIN_FILENO;
	if (nfds) {
		m.msg_control = u.buf;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fd, nfds * sizeof(int));
	}
	assert_int_equal(sendmsg(p->out, &m, 0), len);
}

/* The magic is nobody's business but theirs: taken from a message that was sent. */
static uint32_t magic(void)
{
	struct head h;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(takeover_say(sv[0], TAKEOVER_GO, 0), 0);
	assert_int_equal(read(sv[1], &h, sizeof(h)), sizeof(h));
	close(sv[0]);
	close(sv[1]);
	return h.magic;
}

static void whole(void **state)
{
	struct pipe_of *p = *state;
	int fds[TAKEOVER_FDS_MAX];
	const struct takeover_out out = {.type = TAKEOVER_HELD,
					 .data = "frames",
					 .len = 6,
					 .more = " held",
					 .more_len = 5,
					 .fd = fds,
					 .nfds = TAKEOVER_FDS_MAX};

	for (unsigned i = 0; i < TAKEOVER_FDS_MAX; i++)
		fds[i] = p->out;
	assert_int_equal(takeover_send(p->out, &out, 0), 0);
	assert_int_equal(takeover_say(p->out, TAKEOVER_GO, 0), 0);
	assert_int_equal(takeover_recv(p->in, &p->m, 1000), 0);
	assert_int_equal(p->m.type, TAKEOVER_HELD);
	assert_int_equal(p->m.len, 11);
	assert_memory_equal(p->m.data, "frames held", 11);
	assert_int_equal(p->m.nfds, TAKEOVER_FDS_MAX);
	for (unsigned i = 0; i < TAKEOVER_FDS_MAX; i++)
		assert_true(fcntl(p->m.fd[i], F_GETFD) & FD_CLOEXEC);
	takeover_msg_close(&p->m);
	assert_int_equal(takeover_recv(p->in, &p->m, 1000), 0);
	assert_int_equal(p->m.type, TAKEOVER_GO);
	assert_int_equal(p->m.nfds + p->m.len, 0);
}

struct large {
	int sock;
	int rc;
	uint8_t data[TAKEOVER_DATA_MAX];
};

static void *send_large(void *arg)
{
	struct large *l = arg;
	const struct takeover_out out = {
		.type = TAKEOVER_LEGACY, .data = l->data, .len = sizeof(l->data)};

	for (int i = 0; i < 20 && !l->rc; i++)
		l->rc = takeover_send(l->sock, &out, 10000);
	return NULL;
}

/* More than the socket holds: the sender waits for who reads. */
static void large_ones(void **state)
{
	struct large *l = calloc(1, sizeof(*l));
	struct pipe_of *p = *state;
	pthread_t thread;

	assert_non_null(l);
	l->sock = p->out;
	for (unsigned i = 0; i < sizeof(l->data); i++)
		l->data[i] = (uint8_t)(i * 7);
	assert_int_equal(pthread_create(&thread, NULL, send_large, l), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(takeover_recv(p->in, &p->m, 10000), 0);
		assert_int_equal(p->m.len, sizeof(l->data));
		assert_memory_equal(p->m.data, l->data, sizeof(l->data));
	}
	pthread_join(thread, NULL);
	assert_int_equal(l->rc, 0);
	free(l);
}

static void too_much_to_send(void **state)
{
	static uint8_t data[TAKEOVER_DATA_MAX];
	struct pipe_of *p = *state;
	struct takeover_out out = {.type = TAKEOVER_HELD,
				   .data = data,
				   .len = sizeof(data),
				   .more = data,
				   .more_len = 1};
	int i;

	assert_int_equal(takeover_send(p->out, &out, 0), -EMSGSIZE);
	out.more_len = 0;
	out.nfds = TAKEOVER_FDS_MAX + 1;
	assert_int_equal(takeover_send(p->out, &out, 0), -EMSGSIZE);
	/* Who does not read is not waited for. */
	out.nfds = 0;
	for (i = 0; i < 1000 && !takeover_send(p->out, &out, 0); i++)
		continue;
	assert_in_range(i, 1, 999);
	assert_int_equal(takeover_send(p->out, &out, 20), -EAGAIN);
}

static void refused(struct pipe_of *p, struct head h, unsigned nfds)
{
	raw(p, &h, sizeof(h), nfds);
	assert_int_equal(takeover_recv(p->in, &p->m, 100), -EPROTO);
	for (unsigned i = 0; i < TAKEOVER_FDS_MAX; i++)
		assert_int_equal(p->m.fd[i], -1);
	/* Both ends of the pipe and nothing else. */
	assert_int_equal(count_fds(), p->fds + 2);
}

static void bad_heads(void **state)
{
	const struct head good = {magic(), TAKEOVER_GO, 0, 0};
	struct pipe_of *p = *state;
	struct head h;

	h = good;
	h.magic ^= 1;
	refused(p, h, 0);
	h = good;
	h.type = 0;
	refused(p, h, 0);
	h.type = TAKEOVER_TYPES;
	refused(p, h, 2);
	h.type = UINT16_MAX;
	refused(p, h, 0);
	h = good;
	h.len = TAKEOVER_DATA_MAX + 1;
	refused(p, h, 1);
	h.len = UINT32_MAX;
	refused(p, h, 0);
	h = good;
	h.nfds = TAKEOVER_FDS_MAX + 1;
	refused(p, h, TAKEOVER_FDS_MAX);
	/* More or fewer descriptors than it says. */
	h = good;
	refused(p, h, 1);
	h.nfds = 2;
	refused(p, h, 1);
	refused(p, h, 3);
	/* More than there is room for. */
	h.nfds = TAKEOVER_FDS_MAX;
	refused(p, h, TAKEOVER_FDS_MAX + 1);
	refused(p, h, 32);
}

/* In pieces, each of which comes with descriptors: they count all the same. */
static void pieces(void **state)
{
	struct pipe_of *p = *state;
	struct head h = {magic(), TAKEOVER_HELD, TAKEOVER_FDS_MAX, 100};
	uint8_t data[100] = {0};

	raw(p, &h, 5, TAKEOVER_FDS_MAX - 1);
	raw(p, (uint8_t *)&h + 5, sizeof(h) - 5, 1);
	raw(p, data, sizeof(data), 0);
	assert_int_equal(takeover_recv(p->in, &p->m, 100), 0);
	takeover_msg_close(&p->m);
	raw(p, &h, 5, TAKEOVER_FDS_MAX - 1);
	raw(p, (uint8_t *)&h + 5, sizeof(h) - 5, 2);
	assert_int_equal(takeover_recv(p->in, &p->m, 100), -EPROTO);
	assert_int_equal(count_fds(), p->fds + 2);
}

/* What comes is a part, and then nothing, or the end. */
static void cut_off(void **state)
{
	struct pipe_of *p = *state;
	struct head h = {magic(), TAKEOVER_HELD, 3, 1000};
	uint8_t data[999] = {0};

	assert_int_equal(takeover_recv(p->in, &p->m, 0), -ETIMEDOUT);
	raw(p, &h, sizeof(h), 3);
	raw(p, data, sizeof(data), 0);
	assert_int_equal(takeover_recv(p->in, &p->m, 50), -ETIMEDOUT);
	assert_int_equal(count_fds(), p->fds + 2);
	raw(p, &h, sizeof(h) - 1, 3);
	close(p->out);
	p->out = -1;
	assert_int_equal(takeover_recv(p->in, &p->m, 50), -ECONNRESET);
	assert_int_equal(count_fds(), p->fds + 1);
	assert_int_equal(takeover_say(p->in, TAKEOVER_GO, 50), -EPIPE);
}

/* Any bytes at all: an error, or a message as it says; never a descriptor that stays. */
static void noise(void **state)
{
	struct pipe_of *p = *state;
	uint32_t m = magic();

	srand(1);
	for (int round = 0; round < 2000; round++) {
		uint8_t data[64];
		struct head *h = (struct head *)data;
		size_t len = (size_t)rand() % sizeof(data) + 1;
		int sv[2];

		for (unsigned i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)rand();
		if (round % 2)
			*h = (struct head){m, (uint16_t)(rand() % 16), (uint16_t)(rand() % 12),
					   (uint32_t)rand() % 80};
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		close(p->out);
		close(p->in);
		p->out = sv[0];
		p->in = sv[1];
		raw(p, data, len, (unsigned)rand() % 12);
		shutdown(p->out, SHUT_WR);
		while (!takeover_recv(p->in, &p->m, 0))
			takeover_msg_close(&p->m);
		assert_int_equal(count_fds(), p->fds + 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole, setup, teardown),
		cmocka_unit_test_setup_teardown(large_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_to_send, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_heads, setup, teardown),
		cmocka_unit_test_setup_teardown(pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(noise, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
