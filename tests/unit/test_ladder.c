/* SPDX-License-Identifier: BSD-2-Clause */
/* The ladders: drawn exactly, and what is inferred about the client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ladder.h"
#include "cli/ladder_text.h"
#include "cli/ladder_track.h"
#include "tcp/tcp.h"
#include "trace_fixture.h"

#define C CLIENT_ISN
#define W WEIR_ISN

/* curl: handshake in the gate, request, response, the client closes first. */
static const struct trace_seg session[] = {
	{.us = 0, .gate = true, .seq = C, .flags = TCP_SYN, .wnd = 64240, .syn_options = true},
	{.us = 2,
	 .gate = true,
	 .out = true,
	 .seq = W,
	 .ack = C + 1,
	 .flags = TCP_SYN | TCP_ACK,
	 .wnd = 65535,
	 .syn_options = true},
	{.us = 60,
	 .seq = C + 1,
	 .ack = W + 1,
	 .flags = TCP_ACK,
	 .wnd = 502,
	 .state = WEIR_ESTABLISHED},
	{.us = 80,
	 .seq = C + 1,
	 .ack = W + 1,
	 .flags = TCP_ACK | TCP_PSH,
	 .wnd = 502,
	 .len = 78,
	 .state = WEIR_ESTABLISHED},
	{.us = 120,
	 .out = true,
	 .seq = W + 1,
	 .ack = C + 79,
	 .flags = TCP_ACK | TCP_PSH,
	 .wnd = 256,
	 .len = 1200,
	 .state = WEIR_ESTABLISHED},
	{.us = 150,
	 .seq = C + 79,
	 .ack = W + 1201,
	 .flags = TCP_ACK,
	 .wnd = 501,
	 .state = WEIR_ESTABLISHED},
	{.us = 170,
	 .seq = C + 79,
	 .ack = W + 1201,
	 .flags = TCP_ACK | TCP_FIN,
	 .wnd = 501,
	 .state = WEIR_CLOSE_WAIT},
	{.us = 180,
	 .out = true,
	 .seq = W + 1201,
	 .ack = C + 80,
	 .flags = TCP_ACK,
	 .wnd = 256,
	 .state = WEIR_CLOSE_WAIT},
	{.us = 185,
	 .out = true,
	 .seq = W + 1201,
	 .ack = C + 80,
	 .flags = TCP_ACK | TCP_FIN,
	 .wnd = 256,
	 .state = WEIR_LAST_ACK},
	{.us = 220,
	 .seq = C + 80,
	 .ack = W + 1202,
	 .flags = TCP_ACK,
	 .wnd = 501,
	 .state = WEIR_CLOSED},
};
#define SESSION (sizeof(session) / sizeof(session[0]))

/* clang-format off */
static const char session_drawn[] =
	"States are after each frame. The client's is inferred from the frames seen;\n"
	"with a ? no frame of its own has confirmed it yet.\n"
	"A  ━━━━━━━━━━━ client 10.0.0.1:40000 ━━━━━━━━━━━━━━━━━━━━━━━━━━ weir 10.0.0.2:80 ━━━━━━━━━━━━━━━━━━━\n"
	"A    0.000000  SYN_SENT     │─ SYN seq=0 (1234567890) win=64240 len=0 ─────────▶│ LISTEN      gate\n"
	"                            │   <mss 1460,sack,ts,ws 7>                         │\n"
	"                            │   · the client asks to open                       │\n"
	"A    0.000002  ESTABLISHED? │◀─ SYN+ACK seq=0 (3735928559) ack=1 (1234567891) ──│ SYN_RCVD    gate\n"
	"                            │   win=65535 len=0 <mss 1460,sack,ts,ws 8>         │ cookie, stateless\n"
	"                            │   · seq is the cookie; weir remembers nothing     │\n"
	"A    0.000060  ESTABLISHED  │─ ACK seq=1 (1234567891) ack=1 (3735928560) ──────▶│ ESTABLISHED w0\n"
	"                            │   win=64256 len=0                                 │\n"
	"                            │   · the cookie comes back valid: open             │\n"
	"A    0.000080  ESTABLISHED  │─ PSH+ACK seq=1 (1234567891) ack=1 (3735928560) ──▶│ ESTABLISHED w0\n"
	"                            │   win=64256 len=78                                │\n"
	"A    0.000120  ESTABLISHED  │◀─ PSH+ACK seq=1 (3735928560) ack=79 (1234567969) ─│ ESTABLISHED w0\n"
	"                            │   win=65536 len=1200                              │\n"
	"A    0.000150  ESTABLISHED  │─ ACK seq=79 (1234567969) ack=1201 (3735929760) ──▶│ ESTABLISHED w0\n"
	"                            │   win=64128 len=0                                 │\n"
	"A    0.000170  FIN_WAIT_1   │─ FIN+ACK seq=79 (1234567969) ────────────────────▶│ CLOSE_WAIT  w0\n"
	"                            │   ack=1201 (3735929760) win=64128 len=0           │\n"
	"                            │   · the client has nothing more to send           │\n"
	"A    0.000180  FIN_WAIT_2?  │◀─ ACK seq=1201 (3735929760) ack=80 (1234567970) ──│ CLOSE_WAIT  w0\n"
	"                            │   win=65536 len=0                                 │\n"
	"                            │   · weir acknowledges the client's FIN            │\n"
	"A    0.000185  TIME_WAIT?   │◀─ FIN+ACK seq=1201 (3735929760) ──────────────────│ LAST_ACK    w0\n"
	"                            │   ack=80 (1234567970) win=65536 len=0             │\n"
	"                            │   · weir has nothing more to send                 │\n"
	"A    0.000220  TIME_WAIT    │─ ACK seq=80 (1234567970) ack=1202 (3735929761) ──▶│ CLOSED      w0\n"
	"                            │   win=64128 len=0                                 │\n"
	"                            │   · closed; the client waits 2 MSL                │\n"
	"10 frames of 1 connection, 0 dropped, 0 events lost\n";
/* clang-format on */

struct drawing {
	struct ladder *l;
	FILE *f;
	char *text;
	size_t len;
};

static void draw_start(struct drawing *d, const struct ladder_opts *opts)
{
	d->f = open_memstream(&d->text, &d->len);
	assert_non_null(d->f);
	d->l = ladder_new(opts, d->f);
	assert_non_null(d->l);
}

static void draw(struct drawing *d, const struct trace_seg *s, size_t n)
{
	struct weir_trace_rec rec;

	for (size_t i = 0; i < n; i++) {
		trace_make(&rec, &s[i]);
		ladder_record(d->l, &rec);
	}
}

/* The text so far; free it. */
static char *draw_end(struct drawing *d)
{
	ladder_free(d->l);
	fclose(d->f);
	return d->text;
}

static void full_session(void **state)
{
	const struct ladder_opts opts = {.width = 100};
	struct drawing d;
	char *text;

	(void)state;
	draw_start(&d, &opts);
	draw(&d, session, SESSION);
	ladder_summary(d.l);
	text = draw_end(&d);
	assert_string_equal(text, session_drawn);
	free(text);
}

/* However wide, and with or without colours, no line is longer than was asked for. */
static void within_width(void **state)
{
	static const struct ladder_opts opts[] = {
		{.width = 80},
		{.width = 80, .ascii = true, .verbose = true},
		{.width = 1, .numbers = LADDER_ABSOLUTE},
		{.width = 93, .numbers = LADDER_RELATIVE},
		{.width = 140, .brief = true},
		{.width = 1000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(opts) / sizeof(opts[0]); i++) {
		unsigned max = opts[i].width < 80 ? 80 : opts[i].width > 140 ? 140 : opts[i].width;
		struct drawing d;
		char *text, *line, *save;
		unsigned rows = 0;

		draw_start(&d, &opts[i]);
		draw(&d, session, SESSION);
		text = draw_end(&d);
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			unsigned width = 0;

			for (const char *p = line; *p; p++)
				width += ((unsigned char)*p & 0xc0) != 0x80;
			assert_in_range(width, 1, max);
			rows++;
		}
		assert_in_range(rows, SESSION, SESSION * 6);
		free(text);
	}
}

static void ascii_only(void **state)
{
	const struct ladder_opts opts = {.width = 100, .ascii = true};
	struct drawing d;
	char *text;

	(void)state;
	draw_start(&d, &opts);
	draw(&d, session, SESSION);
	ladder_lost(d.l, 3);
	text = draw_end(&d);
	for (const char *p = text; *p; p++)
		assert_in_range((unsigned char)*p, '\n', '~');
	assert_non_null(strstr(text, "|<- SYN+ACK seq=0"));
	assert_non_null(strstr(text, "-->| LISTEN      gate"));
	assert_non_null(strstr(text, "... 3 events lost ..."));
	free(text);
}

static void colored_is_the_same_text(void **state)
{
	const struct ladder_opts opts = {.width = 100, .color = true};
	struct drawing d;
	char *text, *to;

	(void)state;
	draw_start(&d, &opts);
	draw(&d, session, SESSION);
	ladder_summary(d.l);
	text = draw_end(&d);
	assert_non_null(strstr(text, "\033["));
	to = text;
	for (const char *p = text; *p;) {
		if (*p == '\033')
			p += strcspn(p, "m") + 1;
		else
			*to++ = *p++;
	}
	*to = '\0';
	/* Blanks before a colour's end stay: compare without blanks at all. */
	for (const char *a = text, *b = session_drawn;; a++, b++) {
		a += strspn(a, " ");
		b += strspn(b, " ");
		assert_int_equal(*a, *b);
		if (!*a)
			break;
	}
	free(text);
}

static void numbers_as_asked(void **state)
{
	const struct ladder_opts rel = {.width = 100, .numbers = LADDER_RELATIVE};
	const struct ladder_opts abs = {.width = 100, .numbers = LADDER_ABSOLUTE};
	struct drawing d;
	char *text;

	(void)state;
	draw_start(&d, &rel);
	draw(&d, session, SESSION);
	text = draw_end(&d);
	assert_non_null(strstr(text, "PSH+ACK seq=1 ack=79 win=65536 len=1200"));
	assert_null(strstr(text, "1234567"));
	free(text);
	draw_start(&d, &abs);
	draw(&d, session, SESSION);
	text = draw_end(&d);
	assert_non_null(strstr(text, "SYN seq=1234567890 win=64240"));
	assert_null(strstr(text, "seq=0"));
	free(text);
}

/* Two connections in turn, a drop with its counter, lost events in their place. */
static void interleaved(void **state)
{
	static const struct trace_seg other[] = {
		{.us = 100, .gate = true, .port = 40002, .seq = 777, .flags = TCP_SYN, .wnd = 9},
		{.us = 130,
		 .gate = true,
		 .port = 40002,
		 .seq = 778,
		 .ack = 5,
		 .flags = TCP_ACK,
		 .outcome = WEIR_C_drop_closing,
		 .state = WEIR_LISTEN},
	};
	const struct ladder_opts opts = {.width = 100};
	struct drawing d;
	char *text, *at;

	(void)state;
	draw_start(&d, &opts);
	draw(&d, session, 3);
	draw(&d, other, 1);
	ladder_lost(d.l, 12);
	draw(&d, session + 3, 1);
	draw(&d, other + 1, 1);
	ladder_summary(d.l);
	text = draw_end(&d);
	at = strstr(text, "B  ━");
	assert_non_null(at);
	assert_non_null(strstr(at, "client 10.0.0.1:40002 ━"));
	at = strstr(at, "… 12 events lost …");
	assert_non_null(at);
	at = strstr(at, "A  ╌");
	assert_non_null(at);
	at = strstr(at, "B  ╌");
	assert_non_null(at);
	at = strstr(at, "✗│ LISTEN      gate");
	assert_non_null(at);
	assert_non_null(strstr(at, "✗ dropped: drop_closing"));
	assert_non_null(strstr(at, "6 frames of 2 connections, 1 dropped, 12 events lost\n"));
	free(text);
}

/* The longest addresses there are, in the narrowest ladder. */
static void long_addresses(void **state)
{
	const struct ladder_opts opts = {.width = 80};
	struct trace_seg seg = {.v6 = true, .flags = TCP_SYN, .gate = true};
	struct weir_trace_rec rec;
	struct drawing d;
	char *text;

	(void)state;
	trace_make(&rec, &seg);
	memset(rec.data + 22, 0xee, 32);
	draw_start(&d, &opts);
	ladder_record(d.l, &rec);
	text = draw_end(&d);
#define LONG "eeee:eeee:eeee:eeee:eeee:eeee:eeee:eeee"
	assert_non_null(strstr(text, "A  ━━━━━━━━━━━ client [" LONG "]:40000 ━━━━━━━━━━\n"
				     "   ━━━━━━━━━━━ weir [" LONG "]:80 ━━━━━━━━━━━━━━━\n"));
	free(text);
}

static void not_tcp(void **state)
{
	const struct ladder_opts opts = {.width = 100};
	struct weir_trace_rec rec = {.len = 60, .caplen = 14};
	struct drawing d;
	char *text;

	(void)state;
	draw_start(&d, &opts);
	ladder_record(d.l, &rec);
	text = draw_end(&d);
	assert_non_null(strstr(text, "a frame of 60 bytes that is not TCP"));
	free(text);
}

/* ---- what is inferred ------------------------------------------------------------- */

struct expected {
	struct trace_seg seg;
	enum weir_tcp_state peer;
	bool sure;
};

static void follow(const struct expected *e, size_t n)
{
	struct ladder_tracker *t = ladder_tracker_new();
	struct weir_trace_rec rec;
	struct ladder_step s;

	for (size_t i = 0; i < n; i++) {
		trace_make(&rec, &e[i].seg);
		assert_true(ladder_track(t, &rec, &s));
		assert_true(s.peer_known);
		assert_string_equal(tcp_state_name(s.peer), tcp_state_name(e[i].peer));
		assert_int_equal(s.peer_sure, e[i].sure);
	}
	ladder_tracker_free(t);
}
#define FOLLOW(e) follow(e, sizeof(e) / sizeof((e)[0]))

#define SYN_IN                                                                                     \
	{                                                                                          \
		.seq = C, .flags = TCP_SYN, .gate = true, .wnd = 1                                 \
	}
#define SYNACK_OUT                                                                                 \
	{                                                                                          \
		.out = true, .seq = W, .ack = C + 1, .flags = TCP_SYN | TCP_ACK, .gate = true      \
	}
#define ACK_IN                                                                                     \
	{                                                                                          \
		.seq = C + 1, .ack = W + 1, .flags = TCP_ACK, .state = WEIR_ESTABLISHED            \
	}

static void client_closes_first(void **state)
{
	static const struct expected e[] = {
		{SYN_IN, WEIR_SYN_SENT, true},
		{SYNACK_OUT, WEIR_ESTABLISHED, false},
		{SYN_IN, WEIR_ESTABLISHED, false},
		{ACK_IN, WEIR_ESTABLISHED, true},
		{{.seq = C + 1, .ack = W + 1, .flags = TCP_ACK | TCP_FIN}, WEIR_FIN_WAIT_1, true},
		{{.out = true, .seq = W + 1, .ack = C + 2, .flags = TCP_ACK},
		 WEIR_FIN_WAIT_2,
		 false},
		{{.out = true, .seq = W + 1, .ack = C + 2, .flags = TCP_ACK | TCP_FIN},
		 WEIR_TIME_WAIT,
		 false},
		{{.seq = C + 2, .ack = W + 2, .flags = TCP_ACK}, WEIR_TIME_WAIT, true},
	};

	(void)state;
	FOLLOW(e);
}

static void weir_closes_first(void **state)
{
	static const struct expected e[] = {
		{SYN_IN, WEIR_SYN_SENT, true},
		{SYNACK_OUT, WEIR_ESTABLISHED, false},
		{ACK_IN, WEIR_ESTABLISHED, true},
		{{.out = true, .seq = W + 1, .ack = C + 1, .flags = TCP_ACK | TCP_FIN},
		 WEIR_CLOSE_WAIT,
		 false},
		/* an ACK that was under way says nothing about our FIN */
		{{.seq = C + 1, .ack = W + 1, .flags = TCP_ACK}, WEIR_CLOSE_WAIT, false},
		{{.seq = C + 1, .ack = W + 2, .flags = TCP_ACK}, WEIR_CLOSE_WAIT, true},
		{{.seq = C + 1, .ack = W + 2, .flags = TCP_ACK | TCP_FIN}, WEIR_LAST_ACK, true},
		{{.out = true, .seq = W + 2, .ack = C + 2, .flags = TCP_ACK}, WEIR_CLOSED, false},
	};

	(void)state;
	FOLLOW(e);
}

static void both_close_at_once(void **state)
{
	static const struct expected e[] = {
		{SYN_IN, WEIR_SYN_SENT, true},
		{SYNACK_OUT, WEIR_ESTABLISHED, false},
		{ACK_IN, WEIR_ESTABLISHED, true},
		{{.out = true, .seq = W + 1, .ack = C + 1, .flags = TCP_ACK | TCP_FIN},
		 WEIR_CLOSE_WAIT,
		 false},
		{{.seq = C + 1, .ack = W + 1, .flags = TCP_ACK | TCP_FIN}, WEIR_CLOSING, false},
		{{.seq = C + 2, .ack = W + 2, .flags = TCP_ACK}, WEIR_CLOSING, true},
		{{.out = true, .seq = W + 2, .ack = C + 2, .flags = TCP_ACK},
		 WEIR_TIME_WAIT,
		 false},
	};

	(void)state;
	FOLLOW(e);
}

static void resets(void **state)
{
	static const struct expected by_client[] = {
		{SYN_IN, WEIR_SYN_SENT, true},
		{SYNACK_OUT, WEIR_ESTABLISHED, false},
		{{.seq = C + 1, .flags = TCP_RST}, WEIR_CLOSED, true},
	};
	static const struct expected by_weir[] = {
		{ACK_IN, WEIR_ESTABLISHED, true},
		{{.out = true, .seq = W + 1, .flags = TCP_RST}, WEIR_CLOSED, false},
	};

	(void)state;
	FOLLOW(by_client);
	FOLLOW(by_weir);
}

/* Relative numbers without a handshake, across the wrap, and the same tuple anew. */
static void numbering(void **state)
{
	static const struct trace_seg midway = {
		.seq = 0xfffffff0, .ack = 100, .flags = TCP_ACK, .len = 32, .wnd = 5};
	static const struct trace_seg wrapped = {
		.out = true, .seq = 100, .ack = 16, .flags = TCP_ACK, .state = WEIR_CLOSED};
	static const struct trace_seg anew = {.seq = 4000, .flags = TCP_SYN, .gate = true};
	struct ladder_tracker *t = ladder_tracker_new();
	struct weir_trace_rec rec;
	struct ladder_step s;

	(void)state;
	trace_make(&rec, &midway);
	assert_true(ladder_track(t, &rec, &s));
	assert_true(s.fresh && s.midway && !s.scaled);
	assert_int_equal(s.rel_seq, 1);
	assert_int_equal(s.rel_ack, 1);
	assert_true(ladder_track(t, &rec, &s));
	assert_true(!s.fresh && s.again);
	trace_make(&rec, &wrapped);
	assert_true(ladder_track(t, &rec, &s));
	assert_int_equal(s.rel_seq, 1);
	assert_int_equal(s.rel_ack, 33);
	trace_make(&rec, &anew);
	assert_true(ladder_track(t, &rec, &s));
	assert_true(s.fresh && !s.midway && s.scaled);
	assert_int_equal(s.rel_seq, 0);
	assert_int_equal(s.conn->nr, 1);
	assert_int_equal(ladder_tracker_count(t), 2);
	ladder_tracker_free(t);
}

/* More connections than are remembered: the oldest gives way, nothing breaks. */
static void many(void **state)
{
	struct ladder_tracker *t = ladder_tracker_new();
	struct trace_seg seg = {.seq = 1, .flags = TCP_SYN, .gate = true};
	struct weir_trace_rec rec;
	struct ladder_step s;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 1; i <= LADDER_CONNS + 100; i++) {
			seg.port = (uint16_t)i;
			trace_make(&rec, &seg);
			assert_true(ladder_track(t, &rec, &s));
			assert_true(s.fresh);
			assert_false(s.again);
		}
	}
	/* the newest is still known */
	assert_true(ladder_track(t, &rec, &s));
	assert_true(!s.fresh && s.again);
	ladder_tracker_free(t);
}

static void labels(void **state)
{
	char buf[8];

	(void)state;
	ladder_label(0, buf);
	assert_string_equal(buf, "A");
	ladder_label(25, buf);
	assert_string_equal(buf, "Z");
	ladder_label(26, buf);
	assert_string_equal(buf, "AA");
	ladder_label(26 + 26 * 26, buf);
	assert_string_equal(buf, "AAA");
	ladder_label(UINT32_MAX, buf);
	assert_in_range(strlen(buf), 6, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_session),
		cmocka_unit_test(within_width),
		cmocka_unit_test(ascii_only),
		cmocka_unit_test(colored_is_the_same_text),
		cmocka_unit_test(numbers_as_asked),
		cmocka_unit_test(interleaved),
		cmocka_unit_test(not_tcp),
		cmocka_unit_test(long_addresses),
		cmocka_unit_test(client_closes_first),
		cmocka_unit_test(weir_closes_first),
		cmocka_unit_test(both_close_at_once),
		cmocka_unit_test(resets),
		cmocka_unit_test(numbering),
		cmocka_unit_test(many),
		cmocka_unit_test(labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
