/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pd.h"

int fds_put(struct pd *pd, struct weir_sock *sock, struct pd_epoll *epoll, bool nonblock)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fd >= PD_FDS) {
		close(fd);
		return -EMFILE;
	}
	pd->fds[fd] =
		(struct pd_fd){.sock = sock, .epoll = epoll, .nonblock = nonblock, .linger_s = -1};
	return fd;
}

struct pd_fd *fds_get(struct pd *pd, int fd)
{
	if (fd < 0 || fd >= PD_FDS || (!pd->fds[fd].sock && !pd->fds[fd].epoll)) {
		errno = EBADF;
		return NULL;
	}
	return &pd->fds[fd];
}

struct pd_fd *fds_sock(struct pd *pd, int fd)
{
	struct pd_fd *f = fds_get(pd, fd);

	if (f && !f->sock) {
		errno = ENOTSOCK;
		return NULL;
	}
	return f;
}

void fds_drop(struct pd *pd, int fd)
{
	memset(&pd->fds[fd], 0, sizeof(pd->fds[fd]));
	close(fd);
}
