/* SPDX-License-Identifier: BSD-2-Clause */
/* What Prometheus reads, in the format that it asks for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/counter_names.h"
#include "metrics_fixture.h"

static char *text;
static size_t text_len;

static const char *written(enum metrics_format f)
{
	FILE *out = open_memstream(&text, &text_len);

	assert_non_null(out);
	metrics_write(out, &metrics_source, f);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void has(const char *part)
{
	if (!strstr(text, part))
		fail_msg("not there: %s\nin: %s", part, text);
}

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
	assert_int_equal(backends_open(&metrics_fake.backends, &cfg, err, sizeof(err)), 0);
	assert_in_range(backends_pick(metrics_fake.backends, NULL, 1), 1, 1);
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
	backends_done(metrics_fake.backends, 1);
	backends_close(metrics_fake.backends);
	metrics_fake.backends = NULL;
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

		metrics_fake.why = reasons[i];
		assert_int_equal(metrics_health(out, &metrics_source), !metrics_fake.why);
		fclose(out);
		snprintf(line, sizeof(line), "%s\n",
			 metrics_fake.why ? metrics_fake.why : "serving");
		assert_string_equal(text, line);
		free(text);
		written(METRICS_TEXT);
		has(metrics_fake.why ? "\nweir_serving 0\n" : "\nweir_serving 1\n");
		has("\nweir_worker_silence_seconds 1.234000\n");
		free(text);
	}
	metrics_fake = (struct metrics_fake){0};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_format),	      cmocka_unit_test(every_counter_is_there),
		cmocka_unit_test(histograms),	      cmocka_unit_test(backends),
		cmocka_unit_test(openmetrics_format), cmocka_unit_test(health),
		cmocka_unit_test(accept_headers),     cmocka_unit_test(accept_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
