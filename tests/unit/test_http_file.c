// SPDX-License-Identifier: BSD-2-Clause
/* From a path to a file: decoding, staying inside, what is not a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "app/http_file.h"
#include "http_site.h"

static int decode(const char *path, char out[HTTP_PATH_MAX])
{
	return http_path_decode((struct http_str){path, strlen(path)}, out);
}

static void test_decode(void **state)
{
	static const struct {
		const char *path;
		int status;
		const char *out;
	} cases[] = {
		{"/", 0, "index.html"},
		{"///", 0, "index.html"},
		{"/a", 0, "a"},
		{"/a/", 0, "a/index.html"},
		{"//a//b", 0, "a/b"},
		{"/a%20b%25.txt", 0, "a b%.txt"},
		{"/%c3%A4", 0, "\xc3\xa4"},
		{"/%252e%252e/x", 0, "%2e%2e/x"}, /* decoded once only */
		{"/...", 0, "..."},
		{"/..a/b..", 0, "..a/b.."},
		{"/..", 403, NULL},
		{"/../", 403, NULL},
		{"/../x", 403, NULL},
		{"/a/..", 403, NULL},
		{"/a/../b", 403, NULL},
		{"//..//x", 403, NULL},
		{"/%2e%2e/x", 403, NULL},
		{"/.%2E/x", 403, NULL},
		{"/a/%2e.", 403, NULL},
		{"/a%00", 400, NULL},
		{"/a%2fb", 400, NULL},
		{"/..%2F..%2fetc", 400, NULL},
		{"/%", 400, NULL},
		{"/%4", 400, NULL},
		{"/%zz", 400, NULL},
		{"/%4g", 400, NULL},
		{"/% 41", 400, NULL},
	};
	char out[HTTP_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (decode(cases[i].path, out) != cases[i].status)
			fail_msg("%s", cases[i].path);
		if (!cases[i].status)
			assert_string_equal(out, cases[i].out);
	}
}

static void test_decode_longest(void **state)
{
	char path[HTTP_LINE_MAX + 2], out[HTTP_PATH_MAX];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[HTTP_LINE_MAX - 1] = '/';
	path[HTTP_LINE_MAX] = '\0';
	assert_int_equal(decode(path, out), 0);
	assert_string_equal(out + HTTP_LINE_MAX - 2, "/index.html");
	path[HTTP_LINE_MAX] = 'a';
	path[HTTP_LINE_MAX + 1] = '\0';
	assert_int_equal(decode(path, out), 400);
}

static int open_path(const char *path, struct http_file *f)
{
	int status = http_file_open(site.dirfd, (struct http_str){path, strlen(path)}, f);

	assert_int_equal(f->fd >= 0, status == 200);
	if (f->fd >= 0)
		close(f->fd);
	return status;
}

static void test_open(void **state)
{
	static const struct {
		const char *path;
		int status;
	} cases[] = {
		{"/", 200},
		{"/file.txt", 200},
		{"/./file.txt", 200},
		{"/a%20b%25.txt", 200},
		{"/..hidden", 200},
		{"/sub/", 200},
		{"/sub/page.html", 200},
		{"/in", 200},
		{"/sub", 301},
		{"/sub/.", 301},
		{"/dirindex/index.html", 301},
		{"/nothing", 404},
		{"/noindex/", 404},
		{"/dirindex/", 404},
		{"/file.txt/", 404},
		{"/file.txt/x", 404},
		{"/out", 403},
		{"/abs", 403},
		{"/up/outside.txt", 403},
		{"/up/www/file.txt", 403},
		{"/up", 403},
		{"/loop", 403},
		{"/fifo", 403},
		{"/../outside.txt", 403},
		{"/sub/../../outside.txt", 403},
		{"/%2e%2e/outside.txt", 403},
		{"/..%2foutside.txt", 400},
	};
	struct http_file f;
	char name[400];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = open_path(cases[i].path, &f);

		if (got != cases[i].status)
			fail_msg("%s: %d, not %d", cases[i].path, got, cases[i].status);
	}
	memset(name, 'a', sizeof(name)); /* longer than a component may be */
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(open_path(name, &f), 404);
	assert_int_equal(open_path("/file.txt", &f), 200);
	assert_int_equal(f.size, 10);
	assert_int_equal(f.mtime, SITE_MTIME);
	assert_string_equal(http_mime_name(f.mime), "text/plain");
}

/* Where openat2 is missing: no link is followed at all. */
static void test_walk(void **state)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {
		{"file.txt", 0},
		{"sub/page.html", 0},
		{"sub/./page.html", 0},
		{"sub", 0},
		{"nothing", ENOENT},
		{"nothing/x", ENOENT},
		{"file.txt/x", ENOTDIR},
		{"in", ELOOP},
		{"out", ELOOP},
		{"abs", ELOOP},
		{"up/outside.txt", ENOTDIR},
		{"loop", ELOOP},
	};
	int next = dup(0);
	char name[300];

	(void)state;
	close(next);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = http_open_walk(site.dirfd, cases[i].path);

		if (fd < 0 ? errno != cases[i].error : cases[i].error)
			fail_msg("%s", cases[i].path);
		if (fd >= 0)
			close(fd);
	}
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(http_open_walk(site.dirfd, name), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(dup(0), next);
	close(next);
}

/* Nothing that was tried has left a descriptor open. */
static void test_no_descriptor(void **state)
{
	int next = dup(0);
	struct rlimit old, none;
	struct http_file f;

	(void)state;
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(open_path("/file.txt", &f), 503);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(open_path("/file.txt", &f), 200);
	assert_int_equal(dup(0), next);
	close(next);
}

static void test_mime(void **state)
{
	static const struct {
		const char *path, *type;
	} cases[] = {
		{"index.html", "text/html"},
		{"a/B.CSS", "text/css"},
		{"x.tar.gz", "application/gzip"},
		{"a.b/c", "application/octet-stream"},
		{"none", "application/octet-stream"},
		{"x.", "application/octet-stream"},
		{"x.unknown", "application/octet-stream"},
		{"p.svg", "image/svg+xml"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(http_mime_name(http_mime(cases[i].path)), cases[i].type);
	assert_string_equal(http_mime_name(255), "application/octet-stream");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),	      cmocka_unit_test(test_decode_longest),
		cmocka_unit_test(test_open),	      cmocka_unit_test(test_walk),
		cmocka_unit_test(test_no_descriptor), cmocka_unit_test(test_mime),
	};

	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
