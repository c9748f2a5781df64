/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private network namespaces for tests. They have no name and vanish with the
 * process (and the child) that lives in them, however the test ends. And how long
 * to wait for what goes on in them.
 */
#ifndef WEIR_TEST_NETNS_H
#define WEIR_TEST_NETNS_H

#include <sys/types.h>

/* Moves this process into a new namespace, lo up. Exits 77 where it may not. */
void netns_private(void);

/* A child that holds another new namespace until netns_end() or our death. */
pid_t netns_child(void);
void netns_end(pid_t child);

/*
 * How long, or how often, to wait before a test has failed: `n` times $WEIR_PATIENCE, which is
 * more than 1 on a machine slower than usual. What passes is the same.
 */
unsigned patience(unsigned n);

/* The size of a load: `n` divided by $WEIR_PATIENCE, at least 1; what is asserted of it stays. */
unsigned scaled(unsigned n);

/* Runs a shell command quietly; its exit status. */
int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* XDP programs made of a few instructions. A descriptor, or -errno. */
int prog_pass(void);
int prog_redirect(int xskmap_fd); /* to the socket of the frame's queue, else drop */
int xskmap_new(unsigned queues);

/* Attaches by a bpf_link; closing the descriptor detaches. flags: XDP_FLAGS_*. */
int xdp_link(int prog_fd, const char *ifname, unsigned flags);

#endif
