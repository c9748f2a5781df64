/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate's program in front of the engine: loaded, not attached, at the script's
 * time, run on one frame at a time by BPF_PROG_TEST_RUN. A redirect needs a real
 * AF_XDP socket in the map: one is bound to the loopback of a private namespace and
 * never receives anything.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "../../tools/lo_socket.h"
#include "control/flowmap_bpf.h"
#include "control/gate_serve.h"
#include "engine/frame.h"
#include "pd.h"

#define FLOWS	    4096
#define XDP_LEN_MAX 3000 /* a frame that surely fits one page with its headroom */

struct pd_front {
	struct gate *gate;
	struct gate_serve serve;
	struct flowmap_bpf flows;
	struct lo_socket *socket;
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

static void *socket_thread(void *arg)
{
	int err = unshare(CLONE_NEWNET) ? -errno : loopback_up();

	return (void *)(intptr_t)(err ? err : lo_socket_open(arg));
}

/* In a thread of its own: a namespace is a thread's, and the script's stays where it was. */
static int open_socket_apart(struct pd_front *f)
{
	pthread_t t;
	void *result;
	int err = pthread_create(&t, NULL, socket_thread, &f->socket);

	if (err)
		return -err;
	pthread_join(t, &result);
	return (int)(intptr_t)result;
}

/* ---- life ------------------------------------------------------------------------ */

int front_open(struct pd *pd, char *why, size_t len)
{
	struct pd_front *f = calloc(1, sizeof(*f));
	struct weir_err e;
	int err;

	if (!f)
		return -ENOMEM;
	pd->front = f;
	err = gate_open(&f->gate, FLOWS, NULL, &e);
	if (err) {
		snprintf(why, len, "%s", e.msg);
		return err;
	}
	flowmap_bpf_init(&f->flows, f->gate->flows4_fd, f->gate->flows6_fd, f->gate->presence);
	f->serve.gate = f->gate;
	f->serve.mode = (struct service_mode){
		.mode = pd->set.mode, .syn_per_sec = SERVICE_SYN_PER_SEC, .hold_ms = 1000};
	err = open_socket_apart(f);
	if (!err)
		err = gate_bind(f->gate, 0, lo_socket_fd(f->socket));
	if (err)
		snprintf(why, len, "the gate cannot be run: %s", strerror(-err));
	return err;
}

void front_close(struct pd_front *f)
{
	if (!f)
		return;
	lo_socket_close(f->socket);
	gate_close(f->gate);
	free(f);
}

struct flowmap *front_flowmap(struct pd_front *f)
{
	return &f->flows.map;
}

struct gate *front_gate(struct pd_front *f)
{
	return f->gate;
}

struct gate_serve *front_serve(struct pd_front *f)
{
	return &f->serve;
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
	err = bpf_prog_test_run_opts(f->gate->prog_fd, &o);
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
