/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a proxy service: taken or refused with one line, and what was taken is shown
 * as it could have been written.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/proxy_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What c holds, set anew from what it is shown as. */
static void set_again(const struct proxy_config *c)
{
	char value[PROXY_PATH_LEN + 16], err[256];
	struct proxy_config copy;

	proxy_config_default(&copy);
	for (unsigned i = 0; proxy_option_doc(i); i++) {
		proxy_config_get(c, i, value, sizeof(value));
		if (proxy_config_set(&copy, proxy_option_doc(i)->name, value, err, sizeof(err)))
			abort();
	}
	for (unsigned i = 0; i < c->nbackends; i++) {
		snprintf(value, sizeof(value), "%s*%u", c->backend[i].name, c->backend[i].weight);
		if (proxy_config_backend(&copy, value, err, sizeof(err)))
			abort();
	}
	if (memcmp(&copy, c, sizeof(copy)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_config c;
	char text[4096], err[64];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	memset(&c, 0, sizeof(c));
	memset(err, 0, sizeof(err));
	if (proxy_config_parse(&c, text, err, sizeof(err))) {
		if (!err[0] || strchr(err, '\n') || c.nbackends)
			abort();
		return 0;
	}
	if (!c.nbackends || c.nbackends > PROXY_MAX_BACKENDS)
		abort();
	set_again(&c);
	return 0;
}
