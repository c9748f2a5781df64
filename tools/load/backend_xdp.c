// SPDX-License-Identifier: BSD-2-Clause
/* weir's own TCP over AF_XDP as a back end of weir-load. */
#include "backend.h"

#include <errno.h>

static int xdp_open(void **be, const struct be_options *o, const char **why)
{
	(void)be;
	(void)o;
	*why = "the xdp back end is not built in";
	return -EOPNOTSUPP;
}

const struct backend backend_xdp = {.name = "xdp", .open = xdp_open};
