/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the metrics endpoint strangers write and libmicrohttpd leaves to us: the Accept
 * header. And what operators write: where the endpoint is. The first byte chooses.
 */
#include "fuzz.h"

#include <string.h>

#include "control/ctl_metrics.h"
#include "control/ctl_metrics_http.h"

/* A preference for OpenMetrics needs its name; what says the same twice means the same. */
static void accept_header(const char *text, size_t len)
{
	enum metrics_format f = metrics_format_for(text);
	char *twice = malloc(2 * len + 2);

	if (!twice)
		return;
	REQUIRE(f == METRICS_TEXT || strcasestr(text, "application/openmetrics-text"));
	memcpy(twice, text, len);
	twice[len] = ',';
	memcpy(twice + len + 1, text, len + 1);
	REQUIRE(metrics_format_for(twice) == f);
	free(twice);
}

static void where(const char *text)
{
	struct weir_addr a;

	if (metrics_parse(text, &a))
		return;
	REQUIRE(a.port || !strncmp(text, METRICS_UNIX "/", strlen(METRICS_UNIX) + 1));
	REQUIRE(a.family == 0 || a.family == 4 || a.family == 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (!len)
		return 0;
	text = strndup((const char *)data + 1, len - 1);
	if (!text)
		return 0;
	if (data[0] % 2)
		accept_header(text, strlen(text));
	else
		where(text);
	free(text);
	return 0;
}
