// SPDX-License-Identifier: BSD-2-Clause
/* The end of a request's head, each byte looked at once. */
#include "app/http_parse.h"

enum {
	IN_START, /* nothing of the line yet */
	IN_LINE,
	IN_LINE_CR,  /* CR that ends a line */
	IN_EMPTY_CR, /* CR that ends an empty line */
};

static enum http_scan_result fail(struct http_scan *s, uint16_t status)
{
	s->status = status;
	return HTTP_SCAN_ERROR;
}

/* LF after its CR: a line has ended. */
static enum http_scan_result end_line(struct http_scan *s)
{
	if (s->state == IN_EMPTY_CR)
		return s->lines ? HTTP_SCAN_HEAD : HTTP_SCAN_EMPTY;
	s->state = IN_START;
	s->lines = 1;
	return HTTP_SCAN_MORE;
}

static enum http_scan_result too_long(struct http_scan *s)
{
	/* With its CR, a line of the greatest length has HTTP_LINE_MAX + 1 bytes. */
	if (!s->lines && s->seen > HTTP_LINE_MAX && s->state != IN_LINE_CR)
		return fail(s, 414);
	if (s->seen >= HTTP_HEAD_MAX)
		return fail(s, 431);
	return HTTP_SCAN_MORE;
}

enum http_scan_result http_scan(struct http_scan *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool after_cr = s->state == IN_LINE_CR || s->state == IN_EMPTY_CR;
		enum http_scan_result r = HTTP_SCAN_MORE;

		s->seen++;
		if (after_cr != (p[i] == '\n'))
			return fail(s, 400); /* bare CR or bare LF: RFC 9112 2.2 */
		if (after_cr)
			r = end_line(s);
		else if (p[i] != '\r')
			s->state = IN_LINE;
		else
			s->state = s->state == IN_START ? IN_EMPTY_CR : IN_LINE_CR;
		if (r == HTTP_SCAN_MORE)
			r = too_long(s);
		if (r != HTTP_SCAN_MORE)
			return r;
	}
	return HTTP_SCAN_MORE;
}
