/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options. What concerns the connection is kept in the socket's struct tcp_opts and
 * handed to the core; a listener's go to those it accepts.
 *
 * Unlike Linux, SO_RCVBUF and SO_SNDBUF are taken as they are, not doubled: the
 * buffers hold payload alone, and what is read back is what holds.
 */
#include "sock/linux_tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "sock/sock.h"

#define BUF_MIN	   4096u
#define SNDBUF_MAX (16u << 20)
#define KEEP_MAX_S 32767
#define MAXSEG_MIN 88 /* Linux's bounds */
#define MAXSEG_MAX 32767

static uint32_t clamp_u32(uint32_t v, uint32_t lo, uint32_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* ---- setting ------------------------------------------------------------------- */

static int in_range(int v, int lo, int hi)
{
	return v < lo || v > hi ? -EINVAL : 0;
}

static int set_keep(struct weir_sock *k, int name, int v)
{
	int err = in_range(v, 1, name == TCP_KEEPCNT ? 127 : KEEP_MAX_S);

	if (err)
		return err;
	if (name == TCP_KEEPCNT) {
		k->opts.keep_probes = (uint8_t)v;
	} else if (name == TCP_KEEPINTVL) {
		k->opts.keep_interval_ms = (uint32_t)v * 1000;
	} else {
		k->keep_idle_ms = (uint32_t)v * 1000;
		if (k->opts.keep_idle_ms)
			k->opts.keep_idle_ms = k->keep_idle_ms;
	}
	return 0;
}

static int set_maxseg(struct weir_sock *k, int v)
{
	if (v && in_range(v, MAXSEG_MIN, MAXSEG_MAX))
		return -EINVAL;
	k->opts.maxseg = (uint16_t)v;
	return 0;
}

static int set_user_timeout(struct weir_sock *k, int v)
{
	if (v < 0)
		return -EINVAL;
	k->user_timeout_ms = (uint32_t)v;
	/* 0 is the stack's own, as on Linux. */
	k->opts.user_timeout_ms =
		v ? (uint32_t)v : (uint32_t)(k->s->env.tcp->user_timeout_us / 1000);
	return 0;
}

static int set_tcp(struct weir_sock *k, int name, int v)
{
	int err;

	switch (name) {
	case TCP_NODELAY:
		k->opts.nodelay = v != 0;
		if (v) /* tcp(7): it flushes, MSG_MORE or not */
			k->more = false;
		return 0;
	case TCP_CORK:
		k->opts.cork = v != 0;
		return 0;
	case TCP_QUICKACK:
		k->opts.quickack = v != 0;
		return 0;
	case TCP_MAXSEG:
		return set_maxseg(k, v);
	case TCP_KEEPIDLE:
	case TCP_KEEPINTVL:
	case TCP_KEEPCNT:
		return set_keep(k, name, v);
	case TCP_SYNCNT:
		err = in_range(v, 1, 127);
		if (!err)
			k->opts.syn_retries = (uint8_t)v;
		return err;
	case TCP_USER_TIMEOUT:
		return set_user_timeout(k, v);
	}
	return -ENOPROTOOPT;
}

/* Not more than the window field can tell (RFC 7323 2.2). */
static void set_rcvbuf(struct weir_sock *k, int v)
{
	k->opts.rcvbuf = clamp_u32((uint32_t)v, BUF_MIN, 65535u << k->s->env.tcp->wscale);
	k->opts.rcvbuf_fixed = true;
}

static void set_sndbuf(struct weir_sock *k, int v)
{
	k->opts.sndbuf = clamp_u32((uint32_t)v, BUF_MIN, SNDBUF_MAX);
	k->opts.sndbuf_fixed = true;
}

static int set_socket(struct weir_sock *k, int name, int v)
{
	switch (name) {
	case SO_REUSEADDR:
		k->reuse = v != 0;
		return 0;
	case SO_KEEPALIVE:
		k->opts.keep_idle_ms = v ? k->keep_idle_ms : 0;
		return 0;
	case SO_OOBINLINE:
		k->oobinline = v != 0;
		return 0;
	case SO_RCVBUF:
		set_rcvbuf(k, v < 0 ? 0 : v);
		return 0;
	case SO_SNDBUF:
		set_sndbuf(k, v < 0 ? 0 : v);
		return 0;
	}
	return -ENOPROTOOPT;
}

static int set_linger(struct weir_sock *k, const void *v, socklen_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, v, sizeof(l));
	k->linger_on = l.l_onoff != 0;
	k->linger_s = l.l_linger;
	k->opts.linger = k->linger_on && !k->linger_s;
	return 0;
}

static int set_congestion(struct weir_sock *k, const void *v, socklen_t len)
{
	char name[16] = {0};
	const struct tcp_cc *cc;

	if (len < 1)
		return -EINVAL;
	memcpy(name, v, len < sizeof(name) - 1 ? len : sizeof(name) - 1);
	cc = tcp_cc_find(name);
	if (!cc)
		return -ENOENT;
	k->opts.cc = cc;
	return 0;
}

static int set_v6only(struct weir_sock *k, int v)
{
	if (k->domain != AF_INET6)
		return -ENOPROTOOPT;
	if (list_linked(&k->port) || k->state != SOCK_FRESH)
		return -EINVAL;
	k->v6only = v != 0;
	return 0;
}

static int set_option(struct weir_sock *k, int level, int name, const void *v, socklen_t len)
{
	int n;

	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(k, v, len);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return set_congestion(k, v, len);
	if (len < sizeof(n))
		return -EINVAL;
	memcpy(&n, v, sizeof(n));
	if (level == SOL_SOCKET)
		return set_socket(k, name, n);
	if (level == IPPROTO_TCP)
		return set_tcp(k, name, n);
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		return set_v6only(k, n);
	return -ENOPROTOOPT;
}

int weir_sock_setopt(struct weir_sock *k, int level, int name, const void *v, socklen_t len)
{
	int err;

	if (!v)
		return -EFAULT;
	err = set_option(k, level, name, v, len);
	if (err)
		return err;
	k->opts_late = k->state == SOCK_LISTEN;
	if (k->opts_late) /* its next SYN-ACK has them already */
		worker_listen_opts(k->s->w, &k->local, &k->opts);
	if (level != IPPROTO_IPV6)
		sock_apply_opts(k);
	return 0;
}

/* ---- getting --------------------------------------------------------------------- */

static int take_soft_error(struct weir_sock *k)
{
	int soft = k->conn ? weir_conn_error(k->conn) : 0;

	if (soft == k->soft_told)
		return 0;
	k->soft_told = soft;
	return soft;
}

static int get_error(struct weir_sock *k)
{
	int err = -sock_take_error(k);

	return err ? err : take_soft_error(k);
}

/* Of a connection: as large as it has become. */
static int get_buffer(const struct weir_sock *k, int name)
{
	struct tcp_opts o = k->opts;

	if (k->conn)
		conn_get_opts(k->conn, &o);
	return (int)(name == SO_RCVBUF ? o.rcvbuf : o.sndbuf);
}

static int get_socket(struct weir_sock *k, int name, int *v)
{
	switch (name) {
	case SO_ERROR:
		*v = get_error(k);
		return 0;
	case SO_REUSEADDR:
		*v = k->reuse;
		return 0;
	case SO_KEEPALIVE:
		*v = k->opts.keep_idle_ms != 0;
		return 0;
	case SO_OOBINLINE:
		*v = k->oobinline;
		return 0;
	case SO_RCVBUF:
	case SO_SNDBUF:
		*v = get_buffer(k, name);
		return 0;
	case SO_ACCEPTCONN:
		*v = k->state == SOCK_LISTEN;
		return 0;
	case SO_TYPE:
		*v = SOCK_STREAM;
		return 0;
	case SO_DOMAIN:
		*v = k->domain;
		return 0;
	case SO_PROTOCOL:
		*v = IPPROTO_TCP;
		return 0;
	}
	return -ENOPROTOOPT;
}

static int get_maxseg(const struct weir_sock *k)
{
	struct tcp_info t;

	if (k->conn && k->state == SOCK_CONNECTED) {
		conn_info(k->conn, &t);
		return t.mss;
	}
	return k->opts.maxseg ? k->opts.maxseg : 536; /* RFC 9293 3.7.1 */
}

static int get_tcp(const struct weir_sock *k, int name, int *v)
{
	switch (name) {
	case TCP_NODELAY:
		*v = k->opts.nodelay;
		return 0;
	case TCP_CORK:
		*v = k->opts.cork;
		return 0;
	case TCP_QUICKACK:
		*v = k->opts.quickack;
		return 0;
	case TCP_MAXSEG:
		*v = get_maxseg(k);
		return 0;
	case TCP_KEEPIDLE:
		*v = (int)(k->keep_idle_ms / 1000);
		return 0;
	case TCP_KEEPINTVL:
		*v = (int)(k->opts.keep_interval_ms / 1000);
		return 0;
	case TCP_KEEPCNT:
		*v = k->opts.keep_probes;
		return 0;
	case TCP_SYNCNT:
		*v = k->opts.syn_retries;
		return 0;
	case TCP_USER_TIMEOUT:
		*v = (int)k->user_timeout_ms;
		return 0;
	}
	return -ENOPROTOOPT;
}

/* As much of it as there is room for. */
static void put(void *v, socklen_t *len, const void *from, socklen_t size)
{
	if (*len > size)
		*len = size;
	memcpy(v, from, *len);
}

static void get_congestion(const struct weir_sock *k, void *v, socklen_t *len)
{
	char name[16] = {0};

	strncpy(name, tcp_cc_name(k->opts.cc), sizeof(name) - 1);
	put(v, len, name, sizeof(name));
}

static int get_int(struct weir_sock *k, int level, int name, int *v)
{
	if (level == SOL_SOCKET)
		return get_socket(k, name, v);
	if (level == IPPROTO_TCP)
		return get_tcp(k, name, v);
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && k->domain == AF_INET6) {
		*v = k->v6only;
		return 0;
	}
	return -ENOPROTOOPT;
}

int weir_sock_getopt(struct weir_sock *k, int level, int name, void *v, socklen_t *len)
{
	const struct linger l = {.l_onoff = k->linger_on, .l_linger = k->linger_s};
	int n, err;

	if (!v || !len)
		return -EFAULT;
	if (level == SOL_SOCKET && name == SO_LINGER) {
		put(v, len, &l, sizeof(l));
		return 0;
	}
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		get_congestion(k, v, len);
		return 0;
	}
	if (level == IPPROTO_TCP && name == TCP_INFO) {
		sock_info(k, v, len);
		return 0;
	}
	err = get_int(k, level, name, &n);
	if (err)
		return err;
	put(v, len, &n, sizeof(n));
	return 0;
}
