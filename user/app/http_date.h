/* SPDX-License-Identifier: BSD-2-Clause */
/* Dates of HTTP (RFC 9110 5.6.7), without libc's locale and time-zone lock. */
#ifndef WEIR_APP_HTTP_DATE_H
#define WEIR_APP_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/http_parse.h"

#define HTTP_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

void http_date_format(int64_t t, char out[HTTP_DATE_LEN + 1]);

/* Any of the three forms that a recipient must accept; false where it is none. */
bool http_date_parse(struct http_str s, int64_t *t);

#endif
