/* SPDX-License-Identifier: BSD-2-Clause */
#include "sock_fixture.h"

#include <arpa/inet.h>
#include <stdlib.h>

struct host {
	struct net *n;
	int which; /* 0: a */
};

static struct rig *rig_of(const struct host *h)
{
	return h->which ? h->n->p.b : h->n->p.a;
}

static uint64_t env_now(void *arg)
{
	return rig_of(arg)->now_us;
}

static int env_serve(void *arg, const struct weir_addr *a)
{
	const struct host *h = arg;

	assert_true(a->port != 0);
	if (h->n->serve_err)
		return h->n->serve_err;
	h->n->served[h->which]++;
	return 0;
}

static void env_unserve(void *arg, const struct weir_addr *a)
{
	const struct host *h = arg;

	assert_true(a->port != 0 && h->n->served[h->which] > 0);
	h->n->served[h->which]--;
}

/* Addresses of hosts 1 and 2, whichever it is, and 7. */
static int env_may_bind(void *arg, const struct weir_addr *a)
{
	uint8_t host = a->addr[a->family == 4 ? 3 : 15];

	(void)arg;
	return host == 1 || host == 2 || host == 7 ? 0 : -EADDRNOTAVAIL;
}

static void env_drain(void *arg)
{
	const struct host *h = arg;

	h->n->drained[h->which] = true;
}

static void env_destroy(void *arg)
{
	struct host *h = arg;

	h->n->destroyed[h->which] = true;
	engine_stop(rig_of(h)->e);
	free(h);
}

static struct weir_stack *make(struct net *n, int which, const struct net_config *cfg)
{
	struct host *h = malloc(sizeof(*h));
	struct weir_stack *s;
	struct stack_env env;

	assert_non_null(h);
	*h = (struct host){.n = n, .which = which};
	env = (struct stack_env){
		.engine = rig_of(h)->e,
		.tcp = &rig_of(h)->cfg.engine.tcp,
		.net = &rig_of(h)->net->n,
		.socks = cfg->socks,
		.arg = h,
		.now = env_now,
		.may_bind = env_may_bind,
		.serve = env_serve,
		.unserve = env_unserve,
		.drain = env_drain,
		.destroy = env_destroy,
	};
	assert_int_equal(stack_create(&s, &env), 0);
	return s;
}

void net_config_default(struct net_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	pair_config(&cfg->rig, true);
	cfg->socks = 1024;
}

void net_open(struct net *n, const struct net_config *given)
{
	struct net_config cfg;
	struct rig_config b;

	net_config_default(&cfg);
	if (given)
		cfg = *given;
	b = cfg.rig;
	b.net_host = 2;
	memset(n, 0, sizeof(*n));
	pair_open(&n->p, &cfg.rig, &b);
	n->a = make(n, 0, &cfg);
	n->b = make(n, 1, &cfg);
}

/* What the sockets held was given back once their stacks are gone. */
void net_close(struct net *n)
{
	weir_stack_close(n->a);
	weir_stack_close(n->b);
	assert_true(n->destroyed[0] && n->destroyed[1]);
	assert_int_equal(n->served[0] + n->served[1], 0);
	assert_int_equal(rig_conns(n->p.a) + rig_conns(n->p.b), 0);
	pair_close(&n->p);
}

int net_setup(void **state)
{
	struct net *n = malloc(sizeof(*n));

	assert_non_null(n);
	net_open(n, NULL);
	*state = n;
	return 0;
}

int net_teardown(void **state)
{
	net_close(*state);
	free(*state);
	return 0;
}

void net_run(struct net *n)
{
	pair_settle(&n->p);
}

void net_pass(struct net *n, uint64_t us)
{
	pair_pass(&n->p, us);
}

uint64_t net_count(struct net *n, bool b, enum weir_counter c)
{
	return rig_count(b ? n->p.b : n->p.a, c);
}

struct addr addr_of(int domain, unsigned host, uint16_t port)
{
	struct addr a = {.len = 0};

	if (domain == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&a.ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = host ? htonl(0x0a000000 + host) : 0;
		a.len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		if (host) {
			in6->sin6_addr.s6_addr[0] = 0xfd;
			in6->sin6_addr.s6_addr[15] = (uint8_t)host;
		}
		a.len = sizeof(*in6);
	}
	return a;
}

uint16_t port_of(const struct addr *a)
{
	if (a->ss.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->ss)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)&a->ss)->sin6_port);
}

struct weir_sock *sock_at(struct weir_stack *s, int domain)
{
	struct weir_sock *k;

	assert_int_equal(weir_sock_open(s, domain, &k), 0);
	return k;
}

struct weir_sock *net_listen(struct net *n, int domain, int backlog)
{
	struct weir_sock *l = sock_at(n->b, domain);
	struct addr any = addr_of(domain, 0, NET_PORT);

	assert_int_equal(opt_set(l, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(weir_sock_bind(l, SA(any)), 0);
	assert_int_equal(weir_sock_listen(l, backlog), 0);
	return l;
}

struct weir_sock *net_dial(struct net *n, int domain)
{
	struct weir_sock *c = sock_at(n->a, domain);
	struct addr to = addr_of(domain, 2, NET_PORT);

	assert_int_equal(weir_sock_connect(c, SA(to)), -EINPROGRESS);
	return c;
}

struct weir_sock *net_accept(struct weir_sock *l)
{
	struct weir_sock *s;

	assert_int_equal(weir_sock_accept(l, &s, NULL, NULL), 0);
	return s;
}

void net_pair(struct net *n, int domain, struct weir_sock **c, struct weir_sock **s)
{
	struct weir_sock *l = net_listen(n, domain, 5);

	*c = net_dial(n, domain);
	net_run(n);
	assert_int_equal(sock_error(*c), 0);
	*s = net_accept(l);
	sock_close(l);
	net_run(n);
}

void sock_close(struct weir_sock *k)
{
	assert_int_equal(weir_sock_close(k), 0);
}

int opt_get(struct weir_sock *k, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1, err = weir_sock_getopt(k, level, name, &v, &len);

	if (err)
		return err;
	assert_int_equal(len, sizeof(int));
	return v;
}

int opt_set(struct weir_sock *k, int level, int name, int v)
{
	return weir_sock_setopt(k, level, name, &v, sizeof(v));
}

int sock_error(struct weir_sock *k)
{
	return opt_get(k, SOL_SOCKET, SO_ERROR);
}

void sock_put(struct weir_sock *k, const char *text)
{
	assert_int_equal(weir_sock_write(k, text, strlen(text)), strlen(text));
}

void sock_expect(struct weir_sock *k, const char *text)
{
	char buf[4096];
	size_t len = strlen(text);

	assert_true(len < sizeof(buf));
	assert_int_equal(weir_sock_read(k, buf, sizeof(buf)), len);
	assert_memory_equal(buf, text, len);
}
