/* SPDX-License-Identifier: BSD-2-Clause */
/* Handing a socket over within one process: what is refused, and what the giver sees. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "adopt_bed.h"

/* An index that has moved tells the giver that it is too late to go on. */
static void the_giver_sees_whether_it_can_go_on(void **state)
{
	struct adopt_bed *b = *state;
	struct offer o = offer_of(b->io);
	uint8_t bits[BYTES];
	struct pktio_frame f;
	struct pktio *io;

	need_adoption();
	send_frame(b, 1);
	assert_int_equal(pktio_xsk_held(b->io, bits, sizeof(bits)), 0);
	io = adopt_offer(&o);
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
		assert_true(refused(&bad_, adopt_rings(), -EINVAL, why_));                         \
	} while (0)

static void a_state_that_cannot_be_is_refused(void **state)
{
	struct adopt_bed *b = *state;
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
	assert_true(refused(&bad, adopt_rings(), -EINVAL, "other sizes"));
	offer_close(&o);
}

static void descriptors_of_something_else_are_refused(void **state)
{
	struct adopt_bed *b = *state;
	struct offer o = offer_of(b->io), bad;

	need_adoption();
	bad = o;
	bad.sock_fd = b->raw;
	assert_true(refused(&bad, adopt_rings(), -EINVAL, "AF_XDP socket"));
	bad.sock_fd = -1;
	assert_true(refused(&bad, adopt_rings(), -EINVAL, "AF_XDP socket"));
	bad = o;
	bad.area_fd = b->raw;
	assert_true(refused(&bad, adopt_rings(), -EINVAL, "of its frames"));
	bad.area_fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(bad.area_fd, (off_t)TOTAL * 2048), 0);
	assert_true(refused(&bad, adopt_rings(), -EINVAL, "of its frames"));
	close(bad.area_fd);
	bad = o;
	bad.sock_fd = socket(AF_XDP, SOCK_RAW, 0);
	assert_true(refused(&bad, adopt_rings(), -EINVAL, "") ||
		    refused(&bad, adopt_rings(), -EOPNOTSUPP, ""));
	close(bad.sock_fd);
	offer_close(&o);
}

static void what_the_configuration_forces_is_not_bent(void **state)
{
	struct adopt_bed *b = *state;
	struct offer o = offer_of(b->io);
	struct pktio_xsk_config cfg = adopt_rings();
	struct pktio *io;
	char err[256];

	need_adoption();
	cfg.mtu = 3000;
	assert_true(refused(&o, cfg, -EMSGSIZE, "MTU has grown"));
	cfg = adopt_rings();
	cfg.force_zerocopy = true;
	assert_true(refused(&o, cfg, -EINVAL, "zero-copy is asked for"));

	/* What is only a wish is as the giver had it. */
	cfg = adopt_rings();
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
	struct adopt_bed *b = *state;
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

	io = adopt_offer(&o);
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
	struct adopt_bed *b = *state;
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
	io = adopt_offer(&o);
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
	struct adopt_bed *b = *state;
	struct offer o = offer_of(b->io);

	if (!can_adopt())
		assert_true(refused(&o, adopt_rings(), -EOPNOTSUPP, "Linux 6.4"));
	offer_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_giver_sees_whether_it_can_go_on,
						adopt_setup_open, adopt_teardown),
		cmocka_unit_test_setup_teardown(a_state_that_cannot_be_is_refused, adopt_setup_open,
						adopt_teardown),
		cmocka_unit_test_setup_teardown(descriptors_of_something_else_are_refused,
						adopt_setup_open, adopt_teardown),
		cmocka_unit_test_setup_teardown(what_the_configuration_forces_is_not_bent,
						adopt_setup_open, adopt_teardown),
		cmocka_unit_test_setup_teardown(a_bitmap_that_cannot_be_is_refused,
						adopt_setup_open, adopt_teardown),
		cmocka_unit_test_setup_teardown(a_large_frame_half_read_is_dropped_whole,
						adopt_setup_large, adopt_teardown),
		cmocka_unit_test_setup_teardown(an_old_kernel_is_named, adopt_setup_open,
						adopt_teardown),
	};

	netns_private();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
