/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --so_flags: words with commas between them, all optional, in any order.
 *
 *     engine         frames go straight into the engine, which answers SYNs itself
 *                    (mode never); the default
 *     xdp            frames go through the gate's program first (mode always); root
 *     mode=always|auto|never    of listeners, instead of those defaults
 *     mtu=BYTES      of the wire (1500)
 *     wscale=N       our shift (8)
 *     rcvbuf=BYTES   sndbuf=BYTES   what a socket starts with
 *     rcvmax=BYTES   sndmax=BYTES   up to which it is tuned
 *     cc=NAME        cubic, reno
 *     msl=MS  rto_min=MS  rto_initial=MS  rto_max=MS  delack=MS
 *     fin_timeout=MS              limits of FIN_WAIT_2 and LAST_ACK
 *     persist=MS                  limit of a zero window
 *     user_timeout=MS
 *     syn_retries=N  quick_acks=N
 *     ecn  noecn                  offered by active opens (noecn)
 *     mtu_probe  no_mtu_probe     RFC 4821 (no_mtu_probe)
 *     local4=ADDR  local6=ADDR    what an unbound connect() comes from
 */
#ifndef WEIR_PACKETDRILL_SETTINGS_H
#define WEIR_PACKETDRILL_SETTINGS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include <weir/abi.h>
#include "tcp/tcp.h"

struct pd_settings {
	bool xdp;
	enum weir_mode mode;
	unsigned mtu;
	struct tcp_config tcp;
	struct in_addr local4;
	struct in6_addr local6;
};

/* NULL is the defaults. 0, or -EINVAL with the reason in why. */
int settings_parse(struct pd_settings *s, const char *flags, char *why, size_t len);

#endif
