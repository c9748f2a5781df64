/* SPDX-License-Identifier: BSD-2-Clause */
/* The proxy's streams: bytes, ends, resets, back-pressure, each by io_uring and by epoll. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy_fixture.h"

/* Reads until n more bytes have come. */
static void be_want(struct px *x, int fd, uint64_t *at, uint64_t n)
{
	uint64_t until = *at + n;

	PX_UNTIL(x, be_recv(fd, at, until - *at) != 0 && *at == until);
}

static void be_want_end(struct px *x, int fd)
{
	uint64_t at = 0;

	PX_UNTIL(x, be_recv(fd, &at, 1) == 0);
}

/* Both ways as fast as each takes it, until the client has `down` more and the backend `up`. */
static void flow(struct px *x, struct cl *cl, int fd, uint64_t *sent, uint64_t *got, uint64_t up,
		 uint64_t down)
{
	uint64_t up_to = cl->sent + up, down_to = *sent + down;

	for (int i = 0; *got < up_to || cl->got < down_to; i++) {
		assert_true(i < 200000);
		if (cl->sent < up_to)
			cl_send(cl, up_to - cl->sent);
		if (*sent < down_to)
			be_send(fd, sent, down_to - *sent);
		be_recv(fd, got, up_to - *got);
		px_step(x);
	}
}

static void talk(struct px *x)
{
	uint64_t sent = 0, got = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	fd = be_accept(x);
	cl_send(&cl, 10);
	be_want(x, fd, &got, 10);
	be_send(fd, &sent, 3000);
	PX_UNTIL(x, cl.got == 3000);
	flow(x, &cl, fd, &sent, &got, 2000000, 3000000);
	assert_int_equal(px_count(x, WEIR_C_proxy_bytes_to_backend), got);
	assert_int_equal(px_count(x, WEIR_C_proxy_bytes_to_client), sent);
	weir_close(cl.c);
	be_want_end(x, fd);
	close(fd);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "normal");
	assert_int_equal(px_count(x, WEIR_C_proxy_connected), 1);
	PX_UNTIL(x, px_count(x, WEIR_C_proxy_closed) == 1);
}
PX_TEST(talk, NULL, "")

static void talk_unix(struct px *x)
{
	talk(x);
}
PX_TEST(talk_unix, PX_UNIX, "")

/* A client, whose backend has said n bytes. */
static int greeted(struct px *x, struct cl *cl, uint64_t n)
{
	uint64_t sent = 0;
	int fd;

	cl_open(x, cl);
	fd = be_accept(x);
	be_send(fd, &sent, n);
	PX_UNTIL(x, cl->got == n);
	return fd;
}

static void server_speaks_first(struct px *x)
{
	struct cl cl;
	int fd;

	fd = greeted(x, &cl, 20);
	close(fd);
	PX_UNTIL(x, cl.eof);
	weir_close(cl.c);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "normal");
}
PX_TEST(server_speaks_first, NULL, "")

/* The client's FIN comes through by itself, behind its bytes; what the backend says goes on. */
static void client_half_closes(struct px *x)
{
	uint64_t sent = 0, got = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	fd = be_accept(x);
	cl_send(&cl, 5000);
	weir_shutdown(cl.c);
	be_want(x, fd, &got, 5000);
	be_want_end(x, fd);
	flow(x, &cl, fd, &sent, &got, 0, 500000);
	assert_false(cl.eof);
	close(fd);
	PX_UNTIL(x, cl.eof);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "normal");
}
PX_TEST(client_half_closes, NULL, "")

static void backend_half_closes(struct px *x)
{
	uint64_t sent = 0, got = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	fd = be_accept(x);
	be_send(fd, &sent, 5000);
	shutdown(fd, SHUT_WR);
	PX_UNTIL(x, cl.eof);
	assert_int_equal(cl.got, 5000);
	flow(x, &cl, fd, &sent, &got, 500000, 0);
	weir_close(cl.c);
	be_want_end(x, fd);
	close(fd);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "normal");
	PX_UNTIL(x, px_count(x, WEIR_C_proxy_closed) == 1);
	assert_int_equal(px_count(x, WEIR_C_proxy_backend_reset), 0);
}
PX_TEST(backend_half_closes, NULL, "")

/* FIN and all before the connect is done. */
static void client_is_quick(struct px *x)
{
	uint64_t got = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	cl_send(&cl, 100);
	weir_shutdown(cl.c);
	fd = be_accept(x);
	be_want(x, fd, &got, 100);
	be_want_end(x, fd);
	close(fd);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "normal");
}
PX_TEST(client_is_quick, NULL, "")

static int error_of(int fd, uint64_t *at)
{
	ssize_t n;

	do {
		n = be_recv(fd, at, 100000);
	} while (n > 0);
	return (int)n;
}

static void client_resets(struct px *x)
{
	uint64_t got = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	fd = be_accept(x);
	weir_abort(cl.c);
	PX_UNTIL(x, error_of(fd, &got) == -ECONNRESET);
	close(fd);
	PX_UNTIL(x, px_count(x, WEIR_C_proxy_client_reset) == 1);
}
PX_TEST(client_resets, NULL, "")

/* With bytes under way both ways and neither side reading. */
static void client_resets_in_the_middle(struct px *x)
{
	uint64_t sent = 0, got = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	cl.hold = true;
	fd = be_accept(x);
	for (int i = 0; i < 50; i++) {
		be_send(fd, &sent, 100000);
		cl_send(&cl, 100000);
		px_step(x);
	}
	weir_abort(cl.c);
	PX_UNTIL(x, error_of(fd, &got) == -ECONNRESET);
	close(fd);
	px_pass(x, SECOND);
	assert_int_equal(rig_status(x->p.b).buffer_bytes_used, 0);
}
PX_TEST(client_resets_in_the_middle, NULL, "")

static void backend_resets(struct px *x)
{
	struct cl cl;
	int fd;

	fd = greeted(x, &cl, 100);
	be_reset(fd);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "reset");
	assert_int_equal(px_count(x, WEIR_C_proxy_backend_reset), 1);
}
PX_TEST(backend_resets, NULL, "")

/* It has sent its end and reads nothing more: what it said arrives, whole. */
static void backend_closes_over_unread(struct px *x)
{
	uint64_t sent = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	cl.hold = true;
	fd = be_accept(x);
	be_send(fd, &sent, 30000);
	px_step(x);
	shutdown(fd, SHUT_WR);
	PX_UNTIL(x, weir_recv_ready(cl.c) == 30000 && weir_recv_fin(cl.c));
	close(fd);
	cl_send(&cl, 1000); /* answered by an RST of the kernel's */
	px_step(x);
	cl_read(&cl);
	assert_int_equal(cl.got, 30000);
	assert_true(cl.eof);
	PX_UNTIL(x, px_count(x, WEIR_C_proxy_backend_reset) == 1 || cl.closes);
	if (cl.c)
		weir_close(cl.c);
	PX_UNTIL(x, cl.closes);
}
PX_TEST(backend_closes_over_unread, NULL, "")

/* Both ends have come, and bytes that the backend has not read yet are not lost. */
static void end_waits_for_bytes(struct px *x)
{
	uint64_t sent = 0, got = 0;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	fd = be_accept(x);
	/* As much as the kernel takes, and more. */
	for (int i = 0; i < 300; i++) {
		cl_send(&cl, 1 << 20);
		px_step(x);
	}
	PX_UNTIL(x, !cl_send(&cl, 1));
	weir_shutdown(cl.c);
	px_step(x);
	be_send(fd, &sent, 10);
	shutdown(fd, SHUT_WR);
	PX_UNTIL(x, cl.got == 10);
	while (got < cl.sent) {
		assert_true(be_recv(fd, &got, cl.sent - got) != 0);
		px_step(x);
	}
	be_want_end(x, fd);
	close(fd);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "normal");
}
PX_TEST(end_waits_for_bytes, NULL, "")

/* A reader that stands still holds what its buffers hold, and nothing is lost of it. */
static void client_does_not_read(struct px *x)
{
	uint64_t sent = 0, got = 0, used;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	cl.hold = true;
	fd = be_accept(x);
	for (int i = 0; i < 400; i++) {
		be_send(fd, &sent, 1 << 20);
		px_step(x);
	}
	px_pass(x, SECOND / 2);
	used = rig_status(x->p.b).buffer_bytes_used;
	assert_true(used > 0);
	assert_true(used <= x->p.b->cfg.engine.buffer_bytes / 2);
	for (int i = 0; i < 20; i++) {
		be_send(fd, &sent, 1 << 20);
		px_step(x);
	}
	px_pass(x, SECOND / 2);
	assert_int_equal(rig_status(x->p.b).buffer_bytes_used, used);
	cl.hold = false;
	cl_read(&cl);
	flow(x, &cl, fd, &sent, &got, 0, 0);
	assert_int_equal(cl.got, sent);
	close(fd);
	PX_UNTIL(x, cl.eof);
	weir_close(cl.c);
	PX_UNTIL(x, cl.closes);
}
PX_TEST(client_does_not_read, NULL, "")

static void backend_does_not_read(struct px *x)
{
	uint64_t got = 0, used;
	struct cl cl;
	int fd;

	cl_open(x, &cl);
	fd = be_accept(x);
	for (int i = 0; i < 400; i++) {
		cl_send(&cl, 1 << 20);
		px_step(x);
	}
	px_pass(x, SECOND / 2);
	used = rig_status(x->p.b).buffer_bytes_used;
	assert_true(used > 0);
	assert_true(used <= x->p.b->cfg.engine.tcp.rcvbuf_max + 65536);
	assert_true(px_count(x, WEIR_C_proxy_backend_full) > 0);
	while (got < cl.sent) {
		assert_true(be_recv(fd, &got, cl.sent - got) != 0);
		px_step(x);
	}
	weir_close(cl.c);
	be_want_end(x, fd);
	close(fd);
	PX_UNTIL(x, cl.closes);
	REASON(&cl, "normal");
}
PX_TEST(backend_does_not_read, NULL, "")

/* The header is first, then the client's bytes; without a word of the client's, too. */
static void proxy_header(struct px *x)
{
	static const uint8_t sig[12] = "\r\n\r\n\0\r\nQUIT\n";
	uint64_t got = 0, sent = 0;
	uint8_t head[28];
	struct cl cl;
	int fd;

	for (int words = 0; words < 2; words++) {
		cl_open(x, &cl);
		if (words)
			cl_send(&cl, 777);
		fd = be_accept(x);
		PX_UNTIL(x, recv(fd, head, sizeof(head), MSG_PEEK) == sizeof(head));
		assert_int_equal(recv(fd, head, sizeof(head), 0), sizeof(head));
		assert_memory_equal(head, sig, 12);
		assert_int_equal(head[12], 0x21);
		assert_int_equal(head[13], 0x11);
		assert_memory_equal(head + 16, ((uint8_t[]){10, 0, 0, 1, 10, 0, 0, 2}), 8);
		assert_int_equal(head[26] << 8 | head[27], RIG_PORT);
		got = sent = 0;
		if (words)
			be_want(x, fd, &got, 777);
		be_send(fd, &sent, 10);
		PX_UNTIL(x, cl.got == 10);
		weir_close(cl.c);
		be_want_end(x, fd);
		close(fd);
		PX_UNTIL(x, cl.closes);
	}
}
PX_TEST(proxy_header, NULL, ",proxy-protocol=v2")

/* The engine stops over relays in every state: all descriptors go, backends are reset. */
static void engine_stops(struct px *x)
{
	uint64_t sent = 0, at = 0;
	struct cl cl[3];
	int fd[3];

	for (int i = 0; i < 3; i++) {
		cl_open(x, &cl[i]);
		fd[i] = be_accept(x);
	}
	cl[0].hold = true;
	be_send(fd[0], &sent, 1 << 20);
	shutdown(fd[1], SHUT_WR);
	PX_UNTIL(x, cl[1].eof);
	engine_stop(x->p.b->e);
	for (int i = 0; i < 3; i++) {
		PX_UNTIL(x, be_recv(fd[i], &at, 1) == -ECONNRESET);
		close(fd[i]);
	}
	assert_int_equal(px_count(x, WEIR_C_proxy_client_lost), 3);
}
PX_TEST(engine_stops, NULL, "")

int main(void)
{
	const struct CMUnitTest tests[] = {
		BIO_TESTS(talk),
		BIO_TESTS(talk_unix),
		BIO_TESTS(server_speaks_first),
		BIO_TESTS(client_half_closes),
		BIO_TESTS(backend_half_closes),
		BIO_TESTS(client_is_quick),
		BIO_TESTS(client_resets),
		BIO_TESTS(client_resets_in_the_middle),
		BIO_TESTS(backend_resets),
		BIO_TESTS(backend_closes_over_unread),
		BIO_TESTS(end_waits_for_bytes),
		BIO_TESTS(client_does_not_read),
		BIO_TESTS(backend_does_not_read),
		BIO_TESTS(proxy_header),
		BIO_TESTS(engine_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
