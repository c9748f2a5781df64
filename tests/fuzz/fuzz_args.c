/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration. The first byte chooses:
 *
 *   0  a --listen argument: what is accepted is formatted and parsed again alike
 *   1  the arguments of `weir run`, separated by newlines: within their bounds, or
 *      refused in words
 *   2  a key file: what is accepted can be written and read again, the rest says why
 */
#include "fuzz.h"

#include "cli/run_args.h"
#include "control/keyfile.h"

#define WORDS 64

static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	nowhere = fopen("/dev/null", "w");
	REQUIRE(nowhere);
	return 0;
}

static char *text_of(const uint8_t *data, size_t len)
{
	char *s = malloc(len + 1);

	REQUIRE(s);
	memcpy(s, data, len);
	s[len] = '\0';
	return s;
}

static void check_service(const struct service *s)
{
	struct weir_addr again;
	char buf[96];

	REQUIRE(s->app && s->addr.port);
	REQUIRE(s->addr.family == 0 || s->addr.family == 4 || s->addr.family == 6);
	services_format(&s->addr, buf, sizeof(buf));
	REQUIRE(!services_parse_addr(&again, buf, NULL));
	REQUIRE(!memcmp(&again, &s->addr, sizeof(again)));
}

static void listen_spec(const uint8_t *data, size_t len)
{
	static struct services services;
	struct weir_err err = {0};
	char *spec = text_of(data, len);

	memset(&services, 0, sizeof(services));
	if (!services_add(&services, spec, &err)) {
		REQUIRE(services.n == 1);
		check_service(&services.v[0]);
		/* Twice the same is refused. */
		REQUIRE(services_add(&services, spec, &err));
	}
	services_free(&services);
	free(spec);
}

static void check_run(const struct run_args *a)
{
	const struct tcp_config *t = &a->cfg.engine.tcp;

	REQUIRE(a->services.n > 0 && a->cfg.iface[0]);
	REQUIRE(memchr(a->cfg.iface, '\0', sizeof(a->cfg.iface)));
	for (unsigned i = 0; i < a->services.n; i++)
		check_service(&a->services.v[i]);
	REQUIRE(a->cfg.wscale <= 14 && t->msl_us > 0);
	REQUIRE(t->rto_min_us <= t->rto_max_us);
	REQUIRE(a->cfg.rx_frames >= 64 && a->cfg.flows >= 16);
	REQUIRE(a->cfg.engine.conns > 0);
}

static void run_line(const uint8_t *data, size_t len)
{
	static struct run_args args;
	static char name[] = "weir run";
	FILE *out = stdout, *err = stderr;
	char *argv[WORDS + 2] = {name}, *text = text_of(data, len), *save;
	int argc = 1, rc;

	for (char *w = strtok_r(text, "\n", &save); w && argc <= WORDS;
	     w = strtok_r(NULL, "\n", &save))
		argv[argc++] = w;
	stdout = stderr = nowhere;
	rc = run_args_parse(&args, argc, argv);
	stdout = out;
	stderr = err;
	if (!rc)
		check_run(&args);
	run_args_free(&args);
	free(text);
}

/* What is accepted can be written, and is accepted again as it was. */
static void keys(const uint8_t *data, size_t len)
{
	static char out[KEYFILE_MAX];
	char *text = text_of(data, len);
	struct key_set s, again;
	const char *why;
	unsigned line, at;

	if (!keyfile_parse(&s, text, &line, &why)) {
		REQUIRE(s.n > 0 && s.n <= KEYS_MAX && !keys_check(&s, &at));
		REQUIRE(s.wscale <= 14 && s.mtu >= 1280 && s.mtu <= 65535);
		REQUIRE(keyfile_format(&s, out, sizeof(out)));
		REQUIRE(!keyfile_parse(&again, out, &line, &why));
		REQUIRE(keys_set_fingerprint(&s) == keys_set_fingerprint(&again));
	} else {
		REQUIRE(why[0] && line <= len + 1);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const parts[])(const uint8_t *, size_t) = {listen_spec, run_line, keys};

	if (len > 0)
		parts[data[0] % 3](data + 1, len - 1);
	return 0;
}
