/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket goes from process to process while frames come in: every frame that waited, or
 * came meanwhile, comes out of the next one's rx() byte for byte, and of the UMEM's chunks
 * none is lost or had twice.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>

#include "net/pktio_xsk_adopt.h"
#include "net/pktio_xsk_io.h"
#include "netns.h"
#include "wire.h"

#define RX     (2 * FILL_MIN) /* so that some are spare, and not in the fill ring */
#define FRAMES 64	      /* for sending: few, to go round often */
#define TOTAL  (RX + FRAMES)
#define BYTES  (TOTAL / 8 + 1)

/* ---- the bed: a veth, and programs that outlive any holder of the socket -------- */

struct bed {
	struct pktio *io; /* the first to have it; NULL: a child */
	int raw;	  /* packet socket on the other end */
	int map, prog, link;
	bool generic; /* its socket takes frames larger than a chunk */
};

static struct pktio_xsk_config small_rings(void)
{
	return (struct pktio_xsk_config){
		.ifname = "xa", .mtu = 1500, .rx_frames = RX, .tx_frames = FRAMES};
}

static struct pktio_xsk_config rings_of(const struct bed *b)
{
	struct pktio_xsk_config cfg = small_rings();

	cfg.large_frames = b->generic;
	return cfg;
}

/* The kernel says no before 6.4, which is tested by itself. */
static bool before(unsigned major, unsigned minor)
{
	struct utsname u;
	unsigned a = 0, b = 0;

	uname(&u);
	return sscanf(u.release, "%u.%u", &a, &b) == 2 && (a < major || (a == major && b < minor));
}

static bool can_adopt(void)
{
	return !before(6, 4);
}

static void need_adoption(void)
{
	if (!can_adopt())
		skip();
}

static int receive_through(const struct bed *b, const struct pktio *io)
{
	uint32_t zero = 0;
	int fd = pktio_xsk_fd(io);

	return bpf_map_update_elem(b->map, &zero, &fd, 0);
}

static struct pktio *open_io(const struct bed *b, struct pktio_xsk_config cfg)
{
	struct pktio *io;
	char err[256];

	if (pktio_xsk_open(&io, &cfg, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return NULL;
	}
	if (!receive_through(b, io))
		return io;
	io->ops->close(io);
	return NULL;
}

static int make_bed(void **state, unsigned xdp_flags)
{
	struct bed *b = calloc(1, sizeof(*b));

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

static int setup(void **state)
{
	return make_bed(state, XDP_FLAGS_DRV_MODE);
}

static int setup_generic(void **state)
{
	struct bed *b;

	make_bed(state, XDP_FLAGS_SKB_MODE);
	b = *state;
	b->generic = true;
	return 0;
}

static int setup_open(void **state)
{
	struct bed *b;

	setup(state);
	b = *state;
	b->io = open_io(b, small_rings());
	return !b->io;
}

/* Frames come that no chunk holds. */
static int setup_large(void **state)
{
	struct bed *b;

	setup_generic(state);
	b = *state;
	b->io = open_io(b, rings_of(b));
	return !b->io || sh("ip link set xa mtu 9000 && ip link set xb mtu 9000");
}

static int teardown(void **state)
{
	struct bed *b = *state;

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

struct offer {
	struct pktio_xsk_state state;
	int sock_fd, area_fd;
};

static struct offer offer_of(const struct pktio *io)
{
	struct offer o;

	pktio_xsk_describe(io, &o.state, &o.sock_fd, &o.area_fd);
	o.sock_fd = dup(o.sock_fd);
	o.area_fd = dup(o.area_fd);
	return o;
}

static void offer_close(struct offer *o)
{
	close(o->sock_fd);
	close(o->area_fd);
}

static int adopt_as(struct pktio **io, struct pktio_xsk_config cfg, const struct offer *o,
		    char *err, size_t len)
{
	err[0] = '\0';
	return pktio_xsk_adopt(io, &cfg, &o->state, o->sock_fd, o->area_fd, err, len);
}

static struct pktio *adopt(const struct offer *o)
{
	struct pktio *io = NULL;
	char err[256];

	if (adopt_as(&io, small_rings(), o, err, sizeof(err)))
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

/* Of a quiet socket, all of whose frames are sent: in copy mode the kernel has none itself. */
static void assert_all_there(struct pktio *io)
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

/* ---- a process that has the socket for a while ------------------------------------ */

#define KEPT	8 /* frames that it does not release at once */
#define PARTING 3 /* frames that it leaves in the tx ring */

struct holder {
	pid_t pid;
	int ctl;
};

struct kept {
	struct pktio_frame f[KEPT];
	unsigned n;
};

static bool echo(struct pktio *io, const struct pktio_frame *in)
{
	struct pktio_frame out;

	for (unsigned i = 0; !io->ops->tx_reserve(io, &out, 1); i++) {
		if (i == patience(1000))
			return false;
		io->ops->flush(io);
		usleep(1000);
	}
	memcpy(out.data, in->data, in->len);
	out.len = in->len;
	io->ops->tx_submit(io, &out, 1);
	return true;
}

static bool echo_all(struct pktio *io, struct kept *kept)
{
	struct pktio_frame f;

	while (io->ops->rx(io, &f, 1)) {
		if (!echo(io, &f))
			return false;
		if (kept->n == KEPT) {
			io->ops->release(io, &kept->f[0], 1);
			memmove(&kept->f[0], &kept->f[1], sizeof(kept->f) - sizeof(kept->f[0]));
			kept->n--;
		}
		kept->f[kept->n++] = f;
	}
	io->ops->flush(io);
	return true;
}

static bool leave_parting(struct pktio *io)
{
	struct pktio_frame f[PARTING];

	for (unsigned i = 0; io->ops->tx_reserve(io, f, PARTING) < PARTING; i++) {
		if (i == patience(1000))
			return false;
		io->ops->flush(io);
		usleep(1000);
	}
	for (unsigned i = 0; i < PARTING; i++)
		f[i].len = (uint32_t)wire_make(f[i].data, i, 100);
	io->ops->tx_submit(io, f, PARTING);
	return true;
}

/* Answers every frame with itself, until it is told to stop; then says what it holds. */
static int hold(struct pktio *io, int ctl)
{
	struct pollfd p[] = {{.fd = ctl, .events = POLLIN},
			     {.fd = io->ops->fd(io), .events = POLLIN}};
	struct kept kept = {0};
	uint8_t bits[BYTES];
	char c;

	do {
		if (!echo_all(io, &kept))
			return 3;
		poll(p, 2, 10);
	} while (!p[0].revents);
	if (read(ctl, &c, 1) != 1 || !leave_parting(io))
		return 4;
	io->ops->release(io, kept.f, kept.n);
	if (write(ctl, "s", 1) != 1 || read(ctl, &c, 1) != 1)
		return 5;
	if (pktio_xsk_held(io, bits, sizeof(bits)) || write(ctl, bits, sizeof(bits)) < 0)
		return 6;
	if (c == 'k')
		pause();
	io->ops->close(io);
	return 0;
}

/* Everything of the parent's but the descriptors in the offer is closed. */
static int child_main(const struct bed *b, const struct offer *from, const uint8_t *bits, int ctl)
{
	struct pktio *io = from ? adopt(from) : open_io(b, rings_of(b));
	struct offer o;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!io)
		return 1;
	if (from && (receive_through(b, io) || pktio_xsk_take(io, bits, BYTES)))
		return 2;
	pktio_xsk_describe(io, &o.state, &o.sock_fd, &o.area_fd);
	if (wire_send_fds(ctl, &o.state, sizeof(o.state), o.sock_fd, o.area_fd))
		return 2;
	return hold(io, ctl);
}

/* Its own offer comes back, as descriptors of ours. `from` NULL: it opens the socket. */
static struct holder start_holder(const struct bed *b, struct offer *from, const uint8_t *bits,
				  struct offer *out)
{
	struct holder h;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	h.pid = fork();
	assert_true(h.pid >= 0);
	if (!h.pid) {
		close(pair[0]);
		_exit(child_main(b, from, bits, pair[1]));
	}
	close(pair[1]);
	h.ctl = pair[0];
	assert_int_equal(
		wire_recv_fds(h.ctl, &out->state, sizeof(out->state), &out->sock_fd, &out->area_fd),
		0);
	if (from)
		offer_close(from);
	return h;
}

static void end_holder(struct holder *h, bool by_kill)
{
	int status;

	if (by_kill)
		kill(h->pid, SIGKILL);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	assert_true(by_kill ? WIFSIGNALED(status) : WIFEXITED(status) && !WEXITSTATUS(status));
	close(h->ctl);
}

/* ---- traffic -------------------------------------------------------------------------- */

static void send_frame(const struct bed *b, unsigned i)
{
	uint8_t sent[2048];
	size_t len = wire_make(sent, i, wire_len(i));

	assert_int_equal(send(b->raw, sent, len, 0), len);
}

static void expect_frame(const struct bed *b, unsigned i, size_t len)
{
	uint8_t want[2048], got[2048];

	wire_make(want, i, len);
	assert_int_equal(recv(b->raw, got, sizeof(got), 0), len);
	assert_memory_equal(got, want, len);
}

static void round_trips(const struct bed *b, unsigned first, unsigned n, unsigned at_once)
{
	for (unsigned i = 0; i < n; i += at_once) {
		for (unsigned k = 0; k < at_once; k++)
			send_frame(b, first + i + k);
		for (unsigned k = 0; k < at_once; k++)
			expect_frame(b, first + i + k, wire_len(first + i + k));
	}
}

static void expect_parting(const struct bed *b)
{
	for (unsigned i = 0; i < PARTING; i++)
		expect_frame(b, i, 100);
}

/* ---- tests: processes ------------------------------------------------------------------- */

#define TURNS	10
#define EACH	1000
#define WAITING 20

/*
 * The frames of one turn. At its end some wait in the ring that nobody reads, and some in
 * the one that nobody kicks.
 */
static void one_turn(const struct bed *b, struct holder *h, unsigned turn, uint8_t *bits)
{
	const unsigned first = turn * EACH, seen = turn ? WAITING : 0;
	char c;

	if (turn) {
		expect_parting(b);
		for (unsigned i = 0; i < WAITING; i++)
			expect_frame(b, first + i, wire_len(first + i));
	}
	round_trips(b, first + seen, EACH - seen, 20);
	assert_int_equal(write(h->ctl, "q", 1), 1);
	assert_int_equal(read(h->ctl, &c, 1), 1);
	for (unsigned i = 0; i < WAITING; i++)
		send_frame(b, first + EACH + i);
	assert_int_equal(write(h->ctl, turn % 2 ? "k" : "x", 1), 1);
	assert_int_equal(read(h->ctl, bits, BYTES), BYTES);
	end_holder(h, turn % 2);
}

/* Native and generic XDP: the bed says which. */
static void no_frame_is_lost_on_its_way_through_processes(void **state)
{
	struct bed *b = *state;
	uint8_t bits[BYTES], got[2048], want[2048];
	struct offer o, next;
	struct pktio_frame f;
	struct holder h;

	need_adoption();
	for (unsigned turn = 0; turn < TURNS; turn++) {
		h = start_holder(b, turn ? &o : NULL, bits, &next);
		o = next;
		one_turn(b, &h, turn, bits);
	}
	b->io = adopt(&o);
	assert_non_null(b->io);
	assert_int_equal(pktio_xsk_take(b->io, bits, sizeof(bits)), 0);
	for (unsigned i = 0; i < WAITING; i++) {
		size_t len = wire_make(want, TURNS * EACH + i, wire_len(TURNS * EACH + i));

		assert_int_equal(b->io->ops->rx(b->io, &f, 1), 1);
		assert_int_equal(f.len, len);
		memcpy(got, f.data, len);
		assert_memory_equal(got, want, len);
		b->io->ops->release(b->io, &f, 1);
	}
	assert_int_equal(b->io->ops->flush(b->io), 0);
	expect_parting(b);
	assert_all_there(b->io);
	/* The kernel's multi-buffer sockets are of 6.6. */
	assert_true(!b->generic || to_xsk(b->io)->big.mem || before(6, 6));
}

/* Before it has said what it holds: nobody can know, and whoever comes opens a new socket. */
static void a_giver_that_dies_leaves_its_queue(void **state)
{
	struct bed *b = *state;
	struct holder h;
	struct offer o;
	struct pktio *io;

	need_adoption();
	h = start_holder(b, NULL, NULL, &o);
	io = adopt(&o);
	assert_non_null(io);
	round_trips(b, 0, 100, 10);
	end_holder(&h, true);
	send_frame(b, 1);
	io->ops->close(io);

	b->io = open_io(b, small_rings());
	assert_non_null(b->io);
	assert_all_there(b->io);
}

static void a_taker_that_gives_up_takes_nothing_away(void **state)
{
	struct bed *b = *state;
	struct holder h;
	struct offer o;

	need_adoption();
	h = start_holder(b, NULL, NULL, &o);
	round_trips(b, 0, 100, 10);
	for (unsigned i = 0; i < 5; i++) {
		struct offer again = {o.state, dup(o.sock_fd), dup(o.area_fd)};
		struct pktio *io = adopt(&again);

		assert_non_null(io);
		round_trips(b, i, 100, 10);
		io->ops->close(io);
		round_trips(b, i, 100, 10);
	}
	offer_close(&o);
	round_trips(b, 0, 100, 10);
	end_holder(&h, true);
}

/* ---- tests: one process ------------------------------------------------------------------ */

/* An index that has moved tells the giver that it is too late to go on. */
static void the_giver_sees_whether_it_can_go_on(void **state)
{
	struct bed *b = *state;
	struct offer o = offer_of(b->io);
	uint8_t bits[BYTES];
	struct pktio_frame f;
	struct pktio *io;

	need_adoption();
	send_frame(b, 1);
	assert_int_equal(pktio_xsk_held(b->io, bits, sizeof(bits)), 0);
	io = adopt(&o);
	assert_non_null(io);
	assert_int_equal(pktio_xsk_take(io, bits, sizeof(bits)), 0);
	assert_true(pktio_xsk_untouched(b->io));
	assert_int_equal(io->ops->rx(io, &f, 1), 1);
	assert_false(pktio_xsk_untouched(b->io));
	io->ops->release(io, &f, 1);
	assert_all_there(io);
	io->ops->close(io);
}

static bool refused(const struct offer *o, struct pktio_xsk_config cfg, int rc, const char *why)
{
	struct pktio *io = NULL;
	char err[256];
	int got = adopt_as(&io, cfg, o, err, sizeof(err));

	if (got == rc && !io && strstr(err, why) && !strncmp(err, "xa queue ", 9))
		return true;
	print_error("%d, not %d; %s\n", got, rc, err);
	return false;
}

#define REFUSED(o_, field_, value_, why_)                                                          \
	do {                                                                                       \
		struct offer bad_ = *(o_);                                                         \
                                                                                                   \
		bad_.state.field_ = (value_);                                                      \
		assert_true(refused(&bad_, small_rings(), -EINVAL, why_));                         \
	} while (0)

static void a_state_that_cannot_be_is_refused(void **state)
{
	struct bed *b = *state;
	struct offer o = offer_of(b->io), bad;

	need_adoption();
	REFUSED(&o, size, sizeof(o.state) - 4, "another version");
	REFUSED(&o, queue, 1, "another queue");
	REFUSED(&o, flags, 1u << 31, "unknown");
	REFUSED(&o, flags, PKTIO_XSK_ZEROCOPY, "mode");
	REFUSED(&o, frame_size, 0, "size");
	REFUSED(&o, frame_size, 1500, "size");
	REFUSED(&o, frame_size, 4096, "more or fewer");
	REFUSED(&o, rx_frames, 0, "numbers of frames");
	REFUSED(&o, rx_frames, 100, "numbers of frames");
	REFUSED(&o, rx_frames, 1u << 31, "numbers of frames");
	REFUSED(&o, rx_frames, 2 * RX, "more or fewer");
	REFUSED(&o, tx_frames, 0, "numbers of frames");
	REFUSED(&o, tx_frames, 2 * FRAMES, "ring");
	REFUSED(&o, tx_slots, FRAMES, "ring");
	bad = o;
	bad.state.rx_frames = FRAMES;
	bad.state.tx_frames = RX;
	bad.state.tx_slots = 2 * RX;
	assert_true(refused(&bad, small_rings(), -EINVAL, "other sizes"));
	offer_close(&o);
}

static void descriptors_of_something_else_are_refused(void **state)
{
	struct bed *b = *state;
	struct offer o = offer_of(b->io), bad;

	need_adoption();
	bad = o;
	bad.sock_fd = b->raw;
	assert_true(refused(&bad, small_rings(), -EINVAL, "AF_XDP socket"));
	bad.sock_fd = -1;
	assert_true(refused(&bad, small_rings(), -EINVAL, "AF_XDP socket"));
	bad = o;
	bad.area_fd = b->raw;
	assert_true(refused(&bad, small_rings(), -EINVAL, "of its frames"));
	bad.area_fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(bad.area_fd, (off_t)TOTAL * 2048), 0);
	assert_true(refused(&bad, small_rings(), -EINVAL, "of its frames"));
	close(bad.area_fd);
	bad = o;
	bad.sock_fd = socket(AF_XDP, SOCK_RAW, 0);
	assert_true(refused(&bad, small_rings(), -EINVAL, "") ||
		    refused(&bad, small_rings(), -EOPNOTSUPP, ""));
	close(bad.sock_fd);
	offer_close(&o);
}

static void what_the_configuration_forces_is_not_bent(void **state)
{
	struct bed *b = *state;
	struct offer o = offer_of(b->io);
	struct pktio_xsk_config cfg = small_rings();
	struct pktio *io;
	char err[256];

	need_adoption();
	cfg.mtu = 3000;
	assert_true(refused(&o, cfg, -EMSGSIZE, "MTU has grown"));
	cfg = small_rings();
	cfg.force_zerocopy = true;
	assert_true(refused(&o, cfg, -EINVAL, "zero-copy is asked for"));

	/* What is only a wish is as the giver had it. */
	cfg = small_rings();
	cfg.rx_frames = 2 * RX;
	cfg.large_frames = true;
	cfg.mtu = 1400;
	assert_int_equal(adopt_as(&io, cfg, &o, err, sizeof(err)), 0);
	assert_int_equal(io->mtu, 1400);
	assert_string_equal(io->mode, "copy");
	assert_int_equal(pktio_xsk_refusal(io), pktio_xsk_refusal(b->io));
	pktio_xsk_describe(io, &o.state, &o.sock_fd, &o.area_fd);
	assert_int_equal(o.state.rx_frames, RX);
	assert_int_equal(o.state.flags, 0);
	io->ops->close(io);
}

static void flip(uint8_t *bits, unsigned i)
{
	bits[i / 8] ^= (uint8_t)(1 << i % 8);
}

static void assert_not_taken(struct pktio *io, uint8_t *bits, unsigned i)
{
	flip(bits, i);
	assert_int_equal(pktio_xsk_take(io, bits, BYTES), -EINVAL);
	flip(bits, i);
}

/* After each refusal the right one is still taken: nothing was changed by it. */
static void a_bitmap_that_cannot_be_is_refused(void **state)
{
	struct bed *b = *state;
	struct offer o = offer_of(b->io);
	struct pktio_frame f[2];
	uint8_t bits[BYTES + 1] = {0};
	struct pktio *io;

	need_adoption();
	send_frame(b, 1);
	assert_int_equal(b->io->ops->tx_reserve(b->io, f, 2), 2);
	b->io->ops->tx_cancel(b->io, f + 1, 1);
	f[0].len = (uint32_t)wire_make(f[0].data, 0, 100);
	b->io->ops->tx_submit(b->io, f, 1);
	assert_int_equal(pktio_xsk_held_size(&o.state), BYTES);
	assert_int_equal(pktio_xsk_held(b->io, bits, BYTES - 1), -EINVAL);
	assert_int_equal(pktio_xsk_held(b->io, bits, BYTES + 1), -EINVAL);
	assert_int_equal(pktio_xsk_held(b->io, bits, BYTES), 0);

	io = adopt(&o);
	assert_non_null(io);
	assert_int_equal(pktio_xsk_take(io, bits, BYTES - 1), -EINVAL);
	assert_int_equal(pktio_xsk_take(io, bits, BYTES + 1), -EINVAL);
	assert_not_taken(io, bits, TOTAL);     /* no large frames here */
	assert_not_taken(io, bits, TOTAL + 1); /* beyond the last */
	assert_not_taken(io, bits, TOTAL + 7);
	assert_not_taken(io, bits, 0); /* in the rx ring */
	assert_not_taken(io, bits, 1); /* in the fill ring */
	if (to_xsk(io)->tx_tells)
		assert_not_taken(io, bits, (unsigned)(f[0].handle / 2048)); /* in the tx ring */
	assert_int_equal(pktio_xsk_take(b->io, bits, BYTES), -EINVAL);	    /* has its own */
	assert_int_equal(pktio_xsk_take(io, bits, BYTES), 0);
	assert_int_equal(pktio_xsk_take(io, bits, BYTES), -EINVAL); /* once */
	assert_int_equal(io->ops->flush(io), 0);
	expect_frame(b, 0, 100);
	assert_all_there(io);
	io->ops->close(io);
}

static void expect_large(struct pktio *io, unsigned i, size_t len)
{
	static uint8_t want[9000];
	struct pktio_frame f;

	wire_make(want, i, len);
	for (unsigned k = 0; !io->ops->rx(io, &f, 1); k++)
		assert_true(k < 100);
	assert_int_equal(f.len, len);
	assert_memory_equal(f.data, want, len);
	io->ops->release(io, &f, 1);
}

/* The giver has read the first part of a frame: the rest is no frame of its own. */
static void a_large_frame_half_read_is_dropped_whole(void **state)
{
	static uint8_t sent[9000];
	struct bed *b = *state;
	struct offer o = offer_of(b->io);
	struct pktio_stats before, after;
	uint8_t bits[BYTES];
	struct pktio_frame f;
	struct pktio *io;

	need_adoption();
	if (!(o.state.flags & PKTIO_XSK_LARGE))
		skip(); /* before 6.6 */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(send(b->raw, sent, wire_make(sent, i, 8000), 0), 8000);
	assert_int_equal(b->io->ops->rx(b->io, &f, 1), 0);
	assert_int_equal(pktio_xsk_held(b->io, bits, sizeof(bits)), 0);
	io = adopt(&o);
	assert_non_null(io);
	assert_int_equal(pktio_xsk_take(io, bits, sizeof(bits)), 0);
	io->ops->stats(io, &before);
	expect_large(io, 1, 8000);
	expect_large(io, 2, 8000);
	io->ops->stats(io, &after);
	assert_int_equal(after.rx_dropped - before.rx_dropped, 1);
	assert_all_there(io);
	assert_int_equal(to_xsk(io)->big.n_free, BIG_SLOTS);
	io->ops->close(io);
}

static void an_old_kernel_is_named(void **state)
{
	struct bed *b = *state;
	struct offer o = offer_of(b->io);

	if (!can_adopt())
		assert_true(refused(&o, small_rings(), -EOPNOTSUPP, "Linux 6.4"));
	offer_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_frame_is_lost_on_its_way_through_processes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(no_frame_is_lost_on_its_way_through_processes,
						setup_generic, teardown),
		cmocka_unit_test_setup_teardown(a_giver_that_dies_leaves_its_queue, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_taker_that_gives_up_takes_nothing_away, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_giver_sees_whether_it_can_go_on, setup_open,
						teardown),
		cmocka_unit_test_setup_teardown(a_state_that_cannot_be_is_refused, setup_open,
						teardown),
		cmocka_unit_test_setup_teardown(descriptors_of_something_else_are_refused,
						setup_open, teardown),
		cmocka_unit_test_setup_teardown(what_the_configuration_forces_is_not_bent,
						setup_open, teardown),
		cmocka_unit_test_setup_teardown(a_bitmap_that_cannot_be_is_refused, setup_open,
						teardown),
		cmocka_unit_test_setup_teardown(a_large_frame_half_read_is_dropped_whole,
						setup_large, teardown),
		cmocka_unit_test_setup_teardown(an_old_kernel_is_named, setup_open, teardown),
	};

	netns_private();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
