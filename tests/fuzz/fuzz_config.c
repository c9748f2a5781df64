/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file: what is accepted is within bounds, and what is not says where; in
 * either case it can be shown, and nothing of it is left behind.
 */
#include "fuzz.h"

#include <unistd.h>

#include "cli/conf_run.h"
#include "cli/run_args.h"
#include "proxy/proxy.h"

static FILE *nowhere;
static char path[64];

static void clean_up(void)
{
	unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	nowhere = fopen("/dev/null", "w");
	REQUIRE(nowhere);
	snprintf(path, sizeof(path), "/tmp/weir-fuzz-conf-%d", getpid());
	atexit(clean_up);
	proxy_register();
	return 0;
}

static void check_errors(const struct conf *c)
{
	char first[512];
	json_t *list = conf_json(c);

	REQUIRE(c->ndiags && list);
	for (unsigned i = 0; i < c->ndiags && i < CONF_DIAGS; i++) {
		REQUIRE(c->diag[i].msg[0] && !strchr(c->diag[i].msg, '\n'));
		REQUIRE(!c->diag[i].at.line == !c->diag[i].at.column);
	}
	conf_first(c, first, sizeof(first));
	REQUIRE(first[0]);
	json_decref(list);
}

static void check_args(const struct run_args *a)
{
	const struct tcp_config *t = &a->cfg.engine.tcp;

	REQUIRE(a->services.n > 0 && a->cfg.iface[0] && !a->conf.ndiags);
	for (unsigned i = 0; i < a->services.n; i++) {
		const struct service *v = &a->services.v[i];

		REQUIRE(v->addr.port && v->shared && v->shared->users >= 1);
		REQUIRE(service_mode_of(v, &a->cfg.mode).mode <= WEIR_MODE_NEVER);
		REQUIRE(services_find((struct services *)&a->services, &v->addr) == v);
	}
	REQUIRE(a->cfg.wscale <= 14 && t->msl_us > 0 && a->cfg.rx_frames >= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct run_args args, again;
	FILE *f = fopen(path, "w");
	const char *names[1];

	REQUIRE(f && fwrite(data, 1, len, f) == len && !fclose(f));
	if (run_args_file(&args, path)) {
		check_errors(&args.conf);
	} else {
		check_args(&args);
		REQUIRE(!run_args_again(&again, &args));
		REQUIRE(!run_args_waiting(&args, &again, names, 1));
		run_args_free(&again);
	}
	conf_print(&args.conf, nowhere);
	run_args_free(&args);
	return 0;
}
