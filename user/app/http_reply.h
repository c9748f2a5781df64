/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The head of a response, and the short body of an error.
 *
 * The text is a function of struct http_reply and of the request: a connection
 * that could send only a part of it keeps no text, it makes the same again.
 */
#ifndef WEIR_APP_HTTP_REPLY_H
#define WEIR_APP_HTTP_REPLY_H

#include <stdint.h>

#include "app/http_file.h"
#include "app/http_parse.h"

#define HTTP_REPLY_MAX (HTTP_LINE_MAX + 512)

/* http_reply.flags */
#define HTTP_F_CLOSE 0x01 /* Connection: close */
#define HTTP_F_OLD   0x02 /* to an HTTP/1.0 client: keep-alive is said aloud */
#define HTTP_F_HEAD  0x04 /* no body */

struct http_reply {
	uint64_t size;	     /* of the file */
	uint64_t first, len; /* the part of it to send */
	int64_t mtime, date;
	uint16_t status;
	uint8_t mime;
	uint8_t flags;
};

/*
 * Decides on a request that http_parse() accepted: opens the file where there is
 * one to send, then its descriptor is the caller's, else -1.
 */
int http_answer(struct http_reply *a, const struct http_request *r, int dirfd, int64_t now);

/* `r` is needed for a 301 only. Returns the length. */
size_t http_reply_text(const struct http_reply *a, const struct http_request *r,
		       char buf[HTTP_REPLY_MAX]);

#endif
