/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * libbpf's header of this name, for the host: bpf/weir.bpf.c is compiled against it
 * by tests/fuzz/gate_host.c. Maps are what their declaration says, known by address;
 * the helpers that the gate calls are functions of gate_host.c. Whatever else it may
 * call one day is missing here, and the build says so.
 */
#ifndef WEIR_FUZZ_BPF_HELPERS_H
#define WEIR_FUZZ_BPF_HELPERS_H

#include <linux/bpf.h>

#define SEC(name)
#define __uint(name, val)  int(*name)[val]
#define __type(name, val)  val *name
#define __array(name, val) __typeof__(val) *name[]
#define __noinline	   static __attribute__((noinline))
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* libbpf has system calls of these names, which the fuzzer needs besides. */
#define bpf_map_lookup_elem host_map_lookup_elem
#define bpf_map_update_elem host_map_update_elem

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
long bpf_redirect_map(void *map, __u64 key, __u64 flags);
long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta);
long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 off, void *buf, __u32 len);
void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *data, __u64 flags);
__u32 bpf_get_smp_processor_id(void);
__u64 bpf_jiffies64(void);
__u64 bpf_ktime_get_ns(void);

#endif
