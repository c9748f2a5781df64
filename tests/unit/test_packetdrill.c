/* SPDX-License-Identifier: BSD-2-Clause */
/* The packetdrill adapter without packetdrill: frames straight into the engine. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bpf/pd_driver.h"

#define BOTH(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		pd_##name(NULL, 4);                                                                \
		pd_##name("engine", 6);                                                            \
	}
BOTH(serves)
BOTH(blocks)
BOTH(resets)
BOTH(connects)

/* The same script twice gives the same packets at the same times. */
static void test_repeats(void **state)
{
	long long times[2][4];

	(void)state;
	for (int run = 0; run < 2; run++) {
		struct pd_drive d;
		long long start;
		int c, fd;

		pd_open(&d, "engine,rto_min=200", 4);
		start = pd_now(&d);
		fd = pd_listen(&d);
		pd_handshake(&d);
		c = PD(&d, accept, fd, NULL, NULL);
		assert_int_equal(PD(&d, write, c, "x", 1), 1);
		/* The first copy, and its retransmissions: each later than the one before. */
		for (int i = 0; i < 4; i++) {
			assert_true(pd_take(&d));
			assert_int_equal(d.len, 1);
			times[run][i] = d.time_us - start;
			assert_true(!i || times[run][i] > times[run][i - 1]);
		}
		pd_close(&d);
	}
	assert_memory_equal(times[0], times[1], sizeof(times[0]));
}

/* A call that nothing will ever end says so; one with a time-out takes that long. */
static void test_script_blocks(void **state)
{
	struct pd_drive d;
	struct pollfd p;
	long long start;
	int fd;

	(void)state;
	pd_open(&d, "engine", 4);
	fd = pd_listen(&d);
	assert_int_equal(PD(&d, accept, fd, NULL, NULL), -1);
	assert_int_equal(errno, EDEADLK);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	start = pd_now(&d);
	assert_int_equal(PD(&d, poll, &p, 1, 300), 0);
	assert_int_equal(pd_now(&d) - start, 300000);
	assert_false(pd_take(&d)); /* nothing is due: no wait for ever */
	pd_close(&d);
}

/* More than the send buffer holds, and nobody acknowledges: until the user timeout. */
static void test_script_blocks_writing(void **state)
{
	static const char data[40000];
	struct pd_drive d;
	long long start;
	int fd, c, size = 20000;

	(void)state;
	pd_open(&d, "engine,user_timeout=5000", 4);
	fd = pd_listen(&d);
	pd_handshake(&d);
	c = PD(&d, accept, fd, NULL, NULL);
	assert_int_equal(PD(&d, setsockopt, c, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	start = pd_now(&d);
	assert_true(PD(&d, write, c, data, sizeof(data)) < (ssize_t)sizeof(data));
	assert_true(pd_now(&d) - start >= 5000000);
	assert_int_equal(PD(&d, write, c, data, 1), -1);
	pd_close(&d);
}

static void test_epoll_edges(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 7}, got[2];
	struct pd_drive d;
	int fd, c, ep;

	(void)state;
	pd_open(&d, "engine", 4);
	fd = pd_listen(&d);
	pd_handshake(&d);
	c = PD(&d, accept, fd, NULL, NULL);
	ep = PD(&d, epoll_create, 1);
	assert_true(ep >= 0);
	assert_int_equal(PD(&d, epoll_ctl, ep, EPOLL_CTL_ADD, c, &ev), 0);
	assert_int_equal(PD(&d, epoll_wait, ep, got, 2, 0), 0);
	for (int i = 0; i < 2; i++) {
		pd_in(&d, ACK | PSH, "data");
		assert_int_equal(PD(&d, epoll_wait, ep, got, 2, 0), 1);
		assert_int_equal(got[0].data.u64, 7);
		assert_int_equal(got[0].events, EPOLLIN);
		assert_int_equal(PD(&d, epoll_wait, ep, got, 2, 0), 0);
	}
	assert_int_equal(PD(&d, close, c), 0);
	assert_int_equal(PD(&d, close, ep), 0);
	assert_int_equal(PD(&d, epoll_wait, ep, got, 2, 0), -1);
	assert_int_equal(errno, EBADF);
	pd_close(&d);
}

/* A wrong setting is one clear line and status 2, not a run with something else. */
static void test_refuses_settings(void **state)
{
	static const char *const wrong[] = {"enginee",	  "wscale=15", "msl=x",	 "cc=none",
					    "engine,xdp", "rcvbuf=",   "mtu=100"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char said[200] = "";
		int out[2], status;
		pid_t pid;

		assert_int_equal(pipe(out), 0);
		pid = fork();
		if (!pid) {
			struct pd_drive d;

			dup2(out[1], STDERR_FILENO);
			pd_open(&d, wrong[i], 4);
			_exit(0);
		}
		close(out[1]);
		assert_true(read(out[0], said, sizeof(said) - 1) > 0);
		close(out[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 2);
		assert_non_null(strstr(said, "--so_flags"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_connects),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_script_blocks),
		cmocka_unit_test(test_script_blocks_writing),
		cmocka_unit_test(test_epoll_edges),
		cmocka_unit_test(test_refuses_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
