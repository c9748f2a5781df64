// SPDX-License-Identifier: BSD-2-Clause
/*
 * io_uring: one multishot poll a descriptor, which the kernel answers by an entry in the
 * completion ring (no system call to learn of it), and reads and writes by the batch.
 *
 * A ring's user_data is token << 2 | kind; for reads and writes the token is the place in
 * the batch, which does not outlive bio_run().
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/bio.h"

#define ENTRIES_MIN 64
#define ENTRIES_MAX 1024

enum { KIND_POLL, KIND_OP, KIND_FORGET };

struct bio_uring {
	struct bio bio;
	struct io_uring ring;
	struct bio_op *op; /* of the batch under way */
	unsigned left;	   /* of it, not done */
};

static uint64_t data_of(uint64_t token, unsigned kind)
{
	return token << 2 | kind;
}

static void reap(struct bio_uring *u);

/* Never NULL: what is queued goes to the kernel first, and what that has to say is taken. */
static struct io_uring_sqe *entry(struct bio_uring *u)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&u->ring))) {
		if (io_uring_submit(&u->ring) < 0)
			reap(u);
	}
	return sqe;
}

static int uring_watch(struct bio *b, int fd, uint64_t token)
{
	struct bio_uring *u = (struct bio_uring *)b;
	struct io_uring_sqe *sqe = entry(u);

	io_uring_prep_poll_multishot(sqe, fd, POLLIN | POLLOUT | POLLRDHUP);
	io_uring_sqe_set_data64(sqe, data_of(token, KIND_POLL));
	return 0;
}

/* The poll holds the file: until it is gone, a close closes nothing. */
static void uring_forget(struct bio *b, uint64_t token)
{
	struct bio_uring *u = (struct bio_uring *)b;
	struct io_uring_sqe *sqe = entry(u);

	io_uring_prep_poll_remove(sqe, data_of(token, KIND_POLL));
	io_uring_sqe_set_data64(sqe, data_of(0, KIND_FORGET));
}

static void tell(struct bio_uring *u, uint64_t token, int res, bool more)
{
	unsigned what = BIO_ERR;

	if (res >= 0)
		what = (res & POLLIN ? BIO_IN : 0) | (res & POLLOUT ? BIO_OUT : 0) |
		       (res & (POLLRDHUP | POLLHUP) ? BIO_HUP : 0) | (res & POLLERR ? BIO_ERR : 0);
	/*
	 * The kernel ends a poll whose notice finds no room. Begun anew from here it would end
	 * again, for ever: there is room once all is taken.
	 */
	u->bio.ready(u->bio.arg, token, what | (more || res < 0 ? 0 : BIO_LOST));
}

static void reap(struct bio_uring *u)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&u->ring, &cqe)) {
		uint64_t data = cqe->user_data, token = data >> 2;
		bool more = cqe->flags & IORING_CQE_F_MORE;
		int res = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		switch (data & 3) {
		case KIND_OP:
			u->op[token].res = res;
			u->left--;
			break;
		case KIND_POLL:
			tell(u, token, res, more);
			break;
		}
	}
}

static void uring_poll(struct bio *b)
{
	struct bio_uring *u = (struct bio_uring *)b;

	reap(u);
	while (io_uring_sq_ready(&u->ring) && io_uring_submit(&u->ring) < 0)
		reap(u);
}

static void prepare(struct bio_uring *u, struct bio_op *op, unsigned i)
{
	struct io_uring_sqe *sqe = entry(u);

	op->msg = (struct msghdr){.msg_iov = op->iov, .msg_iovlen = op->niov};
	if (op->send && op->niov == 1)
		io_uring_prep_send(sqe, op->fd, op->iov->iov_base, op->iov->iov_len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (op->send)
		io_uring_prep_sendmsg(sqe, op->fd, &op->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (op->niov == 1)
		io_uring_prep_recv(sqe, op->fd, op->iov->iov_base, op->iov->iov_len, MSG_DONTWAIT);
	else
		io_uring_prep_recvmsg(sqe, op->fd, &op->msg, MSG_DONTWAIT);
	io_uring_sqe_set_data64(sqe, data_of(i, KIND_OP));
}

/*
 * With MSG_DONTWAIT the kernel does each of them while it takes it: the wait is for a
 * kernel that would not, so that none is left when this returns.
 */
static void uring_run(struct bio *b, struct bio_op *op, unsigned n)
{
	struct bio_uring *u = (struct bio_uring *)b;

	u->op = op;
	u->left = n;
	for (unsigned i = 0; i < n; i++)
		prepare(u, &op[i], i);
	io_uring_submit(&u->ring);
	reap(u);
	while (u->left) {
		io_uring_submit_and_wait(&u->ring, 1);
		reap(u);
	}
	u->op = NULL;
}

static void uring_end(struct bio *b)
{
	struct bio_uring *u = (struct bio_uring *)b;

	io_uring_queue_exit(&u->ring);
	free(u);
}

static const struct bio_ops uring_ops = {
	.name = "io_uring",
	.watch = uring_watch,
	.forget = uring_forget,
	.poll = uring_poll,
	.run = uring_run,
	.close = uring_end,
};

/*
 * Not IORING_SETUP_COOP_TASKRUN: who sleeps in poll() on the ring is then told of a notice
 * only with the next tick.
 */
static int open_ring(struct io_uring *ring, unsigned entries)
{
	static const unsigned flags[] = {IORING_SETUP_SINGLE_ISSUER, 0};
	int rc = -EINVAL;

	for (unsigned i = 0; rc == -EINVAL && i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct io_uring_params p = {
			.flags = flags[i] | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
			.cq_entries = entries * 8,
		};

		rc = io_uring_queue_init_params(entries, ring, &p);
	}
	return rc;
}

int bio_uring_open(struct bio **out, unsigned n)
{
	struct bio_uring *u = calloc(1, sizeof(*u));
	unsigned entries = ENTRIES_MIN;
	int rc;

	if (!u)
		return -ENOMEM;
	while (entries < n && entries < ENTRIES_MAX)
		entries *= 2;
	rc = open_ring(&u->ring, entries);
	if (rc) {
		free(u);
		return rc;
	}
	io_uring_ring_dontfork(&u->ring);
	u->bio.ops = &uring_ops;
	u->bio.fd = u->ring.ring_fd;
	*out = &u->bio;
	return 0;
}
