/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of `weir mode [IFACE] [ADDR:PORT] [always|auto|never]`. Each may be left
 * out: a mode is known by its name, a service by its colon, which no interface has.
 */
#ifndef WEIR_CLI_MODE_ARGS_H
#define WEIR_CLI_MODE_ARGS_H

struct mode_args {
	const char *iface, *service, *mode; /* NULL: not given */
};

/* 0, or -EINVAL after one line on stderr. */
int mode_args_parse(struct mode_args *a, int n, char **words);

#endif
