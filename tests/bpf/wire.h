/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of a protocol that nobody else speaks, on one end of a veth; and descriptors sent. */
#ifndef WEIR_TEST_WIRE_H
#define WEIR_TEST_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* A packet socket for such frames alone; recv() waits no longer than that. -1: none. */
int wire_open(const char *ifname, unsigned timeout_ms);

/* Frame i of that length, 14 at least; its length as one of all sizes up to an MTU of 1500. */
size_t wire_make(uint8_t *buf, unsigned i, size_t len);
size_t wire_len(unsigned i);

/* A message with two descriptors. 0 or -1. */
int wire_send_fds(int to, const void *msg, size_t len, int a, int b);
int wire_recv_fds(int from, void *msg, size_t len, int *a, int *b);

#endif
