/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/keys.h"

#define KEY_FILE_MAX 4096
#define SWITCH_AHEAD 2 /* epochs: every CPU sees the new key long before it holds */

int keys_random(struct key_params *k)
{
	ssize_t n = getrandom(k->key, sizeof(k->key), 0);

	return n == (ssize_t)sizeof(k->key) ? 0 : n < 0 ? -errno : -EIO;
}

/* The file's text, 0-terminated, for the caller to free. */
static int read_private(char **text, const char *path, struct weir_err *err)
{
	struct stat st;
	char *buf;
	ssize_t n;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_unsuited(err, -errno, "key file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		rc = err_unsuited(err, -EINVAL, "key file %s: not a regular file", path);
		goto out;
	}
	if ((st.st_mode & 077) || (st.st_uid != geteuid() && st.st_uid != 0)) {
		rc = err_unsuited(err, -EPERM,
				  "key file %s: others can read or own it; chmod 600 and chown it",
				  path);
		goto out;
	}
	buf = malloc(KEY_FILE_MAX + 1);
	n = buf ? read(fd, buf, KEY_FILE_MAX + 1) : -1;
	if (n < 0 || n > KEY_FILE_MAX) {
		free(buf);
		rc = err_unsuited(err, -EINVAL, "key file %s: %s", path,
				  n < 0 ? "cannot be read" : "too long");
		goto out;
	}
	buf[n] = '\0';
	*text = buf;
	rc = 0;
out:
	close(fd);
	return rc;
}

static bool hex64(uint64_t *v, const char *s)
{
	if (strlen(s) != 16 || strspn(s, "0123456789abcdefABCDEF") != 16)
		return false;
	*v = strtoull(s, NULL, 16);
	return true;
}

static bool number(unsigned long *v, const char *s, unsigned long min, unsigned long max)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	*v = strtoul(s, &end, 10);
	return !*end && *v >= min && *v <= max;
}

/* Line `n` of those that mean something, in words. NULL or what is wrong. */
static const char *parse_line(struct key_params *k, unsigned n, char *w[4], unsigned words)
{
	unsigned long v;

	switch (n) {
	case 0:
		if (words != 2 || strcmp(w[0], "weir-key") || strcmp(w[1], "1"))
			return "the first line must be `weir-key 1`";
		return NULL;
	case 1:
		if (words != 3 || strcmp(w[0], "key") || !hex64(&k->key[0], w[1]) ||
		    !hex64(&k->key[1], w[2]))
			return "expected `key` and twice 16 hexadecimal digits";
		return NULL;
	case 2:
		if (words != 2 || strcmp(w[0], "mtu") || !number(&v, w[1], 1280, 65535))
			return "expected `mtu` and a number from 1280 to 65535";
		k->mtu = (uint32_t)v;
		return NULL;
	case 3:
		if (words != 2 || strcmp(w[0], "wscale") || !number(&v, w[1], 0, 14))
			return "expected `wscale` and a number from 0 to 14";
		k->wscale = (uint8_t)v;
		return NULL;
	}
	return "more than is expected";
}

static const char *parse(struct key_params *k, char *text)
{
	char *line, *save;
	unsigned n = 0;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *w[4], *word, *wsave;
		unsigned words = 0;
		const char *why;

		line[strcspn(line, "#")] = '\0';
		for (word = strtok_r(line, " \t\r", &wsave); word && words < 4;
		     word = strtok_r(NULL, " \t\r", &wsave))
			w[words++] = word;
		if (!words)
			continue;
		why = parse_line(k, n++, w, words);
		if (why)
			return why;
	}
	return n < 4 ? "it ends too early" : NULL;
}

int keys_load(struct key_params *k, const char *path, struct weir_err *err)
{
	const char *why;
	char *text = NULL;
	int rc;

	rc = read_private(&text, path, err);
	if (rc)
		return rc;
	why = parse(k, text);
	explicit_bzero(text, KEY_FILE_MAX + 1);
	free(text);
	if (why)
		return err_unsuited(err, -EINVAL, "key file %s: %s", path, why);
	return 0;
}

static uint64_t schedule(uint32_t newer, uint32_t switch_epoch)
{
	return (uint64_t)newer << 32 | switch_epoch;
}

void keys_init(struct weir_keyring *ring, const struct key_params *k, uint32_t epoch)
{
	memcpy(ring->key[0], k->key, sizeof(k->key));
	memcpy(ring->key[1], k->key, sizeof(k->key));
	ring->schedule = schedule(0, epoch - SWITCH_AHEAD);
}

int keys_rotate(struct weir_keyring *ring, const struct key_params *k, uint32_t epoch)
{
	uint32_t newer = ring->schedule >> 32 & 1, last = (uint32_t)ring->schedule;

	/* Cookies of epoch - 1 are alive: the slot to fill must not be theirs. */
	if ((int32_t)(epoch - 1 - last) < 0)
		return -EAGAIN;
	newer ^= 1;
	__atomic_store_n(&ring->key[newer][0], k->key[0], __ATOMIC_RELAXED);
	__atomic_store_n(&ring->key[newer][1], k->key[1], __ATOMIC_RELAXED);
	/* Release: who sees the schedule sees the key it names. */
	__atomic_store_n(&ring->schedule, schedule(newer, epoch + SWITCH_AHEAD), __ATOMIC_RELEASE);
	return 0;
}
