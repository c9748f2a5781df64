/* SPDX-License-Identifier: BSD-2-Clause */
/* The services of a configuration file. */
#include <errno.h>
#include <string.h>

#include "cli/conf_run.h"

/* What the group says, before its addresses are listened on. */
struct group {
	struct services *services;
	struct service_app *app;
	struct service like; /* mode, own, speaks_first */
	struct policy *policy;
	int list; /* of the policy, for all addresses of the entry; 0: none of its own */
	enum policy_verdict verdict;
};

static const char *const names[] = {"listen",	 "app",		 "proxy", "mode", "auto_syn_rate",
				    "auto_hold", "speaks_first", "allow", "deny", NULL};

static const char *nth_name(const void *arg, unsigned i)
{
	return ((const char *const *)arg)[i];
}

/* ---- who answers SYNs ------------------------------------------------------------- */

/* As the option of all services, with its bounds, to a place of this one. True: it is set. */
static bool own(struct conf *c, struct conf_node *group, const struct arg *table, const char *key,
		const char *option, void *dest)
{
	struct conf_node *n = conf_get(group, key);
	unsigned before = c->ndiags;
	struct arg row;

	if (!n)
		return false;
	row = *args_find(table, option, strlen(option));
	row.dest = dest;
	conf_set(c, n, &row);
	return c->ndiags == before;
}

static void own_mode(struct conf *c, struct conf_node *n, const struct arg *table,
		     struct service *s)
{
	const struct arg speaks = {.kind = ARG_FLAG, .dest = &s->speaks_first};
	struct conf_node *first = conf_get(n, "speaks_first");
	uint64_t rate = 0, hold = 0;
	unsigned mode = 0;

	if (own(c, n, table, "mode", "mode", &mode))
		s->own |= SERVICE_OWN_MODE;
	if (own(c, n, table, "auto_syn_rate", "auto-syn-rate", &rate))
		s->own |= SERVICE_OWN_RATE;
	if (own(c, n, table, "auto_hold", "auto-hold", &hold))
		s->own |= SERVICE_OWN_HOLD;
	s->mode = (struct service_mode){(enum weir_mode)mode, (uint32_t)rate, (uint32_t)hold};
	if (first)
		conf_set(c, first, &speaks);
}

/* ---- application and addresses ------------------------------------------------------ */

static struct service_app *make_app(struct conf *c, struct conf_node *n)
{
	struct conf_node *app = conf_get(n, "app"), *proxy = conf_get(n, "proxy");
	struct service_app *made;
	struct weir_err err;

	if (!app == !proxy) {
		conf_bad(c, n->at, "a service has either an app or a proxy");
		return NULL;
	}
	if (proxy)
		return conf_proxy(c, proxy);
	if (app->kind != CONF_TEXT) {
		conf_bad(c, app->at, "app: a text is wanted here, as echo or http:/srv/www");
		return NULL;
	}
	made = service_app_make(app->text, &err);
	if (!made)
		conf_bad(c, app->at, "%s", err.msg);
	return made;
}

static int add_listen(struct conf *c, struct conf_node *text, void *arg)
{
	struct group *g = arg;
	struct weir_addr addr;
	struct weir_err err;
	struct service *s;

	if (services_parse_addr(&addr, text->text, NULL))
		return conf_bad(c, text->at,
				"listen: '%s' is not ADDR:PORT, as 10.0.0.2:80, [fd00::2]:80 or "
				"*:80",
				text->text);
	if (services_add_app(g->services, &addr, g->app, &s, &err))
		return conf_bad(c, text->at, "listen: %s", err.msg);
	if (g->list > 0 && policy_use(g->policy, &addr, (unsigned)g->list))
		return conf_bad(c, text->at, "listen: %s has a list already", text->text);
	s->mode = g->like.mode;
	s->own = g->like.own;
	s->speaks_first = g->like.speaks_first;
	return 0;
}

/* ---- whom it lets in ------------------------------------------------------------------ */

static int add_prefix(struct conf *c, struct conf_node *text, void *arg)
{
	struct group *g = arg;
	struct weir_err err;

	if (policy_add(g->policy, (unsigned)g->list, g->verdict, text->text, &err))
		return conf_bad(c, text->at, "%s", err.msg);
	return 0;
}

/* A list by the name of the place where it stands, which no other has. */
static void own_list(struct conf *c, struct conf_node *n, struct group *g)
{
	static const char *const keys[] = {[POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny"};
	char name[64];

	snprintf(name, sizeof(name), "services, line %u:%u", n->at.line, n->at.column);
	for (unsigned i = 0; i < 2; i++) {
		struct conf_node *prefixes = conf_get(n, keys[i]);

		if (!prefixes)
			continue;
		if (!g->list)
			g->list = policy_list(g->policy, name);
		if (g->list < 0) {
			conf_bad(c, prefixes->at, "out of memory");
			return;
		}
		g->verdict = (enum policy_verdict)i;
		conf_each(c, prefixes, "a prefix, as 192.0.2.0/24 or @FILE", add_prefix, g);
	}
}

static void add_group(struct conf *c, struct conf_node *n, const struct arg *table,
		      struct services *services, struct policy *policy)
{
	struct conf_node *listen = conf_get(n, "listen");
	struct group g = {.services = services, .policy = policy};

	own_mode(c, n, table, &g.like);
	own_list(c, n, &g);
	g.app = make_app(c, n);
	if (!listen || (listen->kind == CONF_LIST && !listen->first))
		conf_bad(c, listen ? listen->at : n->at,
			 "a service needs an address to listen on: listen: ADDR:PORT");
	else if (g.app)
		conf_each(c, listen, "ADDR:PORT", add_listen, &g);
	service_app_put(g.app);
	conf_unused(c, n, " of a service", nth_name, names);
}

void conf_services(struct conf *c, struct conf_node *list, const struct arg *table,
		   struct services *services, struct policy *policy)
{
	struct conf_node *n;

	if (list->kind != CONF_LIST) {
		conf_bad(c, list->at, "services: a list is wanted here, each with - in front");
		return;
	}
	for (n = list->first; n; n = n->next) {
		if (n->kind == CONF_GROUP)
			add_group(c, n, table, services, policy);
		else
			conf_bad(c, n->at,
				 "a service is a group, as { listen: ADDR:PORT, app: APP }");
	}
}
