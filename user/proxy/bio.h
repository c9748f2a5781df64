/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptors of one worker: which of them are ready, and reads and writes of many of
 * them in one go. Two ways to have that, chosen once (bio_choose):
 *
 *              who is ready            reads and writes
 *     uring    multishot polls         a batch to one io_uring_enter()
 *     epoll    edge-triggered epoll    a system call each
 *
 * Every read and write is MSG_DONTWAIT: it is over when bio_run() returns, with either way.
 * So no buffer is ever the kernel's between two calls, and whoever owns a buffer may free it
 * at any other time; what outlives a descriptor are notices, told apart by their tokens.
 *
 * One thread.
 */
#ifndef WEIR_PROXY_BIO_H
#define WEIR_PROXY_BIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum bio_kind { BIO_AUTO, BIO_URING, BIO_EPOLL };

/* What has become possible of a descriptor; an edge, not a state. */
#define BIO_IN	0x1
#define BIO_OUT 0x2
#define BIO_HUP 0x4 /* the peer has closed its side */
#define BIO_ERR 0x8
/*
 * It is watched no longer, as more was to be told at once than the kernel could keep: to be
 * watched again, some at a time, each time after a poll().
 */
#define BIO_LOST 0x10

struct bio_op {
	int fd;
	bool send;
	unsigned niov;
	struct iovec *iov;
	ssize_t res;	   /* bytes or -errno */
	struct msghdr msg; /* bio_run()'s own */
};

/* Tokens are the caller's, below 2^62; a used one does not come back for another descriptor. */
struct bio {
	const struct bio_ops *ops;
	int fd; /* readable when poll() has something to tell */
	/* A notice, perhaps of a descriptor that is forgotten; calls nothing of this. */
	void (*ready)(void *arg, uint64_t token, unsigned what);
	void *arg;
};

struct bio_ops {
	const char *name;
	/* From now until it is forgotten, both ways. 0 or -errno. */
	int (*watch)(struct bio *b, int fd, uint64_t token);
	/* Before the descriptor is closed. */
	void (*forget)(struct bio *b, uint64_t token);
	/* Tells what there is to tell, and hands the kernel what is queued. Never waits. */
	void (*poll)(struct bio *b);
	/* Does them all; may tell, too. */
	void (*run)(struct bio *b, struct bio_op *op, unsigned n);
	void (*close)(struct bio *b);
};

/*
 * What `want` comes to on this machine: BIO_URING or BIO_EPOLL, found out by a ring that reads
 * from a socket. -errno when io_uring is insisted on and cannot be had. `why` says in any case
 * what was found.
 */
int bio_choose(enum bio_kind want, char *why, size_t len);

/* BIO_URING or BIO_EPOLL; `n`: descriptors that are expected to be busy at once. */
int bio_open(struct bio **out, enum bio_kind kind, unsigned n,
	     void (*ready)(void *arg, uint64_t token, unsigned what), void *arg);

int bio_uring_open(struct bio **out, unsigned n);
int bio_epoll_open(struct bio **out);

#endif
