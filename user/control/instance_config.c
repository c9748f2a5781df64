/* SPDX-License-Identifier: BSD-2-Clause */
/* The defaults alone, for who reads settings and loads no gate. */
#include <string.h>

#include "control/dispatcher.h"
#include "control/instance.h"
#include "net/pktio_xsk.h"

void instance_config_default(struct instance_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->flows = 262144;
	cfg->fit_conns = cfg->fit_buffers = cfg->fit_flows = true;
	cfg->rx_frames = PKTIO_XSK_RX_FRAMES;
	cfg->tx_frames = PKTIO_XSK_TX_FRAMES;
	cfg->rotate_ms = 600000;
	cfg->mode.syn_per_sec = SERVICE_SYN_PER_SEC;
	cfg->mode.hold_ms = SERVICE_HOLD_MS;
	cfg->wscale = -1;
	cfg->xdp_prio = DISPATCHER_PRIO;
	event_limits_default(&cfg->events);
	engine_config_default(&cfg->engine);
	cfg->engine.workers = 0;
}
