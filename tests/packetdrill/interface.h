/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How packetdrill talks to a TCP that lives in a shared object (its option
 * --so_filename): it loads the object, calls packetdrill_interface_init() once, and
 * from then on makes every system call, every packet and every look at the clock of
 * a script through the table that this fills in.
 *
 * The table is declared here anew, member for member in the order that the tool
 * expects, so that packetdrill is needed neither for building nor for the tests.
 * Calls behave as the system calls they are named after: -1 with errno set. The
 * first argument of each is `self`.
 */
#ifndef WEIR_PACKETDRILL_INTERFACE_H
#define WEIR_PACKETDRILL_INTERFACE_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

struct pd_interface {
	void *self;
	void (*destroy)(void *self);

	/* sockets */
	int (*socket)(void *self, int domain, int type, int protocol);
	int (*bind)(void *self, int fd, const struct sockaddr *a, socklen_t len);
	int (*listen)(void *self, int fd, int backlog);
	int (*accept)(void *self, int fd, struct sockaddr *a, socklen_t *len);
	int (*connect)(void *self, int fd, const struct sockaddr *a, socklen_t len);

	/* data in */
	ssize_t (*read)(void *self, int fd, void *buf, size_t len);
	ssize_t (*readv)(void *self, int fd, const struct iovec *iov, int n);
	ssize_t (*recv)(void *self, int fd, void *buf, size_t len, int flags);
	ssize_t (*recvfrom)(void *self, int fd, void *buf, size_t len, int flags,
			    struct sockaddr *a, socklen_t *alen);
	ssize_t (*recvmsg)(void *self, int fd, struct msghdr *msg, int flags);

	/* data out */
	ssize_t (*write)(void *self, int fd, const void *buf, size_t len);
	ssize_t (*writev)(void *self, int fd, const struct iovec *iov, int n);
	ssize_t (*send)(void *self, int fd, const void *buf, size_t len, int flags);
	ssize_t (*sendto)(void *self, int fd, const void *buf, size_t len, int flags,
			  const struct sockaddr *a, socklen_t alen);
	ssize_t (*sendmsg)(void *self, int fd, const struct msghdr *msg, int flags);

	/* descriptors and options */
	int (*fcntl)(void *self, int fd, int cmd, ...);
	int (*ioctl)(void *self, int fd, unsigned long request, ...);
	int (*close)(void *self, int fd);
	int (*shutdown)(void *self, int fd, int how);
	int (*getsockopt)(void *self, int fd, int level, int name, void *v, socklen_t *len);
	int (*setsockopt)(void *self, int fd, int level, int name, const void *v, socklen_t len);
	int (*poll)(void *self, struct pollfd *fds, nfds_t n, int timeout_ms);

	/*
	 * Packets, from the IP header on. netdev_receive(): *count is the room in, the
	 * length out, 0 for none; *time_us when it left. A non-zero result makes
	 * packetdrill ask again at once, for ever.
	 */
	int (*netdev_send)(void *self, const void *buf, size_t count);
	int (*netdev_receive)(void *self, void *buf, size_t *count, long long *time_us);

	/* time */
	int (*usleep)(void *self, useconds_t us);
	int (*gettimeofday)(void *self, struct timeval *tv, struct timezone *tz);

	/* the rest of readiness, and what only Linux has */
	int (*epoll_create)(void *self, int size);
	int (*epoll_ctl)(void *self, int epfd, int op, int fd, struct epoll_event *ev);
	int (*epoll_wait)(void *self, int epfd, struct epoll_event *ev, int max, int timeout_ms);
	int (*pipe)(void *self, int fds[2]);
	int (*splice)(void *self, int in, loff_t *in_off, int out, loff_t *out_off, size_t len,
		      unsigned flags);
};

/* The one symbol that the object exports. flags: --so_flags, or NULL (settings.h). */
void packetdrill_interface_init(const char *flags, struct pd_interface *ifc);

#endif
