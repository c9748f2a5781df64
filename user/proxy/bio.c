// SPDX-License-Identifier: BSD-2-Clause
/* Which way of waiting for descriptors this machine has. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/bio.h"

int bio_open(struct bio **out, enum bio_kind kind, unsigned n,
	     void (*ready)(void *arg, uint64_t token, unsigned what), void *arg)
{
	int rc = kind == BIO_URING ? bio_uring_open(out, n) : bio_epoll_open(out);

	if (rc)
		return rc;
	(*out)->ready = ready;
	(*out)->arg = arg;
	return 0;
}

static void note(void *arg, uint64_t token, unsigned what)
{
	(void)token;
	*(unsigned *)arg |= what;
}

/* All that is used of it, on a pair of sockets: a write, the notice of it, the read. */
static int try_pair(struct bio *b, const int fd[2])
{
	char out = 'x', in = 0;
	struct iovec iov[2] = {{&out, 1}, {&in, 1}};
	struct bio_op op[2] = {
		{.fd = fd[1], .send = true, .iov = &iov[0], .niov = 1},
		{.fd = fd[0], .iov = &iov[1], .niov = 1},
	};
	int rc = b->ops->watch(b, fd[0], 1);

	if (rc)
		return rc;
	b->ops->poll(b);
	b->ops->run(b, op, 2);
	b->ops->poll(b);
	if (op[0].res < 0)
		return (int)op[0].res;
	if (op[1].res != 1 || in != 'x')
		return op[1].res < 0 ? (int)op[1].res : -EIO;
	return *(unsigned *)b->arg & BIO_IN ? 0 : -EIO;
}

static int try_uring(void)
{
	unsigned what = 0;
	struct bio *b;
	int fd[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		return -errno;
	rc = bio_open(&b, BIO_URING, 16, note, &what);
	if (!rc) {
		rc = try_pair(b, fd);
		b->ops->close(b);
	}
	close(fd[0]);
	close(fd[1]);
	return rc;
}

/* What the operator can do about it is in the errno. */
static const char *reason(int rc)
{
	switch (rc) {
	case -ENOSYS:
		return "this kernel has none";
	case -EPERM:
		return "refused: kernel.io_uring_disabled, or a seccomp filter";
	case -EACCES:
		return "refused by a security module";
	default:
		return strerror(-rc);
	}
}

int bio_choose(enum bio_kind want, char *why, size_t len)
{
	int rc;

	if (want == BIO_EPOLL) {
		snprintf(why, len, "epoll, as asked for");
		return BIO_EPOLL;
	}
	rc = try_uring();
	if (!rc) {
		snprintf(why, len, "io_uring");
		return BIO_URING;
	}
	if (want == BIO_URING) {
		snprintf(why, len, "no io_uring: %s", reason(rc));
		return rc;
	}
	snprintf(why, len, "epoll: no io_uring: %s", reason(rc));
	return BIO_EPOLL;
}
