/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the path of a request to an open file below the served directory.
 *
 * The path is untrusted: it is decoded once, then the kernel resolves it and is
 * told never to leave the directory (openat2, RESOLVE_BENEATH); symbolic links
 * work as long as they stay inside. Where openat2 is missing (sandboxes) each
 * component is opened without following any link. Only regular files are served,
 * and opening never waits (O_NONBLOCK: a FIFO does not hang the worker).
 */
#ifndef WEIR_APP_HTTP_FILE_H
#define WEIR_APP_HTTP_FILE_H

#include <stdint.h>

#include "app/http_parse.h"

#define HTTP_PATH_MAX (HTTP_LINE_MAX + sizeof("index.html"))

struct http_file {
	int fd; /* the caller's to close, with status 200; else -1 */
	uint64_t size;
	int64_t mtime;
	uint8_t mime; /* for http_mime_name() */
};

/*
 * 200, or the status that says why not: 301 (a directory without its slash), 400,
 * 403, 404, 500, 503 (no descriptor or memory left).
 */
int http_file_open(int dirfd, struct http_str path, struct http_file *f);

/*
 * Percent-decodes to a relative path, "index.html" added after a slash. 0, 400
 * (bad or forbidden encoding: NUL, an encoded slash) or 403 (a ".." segment).
 */
int http_path_decode(struct http_str path, char out[HTTP_PATH_MAX]);

/* open(2) below dirfd without openat2: -1 and errno. */
int http_open_walk(int dirfd, const char *path);

uint8_t http_mime(const char *path); /* by the extension */
const char *http_mime_name(uint8_t mime);

#endif
