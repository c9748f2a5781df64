/* SPDX-License-Identifier: BSD-2-Clause */
/* weir key: the subcommands, and those that write a key file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/args.h"
#include "cli/cmds.h"
#include "cli/key_cmds.h"
#include "cli/opts.h"
#include "control/keyfile.h"

static const char usage[] =
	"usage: weir key new FILE           a key file for a fleet, with one key\n"
	"       weir key rotate FILE        adds a key that issues later; copy FILE to all nodes\n"
	"       weir key show-id FILE       ids, times and fingerprints, never a secret\n"
	"       weir key check FILE         whether FILE is good, and what a running weir has\n"
	"       weir key status             of a running weir: which key issues, which is next\n\n"
	"Nodes that stand in for each other run with the same --key-file. Its keys hold one\n"
	"after the other, each from a time of its own, so that all nodes have a key before\n"
	"any of them uses it. See weir key COMMAND --help.\n\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} cmds[] = {
	{"new", key_new},     {"rotate", key_rotate}, {"show-id", key_show_id},
	{"check", key_check}, {"status", key_status},
};

int cmd_key(int argc, char **argv)
{
	static const struct arg none[] = {OPT_END};

	if (argc < 2) {
		fputs(usage, stderr);
		return 2;
	}
	if (argv[1][0] == '-')
		return args_parse(argc, argv, none, usage, NULL) == ARGS_HELP ? 0 : 2;
	for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		char said[32];

		if (strcmp(argv[1], cmds[i].name))
			continue;
		snprintf(said, sizeof(said), "key %s", cmds[i].name);
		argv[1] = said;
		return cmds[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "weir key: unknown command '%s'; see weir key --help\n", argv[1]);
	return 2;
}

int key_fail(const char *cmd, const struct weir_err *err)
{
	fprintf(stderr, "weir %s: %s\n", cmd, err->msg);
	return err->status;
}

/* ---- new ---------------------------------------------------------------------------------- */

int key_new(int argc, char **argv)
{
	uint64_t mtu = 1500, wscale = 7, secret[2];
	const struct arg table[] = {OPT_NUMBER("mtu", 0, "BYTES",
					       "the nodes' MTU, the largest if they differ (1500)",
					       &mtu, 1280, 65535),
				    OPT_NUMBER("wscale", 0, "SHIFT",
					       "the window scale of all nodes (7)", &wscale, 0, 14),
				    OPT_END};
	struct weir_err err;
	struct key_set s;
	int status, rc;
	const char *path;

	path = args_one(
		argc, argv, table,
		"usage: weir key new FILE [--mtu BYTES] [--wscale SHIFT]\n\n"
		"Makes a key file with one key, accepted and issued from now on. FILE must not be\n"
		"there yet; it gets mode 0600. Copy it to every node, and run them with "
		"--key-file.\n"
		"MTU and window scale are part of it, as cookies depend on them: to change them "
		"all\n"
		"nodes have to be restarted.\n\n",
		"FILE", &status);
	if (!path)
		return status;
	rc = keys_random(secret);
	if (rc) {
		fprintf(stderr, "weir key new: no random key: %s\n", strerror(-rc));
		return 1;
	}
	keys_single(&s, secret);
	s.mtu = (uint32_t)mtu;
	s.wscale = (uint8_t)wscale;
	s.key[0].accept_from = s.key[0].issue_from = time(NULL);
	rc = keyfile_create(path, &s, &err);
	if (!rc)
		printf("%s: key 1, fingerprint %012" PRIx64 "\n", path, keys_set_fingerprint(&s));
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(&s, sizeof(s));
	return rc ? key_fail(argv[0], &err) : 0;
}

/* ---- rotate ------------------------------------------------------------------------------- */

struct rotation {
	uint64_t secret[2];
	int64_t now, in_s;
	unsigned retired;
	struct key_set done;
};

static int add_key(struct key_set *s, void *arg, struct weir_err *err)
{
	struct rotation *r = arg;
	char why[KEYS_WHY_MAX];
	int rc;

	r->retired = keys_retire(s, (uint64_t)r->now * 1000);
	rc = keys_add(s, r->secret, r->now, r->in_s, why);
	if (rc)
		return err_set(err, rc, "%s", why);
	r->done = *s;
	return 0;
}

static void tell(const char *path, const struct rotation *r)
{
	const struct key *k = &r->done.key[r->done.n - 1];
	char issue[KEYFILE_TIME_MAX], retire[KEYFILE_TIME_MAX];

	printf("%s: key %" PRIu32 " issues from %s, key %" PRIu32 " retires at %s", path, k->id,
	       keyfile_time(k->issue_from, issue), k[-1].id, keyfile_time(k[-1].retire_at, retire));
	if (r->retired)
		printf(", %u retired wiped", r->retired);
	printf("\nfingerprint %012" PRIx64 "; every node must have this file before %s\n",
	       keys_set_fingerprint(&r->done), issue);
}

int key_rotate(int argc, char **argv)
{
	uint64_t in_ms = 10 * 60 * 1000;
	const struct arg table[] = {
		{.kind = ARG_TIME_MS,
		 .name = "in",
		 .value = "TIME",
		 .help = "when the new key begins to issue, at an epoch's edge (16.4 s)\n"
			 "after that: the time to bring FILE to every node (10m)",
		 .dest = &in_ms,
		 .min = KEYS_LEAD_S * 1000,
		 .max = 30ull * 24 * 3600 * 1000},
		OPT_END};
	struct rotation r = {.now = time(NULL)};
	struct weir_err err;
	const char *path;
	int status, rc;

	path = args_one(
		argc, argv, table,
		"usage: weir key rotate FILE [--in TIME]\n\n"
		"Adds a key to FILE, which nodes accept as soon as they have it and which begins\n"
		"to issue after TIME; the one before retires a minute later. Keys that have "
		"retired\n"
		"are dropped. FILE is replaced by rename, mode 0600; a running weir follows by\n"
		"itself. No client is refused, if every node has the file by then (weir key "
		"check)\n"
		"and the nodes' clocks agree to a second. A file of version 1 becomes one of "
		"2.\n\n",
		"FILE", &status);
	if (!path)
		return status;
	r.in_s = (int64_t)(in_ms + 999) / 1000;
	rc = keys_random(r.secret);
	if (rc) {
		fprintf(stderr, "weir key rotate: no random key: %s\n", strerror(-rc));
		return 1;
	}
	rc = keyfile_change(path, add_key, &r, &err);
	if (!rc)
		tell(path, &r);
	explicit_bzero(&r, sizeof(r));
	return rc ? key_fail(argv[0], &err) : 0;
}
