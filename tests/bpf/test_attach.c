/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at an interface and attaching to it: what is refused and in which
 * words, when native XDP gives way to generic, and that nothing is left behind.
 */
#include <errno.h>
#include <linux/if_link.h>
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
#include <syslog.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>

#include "control/attach.h"
#include "control/gate.h"
#include "control/instance.h"
#include "control/rtnl.h"
#include "netns.h"

static char logged[512]; /* the last message at notice or above */

static void keep_log(int level, const char *fmt, ...)
{
	va_list ap;

	if (level > LOG_NOTICE)
		return;
	va_start(ap, fmt);
	vsnprintf(logged, sizeof(logged), fmt, ap);
	va_end(ap);
}

static int setup(void **state)
{
	(void)state;
	logged[0] = '\0';
	return sh("ip link add va numrxqueues 2 numtxqueues 2 type veth "
		  "peer name vb numrxqueues 2 numtxqueues 2 && "
		  "ip link set va up && ip link set vb up && ip addr add 10.9.0.2/24 dev va && "
		  "ip addr add fd09::2/64 dev va nodad");
}

static int teardown(void **state)
{
	(void)state;
	sh("ip link del va");
	return 0;
}

static uint32_t xdp_on(const char *ifname)
{
	struct rtnl_link l;

	assert_int_equal(rtnl_link_get(&l, ifname, 0, RTNL_THIS_NETNS), 0);
	return l.xdp_attached ? l.xdp_prog : 0;
}

static struct netif query(const char *name)
{
	struct weir_err err;
	struct netif n;

	if (netif_query(&n, name, &err))
		fail_msg("%s", err.msg);
	return n;
}

/* ---- the interface ---------------------------------------------------------- */

static void an_interface_is_described(void **state)
{
	struct netif n = query("va");

	(void)state;
	assert_string_equal(n.driver, "veth");
	assert_int_equal(n.rx_queues, 2);
	assert_int_equal(n.mtu, 1500);
	assert_true(n.up);
}

static void refused(const char *name, const char *word)
{
	struct weir_err err = {0};
	struct netif n;

	assert_true(netif_query(&n, name, &err) < 0);
	assert_int_equal(err.status, WEIR_EXIT_UNSUITED);
	if (!strstr(err.msg, word))
		fail_msg("'%s' does not say '%s'", err.msg, word);
	assert_null(strchr(err.msg, '\n'));
}

static void unsuitable_interfaces_are_refused(void **state)
{
	(void)state;
	refused("nosuch0", "no such interface");
	refused("", "no such interface");
	refused("a-name-longer-than-any-interface", "no such interface");
	refused("lo", "loopback");
	sh("ip link set va down");
	refused("va", "down");
	sh("ip link set va up mtu 9000");
	refused("va", "MTU 9000");
}

static void addresses_of_the_interface_are_known(void **state)
{
	struct weir_addr a = {.family = 4, .addr = {10, 9, 0, 2}};
	struct netif n = query("va");

	(void)state;
	assert_int_equal(netif_has_addr(&n, &a), 1);
	a.addr[3] = 3;
	assert_int_equal(netif_has_addr(&n, &a), 0);
	a = (struct weir_addr){.family = 6, .addr = {0xfd, 0x09, [15] = 2}};
	assert_int_equal(netif_has_addr(&n, &a), 1);
	n = query("vb");
	assert_int_equal(netif_has_addr(&n, &a), 0);
}

/* ---- native or generic ------------------------------------------------------ */

static enum xdp_mode chosen(enum xdp_mode want)
{
	struct attach_want wanted = {.mode = want};
	struct netif n = query("va");
	struct attachment at;
	struct weir_err err;

	if (attach_choose(&at, &n, &wanted, keep_log, &err))
		fail_msg("%s", err.msg);
	return at.mode;
}

static void a_bare_peer_means_generic(void **state)
{
	(void)state;
	assert_int_equal(chosen(XDP_MODE_AUTO), XDP_MODE_GENERIC);
	assert_non_null(strstr(logged, "other end has no XDP program"));
	assert_int_equal(chosen(XDP_MODE_NATIVE), XDP_MODE_NATIVE);
	assert_non_null(strstr(logged, "will not arrive"));
	logged[0] = '\0';
	assert_int_equal(chosen(XDP_MODE_GENERIC), XDP_MODE_GENERIC);
	assert_string_equal(logged, "");
}

static void a_peer_with_a_native_program_means_native(void **state)
{
	int prog = prog_pass(), link;

	(void)state;
	link = xdp_link(prog, "vb", XDP_FLAGS_DRV_MODE);
	assert_true(link >= 0);
	assert_int_equal(chosen(XDP_MODE_AUTO), XDP_MODE_NATIVE);
	assert_string_equal(logged, "");
	close(link);

	/* A generic one does not help: its device does not poll. */
	link = xdp_link(prog, "vb", XDP_FLAGS_SKB_MODE);
	assert_true(link >= 0);
	assert_int_equal(chosen(XDP_MODE_AUTO), XDP_MODE_GENERIC);
	close(link);
	close(prog);
}

static void a_peer_in_another_namespace_is_asked_too(void **state)
{
	pid_t child = netns_child();
	int prog = prog_pass(), link;

	(void)state;
	assert_true(child > 0);
	link = xdp_link(prog, "vb", XDP_FLAGS_DRV_MODE);
	assert_true(link >= 0);
	close(link);
	assert_int_equal(
		sh("ip link set vb netns %d && nsenter -t %d -n ip link set vb up", child, child),
		0);
	assert_int_equal(chosen(XDP_MODE_AUTO), XDP_MODE_GENERIC);
	assert_non_null(strstr(logged, "other end has no XDP program"));
	netns_end(child);
	close(prog);
}

/* ---- attaching -------------------------------------------------------------- */

static int attach_pass(enum xdp_mode want, struct attachment *at)
{
	struct attach_prog prog = {.fd = prog_pass()};
	struct attach_want wanted = {.mode = want};
	struct netif n = query("va");
	struct weir_err err = {0};
	int rc;

	*at = (struct attachment)ATTACHMENT_NONE;
	at->mode = want == XDP_MODE_GENERIC ? XDP_MODE_GENERIC : XDP_MODE_NATIVE;
	rc = attach_gate(at, &n, &prog, &wanted, keep_log, &err);
	if (rc)
		snprintf(logged, sizeof(logged), "%s", err.msg);
	close(prog.fd);
	return rc;
}

static void a_held_interface_names_its_holder(void **state)
{
	static const unsigned flags[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		int prog = prog_pass(), link = xdp_link(prog, "va", flags[i]);
		struct attach_want want = {.mode = XDP_MODE_AUTO};
		struct weir_err err = {0};
		struct netif n = query("va");
		struct attachment at;

		assert_true(link >= 0);
		assert_int_equal(attach_choose(&at, &n, &want, keep_log, &err), -EBUSY);
		assert_int_equal(err.status, WEIR_EXIT_UNSUITED);
		assert_non_null(strstr(err.msg, "test_pass"));
		/* The same when somebody was faster than the look. */
		assert_true(attach_pass(i ? XDP_MODE_NATIVE : XDP_MODE_GENERIC, &at) < 0);
		assert_non_null(strstr(logged, "test_pass"));
		close(link);
		close(prog);
	}
	assert_int_equal(xdp_on("va"), 0);
}

static void auto_falls_back_where_native_is_refused(void **state)
{
	struct attachment at;

	(void)state;
	/* A veth takes native XDP only when its peer's frames fit a page. */
	assert_int_equal(sh("ip link set vb mtu 9000"), 0);
	assert_int_equal(attach_pass(XDP_MODE_NATIVE, &at), -ERANGE);
	assert_non_null(strstr(logged, "MTU"));
	assert_int_equal(attach_pass(XDP_MODE_AUTO, &at), 0);
	assert_int_equal(at.mode, XDP_MODE_GENERIC);
	assert_non_null(strstr(logged, "using generic XDP"));
	attach_end(&at);
}

static void a_detached_link_and_a_vanished_interface_are_told_apart(void **state)
{
	struct netif n = query("va");
	struct attachment at;

	(void)state;
	assert_int_equal(attach_pass(XDP_MODE_AUTO, &at), 0);
	assert_int_equal(attach_look(&at, &n), 1);
	assert_int_equal(bpf_link_detach(at.link_fd), 0);
	assert_int_equal(attach_look(&at, &n), 0);
	assert_int_equal(sh("ip link del va"), 0);
	assert_int_equal(attach_look(&at, &n), -ENODEV);
	attach_end(&at);
}

/* ---- a whole instance ------------------------------------------------------- */

static int open_instance(struct weir_instance **inst, struct services *s, struct weir_err *err)
{
	struct instance_config cfg;

	memset(s, 0, sizeof(*s));
	if (services_add(s, "10.9.0.2:7=echo", err))
		return -EINVAL;
	instance_config_default(&cfg);
	strcpy(cfg.iface, "va");
	cfg.flows = 1024;
	cfg.rx_frames = cfg.tx_frames = 256;
	cfg.engine.conns = cfg.engine.timewaits = cfg.engine.tombstones = 64;
	cfg.engine.buffer_bytes = 1 << 20;
	cfg.services = s;
	cfg.log = keep_log;
	return instance_open(inst, &cfg, err);
}

static void an_instance_comes_and_goes(void **state)
{
	struct weir_instance *inst, *second;
	uint64_t v[WEIR_C_MAX], used, capacity;
	struct services *s = calloc(2, sizeof(*s));
	struct weir_err err;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		if (open_instance(&inst, &s[0], &err))
			fail_msg("%s", err.msg);
		assert_string_equal(inst->mode, "generic");
		assert_string_equal(inst->xsk, "copy");
		assert_int_equal(inst->queues, 2);
		assert_true(xdp_on("va"));
		assert_int_equal(instance_step(inst, 1), 0);
		instance_counters(inst, v);
		instance_flows(inst, &used, &capacity);
		assert_int_equal(used, 0);
		assert_int_equal(capacity, 1024);

		assert_int_equal(open_instance(&second, &s[1], &err), -EBUSY);
		assert_int_equal(err.status, WEIR_EXIT_UNSUITED);
		assert_non_null(strstr(err.msg, "another weir"));
		services_free(&s[1]);

		instance_close(inst);
		services_free(&s[0]);
		assert_int_equal(xdp_on("va"), 0);
	}
	free(s);
}

static void a_changed_mtu_or_address_is_followed(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 9, 9};
	struct services *s = calloc(1, sizeof(*s));
	const struct weir_gate_config *c;
	struct weir_instance *inst;
	struct weir_err err;
	uint64_t us = 1;

	(void)state;
	if (open_instance(&inst, s, &err))
		fail_msg("%s", err.msg);
	c = inst->gate->cfg;
	logged[0] = '\0';
	assert_int_equal(instance_step(inst, us), 0);
	assert_string_equal(logged, "");
	assert_int_equal(c->mss4, 1460);

	assert_int_equal(sh("ip link set va mtu 1300"), 0);
	assert_int_equal(instance_step(inst, us += 1000000), 0);
	assert_non_null(strstr(logged, "MTU is 1300 now"));
	assert_int_equal(c->mss4, 1260);
	assert_int_equal(c->mss6, 1240);
	logged[0] = '\0';
	assert_int_equal(instance_step(inst, us += 1000000), 0);
	assert_string_equal(logged, "");

	/* No more than there are buffers for. */
	assert_int_equal(sh("ip link set va mtu 2000"), 0);
	assert_int_equal(instance_step(inst, us += 1000000), 0);
	assert_non_null(strstr(logged, "restart"));
	assert_int_equal(c->mss4, 1460);
	assert_int_equal(sh("ip link set va mtu 300"), 0);
	assert_int_equal(instance_step(inst, us += 1000000), 0);
	assert_int_equal(c->mss4, 536);

	assert_int_equal(sh("ip link set va address 02:00:00:00:09:09"), 0);
	assert_int_equal(instance_step(inst, us += 1000000), 0);
	assert_non_null(strstr(logged, "02:00:00:00:09:09"));
	assert_memory_equal(c->mac, mac, 6);
	instance_close(inst);
	services_free(s);
	free(s);
}

static void kill_leaves_nothing(void **state)
{
	struct services *s = calloc(1, sizeof(*s));
	struct weir_instance *inst;
	struct weir_err err;
	int ready[2], i;
	char c;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = !open_instance(&inst, s, &err);
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_true(c);
	assert_true(xdp_on("va"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < (int)patience(100) && xdp_on("va"); i++)
		usleep(20000);
	assert_int_equal(xdp_on("va"), 0);

	/* And the queues are free: the next one starts. */
	if (open_instance(&inst, s, &err))
		fail_msg("%s", err.msg);
	instance_close(inst);
	services_free(s);
	free(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_interface_is_described),
		TEST(unsuitable_interfaces_are_refused),
		TEST(addresses_of_the_interface_are_known),
		TEST(a_bare_peer_means_generic),
		TEST(a_peer_with_a_native_program_means_native),
		TEST(a_peer_in_another_namespace_is_asked_too),
		TEST(a_held_interface_names_its_holder),
		TEST(auto_falls_back_where_native_is_refused),
		TEST(a_detached_link_and_a_vanished_interface_are_told_apart),
		TEST(an_instance_comes_and_goes),
		TEST(a_changed_mtu_or_address_is_followed),
		TEST(kill_leaves_nothing),
	};

	netns_private();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
