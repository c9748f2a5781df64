/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each legal transition: every row of user/tcp/transitions.def is taken by a
 * scenario of its own here, and the table is held against figure 5 of RFC 9293.
 */
#include <errno.h>

#include "fsm_watch.h"
#include "tcp_fixture.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- constructors of what tcp_fixture.h does not have ------------------------------ */

static struct fx *closed_before(void)
{
	return fx_new(NULL);
}

static struct fx *listening(void)
{
	return fx_listen(NULL);
}

static struct fx *syn_sent(void)
{
	return fx_syn_sent(NULL);
}

static struct fx *syn_rcvd(void)
{
	return fx_syn_rcvd(NULL);
}

/* RFC 9293 figure 7, up to its fifth line. */
static struct fx *simultaneous(void)
{
	struct fx *f = fx_syn_sent(NULL);

	IN(f, .flags = TCP_SYN);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	return f;
}

static struct fx *established(void)
{
	return fx_established(NULL);
}

/* So that the user timeout has something to wait for. */
static struct fx *established_with_data(void)
{
	struct fx *f = fx_established(NULL);

	fx_send(f, 10);
	fx_skip(f);
	return f;
}

static struct fx *close_wait_with_data(void)
{
	struct fx *f = fx_close_wait(NULL);

	fx_send(f, 10);
	fx_skip(f);
	return f;
}

static struct fx *fin_wait_1(void)
{
	return fx_fin_wait_1(NULL);
}

static struct fx *fin_wait_1_closed(void)
{
	struct fx *f = fx_fin_wait_1(NULL);

	tcp_close(f->c, f->now);
	return f;
}

static struct fx *fin_wait_2(void)
{
	return fx_fin_wait_2(NULL);
}

static struct fx *fin_wait_2_closed(void)
{
	struct fx *f = fx_fin_wait_2(NULL);

	tcp_close(f->c, f->now);
	return f;
}

static struct fx *close_wait(void)
{
	return fx_close_wait(NULL);
}

static struct fx *closing(void)
{
	return fx_closing(NULL);
}

static struct fx *last_ack(void)
{
	return fx_last_ack(NULL);
}

static struct fx *time_wait(void)
{
	return fx_time_wait(NULL);
}

/* ---- the events ------------------------------------------------------------------------ */

static void do_listen(struct fx *f)
{
	tcp_open_listen(f->c, &f->open, FX_ISS, f->now);
}

static void do_active(struct fx *f)
{
	tcp_open_active(f->c, &f->open, FX_ISS, FX_TS_OURS, f->now);
}

static void do_syn_in(struct fx *f)
{
	const struct tcp_seg syn = {
		.seq = FX_IRS,
		.flags = TCP_SYN,
		.wnd = FX_WND,
		.wscale = WEIR_WSCALE_NONE,
	};

	tcp_open_passive(f->c, &f->open, &syn, FX_ISS, FX_TS_OURS, f->now);
}

static void do_cookie(struct fx *f)
{
	const struct weir_flow flow = {
		.iss = FX_ISS, .irs = FX_IRS, .mss = FX_MSS, .wscale = WEIR_WSCALE_NONE};

	tcp_open_cookie(f->c, &f->open, &flow, f->now);
}

static void syn(struct fx *f)
{
	IN(f, .flags = TCP_SYN);
}

static void syn_ack(struct fx *f)
{
	IN(f, .flags = TCP_SYN | TCP_ACK);
}

static void syn_ack_again(struct fx *f)
{
	IN(f, .flags = TCP_SYN | TCP_ACK, .seq = -1);
}

static void ack(struct fx *f)
{
	IN(f, .len = 0);
}

static void text(struct fx *f)
{
	IN(f, .len = 10);
}

static void text_alone(struct fx *f)
{
	IN(f, .len = 10, .ack = -1);
}

static void fin(struct fx *f)
{
	IN(f, .flags = TCP_FIN | TCP_ACK);
}

static void fin_alone(struct fx *f) /* ours is not acknowledged */
{
	IN(f, .flags = TCP_FIN | TCP_ACK, .ack = -1);
}

static void rst(struct fx *f)
{
	IN(f, .flags = TCP_RST);
}

static void rst_ack(struct fx *f)
{
	IN(f, .flags = TCP_RST | TCP_ACK);
}

static void do_shutdown(struct fx *f)
{
	tcp_shutdown(f->c);
}

static void shutdown_then_ack(struct fx *f)
{
	tcp_shutdown(f->c);
	IN(f, .len = 0);
}

static void shutdown_then_syn_ack(struct fx *f)
{
	tcp_shutdown(f->c);
	IN(f, .flags = TCP_SYN | TCP_ACK, .seq = -1);
}

static void do_abort(struct fx *f)
{
	tcp_abort(f->c, TCP_END_ABORTED);
}

static void hard_icmp(struct fx *f)
{
	const struct tcp_icmp refused = {
		.kind = TCP_ICMP_HARD,
		.error = ECONNREFUSED,
		.seq = f->c->snd_una,
	};

	tcp_icmp(f->c, &refused, f->now);
}

static void limit(struct fx *f)
{
	fx_run(f, 200 * FX_SEC);
}

/* ---- the rows ------------------------------------------------------------------------------ */

static const struct row {
	const char *text;
	struct fx *(*make)(void);
	void (*event)(struct fx *f);
} scenarios[] = {
	{"CLOSED listen LISTEN", closed_before, do_listen},
	{"CLOSED active SYN_SENT", closed_before, do_active},
	{"CLOSED syn_in SYN_RCVD", closed_before, do_syn_in},
	{"CLOSED cookie ESTABLISHED", closed_before, do_cookie},
	{"LISTEN syn SYN_RCVD", listening, syn},
	{"SYN_SENT syn SYN_RCVD", syn_sent, syn},
	{"SYN_SENT syn_ack ESTABLISHED", syn_sent, syn_ack},
	{"SYN_RCVD ack ESTABLISHED", syn_rcvd, ack},
	{"SYN_RCVD syn_ack ESTABLISHED", simultaneous, syn_ack_again},
	{"SYN_RCVD ack FIN_WAIT_1", syn_rcvd, shutdown_then_ack},
	{"SYN_RCVD syn_ack FIN_WAIT_1", simultaneous, shutdown_then_syn_ack},
	{"LISTEN close CLOSED", listening, do_shutdown},
	{"SYN_SENT close CLOSED", syn_sent, do_shutdown},
	{"ESTABLISHED close FIN_WAIT_1", established, do_shutdown},
	{"CLOSE_WAIT close LAST_ACK", close_wait, do_shutdown},
	{"ESTABLISHED fin CLOSE_WAIT", established, fin},
	{"FIN_WAIT_1 ack FIN_WAIT_2", fin_wait_1, ack},
	{"FIN_WAIT_1 fin CLOSING", fin_wait_1, fin_alone},
	{"FIN_WAIT_2 fin TIME_WAIT", fin_wait_2, fin},
	{"CLOSING ack TIME_WAIT", closing, ack},
	{"LAST_ACK ack CLOSED", last_ack, ack},
	{"TIME_WAIT timeout CLOSED", time_wait, limit},
	{"SYN_SENT rst CLOSED", syn_sent, rst_ack},
	{"SYN_RCVD rst CLOSED", syn_rcvd, rst},
	{"ESTABLISHED rst CLOSED", established, rst},
	{"FIN_WAIT_1 rst CLOSED", fin_wait_1, rst},
	{"FIN_WAIT_2 rst CLOSED", fin_wait_2, rst},
	{"CLOSE_WAIT rst CLOSED", close_wait, rst},
	{"CLOSING rst CLOSED", closing, rst},
	{"LAST_ACK rst CLOSED", last_ack, rst},
	{"FIN_WAIT_1 text CLOSED", fin_wait_1_closed, text_alone},
	{"FIN_WAIT_2 text CLOSED", fin_wait_2_closed, text},
	{"LISTEN abort CLOSED", listening, do_abort},
	{"SYN_SENT abort CLOSED", syn_sent, do_abort},
	{"SYN_RCVD abort CLOSED", syn_rcvd, do_abort},
	{"ESTABLISHED abort CLOSED", established, do_abort},
	{"FIN_WAIT_1 abort CLOSED", fin_wait_1, do_abort},
	{"FIN_WAIT_2 abort CLOSED", fin_wait_2, do_abort},
	{"CLOSE_WAIT abort CLOSED", close_wait, do_abort},
	{"CLOSING abort CLOSED", closing, do_abort},
	{"LAST_ACK abort CLOSED", last_ack, do_abort},
	{"TIME_WAIT abort CLOSED", time_wait, do_abort},
	{"SYN_SENT timeout CLOSED", syn_sent, limit},
	{"SYN_RCVD timeout CLOSED", syn_rcvd, limit},
	{"ESTABLISHED timeout CLOSED", established_with_data, limit},
	{"FIN_WAIT_1 timeout CLOSED", fin_wait_1, limit},
	{"FIN_WAIT_2 timeout CLOSED", fin_wait_2_closed, limit},
	{"CLOSE_WAIT timeout CLOSED", close_wait_with_data, limit},
	{"CLOSING timeout CLOSED", closing, limit},
	{"LAST_ACK timeout CLOSED", last_ack, limit},
	{"SYN_SENT icmp CLOSED", syn_sent, hard_icmp},
	{"SYN_RCVD icmp CLOSED", syn_rcvd, hard_icmp},
};

static unsigned row_named(const char *name)
{
	for (unsigned i = 0; i < fsm_rows(); i++)
		if (!strcmp(fsm_row(i)->text, name))
			return i;
	print_error("transitions.def has no row %s\n", name);
	fail();
	return 0;
}

static void each_row_can_be_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(scenarios); i++) {
		unsigned row = row_named(scenarios[i].text), before;
		struct fx *f = scenarios[i].make();

		before = fsm_taken(row);
		scenarios[i].event(f);
		if (fsm_taken(row) == before)
			print_error("%s: it did not\n", scenarios[i].text);
		assert_int_not_equal(fsm_taken(row), before);
		assert_int_equal(tcp_get_state(f->c), fsm_row(row)->to);
		fx_skip(f);
		fx_free(f);
	}
}

/* What is legal is also possible; a row that nothing takes is a lie or dead code. */
static void no_row_is_left(void **state)
{
	unsigned left = 0;

	(void)state;
	for (unsigned i = 0; i < fsm_rows(); i++) {
		if (fsm_taken(i))
			continue;
		print_error("never taken: %s\n", fsm_row(i)->text);
		left++;
	}
	assert_int_equal(left, 0);
}

/* The arrows of figure 5 as drawn, CLOSED to CLOSED; `text` as in the table. */
static void figure_5_is_in_the_table(void **state)
{
	static const char *const arrows[] = {
		"CLOSED listen LISTEN",		"CLOSED active SYN_SENT",
		"LISTEN syn SYN_RCVD",		"SYN_SENT close CLOSED",
		"SYN_SENT syn SYN_RCVD",	"SYN_SENT syn_ack ESTABLISHED",
		"SYN_RCVD ack ESTABLISHED",	"SYN_RCVD ack FIN_WAIT_1",
		"ESTABLISHED close FIN_WAIT_1", "ESTABLISHED fin CLOSE_WAIT",
		"CLOSE_WAIT close LAST_ACK",	"FIN_WAIT_1 ack FIN_WAIT_2",
		"FIN_WAIT_1 fin CLOSING",	"FIN_WAIT_2 fin TIME_WAIT",
		"CLOSING ack TIME_WAIT",	"LAST_ACK ack CLOSED",
		"TIME_WAIT timeout CLOSED",	"LISTEN close CLOSED",
	};

	(void)state;
	for (size_t i = 0; i < LEN(arrows); i++)
		row_named(arrows[i]);
}

/* The watch itself: what the table does not have is refused. */
static void what_is_not_in_the_table_is_illegal(void **state)
{
	static const enum fsm_event fin_ack[] = {FSM_ack, FSM_fin}, wrong[] = {FSM_fin, FSM_ack};

	(void)state;
	/* Note 3 of the figure: both at once, in the order of 3.10.7 */
	assert_true(fsm_legal(WEIR_FIN_WAIT_1, fin_ack, 2, WEIR_TIME_WAIT));
	assert_true(fsm_legal(WEIR_FIN_WAIT_1, fin_ack, 2, WEIR_FIN_WAIT_2));
	assert_false(fsm_legal(WEIR_FIN_WAIT_1, fin_ack, 1, WEIR_TIME_WAIT));
	assert_false(fsm_legal(WEIR_SYN_SENT, wrong, 2, WEIR_ESTABLISHED));
	assert_false(fsm_legal(WEIR_LISTEN, fin_ack, 1, WEIR_ESTABLISHED));
	assert_false(fsm_legal(WEIR_TIME_WAIT, NULL, 0, WEIR_CLOSED));
	assert_false(fsm_legal(WEIR_CLOSE_WAIT, fin_ack, 2, WEIR_LAST_ACK));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_can_be_taken),
		cmocka_unit_test(no_row_is_left),
		cmocka_unit_test(figure_5_is_in_the_table),
		cmocka_unit_test(what_is_not_in_the_table_is_illegal),
	};

	return cmocka_run_group_tests_name("fsm", tests, NULL, NULL);
}
