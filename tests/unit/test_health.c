/* SPDX-License-Identifier: BSD-2-Clause */
/* Health checks, on sockets of loopback under a clock of the test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "proxy/backends.h"

static struct backends *b;
static uint64_t now;
static int lfd = -1;
static char address[128]; /* of lfd, as a backend */
static char last[200];	  /* change that was told of */

static void changed(void *arg, const struct backend_change *c)
{
	(void)arg;
	snprintf(last, sizeof(last), "%s>%s %s", backend_state_name(c->from),
		 backend_state_name(c->to), c->why);
}

static void expect(const char *text)
{
	assert_string_equal(last, text);
	last[0] = '\0';
}

static void step(unsigned n)
{
	while (n--)
		backends_step(b, now += 200000);
}

/* A listener at `port` of loopback (0: any), which nobody accepts from unless the test does. */
static void serve(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(a);
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(lfd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(lfd, 64), 0);
	assert_int_equal(getsockname(lfd, (struct sockaddr *)&a, &len), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
}

static void stop_serving(void)
{
	close(lfd);
	lfd = -1;
}

static void open_pool(const char *options)
{
	struct proxy_config cfg;
	char spec[512], err[256];

	snprintf(spec, sizeof(spec), "%s,%s", address, options);
	if (proxy_config_parse(&cfg, spec, err, sizeof(err)))
		fail_msg("%s", err);
	now = 5000000;
	last[0] = '\0';
	assert_int_equal(backends_open(&b, &cfg, err, sizeof(err)), 0);
	backends_on_change(b, changed, NULL);
	backends_step(b, now);
}

static struct backend_status status(void)
{
	struct backend_status row;

	assert_int_equal(backends_status(b, &row, 1), 1);
	return row;
}

static int teardown(void **state)
{
	(void)state;
	backends_close(b);
	b = NULL;
	if (lfd >= 0)
		stop_serving();
	return 0;
}

/* What the check that comes next says; -1 when none came. */
static int take(char *buf, size_t len)
{
	int fd = accept(lfd, NULL, NULL);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = recv(fd, buf, len - 1, MSG_DONTWAIT);
	buf[n > 0 ? n : 0] = '\0';
	return fd;
}

static void answer(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void port_of(uint16_t *port)
{
	*port = (uint16_t)atoi(strchr(address, ':') + 1);
}

/* ---- TCP ---------------------------------------------------------------------------------- */

static void rise_and_fall(void **state)
{
	uint16_t port;

	(void)state;
	serve(0);
	port_of(&port);
	open_pool("check=tcp,check-interval=400ms,check-rise=2,check-fall=3");
	step(20);
	expect("");
	assert_int_equal(status().checks_failed, 0);
	assert_in_range(status().checks, 8, 11);
	assert_int_not_equal(status().check_rtt_us, 0);
	stop_serving();
	step(4);
	assert_int_equal(status().state, BACKEND_UP);
	step(2);
	expect("up>down check: Connection refused");
	assert_string_equal(status().last_error, "check: Connection refused");
	serve(port);
	step(2);
	assert_int_equal(status().state, BACKEND_DOWN);
	step(2);
	expect("down>up its checks pass");
}

/* A backend that the first check finds to be refusing. */
static void open_refused(const char *options)
{
	serve(0);
	stop_serving();
	open_pool(options);
	step(1);
	expect("up>down check: Connection refused");
}

static void the_first_check_decides(void **state)
{
	(void)state;
	open_refused("check=tcp,check-fall=9");
}

/* Those that are down are picked when there is nobody else, unless that was not wanted. */
static void all_down(void **state)
{
	struct weir_addr a = {4, 1, {10, 0, 0, 1}};

	(void)state;
	open_refused("check=tcp");
	assert_int_equal(backends_pick(b, &a, 0), 0);
	backends_done(b, 0);
	backends_close(b);
	open_pool("check=tcp,all-down=refuse");
	step(1);
	assert_int_equal(backends_pick(b, &a, 0), -EHOSTUNREACH);
}

static void checks_switched_off_forget_what_they_said(void **state)
{
	struct proxy_config cfg;
	char err[256];

	(void)state;
	open_refused("check=tcp");
	cfg = *backends_config(b);
	cfg.check = PROXY_CHECK_NONE;
	assert_int_equal(backends_update(b, &cfg, err, sizeof(err)), 0);
	step(1);
	expect("down>up its checks pass");
}

static void a_unix_socket_that_comes_and_goes(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char path[] = "/tmp/weir-health-XXXXXX";

	(void)state;
	close(mkstemp(path));
	unlink(path);
	strcpy(a.sun_path, path);
	snprintf(address, sizeof(address), "unix:%s", path);
	open_pool("check=tcp,check-interval=200ms,check-fall=2");
	step(2);
	expect("up>down check: No such file or directory");
	lfd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(lfd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(lfd, 8), 0);
	step(2);
	expect("down>up its checks pass");
	unlink(path);
	step(2);
	expect("up>down check: No such file or directory");
}

static void no_descriptor_left_is_no_verdict(void **state)
{
	struct rlimit old, none;

	(void)state;
	serve(0);
	open_pool("check=tcp,check-interval=200ms,check-fall=1");
	step(3);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	step(10);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	expect("");
	assert_string_equal(status().last_error, "check: Too many open files");
	assert_int_equal(status().checks_failed, 0);
}

/* ---- HTTP ------------------------------------------------------------------------------- */

#define HTTP "check=http:/up?a=b,check-interval=200ms,check-timeout=600ms,check-rise=1,check-fall=1"

static void http_statuses(void **state)
{
	static const struct {
		const char *answer, *change;
	} row[] = {
		{"HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"HTTP/1.0 302 Found\r\n\r\n", ""},
		{"HTTP/1.1 404 Not Found\r\n\r\n", "up>down check: HTTP status 404"},
		{"HTTP/1.1 200 OK\r\n\r\n<p>and a page</p>", "down>up its checks pass"},
		{"HTTP/1.1 503 Busy\r\n\r\n", "up>down check: HTTP status 503"},
		{"HTTP/1.1 399\r\n\r\n", "down>up its checks pass"},
		{"HTTP/1.1 100 Continue\r\n\r\n", "up>down check: HTTP status 100"},
		{"HTTP/1.1 200 OK", "down>up its checks pass"},
		{"SSH-2.0-OpenSSH\r\n", "up>down check: the answer is not HTTP"},
		{"HTTP/1.1 200", "down>up its checks pass"},
		{"HTTP/1.1 2x0 OK\r\n", "up>down check: the answer is not HTTP"},
		{"HTTP/1.1 200", "down>up its checks pass"},
		{"HTTP/1.1200 OK\r\n", "up>down check: the answer is not HTTP"},
	};
	char got[512], want[512];

	(void)state;
	serve(0);
	open_pool(HTTP);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int fd = -1;

		for (int n = 0; n < 3 && fd < 0; n++) {
			fd = take(got, sizeof(got));
			if (fd < 0)
				step(1);
		}
		assert_true(fd >= 0);
		snprintf(want, sizeof(want),
			 "GET /up?a=b HTTP/1.1\r\nHost: %s\r\nUser-Agent: weir/" WEIR_VERSION
			 "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
			 address);
		assert_string_equal(got, want);
		answer(fd, row[i].answer);
		step(1);
		close(fd);
		expect(row[i].change);
	}
}

static void http_in_pieces_cut_and_silent(void **state)
{
	char got[512];
	int fd;

	(void)state;
	serve(0);
	open_pool(HTTP);
	fd = take(got, sizeof(got));
	assert_true(fd >= 0);
	for (const char *p = "HTTP/1.1 20"; *p; p += 4) {
		assert_true(send(fd, p, strlen(p) < 4 ? strlen(p) : 4, MSG_NOSIGNAL) > 0);
		if (strlen(p) < 4)
			break;
	}
	step(1);
	assert_int_equal(status().checks, 0);
	answer(fd, "0 OK\r\n");
	step(1);
	assert_int_equal(status().checks, 1);
	assert_int_equal(status().checks_failed, 0);
	close(fd);

	step(1);
	fd = take(got, sizeof(got));
	assert_true(fd >= 0);
	close(fd);
	step(1);
	expect("up>down check: closed without an answer");

	step(1);
	fd = take(got, sizeof(got));
	assert_true(fd >= 0);
	answer(fd, "HTTP/1.1 200 OK\r\n");
	step(1);
	expect("down>up its checks pass");
	close(fd);

	step(1);
	fd = take(got, sizeof(got));
	assert_true(fd >= 0);
	step(2);
	expect("");
	step(1);
	expect("up>down check: timed out");
	/* It was hung up on, and there is no other check beside the next. */
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 0);
	close(fd);
}

static void as_a_local_connection_by_proxy_v2(void **state)
{
	static const char local[] =
		"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A\x20\x00\x00\x00";
	char got[512];
	int fd;

	(void)state;
	serve(0);
	open_pool(HTTP ",proxy-protocol=v2");
	fd = take(got, sizeof(got));
	assert_true(fd >= 0);
	assert_memory_equal(got, local, 16);
	assert_memory_equal(got + 16, "GET /up", 7);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rise_and_fall, teardown),
		cmocka_unit_test_teardown(the_first_check_decides, teardown),
		cmocka_unit_test_teardown(all_down, teardown),
		cmocka_unit_test_teardown(checks_switched_off_forget_what_they_said, teardown),
		cmocka_unit_test_teardown(a_unix_socket_that_comes_and_goes, teardown),
		cmocka_unit_test_teardown(no_descriptor_left_is_no_verdict, teardown),
		cmocka_unit_test_teardown(http_statuses, teardown),
		cmocka_unit_test_teardown(http_in_pieces_cut_and_silent, teardown),
		cmocka_unit_test_teardown(as_a_local_connection_by_proxy_v2, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
