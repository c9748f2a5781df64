/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors of a worker: notices, batches, and what a machine without io_uring gets. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "bio_both.h"

#define MANY 700 /* more than the smallest completion ring holds */

struct seen {
	int fd[MANY]; /* by token; -1: forgotten */
	unsigned what[MANY];
	unsigned told, stale, lost;
};

static struct seen seen;

static void ready(void *arg, uint64_t token, unsigned what)
{
	struct seen *s = arg;

	assert_true(token < MANY);
	if (s->fd[token] < 0) {
		s->stale++;
		return;
	}
	s->what[token] |= what;
	s->told++;
	s->lost += what & BIO_LOST ? 1 : 0;
}

static struct bio *open_one(enum bio_kind kind)
{
	struct bio *b;
	char why[128];

	if (kind == BIO_URING && bio_choose(BIO_URING, why, sizeof(why)) < 0)
		skip();
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(bio_open(&b, kind, 1, ready, &seen), 0);
	return b;
}

static void pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

/* ---- notices ------------------------------------------------------------------------- */

static void edges(enum bio_kind kind)
{
	struct bio *b = open_one(kind);
	int fd[2];

	pair(fd);
	seen.fd[7] = fd[0];
	assert_int_equal(b->ops->watch(b, fd[0], 7), 0);
	b->ops->poll(b);
	b->ops->poll(b);
	assert_int_equal(seen.what[7], BIO_OUT);
	seen.what[7] = seen.told = 0;
	b->ops->poll(b);
	assert_int_equal(seen.told, 0); /* an edge, not a state */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(fd[1], "x", 1), 1);
		b->ops->poll(b);
		assert_true(seen.what[7] & BIO_IN);
		seen.what[7] = 0;
	}
	shutdown(fd[1], SHUT_WR);
	b->ops->poll(b);
	assert_true(seen.what[7] & BIO_HUP);
	b->ops->forget(b, 7);
	close(fd[0]);
	seen.fd[7] = -1;
	b->ops->poll(b);
	assert_int_equal(write(fd[1], "x", 1), -1); /* closed: nothing holds it open */
	assert_int_equal(errno, EPIPE);
	close(fd[1]);
	b->ops->close(b);
}

/* What is told of a descriptor that is no more is of nobody, whoever has its number now. */
static void stale(enum bio_kind kind)
{
	struct bio *b = open_one(kind);
	int old[2], new[2];

	pair(old);
	seen.fd[1] = old[0];
	b->ops->watch(b, old[0], 1);
	b->ops->poll(b);
	assert_int_equal(write(old[1], "x", 1), 1);
	b->ops->forget(b, 1);
	close(old[0]);
	seen.fd[1] = -1;
	pair(new);
	assert_int_equal(new[0], old[0]);
	seen.fd[2] = new[0];
	seen.told = 0;
	b->ops->watch(b, new[0], 2);
	b->ops->poll(b);
	b->ops->poll(b);
	assert_int_equal(seen.what[2], BIO_OUT);
	close(old[1]);
	close(new[0]);
	close(new[1]);
	b->ops->close(b);
}

static void watch_again(struct bio *b)
{
	unsigned some = 64;

	for (unsigned i = 0; i < MANY && some; i++) {
		if (!(seen.what[i] & BIO_LOST))
			continue;
		seen.what[i] &= ~(unsigned)BIO_LOST;
		some--;
		assert_int_equal(b->ops->watch(b, seen.fd[i], i), 0);
	}
}

/* More at once than the ring of notices holds: each is told, also the next time. */
static void many(enum bio_kind kind)
{
	struct bio *b = open_one(kind);
	static int fd[MANY][2];

	for (unsigned i = 0; i < MANY; i++) {
		pair(fd[i]);
		seen.fd[i] = fd[i][0];
		assert_int_equal(b->ops->watch(b, fd[i][0], i), 0);
	}
	for (unsigned round = 0; round < 4; round++) {
		unsigned left = MANY;

		for (unsigned i = 0; i < MANY; i++)
			seen.what[i] &= BIO_LOST;
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(write(fd[i][1], "x", 1), 1);
		for (int k = 0; k < 100 && left; k++) {
			b->ops->poll(b);
			watch_again(b);
			left = 0;
			for (unsigned i = 0; i < MANY; i++)
				left += !(seen.what[i] & BIO_IN);
		}
		assert_int_equal(left, 0);
	}
	/* That is what the test is of. */
	assert_true(seen.lost || kind == BIO_EPOLL);
	for (unsigned i = 0; i < MANY; i++) {
		b->ops->forget(b, i);
		close(fd[i][0]);
		seen.fd[i] = -1;
	}
	b->ops->poll(b);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(write(fd[i][1], "x", 1), -1);
		close(fd[i][1]);
	}
	b->ops->close(b);
}

/* ---- batches --------------------------------------------------------------------------- */

/* Each with its own result, those that would block, too; more than the ring has entries. */
static void batch(enum bio_kind kind)
{
	static char buf[200][8];
	struct iovec iov[200];
	struct bio_op op[200];
	struct bio *b = open_one(kind);
	int fd[2], gone[2];

	pair(fd);
	pair(gone);
	close(gone[1]);
	for (unsigned i = 0; i < 200; i++) {
		iov[i] = (struct iovec){buf[i], 3};
		memcpy(buf[i], "abc", 3);
		op[i] = (struct bio_op){.fd = i % 4 == 3 ? gone[0]
					      : i % 4	 ? fd[0]
							 : fd[1],
					.send = i % 4 == 0 || i % 4 == 3,
					.iov = &iov[i],
					.niov = 1};
	}
	b->ops->run(b, op, 200);
	for (unsigned i = 0; i < 200; i++) {
		static const ssize_t want[4] = {3, 3, -EAGAIN, -EPIPE};

		assert_int_equal(op[i].res, want[i % 4]);
	}
	/* In pieces, the last of them partly. */
	assert_int_equal(write(fd[1], "0123456789", 10), 10);
	memset(buf, '-', sizeof(buf));
	op[0] = (struct bio_op){.fd = fd[0], .iov = iov, .niov = 5};
	b->ops->run(b, op, 1);
	assert_int_equal(op[0].res, 10);
	assert_memory_equal(buf[0], "012-----345-----678-----9-------", 32);
	close(fd[0]);
	close(fd[1]);
	close(gone[0]);
	b->ops->close(b);
}

/* ---- without io_uring ---------------------------------------------------------------------- */

static int refuse_rings(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = 4, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? -errno : 0;
}

static int without(int error, const char *said)
{
	char why[128];

	if (refuse_rings(error))
		return 77;
	if (bio_choose(BIO_AUTO, why, sizeof(why)) != BIO_EPOLL)
		return 1;
	if (strncmp(why, "epoll: no io_uring: ", 20) || !strstr(why, said))
		return 2;
	if (bio_choose(BIO_URING, why, sizeof(why)) != -error || !strstr(why, said))
		return 3;
	return bio_choose(BIO_EPOLL, why, sizeof(why)) == BIO_EPOLL ? 0 : 4;
}

static void expect_without(int error, const char *said)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(without(error, said));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void no_rings(void **state)
{
	(void)state;
	expect_without(ENOSYS, "this kernel has none");
	expect_without(EPERM, "kernel.io_uring_disabled");
	expect_without(ENOMEM, "Cannot allocate memory");
}

BIO_BOTH(edges)
BIO_BOTH(stale)
BIO_BOTH(many)
BIO_BOTH(batch)

static int more_descriptors(void **state)
{
	struct rlimit r;

	(void)state;
	if (getrlimit(RLIMIT_NOFILE, &r))
		return -1;
	r.rlim_cur = r.rlim_max < 4096 ? r.rlim_max : 4096;
	return setrlimit(RLIMIT_NOFILE, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BIO_TESTS(edges), BIO_TESTS(stale),	      BIO_TESTS(many),
		BIO_TESTS(batch), cmocka_unit_test(no_rings),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, more_descriptors, NULL);
}
