// SPDX-License-Identifier: BSD-2-Clause
/* weir-flood's command line. */
#include "flood.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RATE    20000000.0
#define MAX_SECONDS 3600.0

static const char usage[] =
	"usage: weir-flood -i IFACE --dst ADDR:PORT [options]\n"
	"\n"
	"Sends TCP SYNs from random sources, by XDP, and counts the answers. Stops by itself.\n"
	"\n"
	"  -i, --iface IFACE   the interface to send from (a lab's client end: weir1)\n"
	"  --dst ADDR:PORT     10.0.0.2:80 or [fd00::2]:80\n"
	"  --kind syn|ack      SYNs, or bare ACKs with random numbers (syn)\n"
	"  --rate N[k|M]       frames per second (100k)\n"
	"  --seconds S         how long (10)\n"
	"  --count N[k|M]      or how many, whichever comes first (rate * seconds)\n"
	"  --src-net NET/LEN   the sources (198.18.0.0/15, 2001:2::/64; IPv6 wants /64)\n"
	"  --layout linux|none the TCP options: as Linux sends them, or none (linux)\n"
	"  --dst-mac MAC       instead of asking for it\n"
	"  --cpu N             send on this CPU; over veth it also bears the receiver's work\n"
	"  --json              the summary as one JSON object\n"
	"  --outside-lab       send although this is not a namespace of tools/lab\n"
	"  --help\n";

enum {
	OPT_DST = 256,
	OPT_KIND,
	OPT_RATE,
	OPT_SECONDS,
	OPT_COUNT,
	OPT_SRC_NET,
	OPT_LAYOUT,
	OPT_DST_MAC,
	OPT_CPU,
	OPT_JSON,
	OPT_OUTSIDE_LAB,
	OPT_HELP
};

static const struct option options[] = {
	{"iface", required_argument, NULL, 'i'},
	{"dst", required_argument, NULL, OPT_DST},
	{"kind", required_argument, NULL, OPT_KIND},
	{"rate", required_argument, NULL, OPT_RATE},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"count", required_argument, NULL, OPT_COUNT},
	{"src-net", required_argument, NULL, OPT_SRC_NET},
	{"layout", required_argument, NULL, OPT_LAYOUT},
	{"dst-mac", required_argument, NULL, OPT_DST_MAC},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"json", no_argument, NULL, OPT_JSON},
	{"outside-lab", no_argument, NULL, OPT_OUTSIDE_LAB},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

/* A number above 0 and up to max, with k or M after it when `scaled`. */
static int parse_number(const char *s, double max, bool scaled, double *out)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(s, &end);
	if (end == s || errno)
		return -EINVAL;
	if (scaled && *end == 'k')
		v *= 1e3, end++;
	else if (scaled && *end == 'M')
		v *= 1e6, end++;
	if (*end || !isfinite(v) || v <= 0 || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static int parse_count(const char *s, double max, uint64_t *out)
{
	double v;

	if (parse_number(s, max, true, &v) || v < 1)
		return -EINVAL;
	*out = (uint64_t)v;
	return 0;
}

static int parse_address(const char *s, int *family, struct in6_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	*family = strchr(s, ':') ? AF_INET6 : AF_INET;
	return inet_pton(*family, s, addr) == 1 ? 0 : -EINVAL;
}

static int parse_dst(const char *s, struct args *a)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(s, ':');
	double port;
	size_t n;

	if (!colon || (n = (size_t)(colon - s)) >= sizeof(host) || n == 0)
		return -EINVAL;
	memcpy(host, s, n);
	host[n] = '\0';
	if (parse_number(colon + 1, 65535, false, &port) || port < 1)
		return -EINVAL;
	a->port = (uint16_t)port;
	if (host[0] != '[')
		return strchr(host, ':') ? -EINVAL : parse_address(host, &a->family, &a->dst);
	if (host[n - 1] != ']')
		return -EINVAL;
	host[n - 1] = '\0';
	return strchr(host, ':') ? parse_address(host + 1, &a->family, &a->dst) : -EINVAL;
}

static int parse_net(const char *s, int *family, struct in6_addr *net, unsigned int *len)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	char *end;
	unsigned long v;
	size_t n;

	if (!slash || (n = (size_t)(slash - s)) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, s, n);
	addr[n] = '\0';
	if (parse_address(addr, family, net))
		return -EINVAL;
	v = strtoul(slash + 1, &end, 10);
	/* Below /8 the sources would be the whole Internet's. */
	if (end == slash + 1 || *end || (*family == AF_INET ? v < 8 || v > 32 : v != 64))
		return -EINVAL;
	*len = (unsigned int)v;
	return 0;
}

static int parse_word(const char *s, const char *no, const char *yes, bool *out)
{
	*out = strcmp(s, yes) == 0;
	return *out || strcmp(s, no) == 0 ? 0 : -EINVAL;
}

static int parse_mac(const char *s, struct args *a)
{
	struct ether_addr mac;

	if (!ether_aton_r(s, &mac))
		return -EINVAL;
	memcpy(a->dst_mac, &mac, sizeof(a->dst_mac));
	a->have_dst_mac = true;
	return 0;
}

static int parse_cpu(const char *s, int *cpu)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (end == s || *end || v < 0 || v >= CPU_SETSIZE)
		return -EINVAL;
	*cpu = (int)v;
	return 0;
}

static int parse_option(struct args *a, int opt, const char *s, int *src_family)
{
	switch (opt) {
	case 'i':
		if (strlen(s) >= sizeof(a->ifname) || !*s)
			return -EINVAL;
		strcpy(a->ifname, s);
		return 0;
	case OPT_DST:
		return parse_dst(s, a);
	case OPT_KIND:
		return parse_word(s, "syn", "ack", &a->ack);
	case OPT_RATE:
		return parse_count(s, MAX_RATE, &a->rate);
	case OPT_SECONDS:
		return parse_number(s, MAX_SECONDS, false, &a->seconds);
	case OPT_COUNT:
		return parse_count(s, MAX_RATE * MAX_SECONDS, &a->count);
	case OPT_SRC_NET:
		return parse_net(s, src_family, &a->src_net, &a->src_len);
	case OPT_LAYOUT:
		return parse_word(s, "linux", "none", &a->plain_options);
	case OPT_DST_MAC:
		return parse_mac(s, a);
	case OPT_CPU:
		return parse_cpu(s, &a->cpu);
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_OUTSIDE_LAB:
		a->outside_lab = true;
		return 0;
	default:
		return -EINVAL;
	}
}

/* What was left out, and what does not go together. */
static int complete(struct args *a, int src_family)
{
	if (!a->ifname[0] || !a->port) {
		fputs("weir-flood: -i IFACE and --dst ADDR:PORT are needed; see --help\n", stderr);
		return -EINVAL;
	}
	if (!a->src_len) {
		const char *net = a->family == AF_INET ? "198.18.0.0/15" : "2001:2::/64";

		/* The networks set aside for benchmarks (RFC 2544, RFC 5180). */
		return parse_net(net, &src_family, &a->src_net, &a->src_len);
	}
	if (src_family != a->family) {
		fputs("weir-flood: --src-net and --dst are not of one family\n", stderr);
		return -EINVAL;
	}
	return 0;
}

int args_parse(struct args *a, int argc, char **argv)
{
	int opt, at = 0, src_family = 0;

	*a = (struct args){.rate = 100000, .seconds = 10, .cpu = -1};
	while ((opt = getopt_long(argc, argv, "i:", options, &at)) != -1) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (opt == '?')
			return -EINVAL;
		if (parse_option(a, opt, optarg, &src_family)) {
			fprintf(stderr, "weir-flood: %s%s does not take '%s'; see --help\n",
				opt == 'i' ? "" : "--", opt == 'i' ? "-i" : options[at].name,
				optarg);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "weir-flood: unexpected '%s'; see --help\n", argv[optind]);
		return -EINVAL;
	}
	return complete(a, src_family);
}
