// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/http_file.h"

#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of the path, decoded; advances *i past it. -1: forbidden. */
static int decode_char(struct http_str s, size_t *i)
{
	int hi, lo;

	if (s.p[*i] != '%')
		return (unsigned char)s.p[(*i)++];
	if (s.len - *i < 3)
		return -1;
	hi = hex(s.p[*i + 1]);
	lo = hex(s.p[*i + 2]);
	*i += 3;
	if (hi < 0 || lo < 0 || (hi << 4 | lo) == 0 || (hi << 4 | lo) == '/')
		return -1;
	return hi << 4 | lo;
}

static bool dot_dot(const char *end, const char *start)
{
	size_t n = (size_t)(end - start);

	return n >= 2 && end[-1] == '.' && end[-2] == '.' && (n == 2 || end[-3] == '/');
}

int http_path_decode(struct http_str path, char out[HTTP_PATH_MAX])
{
	char *o = out;

	if (path.len > HTTP_LINE_MAX)
		return 400;
	for (size_t i = 0; i < path.len;) {
		bool raw_slash = path.p[i] == '/';
		int c = decode_char(path, &i);

		if (c < 0)
			return 400;
		if (raw_slash && dot_dot(o, out))
			return 403;
		if (raw_slash && (o == out || o[-1] == '/'))
			continue; /* relative, and slashes in a row are one */
		*o++ = (char)c;
	}
	if (dot_dot(o, out))
		return 403;
	*o = '\0';
	if (o == out || o[-1] == '/')
		strcpy(o, "index.html");
	return 0;
}

/* ---- opening ------------------------------------------------------------- */

int http_open_walk(int dirfd, const char *path)
{
	int at = dirfd, next, e;
	char name[256];

	for (;;) {
		size_t n = strcspn(path, "/");
		bool last = !path[n];

		next = -1;
		errno = ENAMETOOLONG;
		if (n < sizeof(name)) {
			memcpy(name, path, n);
			name[n] = '\0';
			next = openat(at, name,
				      last ? OPEN_FLAGS | O_NOFOLLOW
					   : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		e = errno;
		if (at != dirfd)
			close(at);
		errno = e;
		if (next < 0 || last)
			return next;
		at = next;
		path += n + 1;
	}
}

static int open_beneath(int dirfd, const char *path)
{
	struct open_how how = {
		.flags = OPEN_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 0;

	/* EAGAIN: something was renamed meanwhile and the kernel cannot be sure. */
	do
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR) && ++tries < 4);
	if (fd < 0 && errno == ENOSYS)
		fd = http_open_walk(dirfd, path);
	return fd;
}

static int status_of(int e)
{
	switch (e) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return 404;
	case EACCES:
	case EPERM:
	case EXDEV: /* out of the directory */
	case ELOOP:
	case ENXIO: /* a socket, a device without a driver */
	case ENODEV:
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
	case EINTR:
		return 503;
	default:
		return 500;
	}
}

int http_file_open(int dirfd, struct http_str path, struct http_file *f)
{
	char rel[HTTP_PATH_MAX];
	struct stat st;
	int status = http_path_decode(path, rel);

	f->fd = -1;
	if (status)
		return status;
	f->fd = open_beneath(dirfd, rel);
	if (f->fd < 0)
		return status_of(errno);
	if (fstat(f->fd, &st))
		status = 500;
	else if (S_ISDIR(st.st_mode)) /* an index that is a directory is no index */
		status = path.p[path.len - 1] == '/' ? 404 : 301;
	else if (!S_ISREG(st.st_mode))
		status = 403;
	if (status) {
		close(f->fd);
		f->fd = -1;
		return status;
	}
	f->size = (uint64_t)st.st_size;
	f->mtime = st.st_mtime;
	f->mime = http_mime(rel);
	return 200;
}

/* ---- content types ------------------------------------------------------- */

static const struct {
	const char *ext, *type;
} mimes[] = {
	{"", "application/octet-stream"},
	{"html", "text/html"},
	{"htm", "text/html"},
	{"css", "text/css"},
	{"js", "text/javascript"},
	{"mjs", "text/javascript"},
	{"json", "application/json"},
	{"txt", "text/plain"},
	{"md", "text/markdown"},
	{"csv", "text/csv"},
	{"xml", "application/xml"},
	{"svg", "image/svg+xml"},
	{"png", "image/png"},
	{"jpg", "image/jpeg"},
	{"jpeg", "image/jpeg"},
	{"gif", "image/gif"},
	{"webp", "image/webp"},
	{"avif", "image/avif"},
	{"ico", "image/vnd.microsoft.icon"},
	{"woff", "font/woff"},
	{"woff2", "font/woff2"},
	{"ttf", "font/ttf"},
	{"mp3", "audio/mpeg"},
	{"ogg", "audio/ogg"},
	{"mp4", "video/mp4"},
	{"webm", "video/webm"},
	{"pdf", "application/pdf"},
	{"wasm", "application/wasm"},
	{"zip", "application/zip"},
	{"gz", "application/gzip"},
	{"tar", "application/x-tar"},
};

#define MIMES (sizeof(mimes) / sizeof(mimes[0]))

uint8_t http_mime(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash ? slash : path, '.');

	for (uint8_t i = 1; dot && i < MIMES; i++)
		if (!strcasecmp(dot + 1, mimes[i].ext))
			return i;
	return 0;
}

const char *http_mime_name(uint8_t mime)
{
	return mimes[mime < MIMES ? mime : 0].type;
}
