/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Active opens of a running instance to a kernel's servers, and a server that speaks
 * first behind a lost ACK, over a veth pair of two queues.
 *
 *     child's kernel ──"10.7.0.1 7000 text"──► dialer in weir ──► child's kernel
 *                    ◄──── what came of it ────
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/instance.h"
#include "engine/conn.h"
#include "engine/engine.h"
#include "netns.h"

#define DIAL_PORT  9
#define GREET_PORT 10
#define ECHO_PORT  7000
#define NO_PORT	   7001 /* nobody listens */
#define DROP_PORT  7002 /* its SYNs are dropped */

static pid_t child, server;
static struct weir_instance *inst;
static struct services services;

/* ---- the applications, in weir's workers ------------------------------------------- */

struct dial {
	char cmd[128];
	size_t len, want;
	struct weir_conn *out;
};

static void answer(struct weir_conn *asker, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	weir_send(asker, text, (size_t)n);
	weir_close(asker);
}

static int out_open(struct weir_conn *c, void *arg)
{
	struct dial *d = weir_conn_state(arg);
	const char *text = strrchr(d->cmd, ' ') + 1;

	d->want = strlen(text);
	weir_send(c, text, d->want);
	return 0;
}

static void out_data(struct weir_conn *c)
{
	struct weir_conn *asker = weir_conn_arg(c);
	struct dial *d = weir_conn_state(asker);
	const uint8_t *p;
	size_t n;

	while ((n = weir_recv_peek(c, &p)) > 0) {
		weir_send(asker, p, n);
		weir_recv_done(c, n);
		d->want -= n;
	}
	if (!d->want)
		weir_close(c);
}

static void out_close(struct weir_conn *c, int reason)
{
	struct weir_conn *asker = weir_conn_arg(c);
	struct dial *d = weir_conn_state(asker);

	d->out = NULL;
	answer(asker, "%s %d", weir_reason_name(reason), weir_conn_error(c));
}

static const struct weir_app out_app = {
	.name = "out",
	.on_open = out_open,
	.on_data = out_data,
	.on_close = out_close,
};

static void dial(struct weir_conn *c, struct dial *d)
{
	struct worker_connect o = {.app = &out_app, .arg = c};
	struct tcp_opts opts;
	char host[64], text[64];
	unsigned port;
	int err;

	assert_int_equal(sscanf(d->cmd, "%63s %u %63s", host, &port, text), 3);
	o.remote.family = strchr(host, ':') ? 6 : 4;
	o.remote.port = (uint16_t)port;
	inet_pton(o.remote.family == 4 ? AF_INET : AF_INET6, host, o.remote.addr);
	tcp_opts_default(&opts, &inst->cfg.engine.tcp);
	opts.syn_retries = 1;
	o.opts = &opts;
	err = worker_connect(c->w, &o, &d->out);
	if (err)
		answer(c, "error %d", err);
}

static void dial_data(struct weir_conn *c)
{
	struct dial *d = weir_conn_state(c);
	size_t n = weir_recv_copy(c, 0, d->cmd + d->len, sizeof(d->cmd) - 1 - d->len);

	weir_recv_done(c, n);
	d->len += n;
	if (n && d->cmd[d->len - 1] == '\n') {
		d->cmd[d->len - 1] = '\0';
		dial(c, d);
	}
}

static void dial_close(struct weir_conn *c, int reason)
{
	struct dial *d = weir_conn_state(c);

	(void)reason;
	if (d->out)
		weir_abort(d->out);
}

static const struct weir_app dial_app = {
	.name = "dial",
	.conn_size = sizeof(struct dial),
	.on_data = dial_data,
	.on_close = dial_close,
};

static int greet_open(struct weir_conn *c, void *arg)
{
	(void)arg;
	weir_send(c, "220 ready", 9);
	weir_close(c);
	return 0;
}

static const struct weir_app greet_app = {.name = "greet", .on_open = greet_open};

/* ---- the child's side ----------------------------------------------------------------- */

static void enter_child(void)
{
	char path[64];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)child);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		_exit(99);
	close(fd);
}

static void serve_echo(int ready)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(ECHO_PORT)};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	char buf[4096];

	signal(SIGCHLD, SIG_IGN);
	/* Native XDP on the other end of a veth wants a program on this one. */
	if (xdp_link(prog_pass(), "w1", XDP_FLAGS_DRV_MODE) < 0)
		_exit(99);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 128) ||
	    write(ready, "1", 1) != 1)
		_exit(99);
	for (;;) {
		int c = accept(fd, NULL, NULL);
		ssize_t n;

		if (c < 0)
			_exit(99);
		if (fork()) {
			close(c);
			continue;
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while ((n = read(c, buf, sizeof(buf))) > 0) {
			if (write(c, buf, (size_t)n) != n)
				break;
		}
		_exit(0);
	}
}

static int talk(const char *host, uint16_t port, const char *text, int out)
{
	struct timeval limit = {.tv_sec = patience(15)};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char buf[4096];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	inet_pton(AF_INET, host, &a.sin_addr);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return dprintf(out, "connect: %s", strerror(errno));
	if (*text && dprintf(fd, "%s\n", text) < 0)
		return dprintf(out, "write: %s", strerror(errno));
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (write(out, buf, (size_t)n) != n)
			break;
	}
	return n < 0 ? dprintf(out, "read: %s", strerror(errno)) : 0;
}

/* What a client in the child hears from weir; the buffer is static. */
static const char *ask(uint16_t port, const char *text)
{
	static char reply[4096];
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		enter_child();
		talk("10.7.0.2", port, text, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], reply + len, sizeof(reply) - 1 - len)) > 0)
		len += (size_t)n;
	reply[len] = '\0';
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return reply;
}

static uint64_t count(enum weir_counter c)
{
	uint64_t v[WEIR_C_MAX];

	instance_counters(inst, v);
	return v[c];
}

/* ---- tests ------------------------------------------------------------------------------ */

static void connects(void **state)
{
	(void)state;
	assert_string_equal(ask(DIAL_PORT, "10.7.0.1 7000 hello"), "hellonormal 0");
	assert_string_equal(ask(DIAL_PORT, "fd07::1 7000 again"), "againnormal 0");
	assert_string_equal(ask(DIAL_PORT, "fe80::71 7000 near"), "nearnormal 0");
	assert_string_equal(ask(DIAL_PORT, "10.99.0.1 7000 routed"), "routednormal 0");
}

static void refused(void **state)
{
	uint64_t before = count(WEIR_C_connect_refused);

	(void)state;
	assert_string_equal(ask(DIAL_PORT, "10.7.0.1 7001 x"), "refused 111");
	assert_string_equal(ask(DIAL_PORT, "fd07::1 7001 x"), "refused 111");
	assert_int_equal(count(WEIR_C_connect_refused), before + 2);
}

static void unreachable(void **state)
{
	(void)state;
	assert_string_equal(ask(DIAL_PORT, "203.0.113.1 7000 x"), "error -101");
	assert_string_equal(ask(DIAL_PORT, "10.7.0.2 7000 x"), "error -101"); /* ourselves */
	assert_string_equal(ask(DIAL_PORT, "10.7.0.77 7000 x"), "unreachable 113");
	assert_string_equal(ask(DIAL_PORT, "fd07::77 7000 x"), "unreachable 113");
}

/* What a router on the way says, through the gate. */
static void unreachable_by_icmp(void **state)
{
	(void)state;
	assert_string_equal(ask(DIAL_PORT, "10.99.1.1 7000 x"), "unreachable 113");
	assert_string_equal(ask(DIAL_PORT, "fd99:1::1 7000 x"), "unreachable 13");
	assert_int_equal(count(WEIR_C_icmp_redirected), 2);
	assert_int_equal(count(WEIR_C_icmp_taken), 2);
	/* That there is no host may change: it goes on, and tells in the end. */
	assert_string_equal(ask(DIAL_PORT, "10.99.2.1 7000 x"), "timeout 113");
}

static void unanswered(void **state)
{
	(void)state;
	assert_string_equal(ask(DIAL_PORT, "10.7.0.1 7002 x"), "timeout 110");
}

/* Many, on both queues: each flow and port is given back, its TIME_WAIT over. */
static void nothing_is_left(void **state)
{
	uint64_t used, capacity;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_string_equal(ask(DIAL_PORT, i % 2 ? "10.7.0.1 7000 a" : "fd07::1 7000 b"),
				    i % 2 ? "anormal 0" : "bnormal 0");
	assert_true(count(WEIR_C_handover_received) > 0);
	for (unsigned i = 0; i < patience(400); i++) {
		instance_flows(inst, &used, &capacity);
		if (!used)
			break;
		usleep(100000); /* the asking connections' tombstones last longest */
	}
	assert_int_equal(used, 0);
	assert_int_equal(count(WEIR_C_connect_started), count(WEIR_C_connect_established) +
								count(WEIR_C_connect_refused) +
								count(WEIR_C_connect_timed_out) +
								count(WEIR_C_connect_unreachable) +
								count(WEIR_C_connect_given_up));
}

/* Where the worker keeps SYN_RCVD, its SYN-ACK asks for the ACK that was lost. */
static void server_speaks_first(void **state)
{
	static const enum weir_mode modes[] = {WEIR_MODE_ALWAYS, WEIR_MODE_AUTO, WEIR_MODE_NEVER};
	uint64_t opened = count(WEIR_C_conn_opened), taken = count(WEIR_C_syn_taken);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(instance_service_mode(inst, 1, modes[i]), 0);
		assert_string_equal(ask(GREET_PORT, ""), "220 ready");
	}
	assert_int_equal(count(WEIR_C_syn_taken), taken + 2);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(instance_service_mode(inst, 1, modes[i]), 0);
		/* The first bare ACK to it, no more. */
		assert_int_equal(sh("nsenter -t %d -n nft 'add table ip first; add chain ip first "
				    "out { type filter hook output priority 0; }; add rule ip "
				    "first out tcp dport %d tcp flags & (syn | ack) == ack "
				    "numgen inc mod 100000 == 0 counter drop'",
				    (int)child, GREET_PORT),
				 0);
		assert_string_equal(ask(GREET_PORT, ""), "220 ready");
		assert_int_equal(sh("nsenter -t %d -n nft list table ip first | grep -q "
				    "'packets 1 '",
				    (int)child),
				 0);
		sh("nsenter -t %d -n nft delete table ip first", (int)child);
	}
	assert_int_equal(count(WEIR_C_conn_opened), opened + 5);
}

/* ---- setting up --------------------------------------------------------------------------- */

static void quiet(int level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static int links(void)
{
	int c = (int)child;

	return sh("ip link add w0 numrxqueues 2 numtxqueues 2 type veth peer name w1 numrxqueues 2 "
		  "numtxqueues 2 netns %d",
		  c) ||
	       sh("nsenter -t %d -n ethtool -K w1 tx off tso off gso off", c) ||
	       sh("ip link set w0 up") || sh("nsenter -t %d -n ip link set lo up", c) ||
	       sh("nsenter -t %d -n ip link set w1 up", c) ||
	       sh("nsenter -t %d -n ip addr add 10.7.0.1/24 dev w1", c) ||
	       sh("nsenter -t %d -n ip addr add 10.99.0.1/32 dev lo", c) ||
	       sh("nsenter -t %d -n ip addr add fd07::1/64 dev w1 nodad", c) ||
	       sh("nsenter -t %d -n ip addr add fe80::71/64 dev w1 nodad", c) ||
	       sh("ip addr add 10.7.0.2/24 dev w0") || sh("ip addr add fd07::2/64 dev w0 nodad") ||
	       sh("ip addr add fe80::72/64 dev w0 nodad") ||
	       sh("ip route add 10.99.0.0/16 via 10.7.0.1") ||
	       sh("ip route add fd99::/16 via fd07::1") ||
	       sh("nsenter -t %d -n sysctl -w net.ipv4.ip_forward=1 "
		  "net.ipv6.conf.all.forwarding=1",
		  c) ||
	       sh("nsenter -t %d -n ip route add prohibit 10.99.1.0/24", c) ||
	       sh("nsenter -t %d -n ip route add prohibit fd99:1::/32", c) ||
	       sh("nsenter -t %d -n ip route add unreachable 10.99.2.0/24", c) ||
	       sh("nsenter -t %d -n nft 'add table inet lost; add chain inet lost in { type filter "
		  "hook input priority 0; }; add rule inet lost in tcp dport %d drop'",
		  c, DROP_PORT);
}

static int start_server(void)
{
	int ready[2];
	char c;

	if (pipe(ready))
		return -1;
	server = fork();
	if (server == 0) {
		enter_child();
		serve_echo(ready[1]);
	}
	close(ready[1]);
	c = 0;
	if (read(ready[0], &c, 1) != 1)
		return -1;
	close(ready[0]);
	return 0;
}

static int setup(void **state)
{
	struct instance_config cfg;
	struct weir_err err;

	(void)state;
	if (sh("nft list tables")) {
		fprintf(stderr, "SKIP: without nft no connect goes unanswered\n");
		exit(77);
	}
	child = netns_child();
	if (child < 0 || links() || start_server())
		return -1;
	services.n = 2;
	services.v[0] = (struct service){.addr = {.port = DIAL_PORT}, .app = &dial_app};
	services.v[1] = (struct service){.addr = {.port = GREET_PORT}, .app = &greet_app};
	instance_config_default(&cfg);
	strcpy(cfg.iface, "w0");
	cfg.xdp_mode = XDP_MODE_NATIVE;
	cfg.flows = 4096;
	cfg.rx_frames = cfg.tx_frames = 1024;
	cfg.engine.workers = 2;
	cfg.engine.conns = 1024;
	cfg.engine.buffer_bytes = 16 << 20;
	cfg.engine.tcp.msl_us = 500000;
	cfg.services = &services;
	cfg.log = quiet;
	if (instance_open(&inst, &cfg, &err)) {
		print_error("%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (inst)
		instance_close(inst);
	if (server > 0) { /* 0 would be everybody here */
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	netns_end(child);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects),	   cmocka_unit_test(refused),
		cmocka_unit_test(unreachable),	   cmocka_unit_test(unreachable_by_icmp),
		cmocka_unit_test(unanswered),	   cmocka_unit_test(server_speaks_first),
		cmocka_unit_test(nothing_is_left),
	};

	netns_private();
	return cmocka_run_group_tests(tests, setup, teardown);
}
