/* SPDX-License-Identifier: BSD-2-Clause */
/* Key files: what they say, who may read them, how they are replaced, and when read again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/keyfile.h"
#include "control/keywatch.h"

static char dir[] = "/tmp/weir-test-keys-XXXXXX";
static char path[64];

static void write_text(const char *where, const char *text, mode_t mode)
{
	FILE *f = fopen(where, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(where, mode), 0);
}

static int load_text(struct key_set *s, const char *text, mode_t mode, struct weir_err *err)
{
	write_text(path, text, mode);
	return keyfile_load(s, path, 0, err);
}

#define V1 "weir-key 1\n"
#define V2 "weir-key 2\n"
#define S  "00112233445566ff 8899aabbccddeeff"
#define K  "key " S "\n"
#define M  "mtu 1500\n"
#define W  "wscale 7\n"
#define T0 "2026-11-21T14:00:00Z"
#define T1 "2026-11-21T15:00:00Z"
#define T2 "2026-11-21T15:01:00Z"
#define KEY(id, accept, issue, retire, secret)                                                     \
	"key " id " accept_from " accept " issue_from " issue " retire_at " retire                 \
	" secret " secret "\n"
#define K1 KEY("1", T0, T0, T2, S)
#define K2 KEY("2", T0, T1, "never", S)

static void version_1(void **state)
{
	struct weir_err err;
	struct key_set s;

	(void)state;
	assert_int_equal(load_text(&s,
				   "# of this fleet\n\nweir-key 1\n"
				   "key 00112233445566ff 8899AABBCCDDEEFF\n"
				   "mtu 3000 # of the nodes\r\nwscale 7",
				   0600, &err),
			 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.key[0].id, 1);
	assert_true(s.key[0].secret[0] == 0x00112233445566ffull &&
		    s.key[0].secret[1] == 0x8899aabbccddeeffull);
	assert_true(s.key[0].accept_from == 0 && s.key[0].issue_from == 0 &&
		    s.key[0].retire_at == KEYS_NEVER);
	assert_int_equal(s.mtu, 3000);
	assert_int_equal(s.wscale, 7);
	assert_int_equal(load_text(&s, V1 K M W, 0400, &err), 0);
}

static void version_2(void **state)
{
	char buf[KEYFILE_MAX], again[KEYFILE_MAX];
	struct weir_err err;
	struct key_set s;

	(void)state;
	assert_int_equal(load_text(&s, "\n# c\n" V2 M W K1 "\t\n" K2 "# end", 0600, &err), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.key[1].id, 2);
	assert_true(s.key[0].accept_from == 1795269600); /* date -d 2026-11-21T14:00:00Z +%s */
	assert_true(s.key[1].issue_from == s.key[0].issue_from + 3600);
	assert_true(s.key[0].retire_at == s.key[1].issue_from + 60);
	assert_true(s.key[1].retire_at == KEYS_NEVER);
	assert_true(s.key[1].secret[1] == 0x8899aabbccddeeffull);
	/* What is written says the same. */
	assert_true(keyfile_format(&s, buf, sizeof(buf)) == strlen(buf));
	assert_int_equal(load_text(&s, buf, 0600, &err), 0);
	keyfile_format(&s, again, sizeof(again));
	assert_string_equal(buf, again);
	assert_int_equal(keyfile_format(&s, buf, 100), 0);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t t;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2000-02-29T23:59:59Z", 951868799},
		{"2038-01-19T03:14:08Z", 2147483648},
		{"9999-12-31T23:59:59Z", 253402300799},
		{"never", KEYS_NEVER},
	};
	static const char *const bad[] = {
		"",
		"now",
		"2026-11-21",
		"2026-11-21T14:00:00",
		"2026-11-21t14:00:00Z",
		"2026-11-21T14:00:00+01:00",
		"2026-11-21T14:00:00Z ",
		"2026-11-21T14:00Z",
		"2026-11-31T14:00:00Z",
		"2026-13-01T14:00:00Z",
		"2026-00-01T14:00:00Z",
		"2025-02-29T14:00:00Z",
		"2026-11-21T24:00:00Z",
		"2026-11-21T14:60:00Z",
		"1969-12-31T23:59:59Z",
		"-026-11-21T14:00:00Z",
		"20261-11-21T14:00:00Z",
	};
	char buf[KEYFILE_TIME_MAX];
	int64_t t;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(keyfile_parse_time(&t, good[i].text), 0);
		assert_true(t == good[i].t);
		assert_string_equal(keyfile_time(t, buf), good[i].text);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(keyfile_parse_time(&t, bad[i]), -EINVAL);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
	static const mode_t modes[] = {0644, 0640, 0660, 0602, 0610, 0440};
	struct weir_err err;
	struct key_set s;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(load_text(&s, V1 K M W, modes[i], &err), -EPERM);
		assert_non_null(strstr(err.msg, "chmod 600"));
		assert_int_equal(err.status, WEIR_EXIT_UNSUITED);
	}
}

/* Root's, our own, or that of the user whom weir is to become. */
static void an_owner_that_is_nobody_is_refused(void **state)
{
	struct weir_err err;
	struct key_set s;

	(void)state;
	if (geteuid())
		skip();
	write_text(path, V1 K M W, 0600);
	assert_int_equal(chown(path, 1234, 1234), 0);
	assert_int_equal(keyfile_load(&s, path, 0, &err), -EPERM);
	assert_int_equal(keyfile_load(&s, path, 1235, &err), -EPERM);
	assert_int_equal(keyfile_load(&s, path, 1234, &err), 0);
	assert_int_equal(keyfile_load(&s, path, KEYFILE_ANYBODY, &err), 0);
	assert_int_equal(chown(path, 0, 0), 0);
}

static void a_bad_file_is_one_clear_line(void **state)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{"", ":0: "},
		{"\n\n", ":2: "},
		{"weir-key 3\n" K M W, ":1: "},
		{K M W, ":1: "},
		{V1 K M, ":3: "},
		{V1 M K W, ":2: "},
		{V1 "key 0011 8899aabbccddeeff\n" M W, ":2: "},
		{V1 "key 00112233445566ff\n" M W, ":2: "},
		{V1 "key 00112233445566fg 8899aabbccddeeff\n" M W, ":2: "},
		{V1 "key 0x112233445566ff 8899aabbccddeeff\n" M W, ":2: "},
		{V1 "key 00112233445566ff 8899aabbccddeeff 0\n" M W, ":2: "},
		{V1 K "mtu 1279\n" W, ":3: "},
		{V1 K "mtu 65536\n" W, ":3: "},
		{V1 K "mtu -1500\n" W, ":3: "},
		{V1 K "mtu 99999999999999999999\n" W, ":3: "},
		{V1 K M "wscale 15\n", ":4: "},
		{V1 K M "wscale 7x\n", ":4: "},
		{V1 K M W W, ":5: "},
		{V2 M W, ":3: it ends"},
		{V2 K M W, ":2: expected `mtu`"},
		{V2 M W K, ":4: expected `key` and an id"},
		{V2 M W "key 1 accept_from " T0 "\n", ":4: a key is:"},
		{V2 M W KEY("0", T0, T0, "never", S), ":4: expected `key` and an id"},
		{V2 M W KEY("4294967296", T0, T0, "never", S), ":4: expected `key` and an id"},
		{V2 M W KEY("1", "never", T0, "never", S), ":4: expected `accept_from`"},
		{V2 M W KEY("1", T0, "soon", "never", S), ":4: expected `issue_from`"},
		{V2 M W KEY("1", T0, T0, "", S), ":4: a key is"},
		{V2 M W KEY("1", T0, T0, "later", S), ":4: expected `retire_at`"},
		{V2 M W KEY("1", T0, T0, "never", "00112233445566ff 8899"),
		 ":4: expected `secret`"},
		{V2 M W KEY("1", T0, T0, "never", S " 1"), ":4: a key is"},
		{V2 M W K1, ":4: the newest key cannot retire"},
		{V2 M W KEY("1", T0, T0, "never", S) "\n" K1 K2, ":6: its id"},
		{V2 M W K1 "# two\n" KEY("1", T0, T1, "never", S), ":6: its id"},
		{V2 M W KEY("1", T0, T0, T1, S) K2, ":4: it retires less"},
		{V2 M W K1 KEY("2", T1, T1, "never", S), ":5: it must be accepted"},
		{V2 M W K2 K2 K2 K2 K2 K2 K2 K2 K2, ":12: more than 8"},
	};
	struct weir_err err;
	struct key_set s;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&s, 0x5a, sizeof(s));
		assert_int_equal(load_text(&s, bad[i].text, 0600, &err), -EINVAL);
		if (!strstr(err.msg, bad[i].where))
			fail_msg("%s: %s", bad[i].where, err.msg);
		assert_null(strchr(err.msg, '\n'));
		/* Not a digit of a key leaks into the log, and nothing has changed. */
		assert_null(strstr(err.msg, "001122"));
		assert_null(strstr(err.msg, "8899"));
		assert_int_equal(s.n, 0x5a5a5a5a);
	}
}

static void not_such_a_file(void **state)
{
	char *big = malloc(20001);
	struct weir_err err;
	struct key_set s;

	(void)state;
	memset(big, '\n', 20000);
	big[20000] = '\0';
	assert_int_equal(load_text(&s, big, 0600, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "too long"));
	free(big);
	assert_int_equal(keyfile_load(&s, "/nonexistent/key", 0, &err), -ENOENT);
	assert_int_equal(keyfile_load(&s, "/tmp", 0, &err), -EINVAL);
}

/* ---- credentials -------------------------------------------------------------------------- */

static void credentials(void **state)
{
	char buf[128], want[128];
	struct weir_err err;
	struct key_set s;

	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(keyfile_path(buf, sizeof(buf), "/etc/weir/key", &err), 0);
	assert_string_equal(buf, "/etc/weir/key");
	assert_int_equal(keyfile_path(buf, sizeof(buf), NULL, &err), 0);
	assert_string_equal(buf, "");
	assert_int_equal(keyfile_path(buf, sizeof(buf), "credential:k", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "LoadCredential"));

	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	snprintf(want, sizeof(want), "%s/k", dir);
	assert_int_equal(keyfile_path(buf, sizeof(buf), "credential:k", &err), 0);
	assert_string_equal(buf, want);
	assert_int_equal(keyfile_path(buf, sizeof(buf), "credential:", &err), -EINVAL);
	assert_int_equal(keyfile_path(buf, sizeof(buf), "credential:../k", &err), -EINVAL);
	assert_int_equal(keyfile_path(buf, sizeof(buf), NULL, &err), 0);
	assert_string_equal(buf, "");
	assert_int_equal(keyfile_path(buf, 8, "credential:k", &err), -ENAMETOOLONG);
	/* The one of the default name is used unasked. */
	snprintf(want, sizeof(want), "%s/weir.key", dir);
	write_text(want, V1 K M W, 0440);
	assert_int_equal(keyfile_path(buf, sizeof(buf), NULL, &err), 0);
	assert_string_equal(buf, want);
	/* The group's bits are an access list's mask there, and only there. */
	assert_int_equal(keyfile_load(&s, buf, 0, &err), 0);
	write_text(want, V1 K M W, 0444);
	assert_int_equal(keyfile_load(&s, buf, 0, &err), -EPERM);
	write_text(want, V1 K M W, 0440);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(keyfile_load(&s, buf, 0, &err), -EPERM);
	unlink(want);
}

/* ---- writing ------------------------------------------------------------------------------ */

static struct key_set some_keys(void)
{
	struct key_set s = {.mtu = 1500, .wscale = 7};
	const uint64_t secret[2] = {1, 2};

	keys_single(&s, secret);
	return s;
}

static int add_wscale(struct key_set *s, void *arg, struct weir_err *err)
{
	if (arg)
		return err_set(err, -EDOM, "no");
	s->wscale++;
	return 0;
}

static void a_file_is_replaced_whole(void **state)
{
	struct key_set s = some_keys(), again;
	char link_path[80], tmp[80];
	struct stat before, now;
	struct weir_err err;

	(void)state;
	unlink(path);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	write_text(tmp, "left by one that was killed", 0644);
	assert_int_equal(keyfile_create(path, &s, &err), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 07777, 0600);
	assert_int_equal(before.st_nlink, 1);
	assert_int_not_equal(access(tmp, F_OK), 0);
	assert_int_equal(keyfile_create(path, &s, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "rotate"));

	/* Through a link, which stays one. */
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(keyfile_change(link_path, add_wscale, NULL, &err), 0);
	assert_int_equal(lstat(link_path, &now), 0);
	assert_true(S_ISLNK(now.st_mode));
	unlink(link_path);
	assert_int_equal(stat(path, &now), 0);
	assert_int_equal(now.st_mode & 07777, 0600);
	assert_true(now.st_ino != before.st_ino);
	assert_int_equal(keyfile_load(&again, path, 0, &err), 0);
	assert_int_equal(again.wscale, 8);

	/* What is refused has changed nothing. */
	assert_int_equal(keyfile_change(path, add_wscale, &s, &err), -EDOM);
	assert_int_equal(keyfile_change("/nonexistent/key", add_wscale, NULL, &err), -ENOENT);
	assert_int_equal(stat(path, &before), 0);
	assert_true(now.st_ino == before.st_ino);
	assert_int_not_equal(access(tmp, F_OK), 0);
}

static void one_writer_at_a_time(void **state)
{
	struct key_set s = some_keys();
	struct weir_err err;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	(void)state;
	unlink(path);
	assert_int_equal(keyfile_create(path, &s, &err), 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(keyfile_change(path, add_wscale, NULL, &err), -EBUSY);
	close(fd);
	assert_int_equal(keyfile_change(path, add_wscale, NULL, &err), 0);
}

/* ---- watching ----------------------------------------------------------------------------- */

/* What is told within some looks: the first that is not KEYWATCH_SAME, and that it is one. */
static enum keywatch_news looks(struct keywatch *w)
{
	enum keywatch_news news = KEYWATCH_SAME;

	for (int i = 0; i < 6; i++) {
		enum keywatch_news n = keywatch_look(w);

		if (n != KEYWATCH_SAME) {
			assert_int_equal(news, KEYWATCH_SAME);
			news = n;
		}
		usleep(2000);
	}
	return news;
}

static void put(const char *name, const char *text)
{
	char where[128];

	snprintf(where, sizeof(where), "%s/%s", dir, name);
	write_text(where, text, 0600);
}

static void swap_link(const char *to)
{
	char tmp[128];

	snprintf(tmp, sizeof(tmp), "%s/tmp-link", dir);
	assert_int_equal(symlink(to, tmp), 0);
	assert_int_equal(rename(tmp, path), 0);
}

static void watched(bool inotify)
{
	struct keywatch w;
	char other[128];

	unlink(path);
	put("key", "one");
	keywatch_open(&w, path);
	assert_true(w.fd >= 0);
	if (!inotify)
		keywatch_close(&w);
	assert_int_equal(looks(&w), KEYWATCH_SAME);
	put("key", "other"); /* in place */
	assert_int_equal(looks(&w), KEYWATCH_CHANGED);
	put("unrelated", "x");
	assert_int_equal(looks(&w), KEYWATCH_SAME);
	snprintf(other, sizeof(other), "%s/unrelated", dir);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(looks(&w), KEYWATCH_CHANGED);
	/* A link in its place, that link swapped, and what it leads to replaced. */
	put("a", "a");
	put("b", "b");
	swap_link("a");
	assert_int_equal(looks(&w), KEYWATCH_CHANGED);
	swap_link("b");
	assert_int_equal(looks(&w), KEYWATCH_CHANGED);
	put("b", "bb");
	assert_int_equal(looks(&w), KEYWATCH_CHANGED);
	/* Gone is told once, coming back too. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(looks(&w), KEYWATCH_GONE);
	assert_int_equal(looks(&w), KEYWATCH_SAME);
	put("key", "back");
	assert_int_equal(looks(&w), KEYWATCH_CHANGED);
	keywatch_close(&w);
	snprintf(other, sizeof(other), "%s/a", dir);
	unlink(other);
	snprintf(other, sizeof(other), "%s/b", dir);
	unlink(other);
}

static void watched_with_inotify(void **state)
{
	(void)state;
	watched(true);
}

static void watched_without_inotify(void **state)
{
	(void)state;
	watched(false);
}

/* A writer that takes its time is not read in the middle, where looks alone would be. */
static void a_file_half_written_is_left_alone(void **state)
{
	struct keywatch w;
	FILE *f;

	(void)state;
	put("key", "one");
	keywatch_open(&w, path);
	assert_int_equal(looks(&w), KEYWATCH_SAME);
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 5; i++) {
		fputs("and more ", f);
		fflush(f);
		assert_int_equal(keywatch_look(&w), KEYWATCH_SAME);
		usleep(12000); /* more than a tick of the file's clock */
	}
	fclose(f);
	assert_int_equal(keywatch_look(&w), KEYWATCH_CHANGED);
	assert_int_equal(looks(&w), KEYWATCH_SAME);
	keywatch_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(version_2),
		cmocka_unit_test(times),
		cmocka_unit_test(a_file_that_others_can_read_is_refused),
		cmocka_unit_test(an_owner_that_is_nobody_is_refused),
		cmocka_unit_test(a_bad_file_is_one_clear_line),
		cmocka_unit_test(not_such_a_file),
		cmocka_unit_test(credentials),
		cmocka_unit_test(a_file_is_replaced_whole),
		cmocka_unit_test(one_writer_at_a_time),
		cmocka_unit_test(watched_with_inotify),
		cmocka_unit_test(watched_without_inotify),
		cmocka_unit_test(a_file_half_written_is_left_alone),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/key", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return failed;
}
