/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <linux/tcp.h> beside the core's header: both have a struct tcp_info. The kernel's,
 * which TCP_INFO gives, is called struct linux_tcp_info here.
 */
#ifndef WEIR_SOCK_LINUX_TCP_H
#define WEIR_SOCK_LINUX_TCP_H

#define tcp_info linux_tcp_info
#include <linux/tcp.h>
#undef tcp_info

#endif
