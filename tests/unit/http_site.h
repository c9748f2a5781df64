/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory to serve, for the tests of http. Its times are fixed:
 * every file is of Sun, 06 Nov 1994 08:49:37 GMT, and the clock shows
 * Sun, 09 Sep 2001 01:46:40 GMT.
 *
 *   index.html  file.txt ("0123456789")  empty.css  sub/index.html  sub/page.html
 *   noindex/    dirindex/index.html/     "a b%.txt" ..hidden  big.bin (8 MiB)
 *   in -> file.txt   out -> ../outside.txt   abs -> /etc/passwd   up -> ..
 *   loop -> loop     fifo                ../outside.txt is beside the directory
 */
#ifndef WEIR_TESTS_HTTP_SITE_H
#define WEIR_TESTS_HTTP_SITE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app_arg.h"
#include "app_fixture.h"

#define SITE_MTIME 784111777
#define SITE_NOW   1000000000
#define SITE_BIG   (8u << 20)
#define SITE_DATE  "Date: Sun, 09 Sep 2001 01:46:40 GMT\r\n"
#define SITE_LM	   "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

struct site {
	char top[64]; /* holds outside.txt and www */
	int dirfd;    /* www */
	void *arg;
};

static inline time_t site_clock(void)
{
	return SITE_NOW;
}

/* Byte i of big.bin. */
static inline uint8_t site_big(size_t i)
{
	return (uint8_t)(i ^ i >> 8 ^ i >> 16);
}

static inline void site_write(int dirfd, const char *name, const void *data, size_t len)
{
	const struct timespec t[2] = {{.tv_sec = SITE_MTIME}, {.tv_sec = SITE_MTIME}};
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	REQUIRE(fd >= 0);
	REQUIRE(write(fd, data, len) == (ssize_t)len);
	REQUIRE(futimens(fd, t) == 0);
	close(fd);
}

static inline void site_text(int dirfd, const char *name, const char *text)
{
	site_write(dirfd, name, text, strlen(text));
}

static inline void site_dir(int dirfd, const char *name)
{
	REQUIRE(mkdirat(dirfd, name, 0755) == 0);
}

static inline void site_link(int dirfd, const char *name, const char *to)
{
	REQUIRE(symlinkat(to, dirfd, name) == 0);
}

static inline void site_make(struct site *s)
{
	const char *tmp = getenv("TMPDIR");
	char spec[96], err[128];
	uint8_t *big = malloc(SITE_BIG);

	REQUIRE(big);
	snprintf(s->top, sizeof(s->top), "%.40s/weir-site-XXXXXX", tmp ? tmp : "/tmp");
	REQUIRE(mkdtemp(s->top));
	s->dirfd = open(s->top, O_PATH | O_DIRECTORY);
	site_text(s->dirfd, "outside.txt", "secret\n");
	site_dir(s->dirfd, "www");
	close(s->dirfd);
	snprintf(spec, sizeof(spec), "http:%s/www", s->top);
	s->dirfd = open(strchr(spec, ':') + 1, O_PATH | O_DIRECTORY);
	site_text(s->dirfd, "index.html", "<p>top\n");
	site_text(s->dirfd, "file.txt", "0123456789");
	site_text(s->dirfd, "empty.css", "");
	site_text(s->dirfd, "a b%.txt", "odd");
	site_text(s->dirfd, "..hidden", "dots");
	site_dir(s->dirfd, "sub");
	site_text(s->dirfd, "sub/index.html", "<p>sub\n");
	site_text(s->dirfd, "sub/page.html", "<p>page\n");
	site_dir(s->dirfd, "noindex");
	site_dir(s->dirfd, "dirindex");
	site_dir(s->dirfd, "dirindex/index.html");
	site_link(s->dirfd, "in", "file.txt");
	site_link(s->dirfd, "out", "../outside.txt");
	site_link(s->dirfd, "abs", "/etc/passwd");
	site_link(s->dirfd, "up", "..");
	site_link(s->dirfd, "loop", "loop");
	REQUIRE(mkfifoat(s->dirfd, "fifo", 0644) == 0);
	for (size_t i = 0; i < SITE_BIG; i++)
		big[i] = site_big(i);
	site_write(s->dirfd, "big.bin", big, SITE_BIG);
	free(big);
	REQUIRE(weir_app_arg(spec, &s->arg, err, sizeof(err)) == 0);
	((struct weir_app_arg *)s->arg)->clock = site_clock;
}

static inline void site_remove(struct site *s)
{
	static const char *const names[] = {
		"www/index.html",
		"www/file.txt",
		"www/empty.css",
		"www/a b%.txt",
		"www/..hidden",
		"www/sub/index.html",
		"www/sub/page.html",
		"www/sub",
		"www/noindex",
		"www/dirindex/index.html",
		"www/dirindex",
		"www/in",
		"www/out",
		"www/abs",
		"www/up",
		"www/loop",
		"www/fifo",
		"www/big.bin",
		"www",
		"outside.txt",
	};
	int top = open(s->top, O_PATH | O_DIRECTORY);

	weir_app_arg_free(s->arg);
	close(s->dirfd);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlinkat(top, names[i], 0))
			unlinkat(top, names[i], AT_REMOVEDIR);
	close(top);
	rmdir(s->top);
}

/* A test program's one site: the set-up and tear-down of its group. */
static struct site site;

static inline int site_setup(void **state)
{
	(void)state;
	site_make(&site);
	return 0;
}

static inline int site_teardown(void **state)
{
	(void)state;
	site_remove(&site);
	return access(site.top, F_OK) == 0;
}

#endif
