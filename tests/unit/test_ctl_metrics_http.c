/* SPDX-License-Identifier: BSD-2-Clause */
/* The endpoint that gives the metrics out: where it listens, whom it serves, for how long. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/ctl_metrics_http.h"
#include "metrics_fixture.h"

static void where(void **state)
{
	struct weir_addr a;

	(void)state;
	assert_int_equal(metrics_parse("127.0.0.1:9100", &a), 0);
	assert_int_equal(a.family, 4);
	assert_int_equal(a.port, 9100);
	assert_int_equal(metrics_parse("[::1]:9100", &a), 0);
	assert_int_equal(a.family, 6);
	assert_int_equal(metrics_parse("*:9100", &a), 0);
	assert_int_equal(metrics_parse("unix:/run/weir/metrics", &a), 0);
	assert_int_equal(a.port, 0);
	assert_int_equal(metrics_parse("unix:", &a), -EINVAL);
	assert_int_equal(metrics_parse("unix:relative", &a), -EINVAL);
	assert_int_equal(metrics_parse("", &a), -EINVAL);
	assert_int_equal(metrics_parse("9100", &a), -EINVAL);
	assert_int_equal(metrics_parse("127.0.0.1:0", &a), -EINVAL);
	assert_int_equal(metrics_parse("127.0.0.1:9100x", &a), -EINVAL);
	assert_int_equal(metrics_parse("localhost:9100", &a), -EINVAL);
}

static char path[64];
static struct metrics *m;
static uint64_t now;

static int up(void **state)
{
	char spec[80];
	struct weir_err err;

	(void)state;
	metrics_fake = (struct metrics_fake){0};
	now = 1000000000;
	snprintf(path, sizeof(path), "/tmp/weir-metrics-%d", (int)getpid());
	snprintf(spec, sizeof(spec), "unix:%s", path);
	return metrics_open(&m, spec, &metrics_source, &err);
}

static int down(void **state)
{
	(void)state;
	metrics_close(m);
	return access(path, F_OK) ? 0 : -1;
}

static void steps(unsigned n)
{
	struct pollfd p = {.fd = metrics_fd(m), .events = POLLIN};

	for (unsigned i = 0; i < n; i++) {
		poll(&p, 1, 1);
		metrics_step(m, now);
	}
}

static int client(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(sun.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void say(int fd, const char *request)
{
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
			 (ssize_t)strlen(request));
}

/* Until the answer is whole or the other end closes. */
static char reply[1 << 18];

static const char *answer(int fd)
{
	size_t len = 0;

	for (int i = 0; i < 2000; i++) {
		ssize_t n = read(fd, reply + len, sizeof(reply) - 1 - len);

		if (!n)
			break;
		if (n > 0)
			len += (size_t)n;
		else
			steps(1);
	}
	reply[len] = '\0';
	close(fd);
	return reply;
}

static const char *get(const char *request)
{
	int fd = client();

	say(fd, request);
	return answer(fd);
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

#define END " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

static void pages(void **state)
{
	const char *r;

	(void)state;
	r = get("GET /metrics" END "\r\n");
	assert_true(begins(r, "HTTP/1.1 200 "));
	assert_non_null(
		strstr(r, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(r, "\nweir_flows 5\n"));
	r = get("GET /metrics" END "Accept: application/openmetrics-text\r\n\r\n");
	assert_non_null(strstr(r, "application/openmetrics-text; version=1.0.0"));
	assert_non_null(strstr(r, "\n# EOF\n"));
	r = get("HEAD /metrics" END "\r\n");
	assert_true(begins(r, "HTTP/1.1 200 "));
	assert_null(strstr(r, "weir_flows"));
	assert_true(begins(get("GET /healthz" END "\r\n"), "HTTP/1.1 200 "));
	assert_true(begins(get("GET /" END "\r\n"), "HTTP/1.1 200 "));
	assert_true(begins(get("GET /metrics/" END "\r\n"), "HTTP/1.1 404 "));
	r = get("POST /metrics" END "Content-Length: 5\r\n\r\nhello");
	assert_true(begins(r, "HTTP/1.1 405 "));
	assert_non_null(strstr(r, "\r\nAllow: GET, HEAD\r\n"));
	assert_null(strstr(get("GET\r\n\r\n"), " 200 "));
	metrics_fake.why = "draining";
	now += 1000000;
	r = get("GET /healthz" END "\r\n");
	assert_true(begins(r, "HTTP/1.1 503 "));
	assert_non_null(strstr(r, "draining"));
}

/* However many ask: the main loop has other things to do. */
static void a_page_is_made_once_in_a_while(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		assert_true(begins(get("GET /metrics" END "\r\n"), "HTTP/1.1 200 "));
	assert_int_equal(metrics_fake.renders, 1);
	now += 100000;
	get("GET /metrics" END "\r\n");
	assert_int_equal(metrics_fake.renders, 2);
}

static void large_requests_are_refused(void **state)
{
	static char request[4 * METRICS_REQUEST_MAX];
	int fd = client();

	(void)state;
	memset(request, 'x', sizeof(request) - 1);
	memcpy(request, "GET /", 5);
	send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	assert_true(begins(answer(fd), "HTTP/1.1 4"));
	assert_true(begins(get("GET /" END "\r\n"), "HTTP/1.1 200 "));
}

static bool closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

/* A byte every second: never idle, and never done. */
static void who_dawdles_is_cut_off(void **state)
{
	int fd = client();
	unsigned s;

	(void)state;
	say(fd, "GET / HTTP/1.1\r\nX: ");
	for (s = 0; s < 2 * METRICS_LIFE_S && !closed(fd); s++) {
		send(fd, "x", 1, MSG_NOSIGNAL);
		now += 1000000;
		steps(4);
	}
	assert_in_range(s, METRICS_LIFE_S - 1, METRICS_LIFE_S + 2);
	close(fd);
	assert_true(begins(get("GET /" END "\r\n"), "HTTP/1.1 200 "));
}

/* More than there is room for wait; when one leaves, the next is served. */
static void no_more_than_there_is_room_for(void **state)
{
	int fds[METRICS_CONNS], late;

	(void)state;
	for (int i = 0; i < METRICS_CONNS; i++) {
		fds[i] = client();
		steps(2);
	}
	late = client();
	say(late, "GET /" END "\r\n");
	steps(20);
	assert_int_equal(recv(late, reply, 1, MSG_DONTWAIT), -1);
	for (int i = 0; i < METRICS_CONNS; i++)
		close(fds[i]);
	assert_true(begins(answer(late), "HTTP/1.1 200 "));
}

static void closed_while_clients_are_there(void **state)
{
	int fd = client(), other = client();

	(void)state;
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	steps(5);
	say(other, "GET /met");
	steps(5);
	close(fd);
	close(other);
	/* and down() with them */
}

static void sockets(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(sin);
	struct metrics *other;
	struct weir_err err;
	char spec[80];
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	snprintf(spec, sizeof(spec), "unix:%s", path);
	assert_int_equal(metrics_open(&other, spec, &metrics_source, &err), -EADDRINUSE);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	snprintf(spec, sizeof(spec), "127.0.0.1:%u", ntohs(sin.sin_port));
	assert_int_equal(metrics_open(&other, spec, &metrics_source, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, spec));
	close(fd);
	assert_int_equal(metrics_open(&other, spec, &metrics_source, &err), 0);
	assert_null(metrics_path(other));
	metrics_close(other);
	snprintf(spec, sizeof(spec), "*:%u", ntohs(sin.sin_port));
	assert_int_equal(metrics_open(&other, spec, &metrics_source, &err), 0);
	metrics_close(other);
}

#define UP(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where),
		UP(pages),
		UP(a_page_is_made_once_in_a_while),
		UP(large_requests_are_refused),
		UP(who_dawdles_is_cut_off),
		UP(no_more_than_there_is_room_for),
		UP(closed_while_clients_are_there),
		UP(sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
