// SPDX-License-Identifier: BSD-2-Clause
/*
 * wpeer IFACE [always|auto|never]: libweir's TCP as one end of a stream whose every byte is
 * known. It says `ready` and takes commands, a line each:
 *
 *     connect ADDR PORT WHEN SEND OFFSET LENGTH RECV OFFSET LENGTH
 *     accept  ADDR PORT WHEN SEND OFFSET LENGTH RECV OFFSET LENGTH
 *     counters
 *
 * A connection sends that piece of the file SEND and expects exactly that piece of RECV, at
 * once; it ends its own stream when all is sent (WHEN = half), when all is received
 * too (last), or when the peer has ended (peer). `accept` listens for one connection.
 * Each connection gives one JSON line when it is over, in whichever order; the streams of
 * both directions have ended then, or "error" says why not. The end of the commands is the
 * end of the program, after an orderly close of what is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <weir/weir.h>
#include "control/counter_names.h"
#include "engine/worker.h"
#include "sock/sock.h"

#define EVENTS	 64
#define TURN_MS	 20 /* how long a command may lie */
#define DRAIN_MS 5000
#define PIECE	 65536

enum when { HALF, LAST, PEER };

struct piece {
	uint8_t *base; /* of the whole file, mapped */
	size_t size;
	const uint8_t *at;
	size_t len;
};

struct peer {
	struct weir_sock *sock;
	unsigned id;
	enum when when;
	bool listening, connected, shut, ended; /* ended: the peer's stream */
	struct piece send, recv;
	size_t sent, got;
};

static unsigned peers; /* numbered as they are asked for */

/* ---- files ---------------------------------------------------------------------- */

static int map_piece(struct piece *p, const char *path, size_t offset, size_t len)
{
	struct stat st;
	int fd;

	memset(p, 0, sizeof(*p));
	if (!len)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || offset + len > (size_t)st.st_size) {
		close(fd);
		return -EINVAL;
	}
	p->size = (size_t)st.st_size;
	p->base = mmap(NULL, p->size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p->base == MAP_FAILED) {
		p->base = NULL;
		return -errno;
	}
	p->at = p->base + offset;
	p->len = len;
	return 0;
}

static void unmap_piece(struct piece *p)
{
	if (p->base)
		munmap(p->base, p->size);
}

/* ---- a connection ----------------------------------------------------------------- */

static void over(struct peer *p, int err)
{
	printf("{\"id\": %u, \"error\": \"%s\", \"sent\": %zu, \"got\": %zu}\n", p->id,
	       err ? strerrorname_np(-err) : "", p->sent, p->got);
	fflush(stdout);
	weir_sock_close(p->sock);
	unmap_piece(&p->send);
	unmap_piece(&p->recv);
	free(p);
}

static int finish_connect(struct peer *p)
{
	socklen_t len = sizeof(int);
	int failed, err;

	if (!(weir_sock_poll(p->sock) & (POLLOUT | POLLERR | POLLHUP)))
		return -EAGAIN;
	err = weir_sock_getopt(p->sock, SOL_SOCKET, SO_ERROR, &failed, &len);
	if (err || failed)
		return err ? err : -failed;
	p->connected = true;
	return 0;
}

/* The listener has done its work with the first connection. */
static int take(struct peer *p)
{
	struct weir_sock *sock;
	int err = weir_sock_accept(p->sock, &sock, NULL, NULL);

	if (err)
		return err;
	weir_sock_close(p->sock);
	p->sock = sock;
	p->listening = false;
	p->connected = true;
	return 0;
}

static int send_some(struct peer *p)
{
	ssize_t n;

	while (p->sent < p->send.len) {
		size_t most = p->send.len - p->sent;

		n = weir_sock_write(p->sock, p->send.at + p->sent, most < PIECE ? most : PIECE);
		if (n < 0)
			return (int)n;
		p->sent += (size_t)n;
	}
	return 0;
}

/* -EAGAIN: nothing more now; 0: the peer's stream has ended, where it should. */
static int receive_some(struct peer *p)
{
	static uint8_t buf[PIECE];
	ssize_t n;

	while (!p->ended) {
		n = weir_sock_read(p->sock, buf, sizeof(buf));
		if (n < 0)
			return (int)n;
		if ((size_t)n > p->recv.len - p->got ||
		    (n && memcmp(buf, p->recv.at + p->got, (size_t)n)))
			return -EBADMSG;
		p->got += (size_t)n;
		p->ended = n == 0;
	}
	return p->got == p->recv.len ? 0 : -ENODATA;
}

static bool time_to_shut(const struct peer *p)
{
	return !p->shut && p->sent == p->send.len &&
	       (p->when == HALF || (p->when == LAST && p->got == p->recv.len) || p->ended);
}

/* -EAGAIN: to be called again; 0: both streams have ended. */
static int step(struct peer *p)
{
	int err = 0;

	if (p->listening)
		err = take(p);
	else if (!p->connected)
		err = finish_connect(p);
	if (!err)
		err = send_some(p);
	if (err && err != -EAGAIN)
		return err;
	if (p->connected) {
		err = receive_some(p);
		if (err && err != -EAGAIN)
			return err;
	}
	if (p->connected && time_to_shut(p)) {
		int failed = weir_sock_shutdown(p->sock, SHUT_WR);

		if (failed)
			return failed;
		p->shut = true;
	}
	return p->shut && p->ended ? 0 : -EAGAIN;
}

static void turn(struct peer *p)
{
	int err = step(p);
	unsigned events;

	if (err != -EAGAIN) {
		over(p, err);
		return;
	}
	events = p->ended ? 0 : POLLIN;
	if (!p->listening && (!p->connected || p->sent < p->send.len))
		events |= POLLOUT;
	weir_sock_watch(p->sock, events, p);
}

/* ---- commands --------------------------------------------------------------------- */

static int parse_addr(struct sockaddr_storage *ss, socklen_t *len, const char *host, unsigned port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		*len = sizeof(*in);
		return 0;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	*len = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
}

static int begin(struct weir_stack *stack, struct peer *p, const char *host, unsigned port)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int err = parse_addr(&ss, &len, host, port);

	if (!err)
		err = weir_sock_open(stack, ss.ss_family, &p->sock);
	if (err)
		return err;
	if (p->listening) {
		err = weir_sock_bind(p->sock, (struct sockaddr *)&ss, len);
		if (!err)
			err = weir_sock_listen(p->sock, 16);
	} else {
		err = weir_sock_connect(p->sock, (struct sockaddr *)&ss, len);
	}
	if (err && err != -EINPROGRESS) {
		weir_sock_close(p->sock);
		return err;
	}
	return 0;
}

static int new_peer(struct weir_stack *stack, const char *line)
{
	char verb[16], host[64], when[8], out[256], in[256];
	size_t out_at, out_len, in_at, in_len;
	unsigned port;
	struct peer *p;
	int err = -EINVAL;

	if (sscanf(line, "%15s %63s %u %7s %255s %zu %zu %255s %zu %zu", verb, host, &port, when,
		   out, &out_at, &out_len, in, &in_at, &in_len) != 10)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->id = peers++;
	p->when = !strcmp(when, "half") ? HALF : !strcmp(when, "last") ? LAST : PEER;
	p->listening = !strcmp(verb, "accept");
	err = map_piece(&p->send, out, out_at, out_len);
	if (!err)
		err = map_piece(&p->recv, in, in_at, in_len);
	if (!err)
		err = begin(stack, p, host, port);
	if (err) {
		unmap_piece(&p->send);
		unmap_piece(&p->recv);
		free(p);
		return err;
	}
	turn(p);
	return 0;
}

static void counters(const struct weir_stack *stack)
{
	const char *comma = "";

	printf("{\"counters\": {");
	for (unsigned c = 1; c < WEIR_C_MAX; c++) {
		if (!stack->w->counters[c])
			continue;
		printf("%s\"%s\": %llu", comma, counter_name(c),
		       (unsigned long long)stack->w->counters[c]);
		comma = ", ";
	}
	printf("}}\n");
	fflush(stdout);
}

static void obey(struct weir_stack *stack, const char *line)
{
	int err = 0;

	if (!strncmp(line, "counters", 8))
		counters(stack);
	else
		err = new_peer(stack, line);
	if (err) {
		printf("{\"refused\": \"%s\"}\n", strerrorname_np(-err));
		fflush(stdout);
	}
}

/* Takes what commands there are. false: there will be no more. */
static bool listen_to(struct weir_stack *stack)
{
	static char buf[65536];
	static size_t have;
	struct pollfd pfd = {.events = POLLIN};
	char *end;
	ssize_t n;

	while (poll(&pfd, 1, 0) > 0) {
		n = read(0, buf + have, sizeof(buf) - 1 - have);
		if (n <= 0)
			return false;
		have += (size_t)n;
		while ((end = memchr(buf, '\n', have))) {
			*end = '\0';
			obey(stack, buf);
			have -= (size_t)(end + 1 - buf);
			memmove(buf, end + 1, have);
		}
	}
	return true;
}

static int run(struct weir_stack *stack)
{
	struct weir_event ev[EVENTS];

	printf("ready\n");
	fflush(stdout);
	while (listen_to(stack)) {
		int n = weir_stack_wait(stack, ev, EVENTS, TURN_MS);

		if (n < 0 && n != -EINTR)
			return n;
		for (int i = 0; i < n; i++)
			turn(ev[i].arg);
	}
	return weir_stack_drain(stack, DRAIN_MS);
}

int main(int argc, char **argv)
{
	struct weir_stack_options o;
	struct weir_stack *stack;
	char why[400];
	int err;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: wpeer IFACE [always|auto|never]\n");
		return 2;
	}
	weir_stack_options_default(&o);
	o.msl_ms = 1000;
	if (argc == 3)
		o.mode = !strcmp(argv[2], "always")  ? WEIR_STACK_ALWAYS
			 : !strcmp(argv[2], "never") ? WEIR_STACK_NEVER
						     : WEIR_STACK_AUTO;
	if (weir_stack_open(&stack, argv[1], &o, why, sizeof(why))) {
		fprintf(stderr, "wpeer: %s: %s\n", argv[1], why);
		return 1;
	}
	err = run(stack);
	if (err)
		fprintf(stderr, "wpeer: %s: %s\n", argv[1], strerror(-err));
	weir_stack_close(stack);
	return err ? 1 : 0;
}
