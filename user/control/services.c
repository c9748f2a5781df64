/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/services.h"

/* Addresses that no client can reach by way of a network (RFC 1122 3.2.1.3, RFC 4291 2.5). */
static const char *unusable(const struct weir_addr *a)
{
	static const uint8_t any6[16], loop6[16] = {[15] = 1};
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->family == 4) {
		if (a->addr[0] == 0)
			return "that is no address of a host; for any address write *:PORT";
		if (a->addr[0] == 127)
			return "loopback addresses do not come through an interface";
		if (a->addr[0] >= 224)
			return "TCP has no multicast or broadcast";
	} else if (a->family == 6) {
		if (!memcmp(a->addr, any6, 16))
			return "that is no address of a host; for any address write *:PORT";
		if (!memcmp(a->addr, loop6, 16))
			return "loopback addresses do not come through an interface";
		if (a->addr[0] == 0xff)
			return "TCP has no multicast or broadcast";
		if (!memcmp(a->addr, mapped, 12))
			return "write an IPv4 address as such";
	}
	return NULL;
}

static bool same_addr(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static uint16_t *bucket_of(struct services *s, const struct weir_addr *a)
{
	uint32_t h = a->port;

	for (unsigned i = 0; i < sizeof(a->addr); i++)
		h = (h ^ a->addr[i]) * 16777619u;
	return &s->bucket[(h ^ h >> 16) % SERVICES_BUCKETS];
}

struct service *services_find(struct services *s, const struct weir_addr *a)
{
	for (uint16_t i = *bucket_of(s, a); i; i = s->v[i - 1].next) {
		if (same_addr(&s->v[i - 1].addr, a))
			return &s->v[i - 1];
	}
	return NULL;
}

/* ---- applications -------------------------------------------------------------- */

struct service_app *service_app_make(const char *spec, struct weir_err *err)
{
	struct service_app *a = calloc(1, sizeof(*a));
	char msg[300];

	if (!a) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	a->app = weir_app_find(spec);
	a->spec = strdup(spec);
	if (!a->spec) {
		err_set(err, -ENOMEM, "out of memory");
	} else if (!a->app) {
		err_unsuited(err, -EINVAL, "%s: no such application (%s)", spec, weir_app_usage());
	} else if (weir_app_arg(spec, &a->arg, msg, sizeof(msg))) {
		err_unsuited(err, -EINVAL, "%s", msg);
	} else {
		a->users = 1;
		return a;
	}
	free(a->spec);
	free(a);
	return NULL;
}

void service_app_put(struct service_app *a)
{
	/* acquire: what the workers did with it is done */
	if (!a || atomic_fetch_sub_explicit(&a->users, 1, memory_order_acq_rel) > 1)
		return;
	weir_app_arg_free(a->arg);
	free(a->spec);
	free(a);
}

static int too_many(struct weir_err *err)
{
	return err_unsuited(err, -E2BIG, "more than %d services", WEIR_MAX_SERVICES);
}

int services_add_app(struct services *s, const struct weir_addr *addr, struct service_app *app,
		     struct service **out, struct weir_err *err)
{
	struct service *v = &s->v[s->n];
	const char *why = unusable(addr);
	uint16_t *bucket = bucket_of(s, addr);
	char text[96];

	services_format(addr, text, sizeof(text));
	if (s->n == WEIR_MAX_SERVICES)
		return too_many(err);
	if (why)
		return err_unsuited(err, -EINVAL, "%s: %s", text, why);
	if (services_find(s, addr))
		return err_unsuited(err, -EEXIST, "%s is already listened on", text);
	memset(v, 0, sizeof(*v));
	v->addr = *addr;
	memcpy(v->text, text, sizeof(text));
	v->shared = app;
	v->app = app->app;
	v->app_arg = app->arg;
	atomic_fetch_add_explicit(&app->users, 1, memory_order_relaxed);
	v->next = *bucket;
	*bucket = (uint16_t)++s->n;
	if (out)
		*out = v;
	return 0;
}

static int add_one(struct services *s, const char *spec, struct weir_err *err)
{
	struct service_app *app;
	struct weir_addr addr;
	struct weir_err why;
	const char *text;
	int rc;

	if (services_parse_addr(&addr, spec, &text) || *text != '=')
		return err_unsuited(err, -EINVAL,
				    "%s: not ADDR:PORT=APP[:ARG], as 10.0.0.2:80=http:DIR, "
				    "[fd00::2]:7=echo or *:9=discard",
				    spec);
	/* Before the argument opens anything. */
	if (s->n == WEIR_MAX_SERVICES)
		return too_many(err);
	if (services_find(s, &addr))
		return err_unsuited(err, -EEXIST, "%s: this address is already listened on", spec);
	app = service_app_make(text + 1, &why);
	if (!app)
		return err_unsuited(err, -EINVAL, "%s: %s", spec, why.msg);
	rc = services_add_app(s, &addr, app, NULL, &why);
	service_app_put(app);
	return rc ? err_unsuited(err, rc, "%s: %s", spec, why.msg) : 0;
}

static int add_file(struct services *s, const char *path, struct weir_err *err)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	int rc = 0;

	if (!f) {
		rc = -errno;
		return err_unsuited(err, rc, "@%s: %s", path, strerror(-rc));
	}
	while (!rc && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] && line[0] != '#')
			rc = add_one(s, line, err);
	}
	if (!rc && ferror(f))
		rc = err_unsuited(err, -EIO, "@%s: cannot be read", path);
	fclose(f);
	return rc;
}

int services_add(struct services *s, const char *spec, struct weir_err *err)
{
	return *spec == '@' ? add_file(s, spec + 1, err) : add_one(s, spec, err);
}

bool services_first_of_app(const struct services *s, unsigned i)
{
	return !i || s->v[i].shared != s->v[i - 1].shared;
}

void services_set_limits(struct services *s, const struct weir_app_limits *l)
{
	unsigned i;

	for (i = 0; i < s->n; i++)
		weir_app_set_limits(s->v[i].app_arg, l);
}

void services_free(struct services *s)
{
	while (s->n)
		service_app_put(s->v[--s->n].shared);
	memset(s->bucket, 0, sizeof(s->bucket));
}
