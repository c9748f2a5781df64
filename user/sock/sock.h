/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket, and what the files of this directory call of each other.
 *
 *     stack.c        the stack: turns, waiting, the callback form
 *     ready.c        readiness: what poll() would say, and who is to be told
 *     sock.c         a socket's life, and what the engine's callbacks do to it
 *     sock_listen.c  listeners and their queues     sock_connect.c  active opens
 *     sock_io.c      bytes in and out               sock_oob.c      the urgent one
 *     sock_opt.c     options                        sock_info.c     TCP_INFO
 *     sock_name.c    addresses                      ports.c         who has which port
 *
 * States, and the engine's connection in each of them:
 *
 *     FRESH ──► LISTEN               none; the queue's sockets have theirs
 *       └─► CONNECTING ─► CONNECTED  conn
 *              │              └───►  ENDED: none; error, and what was not read yet, stay
 *              └─ refused ─► FRESH
 *
 * A socket is a slot of the stack's slab, whose memory stays mapped as long as
 * the engine lives. A connection refers to its socket by slot and generation, so
 * that one whose socket is closed finds nobody (sock_of()).
 */
#ifndef WEIR_SOCK_SOCK_H
#define WEIR_SOCK_SOCK_H

#include "engine/addr.h"
#include "engine/conn_api.h"
#include "engine/list.h"
#include "engine/slab.h"
#include "engine/worker.h"
#include "sock/stack.h"

#define PORT_BUCKETS 256

struct weir_stack {
	struct stack_env env;
	struct worker *w;
	struct slab socks;
	struct list ready;		 /* watched sockets that were ready when last looked at */
	struct list ports[PORT_BUCKETS]; /* bound sockets, by the port's low byte */
	uint64_t turned_us;		 /* env.now() at the last look at the clock */
	uint32_t rng;
	bool draining;
};

enum sock_state { SOCK_FRESH, SOCK_LISTEN, SOCK_CONNECTING, SOCK_CONNECTED, SOCK_ENDED };

/*
 * A wildcard has an address of zeros: family 4 or 6 for one family alone, 0 for both.
 */
struct weir_sock {
	struct slab_hdr hdr;
	struct weir_stack *s;
	struct weir_conn *conn;		  /* CONNECTING, CONNECTED */
	struct list ready, port, waiting; /* waiting: in its listener's queue */
	struct list queue;		  /* LISTEN: connections not accepted yet */
	unsigned queued, backlog;
	void *arg; /* of the watcher */
	struct weir_addr local, remote;
	struct tcp_opts opts;	  /* what its connection has, or will start with */
	uint32_t keep_idle_ms;	  /* TCP_KEEPIDLE; opts has it only under SO_KEEPALIVE */
	uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0: the stack's own */
	int error;		  /* errno, told once */
	int soft_told;		  /* the last soft error that SO_ERROR gave */
	int linger_s;
	uint64_t read_off;  /* stream offset of the next byte to read */
	uint64_t mark;	    /* offset past the urgent byte; 0: none seen */
	uint64_t oob_taken; /* the mark whose byte MSG_OOB took */
	uint8_t *rest;	    /* ENDED: what was not read before */
	size_t rest_len, rest_at;
	struct tcp_info *last; /* ENDED: TCP_INFO of the connection, if it was kept */
	uint16_t watch;
	uint8_t state, domain;
	bool bound : 1;	    /* by bind(): the port is kept over a failed connect() */
	bool port_held : 1; /* of env.net */
	bool reuse : 1, v6only : 1, oobinline : 1, linger_on : 1;
	bool rd_shut : 1, wr_shut : 1;
	bool more : 1;		 /* the last send had MSG_MORE */
	bool told_open : 1;	 /* connect() has returned 0 */
	bool was_connecting : 1; /* FRESH again after a connect() that failed */
	bool opts_late : 1;	 /* LISTEN: options were set after listen() */
};

/* What a connection's state is: which socket it belongs to. */
struct sock_ref {
	struct weir_sock *k;
	uint32_t gen;
};
extern const struct weir_app sock_app;

/* stack.c */
void stack_clock(struct weir_stack *s); /* moves the worker's time on */

/* sock.c */
struct weir_sock *sock_new(struct weir_stack *s, int domain);
void sock_attach(struct weir_sock *k, struct weir_conn *c);
void sock_free(struct weir_sock *k);
void sock_unlink_conn(struct weir_sock *k); /* forgets it; the connection goes on alone */
void sock_drop_conn(struct weir_sock *k);   /* RST */
void sock_apply_opts(struct weir_sock *k);
int sock_take_error(struct weir_sock *k); /* -errno, once */
/* Removes n unread bytes. */
void sock_consume(struct weir_sock *k, size_t n);

/* sock_listen.c */
int listen_open(struct weir_conn *c, struct weir_sock *listener);
void listen_stop(struct weir_sock *k);

/* sock_connect.c */
void sock_connect_opened(struct weir_sock *k);
void sock_connect_failed(struct weir_sock *k, int error);
void sock_disconnect(struct weir_sock *k); /* back to FRESH */

/* sock_io.c, sock_oob.c */
size_t sock_unread(const struct weir_sock *k); /* the urgent byte included */
size_t sock_copy(const struct weir_sock *k, size_t at, void *buf, size_t len);
bool sock_oob_mark(const struct weir_sock *k, uint64_t *at); /* bytes before the urgent one */
bool sock_oob_ready(const struct weir_sock *k);
bool sock_oob_alone(const struct weir_sock *k); /* all that is left was read by MSG_OOB */
ssize_t sock_oob_recv(struct weir_sock *k, void *buf, size_t len, int flags);

/* ready.c */
void ready_check(struct weir_sock *k);
int ready_collect(struct weir_stack *s, struct weir_event *ev, int max);

/* ports.c */
int ports_bind(struct weir_sock *k, const struct weir_addr *a);
int ports_listen(const struct weir_sock *k); /* -EADDRINUSE: another one listens there */
void ports_join(struct weir_sock *k, const struct weir_addr *a); /* an accepted one */
void ports_release(struct weir_sock *k);
bool addr_covers(const struct weir_addr *pattern, const struct weir_addr *a);

/* sock_name.c */
int addr_from_sockaddr(struct weir_addr *out, const struct weir_sock *k, const struct sockaddr *a,
		       socklen_t len);
void addr_to_sockaddr(const struct weir_sock *k, const struct weir_addr *a, struct sockaddr *out,
		      socklen_t *len);

/* sock_info.c: struct tcp_info of <linux/tcp.h>, at most *len bytes of it */
void sock_info(const struct weir_sock *k, void *v, socklen_t *len);

#endif
