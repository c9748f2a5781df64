/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much memory there is to be had. Our pools are mapped without being filled, and the
 * kernel promises more than it has: who does not reckon beforehand is killed later, with
 * all connections.
 */
#ifndef WEIR_CONTROL_MEMORY_H
#define WEIR_CONTROL_MEMORY_H

#include <stdint.h>

/*
 * Bytes that this process can have without anything being killed for them: what the kernel
 * calls available, or what is left below the limits of its memory cgroups or of its
 * address space (RLIMIT_AS), where that is less. `proc` is where proc is mounted. UINT64_MAX: it
 * does not say.
 */
uint64_t memory_available(const char *proc);

#endif
