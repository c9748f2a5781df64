/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into weir: lets allocations of the program itself fail (those of the libraries
 * that it uses are theirs).
 *
 *     NOMEM_AT=n      the n-th one, which is told on standard error
 *     NOMEM_WHEN=file all of them, while the file is there
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uintptr_t from, to; /* of the program */
static unsigned long fail_at;
static const char *fail_when;
static atomic_ulong calls;

static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		from = info->dlpi_addr + p->p_vaddr;
		to = from + p->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("NOMEM_AT");

	fail_at = at ? strtoul(at, NULL, 10) : 0;
	fail_when = getenv("NOMEM_WHEN");
	unsetenv("LD_PRELOAD"); /* not in what the program starts */
	dl_iterate_phdr(first_object, NULL);
}

static bool fails(const void *caller)
{
	static const char told[] = "nomem: here\n";
	uintptr_t at = (uintptr_t)caller;

	if (at < from || at >= to)
		return false;
	if (fail_when)
		return !access(fail_when, F_OK);
	if (!fail_at || atomic_fetch_add(&calls, 1) + 1 != fail_at)
		return false;
	return write(STDERR_FILENO, told, sizeof(told) - 1) > 0;
}

#define FAILS	   fails(__builtin_return_address(0))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

static void *none(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	return FAILS ? none() : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return FAILS ? none() : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return FAILS ? none() : __libc_realloc(p, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	return FAILS ? none() : __libc_memalign(align, size);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (FAILS)
		return none() ? NULL : MAP_FAILED;
	return REAL(mmap)(addr, len, prot, flags, fd, offset);
}
