/* SPDX-License-Identifier: BSD-2-Clause */
/* What every question to rtnetlink takes: a socket, attributes in and out. */
#ifndef WEIR_CONTROL_NLMSG_H
#define WEIR_CONTROL_NLMSG_H

#include <stdint.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* A NETLINK_ROUTE socket whose answers are waited for two seconds, or -errno. */
int nlmsg_open(void);

/* Appends an attribute. The caller's request has room for all that it puts. */
void nlmsg_put(struct nlmsghdr *nh, uint16_t type, const void *data, uint16_t len);

/* 0 where the attribute is too short to be one. */
uint32_t nlmsg_u32(const struct rtattr *a);

#endif
