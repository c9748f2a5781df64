/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses: struct sockaddr outside, struct weir_addr inside. A socket of AF_INET6
 * names IPv4 as ::ffff:a.b.c.d (RFC 3493 3.7).
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "sock/sock.h"

static int from_in(struct weir_addr *out, const struct sockaddr *a, socklen_t len)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return -EINVAL;
	memcpy(&in, a, sizeof(in));
	out->family = 4;
	out->port = ntohs(in.sin_port);
	memcpy(out->addr, &in.sin_addr, 4);
	return 0;
}

static int from_in6(struct weir_addr *out, const struct weir_sock *k, const struct sockaddr *a,
		    socklen_t len)
{
	struct sockaddr_in6 in6;

	/* Without sin6_scope_id it was shorter once (RFC 2133). */
	if (len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return -EINVAL;
	memset(&in6, 0, sizeof(in6));
	memcpy(&in6, a, len < sizeof(in6) ? len : sizeof(in6));
	out->port = ntohs(in6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
		out->family = 4;
		memcpy(out->addr, &in6.sin6_addr.s6_addr[12], 4);
		return k->v6only ? -ENETUNREACH : 0;
	}
	out->family = 6;
	memcpy(out->addr, &in6.sin6_addr, 16);
	return 0;
}

int addr_from_sockaddr(struct weir_addr *out, const struct weir_sock *k, const struct sockaddr *a,
		       socklen_t len)
{
	memset(out, 0, sizeof(*out));
	if (!a || len < sizeof(a->sa_family))
		return -EINVAL;
	if (a->sa_family != k->domain)
		return -EAFNOSUPPORT;
	return k->domain == AF_INET ? from_in(out, a, len) : from_in6(out, k, a, len);
}

void addr_to_sockaddr(const struct weir_sock *k, const struct weir_addr *a, struct sockaddr *out,
		      socklen_t *len)
{
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
	socklen_t size = k->domain == AF_INET ? sizeof(u.in) : sizeof(u.in6);

	if (!out || !len)
		return;
	memset(&u, 0, sizeof(u));
	if (k->domain == AF_INET) {
		u.in.sin_family = AF_INET;
		u.in.sin_port = htons(a->port);
		memcpy(&u.in.sin_addr, a->addr, 4);
	} else {
		u.in6.sin6_family = AF_INET6;
		u.in6.sin6_port = htons(a->port);
		if (a->family == 4 && !addr_is_any(a)) {
			u.in6.sin6_addr.s6_addr[10] = u.in6.sin6_addr.s6_addr[11] = 0xff;
			memcpy(&u.in6.sin6_addr.s6_addr[12], a->addr, 4);
		} else if (a->family == 6) {
			memcpy(&u.in6.sin6_addr, a->addr, 16);
		}
	}
	memcpy(out, &u, *len < size ? *len : size);
	*len = size;
}

int weir_sock_bind(struct weir_sock *k, const struct sockaddr *sa, socklen_t len)
{
	struct weir_addr a;
	int err = addr_from_sockaddr(&a, k, sa, len);

	if (err)
		return err == -ENETUNREACH ? -EINVAL : err;
	if (k->state != SOCK_FRESH || list_linked(&k->port))
		return -EINVAL;
	if (k->domain == AF_INET6 && a.family == 6 && addr_is_any(&a) && !k->v6only)
		a.family = 0;
	err = ports_bind(k, &a);
	k->bound = !err;
	return err;
}

int weir_sock_name(struct weir_sock *k, struct sockaddr *a, socklen_t *len)
{
	struct weir_addr local = k->local;

	if (!a || !len)
		return -EINVAL;
	if (k->conn)
		weir_conn_local(k->conn, &local);
	addr_to_sockaddr(k, &local, a, len);
	return 0;
}

int weir_sock_peer(struct weir_sock *k, struct sockaddr *a, socklen_t *len)
{
	if (!a || !len)
		return -EINVAL;
	/* As Linux: once the connection is over there is no peer. */
	if (k->state != SOCK_CONNECTED)
		return -ENOTCONN;
	addr_to_sockaddr(k, &k->remote, a, len);
	return 0;
}
