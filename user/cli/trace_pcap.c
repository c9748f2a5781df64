/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/trace_pcap.h"

#define SNAPLEN 65535

struct trace_pcap {
	pcap_t *pcap;
	pcap_dumper_t *dump;
	uint64_t to_wall_ns;
};

struct trace_pcap *trace_pcap_open(const char *path, uint64_t mono_ns, uint64_t wall_ns)
{
	struct trace_pcap *p = calloc(1, sizeof(*p));

	if (!p) {
		fprintf(stderr, "weir trace: out of memory\n");
		return NULL;
	}
	p->to_wall_ns = wall_ns - mono_ns;
	p->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN,
						       PCAP_TSTAMP_PRECISION_NANO);
	p->dump = p->pcap ? pcap_dump_open(p->pcap, path) : NULL;
	if (p->dump)
		return p;
	fprintf(stderr, "weir trace: %s\n", p->pcap ? pcap_geterr(p->pcap) : "out of memory");
	if (p->pcap)
		pcap_close(p->pcap);
	free(p);
	return NULL;
}

void trace_pcap_write(struct trace_pcap *p, const struct weir_trace_rec *rec)
{
	uint64_t ns = rec->mono_ns + p->to_wall_ns;
	struct pcap_pkthdr h = {
		/* With nanosecond precision tv_usec holds nanoseconds. */
		.ts = {.tv_sec = (time_t)(ns / 1000000000u), .tv_usec = (long)(ns % 1000000000u)},
		.caplen = rec->caplen < WEIR_TRACE_SNAP ? rec->caplen : WEIR_TRACE_SNAP,
		.len = rec->len,
	};

	pcap_dump((u_char *)p->dump, &h, rec->data);
}

int trace_pcap_flush(struct trace_pcap *p)
{
	return pcap_dump_flush(p->dump) ? -EIO : 0;
}

int trace_pcap_close(struct trace_pcap *p)
{
	int rc;

	if (!p)
		return 0;
	rc = trace_pcap_flush(p) || ferror(pcap_dump_file(p->dump)) ? -EIO : 0;
	pcap_dump_close(p->dump);
	pcap_close(p->pcap);
	free(p);
	return rc;
}
