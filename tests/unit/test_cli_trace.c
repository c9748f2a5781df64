/* SPDX-License-Identifier: BSD-2-Clause */
/* From a record to what is written: frame, wire, order, capture file, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ladder_track.h"
#include "cli/trace_json.h"
#include "cli/trace_order.h"
#include "cli/trace_pcap.h"
#include "control/trace_frame.h"
#include "control/trace_wire.h"
#include "tcp/tcp.h"
#include "trace_fixture.h"

static const struct trace_seg synack = {.us = 7,
					.out = true,
					.gate = true,
					.seq = WEIR_ISN,
					.ack = CLIENT_ISN + 1,
					.flags = TCP_SYN | TCP_ACK,
					.wnd = 65535,
					.syn_options = true};

/* ---- frames ------------------------------------------------------------------------ */

static void parsed(void **state)
{
	struct trace_seg seg = synack;
	struct weir_trace_rec rec;
	struct trace_frame f;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		seg.v6 = v6;
		trace_make(&rec, &seg);
		assert_true(trace_frame_parse(&f, rec.data, rec.caplen));
		assert_int_equal(f.src.family, v6 ? 6 : 4);
		assert_int_equal(f.src.port, 80);
		assert_int_equal(f.dst.port, 40000);
		assert_int_equal(f.seq, WEIR_ISN);
		assert_int_equal(f.ack, CLIENT_ISN + 1);
		assert_int_equal(f.flags, TCP_SYN | TCP_ACK);
		assert_int_equal(f.wnd, 65535);
		assert_int_equal(f.len, 0);
		assert_true(f.has_mss && f.has_ts && f.has_wscale && f.sack_permitted);
		assert_int_equal(f.mss, 1460);
		assert_int_equal(f.wscale, 8);
		assert_int_equal(f.tsval, 2000);
		assert_int_equal(f.tsecr, 1000);
		assert_false(f.malformed);
	}
}

/* Cut anywhere, in memory that ends there: TCP when its fixed header is in, never more. */
static void cut_everywhere(void **state)
{
	struct trace_seg seg = synack;
	struct weir_trace_rec rec;
	struct trace_frame f;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		size_t tcp_at = v6 ? 54 : 34;

		seg.v6 = v6;
		trace_make(&rec, &seg);
		for (size_t n = 0; n <= rec.caplen; n++) {
			uint8_t *cut = malloc(n ? n : 1);

			memcpy(cut, rec.data, n);
			assert_int_equal(trace_frame_parse(&f, cut, n), n >= tcp_at + 20);
			assert_int_equal(f.has_wscale, n >= tcp_at + 40);
			free(cut);
		}
	}
}

static void vlan_and_extension_headers(void **state)
{
	/* two tags, IPv6, hop-by-hop, destination options, then a bare SYN */
	static const uint8_t head[] = {0, 0,	0,    0, 0, 0,	  0, 0, 0, 0,	 0,
				       0, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd};
	uint8_t frame[22 + 40 + 8 + 16 + 20] = {0};
	struct trace_frame f;
	uint8_t *p;

	(void)state;
	memcpy(frame, head, sizeof(head));
	p = frame + sizeof(head);
	p[0] = 0x60;
	p[5] = 8 + 16 + 20;
	p[6] = 0;
	p += 40;
	p[0] = 60;
	p += 8;
	p[0] = 6;
	p[1] = 1;
	p += 16;
	p[1] = 99;
	p[12] = 0x50;
	p[13] = TCP_SYN;
	assert_true(trace_frame_parse(&f, frame, sizeof(frame)));
	assert_int_equal(f.nvlan, 2);
	assert_int_equal(f.src.port, 99);
	assert_int_equal(f.flags, TCP_SYN);
	/* a third tag, a later fragment, no TCP: not for us */
	frame[20] = 0x81;
	frame[21] = 0;
	assert_false(trace_frame_parse(&f, frame, sizeof(frame)));
	frame[20] = 0x86;
	frame[21] = 0xdd;
	frame[22 + 6] = 44;
	frame[22 + 40 + 3] = 8;
	assert_false(trace_frame_parse(&f, frame, sizeof(frame)));
	frame[22 + 6] = 17;
	assert_false(trace_frame_parse(&f, frame, sizeof(frame)));
}

/* Data offsets and options that lie. */
static void lies(void **state)
{
	struct weir_trace_rec rec;
	struct trace_frame f;

	(void)state;
	trace_make(&rec, &synack);
	rec.data[34 + 12] = 0x40;
	assert_true(trace_frame_parse(&f, rec.data, rec.caplen));
	assert_true(f.malformed && !f.has_mss);
	rec.data[34 + 12] = 0xf0;
	assert_true(trace_frame_parse(&f, rec.data, rec.caplen));
	assert_true(f.malformed && f.len == 0);
	rec.data[34 + 12] = 0xa0;
	rec.data[34 + 21] = 0; /* a length of 0 */
	assert_true(trace_frame_parse(&f, rec.data, rec.caplen));
	assert_true(f.malformed && !f.has_mss);
	rec.data[34 + 21] = 200;
	assert_true(trace_frame_parse(&f, rec.data, rec.caplen));
	assert_true(f.malformed);
	/* an IP header longer than its packet */
	rec.data[16] = rec.data[17] = 0;
	assert_false(trace_frame_parse(&f, rec.data, rec.caplen));
}

static void filters(void **state)
{
	struct weir_trace_filter any = {0}, by_port = {.port = htons(40000)},
				 other_port = {.port = htons(81)}, client = {.family = 4},
				 stranger = {.family = 4}, v6 = {.family = 6}, v4 = {.family = 4};
	struct weir_trace_rec rec;
	struct trace_frame f;

	(void)state;
	memcpy(client.addr, "\x0a\0\0\x01", 4);
	memcpy(stranger.addr, "\x0a\0\0\x03", 4);
	trace_make(&rec, &synack);
	trace_frame_parse(&f, rec.data, rec.caplen);
	assert_true(trace_frame_match(&f, &any));
	assert_true(trace_frame_match(&f, &by_port));
	assert_false(trace_frame_match(&f, &other_port));
	assert_true(trace_frame_match(&f, &client));
	assert_false(trace_frame_match(&f, &stranger));
	assert_true(trace_frame_match(&f, &v4));
	assert_false(trace_frame_match(&f, &v6));
}

/* ---- the wire ------------------------------------------------------------------------ */

static void there_and_back(void **state)
{
	struct weir_trace_rec rec, back;
	char line[TRACE_WIRE_MAX];
	size_t n;
	json_t *o;

	(void)state;
	trace_make(&rec, &(struct trace_seg){.us = 3,
					     .len = 1400,
					     .flags = TCP_ACK,
					     .outcome = WEIR_C_trace_lost,
					     .state = WEIR_TIME_WAIT});
	rec.source = UINT32_MAX;
	rec.state_before = WEIR_FIN_WAIT_2;
	rec.len = UINT16_MAX;
	rec.mono_ns = INT64_MAX;
	assert_int_equal(rec.caplen, WEIR_TRACE_SNAP);
	n = trace_wire_format(line, sizeof(line), &rec);
	assert_in_range(n, 2 * WEIR_TRACE_SNAP, TRACE_WIRE_MAX);
	assert_int_equal(line[n - 1], '\n');
	o = json_loadb(line, n, 0, NULL);
	assert_non_null(o);
	assert_int_equal(trace_wire_parse(&back, o), 0);
	assert_memory_equal(&back, &rec, sizeof(rec));
	json_decref(o);
}

static void no_record(void **state)
{
	static const char good[] = "{\"mono_ns\":1,\"where\":\"gate\",\"source\":0,\"dir\":\"in\","
				   "\"len\":2,\"outcome\":\"\",\"before\":\"LISTEN\","
				   "\"after\":\"LISTEN\",\"data\":\"00ff\"}";
	static const char *const swaps[][2] = {
		{"1", "\"1\""},
		{"gate", "moon"},
		{"\"in\"", "\"up\""},
		{"LISTEN", "OPEN"},
		{"00ff", "00f"},
		{"00ff", "00FF"},
		{"00ff", "0 ff"},
		{"\"00ff\"", "7"},
		{"\"outcome\":\"\"", "\"outcome\":null"},
		{"\"len\":2", "\"len\":2.5"},
	};
	struct weir_trace_rec rec;
	json_t *o = json_loads(good, 0, NULL);
	char bad[400];

	(void)state;
	assert_int_equal(trace_wire_parse(&rec, o), 0);
	assert_int_equal(rec.caplen, 2);
	json_decref(o);
	for (size_t i = 0; i < sizeof(swaps) / sizeof(swaps[0]); i++) {
		const char *at = strstr(good, swaps[i][0]);

		assert_non_null(at);
		snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - good), good, swaps[i][1],
			 at + strlen(swaps[i][0]));
		o = json_loads(bad, 0, NULL);
		assert_non_null(o);
		assert_int_not_equal(trace_wire_parse(&rec, o), 0);
		json_decref(o);
	}
	assert_int_not_equal(trace_wire_parse(&rec, NULL), 0);
}

/* ---- order ------------------------------------------------------------------------------ */

static void ordered(void **state)
{
	struct trace_order *o = trace_order_new(1000, 50);
	struct trace_event ev = {0};
	uint64_t x = 1, last = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		ev.rec.mono_ns = x >> 60; /* many equal times */
		ev.rec.source = i;
		assert_false(trace_order_full(o));
		trace_order_put(o, &ev, 100);
	}
	assert_true(trace_order_full(o));
	assert_false(trace_order_take(o, &ev, 149, false));
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t key;

		assert_true(trace_order_take(o, &ev, 150, false));
		/* by time, then as they came */
		key = ev.rec.mono_ns << 32 | ev.rec.source;
		assert_true(i == 0 || key > last);
		last = key;
	}
	assert_true(trace_order_empty(o));
	assert_false(trace_order_take(o, &ev, 1000, true));
	trace_order_free(o);
}

static void held_and_flushed(void **state)
{
	struct trace_order *o = trace_order_new(4, 50);
	struct trace_event ev = {.rec.mono_ns = 20};

	(void)state;
	trace_order_put(o, &ev, 100);
	ev.rec.mono_ns = 10; /* earlier, but it came later */
	trace_order_put(o, &ev, 130);
	assert_false(trace_order_take(o, &ev, 160, false));
	assert_true(trace_order_take(o, &ev, 180, false));
	assert_int_equal(ev.rec.mono_ns, 10);
	assert_true(trace_order_take(o, &ev, 180, false));
	assert_int_equal(ev.rec.mono_ns, 20);
	trace_order_put(o, &ev, 200);
	assert_false(trace_order_take(o, &ev, 201, false));
	assert_true(trace_order_take(o, &ev, 201, true));
	trace_order_free(o);
}

/* ---- what is written ------------------------------------------------------------------------ */

static void capture_file(void **state)
{
	char path[] = "/tmp/weir-test-pcap-XXXXXX", err[PCAP_ERRBUF_SIZE];
	struct trace_seg seg = {.us = 1, .flags = TCP_ACK, .len = 1400};
	struct pcap_pkthdr *h;
	struct weir_trace_rec rec;
	struct trace_pcap *p;
	const u_char *data;
	pcap_t *in;

	(void)state;
	close(mkstemp(path));
	p = trace_pcap_open(path, 4000000000ull, 1700000000123456789ull);
	assert_non_null(p);
	trace_make(&rec, &synack);
	trace_pcap_write(p, &rec);
	trace_make(&rec, &seg);
	trace_pcap_write(p, &rec);
	assert_int_equal(trace_pcap_close(p), 0);
	in = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, err);
	assert_non_null(in);
	assert_int_equal(pcap_datalink(in), DLT_EN10MB);
	assert_int_equal(pcap_next_ex(in, &h, &data), 1);
	/* mono 5.000007 s is 1.000007 s after the moment both clocks were read */
	assert_int_equal(h->ts.tv_sec, 1700000001);
	assert_int_equal(h->ts.tv_usec, 123463789);
	assert_int_equal(h->caplen, 74);
	assert_int_equal(h->len, 74);
	assert_int_equal(pcap_next_ex(in, &h, &data), 1);
	assert_int_equal(h->caplen, WEIR_TRACE_SNAP);
	assert_int_equal(h->len, 1454);
	assert_memory_equal(data, rec.data, WEIR_TRACE_SNAP);
	assert_int_equal(pcap_next_ex(in, &h, &data), PCAP_ERROR_BREAK);
	pcap_close(in);
	unlink(path);
}

static void as_json(void **state)
{
	struct ladder_tracker *t = ladder_tracker_new();
	struct weir_trace_rec rec;
	json_t *o;

	(void)state;
	trace_make(&rec, &synack);
	o = trace_json(t, &rec, 1000);
	assert_int_equal(json_integer_value(json_object_get(o, "version")), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "wall_ns")), rec.mono_ns + 1000);
	assert_string_equal(json_string_value(json_object_get(o, "flags")), "SYN+ACK");
	assert_string_equal(json_string_value(json_object_get(o, "remote")), "10.0.0.1:40000");
	assert_string_equal(json_string_value(json_object_get(o, "local")), "10.0.0.2:80");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "SYN_RCVD");
	assert_string_equal(json_string_value(json_object_get(o, "peer_state")), "ESTABLISHED");
	assert_true(json_is_false(json_object_get(o, "peer_state_sure")));
	assert_int_equal(json_integer_value(json_object_get(o, "seq")), WEIR_ISN);
	assert_int_equal(json_integer_value(json_object_get(o, "rel_seq")), 0);
	json_decref(o);
	rec.caplen = 20;
	o = trace_json(t, &rec, 0);
	assert_non_null(json_object_get(o, "len"));
	assert_null(json_object_get(o, "flags"));
	json_decref(o);
	ladder_tracker_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed),
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(vlan_and_extension_headers),
		cmocka_unit_test(lies),
		cmocka_unit_test(filters),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(no_record),
		cmocka_unit_test(ordered),
		cmocka_unit_test(held_and_flushed),
		cmocka_unit_test(capture_file),
		cmocka_unit_test(as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
