/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/mode_args.h"
#include "control/services.h"

static int refuse(const char *word, const char *why)
{
	fprintf(stderr, "weir mode: '%s': %s; see weir mode --help\n", word, why);
	return -EINVAL;
}

int mode_args_parse(struct mode_args *a, int n, char **words)
{
	struct weir_addr addr;
	enum weir_mode mode;
	int i = 0;

	memset(a, 0, sizeof(*a));
	if (n && !service_mode_parse(&mode, words[n - 1]))
		a->mode = words[--n];
	if (i < n && !strchr(words[i], ':'))
		a->iface = words[i++];
	if (i < n && strchr(words[i], ':')) {
		if (services_parse_addr(&addr, words[i], NULL))
			return refuse(words[i],
				      "not ADDR:PORT, as 10.0.0.2:80, [fd00::2]:80 or *:80");
		a->service = words[i++];
	}
	if (i < n)
		return refuse(words[i], "none of always, auto and never");
	return 0;
}
