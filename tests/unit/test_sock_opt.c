/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket options: what they take, give back, refuse and do. */
#include "sock_fixture.h"
#include "sock/sock.h"

/* Every option of an int: its default, a value and what is read back, values refused. */
static const struct {
	int level, name, initial, set, get;
	bool limits;
	int low, high; /* refused */
} ints[] = {
	{SOL_SOCKET, SO_REUSEADDR, 0, 7, 1, false, 0, 0},
	{SOL_SOCKET, SO_KEEPALIVE, 0, 1, 1, false, 0, 0},
	{SOL_SOCKET, SO_OOBINLINE, 0, 1, 1, false, 0, 0},
	{SOL_SOCKET, SO_RCVBUF, 262144, 65536, 65536, false, 0, 0},
	{SOL_SOCKET, SO_SNDBUF, 262144, 65536, 65536, false, 0, 0},
	{IPPROTO_TCP, TCP_NODELAY, 0, 1, 1, false, 0, 0},
	{IPPROTO_TCP, TCP_CORK, 0, 1, 1, false, 0, 0},
	{IPPROTO_TCP, TCP_QUICKACK, 0, 1, 1, false, 0, 0},
	{IPPROTO_TCP, TCP_MAXSEG, 536, 1000, 1000, true, 87, 32768},
	{IPPROTO_TCP, TCP_KEEPIDLE, 7200, 60, 60, true, 0, 32768},
	{IPPROTO_TCP, TCP_KEEPINTVL, 75, 5, 5, true, 0, 32768},
	{IPPROTO_TCP, TCP_KEEPCNT, 9, 3, 3, true, 0, 128},
	{IPPROTO_TCP, TCP_SYNCNT, 6, 2, 2, true, 0, 128},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 5000, 5000, true, -1, -1000},
};
#define NINTS (sizeof(ints) / sizeof(ints[0]))

static void integers(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->a, AF_INET);

	for (size_t i = 0; i < NINTS; i++) {
		const int level = ints[i].level, name = ints[i].name;
		char shorter[3] = {0};
		socklen_t len = 2;
		int v = -1;

		if (opt_get(k, level, name) != ints[i].initial)
			fail_msg("row %zu: %d at first", i, opt_get(k, level, name));
		assert_int_equal(opt_set(k, level, name, ints[i].set), 0);
		assert_int_equal(opt_get(k, level, name), ints[i].get);
		assert_int_equal(weir_sock_setopt(k, level, name, shorter, 3), -EINVAL);
		assert_int_equal(weir_sock_setopt(k, level, name, NULL, 4), -EFAULT);
		assert_int_equal(weir_sock_getopt(k, level, name, NULL, &len), -EFAULT);
		assert_int_equal(weir_sock_getopt(k, level, name, &v, NULL), -EFAULT);
		/* As much as there is room for. */
		assert_int_equal(weir_sock_getopt(k, level, name, &v, &len), 0);
		assert_int_equal(len, 2);
		if (!ints[i].limits)
			continue;
		assert_int_equal(opt_set(k, level, name, ints[i].low), -EINVAL);
		assert_int_equal(opt_set(k, level, name, ints[i].high), -EINVAL);
		assert_int_equal(opt_get(k, level, name), ints[i].get);
	}
	sock_close(k);
}

static void accepted_sockets_inherit(void **state)
{
	struct net *n = *state;
	struct linger given = {.l_onoff = 1, .l_linger = 9}, got;
	struct weir_sock *l = sock_at(n->b, AF_INET), *c[2], *s;
	struct addr any = addr_of(AF_INET, 0, NET_PORT);
	socklen_t len = sizeof(got);

	for (size_t i = 0; i < NINTS; i++)
		opt_set(l, ints[i].level, ints[i].name, ints[i].set);
	weir_sock_setopt(l, SOL_SOCKET, SO_LINGER, &given, sizeof(given));
	assert_int_equal(weir_sock_bind(l, SA(any)), 0);
	assert_int_equal(weir_sock_listen(l, 5), 0);
	c[0] = net_dial(n, AF_INET);
	net_run(n);
	s = net_accept(l);
	for (size_t i = 0; i < NINTS; i++) {
		if (ints[i].name != TCP_MAXSEG || ints[i].level != IPPROTO_TCP)
			assert_int_equal(opt_get(s, ints[i].level, ints[i].name), ints[i].get);
	}
	assert_int_equal(weir_sock_getopt(s, SOL_SOCKET, SO_LINGER, &got, &len), 0);
	assert_memory_equal(&got, &given, sizeof(got));
	/* No segment of it is larger, options included (RFC 6691). */
	assert_true(opt_get(s, IPPROTO_TCP, TCP_MAXSEG) <= 1000);
	assert_true(opt_get(c[0], IPPROTO_TCP, TCP_MAXSEG) <= 1000);
	sock_close(s);
	/* Set after listen(): for those that come from now on. */
	opt_set(l, IPPROTO_TCP, TCP_KEEPCNT, 77);
	opt_set(l, SOL_SOCKET, SO_RCVBUF, 8192);
	c[1] = net_dial(n, AF_INET);
	net_run(n);
	s = net_accept(l);
	assert_int_equal(opt_get(s, IPPROTO_TCP, TCP_KEEPCNT), 77);
	assert_int_equal(opt_get(s, SOL_SOCKET, SO_RCVBUF), 8192);
	opt_set(l, SOL_SOCKET, SO_RCVBUF, 4096);
	opt_set(l, IPPROTO_TCP, TCP_MAXSEG, 700); /* told by the SYN-ACK */
	sock_close(c[1]);
	sock_close(s);
	c[1] = net_dial(n, AF_INET);
	net_run(n);
	s = net_accept(l);
	assert_int_equal(opt_get(s, SOL_SOCKET, SO_RCVBUF), 4096);
	assert_true(opt_get(c[1], IPPROTO_TCP, TCP_MAXSEG) <= 700);
	sock_close(s);
	sock_close(c[0]);
	sock_close(c[1]);
	sock_close(l);
}

static void read_only_and_unknown(void **state)
{
	struct net *n = *state;
	struct weir_sock *k4 = sock_at(n->a, AF_INET), *k6 = sock_at(n->a, AF_INET6);
	static const int read_only[] = {SO_ERROR, SO_ACCEPTCONN, SO_TYPE, SO_DOMAIN, SO_PROTOCOL};
	static const int tcp_unknown[] = {TCP_DEFER_ACCEPT, TCP_FASTOPEN, TCP_MD5SIG, TCP_REPAIR};

	assert_int_equal(opt_get(k4, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	assert_int_equal(opt_get(k4, SOL_SOCKET, SO_DOMAIN), AF_INET);
	assert_int_equal(opt_get(k6, SOL_SOCKET, SO_DOMAIN), AF_INET6);
	assert_int_equal(opt_get(k4, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	assert_int_equal(opt_get(k4, SOL_SOCKET, SO_ERROR), 0);
	for (size_t i = 0; i < sizeof(read_only) / sizeof(int); i++)
		assert_int_equal(opt_set(k4, SOL_SOCKET, read_only[i], 1), -ENOPROTOOPT);
	for (size_t i = 0; i < sizeof(tcp_unknown) / sizeof(int); i++) {
		assert_int_equal(opt_set(k4, IPPROTO_TCP, tcp_unknown[i], 1), -ENOPROTOOPT);
		assert_int_equal(opt_get(k4, IPPROTO_TCP, tcp_unknown[i]), -ENOPROTOOPT);
	}
	assert_int_equal(opt_set(k4, SOL_SOCKET, SO_REUSEPORT, 1), -ENOPROTOOPT);
	assert_int_equal(opt_get(k4, SOL_SOCKET, SO_RCVTIMEO), -ENOPROTOOPT);
	assert_int_equal(opt_set(k4, IPPROTO_IP, IP_TOS, 1), -ENOPROTOOPT);
	assert_int_equal(opt_get(k4, IPPROTO_IP, IP_TOS), -ENOPROTOOPT);
	sock_close(k4);
	sock_close(k6);
}

static void v6only(void **state)
{
	struct net *n = *state;
	struct weir_sock *k4 = sock_at(n->a, AF_INET), *k6 = sock_at(n->a, AF_INET6);
	struct addr any = addr_of(AF_INET6, 0, 80);

	assert_int_equal(opt_set(k4, IPPROTO_IPV6, IPV6_V6ONLY, 1), -ENOPROTOOPT);
	assert_int_equal(opt_get(k4, IPPROTO_IPV6, IPV6_V6ONLY), -ENOPROTOOPT);
	assert_int_equal(opt_get(k6, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	assert_int_equal(opt_set(k6, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	assert_int_equal(opt_get(k6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	assert_int_equal(opt_set(k6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1), -ENOPROTOOPT);
	assert_int_equal(weir_sock_bind(k6, SA(any)), 0);
	assert_int_equal(opt_set(k6, IPPROTO_IPV6, IPV6_V6ONLY, 0), -EINVAL);
	sock_close(k4);
	sock_close(k6);
}

static void linger(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->a, AF_INET);
	struct linger l = {.l_onoff = 1, .l_linger = 3}, got = {0};
	socklen_t len = sizeof(got);

	assert_int_equal(weir_sock_setopt(k, SOL_SOCKET, SO_LINGER, &l, 4), -EINVAL);
	assert_int_equal(weir_sock_setopt(k, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	assert_int_equal(weir_sock_getopt(k, SOL_SOCKET, SO_LINGER, &got, &len), 0);
	assert_int_equal(len, sizeof(got));
	assert_memory_equal(&l, &got, sizeof(l));
	sock_close(k);
}

/* Sizes beyond what can be are brought to what can. */
static void buffer_sizes(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->a, AF_INET);

	opt_set(k, SOL_SOCKET, SO_RCVBUF, 1);
	opt_set(k, SOL_SOCKET, SO_SNDBUF, -5);
	assert_int_equal(opt_get(k, SOL_SOCKET, SO_RCVBUF), 4096);
	assert_int_equal(opt_get(k, SOL_SOCKET, SO_SNDBUF), 4096);
	opt_set(k, SOL_SOCKET, SO_RCVBUF, INT32_MAX);
	opt_set(k, SOL_SOCKET, SO_SNDBUF, INT32_MAX);
	assert_int_equal(opt_get(k, SOL_SOCKET, SO_RCVBUF), 65535 << 7);
	assert_int_equal(opt_get(k, SOL_SOCKET, SO_SNDBUF), 16 << 20);
	sock_close(k);
}

/* A buffer that the core has made larger is not taken back by another option. */
static void a_grown_buffer_stays(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;
	struct tcp_opts o;

	net_pair(n, AF_INET, &c, &s);
	conn_get_opts(s->conn, &o);
	o.rcvbuf = o.sndbuf = 500000;
	conn_set_opts(s->conn, &o);
	opt_set(s, IPPROTO_TCP, TCP_NODELAY, 1);
	assert_int_equal(opt_get(s, SOL_SOCKET, SO_RCVBUF), 500000);
	assert_int_equal(opt_get(s, SOL_SOCKET, SO_SNDBUF), 500000);
	opt_set(s, SOL_SOCKET, SO_RCVBUF, 8192);
	assert_int_equal(opt_get(s, SOL_SOCKET, SO_RCVBUF), 8192);
	sock_close(c);
	sock_close(s);
}

static void congestion_control(void **state)
{
	struct net *n = *state;
	struct weir_sock *k = sock_at(n->a, AF_INET);
	char name[32] = {0};
	socklen_t len = sizeof(name);

	assert_int_equal(weir_sock_getopt(k, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	assert_int_equal(len, 16);
	assert_int_not_equal(name[0], 0);
	assert_int_equal(weir_sock_setopt(k, IPPROTO_TCP, TCP_CONGESTION, "warp", 4), -ENOENT);
	assert_int_equal(weir_sock_setopt(k, IPPROTO_TCP, TCP_CONGESTION, "", 0), -EINVAL);
	for (unsigned i = 0; tcp_cc_at(i); i++) {
		const char *cc = tcp_cc_name(tcp_cc_at(i));

		assert_int_equal(
			weir_sock_setopt(k, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)),
			0);
		len = sizeof(name);
		assert_int_equal(weir_sock_getopt(k, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
		assert_string_equal(name, cc);
	}
	sock_close(k);
}

static struct linux_tcp_info info_of(struct weir_sock *k)
{
	struct linux_tcp_info i;
	socklen_t len = sizeof(i);

	memset(&i, 0xff, sizeof(i));
	assert_int_equal(weir_sock_getopt(k, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
	assert_int_equal(len, sizeof(i));
	return i;
}

/* The numbers are <netinet/tcp.h>'s: 1 ESTABLISHED, 2 SYN_SENT, … 10 LISTEN. */
static void statistics(void **state)
{
	struct net *n = *state;
	struct weir_sock *l = net_listen(n, AF_INET, 3), *k = sock_at(n->a, AF_INET), *c, *s;
	struct linux_tcp_info i;
	uint8_t one[1];
	socklen_t len = 1;

	assert_int_equal(info_of(k).tcpi_state, 7);
	sock_close(k);
	c = net_dial(n, AF_INET);
	assert_int_equal(info_of(c).tcpi_state, 2);
	net_run(n);
	i = info_of(l);
	assert_int_equal(i.tcpi_state, 10);
	assert_int_equal(i.tcpi_unacked, 1);
	assert_int_equal(i.tcpi_sacked, 3);
	s = net_accept(l);
	sock_put(c, "twelve bytes");
	net_pass(n, 100000);
	sock_expect(s, "twelve bytes");
	i = info_of(c);
	assert_int_equal(i.tcpi_state, 1);
	assert_int_equal(i.tcpi_bytes_acked, 12);
	assert_int_equal(i.tcpi_unacked, 0);
	assert_int_equal(i.tcpi_total_retrans, 0);
	assert_true(i.tcpi_options & TCPI_OPT_TIMESTAMPS && i.tcpi_options & TCPI_OPT_SACK);
	assert_true(i.tcpi_options & TCPI_OPT_WSCALE);
	assert_int_equal(i.tcpi_snd_wscale, 7);
	assert_true(i.tcpi_snd_mss > 1400 && i.tcpi_snd_mss <= 1460);
	assert_true(i.tcpi_snd_cwnd >= 10);
	assert_true(i.tcpi_rto >= 200000);
	assert_int_equal(info_of(s).tcpi_bytes_received, 12);
	assert_int_equal(weir_sock_getopt(c, IPPROTO_TCP, TCP_INFO, one, &len), 0);
	assert_int_equal(one[0], 1);
	weir_sock_shutdown(c, SHUT_WR);
	net_run(n);
	assert_int_equal(info_of(c).tcpi_state, 5);
	assert_int_equal(info_of(s).tcpi_state, 8);
	weir_sock_shutdown(s, SHUT_WR);
	net_run(n);
	/* Over, but what it came to is still told. */
	assert_int_equal(info_of(c).tcpi_state, 7);
	assert_int_equal(info_of(c).tcpi_bytes_acked, 12);
	sock_close(c);
	sock_close(s);
	sock_close(l);
}

/* SO_KEEPALIVE with its times: a peer that is gone is found out. */
static void keepalive(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	opt_set(c, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	opt_set(c, IPPROTO_TCP, TCP_KEEPINTVL, 2);
	opt_set(c, IPPROTO_TCP, TCP_KEEPCNT, 3);
	n->p.cut = true;
	net_pass(n, 60000000);
	assert_int_equal(sock_error(c), 0);
	opt_set(c, SOL_SOCKET, SO_KEEPALIVE, 1);
	net_pass(n, 60000000);
	assert_int_equal(sock_error(c), ETIMEDOUT);
	sock_close(c);
	sock_close(s);
}

/* TCP_USER_TIMEOUT: unacknowledged data for so long, and it is over. */
static void user_timeout(void **state)
{
	struct net *n = *state;
	struct weir_sock *c, *s;

	net_pair(n, AF_INET, &c, &s);
	assert_int_equal(opt_set(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
	n->p.cut = true;
	sock_put(c, "anybody there?");
	net_pass(n, 4000000);
	assert_int_equal(sock_error(c), 0);
	net_pass(n, 4000000);
	assert_int_equal(sock_error(c), ETIMEDOUT);
	sock_close(c);
	sock_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(integers),
		T(accepted_sockets_inherit),
		T(read_only_and_unknown),
		T(v6only),
		T(linger),
		T(buffer_sizes),
		T(congestion_control),
		T(statistics),
		T(keepalive),
		T(a_grown_buffer_stays),
		T(user_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
