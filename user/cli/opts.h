/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of an option table (args.h), and those that several subcommands share. */
#ifndef WEIR_CLI_OPTS_H
#define WEIR_CLI_OPTS_H

#include "cli/args.h"

/* clang-format off */
#define OPT_HEADING(text) { .kind = ARG_HEADING, .name = (text) }
#define OPT_FLAG(n, l, h, d) \
	{ .kind = ARG_FLAG, .name = (n), .letter = (l), .help = (h), .dest = (d) }
#define OPT_STRING(n, l, v, h, d) \
	{ .kind = ARG_STRING, .name = (n), .letter = (l), .value = (v), .help = (h), .dest = (d) }
#define OPT_NUMBER(n, l, v, h, d, lo, hi) \
	{ .kind = ARG_NUMBER, .name = (n), .letter = (l), .value = (v), .help = (h), .dest = (d), \
	  .min = (lo), .max = (hi) }
#define OPT_END { .name = NULL }

/* Which instance: `t` is a struct ctl_target (ctlclient.h). */
#define OPT_TARGET(t) \
	OPT_STRING("iface", 'i', "IFACE", "the weir on this interface (default: the only one)", \
		   &(t).iface), \
	OPT_STRING("ctl", 0, "PATH", "its control socket, where it is not the default", &(t).ctl)
#define OPT_JSON(t) OPT_FLAG("json", 0, "print JSON", &(t).json)
/* clang-format on */

#endif
