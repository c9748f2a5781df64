// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/http_date.h"
#include "app/http_reply.h"

static const char *phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 206:
		return "Partial Content";
	case 301:
		return "Moved Permanently";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 416:
		return "Range Not Satisfiable";
	case 417:
		return "Expectation Failed";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Internal Server Error";
	}
}

/* ---- deciding ------------------------------------------------------------ */

/* RFC 9110 13.2.2: without entity tags only If-Modified-Since is left. */
static bool not_modified(const struct http_reply *a, const struct http_request *r)
{
	int64_t since;

	return !r->has_if_none_match && r->if_modified_since.p &&
	       http_date_parse(r->if_modified_since, &since) && a->mtime <= since;
}

int http_answer(struct http_reply *a, const struct http_request *r, int dirfd, int64_t now)
{
	struct http_file f = {.fd = -1};

	a->date = now;
	if (r->method == HTTP_UNKNOWN || r->method == HTTP_OTHER) {
		a->status = r->method == HTTP_OTHER ? 405 : 501;
		return -1;
	}
	a->status = (uint16_t)http_file_open(dirfd, r->path, &f);
	if (a->status != 200)
		return -1;
	a->size = f.size;
	a->first = 0;
	a->len = f.size;
	a->mime = f.mime;
	/* RFC 9110 8.8.2.1: not later than the message itself. */
	a->mtime = f.mtime < now ? f.mtime : now;
	if (not_modified(a, r))
		a->status = 304;
	/* If-Range asks for the whole unless it matches; without a strong validator it does not. */
	else if (r->method == HTTP_GET && !r->has_if_range)
		a->status = (uint16_t)http_range(r->range, a->size, &a->first, &a->len);
	if ((a->status == 200 || a->status == 206) && r->method == HTTP_GET && a->len)
		return f.fd;
	close(f.fd);
	return -1;
}

/* ---- saying so ----------------------------------------------------------- */

struct text {
	char *p;
	size_t len;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
	size_t room = HTTP_REPLY_MAX - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* The file's fields: of 200, 206 and 304. */
static void put_file(struct text *t, const struct http_reply *a)
{
	char date[HTTP_DATE_LEN + 1];

	if (a->status != 304)
		put(t, "Content-Type: %s\r\nContent-Length: %" PRIu64 "\r\n",
		    http_mime_name(a->mime), a->len);
	if (a->status == 206)
		put(t, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", a->first,
		    a->first + a->len - 1, a->size);
	http_date_format(a->mtime, date);
	put(t, "Last-Modified: %s\r\nAccept-Ranges: bytes\r\n", date);
}

/*
 * The same path with a slash. It must begin with one slash alone: a reference
 * that begins with two names another host.
 */
static void put_location(struct text *t, const struct http_request *r)
{
	struct http_str p = r->path;

	while (p.len > 1 && p.p[0] == '/' && p.p[1] == '/')
		p.p++, p.len--;
	put(t, "Location: %.*s/%.*s\r\n", (int)p.len, p.p, (int)r->query.len,
	    r->query.p ? r->query.p : "");
}

static void put_error(struct text *t, const struct http_reply *a, const struct http_request *r)
{
	put(t, "Content-Type: text/plain\r\nContent-Length: %zu\r\n",
	    strlen("000 \n") + strlen(phrase(a->status)));
	if (a->status == 301 && r)
		put_location(t, r);
	else if (a->status == 405)
		put(t, "Allow: GET, HEAD\r\n");
	else if (a->status == 416)
		put(t, "Content-Range: bytes */%" PRIu64 "\r\n", a->size);
	else if (a->status == 503)
		put(t, "Retry-After: 1\r\n");
}

size_t http_reply_text(const struct http_reply *a, const struct http_request *r,
		       char buf[HTTP_REPLY_MAX])
{
	bool file = a->status == 200 || a->status == 206 || a->status == 304;
	struct text t = {.p = buf};
	char date[HTTP_DATE_LEN + 1];

	http_date_format(a->date, date);
	put(&t, "HTTP/1.1 %u %s\r\nServer: weir\r\nDate: %s\r\n", a->status, phrase(a->status),
	    date);
	if (file)
		put_file(&t, a);
	else
		put_error(&t, a, r);
	if (a->flags & HTTP_F_CLOSE)
		put(&t, "Connection: close\r\n");
	else if (a->flags & HTTP_F_OLD)
		put(&t, "Connection: keep-alive\r\n");
	put(&t, "\r\n");
	if (!file && !(a->flags & HTTP_F_HEAD))
		put(&t, "%u %s\n", a->status, phrase(a->status));
	return t.len;
}
