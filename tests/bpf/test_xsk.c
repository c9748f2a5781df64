/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktio_xsk over a veth pair: frames sent with a packet socket on the one end
 * come out of rx() on the other byte for byte, and what tx_submit() is given
 * arrives the other way; far more frames than the rings hold, so that every
 * chunk has gone round several times.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <linux/if_link.h>

#include "net/pktio_xsk.h"
#include "netns.h"

#define OUR_PROTO 0x88b5 /* local experimental, so that nobody else answers */
#define FRAMES	  64	 /* per direction: small, to go round often */
#define DEEP	  256

struct bed {
	struct pktio *io;
	int raw; /* packet socket on the other end */
	int map, prog, link;
};

static struct pktio_xsk_config small_rings(const char *ifname)
{
	return (struct pktio_xsk_config){
		.ifname = ifname, .mtu = 1500, .rx_frames = FRAMES, .tx_frames = FRAMES};
}

static int packet_socket(const char *ifname)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(OUR_PROTO),
				  .sll_ifindex = (int)if_nametoindex(ifname)};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(OUR_PROTO)), room = 16 << 20;

	assert_true(fd >= 0);
	/* What the device has sent is lost here alone, and that is not asked. */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	return fd;
}

static int make_bed(void **state, struct pktio_xsk_config cfg, unsigned xdp_flags)
{
	struct bed *b = calloc(1, sizeof(*b));
	uint32_t zero = 0;
	char err[256] = "";
	int fd;

	assert_int_equal(sh("ip link add xa type veth peer name xb && ip link set xa up && "
			    "ip link set xb up"),
			 0);
	if (pktio_xsk_open(&b->io, &cfg, err, sizeof(err)))
		fail_msg("%s", err);
	b->map = xskmap_new(1);
	b->prog = prog_redirect(b->map);
	assert_true(b->map >= 0 && b->prog >= 0);
	fd = pktio_xsk_fd(b->io);
	assert_int_equal(bpf_map_update_elem(b->map, &zero, &fd, 0), 0);
	b->link = xdp_link(b->prog, "xa", xdp_flags);
	assert_true(b->link >= 0);
	b->raw = packet_socket("xb");
	*state = b;
	return 0;
}

static int setup(void **state)
{
	return make_bed(state, small_rings("xa"), XDP_FLAGS_DRV_MODE);
}

/* Several times what one system call sends, before 6.17. */
static int setup_deep(void **state)
{
	struct pktio_xsk_config cfg = small_rings("xa");

	cfg.tx_frames = DEEP;
	return make_bed(state, cfg, XDP_FLAGS_DRV_MODE);
}

/* The MTU grows under the socket, so that frames come that no chunk of it holds. */
static int setup_large(void **state)
{
	struct pktio_xsk_config cfg = small_rings("xa");

	cfg.large_frames = true;
	cfg.rx_frames = 4 * FRAMES;
	return make_bed(state, cfg, XDP_FLAGS_SKB_MODE) ||
	       sh("ip link set xa mtu 16000 && ip link set xb mtu 16000");
}

static int teardown(void **state)
{
	struct bed *b = *state;

	close(b->link);
	close(b->prog);
	close(b->map);
	close(b->raw);
	b->io->ops->close(b->io);
	free(b);
	return sh("ip link del xa");
}

static size_t make_sized(uint8_t *buf, unsigned i, size_t len)
{
	size_t k;

	memset(buf, 0xff, 6);
	memset(buf + 6, 0x02, 6);
	buf[12] = OUR_PROTO >> 8;
	buf[13] = OUR_PROTO & 0xff;
	for (k = 14; k < len; k++)
		buf[k] = (uint8_t)(i + k);
	return len;
}

static size_t make_frame(uint8_t *buf, unsigned i)
{
	return make_sized(buf, i, 60 + (i * 37) % (ETH_FRAME_LEN - 60 + 1));
}

/* The next frame of our protocol from rx(), copied; other frames are released. */
static size_t next_rx(struct pktio *io, uint8_t *buf)
{
	struct pollfd pfd = {.fd = io->ops->fd(io), .events = POLLIN};
	struct pktio_frame f;

	while (poll(&pfd, 1, (int)patience(1000)) > 0) {
		while (io->ops->rx(io, &f, 1)) {
			size_t len = f.len;

			memcpy(buf, f.data, len);
			io->ops->release(io, &f, 1);
			if (len > 14 && buf[12] == OUR_PROTO >> 8 && buf[13] == (OUR_PROTO & 0xff))
				return len;
		}
	}
	return 0;
}

static void frames_come_in_whole(void **state)
{
	struct bed *b = *state;
	uint8_t sent[2048], got[4096];
	struct pktio_stats st;
	unsigned i;

	for (i = 0; i < 10 * FRAMES; i++) {
		size_t len = make_frame(sent, i);

		assert_int_equal(send(b->raw, sent, len, 0), len);
		assert_int_equal(next_rx(b->io, got), len);
		assert_memory_equal(got, sent, len);
	}
	b->io->ops->stats(b->io, &st);
	assert_true(st.rx_frames >= 10 * FRAMES);
	assert_int_equal(st.rx_dropped, 0);
}

/* More frames than there are chunks: the surplus is counted, then all goes on. */
static void a_burst_beyond_the_rings_is_counted(void **state)
{
	struct bed *b = *state;
	struct pktio_frame f[PKTIO_BATCH];
	uint8_t sent[2048], got[4096];
	struct pktio_stats st;
	unsigned i, n, seen = 0;
	size_t len;

	for (i = 0; i < 3 * FRAMES; i++) {
		len = make_frame(sent, i);
		assert_int_equal(send(b->raw, sent, len, 0), len);
	}
	usleep(100000);
	while ((n = b->io->ops->rx(b->io, f, PKTIO_BATCH))) {
		b->io->ops->release(b->io, f, n);
		seen += n;
	}
	assert_in_range(seen, FRAMES / 2, FRAMES);
	b->io->ops->stats(b->io, &st);
	assert_true(st.rx_dropped + st.rx_ring_full + st.rx_fill_empty > 0);

	len = make_frame(sent, 7);
	assert_int_equal(send(b->raw, sent, len, 0), len);
	assert_int_equal(next_rx(b->io, got), len);
	assert_memory_equal(got, sent, len);
}

/* The kernel's multi-buffer sockets; pktio does without where there are none. */
static void need_multi_buffer(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	    (major < 6 || (major == 6 && minor < 6)))
		skip();
}

static void large_frames_come_in_whole(void **state)
{
	static const size_t sizes[] = {60, 1700, 1792, 1793, 3584, 3585, 9000, 60, 15900, 1514};
	struct bed *b = *state;
	static uint8_t sent[16384], got[16384];
	unsigned i;

	need_multi_buffer();
	for (i = 0; i < 400; i++) {
		size_t len = make_sized(sent, i, sizes[i % 10]);

		assert_int_equal(send(b->raw, sent, len, 0), len);
		assert_int_equal(next_rx(b->io, got), len);
		assert_memory_equal(got, sent, len);
	}
}

/* The host's own multicast chatter is in between. */
static unsigned count_sized(const struct pktio_frame *f, unsigned n, uint32_t len)
{
	unsigned i, found = 0;

	for (i = 0; i < n; i++)
		found += f[i].len == len;
	return found;
}

/* More of them than there are slots wait in the ring until a slot is released. */
static void large_frames_wait_for_a_slot(void **state)
{
	struct bed *b = *state;
	static struct pktio_frame f[100];
	static uint8_t sent[8192];
	unsigned i, n, total, seen = 0;

	need_multi_buffer();
	for (i = 0; i < 40; i++)
		assert_int_equal(send(b->raw, sent, make_sized(sent, i, 3000), 0), 3000);
	usleep(100000);
	for (total = 0; (n = b->io->ops->rx(b->io, f + total, 100 - total)); total += n)
		;
	assert_int_equal(count_sized(f, total, 3000), 32);
	b->io->ops->release(b->io, f, total);
	n = b->io->ops->rx(b->io, f, 100);
	assert_int_equal(count_sized(f, n, 3000), 8);
	for (i = 0; i < n; i++) {
		if (f[i].len == 3000 && f[i].data[12] == OUR_PROTO >> 8) {
			make_sized(sent, 32 + seen++, 3000);
			assert_memory_equal(f[i].data, sent, 3000);
		}
	}
	b->io->ops->release(b->io, f, n);
}

static void frames_go_out_whole(void **state)
{
	struct bed *b = *state;
	uint8_t want[2048], got[4096];
	unsigned i, k, n, done = 0;

	for (i = 0; i < 20; i++) {
		struct pktio_frame f[32];

		n = b->io->ops->tx_reserve(b->io, f, 32);
		assert_int_equal(n, 32);
		for (k = 0; k < n; k++) {
			assert_true(f[k].cap >= ETH_FRAME_LEN);
			f[k].len = (uint32_t)make_frame(f[k].data, done + k);
		}
		b->io->ops->tx_submit(b->io, f, n);
		assert_int_equal(b->io->ops->flush(b->io), 0);
		for (k = 0; k < n; k++, done++) {
			size_t len = make_frame(want, done);

			assert_int_equal(recv(b->raw, got, sizeof(got), 0), len);
			assert_memory_equal(got, want, len);
		}
	}
}

/* What has come to the other end, and was ours. */
static unsigned drained(struct bed *b)
{
	uint8_t got[4096];
	unsigned n = 0;

	while (recv(b->raw, got, sizeof(got), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/*
 * Before 6.17 a call sends some thirty frames, and the ring tells of them only when it is
 * empty: completions come first. Nothing that was reserved may find the ring full.
 */
static void all_that_is_reserved_is_sent(void **state)
{
	struct bed *b = *state;
	struct pktio_frame f[DEEP];
	struct pktio_stats st;
	unsigned i, k, n, sent = 0, came = 0;

	for (i = 0; i < 40; i++) {
		n = b->io->ops->tx_reserve(b->io, f, i % 2 ? DEEP / 3 : DEEP);
		for (k = 0; k < n; k++)
			f[k].len = (uint32_t)make_sized(f[k].data, sent + k, 60);
		b->io->ops->tx_submit(b->io, f, n);
		sent += n;
		b->io->ops->flush(b->io);
		came += drained(b);
	}
	for (i = 0; i < patience(100) && came < sent; i++) {
		b->io->ops->flush(b->io);
		usleep(1000);
		came += drained(b);
	}
	b->io->ops->stats(b->io, &st);
	assert_int_equal(st.tx_invalid_descs, 0);
	assert_int_equal(came, sent);
	assert_int_equal(b->io->ops->tx_reserve(b->io, f, DEEP), DEEP);
	b->io->ops->tx_cancel(b->io, f, DEEP);
}

static void reserve_gives_no_more_than_there_is(void **state)
{
	struct bed *b = *state;
	struct pktio_frame f[2 * FRAMES], g;
	struct pktio_stats st;
	unsigned n, round;

	for (round = 0; round < 3; round++) {
		n = b->io->ops->tx_reserve(b->io, f, 2 * FRAMES);
		assert_int_equal(n, FRAMES);
		assert_int_equal(b->io->ops->tx_reserve(b->io, &g, 1), 0);
		b->io->ops->tx_cancel(b->io, f, n);
	}
	/* Empty and oversized frames are refused, counted, and not lost. */
	n = b->io->ops->tx_reserve(b->io, f, FRAMES);
	f[1].len = f[1].cap + 1;
	b->io->ops->tx_submit(b->io, f, n);
	assert_int_equal(b->io->ops->flush(b->io), 0);
	b->io->ops->stats(b->io, &st);
	assert_int_equal(st.tx_invalid_descs, FRAMES);
	assert_int_equal(st.tx_frames, 0);
	assert_int_equal(b->io->ops->tx_reserve(b->io, f, FRAMES), FRAMES);
	b->io->ops->tx_cancel(b->io, f, FRAMES);
}

static void errors_are_for_the_operator(void **state)
{
	struct bed *b = *state;
	struct pktio_xsk_config cfg = small_rings("xa");
	struct pktio *io = NULL;
	char err[256];

	assert_string_equal(b->io->mode, "copy"); /* all that veth can do */
	assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), -EBUSY);
	assert_non_null(strstr(err, "another AF_XDP socket"));
	cfg.ifname = "nosuch0";
	assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), -ENODEV);
	cfg.ifname = "xb";
	cfg.queue = 63;
	assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), -EINVAL);
	cfg.queue = 0;
	cfg.mtu = 9000;
	assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), -EMSGSIZE);
	cfg.mtu = 3000;
	cfg.rx_frames = 100;
	assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), -EINVAL);
	assert_null(io);
}

/* The frames are in a file: beyond the limit of those, writing would be a signal. */
static void a_limit_on_files_is_named(void **state)
{
	struct pktio_xsk_config cfg = small_rings("xb");
	struct rlimit was, low;
	struct pktio *io = NULL;
	char err[256];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	low = was;
	low.rlim_cur = 2 * FRAMES * 2048 - 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), -EFBIG);
	assert_non_null(strstr(err, "ulimit -f"));
	low.rlim_cur++;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	io->ops->close(io);
}

/* The queue is free again as soon as the socket is closed. */
static void a_closed_socket_frees_its_queue(void **state)
{
	struct pktio_xsk_config cfg = small_rings("xb");
	struct pktio *io;
	char err[256];
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		assert_int_equal(pktio_xsk_open(&io, &cfg, err, sizeof(err)), 0);
		io->ops->close(io);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_come_in_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_burst_beyond_the_rings_is_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(large_frames_come_in_whole, setup_large, teardown),
		cmocka_unit_test_setup_teardown(large_frames_wait_for_a_slot, setup_large,
						teardown),
		cmocka_unit_test_setup_teardown(frames_go_out_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(all_that_is_reserved_is_sent, setup_deep, teardown),
		cmocka_unit_test_setup_teardown(reserve_gives_no_more_than_there_is, setup,
						teardown),
		cmocka_unit_test_setup_teardown(errors_are_for_the_operator, setup, teardown),
		cmocka_unit_test_setup_teardown(a_limit_on_files_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_closed_socket_frees_its_queue, setup, teardown),
	};

	netns_private();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
