/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any calls in any order on the sockets of two stacks that are joined by a wire which
 * loses: the input is a program of calls on eight sockets a side, with lengths,
 * options and addresses from it. Octet i of every stream is pattern(i): whoever reads
 * must read that, however it was sent. Calls return what their manual page may say,
 * and in the end all that was taken is given back (net_close).
 */
#include "fuzz.h"

#include "../unit/sock_fixture.h"

#define SOCKS 8

struct slot {
	struct weir_sock *k;
	uint64_t sent, got;
};

struct fz {
	struct net n;
	struct slot slot[2][SOCKS];
	uint8_t loss; /* one in 16 frames, by a generator */
	uint32_t rnd;
};

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 131 + (at >> 8) * 17);
}

/* The wire's callback knows the pair alone. */
static struct fz *current;

static bool wire(struct pair *p, bool to_b, const struct weir_pkt *v)
{
	(void)p;
	(void)to_b;
	(void)v;
	current->rnd = current->rnd * 1664525 + 1013904223;
	return (current->rnd >> 16) % 16 >= current->loss;
}

static struct slot *free_slot(struct fz *f, unsigned side)
{
	for (unsigned i = 0; i < SOCKS; i++)
		if (!f->slot[side][i].k)
			return &f->slot[side][i];
	return NULL;
}

static struct addr some_addr(struct in *in)
{
	uint8_t bits = in8(in);

	return addr_of(bits & 1 ? AF_INET6 : AF_INET, bits >> 1 & 3,
		       (uint16_t)(bits >> 3 ? NET_PORT + (bits >> 3 & 3) : 0));
}

static void open_one(struct fz *f, unsigned side, struct in *in)
{
	struct slot *s = free_slot(f, side);
	struct weir_sock *k;

	if (s && !weir_sock_open(side ? f->n.b : f->n.a, in8(in) & 1 ? AF_INET6 : AF_INET, &k))
		*s = (struct slot){.k = k};
}

static void accept_one(struct fz *f, unsigned side, struct slot *l)
{
	struct slot *s = free_slot(f, side);
	struct weir_sock *k = NULL;
	struct addr peer = {.len = sizeof(peer.ss)};
	int rc;

	if (!s)
		return;
	rc = weir_sock_accept(l->k, &k, (struct sockaddr *)&peer.ss, &peer.len);
	REQUIRE(rc <= 0 && !rc == !!k);
	if (!rc)
		*s = (struct slot){.k = k};
}

static void write_some(struct slot *s, struct in *in)
{
	uint8_t buf[8192];
	size_t len = in16(in) % sizeof(buf);
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		buf[i] = pattern(s->sent + i);
	n = weir_sock_send(s->k, buf, len, in8(in) & 1 ? MSG_MORE : 0);
	REQUIRE(n <= (ssize_t)len && n > -4096);
	if (n > 0)
		s->sent += (size_t)n;
}

static void read_some(struct slot *s, struct in *in)
{
	uint8_t buf[8192], how = in8(in);
	size_t len = in16(in) % sizeof(buf);
	int flags = (how & 1 ? MSG_PEEK : 0) | (how & 2 ? MSG_DONTWAIT : 0);
	ssize_t n = weir_sock_recv(s->k, buf, len, flags);

	REQUIRE(n <= (ssize_t)len && n > -4096);
	for (ssize_t i = 0; i < n; i++)
		REQUIRE(buf[i] == pattern(s->got + (size_t)i));
	if (n > 0 && !(how & 1))
		s->got += (size_t)n;
}

static void option(struct slot *s, struct in *in)
{
	static const struct {
		int level, name;
	} opts[] = {
		{SOL_SOCKET, SO_ERROR},	      {SOL_SOCKET, SO_LINGER},
		{SOL_SOCKET, SO_KEEPALIVE},   {SOL_SOCKET, SO_RCVBUF},
		{SOL_SOCKET, SO_SNDBUF},      {SOL_SOCKET, SO_REUSEADDR},
		{SOL_SOCKET, SO_OOBINLINE},   {SOL_SOCKET, SO_ACCEPTCONN},
		{IPPROTO_TCP, TCP_NODELAY},   {IPPROTO_TCP, TCP_CORK},
		{IPPROTO_TCP, TCP_MAXSEG},    {IPPROTO_TCP, TCP_KEEPIDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT},
		{IPPROTO_TCP, TCP_SYNCNT},    {IPPROTO_TCP, TCP_USER_TIMEOUT},
		{IPPROTO_TCP, TCP_QUICKACK},  {IPPROTO_TCP, TCP_CONGESTION},
		{IPPROTO_TCP, TCP_INFO},      {IPPROTO_IPV6, IPV6_V6ONLY},
	};
	uint8_t which = in8(in), buf[512] = {0};
	socklen_t len = in8(in);
	int level = in8(in) & 15 ? opts[which % 20].level : in8(in);
	int name = in8(in) & 15 ? opts[which % 20].name : in8(in);
	int rc;

	for (size_t i = 0; i < 8; i++)
		buf[i] = in8(in);
	rc = weir_sock_setopt(s->k, level, name, buf, len);
	REQUIRE(rc <= 0 && rc > -4096);
	len = in8(in);
	rc = weir_sock_getopt(s->k, level, name, buf, &len);
	REQUIRE(rc <= 0 && rc > -4096 && (rc || len <= sizeof(buf)));
}

static void look(struct fz *f, unsigned side, struct slot *s, struct in *in)
{
	struct weir_event ev[4];
	struct addr a = {.len = sizeof(a.ss)};
	int n;

	weir_sock_watch(s->k, in8(in), s);
	n = weir_stack_wait(side ? f->n.b : f->n.a, ev, 4, 0);
	REQUIRE(n <= 4);
	for (int i = 0; i < n; i++)
		REQUIRE(ev[i].sock && ev[i].events);
	weir_sock_poll(s->k);
	weir_sock_unread(s->k);
	weir_sock_unsent(s->k);
	weir_sock_atmark(s->k);
	weir_sock_name(s->k, (struct sockaddr *)&a.ss, &a.len);
	a.len = sizeof(a.ss);
	weir_sock_peer(s->k, (struct sockaddr *)&a.ss, &a.len);
}

static void on_socket(struct fz *f, unsigned side, struct slot *s, uint8_t op, struct in *in)
{
	struct addr a;
	int rc = 0;

	switch (op) {
	case 0:
		a = some_addr(in);
		rc = weir_sock_bind(s->k, SA(a));
		break;
	case 1:
		rc = weir_sock_listen(s->k, in8(in) & 7);
		break;
	case 2:
	case 3:
		a = some_addr(in);
		rc = weir_sock_connect(s->k, SA(a));
		break;
	case 4:
	case 5:
		accept_one(f, side, s);
		break;
	case 6:
	case 7:
		write_some(s, in);
		break;
	case 8:
	case 9:
		read_some(s, in);
		break;
	case 10:
		rc = weir_sock_shutdown(s->k, in8(in) % 4);
		break;
	case 11:
		rc = weir_sock_close(s->k);
		*s = (struct slot){0};
		break;
	case 12:
		option(s, in);
		break;
	default:
		look(f, side, s, in);
	}
	REQUIRE(rc <= 0 && rc > -4096);
}

/* side, socket, call; or the wire's turn, time, loss. */
static void operation(struct fz *f, struct in *in)
{
	uint8_t op = in8(in), which = in8(in);
	unsigned side = which >> 3 & 1;
	struct slot *s = &f->slot[side][which % SOCKS];

	switch (op % 20) {
	case 14:
	case 15:
		net_run(&f->n);
		break;
	case 16:
		net_pass(&f->n, in16(in) * 30ull);
		break;
	case 17:
		f->loss = in8(in) & 7;
		break;
	case 18:
	case 19:
		open_one(f, side, in);
		break;
	default:
		if (s->k)
			on_socket(f, side, s, op % 20, in);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct fz f;
	struct in in = {data, len};
	struct net_config cfg;

	memset(&f, 0, sizeof(f));
	current = &f;
	net_config_default(&cfg);
	cfg.rig.frames = 64;
	cfg.rig.flows = 64;
	cfg.rig.engine.conns = 16;
	cfg.rig.engine.timewaits = 8;
	cfg.rig.engine.tombstones = 16;
	cfg.rig.engine.buffer_bytes = 256 * 1024;
	cfg.socks = 24;
	net_open(&f.n, &cfg);
	f.n.p.wire = wire;
	for (unsigned i = 0; in.left && i < 120; i++)
		operation(&f, &in);
	for (unsigned i = 0; i < 2 * SOCKS; i++)
		if (f.slot[i & 1][i / 2].k)
			weir_sock_close(f.slot[i & 1][i / 2].k);
	net_run(&f.n);
	net_close(&f.n);
	return 0;
}
