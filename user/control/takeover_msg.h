/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What two weirs say to each other while one hands over to the other (takeover.h), on a
 * connection to the control socket that began with {"cmd":"handover"}:
 *
 *     taker                                giver
 *             ◄── OFFER  descriptors        what it is, the hook, the flow tables
 *             ◄── QUEUE  descriptors        one for each queue
 *             ◄── OFFERED                   …it serves on
 *     GO ──►                                stops its workers, may have to close its sockets
 *             ◄── LEGACY                    tuples that were had, as many messages as it takes
 *             ◄── HELD                      the frames in its hands, one for each queue
 *             ◄── STOPPED                   clock and keys; it touches nothing any more
 *     TAKEN ──►                             from now on the rings are the taker's
 *     DONE ──►                              ends
 *
 *             ◄── BACK                      in place of what is due: it serves on itself, and
 *                                           reads no more
 *
 * A message is a head and so many bytes of plain data: both ends are the same machine's, and
 * of the same version where TAKEOVER_ABI says so. What comes is a stranger's all the same:
 * lengths and numbers of descriptors are held to what the receiver can take.
 */
#ifndef WEIR_CONTROL_TAKEOVER_MSG_H
#define WEIR_CONTROL_TAKEOVER_MSG_H

#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>
#include "net/pktio_xsk_adopt.h"

/*
 * Raised with every change of what is shared: the messages, struct engine_legacy, the flow
 * tables' keys and values, presence cells, cookies, the gate's clock and keys.
 */
#define TAKEOVER_ABI 1

#define TAKEOVER_DATA_MAX 65536
#define TAKEOVER_FDS_MAX  8

enum takeover_type {
	TAKEOVER_OFFER = 1,
	TAKEOVER_QUEUE,
	TAKEOVER_OFFERED,
	TAKEOVER_GO,
	TAKEOVER_LEGACY,
	TAKEOVER_HELD,
	TAKEOVER_STOPPED,
	TAKEOVER_TAKEN,
	TAKEOVER_DONE,
	TAKEOVER_BACK,
	TAKEOVER_TYPES
};

/* Descriptors of an offer, those of its `has`, in this order. */
enum takeover_fd {
	TAKEOVER_FD_FLOWS4,
	TAKEOVER_FD_FLOWS6,
	TAKEOVER_FD_BSS,
	TAKEOVER_FD_CTL,     /* the control socket's listener */
	TAKEOVER_FD_LINK,    /* not of a dispatcher */
	TAKEOVER_FD_METRICS, /* their listener, at `metrics` */
	TAKEOVER_FD_PIN_DIR, /* where the link is pinned, by `pin_name` */
	TAKEOVER_FDS
};
_Static_assert(TAKEOVER_FDS <= TAKEOVER_FDS_MAX, "in one message");

/* Texts end with a NUL. */
struct takeover_offer {
	uint32_t size; /* of the struct */
	uint32_t has;  /* bits of enum takeover_fd */
	char version[32], iface[16];
	uint64_t netns; /* the inode */
	uint32_t pid, ifindex, queues, workers, flows;
	uint32_t mtu; /* that of its buffers */
	uint8_t generic, shared, keys_shared, key_wscale;
	uint32_t key_mtu;
	uint32_t counts;   /* which of weir_sources[] flows are counted in: 1, 2; 0: none */
	uint64_t bss_off;  /* of the presence cells */
	uint32_t bss_bias; /* in each of them */
	uint64_t tick_ns, base_mono_ns; /* struct clock_sync */
	struct weir_gate_clock clock;
	char metrics[112], pin_name[48];
};

/* GO */
struct takeover_terms {
	uint32_t anew; /* the taker cannot have the sockets: close them, it opens its own */
};

/* With the socket and the memory of its frames. */
struct takeover_queue {
	uint32_t queue, pad;
	struct pktio_xsk_state state;
};

/* And the bitmap. */
struct takeover_held {
	uint32_t queue, pad;
};

struct takeover_stopped {
	struct weir_gate_clock clock;
	struct weir_keyring keys;
	uint64_t rotate_at_us;
	uint64_t conns; /* that were reset */
	uint64_t flows; /* in the tables */
};

struct takeover_msg {
	uint16_t type;
	uint16_t nfds;
	uint32_t len;
	int fd[TAKEOVER_FDS_MAX]; /* the receiver's to close; -1 beyond nfds, and once taken */
	_Alignas(8) uint8_t data[TAKEOVER_DATA_MAX];
};

struct takeover_out {
	enum takeover_type type;
	const void *data, *more; /* `more` follows `data` */
	size_t len, more_len;
	const int *fd;
	unsigned nfds;
};

/*
 * Whole, within timeout_ms (0: at once). 0, -EAGAIN (no room in time), -EPIPE and others:
 * the connection is of no more use.
 */
int takeover_send(int sock, const struct takeover_out *out, int timeout_ms);
int takeover_say(int sock, enum takeover_type type, int timeout_ms);

/*
 * One, whole, within timeout_ms. 0, and its descriptors are the caller's; else they are
 * closed: -ETIMEDOUT, -ECONNRESET (nobody is there any more), -EPROTO (not such a message).
 */
int takeover_recv(int sock, struct takeover_msg *m, int timeout_ms);
/* Closes the descriptors that are left in it. */
void takeover_msg_close(struct takeover_msg *m);

#endif
