/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of pktio_xsk_adopt.h stand on: a veth xa-xb in a namespace, a program that
 * outlives any holder of the socket, and the count of its frames.
 */
#ifndef WEIR_TEST_ADOPT_BED_H
#define WEIR_TEST_ADOPT_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pktio_xsk_adopt.h"
#include "net/pktio_xsk_io.h"
#include "netns.h"
#include "wire.h"

#define RX     (2 * FILL_MIN) /* so that some are spare, and not in the fill ring */
#define FRAMES 64	      /* for sending: few, to go round often */
#define TOTAL  (RX + FRAMES)
#define BYTES  (TOTAL / 8 + 1)

struct adopt_bed {
	struct pktio *io; /* the first to have it; NULL: a child */
	int raw;	  /* packet socket on the other end */
	int map, prog, link;
	bool generic; /* its socket takes frames larger than a chunk */
};

/* _open() opens io; _large() one for which frames come that no chunk holds. */
int adopt_setup(void **state);
int adopt_setup_generic(void **state);
int adopt_setup_open(void **state);
int adopt_setup_large(void **state);
int adopt_teardown(void **state);

struct pktio_xsk_config adopt_rings(void);
struct pktio_xsk_config adopt_rings_of(const struct adopt_bed *b);
struct pktio *adopt_open(const struct adopt_bed *b, struct pktio_xsk_config cfg);
int adopt_receive(const struct adopt_bed *b, const struct pktio *io);

/* The kernel says no before 6.4, which is tested by itself. */
bool kernel_before(unsigned major, unsigned minor);
bool can_adopt(void);
void need_adoption(void);

/* What goes from one to the next. */
struct offer {
	struct pktio_xsk_state state;
	int sock_fd, area_fd;
};

struct offer offer_of(const struct pktio *io);
void offer_close(struct offer *o);
int adopt_as(struct pktio **io, struct pktio_xsk_config cfg, const struct offer *o, char *err,
	     size_t len);
struct pktio *adopt_offer(const struct offer *o);

/* Of a quiet socket, all of whose frames are sent: in copy mode the kernel has none itself. */
void assert_all_there(struct pktio *io);

/* From the other end, and there. */
void send_frame(const struct adopt_bed *b, unsigned i);
void expect_frame(const struct adopt_bed *b, unsigned i, size_t len);

#endif
