/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives the packetdrill adapter as packetdrill does: through the table that the
 * shared object fills in. For tests where that tool is not at hand.
 */
#ifndef WEIR_TEST_PD_DRIVER_H
#define WEIR_TEST_PD_DRIVER_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "frame.h"
#include "../packetdrill/interface.h"

struct pd_drive {
	struct pd_interface i;
	struct frame client; /* the next frame of the client: addresses, ports, seq, ack */
	int family;
	/* the last segment that left */
	uint8_t packet[65536];
	long long time_us;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t window;
	size_t len; /* of its data */
	const uint8_t *data;
};

/* The table's functions without their first argument. */
#define PD(d, call, ...) (d)->i.call((d)->i.self, ##__VA_ARGS__)

void pd_open(struct pd_drive *d, const char *flags, int family);
void pd_close(struct pd_drive *d);
long long pd_now(struct pd_drive *d);
int pd_listen(struct pd_drive *d); /* a listening descriptor at the client's server port */

void pd_in(struct pd_drive *d, uint8_t flags, const char *data);
/* The next segment; nothing is due: false. */
bool pd_take(struct pd_drive *d);
#define pd_out(d, f, n) pd_out_(d, f, n, __FILE__, __LINE__)
/* It has these flags (PSH aside) and this much data, and acknowledges all that the client sent. */
void pd_out_(struct pd_drive *d, uint8_t flags, size_t len, const char *file, int line);
/* SYN, SYN-ACK, ACK */
void pd_handshake(struct pd_drive *d);

/* What both ways through the adapter must do alike. */
void pd_serves(const char *flags, int family);
void pd_blocks(const char *flags, int family);
void pd_resets(const char *flags, int family);
void pd_connects(const char *flags, int family);

#endif
