/* SPDX-License-Identifier: BSD-2-Clause */
/* The proxy's connects, and what goes wrong with them; limits of time and of descriptors. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/backends.h"
#include "proxy_fixture.h"

/* No connection counts as a user of a backend any more. */
static void expect_unused(struct px *x)
{
	struct backend_status s[8];
	unsigned n = backends_status(proxy_backends(x->arg), s, 8);

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(s[i].in_use, 0);
}

/* A backend's port where nobody listens: one that was just given back. */
static const char *nobody(void)
{
	static char where[64];

	close(listen_on(NULL, 1, where, sizeof(where)));
	return where;
}

/* ---- who does not answer --------------------------------------------------------------- */

static void refused(enum bio_kind io)
{
	struct px x;
	struct cl cl;

	px_open(&x, io, nobody(), "");
	cl_open(&x, &cl);
	PX_UNTIL(&x, cl.closes);
	REASON(&cl, "reset");
	assert_int_equal(px_count(&x, WEIR_C_proxy_connect_refused), 1);
	assert_int_equal(px_count(&x, WEIR_C_proxy_unserved), 1);
	expect_unused(&x);
	px_close(&x);
}
BIO_BOTH(refused)

static void refused_closes(enum bio_kind io)
{
	struct px x;
	struct cl cl;

	px_open(&x, io, nobody(), ",on-connect-failure=close");
	cl_open(&x, &cl);
	PX_UNTIL(&x, cl.eof);
	weir_close(cl.c);
	PX_UNTIL(&x, cl.closes);
	REASON(&cl, "normal");
	px_close(&x);
}
BIO_BOTH(refused_closes)

static void no_such_path(enum bio_kind io)
{
	struct px x;
	struct cl cl;

	px_open(&x, io, "unix:/no/such/socket", "");
	cl_open(&x, &cl);
	PX_UNTIL(&x, cl.closes);
	REASON(&cl, "reset");
	assert_int_equal(px_count(&x, WEIR_C_proxy_connect_refused), 1);
	expect_unused(&x);
	px_close(&x);
}
BIO_BOTH(no_such_path)

/* The first is not there, the second serves: no client sees it. */
static void another_serves(enum bio_kind io)
{
	char where[64], both[160];
	uint64_t sent = 0;
	struct px x;
	int fd, listener = listen_on(NULL, 16, where, sizeof(where));

	snprintf(both, sizeof(both), "%s,%s", nobody(), where);
	px_open(&x, io, both, ",retries=1,eject-failures=0");
	for (int i = 0; i < 4; i++) {
		struct cl cl;

		cl_open(&x, &cl);
		x.listener = listener;
		fd = be_accept(&x);
		be_send(fd, &sent, 10);
		PX_UNTIL(&x, cl.got == 10);
		sent = 0;
		weir_close(cl.c);
		px_step(&x);
		close(fd);
		PX_UNTIL(&x, cl.closes);
	}
	assert_true(px_count(&x, WEIR_C_proxy_retried) >= 1);
	assert_int_equal(px_count(&x, WEIR_C_proxy_unserved), 0);
	expect_unused(&x);
	x.listener = -1;
	px_close(&x);
	close(listener);
}
BIO_BOTH(another_serves)

/* A queue that is full makes the kernel drop SYNs. */
static void nobody_answers(enum bio_kind io)
{
	char where[64];
	int listener = listen_on(NULL, 0, where, sizeof(where)), in[4];
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	struct px x;
	struct cl cl;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	for (int i = 0; i < 4; i++) {
		in[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(in[i], (struct sockaddr *)&a, len);
	}
	px_open(&x, io, where, ",connect-timeout=700ms,retries=0");
	cl_open(&x, &cl);
	px_pass(&x, SECOND / 2);
	assert_int_equal(cl.closes, 0);
	px_pass(&x, SECOND);
	assert_int_equal(cl.closes, 1);
	REASON(&cl, "reset");
	assert_int_equal(px_count(&x, WEIR_C_proxy_connect_timeout), 1);
	expect_unused(&x);
	px_close(&x);
	for (int i = 0; i < 4; i++)
		close(in[i]);
	close(listener);
}
BIO_BOTH(nobody_answers)

/* A UNIX socket's full queue says so at once, and is asked again. */
static void unix_queue_full(enum bio_kind io)
{
	char where[64];
	int listener = listen_on("full", 0, where, sizeof(where)), fd;
	uint64_t sent = 0;
	struct cl cl[2];
	struct px x;

	px_open(&x, io, where, ",connect-timeout=10s");
	cl_open(&x, &cl[0]);
	cl_open(&x, &cl[1]);
	px_pass(&x, SECOND);
	assert_int_equal(cl[0].closes + cl[1].closes, 0);
	x.listener = listener;
	for (int i = 0; i < 2; i++) {
		fd = be_accept(&x);
		sent = 0;
		be_send(fd, &sent, 10);
		PX_UNTIL(&x, cl[i].got == 10);
		close(fd);
		PX_UNTIL(&x, cl[i].eof);
		weir_close(cl[i].c);
	}
	PX_UNTIL(&x, cl[0].closes && cl[1].closes);
	expect_unused(&x);
	x.listener = -1;
	px_close(&x);
	close(listener);
}
BIO_BOTH(unix_queue_full)

/* The client goes while the connect is under way. */
static void client_goes_meanwhile(enum bio_kind io)
{
	char where[64];
	int listener = listen_on("busy", 0, where, sizeof(where)), fd;
	uint64_t got = 0;
	struct cl cl[3];
	struct px x;

	px_open(&x, io, where, ",connect-timeout=60s");
	for (int i = 0; i < 3; i++)
		cl_open(&x, &cl[i]);
	px_pass(&x, SECOND);
	for (int i = 0; i < 3; i++)
		weir_abort(cl[i].c);
	px_pass(&x, SECOND);
	assert_int_equal(px_count(&x, WEIR_C_proxy_client_reset), 3);
	expect_unused(&x);
	x.listener = listener;
	fd = be_accept(&x);
	PX_UNTIL(&x, be_recv(fd, &got, 1) <= 0);
	close(fd);
	x.listener = -1;
	px_close(&x);
	close(listener);
}
BIO_BOTH(client_goes_meanwhile)

/* ---- limits -------------------------------------------------------------------------------- */

/* One after the other, in use all at once: those beyond the limit are refused and counted. */
static void descriptors_run_out(enum bio_kind io)
{
	struct rlimit was, r;
	struct cl cl[8];
	struct px x;
	int fd[8], n = 0;

	px_open(&x, io, NULL, "");
	cl_open(&x, &cl[0]); /* makes the worker's loop */
	fd[n++] = be_accept(&x);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	r = was;
	r.rlim_cur = (rlim_t)dup(x.listener) + 2; /* the copy's number is the lowest free one */
	close((int)r.rlim_cur - 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
	for (int i = 1; i < 8; i++)
		cl_open(&x, &cl[i]);
	px_pass(&x, SECOND);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(px_count(&x, WEIR_C_proxy_no_descriptor) >= 5);
	assert_int_equal(px_count(&x, WEIR_C_proxy_no_descriptor),
			 px_count(&x, WEIR_C_proxy_unserved));
	for (int i = 1; i < 8; i++) {
		if (cl[i].closes) {
			REASON(&cl[i], "reset");
			continue;
		}
		fd[n++] = be_accept(&x);
	}
	assert_int_equal(n + px_count(&x, WEIR_C_proxy_no_descriptor), 8);
	/* What was refused has cost nothing that lasts. */
	cl_open(&x, &cl[7]);
	fd[n++] = be_accept(&x);
	while (n)
		close(fd[--n]);
	px_pass(&x, SECOND);
	px_close(&x);
}
BIO_BOTH(descriptors_run_out)

/* ---- time ------------------------------------------------------------------------------------ */

static void idle(enum bio_kind io)
{
	uint64_t sent = 0, got = 0;
	struct cl cl;
	struct px x;
	int fd;

	px_open(&x, io, NULL, ",idle-timeout=5s");
	cl_open(&x, &cl);
	fd = be_accept(&x);
	for (int i = 0; i < 5; i++) { /* a byte now and then keeps it */
		px_pass(&x, 3 * SECOND);
		if (i % 2)
			be_send(fd, &sent, 1);
		else
			cl_send(&cl, 1);
		px_step(&x);
		px_step(&x);
	}
	assert_int_equal(cl.closes, 0);
	px_pass(&x, 6 * SECOND);
	assert_true(cl.eof || cl.closes);
	assert_int_equal(px_count(&x, WEIR_C_proxy_idle_closed), 1);
	while (be_recv(fd, &got, 100) > 0)
		;
	if (cl.c)
		weir_close(cl.c);
	close(fd);
	PX_UNTIL(&x, cl.closes);
	expect_unused(&x);
	px_close(&x);
}
BIO_BOTH(idle)

/* Whose answer is under way is not cut off; who is between two requests is closed. */
static void drained(enum bio_kind io)
{
	uint64_t sent = 0, got = 0;
	struct cl quiet, waiting;
	int fd_quiet, fd_waiting;
	struct px x;

	px_open(&x, io, NULL, "");
	cl_open(&x, &quiet);
	fd_quiet = be_accept(&x);
	cl_open(&x, &waiting);
	fd_waiting = be_accept(&x);
	cl_send(&quiet, 10);
	PX_UNTIL(&x, be_recv(fd_quiet, &got, 10) == 10);
	be_send(fd_quiet, &sent, 10);
	PX_UNTIL(&x, quiet.got == 10);
	cl_send(&waiting, 10);
	px_step(&x);
	engine_drain(x.p.b->e);
	px_pass(&x, 2 * SECOND);
	assert_true(quiet.eof);
	weir_close(quiet.c);
	assert_false(waiting.eof || waiting.closes);
	sent = got = 0;
	PX_UNTIL(&x, be_recv(fd_waiting, &got, 10) == 10);
	be_send(fd_waiting, &sent, 5000);
	PX_UNTIL(&x, waiting.got == 5000);
	px_pass(&x, SECOND);
	assert_true(waiting.eof);
	weir_close(waiting.c);
	px_pass(&x, SECOND);
	assert_true(engine_drained(x.p.b->e));
	assert_int_equal(px_count(&x, WEIR_C_proxy_drained), 2);
	close(fd_quiet);
	close(fd_waiting);
	px_close(&x);
}
BIO_BOTH(drained)

/* ---- the settings while it runs
 * ------------------------------------------------------------------ */

static void updated(void **state)
{
	char where[64], spec[128], err[256];
	int second, fd, old;
	uint64_t sent = 0;
	struct cl before, after;
	void *arg;
	struct px x;

	(void)state;
	px_open(&x, BIO_EPOLL, NULL, "");
	second = listen_on(NULL, 16, where, sizeof(where));
	cl_open(&x, &before);
	old = be_accept(&x);
	snprintf(spec, sizeof(spec), "proxy:%s,idle-timeout=7s", where);
	assert_int_equal(weir_app_arg(spec, &arg, err, sizeof(err)), 0);
	assert_int_equal(weir_app_update(x.arg, arg, err, sizeof(err)), 0);
	weir_app_arg_free(arg);
	cl_open(&x, &after);
	close(x.listener);
	x.listener = second;
	fd = be_accept(&x);
	be_send(old, &sent, 10);
	PX_UNTIL(&x, before.got == 10);
	sent = 0;
	be_send(fd, &sent, 10);
	PX_UNTIL(&x, after.got == 10);
	close(old);
	close(fd);
	px_pass(&x, SECOND);
	px_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BIO_TESTS(refused),
		BIO_TESTS(refused_closes),
		BIO_TESTS(no_such_path),
		BIO_TESTS(another_serves),
		BIO_TESTS(nobody_answers),
		BIO_TESTS(unix_queue_full),
		BIO_TESTS(client_goes_meanwhile),
		BIO_TESTS(descriptors_run_out),
		BIO_TESTS(idle),
		BIO_TESTS(drained),
		cmocka_unit_test(updated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
