/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AF_XDP socket on the loopback of a network namespace, which never receives anything:
 * a redirect by BPF_PROG_TEST_RUN succeeds only where there is a socket to go to.
 */
#ifndef TOOLS_LO_SOCKET_H
#define TOOLS_LO_SOCKET_H

struct lo_socket;

/* In the calling thread's namespace, whose lo is up. 0 or -errno. */
int lo_socket_open(struct lo_socket **out);
void lo_socket_close(struct lo_socket *s); /* NULL is fine */

int lo_socket_fd(const struct lo_socket *s);

#endif
