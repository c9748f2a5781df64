/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of an HTTP connection: what 100,000 of them cost is this struct.
 *
 *        ┌──────────────────────────────────────────────┐ keep-alive
 *        ▼                                              │
 *   HTTP_READ ──head──► HTTP_REPLY ──► HTTP_FILE ──► finished ──► HTTP_LINGER ──► HTTP_DONE
 *                                                        Connection: close
 *
 * A request's head stays in the receive buffer until the response's head is out,
 * so nothing of either is kept here. One request at a time: those that follow in
 * the same segments wait in the receive buffer, and close the window there.
 */
#ifndef WEIR_APP_HTTP_H
#define WEIR_APP_HTTP_H

#include "app/http_parse.h"
#include "app/http_reply.h"

enum http_state { HTTP_READ, HTTP_REPLY, HTTP_FILE, HTTP_LINGER, HTTP_DONE };

/* What the connection's one deadline stands for. */
enum http_timer {
	HTTP_T_NONE,
	HTTP_T_HEADER, /* a head (or a body to skip) has begun and is not complete */
	HTTP_T_IDLE,   /* between requests */
	HTTP_T_STALL,  /* the reader does not acknowledge */
	HTTP_T_LINGER, /* our FIN is out, theirs is not in */
	HTTP_T_RETRY,  /* no send buffer: APP_RETRY_MS */
};

struct http_conn {
	uint64_t off, left; /* of the file: next byte, bytes to go */
	struct http_reply reply;
	uint32_t queued;  /* weir_send_queued() when last looked at */
	uint32_t skip;	  /* of the request's body, to read and throw away */
	uint32_t drained; /* in HTTP_LINGER */
	int fd;
	struct http_scan scan;
	uint16_t head_len; /* of the request being answered */
	uint16_t sent;	   /* of the response's head */
	uint8_t state, timer;
	bool last; /* weir stops: the response at hand ends the connection */
};
_Static_assert(sizeof(struct http_conn) <= 160, "an idle connection is small");

/* After the last response: what is read before the connection is closed hard. */
#define HTTP_DRAIN_MAX (256 * 1024)

#endif
