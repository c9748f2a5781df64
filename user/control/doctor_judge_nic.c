/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor's verdicts on the interface. */
#include <linux/ethtool.h>
#include <stdio.h>
#include <string.h>

#include <weir/abi.h>
#include "control/doctor.h"
#include "net/pktio_xsk.h"

#define RING_SMALL  1024 /* a burst that comes while the worker sleeps fits in more */
#define RING_LARGE  4096 /* and beyond it only caches suffer */
#define PORTS_BYTES (RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* ---- drivers ------------------------------------------------------------------------------ */

static bool listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

int doctor_driver_native(const char *driver)
{
	static const char *const native[] = {
		"veth",		 "virtio_net",	  "tun",       "i40e",	  "ice",
		"ixgbe",	 "ixgbevf",	  "igb",       "igc",	  "mlx5_core",
		"mlx4_en",	 "bnxt_en",	  "ena",       "nfp",	  "sfc",
		"qede",		 "mvneta",	  "mvpp2",     "stmmac",  "hv_netvsc",
		"thunder-nicvf", "fsl_dpaa2_eth", "fsl_enetc", "ti_cpsw", "xen_netfront",
		"bonding",	 "mana",	  "vmxnet3",   "gve",	  NULL};
	static const char *const generic[] = {
		"e1000", "e1000e", "tg3",     "r8169",	"bridge",
		"dummy", "8139cp", "macvlan", "ipvlan", "802.1Q VLAN Support",
		NULL};

	return listed(native, driver) ? 1 : listed(generic, driver) ? 0 : DOCTOR_UNKNOWN;
}

int doctor_driver_zerocopy(const char *driver)
{
	static const char *const can[] = {"i40e",   "ice",	     "ixgbe", "igc", "mlx5_core",
					  "stmmac", "fsl_dpaa2_eth", "nfp",   NULL};
	static const char *const cannot[] = {"veth", "tun",	  "ena",  "bnxt_en", "mlx4_en",
					     "sfc",  "hv_netvsc", "mana", NULL};

	return listed(can, driver) ? 1 : listed(cannot, driver) ? 0 : DOCTOR_UNKNOWN;
}

static int native(const struct doctor_nic *n)
{
	if (n->xdp_features != DOCTOR_UNKNOWN)
		return n->xdp_features & DOCTOR_XDP_NATIVE ? 1 : 0;
	return doctor_driver_native(n->is.driver);
}

bool doctor_generic(const struct doctor_nic *n)
{
	return !native(n) || n->peer == VETH_PEER_BARE;
}

static void xdp(const struct doctor_nic *n, struct doctor_report *r)
{
	const char *driver = *n->is.driver ? n->is.driver : "the driver";
	const char *who = n->xdp_features == DOCTOR_UNKNOWN ? " as far as is known" : "";
	int zc;

	if (!native(n)) {
		doctor_say(r, DOCTOR_WARN, "xdp",
			   "%s has no XDP of its own%s: weir runs in generic mode, which makes a "
			   "socket buffer of every frame first",
			   driver, who);
		return;
	}
	if (native(n) < 0)
		doctor_say(r, DOCTOR_NOTE, "xdp",
			   "whether %s has native XDP is not known: weir run tries", driver);
	else
		doctor_say(r, DOCTOR_OK, "xdp", "%s has native XDP%s", driver, who);
	zc = n->xdp_features != DOCTOR_UNKNOWN ? !!(n->xdp_features & DOCTOR_XDP_ZEROCOPY)
					       : doctor_driver_zerocopy(n->is.driver);
	if (zc > 0)
		doctor_say(r, DOCTOR_OK, "zerocopy", "%s offers zero-copy AF_XDP%s", driver, who);
	else
		doctor_say(r, DOCTOR_NOTE, "zerocopy",
			   "%s: each frame is copied between the driver "
			   "and weir",
			   zc ? "whether there is zero-copy AF_XDP is not known"
			      : "no zero-copy AF_XDP");
}

/* ---- the interface as such ------------------------------------------------------------------ */

static void interface(const struct doctor_nic *n, struct doctor_report *r)
{
	const struct netif *is = &n->is;

	if (!*n->refusal) {
		doctor_say(r, DOCTOR_OK, "interface", "%s: up, MTU %u, which fits a buffer (%d)",
			   n->name, is->mtu, PKTIO_XSK_MTU_MAX);
		if (!is->carrier)
			doctor_say(r, DOCTOR_NOTE, "link", "%s: the link is down", n->name);
		return;
	}
	doctor_say(r, DOCTOR_BAD, "interface", "%s", n->refusal);
	if (is->loopback || !is->ethernet)
		return;
	if (!is->up)
		doctor_mend(r, "ip link set %s up", n->name);
	else if (is->mtu > PKTIO_XSK_MTU_MAX)
		doctor_mend(r, "ip link set %s mtu %d", n->name, PKTIO_XSK_MTU_MAX);
	else if (is->mtu < NETIF_MTU_MIN)
		doctor_mend(r, "ip link set %s mtu 1500", n->name);
	else if (is->rx_queues > WEIR_MAX_QUEUES)
		doctor_mend(r, "ethtool -L %s combined %d", n->name, WEIR_MAX_QUEUES);
}

static void hook(const struct doctor_nic *n, struct doctor_report *r)
{
	const struct hook *h = &n->hook;

	if (!n->hook_known)
		return;
	if (n->weir_runs) {
		doctor_say(r, DOCTOR_OK, "hook", "weir is on the XDP hook: process %d",
			   (int)h->by.pid);
		return;
	}
	switch (h->kind) {
	case HOOK_FREE:
		doctor_say(r, DOCTOR_OK, "hook", "nobody is on the XDP hook");
		break;
	case HOOK_DISPATCHER:
		doctor_say(r, DOCTOR_NOTE, "hook",
			   "libxdp's dispatcher is on the XDP hook: weir "
			   "takes a seat in it");
		break;
	case HOOK_NETLINK:
		doctor_say(r, DOCTOR_BAD, "hook", "the XDP hook is taken: %s", n->hook_text);
		doctor_mend(r, "ip link set dev %s %s off", n->name,
			    h->generic ? "xdpgeneric" : "xdp");
		break;
	case HOOK_LINK:
		doctor_say(r, DOCTOR_BAD, "hook", "the XDP hook is taken: %s", n->hook_text);
		if (hook_is_weir(h->prog) && !h->by.pid)
			doctor_mend(r, "weir detach %s", n->name);
		else
			doctor_mend(r, "bpftool link detach id %u", h->link_id);
		break;
	case HOOK_HIDDEN:
		doctor_say(r, DOCTOR_BAD, "hook", "the XDP hook is taken: %s", n->hook_text);
		break;
	}
}

/* Often suspected: it is asked behind XDP, by the host's stack. */
static void reverse_path(const struct doctor_nic *n, struct doctor_report *r)
{
	if (n->rp_filter > 0)
		doctor_say(r, DOCTOR_OK, "rp_filter",
			   "rp_filter is %d here: the host's stack goes by it, weir never asks",
			   n->rp_filter);
}

/* ---- queues --------------------------------------------------------------------------------- */

static void queues(const struct doctor_facts *f, struct doctor_report *r)
{
	const struct doctor_nic *n = &f->nic;
	unsigned have = n->is.rx_queues, cpus = f->sys.cpus;
	/* A veth's queues are those that its other end sends from. */
	unsigned max = n->peer != VETH_NOT ? 0 : n->max_combined ? n->max_combined : n->max_rx;
	unsigned want = max < cpus ? max : cpus;

	if (have < cpus && have < max) {
		doctor_say(r, DOCTOR_WARN, "queues",
			   "%u RX queue%s for %u CPUs, and there could be %u: a queue is one CPU's "
			   "work",
			   have, have == 1 ? "" : "s", cpus, max);
		if (n->max_combined)
			doctor_mend(r, "ethtool -L %s combined %u", n->name, want);
		else
			doctor_mend(r, "ethtool -L %s rx %u", n->name, want);
	} else if (have > cpus && cpus) {
		doctor_say(r, DOCTOR_NOTE, "queues",
			   "%u RX queues for %u CPUs: workers have several", have, cpus);
	} else {
		doctor_say(r, DOCTOR_OK, "queues", "%u RX queue%s for %u CPUs", have,
			   have == 1 ? "" : "s", cpus);
	}
}

/* Which of several queues a frame comes to. */
static void spreading(const struct doctor_nic *n, struct doctor_report *r)
{
	if (n->is.rx_queues < 2)
		return;
	if (n->rss_rings && n->rss_rings < n->is.rx_queues) {
		doctor_say(r, DOCTOR_WARN, "rss", "frames come to %u of the %u RX queues alone",
			   n->rss_rings, n->is.rx_queues);
		doctor_mend(r, "ethtool -X %s equal %u", n->name, n->is.rx_queues);
	} else if (n->rss_rings) {
		doctor_say(r, DOCTOR_OK, "rss", "frames are spread over all RX queues");
	}
	if (n->hash4 >= 0 && (n->hash4 & PORTS_BYTES) != PORTS_BYTES) {
		doctor_say(r, DOCTOR_WARN, "hash4",
			   "the queue is chosen without the ports (IPv4): all connections of a "
			   "client, "
			   "or of a NAT, are one CPU's");
		doctor_mend(r, "ethtool -N %s rx-flow-hash tcp4 sdfn", n->name);
	}
	if (n->hash6 >= 0 && (n->hash6 & PORTS_BYTES) != PORTS_BYTES) {
		doctor_say(
			r, DOCTOR_WARN, "hash6",
			"the queue is chosen without the ports (IPv6): all connections of a client "
			"are one CPU's");
		doctor_mend(r, "ethtool -N %s rx-flow-hash tcp6 sdfn", n->name);
	}
}

static void rings(const struct doctor_nic *n, struct doctor_report *r)
{
	unsigned want = n->rx_ring_max < RING_LARGE ? n->rx_ring_max : RING_LARGE;

	if (!n->rx_ring)
		return;
	if (n->rx_ring < RING_SMALL && n->rx_ring_max > n->rx_ring) {
		doctor_say(r, DOCTOR_WARN, "ring",
			   "%u descriptors in an RX ring, %u are possible: "
			   "bursts of a flood overflow it, clients' frames among them",
			   n->rx_ring, n->rx_ring_max);
		doctor_mend(r, "ethtool -G %s rx %u", n->name, want);
	} else {
		doctor_say(r, DOCTOR_OK, "ring", "%u descriptors in an RX ring", n->rx_ring);
	}
}

static void interrupts(const struct doctor_nic *n, struct doctor_report *r)
{
	if (n->irqs > 1 && n->irq_cpus == 1) {
		doctor_say(r, DOCTOR_WARN, "irq", "all %u interrupts of %s are one CPU's", n->irqs,
			   n->name);
		doctor_mend(
			r,
			"n=0; for i in $(ls /sys/class/net/%s/device/msi_irqs); do echo $((n++ %% "
			"$(nproc))) >/proc/irq/$i/smp_affinity_list; done",
			n->name);
	} else if (n->irqs) {
		doctor_say(r, DOCTOR_OK, "irq", "%u interrupts on %u CPUs", n->irqs, n->irq_cpus);
	}
	if (n->flush_timeout > 0 && n->defer_hard_irqs > 0)
		doctor_say(r, DOCTOR_NOTE, "napi",
			   "interrupts are put off (napi_defer_hard_irqs %d, gro_flush_timeout %d "
			   "ns): "
			   "meant for weir run --busy-poll, a delay without it",
			   n->defer_hard_irqs, n->flush_timeout);
	else if (n->flush_timeout > 0) {
		doctor_say(r, DOCTOR_NOTE, "napi",
			   "gro_flush_timeout is %d ns: frames may wait as long", n->flush_timeout);
		doctor_mend(r, "echo 0 >/sys/class/net/%s/gro_flush_timeout", n->name);
	}
}

/* ---- offloads ---------------------------------------------------------------------------------
 */

static void offloads(const struct doctor_nic *n, struct doctor_report *r)
{
	const struct doctor_offloads *o = &n->off;

	if (o->rxvlan > 0) {
		doctor_say(
			r, DOCTOR_WARN, "rxvlan",
			"VLAN tags are taken off before XDP sees them: a service would answer on "
			"every VLAN, without its tag");
		doctor_mend(r, "ethtool -K %s rxvlan off", n->name);
	} else if (!o->rxvlan) {
		doctor_say(r, DOCTOR_OK, "rxvlan", "VLAN tags stay in the frames");
	}
	if (o->lro > 0) {
		doctor_say(r, DOCTOR_BAD, "lro",
			   "LRO joins segments to frames that no buffer holds: XDP is refused, or "
			   "they "
			   "are lost");
		doctor_mend(r, "ethtool -K %s lro off", n->name);
	}
	if (o->gro > 0 && doctor_generic(n)) {
		doctor_say(r, DOCTOR_WARN, "gro",
			   "GRO joins segments before generic XDP sees them: what is larger than a "
			   "buffer is lost, and sent again");
		doctor_mend(r, "ethtool -K %s gro off", n->name);
	}
}

static void peer_offloads(const struct doctor_nic *n, struct doctor_report *r)
{
	const struct doctor_offloads *o = &n->peer_off;
	/* Native XDP has the kernel turn off what makes super-packets at the other end. */
	bool super = (o->tso > 0 || o->gso > 0) && doctor_generic(n);

	if (!n->peer_seen) {
		doctor_say(r, DOCTOR_NOTE, "peer",
			   "a veth whose other end cannot be asked from here: checksums and "
			   "segmentation left to its device would be lost; there: ethtool -K "
			   "DEVICE tx "
			   "off tso off gso off");
		return;
	}
	if (o->tx_csum > 0 || super) {
		doctor_say(
			r, DOCTOR_BAD, "peer",
			"the other end, %s, leaves %s to its device, which a veth does not do: the "
			"gate drops such frames; or weir run --accept-partial-csum",
			n->peer_name,
			o->tx_csum > 0 ? super ? "checksums and segmentation" : "checksums"
				       : "segmentation");
		doctor_mend(r, "%sethtool -K %s tx off tso off gso off", n->peer_run, n->peer_name);
	} else {
		doctor_say(r, DOCTOR_OK, "peer", "the other end, %s, makes whole segments",
			   n->peer_name);
	}
	if (o->txvlan > 0) {
		doctor_say(r, DOCTOR_NOTE, "peer_vlan",
			   "the other end, %s, keeps VLAN tags beside the frame, where XDP does "
			   "not see "
			   "them",
			   n->peer_name);
		doctor_mend(r, "%sethtool -K %s txvlan off", n->peer_run, n->peer_name);
	}
}

static void veth(const struct doctor_nic *n, struct doctor_report *r)
{
	if (n->peer == VETH_NOT)
		return;
	if (n->peer == VETH_PEER_BARE)
		doctor_say(
			r, DOCTOR_WARN, "peer_xdp",
			"a veth whose other end has no XDP program: answers by native XDP would "
			"not "
			"arrive, so weir takes generic mode; any program there that passes frames "
			"mends it");
	else if (n->peer == VETH_PEER_XDP)
		doctor_say(r, DOCTOR_OK, "peer_xdp", "a veth whose other end has an XDP program");
	peer_offloads(n, r);
}

void doctor_judge_nic(const struct doctor_facts *f, struct doctor_report *r)
{
	const struct doctor_nic *n = &f->nic;

	interface(n, r);
	if (n->is.loopback || !n->is.ethernet)
		return;
	xdp(n, r);
	hook(n, r);
	reverse_path(n, r);
	veth(n, r);
	queues(f, r);
	spreading(n, r);
	rings(n, r);
	interrupts(n, r);
	offloads(n, r);
}
