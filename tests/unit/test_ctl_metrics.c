/* SPDX-License-Identifier: BSD-2-Clause */
/* What Prometheus reads, and the endpoint that gives it out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/counter_names.h"
#include "control/ctl_metrics.h"
#include "control/ctl_metrics_http.h"
#include "proxy/backends.h"

/* ---- a source in memory ------------------------------------------------------------- */

static struct fake {
	const char *why;
	unsigned renders;
} fake;
static struct events events;
static uint64_t rows[2][WEIR_C_MAX];

static void fake_status(void *ctx, struct ctl_status *s)
{
	static const struct ctl_service services[] = {
		{"10.0.0.2:80", "http", {.mode = WEIR_MODE_AUTO}, true},
		{"*:7", "a\"b\\c\nd", {.mode = WEIR_MODE_NEVER}, false},
	};
	static const struct engine_queue_status queue[] = {
		{.worker = 0, .mode = "copy", .rx_frames = 10, .tx_frames = 11},
		{.worker = 1,
		 .mode = "copy",
		 .rx_dropped = 12,
		 .rx_ring_full = 13,
		 .rx_fill_empty = 14},
	};
	static const struct engine_worker_status worker[] = {{.conns = 3, .cpu_us = 1500000},
							     {.conns = 4, .cpu_us = 7}};

	(void)ctx;
	*s = (struct ctl_status){
		.iface = "eth0",
		.mode = "native",
		.xsk = "copy",
		.hook = "link",
		.uptime_s = 77,
		.hook_lost = 1,
		.queues = 2,
		.workers = 2,
		.flows_used = 5,
		.flows_capacity = 1000,
		.engine = {.states = {[WEIR_ESTABLISHED] = 6, [WEIR_TIME_WAIT] = 9},
			   .conns_used = 4,
			   .conns_max = 100,
			   .tombstones = 12,
			   .closing = 2,
			   .per_connection_bytes = 640,
			   .conn_memory_bytes = 65536,
			   .buffer_bytes_used = 4096,
			   .buffer_bytes_total = 1u << 20},
		.queue = queue,
		.worker = worker,
		.events = &events,
		.services = services,
		.nservices = 2,
	};
}

static void fake_metrics(void *ctx, struct ctl_metrics *m)
{
	struct fake *f = ctx;

	memset(m, 0, sizeof(*m));
	f->renders++;
	m->resident_bytes = 123456;
	m->cpu_us = 2000001;
	m->gate_counters[WEIR_C_syn_answered] = 1234567890123ull;
	m->counters[WEIR_C_http_idle_closed] = 21;
	for (unsigned w = 0; w < 2; w++)
		m->worker_counters[w] = rows[w];
	rows[0][WEIR_C_conn_opened] = 31;
	rows[1][WEIR_C_conn_opened] = 32;
	tcp_hist_add(&m->times.rtt, 20);
	tcp_hist_add(&m->times.rtt, 1000000);
	tcp_hist_add(&m->times.rtt, 100000000);
	tcp_hist_add(&m->times.cookie, 3000);
	tcp_hist_add(&m->times.cookie, 200000);
}

static void fake_health(void *ctx, struct ctl_health *h)
{
	const struct fake *f = ctx;

	*h = (struct ctl_health){.iface = "eth0", .why = f->why, .heartbeat_age_ms = 1234};
}

static struct backends *pool; /* of the first service */

static const struct backends *fake_backends(void *ctx, unsigned service)
{
	(void)ctx;
	return service ? NULL : pool;
}

static const struct ctl_source_ops ops = {.backends = fake_backends,
					  .status = fake_status,
					  .metrics = fake_metrics,
					  .health = fake_health};
static const struct ctl_source src = {.ops = &ops, .ctx = &fake, .workers = 2};

static char *text;
static size_t text_len;

static const char *written(enum metrics_format f)
{
	FILE *out = open_memstream(&text, &text_len);

	assert_non_null(out);
	metrics_write(out, &src, f);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void has(const char *part)
{
	if (!strstr(text, part))
		fail_msg("not there: %s\nin: %s", part, text);
}

/* ---- the text -------------------------------------------------------------------------- */

#define GAUGE(name, help) "# HELP " name " " help "\n# TYPE " name " gauge\n"

static void text_format(void **state)
{
	(void)state;
	written(METRICS_TEXT);
	assert_true(!strncmp(text, GAUGE("weir_build_info", "1, with the version as a label"), 30));
	has("weir_build_info{version=\"" WEIR_VERSION "\"} 1\n");
	has("weir_interface_info{iface=\"eth0\",mode=\"native\",xsk=\"copy\",hook=\"link\"} 1\n");
	has(GAUGE("weir_uptime_seconds", "since the gate was attached") "weir_uptime_seconds 77\n");
	has("\nweir_serving 1\n");
	has("# TYPE weir_hook_lost_total counter\nweir_hook_lost_total 1\n");
	has("\nweir_event_active{event=\"syn_flood\"} 1\n");
	has("# TYPE weir_events_total counter\nweir_events_total{event=\"syn_flood\"} 5\n");
	has("\nweir_flows 5\n");
	has("\nweir_flows_capacity 1000\n");
	has("\nweir_tombstones 12\n");
	has("\nweir_connections{state=\"ESTABLISHED\"} 6\n");
	has("\nweir_connections{state=\"LISTEN\"} 0\n");
	has("\nweir_worker_connections_capacity 100\n");
	has("\nweir_services_by_cookies 1\n");
	has("\nweir_service_info{service=\"10.0.0.2:80\",app=\"http\",mode=\"auto\"} 1\n");
	has("\nweir_service_cookies{service=\"*:7\",app=\"a\\\"b\\\\c\\nd\"} 0\n");
	has("\nweir_worker_connections{worker=\"1\"} 4\n");
	has("\nweir_worker_cpu_seconds_total{worker=\"0\"} 1.500000\n");
	has("\nweir_queue_rx_frames_total{queue=\"0\",worker=\"0\"} 10\n");
	has("\nweir_queue_rx_ring_full_total{queue=\"1\",worker=\"1\"} 13\n");
	has("\nweir_buffer_used_bytes 4096\n");
	has("\nprocess_resident_memory_bytes 123456\n");
	has("\nprocess_cpu_seconds_total 2.000001\n");
	has("# HELP weir_syn_answered_total SYNs answered with a cookie SYN-ACK\n"
	    "# TYPE weir_syn_answered_total counter\n"
	    "weir_syn_answered_total{side=\"gate\"} 1234567890123\n");
	has("weir_conn_opened_total{worker=\"0\"} 31\nweir_conn_opened_total{worker=\"1\"} 32\n#");
	has("weir_http_idle_closed_total{side=\"app\"} 21\n");
	assert_null(strstr(text, "# EOF"));
	free(text);
}

static void every_counter_is_there(void **state)
{
	char line[200];

	(void)state;
	written(METRICS_TEXT);
	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++) {
		snprintf(line, sizeof(line), "\n# TYPE weir_%s_total counter\nweir_%s_total{",
			 counter_name(c), counter_name(c));
		has(line);
	}
	free(text);
}

static void histograms(void **state)
{
	(void)state;
	written(METRICS_TEXT);
	has("# TYPE weir_rtt_seconds histogram\nweir_rtt_seconds_bucket{le=\"0.000016\"} 0\n"
	    "weir_rtt_seconds_bucket{le=\"0.000024\"} 1\n");
	has("weir_rtt_seconds_bucket{le=\"0.786432\"} 1\nweir_rtt_seconds_bucket{le=\"1.048576\"} "
	    "2\n");
	has("weir_rtt_seconds_bucket{le=\"67.108864\"} 2\nweir_rtt_seconds_bucket{le=\"+Inf\"} 3\n"
	    "weir_rtt_seconds_sum 101.000020\nweir_rtt_seconds_count 3\n");
	/* What cannot be told apart is in one bucket. */
	has("# TYPE weir_handshake_cookie_seconds histogram\n"
	    "weir_handshake_cookie_seconds_bucket{le=\"0.131072\"} 1\n"
	    "weir_handshake_cookie_seconds_bucket{le=\"0.262144\"} 2\n");
	has("weir_handshake_seconds_count 0\n");
	free(text);
}

static void backends(void **state)
{
	struct proxy_config cfg;
	char err[256];

	(void)state;
	written(METRICS_TEXT);
	assert_null(strstr(text, "weir_backend_serving"));
	free(text);
	proxy_config_default(&cfg);
	assert_int_equal(
		proxy_config_parse(&cfg, "127.0.0.1:8080,unix:/run/a.sock", err, sizeof(err)), 0);
	assert_int_equal(backends_open(&pool, &cfg, err, sizeof(err)), 0);
	assert_in_range(backends_pick(pool, NULL, 1), 1, 1);
	written(METRICS_TEXT);
	has("# TYPE weir_backend_serving gauge\n"
	    "weir_backend_serving{service=\"10.0.0.2:80\",backend=\"127.0.0.1:8080\"} 1\n"
	    "weir_backend_serving{service=\"10.0.0.2:80\",backend=\"unix:/run/a.sock\"} 1\n");
	has("weir_backend_connections{service=\"10.0.0.2:80\",backend=\"unix:/run/a.sock\"} 1\n");
	has("weir_backend_picks_total{service=\"10.0.0.2:80\",backend=\"127.0.0.1:8080\"} 0\n");
	has("weir_backend_connect_seconds{service=\"10.0.0.2:80\",backend=\"127.0.0.1:8080\"} "
	    "0.000000\n");
	has("weir_backends_draining_connections{service=\"10.0.0.2:80\"} 0\n");
	free(text);
	backends_done(pool, 1);
	backends_close(pool);
	pool = NULL;
}

static void openmetrics_format(void **state)
{
	(void)state;
	written(METRICS_OPENMETRICS);
	has("# TYPE weir_syn_answered counter\nweir_syn_answered_total{side=\"gate\"} "
	    "1234567890123\n");
	has("# TYPE weir_worker_cpu_seconds counter\nweir_worker_cpu_seconds_total{");
	assert_string_equal(text + text_len - 7, "\n# EOF\n");
	free(text);
}

static void health(void **state)
{
	static const char *const reasons[] = {NULL, "draining", "a worker is silent"};
	char line[64];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		FILE *out = open_memstream(&text, &text_len);

		fake.why = reasons[i];
		assert_int_equal(metrics_health(out, &src), !fake.why);
		fclose(out);
		snprintf(line, sizeof(line), "%s\n", fake.why ? fake.why : "serving");
		assert_string_equal(text, line);
		free(text);
		written(METRICS_TEXT);
		has(fake.why ? "\nweir_serving 0\n" : "\nweir_serving 1\n");
		has("\nweir_worker_silence_seconds 1.234000\n");
		free(text);
	}
	fake = (struct fake){0};
}

/* ---- what is asked for ------------------------------------------------------------------ */

static void accept_headers(void **state)
{
	static const struct {
		const char *accept;
		enum metrics_format f;
	} cases[] = {
		{NULL, METRICS_TEXT},
		{"", METRICS_TEXT},
		{"*/*", METRICS_TEXT},
		{"text/html, text/plain", METRICS_TEXT},
		{"application/openmetrics-text", METRICS_OPENMETRICS},
		{" \tAPPLICATION/OpenMetrics-Text ; version=1.0.0", METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=0", METRICS_TEXT},
		{"application/openmetrics-text;q=0.000,*/*", METRICS_TEXT},
		{"application/openmetrics-text;q=0.3,text/plain;q=0.9", METRICS_TEXT},
		{"text/plain;q=0.5, application/openmetrics-text ;version=0.0.1; q=0.75",
		 METRICS_OPENMETRICS},
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version="
		 "0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 METRICS_OPENMETRICS},
		{"application/openmetrics-textual", METRICS_TEXT},
		{"application/openmetrics-text;q", METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=", METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=x", METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=0.", METRICS_TEXT},
		{"application/openmetrics-text;q=0.0009999", METRICS_TEXT},
		{"application/openmetrics-text;;;;", METRICS_OPENMETRICS},
		{",,,;,;q=,", METRICS_TEXT},
		{"text/plain,application/openmetrics-text", METRICS_OPENMETRICS},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (metrics_format_for(cases[i].accept) != cases[i].f)
			fail_msg("%s", cases[i].accept);
}

/* Whatever bytes come: an answer, and nothing read that is not there (under the sanitizer). */
static void accept_nonsense(void **state)
{
	static const char bits[][12] = {"application", "/openmetric", "s-text", ";",
					"q=",	       "0.",	      "1",	",",
					" ",	       "text/plain",  "\xff",	"="};
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char accept[100] = "", *copy;

		for (int n = 0; n < 6; n++) {
			seed = seed * 1103515245 + 12345;
			strcat(accept, bits[(seed >> 16) % 12]);
		}
		copy = strdup(accept); /* ends where its memory does */
		assert_non_null(copy);
		metrics_format_for(copy);
		free(copy);
	}
}

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

/* ---- the endpoint -------------------------------------------------------------------------- */

static char path[64];
static struct metrics *m;
static uint64_t now;

static int up(void **state)
{
	char spec[80];
	struct weir_err err;

	(void)state;
	fake = (struct fake){0};
	now = 1000000000;
	snprintf(path, sizeof(path), "/tmp/weir-metrics-%d", (int)getpid());
	snprintf(spec, sizeof(spec), "unix:%s", path);
	return metrics_open(&m, spec, &src, &err);
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
	fake.why = "draining";
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
	assert_int_equal(fake.renders, 1);
	now += 100000;
	get("GET /metrics" END "\r\n");
	assert_int_equal(fake.renders, 2);
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
	assert_int_equal(metrics_open(&other, spec, &src, &err), -EADDRINUSE);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	snprintf(spec, sizeof(spec), "127.0.0.1:%u", ntohs(sin.sin_port));
	assert_int_equal(metrics_open(&other, spec, &src, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, spec));
	close(fd);
	assert_int_equal(metrics_open(&other, spec, &src, &err), 0);
	assert_null(metrics_path(other));
	metrics_close(other);
	snprintf(spec, sizeof(spec), "*:%u", ntohs(sin.sin_port));
	assert_int_equal(metrics_open(&other, spec, &src, &err), 0);
	metrics_close(other);
}

#define UP(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_format),
		cmocka_unit_test(every_counter_is_there),
		cmocka_unit_test(histograms),
		cmocka_unit_test(backends),
		cmocka_unit_test(openmetrics_format),
		cmocka_unit_test(health),
		cmocka_unit_test(accept_headers),
		cmocka_unit_test(accept_nonsense),
		cmocka_unit_test(where),
		UP(pages),
		UP(a_page_is_made_once_in_a_while),
		UP(large_requests_are_refused),
		UP(who_dawdles_is_cut_off),
		UP(no_more_than_there_is_room_for),
		UP(closed_while_clients_are_there),
		UP(sockets),
	};

	events.watch[EVENT_SYN_FLOOD].on = true;
	events.watch[EVENT_SYN_FLOOD].times = 5;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
