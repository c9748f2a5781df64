// SPDX-License-Identifier: BSD-2-Clause
/*
 * One file over HTTP/1.1: answers every request the same and reads of it no more than
 * where it ends and whether to close.
 */
#include "kserver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_MAX 4096
#define BODY_MAX    (64 << 20)

struct http {
	struct kconn c;
	bool closing; /* after this response */
	size_t have;  /* bytes of request */
	size_t left;  /* bytes of response still to send */
	char request[REQUEST_MAX];
};

static char *response; /* header and body */
static size_t response_len;

int http_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), head, err = -EFBIG;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > BODY_MAX)
		goto out;
	err = -ENOMEM;
	response = malloc(256 + (size_t)st.st_size);
	if (!response)
		goto out;
	head = snprintf(response, 256, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
			(long long)st.st_size);
	n = read(fd, response + head, (size_t)st.st_size);
	err = n == st.st_size ? 0 : -EIO;
	response_len = (size_t)head + (size_t)st.st_size;
out:
	close(fd);
	return err;
}

/* The next whole request of the buffer, if there is one: takes it, starts its response. */
static bool take_request(struct http *h)
{
	char *end;
	size_t n;

	h->request[h->have] = '\0';
	end = strstr(h->request, "\r\n\r\n");
	if (!end)
		return false;
	*end = '\0';
	h->closing = strcasestr(h->request, "\r\nConnection: close") != NULL;
	n = (size_t)(end + 4 - h->request);
	h->have -= n;
	memmove(h->request, h->request + n, h->have);
	h->left = response_len;
	return true;
}

static enum kverdict serve(struct kconn *c, uint32_t events)
{
	struct http *h = (struct http *)c;
	ssize_t n;

	(void)events;
	for (;;) {
		while (h->left) {
			n = send(c->fd, response + response_len - h->left, h->left, MSG_NOSIGNAL);
			if (n < 0) {
				c->blocked = errno == EAGAIN;
				return c->blocked ? KCONN_WAIT : KCONN_OVER;
			}
			h->left -= (size_t)n;
			if (!h->left && h->closing)
				return KCONN_OVER;
		}
		if (take_request(h))
			continue;
		n = recv(c->fd, h->request + h->have, REQUEST_MAX - 1 - h->have, 0);
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? KCONN_WAIT : KCONN_OVER;
		h->have += (size_t)n;
	}
}

const struct service service_http = {
	.name = "http",
	.conn_size = sizeof(struct http),
	.serve = serve,
};
