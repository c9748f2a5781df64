/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1.x requests from bytes, after RFC 9112. Pure functions: no I/O, no
 * allocation, nothing kept but what the caller hands in. Every byte is hostile.
 *
 * Two steps. http_scan() finds the end of a head as the bytes come in and looks
 * at each byte once, however they are cut. http_parse() then takes the whole head
 * apart; its views point into the caller's buffer.
 *
 * Strict where leniency has been used for request smuggling: a bare LF or CR,
 * a folded line, space before a colon, a second Content-Length or Host are 400
 * (RFC 9112 2.2, 5.1, 5.2, 6.3, 3.2).
 */
#ifndef WEIR_APP_HTTP_PARSE_H
#define WEIR_APP_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LINE_MAX 4096  /* request line without its CRLF; more is 414 */
#define HTTP_HEAD_MAX 8192  /* the whole head; more is 431 */
#define HTTP_BODY_MAX 65536 /* request body that is read and thrown away; more is 413 */

enum http_scan_result {
	HTTP_SCAN_MORE,
	HTTP_SCAN_HEAD,	 /* the first `seen` bytes are a head */
	HTTP_SCAN_EMPTY, /* the first `seen` bytes are an empty line, to be skipped */
	HTTP_SCAN_ERROR, /* `status` says why */
};

/* Where a scan stands; zeroed to begin. 8 bytes. */
struct http_scan {
	uint16_t seen; /* bytes looked at */
	uint16_t status;
	uint8_t state;
	uint8_t lines; /* 0, 1 after the request line */
};

/* `p` is the n bytes that follow the first s->seen ones. */
enum http_scan_result http_scan(struct http_scan *s, const uint8_t *p, size_t n);

struct http_str {
	const char *p; /* NULL: absent */
	size_t len;
};

enum http_method {
	HTTP_UNKNOWN, /* 501 */
	HTTP_OTHER,   /* known and not served: 405 */
	HTTP_GET,
	HTTP_HEAD,
};

struct http_request {
	enum http_method method;
	uint8_t minor; /* HTTP/1.minor, 0 or 1 */
	bool keep_alive;
	bool expect_continue;
	bool has_if_none_match;
	bool has_if_range;
	uint64_t content_length;
	struct http_str path;  /* begins with '/', still percent-encoded */
	struct http_str query; /* with its '?' */
	struct http_str range;
	struct http_str if_modified_since;
};

/*
 * Parses a head of len bytes. 0, or the status to refuse it with: 400, 413, 417,
 * 501 (transfer coding), 505. The framing of what follows is unknown after an
 * error, so the connection is to be closed; `method` and `minor` hold what was
 * understood by then.
 */
int http_parse(struct http_request *r, const char *head, size_t len);

/*
 * One byte range of `size` bytes (RFC 9110 14.1.2): 206 with *first and *len set,
 * 416, or 200 where the field is to be ignored (other unit, several ranges,
 * malformed).
 */
int http_range(struct http_str field, uint64_t size, uint64_t *first, uint64_t *len);

bool http_str_is(struct http_str s, const char *lower); /* ASCII case ignored */

#endif
