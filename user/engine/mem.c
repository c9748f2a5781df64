/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/mem.h"

#include <sys/mman.h>

#define HUGE_MIN (4UL << 20) /* below, large pages would be mostly empty */

void *mem_map(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

void mem_unmap(void *mem, size_t len)
{
	if (mem)
		munmap(mem, len);
}

/*
 * Many connections, each somewhere else: with pages of 4 KiB each costs a walk through the
 * page tables besides. Where the kernel has no large pages, small ones do.
 */
void mem_huge(void *mem, size_t len)
{
	if (len >= HUGE_MIN)
		madvise(mem, len, MADV_HUGEPAGE);
}
