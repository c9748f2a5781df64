/* SPDX-License-Identifier: BSD-2-Clause */
/* The other end of a veth, where it is in another network namespace that can be found. */
#ifndef WEIR_CONTROL_PEER_NETNS_H
#define WEIR_CONTROL_PEER_NETNS_H

#include <stddef.h>

/*
 * Runs fn(ifname, arg) in the namespace of the other end of veth `ifindex`, the calling
 * thread being there meanwhile. `run` becomes what a shell command must begin with to run
 * there: "", "ip netns exec NAME ", "nsenter -t PID -n ". 0; -ENOENT: not found; -errno.
 */
int peer_netns_call(unsigned ifindex, void (*fn)(const char *ifname, void *arg), void *arg,
		    char *run, size_t len);

#endif
