// SPDX-License-Identifier: BSD-2-Clause
/* progcost: what a frame costs in the gate (cost.h), as JSON. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jansson.h>

#include "cost.h"
#include "empty.skel.h"
#include "reflect.skel.h"

#define MAX_ROUNDS 99
#define MAX_GATES  16
#define WARM_UP	   8 /* batches */
#define COUNTED	   4

static const char usage_text[] =
	"usage: progcost [--rounds N] [--only PATTERN] [--peer-xdp FILE --peer-section NAME]\n"
	"\n"
	"  --rounds N           rounds of all cases, interleaved (9)\n"
	"  --only PATTERN       cases RESULT/NAME that match\n"
	"  --peer-xdp FILE      another program, run on the same SYNs\n"
	"  --peer-section NAME  its section in FILE (xdp)\n";

struct figure {
	double ns[MAX_ROUNDS]; /* net of an empty program */
	bool wanted;
};

struct bench {
	unsigned rounds, n;
	const struct cost_case *cases;
	struct figure *gate, *reflect, *peer;
	struct cost_gate gates[MAX_GATES];
	uint32_t population[MAX_GATES];
	unsigned policy[MAX_GATES];
	unsigned ngates;
	struct empty_bpf *empty;
	struct reflect_bpf *mirror;
	struct bpf_object *peer_obj;
	int peer_prog; /* below 0: none */
	struct cost_frame frames[COST_BATCH];
};

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("progcost: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- what is measured ---------------------------------------------------------- */

static struct cost_gate *gate_with(struct bench *b, uint32_t flows, unsigned policy)
{
	unsigned i;
	int rc;

	for (i = 0; i < b->ngates; i++)
		if (b->population[i] == flows && b->policy[i] == policy)
			return &b->gates[i];
	if (i == MAX_GATES)
		fail("too many gates");
	rc = cost_gate_open(&b->gates[i], flows);
	if (rc)
		fail("cannot load the gate: %s", strerror(-rc));
	rc = cost_gate_policy(&b->gates[i], policy);
	if (rc)
		fail("cannot make a policy: %s", strerror(-rc));
	b->population[i] = flows;
	b->policy[i] = policy;
	b->ngates++;
	return &b->gates[i];
}

static void open_peer(struct bench *b, const char *file, const char *section)
{
	struct bpf_program *p;

	b->peer_prog = -1;
	if (!file)
		return;
	b->peer_obj = bpf_object__open_file(file, NULL);
	if (!b->peer_obj || bpf_object__load(b->peer_obj))
		fail("cannot load %s: %s", file, strerror(errno));
	bpf_object__for_each_program(p, b->peer_obj)
	{
		if (!strcmp(bpf_program__section_name(p), section))
			b->peer_prog = bpf_program__fd(p);
	}
	if (b->peer_prog < 0)
		fail("no program in section %s of %s", section, file);
}

static void open_all(struct bench *b, const char *only, const char *peer, const char *section)
{
	unsigned i;

	b->empty = empty_bpf__open_and_load();
	b->mirror = reflect_bpf__open_and_load();
	if (!b->empty || !b->mirror)
		fail("cannot load a program: %s", strerror(errno));
	open_peer(b, peer, section);
	b->cases = cost_cases(&b->n);
	b->gate = calloc(b->n, sizeof(*b->gate));
	b->reflect = calloc(b->n, sizeof(*b->reflect));
	b->peer = calloc(b->n, sizeof(*b->peer));
	if (!b->gate || !b->reflect || !b->peer)
		fail("out of memory");
	for (i = 0; i < b->n; i++) {
		const struct cost_case *c = &b->cases[i];
		char name[96];

		snprintf(name, sizeof(name), "%s/%s", c->result, c->name);
		b->gate[i].wanted = !only || !fnmatch(only, name, 0);
		b->reflect[i].wanted =
			b->gate[i].wanted && c->make && !strcmp(c->result, "syn_path");
		b->peer[i].wanted = b->reflect[i].wanted && b->peer_prog >= 0;
		if (b->gate[i].wanted)
			gate_with(b, c->flows, c->policy);
	}
}

/* ---- measuring ------------------------------------------------------------------- */

static double run(struct bench *b, const struct cost_case *c, int prog, int want)
{
	double ns = cost_measure(prog, b->frames, COST_BATCH, want);

	if (ns < 0)
		fail("%s/%s: %s", c->result, c->name,
		     ns == -EPROTO ? "it did not end as it should" : strerror((int)-ns));
	return ns;
}

static void make_frames(struct bench *b, const struct cost_case *c, struct cost_gate *g)
{
	unsigned k;
	int rc;

	for (k = 0; k < COST_BATCH; k++) {
		rc = c->make(c, g, &b->frames[k]);
		if (rc)
			fail("%s/%s: no frames: %s", c->result, c->name, strerror(-rc));
	}
}

/* The last batches count: by then the caches hold what such a load leaves in them. */
static double measure_gate(struct bench *b, const struct cost_case *c, struct cost_gate *g)
{
	double sum = 0;
	unsigned k;

	for (k = 0; k < WARM_UP + COUNTED; k++) {
		double ns;

		make_frames(b, c, g);
		ns = run(b, c, g->prog, c->want);
		if (k >= WARM_UP)
			sum += ns;
	}
	return sum / COUNTED;
}

static void measure(struct bench *b, unsigned i, unsigned round)
{
	const struct cost_case *c = &b->cases[i];
	struct cost_gate *g = gate_with(b, c->flows, c->policy);
	double empty;

	b->gate[i].ns[round] = measure_gate(b, c, g);
	empty = run(b, c, bpf_program__fd(b->empty->progs.bench_empty), -1);
	b->gate[i].ns[round] -= empty;
	if (b->reflect[i].wanted)
		b->reflect[i].ns[round] =
			run(b, c, bpf_program__fd(b->mirror->progs.bench_reflect), -1) - empty;
	if (b->peer[i].wanted)
		b->peer[i].ns[round] = run(b, c, b->peer_prog, -1) - empty;
	if (!c->flows && cost_gate_forget(g))
		fail("cannot delete flows: %s", strerror(errno));
}

/* ---- saying it --------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void add(json_t *rows, const struct bench *b, unsigned i, struct figure *f,
		const char *system)
{
	const struct cost_case *c = &b->cases[i];
	json_t *all;
	unsigned r;

	if (!f->wanted)
		return;
	all = json_array();
	for (r = 0; r < b->rounds; r++)
		json_array_append_new(all, json_real(f->ns[r]));
	qsort(f->ns, b->rounds, sizeof(f->ns[0]), by_size);
	json_array_append_new(rows,
			      json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:i, s:o}",
					"result", c->result, "case", c->name, "system", system,
					"unit", "ns", "flows", (int)c->flows, "min", f->ns[0],
					"median", f->ns[b->rounds / 2], "max", f->ns[b->rounds - 1],
					"rounds", (int)b->rounds, "each", all));
}

static void report(struct bench *b)
{
	json_t *rows = json_array(), *all;
	unsigned i;

	for (i = 0; i < b->n; i++) {
		add(rows, b, i, &b->gate[i], "weir");
		add(rows, b, i, &b->reflect[i], "reflector");
		add(rows, b, i, &b->peer[i], "peer");
	}
	all = json_pack("{s:i, s:o}", "version", 1, "rows", rows);
	if (!all || json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5)))
		fail("cannot write the result");
	putchar('\n');
	json_decref(all);
}

static void isolate(void)
{
	cpu_set_t one;

	if (unshare(CLONE_NEWNET) || system("ip link set lo up")) {
		fprintf(stderr, "progcost: no namespace of its own: %s (needs root)\n",
			strerror(errno));
		exit(77);
	}
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"rounds", required_argument, NULL, 'r'},
		{"only", required_argument, NULL, 'o'},
		{"peer-xdp", required_argument, NULL, 'p'},
		{"peer-section", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *only = NULL, *peer = NULL, *section = "xdp";
	static struct bench b = {.rounds = 9};
	unsigned r, i;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			b.rounds = (unsigned)atoi(optarg);
			break;
		case 'o':
			only = optarg;
			break;
		case 'p':
			peer = optarg;
			break;
		case 's':
			section = optarg;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			fputs(usage_text, stderr);
			return 2;
		}
	}
	if (optind < argc || !b.rounds || b.rounds > MAX_ROUNDS) {
		fputs(usage_text, stderr);
		return 2;
	}
	isolate();
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		fail("no run-time statistics: %s", strerror(errno));
	open_all(&b, only, peer, section);
	for (r = 0; r < b.rounds; r++)
		for (i = 0; i < b.n; i++)
			if (b.gate[i].wanted)
				measure(&b, i, r);
	report(&b);
	return 0;
}
