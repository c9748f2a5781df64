/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket goes from process to process while frames come in: every frame that waited, or
 * came meanwhile, comes out of the next one's rx() byte for byte, and of the UMEM's chunks
 * none is lost or had twice.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "adopt_bed.h"

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
static int child_main(const struct adopt_bed *b, const struct offer *from, const uint8_t *bits,
		      int ctl)
{
	struct pktio *io = from ? adopt_offer(from) : adopt_open(b, adopt_rings_of(b));
	struct offer o;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!io)
		return 1;
	if (from && (adopt_receive(b, io) || pktio_xsk_take(io, bits, BYTES)))
		return 2;
	pktio_xsk_describe(io, &o.state, &o.sock_fd, &o.area_fd);
	if (wire_send_fds(ctl, &o.state, sizeof(o.state), o.sock_fd, o.area_fd))
		return 2;
	return hold(io, ctl);
}

/* Its own offer comes back, as descriptors of ours. `from` NULL: it opens the socket. */
static struct holder start_holder(const struct adopt_bed *b, struct offer *from,
				  const uint8_t *bits, struct offer *out)
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

static void round_trips(const struct adopt_bed *b, unsigned first, unsigned n, unsigned at_once)
{
	for (unsigned i = 0; i < n; i += at_once) {
		for (unsigned k = 0; k < at_once; k++)
			send_frame(b, first + i + k);
		for (unsigned k = 0; k < at_once; k++)
			expect_frame(b, first + i + k, wire_len(first + i + k));
	}
}

static void expect_parting(const struct adopt_bed *b)
{
	for (unsigned i = 0; i < PARTING; i++)
		expect_frame(b, i, 100);
}

/* ---- tests ------------------------------------------------------------------- */

#define TURNS	10
#define EACH	1000
#define WAITING 20

/*
 * The frames of one turn. At its end some wait in the ring that nobody reads, and some in
 * the one that nobody kicks.
 */
static void one_turn(const struct adopt_bed *b, struct holder *h, unsigned turn, uint8_t *bits)
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
	struct adopt_bed *b = *state;
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
	b->io = adopt_offer(&o);
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
	assert_true(!b->generic || to_xsk(b->io)->big.mem || kernel_before(6, 6));
}

/* Before it has said what it holds: nobody can know, and whoever comes opens a new socket. */
static void a_giver_that_dies_leaves_its_queue(void **state)
{
	struct adopt_bed *b = *state;
	struct holder h;
	struct offer o;
	struct pktio *io;

	need_adoption();
	h = start_holder(b, NULL, NULL, &o);
	io = adopt_offer(&o);
	assert_non_null(io);
	round_trips(b, 0, 100, 10);
	end_holder(&h, true);
	send_frame(b, 1);
	io->ops->close(io);

	b->io = adopt_open(b, adopt_rings());
	assert_non_null(b->io);
	assert_all_there(b->io);
}

static void a_taker_that_gives_up_takes_nothing_away(void **state)
{
	struct adopt_bed *b = *state;
	struct holder h;
	struct offer o;

	need_adoption();
	h = start_holder(b, NULL, NULL, &o);
	round_trips(b, 0, 100, 10);
	for (unsigned i = 0; i < 5; i++) {
		struct offer again = {o.state, dup(o.sock_fd), dup(o.area_fd)};
		struct pktio *io = adopt_offer(&again);

		assert_non_null(io);
		round_trips(b, i, 100, 10);
		io->ops->close(io);
		round_trips(b, i, 100, 10);
	}
	offer_close(&o);
	round_trips(b, 0, 100, 10);
	end_holder(&h, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_frame_is_lost_on_its_way_through_processes,
						adopt_setup, adopt_teardown),
		cmocka_unit_test_setup_teardown(no_frame_is_lost_on_its_way_through_processes,
						adopt_setup_generic, adopt_teardown),
		cmocka_unit_test_setup_teardown(a_giver_that_dies_leaves_its_queue, adopt_setup,
						adopt_teardown),
		cmocka_unit_test_setup_teardown(a_taker_that_gives_up_takes_nothing_away,
						adopt_setup, adopt_teardown),
	};

	netns_private();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
