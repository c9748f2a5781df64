/* SPDX-License-Identifier: BSD-2-Clause */
/* A proxy of a configuration file: each value is checked where it stands, then all together. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conf_run.h"
#include "proxy/proxy_spec.h"

/* The same in the words of the command line: what the application is made from. */
struct spec {
	struct proxy_config cfg;
	char *text;
	size_t len;
	FILE *to;
};

static int add_backend(struct conf *c, struct conf_node *text, void *arg)
{
	struct spec *s = arg;
	char why[256];

	if (strchr(text->text, ','))
		return conf_bad(c, text->at, "backends: one each, without commas");
	if (proxy_config_backend(&s->cfg, text->text, why, sizeof(why)))
		return conf_bad(c, text->at, "backends: %s", why);
	fprintf(s->to, "%s%s", s->cfg.nbackends > 1 ? "," : "", text->text);
	return 0;
}

static void key_of(char *key, size_t len, const char *option)
{
	snprintf(key, len, "%s", option);
	for (char *p = key; *p; p++)
		if (*p == '-')
			*p = '_';
}

static void add_option(struct conf *c, struct conf_node *n, const char *option, struct spec *s)
{
	char why[256];

	if (n->kind != CONF_TEXT) {
		conf_bad(c, n->at, "%s: one value is wanted here", n->key);
	} else if (strchr(n->text, ',')) {
		conf_bad(c, n->at, "%s: no commas", n->key);
	} else if (proxy_config_set(&s->cfg, option, n->text, why, sizeof(why))) {
		conf_bad(c, n->at, "%s", why);
	} else {
		fprintf(s->to, ",%s=%s", option, n->text);
	}
}

static const char *nth_name(const void *arg, unsigned i)
{
	static char key[64];

	(void)arg;
	if (!i)
		return "backends";
	if (!proxy_option_doc(i - 1))
		return NULL;
	key_of(key, sizeof(key), proxy_option_doc(i - 1)->name);
	return key;
}

static void read_group(struct conf *c, struct conf_node *proxy, struct spec *s)
{
	struct conf_node *backends = conf_get(proxy, "backends"), *n;
	char key[64];

	if (backends)
		conf_each(c, backends, "ADDR:PORT or unix:/PATH", add_backend, s);
	for (unsigned i = 0; proxy_option_doc(i); i++) {
		key_of(key, sizeof(key), proxy_option_doc(i)->name);
		n = conf_get(proxy, key);
		if (n)
			add_option(c, n, proxy_option_doc(i)->name, s);
	}
	conf_unused(c, proxy, " of a proxy", nth_name, NULL);
}

static struct service_app *make(struct conf *c, struct conf_at at, const char *text)
{
	struct service_app *app;
	struct weir_err err;

	app = service_app_make(text, &err);
	if (!app)
		conf_bad(c, at, "%s", err.msg);
	return app;
}

struct service_app *conf_proxy(struct conf *c, struct conf_node *proxy)
{
	struct service_app *app = NULL;
	struct spec s = {.text = NULL};
	unsigned before = c->ndiags;
	char why[256];

	if (proxy->kind != CONF_GROUP) {
		conf_bad(c, proxy->at, "proxy: a group is wanted here, with backends in it");
		return NULL;
	}
	proxy_config_default(&s.cfg);
	s.to = open_memstream(&s.text, &s.len);
	if (!s.to) {
		conf_bad(c, proxy->at, "out of memory");
		return NULL;
	}
	fputs("proxy:", s.to);
	read_group(c, proxy, &s);
	if (fclose(s.to))
		conf_bad(c, proxy->at, "out of memory");
	else if (c->ndiags == before && proxy_config_check(&s.cfg, why, sizeof(why)))
		conf_bad(c, proxy->at, "%s", why);
	else if (c->ndiags == before)
		app = make(c, proxy->at, s.text);
	free(s.text);
	return app;
}
