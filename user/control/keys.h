/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cookie's keys: random ones made at start, or those of a file that several
 * nodes share, so that each can finish a handshake another began. The file
 * therefore also fixes whatever else a validator needs:
 *
 *     weir-key 1
 *     key 8f0e1d2c3b4a5968 0123456789abcdef	SipHash k0, k1: hexadecimal
 *     mtu 1500					the MSS classes are this MTU's
 *     wscale 7					our window scale, 0-14
 *
 * in this order, comments (#) and empty lines apart. Only its owner may be able
 * to read or write it (mode 0600 or 0400).
 *
 * Rotation: of the two slots of struct weir_keyring the older is out of use once
 * the epoch before the current one is not before the last switch. A rotation
 * fills that slot and names an epoch in the future from which it holds; cookies
 * of earlier epochs keep their key, so nobody is refused.
 */
#ifndef WEIR_CONTROL_KEYS_H
#define WEIR_CONTROL_KEYS_H

#include <stdint.h>

#include <weir/abi.h>
#include "control/err.h"

struct key_params {
	uint64_t key[2];
	uint32_t mtu;
	uint8_t wscale;
};

/* A fresh key; mtu and wscale are left alone. 0 or -errno. */
int keys_random(struct key_params *k);
int keys_load(struct key_params *k, const char *path, struct weir_err *err);

/* Before attaching: every epoch has this key. */
void keys_init(struct weir_keyring *ring, const struct key_params *k, uint32_t epoch);

/*
 * Live. Switches to `k` two epochs from now; -EAGAIN while the last switch is
 * less than an epoch past.
 */
int keys_rotate(struct weir_keyring *ring, const struct key_params *k, uint32_t epoch);

#endif
