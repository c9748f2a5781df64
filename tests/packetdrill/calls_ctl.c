/* SPDX-License-Identifier: BSD-2-Clause */
/* Options and states of descriptors: fcntl, ioctl, getsockopt, setsockopt. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "pd.h"
#include "sock/linux_tcp.h"

static int do_fcntl(struct pd_fd *f, int cmd, int arg)
{
	switch (cmd) {
	case F_GETFD:
		return FD_CLOEXEC;
	case F_SETFD:
		return 0;
	case F_GETFL:
		return O_RDWR | (f->nonblock ? O_NONBLOCK : 0);
	case F_SETFL:
		f->nonblock = arg & O_NONBLOCK;
		return 0;
	}
	return -EINVAL;
}

static int c_fcntl(void *self, int fd, int cmd, ...)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_get(pd, fd);
	va_list ap;
	int arg;

	va_start(ap, cmd);
	arg = va_arg(ap, int); /* of no meaning to the commands that have none */
	va_end(ap);
	return (int)pd_return(pd, f ? do_fcntl(f, cmd, arg) : -errno);
}

static int info_of(struct weir_sock *k, struct linux_tcp_info *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return weir_sock_getopt(k, IPPROTO_TCP, TCP_INFO, info, &len);
}

static int do_ioctl(struct pd_fd *f, unsigned long request, int *v)
{
	struct linux_tcp_info info;
	int r;

	if (request == FIONBIO) {
		f->nonblock = *v;
		return 0;
	}
	r = info_of(f->sock, &info);
	if (r)
		return r;
	if (info.tcpi_state == 10) /* LISTEN */
		return -EINVAL;
	switch (request) {
	case SIOCINQ:
		*v = (int)weir_sock_unread(f->sock);
		return 0;
	case SIOCOUTQ:
		*v = (int)weir_sock_unsent(f->sock);
		return 0;
	case SIOCOUTQNSD:
		*v = (int)info.tcpi_notsent_bytes;
		return 0;
	case SIOCATMARK:
		*v = weir_sock_atmark(f->sock);
		return 0;
	}
	return -ENOTTY;
}

static int c_ioctl(void *self, int fd, unsigned long request, ...)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);
	va_list ap;
	int *v;

	va_start(ap, request);
	v = va_arg(ap, int *);
	va_end(ap);
	return (int)pd_return(pd, f ? do_ioctl(f, request, v) : -errno);
}

static int c_getsockopt(void *self, int fd, int level, int name, void *v, socklen_t *len)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);

	return (int)pd_return(pd, f ? weir_sock_getopt(f->sock, level, name, v, len) : -errno);
}

/* Our engine has no such thing, and a script that asks for it sees no difference. */
static bool is_harmless(int level, int name)
{
	return level == SOL_SOCKET && (name == SO_REUSEPORT || name == SO_PRIORITY);
}

static int c_setsockopt(void *self, int fd, int level, int name, const void *v, socklen_t len)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);
	int r;

	if (!f)
		return (int)pd_return(pd, -errno);
	r = is_harmless(level, name) ? 0 : weir_sock_setopt(f->sock, level, name, v, len);
	if (!r && level == SOL_SOCKET && name == SO_LINGER && len >= sizeof(struct linger)) {
		const struct linger *l = v;

		f->linger_s = l->l_onoff ? l->l_linger : -1;
	}
	vtime_turn(pd);
	return (int)pd_return(pd, r);
}

void calls_ctl_fill(struct pd_interface *ifc)
{
	ifc->fcntl = c_fcntl;
	ifc->ioctl = c_ioctl;
	ifc->getsockopt = c_getsockopt;
	ifc->setsockopt = c_setsockopt;
}
