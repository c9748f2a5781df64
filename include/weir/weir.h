/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libweir: TCP over AF_XDP behind a SYN-flood gate, for those who embed it.
 *
 *     struct weir_stack    one interface with its gate and an engine, run by the caller
 *     struct weir_sock     the sockets-like form: non-blocking, with readiness events
 *     struct weir_conn     the callback form, as weir's own applications use it
 *
 * Errors are -errno. Threads: a stack, its sockets and connections belong to one
 * thread at a time; nothing is locked. Link with `pkg-config --libs weir`.
 *
 * THE CALLBACK FORM
 *
 * An application is a table of callbacks. The engine calls them from the worker
 * that owns the connection, one at a time; a callback must not block. On a stack
 * of one's own, the functions on a connection may also be called between two
 * weir_stack_wait(); in weir's workers, only from callbacks.
 *
 *     on_open      the handshake is done
 *     on_data      bytes to read, or the end of the peer's stream
 *     on_writable  room to send, after a send that took less than offered
 *     on_timer     the deadline set by weir_conn_timer() has passed
 *     on_drain     weir is stopping: finish what is under way, then close
 *     on_close     last call; the handle is invalid once it returns
 *
 * Back-pressure: bytes that are not consumed stay in the connection's receive
 * buffer and close the window; a send takes no more than the send buffer holds.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct weir_conn;

/* Why a connection ended: the names of enum tcp_reason, in its order. */
const char *weir_reason_name(int reason);

struct weir_app {
	const char *name;
	size_t conn_size; /* bytes of state per connection, zeroed; see weir_conn_state() */
	/* arg: what the listener was given. Non-zero refuses it: RST, and no on_close. */
	int (*on_open)(struct weir_conn *c, void *arg);
	void (*on_data)(struct weir_conn *c);
	void (*on_writable)(struct weir_conn *c);
	void (*on_timer)(struct weir_conn *c);
	/* NULL: closed in order at once, as by weir_close(). What is left after the drain is reset.
	 */
	void (*on_drain)(struct weir_conn *c);
	void (*on_close)(struct weir_conn *c, int reason);
	/* TCP_EV_* of the core that the callbacks above do not tell; for libweir itself. */
	void (*on_event)(struct weir_conn *c, unsigned events);
};

void *weir_conn_state(struct weir_conn *c); /* conn_size bytes, NULL when 0 */
void *weir_conn_arg(struct weir_conn *c);   /* the listener's arg */
uint64_t weir_now_us(struct weir_conn *c);  /* the worker's monotonic time */

struct weir_addr {
	uint8_t family;	  /* 4 or 6 */
	uint16_t port;	  /* host order */
	uint8_t addr[16]; /* network order; IPv4 in the first 4 bytes */
};
void weir_conn_peer(struct weir_conn *c, struct weir_addr *a);
void weir_conn_local(struct weir_conn *c, struct weir_addr *a);

/* Reading. peek: contiguous bytes, valid until weir_recv_done() or return. */
size_t weir_recv_peek(struct weir_conn *c, const uint8_t **p);
/* The same in several pieces: how many of iov[max] were filled. */
int weir_recv_peekv(struct weir_conn *c, struct iovec *iov, int max);
size_t weir_recv_copy(struct weir_conn *c, size_t offset, void *buf, size_t len);
size_t weir_recv_ready(struct weir_conn *c);
void weir_recv_done(struct weir_conn *c, size_t n);
bool weir_recv_eof(struct weir_conn *c); /* all read and the peer has closed */
bool weir_recv_fin(struct weir_conn *c); /* the peer has closed; some may be unread */

/* Sending. reserve: contiguous room to write into directly; commit what was used. */
size_t weir_send_space(struct weir_conn *c);
size_t weir_send_reserve(struct weir_conn *c, uint8_t **p);
void weir_send_commit(struct weir_conn *c, size_t n);
/*
 * The same in several pieces, at most iov[max]: how many were filled. Here the commit, of 0
 * bytes when none were written, has to follow before anything else is done with c.
 */
int weir_send_reservev(struct weir_conn *c, struct iovec *iov, int max);
size_t weir_send(struct weir_conn *c, const void *data, size_t len); /* bytes taken */
size_t weir_send_queued(struct weir_conn *c);			     /* not yet acknowledged */

void weir_shutdown(struct weir_conn *c); /* our FIN after what is queued (half-close) */
void weir_close(struct weir_conn *c);	 /* both directions, in order */
void weir_abort(struct weir_conn *c);	 /* RST */
/* As weir_abort(), reason "app_timeout" and counted as such: header and idle limits. */
void weir_abort_timeout(struct weir_conn *c);

/* No Nagle: what is sent leaves at once, as with TCP_NODELAY. */
void weir_conn_nodelay(struct weir_conn *c, bool on);

/* errno of what ended it, as SO_ERROR gives it, else of the last soft error; 0: none. */
int weir_conn_error(struct weir_conn *c);

/* One deadline per connection, in ms from now; 0 clears it. */
void weir_conn_timer(struct weir_conn *c, uint64_t ms);

/* ---- a stack ------------------------------------------------------------- */

struct weir_stack;

enum weir_stack_mode { WEIR_STACK_ALWAYS, WEIR_STACK_AUTO, WEIR_STACK_NEVER };

struct weir_stack_options {
	size_t size; /* of this struct as the caller knows it; set by the default function */
	enum weir_stack_mode mode; /* of its listeners; auto */
	int xdp_mode;		   /* 0 native, else generic; 1 native only, 2 generic only */
	unsigned conns;		   /* at most (16384) */
	uint64_t buffer_bytes;	   /* of send and receive data (64 MiB) */
	unsigned flows;		   /* entries of the gate's flow table (65536) */
	unsigned msl_ms;	   /* (30000) */
	const char *key_file;	   /* NULL: random keys */
	bool busy_poll;		   /* weir_stack_wait() never sleeps */
	/* level: as syslog's. NULL: silent. */
	void (*log)(void *arg, int level, const char *message);
	void *log_arg;
	unsigned timewaits; /* connections in TIME_WAIT at most; the oldest go first (16384) */
	/*
	 * A connect may take a local port that towards its peer has been in TIME_WAIT for a
	 * second, where both use timestamps: for clients that open thousands a second (as
	 * Linux's tcp_tw_reuse; off).
	 */
	bool reuse_timewait;
	/* What connections start with (sockets change it by weir_sock_setopt()): */
	bool nodelay;		 /* no Nagle */
	uint32_t rcvbuf, sndbuf; /* bytes; 0 (the default): as the path needs */
};
void weir_stack_options_default(struct weir_stack_options *o);

/*
 * Loads and attaches the gate, binds every RX queue. Root, or CAP_NET_ADMIN,
 * CAP_NET_RAW, CAP_BPF and CAP_IPC_LOCK. On failure `why` (may be NULL) says what is
 * wrong and what to do about it. Nothing outlives the process.
 */
int weir_stack_open(struct weir_stack **out, const char *iface, const struct weir_stack_options *o,
		    char *why, size_t why_len);
/* Resets what is left, detaches, frees; sockets of it are gone. NULL is ignored. */
void weir_stack_close(struct weir_stack *s);
/* Takes nothing new in, closes all in order; runs the stack for at most timeout_ms. 0 or
 * -ETIMEDOUT. */
int weir_stack_drain(struct weir_stack *s, int timeout_ms);

/* The callback form on a stack: family 0 is any address. 0 or -errno. */
int weir_stack_serve(struct weir_stack *s, const struct weir_addr *a, const struct weir_app *app,
		     void *arg);
int weir_stack_connect(struct weir_stack *s, const struct weir_addr *local,
		       const struct weir_addr *remote, const struct weir_app *app, void *arg,
		       struct weir_conn **out);

/* ---- readiness --------------------------------------------------------------- */

struct weir_sock;

struct weir_event {
	struct weir_sock *sock;
	void *arg;	 /* weir_sock_watch()'s */
	unsigned events; /* POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLERR, POLLHUP of <poll.h> */
};

/*
 * Runs the stack: takes frames in, fires timers, calls callbacks, sends. Sleeps at most
 * timeout_ms (-1: for ever, 0: not at all) for the first readiness event. Level-triggered:
 * a socket is reported again while it is ready for what it is watched for. Returns how
 * many of ev[max] were filled, 0 on time-out, -EINTR on a signal, -ENODEV when the interface has
 * gone.
 */
int weir_stack_wait(struct weir_stack *s, struct weir_event *ev, int max, int timeout_ms);
/*
 * For a loop of one's own: readable when there is work, and after at most
 * weir_stack_timeout() ms weir_stack_wait(…, 0) must be called (-1: no timer).
 */
int weir_stack_fd(const struct weir_stack *s);
int weir_stack_timeout(const struct weir_stack *s);

/* ---- sockets ------------------------------------------------------------------- */

/* domain: AF_INET or AF_INET6 (which takes IPv4 too unless IPV6_V6ONLY is set). */
int weir_sock_open(struct weir_stack *s, int domain, struct weir_sock **out);
int weir_sock_bind(struct weir_sock *k, const struct sockaddr *a, socklen_t len);
int weir_sock_listen(struct weir_sock *k, int backlog);
/* -EAGAIN: none is waiting. a and len as accept(2), may be NULL. */
int weir_sock_accept(struct weir_sock *k, struct weir_sock **out, struct sockaddr *a,
		     socklen_t *len);
/* -EINPROGRESS: wait for POLLOUT, then ask SO_ERROR; -EALREADY, -EISCONN, -ECONNREFUSED… */
int weir_sock_connect(struct weir_sock *k, const struct sockaddr *a, socklen_t len);

/* Bytes, 0 at the end of the stream, -EAGAIN, or what ended the connection (once). */
ssize_t weir_sock_read(struct weir_sock *k, void *buf, size_t len);
ssize_t weir_sock_recv(struct weir_sock *k, void *buf, size_t len,
		       int flags); /* MSG_PEEK, MSG_TRUNC, MSG_OOB */
ssize_t weir_sock_readv(struct weir_sock *k, const struct iovec *iov, int n);
/* Bytes taken, -EAGAIN, -EPIPE after shutdown or the end (no signal is sent). */
ssize_t weir_sock_write(struct weir_sock *k, const void *buf, size_t len);
ssize_t weir_sock_send(struct weir_sock *k, const void *buf, size_t len,
		       int flags); /* MSG_MORE, MSG_OOB */
ssize_t weir_sock_writev(struct weir_sock *k, const struct iovec *iov, int n);

int weir_sock_shutdown(struct weir_sock *k, int how); /* SHUT_RD, SHUT_WR, SHUT_RDWR */
/* The handle is gone; the connection ends in order, or by RST (SO_LINGER 0, unread data). */
int weir_sock_close(struct weir_sock *k);

/*
 * SOL_SOCKET: SO_ERROR, SO_LINGER, SO_KEEPALIVE, SO_RCVBUF, SO_SNDBUF, SO_REUSEADDR,
 * SO_OOBINLINE, SO_ACCEPTCONN, SO_TYPE, SO_DOMAIN, SO_PROTOCOL; IPPROTO_TCP: TCP_NODELAY, TCP_CORK,
 * TCP_MAXSEG, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_USER_TIMEOUT, TCP_QUICKACK,
 * TCP_CONGESTION, TCP_INFO (struct tcp_info of <linux/tcp.h>); IPPROTO_IPV6: IPV6_V6ONLY. Others:
 * -ENOPROTOOPT.
 */
int weir_sock_setopt(struct weir_sock *k, int level, int name, const void *v, socklen_t len);
int weir_sock_getopt(struct weir_sock *k, int level, int name, void *v, socklen_t *len);

int weir_sock_name(struct weir_sock *k, struct sockaddr *a, socklen_t *len);
int weir_sock_peer(struct weir_sock *k, struct sockaddr *a, socklen_t *len);
int weir_sock_atmark(struct weir_sock *k); /* 1: the next byte is the urgent one */

/* What is true now, POLL* bits. */
unsigned weir_sock_poll(struct weir_sock *k);
/* What weir_stack_wait() reports of it; errors and hang-up always. 0: nothing. */
void weir_sock_watch(struct weir_sock *k, unsigned events, void *arg);
size_t weir_sock_unread(const struct weir_sock *k); /* SIOCINQ */
size_t weir_sock_unsent(const struct weir_sock *k); /* SIOCOUTQ: not acknowledged */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
