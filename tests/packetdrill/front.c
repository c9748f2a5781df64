/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate's program in front of the engine: loaded, not attached, at the script's
 * time, run on one frame at a time by BPF_PROG_TEST_RUN. A redirect needs a real
 * AF_XDP socket in the map: one is bound to the loopback of a private namespace and
 * never receives anything.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <xdp/xsk.h>

#include "control/flowmap_bpf.h"
#include "engine/frame.h"
#include "pd.h"
#include "weir.skel.h"

#define FLOWS	    4096
#define FRAMES	    16
#define FRAME_SIZE  2048
#define XDP_LEN_MAX 3000 /* a frame that surely fits one page with its headroom */

struct pd_front {
	struct weir_bpf *skel;
	struct flowmap_bpf flows;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	void *area;
	/* libxdp keeps pointers to them */
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp, rx;
	uint16_t wildcards[65536]; /* any-address services by port */
};

/* ---- the socket ---------------------------------------------------------------- */

static int loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int open_socket(struct pd_front *f)
{
	const struct xsk_umem_config ucfg = {
		.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = FRAME_SIZE};
	const struct xsk_socket_config scfg = {
		.rx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY,
	};
	size_t size = FRAMES * FRAME_SIZE;
	int err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	err = loopback_up();
	if (err)
		return err;
	f->area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->area == MAP_FAILED) {
		f->area = NULL;
		return -errno;
	}
	err = xsk_umem__create(&f->umem, f->area, size, &f->fill, &f->comp, &ucfg);
	if (err)
		return err;
	return xsk_socket__create(&f->xsk, "lo", 0, f->umem, &f->rx, NULL, &scfg);
}

static void *socket_thread(void *arg)
{
	return (void *)(intptr_t)open_socket(arg);
}

/* In a thread of its own: a namespace is a thread's, and the script's stays where it was. */
static int open_socket_apart(struct pd_front *f)
{
	pthread_t t;
	void *result;
	int err = pthread_create(&t, NULL, socket_thread, f);

	if (err)
		return -err;
	pthread_join(t, &result);
	return (int)(intptr_t)result;
}

/* ---- life ------------------------------------------------------------------------ */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int load(struct pd_front *f)
{
	uint32_t queue = 0;
	int err, fd;

	libbpf_set_print(quiet);
	f->skel = weir_bpf__open();
	if (!f->skel)
		return errno ? -errno : -ENOMEM;
	bpf_map__set_max_entries(f->skel->maps.flows4, FLOWS);
	bpf_map__set_max_entries(f->skel->maps.flows6, FLOWS);
	err = weir_bpf__load(f->skel);
	if (err)
		return err;
	flowmap_bpf_init(&f->flows, bpf_map__fd(f->skel->maps.flows4),
			 bpf_map__fd(f->skel->maps.flows6), f->skel->bss->weir_presence);
	err = open_socket_apart(f);
	if (err)
		return err;
	fd = xsk_socket__fd(f->xsk);
	return bpf_map_update_elem(bpf_map__fd(f->skel->maps.xsks), &queue, &fd, 0);
}

int front_open(struct pd *pd, char *why, size_t len)
{
	struct pd_front *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	pd->front = f;
	err = load(f);
	if (err)
		snprintf(why, len, "the gate cannot be loaded and run: %s%s", strerror(-err),
			 err == -EPERM ? " (needs root)" : "");
	return err;
}

void front_close(struct pd_front *f)
{
	if (!f)
		return;
	if (f->xsk)
		xsk_socket__delete(f->xsk);
	if (f->umem)
		xsk_umem__delete(f->umem);
	if (f->area)
		munmap(f->area, FRAMES * FRAME_SIZE);
	weir_bpf__destroy(f->skel);
	free(f);
}

struct flowmap *front_flowmap(struct pd_front *f)
{
	return &f->flows.map;
}

struct weir_gate_config *front_config(struct pd_front *f)
{
	return &f->skel->bss->weir_cfg;
}

uint64_t *front_heartbeat(struct pd_front *f)
{
	return (uint64_t *)f->skel->bss->weir_heartbeat;
}

/* ---- services ------------------------------------------------------------------------ */

static bool is_wildcard(const struct weir_addr *a)
{
	static const uint8_t none[16];

	return !a->family || !memcmp(a->addr, none, a->family == 4 ? 4 : 16);
}

static void service_key(struct weir_service_key *k, const struct weir_addr *a)
{
	memset(k, 0, sizeof(*k));
	if (a->family == 6) {
		memcpy(k->addr, a->addr, 16);
	} else {
		k->addr[2] = htonl(0xffff);
		memcpy(&k->addr[3], a->addr, 4);
	}
	k->port = htons(a->port);
}

static int free_service(const struct pd_front *f, uint32_t *id)
{
	for (*id = 0; *id < WEIR_MAX_SERVICES; ++*id) {
		if (!f->skel->bss->weir_services[*id].in_use)
			return 0;
	}
	return -ENOSPC;
}

int front_serve(struct pd_front *f, const struct weir_addr *a, enum weir_mode mode)
{
	uint16_t *port = &f->skel->bss->weir_ports[a->port];
	struct weir_service_key key;
	uint32_t id;
	int err;

	/* The gate knows one wildcard for both families; the engine knows better. */
	if (is_wildcard(a) && f->wildcards[a->port]++)
		return 0;
	err = free_service(f, &id);
	if (err)
		return err;
	f->skel->bss->weir_services[id] = (struct weir_service){
		.in_use = 1, .mode = mode, .syn_per_sec = 1000, .hold_ms = 1000};
	if (is_wildcard(a)) {
		*port |= (uint16_t)(id + 1);
		return 0;
	}
	service_key(&key, a);
	*port |= WEIR_PORT_ADDRESSED;
	return bpf_map_update_elem(bpf_map__fd(f->skel->maps.services), &key, &id, 0);
}

/*
 * Flows outlive their service, so the port stays one to look at; what comes to it
 * without a flow passes, and is answered as by a host.
 */
void front_unserve(struct pd_front *f, const struct weir_addr *a)
{
	uint16_t *port = &f->skel->bss->weir_ports[a->port];
	struct weir_service_key key;
	uint32_t id;

	if (is_wildcard(a)) {
		if (--f->wildcards[a->port])
			return;
		f->skel->bss->weir_services[(*port & WEIR_PORT_ID_MASK) - 1].in_use = 0;
		*port = (uint16_t)((*port & ~WEIR_PORT_ID_MASK) | WEIR_PORT_ACTIVE);
		return;
	}
	service_key(&key, a);
	if (bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.services), &key, &id))
		return;
	bpf_map_delete_elem(bpf_map__fd(f->skel->maps.services), &key);
	f->skel->bss->weir_services[id].in_use = 0;
}

void front_active(struct pd_front *f, uint16_t port, bool on)
{
	if (on)
		f->skel->bss->weir_ports[port] |= WEIR_PORT_ACTIVE;
	else
		f->skel->bss->weir_ports[port] &= (uint16_t)~WEIR_PORT_ACTIVE;
}

/* ---- frames ------------------------------------------------------------------------------ */

/* What passes the gate meets a host without sockets: CLOSED (RFC 9293 3.10.7.1). */
static void host_answers(struct pd *pd, const struct wire_frame *in)
{
	struct wire_frame *out;
	uint8_t seg[60];
	struct rx_pkt p;
	struct l2 l2;
	size_t len;

	if (rx_pkt_parse(&p, in->data, in->len, false))
		return;
	len = tcp_reset_for(&p.seg, frame_pseudo(&p.v.tuple), seg);
	out = len ? malloc(sizeof(*out) + FRAME_HDRS_MAX + len) : NULL;
	if (!out)
		return;
	l2_reply(&l2, &p);
	out->len = (uint32_t)frame_headers(out->data, &l2, &p.v.tuple, len, 0);
	memcpy(out->data + out->len - len, seg, len);
	wire_emit(&pd->wire, out);
}

/* The program may lengthen the frame; what it made of it replaces it. */
static int run_program(struct pd_front *f, struct wire_frame **frame)
{
	struct wire_frame *in = *frame, *out = malloc(sizeof(*out) + in->len + 256);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in->data, .data_size_in = in->len,
		    .data_size_out = in->len + 256, .repeat = 1);
	int err;

	if (!out)
		return -ENOMEM;
	o.data_out = out->data;
	err = bpf_prog_test_run_opts(bpf_program__fd(f->skel->progs.weir_gate), &o);
	if (err) {
		free(out);
		return err;
	}
	out->len = o.data_size_out;
	*frame = out;
	free(in);
	return (int)o.retval;
}

void front_frame(struct pd *pd, struct wire_frame *frame)
{
	int act = frame->len > XDP_LEN_MAX ? -EMSGSIZE : run_program(pd->front, &frame);

	switch (act) {
	case XDP_TX:
		wire_emit(&pd->wire, frame);
		return;
	case XDP_REDIRECT:
		wire_deliver(&pd->wire, frame);
		return;
	case XDP_PASS:
		host_answers(pd, frame);
		break;
	case XDP_DROP:
		break;
	default:
		fprintf(stderr, "weir: a frame of %u bytes could not be run through the gate\n",
			frame->len);
	}
	free(frame);
}
