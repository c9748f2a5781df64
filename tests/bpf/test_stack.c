/* SPDX-License-Identifier: BSD-2-Clause */
/* weir_stack_open() on a veth, with the kernel's TCP at the other end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/weir.h>

#include "netns.h"

#define PORT	 700
#define PATIENCE ((int)patience(8000)) /* ms; what is waited for comes at once, or not at all */

static pid_t other; /* holds the namespace of the kernel's end */
static int own_ns = -1;
static unsigned lines; /* logged */

static int setup(void **state)
{
	(void)state;
	lines = 0;
	other = netns_child();
	assert_true(other > 0);
	return sh("ip link add va type veth peer name vb netns %d && ip link set va up && "
		  "ip addr add 10.9.0.2/24 dev va && ip addr add fd09::2/64 dev va nodad && "
		  "nsenter -t %d -n sh -c 'ip link set lo up; ip link set vb up; "
		  "ethtool -K vb tx off; ip addr add 10.9.0.1/24 dev vb; "
		  "ip addr add fd09::1/64 dev vb nodad'",
		  (int)other, (int)other);
}

static int teardown(void **state)
{
	(void)state;
	sh("ip link del va");
	netns_end(other);
	return 0;
}

static void count_line(void *arg, int level, const char *line)
{
	assert_ptr_equal(arg, &lines);
	assert_true(level >= 0 && line[0]);
	lines++;
}

static struct weir_stack *open_stack(enum weir_stack_mode mode)
{
	struct weir_stack_options o;
	struct weir_stack *s;
	char why[400] = "";

	weir_stack_options_default(&o);
	o.mode = mode;
	o.conns = 256;
	o.flows = 1024;
	o.buffer_bytes = 8 << 20;
	o.msl_ms = 100;
	o.log = count_line;
	o.log_arg = &lines;
	if (weir_stack_open(&s, "va", &o, why, sizeof(why)))
		fail_msg("%s", why);
	return s;
}

/* ---- both ends ------------------------------------------------------------------- */

static struct sockaddr_in addr4(const char *host, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, host, &a.sin_addr), 1);
	return a;
}

/* A socket of the kernel's, at the other end. */
static int kernel_socket(void)
{
	char path[64];
	int ns, fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)other);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ns >= 0 && !setns(ns, CLONE_NEWNET));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && !setns(own_ns, CLONE_NEWNET));
	close(ns);
	return fd;
}

static int kernel_dial(uint16_t port)
{
	struct sockaddr_in a = addr4("10.9.0.2", port);
	int fd = kernel_socket();

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), -1);
	assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static short kernel_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

/* Runs the stack until the kernel's socket has one of `events`. */
static short kernel_wait(struct weir_stack *s, int fd, short events)
{
	for (int ms = 0; ms < PATIENCE; ms += 20) {
		short now = kernel_poll(fd);

		if (now & events)
			return now;
		assert_true(weir_stack_wait(s, NULL, 0, 20) >= 0);
	}
	fail_msg("the kernel's socket is not ready");
	return 0;
}

static int kernel_error(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

static unsigned wait_for(struct weir_stack *s, struct weir_sock *k, unsigned events)
{
	struct weir_event ev;

	weir_sock_watch(k, events, NULL);
	assert_int_equal(weir_stack_wait(s, &ev, 1, PATIENCE), 1);
	assert_ptr_equal(ev.sock, k);
	weir_sock_watch(k, 0, NULL);
	return ev.events;
}

static struct weir_sock *listen_at(struct weir_stack *s, const char *host, uint16_t port)
{
	struct sockaddr_in a = addr4(host, port);
	struct weir_sock *l;

	assert_int_equal(weir_sock_open(s, AF_INET, &l), 0);
	assert_int_equal(weir_sock_bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(weir_sock_listen(l, 16), 0);
	return l;
}

static struct weir_sock *accept_one(struct weir_stack *s, struct weir_sock *l)
{
	struct weir_sock *k;

	wait_for(s, l, POLLIN);
	assert_int_equal(weir_sock_accept(l, &k, NULL, NULL), 0);
	return k;
}

/* Both ways. */
static void talk(struct weir_stack *s, struct weir_sock *k, int fd)
{
	char buf[16];

	assert_int_equal(send(fd, "question", 8, 0), 8);
	wait_for(s, k, POLLIN);
	assert_int_equal(weir_sock_read(k, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "question", 8);
	assert_int_equal(weir_sock_write(k, "answer", 6), 6);
	kernel_wait(s, fd, POLLIN);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 6);
	assert_memory_equal(buf, "answer", 6);
}

/* ---- opening ----------------------------------------------------------------------- */

static void refused(const char *iface, const struct weir_stack_options *o, int rc, const char *word)
{
	struct weir_stack *s;
	char why[400] = "";

	assert_int_equal(weir_stack_open(&s, iface, o, why, sizeof(why)), rc);
	if (!strstr(why, word))
		fail_msg("'%s' does not say '%s'", why, word);
	assert_int_equal(weir_stack_open(&s, iface, o, NULL, 0), rc);
}

static void what_will_not_do(void **state)
{
	struct weir_stack_options o;
	struct weir_stack *s;

	(void)state;
	refused("nosuch0", NULL, -ENODEV, "nosuch0");
	refused("a-name-that-is-too-long", NULL, -ENODEV, "no such interface");
	weir_stack_options_default(&o);
	assert_int_equal(o.size, sizeof(o));
	o.size = 1;
	refused("va", &o, -EINVAL, "weir_stack_options_default");
	o.size = sizeof(o) + 8;
	refused("va", &o, -EINVAL, "weir_stack_options_default");
	weir_stack_options_default(&o);
	o.mode = (enum weir_stack_mode)7;
	refused("va", &o, -EINVAL, "mode");
	weir_stack_options_default(&o);
	o.xdp_mode = 3;
	refused("va", &o, -EINVAL, "mode");
	weir_stack_options_default(&o);
	o.conns = 0;
	refused("va", &o, -EINVAL, "conns");
	weir_stack_options_default(&o);
	o.key_file = "/no/such/file";
	refused("va", &o, -ENOENT, "/no/such/file");
	s = open_stack(WEIR_STACK_AUTO);
	refused("va", NULL, -EBUSY, "XDP program");
	weir_stack_close(s);
	assert_true(lines > 0);
}

/* ---- serving ------------------------------------------------------------------------ */

static void in_mode(enum weir_stack_mode mode)
{
	struct weir_stack *s = open_stack(mode);
	struct weir_sock *l = listen_at(s, "0.0.0.0", PORT), *k;
	int fd = kernel_dial(PORT);

	k = accept_one(s, l);
	kernel_wait(s, fd, POLLOUT);
	talk(s, k, fd);
	close(fd);
	assert_true(wait_for(s, k, POLLIN) & POLLIN);
	weir_sock_close(k);
	assert_int_equal(weir_stack_drain(s, 2000), 0);
	weir_stack_close(s);
}

static void each_mode(void **state)
{
	(void)state;
	in_mode(WEIR_STACK_ALWAYS);
	in_mode(WEIR_STACK_AUTO);
	in_mode(WEIR_STACK_NEVER);
}

/* Its connections go on; who comes later is refused by the host. And it may come again. */
static void a_listener_that_goes(void **state)
{
	struct weir_stack *s = open_stack(WEIR_STACK_ALWAYS);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_sock *l = listen_at(s, i ? "0.0.0.0" : "10.9.0.2", PORT), *k;
		int fd = kernel_dial(PORT), late;

		k = accept_one(s, l);
		weir_sock_close(l);
		talk(s, k, fd);
		late = kernel_dial(PORT);
		kernel_wait(s, late, POLLERR);
		assert_int_equal(kernel_error(late), ECONNREFUSED);
		talk(s, k, fd);
		weir_sock_close(k);
		close(fd);
		close(late);
	}
	weir_stack_close(s);
}

static void addresses_and_ports(void **state)
{
	struct weir_stack *s = open_stack(WEIR_STACK_AUTO);
	struct sockaddr_in foreign = addr4("10.77.0.1", PORT), any = addr4("0.0.0.0", PORT);
	struct weir_sock *k, *l;
	int host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(weir_sock_open(s, AF_INET, &k), 0);
	assert_int_equal(weir_sock_bind(k, (struct sockaddr *)&foreign, sizeof(foreign)),
			 -EADDRNOTAVAIL);
	/* The host's port is the host's, and ours is ours. */
	assert_int_equal(bind(host, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(weir_sock_bind(k, (struct sockaddr *)&any, sizeof(any)), -EADDRINUSE);
	close(host);
	assert_int_equal(weir_sock_bind(k, (struct sockaddr *)&any, sizeof(any)), 0);
	host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(host, (struct sockaddr *)&any, sizeof(any)), -1);
	assert_int_equal(errno, EADDRINUSE);
	weir_sock_close(k);
	assert_int_equal(bind(host, (struct sockaddr *)&any, sizeof(any)), 0);
	close(host);
	/* A service of every kind on one port, and away again. */
	l = listen_at(s, "10.9.0.2", PORT);
	weir_sock_close(l);
	l = listen_at(s, "0.0.0.0", PORT);
	weir_sock_close(l);
	weir_stack_close(s);
}

/* ---- connecting ----------------------------------------------------------------------- */

static void active_opens(void **state)
{
	struct weir_stack *s = open_stack(WEIR_STACK_AUTO);
	struct sockaddr_in any = addr4("0.0.0.0", PORT), to = addr4("10.9.0.1", PORT);
	int l = kernel_socket(), fd, err;
	socklen_t len = sizeof(err);
	struct weir_sock *k;

	(void)state;
	assert_int_equal(bind(l, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(l, 5), 0);
	assert_int_equal(weir_sock_open(s, AF_INET, &k), 0);
	assert_int_equal(weir_sock_connect(k, (struct sockaddr *)&to, sizeof(to)), -EINPROGRESS);
	assert_int_equal(wait_for(s, k, POLLOUT), POLLOUT);
	assert_int_equal(weir_sock_getopt(k, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, 0);
	kernel_wait(s, l, POLLIN);
	fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	talk(s, k, fd);
	weir_sock_close(k);
	close(fd);
	close(l);
	assert_int_equal(weir_sock_open(s, AF_INET, &k), 0);
	assert_int_equal(weir_sock_connect(k, (struct sockaddr *)&to, sizeof(to)), -EINPROGRESS);
	wait_for(s, k, POLLOUT);
	assert_int_equal(weir_sock_getopt(k, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, ECONNREFUSED);
	weir_sock_close(k);
	weir_stack_close(s);
}

/* ---- a loop of one's own ---------------------------------------------------------------- */

static void readable_when_frames_come(void **state)
{
	struct weir_stack *s = open_stack(WEIR_STACK_NEVER);
	struct weir_sock *l = listen_at(s, "0.0.0.0", PORT);
	struct pollfd p = {.fd = weir_stack_fd(s), .events = POLLIN};
	int fd;

	(void)state;
	assert_true(p.fd >= 0);
	assert_true(weir_stack_timeout(s) >= 0 && weir_stack_timeout(s) <= 200);
	weir_sock_watch(l, POLLIN, NULL);
	fd = kernel_dial(PORT);
	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	for (int i = 0; i < 100 && !weir_sock_poll(l); i++) {
		assert_true(weir_stack_wait(s, NULL, 0, 0) >= 0);
		poll(&p, 1, weir_stack_timeout(s));
	}
	assert_true(weir_sock_poll(l) & POLLIN);
	assert_int_equal(weir_stack_timeout(s), 0); /* it is to be reported */
	weir_stack_close(s);
	close(fd);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void a_signal_wakes(void **state)
{
	struct weir_stack *s = open_stack(WEIR_STACK_AUTO);
	struct itimerval soon = {.it_value.tv_usec = 100000}, again = {0};
	struct sigaction sa = {.sa_handler = on_alarm};

	(void)state;
	/* Again and again: one may come while it does not sleep. */
	soon.it_interval = soon.it_value;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(weir_stack_wait(s, NULL, 0, PATIENCE), -EINTR);
	setitimer(ITIMER_REAL, &again, NULL);
	weir_stack_close(s);
}

static void the_interface_goes(void **state)
{
	struct weir_stack *s = open_stack(WEIR_STACK_AUTO);
	int rc = 0;

	(void)state;
	assert_int_equal(sh("ip link del va"), 0);
	for (int i = 0; i < 50 && !rc; i++)
		rc = weir_stack_wait(s, NULL, 0, 100);
	assert_int_equal(rc, -ENODEV);
	weir_stack_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_will_not_do),	T(each_mode),	       T(a_listener_that_goes),
		T(addresses_and_ports), T(active_opens),       T(readable_when_frames_come),
		T(a_signal_wakes),	T(the_interface_goes),
	};

	netns_private();
	own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
