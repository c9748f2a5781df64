/* SPDX-License-Identifier: BSD-2-Clause */
/* A trace as a capture file: Ethernet frames, nanoseconds of wall-clock time. */
#ifndef WEIR_CLI_TRACE_PCAP_H
#define WEIR_CLI_TRACE_PCAP_H

#include <stdint.h>

#include <weir/abi.h>

struct trace_pcap;

/* wall_ns - mono_ns is added to the records' times. NULL: a message is on stderr. */
struct trace_pcap *trace_pcap_open(const char *path, uint64_t mono_ns, uint64_t wall_ns);
void trace_pcap_write(struct trace_pcap *p, const struct weir_trace_rec *rec);
/* So that a capture under way can be read. 0 or -EIO. */
int trace_pcap_flush(struct trace_pcap *p);
/* 0, or -EIO when something was not written. NULL is fine. */
int trace_pcap_close(struct trace_pcap *p);

#endif
