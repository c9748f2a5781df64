// SPDX-License-Identifier: BSD-2-Clause
/* A proxy service: made from its text, stepped, updated. */
#include "proxy/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "proxy/proxy_worker.h"

static void use(struct proxy_settings *s, const struct proxy_config *cfg)
{
	s->connect_ms = cfg->connect_timeout_ms;
	s->idle_ms = cfg->idle_timeout_ms;
	s->retries = cfg->retries;
	s->protocol = cfg->protocol;
	s->on_failure = cfg->on_failure;
}

static int make(const char *text, void **own, char *err, size_t errlen)
{
	struct proxy_service *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	proxy_config_default(&s->cfg);
	rc = proxy_config_parse(&s->cfg, text, err, errlen);
	if (!rc)
		rc = backends_open(&s->backends, &s->cfg, err, errlen);
	if (rc) {
		free(s);
		return rc;
	}
	use(&s->set, &s->cfg);
	*own = s;
	return 0;
}

static void unmake(void *own)
{
	struct proxy_service *s = own;

	if (!s)
		return;
	backends_close(s->backends);
	free(s);
}

static void tell(void *arg, const struct backend_change *c)
{
	const struct proxy_service *s = arg;

	s->log(c->to == BACKEND_UP ? LOG_NOTICE : LOG_WARNING,
	       "proxy: backend %s is %s: %s; %u of %u up", c->name, backend_state_name(c->to),
	       c->why, c->up, c->total);
}

static int start(void *own, weir_app_log_fn log, char *err, size_t errlen)
{
	struct proxy_service *s = own;
	char why[128];
	int rc;

	s->log = log;
	backends_on_change(s->backends, tell, s);
	rc = proxy_io_choose(log, why, sizeof(why));
	if (rc)
		snprintf(err, errlen, "proxy: %s", why);
	return rc;
}

static void step(void *own, uint64_t now_us)
{
	backends_step(((struct proxy_service *)own)->backends, now_us);
}

static int update(void *own, const void *from, char *err, size_t errlen)
{
	const struct proxy_service *new = from;
	struct proxy_service *s = own;
	int rc = backends_update(s->backends, &new->cfg, err, errlen);

	if (rc)
		return rc;
	s->cfg = new->cfg;
	use(&s->set, &s->cfg);
	return 0;
}

static void counters(uint64_t *v)
{
	proxy_counters(v);
	backends_counters(v);
}

static const struct weir_app_kind kind = {
	.app = &weir_app_proxy,
	.usage = "proxy:BACKEND[,...]",
	.arg = make,
	.arg_free = unmake,
	.start = start,
	.step = step,
	.update = update,
	.counters = counters,
};

void proxy_register(void)
{
	weir_app_add(&kind);
}

struct backends *proxy_backends(const void *arg)
{
	struct proxy_service *s = weir_app_own(arg);

	return s && weir_app_kind_of(arg) == &kind ? s->backends : NULL;
}
