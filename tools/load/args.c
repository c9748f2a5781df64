// SPDX-License-Identifier: BSD-2-Clause
/* weir-load's command line. */
#include "args.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define SECONDS_MAX 3600.0
#define CONNS_MAX   2000000.0
#define RATE_MAX    5e6
#define BYTES_MAX   (1ull << 40)

static const char usage[] =
	"usage: weir-load [options] PATTERN ADDR:PORT\n"
	"\n"
	"Opens real connections, times them, checks what comes back. Stops by itself.\n"
	"\n"
	"  connect    connect, close                    any service\n"
	"  request    connect, request, response, close sized\n"
	"  requests   request, response, on kept connections   sized\n"
	"  pingpong   a byte there and back, on kept connections   echo\n"
	"  up, down, both   streams                     sized\n"
	"  idle       open and hold                     any service that waits\n"
	"  slow       request, and read slowly          sized\n"
	"\n"
	"  --backend kernel|xdp  whose TCP the client uses (kernel)\n"
	"  --iface IFACE         the interface of --backend xdp\n"
	"  --source ADDR[-ADDR]|PREFIX   local addresses, each in its turn\n"
	"  --connections N[k]    at once: closed loop (16; idle 1000; streams 1), or at most\n"
	"                        so many (open loop: 10000, kept 64)\n"
	"  --rate R[k|M]         open loop: so many begin per second, timed from when they should\n"
	"  --seconds S           how long (10)\n"
	"  --warmup S            before that, unreported (0)\n"
	"  --phase R:S[:LABEL]   at rate R (0: closed loop) for S seconds; repeated: one after\n"
	"                        the other, each reported, instead of --rate and --seconds\n"
	"  --count N[k|M]        stop after so many\n"
	"  --timeout TIME        a response complete and correct within it is a success (3s)\n"
	"  --request BYTES       beside the header of 24 (0)\n"
	"  --response BYTES      (64; slow: 256k)\n"
	"  --read-rate BYTES     slow: per second and connection (64k)\n"
	"  --cpu N               run on this CPU\n"
	"  --busy-poll           never sleep\n"
	"  --no-verify           do not compare what comes back\n"
	"  --progress            a line now and then\n"
	"  --json                the summary as one JSON object\n"
	"  --plot FILE.png|.html success and latency over the phases, or over time\n"
	"  --outside-lab         although ADDR is neither in a lab of tools/lab nor loopback\n"
	"  --help\n";

enum {
	OPT_BACKEND = 256,
	OPT_IFACE,
	OPT_SOURCE,
	OPT_CONNECTIONS,
	OPT_RATE,
	OPT_SECONDS,
	OPT_WARMUP,
	OPT_PHASE,
	OPT_COUNT,
	OPT_TIMEOUT,
	OPT_REQUEST,
	OPT_RESPONSE,
	OPT_READ_RATE,
	OPT_CPU,
	OPT_BUSY_POLL,
	OPT_NO_VERIFY,
	OPT_PROGRESS,
	OPT_JSON,
	OPT_PLOT,
	OPT_OUTSIDE_LAB,
	OPT_HELP
};

static const struct option options[] = {
	{"backend", required_argument, NULL, OPT_BACKEND},
	{"iface", required_argument, NULL, OPT_IFACE},
	{"source", required_argument, NULL, OPT_SOURCE},
	{"connections", required_argument, NULL, OPT_CONNECTIONS},
	{"rate", required_argument, NULL, OPT_RATE},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"warmup", required_argument, NULL, OPT_WARMUP},
	{"phase", required_argument, NULL, OPT_PHASE},
	{"count", required_argument, NULL, OPT_COUNT},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"request", required_argument, NULL, OPT_REQUEST},
	{"response", required_argument, NULL, OPT_RESPONSE},
	{"read-rate", required_argument, NULL, OPT_READ_RATE},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"busy-poll", no_argument, NULL, OPT_BUSY_POLL},
	{"no-verify", no_argument, NULL, OPT_NO_VERIFY},
	{"progress", no_argument, NULL, OPT_PROGRESS},
	{"json", no_argument, NULL, OPT_JSON},
	{"plot", required_argument, NULL, OPT_PLOT},
	{"outside-lab", no_argument, NULL, OPT_OUTSIDE_LAB},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

const struct load_pattern_info load_patterns[] = {
	[LOAD_CONNECT] = {"connect", .keep = false},
	[LOAD_REQUEST] = {"request", .keep = false},
	[LOAD_REQUESTS] = {"requests", .keep = true},
	[LOAD_PINGPONG] = {"pingpong", .keep = true},
	[LOAD_UP] = {"up", .keep = true, .stream = true, .up = true},
	[LOAD_DOWN] = {"down", .keep = true, .stream = true, .down = true},
	[LOAD_BOTH] = {"both", .keep = true, .stream = true, .up = true, .down = true},
	[LOAD_IDLE] = {"idle", .keep = true},
	[LOAD_SLOW] = {"slow", .keep = false},
};

#define PATTERNS (sizeof(load_patterns) / sizeof(load_patterns[0]))

static int say(const char *what)
{
	fprintf(stderr, "weir-load: %s; see --help\n", what);
	return -EINVAL;
}

static uint64_t to_ns(double seconds)
{
	return (uint64_t)(seconds * 1e9);
}

static int parse_backend(const char *s, struct load_args *a)
{
	a->xdp = strcmp(s, "xdp") == 0;
	return a->xdp || strcmp(s, "kernel") == 0 ? 0 : -EINVAL;
}

/* RATE:SECONDS or RATE:SECONDS:LABEL */
static int parse_phase(const char *s, struct load_args *a)
{
	struct phase *p = &a->phase[a->phases];
	char *word, *rest, *copy = strdup(s);
	double seconds;
	int err = -EINVAL;

	if (!copy)
		return -ENOMEM;
	rest = copy;
	word = strsep(&rest, ":");
	if (a->phases + 1 >= SCHED_PHASES || parse_count(word, 0, RATE_MAX, &p->rate))
		goto out;
	word = strsep(&rest, ":");
	if (!word || parse_time(word, 0.01, SECONDS_MAX, &seconds))
		goto out;
	p->ns = to_ns(seconds);
	snprintf(p->label, sizeof(p->label), "%s", rest ? rest : "");
	a->phases++;
	err = 0;
out:
	free(copy);
	return err;
}

static int parse_plot(const char *s, struct load_args *a)
{
	const char *dot = strrchr(s, '.');

	a->plot = s;
	return dot && (!strcmp(dot, ".png") || !strcmp(dot, ".html")) ? 0 : -EINVAL;
}

static int parse_flag(struct load_args *a, int opt)
{
	switch (opt) {
	case OPT_BUSY_POLL:
		a->busy_poll = true;
		return 0;
	case OPT_NO_VERIFY:
		a->no_verify = true;
		return 0;
	case OPT_PROGRESS:
		a->progress = true;
		return 0;
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

static int parse_option(struct load_args *a, int opt, const char *s)
{
	double v = 0;
	int err;

	switch (opt) {
	case OPT_BACKEND:
		return parse_backend(s, a);
	case OPT_IFACE:
		a->iface = s;
		return *s ? 0 : -EINVAL;
	case OPT_SOURCE:
		return parse_range(s, LOAD_LOCALS_MAX, &a->source, &a->sources);
	case OPT_CONNECTIONS:
		err = parse_count(s, 1, CONNS_MAX, &v);
		a->connections = (unsigned int)v;
		return err;
	case OPT_RATE:
		return parse_count(s, 0.01, RATE_MAX, &a->rate);
	case OPT_SECONDS:
		return parse_time(s, 0.01, SECONDS_MAX, &a->seconds);
	case OPT_WARMUP:
		return parse_time(s, 0, SECONDS_MAX, &a->warmup);
	case OPT_PHASE:
		return parse_phase(s, a);
	case OPT_COUNT:
		err = parse_count(s, 1, 1e12, &v);
		a->count = (uint64_t)v;
		return err;
	case OPT_TIMEOUT:
		err = parse_time(s, 0.001, 600, &v);
		a->timeout_ns = to_ns(v);
		return err;
	case OPT_REQUEST:
		return parse_bytes(s, BYTES_MAX, &a->request);
	case OPT_RESPONSE:
		return parse_bytes(s, BYTES_MAX, &a->response);
	case OPT_READ_RATE:
		return parse_bytes(s, BYTES_MAX, &a->read_rate) || !a->read_rate ? -EINVAL : 0;
	case OPT_CPU:
		err = parse_count(s, 0, CPU_SETSIZE - 1, &v);
		a->cpu = (int)v;
		return err;
	case OPT_PLOT:
		return parse_plot(s, a);
	default:
		return parse_flag(a, opt);
	}
}

static int parse_words(struct load_args *a, int argc, char **argv)
{
	if (argc != 2)
		return say("a PATTERN and ADDR:PORT are needed");
	for (size_t i = 0; i < PATTERNS; i++)
		if (!strcmp(argv[0], load_patterns[i].name))
			a->info = &load_patterns[i];
	if (!a->info) {
		fprintf(stderr, "weir-load: no pattern is called '%s'; see --help\n", argv[0]);
		return -EINVAL;
	}
	a->pattern = (enum load_pattern)(a->info - load_patterns);
	if (parse_target(argv[1], &a->remote)) {
		fprintf(stderr,
			"weir-load: '%s' is not ADDR:PORT, such as 10.0.0.2:80 or"
			" [fd00::2]:80\n",
			argv[1]);
		return -EINVAL;
	}
	return 0;
}

/* The warm-up goes at the rate of the first phase. */
static void make_phases(struct load_args *a)
{
	if (!a->phases)
		a->phase[a->phases++] = (struct phase){.rate = a->rate, .ns = to_ns(a->seconds)};
	if (a->warmup > 0) {
		memmove(a->phase + 1, a->phase, a->phases * sizeof(a->phase[0]));
		a->phase[0].ns = to_ns(a->warmup);
		a->phase[0].warmup = true;
		a->phases++;
	}
}

static unsigned int connections_default(const struct load_args *a)
{
	bool open_loop = false;

	for (unsigned int i = 0; i < a->phases; i++)
		open_loop = open_loop || a->phase[i].rate > 0;
	if (a->pattern == LOAD_IDLE)
		return 1000;
	if (a->info->stream)
		return 1;
	if (!open_loop)
		return 16;
	return a->info->keep ? 64 : 10000;
}

/* What was left out, and what does not go together. */
static int complete(struct load_args *a, bool said_length)
{
	if (a->phases && (a->rate > 0 || said_length))
		return say("--phase says the rates and times; --rate and --seconds go without it");
	if ((a->rate > 0 || a->phases) && (a->info->stream || a->pattern == LOAD_IDLE))
		return say("streams and idle connections have no --rate and no --phase");
	if (a->sources && a->source.sa.sa_family != a->remote.sa.sa_family)
		return say("--source and ADDR are not of one family");
	if (a->xdp && !a->iface)
		return say("--backend xdp needs --iface");
	if (!a->xdp && a->iface)
		return say("--iface is for --backend xdp; the kernel routes by itself");
	make_phases(a);
	if (!a->connections)
		a->connections = connections_default(a);
	if (a->response == UINT64_MAX)
		a->response = a->pattern == LOAD_SLOW ? 256 << 10 : 64;
	if (!a->response &&
	    (a->pattern == LOAD_REQUEST || a->pattern == LOAD_REQUESTS || a->pattern == LOAD_SLOW))
		return say("without a --response there is nothing to wait for: see connect");
	if (a->pattern == LOAD_SLOW) /* at that rate it would be done by then */
		a->timeout_ns += to_ns((double)a->response / (double)a->read_rate);
	return 0;
}

int load_args_parse(struct load_args *a, int argc, char **argv)
{
	bool said_length = false;
	int opt, at = 0, err;

	*a = (struct load_args){.seconds = 10,
				.timeout_ns = to_ns(3),
				.response = UINT64_MAX,
				.read_rate = 64 << 10,
				.cpu = -1};
	optind = 1;
	while ((opt = getopt_long(argc, argv, "", options, &at)) != -1) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (opt == '?')
			return -EINVAL;
		said_length = said_length || opt == OPT_SECONDS;
		if (parse_option(a, opt, optarg)) {
			fprintf(stderr, "weir-load: --%s does not take '%s'; see --help\n",
				options[at].name, optarg);
			return -EINVAL;
		}
	}
	err = parse_words(a, argc - optind, argv + optind);
	return err ? err : complete(a, said_length);
}

union be_addr load_args_source(const struct load_args *a, unsigned int i)
{
	union be_addr s = a->source;
	uint32_t v;

	if (s.sa.sa_family == AF_INET) {
		s.in.sin_addr.s_addr = htonl(ntohl(s.in.sin_addr.s_addr) + i);
		return s;
	}
	memcpy(&v, s.in6.sin6_addr.s6_addr + 12, 4);
	v = htonl(ntohl(v) + i);
	memcpy(s.in6.sin6_addr.s6_addr + 12, &v, 4);
	return s;
}
