// SPDX-License-Identifier: BSD-2-Clause
/* weir-flood's command line. */
#include "flood.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define MAX_RATE    100000000.0
#define MAX_SECONDS 3600.0
#define MAX_VLAN    4094
#define MAX_QUEUE   1023

static const char usage[] =
	"usage: weir-flood -i IFACE --dst ADDR:PORT [options]\n"
	"\n"
	"Sends TCP segments from random sources, by XDP, and counts the answers. Stops by itself.\n"
	"\n"
	"Where to and where from:\n"
	"  -i, --iface IFACE    the interface to send from (a lab's client end: weir1)\n"
	"  --dst ADDR:PORT      10.0.0.2:80 or [fd00::2]:80; PORT may be LO-HI\n"
	"  --dst-port LO-HI     instead of that port: several services\n"
	"  --dst-mac MAC        instead of asking for it\n"
	"  --src-net NET/LEN    the sources (198.18.0.0/15, 2001:2::/64)\n"
	"  --src-port LO-HI     (1024-65535)\n"
	"  --vlan ID[,ID]       one 802.1Q tag, or an 802.1ad tag and one within\n"
	"\n"
	"What:\n"
	"  --kind KIND          syn, ack, rst, syn-ack, fin, inflow; mixed; or shares:\n"
	"                       syn=70,ack=20,rst=10 (syn)\n"
	"  --flow ADDR:PORT     inflow: the client's end of the one valid connection\n"
	"  --seq N              inflow: around this sequence number (random)\n"
	"  --layout LAYOUT      TCP options, window and TTL of linux, windows, macos, none;\n"
	"                       mixed; or shares (linux)\n"
	"\n"
	"How fast and how long:\n"
	"  --rate N[k|M]|max    frames per second (100k)\n"
	"  --seconds S          (10)\n"
	"  --count N[k|M]       or how many, whichever comes first (rate * seconds)\n"
	"  --cpu N              send on this CPU; over veth it also bears the receiver's work\n"
	"  --bursts             live: what a tick has to send, without gaps; for a receiver that\n"
	"                       works on this CPU as well, which a gap would only hold up\n"
	"  --backend live|xsk   XDP live frames, or AF_XDP (live)\n"
	"  --queue N            xsk: the interface's queue (0)\n"
	"  --seed N             draw the same frames again\n"
	"\n"
	"  --json               the summary as one JSON object\n"
	"  --progress           a line each second even when stderr is no terminal\n"
	"  --outside-lab        send although this is not a namespace of tools/lab\n"
	"  --help\n";

enum {
	OPT_DST = 256,
	OPT_DST_PORT,
	OPT_DST_MAC,
	OPT_SRC_NET,
	OPT_SRC_PORT,
	OPT_VLAN,
	OPT_KIND,
	OPT_FLOW,
	OPT_SEQ,
	OPT_LAYOUT,
	OPT_RATE,
	OPT_SECONDS,
	OPT_COUNT,
	OPT_CPU,
	OPT_BACKEND,
	OPT_QUEUE,
	OPT_SEED,
	OPT_JSON,
	OPT_PROGRESS,
	OPT_BURSTS,
	OPT_OUTSIDE_LAB,
	OPT_HELP
};

static const struct option options[] = {
	{"iface", required_argument, NULL, 'i'},
	{"dst", required_argument, NULL, OPT_DST},
	{"dst-port", required_argument, NULL, OPT_DST_PORT},
	{"dst-mac", required_argument, NULL, OPT_DST_MAC},
	{"src-net", required_argument, NULL, OPT_SRC_NET},
	{"src-port", required_argument, NULL, OPT_SRC_PORT},
	{"vlan", required_argument, NULL, OPT_VLAN},
	{"kind", required_argument, NULL, OPT_KIND},
	{"flow", required_argument, NULL, OPT_FLOW},
	{"seq", required_argument, NULL, OPT_SEQ},
	{"layout", required_argument, NULL, OPT_LAYOUT},
	{"rate", required_argument, NULL, OPT_RATE},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"count", required_argument, NULL, OPT_COUNT},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"backend", required_argument, NULL, OPT_BACKEND},
	{"queue", required_argument, NULL, OPT_QUEUE},
	{"seed", required_argument, NULL, OPT_SEED},
	{"json", no_argument, NULL, OPT_JSON},
	{"progress", no_argument, NULL, OPT_PROGRESS},
	{"bursts", no_argument, NULL, OPT_BURSTS},
	{"outside-lab", no_argument, NULL, OPT_OUTSIDE_LAB},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static int parse_rate(const char *s, uint64_t *rate)
{
	if (!strcmp(s, "max")) {
		*rate = 0;
		return 0;
	}
	return parse_count(s, MAX_RATE, rate);
}

static int parse_vlans(const char *s, struct args *a)
{
	const char *comma = strchr(s, ',');
	size_t n = comma ? (size_t)(comma - s) : strlen(s);
	unsigned long outer, inner = 0;
	char first[6];

	if (n >= sizeof(first))
		return -EINVAL;
	memcpy(first, s, n);
	first[n] = '\0';
	if (parse_integer(first, MAX_VLAN, &outer) ||
	    (comma && parse_integer(comma + 1, MAX_VLAN, &inner)))
		return -EINVAL;
	a->vlans = comma ? 2 : 1;
	a->vlan[0] = (uint16_t)outer;
	a->vlan[1] = (uint16_t)inner;
	return 0;
}

static int parse_uint(const char *s, unsigned long max, unsigned int *out)
{
	unsigned long v;

	if (parse_integer(s, max, &v))
		return -EINVAL;
	*out = (unsigned int)v;
	return 0;
}

static int parse_backend(const char *s, enum flood_backend *out)
{
	*out = strcmp(s, "xsk") == 0 ? BACKEND_XSK : BACKEND_LIVE;
	return *out == BACKEND_XSK || strcmp(s, "live") == 0 ? 0 : -EINVAL;
}

/* Options that say where to, where from and what. */
static int parse_frames(struct args *a, int opt, const char *s)
{
	switch (opt) {
	case 'i':
		if (strlen(s) >= sizeof(a->ifname) || !*s)
			return -EINVAL;
		strcpy(a->ifname, s);
		return 0;
	case OPT_DST:
		return parse_endpoint(s, &a->family, &a->dst, &a->dst_port);
	case OPT_DST_MAC:
		a->have_dst_mac = true;
		return parse_mac(s, a->dst_mac);
	case OPT_SRC_NET:
		return parse_net(s, &a->src_family, &a->src_net, &a->src_len);
	case OPT_SRC_PORT:
		return parse_ports(s, &a->src_port);
	case OPT_VLAN:
		return parse_vlans(s, a);
	case OPT_KIND:
		a->kind_text = s;
		return mix_parse_kinds(s, &a->kinds);
	case OPT_FLOW:
		return parse_endpoint(s, &a->flow_family, &a->flow, &a->flow_port);
	case OPT_SEQ:
		a->have_seq = true;
		return parse_uint(s, UINT32_MAX, &a->seq);
	case OPT_LAYOUT:
		return mix_parse_layouts(s, &a->layouts);
	default:
		return -EINVAL;
	}
}

static int parse_option(struct args *a, int opt, const char *s, struct ports *dst_port)
{
	unsigned int cpu;

	switch (opt) {
	case OPT_DST_PORT:
		return parse_ports(s, dst_port);
	case OPT_RATE:
		return parse_rate(s, &a->rate);
	case OPT_SECONDS:
		return parse_number(s, MAX_SECONDS, false, &a->seconds);
	case OPT_COUNT:
		return parse_count(s, MAX_RATE * MAX_SECONDS, &a->count);
	case OPT_CPU:
		if (parse_uint(s, CPU_SETSIZE - 1, &cpu))
			return -EINVAL;
		a->cpu = (int)cpu;
		return 0;
	case OPT_BACKEND:
		return parse_backend(s, &a->backend);
	case OPT_QUEUE:
		return parse_uint(s, MAX_QUEUE, &a->queue);
	case OPT_SEED:
		return parse_count(s, 1e15, &a->seed);
	case OPT_JSON:
		return a->json = true, 0;
	case OPT_PROGRESS:
		return a->progress = true, 0;
	case OPT_BURSTS:
		return a->bursts = true, 0;
	case OPT_OUTSIDE_LAB:
		return a->outside_lab = true, 0;
	default:
		return parse_frames(a, opt, s);
	}
}

static int misuse(const char *what)
{
	fprintf(stderr, "weir-flood: %s; see --help\n", what);
	return -EINVAL;
}

/* What was left out, and what does not go together. */
static int complete(struct args *a, const struct ports *dst_port)
{
	if (!a->ifname[0] || !a->family)
		return misuse("-i IFACE and --dst ADDR:PORT are needed");
	if (dst_port->lo)
		a->dst_port = *dst_port;
	if (a->kinds.share[KIND_INFLOW]) {
		if (a->flow_family != a->family || a->flow_port.lo != a->flow_port.hi)
			return misuse("--kind inflow wants --flow ADDR:PORT, of --dst's family");
		if (a->dst_port.lo != a->dst_port.hi)
			return misuse("--kind inflow wants one port of --dst");
	} else if (a->flow_family || a->have_seq) {
		return misuse("--flow and --seq are for --kind inflow");
	}
	if (!a->src_len)
		/* The networks set aside for benchmarks (RFC 2544, RFC 5180). */
		return parse_net(a->family == AF_INET ? "198.18.0.0/15" : "2001:2::/64",
				 &a->src_family, &a->src_net, &a->src_len);
	if (a->src_family != a->family)
		return misuse("--src-net and --dst are not of one family");
	return 0;
}

int args_parse(struct args *a, int argc, char **argv)
{
	struct ports dst_port = {0};
	int opt, at = 0;

	*a = (struct args){.rate = 100000,
			   .seconds = 10,
			   .cpu = -1,
			   .src_port = {1024, 65535}, /* lower ones are rarely a client's */
			   .kinds.share[KIND_SYN] = 1,
			   .layouts.share[LAYOUT_LINUX] = 1,
			   .kind_text = "syn"};
	optind = 0; /* getopt begins anew */
	while ((opt = getopt_long(argc, argv, "i:", options, &at)) != -1) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (opt == '?')
			return -EINVAL;
		if (parse_option(a, opt, optarg, &dst_port)) {
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
	return complete(a, &dst_port);
}
