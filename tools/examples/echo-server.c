/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An echo server on libweir: many clients, one loop, no thread.
 *
 *     echo-server IFACE ADDRESS PORT        0.0.0.0 and :: are any address
 *
 * Each client has a buffer. What was read waits there until it could be written; while
 * it is full nothing more is read, and TCP's window tells the client to wait.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

#include "address.h"

#define EVENTS 64

struct client {
	struct weir_sock *sock;
	size_t len, sent; /* of buf: filled, and of that written */
	bool eof;
	char buf[16384];
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void drop(struct client *c)
{
	weir_sock_close(c->sock);
	free(c);
}

/* Writes what waits, then reads more, until one of them has to wait for the client. */
static int echo(struct client *c)
{
	for (;;) {
		ssize_t n;

		if (c->sent < c->len) {
			n = weir_sock_write(c->sock, c->buf + c->sent, c->len - c->sent);
			if (n < 0)
				return (int)n;
			c->sent += (size_t)n;
			continue;
		}
		if (c->eof)
			return 0;
		n = weir_sock_read(c->sock, c->buf, sizeof(c->buf));
		if (n < 0)
			return (int)n;
		c->eof = n == 0;
		c->len = (size_t)n;
		c->sent = 0;
	}
}

static void serve(struct client *c)
{
	int err = echo(c);

	if (err == -EAGAIN)
		weir_sock_watch(c->sock, c->sent < c->len ? POLLOUT : POLLIN, c);
	else
		drop(c); /* 0: all was echoed; else a reset or a time-out */
}

static void accept_all(struct weir_sock *listener)
{
	struct weir_sock *sock;

	while (weir_sock_accept(listener, &sock, NULL, NULL) == 0) {
		struct client *c = malloc(sizeof(*c));

		if (!c) {
			weir_sock_close(sock);
			continue;
		}
		c->sock = sock;
		c->len = c->sent = 0;
		c->eof = false;
		serve(c);
	}
}

static int loop(struct weir_stack *stack, struct weir_sock *listener)
{
	struct weir_event ev[EVENTS];

	while (!stop) {
		/* Not for ever: a signal just before the call would go unnoticed. */
		int n = weir_stack_wait(stack, ev, EVENTS, 500);

		if (n < 0 && n != -EINTR)
			return n;
		for (int i = 0; i < n; i++) {
			if (ev[i].sock == listener)
				accept_all(listener);
			else
				serve(ev[i].arg);
		}
	}
	return 0;
}

static int listen_on(struct weir_stack *stack, const struct sockaddr_storage *ss, socklen_t len,
		     struct weir_sock **out)
{
	int err = weir_sock_open(stack, ss->ss_family, out);

	if (!err)
		err = weir_sock_bind(*out, (const struct sockaddr *)ss, len);
	if (!err)
		err = weir_sock_listen(*out, 128);
	if (!err)
		weir_sock_watch(*out, POLLIN, NULL);
	return err;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct weir_sock *listener;
	struct weir_stack *stack;
	struct sockaddr_storage ss;
	socklen_t len;
	char why[400];
	int err;

	if (argc != 4 || parse_address(&ss, &len, argv[2], argv[3])) {
		fprintf(stderr, "usage: echo-server IFACE ADDRESS PORT\n");
		return 2;
	}
	if (weir_stack_open(&stack, argv[1], NULL, why, sizeof(why))) {
		fprintf(stderr, "echo-server: %s: %s\n", argv[1], why);
		return 1;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	err = listen_on(stack, &ss, len, &listener);
	if (err) {
		fprintf(stderr, "echo-server: cannot listen on %s port %s: %s\n", argv[2], argv[3],
			strerror(-err));
	} else {
		fprintf(stderr, "echo-server: listening on %s port %s of %s\n", argv[2], argv[3],
			argv[1]);
		err = loop(stack, listener);
		if (err)
			fprintf(stderr, "echo-server: %s: %s\n", argv[1], strerror(-err));
		else
			weir_stack_drain(stack, 3000);
	}
	weir_stack_close(stack);
	return err ? 1 : 0;
}
