/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/bursts.h"

const char *bursts_unfit(enum bursts want, const struct netif *n)
{
	if (want == BURSTS_OFF)
		return "as asked for";
	if (want == BURSTS_ON || !n->csum_offload)
		return NULL;
	switch (netif_veth_peer(n)) {
	case VETH_PEER_XDP:
		return "the peer's XDP program would see checksums that nobody made; "
		       "`ethtool -K DEVICE tx off` here, or --bursts on";
	case VETH_PEER_UNKNOWN:
		return "the peer cannot be asked whether an XDP program would see checksums "
		       "that nobody made; --bursts on";
	case VETH_NOT:
	case VETH_PEER_BARE:
		break;
	}
	return NULL;
}
