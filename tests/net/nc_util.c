/* SPDX-License-Identifier: BSD-2-Clause */
#include "nc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t nc_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int nc_parse_addr(const char *host, const char *port, union nc_addr *out)
{
	char *end;
	unsigned long p = strtoul(port, &end, 10);

	if (*port == '\0' || *end != '\0' || p > 65535)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &out->in.sin_addr) == 1) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons((uint16_t)p);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &out->in6.sin6_addr) == 1) {
		out->in6.sin6_family = AF_INET6;
		out->in6.sin6_port = htons((uint16_t)p);
		return 0;
	}
	return -EINVAL;
}

/* The address `n` after `a`; the last 16 bits count. */
static void addr_add(union nc_addr *a, unsigned n)
{
	uint8_t *b = a->sa.sa_family == AF_INET ? (uint8_t *)&a->in.sin_addr + 2
						: a->in6.sin6_addr.s6_addr + 14;
	unsigned v = ((unsigned)b[0] << 8 | b[1]) + n;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

int nc_parse_sources(const char *text, struct nc_options *o)
{
	char *copy = strdup(text), *save = NULL, *word;
	int err = copy ? 0 : -ENOMEM;

	for (word = copy ? strtok_r(copy, ",", &save) : NULL; word && !err;
	     word = strtok_r(NULL, ",", &save)) {
		char *plus = strchr(word, '+');
		unsigned n = plus ? (unsigned)strtoul(plus + 1, NULL, 10) : 1;
		union nc_addr first;

		if (plus)
			*plus = '\0';
		err = nc_parse_addr(word, "0", &first);
		for (unsigned i = 0; i < n && !err; i++) {
			if (o->nsrc == NC_MAX_SRCS) {
				err = -E2BIG;
				break;
			}
			o->src[o->nsrc] = first;
			addr_add(&o->src[o->nsrc++], i);
		}
	}
	free(copy);
	return err;
}

static socklen_t addr_len(const union nc_addr *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

int nc_connect(const struct nc_options *o, unsigned index)
{
	int fd = socket(o->to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (o->rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &o->rcvbuf, sizeof(o->rcvbuf)) < 0)
		goto fail;
	if (o->nsrc) {
		const union nc_addr *src = &o->src[index % o->nsrc];

		/* The port is chosen by connect(), so that only the 4-tuple must be free. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(fd, &src->sa, addr_len(src)) < 0)
			goto fail;
	}
	if (connect(fd, &o->to.sa, addr_len(&o->to)) < 0 && errno != EINPROGRESS)
		goto fail;
	return fd;
fail:
	err = errno;
	close(fd);
	return -err;
}

int nc_socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return errno;
	return err;
}

void nc_linger0(int fd)
{
	struct linger l = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

void nc_count_error(struct nc_errors *e, int err)
{
	switch (err) {
	case ECONNREFUSED:
		e->refused++;
		break;
	case ECONNRESET:
	case EPIPE:
		e->reset++;
		break;
	case ETIMEDOUT:
		e->timeout++;
		break;
	case EBADMSG:
		e->wrong++;
		break;
	case ENODATA:
		e->early++;
		break;
	default:
		e->other++;
		fprintf(stderr, "netclient: %s\n", strerror(err));
	}
}

uint64_t nc_errors_total(const struct nc_errors *e)
{
	return e->refused + e->reset + e->timeout + e->wrong + e->early + e->other;
}

void nc_print_errors(const struct nc_errors *e)
{
	printf("\"errors\": {\"refused\": %ju, \"reset\": %ju, \"timeout\": %ju, \"wrong\": %ju, "
	       "\"early\": %ju, \"other\": %ju}",
	       (uintmax_t)e->refused, (uintmax_t)e->reset, (uintmax_t)e->timeout,
	       (uintmax_t)e->wrong, (uintmax_t)e->early, (uintmax_t)e->other);
}

int nc_need_files(unsigned n)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return -errno;
	if (r.rlim_cur >= n + 64)
		return 0;
	r.rlim_cur = n + 64;
	if (r.rlim_max < r.rlim_cur)
		r.rlim_max = r.rlim_cur;
	return setrlimit(RLIMIT_NOFILE, &r) < 0 ? -errno : 0;
}

/* splitmix64's mixing of a counter. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

uint64_t nc_random(uint64_t *state)
{
	return mix((*state)++);
}

void nc_pattern(uint64_t seed, uint64_t off, uint8_t *buf, size_t n)
{
	uint64_t base = mix(seed);

	for (size_t i = 0; i < n;) {
		uint64_t word = mix(base + (off + i) / 8);
		size_t skip = (off + i) % 8;
		size_t take = 8 - skip < n - i ? 8 - skip : n - i;

		memcpy(buf + i, (uint8_t *)&word + skip, take);
		i += take;
	}
}

int nc_sample(struct nc_samples *s, uint64_t us)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 4096;
		uint32_t *v = realloc(s->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void nc_print_samples(const char *name, struct nc_samples *s)
{
	static const struct {
		const char *name;
		unsigned per_mille;
	} points[] = {{"p50", 500}, {"p99", 990}, {"p999", 999}, {"max", 1000}};

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), compare);
	printf("\"%s\": {", name);
	for (unsigned i = 0; i < 4; i++) {
		size_t at = s->n * points[i].per_mille / 1000;

		if (at && at == s->n)
			at--;
		printf("%s\"%s\": %u", i ? ", " : "", points[i].name, s->n ? s->v[at] : 0);
	}
	printf("}");
}
