/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
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

static bool known(const struct services *s, uint16_t first, const struct weir_addr *a)
{
	for (uint16_t i = first; i; i = s->v[i - 1].next) {
		if (same_addr(&s->v[i - 1].addr, a))
			return true;
	}
	return false;
}

static int add_one(struct services *s, const char *spec, struct weir_err *err)
{
	struct service *v = &s->v[s->n];
	const char *app, *why;
	uint16_t *bucket;
	char msg[256];

	if (s->n == WEIR_MAX_SERVICES)
		return err_unsuited(err, -E2BIG, "more than %d services", WEIR_MAX_SERVICES);
	memset(v, 0, sizeof(*v));
	if (services_parse_addr(&v->addr, spec, &app) || *app != '=')
		return err_unsuited(err, -EINVAL,
				    "%s: not ADDR:PORT=APP[:ARG], as 10.0.0.2:80=http:DIR, "
				    "[fd00::2]:7=echo or *:9=discard",
				    spec);
	why = unusable(&v->addr);
	if (why)
		return err_unsuited(err, -EINVAL, "%s: %s", spec, why);
	services_format(&v->addr, v->text, sizeof(v->text));
	bucket = bucket_of(s, &v->addr);
	if (known(s, *bucket, &v->addr))
		return err_unsuited(err, -EEXIST, "%s: %s is already listened on", spec, v->text);
	v->app = weir_app_find(app + 1);
	if (!v->app)
		return err_unsuited(err, -EINVAL, "%s: no such application (%s)", spec,
				    weir_app_usage());
	if (weir_app_arg(app + 1, &v->app_arg, msg, sizeof(msg)))
		return err_unsuited(err, -EINVAL, "%s: %s", spec, msg);
	v->next = *bucket;
	*bucket = (uint16_t)++s->n;
	return 0;
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

void services_set_limits(struct services *s, const struct weir_app_limits *l)
{
	unsigned i;

	for (i = 0; i < s->n; i++)
		weir_app_set_limits(s->v[i].app_arg, l);
}

void services_free(struct services *s)
{
	while (s->n)
		weir_app_arg_free(s->v[--s->n].app_arg);
	memset(s->bucket, 0, sizeof(s->bucket));
}
