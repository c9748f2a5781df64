/* SPDX-License-Identifier: BSD-2-Clause */
/* The cookie's keys: rotation while cookies are out, and the key file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/cookie.h>

#include "control/keys.h"

#define EPOCH_MS (1u << WEIR_EPOCH_SHIFT)

static const struct weir_flow_key4 client = {
	.raddr = 0x0100000a, .laddr = 0x0200000a, .rport = 0x1234, .lport = 0x5000};

static void issue(const struct weir_gate_config *cfg, uint64_t wall_ms, struct weir_cookie *c)
{
	const struct weir_syn_opts o = {.mss = 1460, .wscale = 7, .flags = WEIR_OPT_SACK};

	weir_cookie_make4(cfg, wall_ms, &client, 1000, &o, c);
}

static int accepted(const struct weir_gate_config *cfg, uint64_t wall_ms,
		    const struct weir_cookie *c)
{
	const struct weir_cookie_ack a = {.seq = 1001, .ack = c->iss + 1};
	struct weir_flow f;

	return weir_cookie_check4(cfg, wall_ms, &client, &a, &f);
}

/*
 * Two hundred epochs with a rotation wherever one is possible; every cookie is
 * good for an epoch at least, whatever was rotated since it was made.
 */
static void rotation_refuses_nobody(void **state)
{
	struct weir_gate_config cfg = {.mss_class = {64, 536, 1220, 1360, 1400, 1440, 1452, 1460}};
	struct weir_cookie out[64];
	uint64_t made[64], wall = 0x123456789aull, last_key = 0;
	unsigned i, step, rotations = 0, keys_used = 0;
	struct key_params k;

	(void)state;
	assert_int_equal(keys_random(&k), 0);
	keys_init(&cfg.keys, &k, weir_epoch(wall));
	for (step = 0; step < 200 * 16; step++, wall += EPOCH_MS / 16 + 1) {
		const __u64 *key = weir_epoch_key(&cfg.keys, weir_epoch(wall));

		keys_used += *key != last_key;
		last_key = *key;
		issue(&cfg, wall, &out[step % 64]);
		made[step % 64] = wall;
		assert_int_equal(keys_random(&k), 0);
		rotations += !keys_rotate(&cfg.keys, &k, weir_epoch(wall));
		for (i = 0; i < 64 && i <= step; i++) {
			if (wall - made[i] <= EPOCH_MS)
				assert_true(accepted(&cfg, wall, &out[i]));
			else if (wall - made[i] >= 2 * EPOCH_MS)
				assert_false(accepted(&cfg, wall, &out[i]));
		}
	}
	assert_in_range(rotations, 200 / 5, 200 / 2);
	assert_in_range(keys_used, rotations - 1, rotations + 1);
}

/* A rotation straight after another would overwrite a key that cookies still need. */
static void a_hasty_rotation_waits(void **state)
{
	struct weir_keyring ring;
	struct key_params k = {.key = {1, 2}};
	uint32_t e = 0xfffffffe; /* across the wrap */

	(void)state;
	keys_init(&ring, &k, e);
	k.key[0] = 3;
	assert_int_equal(keys_rotate(&ring, &k, e), 0);
	assert_int_equal(weir_epoch_key(&ring, e + 1)[0], 1);
	assert_int_equal(weir_epoch_key(&ring, e + 2)[0], 3);
	k.key[0] = 4;
	assert_int_equal(keys_rotate(&ring, &k, e), -EAGAIN);
	assert_int_equal(keys_rotate(&ring, &k, e + 1), -EAGAIN);
	assert_int_equal(keys_rotate(&ring, &k, e + 2), -EAGAIN);
	assert_int_equal(keys_rotate(&ring, &k, e + 3), 0);
	assert_int_equal(weir_epoch_key(&ring, e + 4)[0], 3);
	assert_int_equal(weir_epoch_key(&ring, e + 5)[0], 4);
}

/* ---- the file --------------------------------------------------------------- */

static char path[] = "/tmp/weir-test-keys-XXXXXX";

static int load_text(struct key_params *k, const char *text, mode_t mode, struct weir_err *err)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	return keys_load(k, path, err);
}

#define GOOD                                                                                       \
	"# of this fleet\n\nweir-key 1\nkey 00112233445566ff 8899AABBCCDDEEFF\n"                   \
	"mtu 3000 # of the nodes\nwscale 7\n"

static void the_file_says_all_that_a_validator_needs(void **state)
{
	struct weir_err err;
	struct key_params k;

	(void)state;
	assert_int_equal(load_text(&k, GOOD, 0600, &err), 0);
	assert_true(k.key[0] == 0x00112233445566ffull && k.key[1] == 0x8899aabbccddeeffull);
	assert_int_equal(k.mtu, 3000);
	assert_int_equal(k.wscale, 7);
	assert_int_equal(load_text(&k, GOOD, 0400, &err), 0);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
	static const mode_t modes[] = {0644, 0640, 0660, 0602, 0610};
	struct weir_err err;
	struct key_params k;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(load_text(&k, GOOD, modes[i], &err), -EPERM);
		assert_non_null(strstr(err.msg, "chmod 600"));
		assert_int_equal(err.status, WEIR_EXIT_UNSUITED);
	}
}

static void a_bad_file_is_one_clear_line(void **state)
{
#define V "weir-key 1\n"
#define K "key 00112233445566ff 8899aabbccddeeff\n"
#define M "mtu 1500\n"
#define W "wscale 7\n"
	static const char *const bad[] = {
		"",
		"\n\n",
		"weir-key 2\n" K M W,
		K M W,
		V K M,
		V M K W,
		V "key 0011 8899aabbccddeeff\n" M W,
		V "key 00112233445566ff\n" M W,
		V "key 00112233445566fg 8899aabbccddeeff\n" M W,
		V "key 0x112233445566ff 8899aabbccddeeff\n" M W,
		V "key 00112233445566ff 8899aabbccddeeff 0\n" M W,
		V K "mtu 1279\n" W,
		V K "mtu 65536\n" W,
		V K "mtu -1500\n" W,
		V K M "wscale 15\n",
		V K M "wscale 7x\n",
		V K M W W,
	};
	struct weir_err err;
	struct key_params k;
	char *big;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(load_text(&k, bad[i], 0600, &err), -EINVAL);
		assert_null(strchr(err.msg, '\n'));
		/* Not a digit of a key leaks into the log. */
		assert_null(strstr(err.msg, "001122"));
		assert_null(strstr(err.msg, "8899"));
	}
	big = malloc(10001);
	memset(big, '\n', 10000);
	big[10000] = '\0';
	assert_int_equal(load_text(&k, big, 0600, &err), -EINVAL);
	free(big);
	assert_int_equal(keys_load(&k, "/nonexistent/key", &err), -ENOENT);
	assert_int_equal(keys_load(&k, "/tmp", &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rotation_refuses_nobody),
		cmocka_unit_test(a_hasty_rotation_waits),
		cmocka_unit_test(the_file_says_all_that_a_validator_needs),
		cmocka_unit_test(a_file_that_others_can_read_is_refused),
		cmocka_unit_test(a_bad_file_is_one_clear_line),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
