/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of the engine's tables: zeroed, and taken from the system as it is touched. */
#ifndef WEIR_ENGINE_MEM_H
#define WEIR_ENGINE_MEM_H

#include <stddef.h>

void *mem_map(size_t len);	       /* NULL: there is none */
void mem_unmap(void *mem, size_t len); /* NULL is fine */

/* Asks for large pages behind a mapping that is large enough for them. */
void mem_huge(void *mem, size_t len);

#endif
