/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp/pool.h"

void tcp_pool_init(struct tcp_pool *p, void *mem, size_t n)
{
	*p = (struct tcp_pool){.fresh = mem, .nfresh = n, .total = n};
}

struct tcp_block *tcp_pool_get(struct tcp_pool *p)
{
	struct tcp_block *b = p->free;

	if (b) {
		p->free = b->next;
	} else {
		if (!p->nfresh)
			return NULL;
		b = (struct tcp_block *)(void *)p->fresh;
		p->fresh += TCP_BLOCK_SIZE;
		p->nfresh--;
	}
	p->in_use++;
	b->next = NULL;
	return b;
}

void tcp_pool_put(struct tcp_pool *p, struct tcp_block *b)
{
	b->next = p->free;
	p->free = b;
	p->in_use--;
}
