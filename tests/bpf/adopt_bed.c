/* SPDX-License-Identifier: BSD-2-Clause */
#include "adopt_bed.h"

#include <linux/if_link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>

/* ---- the bed: a veth, and programs that outlive any holder of the socket -------- */

struct pktio_xsk_config adopt_rings(void)
{
	return (struct pktio_xsk_config){
		.ifname = "xa", .mtu = 1500, .rx_frames = RX, .tx_frames = FRAMES};
}

struct pktio_xsk_config adopt_rings_of(const struct adopt_bed *b)
{
	struct pktio_xsk_config cfg = adopt_rings();

	cfg.large_frames = b->generic;
	return cfg;
}

bool kernel_before(unsigned major, unsigned minor)
{
	struct utsname u;
	unsigned a = 0, b = 0;

	uname(&u);
	return sscanf(u.release, "%u.%u", &a, &b) == 2 && (a < major || (a == major && b < minor));
}

bool can_adopt(void)
{
	return !kernel_before(6, 4);
}

void need_adoption(void)
{
	if (!can_adopt())
		skip();
}

int adopt_receive(const struct adopt_bed *b, const struct pktio *io)
{
	uint32_t zero = 0;
	int fd = pktio_xsk_fd(io);

	return bpf_map_update_elem(b->map, &zero, &fd, 0);
}

struct pktio *adopt_open(const struct adopt_bed *b, struct pktio_xsk_config cfg)
{
	struct pktio *io;
	char err[256];

	if (pktio_xsk_open(&io, &cfg, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return NULL;
	}
	if (!adopt_receive(b, io))
		return io;
	io->ops->close(io);
	return NULL;
}

static int make_bed(void **state, unsigned xdp_flags)
{
	struct adopt_bed *b = calloc(1, sizeof(*b));

	/* Without the host's own chatter, which would wait in the rings, too. */
	assert_int_equal(sh("ip link add xa type veth peer name xb; for i in xa xb; do "
			    "echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; "
			    "ip link set $i up || exit 1; done"),
			 0);
	b->map = xskmap_new(1);
	b->prog = prog_redirect(b->map);
	assert_true(b->map >= 0 && b->prog >= 0);
	b->link = xdp_link(b->prog, "xa", xdp_flags);
	assert_true(b->link >= 0);
	b->raw = wire_open("xb", patience(2000));
	assert_true(b->raw >= 0);
	*state = b;
	return 0;
}

int adopt_setup(void **state)
{
	return make_bed(state, XDP_FLAGS_DRV_MODE);
}

int adopt_setup_generic(void **state)
{
	struct adopt_bed *b;

	make_bed(state, XDP_FLAGS_SKB_MODE);
	b = *state;
	b->generic = true;
	return 0;
}

int adopt_setup_open(void **state)
{
	struct adopt_bed *b;

	adopt_setup(state);
	b = *state;
	b->io = adopt_open(b, adopt_rings());
	return !b->io;
}

int adopt_setup_large(void **state)
{
	struct adopt_bed *b;

	adopt_setup_generic(state);
	b = *state;
	b->io = adopt_open(b, adopt_rings_of(b));
	return !b->io || sh("ip link set xa mtu 9000 && ip link set xb mtu 9000");
}

int adopt_teardown(void **state)
{
	struct adopt_bed *b = *state;

	close(b->link);
	close(b->prog);
	close(b->map);
	close(b->raw);
	if (b->io)
		b->io->ops->close(b->io);
	free(b);
	return sh("ip link del xa");
}

/* ---- what goes from one to the next ---------------------------------------------- */

struct offer offer_of(const struct pktio *io)
{
	struct offer o;

	pktio_xsk_describe(io, &o.state, &o.sock_fd, &o.area_fd);
	o.sock_fd = dup(o.sock_fd);
	o.area_fd = dup(o.area_fd);
	return o;
}

void offer_close(struct offer *o)
{
	close(o->sock_fd);
	close(o->area_fd);
}

int adopt_as(struct pktio **io, struct pktio_xsk_config cfg, const struct offer *o, char *err,
	     size_t len)
{
	err[0] = '\0';
	return pktio_xsk_adopt(io, &cfg, &o->state, o->sock_fd, o->area_fd, err, len);
}

struct pktio *adopt_offer(const struct offer *o)
{
	struct pktio *io = NULL;
	char err[256];

	if (adopt_as(&io, adopt_rings(), o, err, sizeof(err)))
		fprintf(stderr, "%s\n", err);
	return io;
}

/* ---- the count ------------------------------------------------------------------------ */

struct census {
	unsigned found, twice;
	uint8_t seen[BYTES];
};

static void found(struct census *c, uint64_t addr)
{
	unsigned i = (unsigned)(addr / 2048);

	if (i >= TOTAL || (c->seen[i / 8] & 1 << i % 8)) {
		c->twice++;
		return;
	}
	c->seen[i / 8] |= (uint8_t)(1 << i % 8);
	c->found++;
}

void assert_all_there(struct pktio *io)
{
	struct xsk_io *x = to_xsk(io);
	struct pktio_frame f[FRAMES];
	struct census c = {0};
	unsigned i;

	for (i = 0; i < patience(1000); i++) {
		unsigned n = io->ops->tx_reserve(io, f, FRAMES);

		io->ops->tx_cancel(io, f, n);
		if (n == FRAMES)
			break;
		io->ops->flush(io);
		usleep(1000);
	}
	assert_int_equal(pktio_xsk_held(io, c.seen, sizeof(c.seen)), 0);
	for (i = 0; i < TOTAL; i++)
		c.found += c.seen[i / 8] >> i % 8 & 1;
	for (uint32_t k = *x->fill.consumer; k != *x->fill.producer; k++)
		found(&c, *xsk_ring_prod__fill_addr(&x->fill, k));
	for (uint32_t k = *x->rx.consumer; k != *x->rx.producer; k++)
		found(&c, xsk_ring_cons__rx_desc(&x->rx, k)->addr);
	assert_int_equal(c.twice, 0);
	assert_int_equal(c.found, TOTAL);
}

/* ---- traffic -------------------------------------------------------------------------- */

void send_frame(const struct adopt_bed *b, unsigned i)
{
	uint8_t sent[2048];
	size_t len = wire_make(sent, i, wire_len(i));

	assert_int_equal(send(b->raw, sent, len, 0), len);
}

void expect_frame(const struct adopt_bed *b, unsigned i, size_t len)
{
	uint8_t want[2048], got[2048];

	wire_make(want, i, len);
	assert_int_equal(recv(b->raw, got, sizeof(got), 0), len);
	assert_memory_equal(got, want, len);
}
