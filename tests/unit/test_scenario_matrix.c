/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RST, SYN, FIN, ACK and text in each of the eleven states: below the window, at its
 * left edge, inside, on its last octet, at its right edge and beyond. A letter is the
 * reaction at one of these places:
 *
 *     -  nothing is sent, nothing changes       A  an ACK, no change of state
 *     C  CLOSED, silently                       R  an RST, no change of state
 *     S  the SYN-ACK again                      O  SYN_RCVD with a SYN-ACK
 *     E  ESTABLISHED, silently                  e  ESTABLISHED with an ACK
 *     f  the next state, silently               F  the next state with an ACK
 *     d  text taken, its ACK delayed
 *
 * RFC 9293 3.10.7 with RFC 5961 (3: only the exact RST, 4: no SYN, 5: ACKs) and RFC
 * 1337. Both streams begin just below 2^32 and windows are 64 KiB, so each row has
 * the wrap between its edges. A second matrix does the same with the ACK field.
 */
#include "tcp_fixture.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PLACES 6 /* -1, 0, +1, wnd-1, wnd, wnd+1 from rcv_nxt */

enum kind { K_RST, K_SYN, K_SYNACK, K_FIN, K_ACK, K_TEXT, K_BARE, KINDS };

static const struct {
	const char *name;
	uint8_t flags;
	uint32_t len;
} kinds[KINDS] = {
	[K_RST] = {"RST", TCP_RST, 0},
	[K_SYN] = {"SYN", TCP_SYN, 0},
	[K_SYNACK] = {"SYN,ACK", TCP_SYN | TCP_ACK, 0},
	[K_FIN] = {"FIN,ACK", TCP_FIN | TCP_ACK, 0},
	[K_ACK] = {"ACK", TCP_ACK, 0},
	[K_TEXT] = {"ACK with an octet", TCP_ACK, 1},
	[K_BARE] = {"no flags", 0, 0},
};

/* clang-format off */
static const struct row {
	const char *state;
	struct fx *(*make)(const struct fx_opt *opt);
	const char *reactions[KINDS];
} matrix[] = {
	{"CLOSED", fx_closed,
	 /* 3.10.7.1: all is answered by RST but RST */
	 {[K_RST] = "------", [K_SYN] = "RRRRRR", [K_SYNACK] = "RRRRRR", [K_FIN] = "RRRRRR", [K_ACK] = "RRRRRR", [K_TEXT] = "RRRRRR", [K_BARE] = "RRRRRR"}},
	{"LISTEN", fx_listen,
	 /* 3.10.7.2: RST ignored, ACK reset, SYN taken */
	 {[K_RST] = "------", [K_SYN] = "OOOOOO", [K_SYNACK] = "RRRRRR", [K_FIN] = "RRRRRR", [K_ACK] = "RRRRRR", [K_TEXT] = "RRRRRR", [K_BARE] = "------"}},
	{"SYN_SENT", fx_syn_sent,
	 /* 3.10.7.3: the RST here has no ACK, the others that of our SYN */
	 {[K_RST] = "------", [K_SYN] = "OOOOOO", [K_SYNACK] = "eeeeee", [K_FIN] = "------", [K_ACK] = "------", [K_TEXT] = "------", [K_BARE] = "------"}},
	{"SYN_RCVD", fx_syn_rcvd,
	 /* 3.10.7.4, and 3.5 figure 7: the SYN at the IRS is the one answered */
	 {[K_RST] = "-CAA--", [K_SYN] = "SAAAAA", [K_SYNACK] = "EAAAAA", [K_FIN] = "AFeeeA", [K_ACK] = "AEEEEA", [K_TEXT] = "AeeeAA", [K_BARE] = "A----A"}},
	{"ESTABLISHED", fx_established,
	 /* 3.10.7.4; RFC 5961 3.2, 4.2 */
	 {[K_RST] = "-CAA--", [K_SYN] = "AAAAAA", [K_SYNACK] = "AAAAAA", [K_FIN] = "AFAAAA", [K_ACK] = "A----A", [K_TEXT] = "AdAAAA", [K_BARE] = "A----A"}},
	{"FIN_WAIT_1", fx_fin_wait_1,
	 /* 3.10.7.4; ours is acknowledged: f to FIN_WAIT_2, F to TIME_WAIT or with ACK */
	 {[K_RST] = "-CAA--", [K_SYN] = "AAAAAA", [K_SYNACK] = "AAAAAA", [K_FIN] = "AFFFFA", [K_ACK] = "AffffA", [K_TEXT] = "AfFFAA", [K_BARE] = "A----A"}},
	{"FIN_WAIT_2", fx_fin_wait_2,
	 /* 3.10.7.4 */
	 {[K_RST] = "-CAA--", [K_SYN] = "AAAAAA", [K_SYNACK] = "AAAAAA", [K_FIN] = "AFAAAA", [K_ACK] = "A----A", [K_TEXT] = "AdAAAA", [K_BARE] = "A----A"}},
	{"CLOSE_WAIT", fx_close_wait,
	 /* 3.10.7.4, seventh and eighth: text and FIN are ignored */
	 {[K_RST] = "-CAA--", [K_SYN] = "AAAAAA", [K_SYNACK] = "AAAAAA", [K_FIN] = "A----A", [K_ACK] = "A----A", [K_TEXT] = "A---AA", [K_BARE] = "A----A"}},
	{"CLOSING", fx_closing,
	 /* 3.10.7.4: ours is acknowledged, f to TIME_WAIT */
	 {[K_RST] = "-CAA--", [K_SYN] = "AAAAAA", [K_SYNACK] = "AAAAAA", [K_FIN] = "AffffA", [K_ACK] = "AffffA", [K_TEXT] = "AfffAA", [K_BARE] = "A----A"}},
	{"LAST_ACK", fx_last_ack,
	 /* 3.10.7.4: ours is acknowledged, CLOSED */
	 {[K_RST] = "-CAA--", [K_SYN] = "AAAAAA", [K_SYNACK] = "AAAAAA", [K_FIN] = "ACCCCA", [K_ACK] = "ACCCCA", [K_TEXT] = "ACCCAA", [K_BARE] = "A----A"}},
	{"TIME_WAIT", fx_time_wait,
	 /* 3.10.7.4, RFC 1337: no RST ends it; what carries something is acknowledged */
	 {[K_RST] = "------", [K_SYN] = "------", [K_SYNACK] = "AAAAAA", [K_FIN] = "AAAAAA", [K_ACK] = "A-----", [K_TEXT] = "AAAAAA", [K_BARE] = "A-----"}},
};
/* clang-format on */

static int32_t place(const struct fx *f, unsigned i)
{
	int32_t wnd = (int32_t)tcp_rcv_wnd(f->c);
	const int32_t at[PLACES] = {-1, 0, 1, wnd - 1, wnd, wnd + 1};

	return at[i];
}

/* '?' is in no row. */
static char reaction(struct fx *f, enum weir_tcp_state before)
{
	enum weir_tcp_state after = tcp_get_state(f->c);
	unsigned sent = fx_waiting(f);
	uint8_t flags = sent ? fx_pop(f)->seg.flags : 0;

	if (sent > 1)
		return '?';
	if (after == WEIR_CLOSED && before != WEIR_CLOSED)
		return sent ? '?' : 'C';
	if (flags & TCP_RST)
		return after == before ? 'R' : '?';
	if (flags & TCP_SYN)
		return after == before ? 'S' : after == WEIR_SYN_RCVD ? 'O' : '?';
	if (after != before && after == WEIR_ESTABLISHED)
		return sent ? 'e' : 'E';
	if (after != before)
		return sent ? 'F' : 'f';
	if (sent)
		return 'A';
	return f->c->t_ack != TCP_NEVER ? 'd' : '-';
}

static char arrives(const struct row *r, enum kind k, unsigned at)
{
	struct fx *f = r->make(NULL);
	enum weir_tcp_state before = tcp_get_state(f->c);
	char got;

	assert_string_equal(tcp_state_name(before), r->state);
	IN(f, .flags = kinds[k].flags, .bare = k == K_BARE, .len = kinds[k].len,
	   .seq = place(f, at), .in_place = true);
	got = reaction(f, before);
	fx_skip(f);
	fx_free(f);
	return got;
}

static void each_segment_in_each_state(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < LEN(matrix); i++) {
		for (unsigned k = 0; k < KINDS; k++) {
			char got[PLACES + 1] = {0};

			for (unsigned at = 0; at < PLACES; at++)
				got[at] = arrives(&matrix[i], k, at);
			if (!strcmp(got, matrix[i].reactions[k]))
				continue;
			print_error("%s, %s: %s, expected %s\n", matrix[i].state, kinds[k].name,
				    got, matrix[i].reactions[k]);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* ---- what the next state is ---------------------------------------------------------- */

/* The letters f and F, by name: figure 5. */
static void the_next_state(void **state)
{
	static const struct {
		struct fx *(*make)(const struct fx_opt *opt);
		enum kind kind;
		const char *next;
	} rows[] = {
		{fx_established, K_FIN, "CLOSE_WAIT"}, {fx_syn_rcvd, K_FIN, "CLOSE_WAIT"},
		{fx_fin_wait_1, K_ACK, "FIN_WAIT_2"},  {fx_fin_wait_1, K_FIN, "TIME_WAIT"},
		{fx_fin_wait_2, K_FIN, "TIME_WAIT"},   {fx_closing, K_ACK, "TIME_WAIT"},
		{fx_last_ack, K_ACK, "CLOSED"},	       {fx_listen, K_SYN, "SYN_RCVD"},
		{fx_syn_sent, K_SYN, "SYN_RCVD"},      {fx_syn_sent, K_SYNACK, "ESTABLISHED"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct fx *f = rows[i].make(NULL);

		IN(f, .flags = kinds[rows[i].kind].flags);
		assert_string_equal(tcp_state_name(tcp_get_state(f->c)), rows[i].next);
		fx_skip(f);
		fx_free(f);
	}
}

/* ---- the ACK field ------------------------------------------------------------------------ */

#define ACK_PLACES 6

/*
 * RFC 5961 5.2: an ACK of what was never sent, or older than the largest window, is
 * answered and dropped, text and all; SYN_RCVD resets (3.10.7.4). Ours is a FIN or
 * data in flight, so the numbers are: below the largest window, on its edge, before
 * una, una, nxt, and beyond.
 */
static const struct ack_row {
	const char *state;
	struct fx *(*make)(const struct fx_opt *opt);
	const char *reactions;
} ack_matrix[] = {
	{"SYN_RCVD", fx_syn_rcvd, "RRRReR"},	 {"ESTABLISHED", fx_established, "AddddA"},
	{"FIN_WAIT_1", fx_fin_wait_1, "AdddfA"}, {"FIN_WAIT_2", fx_fin_wait_2, "AddddA"},
	{"CLOSE_WAIT", fx_close_wait, "A----A"}, {"CLOSING", fx_closing, "A---fA"},
	{"LAST_ACK", fx_last_ack, "A---CA"},
};

static char acknowledges(const struct ack_row *r, unsigned at)
{
	struct fx *f = r->make(NULL);
	enum weir_tcp_state before = tcp_get_state(f->c);
	int32_t flight = (int32_t)tcp_flight(f->c), wnd = (int32_t)f->c->snd_wnd_max;
	const int32_t ack[ACK_PLACES] = {
		-flight - wnd - 1, -flight - wnd, -flight - 1, -flight, 0, 1};
	char got;

	IN(f, .len = 1, .ack = ack[at]);
	got = reaction(f, before);
	fx_skip(f);
	fx_free(f);
	return got;
}

static void each_ack_in_each_state(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < LEN(ack_matrix); i++) {
		char got[ACK_PLACES + 1] = {0};

		for (unsigned at = 0; at < ACK_PLACES; at++)
			got[at] = acknowledges(&ack_matrix[i], at);
		if (!strcmp(got, ack_matrix[i].reactions))
			continue;
		print_error("%s: %s, expected %s\n", ack_matrix[i].state, got,
			    ack_matrix[i].reactions);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_segment_in_each_state),
		cmocka_unit_test(the_next_state),
		cmocka_unit_test(each_ack_in_each_state),
	};

	return cmocka_run_group_tests_name("scenario_matrix", tests, NULL, NULL);
}
