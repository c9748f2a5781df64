// SPDX-License-Identifier: BSD-2-Clause
/* Kinds of frames and layouts of options, one or several with shares. */
#include "flood.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHARE_MAX 1000000

static const char *const kinds[] = {
	[KIND_SYN] = "syn",	    [KIND_ACK] = "ack", [KIND_RST] = "rst",
	[KIND_SYN_ACK] = "syn-ack", [KIND_FIN] = "fin", [KIND_INFLOW] = "inflow",
};

static const char *const layouts[] = {
	[LAYOUT_LINUX] = "linux",
	[LAYOUT_WINDOWS] = "windows",
	[LAYOUT_MACOS] = "macos",
	[LAYOUT_NONE] = "none",
};

/* Mostly what answers cost most for, with the rest of what floods are made of. */
static const struct mix mixed_kinds = {
	.share = {[KIND_SYN] = 60,
		  [KIND_ACK] = 20,
		  [KIND_RST] = 10,
		  [KIND_SYN_ACK] = 5,
		  [KIND_FIN] = 5},
};

static const struct mix mixed_layouts = {
	.share = {[LAYOUT_LINUX] = 1, [LAYOUT_WINDOWS] = 1, [LAYOUT_MACOS] = 1},
};

static int find(const char *const *names, size_t n, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], s, len))
			return (int)i;
	return -EINVAL;
}

/* A name by itself has a share of 1. */
static int parse_item(const char *const *names, size_t n, const char *s, size_t len, struct mix *m)
{
	const char *eq = memchr(s, '=', len);
	size_t name_len = eq ? (size_t)(eq - s) : len;
	int i = find(names, n, s, name_len);
	unsigned long share = 1;
	char *end;

	if (i < 0 || m->share[i])
		return -EINVAL;
	if (eq) {
		if (eq[1] < '0' || eq[1] > '9')
			return -EINVAL;
		share = strtoul(eq + 1, &end, 10);
		if (end != s + len || share < 1 || share > SHARE_MAX)
			return -EINVAL;
	}
	m->share[i] = (unsigned int)share;
	return 0;
}

static int parse(const char *const *names, size_t n, const struct mix *mixed, const char *s,
		 struct mix *m)
{
	size_t len;

	if (!strcmp(s, "mixed")) {
		*m = *mixed;
		return 0;
	}
	memset(m, 0, sizeof(*m));
	for (;; s += len + 1) {
		len = strcspn(s, ",");
		if (parse_item(names, n, s, len, m))
			return -EINVAL;
		if (!s[len])
			return 0;
	}
}

int mix_parse_kinds(const char *s, struct mix *m)
{
	return parse(kinds, KINDS, &mixed_kinds, s, m);
}

int mix_parse_layouts(const char *s, struct mix *m)
{
	return parse(layouts, LAYOUTS, &mixed_layouts, s, m);
}

const char *mix_kind_name(enum flood_kind kind)
{
	return kinds[kind];
}
