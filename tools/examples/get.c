/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest client of libweir: fetches a page by HTTP/1.0 and prints its body.
 *
 *     get IFACE ADDRESS PORT [PATH]
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

#include "address.h"

#define PATIENCE_MS 10000 /* for each step */

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Runs the stack until the socket is ready for `events`. */
static int wait_for(struct weir_stack *stack, struct weir_sock *sock, unsigned events)
{
	struct weir_event ev;

	weir_sock_watch(sock, events, NULL);
	/* Not at one go: a signal just before the call would go unnoticed. */
	for (int ms = 0; ms < PATIENCE_MS && !stop; ms += 500) {
		int n = weir_stack_wait(stack, &ev, 1, 500);

		if (n > 0)
			return 0;
		if (n < 0 && n != -EINTR)
			return n;
	}
	return stop ? -EINTR : -ETIMEDOUT;
}

static int dial(struct weir_stack *stack, struct weir_sock *sock, const struct sockaddr_storage *ss,
		socklen_t len)
{
	int err = weir_sock_connect(sock, (const struct sockaddr *)ss, len), failed;
	socklen_t size = sizeof(failed);

	if (err == -EINPROGRESS)
		err = wait_for(stack, sock, POLLOUT);
	if (err)
		return err;
	err = weir_sock_getopt(sock, SOL_SOCKET, SO_ERROR, &failed, &size);
	return err ? err : -failed;
}

static int send_all(struct weir_stack *stack, struct weir_sock *sock, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = weir_sock_write(sock, text, left);

		if (n == -EAGAIN)
			n = wait_for(stack, sock, POLLOUT);
		if (n < 0)
			return (int)n;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

/* Prints what comes after the first empty line. */
static void print_body(const char *p, size_t n, unsigned *newlines)
{
	for (; n && *newlines < 2; p++, n--) {
		if (*p == '\n')
			++*newlines;
		else if (*p != '\r')
			*newlines = 0;
	}
	fwrite(p, 1, n, stdout);
}

static int receive(struct weir_stack *stack, struct weir_sock *sock)
{
	unsigned newlines = 0;
	char buf[16384];

	for (;;) {
		ssize_t n = weir_sock_read(sock, buf, sizeof(buf));

		if (n == 0)
			return newlines < 2 ? -EPROTO : 0;
		if (n == -EAGAIN)
			n = wait_for(stack, sock, POLLIN);
		if (n < 0)
			return (int)n;
		print_body(buf, (size_t)n, &newlines);
	}
}

static int fetch(struct weir_stack *stack, const struct sockaddr_storage *ss, socklen_t len,
		 const char *path)
{
	struct weir_sock *sock;
	char request[1024];
	int err = weir_sock_open(stack, ss->ss_family, &sock);

	if (err)
		return err;
	snprintf(request, sizeof(request), "GET %.900s HTTP/1.0\r\nHost: weir\r\n\r\n", path);
	err = dial(stack, sock, ss, len);
	if (!err)
		err = send_all(stack, sock, request);
	/* Half-closed: that was all we have to say. */
	if (!err)
		err = weir_sock_shutdown(sock, SHUT_WR);
	if (!err)
		err = receive(stack, sock);
	weir_sock_close(sock);
	return err;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct sockaddr_storage ss;
	struct weir_stack *stack;
	socklen_t len;
	char why[400];
	int err;

	if (argc < 4 || argc > 5 || parse_address(&ss, &len, argv[2], argv[3])) {
		fprintf(stderr, "usage: get IFACE ADDRESS PORT [PATH]\n");
		return 2;
	}
	if (weir_stack_open(&stack, argv[1], NULL, why, sizeof(why))) {
		fprintf(stderr, "get: %s: %s\n", argv[1], why);
		return 1;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	err = fetch(stack, &ss, len, argc == 5 ? argv[4] : "/");
	if (err)
		fprintf(stderr, "get: %s port %s: %s\n", argv[2], argv[3], strerror(-err));
	/* Lets the connection end in order: its last segments are sent in here. */
	weir_stack_drain(stack, 1000);
	weir_stack_close(stack);
	return err ? 1 : 0;
}
