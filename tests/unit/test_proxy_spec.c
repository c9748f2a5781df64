/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands after "proxy:": backends and options, and what is said of bad ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

#include <netinet/in.h>

#include "proxy/proxy_spec.h"

static struct proxy_config c;
static char err[256];

static int parse(const char *text)
{
	err[0] = '\0';
	return proxy_config_parse(&c, text, err, sizeof(err));
}

/* Refused, and the message has the word. */
static void refused(const char *text, const char *word)
{
	struct proxy_config before = c;

	assert_int_not_equal(parse(text), 0);
	if (!strstr(err, word))
		fail_msg("'%s': \"%s\" does not name '%s'", text, err, word);
	assert_null(strchr(err, '\n'));
	assert_memory_equal(&before, &c, sizeof(c));
}

static void backends_of_each_kind(void **state)
{
	const struct sockaddr_in *in = (const void *)&c.backend[0].addr;
	const struct sockaddr_in6 *in6 = (const void *)&c.backend[1].addr;
	const struct sockaddr_un *un = (const void *)&c.backend[2].addr;

	(void)state;
	assert_int_equal(
		parse("127.0.0.1:8080,[0:0::1]:443*3,unix:/run/app=1.sock*2,unix:@abstract"), 0);
	assert_int_equal(c.nbackends, 4);
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(ntohs(in->sin_port), 8080);
	assert_int_equal(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(c.backend[0].addrlen, sizeof(*in));
	assert_int_equal(c.backend[0].weight, 1);
	assert_string_equal(c.backend[0].name, "127.0.0.1:8080");
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(in6->sin6_port), 443);
	assert_int_equal(c.backend[1].weight, 3);
	assert_string_equal(c.backend[1].name, "[::1]:443");
	assert_int_equal(un->sun_family, AF_UNIX);
	assert_string_equal(un->sun_path, "/run/app=1.sock");
	assert_int_equal(c.backend[2].weight, 2);
	assert_string_equal(c.backend[2].name, "unix:/run/app=1.sock");
	assert_int_equal(c.backend[3].addrlen, offsetof(struct sockaddr_un, sun_path) + 9);
	assert_memory_equal(((const struct sockaddr_un *)&c.backend[3].addr)->sun_path,
			    "\0abstract", 9);
}

static void every_option(void **state)
{
	(void)state;
	assert_int_equal(
		parse("127.0.0.1:1,balance=hash,proxy-protocol=v2,connect-timeout=250ms,"
		      "idle-timeout=10m,retries=0,on-connect-failure=close,all-down=refuse,"
		      "check=http:/up?x=1,check-interval=1s,check-timeout=300,check-rise=4,"
		      "check-fall=5,eject-failures=7,eject-time=9s,eject-max=1m"),
		0);
	assert_int_equal(c.balance, PROXY_HASH);
	assert_int_equal(c.protocol, PROXY_PROTOCOL_V2);
	assert_int_equal(c.connect_timeout_ms, 250);
	assert_int_equal(c.idle_timeout_ms, 600000);
	assert_int_equal(c.retries, 0);
	assert_int_equal(c.on_failure, PROXY_FAIL_CLOSE);
	assert_int_equal(c.all_down, PROXY_ALL_DOWN_REFUSE);
	assert_int_equal(c.check, PROXY_CHECK_HTTP);
	assert_string_equal(c.check_path, "/up?x=1");
	assert_int_equal(c.check_interval_ms, 1000);
	assert_int_equal(c.check_timeout_ms, 300);
	assert_int_equal(c.check_rise, 4);
	assert_int_equal(c.check_fall, 5);
	assert_int_equal(c.eject_failures, 7);
	assert_int_equal(c.eject_ms, 9000);
	assert_int_equal(c.eject_max_ms, 60000);
}

/* What get() shows is what set() takes, for each option, whatever was set. */
static void shown_as_it_is_written(void **state)
{
	struct proxy_config copy;
	char value[160];

	(void)state;
	assert_int_equal(parse("127.0.0.1:1,balance=least,check=http,connect-timeout=1500ms,"
			       "idle-timeout=0,check-fall=9"),
			 0);
	copy = c;
	proxy_config_default(&c);
	memcpy(c.backend, copy.backend, sizeof(c.backend));
	c.nbackends = 1;
	for (unsigned i = 0; proxy_option_doc(i); i++) {
		proxy_config_get(&copy, i, value, sizeof(value));
		assert_int_equal(
			proxy_config_set(&c, proxy_option_doc(i)->name, value, err, sizeof(err)),
			0);
	}
	assert_memory_equal(&copy, &c, sizeof(c));
}

static void the_wrong_word_is_named(void **state)
{
	(void)state;
	proxy_config_default(&c);
	refused("", "needs a backend");
	refused("balance=rr", "needs a backend");
	refused("127.0.0.1:1,,127.0.0.1:2", "between two commas");
	refused("127.0.0.1:1,", "after the last");
	refused("localhost:80", "localhost");
	refused("127.0.0.1", "127.0.0.1");
	refused("127.0.0.1:", "''");
	refused("127.0.0.1:0", "'0'");
	refused("127.0.0.1:65536", "65536");
	refused("127.0.0.1:80x", "80x");
	refused("127.0.0.1:-1", "-1");
	refused("::1:80", "::1:80");
	refused("[::1]", "[::1]");
	refused("[::1:80", "[::1:80");
	refused("[]:80", "IPv6");
	refused("[127.0.0.1]:80", "IPv6");
	refused("]:80", "']'");
	refused("256.0.0.1:80", "256.0.0.1");
	refused("127.0.0.1:80*0", "'0'");
	refused("127.0.0.1:80*101", "101");
	refused("127.0.0.1:80*", "''");
	refused("*:80", ":80");
	refused("unix:run/app.sock", "run/app.sock");
	refused("unix:", "unix:");
	refused("unix:/", "unix:/");
	refused("127.0.0.1:80,127.0.0.1:80", "twice");
	refused("[::1]:80,[0:0::1]:80*2", "twice");
	refused("127.0.0.1:80,balanc=rr", "balanc");
	refused("127.0.0.1:80,balance=random", "random");
	refused("127.0.0.1:80,balance=", "rr|least|hash");
	refused("127.0.0.1:80,proxy-protocol=v1", "v1");
	refused("127.0.0.1:80,connect-timeout=3h", "3h");
	refused("127.0.0.1:80,connect-timeout=0", "connect-timeout");
	refused("127.0.0.1:80,connect-timeout=-1", "-1");
	refused("127.0.0.1:80,idle-timeout=99999999999999999999", "99999999999999999999");
	refused("127.0.0.1:80,idle-timeout=18446744073709551615m", "18446744073709551615m");
	refused("127.0.0.1:80,retries=2s", "2s");
	refused("127.0.0.1:80,retries=33", "33");
	refused("127.0.0.1:80,check=udp", "udp");
	refused("127.0.0.1:80,check=http:health", "health");
	refused("127.0.0.1:80,check=http:/a b", "/a b");
	refused("127.0.0.1:80,check=http:/a\r\nHost: b", "check");
	refused("127.0.0.1:80,check=https", "https");
	refused("127.0.0.1:80,eject-time=1m,eject-max=1s", "eject-max");
}

static void too_much_of_it(void **state)
{
	char text[2048], *p = text, path[300];

	(void)state;
	proxy_config_default(&c);
	for (int i = 0; i < PROXY_MAX_BACKENDS; i++)
		p += sprintf(p, "%s127.0.0.1:%d", i ? "," : "", 1 + i);
	assert_int_equal(parse(text), 0);
	sprintf(p, ",127.0.0.1:99");
	assert_int_equal(parse(text), -E2BIG);
	assert_non_null(strstr(err, "127.0.0.1:99"));

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	snprintf(text, sizeof(text), "unix:/%.106s", path);
	assert_int_equal(parse(text), 0);
	snprintf(text, sizeof(text), "unix:/%.107s", path);
	refused(text, "107");
	snprintf(text, sizeof(text), "unix:/%s", path);
	refused(text, "unix:/xxx");
	snprintf(text, sizeof(text), "127.0.0.1:1,check=http:/%.126s", path);
	assert_int_equal(parse(text), 0);
	snprintf(text, sizeof(text), "127.0.0.1:1,check=http:/%.127s", path);
	refused(text, "check");
}

/* Any cut, and any byte changed, is taken or refused with a line; nothing else happens. */
static void anything_at_all(void **state)
{
	static const char whole[] = "127.0.0.1:80*2,[::1]:8*3,unix:/a/b,balance=hash,"
				    "check=http:/x,check-rise=3,eject-time=5s";
	static const char bytes[] = "\x01 ,=*:[]/@-0z\xff";
	char text[sizeof(whole)];

	(void)state;
	for (size_t i = 0; i < sizeof(whole); i++) {
		memcpy(text, whole, sizeof(whole));
		text[i] = '\0';
		if (parse(text))
			assert_true(err[0]);
		for (size_t k = 0; i + 1 < sizeof(whole) && bytes[k]; k++) {
			memcpy(text, whole, sizeof(whole));
			text[i] = bytes[k];
			if (parse(text))
				assert_true(err[0]);
			else
				assert_in_range(c.nbackends, 1, 4);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backends_of_each_kind),  cmocka_unit_test(every_option),
		cmocka_unit_test(shown_as_it_is_written), cmocka_unit_test(the_wrong_word_is_named),
		cmocka_unit_test(too_much_of_it),	  cmocka_unit_test(anything_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
