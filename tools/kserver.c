// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's side of a comparison: one file over HTTP/1.1 on a listener of the
 * kernel's TCP, by epoll in one thread. It answers every request the same and
 * reads of it no more than where it ends and whether to close, so that what is
 * compared is the stack below and not the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_MAX 4096
#define BODY_MAX    (64 << 20)

struct conn {
	int fd;
	bool closing; /* after this response */
	size_t have;  /* bytes of request */
	size_t left;  /* bytes of response still to send */
	char request[REQUEST_MAX];
};

static char *response; /* header and body */
static size_t response_len;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int load(const char *path)
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

static int listen_on(const char *addr, const char *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	bool v6 = inet_pton(AF_INET, addr, &sin.sin_addr) != 1;
	int fd, one = 1, err;

	if (v6 && inet_pton(AF_INET6, addr, &sin6.sin6_addr) != 1)
		return -EINVAL;
	sin.sin_port = sin6.sin6_port = htons((uint16_t)strtoul(port, NULL, 10));
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	err = v6 ? bind(fd, (struct sockaddr *)&sin6, sizeof(sin6))
		 : bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	if (!err)
		err = listen(fd, SOMAXCONN);
	if (!err)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void accept_all(int ep, int listener)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	struct conn *c;
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = calloc(1, sizeof(*c));
		ev.data.ptr = c;
		if (!c || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev)) {
			free(c);
			close(fd);
			continue;
		}
		c->fd = fd;
	}
}

/* The next whole request of the buffer, if there is one: takes it, starts its response. */
static bool take_request(struct conn *c)
{
	char *end;
	size_t n;

	c->request[c->have] = '\0';
	end = strstr(c->request, "\r\n\r\n");
	if (!end)
		return false;
	*end = '\0';
	c->closing = strcasestr(c->request, "\r\nConnection: close") != NULL;
	n = (size_t)(end + 4 - c->request);
	c->have -= n;
	memmove(c->request, c->request + n, c->have);
	c->left = response_len;
	return true;
}

/* Goes on until the socket would block; false when the connection is over. */
static bool serve(struct conn *c)
{
	ssize_t n;

	for (;;) {
		while (c->left) {
			n = send(c->fd, response + response_len - c->left, c->left, MSG_NOSIGNAL);
			if (n < 0)
				return errno == EAGAIN;
			c->left -= (size_t)n;
			if (!c->left && c->closing)
				return false;
		}
		if (take_request(c))
			continue;
		n = recv(c->fd, c->request + c->have, REQUEST_MAX - 1 - c->have, 0);
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		c->have += (size_t)n;
	}
}

static int run(int listener)
{
	struct epoll_event ev = {.events = EPOLLIN}, events[64];
	int ep = epoll_create1(EPOLL_CLOEXEC), n, i;

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev))
		return -errno;
	while (!stop) {
		n = epoll_wait(ep, events, 64, -1);
		for (i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c) {
				accept_all(ep, listener);
			} else if (!serve(c)) {
				close(c->fd);
				free(c);
			}
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct rlimit files;
	int err, fd;

	if (argc != 4) {
		fputs("usage: kserver ADDR PORT FILE\n", stderr);
		return 2;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	err = load(argv[3]);
	if (err) {
		fprintf(stderr, "kserver: %s: %s\n", argv[3], strerror(-err));
		return 1;
	}
	fd = listen_on(argv[1], argv[2]);
	if (fd < 0) {
		fprintf(stderr, "kserver: %s port %s: %s\n", argv[1], argv[2], strerror(-fd));
		return 1;
	}
	err = run(fd);
	free(response);
	return err ? 1 : 0;
}
