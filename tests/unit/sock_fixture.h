/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two stacks joined by a wire, under a clock that the test moves: host a is 10.0.0.1
 * and fd00::1, host b 10.0.0.2 and fd00::2.
 *
 *     struct net n;
 *     net_open(&n, NULL);
 *     net_pair(&n, AF_INET, &c, &s);    c of a connected to s, accepted on b
 *     net_run(&n);                      until nothing moves
 *     net_pass(&n, us);                 time goes by
 *     net_close(&n);                    everything was given back
 */
#ifndef WEIR_SOCK_FIXTURE_H
#define WEIR_SOCK_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "sock/linux_tcp.h"
#include "engine_fixture.h"
#include "sock/stack.h"

#define NET_PORT 8000

struct net_config {
	struct rig_config rig; /* of both */
	unsigned socks;
};
void net_config_default(struct net_config *cfg);

struct net {
	struct pair p;
	struct weir_stack *a, *b;
	unsigned served[2]; /* services of the gates */
	bool drained[2], destroyed[2];
	int serve_err;
};

void net_open(struct net *n, const struct net_config *cfg);
void net_close(struct net *n);
/* For cmocka: *state is an open struct net. */
int net_setup(void **state);
int net_teardown(void **state);
void net_run(struct net *n);
void net_pass(struct net *n, uint64_t us);
uint64_t net_count(struct net *n, bool b, enum weir_counter c);

/* Addresses of host 1 or 2; host 0: any. */
struct addr {
	struct sockaddr_storage ss;
	socklen_t len;
};
struct addr addr_of(int domain, unsigned host, uint16_t port);
#define SA(a) ((const struct sockaddr *)&(a).ss), (a).len
uint16_t port_of(const struct addr *a);

struct weir_sock *sock_at(struct weir_stack *s, int domain);
struct weir_sock *net_listen(struct net *n, int domain, int backlog); /* of b, NET_PORT */
struct weir_sock *net_dial(struct net *n, int domain);		      /* of a, under way */
struct weir_sock *net_accept(struct weir_sock *l);
/* A connection; the listener is closed again. */
void net_pair(struct net *n, int domain, struct weir_sock **c, struct weir_sock **s);
void sock_close(struct weir_sock *k);

int opt_get(struct weir_sock *k, int level, int name);
int opt_set(struct weir_sock *k, int level, int name, int v);
/* SO_ERROR */
int sock_error(struct weir_sock *k);
/* Writes all, reads all: asserts that it is so. */
void sock_put(struct weir_sock *k, const char *text);
void sock_expect(struct weir_sock *k, const char *text);

#endif
