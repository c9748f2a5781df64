/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's generic netlink family "netdev": what a driver's XDP can do. Linux 6.3. */
#ifndef WEIR_CONTROL_NETDEV_H
#define WEIR_CONTROL_NETDEV_H

#include <stdint.h>

/* NETDEV_XDP_ACT_* of the interface. 0; -ENOENT: this kernel has no such family; -errno. */
int netdev_xdp_features(unsigned ifindex, uint64_t *features);

#endif
