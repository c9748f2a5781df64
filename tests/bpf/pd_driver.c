/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pd_driver.h"

#define SECOND 1000000

/* build/tests/KIND/test_x has it at build/packetdrill, a guest's /tests/test_x at /packetdrill. */
static void *load(void)
{
	char path[4096], *end;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	void *lib = NULL;

	assert_true(n > 0);
	path[n] = '\0';
	while (!lib && (end = strrchr(path, '/'))) {
		strcpy(end, "/packetdrill/libweir-packetdrill.so");
		lib = access(path, R_OK) ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
		*end = '\0';
	}
	if (!lib)
		print_error("no libweir-packetdrill.so: %s\n", dlerror());
	assert_non_null(lib);
	return lib;
}

void pd_open(struct pd_drive *d, const char *flags, int family)
{
	void (*init)(const char *flags, struct pd_interface *ifc);

	memset(d, 0, sizeof(*d));
	*(void **)&init = dlsym(load(), "packetdrill_interface_init");
	assert_non_null(init);
	init(flags, &d->i);
	/* Every call is there: packetdrill checks none of them. */
	for (size_t at = 0; at < sizeof(d->i); at += sizeof(void *))
		assert_non_null(*(void **)((uint8_t *)&d->i + at));
	d->family = family;
	d->client = frame_syn(family);
}

void pd_close(struct pd_drive *d)
{
	PD(d, destroy);
}

long long pd_now(struct pd_drive *d)
{
	struct timeval tv;

	assert_int_equal(PD(d, gettimeofday, &tv, NULL), 0);
	return (long long)tv.tv_sec * SECOND + tv.tv_usec;
}

static socklen_t server_address(const struct pd_drive *d, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (d->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(d->client.dport);
		memcpy(&in->sin_addr, d->client.dst, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(d->client.dport);
	memcpy(&in6->sin6_addr, d->client.dst, 16);
	return sizeof(*in6);
}

int pd_listen(struct pd_drive *d)
{
	struct sockaddr_storage ss;
	socklen_t len = server_address(d, &ss);
	int fd = PD(d, socket, ss.ss_family, SOCK_STREAM, IPPROTO_TCP);

	assert_true(fd >= 0);
	assert_int_equal(PD(d, bind, fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(PD(d, listen, fd, 5), 0);
	return fd;
}

void pd_in(struct pd_drive *d, uint8_t flags, const char *data)
{
	uint8_t buf[FRAME_MAX];
	struct frame f = d->client;
	size_t len, l3 = frame_l3(&f);

	f.flags = flags;
	f.data = (const uint8_t *)data;
	f.data_len = data ? strlen(data) : 0;
	len = frame_build(&f, buf);
	assert_int_equal(PD(d, netdev_send, buf + l3, len - l3), 0);
	d->client.seq += (uint32_t)f.data_len + !!(flags & SYN) + !!(flags & FIN);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool pd_take(struct pd_drive *d)
{
	size_t n = sizeof(d->packet), ip;
	const uint8_t *tcp;

	assert_int_equal(PD(d, netdev_receive, d->packet, &n, &d->time_us), 0);
	if (!n)
		return false;
	ip = d->packet[0] >> 4 == 4 ? 20 : 40;
	assert_int_equal(d->packet[0] >> 4, d->family);
	tcp = d->packet + ip;
	d->seq = be32(tcp + 4);
	d->ack = be32(tcp + 8);
	d->flags = tcp[13];
	d->window = (uint16_t)(tcp[14] << 8 | tcp[15]);
	d->data = tcp + (tcp[12] >> 4) * 4;
	d->len = (size_t)(d->packet + n - d->data);
	return true;
}

void pd_out_(struct pd_drive *d, uint8_t flags, size_t len, const char *file, int line)
{
	if (!pd_take(d)) {
		print_error("nothing came\n");
		_fail(file, line);
	}
	if ((d->flags & ~PSH) != flags || d->len != len) {
		print_error("flags %02x and %zu bytes, expected %02x and %zu\n", d->flags, d->len,
			    flags, len);
		_fail(file, line);
	}
	if (flags & ACK && d->ack != d->client.seq) {
		print_error("acknowledges %u, expected %u\n", d->ack, d->client.seq);
		_fail(file, line);
	}
	d->client.ack = d->seq + (uint32_t)len + !!(flags & SYN) + !!(flags & FIN);
}

void pd_handshake(struct pd_drive *d)
{
	pd_in(d, SYN, NULL);
	pd_out(d, SYN | ACK, 0);
	pd_in(d, ACK, NULL);
}

/* ---- scenarios -------------------------------------------------------------------- */

void pd_serves(const char *flags, int family)
{
	struct pd_drive d;
	char buf[100];
	int fd, c;

	pd_open(&d, flags, family);
	fd = pd_listen(&d);
	pd_handshake(&d);
	c = PD(&d, accept, fd, NULL, NULL);
	assert_true(c >= 0 && c != fd);
	pd_in(&d, ACK | PSH, "hello");
	pd_out(&d, ACK, 0);
	assert_int_equal(PD(&d, read, c, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(PD(&d, write, c, "how do you do", 13), 13);
	pd_out(&d, ACK, 13);
	assert_memory_equal(d.data, "how do you do", 13);
	pd_in(&d, ACK, NULL);
	assert_int_equal(PD(&d, close, c), 0);
	pd_out(&d, FIN | ACK, 0);
	pd_in(&d, FIN | ACK, NULL);
	pd_out(&d, ACK, 0);
	assert_int_equal(PD(&d, read, c, buf, sizeof(buf)), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(PD(&d, close, fd), 0);
	pd_close(&d);
}

struct blocked {
	struct pd_drive *d;
	int listener, conn;
	ssize_t got;
	_Atomic long long accepted_us;
	long long read_us;
};

static void *accept_and_read(void *arg)
{
	struct blocked *b = arg;
	char buf[100];

	b->conn = PD(b->d, accept, b->listener, NULL, NULL);
	b->accepted_us = pd_now(b->d);
	b->got = PD(b->d, read, b->conn, buf, sizeof(buf));
	b->read_us = pd_now(b->d);
	return NULL;
}

/* The second thread waits; the times of its returns are those of the packets. */
void pd_blocks(const char *flags, int family)
{
	struct pd_drive d;
	struct blocked b = {.d = &d};
	pthread_t t;
	long long start, opened, sent;

	pd_open(&d, flags, family);
	b.listener = pd_listen(&d);
	start = pd_now(&d);
	assert_int_equal(pthread_create(&t, NULL, accept_and_read, &b), 0);
	/* However long that takes: its call has begun when it is asleep, or will find all done. */
	assert_int_equal(PD(&d, usleep, 2 * SECOND), 0);
	usleep(20000);
	pd_handshake(&d);
	opened = pd_now(&d);
	assert_int_equal(opened - start, 2 * SECOND);
	while (!b.accepted_us)
		usleep(1000);
	assert_int_equal(PD(&d, usleep, SECOND), 0);
	pd_in(&d, ACK | PSH, "ping");
	sent = pd_now(&d);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_true(b.conn >= 0);
	assert_int_equal(b.got, 4);
	assert_int_equal(b.accepted_us, opened);
	assert_int_equal(b.read_us, sent);
	pd_close(&d);
}

static int so_error(struct pd_drive *d, int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	assert_int_equal(PD(d, getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	return error;
}

void pd_resets(const char *flags, int family)
{
	struct pd_drive d;
	struct pollfd p;
	int fd, c;

	pd_open(&d, flags, family);
	fd = pd_listen(&d);
	pd_handshake(&d);
	c = PD(&d, accept, fd, NULL, NULL);
	assert_true(c >= 0);
	assert_int_equal(PD(&d, fcntl, c, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(PD(&d, read, c, &p, 1), -1);
	assert_int_equal(errno, EAGAIN);
	pd_in(&d, RST, NULL);
	p = (struct pollfd){.fd = c, .events = POLLIN};
	assert_int_equal(PD(&d, poll, &p, 1, 1000), 1);
	assert_true(p.revents & POLLERR);
	assert_int_equal(so_error(&d, c), ECONNRESET);
	assert_int_equal(so_error(&d, c), 0);
	/* A closed port answers for itself. */
	d.client.dport = 81;
	d.client.seq = 1000;
	pd_in(&d, SYN, NULL);
	pd_out(&d, RST | ACK, 0);
	pd_close(&d);
}

void pd_connects(const char *flags, int family)
{
	struct sockaddr_storage ss;
	struct pd_drive d;
	struct pollfd p;
	socklen_t len;
	int fd;
	long long start;

	pd_open(&d, flags, family);
	len = server_address(&d, &ss);
	fd = PD(&d, socket, ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	start = pd_now(&d);
	assert_int_equal(PD(&d, connect, fd, (struct sockaddr *)&ss, len), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_true(pd_take(&d));
	assert_int_equal(d.flags & SYN, SYN);
	/* Nobody answers: again after the initial timeout, at that very time. */
	assert_true(pd_take(&d));
	assert_int_equal(d.flags & SYN, SYN);
	assert_true(d.time_us - start >= SECOND && d.time_us - start < SECOND + SECOND / 10);
	/* Its peer is the client of the other tests, with the sides exchanged. */
	memcpy(d.client.src, d.client.dst, 16);
	memcpy(d.client.dst, d.packet + (family == 4 ? 12 : 8), family == 4 ? 4 : 16);
	d.client.sport = d.client.dport;
	d.client.dport =
		(uint16_t)(d.packet[family == 4 ? 20 : 40] << 8 | d.packet[family == 4 ? 21 : 41]);
	d.client.ack = d.seq + 1;
	pd_in(&d, SYN | ACK, NULL);
	pd_out(&d, ACK, 0);
	p = (struct pollfd){.fd = fd, .events = POLLOUT};
	assert_int_equal(PD(&d, poll, &p, 1, 0), 1);
	assert_int_equal(p.revents, POLLOUT);
	assert_int_equal(so_error(&d, fd), 0);
	pd_close(&d);
}
