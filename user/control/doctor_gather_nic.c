/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor's facts about an interface: ethtool, netlink, sysfs. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/abi.h>
#include "control/doctor.h"
#include "control/netdev.h"
#include "control/peer_netns.h"

#define RINGS_MAX 4096 /* of an indirection table */

static int value(const char *name, uint32_t cmd)
{
	struct ethtool_value v = {.cmd = cmd};

	return netif_ethtool(name, &v) ? DOCTOR_UNKNOWN : v.data != 0;
}

static void offloads(const char *name, struct doctor_offloads *o)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};

	if (!netif_ethtool(name, &flags)) {
		o->rxvlan = !!(flags.data & ETH_FLAG_RXVLAN);
		o->txvlan = !!(flags.data & ETH_FLAG_TXVLAN);
		o->lro = !!(flags.data & ETH_FLAG_LRO);
	}
	o->gro = value(name, ETHTOOL_GGRO);
	o->tx_csum = value(name, ETHTOOL_GTXCSUM);
	o->tso = value(name, ETHTOOL_GTSO);
	o->gso = value(name, ETHTOOL_GGSO);
}

static void channels(struct doctor_nic *n)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};

	if (netif_ethtool(n->name, &ch))
		return;
	n->max_combined = ch.max_combined;
	n->max_rx = ch.max_rx;
}

/* How many different queues the indirection table names. */
static void indirection(struct doctor_nic *n)
{
	struct ethtool_rxfh_indir ask = {.cmd = ETHTOOL_GRXFHINDIR}, *t;
	uint64_t seen = 0;

	if (netif_ethtool(n->name, &ask) || !ask.size || ask.size > RINGS_MAX)
		return;
	t = calloc(1, sizeof(*t) + ask.size * sizeof(t->ring_index[0]));
	if (!t)
		return;
	t->cmd = ETHTOOL_GRXFHINDIR;
	t->size = ask.size;
	if (!netif_ethtool(n->name, t)) {
		for (unsigned i = 0; i < t->size && i < ask.size; i++)
			if (t->ring_index[i] < WEIR_MAX_QUEUES)
				seen |= (uint64_t)1 << t->ring_index[i];
		n->rss_rings = (unsigned)__builtin_popcountll(seen);
	}
	free(t);
}

static int hash_fields(const char *name, uint32_t flow)
{
	struct ethtool_rxnfc c = {.cmd = ETHTOOL_GRXFH, .flow_type = flow};

	return netif_ethtool(name, &c) ? DOCTOR_UNKNOWN : (int)c.data;
}

static void rings(struct doctor_nic *n)
{
	struct ethtool_ringparam r = {.cmd = ETHTOOL_GRINGPARAM};

	if (netif_ethtool(n->name, &r))
		return;
	n->rx_ring = r.rx_pending;
	n->rx_ring_max = r.rx_max_pending;
}

/* ---- sysfs -------------------------------------------------------------------------------- */

static int number(const char *path, int if_none)
{
	FILE *f = fopen(path, "re");
	int v = if_none;

	if (!f)
		return if_none;
	if (fscanf(f, "%d", &v) != 1)
		v = if_none;
	fclose(f);
	return v;
}

static int attribute(const struct doctor_nic *n, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", n->name, name);
	return number(path, DOCTOR_UNKNOWN);
}

/* Message-signalled ones, whose CPU is the first of those they may go to. */
static void interrupts(struct doctor_nic *n)
{
	uint64_t seen[16] = {0}; /* 1024 CPUs */
	char path[128];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/msi_irqs", n->name);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		int irq = atoi(e->d_name), cpu;

		if (irq <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/irq/%d/effective_affinity_list", irq);
		cpu = number(path, DOCTOR_UNKNOWN);
		if (cpu < 0 || cpu >= 1024)
			continue;
		n->irqs++;
		seen[cpu / 64] |= (uint64_t)1 << cpu % 64;
	}
	if (d)
		closedir(d);
	for (unsigned i = 0; i < 16; i++)
		n->irq_cpus += (unsigned)__builtin_popcountll(seen[i]);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void look_at_peer(const char *ifname, void *arg)
{
	struct doctor_nic *n = arg;

	snprintf(n->peer_name, sizeof(n->peer_name), "%s", ifname);
	offloads(ifname, &n->peer_off);
	n->peer_seen = true;
}

static void look_at_hook(struct doctor_nic *n)
{
	n->hook_known = !hook_query(&n->hook, n->is.ifindex);
	if (!n->hook_known || n->hook.kind == HOOK_FREE)
		return;
	hook_text(&n->hook, n->name, n->hook_text, sizeof(n->hook_text));
	n->weir_runs = hook_is_weir(n->hook.prog) && n->hook.by.pid;
}

void doctor_gather_nic(struct doctor_nic *n)
{
	char path[128];
	uint64_t features;

	if (!netdev_xdp_features(n->is.ifindex, &features))
		n->xdp_features = (int)(features & INT_MAX);
	channels(n);
	indirection(n);
	n->hash4 = hash_fields(n->name, TCP_V4_FLOW);
	n->hash6 = hash_fields(n->name, TCP_V6_FLOW);
	rings(n);
	offloads(n->name, &n->off);
	interrupts(n);
	n->defer_hard_irqs = attribute(n, "napi_defer_hard_irqs");
	n->flush_timeout = attribute(n, "gro_flush_timeout");
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", n->name);
	n->rp_filter = number(path, DOCTOR_UNKNOWN);
	look_at_hook(n);
	n->peer = netif_veth_peer(&n->is);
	if (n->peer != VETH_NOT)
		peer_netns_call(n->is.ifindex, look_at_peer, n, n->peer_run, sizeof(n->peer_run));
}
