/* SPDX-License-Identifier: BSD-2-Clause */
/* The arithmetic of CUBIC: integers only, exact as far as said; for its tests. */
#ifndef WEIR_TCP_CC_CUBIC_H
#define WEIR_TCP_CC_CUBIC_H

#include <stdint.h>

/* The largest y with y^3 <= x. */
uint32_t tcp_cbrt(uint64_t x);
/* RFC 9438 figure 2: ms until W_cubic is `bytes` above where it began. */
uint32_t tcp_cubic_k(uint32_t bytes, uint32_t mss);
/* RFC 9438 figure 1: bytes, t and k in ms. */
uint32_t tcp_cubic_window(uint32_t t, uint32_t k, uint32_t w_max, uint32_t mss);

#endif
