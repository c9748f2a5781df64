/* SPDX-License-Identifier: BSD-2-Clause */
/* weir key: the subcommands that look, at a file, at a running weir, at both. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "cli/ctlclient.h"
#include "cli/key_cmds.h"
#include "cli/key_view.h"
#include "cli/opts.h"
#include "control/ctl.h"
#include "control/ctl_json_keys.h"
#include "control/keyfile.h"

static uint64_t wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int report_of(struct keys_report *r, const char *path, struct weir_err *err)
{
	struct key_set s;
	int rc = keyfile_load(&s, path, KEYFILE_ANYBODY, err);

	if (!rc)
		keys_report(r, &s, wall_ms());
	explicit_bzero(&s, sizeof(s));
	return rc;
}

static void print_json(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
}

/* ---- show-id ------------------------------------------------------------------------------ */

int key_show_id(int argc, char **argv)
{
	bool json = false, fingerprint = false;
	const struct arg table[] = {OPT_FLAG("fingerprint", 0,
					     "print FILE's fingerprint alone, for scripts",
					     &fingerprint),
				    OPT_FLAG("json", 0, "print JSON", &json), OPT_END};
	struct keys_report r;
	struct weir_err err;
	const char *path;
	int status;
	json_t *o;

	path = args_one(argc, argv, table,
			"usage: weir key show-id FILE [--fingerprint | --json]\n\n"
			"The keys of FILE: ids, times, states by this machine's clock, and\n"
			"fingerprints to compare between nodes, which reveal nothing of a key.\n\n",
			"FILE", &status);
	if (!path)
		return status;
	if (report_of(&r, path, &err))
		return key_fail(argv[0], &err);
	if (fingerprint) {
		printf("%012" PRIx64 "\n", r.fingerprint);
		return 0;
	}
	o = ctl_json_key_file(path, &r);
	if (json)
		print_json(o);
	else
		keys_print(o, stdout, ctl_colors());
	json_decref(o);
	return 0;
}

/* ---- status ------------------------------------------------------------------------------- */

int key_status(int argc, char **argv)
{
	struct ctl_target target = {0};
	const struct arg table[] = {OPT_TARGET(target), OPT_JSON(target), OPT_END};
	json_t *reply;
	int rc;

	rc = args_parse(
		argc, argv, table,
		"usage: weir key status [-i IFACE | --ctl PATH] [--json]\n\n"
		"The keys that a running weir has loaded: which one makes the cookies now, "
		"which\n"
		"is next and when, and why the file could not be read, if it could not.\n\n",
		NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	reply = ctlclient_ask("key status", &target, json_pack("{ss}", "cmd", "keys"), &rc);
	if (reply)
		keys_print(reply, stdout, ctl_colors());
	json_decref(reply);
	return rc;
}

/* ---- check -------------------------------------------------------------------------------- */

/* What is wrong, one sentence each; warnings do not count. */
struct findings {
	json_t *problems, *warnings;
	bool json;
};

static void __attribute__((format(printf, 3, 4)))
find(struct findings *f, bool warning, const char *fmt, ...)
{
	char text[500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(warning ? f->warnings : f->problems, json_string(text));
	if (!f->json)
		fprintf(stderr, "weir key check: %s%s\n", warning ? "warning: " : "", text);
}

/* The nodes' epochs begin together only if their clocks agree. */
static void check_clock(struct findings *f)
{
	struct timex t = {.modes = 0};
	int state = adjtimex(&t);

	if (state == TIME_ERROR || t.status & STA_UNSYNC)
		find(f, true,
		     "this machine's clock is not synchronised: nodes must agree to %d ms (NTP)",
		     KEYS_SKEW_MS);
	else if (t.maxerror > KEYS_SKEW_MS / 2 * 1000)
		find(f, true, "this machine's clock may be %ld ms off: nodes must agree to %d ms",
		     t.maxerror / 1000, KEYS_SKEW_MS);
}

/* What the weir has, against what FILE says. None running: nothing is compared, if none is named.
 */
static void check_running(struct findings *f, const struct ctl_target *target, const char *want)
{
	bool named = target->iface || target->ctl;
	char path[4096];
	struct ctlclient cc;
	const char *have, *error;
	json_t *reply;
	int rc;

	if (!named && ctl_default_path(path, sizeof(path), NULL))
		return;
	if (ctlclient_open(&cc, "key check", target)) {
		find(f, false, "the running weir cannot be asked");
		return;
	}
	reply = ctlclient_call(&cc, json_pack("{ss}", "cmd", "keys"), false, &rc);
	ctlclient_close(&cc);
	have = json_string_value(json_object_get(reply, "fingerprint"));
	error = json_string_value(json_object_get(reply, "file_error"));
	if (!reply)
		find(f, false, "the running weir cannot be asked");
	else if (!have)
		find(f, false, "the running weir has random keys: start it with --key-file");
	else if (strcmp(have, want))
		find(f, false, "the running weir has other keys: fingerprint %s, not %s", have,
		     want);
	if (error)
		find(f, false, "the running weir could not read its file: %s", error);
	json_decref(reply);
}

static void check_file(struct findings *f, const char *path, const char *expect,
		       const struct ctl_target *target)
{
	struct keys_report r;
	struct weir_err err;
	char have[16];

	if (report_of(&r, path, &err)) {
		find(f, false, "%s", err.msg);
		return;
	}
	snprintf(have, sizeof(have), "%012" PRIx64, r.fingerprint);
	if ((uint64_t)r.key[0].accept_from * 1000 > r.wall_ms + KEYS_SKEW_MS)
		find(f, false,
		     "key file %s: no key is to be used yet: is this machine's clock right?", path);
	if (expect && strcmp(expect, have))
		find(f, false, "key file %s: fingerprint %s, not %s as expected", path, have,
		     expect);
	check_running(f, target, have);
	check_clock(f);
	if (!f->json && !json_array_size(f->problems))
		printf("%s: %u keys, fingerprint %s: good\n", path, r.n, have);
}

int key_check(int argc, char **argv)
{
	struct ctl_target target = {0};
	const char *expect = NULL, *path;
	const struct arg table[] = {
		OPT_STRING("expect", 0, "FINGERPRINT",
			   "what weir key show-id --fingerprint said on another node", &expect),
		OPT_TARGET(target), OPT_JSON(target), OPT_END};
	struct findings f;
	int status;

	path = args_one(
		argc, argv, table,
		"usage: weir key check FILE [--expect FINGERPRINT] [-i IFACE | --ctl PATH] "
		"[--json]\n\n"
		"Whether FILE is valid and private, is the one that is expected, and is what the\n"
		"weir that runs here has loaded; warns of a clock that is not synchronised. Exit\n"
		"status 0 when all is well, 1 otherwise: run it on every node after a rotation,\n"
		"before the new key issues.\n\n",
		"FILE", &status);
	if (!path)
		return status;
	f = (struct findings){json_array(), json_array(), target.json};
	check_file(&f, path, expect, &target);
	status = json_array_size(f.problems) ? 1 : 0;
	if (f.json) {
		json_t *o = json_pack("{sisbsOsO}", "version", 1, "ok", !status, "problems",
				      f.problems, "warnings", f.warnings);

		print_json(o);
		json_decref(o);
	}
	json_decref(f.problems);
	json_decref(f.warnings);
	return status;
}
