/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libweir: the engine for those who embed it; the callback form.
 *
 * An application is a table of callbacks. The engine calls them from the worker
 * that owns the connection, one at a time; a callback must not block. All
 * functions on a connection may be called only from its callbacks.
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
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

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
size_t weir_recv_copy(struct weir_conn *c, size_t offset, void *buf, size_t len);
size_t weir_recv_ready(struct weir_conn *c);
void weir_recv_done(struct weir_conn *c, size_t n);
bool weir_recv_eof(struct weir_conn *c); /* all read and the peer has closed */
bool weir_recv_fin(struct weir_conn *c); /* the peer has closed; some may be unread */

/* Sending. reserve: contiguous room to write into directly; commit what was used. */
size_t weir_send_space(struct weir_conn *c);
size_t weir_send_reserve(struct weir_conn *c, uint8_t **p);
void weir_send_commit(struct weir_conn *c, size_t n);
size_t weir_send(struct weir_conn *c, const void *data, size_t len); /* bytes taken */
size_t weir_send_queued(struct weir_conn *c);			     /* not yet acknowledged */

void weir_shutdown(struct weir_conn *c); /* our FIN after what is queued (half-close) */
void weir_close(struct weir_conn *c);	 /* both directions, in order */
void weir_abort(struct weir_conn *c);	 /* RST */
/* As weir_abort(), reason "app_timeout" and counted as such: header and idle limits. */
void weir_abort_timeout(struct weir_conn *c);

/* One deadline per connection, in ms from now; 0 clears it. */
void weir_conn_timer(struct weir_conn *c, uint64_t ms);

#ifdef __cplusplus
}
#endif

#endif
