/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration file: what it becomes, and where it is wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/conf_run.h"
#include "cli/run_args.h"

static struct run_args *a;
static char path[] = "/tmp/weir-conf-XXXXXX";

static int set_up(void **state)
{
	int fd;

	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	a = calloc(1, sizeof(*a));
	return a ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	run_args_free(a);
	free(a);
	unlink(path);
	return 0;
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static int load(const char *text)
{
	run_args_free(a);
	write_file(text);
	return run_args_file(a, path);
}

static const struct service *at(const char *addr)
{
	struct weir_addr w;

	assert_int_equal(services_parse_addr(&w, addr, NULL), 0);
	return services_find(&a->services, &w);
}

static void a_minimal_file(void **state)
{
	(void)state;
	assert_int_equal(load("interface: eth0\n"
			      "services:\n"
			      "  - listen: 10.0.0.2:80\n"
			      "    app: http:/\n"),
			 0);
	assert_string_equal(a->cfg.iface, "eth0");
	assert_int_equal(a->services.n, 1);
	assert_string_equal(at("10.0.0.2:80")->app->name, "http");
	assert_int_equal(at("10.0.0.2:80")->own, 0);
	assert_int_equal(a->cfg.mode.mode, WEIR_MODE_ALWAYS);
}

static void every_kind_of_setting(void **state)
{
	(void)state;
	assert_int_equal(load("interface: eth0\n"
			      "mode: auto         # a choice\n"
			      "auto_syn_rate: 77  # a number\n"
			      "msl: 2s            # a time\n"
			      "ctl: /run/x.sock   # a text\n"
			      "busy_poll: yes     # a flag\n"
			      "copy: off\n"
			      "log_level: debug\n"
			      "services: [{listen: \"*:7\", app: echo}]\n"),
			 0);
	assert_int_equal(a->cfg.mode.mode, WEIR_MODE_AUTO);
	assert_int_equal(a->cfg.mode.syn_per_sec, 77);
	assert_int_equal(a->cfg.engine.tcp.msl_us, 2000000);
	assert_string_equal(a->ctl, "/run/x.sock");
	assert_true(a->cfg.engine.busy_poll);
	assert_false(a->cfg.force_copy);
	assert_int_equal(a->log_level, 7);
}

static void services_of_a_group_share_what_they_serve(void **state)
{
	struct service_mode m;
	const struct service *v, *w;

	(void)state;
	assert_int_equal(load("interface: eth0\n"
			      "auto_hold: 3s\n"
			      "services:\n"
			      "  - listen: [10.0.0.2:22, \"[fd00::2]:22\"]\n"
			      "    app: echo\n"
			      "    speaks_first: true\n"
			      "    auto_syn_rate: 5\n"
			      "  - listen: 10.0.0.3:7\n"
			      "    app: echo\n"
			      "    mode: never\n"),
			 0);
	v = at("10.0.0.2:22");
	w = at("[fd00::2]:22");
	assert_true(v && w);
	assert_ptr_equal(v->shared, w->shared);
	assert_int_equal(v->shared->users, 2);
	m = service_mode_of(w, &a->cfg.mode);
	assert_int_equal(m.mode, WEIR_MODE_AUTO);
	assert_int_equal(m.syn_per_sec, 5);
	assert_int_equal(m.hold_ms, 3000);
	v = at("10.0.0.3:7");
	assert_int_equal(service_mode_of(v, &a->cfg.mode).mode, WEIR_MODE_NEVER);
	assert_ptr_not_equal(v->shared, w->shared);
}

static void lists_of_all_and_of_one_service(void **state)
{
	struct weir_addr in = {.family = 4, .addr = {10, 1, 2, 3}}, s7, s8;

	(void)state;
	assert_int_equal(load("interface: eth0\n"
			      "acl_deny: [192.0.2.0/24]\n"
			      "synack_rate: 100\n"
			      "services:\n"
			      "  - listen: [10.0.0.2:7, 10.0.0.2:8]\n"
			      "    app: echo\n"
			      "    deny: [10.0.0.0/8]\n"
			      "    allow: 10.1.0.0/16\n"
			      "  - {listen: 10.0.0.2:9, app: echo}\n"),
			 0);
	assert_int_equal(a->policy.synack.per_sec, 100);
	s7 = at("10.0.0.2:7")->addr;
	s8 = at("10.0.0.2:8")->addr;
	assert_true(policy_list_of(&a->policy, &s7) > 0);
	assert_int_equal(policy_list_of(&a->policy, &s7), policy_list_of(&a->policy, &s8));
	assert_int_equal(policy_list_of(&a->policy, &at("10.0.0.2:9")->addr), 0);
	assert_true(policy_ask(&a->policy, policy_list_of(&a->policy, &s7), &in).welcome);
	in.addr[1] = 2;
	assert_false(policy_ask(&a->policy, policy_list_of(&a->policy, &s7), &in).welcome);
}

#define HEAD  "interface: eth0\n"
#define SERVE "services: [{listen: \"*:7\", app: echo}]\n"

/* Each is refused at its place, with a word that helps. */
static const struct {
	const char *text;
	unsigned line, column;
	const char *word;
} bad[] = {
	/* the format */
	{HEAD "services: [1, 2\n", 3, 1, "did not find"},
	{HEAD "services:\n  - listen: *:80\n", 3, 14, "quotes"},
	{HEAD "services:\n  - listen: [fd00::2]:80\n    app: echo\n", 3, 0, "quotes"},
	{HEAD "\tmsl: 3s\n", 2, 0, "tabs"},
	{HEAD SERVE "msl: &x 3s\n", 3, 6, "anchors"},
	{HEAD SERVE "msl: !!int 3\n", 3, 6, "tags"},
	{HEAD SERVE "ctl: &x a\nkey_file: *x\n", 3, 6, "anchors"},
	{HEAD SERVE "msl: 3s\nmsl: 4s\n", 4, 1, "before, at line 3"},
	{HEAD SERVE "---\nmsl: 4s\n", 3, 1, "second document"},
	{"- a\n- b\n", 1, 1, "NAME: VALUE"},
	{"just words\n", 1, 1, "NAME: VALUE"},
	{HEAD SERVE "msl: \x01\n", 3, 6, "control"},
	{HEAD SERVE "msl: [[[[[[[[[[[]]]]]]]]]]]\n", 3, 0, "within"},
	{HEAD SERVE "? [a]\n: b\n", 3, 3, "name"},
	/* names */
	{HEAD SERVE "mls: 3s\n", 3, 1, "is msl meant"},
	{HEAD SERVE "log-level: debug\n", 3, 1, "is log_level meant"},
	{"interfaces: eth0\n" SERVE, 1, 1, "is interface meant"},
	{HEAD SERVE "listen: \"*:8=echo\"\n", 3, 1, "no such setting"},
	{HEAD SERVE "config: x\n", 3, 1, "no such setting"},
	{HEAD "services:\n  - {listen: \"*:7\", app: echo, speak_first: yes}\n", 3, 32,
	 "is speaks_first meant"},
	/* values */
	{HEAD SERVE "msl: 3 s\n", 3, 6, "as 500ms"},
	{HEAD SERVE "msl: 90m\n", 3, 6, "1 to 600000 ms"},
	{HEAD SERVE "mode: sometimes\n", 3, 7, "none of always auto never"},
	{HEAD SERVE "queues: 0x10\n", 3, 9, "not a number"},
	{HEAD SERVE "queues:\n  - 1\n", 4, 3, "one value"},
	{HEAD SERVE "copy: maybe\n", 3, 7, "neither yes nor no"},
	{HEAD SERVE "rx_frames: 100\n", 3, 12, "power of two"},
	{HEAD SERVE "copy: yes\nzerocopy: yes\n", 4, 11, "not both"},
	{"interface: nosuchinterfacename\n" SERVE, 1, 12, "too long"},
	{SERVE, 0, 0, "no interface"},
	{HEAD, 0, 0, "nothing to serve"},
	{"", 0, 0, "no interface"},
	/* services */
	{HEAD "services: echo\n", 2, 11, "list"},
	{HEAD "services: [echo]\n", 2, 12, "group"},
	{HEAD "services:\n  - {app: echo}\n", 3, 5, "listen"},
	{HEAD "services:\n  - {listen: [], app: echo}\n", 3, 14, "address"},
	{HEAD "services:\n  - {listen: \"*:7\"}\n", 3, 5, "either"},
	{HEAD "services:\n  - {listen: \"*:7\", app: echo, proxy: {}}\n", 3, 5, "either"},
	{HEAD "services:\n  - {listen: \"*:7\", app: ecko}\n", 3, 26, "no such application"},
	{HEAD "services:\n  - {listen: \"*:7\", app: http:/nowhere}\n", 3, 26, "/nowhere"},
	{HEAD "services:\n  - {listen: 10.0.0.2, app: echo}\n", 3, 14, "ADDR:PORT"},
	{HEAD "services:\n  - {listen: 127.0.0.1:7, app: echo}\n", 3, 14, "loopback"},
	{HEAD "services:\n  - listen: [\"*:7\", 10.0.0.2:7, \"*:7\"]\n    app: echo\n", 3, 33,
	 "already"},
	{HEAD "services:\n  - {listen: \"*:7\", app: echo, mode: on}\n", 3, 38, "none of"},
	{HEAD "services:\n  - {listen: \"*:7\", app: echo, auto_syn_rate: 0}\n", 3, 47, "from 1"},
	{HEAD "services:\n  - {listen: \"*:7\", app: echo, deny: [10.0.0.0/8, 10.0.0.1/8]}\n", 3,
	 51, "10.0.0.1/8"},
	{HEAD SERVE "acl_deny: [10.0.0.0/8, x]\n", 3, 24, "x"},
	/* proxies */
	{HEAD "services:\n  - {listen: \"*:7\", proxy: x}\n", 3, 28, "group"},
	{HEAD "services:\n  - {listen: \"*:7\", proxy: {balance: hash}}\n", 3, 28, "backend"},
	{HEAD "services:\n  - {listen: \"*:7\", proxy: {backends: [10.0.0.1]}}\n", 3, 40,
	 "10.0.0.1"},
	{HEAD "services:\n  - {listen: \"*:7\", proxy: {backends: \"10.0.0.1:1,10.0.0.2:1\"}}\n", 3,
	 39, "commas"},
	{HEAD "services:\n  - {listen: \"*:7\", proxy: {backends: [10.0.0.1:7], balance: odd}}\n",
	 3, 62, "none of"},
	{HEAD "services:\n  - {listen: \"*:7\", proxy: {backend: [10.0.0.1:7]}}\n", 3, 29,
	 "is backends meant"},
};

static void wrong_files(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct conf_diag *d = &a->conf.diag[0];

		assert_int_equal(load(bad[i].text), -EINVAL);
		if (!a->conf.ndiags || !strstr(d->msg, bad[i].word))
			fail_msg("%s\ndoes not say '%s' but '%s'", bad[i].text, bad[i].word,
				 d->msg);
		if (d->at.line != bad[i].line || (bad[i].column && d->at.column != bad[i].column))
			fail_msg("%s\nat %u:%u, not %u:%u (%s)", bad[i].text, d->at.line,
				 d->at.column, bad[i].line, bad[i].column, d->msg);
	}
}

static void all_that_is_wrong_is_told_in_order(void **state)
{
	(void)state;
	assert_int_equal(load("mls: 3s\n" HEAD "mode: x\nservices:\n  - app: echo\n"), -EINVAL);
	assert_int_equal(a->conf.ndiags, 3);
	assert_int_equal(a->conf.diag[0].at.line, 1);
	assert_int_equal(a->conf.diag[1].at.line, 3);
	assert_int_equal(a->conf.diag[2].at.line, 5);
}

static void print(char *buf, size_t len)
{
	FILE *f = fmemopen(buf, len, "w");

	assert_non_null(f);
	conf_print(&a->conf, f);
	fclose(f);
}

/* The caret is below the place, whatever stands before it. */
static void a_caret_shows_the_place(void **state)
{
	char out[1024], want[1024];

	(void)state;
	assert_int_equal(load(HEAD SERVE "{ctl: \"\xc3\xa4\xc3\xb6\",\tmode: x}\n"), -EINVAL);
	assert_int_equal(load("{interface: \"\xc3\xa4\xc3\xb6\",\tmode: x, " SERVE "}"), -EINVAL);
	print(out, sizeof(out));
	snprintf(
		want, sizeof(want),
		"%s:1:25: mode: 'x' is none of always auto never\n"
		"    {interface: \"\xc3\xa4\xc3\xb6\",\tmode: x, services: [{listen: \"*:7\", app: "
		"echo}]\n"
		"    %17s\t%6s^\n",
		path, "", "");
	assert_string_equal(out, want);
}

static void a_file_that_is_not_there(void **state)
{
	char first[512];

	(void)state;
	assert_int_equal(run_args_file(a, "/nowhere/weir.conf"), -EINVAL);
	conf_first(&a->conf, first, sizeof(first));
	assert_string_equal(first, "/nowhere/weir.conf: No such file or directory");
}

/* ---- with the command line ----------------------------------------------------------- */

static void the_command_line_goes_before_the_file(void **state)
{
	const char *argv[] = {
		"run", "--mode", "never", "-c", path, "--listen", "10.0.0.9:9=discard", NULL};

	(void)state;
	write_file(HEAD SERVE "mode: auto\nmsl: 9s\n");
	assert_int_equal(run_args_parse(a, 7, (char **)argv), 0);
	assert_int_equal(a->cfg.mode.mode, WEIR_MODE_NEVER);
	assert_int_equal(a->cfg.engine.tcp.msl_us, 9000000);
	assert_int_equal(a->services.n, 2);
	assert_true(at("*:7") && at("10.0.0.9:9"));
}

static void reading_again(void **state)
{
	const char *argv[] = {"run", "--log-level=debug", "--config", path, NULL};
	struct run_args *b = calloc(1, sizeof(*b));
	const char *names[8];

	(void)state;
	assert_non_null(b);
	write_file(HEAD SERVE "mode: auto\nmsl: 9s\nqueues: 2\n");
	assert_int_equal(run_args_parse(a, 4, (char **)argv), 0);
	write_file(HEAD SERVE "mode: never\nmsl: 8s\nlog_level: error\nkey_file: /x\nctl: /y\n");
	assert_int_equal(run_args_again(b, a), 0);
	assert_int_equal(b->log_level, 7); /* the command line's still */
	assert_int_equal(b->cfg.mode.mode, WEIR_MODE_NEVER);
	assert_int_equal(run_args_waiting(a, b, names, 8), 3);
	assert_string_equal(names[0], "queues");
	assert_string_equal(names[1], "msl");
	assert_string_equal(names[2], "ctl");
	assert_string_equal(b->cfg.key_file, "/x"); /* by reload */
	assert_int_equal(run_args_waiting(a, a, names, 8), 0);
	run_args_free(b);
	write_file(HEAD SERVE "mode never\n");
	assert_int_equal(run_args_again(b, a), -EINVAL);
	assert_int_equal(b->conf.diag[0].at.line, 4);
	run_args_free(b);
	free(b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_minimal_file),
		TEST(every_kind_of_setting),
		TEST(services_of_a_group_share_what_they_serve),
		TEST(lists_of_all_and_of_one_service),
		TEST(wrong_files),
		TEST(all_that_is_wrong_is_told_in_order),
		TEST(a_caret_shows_the_place),
		TEST(a_file_that_is_not_there),
		TEST(the_command_line_goes_before_the_file),
		TEST(reading_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
