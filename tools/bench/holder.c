// SPDX-License-Identifier: BSD-2-Clause
/*
 * holder: a client that holds a million TCP connections in nine bytes each.
 *
 * It has no TCP: it says what a correct client says on a path that loses nothing, and
 * says it again when no answer comes. A connection is its next two sequence numbers and
 * what it waits for; addresses and ports follow from its number. Frames go through a
 * packet socket of the client's end, whose own stack does not know the addresses and
 * keeps silent. What it is told on stdin, one command a line, it answers on stdout, one
 * JSON object a line:
 *
 *     open N W           further connections up to N, W at a time, each with one request
 *     requests N W       N requests, W at a time, each to a connection drawn at random
 *     close N            four waves, for the last N of those that are open
 *
 * A request is REQUEST bytes that an echo service sends back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <weir/csum.h>
#include <weir/seq.h>

#define CONNS_MAX   (1U << 24)
#define PORT_FIRST  1024
#define PORTS	    60000 /* of each address */
#define REQUEST	    64
#define HEADERS	    (14 + 20 + 20)
#define FRAME_MAX   2048
#define BATCH	    64
#define WINDOW	    512 /* connections that close at once */
#define WINDOW_MAX  4096
#define AGAIN_US    300000
#define TRIES	    20
#define LATENCY_MAX 200000 /* us; what took longer is counted there */

enum stage { NEW, SYN_SENT, ASKED, IDLE, CLOSING, CLOSED };

struct conn {
	uint32_t snd, rcv; /* the next of ours, the next of theirs */
};

/* One that waits for an answer. */
struct wait {
	uint32_t conn;
	uint32_t tries;
	uint64_t since_us, sent_us;
};

static struct holder {
	int fd;
	struct conn *conns;
	uint8_t *stage;
	uint32_t opened;
	uint32_t first_addr, server;
	uint16_t port;
	uint8_t mac[6], server_mac[6];

	struct wait wait[WINDOW_MAX];
	uint32_t waiting;
	uint64_t done, again, resets;
	uint32_t *latency;
	uint64_t rng;

	uint8_t out[BATCH][FRAME_MAX];
	struct iovec out_iov[BATCH];
	struct mmsghdr out_msg[BATCH];
	unsigned nout;
	uint8_t in[BATCH][FRAME_MAX];
	struct iovec in_iov[BATCH];
	struct mmsghdr in_msg[BATCH];
} h;

static void die(const char *what)
{
	fprintf(stderr, "holder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint32_t draw(uint32_t below)
{
	h.rng ^= h.rng >> 12;
	h.rng ^= h.rng << 25;
	h.rng ^= h.rng >> 27;
	return (uint32_t)(((h.rng * 0x2545f4914f6cdd1dULL) >> 32) * below >> 32);
}

/* ---- frames out --------------------------------------------------------------------- */

static void flush(void)
{
	unsigned sent = 0;

	while (sent < h.nout) {
		int n = sendmmsg(h.fd, h.out_msg + sent, h.nout - sent, 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			die("sending");
		sent += n > 0 ? (unsigned)n : 0;
	}
	h.nout = 0;
}

/* All requests are of one size, so their bytes are the connection's number, repeated. */
static void put_request(uint8_t *p, uint32_t conn)
{
	for (int i = 0; i < REQUEST; i += 4)
		memcpy(p + i, &conn, 4);
}

static void put_headers(uint8_t *f, uint32_t conn, uint8_t flags, size_t tcp_len)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(20 + tcp_len)),
		.frag_off = htons(IP_DF),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = htonl(h.first_addr + conn / PORTS),
		.daddr = h.server,
	};
	struct tcphdr tcp = {
		.source = htons((uint16_t)(PORT_FIRST + conn % PORTS)),
		.dest = h.port,
		.seq = htonl(h.conns[conn].snd),
		.ack_seq = flags & TH_ACK ? htonl(h.conns[conn].rcv) : 0,
		.doff = flags & TH_SYN ? 8 : 5,
		.window = htons(64240),
	};

	memcpy(f, h.server_mac, 6);
	memcpy(f + 6, h.mac, 6);
	f[12] = 8, f[13] = 0;
	ip.check = (uint16_t)~weir_csum_fold(weir_csum_bytes(&ip, 20, 0));
	memcpy(f + 14, &ip, 20);
	memcpy(f + 34, &tcp, 20);
	f[47] = flags;
}

static void put_checksum(uint8_t *f, size_t tcp_len)
{
	uint64_t sum =
		weir_csum_bytes(f + 26, 8, 0) + htons(IPPROTO_TCP) + htons((uint16_t)tcp_len);
	uint16_t sum16 = (uint16_t)~weir_csum_fold(weir_csum_bytes(f + 34, tcp_len, sum));

	memcpy(f + 50, &sum16, 2);
}

/* MSS 1460, SACK permitted, window scale 7: Linux's options but for timestamps. */
static const uint8_t syn_options[12] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};

static void send_segment(uint32_t conn, uint8_t flags, bool request)
{
	size_t options = flags & TH_SYN ? sizeof(syn_options) : 0;
	size_t tcp_len = 20 + options + (request ? REQUEST : 0);
	uint8_t *f = h.out[h.nout];

	put_headers(f, conn, flags, tcp_len);
	memcpy(f + HEADERS, syn_options, options);
	if (request)
		put_request(f + HEADERS, conn);
	put_checksum(f, tcp_len);
	h.out_iov[h.nout].iov_len = 34 + tcp_len;
	if (++h.nout == BATCH)
		flush();
}

/* What a connection in its stage says, and says again. */
static void say(uint32_t conn)
{
	switch (h.stage[conn]) {
	case SYN_SENT:
		send_segment(conn, TH_SYN, false);
		break;
	case ASKED:
		send_segment(conn, TH_ACK | TH_PUSH, true);
		break;
	case CLOSING:
		send_segment(conn, TH_ACK | TH_FIN, false);
		break;
	}
}

static void start(uint32_t conn, enum stage stage)
{
	uint64_t now = now_us();

	h.stage[conn] = (uint8_t)stage;
	h.wait[h.waiting++] = (struct wait){.conn = conn, .since_us = now, .sent_us = now};
	say(conn);
}

/* ---- frames in ----------------------------------------------------------------------- */

static void finish(uint32_t conn, enum stage stage)
{
	h.stage[conn] = (uint8_t)stage;
	for (uint32_t i = 0; i < h.waiting; i++) {
		uint64_t took;

		if (h.wait[i].conn != conn)
			continue;
		took = now_us() - h.wait[i].since_us;
		h.latency[took < LATENCY_MAX ? took : LATENCY_MAX]++;
		h.wait[i] = h.wait[--h.waiting];
		h.done++;
		return;
	}
}

static void answered(uint32_t conn, const struct tcphdr *t, const uint8_t *data, size_t len)
{
	struct conn *c = &h.conns[conn];
	uint8_t want[REQUEST];

	if (h.stage[conn] == SYN_SENT && t->syn && t->ack && ntohl(t->ack_seq) == c->snd + 1) {
		c->snd++;
		c->rcv = ntohl(t->seq) + 1;
		send_segment(conn, TH_ACK, false);
		h.stage[conn] = ASKED;
		say(conn);
	} else if (h.stage[conn] == ASKED && len == REQUEST && ntohl(t->seq) == c->rcv) {
		put_request(want, conn);
		if (memcmp(want, data, REQUEST)) {
			fprintf(stderr, "holder: connection %u: a wrong answer\n", conn);
			exit(1);
		}
		c->snd += REQUEST;
		c->rcv += REQUEST;
		send_segment(conn, TH_ACK, false);
		finish(conn, IDLE);
	} else if (h.stage[conn] == CLOSING && t->fin && ntohl(t->seq) == c->rcv) {
		c->snd++;
		c->rcv++;
		send_segment(conn, TH_ACK, false);
		finish(conn, CLOSED);
	} else if (seq_lt(ntohl(t->seq), c->rcv) && len) {
		send_segment(conn, TH_ACK, false); /* it came again: our ACK was lost */
	}
}

static void take(const uint8_t *f, size_t len)
{
	struct iphdr ip;
	struct tcphdr t;
	uint32_t conn, at, end;

	if (len < HEADERS || f[12] != 8 || f[13] != 0)
		return;
	memcpy(&ip, f + 14, sizeof(ip));
	memcpy(&t, f + 34, sizeof(t));
	if (ip.protocol != IPPROTO_TCP || ip.ihl != 5 || ip.saddr != h.server || t.source != h.port)
		return;
	conn = (ntohl(ip.daddr) - h.first_addr) * PORTS + ntohs(t.dest) - PORT_FIRST;
	if (conn >= CONNS_MAX)
		return;
	at = 34U + t.doff * 4U;
	end = 14U + ntohs(ip.tot_len);
	if (at < HEADERS || end < at || end > len)
		return;
	if (t.rst) {
		h.resets++;
		h.stage[conn] = CLOSED;
		return;
	}
	answered(conn, &t, f + at, end - at);
}

static unsigned receive(void)
{
	int n = recvmmsg(h.fd, h.in_msg, BATCH, MSG_DONTWAIT, NULL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("receiving");
	for (int i = 0; i < n; i++)
		take(h.in[i], h.in_msg[i].msg_len);
	return n > 0 ? (unsigned)n : 0;
}

/* Says again what was not answered; gives up on what never is. */
static void say_again(uint64_t now)
{
	for (uint32_t i = 0; i < h.waiting; i++) {
		struct wait *w = &h.wait[i];

		if (now - w->sent_us < AGAIN_US)
			continue;
		if (h.stage[w->conn] == CLOSED || ++w->tries > TRIES) {
			fprintf(stderr, "holder: connection %u: %s\n", w->conn,
				h.stage[w->conn] == CLOSED ? "was reset" : "no answer");
			exit(1);
		}
		w->sent_us = now;
		h.again++;
		say(w->conn);
	}
}

static void turn(void)
{
	struct pollfd p = {.fd = h.fd, .events = POLLIN};
	static uint64_t looked;
	uint64_t now;

	flush();
	if (!receive()) {
		poll(&p, 1, 10);
		receive();
	}
	now = now_us();
	if (now - looked > AGAIN_US / 4) {
		say_again(now);
		looked = now;
	}
}

/* ---- commands ------------------------------------------------------------------------- */

static uint32_t quantile(double q)
{
	uint64_t n = 0, want = (uint64_t)(q * (double)h.done);
	uint32_t us = 0;

	for (; us < LATENCY_MAX; us++) {
		n += h.latency[us];
		if (n > want)
			break;
	}
	return us;
}

static void begin(void)
{
	h.done = h.again = 0;
	memset(h.latency, 0, (LATENCY_MAX + 1) * sizeof(*h.latency));
}

static void report(const char *what, uint64_t since)
{
	double s = (double)(now_us() - since) / 1e6;

	flush();
	printf("{\"%s\": %llu, \"seconds\": %.6f, \"per_s\": %.1f, \"again\": %llu, \"resets\": "
	       "%llu, "
	       "\"p50_us\": %u, \"p99_us\": %u}\n",
	       what, (unsigned long long)h.done, s, s > 0 ? (double)h.done / s : 0,
	       (unsigned long long)h.again, (unsigned long long)h.resets, quantile(0.5),
	       quantile(0.99));
	fflush(stdout);
}

static void cmd_open(uint32_t to, uint32_t window)
{
	uint64_t since = now_us();

	begin();
	while (h.opened < to || h.waiting) {
		for (; h.opened < to && h.waiting < window; h.opened++) {
			h.conns[h.opened].snd = draw(UINT32_MAX);
			start(h.opened, SYN_SENT);
		}
		turn();
	}
	report("opened", since);
}

static void cmd_requests(uint64_t n, uint32_t window)
{
	uint64_t since = now_us(), asked = 0;

	begin();
	while (asked < n || h.waiting) {
		while (asked < n && h.waiting < window) {
			uint32_t conn = draw(h.opened);

			if (h.stage[conn] != IDLE)
				break; /* it is being asked: another draw in the next turn */
			start(conn, ASKED);
			asked++;
		}
		turn();
	}
	report("requests", since);
}

static void cmd_close(uint32_t n)
{
	uint64_t since = now_us();

	begin();
	while (n || h.waiting) {
		for (; n && h.opened && h.waiting < WINDOW; n--)
			start(--h.opened, CLOSING);
		n = h.opened ? n : 0;
		turn();
	}
	report("closed", since);
}

static int obey(const char *line)
{
	unsigned long long n = 0;
	unsigned w = 0;

	if (sscanf(line, "open %llu %u", &n, &w) == 2 && n <= CONNS_MAX && w && w <= WINDOW_MAX)
		cmd_open((uint32_t)n, w);
	else if (sscanf(line, "requests %llu %u", &n, &w) == 2 && h.opened && w && w <= WINDOW_MAX)
		cmd_requests(n, w);
	else if (sscanf(line, "close %llu", &n) == 1)
		cmd_close((uint32_t)n);
	else
		return -EINVAL;
	return 0;
}

/* ---- setting up ------------------------------------------------------------------------ */

static void open_socket(const char *iface)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	struct ifreq ifr = {0};
	int one = 1, room = 64 << 20;

	/* Bound before it receives anything: no protocol until then. */
	h.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (h.fd < 0)
		die("a packet socket");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", iface);
	if (ioctl(h.fd, SIOCGIFHWADDR, &ifr))
		die(iface);
	memcpy(h.mac, ifr.ifr_hwaddr.sa_data, 6);
	if (setsockopt(h.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(h.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(h.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		die("its options");
	sll.sll_ifindex = (int)if_nametoindex(iface);
	if (bind(h.fd, (const struct sockaddr *)&sll, sizeof(sll)))
		die("binding it");
}

static void make_room(void)
{
	h.conns = calloc(CONNS_MAX, sizeof(*h.conns));
	h.stage = calloc(CONNS_MAX, 1);
	h.latency = calloc(LATENCY_MAX + 1, sizeof(*h.latency));
	if (!h.conns || !h.stage || !h.latency)
		die("memory");
	for (int i = 0; i < BATCH; i++) {
		h.out_iov[i].iov_base = h.out[i];
		h.out_msg[i].msg_hdr = (struct msghdr){.msg_iov = &h.out_iov[i], .msg_iovlen = 1};
		h.in_iov[i] = (struct iovec){.iov_base = h.in[i], .iov_len = FRAME_MAX};
		h.in_msg[i].msg_hdr = (struct msghdr){.msg_iov = &h.in_iov[i], .msg_iovlen = 1};
	}
}

int main(int argc, char **argv)
{
	unsigned m[6];
	char line[128];

	if (argc != 6 || inet_pton(AF_INET, argv[2], &h.server) != 1 ||
	    sscanf(argv[4], "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6 ||
	    inet_pton(AF_INET, argv[5], &h.first_addr) != 1) {
		fprintf(stderr, "usage: holder IFACE SERVER PORT SERVER-MAC FIRST-SOURCE\n");
		return 2;
	}
	h.port = htons((uint16_t)atoi(argv[3]));
	h.first_addr = ntohl(h.first_addr);
	for (int i = 0; i < 6; i++)
		h.server_mac[i] = (uint8_t)m[i];
	h.rng = now_us() | 1;
	open_socket(argv[1]);
	make_room();
	while (fgets(line, sizeof(line), stdin)) {
		if (obey(line)) {
			fprintf(stderr, "holder: cannot do: %s", line);
			return 2;
		}
	}
	return 0;
}
