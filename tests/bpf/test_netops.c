/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways and ports, asked of a real kernel: a veth pair between two private namespaces. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/netports.h"
#include "netns.h"

static pid_t peer;
static struct netif nif;
static struct netops *net;
static int active[65536];

static void count_port(void *arg, uint16_t port, bool on)
{
	(void)arg;
	active[port] += on ? 1 : -1;
}

static struct weir_addr addr(const char *text, uint16_t port)
{
	struct weir_addr a = {.port = port};

	a.family = strchr(text, ':') ? 6 : 4;
	assert_int_equal(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.addr), 1);
	return a;
}

static int path(const char *remote, struct weir_addr *local, struct net_path *p)
{
	struct weir_addr r = addr(remote, 80);

	return net->ops->path(net, &r, local, p);
}

/* As the engine does: again while the neighbour is looked for, here for some 5 s. */
static int await_path(const char *remote, struct weir_addr *local, struct net_path *p)
{
	int err = -EAGAIN;

	for (unsigned i = 0; i < patience(1000) && err == -EAGAIN; i++) {
		err = path(remote, local, p);
		usleep(5000);
	}
	return err;
}

static void no_neighbour(const char *a)
{
	sh("ip neigh flush to %s dev w0", a);
}

static void neighbour_is_found(void **state)
{
	static const char *const remotes[] = {"10.7.0.1", "fd07::1"};
	static const char *const locals[] = {"10.7.0.2", "fd07::2"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_addr local = {.port = 7}, want = addr(locals[i], 7);
		struct net_path p = {0};

		no_neighbour(remotes[i]);
		assert_int_equal(path(remotes[i], &local, &p), -EAGAIN);
		assert_memory_equal(&local, &want, sizeof(want)); /* known before the neighbour */
		assert_int_equal(p.mtu, 1500);
		assert_int_equal(await_path(remotes[i], &local, &p), 0);
		assert_memory_equal(p.dst_mac, "\x02\0\0\0\7\1", 6);
		assert_memory_equal(p.src_mac, nif.mac, 6);
		assert_int_equal(p.mtu, 1500);
	}
}

static void nobody_answers(void **state)
{
	static const char *const remotes[] = {"10.7.0.77", "fd07::77"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_addr local = {0};
		struct net_path p;

		assert_int_equal(await_path(remotes[i], &local, &p), -EHOSTUNREACH);
	}
}

static void through_a_gateway(void **state)
{
	struct weir_addr local = {0};
	struct net_path p;

	(void)state;
	sh("ip route add 192.0.2.0/24 via 10.7.0.1 mtu 1300");
	sh("ip route add 2001:db8::/32 via fd07::1 mtu 1290");
	assert_int_equal(await_path("192.0.2.9", &local, &p), 0);
	assert_memory_equal(p.dst_mac, "\x02\0\0\0\7\1", 6);
	assert_int_equal(p.mtu, 1300);
	assert_memory_equal(local.addr, addr("10.7.0.2", 0).addr, 4);
	local.family = 0;
	assert_int_equal(await_path("2001:db8::9", &local, &p), 0);
	assert_int_equal(p.mtu, 1290);
	assert_memory_equal(local.addr, addr("fd07::2", 0).addr, 16);
}

static void link_local(void **state)
{
	struct weir_addr local = {0};
	struct net_path p;

	(void)state;
	assert_int_equal(await_path("fe80::71", &local, &p), 0);
	assert_memory_equal(p.dst_mac, "\x02\0\0\0\7\1", 6);
	assert_int_equal(local.addr[0], 0xfe);
}

static void no_route(void **state)
{
	static const char *const none[] = {"203.0.113.1", "2001:db9::1"};
	/* Our own addresses, and what another interface leads to. */
	static const char *const not_here[] = {"10.7.0.2", "127.0.0.1", "10.8.0.1", "10.7.0.255"};
	struct net_path p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_addr local = {0};

		assert_int_equal(path(none[i], &local, &p), -ENETUNREACH);
	}
	for (int i = 0; i < 4; i++) {
		struct weir_addr local = {0};

		assert_int_equal(path(not_here[i], &local, &p), -ENETUNREACH);
	}
}

static void the_routes_word(void **state)
{
	struct weir_addr local = {0};
	struct net_path p;

	(void)state;
	sh("ip route add unreachable 198.51.100.0/25");
	sh("ip route add prohibit 198.51.100.128/25");
	assert_int_equal(path("198.51.100.1", &local, &p), -EHOSTUNREACH);
	assert_int_equal(path("198.51.100.129", &local, &p), -EACCES);
}

static void local_address(void **state)
{
	struct weir_addr mine = addr("10.7.0.3", 0), mine6 = addr("fd07::3", 0);
	struct weir_addr others = addr("10.7.0.9", 0), others6 = addr("fd07::9", 0);
	struct net_path p;

	(void)state;
	assert_int_equal(await_path("10.7.0.1", &mine, &p), 0);
	assert_int_equal(mine.addr[3], 3);
	assert_int_equal(await_path("fd07::1", &mine6, &p), 0);
	assert_int_equal(mine6.addr[15], 3);
	assert_int_equal(path("10.7.0.1", &others, &p), -EADDRNOTAVAIL);
	assert_int_equal(path("fd07::1", &others6, &p), -EADDRNOTAVAIL);
}

/* A second's worth of connects to one peer asks the kernel once. */
static void answers_are_kept(void **state)
{
	struct weir_addr local = {0};
	struct net_path p;

	(void)state;
	assert_int_equal(await_path("10.7.0.1", &local, &p), 0);
	sh("ip link set w0 down");
	local.family = 0;
	assert_int_equal(path("10.7.0.1", &local, &p), 0);
	usleep(1100000);
	local.family = 0;
	assert_int_equal(path("10.7.0.1", &local, &p), -ENETUNREACH);
	sh("ip link set w0 up");
}

/* ---- ports -------------------------------------------------------------------------- */

static int kernel_bind(uint16_t port, int family)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(family, SOCK_STREAM, 0), one = 1, err = 0;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, family == AF_INET ? (struct sockaddr *)&a : (struct sockaddr *)&a6,
		 family == AF_INET ? sizeof(a) : sizeof(a6)))
		err = -errno;
	close(fd);
	return err;
}

static void ports_are_ours_alone(void **state)
{
	struct weir_addr a = addr("10.7.0.2", 0), b = addr("10.7.0.2", 0), c;

	(void)state;
	assert_int_equal(net->ops->port_take(net, &a, false), 0);
	assert_int_equal(net->ops->port_take(net, &b, false), 0);
	assert_true(a.port && b.port && a.port != b.port);
	assert_int_equal(active[a.port], 1);
	assert_int_equal(kernel_bind(a.port, AF_INET), -EADDRINUSE);
	assert_int_equal(kernel_bind(a.port, AF_INET6), -EADDRINUSE);
	c = a;
	assert_int_equal(net->ops->port_take(net, &c, false), -EADDRINUSE);
	assert_int_equal(net->ops->port_take(net, &c, true), -EADDRINUSE);
	net->ops->port_put(net, &a);
	net->ops->port_put(net, &b);
	assert_int_equal(active[a.port], 0);
	assert_int_equal(kernel_bind(a.port, AF_INET), 0);
}

static void ports_shared_and_counted(void **state)
{
	struct weir_addr a = addr("10.7.0.2", 4321), b = a;

	(void)state;
	assert_int_equal(net->ops->port_take(net, &a, true), 0);
	assert_int_equal(net->ops->port_take(net, &b, true), 0);
	assert_int_equal(net->ops->port_take(net, &b, false), -EADDRINUSE);
	assert_int_equal(active[4321], 1);
	net->ops->port_put(net, &a);
	assert_int_equal(active[4321], 1);
	assert_int_equal(kernel_bind(4321, AF_INET), -EADDRINUSE);
	net->ops->port_put(net, &a);
	assert_int_equal(active[4321], 0);
	assert_int_equal(kernel_bind(4321, AF_INET), 0);
}

static void port_of_the_hosts(void **state)
{
	struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(5432)};
	struct weir_addr a = addr("10.7.0.2", 5432);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&s, sizeof(s)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(net->ops->port_take(net, &a, false), -EADDRINUSE);
	assert_int_equal(active[5432], 0);
	close(fd);
	assert_int_equal(net->ops->port_take(net, &a, false), 0);
	net->ops->port_put(net, &a);
}

/* What the host sets is read when the netops are made, and when all were tried. */
static void anew(void)
{
	netops_close(net);
	memset(active, 0, sizeof(active));
	assert_int_equal(netops_open(&net, &nif, count_port, NULL), 0);
}

static void ports_run_out(void **state)
{
	struct weir_addr a[9];

	(void)state;
	anew();
	sh("sysctl -w net.ipv4.ip_local_port_range='40000 40007'");
	for (int i = 0; i < 9; i++) {
		int err;

		a[i] = addr("10.7.0.2", 0);
		err = net->ops->port_take(net, &a[i], false);
		assert_int_equal(err, i < 8 ? 0 : -EADDRNOTAVAIL);
	}
	for (int i = 0; i < 8; i++)
		net->ops->port_put(net, &a[i]);
	sh("sysctl -w net.ipv4.ip_local_port_range='32768 60999'");
	anew();
}

/* Ports that the host's administrator keeps back are not given out. */
static void reserved_ports(void **state)
{
	struct weir_addr a[3];

	(void)state;
	sh("sysctl -w net.ipv4.ip_local_port_range='40000 40007'");
	sh("sysctl -w net.ipv4.ip_local_reserved_ports=40001-40003,40005,40007");
	anew();
	for (int i = 0; i < 3; i++) {
		a[i] = addr("10.7.0.2", 0);
		assert_int_equal(net->ops->port_take(net, &a[i], false), 0);
		assert_int_equal(a[i].port & ~6, 40000);
	}
	assert_true(a[0].port + a[1].port + a[2].port == 40000 + 40004 + 40006);
	sh("sysctl -w net.ipv4.ip_local_reserved_ports=");
	sh("sysctl -w net.ipv4.ip_local_port_range='32768 60999'");
	anew();
}

/* ---- ports for 4-tuples -------------------------------------------------------------- */

struct asked {
	uint16_t never[8]; /* what does not fit */
	unsigned n, calls;
	bool none;
	bool soon;
};

static enum net_fit fits(void *arg, uint16_t port)
{
	struct asked *a = arg;

	a->calls++;
	for (unsigned i = 0; i < a->n; i++) {
		if (a->never[i] == port)
			return a->soon ? NET_SOON : NET_TAKEN;
	}
	return a->none ? NET_TAKEN : NET_FITS;
}

static int pick(struct asked *a, uint32_t hash, struct weir_addr *local)
{
	const struct net_want want = {.fits = fits, .arg = a, .hash = hash};

	*local = addr("10.7.0.2", 0);
	return net->ops->port_pick(net, local, &want);
}

/* One port for two 4-tuples; kept for the next when nobody has it. */
static void a_port_for_many(void **state)
{
	struct weir_addr a, b, c;
	struct asked any = {0}, other = {.n = 1};

	(void)state;
	assert_int_equal(pick(&any, 1, &a), 0);
	assert_int_equal(pick(&any, 2, &b), 0);
	assert_int_equal(a.port, b.port);
	assert_int_equal(active[a.port], 1);
	assert_int_equal(kernel_bind(a.port, AF_INET), -EADDRINUSE);
	other.never[0] = a.port;
	assert_int_equal(pick(&other, 1, &c), 0);
	assert_true(c.port && c.port != a.port);
	net->ops->port_put(net, &a);
	net->ops->port_put(net, &b);
	net->ops->port_put(net, &c);
	assert_int_equal(active[a.port], 1); /* waits in the pool */
	other.never[0] = c.port;
	assert_int_equal(pick(&other, 3, &b), 0);
	assert_int_equal(b.port, a.port);
	net->ops->port_put(net, &b);
}

/* The pool grows, and its oldest port is the first again: it is not passed over. */
static void a_port_that_will_fit(void **state)
{
	struct weir_addr a[40], b;
	struct asked none = {.none = true}, wait = {.n = 1, .soon = true}, any = {0};

	(void)state;
	anew();
	for (int i = 0; i < 40; i++)
		assert_int_equal(pick(&none, 5, &a[i]), 0);
	assert_int_equal(pick(&any, 6, &a[0]), 0);
	assert_int_equal(pick(&any, 6, &a[1]), 0);
	assert_int_equal(pick(&any, 6, &b), 0);
	wait.never[0] = 0;
	for (int i = 0; i < 37; i++)
		assert_int_equal(pick(&any, 6, &b), 0);
	wait.never[0] = a[0].port; /* it is its turn */
	wait.calls = 0;
	assert_int_equal(pick(&wait, 6, &b), 0);
	assert_int_equal(wait.calls, 1);
	assert_int_not_equal(b.port, a[0].port);
	assert_int_equal(pick(&any, 6, &b), 0);
	assert_int_equal(b.port, a[0].port);
	anew();
}

/* What one worker's table knows is not known to another. */
static void not_for_another_worker(void **state)
{
	struct weir_addr a, b = addr("10.7.0.2", 0);
	struct asked any = {0};
	const struct net_want want = {.fits = fits, .arg = &any, .group = 1};

	(void)state;
	assert_int_equal(pick(&any, 1, &a), 0);
	assert_int_equal(net->ops->port_pick(net, &b, &want), 0);
	assert_int_not_equal(a.port, b.port);
	net->ops->port_put(net, &a);
	net->ops->port_put(net, &b);
}

/* A number that waits in the pool can be had by who asks for it. */
static void a_port_of_the_pool(void **state)
{
	struct weir_addr a, b;
	struct asked any = {0};

	(void)state;
	assert_int_equal(pick(&any, 1, &a), 0);
	b = a;
	assert_int_equal(net->ops->port_take(net, &b, false), -EADDRINUSE);
	assert_int_equal(net->ops->port_take(net, &b, true), 0);
	net->ops->port_put(net, &a);
	net->ops->port_put(net, &b);
	assert_int_equal(net->ops->port_take(net, &a, false), 0);
	assert_int_equal(active[a.port], 1);
	any.never[0] = a.port;
	any.n = 1;
	assert_int_equal(pick(&any, 1, &b), 0); /* not offered any more */
	net->ops->port_put(net, &a);
	assert_int_equal(active[a.port], 0);
	assert_int_equal(kernel_bind(a.port, AF_INET), 0);
	net->ops->port_put(net, &b);
}

static void few_wait_in_the_pool(void **state)
{
	static struct weir_addr a[NETPORTS_IDLE + 100];
	struct asked none = {.none = true};
	unsigned held = 0;

	(void)state;
	anew();
	for (unsigned i = 0; i < NETPORTS_IDLE + 100; i++)
		assert_int_equal(pick(&none, 1, &a[i]), 0);
	assert_true(none.calls <= 32 * (NETPORTS_IDLE + 100)); /* no walks of all of it */
	for (unsigned i = 0; i < NETPORTS_IDLE + 100; i++)
		net->ops->port_put(net, &a[i]);
	for (unsigned i = 0; i < 65536; i++)
		held += (unsigned)active[i];
	assert_int_equal(held, NETPORTS_IDLE);
}

/* Nothing new is to be had: all of the pool is looked through. */
static void the_last_port_that_fits(void **state)
{
	struct weir_addr a[8], b;
	struct asked none = {.none = true}, one = {.n = 7};

	(void)state;
	anew();
	sh("sysctl -w net.ipv4.ip_local_port_range='40000 40007'");
	for (int i = 0; i < 8; i++)
		assert_int_equal(pick(&none, 9, &a[i]), 0);
	assert_int_equal(pick(&none, 9, &b), -EADDRNOTAVAIL);
	for (int i = 0; i < 7; i++)
		one.never[i] = a[i].port;
	assert_int_equal(pick(&one, 9, &b), 0);
	assert_int_equal(b.port, a[7].port);
	net->ops->port_put(net, &b);
	for (int i = 0; i < 8; i++)
		net->ops->port_put(net, &a[i]);
	sh("sysctl -w net.ipv4.ip_local_port_range='32768 60999'");
}

/* ---- the two namespaces --------------------------------------------------------------- */

static int setup(void **state)
{
	struct weir_err err;

	(void)state;
	peer = netns_child();
	if (peer < 0)
		return -1;
	if (sh("ip link add w0 type veth peer name w1 netns %d", (int)peer) ||
	    sh("nsenter -t %d -n ip link set w1 address 02:00:00:00:07:01 up", (int)peer) ||
	    sh("ip link set w0 address 02:00:00:00:07:02 up") ||
	    sh("nsenter -t %d -n ip addr add 10.7.0.1/24 dev w1", (int)peer) ||
	    sh("nsenter -t %d -n ip addr add fd07::1/64 dev w1 nodad", (int)peer) ||
	    sh("nsenter -t %d -n ip addr add fe80::71/64 dev w1 nodad", (int)peer) ||
	    sh("ip addr add 10.7.0.2/24 brd + dev w0") || sh("ip addr add 10.7.0.3/24 dev w0") ||
	    sh("ip addr add fd07::2/64 dev w0 nodad") ||
	    sh("ip addr add fd07::3/64 dev w0 nodad preferred_lft 0") ||
	    sh("ip addr add fe80::72/64 dev w0 nodad") ||
	    sh("ip link add o0 type veth peer name o1") || sh("ip link set o0 up") ||
	    sh("ip addr add 10.8.0.2/24 dev o0"))
		return -1;
	if (netif_query(&nif, "w0", &err))
		return -1;
	return netops_open(&net, &nif, count_port, NULL);
}

static int teardown(void **state)
{
	(void)state;
	netops_close(net);
	netns_end(peer);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbour_is_found),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(through_a_gateway),
		cmocka_unit_test(link_local),
		cmocka_unit_test(no_route),
		cmocka_unit_test(the_routes_word),
		cmocka_unit_test(local_address),
		cmocka_unit_test(ports_are_ours_alone),
		cmocka_unit_test(ports_shared_and_counted),
		cmocka_unit_test(port_of_the_hosts),
		cmocka_unit_test(ports_run_out),
		cmocka_unit_test(reserved_ports),
		cmocka_unit_test(a_port_for_many),
		cmocka_unit_test(a_port_that_will_fit),
		cmocka_unit_test(not_for_another_worker),
		cmocka_unit_test(a_port_of_the_pool),
		cmocka_unit_test(few_wait_in_the_pool),
		cmocka_unit_test(the_last_port_that_fits),
		cmocka_unit_test(answers_are_kept),
	};

	netns_private();
	return cmocka_run_group_tests(tests, setup, teardown);
}
