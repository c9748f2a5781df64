/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which other process has something of the kernel's open, so that a refusal can name it.
 * Looks through /proc, as far as we may: a process of another PID namespace is not seen.
 */
#ifndef WEIR_CONTROL_HOLDER_H
#define WEIR_CONTROL_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct holder {
	pid_t pid; /* 0: nobody is seen */
	char comm[16];
};

/* The first that has the program, or a link of it, open. */
bool holder_of_prog(struct holder *h, uint32_t prog_id);
bool holder_of_link(struct holder *h, uint32_t link_id);
bool holder_of_socket(struct holder *h, uint32_t inode);

/* Of the AF_XDP socket that is bound to the queue. The kernel must have XDP_SOCKETS_DIAG. */
bool holder_of_queue(struct holder *h, unsigned ifindex, unsigned queue);

#endif
